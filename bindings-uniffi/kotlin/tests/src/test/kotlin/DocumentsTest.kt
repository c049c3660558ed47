import io.tidelock.Codec
import io.tidelock.InvalidException
import io.tidelock.NotFoundException
import io.tidelock.Secret
import io.tidelock.Vault
import io.tidelock.jsonCodec
import io.tidelock.patch
import io.tidelock.resolve
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import org.junit.jupiter.api.TestFactory

@Serializable
private data class Visit(val place: String, val rating: Int? = null, val note: String? = null)

private fun Vault.visits() = documents("visits", jsonCodec<Visit>())

/** Documents of two devices, through real servers. */
class DocumentsTest {
    @TestFactory
    fun `different fields merge, the same field is a conflict`() = onEachServer { server ->
        val created = Vault.create(server.options("documents"))
        val a = created.vault
        a.visits().put("1", Visit("Brest"))
        a.sync()
        val b = Vault.join(server.options("documents"), Secret.Recovery(created.recoveryCode.reveal()))
        b.sync()

        // Offline, each another field: no conflict.
        a.visits().patch("1", buildJsonObject { put("rating", 4) })
        b.visits().patch("1", buildJsonObject { put("note", "rain") })
        val shown = async(start = CoroutineStart.UNDISPATCHED) {
            a.visits().live().first { documents -> documents.any { it.value.note != null } }
        }
        a.sync()
        b.sync()
        a.sync()
        val merged = Visit("Brest", 4, "rain")
        assertEquals(merged, a.visits().get("1"))
        assertEquals(merged, b.visits().get("1"))
        assertEquals(listOf(merged), shown.await().map { it.value })
        assertEquals(listOf(), a.visits().conflicts().toList())

        // Offline, the same field: both are kept until one is chosen.
        a.visits().patch("1", buildJsonObject { put("rating", 1) })
        b.visits().patch("1", buildJsonObject { put("rating", 5) })
        a.sync()
        b.sync()
        a.sync()
        val conflict = a.visits().conflicts().toList().single()
        assertEquals(listOf("1" to "rating"), b.visits().conflicts().toList().map { it.id to it.field })
        assertEquals("1" to "rating", conflict.id to conflict.field)
        assertEquals(setOf<String?>("1", "5"), conflict.versions.map { it.value }.toSet())
        assertEquals(conflict.versions.first().value, "${a.visits().get("1")?.rating}")
        assertEquals(1, a.visits().document("1")?.conflicts)
        assertEquals(listOf(), a.conflicts().toList())

        a.visits().resolve("1", "rating", JsonPrimitive(3))
        a.sync()
        b.sync()
        assertEquals(Visit("Brest", 3, "rain"), b.visits().get("1"))
        assertEquals(listOf(), b.visits().conflicts().toList())
        assertFailsWith<NotFoundException> { b.visits().resolve("1", "rating", "4") }
        a.close()
        b.close()
    }

    @TestFactory
    fun `writes, ranges and what is refused`() = onEachServer { server ->
        Vault.create(server.options("document writes")).vault.use { vault ->
            val visits = vault.visits()
            vault.write {
                put(visits, "1", Visit("Brest", 4))
                put(visits, "2", Visit("Quimper"))
                patch(visits, "3", """{"place":"Vannes"}""")
            }
            assertEquals(listOf("1", "2", "3"), visits.list().toList().map { it.id })
            // A null removes a field; a put removes what it lacks.
            visits.patch("1", buildJsonObject { put("rating", JsonNull) })
            assertEquals(Visit("Brest"), visits.get("1"))
            assertEquals("""{"place":"Brest"}""", vault.documents("visits", Codec.Text).get("1"))
            visits.delete("2")
            vault.write { delete(visits, "3") }
            assertNull(visits.get("2"))
            assertEquals(listOf("1"), visits.list().toList().map { it.id })

            val text = vault.documents("visits", Codec.Text)
            for (noObject in listOf("", "7", "[1]", "{", """{"a":1,"a":2}""")) {
                assertFailsWith<InvalidException>(noObject) { text.put("4", noObject) }
            }
            assertFailsWith<InvalidException> { text.put("", "{}") }
            val halved = assertFailsWith<InvalidException> { text.get("\uD83D") }
            assertTrue("surrogate" in checkNotNull(halved.message))
            assertFailsWith<InvalidException> { text.patch("1", "[]") }
            assertEquals(listOf("1"), visits.list().toList().map { it.id })
        }
    }
}
