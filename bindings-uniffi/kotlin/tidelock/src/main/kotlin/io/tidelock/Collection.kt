package io.tidelock

import io.tidelock.data.Change
import io.tidelock.data.KeyRange as Range
import io.tidelock.data.Record
import java.time.Instant
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.toList

/** A map of a vault: keys with values. */
public class Collection<T> internal constructor(internal val records: Records<T>) {
    public val name: String get() = records.id.name

    /** The value at [key]; null: there is none. */
    public suspend fun get(key: String): T? = records.get(key)?.value

    /** The value at [key] with who wrote it and when. */
    public suspend fun entry(key: String): Entry<T>? = records.get(key)

    /** Sets the value at [key]: 1 to 512 bytes. Durable on return. */
    public suspend fun put(key: String, value: T) {
        records.write(records.put(key, value))
    }

    /** Removes what this device has seen at [key]. A key that is not there is no error. */
    public suspend fun delete(key: String) {
        records.write(records.delete(key))
    }

    /** The entries of a range by ascending key, read in pages. */
    public fun list(range: KeyRange = KeyRange.All): Flow<Entry<T>> = records.list(range)

    /** The entries of a range, now and again whenever they change. A slow collector gets the newest. */
    public fun live(range: KeyRange = KeyRange.All): Flow<List<Entry<T>>> = records.live(range)

    /** The keys that change from now on. A slow collector gets them together. */
    public fun changes(): Flow<Changes> = records.changes()

    /** The keys with concurrent values. */
    public fun conflicts(): Flow<Conflict<T>> = conflictsOf(records.loop) { it == records.id }.map { conflict ->
        Conflict(conflict.collection.name, conflict.key, conflict.versions.map { it.decoded(records.codec) })
    }

    /** Ends a conflict with a value, or with null for none. Throws [NotFoundException] where there is no conflict. */
    public suspend fun resolve(key: String, value: T?) {
        records.write(records.resolve(key, value))
    }
}

/** A log of a vault: entries that are added and removed, never changed. */
public class Log<T> internal constructor(internal val records: Records<T>) {
    public val name: String get() = records.id.name

    /** Adds an entry; gives its key, which sorts by time. Durable on return. */
    public suspend fun append(value: T): String = records.write(records.append(value)).first()

    /** The value of the entry at [key]; null: there is none. */
    public suspend fun get(key: String): T? = records.get(key)?.value

    /** The entry at [key] with who added it and when. */
    public suspend fun entry(key: String): Entry<T>? = records.get(key)

    /** Removes an entry for ever. */
    public suspend fun delete(key: String) {
        records.write(records.delete(key))
    }

    /** The entries of a range, the oldest first, read in pages. */
    public fun list(range: KeyRange = KeyRange.All): Flow<Entry<T>> = records.list(range)

    /** The entries of a range, now and again whenever they change. A slow collector gets the newest. */
    public fun live(range: KeyRange = KeyRange.All): Flow<List<Entry<T>>> = records.live(range)

    /** The keys that change from now on. A slow collector gets them together. */
    public fun changes(): Flow<Changes> = records.changes()
}

/** Changes to any number of collections, written together by [Vault.write]. */
public class Batch internal constructor() {
    internal val changes = mutableListOf<Change>()

    /** Sets a value. */
    public fun <T> put(collection: Collection<T>, key: String, value: T) {
        changes += collection.records.put(key, value)
    }

    /** Removes what this device has seen at a key. */
    public fun delete(collection: Collection<*>, key: String) {
        changes += collection.records.delete(key)
    }

    /** Ends a conflict. */
    public fun <T> resolve(collection: Collection<T>, key: String, value: T?) {
        changes += collection.records.resolve(key, value)
    }

    /** Sets a whole document. */
    public fun <T> put(documents: Documents<T>, id: String, value: T) {
        changes += documents.putting(id, value)
    }

    /** Sets the fields that the JSON object [patch] has; null removes one. */
    public fun patch(documents: Documents<*>, id: String, patch: String) {
        changes += documents.patching(id, patch)
    }

    /** Removes what this device has seen of a document. */
    public fun delete(documents: Documents<*>, id: String) {
        changes += documents.deleting(id)
    }

    /** Adds an entry. */
    public fun <T> append(log: Log<T>, value: T) {
        changes += log.records.append(value)
    }

    /** Removes an entry for ever. */
    public fun delete(log: Log<*>, key: String) {
        changes += log.records.delete(key)
    }
}

/** The records of one collection, with the codec of their values. */
internal class Records<T>(val loop: Loop, val id: CollectionId, val codec: Codec<T>) {
    fun put(key: String, value: T) = Change.Put(id, key, codec.encode(value))

    fun delete(key: String) = Change.Delete(id, key)

    fun append(value: T) = Change.Append(id, null, codec.encode(value))

    fun resolve(key: String, value: T?) = Change.Resolve(id, key, value?.let(codec::encode))

    suspend fun write(change: Change): List<String> = loop.write(change)

    suspend fun get(key: String): Entry<T>? = loop.call { engine, _ -> engine.get(id, key) }?.let { entry(key, it) }

    fun list(range: KeyRange): Flow<Entry<T>> =
        pages(range.start, { it.key }) { start ->
            loop.call { engine, _ -> engine.list(id, Range(start, range.end), PAGE) }
        }.map { entry(it.key, it.record) }

    fun live(range: KeyRange): Flow<List<Entry<T>>> = loop.live(id) { list(range).toList() }

    fun changes(): Flow<Changes> = loop.changesOf { it == id }

    private fun entry(key: String, record: Record) =
        Entry(key, codec.decode(record.value), record.device, instant(record.unixMs), record.siblings.toInt())
}

internal fun instant(unixMs: ULong): Instant = Instant.ofEpochMilli(unixMs.toLong())
