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
class Server(val name: String, val endpoint: String, val accessKey: String, val secretKey: String) {
    private val keys = CredentialSource.of(accessKey, secretKey)

    fun options(store: String, local: Path = folder()) = Options(uri(store), local) { credentials = keys }

    fun uri(store: String) = "s3://tidelock/${prefix(store)}?endpoint=$endpoint&region=us-east-1&path_style=true"

    companion object {
        // Servers may outlive one run of the tests.
        private val run = UUID.randomUUID()

        /** Where a store's objects are in the bucket. */
        fun prefix(store: String) = "$run/$store"

        private const val EMBEDDED_ACCESS_KEY = "tidelock"
        private const val EMBEDDED_SECRET_KEY = "for-loopback-alone"
        val embeddedKeys = CredentialSource.of(EMBEDDED_ACCESS_KEY, EMBEDDED_SECRET_KEY)

        /** The servers of `cargo xtask servers`, and the command's own. */
        val all: List<Server> by lazy {
            listOf("versitygw", "minio").map { name ->
                val endpoint = variable("TIDELOCK_TEST_${name.uppercase()}")
                Server(name, endpoint, variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
            } + embedded
        }

        /** The folder that [embedded] shows as its bucket. */
        val embeddedBucket: Path by lazy { Files.createDirectory(folder().resolve("tidelock")) }

        /** `tidelock serve`, ended with this JVM. */
        val embedded: Server by lazy {
            val program = Path(checkNotNull(System.getenv("CARGO_TARGET_DIR"))).resolve("debug/tidelock").toString()
            val builder = ProcessBuilder(program, "serve", embeddedBucket.parent.toString(), "--port", "0")
            builder.environment()["AWS_ACCESS_KEY_ID"] = EMBEDDED_ACCESS_KEY
            builder.environment()["AWS_SECRET_ACCESS_KEY"] = EMBEDDED_SECRET_KEY
            val process = builder.redirectError(ProcessBuilder.Redirect.DISCARD).start()
            Runtime.getRuntime().addShutdownHook(Thread { process.destroyForcibly() })
            val endpoint = process.inputReader().readLine().removePrefix("endpoint=")
            Server("tidelock serve", endpoint, EMBEDDED_ACCESS_KEY, EMBEDDED_SECRET_KEY)
        }
    }
}

private fun variable(name: String) =
    checkNotNull(System.getenv(name)) { "$name is not set: run `cargo xtask test kotlin`" }

fun folder(): Path = Files.createTempDirectory("tidelock").also { it.toFile().deleteOnExit() }

/** One test a server, each within half a minute. */
fun onEachServer(test: suspend CoroutineScope.(Server) -> Unit): List<DynamicTest> =
    Server.all.map { server -> DynamicTest.dynamicTest(server.name) { within { test(server) } } }

fun within(test: suspend CoroutineScope.() -> Unit) = runBlocking { withTimeout(30.seconds) { test() } }
