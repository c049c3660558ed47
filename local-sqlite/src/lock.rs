//! The lock that decides which process of this device syncs. The system frees it when its holder dies.

use crate::io_error;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidelock_core::Error;

/// The lock's file.
const LOCK_FILE: &str = "lock";

/// The lock of one local store, held or not.
#[derive(Debug)]
pub struct SyncLock {
    path: PathBuf,
    held: Option<File>,
}

impl SyncLock {
    /// The lock of the store in this folder; not taken yet.
    pub fn new(local: &Path) -> Self {
        Self { path: local.join(LOCK_FILE), held: None }
    }

    /// Whether it is held now; it is, if nobody else held it.
    ///
    /// # Errors
    /// `local-store` if the lock's file can't be made.
    pub fn try_take(&mut self) -> Result<bool, Error> {
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
                // For those who wait, to tell whom they wait for: nothing depends on it.
                let _ = file.set_len(0).and_then(|()| write!(&file, "{}", std::process::id()));
                self.held = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(io_error(&error, &self.path)),
        }
    }

    /// Gives it back, if it is held.
    pub fn release(&mut self) {
        if let Some(file) = self.held.take() {
            let _ = file.set_len(0);
            // Closing alone would not do: a child that forked meanwhile has the same file open, and the lock is the file's.
            // If it can't be freed, closing frees it where no child has it.
            let _ = file.unlock();
        }
    }

    /// The process that holds it, and for how long, as far as it told.
    pub fn holder(&self) -> Option<(u32, Duration)> {
        let id = fs::read_to_string(&self.path).ok()?.parse().ok()?;
        let since = fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok()?;
        Some((id, since.elapsed().unwrap_or_default()))
    }
}

impl Drop for SyncLock {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (SyncLock::new(folder.path()), SyncLock::new(folder.path()));
        assert!(one.try_take().unwrap());
        assert!(one.try_take().unwrap(), "who holds it has it");
        assert!(!two.try_take().unwrap());
        let (holder, since) = two.holder().unwrap();
        assert_eq!(holder, std::process::id());
        assert!(since < Duration::from_secs(60));
        one.release();
        assert_eq!(two.holder(), None);
        assert!(two.try_take().unwrap());
    }

    #[test]
    fn a_file_that_a_child_inherited_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (SyncLock::new(folder.path()), SyncLock::new(folder.path()));
        assert!(one.try_take().unwrap());
        // As after a fork: a second descriptor of the same open file.
        let inherited = one.held.as_ref().unwrap().try_clone().unwrap();
        one.release();
        assert!(two.try_take().unwrap());
        drop(two);
        assert!(one.try_take().unwrap());
        drop(inherited);
    }

    #[test]
    fn a_missing_folder_is_an_error_not_a_wait() {
        let folder = tempfile::tempdir().unwrap();
        let error = SyncLock::new(&folder.path().join("gone")).try_take().unwrap_err();
        assert_eq!(error.kind(), tidelock_core::ErrorKind::LocalStore);
    }
}
