package io.tidelock

import io.tidelock.data.ArchiveImport as ArchiveImportData
import io.tidelock.data.DeviceStatus as DeviceData
import io.tidelock.data.Progress as ProgressData
import io.tidelock.data.Recipient as RecipientData
import io.tidelock.data.Status as StatusData
import io.tidelock.data.SyncReport as SyncReportData
import java.time.Instant

/** What a sync did. */
public data class SyncReport(
    /** Ops of other devices that were taken. */
    public val opsApplied: Long,
    /** Own ops that were published. */
    public val opsPublished: Long,
    /** Objects named in the bucket that could not be fetched yet; they are tried again later. */
    public val debts: Long,
    /** What a person should know, each once. */
    public val reports: List<TidelockException>,
) {
    internal constructor(data: SyncReportData) : this(
        data.opsApplied.toLong(),
        data.opsPublished.toLong(),
        data.debts.toLong(),
        data.reports.map(TidelockException::of),
    )
}

/** How far the running operation is. */
public data class Progress(
    /** What is being done. */
    public val phase: Phase,
    /** Steps done. */
    public val done: Long,
    /** Steps known to be needed. */
    public val total: Long,
) {
    internal constructor(data: ProgressData) : this(data.phase, data.done.toLong(), data.total.toLong())
}

/** What is known of the vault without a request. */
public data class Status(
    /** The vault's id. */
    public val vault: String?,
    /** This device's id. */
    public val device: String?,
    /** Every device known, this one included. */
    public val devices: List<Device>,
    /** What else can open the vault. */
    public val recipients: List<Recipient>,
    /** Ids of devices that this store was before: it was copied or restored, and took a new id. */
    public val left: List<String>,
    /** Every collection with a record. */
    public val collections: List<CollectionId>,
    /** Own ops that are not published yet. */
    public val pending: Long,
    /** The sequence of the newest own manifest. */
    public val sequence: Long,
    /** Objects named in the bucket that could not be fetched yet. */
    public val debts: Long,
    /** Keys with conflicts, up to 1,000. */
    public val conflicts: Long,
    /** When the last push ended well. */
    public val lastPush: Instant?,
    /** When the last pull ended well. */
    public val lastPull: Instant?,
    /** What the last operation failed with; null once one ended well. */
    public val lastError: String?,
    /** Whether the store enforces conditional writes; null: not tried. */
    public val conditionalWrites: Boolean?,
    /** Set while nothing may be published, with the reason. */
    public val stopped: TidelockException?,
    /** Set once this device can tell that it was revoked: why, and how to save what was not taken. */
    public val revoked: TidelockException?,
    /** Of a revoked device: own changes that no other device is known to have. Else 0. */
    public val untaken: Long,
    /** Requests and bytes since [meteredFrom]. */
    public val meter: Meter,
    /** When the first request was counted. */
    public val meteredFrom: Instant?,
) {
    internal constructor(data: StatusData) : this(
        data.vault,
        data.device,
        data.devices.map(::Device),
        data.recipients.map(::Recipient),
        data.left,
        data.collections,
        data.pending.toLong(),
        data.sequence.toLong(),
        data.debts.toLong(),
        data.conflicts.toLong(),
        data.lastPushMs?.let(::instant),
        data.lastPullMs?.let(::instant),
        data.lastError,
        data.conditionalWrites,
        data.stopped?.let(TidelockException::of),
        data.revoked?.let(TidelockException::of),
        data.untaken.toLong(),
        data.meter,
        data.meteredFromMs?.let(::instant),
    )
}

/** What gets the vault's keys and is no device. */
public data class Recipient(
    /** What opens the vault. */
    public val kind: RecipientKind,
    /** The id of the device that made or set it. */
    public val addedBy: String,
    /** When, by that device's clock. */
    public val added: Instant,
) {
    internal constructor(data: RecipientData) : this(data.kind, data.addedBy, instant(data.addedMs))
}

/** What is known of a device. */
public data class Device(
    public val id: String,
    /** Its name; null until its record is here. */
    public val name: String?,
    public val state: DeviceState,
    /** Of a revoked device: the number of its first op that does not count. */
    public val quarantinedFrom: Long?,
    /** Of a revoked device: the number of its last op that does not count. */
    public val quarantinedTo: Long?,
    /** The sequence of its newest verified manifest. */
    public val sequence: Long,
    /** Its ops applied here without a gap. */
    public val applied: Long,
    /** When a new manifest of it was last seen, by this device's clock. */
    public val seen: Instant?,
) {
    internal constructor(data: DeviceData) : this(
        data.id,
        data.name,
        data.state,
        data.quarantinedFrom?.toLong(),
        data.quarantinedTo?.toLong(),
        data.sequence.toLong(),
        data.applied.toLong(),
        data.seenMs?.let(::instant),
    )
}

/** What an import did, in records. */
public data class ArchiveImport(
    /** Taken in. */
    public val added: Long,
    /** Here already, with the same value. */
    public val unchanged: Long,
    /** Not taken: what is here is newer. */
    public val newerHere: Long,
    /** Not taken: entries of logs that were deleted here. */
    public val deletedHere: Long,
    /** Not taken: versions that had lost a conflict in the vault that was exported. */
    public val siblings: Long,
) {
    internal constructor(data: ArchiveImportData) : this(
        data.added.toLong(),
        data.unchanged.toLong(),
        data.newerHere.toLong(),
        data.deletedHere.toLong(),
        data.siblings.toLong(),
    )
}
