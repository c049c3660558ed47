//! This device's side alone, for a program that writes and is gone: no runtime, no HTTP client, no thread.

use crate::clock::Clock;
use crate::collections::after_page;
use crate::documents::after_documents;
use crate::{
    ArchiveImport, Change, Collection, Conflict, Diagnosis, Document, Entry, Error, KeyRange, Options, Position,
    Record, Status, Written, clock, directory,
};
use std::io::{BufRead, Write};
use tidelock_client::archive;
use tidelock_core::engine::Engine;
use tidelock_sqlite::SqliteLocal;

/// A blocking handle to the local store. What it writes is published by the next push of any process.
///
/// ```no_run
/// # fn example() -> Result<(), tidelock::Error> {
/// use tidelock::{Collection, Local, Options};
///
/// let mut local = Local::open(&Options::new("s3://my-bucket/notes", "/home/me/.local/share/notes")?)?;
/// local.append(Collection::log("shell"), "ls -l")?;
/// # Ok(()) }
/// ```
pub struct Local {
    engine: Engine,
    clock: Clock,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

impl Local {
    /// Opens what this device has.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if this device has created or joined no vault here; else what the local
    /// store says.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let clock = Clock::new();
        Ok(Self { engine: directory::open_engine(options, &clock)?, clock })
    }

    /// The same, of a store that is open.
    pub(crate) fn with_store(options: &Options, store: SqliteLocal) -> Result<Self, Error> {
        let clock = Clock::new();
        Ok(Self { engine: directory::engine_with(options, store, &clock)?, clock })
    }

    /// Writes to any number of collections: all or nothing, at most 5,000 changes. Durable on return.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for what breaks a limit; else what the local store says.
    pub fn write(&mut self, changes: &[Change]) -> Result<Written, Error> {
        let written = self.engine.write(changes, self.clock.now());
        // What it would tell others about the write; nobody else listens here.
        while self.engine.poll_output(self.clock.now()).is_some() {}
        written
    }

    /// Sets a record of a map, or a whole document. Durable on return.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn put(&mut self, map: Collection, key: &str, value: impl Into<bytes::Bytes>) -> Result<(), Error> {
        self.write(&[Change::Put { collection: map, key: key.to_owned(), value: value.into() }]).map(drop)
    }

    /// Removes a record of a map or a document; one that is not there is no error. Or an entry of a log, for ever, also if it is
    /// not here yet.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`NotFound`](crate::ErrorKind::NotFound) for a log's key that no entry can have.
    pub fn delete(&mut self, collection: Collection, key: &str) -> Result<(), Error> {
        self.write(&[Change::Delete { collection, key: key.to_owned() }]).map(drop)
    }

    /// Adds an entry to a log; its key is the result. Durable on return.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn append(&mut self, log: Collection, value: impl Into<bytes::Bytes>) -> Result<String, Error> {
        let written = self.write(&[Change::Append { collection: log, key: None, value: value.into() }])?;
        Ok(written.keys.into_iter().next().unwrap_or_default())
    }

    /// What stands at a key.
    ///
    /// # Errors
    /// What the local store says.
    pub fn get(&self, collection: &Collection, key: &str) -> Result<Option<Record>, Error> {
        self.engine.get(collection, key)
    }

    /// The entries of a range, by ascending key, fetched page by page.
    pub fn list(&self, collection: Collection, range: KeyRange) -> impl Iterator<Item = Result<Entry, Error>> + '_ {
        let mut rest = Some(range);
        let pages = std::iter::from_fn(move || {
            let range = rest.take()?;
            let page = self.engine.list(&collection, &range, PAGE_ENTRIES);
            if let Ok(page) = &page {
                rest = after_page(&collection, page, range);
            }
            Some(page)
        });
        pages.flat_map(|page| match page {
            Ok(entries) => entries.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// What stands of a document, in canonical JSON.
    ///
    /// # Errors
    /// What the local store says.
    pub fn document(&self, collection: &Collection, id: &str) -> Result<Option<Document>, Error> {
        self.engine.document(collection, id)
    }

    /// The documents of a range of ids, by ascending id, fetched page by page.
    pub fn documents(
        &self,
        collection: Collection,
        range: KeyRange,
    ) -> impl Iterator<Item = Result<Document, Error>> + '_ {
        let mut rest = Some(range);
        let pages = std::iter::from_fn(move || {
            let range = rest.take()?;
            let page = self.engine.documents(&collection, &range, PAGE_ENTRIES);
            if let Ok(page) = &page {
                rest = after_documents(page, range);
            }
            Some(page)
        });
        pages.flat_map(|page| match page {
            Ok(documents) => documents.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Keys with versions that had not seen each other: the first `limit` after a position.
    ///
    /// # Errors
    /// What the local store says.
    pub fn conflicts(&self, after: Option<&Position>, limit: u32) -> Result<Vec<Conflict>, Error> {
        self.engine.conflicts(after, limit)
    }

    /// What is known without a request.
    ///
    /// # Errors
    /// What the local store says.
    pub fn status(&self) -> Result<Status, Error> {
        self.engine.status()
    }

    /// What a device that was revoked is told: why, what was not taken, and how to save it. `None` while nothing says that it
    /// was. No request is made.
    ///
    /// # Errors
    /// What the local store says.
    pub fn revoked(&self) -> Result<Option<Error>, Error> {
        self.engine.revoked()
    }

    /// Keeps what a [`doctor`](crate::doctor()) found of the store's conditional writes, in place of what this device found
    /// out by itself. For the store that this vault is at.
    ///
    /// # Errors
    /// What the local store says.
    pub fn remember(&mut self, diagnosis: &Diagnosis) -> Result<(), Error> {
        match diagnosis.conditional_writes {
            Some(found) => self.engine.set_conditional_writes(found, self.clock.now()),
            None => Ok(()),
        }
    }

    /// Writes everything into an archive (`docs/ARCHIVE.md`), in clear; how many records it holds is the result.
    ///
    /// # Errors
    /// What the local store says, and [`LocalStore`](crate::ErrorKind::LocalStore) for the writer's own errors.
    pub fn export_archive(&self, out: &mut impl Write) -> Result<u64, Error> {
        archive::export(&self.engine, clock::unix_ms(), out)
    }

    /// Takes in what an archive holds and this device has not; importing twice changes nothing.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the line that is none of an archive; what came before it stays
    /// imported.
    pub fn import_archive(&mut self, input: &mut impl BufRead) -> Result<ArchiveImport, Error> {
        archive::import(&mut self.engine, &|| self.clock.now(), input)
    }
}

/// Entries fetched at once by [`Local::list`], or documents.
const PAGE_ENTRIES: u32 = 256;
