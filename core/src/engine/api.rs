//! What goes into the engine and what comes out: plain data, no lifetimes, no futures.

use super::presign::UnsignedRequest;
use crate::crypto::{RecoveryCode, StretchRequest};
use crate::local::Page;
use crate::replica::{Attached, Collection, Kind, Stamp, place};
use crate::s3::{Method, RequestKind, StoreUri};
use crate::{DeviceId, Error, VaultId};
use bytes::Bytes;
use zeroize::Zeroizing;

/// The platform's clocks, read right before each call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; deadlines count on it.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970 by the device's own clock; stamps and signatures use it.
    pub unix_ms: u64,
}

impl Now {
    /// Whether it is so long ago by the device's own clock. What is further ahead than that was noted by a clock that went
    /// back since: nobody knows how long ago it was, and nothing waits longer than twice its time.
    pub(super) fn has_passed(&self, since_ms: u64, wait_ms: u64) -> bool {
        self.unix_ms >= since_ms.saturating_add(wait_ms) || since_ms > self.unix_ms.saturating_add(wait_ms)
    }
}

/// How this device reaches its vault.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bucket side.
    pub store: StoreUri,
    /// What people call this device; ≤ 256 bytes. Used when it creates or joins.
    pub device_name: String,
    /// A request's deadline before its body counts, in ms; 16 KiB/s are granted on top for bodies.
    pub timeout_ms: u64,
    /// How often one request is tried again.
    pub retries: u32,
    /// Requests in flight at once.
    pub concurrency: u32,
    /// Whether segments and snapshots are compressed.
    pub compression: bool,
    /// Whether somebody else signs: [`Output::Presign`] for each request to a bucket, and never [`Output::NeedCredentials`].
    pub presigned: bool,
}

impl Config {
    /// The defaults: 30 s, 5 retries, 8 at once, compressed, signed here.
    pub fn new(store: StoreUri, device_name: impl Into<String>) -> Self {
        Self {
            store,
            device_name: device_name.into(),
            timeout_ms: 30_000,
            retries: 5,
            concurrency: 8,
            compression: true,
            presigned: false,
        }
    }
}

/// One change of a `write`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a record of a map; or a whole document: all of its fields are set, and those that stand here and that it lacks
    /// are removed.
    Put {
        /// A map or documents. In a map the record keeps the attachments of all that the put replaces: of what counted, and of
        /// the versions beside it those whose names are free. An error if these are more than 64.
        collection: Collection,
        /// 1 to 512 bytes; a document's id: 1 to 256 bytes without NUL.
        key: String,
        /// ≤ 256 KiB; a document: a JSON object with at most 1,000 fields, in any form (see [`crate::json`]).
        value: Bytes,
    },
    /// Sets a record of a map, and which attachments it has: these, and no other ones. A [`Self::Put`] leaves it those that it has.
    /// Not for people yet: nothing removes content from the bucket that no record names any more.
    PutWith {
        /// A map.
        collection: Collection,
        /// 1 to 512 bytes.
        key: String,
        /// ≤ 256 KiB.
        value: Bytes,
        /// At most 64, in any order, each name once. What their content is, is for the caller to see to: nothing here asks whether
        /// a pack has it.
        attached: Vec<Attached>,
    },
    /// Removes a record of a map, or what stands here of a document; removing what is not there is no error. Or an entry of a
    /// log, for ever, also if it is not here yet; an error where no entry can have such a key.
    Delete {
        /// A map, a log or documents.
        collection: Collection,
        /// 1 to 512 bytes; a document's id.
        key: String,
    },
    /// Sets some fields of a document and leaves the others as they are. One that does not exist comes to exist.
    Patch {
        /// Documents.
        collection: Collection,
        /// The document.
        id: String,
        /// A JSON object: the fields with their new values; null removes a field.
        patch: Bytes,
    },
    /// Adds an entry to a log under a new, sortable key.
    Append {
        /// A log.
        collection: Collection,
        /// The new key, made by the caller, so that a repeated call adds no second entry: 32 lower-case hex digits, the first
        /// 12 of them Unix ms, by which entries are listed. `None`: the engine makes one; those of one device rise.
        key: Option<String>,
        /// ≤ 256 KiB.
        value: Bytes,
    },
    /// Adds an entry to a log under a key made from its content and source, so that importing twice changes nothing.
    Import {
        /// A log.
        collection: Collection,
        /// Where it comes from, e.g. a file's name; part of the key.
        source: String,
        /// When it was made; part of the key.
        unix_ms: u64,
        /// How many equal entries of the same source and time came before it.
        repeat: u32,
        /// ≤ 256 KiB.
        value: Bytes,
    },
    /// Adds an entry to a log under the key it had in an archive, unless one stands there or was deleted there.
    Restore {
        /// A log.
        collection: Collection,
        /// 1 to 512 bytes.
        key: String,
        /// ≤ 256 KiB.
        value: Bytes,
    },
    /// Ends a conflict: like a put (or, with `None`, a delete), but an error where no conflict stands. So the record keeps the
    /// attachments of all versions.
    Resolve {
        /// A map.
        collection: Collection,
        /// 1 to 512 bytes.
        key: String,
        /// The value to keep, or `None` to keep none.
        value: Option<Bytes>,
    },
    /// Ends the conflict of a document's field, as [`Self::Resolve`] does that of a record.
    ResolveField {
        /// Documents.
        collection: Collection,
        /// The document.
        id: String,
        /// The field.
        field: String,
        /// The JSON value to keep, or `None` to remove the field.
        value: Option<Bytes>,
    },
}

