//! Changing the folder: PUT and DELETE, one at a time under an OS lock, durable on return.

use super::beneath::{self, Found};
use super::key;
use super::{Condition, Draft, Fault, Folder, Meta, Put, unix_ns};
use cap_std::fs::Metadata;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// By how much a PUT's time is later than the last one's, in ns: the first of these that the file system can tell apart.
/// From ext4, APFS (1 ns) and NTFS (100 ns) to exFAT (10 ms), HFS+ (1 s) and FAT (2 s).
const STAMP_STEPS_NS: [i64; 5] = [1, 1_000, 10_000_000, 1_000_000_000, 2_000_000_000];

impl Folder {
    /// Stores an object: all of it, or nothing, whatever happens in between.
    ///
    /// # Errors
    /// [`Fault::InTheWay`], [`Fault::Full`], [`Fault::Denied`], [`Fault::NoBucket`], [`Fault::Key`]. After [`Fault::Io`] it
    /// may or may not be stored.
    pub fn put(&self, key: &str, body: &[u8], condition: Condition<'_>) -> Result<Put, Fault> {
        key::path_of(key)?;
        let mut draft = self.draft()?;
        draft.write_all(body)?;
        self.put_draft(key, draft, condition)
    }

    /// Stores what was written into a draft of this folder as an object: all of it, or nothing.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_draft(&self, key: &str, draft: Draft, condition: Condition<'_>) -> Result<Put, Fault> {
        let path = key::path_of(key)?;
        // Before the lock is taken: the slow part, and it bothers nobody.
        draft.file.sync_all()?;

        let mut lock = self.lock()?;
        let current = self.object_at(&path)?;
        match (condition, &current) {
            (Condition::IfAbsent, Some(_)) => return Ok(Put::Refused),
            (Condition::IfMatch(_), None) => return Ok(Put::Missing),
            (Condition::IfMatch(etag), Some(current)) if current.etag() != etag => return Ok(Put::Refused),
            _ => {}
        }
        let directory = self.make_parent(&path)?;
        let meta = lock.stamp(&draft.file, current.as_ref())?;
        draft.directory.rename(&draft.name, &directory, beneath::name(&path))?;
        // The time may be lost with the power, for it is set after the sync; the ETag is then another, which costs a reader one GET.
        beneath::sync(&directory)?;
        Ok(Put::Stored(meta))
    }

    /// Removes an object, and the directories that it leaves empty. Fine if there is none.
    ///
    /// # Errors
    /// [`Fault::Denied`], [`Fault::NoBucket`], [`Fault::Key`]. After [`Fault::Io`] it may or may not be gone.
    pub fn delete(&self, key: &str) -> Result<(), Fault> {
        let path = key::path_of(key)?;
        let _lock = self.lock()?;
        let Found::Directory(directory) = self.find_parent(&path)? else { return Ok(()) };
        let name = beneath::name(&path);
        if !beneath::look(&directory, name)?.is_some_and(|metadata| metadata.is_file()) {
            return Ok(());
        }
        directory.remove_file(name)?;
        beneath::sync(&directory)?;
        for emptied in path.ancestors().skip(1).take_while(|emptied| !emptied.as_os_str().is_empty()) {
            let Found::Directory(parent) = self.find_parent(emptied)? else { break };
            if parent.remove_dir(beneath::name(emptied)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Waits for its turn; a holder does no more than look, rename and sync a directory.
    pub(super) fn lock(&self) -> Result<Lock, Fault> {
        // Opened anew each time: locks belong to an open file, so this keeps threads apart as well as processes.
        let file = self.lock_file()?;
        // A signal may end the wait early.
        while let Err(error) = file.lock() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error.into());
            }
        }
        Ok(Lock { file })
    }

    /// The object at a path. Whatever else is there stays there.
    fn object_at(&self, path: &Path) -> Result<Option<Meta>, Fault> {
        let directory = match self.find_parent(path)? {
            Found::Directory(directory) => directory,
            Found::Nothing => return Ok(None),
            Found::Other(fault) => return Err(fault),
        };
        match beneath::look(&directory, beneath::name(path))? {
            Some(metadata) if metadata.is_file() => Ok(Some(Meta::of(&metadata)?)),
            // An empty directory is nobody's object, and no parent of any.
            Some(metadata) if metadata.is_dir() && directory.remove_dir(beneath::name(path)).is_ok() => Ok(None),
            Some(_) => Err(Fault::InTheWay),
            None => Ok(None),
        }
    }
}

/// The one writer. Holds the time of the last PUT in the lock's file; freed when closed, also by the system.
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Gives `file` a modification time of now, but later than that of any PUT in this folder.
    fn stamp(&mut self, file: &File, current: Option<&Meta>) -> Result<Meta, Fault> {
        let floor = self.last_ns()?.max(current.map_or(0, |current| current.modified_unix_ns));
        for step in STAMP_STEPS_NS {
            let wanted = unix_ns(SystemTime::now()).max(floor.saturating_add(step));
            file.set_modified(UNIX_EPOCH + Duration::from_nanos(wanted.unsigned_abs()))?;
            // Read back, because file systems round.
            let meta = Meta::of(&Metadata::from_file(file)?)?;
            if meta.modified_unix_ns > floor {
                self.set_last_ns(meta.modified_unix_ns)?;
                return Ok(meta);
            }
        }
        Err(Fault::Io(io::Error::other("the file system does not keep modification times")))
    }

    /// 0 before the first PUT, and after a crash that left part of it: then the clock alone decides.
    fn last_ns(&mut self) -> io::Result<i64> {
        let mut bytes = [0; 8];
        self.file.rewind()?;
        match self.file.read_exact(&mut bytes) {
            Ok(()) => Ok(i64::from_le_bytes(bytes).max(0)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn set_last_ns(&mut self, ns: i64) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(&ns.to_le_bytes())
    }
}
