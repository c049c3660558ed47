package io.tidelock

import io.tidelock.data.Change
import io.tidelock.data.Input
import io.tidelock.data.Now
import io.tidelock.data.Operation
import io.tidelock.data.Output
import io.tidelock.data.Request
import io.tidelock.data.UnsignedRequest as UnsignedRequestData
import io.tidelock.internal.Engine
import io.tidelock.internal.Failure
import java.nio.charset.CharacterCodingException
import java.util.concurrent.CopyOnWriteArraySet
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull

/**
 * Runs one engine: a turn drains it and does what the outputs say; then the loop waits for an answer or until the engine's
 * next deadline. Every call to the engine is made on one confined dispatcher, never on the caller's thread.
 */
internal class Loop private constructor(private val engine: Engine, private val options: Options) {
    private val listeners = CopyOnWriteArraySet<(Output) -> Unit>()
    private val closed = AtomicBoolean()
    private val requests = mutableMapOf<ULong, Job>()
    private val running = mutableMapOf<ULong, CompletableDeferred<Output.Finished>>()
    private val confined = Dispatchers.IO.limitedParallelism(1)
    private val scope = CoroutineScope(SupervisorJob() + confined)
    private var alarm: Job? = null

    /** A call that ends at once. */
    suspend fun <T> call(action: (Engine, Now) -> T): T = withContext(confined) {
        requireOpen()
        throwing { action(engine, now()) }.also { turn() }
    }

    /** Writes all of the changes or none; gives the key of each. Durable on return. */
    suspend fun write(changes: List<Change>): List<String> = call { engine, now -> engine.write(changes, now) }.keys

    suspend fun write(change: Change): List<String> = write(listOf(change))

    /** Runs an operation to its end. Cancelling the caller cancels the operation and aborts its requests. */
    suspend fun run(operation: Operation): Output.Finished {
        val end = CompletableDeferred<Output.Finished>()
        // Not cancellable: a ticket that was lost on the way back could not be cancelled.
        val ticket = withContext(NonCancellable + confined) {
            requireOpen()
            engine.start(operation).also {
                running[it] = end
                turn()
            }
        }
        try {
            return end.await()
        } finally {
            if (!end.isCompleted) withContext(NonCancellable + confined) { cancel(ticket) }
        }
    }

    /** A call that takes long and has no part in the engine. */
    suspend fun <T> aside(action: (Options, Now) -> T): T {
        requireOpen()
        return withContext(Dispatchers.IO) { throwing { action(options, now()) } }
    }

    /** Tells listeners that all collections may have changed: an engine of its own wrote. */
    suspend fun announceAll() {
        if (closed.get()) return
        val collections = call { engine, _ -> engine.status().collections }
        withContext(confined) { collections.forEach { id -> listeners.forEach { it(Output.Changed(id, null)) } } }
    }

    /** Calls [listener] on the engine's dispatcher for each output that is an event, until the result is called. It must not block. */
    fun listen(listener: (Output) -> Unit): () -> Unit {
        listeners += listener
        return { listeners -= listener }
    }

    fun requireOpen() {
        if (closed.get()) throw closedException()
    }

    /** Cancels what runs and frees the engine; waits at most five seconds for it. */
    fun close() {
        if (!closed.compareAndSet(false, true)) return
        runBlocking {
            withTimeoutOrNull(5.seconds) {
                withContext(confined) {
                    running.values.forEach { it.completeExceptionally(closedException()) }
                    running.keys.toList().forEach(::cancel)
                }
                scope.coroutineContext[Job]?.cancelAndJoin()
            }
        }
        engine.close()
        listeners.forEach { it(CLOSED) }
    }

    private fun cancel(ticket: ULong) {
        running.remove(ticket)
        engine.cancel(ticket, now())
        turn()
    }

    private fun turn() {
        val drained = engine.drain(now())
        drained.outputs.forEach(::act)
        alarm?.cancel()
        alarm = drained.wakeAtMs?.let { due ->
            scope.launch {
                delay(due.toLong() - monotonicMs())
                handle(Input.Timeout)
            }
        }
    }

    private fun act(output: Output) {
        when (output) {
            is Output.Send -> requests[output.request.id] = answering { send(output.request) }
            is Output.Abort -> requests.remove(output.id)?.cancel()
            is Output.NeedCredentials -> answering { credentials() }
            is Output.Presign -> answering { presign(output.id, output.request) }
            is Output.Stretch -> scope.launch {
                withContext(Dispatchers.Default) { engine.stretch(output.id) }
                turn()
            }
            is Output.Finished -> running.remove(output.op)?.complete(output)
            is Output.Failed -> running.remove(output.op)?.completeExceptionally(TidelockException.of(output.problem))
            is Output.Persist -> error("the SQLite store persists its commits itself")
            is Output.Durable, is Output.Changed, is Output.Progressed, is Output.Reported ->
                listeners.forEach { it(output) }
        }
    }

    /** Runs [work] beside the engine and hands in its result. */
    private fun answering(work: suspend () -> Input): Job = scope.launch {
        handle(withContext(Dispatchers.IO) { work() })
    }

    private fun handle(input: Input) {
        if (input is Input.Answered) requests -= input.id
        if (input is Input.Failed) requests -= input.id
        try {
            engine.handle(input, now())
        } catch (refused: Failure.Failed) { // malformed credentials
            engine.handle(Input.NoCredentials(noCredentials(refused.problem.message)), now())
        }
        turn()
    }

    private suspend fun send(request: Request): Input = orFailed({ Input.Failed(request.id, transportFailure(it)) }) {
        Input.Answered(request.id, options.transport.send(HttpRequest(request)).toData())
    }

    private suspend fun credentials(): Input = orFailed({ Input.NoCredentials(signerFailure(it)) }) {
        Input.HaveCredentials(options.credentials.load().toData())
    }

    private suspend fun presign(id: ULong, request: UnsignedRequestData): Input =
        orFailed({ Input.NotPresigned(id, signerFailure(it)) }) {
            val sign = checkNotNull(options.presign) { "presigning was not asked for" }
            Input.Presigned(id, sign(UnsignedRequest(request)).toData())
        }

    /** What [work] gives, or what becomes of its failure. A timeout within it is one; being cancelled from here is not. */
    private suspend fun orFailed(failed: (Exception) -> Input, work: suspend () -> Input): Input = try {
        work()
    } catch (failure: Exception) {
        currentCoroutineContext().ensureActive()
        failed(failure)
    }

    internal companion object {
        /** What listeners get last: no operation has this number. */
        val CLOSED: Output = Output.Durable(ULong.MAX_VALUE)

        suspend fun open(options: Options, create: Boolean): Loop = withContext(Dispatchers.IO) {
            val engine = throwing { Engine.open(options.toData(), options.local.toString(), create, now()) }
            Loop(engine, options)
        }
    }
}

// System.nanoTime may be negative: the engine's clock counts from zero.
private val START_NS = System.nanoTime()

private fun monotonicMs() = (System.nanoTime() - START_NS) / 1_000_000

private fun now() = Now(monotonicMs().toULong(), System.currentTimeMillis().toULong())

internal fun <T> throwing(call: () -> T): T = try {
    call()
} catch (failure: Failure.Failed) {
    throw TidelockException.of(failure.problem)
} catch (halved: CharacterCodingException) {
    throw TidelockException.of(
        problem(ErrorKind.INVALID, "a text has half of a surrogate pair", "pass whole characters"),
    )
}
