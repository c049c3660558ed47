import io.tidelock.Codec
import io.tidelock.Options
import io.tidelock.Vault
import java.io.File
import java.nio.file.Path
import kotlinx.coroutines.runBlocking

/** A process that opens and closes a vault a thousand times, and says what is left open. */
fun main(arguments: Array<String>) = runBlocking {
    val (store, local) = arguments
    val options = Options(store, Path.of(local))
    fun count(what: String) = checkNotNull(File("/proc/self/$what").list()).size
    repeat(50) { Vault.open(options).close() }
    val (files, threads) = count("fd") to count("task")
    repeat(1_000) { round ->
        Vault.open(options).use { if (round % 10 == 0) it.collection("notes", Codec.Text).put("round", "$round") }
    }
    val more = listOf(count("fd") - files, count("task") - threads)
    println(if (more.all { it <= 8 }) "cycles: 1000 and nothing left" else "cycles: files and threads left: $more")
}
