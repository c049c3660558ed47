//! Records and what is done to them.

use tidelock_core as core;
use tidelock_core::replica::{field_key, split_document_key};

/// How writes to one key come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum CollectionKind {
    /// Tidelock's own records: no caller writes them.
    Root,
    /// Keys with values.
    Map,
    /// Entries that are added and removed, never changed.
    Log,
    /// JSON objects whose fields merge one by one.
    Documents,
}

/// Kind and name are its identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Collection {
    /// Map, log or documents.
    pub kind: CollectionKind,
    /// 1 to 128 bytes.
    pub name: String,
}

/// One change of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[allow(missing_docs, reason = "the fields are those of the core's `Change`")]
pub enum Change {
    /// Sets a record of a map, or a whole document: its id is the key, its JSON the value.
    Put {
        collection: Collection,
        key: String,
        #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
        value: Vec<u8>,
    },
    /// Removes a record of a map, a document, or an entry of a log for ever.
    Delete { collection: Collection, key: String },
    /// Sets the fields of a document that the patch has; null removes one.
    Patch {
        collection: Collection,
        id: String,
        #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
        patch: Vec<u8>,
    },
    /// Adds an entry to a log, under a key that the caller or the engine made.
    Append {
        collection: Collection,
        key: Option<String>,
        #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
        value: Vec<u8>,
    },
    /// Adds an entry to a log under a key made from its content and source, so that importing twice changes nothing.
    Import {
        collection: Collection,
        source: String,
        unix_ms: u64,
        repeat: u32,
        #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
        value: Vec<u8>,
    },
    /// Adds an entry to a log under the key it had in an archive.
    Restore {
        collection: Collection,
        key: String,
        #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
        value: Vec<u8>,
    },
    /// Ends a conflict: with a value, or with none.
    Resolve {
        collection: Collection,
        key: String,
        #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
        value: Option<Vec<u8>>,
    },
    /// Ends the conflict of a document's field: with a JSON value, or by removing the field.
    ResolveField {
        collection: Collection,
        id: String,
        field: String,
        #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
        value: Option<Vec<u8>>,
    },
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Written {
    /// The key of each change, in order.
    pub keys: Vec<String>,
    /// Durable against power loss once [`Output::Durable`](crate::Output::Durable) reached it.
    pub commit: u64,
}

/// The value at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Record {
    /// Of concurrent values the winner.
    #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
    pub value: Vec<u8>,
    /// The device that wrote it.
    pub device: String,
    /// When it was written, by that device's HLC timestamp.
    pub unix_ms: u64,
    /// How many other concurrent values the key has.
    pub siblings: u32,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value.
    pub record: Record,
}

/// What stands of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Document {
    /// The id.
    pub id: String,
    /// A JSON object in the form of RFC 8785.
    #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
    pub value: Vec<u8>,
    /// The device that wrote the newest value in it.
    pub device: String,
    /// When that was written, by that device's HLC timestamp.
    pub unix_ms: u64,
    /// How many fields have concurrent values.
    pub conflicts: u32,
    /// A device deleted the document without having seen the fields that stand.
    pub deleted_concurrently: bool,
}

/// Keys from `start` (included; empty: the first) to `end` (excluded; none: to the end).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase", default))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct KeyRange {
    /// The first key that may be in it.
    pub start: String,
    /// The first key after it.
    pub end: Option<String>,
}

/// One of the concurrent values of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Version {
    /// The value; none: a delete that had not seen the others.
    #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
    pub value: Option<Vec<u8>>,
    /// The device that wrote it.
    pub device: String,
    /// When it was written, by that device's HLC timestamp.
    pub unix_ms: u64,
}

/// A key with concurrent values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Conflict {
    /// The collection.
    pub collection: Collection,
    /// The key, of a document's field the document's id.
    pub key: String,
    /// The field, in documents.
    pub field: Option<String>,
    /// The winner first, then the others by falling timestamp.
    pub versions: Vec<Version>,
}

/// Where a page of conflicts ended: the last one's place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Position {
    /// Its collection.
    pub collection: Collection,
    /// Its key.
    pub key: String,
    /// Its field, in documents.
    #[cfg_attr(feature = "uniffi", uniffi(default = None))]
    pub field: Option<String>,
}

