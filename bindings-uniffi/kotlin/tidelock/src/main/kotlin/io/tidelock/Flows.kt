package io.tidelock

import io.tidelock.data.Conflict as ConflictData
import io.tidelock.data.Output
import io.tidelock.data.Position
import java.util.concurrent.atomic.AtomicReference
import kotlinx.coroutines.channels.BufferOverflow
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.flow

/** Events a slow collector may be behind before it loses the oldest. */
private const val EVENTS_MAX = 256

/** Entries, or documents, of one call. */
internal const val PAGE = 256u

/** Conflicts of one call. */
private const val CONFLICTS_PAGE = 100u

/** What [pick] makes of each event while the flow is collected. It ends when the vault is closed. */
internal fun <T : Any> Loop.flowOf(pick: (Output) -> T?): Flow<T> = flow {
    requireOpen()
    val picked = Channel<T>(EVENTS_MAX, BufferOverflow.DROP_OLDEST)
    val stop = listen { event ->
        if (event === Loop.CLOSED) picked.close() else pick(event)?.let(picked::trySend)
    }
    try {
        for (item in picked) emit(item)
    } finally {
        stop()
    }
}

/**
 * What changes in the collections that [isWanted], while the flow is collected; changes that the collector is behind are
 * joined, so that none is lost. With [atOnce] the first item comes before any change.
 */
internal fun Loop.changesOf(atOnce: Boolean = false, isWanted: (CollectionId) -> Boolean): Flow<Changes> = flow {
    requireOpen()
    val pending = AtomicReference<Changes?>(if (atOnce) Changes(emptySet()) else null)
    val signal = Channel<Unit>(Channel.CONFLATED)
    val stop = listen { event ->
        if (event === Loop.CLOSED) {
            signal.close()
        } else if (event is Output.Changed && isWanted(event.collection)) {
            val changes = Changes(event.keys?.toSet())
            pending.updateAndGet { it?.plus(changes) ?: changes }
            signal.trySend(Unit)
        }
    }
    try {
        if (atOnce) signal.trySend(Unit)
        for (unit in signal) pending.getAndSet(null)?.let { emit(it) }
    } finally {
        stop()
    }
}

/** What [read] gives, now and again whenever the collection changes. */
internal fun <T> Loop.live(id: CollectionId, read: suspend () -> T): Flow<T> = flow {
    // The first read comes after the subscription: no change falls between them.
    changesOf(atOnce = true) { it == id }.conflate().collect { emit(read()) }
}.distinctUntilChanged()

/** The items of all pages: each page begins right after the last key of the one before, and an empty one is the end. */
internal fun <T> pages(first: String, key: (T) -> String, page: suspend (start: String) -> List<T>): Flow<T> = flow {
    var start = first
    while (true) {
        val items = page(start)
        val last = items.lastOrNull() ?: return@flow
        items.forEach { emit(it) }
        start = key(last) + "\u0000"
    }
}

/** The conflicts of the collections that [isWanted], read in pages. */
internal fun conflictsOf(loop: Loop, isWanted: (CollectionId) -> Boolean): Flow<ConflictData> = flow {
    var after: Position? = null
    while (true) {
        val from = after
        val page = loop.call { engine, _ -> engine.conflicts(from, CONFLICTS_PAGE) }
        val last = page.lastOrNull() ?: return@flow
        page.filter { isWanted(it.collection) }.forEach { emit(it) }
        after = Position(last.collection, last.key, last.field)
    }
}
