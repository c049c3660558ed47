import io.tidelock.Codec
import io.tidelock.Collection
import io.tidelock.DeviceState
import io.tidelock.KeyRange
import io.tidelock.AlreadyExistsException
import io.tidelock.NotFoundException
import io.tidelock.Progress
import io.tidelock.RecipientKind
import io.tidelock.Secret
import io.tidelock.Vault
import io.tidelock.WrongKeyException
import io.tidelock.jsonCodec
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.Serializable
import org.junit.jupiter.api.TestFactory

private fun Vault.notes() = collection("notes", Codec.Text)

private suspend fun Collection<String>.all() = list().toList().associate { it.key to it.value }

/** Two devices of one vault, through real servers. */
class SyncTest {
    @TestFactory
    fun `devices converge after edits offline`() = onEachServer { server ->
        val (a, code) = Vault.create(server.options("converge"), "correct horse")
        a.notes().put("tea", "green")
        assertTrue(a.sync().opsPublished >= 1)

        val b = Vault.join(server.options("converge"), Secret.Recovery(code.reveal()))
        b.sync()
        assertEquals("green", b.notes().get("tea"))

        // Both edit different keys without a network, one deletes.
        a.notes().put("milk", "oat")
        b.notes().put("tea", "black")
        b.notes().put("sugar", "none")
        b.notes().delete("sugar")
        a.sync()
        b.sync()
        a.sync()
        val all = mapOf("milk" to "oat", "tea" to "black")
        assertEquals(all, a.notes().all())
        assertEquals(all, b.notes().all())

        val c = Vault.join(server.options("converge"), Secret.Passphrase("correct horse"))
        c.sync()
        assertEquals(all, c.notes().all())
        listOf(a, b, c).forEach(Vault::close)
    }

    @TestFactory
    fun `concurrent values are reported and resolved`() = onEachServer { server ->
        val created = Vault.create(server.options("conflict"))
        val a = created.vault
        a.notes().put("tea", "green")
        a.sync()
        val b = Vault.join(server.options("conflict"), Secret.Recovery(created.recoveryCode.reveal()))
        b.sync()
        a.notes().put("tea", "black")
        b.notes().put("tea", "white")
        a.sync()
        b.sync()
        a.sync()

        val here = a.notes().conflicts().toList()
        assertEquals(here, b.notes().conflicts().toList())
        assertEquals(setOf<String?>("black", "white"), here.single().versions.map { it.value }.toSet())
        assertEquals(here.single().versions.first().value, a.notes().get("tea"))
        assertEquals(1, a.notes().entry("tea")?.siblings)
        assertEquals(listOf("tea"), a.conflicts().toList().map { it.key })

        a.notes().resolve("tea", "both")
        a.sync()
        b.sync()
        assertEquals(listOf(), b.conflicts().toList())
        assertEquals("both", b.notes().get("tea"))
        assertFailsWith<NotFoundException> { b.notes().resolve("tea", "again") }
        a.close()
        b.close()
    }

    @TestFactory
    fun `logs, batches, typed values and ranges`() = onEachServer { server ->
        @Serializable
        data class Visit(val patient: String, val minutes: Int)
        val created = Vault.create(server.options("typed"))
        val a = created.vault
        val visits = a.collection("visits", jsonCodec<Visit>())
        val history = a.log("history", Codec.Text)
        val keys = a.write {
            put(visits, "1", Visit("Ada", 15))
            put(visits, "2", Visit("Grace", 20))
            append(history, "first")
        }
        val second = history.append("second")
        assertEquals(listOf(keys[2], second), history.list().toList().map { it.key })
        a.sync()

        val b = Vault.join(server.options("typed"), Secret.Recovery(created.recoveryCode.reveal()))
        b.sync()
        assertEquals(Visit("Grace", 20), b.collection("visits", jsonCodec<Visit>()).get("2"))
        assertEquals("""{"minutes":15,"patient":"Ada"}""", b.collection("visits", Codec.Text).get("1"))
        assertEquals(listOf("2"), visits.list(KeyRange("2")).toList().map { it.key })
        assertEquals(listOf("1"), visits.list(KeyRange.prefix("1")).toList().map { it.key })
        assertEquals("second", b.log("history", Codec.Text).get(second))
        assertEquals(a.status().device, b.log("history", Codec.Text).entry(second)?.device)
        b.log("history", Codec.Text).delete(second)
        b.sync()
        a.sync()
        assertEquals(listOf("first"), history.list().toList().map { it.value })
        a.close()
        b.close()
    }

    @TestFactory
    fun `devices, secrets and refusals`() = onEachServer { server ->
        val created = Vault.create(server.options("secrets"))
        val a = created.vault
        assertFailsWith<AlreadyExistsException> { Vault.create(server.options("secrets")) }
        assertFailsWith<NotFoundException> { Vault.join(server.options("nothing"), Secret.Passphrase("correct horse")) }
        a.setPassphrase("correct horse")
        assertFailsWith<WrongKeyException> { Vault.join(server.options("secrets"), Secret.Passphrase("wrong")) }
        val recipients = a.status().recipients
        assertEquals(setOf(RecipientKind.RECOVERY_CODE, RecipientKind.PASSPHRASE), recipients.map { it.kind }.toSet())
        assertEquals(setOf(a.status().device), recipients.map { it.addedBy }.toSet())
        assertEquals(emptyList(), a.status().left)
        val b = Vault.join(server.options("secrets"), Secret.Passphrase("correct horse"))
        b.notes().put("b", "was here")
        b.sync()
        val code = a.replaceRecoveryCode()
        assertFailsWith<WrongKeyException> {
            Vault.join(server.options("secrets"), Secret.Recovery(created.recoveryCode.reveal()))
        }
        Vault.join(server.options("secrets"), Secret.Recovery(code.reveal())).close()

        a.sync()
        val other = checkNotNull(b.status().device)
        assertEquals(DeviceState.ACTIVE, a.devices().single { it.id == other }.state)
        a.revoke(other)
        assertEquals(DeviceState.REVOKED, a.devices().single { it.id == other }.state)
        a.close()
        b.close()
    }

    @TestFactory
    fun `what is opened again is as it was, and shows what changes`() = onEachServer { server ->
        val options = server.options("live")
        val created = Vault.create(options)
        created.vault.notes().put("tea", "green")
        created.vault.sync()
        created.vault.close()

        val a = Vault.open(options)
        val b = Vault.join(server.options("live"), Secret.Recovery(created.recoveryCode.reveal()))
        b.sync()
        val changed = async(start = CoroutineStart.UNDISPATCHED) { a.notes().changes().first() }
        val shown = async(start = CoroutineStart.UNDISPATCHED) {
            a.notes().live().map { entries -> entries.map { it.value } }.first { "black" in it }
        }
        b.notes().put("tea", "black")
        b.sync()
        val progress = mutableListOf<Progress>()
        val report = a.sync { progress += it }
        assertTrue(report.opsApplied >= 1)
        assertTrue(progress.isNotEmpty())
        assertEquals(setOf("tea"), changed.await().keys)
        assertEquals(listOf("black"), shown.await())

        // A watching device publishes what is written here.
        val published = async { a.watch().first { it.getOrThrow().opsPublished > 0 } }
        a.notes().put("milk", "oat")
        published.await()
        b.syncOnce(20.seconds)
        assertEquals("oat", b.notes().get("milk"))
        assertNull(b.notes().get("sugar"))
        a.close()
        b.close()
    }
}
