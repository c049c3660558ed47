import io.tidelock.Codec
import io.tidelock.CollectionKind
import io.tidelock.ErrorKind
import io.tidelock.Options
import io.tidelock.Secret
import io.tidelock.TidelockException
import io.tidelock.Vault
import io.tidelock.jsonCodec
import java.nio.file.Path
import java.util.Base64
import java.util.HexFormat
import kotlin.io.path.createParentDirectories
import kotlin.io.path.readText
import kotlin.io.path.writeBytes
import kotlin.io.path.writeText
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.encodeToJsonElement
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.TestFactory

private val DAMAGE = setOf(ErrorKind.CORRUPT, ErrorKind.HASH_MISMATCH, ErrorKind.NOT_FOUND)

/** An empty vault, closed. */
private val emptyVault: Options by lazy {
    Server.embedded.options("empty").also { options -> runBlocking { Vault.create(options).vault.close() } }
}

/** The shared vectors (`tests/vectors`) that are about what a caller sees: addresses, codes, JSON, archives, buckets; those of the format's parts are the engine's own. */
class VectorsTest {
    @TestFactory
    fun addresses() = cases("addresses") { case ->
        // No vault is there: a good address gets as far as to look for one.
        case.assertFails(ErrorKind.NOT_FOUND) { Vault.open(Options(case.text("text"), folder())) }
    }

    @TestFactory
    fun codes() = cases("codes", "read-code") { case ->
        // No vault is there: a good code gets as far as to look for one.
        val secret = Secret.Recovery(case.text("text"))
        case.assertFails(ErrorKind.NOT_FOUND) { Vault.join(Server.embedded.options("codes"), secret) }
    }

    /** As a field of a document and by the codec; beside "64 deep", which is one deeper in a document. */
    @TestFactory
    fun json() = cases("json", "json-form") { case ->
        if (case.name == "64 deep") return@cases
        val document = """{"v":""".encodeToByteArray() + bytes(case.text("text")) + "}".encodeToByteArray()
        Vault.open(emptyVault).use { vault ->
            val documents = vault.documents("vectors", Codec.Bytes)
            if (case.refused != null) return@cases case.assertFails(null) { documents.put("1", document) }
            documents.put("1", document)
            val form = bytes(checkNotNull(case.value).jsonPrimitive.content).decodeToString()
            assertEquals("""{"v":$form}""", documents.get("1")?.decodeToString())
            val element = Json.parseToJsonElement(bytes(case.text("text")).decodeToString())
            assertEquals(form, jsonCodec<JsonElement>().encode(element).decodeToString())
            documents.delete("1")
        }
    }

    @TestFactory
    fun archives() = cases("archives") { case ->
        val archive = folder().resolve("archive").apply { writeText(case.text("text")) }
        val copy = folder()
        emptyVault.local.toFile().copyRecursively(copy.toFile(), overwrite = true)
        Vault.open(Options(emptyVault.store, copy)).use { vault ->
            if (case.refused != null) return@cases case.assertFails(null) { vault.importArchive(archive) }
            val report = vault.importArchive(archive)
            val value = checkNotNull(case.value).jsonObject
            val maps = maps(vault).mapValues { (_, map) -> map.mapValues { (_, values) -> values.single() } }
            assertEquals(value["maps"], Json.encodeToJsonElement(maps))
            assertEquals(value["logs"], Json.encodeToJsonElement(logs(vault)))
            val counted = mapOf("added" to report.added, "siblings" to report.siblings, "unchanged" to report.unchanged)
            counted.forEach { (field, count) -> assertEquals(value[field]?.jsonPrimitive?.long, count, field) }
        }
    }

    /** Each stage in the folder that the server shows as a bucket; the device reads everything after each. */
    @TestFactory
    fun buckets() = cases("buckets") { case ->
        val store = "vector ${case.name.hashCode()}"
        val stages = case.given.getValue("stages").jsonArray.map { it.jsonObject }
        suspend fun joined() = Vault.join(Server.embedded.options(store), Secret.Recovery(case.text("recovery_code")))
        put(store, stages.first())
        if (case.refused != null) return@cases case.assertFails(null) { joined().use { it.check() } }
        val bad = case.given.getValue("bad").jsonArray.map { it.jsonPrimitive.content }
        joined().use { vault ->
            stages.forEachIndexed { at, stage ->
                put(store, stage)
                val named = vault.check().reports.filter { it.kind in DAMAGE }.map { it.objectName }
                assertTrue(bad.containsAll(named), "$named")
                val value = checkNotNull(case.value).jsonArray[at].jsonObject
                assertEquals(value["maps"], Json.encodeToJsonElement(maps(vault)))
                assertEquals(value["logs"], Json.encodeToJsonElement(logs(vault)))
            }
        }
    }

    /** The bytes in lower-case hex. */
    private fun bytes(hex: String) = HexFormat.of().parseHex(hex)

    private fun put(store: String, objects: JsonObject) = objects.forEach { (key, content) ->
        val file = Server.embeddedBucket.resolve(Server.prefix(store)).resolve(key).createParentDirectories()
        file.writeBytes(Base64.getDecoder().decode(content.jsonPrimitive.content))
    }

    private suspend fun names(vault: Vault, kind: CollectionKind) =
        vault.status().collections.filter { it.kind == kind }.map { it.name }

    /** All values of each key that has one, the winner first. */
    private suspend fun maps(vault: Vault) = names(vault, CollectionKind.MAP).associateWith { name ->
        val map = vault.collection(name, Codec.Text)
        val conflicts = map.conflicts().toList().associate { it.key to it.versions.mapNotNull { version -> version.value } }
        map.list().toList().associate { it.key to (conflicts[it.key] ?: listOf(it.value)) }
    }

    private suspend fun logs(vault: Vault) = names(vault, CollectionKind.LOG).associateWith { name ->
        vault.log(name, Codec.Text).list().toList().associate { it.key to it.value }
    }
}

/** One case: passes if its check ends in the very value, or in a refusal of this kind. */
private class Case(case: JsonObject) {
    val name = case.getValue("name").jsonPrimitive.content
    val check = case.getValue("check").jsonPrimitive.content
    val given = case.getValue("given").jsonObject
    val refused = case["refused"]?.jsonPrimitive?.content
    val value = case["value"]

    fun text(field: String) = given.getValue(field).jsonPrimitive.content

    /** The call fails as the case says; where it does not refuse, with [otherwise]. */
    suspend fun assertFails(otherwise: ErrorKind?, call: suspend () -> Any?) {
        val failure = assertFailsWith<TidelockException> { call() }
        val expected = refused ?: checkNotNull(otherwise).name.lowercase().replace('_', '-')
        assertEquals(expected, failure.kind.name.lowercase().replace('_', '-'), "$failure")
    }
}

private fun cases(subject: String, check: String? = null, test: suspend (Case) -> Unit): List<DynamicTest> {
    val text = Path.of("../../../tests/vectors/$subject.json").readText()
    val cases = Json.parseToJsonElement(text).jsonObject.getValue("cases").jsonArray.map { Case(it.jsonObject) }
    return cases.filter { check == null || it.check == check }.map { case ->
        DynamicTest.dynamicTest(case.name) { within { test(case) } }
    }
}
