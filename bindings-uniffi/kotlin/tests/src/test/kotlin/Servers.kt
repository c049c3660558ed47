import io.tidelock.CredentialSource
import io.tidelock.Options
import java.nio.file.Files
import java.nio.file.Path
import java.util.UUID
import kotlin.io.path.Path
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.DynamicTest

/** A real S3 server with an empty bucket `tidelock`; every store is a prefix of its own. */
class Server(val name: String, val endpoint: String, private val keys: CredentialSource) {
    fun options(store: String, local: Path = folder()) = Options(uri(store), local) { credentials = keys }

    fun uri(store: String) = "s3://tidelock/${prefix(store)}?endpoint=$endpoint&region=us-east-1&path_style=true"

    companion object {
        // Servers may outlive one run of the tests.
        private val run = UUID.randomUUID()

        /** Where a store's objects are in the bucket. */
        fun prefix(store: String) = "$run/$store"

        val embeddedKeys = CredentialSource.of("tidelock", "for-loopback-alone")

        /** The servers of `cargo xtask servers`, and the command's own. */
        val all: List<Server> by lazy {
            listOf("versitygw", "minio").map { name ->
                val variable = "TIDELOCK_TEST_${name.uppercase()}"
                val endpoint = checkNotNull(System.getenv(variable)) { "$variable is not set: run `cargo xtask test kotlin`" }
                Server(name, endpoint, CredentialSource.Environment)
            } + embedded
        }

        /** The folder that [embedded] shows as its bucket. */
        val embeddedBucket: Path by lazy { Files.createDirectory(folder().resolve("tidelock")) }

        /** `tidelock serve`, ended with this JVM. */
        val embedded: Server by lazy {
            val program = Path(checkNotNull(System.getenv("CARGO_TARGET_DIR"))).resolve("debug/tidelock").toString()
            val builder = ProcessBuilder(program, "serve", embeddedBucket.parent.toString(), "--port", "0")
            builder.environment() += mapOf("AWS_ACCESS_KEY_ID" to "tidelock", "AWS_SECRET_ACCESS_KEY" to "for-loopback-alone")
            val process = builder.redirectError(ProcessBuilder.Redirect.DISCARD).start()
            Runtime.getRuntime().addShutdownHook(Thread { process.destroyForcibly() })
            val endpoint = process.inputReader().readLine().removePrefix("endpoint=")
            Server("tidelock serve", endpoint, embeddedKeys)
        }
    }
}

fun folder(): Path = Files.createTempDirectory("tidelock").also { it.toFile().deleteOnExit() }

/** One test a server, each within half a minute. */
fun onEachServer(test: suspend CoroutineScope.(Server) -> Unit): List<DynamicTest> =
    Server.all.map { server -> DynamicTest.dynamicTest(server.name) { within { test(server) } } }

fun within(test: suspend CoroutineScope.() -> Unit) = runBlocking { withTimeout(30.seconds) { test() } }
