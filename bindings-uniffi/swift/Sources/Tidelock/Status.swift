import Foundation
internal import TidelockInternal

/// What a sync did.
public struct SyncReport: Hashable, Sendable {
    /// Ops of other devices that were taken.
    public let opsApplied: Int
    /// Own ops that were published.
    public let opsPublished: Int
    /// Objects named in the bucket that could not be fetched yet; they are tried again later.
    public let debts: Int
    /// What a person should know, each once.
    public let reports: [TidelockError]
}

extension Vault {
    /// How far the running operation is.
    public struct Progress: Hashable, Sendable {
        /// What is being done.
        public let phase: Phase
        /// Steps done.
        public let done: Int
        /// Steps known to be needed.
        public let total: Int
    }

    /// What a running operation does.
    public enum Phase: Hashable, Sendable {
        /// Reading beacon and manifests.
        case looking
        /// Fetching and merging.
        case pulling
        /// Sealing and sending.
        case pushing
    }
}

/// What is known of the vault without a request.
public struct Status: Hashable, Sendable {
    /// The vault's id.
    public let vault: String?
    /// This device's id.
    public let device: String?
    /// Every device known, this one included.
    public let devices: [Device]
    /// Those that can open the vault without being a device.
    public let recipients: [Recipient]
    /// Ids of devices that this store was before: it was copied or restored, and took a new id.
    public let left: [String]
    /// Every collection with a record.
    public let collections: [CollectionID]
    /// Own ops that are not published yet.
    public let pending: Int
    /// The sequence of the newest own manifest.
    public let sequence: Int
    /// Objects named in the bucket that could not be fetched yet.
    public let debts: Int
    /// Keys with conflicts, up to 1,000.
    public let conflicts: Int
    /// When the last push ended well.
    public let lastPush: Date?
    /// When the last pull ended well.
    public let lastPull: Date?
    /// What the last operation failed with; nil once one ended well.
    public let lastError: String?
    /// Whether the store enforces conditional writes; nil: not tried.
    public let hasConditionalWrites: Bool?
    /// Set while nothing may be published, with the reason.
    public let stopped: TidelockError?
    /// Set once this device can tell that it was revoked: why, and how to save what was not taken.
    public let revoked: TidelockError?
    /// Of a revoked device: own changes that no other device is known to have. Else 0.
    public let untaken: Int
    /// Requests and bytes since `meteredFrom`.
    public let meter: Meter
    /// When the first request was counted.
    public let meteredFrom: Date?
}

/// Requests by billing kind, and bytes of bodies.
public struct Meter: Hashable, Sendable {
    /// Requests that read one object.
    public let get: Int
    /// Requests that write one object.
    public let put: Int
    /// Requests that remove one object.
    public let delete: Int
    /// Listings.
    public let list: Int
    /// Requests for headers alone.
    public let head: Int
    /// Everything sent by POST.
    public let post: Int
    /// Bytes of request bodies.
    public let bytesSent: Int
    /// Bytes of answer bodies.
    public let bytesReceived: Int
}

/// A recipient of the vault's keys that is no device.
public struct Recipient: Hashable, Sendable {
    /// What opens the vault.
    public let kind: Kind
    /// The id of the device that made or set it.
    public let addedBy: String
    /// When, by that device's clock.
    public let addedAt: Date

    /// What opens a vault, beside a device.
    public enum Kind: Hashable, Sendable {
        case recoveryCode
        case passphrase
    }
}

/// What is known of a device.
public struct Device: Hashable, Sendable, Identifiable {
    public let id: String
    /// Its name; nil until its record is here.
    public let name: String?
    public let state: State
    /// Of a revoked device: the numbers of its ops that do not count.
    public let quarantined: ClosedRange<UInt64>?
    /// The sequence of its newest verified manifest.
    public let sequence: Int
    /// Its ops applied here without a gap.
    public let applied: Int
    /// When a new manifest of it was last seen, by this device's clock.
    public let seen: Date?

