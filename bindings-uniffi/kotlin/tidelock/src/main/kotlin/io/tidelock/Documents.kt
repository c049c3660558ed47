package io.tidelock

import io.tidelock.data.Change
import io.tidelock.data.Document as Data
import io.tidelock.data.KeyRange as Range
import java.time.Instant
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.flow.toList

/**
 * Documents of a vault: JSON objects under ids (1 to 256 bytes, no NUL), with at most 1,000 fields and 256 KiB each.
 *
 * Devices that change different fields of one document merge without a conflict. Where they change the same field, reads give
 * the newer value, and the other one is kept as a conflict of that field.
 */
public class Documents<T> internal constructor(
    private val loop: Loop,
    private val id: CollectionId,
    private val codec: Codec<T>,
) {
    public val name: String get() = id.name

    /** The document; null: there is none. */
    public suspend fun get(id: String): T? = document(id)?.value

    /** The document with who wrote it and when. */
    public suspend fun document(id: String): Document<T>? =
        loop.call { engine, _ -> engine.document(this.id, id) }?.let(::typed)

    /** Sets a whole document: fields that it lacks are removed. Durable on return. */
    public suspend fun put(id: String, value: T) {
        loop.write(putting(id, value))
    }

    /**
     * Sets the fields that the JSON object [patch] has, and removes those that are null in it; the others stay as they are.
     * What is within a field is not merged. A document that is not there is made. Durable on return.
     */
    public suspend fun patch(id: String, patch: String) {
        loop.write(patching(id, patch))
    }

    /** Removes what this device has seen of the document. One that is not there is no error. */
    public suspend fun delete(id: String) {
        loop.write(deleting(id))
    }

    /** The documents of a range of ids by ascending id, read in pages. */
    public fun list(range: KeyRange = KeyRange.All): Flow<Document<T>> =
        pages(range.start, { it.id }) { start ->
            loop.call { engine, _ -> engine.documents(id, Range(start, range.end), PAGE) }
        }.map(::typed)

    /** The documents of a range, now and again whenever they change. A slow collector gets the newest. */
    public fun live(range: KeyRange = KeyRange.All): Flow<List<Document<T>>> = loop.live(id) { list(range).toList() }

    /** The ids of documents that change from now on. A slow collector gets them together. */
    public fun changes(): Flow<Changes> = loop.changesOf { it == id }

    /** The fields with concurrent values. */
    public fun conflicts(): Flow<FieldConflict> = conflictsOf(loop) { it == id }.mapNotNull { conflict ->
        val field = conflict.field ?: return@mapNotNull null
        FieldConflict(conflict.key, field, conflict.versions.map { it.decoded(Codec.Text) })
    }

    /**
     * Ends the conflict of a field with a value as JSON, or with null for none.
     *
     * Throws [NotFoundException] where there is no conflict.
     */
    public suspend fun resolve(id: String, field: String, value: String?) {
        loop.write(Change.ResolveField(this.id, id, field, value?.let(Codec.Text::encode)))
    }

    internal fun putting(id: String, value: T) = Change.Put(this.id, id, codec.encode(value))

    internal fun patching(id: String, patch: String) = Change.Patch(this.id, id, Codec.Text.encode(patch))

    internal fun deleting(id: String) = Change.Delete(this.id, id)

    private fun typed(data: Data) = Document(
        data.id,
        codec.decode(data.value),
        data.device,
        instant(data.unixMs),
        data.conflicts.toInt(),
        data.deletedConcurrently,
    )
}

/** A document. */
public data class Document<T>(
    public val id: String,
    public val value: T,
    /** The id of the device that wrote the newest value in it. */
    public val device: String,
    /** When that was written, by that device's clock. */
    public val writtenAt: Instant,
    /** How many fields have concurrent values. */
    public val conflicts: Int,
    /** A device deleted the document without having seen the fields that are here. */
    public val deletedConcurrently: Boolean,
)

/** A field of a document with concurrent values, until one is chosen by [Documents.resolve]. */
public data class FieldConflict(
    /** The document's id. */
    public val id: String,
    public val field: String,
    /** The values as JSON, the winner first. */
    public val versions: List<Version<String>>,
)