impl From<CollectionKind> for core::Kind {
    fn from(kind: CollectionKind) -> Self {
        match kind {
            CollectionKind::Root => Self::Root,
            CollectionKind::Map => Self::Map,
            CollectionKind::Log => Self::Log,
            CollectionKind::Documents => Self::Documents,
        }
    }
}

impl From<core::Kind> for CollectionKind {
    fn from(kind: core::Kind) -> Self {
        match kind {
            core::Kind::Root | core::Kind::Places => Self::Root, // Tidelock's own, which no caller reads apart
            core::Kind::Map => Self::Map,
            core::Kind::Log => Self::Log,
            core::Kind::Documents => Self::Documents,
        }
    }
}

impl From<Collection> for core::Collection {
    fn from(Collection { kind, name }: Collection) -> Self {
        Self { kind: kind.into(), name }
    }
}

impl From<core::Collection> for Collection {
    fn from(core::Collection { kind, name }: core::Collection) -> Self {
        Self { kind: kind.into(), name }
    }
}

impl From<Change> for core::Change {
    fn from(change: Change) -> Self {
        match change {
            Change::Put { collection, key, value } => {
                Self::Put { collection: collection.into(), key, value: value.into() }
            }
            Change::Delete { collection, key } => Self::Delete { collection: collection.into(), key },
            Change::Patch { collection, id, patch } => {
                Self::Patch { collection: collection.into(), id, patch: patch.into() }
            }
            Change::Append { collection, key, value } => {
                Self::Append { collection: collection.into(), key, value: value.into() }
            }
            Change::Import { collection, source, unix_ms, repeat, value } => {
                Self::Import { collection: collection.into(), source, unix_ms, repeat, value: value.into() }
            }
            Change::Restore { collection, key, value } => {
                Self::Restore { collection: collection.into(), key, value: value.into() }
            }
            Change::Resolve { collection, key, value } => {
                Self::Resolve { collection: collection.into(), key, value: value.map(Into::into) }
            }
            Change::ResolveField { collection, id, field, value } => {
                Self::ResolveField { collection: collection.into(), id, field, value: value.map(Into::into) }
            }
        }
    }
}

impl From<core::Written> for Written {
    fn from(core::Written { keys, changed: _, commit }: core::Written) -> Self {
        Self { keys, commit: commit.0 }
    }
}

impl From<core::Record> for Record {
    fn from(core::Record { value, stamp, device, siblings, attached: _ }: core::Record) -> Self {
        Self { value: value.into(), device: device.to_string(), unix_ms: stamp.ms, siblings }
    }
}

impl From<core::Entry> for Entry {
    fn from(core::Entry { key, record }: core::Entry) -> Self {
        Self { key, record: record.into() }
    }
}

impl From<core::Document> for Document {
    fn from(core::Document { id, value, stamp, device, conflicts, deleted_concurrently }: core::Document) -> Self {
        let (value, device) = (value.into(), device.to_string());
        Self { id, value, device, unix_ms: stamp.ms, conflicts, deleted_concurrently }
    }
}

impl From<KeyRange> for core::KeyRange {
    fn from(KeyRange { start, end }: KeyRange) -> Self {
        Self { start, end }
    }
}

impl From<core::Version> for Version {
    fn from(core::Version { value, stamp, device, attached: _ }: core::Version) -> Self {
        Self { value: value.map(Into::into), device: device.to_string(), unix_ms: stamp.ms }
    }
}

impl From<core::Conflict> for Conflict {
    fn from(core::Conflict { collection, key, versions }: core::Conflict) -> Self {
        let (key, field) = match collection.kind {
            core::Kind::Documents => split_document_key(&key),
            core::Kind::Root | core::Kind::Places | core::Kind::Map | core::Kind::Log => (&*key, None),
        };
        let (key, field) = (key.to_owned(), field.map(str::to_owned));
        Self { collection: collection.into(), key, field, versions: versions.into_iter().map(Into::into).collect() }
    }
}

impl From<Position> for core::Position {
    fn from(Position { collection, key, field }: Position) -> Self {
        let key = match field {
            Some(field) => field_key(&key, &field),
            None => key,
        };
        Self { collection: collection.into(), key }
    }
}
