//! Changing the folder: PUT and DELETE, one at a time under an OS lock, durable on return.

use super::key;
use super::{Condition, Fault, Folder, Meta, OBJECT_BYTES_MAX, Put, is_absent, unix_ns};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How old a draft of an unfinished write must be before it counts as left behind by a killed process.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// By how much a PUT's time is later than the last one's, in ns: the first of these that the file system can tell apart.
/// From ext4, APFS (1 ns) and NTFS (100 ns) to exFAT (10 ms), HFS+ (1 s) and FAT (2 s).
const STAMP_STEPS_NS: [i64; 5] = [1, 1_000, 10_000_000, 1_000_000_000, 2_000_000_000];

impl Folder {
    /// Stores an object: all of it, or nothing, whatever happens in between.
    ///
    /// # Errors
    /// [`Fault::InTheWay`], [`Fault::TooLarge`], [`Fault::Full`], [`Fault::Denied`], [`Fault::NoBucket`], [`Fault::Key`].
    /// After [`Fault::Io`] it may or may not be stored.
    pub fn put(&self, key: &str, body: &[u8], condition: Condition<'_>) -> Result<Put, Fault> {
        let path = self.root().join(key::path_of(key)?);
        if body.len() as u64 > OBJECT_BYTES_MAX {
            return Err(Fault::TooLarge { bytes: body.len() as u64, bytes_max: OBJECT_BYTES_MAX });
        }
        // Written before the lock is taken: the slow part, and it bothers nobody.
        let mut draft = self.draft()?;
        draft.file.write_all(body)?;
        draft.file.sync_all()?;

        let mut lock = self.lock()?;
        let current = object_at(&path)?;
        match (condition, &current) {
            (Condition::IfAbsent, Some(_)) => return Ok(Put::Refused),
            (Condition::IfMatch(_), None) => return Ok(Put::Missing),
            (Condition::IfMatch(etag), Some(current)) if current.etag() != etag => return Ok(Put::Refused),
            _ => {}
        }
        let directory = self.make_parents(&path)?;
        let meta = lock.stamp(&draft.file, current.as_ref())?;
        fs::rename(&draft.path, &path)?;
        // The time may be lost with the power, for it is set after the sync; the ETag is then another, which costs a reader one GET.
        sync_directory(directory)?;
        Ok(Put::Stored(meta))
    }

    /// Removes an object, and the directories that it leaves empty. Fine if there is none.
    ///
    /// # Errors
    /// [`Fault::Denied`], [`Fault::NoBucket`], [`Fault::Key`]. After [`Fault::Io`] it may or may not be gone.
    pub fn delete(&self, key: &str) -> Result<(), Fault> {
        let path = self.root().join(key::path_of(key)?);
        let _lock = self.lock()?;
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(());
        }
        fs::remove_file(&path)?;
        let mut directory = parent(&path);
        sync_directory(directory)?;
        while directory != self.root() && fs::remove_dir(directory).is_ok() {
            directory = parent(directory);
        }
        Ok(())
    }

    /// Clears away drafts that killed processes left. What can't be cleared is harmless, and not worth failing for.
    pub(super) fn sweep(&self) {
        let Ok(drafts) = fs::read_dir(self.drafts()) else {
            return;
        };
        for draft in drafts.flatten() {
            let modified = draft.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if age.is_some_and(|age| age > LEFT_BEHIND) {
                let is_directory = draft.file_type().is_ok_and(|kind| kind.is_dir());
                let _ = if is_directory { fs::remove_dir_all(draft.path()) } else { fs::remove_file(draft.path()) };
            }
        }
    }

    /// Where files and directories are that are to be something else: what is left there for a day is cleared away when
    /// the folder is opened. It may be missing.
    pub fn drafts(&self) -> PathBuf {
        self.hidden().join("drafts")
    }

    /// A new file below the reserved directory, on the same file system as the object it becomes.
    fn draft(&self) -> Result<Draft, Fault> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let drafts = self.drafts();
        self.make_directory(parent(&drafts))?;
        self.make_directory(&drafts)?;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = drafts.join(format!("{}-{:x}-{count}", std::process::id(), unix_ns(SystemTime::now())));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Draft { file, path }),
                // Another machine's process may have the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for its turn; a holder does no more than look, rename and sync a directory.
    pub(super) fn lock(&self) -> Result<Lock, Fault> {
        let hidden = self.hidden();
        self.make_directory(&hidden)?;
        // Opened anew each time: locks belong to an open file, so this keeps threads apart as well as processes.
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(hidden.join("lock"))?;
        // A signal may end the wait early.
        while let Err(error) = file.lock() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error.into());
            }
        }
        Ok(Lock { file })
    }

    /// Makes the directories that the object lies in, durably, and gives the nearest.
    fn make_parents<'a>(&self, path: &'a Path) -> Result<&'a Path, Fault> {
        let directory = parent(path);
        let mut missing: Vec<&Path> =
            directory.ancestors().take_while(|directory| *directory != self.root() && !directory.is_dir()).collect();
        while let Some(directory) = missing.pop() {
            self.make_directory(directory)?;
        }
        Ok(directory)
    }

    fn make_directory(&self, directory: &Path) -> Result<(), Fault> {
        match fs::create_dir(directory) {
            Ok(()) => Ok(sync_directory(parent(directory))?),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if directory.is_dir() {
                    Ok(())
                } else {
                    Err(Fault::InTheWay)
                }
            }
            Err(error) => {
                self.check()?;
                Err(error.into())
            }
        }
    }
}

/// A file that is not an object yet; gone when dropped, unless it was renamed.
struct Draft {
    file: File,
    path: PathBuf,
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
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
            let meta = Meta::of(&file.metadata()?)?;
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

/// The object at a path. Whatever else is there stays there.
fn object_at(path: &Path) -> Result<Option<Meta>, Fault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(Meta::of(&metadata)?)),
        Ok(_) => Err(Fault::InTheWay),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(Fault::InTheWay),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("a path below the root has a parent")
}

/// Makes a rename, a new file or a removal in this directory survive a power loss.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Windows has no such call; its file systems keep a journal of names.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
