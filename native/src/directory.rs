//! This device's folder: the local store, and the lock of who syncs.

use crate::clock::{Clock, SystemEntropy};
use crate::lock::SyncLock;
use crate::{Error, ErrorKind, Local, Options, StoreUri, folder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tidelock_core::engine::Engine;
use tidelock_core::local::LocalError;
use tidelock_sqlite::SqliteLocal;

/// The local store's file.
pub(crate) const STORE_FILE: &str = "store.db";
/// The lock's file.
pub(crate) const LOCK_FILE: &str = "lock";
/// With what SQLite keeps beside it while it is open.
const STORE_FILES: [&str; 4] = [STORE_FILE, "store.db-wal", "store.db-shm", "store.db-journal"];

/// Opens the engine on the store that is there.
pub(crate) fn open_engine(options: &Options, clock: &Clock) -> Result<Engine, Error> {
    let file = options.local.join(STORE_FILE);
    match has_content(&file).map_err(|error| io_error(&error, &file))? {
        None => Err(no_vault(&options.local)),
        // SQLite would make a new store of it, with nothing to publish.
        Some(false) => Err(local_error(LocalError::Corrupt("its file is empty".to_owned()), &file)),
        Some(true) => open_or_create_engine(options, clock),
    }
}

/// Whether a store's file has anything in it, or in the log beside it; `None` if it is not there.
fn has_content(file: &Path) -> io::Result<Option<bool>> {
    let len = |file: &Path| match fs::metadata(file) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let Some(bytes) = len(file)? else { return Ok(None) };
    let log = len(&file.with_extension("db-wal"))?;
    Ok(Some(bytes > 0 || log.is_some_and(|bytes| bytes > 0)))
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
    let file = options.local.join(STORE_FILE);
    let store = SqliteLocal::open(&file).map_err(|error| local_error(error, &file))?;
    engine_with(options, store, clock)
}

/// The engine on a store that is open.
pub(crate) fn engine_with(options: &Options, store: SqliteLocal, clock: &Clock) -> Result<Engine, Error> {
    Engine::open(options.config(), Box::new(store), Box::new(SystemEntropy::new()?), clock.now())
}

/// Makes the folder, for its owner alone.
pub(crate) fn create(folder: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| io_error(&error, folder))
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

pub(crate) fn no_vault(local: &Path) -> Error {
    Error::new(ErrorKind::NotFound, "this device has no vault here")
        .on(local.display().to_string())
        .next_step("create a vault, or join one")
}

/// An error of the file system on one of this device's files.
pub(crate) fn io_error(error: &io::Error, file: &Path) -> Error {
    let local = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LocalError::Full,
        io::ErrorKind::ReadOnlyFilesystem => LocalError::ReadOnly,
        _ => LocalError::Other(error.to_string()),
    };
    local_error(local, file)
}

fn local_error(error: LocalError, file: &Path) -> Error {
    let step = match &error {
        LocalError::Stale | LocalError::Busy => "try again when the other process is done",
        LocalError::Full => "make room on the disk, then try again; nothing acknowledged is lost",
        LocalError::ReadOnly => "make the folder writable, or name another",
        LocalError::Corrupt(_) => "move this device's folder away and join again: what was published comes back",
        LocalError::Other(_) => "check that the folder exists and may be read and written",
    };
    let failed = Error::new(ErrorKind::LocalStore, format!("the local store failed: {error}"))
        .on(file.display().to_string())
        .next_step(step);
    if matches!(error, LocalError::Busy | LocalError::Stale) { failed.retryable() } else { failed }
}

/// The folder of a `file://` store.
pub(crate) fn folder_path(path: &str) -> PathBuf {
    // `/C:/vault` is how a drive is written in a URL.
    if cfg!(windows) { PathBuf::from(path.trim_start_matches('/')) } else { PathBuf::from(path) }
}