    /// What a device is to the vault.
    public enum State: Hashable, Sendable {
        /// This device.
        case this
        /// One that is expected to sync.
        case active
        /// One that no device waits for.
        case retired
        /// One that is shut out.
        case revoked
    }
}

/// What an import did, in records.
public struct ArchiveImport: Hashable, Sendable {
    /// Taken in.
    public let added: Int
    /// Here already, with the same value.
    public let unchanged: Int
    /// Not taken: what is here is newer.
    public let newerHere: Int
    /// Not taken: entries of logs that were deleted here.
    public let deletedHere: Int
    /// Not taken: versions that had lost a conflict in the vault that was exported.
    public let siblings: Int
}

extension SyncReport {
    init(_ data: TidelockInternal.SyncReport) {
        self.init(
            opsApplied: Int(clamping: data.opsApplied),
            opsPublished: Int(clamping: data.opsPublished),
            debts: Int(clamping: data.debts),
            reports: data.reports.map(TidelockError.init)
        )
    }
}

extension Vault.Progress {
    init(_ data: TidelockInternal.Progress) {
        let phase: Vault.Phase = switch data.phase {
        case .looking: .looking
        case .pulling: .pulling
        case .pushing: .pushing
        }
        self.init(phase: phase, done: Int(clamping: data.done), total: Int(clamping: data.total))
    }
}

extension Status {
    init(_ data: TidelockInternal.Status) {
        self.init(
            vault: data.vault,
            device: data.device,
            devices: data.devices.map(Device.init),
            recipients: data.recipients.map(Recipient.init),
            left: data.left,
            collections: data.collections.map(CollectionID.init),
            pending: Int(clamping: data.pending),
            sequence: Int(clamping: data.sequence),
            debts: Int(clamping: data.debts),
            conflicts: Int(clamping: data.conflicts),
            lastPush: data.lastPushMs.map(Date.init(unixMs:)),
            lastPull: data.lastPullMs.map(Date.init(unixMs:)),
            lastError: data.lastError,
            hasConditionalWrites: data.conditionalWrites,
            stopped: data.stopped.map(TidelockError.init),
            revoked: data.revoked.map(TidelockError.init),
            untaken: Int(clamping: data.untaken),
            meter: Meter(data.meter),
            meteredFrom: data.meteredFromMs.map(Date.init(unixMs:))
        )
    }
}

extension Meter {
    init(_ data: TidelockInternal.Meter) {
        self.init(
            get: Int(clamping: data.get),
            put: Int(clamping: data.put),
            delete: Int(clamping: data.delete),
            list: Int(clamping: data.list),
            head: Int(clamping: data.head),
            post: Int(clamping: data.post),
            bytesSent: Int(clamping: data.bytesSent),
            bytesReceived: Int(clamping: data.bytesReceived)
        )
    }
}

extension Recipient {
    init(_ data: TidelockInternal.Recipient) {
        let kind: Kind = switch data.kind {
        case .recoveryCode: .recoveryCode
        case .passphrase: .passphrase
        }
        self.init(kind: kind, addedBy: data.addedBy, addedAt: Date(unixMs: data.addedMs))
    }
}

extension Device {
    init(_ data: TidelockInternal.DeviceStatus) {
        let state: State = switch data.state {
        case .this: .this
        case .active: .active
        case .retired: .retired
        case .revoked: .revoked
        }
        var quarantined: ClosedRange<UInt64>?
        if let from = data.quarantinedFrom, let to = data.quarantinedTo, from <= to { quarantined = from...to }
        self.init(
            id: data.id,
            name: data.name,
            state: state,
            quarantined: quarantined,
            sequence: Int(clamping: data.sequence),
            applied: Int(clamping: data.applied),
            seen: data.seenMs.map(Date.init(unixMs:))
        )
    }
}

extension ArchiveImport {
    init(_ data: TidelockInternal.ArchiveImport) {
        self.init(
            added: Int(clamping: data.added),
            unchanged: Int(clamping: data.unchanged),
            newerHere: Int(clamping: data.newerHere),
            deletedHere: Int(clamping: data.deletedHere),
            siblings: Int(clamping: data.siblings)
        )
    }
}