/// What a `write` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The key of each change, in order.
    pub keys: Vec<String>,
    /// Whether each change wrote anything, in order: one that finds what it would bring about writes nothing.
    pub changed: Vec<bool>,
    /// Durable against power loss once [`Event::Durable`] reached it.
    pub commit: CommitId,
}

/// What stands at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The winner's value.
    pub value: Bytes,
    /// When it was written, by its writer's hybrid logical clock.
    pub stamp: Stamp,
    /// Who wrote it.
    pub device: DeviceId,
    /// How many other versions stand beside it, with other values or attachments.
    pub siblings: u32,
    /// The winner's attachments, in the order of their names.
    pub attached: Vec<Attached>,
}

/// A record and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// What stands there.
    pub record: Record,
}

impl Entry {
    /// The start of the range that goes on right after this entry of a collection, also if it is deleted meanwhile.
    pub fn next_start(&self, collection: &Collection) -> String {
        match collection.kind {
            Kind::Log => place(&self.key, self.record.stamp) + "\0",
            _ => format!("{}\0", self.key),
        }
    }
}

/// What stands of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<T = Bytes> {
    /// Its id.
    pub id: String,
    /// A JSON object in canonical form (RFC 8785): of each field the value that counts. Or that as a program's own type.
    pub value: T,
    /// When the newest of these was written, by its writer's hybrid logical clock.
    pub stamp: Stamp,
    /// Who wrote that.
    pub device: DeviceId,
    /// Fields with other values beside the one that counts.
    pub conflicts: u32,
    /// The document was deleted by a device that had not seen all writes to it: what stands are the fields of those. A put
    /// keeps them, a delete removes them. While something is still to come ([`Status::debts`]), it may be the document's
    /// beginning that is missing.
    pub deleted_concurrently: bool,
}

/// Keys from `start` (included; empty: the first) to `end` (excluded). In a log, entries from one to another: keys of appended
/// entries begin with 12 hex digits of ms since 1970, so a bound may be a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that may be in it.
    pub start: String,
    /// The first key after it; `None`: to the end.
    pub end: Option<String>,
}

/// One of the versions that stand at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The value; `None` is a delete that had not seen the others.
    pub value: Option<Bytes>,
    /// When it was written.
    pub stamp: Stamp,
    /// Who wrote it.
    pub device: DeviceId,
    /// Its attachments, in the order of their names.
    pub attached: Vec<Attached>,
}

/// A key where writes that had not seen each other stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The collection.
    pub collection: Collection,
    /// The key; of a document's field its register's: [`crate::replica::split_document_key`].
    pub key: String,
    /// The winner first, then the others by falling stamp.
    pub versions: Vec<Version>,
}

