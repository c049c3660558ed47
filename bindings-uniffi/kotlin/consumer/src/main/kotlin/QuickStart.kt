import io.tidelock.Codec
import io.tidelock.CredentialSource
import io.tidelock.Options
import io.tidelock.Secret
import io.tidelock.Vault
import java.nio.file.Path

/** The quick start of the project's README: the first device writes, the second one reads. */
suspend fun quickStart(store: String, phone: Path, laptop: Path): String? {
    // README: begin
    val options = Options(store, phone) { credentials = CredentialSource.Environment }
    val (vault, recoveryCode) = Vault.create(options)

    vault.collection("todo", Codec.Text).put("milk", "two litres")
    vault.log("history", Codec.Text).append("bought milk")
    vault.sync()
    // README: end
    vault.close()

    val second = Options(store, laptop) { credentials = CredentialSource.Environment }
    return Vault.join(second, Secret.Recovery(recoveryCode.reveal())).use { joined ->
        joined.sync()
        joined.collection("todo", Codec.Text).get("milk")
    }
}
