package io.tidelock

import io.tidelock.data.Operation
import io.tidelock.data.Output
import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull

/**
 * One vault on this device. Reads and writes are local and need no network; [sync] and its kin bring both sides together.
 *
 * Every function may be called from any coroutine; none blocks its thread. Cancelling a caller cancels what it began.
 * Several processes may have one local store open at once.
 */
public class Vault private constructor(private val loop: Loop) : AutoCloseable {
    /** A map: keys with values. It is made by its first write. */
    public fun <T> collection(name: String, codec: Codec<T>): Collection<T> =
        Collection(Records(loop, CollectionId(CollectionKind.MAP, name), codec))

    /** A log: entries that are added and removed, never changed. It is made by its first entry. */
    public fun <T> log(name: String, codec: Codec<T>): Log<T> =
        Log(Records(loop, CollectionId(CollectionKind.LOG, name), codec))

    /** Documents: JSON objects whose fields merge one by one. The codec writes them as JSON: [jsonCodec], or [Codec.Text]. */
    public fun <T> documents(name: String, codec: Codec<T>): Documents<T> =
        Documents(loop, CollectionId(CollectionKind.DOCUMENTS, name), codec)

    /**
     * Writes to any number of collections: all or nothing, at most 5,000 changes. Durable on return. Gives the key of each
     * change, in order: those of appended entries are made by the vault.
     */
    public suspend fun write(build: Batch.() -> Unit): List<String> {
        return loop.write(Batch().apply(build).changes)
    }

    /** What is known without a request. */
    public suspend fun status(): Status = Status(loop.call { engine, _ -> engine.status() })

    /** Every device known, this one included. */
    public suspend fun devices(): List<Device> = status().devices

    /** What a person should know, as it comes; a sync's report has it too. */
    public fun reports(): Flow<TidelockException> = loop.flowOf { output ->
        (output as? Output.Reported)?.let { TidelockException.of(it.problem) }
    }

    /** Every conflict of maps, their values as bytes. Those of documents are told by [Documents.conflicts]. */
    public fun conflicts(): Flow<Conflict<ByteArray>> = conflictsOf(loop) { it.kind == CollectionKind.MAP }.map { conflict ->
        Conflict(conflict.collection.name, conflict.key, conflict.versions.map { it.decoded(Codec.Bytes) })
    }

    /** Takes what is new and publishes what is pending. Waits while another process of this device syncs. */
    public suspend fun sync(onProgress: ((Progress) -> Unit)? = null): SyncReport = synced(Operation.Sync, onProgress)

    /** Publishes what is pending. */
    public suspend fun push(onProgress: ((Progress) -> Unit)? = null): SyncReport = synced(Operation.Push, onProgress)

    /** Takes what other devices published. */
    public suspend fun pull(onProgress: ((Progress) -> Unit)? = null): SyncReport = synced(Operation.Pull, onProgress)

    /** A sync that reads everything again instead of trusting hints. */
    public suspend fun check(onProgress: ((Progress) -> Unit)? = null): SyncReport = synced(Operation.Check, onProgress)

    /** Publishes everything this device has, after a rollback or a wiped bucket was reported. */
    public suspend fun republish(onProgress: ((Progress) -> Unit)? = null): SyncReport =
        synced(Operation.Republish, onProgress)

    /**
     * One sync that ends by [deadline], for WorkManager. What was done until then is kept; the next sync goes on from there.
     *
     * Throws [TimeoutException] at the deadline.
     */
    public suspend fun syncOnce(deadline: Duration): SyncReport =
        withTimeoutOrNull(deadline) { sync() } ?: throw TidelockException.of(
            problem(ErrorKind.TIMEOUT, "the sync did not end within $deadline", "sync again: it goes on from here", true),
        )

    /**
     * Keeps syncing while it is collected: at once, soon after local writes, and every 30 to 60 s; up to every 5 min when
     * nothing happens. A failed sync is an item like any other, and is followed by others. The flow ends when the vault is
     * closed.
     */
    public fun watch(): Flow<Result<SyncReport>> = flow {
        while (true) {
            val before = pendingOrNull() ?: return@flow
            val result = runCatchingTidelock { sync() }
            if (result.exceptionOrNull() is ClosedException) return@flow
            emit(result)
            val report = result.getOrNull()
            val published = report?.opsPublished ?: 0
            val active = report != null && report.opsApplied + published > 0
            val now = pendingOrNull() ?: return@flow
            // Ops that a failed push left are no news; what was written during the sync is.
            val left = (before - published).coerceIn(0, now)
            val pause = loop.call { engine, _ -> engine.pause(active) }
            withTimeoutOrNull(pause.waitMs.toLong().milliseconds) {
                delay(pause.apartMs.toLong())
                localWrite(left)
                delay(pause.gatherMs.toLong())
            }
        }
    }

