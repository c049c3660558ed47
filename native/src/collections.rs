//! Maps and logs: two types, so that a call that makes no sense for one does not compile.

use crate::{Change, Collection, Entry, Error, Event, Events, KeyRange, Record, Vault};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use tidelock_core::Hash;

/// Entries fetched at once by [`Entries`].
const PAGE_ENTRIES: u32 = 256;
/// Changes of one write, well below the engine's bound.
const WRITE_CHANGES_MAX: usize = 1000;

/// A map of a vault: keys (1 to 512 bytes) with values (≤ 256 KiB).
///
/// Puts that had not seen each other stand side by side: reads give the newest, and the others are kept as a conflict
/// ([`Vault::conflicts`]) until a later put or [`resolve`](Self::resolve) replaces them.
#[derive(Clone, Debug)]
pub struct Map {
    vault: Vault,
    collection: Collection,
}

impl Map {
    pub(crate) fn new(vault: Vault, name: String) -> Self {
        Self { vault, collection: Collection::map(name) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.collection.name
    }

    /// What stands at a key.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn get(&self, key: impl Into<String>) -> Result<Option<Record>, Error> {
        self.vault.record(self.collection.clone(), key.into()).await
    }

    /// Sets a record. Durable on return.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a key or value outside the limits; else what the local store says.
    pub async fn put(&self, key: impl Into<String>, value: impl Into<Bytes>) -> Result<(), Error> {
        let change = Change::Put { collection: self.collection.clone(), key: key.into(), value: value.into() };
        self.vault.write(vec![change]).await.map(drop)
    }

    /// Removes a record; one that is not there is no error.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn delete(&self, key: impl Into<String>) -> Result<(), Error> {
        let change = Change::Delete { collection: self.collection.clone(), key: key.into() };
        self.vault.write(vec![change]).await.map(drop)
    }

    /// Ends a conflict with the value to keep, or with none.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where no conflict stands; else what the local store says.
    pub async fn resolve(&self, key: impl Into<String>, value: Option<Bytes>) -> Result<(), Error> {
        let change = Change::Resolve { collection: self.collection.clone(), key: key.into(), value };
        self.vault.write(vec![change]).await.map(drop)
    }

    /// The records of a range, by ascending key.
    pub fn list(&self, range: KeyRange) -> Entries {
        Entries::new(self.vault.clone(), self.collection.clone(), range)
    }

    /// Wakes whenever a sync or this vault changed it.
    pub fn changes(&self) -> Changes {
        Changes::of(&self.vault, self.collection.clone())
    }
}

/// A log of a vault: entries (≤ 256 KiB) in the order of their time; entries that one device added, and imported entries of one
/// time, in the order they were added. A deleted entry never comes back.
#[derive(Clone, Debug)]
pub struct Log {
    vault: Vault,
    collection: Collection,
}

impl Log {
    pub(crate) fn new(vault: Vault, name: String) -> Self {
        Self { vault, collection: Collection::log(name) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.collection.name
    }

    /// Adds an entry; its key is the result. Durable on return.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a value outside the limits; else what the local store says.
    pub async fn append(&self, value: impl Into<Bytes>) -> Result<String, Error> {
        let change = Change::Append { collection: self.collection.clone(), key: None, value: value.into() };
        let written = self.vault.write(vec![change]).await?;
        Ok(written.keys.into_iter().next().unwrap_or_default())
    }

    /// Adds entries that were made elsewhere, such as the lines of a file; importing twice, or a file that lost lines,
    /// changes nothing. Durable on return; an error keeps the batches of 1,000 before it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a value outside the limits; else what the local store says.
    pub async fn import(
        &self,
        source: impl Into<String>,
        entries: impl IntoIterator<Item = Imported>,
    ) -> Result<(), Error> {
        let mut importer = Importer::new(self.collection.clone(), source.into());
        let mut entries = entries.into_iter();
        loop {
            let batch: Vec<Change> =
                entries.by_ref().take(WRITE_CHANGES_MAX).map(|entry| importer.change(entry)).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.vault.write(batch).await?;
        }
    }

    /// An entry by its key.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn get(&self, key: impl Into<String>) -> Result<Option<Record>, Error> {
        self.vault.record(self.collection.clone(), key.into()).await
    }

    /// Removes an entry for ever, from every device, also if it is not here yet.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for a key that no entry can have; else what the local store says.
    pub async fn delete(&self, key: impl Into<String>) -> Result<(), Error> {
        let change = Change::Delete { collection: self.collection.clone(), key: key.into() };
        self.vault.write(vec![change]).await.map(drop)
    }

    /// The entries of a range of keys, oldest first.
    pub fn list(&self, range: KeyRange) -> Entries {
        Entries::new(self.vault.clone(), self.collection.clone(), range)
    }

