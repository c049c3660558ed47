//! This device's folder: the local store, and the lock of who syncs.

use crate::clock::{Clock, SystemEntropy};
use crate::{Error, ErrorKind, Local, Options, StoreUri, folder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tidelock_core::engine::Engine;
use tidelock_core::local::LocalError;
use tidelock_sqlite::{STORE_FILE, SqliteLocal, SyncLock, io_error, local_error, no_vault, open_in, open_or_create_in};

/// With what SQLite keeps beside it while it is open.
const STORE_FILES: [&str; 4] = [STORE_FILE, "store.db-wal", "store.db-shm", "store.db-journal"];

/// Opens the engine on the store that is there.
pub(crate) fn open_engine(options: &Options, clock: &Clock) -> Result<Engine, Error> {
    engine_with(options, open_in(&options.local)?, clock)
}

/// Refuses a device's folder inside a folder store, or the store inside it.
pub(crate) fn check_apart(store: &StoreUri, local: &Path) -> Result<(), Error> {
    match store {
        StoreUri::Folder(folder) => folder::check_apart(&folder_path(folder.path()), local),
        StoreUri::S3(_) => Ok(()),
    }
}

/// Opens the engine on the store that is there, or on a new one.
pub(crate) fn open_or_create_engine(options: &Options, clock: &Clock) -> Result<Engine, Error> {
    check_apart(&options.store, &options.local)?;
    engine_with(options, open_or_create_in(&options.local)?, clock)
}

/// The engine on a store that is open.
pub(crate) fn engine_with(options: &Options, store: SqliteLocal, clock: &Clock) -> Result<Engine, Error> {
    Engine::open(options.config(), Box::new(store), Box::new(SystemEntropy::new()?), clock.now())
}

/// This device's side of a vault on its way out: nobody else syncs until this is dropped. The bucket is left alone.
#[derive(Debug)]
pub struct Removal {
    options: Options,
    _lock: SyncLock,
    damage: Option<Error>,
}

impl Removal {
    /// Begins it; nothing is removed yet.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if nothing is there, [`ErrorKind::Busy`] while a process syncs; else what the file system
    /// says.
    pub fn begin(options: &Options) -> Result<Self, Error> {
        let store = options.local.join(STORE_FILE);
        if !store.try_exists().map_err(|error| io_error(&error, &store))? {
            return Err(no_vault(&options.local));
        }
        let mut lock = SyncLock::new(&options.local);
        if !lock.try_take()? {
            return Err(busy(&options.local, "is syncing this vault"));
        }
        Ok(Self { options: options.clone(), _lock: lock, damage: None })
    }

    /// Opens the store for a last look at what is there. Nobody else opens it until that is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] while another process has it open; [`ErrorKind::LocalStore`], retryable if the store may be
    /// whole: a full disk, or one that is read-only.
    pub fn last_look(&mut self) -> Result<Local, Error> {
        let file = self.options.local.join(STORE_FILE);
        let store = SqliteLocal::open_alone(&file).map_err(|error| match error {
            LocalError::Busy => busy(&self.options.local, "has this vault open"),
            LocalError::Full | LocalError::ReadOnly => local_error(error, &file).retryable(),
            _ => local_error(error, &file),
        })?;
        self.damage = store.check_pages().err().map(|error| local_error(error, &file));
        Local::with_store(&self.options, store)
    }

    /// What is damaged in the store that the last look opened all the same: what it says of itself may be wrong.
    pub fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// Removes the local store, with everything that was not published, and no other file of the folder.
    ///
    /// # Errors
    /// [`ErrorKind::LocalStore`] if it can't be removed.
    pub fn finish(&self, last_look: Local) -> Result<(), Error> {
        // Windows removes no open file; elsewhere nobody gets to write into one that goes.
        #[cfg(windows)]
        drop(last_look);
        for name in STORE_FILES {
            let file = self.options.local.join(name);
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&error, &file)),
                _ => {}
            }
        }
        #[cfg(not(windows))]
        drop(last_look);
        Ok(())
    }
}

fn busy(local: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("another process {why}"))
        .on(local.display().to_string())
        .next_step("stop it, then try again")
        .retryable()
}

/// The folder of a `file://` store.
pub(crate) fn folder_path(path: &str) -> PathBuf {
    // `/C:/vault` is how a drive is written in a URL.
    if cfg!(windows) { PathBuf::from(path.trim_start_matches('/')) } else { PathBuf::from(path) }
}