/// Where a page of conflicts ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last conflict's collection.
    pub collection: Collection,
    /// The last conflict's key.
    pub key: String,
}

/// What unlocks a vault for a joining device.
#[derive(Clone)]
pub enum Secret {
    /// The code that `create` returned.
    Recovery(RecoveryCode),
    /// The passphrase.
    Passphrase(Zeroizing<String>),
}

impl std::fmt::Debug for Secret {
    /// Names the kind alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Recovery(_) => "Recovery(redacted)",
            Self::Passphrase(_) => "Passphrase(redacted)",
        })
    }
}

/// A long-running operation.
#[derive(Clone)]
pub enum Operation {
    /// Makes a new vault at the store, with this as its first device. A crashed one is resumed by calling it again.
    Create {
        /// A second way in beside the recovery code.
        passphrase: Option<Zeroizing<String>>,
    },
    /// Adds this device to the vault at the store.
    Join {
        /// What opens it.
        secret: Secret,
    },
    /// Pulls, then publishes what is pending.
    Push,
    /// Polls the beacon and takes what is new.
    Pull,
    /// Pulls and pushes.
    Sync,
    /// A sync that looks at everything anew, instead of trusting hints: one LIST and every manifest that moved.
    Check,
    /// After a rollback or wipe was reported, or objects were lost: publishes everything this device has, all of it written anew.
    Republish,
    /// A check that looks at every object which is named in the store: what is missing or has another length is written again by
    /// this device, or reported with who can.
    Repair,
    /// Looks at every object that is named in the store and writes nothing there. What is missing or damaged is in the report.
    Inspect {
        /// Whether segments and snapshots are read whole; else their lengths are looked at.
        read_data: bool,
    },
    /// Sets, changes or (with none) removes the passphrase. The old one opens nothing that is written from now on.
    SetPassphrase {
        /// The new one.
        passphrase: Option<Zeroizing<String>>,
    },
    /// Replaces the recovery code. The old one opens nothing that is written from now on. One that fails after the
    /// keys turned, or is killed, is resumed by calling it again; until then each sync reports that the new code was given to
    /// nobody.
    ReplaceRecoveryCode,
    /// Says that a device is not expected any more: others wait for it no longer. What it publishes counts whenever it comes,
    /// and it is expected again then.
    RetireDevice {
        /// Another device.
        device: DeviceId,
    },
    /// Shuts a device out: the keys turn, and of what it publishes from now on nothing counts. What others had taken of it
    /// stays. A crashed one is finished by the next sync.
    RevokeDevice {
        /// Another device.
        device: DeviceId,
    },
    /// Takes what a revoked device published beyond what counts.
    AdoptDevice {
        /// A revoked device.
        device: DeviceId,
    },
}

impl std::fmt::Debug for Operation {
    /// Names the kind alone: two of them hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create { .. } => "Create",
            Self::Join { .. } => "Join",
            Self::Push => "Push",
            Self::Pull => "Pull",
            Self::Sync => "Sync",
            Self::Check => "Check",
            Self::Republish => "Republish",
            Self::Repair => "Repair",
            Self::Inspect { .. } => "Inspect",
            Self::SetPassphrase { .. } => "SetPassphrase",
            Self::ReplaceRecoveryCode => "ReplaceRecoveryCode",
            Self::RetireDevice { .. } => "RetireDevice",
            Self::RevokeDevice { .. } => "RevokeDevice",
            Self::AdoptDevice { .. } => "AdoptDevice",
        })
    }
}

/// Ends in exactly one [`Event::Finished`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// Ends in exactly one `handle_response` or `handle_failure`, or an [`Output::Abort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Ends in exactly one `handle_presigned`, or by the engine's own deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PresignId(pub u64);

/// Ends in exactly one `handle_stretched`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StretchId(pub u64);

/// A commit of the local store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub u64);

