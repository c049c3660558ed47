//! `.tidelock/` below the root, which no key leads to: the lock, drafts, and a server's own files.

use super::beneath::{self, Found};
use super::{Fault, Folder, key, unix_ns};
use cap_std::fs::{Dir, OpenOptions};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const DRAFTS: &str = "drafts";
const LOCK: &str = "lock";

/// How old a draft of an unfinished write must be before it counts as left behind by a killed process.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

impl Folder {
    /// A directory of the caller's own in the hidden one, made where it is missing; `lock` and `drafts` are taken.
    ///
    /// # Errors
    /// [`Fault::Link`] where a link stands in its place, [`Fault::NoBucket`], and whatever the system says.
    pub fn own_directory(&self, name: &str) -> Result<Dir, Fault> {
        beneath::make(&self.hidden()?, OsStr::new(name))
    }

    /// Where files and directories are that are to be something else, on the same file system as the objects. What is left
    /// there for a day under a [`draft_name`] is cleared away when the folder is opened: a file, or a directory of files.
    ///
    /// # Errors
    /// As [`Folder::own_directory`].
    pub fn drafts(&self) -> Result<Dir, Fault> {
        self.own_directory(DRAFTS)
    }

    /// Clears away drafts that killed processes left. What can't be cleared is harmless, and not worth failing for.
    pub(super) fn sweep(&self) {
        let Ok(Some(drafts)) = self.find_drafts() else { return };
        let Ok(entries) = drafts.entries() else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Ok(Some(metadata)) = beneath::look(&drafts, &name) else { continue };
            let modified = metadata.modified().map(cap_std::time::SystemTime::into_std);
            let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if is_draft_name(&name) && age.is_some_and(|age| age > LEFT_BEHIND) {
                let _ = if metadata.is_dir() { clear(&drafts, &name) } else { drafts.remove_file(&name) };
            }
        }
    }

    /// A new file that is no object yet.
    ///
    /// # Errors
    /// As [`Folder::own_directory`].
    pub fn draft(&self) -> Result<Draft, Fault> {
        let directory = self.drafts()?;
        loop {
            let name = draft_name();
            match directory.open_with(&name, OpenOptions::new().write(true).create_new(true)) {
                Ok(file) => return Ok(Draft { file: file.into_std(), directory, name }),
                // Another machine's process may have the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The file that writers lock.
    pub(super) fn lock_file(&self) -> Result<File, Fault> {
        beneath::open_own(&self.hidden()?, OsStr::new(LOCK))
    }

    fn hidden(&self) -> Result<Dir, Fault> {
        beneath::make(&self.root_directory()?, OsStr::new(key::RESERVED))
    }

    fn find_drafts(&self) -> Result<Option<Dir>, Fault> {
        let mut directory = self.root_directory()?;
        for name in [key::RESERVED, DRAFTS] {
            match beneath::enter(&directory, OsStr::new(name))? {
                Found::Directory(next) => directory = next,
                Found::Nothing | Found::Other(_) => return Ok(None),
            }
        }
        Ok(Some(directory))
    }
}

/// An object that is being written; gone when dropped, unless [`Folder::put_draft`] stored it.
#[derive(Debug)]
pub struct Draft {
    pub(super) file: File,
    pub(super) directory: Dir,
    pub(super) name: String,
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = self.directory.remove_file(&self.name);
    }
}

/// A name for a draft, used once: process id, ns since 1970 in hex digits, and a count.
pub fn draft_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{:x}-{count}", std::process::id(), unix_ns(SystemTime::now()))
}

/// Removes a directory of plain files. Deeper ones are nobody's draft and stay.
///
/// # Errors
/// The system's, also where the directory is not empty afterwards.
pub fn clear(parent: &Dir, name: &OsStr) -> io::Result<()> {
    if let Ok(Found::Directory(directory)) = beneath::enter(parent, name) {
        for entry in directory.entries()?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                directory.remove_file(entry.file_name())?;
            }
        }
    }
    parent.remove_dir(name)
}

fn is_draft_name(name: &OsStr) -> bool {
    let Some(parts) = name.to_str().map(|name| name.split('-').collect::<Vec<_>>()) else { return false };
    let is = |part: &str, digit: fn(&u8) -> bool| !part.is_empty() && part.as_bytes().iter().all(digit);
    matches!(parts[..], [process, ns, count]
        if is(process, u8::is_ascii_digit) && is(ns, u8::is_ascii_hexdigit) && is(count, u8::is_ascii_digit))
}
