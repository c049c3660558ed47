import io.tidelock.Codec
import io.tidelock.Options
import io.tidelock.Secret
import io.tidelock.Vault
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking

/** Several processes on one local store, and processes that are killed. */
class ProcessTest {
    @Test
    fun `two processes on one store both write and sync`() {
        val options = Server.embedded.options("processes")
        val created = runBlocking { Vault.create(options) }
        created.vault.close()
        val writers = listOf("left", "right").map { name -> writer(options, name, 40) }
        writers.forEach { writer ->
            val said = writer.inputReader().readLines()
            assertEquals(0, writer.waitFor(), "$said")
            assertEquals(40, said.count { it.startsWith("durable ") })
        }
        runBlocking {
            val other = Vault.join(Server.embedded.options("processes"), Secret.Recovery(created.recoveryCode.reveal()))
            other.sync()
            assertEquals(80, other.log("acknowledged", Codec.Text).list().toList().size)
            other.close()
        }
    }

    @Test
    fun `a process killed fifty times loses nothing it acknowledged`() {
        val options = Server.embedded.options("killed")
        val created = runBlocking { Vault.create(options) }
        created.vault.close()
        val acknowledged = mutableListOf<String>()
        repeat(50) { round ->
            val writer = writer(options, "round $round", 1_000_000)
            // It dies after its first entries, anywhere in a write or a sync.
            val lines = writer.inputReader().lineSequence().iterator()
            repeat(1 + round % 7) { acknowledged += lines.next().removePrefix("durable ") }
            if (round % 3 == 0) Thread.sleep(round % 10L) // not always right after a commit
            writer.toHandle().destroyForcibly() // the process's own would close what it said
            lines.forEachRemaining { if (it.startsWith("durable ")) acknowledged += it.removePrefix("durable ") }
            assertEquals(137, writer.waitFor())
        }
        runBlocking {
            val vault = Vault.open(options)
            val here = vault.log("acknowledged", Codec.Text).list().toList().map { it.value }
            assertTrue(here.containsAll(acknowledged), "lost: ${acknowledged - here.toSet()}")
            vault.sync()
            vault.close()
            val other = Vault.join(Server.embedded.options("killed"), Secret.Recovery(created.recoveryCode.reveal()))
            other.sync()
            assertEquals(here, other.log("acknowledged", Codec.Text).list().toList().map { it.value })
            other.close()
        }
    }

    @Test
    fun `a thousand times opened and closed, checked by the JVM, leaves no file open and no thread behind`() {
        val options = Server.embedded.options("cycles")
        runBlocking { Vault.create(options) }.vault.close()
        val process = java("-Xcheck:jni", "CyclesKt", options.store, options.local.toString()).start()
        // The JVM's warnings are of JNA's own calls; a wrong call of any library is fatal.
        val said = process.inputReader().lineSequence().filter { "FATAL" in it || it.startsWith("cycles: ") }.toList()
        assertEquals(0, process.waitFor(), "$said")
        assertEquals(listOf("cycles: 1000 and nothing left"), said)
    }

    private fun writer(options: Options, name: String, entries: Int): Process =
        java("-XX:TieredStopAtLevel=1", "WriterKt", options.store, options.local.toString(), name, "$entries").start()

    private fun java(option: String, main: String, vararg arguments: String): ProcessBuilder {
        val program = ProcessHandle.current().info().command().get()
        val words = listOf(program, option, "-cp", System.getProperty("java.class.path"), main) + arguments
        return ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.INHERIT)
    }
}
