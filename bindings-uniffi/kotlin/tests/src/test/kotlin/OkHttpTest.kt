import com.sun.net.httpserver.HttpServer
import io.tidelock.AlreadyExistsException
import io.tidelock.Codec
import io.tidelock.NetworkException
import io.tidelock.Options
import io.tidelock.Secret
import io.tidelock.Transport
import io.tidelock.Vault
import io.tidelock.okhttp.OkHttpTransport
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.ServerSocket
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.measureTime
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import org.junit.jupiter.api.TestFactory

/** The second transport does what the first one does. */
class OkHttpTest {
    private val okHttp = OkHttpTransport()

    @TestFactory
    fun `devices converge`() = onEachServer { server ->
        val (a, code) = Vault.create(server.options("okhttp").apply { transport = okHttp })
        a.collection("notes", Codec.Text).put("tea", "green")
        assertTrue(a.sync().opsPublished >= 1)
        // The other device has the JDK's: both write the same bucket.
        val b = Vault.join(server.options("okhttp"), Secret.Recovery(code.reveal()))
        b.collection("notes", Codec.Text).put("milk", "oat")
        b.sync()
        a.sync()
        assertEquals("oat", a.collection("notes", Codec.Text).get("milk"))
        assertEquals("green", b.collection("notes", Codec.Text).get("tea"))
        a.close()
        b.close()
    }

    @Test
    fun `cancelling a sync closes its connection within 100 ms`() = within {
        onStallingServer("okhttp cancel", okHttp) { stalling, vault ->
            val times = List(5) {
                val sync = async(Dispatchers.Default) { vault.sync() }
                val connection = stalling.connections.receive()
                measureTime {
                    sync.cancelAndJoin()
                    connection.closed.await()
                }
            }
            assertTrue(times.min() < 100.milliseconds, "they took $times")
        }
    }

    @Test
    fun `a server that is not there is a network error`() = within {
        val port = ServerSocket(0, 1, InetAddress.getLoopbackAddress()).use { it.localPort }
        assertFailsWith<NetworkException> { Vault.create(unreachable("http://127.0.0.1:$port")) }
    }

    @Test
    fun `an answer without an end is read no further than its bound`() = within {
        val endless = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)
        endless.createContext("/") { exchange ->
            exchange.sendResponseHeaders(200, 0)
            runCatching { while (true) exchange.responseBody.write(ByteArray(1 shl 20)) }
        }
        endless.start()
        try {
            for (transport in listOf(okHttp, Transport.default)) {
                val options = unreachable("http://127.0.0.1:${endless.address.port}").apply { this.transport = transport }
                // A header beyond its bound is a damaged one. Read to its end, it would never be one.
                assertFailsWith<AlreadyExistsException> { Vault.create(options) }
            }
        } finally {
            endless.stop(0)
        }
    }

    private fun unreachable(endpoint: String) = Options("s3://tidelock/none?endpoint=$endpoint", folder()) {
        credentials = Server.embeddedKeys
        transport = okHttp
        retries = 0
    }
}
