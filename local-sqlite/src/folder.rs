//! A device's folder: the local store, the lock, and what goes wrong with either, in words for a person.

use crate::SqliteLocal;
use std::fs;
use std::io;
use std::path::Path;
use tidelock_core::local::LocalError;
use tidelock_core::{Error, ErrorKind};

/// The local store's file.
pub const STORE_FILE: &str = "store.db";

/// Opens the store that is in the folder.
///
/// # Errors
/// `not-found` if there is none; `local-store` if it can't be opened.
pub fn open_in(folder: &Path) -> Result<SqliteLocal, Error> {
    let file = folder.join(STORE_FILE);
    match has_content(&file).map_err(|error| io_error(&error, &file))? {
        None => Err(no_vault(folder)),
        // SQLite would make a new store of it, with nothing to publish.
        Some(false) => Err(local_error(LocalError::Corrupt("its file is empty".to_owned()), &file)),
        Some(true) => open_or_create_in(folder),
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

/// Opens the store that is in the folder, or makes one.
///
/// # Errors
/// `local-store` if it can't be opened or made.
pub fn open_or_create_in(folder: &Path) -> Result<SqliteLocal, Error> {
    let file = folder.join(STORE_FILE);
    SqliteLocal::open(&file).map_err(|error| local_error(error, &file))
}

/// Makes the folder, for its owner alone.
///
/// # Errors
/// `local-store` if it can't be made.
pub fn create_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| io_error(&error, folder))
}

/// `not-found`: no vault was created or joined in this folder.
pub fn no_vault(folder: &Path) -> Error {
    Error::new(ErrorKind::NotFound, "this device has no vault here")
        .on(folder.display().to_string())
        .next_step("create a vault, or join one")
}

/// An error of the file system on one of this device's files.
pub fn io_error(error: &io::Error, file: &Path) -> Error {
    let local = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LocalError::Full,
        io::ErrorKind::ReadOnlyFilesystem => LocalError::ReadOnly,
        _ => LocalError::Other(error.to_string()),
    };
    local_error(local, file)
}

/// What the local store says, on its file.
pub fn local_error(error: LocalError, file: &Path) -> Error {
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
