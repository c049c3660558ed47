import io.tidelock.AlreadyExistsException
import io.tidelock.Codec
import io.tidelock.Header
import io.tidelock.NotFoundException
import io.tidelock.Options
import io.tidelock.Secret
import io.tidelock.SignedUrl
import io.tidelock.UnsignedRequest
import io.tidelock.Vault
import java.net.URI
import java.net.URLEncoder
import java.security.MessageDigest
import java.time.Instant
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter
import java.util.HexFormat
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec
import kotlin.io.path.getPosixFilePermissions
import kotlin.io.path.readLines
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.TestFactory

/** Ways to the bucket other than fixed keys, and to another vault. */
class ReachTest {
    @TestFactory
    fun `a device without keys syncs by URLs that are signed elsewhere`() = onEachServer { server ->
        val created = Vault.create(server.options("presigned"))
        created.vault.use { a ->
            a.collection("notes", Codec.Text).put("tea", "green")
            a.sync()
        }
        val signed = mutableSetOf<String>()
        val keyless = Options(server.uri("presigned"), folder()) {
            presign = { request ->
                signed += request.method
                presigned(request, server)
            }
        }
        Vault.join(keyless, Secret.Recovery(created.recoveryCode.reveal())).use { b ->
            b.collection("notes", Codec.Text).put("milk", "oat")
            assertTrue(b.sync().opsPublished >= 1)
            assertEquals("green", b.collection("notes", Codec.Text).get("tea"))
        }
        assertTrue(signed.containsAll(listOf("GET", "PUT")), "$signed")
        Vault.open(server.options("presigned", keyless.local)).use { b -> assertEquals(0, b.sync().opsPublished) }
    }

    @TestFactory
    fun `an archive goes into another vault`() = onEachServer { server ->
        val file = folder().resolve("archive.jsonl")
        Vault.create(server.options("exported")).vault.use { vault ->
            vault.collection("notes", Codec.Text).put("tea", "green")
            vault.log("history", Codec.Text).append("bought tea")
            vault.documents("visits", Codec.Text).put("1", """{"place":"Brest"}""")
            assertEquals(3, vault.exportArchive(file))
            assertEquals(4, file.readLines().size)
            assertEquals("OWNER_READ, OWNER_WRITE", file.getPosixFilePermissions().sorted().joinToString())
            assertFailsWith<AlreadyExistsException> { vault.exportArchive(file) }
            assertFailsWith<NotFoundException> { vault.importArchive(folder().resolve("none")) }
        }
        Vault.create(server.options("imported")).vault.use { vault ->
            val notes = vault.collection("notes", Codec.Text)
            val shown = async(start = CoroutineStart.UNDISPATCHED) { notes.live().first { it.isNotEmpty() } }
            assertEquals(3, vault.importArchive(file).added)
            assertEquals(listOf("green"), shown.await().map { it.value })
            assertEquals(listOf("bought tea"), vault.log("history", Codec.Text).list().toList().map { it.value })
            assertEquals("""{"place":"Brest"}""", vault.documents("visits", Codec.Text).get("1"))
            assertEquals(3, vault.importArchive(file).unchanged)
            assertTrue(vault.sync().opsPublished >= 3)
        }
    }
}

private val TIME = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC)

/** What an application's backend does: AWS's signature version 4 in the URL, for five minutes. */
private fun presigned(request: UnsignedRequest, server: Server): SignedUrl {
    val time = TIME.format(Instant.now())
    val scope = "${time.take(8)}/us-east-1/s3/aws4_request"
    val uri = URI(request.url)
    val headers = (request.headers + Header("host", uri.authority))
        .map { it.name.lowercase() to it.value.trim() }.sortedBy { it.first }
    val names = headers.joinToString(";") { it.first }
    val query = request.query.map { it.name to it.value } + listOf(
        "X-Amz-Algorithm" to "AWS4-HMAC-SHA256",
        "X-Amz-Credential" to "${server.accessKey}/$scope",
        "X-Amz-Date" to time,
        "X-Amz-Expires" to "300",
        "X-Amz-SignedHeaders" to names,
    )
    val parameters = query.map { (name, value) -> encoded(name) to encoded(value) }
        .sortedWith(compareBy({ it.first }, { it.second }))
        .joinToString("&") { (name, value) -> "$name=$value" }
    val lines = headers.joinToString("") { (name, value) -> "$name:$value\n" }
    val canonical = listOf(request.method, uri.rawPath, parameters, lines, names, "UNSIGNED-PAYLOAD").joinToString("\n")
    val digest = hex(MessageDigest.getInstance("SHA-256").digest(canonical.encodeToByteArray()))
    val key = scope.split("/").fold("AWS4${server.secretKey}".encodeToByteArray()) { key, part -> hmac(key, part) }
    val signature = hex(hmac(key, "AWS4-HMAC-SHA256\n$time\n$scope\n$digest"))
    return SignedUrl("${request.url.substringBefore('?')}?$parameters&X-Amz-Signature=$signature", expires = 5.minutes)
}

private fun encoded(text: String) =
    URLEncoder.encode(text, Charsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~")

private fun hmac(key: ByteArray, text: String) =
    Mac.getInstance("HmacSHA256").apply { init(SecretKeySpec(key, "HmacSHA256")) }.doFinal(text.encodeToByteArray())

private fun hex(bytes: ByteArray) = HexFormat.of().formatHex(bytes)