    /// Wakes whenever a sync or this vault changed it.
    pub fn changes(&self) -> Changes {
        Changes::of(&self.vault, self.collection.clone())
    }
}

/// An entry of a log that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Imported {
    /// When it was made; 0 if unknown, for that must be the same at each import.
    pub unix_ms: u64,
    /// ≤ 256 KiB.
    pub value: Bytes,
}

/// Turns the entries of one source into changes, in order: it counts equal ones. It keeps 16 bytes of each entry's hash, not the
/// entry, so that a history of any length takes little memory.
#[derive(Debug)]
pub struct Importer {
    collection: Collection,
    source: String,
    seen: BTreeMap<[u8; 16], u32>,
}

impl Importer {
    /// For entries from `source`, e.g. a file's name, into a log.
    pub fn new(log: Collection, source: String) -> Self {
        Self { collection: log, source, seen: Default::default() }
    }

    /// The next entry's change.
    pub fn change(&mut self, entry: Imported) -> Change {
        let hash = Hash::of(&[&entry.unix_ms.to_le_bytes(), &*entry.value].concat());
        let mut name = [0; 16];
        name.copy_from_slice(&hash.0[..16]);
        let repeat = self.seen.entry(name).and_modify(|count| *count += 1).or_default();
        Change::Import {
            collection: self.collection.clone(),
            source: self.source.clone(),
            unix_ms: entry.unix_ms,
            repeat: *repeat,
            value: entry.value,
        }
    }
}

/// The entries of a collection, fetched page by page: what is written meanwhile may or may not be among them.
///
/// ```no_run
/// # async fn example(vault: tidelock::Vault) -> Result<(), tidelock::Error> {
/// let mut entries = vault.map("todo").list(Default::default());
/// while let Some(entry) = entries.next().await? {
///     println!("{} has {} bytes", entry.key, entry.record.value.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Entries {
    vault: Vault,
    collection: Collection,
    /// What was not fetched yet; `None` when all was.
    rest: Option<KeyRange>,
    page: VecDeque<Entry>,
}

impl Entries {
    fn new(vault: Vault, collection: Collection, range: KeyRange) -> Self {
        Self { vault, collection, rest: Some(range), page: VecDeque::new() }
    }

    /// The next entry, by ascending key. Dropping the future loses none.
    ///
    /// # Errors
    /// What the local store says; the next call tries again.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        if self.page.is_empty()
            && let Some(range) = self.rest.clone()
        {
            let page = self.vault.page(self.collection.clone(), range.clone(), PAGE_ENTRIES).await?;
            self.rest = after_page(&self.collection, &page, range);
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }

    /// All that follow, in memory.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn collect(mut self) -> Result<Vec<Entry>, Error> {
        let mut all = Vec::new();
        while let Some(entry) = self.next().await? {
            all.push(entry);
        }
        Ok(all)
    }
}

/// What follows a page; nothing follows an empty one.
pub(crate) fn after_page(collection: &Collection, page: &[Entry], range: KeyRange) -> Option<KeyRange> {
    Some(KeyRange { start: page.last()?.next_start(collection), end: range.end })
}

/// Which keys of a collection, or ids of documents, changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedKeys {
    /// These, by ascending order; at most 256.
    These(Vec<String>),
    /// More than that, or an unknown number: read the collection again.
    Many,
}

/// Tells which keys of a collection changed.
#[derive(Debug)]
pub struct Changes {
    events: Events,
    collection: Collection,
}

impl Changes {
    pub(crate) fn of(vault: &Vault, collection: Collection) -> Self {
        Self { events: vault.events(), collection }
    }

    /// Waits for the next change: one for each commit that touched the collection. `None` when the vault is closed.
    pub async fn next(&mut self) -> Option<ChangedKeys> {
        loop {
            match self.events.next().await? {
                Event::Changed { collection, keys } if collection == self.collection => {
                    return Some(keys.map_or(ChangedKeys::Many, ChangedKeys::These));
                }
                // Among the lost may be one of this collection.
                Event::Missed(_) => return Some(ChangedKeys::Many),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_importer_counts_equal_entries_and_keeps_none() {
        let mut importer = Importer::new(Collection::log("shell"), "history".to_owned());
        let mut repeats = Vec::new();
        for (unix_ms, value) in [(1, "ls"), (1, "ls"), (1, "cd"), (2, "ls"), (1, "ls")] {
            let change = importer.change(Imported { unix_ms, value: Bytes::from(value.as_bytes().to_vec()) });
            let Change::Import { repeat, value, .. } = change else { panic!("an import") };
            assert!(value.is_unique(), "the importer keeps an entry");
            repeats.push(repeat);
        }
        assert_eq!(repeats, [0, 1, 0, 0, 2]);
    }
}