    /** Other devices wait for this one no longer. What it publishes counts whenever it comes. */
    public suspend fun retire(device: String): SyncReport = synced(Operation.RetireDevice(device), null)

    /** Shuts a device out: the keys are rotated. Withdraw its bucket credentials too. */
    public suspend fun revoke(device: String): SyncReport = synced(Operation.RevokeDevice(device), null)

    /** Takes what a revoked device published after it was revoked. */
    public suspend fun adopt(device: String): SyncReport = synced(Operation.AdoptDevice(device), null)

    /** Sets, changes or (with null) removes the passphrase. The old one opens nothing that is written from now on. */
    public suspend fun setPassphrase(passphrase: String?) {
        loop.run(Operation.SetPassphrase(passphrase))
    }

    /** Replaces the recovery code. The old one opens nothing that is written from now on. */
    public suspend fun replaceRecoveryCode(): RecoveryCode = code(loop.run(Operation.ReplaceRecoveryCode))

    /**
     * Writes everything this device has into a new file, in clear; gives how many records it has. The form is specified in
     * `docs/ARCHIVE.md`. The vault stays usable meanwhile.
     *
     * Throws [AlreadyExistsException] if the file is there.
     */
    public suspend fun exportArchive(file: Path): Long = loop.aside { options, now ->
        io.tidelock.internal.exportArchive(options.toData(), options.local.toString(), file.toString(), now).toLong()
    }

    /**
     * Takes in what an archive holds and this device has not; importing twice changes nothing. The vault stays usable
     * meanwhile.
     *
     * Throws [InvalidException] with the line that is none of an archive; what came before it stays imported.
     */
    public suspend fun importArchive(file: Path): ArchiveImport = try {
        ArchiveImport(
            loop.aside { options, now ->
                io.tidelock.internal.importArchive(options.toData(), options.local.toString(), file.toString(), now)
            },
        )
    } finally {
        withContext(NonCancellable) { loop.announceAll() }
    }

    /** Cancels what runs and frees the vault; waits at most five seconds. Calling it again does nothing. */
    override fun close() {
        loop.close()
    }

    private suspend fun synced(operation: Operation, onProgress: ((Progress) -> Unit)?): SyncReport = coroutineScope {
        val progress = onProgress?.let { report ->
            launch(start = CoroutineStart.UNDISPATCHED) {
                loop.flowOf { (it as? Output.Progressed)?.progress?.let(::Progress) }.collect(report)
            }
        }
        try {
            SyncReport(checkNotNull(loop.run(operation).report) { "the operation ended without a report" })
        } finally {
            progress?.cancel()
        }
    }

    private suspend fun pendingOrNull(): Long? = try {
        status().pending
    } catch (closed: ClosedException) {
        null
    }

    /** Waits for a write beyond the ops that are [left]. */
    private suspend fun localWrite(left: Long) {
        // At once too: what was written before is as good a reason.
        loop.changesOf(atOnce = true) { true }.conflate().first { (pendingOrNull() ?: Long.MAX_VALUE) > left }
    }

    public companion object {
        /**
         * Makes a new vault at the store, with this as its first device. A crashed or cancelled one is resumed by calling it
         * again.
         *
         * Throws [AlreadyExistsException] if the store has a vault.
         */
        public suspend fun create(options: Options, passphrase: String? = null): Created = opened(options, true) { loop ->
            val code = code(loop.run(Operation.Create(passphrase)))
            Created(Vault(loop), code)
        }

        /**
         * Adds this device to the vault at the store; its records come with the first [sync].
         *
         * Throws [WrongKeyException] if the secret does not open it, [NotFoundException] if the store has no vault.
         */
        public suspend fun join(options: Options, secret: Secret): Vault = opened(options, true) { loop ->
            loop.run(Operation.Join(secret.toData()))
            Vault(loop)
        }

        /**
         * Opens what this device has. No request is made.
         *
         * Throws [NotFoundException] if this device has created or joined no vault here.
         */
        public suspend fun open(options: Options): Vault = opened(options, false) { loop -> Vault(loop) }

        private suspend fun <T> opened(options: Options, create: Boolean, use: suspend (Loop) -> T): T {
            val loop = Loop.open(options, create)
            try {
                return use(loop)
            } catch (failure: Throwable) {
                withContext(NonCancellable) { loop.close() }
                throw failure
            }
        }

        private fun code(end: Output.Finished) = RecoveryCode(checkNotNull(end.recoveryCode) { "no recovery code came" })
    }
}

private inline fun <T> runCatchingTidelock(call: () -> T): Result<T> = try {
    Result.success(call())
} catch (failure: TidelockException) {
    Result.failure(failure)
}
