//! The local-store port: this device's side of a vault, and the in-memory implementation.
//!
//! A store is a handful of ordered tables of byte strings with one revision. Several processes may have the same store
//! open: whoever commits on a stale revision is told so, and runs the step again on what is there now.

mod memory;
mod pages;

pub use memory::{MemoryLoader, MemoryLocal};
pub use pages::PAGE_BYTES_MAX;

use std::fmt;

/// The most bytes a key may have.
pub const KEY_BYTES_MAX: usize = 1024;
/// The most bytes a value may have: a key's siblings, or one sealed body, with room to spare.
pub const VALUE_BYTES_MAX: usize = 64 << 20;

/// The tables. The number is what a store on disk keeps: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// The engine's own small state: identity, clock, sequence, frozen body.
    Head = 0,
    /// collection number ‖ record key → what stands there.
    Records = 1,
    /// collection number → kind and name, and back.
    Collections = 2,
    /// n → an own op as written.
    Ops = 3,
    /// collection number ‖ record key, where nothing but tombstones stands → nothing.
    Tombstones = 4,
    /// device number → what is known and verified of a device.
    Devices = 5,
    /// digest of a deleted log entry → nothing.
    Deletions = 6,
    /// collection number ‖ record key → why it is listed: siblings or a log clash.
    Conflicts = 7,
    /// objects that an earlier sweep found unnamed.
    Unnamed = 8,
    /// device ‖ 64 ops' place in its log → their tags.
    Tags = 9,
    /// collection number ‖ place, of a log's imported entries, in the order they are listed → nothing.
    Places = 10,
}

impl Table {
    /// Every table, in the order of the numbers.
    pub const ALL: [Self; 11] = [
        Self::Head,
        Self::Records,
        Self::Collections,
        Self::Ops,
        Self::Tombstones,
        Self::Devices,
        Self::Deletions,
        Self::Conflicts,
        Self::Unnamed,
        Self::Tags,
        Self::Places,
    ];
}

/// Counts commits of a store; a new store is at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// Keys from `start` (included) to `end` (excluded; `None`: to the end of the table).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteRange {
    /// The first key that may be in it.
    pub start: Vec<u8>,
    /// The first key after it.
    pub end: Option<Vec<u8>>,
}

impl ByteRange {
    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while let Some(last) = end.last_mut() {
            if *last < 0xff {
                *last += 1;
                return Self { start: prefix.to_vec(), end: Some(end) };
            }
            end.pop();
        }
        Self { start: prefix.to_vec(), end: None }
    }
}

/// One change of a commit; `value: None` removes the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: Vec<u8>,
    /// The new value, or `None` to remove the key.
    pub value: Option<Vec<u8>>,
}

/// The changes of one commit: ranges are emptied first, then the writes are applied in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Ranges that lose all their rows.
    pub emptied: Vec<(Table, ByteRange)>,
    /// Changes of single rows.
    pub writes: Vec<Write>,
}

impl From<Vec<Write>> for Batch {
    fn from(writes: Vec<Write>) -> Self {
        Self { emptied: Vec::new(), writes }
    }
}

impl Batch {
    /// What every store checks before a commit.
    ///
    /// # Errors
    /// [`LocalError::Other`] when a key or value is larger than [`KEY_BYTES_MAX`] or [`VALUE_BYTES_MAX`].
    pub fn check_limits(&self) -> Result<(), LocalError> {
        for write in &self.writes {
            if write.key.len() > KEY_BYTES_MAX {
                return Err(LocalError::Other(format!("a key has more than {KEY_BYTES_MAX} bytes")));
            }
            if write.value.as_ref().is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
                return Err(LocalError::Other(format!("a value has more than {VALUE_BYTES_MAX} bytes")));
            }
        }
        Ok(())
    }
}

/// A page of a store that keeps its pages elsewhere (a browser's IndexedDB); `bytes: None` removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The page's number.
    pub id: u64,
    /// Its content, ≤ [`PAGE_BYTES_MAX`] (4 KiB) unless one row alone is larger.
    pub bytes: Option<Vec<u8>>,
}

/// Why a local store refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalError {
    /// The revision is not the expected one: another process committed first.
    Stale,
    /// The store is full.
    Full,
    /// The store cannot be written.
    ReadOnly,
    /// Another process held it for too long.
    Busy,
    /// The store's content fails its checks; the text names what.
    Corrupt(String),
    /// Anything else; the text names what.
    Other(String),
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("another process committed first"),
            Self::Full => f.write_str("the disk is full"),
            Self::ReadOnly => f.write_str("the store is read-only"),
            Self::Busy => f.write_str("another process holds the store"),
            Self::Corrupt(what) => write!(f, "the store is damaged: {what}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for LocalError {}

/// A row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Where a device keeps its side of a vault. One suite (`tests/conformance`) runs on every implementation.
pub trait LocalStore: Send {
    /// The value at a key.
    ///
    /// # Errors
    /// What the store says.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LocalError>;

    /// The first `limit` rows of a range, by ascending key.
    ///
    /// # Errors
    /// What the store says.
    fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, LocalError>;

    /// The bytes of all values in a range, without reading them.
    ///
    /// # Errors
    /// What the store says.
    fn value_bytes(&self, table: Table, range: &ByteRange) -> Result<u64, LocalError>;

    /// The store's revision now; other processes' commits count.
    ///
    /// # Errors
    /// What the store says.
    fn revision(&self) -> Result<Revision, LocalError>;

    /// All or nothing, and only while the revision is `expected`.
    ///
    /// # Errors
    /// [`LocalError::Stale`] when it is not; [`Batch::check_limits`]; else what the store says. Nothing is changed then.
    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, LocalError>;

    /// `None`: commits are durable on return. `Some`: pages that the platform must store in one transaction, then report.
    fn take_dirty_pages(&mut self) -> Option<Vec<Page>>;
}
