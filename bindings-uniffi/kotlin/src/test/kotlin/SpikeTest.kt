// Two devices on a real S3 server: the engine driven by a loop of Kotlin's own, with the JDK's HTTP client. Needs what
// `cargo xtask servers versitygw` puts into the environment.

import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse.BodyHandlers
import java.util.concurrent.CompletableFuture
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit.MILLISECONDS
import kotlin.math.max
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import uniffi.tidelock.*
import uniffi.tidelock_client.*

private val NOTES = Collection(CollectionKind.MAP, "notes")
private val STORE = "s3://tidelock/kotlin?endpoint=${System.getenv("TIDELOCK_TEST_VERSITYGW")}"
private val CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()

private fun monotonicMs() = System.nanoTime() / 1_000_000

private fun now() = Now(monotonicMs().toULong(), System.currentTimeMillis().toULong())

private class Failed(val problem: Problem) : Exception(problem.message)

/** One device: an engine, its pages, and the requests under way, whose answers come back over a queue. */
private class Device(name: String, kept: List<Page> = emptyList()) {
    val pages = kept.associateBy { it.id }.toMutableMap()
    var durable = 0UL
    private val engine = Engine.open(Options(STORE, name, false, null, null, null, null), kept, now())
    private var wakeAtMs: ULong? = null
    private val answers = LinkedBlockingQueue<() -> Unit>()
    private val sent = mutableMapOf<ULong, CompletableFuture<*>>()
    private val finished = mutableMapOf<ULong, Output>()

    fun write(key: String, text: String): ULong {
        val written = engine.write(listOf(Change.Put(NOTES, key, text.encodeToByteArray())), now())
        drain()
        return written.commit
    }

    fun read(key: String) = engine.get(NOTES, key)?.value?.decodeToString()

    /** Runs an operation to its end: what it gives, or throws what it fails with. */
    fun run(operation: Operation): Output.Finished {
        val op = engine.start(operation, now())
        drain()
        while (op !in finished) {
            val due = wakeAtMs?.toLong()
            val answer = if (due == null) answers.take() else answers.poll(max(0, due - monotonicMs()), MILLISECONDS)
            if (answer == null) engine.handle(Input.Timeout, now()) else answer()
            drain()
        }
        return when (val end = finished.remove(op)) {
            is Output.Finished -> end
            is Output.Failed -> throw Failed(end.problem)
            else -> error("no end")
        }
    }

    private fun drain() {
        do {
            val drained = engine.drain(now())
            drained.outputs.forEach(::take)
            wakeAtMs = drained.wakeAtMs
        } while (drained.outputs.isNotEmpty())
    }

    private fun take(output: Output) {
        when (output) {
            is Output.Send -> send(output.request)
            is Output.Abort -> sent.remove(output.id)?.cancel(true)
            is Output.NeedCredentials -> {
                val keys = listOf("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY").map { System.getenv(it) }
                engine.handle(Input.HaveCredentials(Credentials(keys[0], keys[1], null)), now())
            }
            is Output.Presign -> error("it has keys")
            is Output.Persist -> {
                output.pages.forEach { if (it.bytes == null) pages.remove(it.id) else pages[it.id] = it }
                engine.handle(Input.Persisted(output.commit), now())
            }
            is Output.Stretch -> check(engine.stretch(output.id, now()))
            is Output.Finished -> finished[output.op] = output
            is Output.Failed -> finished[output.op] = output
            is Output.Durable -> durable = output.commit
            is Output.Changed, is Output.Progressed, is Output.Reported -> Unit
        }
    }

    private fun send(request: Request) {
        val body = HttpRequest.BodyPublishers.ofByteArray(request.body)
        val sending = HttpRequest.newBuilder(URI(request.url)).method(request.method, body)
        request.headers.forEach { sending.header(it.name, it.value) }
        sent[request.id] = CLIENT.sendAsync(sending.build(), BodyHandlers.ofInputStream()).handleAsync { answer, failure ->
            val limit = request.maxResponseBytes.toInt()
            val bytes = runCatching { answer.body().use { it.readNBytes(limit + 1) } }
            answers.add {
                sent.remove(request.id)
                if (failure != null || bytes.isFailure) {
                    val text = (failure ?: bytes.exceptionOrNull()).toString()
                    engine.handle(Input.Failed(request.id, TransportFailure.Reset(text)), now())
                } else if (bytes.getOrThrow().size > limit) {
                    engine.handle(Input.Failed(request.id, TransportFailure.TooLong), now())
                } else {
                    val headers = answer.headers().map().flatMap { (name, values) -> values.map { Header(name, it) } }
                    val response = Response(answer.statusCode().toUShort(), headers, bytes.getOrThrow())
                    engine.handle(Input.Answered(request.id, response), now())
                }
            }
        }
    }
}

class SpikeTest {
    @Test
    fun twoDevicesKeepAMapInStep() {
        val a = Device("a")
        val refused = assertFailsWith<TidelockException.Failed> { a.write("tea", "green") }
        assertEquals(ErrorKind.NOT_FOUND, refused.problem.kind)
        val code = checkNotNull(a.run(Operation.Create("correct horse")).recoveryCode)
        assertEquals(a.write("tea", "green"), a.durable)
        assertTrue(checkNotNull(a.run(Operation.Sync).report).opsPublished >= 1UL)

        val b = Device("b")
        b.run(Operation.Join(Secret.Recovery(code)))
        b.run(Operation.Sync)
        assertEquals("green", b.read("tea"))
        b.write("tea", "black")
        b.write("milk", "none")
        b.run(Operation.Sync)

        // Started again from its pages, then told of the news.
        val again = Device("a", a.pages.values.toList())
        assertEquals("green", again.read("tea"))
        again.run(Operation.Sync)
        assertEquals(listOf("black", "none", null), listOf("tea", "milk", "sugar").map(again::read))

        val c = Device("c")
        val wrong = assertFailsWith<Failed> { c.run(Operation.Join(Secret.Passphrase("wrong"))) }
        assertEquals(ErrorKind.WRONG_KEY, wrong.problem.kind)
        c.run(Operation.Join(Secret.Passphrase("correct horse")))
    }
}