/// What the platform must do next.
#[derive(Debug)]
pub enum Output {
    /// Send this request once.
    Send(Request),
    /// Stop this request; its answer is no longer wanted.
    Abort(RequestId),
    /// Call `handle_credentials` with credentials that are valid now.
    NeedCredentials,
    /// Have this request signed in its URL, then call `handle_presigned`.
    Presign(PresignId, UnsignedRequest),
    /// Store these pages in one transaction, then call `handle_persisted`.
    Persist(CommitId, Vec<Page>),
    /// Run [`crate::crypto::stretch`] off the engine's thread, then call `handle_stretched`.
    Stretch(StretchId, StretchRequest),
    /// Something the caller may want to know.
    Event(Event),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An operation ended.
    Finished(OpId, Result<Outcome, Error>),
    /// Everything committed up to here survives power loss.
    Durable(CommitId),
    /// Records changed, by a write or a sync: one event a commit and collection.
    Changed {
        /// The collection.
        collection: Collection,
        /// The keys, of documents the ids, by ascending order; `None`: more than 256.
        keys: Option<Vec<String>>,
    },
    /// How far the running work is.
    Progress(Progress),
    /// Something a person should know, that ended nothing.
    Report(Error),
}

/// How an operation ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A vault was created.
    Created {
        /// Shown once; whoever has it can join.
        recovery_code: RecoveryCode,
    },
    /// This device joined.
    Joined,
    /// The passphrase is set, changed or gone.
    PassphraseSet,
    /// The recovery code was replaced.
    RecoveryCodeReplaced {
        /// The new one, shown once.
        recovery_code: RecoveryCode,
    },
    /// A push, pull, sync, check or republish is done; or a device was retired, revoked or adopted, and that is published.
    Synced(SyncReport),
}

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Foreign ops applied.
    pub ops_applied: u64,
    /// Own ops published.
    pub ops_published: u64,
    /// Things named in the bucket that could not be had yet; they are tried again later.
    pub debts: u64,
    /// What a person should know, each once.
    pub reports: Vec<Error>,
}

/// How far the running work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Steps done.
    pub done: u64,
    /// Steps known to be needed.
    pub total: u64,
}

/// What a running operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading beacon and manifests.
    Looking,
    /// Fetching and merging segments and snapshots.
    Pulling,
    /// Sealing and sending.
    Pushing,
}

/// A request, complete: signed, and with the most bytes its answer may have. Send it once; do not follow redirects.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Its name in `handle_response`, `handle_failure` and [`Output::Abort`].
    pub id: RequestId,
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// Headers to set, beside `host` and `content-length`, which the transport sets.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Read no more than this; a longer answer is [`TransportFailure::TooLong`].
    pub max_response_bytes: u64,
}

impl std::fmt::Debug for Request {
    /// Without headers and query: they hold signatures.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.url.split('?').next().unwrap_or_default();
        write!(f, "Request({:?} {:?} {path}, {} B)", self.id, self.method, self.body.len())
    }
}

/// Why no whole answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportFailure {
    /// The transport's own deadline.
    Timeout,
    /// No connection: DNS, refused, unreachable, proxy.
    Connect(String),
    /// TLS refused.
    Tls(String),
    /// The connection broke after it stood.
    Reset(String),
    /// The answer is longer than `max_response_bytes`.
    TooLong,
    /// No credentials were found; or a signer refuses, and why.
    NoCredentials(String),
}

/// Requests by billing kind, and bytes of bodies, since the store was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Meter {
    /// Requests that read one object.
    pub get: u64,
    /// Requests that write one object.
    pub put: u64,
    /// Requests that remove one object.
    pub delete: u64,
    /// Listings.
    pub list: u64,
    /// Requests for headers alone.
    pub head: u64,
    /// Everything sent by POST.
    pub post: u64,
    /// Bytes of request bodies.
    pub bytes_sent: u64,
    /// Bytes of answer bodies.
    pub bytes_received: u64,
}

