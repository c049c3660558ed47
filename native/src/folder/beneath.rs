//! Directories and files below the root, opened one name at a time and never through a link: whoever may write to a shared
//! folder must not lead a reader, a writer or the sweep to files elsewhere.

use super::{Fault, Folder, is_absent};
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

/// What stands at a name that is to be a directory.
pub(crate) enum Found {
    Directory(Dir),
    Nothing,
    /// A link, or a file.
    Other(Fault),
}

impl Folder {
    /// The root itself. Its own path may have links: the user gave it.
    pub(crate) fn root_directory(&self) -> Result<Dir, Fault> {
        match Dir::open_ambient_dir(self.root(), ambient_authority()) {
            Ok(root) => Ok(root),
            Err(error) if is_absent(&error) => Err(Fault::NoBucket),
            Err(error) => Err(error.into()),
        }
    }

    /// The directory that `path` lies in.
    pub(crate) fn find_parent(&self, path: &Path) -> Result<Found, Fault> {
        let mut directory = self.root_directory()?;
        for name in parent(path) {
            match enter(&directory, name)? {
                Found::Directory(next) => directory = next,
                other => return Ok(other),
            }
        }
        Ok(Found::Directory(directory))
    }

    /// The same, made where it is missing, durably.
    pub(crate) fn make_parent(&self, path: &Path) -> Result<Dir, Fault> {
        let mut directory = self.root_directory()?;
        for name in parent(path) {
            directory = make(&directory, name)?;
        }
        Ok(directory)
    }
}

/// Makes a directory where there is none, durably, and opens it.
pub(crate) fn make(directory: &Dir, name: &OsStr) -> Result<Dir, Fault> {
    // Somebody else may make or remove it between two looks.
    loop {
        match enter(directory, name)? {
            Found::Directory(found) => return Ok(found),
            Found::Other(fault) => return Err(fault),
            Found::Nothing => match directory.create_dir(name) {
                Ok(()) => sync(directory)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            },
        }
    }
}

pub(crate) fn enter(directory: &Dir, name: &OsStr) -> Result<Found, Fault> {
    match directory.open_dir_nofollow(name) {
        Ok(found) => Ok(Found::Directory(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        // Systems differ in the error for a link: what stands there decides.
        Err(error) => match directory.symlink_metadata(name) {
            Ok(metadata) if metadata.is_symlink() => Ok(Found::Other(link(name))),
            Ok(metadata) if !metadata.is_dir() => Ok(Found::Other(Fault::InTheWay)),
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            _ => Err(error.into()),
        },
    }
}

/// Opens the regular file at a name; `None` where there is something else, or nothing.
pub(crate) fn open_file(directory: &Dir, name: &OsStr) -> Result<Option<File>, Fault> {
    // Looked at first: opening a device may do things.
    if !look(directory, name)?.is_some_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    // A pipe that took the file's place meanwhile keeps nobody waiting.
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits() as i32);
    match directory.open_with(name, &options) {
        Ok(file) => {
            let file = file.into_std();
            Ok(file.metadata()?.is_file().then_some(file))
        }
        Err(error) => match look(directory, name)? {
            Some(metadata) if metadata.is_file() => Err(error.into()),
            _ => Ok(None),
        },
    }
}

/// Opens a file of Tidelock's own for reading and writing, made where it is missing.
pub(crate) fn open_own(directory: &Dir, name: &OsStr) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).follow(FollowSymlinks::No);
    match directory.open_with(name, &options) {
        Ok(file) => Ok(file.into_std()),
        Err(error) => match look(directory, name)? {
            Some(metadata) if metadata.is_symlink() => Err(link(name)),
            _ => Err(error.into()),
        },
    }
}

/// What stands at a name, a link as such.
pub(crate) fn look(directory: &Dir, name: &OsStr) -> Result<Option<Metadata>, Fault> {
    match directory.symlink_metadata(name) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes a rename, a new file or a removal in this directory survive a power loss.
#[cfg(unix)]
pub(crate) fn sync(directory: &Dir) -> io::Result<()> {
    directory.open(".")?.sync_all()
}

/// Windows has no such call; its file systems keep a journal of names.
#[cfg(not(unix))]
pub(crate) fn sync(_directory: &Dir) -> io::Result<()> {
    Ok(())
}

/// The last name of a path below the root.
pub(crate) fn name(path: &Path) -> &OsStr {
    path.file_name().expect("a path below the root ends in a name")
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("a path below the root has a parent")
}

fn link(name: &OsStr) -> Fault {
    Fault::Link(name.to_string_lossy().into_owned())
}
