//! The folder of a mirror: its files opened below it, through no link unless links are to be followed.

use crate::bucket::unreadable;
use crate::folder::beneath::{self, Found};
use crate::folder::{Fault, Folder};
use crate::{Error, ErrorKind};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A folder by its path without links.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) folder: Folder,
    pub(super) follows_links: bool,
    /// What a dry run would make is not there yet.
    pub(super) is_missing: bool,
}

impl Root {
    /// The folder at a path, which is there.
    pub(super) fn open(path: &Path, follows_links: bool) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let real = fs::canonicalize(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::new(ErrorKind::NotFound, "there is no such folder")
                    .on(shown.as_str())
                    .next_step("check its path, or connect the disk it is on")
            }
            _ => unreadable(&error, &shown),
        })?;
        if !real.is_dir() {
            return Err(Error::new(ErrorKind::Invalid, "this is a file")
                .on(shown)
                .next_step("name a folder; for one file there are `tidelock s3 put` and `tidelock s3 get`"));
        }
        Ok(Self { folder: Folder::at(real), follows_links, is_missing: false })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.root()
    }

    /// Where a file of the mirror is.
    pub(super) fn path_of(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// The regular file at a path; `None` where there is something else, or nothing.
    pub(super) fn open_file(&self, path: &str) -> Result<Option<File>, Error> {
        if self.is_missing {
            return Ok(None);
        }
        if self.follows_links {
            let real = self.path_of(path);
            // Looked at first: opening a pipe would wait for its writer.
            return match fs::metadata(&real) {
                Ok(found) if found.is_file() => File::open(&real).map(Some).map_err(|error| unreadable(&error, path)),
                Ok(_) => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(unreadable(&error, path)),
            };
        }
        let at = Path::new(path);
        let failed = |fault| failed(fault, path);
        match self.folder.find_parent(at).map_err(failed)? {
            Found::Directory(directory) => beneath::open_file(&directory, beneath::name(at)).map_err(failed),
            Found::Nothing => Ok(None),
            Found::Other(fault) => Err(failed(fault)),
        }
    }

    /// The directory at a path; the empty path is the folder itself.
    pub(super) fn open_directory(&self, path: &str) -> Result<Dir, Error> {
        let failed = |fault| failed(fault, path);
        if path.is_empty() {
            return self.folder.root_directory().map_err(failed);
        }
        if self.follows_links {
            let opened = Dir::open_ambient_dir(self.path_of(path), ambient_authority());
            return opened.map_err(|error| unreadable(&error, path));
        }
        let at = Path::new(path);
        let parent = match self.folder.find_parent(at).map_err(failed)? {
            Found::Directory(parent) => parent,
            Found::Nothing => return Err(gone(path)),
            Found::Other(fault) => return Err(failed(fault)),
        };
        match beneath::enter(&parent, beneath::name(at)).map_err(failed)? {
            Found::Directory(directory) => Ok(directory),
            Found::Nothing => Err(gone(path)),
            Found::Other(fault) => Err(failed(fault)),
        }
    }
}

/// What the folder says, on a path in it.
pub(super) fn failed(fault: Fault, path: &str) -> Error {
    let step = match fault {
        Fault::Full => "make room on the disk, and run it again",
        Fault::Denied(_) => "check the permissions, and run it again",
        Fault::InTheWay => "a file and a folder can't have one name: remove one of the two, and run it again",
        Fault::Link(_) => "remove the link, or leave it out with --exclude",
        _ => "check the folder, and run it again",
    };
    let kind = if matches!(fault, Fault::NoBucket) { ErrorKind::NotFound } else { ErrorKind::LocalStore };
    Error::new(kind, fault.to_string()).on(path).next_step(step)
}

fn gone(path: &str) -> Error {
    Error::new(ErrorKind::Busy, "it went away meanwhile").on(path).next_step("run it again").retryable()
}
