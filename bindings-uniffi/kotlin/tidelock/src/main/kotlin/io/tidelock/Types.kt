package io.tidelock

import java.time.Instant

// The plain records that every language has, under this package's name.
public typealias ErrorKind = io.tidelock.data.ErrorKind
public typealias CollectionId = io.tidelock.data.Collection
public typealias CollectionKind = io.tidelock.data.CollectionKind
public typealias DeviceState = io.tidelock.data.DeviceState
public typealias Meter = io.tidelock.data.Meter
public typealias Phase = io.tidelock.data.Phase
public typealias RecipientKind = io.tidelock.data.RecipientKind
public typealias Header = io.tidelock.data.Header

/** A new vault and the code that joins it. */
public class Created internal constructor(
    /** Open, with this as its first device. */
    public val vault: Vault,
    /** Given once: show it to the person, who keeps it apart from the device. */
    public val recoveryCode: RecoveryCode,
) {
    public operator fun component1(): Vault = vault

    public operator fun component2(): RecoveryCode = recoveryCode
}

/** A code that joins the vault. Printing it shows nothing; [reveal] does. */
public class RecoveryCode internal constructor(private val code: String) {
    /** The code, for a person to keep. */
    public fun reveal(): String = code

    override fun toString(): String = "RecoveryCode(redacted)"
}

/** What unlocks a vault for a device that joins. */
public sealed class Secret {
    internal abstract fun toData(): io.tidelock.data.Secret

    /** The code that [Vault.create] gave. */
    public class Recovery(private val code: String) : Secret() {
        override fun toData(): io.tidelock.data.Secret = io.tidelock.data.Secret.Recovery(code)
        override fun toString(): String = "Recovery(redacted)"
    }

    /** The passphrase. */
    public class Passphrase(private val passphrase: String) : Secret() {
        override fun toData(): io.tidelock.data.Secret = io.tidelock.data.Secret.Passphrase(passphrase)
        override fun toString(): String = "Passphrase(redacted)"
    }
}

/** Keys from [start] (included) to [end] (excluded; null: to the last key). */
public data class KeyRange(public val start: String = "", public val end: String? = null) {
    public companion object {
        /** Every key. */
        public val All: KeyRange = KeyRange()

        /** The keys that begin with [prefix]. */
        public fun prefix(prefix: String): KeyRange = KeyRange(prefix, after(prefix))

        // The last code point that can be counted up, counted up; what follows it is cut off.
        private fun after(prefix: String): String? {
            val points = prefix.codePoints().toArray()
            val last = points.indexOfLast { it < Character.MAX_CODE_POINT }
            if (last < 0) return null
            // Surrogates are no characters: the one after them follows U+D7FF.
            points[last] = if (points[last] == 0xD7FF) 0xE000 else points[last] + 1
            return String(points, 0, last + 1)
        }
    }
}

/** A key and its value. */
public data class Entry<T>(
    public val key: String,
    /** Of concurrent values the winner. */
    public val value: T,
    /** The id of the device that wrote it. */
    public val device: String,
    /** When it was written, by that device's clock. */
    public val writtenAt: Instant,
    /** How many other concurrent values the key has. */
    public val siblings: Int,
)

/** One of the concurrent values of a key. */
public data class Version<T>(
    /** Null: a delete that had not seen the others. */
    public val value: T?,
    /** The id of the device that wrote it. */
    public val device: String,
    /** When it was written, by that device's clock. */
    public val writtenAt: Instant,
)

internal fun <T> io.tidelock.data.Version.decoded(codec: Codec<T>) =
    Version(value?.let(codec::decode), device, instant(unixMs))

/** A key with concurrent values, until one is chosen by [Collection.resolve]. */
public data class Conflict<T>(
    /** The collection's name. */
    public val collection: String,
    public val key: String,
    /** The winner first. */
    public val versions: List<Version<T>>,
)

/** What changed in a collection, by a write here or by a sync. */
public data class Changes(
    /** The keys, at most 256; null: too many to name. */
    public val keys: Set<String>?,
) {
    internal operator fun plus(other: Changes): Changes {
        if (keys == null || other.keys == null) return Changes(null)
        return Changes((keys + other.keys).takeIf { it.size <= KEYS_MAX })
    }

    private companion object {
        /** Keys that a change names at most. */
        const val KEYS_MAX = 256
    }
}

/** Values that are bytes, as one type: how a collection's values are written and read. */
public interface Codec<T> {
    /** At most 256 KiB. */
    public fun encode(value: T): ByteArray

    /** Whatever it throws reaches the reader of the value. */
    public fun decode(bytes: ByteArray): T

    public companion object {
        /** The bytes themselves. */
        public val Bytes: Codec<ByteArray> = object : Codec<ByteArray> {
            override fun encode(value: ByteArray) = value
            override fun decode(bytes: ByteArray) = bytes
        }

        /** UTF-8. Half of a surrogate pair is refused: it has no form there. */
        public val Text: Codec<String> = object : Codec<String> {
            override fun encode(value: String) = value.encodeToByteArray(throwOnInvalidSequence = true)
            override fun decode(bytes: ByteArray) = bytes.decodeToString(throwOnInvalidSequence = true)
        }
    }
}
