import io.tidelock.ClosedException
import io.tidelock.Codec
import io.tidelock.CredentialSource
import io.tidelock.Credentials
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
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.withTimeout

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
        onStallingServer("cancel") { stalling, vault ->
            // The quickest of five, for a machine may be busy. Nothing but the cancelling closes: a request may take 30 s.
            val times = List(5) {
                val sync = async(Dispatchers.Default) { vault.sync() }
                val connection = stalling.connections.receive()
                val time = measureTime {
                    sync.cancelAndJoin()
                    connection.closed.await()
                }
                assertFailsWith<CancellationException> { sync.await() }
                time
            }
            assertTrue(times.min() < 100.milliseconds, "they took $times")
        }
    }

    @Test
    fun `a sync that is not done by its deadline closes its connection`() = within {
        onStallingServer("deadline") { stalling, vault ->
            val late = async { assertFailsWith<TimeoutException> { vault.syncOnce(200.milliseconds) } }
            stalling.connections.receive().closed.await()
            assertTrue(late.await().retryable)
        }
    }

    @Test
    fun `closing ends what runs and every later call`() = within {
        onStallingServer("close") { stalling, vault ->
            val running = async(Dispatchers.Default) { runCatching { vault.sync() } }
            val connection = stalling.connections.receive()
            vault.close()
            assertTrue(running.await().exceptionOrNull() is ClosedException)
            connection.closed.await()
            assertFailsWith<ClosedException> { vault.status() }
            assertFailsWith<ClosedException> { vault.collection("notes", Codec.Text).live().toList() }
            assertFailsWith<ClosedException> { vault.exportArchive(folder().resolve("archive")) }
            assertEquals(listOf(), vault.watch().toList())
            vault.close()
        }
    }

    @Test
    fun `a watching device publishes soon what is written right after a sync`() = within {
        Vault.create(Server.embedded.options("watching")).vault.use { vault ->
            // By the pace alone it would be 30 s at least, beyond what a test may take.
            val reports = vault.watch().onEach { vault.collection("notes", Codec.Text).put("tea", "green") }.take(2).toList()
            assertEquals(1, reports.last().getOrThrow().opsPublished)
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
                SignedUrl(request.url.replace("127.0.0.1", "127.0.0.2") + "?X-Amz-Signature=00", expires = 60.seconds)
            }
        }
        assertEquals(ErrorKind.AUTH, assertFailsWith<TidelockException> { Vault.create(wrong) }.kind)
        assertTrue(asked > 0)
    }

    @Test
    fun `an application's function that times out ends the operation, and hangs nothing`() = within {
        suspend fun never(): Nothing = withTimeout(20.milliseconds) { awaitCancellation() }
        val unsigned = Server.embedded.options("timeouts").apply { presign = { never() }; retries = 1 }
        assertTrue(assertFailsWith<NetworkException> { Vault.create(unsigned) }.retryable)
        val keyless = Server.embedded.options("timeouts").apply { credentials = CredentialSource { never() }; retries = 1 }
        assertTrue(assertFailsWith<NetworkException> { Vault.create(keyless) }.retryable)
    }

    @Test
    fun `no secret is printed`() {
        val options = Server.embedded.options("printed")
        val signed = SignedUrl("https://bucket.example/key?X-Amz-Signature=00")
        val keys = Credentials("name", "the secret key")
        val shown = listOf(Secret.Passphrase("a secret"), Secret.Recovery("a secret"), options, signed, keys).joinToString()
        assertFalse("a secret" in shown || "the secret key" in shown || "loopback" in shown || "Signature" in shown, shown)
    }
}

private fun Class<*>.permitted() = permittedSubclasses.map { it.simpleName }.toSet()
