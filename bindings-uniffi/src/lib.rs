//! Tidelock for Kotlin and Swift: the client layer's driver as one synchronous object, plain data in and out. The run loop is
//! the caller's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidelock_client::{
    Change, Collection, Conflict, Drained, Driver, Entry, Input, KeyRange, Now, Operation, Options, Page, Position,
    Problem, Record, Status, Written,
};
use tidelock_core::crypto::{Entropy, stretch};
use tidelock_core::local::{LocalError, MemoryLocal};
use tidelock_core::{Error, ErrorKind};

uniffi::setup_scaffolding!("tidelock");
tidelock_client::uniffi_reexport_scaffolding!();

/// One vault on one device. Calls may come from any thread.
#[derive(Debug, uniffi::Object)]
pub struct Engine(Mutex<Driver>);

/// What calls throw.
#[derive(Clone, Debug, thiserror::Error, uniffi::Error)]
#[allow(missing_docs, reason = "the one variant says it")]
pub enum TidelockException {
    #[error("{problem}")]
    Failed { problem: Problem },
}

#[uniffi::export]
impl Engine {
    /// Opens what the platform has kept: every page of every `Persist` output, none for a new device.
    ///
    /// # Errors
    /// `invalid` for a malformed store URI, `local-store` for damaged pages.
    #[uniffi::constructor]
    pub fn open(options: Options, pages: Vec<Page>, now: Now) -> Result<Arc<Self>, TidelockException> {
        let local = MemoryLocal::load(pages.into_iter().map(Into::into).collect()).map_err(damaged)?;
        let driver = Driver::open(options, Box::new(local), Box::new(Platform), now)?;
        Ok(Arc::new(Self(Mutex::new(driver))))
    }

    /// Applies at most 5,000 changes, all or none.
    ///
    /// # Errors
    /// `invalid`, `not-found`, `local-store`.
    pub fn write(&self, changes: Vec<Change>, now: Now) -> Result<Written, TidelockException> {
        Ok(self.driver().write(changes, now)?)
    }

    /// The value at a key.
    ///
    /// # Errors
    /// `local-store`.
    pub fn get(&self, collection: Collection, key: &str) -> Result<Option<Record>, TidelockException> {
        Ok(self.driver().get(collection, key)?)
    }

    /// A page of entries by ascending key; an empty page is the end. The next page starts at the last key followed by NUL.
    ///
    /// # Errors
    /// `local-store`.
    pub fn list(&self, collection: Collection, range: KeyRange, limit: u32) -> Result<Vec<Entry>, TidelockException> {
        Ok(self.driver().list(collection, range, limit)?)
    }

    /// A page of conflicts, after an earlier page's last.
    ///
    /// # Errors
    /// `local-store`.
    pub fn conflicts(&self, after: Option<Position>, limit: u32) -> Result<Vec<Conflict>, TidelockException> {
        Ok(self.driver().conflicts(after, limit)?)
    }

    /// What is known, without a request.
    ///
    /// # Errors
    /// `local-store`.
    pub fn status(&self) -> Result<Status, TidelockException> {
        Ok(self.driver().status()?)
    }

    /// Starts an operation; gives its number, which exactly one `Finished` or `Failed` ends.
    ///
    /// # Errors
    /// `invalid` for a mistyped recovery code or device id.
    pub fn start(&self, operation: Operation, now: Now) -> Result<u64, TidelockException> {
        Ok(self.driver().start(operation, now)?)
    }

    /// Cancels an operation; unknown and ended ones are ignored.
    pub fn cancel(&self, op: u64, now: Now) {
        self.driver().cancel(op, now);
    }

    /// Takes what the platform reports.
    ///
    /// # Errors
    /// `invalid` for credentials that can't be any.
    pub fn handle(&self, input: Input, now: Now) -> Result<(), TidelockException> {
        Ok(self.driver().handle(input, now)?)
    }

    /// Runs the Argon2id stretching that a `Stretch` output named: 64 MiB and some tenths of a second, for a background thread.
    /// Other calls go on meanwhile. Gives whether it ran: an id counts once. `now` is the time of the call.
    pub fn stretch(&self, id: u64, now: Now) -> bool {
        let Some(request) = self.driver().take_stretch(id) else { return false };
        let key = stretch(&request);
        self.driver().handle_stretched(id, key, now);
        true
    }

    /// Everything to do next, and until when to sleep.
    pub fn drain(&self, now: Now) -> Drained {
        self.driver().drain(now)
    }
}

impl Engine {
    fn driver(&self) -> MutexGuard<'_, Driver> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Error> for TidelockException {
    fn from(error: Error) -> Self {
        Self::Failed { problem: error.into() }
    }
}

fn damaged(error: LocalError) -> Error {
    Error::new(ErrorKind::LocalStore, error.to_string()).next_step("join the vault again as a new device")
}

/// The platform's random bytes.
struct Platform;

impl Entropy for Platform {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("every platform with cryptography has random bytes");
    }
}
