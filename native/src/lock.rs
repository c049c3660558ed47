//! The lock that decides which process of this device syncs. The system frees it when its holder dies.

use crate::Error;
use crate::directory::{LOCK_FILE, io_error};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// The lock of one local store, held or not.
#[derive(Debug)]
pub(crate) struct SyncLock {
    path: PathBuf,
    held: Option<File>,
}

impl SyncLock {
    pub(crate) fn new(local: &Path) -> Self {
        Self { path: local.join(LOCK_FILE), held: None }
    }

    /// Whether it is held now; it is, if nobody else held it.
    pub(crate) fn try_take(&mut self) -> Result<bool, Error> {
        if self.held.is_some() {
            return Ok(true);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.path).map_err(|error| io_error(&error, &self.path))?;
        match file.try_lock() {
            Ok(()) => {
                self.held = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(io_error(&error, &self.path)),
        }
    }

    pub(crate) fn release(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test it is the failure")]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (SyncLock::new(folder.path()), SyncLock::new(folder.path()));
        assert!(one.try_take().unwrap());
        assert!(one.try_take().unwrap(), "who holds it has it");
        assert!(!two.try_take().unwrap());
        one.release();
        assert!(two.try_take().unwrap());
    }

    #[test]
    fn a_missing_folder_is_an_error_not_a_wait() {
        let folder = tempfile::tempdir().unwrap();
        let error = SyncLock::new(&folder.path().join("gone")).try_take().unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::LocalStore);
    }
}