impl Meter {
    /// Counts one request and its body.
    pub fn count(&mut self, kind: RequestKind, body_bytes: u64) {
        let counter = match kind {
            RequestKind::Get => &mut self.get,
            RequestKind::Put => &mut self.put,
            RequestKind::Delete => &mut self.delete,
            RequestKind::List => &mut self.list,
            RequestKind::Head => &mut self.head,
            RequestKind::Post => &mut self.post,
        };
        *counter += 1;
        self.bytes_sent += body_bytes;
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            get: self.get + other.get,
            put: self.put + other.put,
            delete: self.delete + other.delete,
            list: self.list + other.list,
            head: self.head + other.head,
            post: self.post + other.post,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            bytes_received: self.bytes_received + other.bytes_received,
        }
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.get + self.put + self.delete + self.list + self.head + self.post
    }

    /// What came since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            get: self.get - earlier.get,
            put: self.put - earlier.put,
            delete: self.delete - earlier.delete,
            list: self.list - earlier.list,
            head: self.head - earlier.head,
            post: self.post - earlier.post,
            bytes_sent: self.bytes_sent - earlier.bytes_sent,
            bytes_received: self.bytes_received - earlier.bytes_received,
        }
    }
}

/// What `status` tells; no request is made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `None`: nothing was created or joined here yet.
    pub vault: Option<VaultId>,
    /// This device.
    pub device: Option<DeviceId>,
    /// Every device known, this one included.
    pub devices: Vec<DeviceStatus>,
    /// Those that can open the vault without being a device.
    pub recipients: Vec<Recipient>,
    /// Devices that this store was before: it was copied or restored, and took a new id.
    pub left: Vec<DeviceId>,
    /// Collections with their numbers of records.
    pub collections: Vec<Collection>,
    /// Own ops not yet published.
    pub pending: u64,
    /// The sequence of the newest own manifest.
    pub sequence: u64,
    /// Things named in the bucket that could not be had yet.
    pub debts: u64,
    /// Keys with conflicts, up to 1,000.
    pub conflicts: u64,
    /// Unix ms of the last push that ended well.
    pub last_push_ms: Option<u64>,
    /// Unix ms of the last pull that ended well.
    pub last_pull_ms: Option<u64>,
    /// What the last operation failed with; `None` once one ended well.
    pub last_error: Option<String>,
    /// Whether the store enforces conditional writes; `None`: not probed.
    pub conditional_writes: Option<bool>,
    /// Set while nothing may be published, with the reason.
    pub stopped: Option<Error>,
    /// Set once this device can tell that it was revoked: why, what was not taken, and how to save it.
    pub revoked: Option<Error>,
    /// Of a revoked device: own changes that no other device is known to have. Else 0.
    pub untaken: u64,
    /// Requests and bytes since this store was made.
    pub meter: Meter,
    /// Unix ms when the first of them was counted: with it, [`cost::month`](crate::cost::month) tells what a month costs.
    pub metered_from_ms: Option<u64>,
}

/// A recipient of the vault's keys that is no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// What opens the vault.
    pub kind: RecipientKind,
    /// The device that made or set it.
    pub added_by: DeviceId,
    /// Unix ms of that, by the device's clock.
    pub added_ms: u64,
}

/// What opens a vault, beside a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientKind {
    /// A recovery code.
    RecoveryCode,
    /// A passphrase.
    Passphrase,
}

/// What a device is to the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// The one that tells.
    This,
    /// One that is expected to come.
    Active,
    /// One that nobody waits for.
    Retired,
    /// One that is shut out.
    Revoked,
}

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Its id.
    pub id: DeviceId,
    /// Its name, once its record is here.
    pub name: Option<String>,
    /// What it is to the vault.
    pub state: DeviceState,
    /// Of a revoked one: its ops, by number, that do not count; the first and the last.
    pub quarantined: Option<(u64, u64)>,
    /// The sequence of its newest verified manifest.
    pub sequence: u64,
    /// Its ops applied here without a gap.
    pub applied: u64,
    /// Unix ms, by this device's clock, when a new manifest of it was last seen.
    pub seen_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed() {
        let secret = || Zeroizing::new("correct horse".to_owned());
        let shown = format!(
            "{:?} {:?} {:?}",
            Secret::Passphrase(secret()),
            Operation::Create { passphrase: Some(secret()) },
            Operation::Join { secret: Secret::Passphrase(secret()) }
        );
        assert_eq!(shown, "Passphrase(redacted) Create Join");
    }
}
