//! Tidelock for Kotlin and Swift: one synchronous object a vault, plain data in and out. The run loop is the caller's.
//!
//! Nothing here calls back, so that a language's own cancellation, threads and errors stay its own: each layer drains, acts
//! and sleeps. The records are those of `tidelock-client`; `README.md` beside this crate has the table of both layers.
#![forbid(unsafe_code)]

mod archive;
mod failure;
mod json;
mod random;
mod turns;

pub use archive::{export_archive, import_archive};
pub use failure::{Failure, error_kinds};
pub use json::canonical_json;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidelock_client::{
    Change, Collection, Conflict, Document, Drained, Driver, Entry, Input, KeyRange, Now, Operation, Options, Position,
    Record, Status, Written,
};
use tidelock_core::crypto::{StretchedKey, stretch};
use tidelock_core::engine::Pace;
use tidelock_core::{Config, Error};
use tidelock_sqlite::{SyncLock, create_folder, no_vault, open_in, open_or_create_in};
use turns::Turns;

uniffi::setup_scaffolding!("tidelock");
tidelock_client::uniffi_reexport_scaffolding!();

/// One vault on one device, on the SQLite store in a folder. Calls may come from any thread, one after the other.
#[derive(uniffi::Object)]
pub struct Engine {
    inner: Mutex<Inner>,
}

struct Inner {
    driver: Driver,
    turns: Turns,
    pace: Pace,
    stretched: Vec<(u64, Result<StretchedKey, Error>)>,
}

/// How long a watching device waits between syncs, in ms.
#[derive(Clone, Copy, Debug, uniffi::Record)]
pub struct Pause {
    /// At most so long.
    pub wait_ms: u64,
    /// A local write ends the wait, but not before this.
    pub apart_ms: u64,
    /// And this long after it, so that others share its push.
    pub gather_ms: u64,
}

#[uniffi::export]
impl Engine {
    /// Opens what this device has in the folder `local`; with `create`, folder and store are made if they are missing.
    ///
    /// # Errors
    /// `invalid` for a malformed store URI, `not-found` if nothing was created or joined there, `local-store` for a folder or
    /// store that can't be read.
    #[uniffi::constructor]
    pub fn open(options: Options, local: &str, create: bool, now: Now) -> Result<Arc<Self>, Failure> {
        Config::try_from(options.clone())?; // before anything is made for a malformed address
        let folder = Path::new(local);
        let store = if create {
            create_folder(folder)?;
            open_or_create_in(folder)?
        } else {
            open_in(folder)?
        };
        let driver = Driver::open(options, Box::new(store), Box::new(random::Platform), now)?;
        if !create && driver.status()?.vault.is_none() {
            return Err(no_vault(folder).into());
        }
        let turns = Turns::new(SyncLock::new(folder));
        let (pace, stretched) = Default::default();
        Ok(Arc::new(Self { inner: Mutex::new(Inner { driver, turns, pace, stretched }) }))
    }

    /// Applies at most 5,000 changes, all or none; durable on return.
    ///
    /// # Errors
    /// `invalid` for what breaks a limit, `not-found` before a create or join and for a resolve without a conflict,
    /// `local-store`.
    pub fn write(&self, changes: Vec<Change>, now: Now) -> Result<Written, Failure> {
        Ok(self.inner().driver.write(changes, now)?)
    }

    /// The record at a key.
    ///
    /// # Errors
    /// `local-store`.
    pub fn get(&self, collection: Collection, key: &str) -> Result<Option<Record>, Failure> {
        Ok(self.inner().driver.get(collection, key)?)
    }

    /// A page of entries by ascending key; the next page starts at the last key followed by NUL, an empty page is the end.
    ///
    /// # Errors
    /// `local-store`.
    pub fn list(&self, collection: Collection, range: KeyRange, limit: u32) -> Result<Vec<Entry>, Failure> {
        Ok(self.inner().driver.list(collection, range, limit)?)
    }

    /// What stands of a document.
    ///
    /// # Errors
    /// `local-store`.
    pub fn document(&self, collection: Collection, id: &str) -> Result<Option<Document>, Failure> {
        Ok(self.inner().driver.document(collection, id)?)
    }

    /// A page of documents by ascending id; it goes on like [`list`](Self::list).
    ///
    /// # Errors
    /// `local-store`.
    pub fn documents(&self, collection: Collection, range: KeyRange, limit: u32) -> Result<Vec<Document>, Failure> {
        Ok(self.inner().driver.documents(collection, range, limit)?)
    }

    /// A page of conflicts, after an earlier page's last; an empty page is the end.
    ///
    /// # Errors
    /// `local-store`.
    pub fn conflicts(&self, after: Option<Position>, limit: u32) -> Result<Vec<Conflict>, Failure> {
        Ok(self.inner().driver.conflicts(after, limit)?)
    }

    /// What is known without a request.
    ///
    /// # Errors
    /// `local-store`.
    pub fn status(&self) -> Result<Status, Failure> {
        Ok(self.inner().driver.status()?)
    }

    /// Starts an operation once no other process of this device runs one; gives the ticket that its `Finished` or `Failed`
    /// carries.
    pub fn start(&self, operation: Operation) -> u64 {
        self.inner().turns.queue(operation)
    }

    /// Cancels an operation; unknown and ended tickets are ignored.
    pub fn cancel(&self, ticket: u64, now: Now) {
        let Inner { driver, turns, .. } = &mut *self.inner();
        turns.cancel(driver, ticket, now);
    }

    /// Takes what the platform reports.
    ///
    /// # Errors
    /// `invalid` for credentials that can't be any.
    pub fn handle(&self, input: Input, now: Now) -> Result<(), Failure> {
        Ok(self.inner().driver.handle(input, now)?)
    }

    /// Stretches the passphrase that a `Stretch` output names: 64 MiB of memory and some tenths of a second, for a thread
    /// that may be busy. Its result is in the next drain.
    pub fn stretch(&self, id: u64) {
        let Some(request) = self.inner().driver.take_stretch(id) else { return };
        let key = stretch(&request); // without the lock: other calls go on meanwhile
        self.inner().stretched.push((id, key));
    }

    /// All there is to do now, and when to report `Timeout`.
    pub fn drain(&self, now: Now) -> Drained {
        let Inner { driver, turns, stretched, .. } = &mut *self.inner();
        for (id, key) in stretched.drain(..) {
            driver.handle_stretched(id, key, now);
        }
        turns.drain(driver, now)
    }

    /// When a watching device syncs next, after a sync that took or published something (`active`) or did not.
    pub fn pause(&self, active: bool) -> Pause {
        let wait_ms = self.inner().pace.next_wait_ms(active, random::below);
        Pause { wait_ms, apart_ms: Pace::APART_MS, gather_ms: Pace::GATHER_MS }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
