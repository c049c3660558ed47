import io.tidelock.Codec
import io.tidelock.Options
import io.tidelock.Vault
import java.nio.file.Path
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

/** A process that appends entries and says which are durable, while it syncs. */
fun main(arguments: Array<String>) = runBlocking {
    val (store, local, name, entries) = arguments
    val vault = Vault.open(Options(store, Path.of(local)) { credentials = Server.embeddedKeys })
    val syncing = launch { while (true) vault.sync() }
    val log = vault.log("acknowledged", Codec.Text)
    repeat(entries.toInt()) { number ->
        val entry = "$name: $number"
        log.append(entry)
        println("durable $entry")
    }
    syncing.cancel()
    vault.sync()
    vault.close()
}
