//! Collections: a kind and a name, and the bounds of keys and values.

use crate::{Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// The most bytes a record key may have.
pub const RECORD_KEY_BYTES_MAX: usize = 512;
/// The most bytes a record value may have.
pub const RECORD_VALUE_BYTES_MAX: usize = 256 << 10;
/// The most bytes a collection's name may have.
pub const COLLECTION_NAME_BYTES_MAX: usize = 128;

/// How writes to one key come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Kind {
    /// Tidelock's own records: devices, slots, settings. A map that no caller writes.
    Root = 0,
    /// Keys with values; concurrent puts are kept as siblings.
    Map = 1,
    /// Entries that are added and removed, never changed; deletion wins.
    Log = 2,
    /// Where the blobs of attachments lie: each at its id in hex. A map that no caller writes; its concurrent values are no conflict.
    Places = 4,
    /// Sets of fields that merge field by field: registers under a map's rules.
    Documents = 5,
}

/// (kind, name) is a collection's identity, so two devices that create it offline create the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Collection {
    /// Map, log or documents; or one of Tidelock's own.
    pub kind: Kind,
    /// 1 to 128 bytes; empty for the root records and the places alone.
    pub name: String,
}

impl Collection {
    /// A map.
    pub fn map(name: impl Into<String>) -> Self {
        Self { kind: Kind::Map, name: name.into() }
    }

    /// A log.
    pub fn log(name: impl Into<String>) -> Self {
        Self { kind: Kind::Log, name: name.into() }
    }

    /// Documents.
    pub fn documents(name: impl Into<String>) -> Self {
        Self { kind: Kind::Documents, name: name.into() }
    }

    /// The root records.
    pub(crate) fn root() -> Self {
        Self { kind: Kind::Root, name: String::new() }
    }

    /// The places of blobs.
    pub(crate) fn places() -> Self {
        Self { kind: Kind::Places, name: String::new() }
    }

    /// Whether it follows the rules; every collection from a caller or the bucket passes here.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fits = match self.kind {
            Kind::Root | Kind::Places => self.name.is_empty(),
            Kind::Map | Kind::Log | Kind::Documents => (1..=COLLECTION_NAME_BYTES_MAX).contains(&self.name.len()),
        };
        if fits && !self.name.chars().any(char::is_control) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, "a collection's name has 1 to 128 bytes and no control characters")
            .next_step("choose another name"))
    }
}

impl Kind {
    /// Tidelock's own records: no caller writes them, and nobody is asked about their concurrent values.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Root | Self::Places)
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Root => f.write_str("root"),
            Kind::Places => f.write_str("places"),
            Kind::Map => write!(f, "map {}", self.name),
            Kind::Log => write!(f, "log {}", self.name),
            Kind::Documents => write!(f, "documents {}", self.name),
        }
    }
}

/// Checks a record key.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    if (1..=RECORD_KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    let step = match key.is_empty() {
        true => "give the record a key",
        false => "shorten the key, or put the long part into the value",
    };
    Err(Error::new(ErrorKind::Invalid, format!("a key has 1 to 512 bytes, this one has {}", key.len())).next_step(step))
}

/// Checks a record value.
pub(crate) fn check_value(key: &str, value: &[u8]) -> Result<(), Error> {
    if value.len() <= RECORD_VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, format!("a value has at most 256 KiB, this one has {} bytes", value.len()))
        .on(key)
        .next_step("split the value over several keys"))
}
