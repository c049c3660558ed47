//! This device's folder: the local store, and the lock of who syncs.

use crate::clock::{Clock, SystemEntropy};
use crate::{Error, ErrorKind, Options};
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
/// What SQLite keeps beside its file while it is open.
const STORE_FILES: [&str; 3] = [STORE_FILE, "store.db-wal", "store.db-shm"];

/// Opens the engine on the store that is there.
pub(crate) fn open_engine(options: &Options, clock: &Clock) -> Result<Engine, Error> {
    let file = options.local.join(STORE_FILE);
    if !file.try_exists().map_err(|error| io_error(&error, &file))? {
        return Err(no_vault(&options.local));
    }
    open_or_create_engine(options, clock)
}

/// Opens the engine on the store that is there, or on a new one.
pub(crate) fn open_or_create_engine(options: &Options, clock: &Clock) -> Result<Engine, Error> {
    let file = options.local.join(STORE_FILE);
    let store = SqliteLocal::open(&file).map_err(|error| local_error(error, &file))?;
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

/// Forgets this device's side of a vault: removes the local store, with everything that was not published. The bucket is
/// left alone, and so is every other file of the folder.
///
/// # Errors
/// [`ErrorKind::Busy`] while a process syncs, [`ErrorKind::NotFound`] if nothing is there, [`ErrorKind::LocalStore`] if
/// it can't be removed.
pub fn remove_local(local: &Path) -> Result<(), Error> {
    let store = local.join(STORE_FILE);
    if !store.try_exists().map_err(|error| io_error(&error, &store))? {
        return Err(no_vault(local));
    }
    let mut lock = crate::lock::SyncLock::new(local);
    if !lock.try_take()? {
        return Err(Error::new(ErrorKind::Busy, "another process is syncing this vault")
            .on(local.display().to_string())
            .next_step("stop it, then try again")
            .retryable());
    }
    for name in STORE_FILES {
        let file = local.join(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&error, &file)),
            _ => {}
        }
    }
    Ok(())
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
