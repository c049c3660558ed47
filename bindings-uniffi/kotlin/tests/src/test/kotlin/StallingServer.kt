import io.tidelock.Options
import io.tidelock.Transport
import io.tidelock.Vault
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import kotlin.concurrent.thread
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.channels.Channel

/** A vault whose store has stopped answering. */
suspend fun onStallingServer(
    store: String,
    transport: Transport = Transport.default,
    test: suspend (StallingServer, Vault) -> Unit,
) {
    val options = Server.embedded.options(store)
    Vault.create(options).vault.close()
    StallingServer().use { stalling ->
        val moved = Options(options.store.replace(Server.embedded.endpoint, stalling.endpoint), options.local) {
            credentials = options.credentials
            this.transport = transport
        }
        Vault.open(moved).use { vault -> test(stalling, vault) }
    }
}

/** Takes connections and requests, and answers none. */
class StallingServer : AutoCloseable {
    /** A connection that brought a request. */
    class Connection {
        /** Completed when the client closes it. */
        val closed = CompletableDeferred<Unit>()
    }

    private val socket = ServerSocket(0, 50, InetAddress.getLoopbackAddress())
    val endpoint = "http://127.0.0.1:${socket.localPort}"
    val connections = Channel<Connection>(Channel.UNLIMITED)

    init {
        thread(isDaemon = true) {
            while (true) {
                val accepted = runCatching { socket.accept() }.getOrNull() ?: return@thread
                thread(isDaemon = true) { accepted.use(::stall) }
            }
        }
    }

    private fun stall(accepted: Socket) {
        val input = accepted.getInputStream()
        val connection = Connection()
        if (input.read() >= 0) connections.trySend(connection)
        while (runCatching { input.read() }.getOrDefault(-1) >= 0) Unit
        connection.closed.complete(Unit)
    }

    override fun close() = socket.close()
}
