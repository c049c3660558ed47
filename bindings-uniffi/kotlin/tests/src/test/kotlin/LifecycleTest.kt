import io.tidelock.ClosedException
import io.tidelock.Codec
import io.tidelock.ErrorKind
import io.tidelock.NetworkException
import io.tidelock.NotFoundException
import io.tidelock.Options
import io.tidelock.Secret
import io.tidelock.SignedUrl
import io.tidelock.TidelockException
import io.tidelock.TimeoutException
import io.tidelock.Vault
import io.tidelock.internal.errorKinds
import java.net.InetAddress
import java.net.ServerSocket
import kotlin.concurrent.thread
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.measureTime
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.toList

/** Opening, closing, cancelling, and what is thrown. */
class LifecycleTest {
    @Test
    fun `every kind of error has its exception, in order`() {
        assertEquals(errorKinds(), ErrorKind.entries)
        val classes = ErrorKind.entries.map { kind ->
            val name = kind.name.lowercase().split('_').joinToString("") { it.replaceFirstChar(Char::uppercase) }
            Class.forName("io.tidelock.${name}Exception")
        }
        assertEquals(TidelockException::class.java.permitted(), classes.map { it.simpleName }.toSet())
    }

    @Test
    fun `an error says what failed, on what, and what to do`() = within {
        val local = folder()
        val failure = assertFailsWith<NotFoundException> { Vault.open(Options("s3://bucket/prefix", local)) }
        assertEquals(ErrorKind.NOT_FOUND, failure.kind)
        assertTrue(local.toString() in checkNotNull(failure.objectName))
        assertEquals("create a vault, or join one", failure.nextStep)
        assertFalse(failure.retryable)
    }

    @Test
    fun `cancelling a sync closes its connection within 100 ms`() = within {
        val options = Server.embedded.options("cancel")
        Vault.create(options).vault.close()
        StallingServer().use { stalling ->
            val vault = Vault.open(Options("s3://tidelock/kotlin/cancel?endpoint=${stalling.endpoint}", options.local) {
                credentials = options.credentials
            })
            val sync = async(Dispatchers.Default) { vault.sync() }
            stalling.connections[0].first.await()
            val time = measureTime {
                sync.cancelAndJoin()
                stalling.connections[0].second.await()
            }
            assertTrue(time < 100.milliseconds, "it took $time")
            assertFailsWith<CancellationException> { sync.await() }

            val late = assertFailsWith<TimeoutException> { vault.syncOnce(200.milliseconds) }
            assertTrue(late.retryable)

            // Closing ends what runs, and every later call.
            val running = async(Dispatchers.Default) { runCatching { vault.sync() } }
            stalling.connections[2].first.await()
            vault.close()
            assertTrue(running.await().exceptionOrNull() is ClosedException)
            assertFailsWith<ClosedException> { vault.status() }
            assertFailsWith<ClosedException> { vault.collection("notes", Codec.Text).live().toList() }
            vault.close()
        }
    }

    @Test
    fun `a server that is not there is a network error`() = within {
        val port = ServerSocket(0, 1, InetAddress.getLoopbackAddress()).use { it.localPort }
        val options = Options("s3://tidelock/none?endpoint=http://127.0.0.1:$port", folder()) {
            credentials = Server.embedded.options("none").credentials
            retries = 0
        }
        val failure = assertFailsWith<NetworkException> { Vault.create(options) }
        assertTrue(failure.retryable, "$failure")
    }

    @Test
    fun `a signer's answer that leads elsewhere is refused, and its failure is the error`() = within {
        val refusing = Server.embedded.options("presign").apply { presign = { throw IllegalStateException("not today") } }
        val refused = assertFailsWith<TidelockException> { Vault.create(refusing) }
        assertEquals(ErrorKind.AUTH, refused.kind)
        assertTrue("not today" in checkNotNull(refused.message), "$refused")

        var asked = 0
        val wrong = Server.embedded.options("presign").apply {
            presign = { request ->
                asked += 1
                SignedUrl(request.url.replace("127.0.0.1", "127.0.0.2") + "?X-Amz-Signature=00", listOf(), 60u)
            }
        }
        assertEquals(ErrorKind.AUTH, assertFailsWith<TidelockException> { Vault.create(wrong) }.kind)
        assertTrue(asked > 0)
    }

    @Test
    fun `no secret is printed`() {
        val options = Server.embedded.options("printed")
        val shown = listOf(Secret.Passphrase("correct horse"), Secret.Recovery("tide-lock"), options).joinToString()
        assertFalse("horse" in shown || "tide-lock" in shown || "loopback" in shown, shown)
    }
}

private fun Class<*>.permitted() = permittedSubclasses.map { it.simpleName }.toSet()

/** Takes connections and requests, and answers none. */
private class StallingServer : AutoCloseable {
    private val socket = ServerSocket(0, 50, InetAddress.getLoopbackAddress())
    val endpoint = "http://127.0.0.1:${socket.localPort}"

    /** Whether a connection brought a request, and was closed by the client afterwards; of each, in order. */
    val connections = List(3) { CompletableDeferred<Unit>() to CompletableDeferred<Unit>() }

    init {
        connections.forEach { (asked, closed) ->
            thread(isDaemon = true) {
                runCatching {
                    socket.accept().use { connection ->
                        check(connection.getInputStream().read() >= 0)
                        asked.complete(Unit)
                        while (runCatching { connection.getInputStream().read() }.getOrDefault(-1) >= 0) Unit
                        closed.complete(Unit)
                    }
                }
            }
        }
    }

    override fun close() = socket.close()
}
