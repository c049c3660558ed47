//! The files of a folder in the order of their keys' bytes, as a listing has them. A thread of its own reads ahead.

use super::filter::Filter;
use super::names;
use super::root::{Root, failed};
use super::same::modified_ns;
use crate::bucket::unreadable;
use crate::folder::beneath;
use crate::{Error, ErrorKind};
use cap_std::fs::{Dir, FileType, Metadata};
use std::ffi::OsString;
use std::fs;
use tokio::sync::mpsc;

/// Files that are read ahead.
const AHEAD: usize = 1024;

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalFile {
    /// Below the folder, with slashes.
    pub(super) path: String,
    pub(super) len: u64,
    pub(super) modified_ns: i64,
}

/// What the walk meets.
pub(super) enum Walked {
    File(LocalFile),
    /// A link that is not followed, or what has no content: a device, a socket.
    Skipped(String),
    Failed(Error),
}

/// Begins a walk. `prefix` is what keys have before the paths. Files that the mirror `drafts` was writing when it was killed are
/// removed; of whom it is empty, none.
pub(super) fn begin(root: Root, filter: Filter, prefix: String, drafts: String) -> mpsc::Receiver<Walked> {
    let (found, walked) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut walk = Walk { root, filter, prefix, drafts, found };
        // Nobody listens any more: nothing is left to do.
        let _ = walk.directory("");
    });
    walked
}

struct Walk {
    root: Root,
    filter: Filter,
    prefix: String,
    drafts: String,
    found: mpsc::Sender<Walked>,
}

/// Nobody listens any more.
struct Gone;

/// Something in a directory, by rising key: that of a directory ends with a slash, as those of all below it go on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    key: String,
    name: OsString,
    is_directory: bool,
}

impl Walk {
    fn directory(&mut self, path: &str) -> Result<(), Gone> {
        let directory = match self.root.open_directory(path) {
            Ok(directory) => directory,
            Err(error) => return self.tell(Walked::Failed(error)),
        };
        for wanted in self.wanted(&directory, path)? {
            let path = wanted.key.trim_end_matches('/');
            match self.filter.why_alone(path, wanted.is_directory) {
                Ok(why) if why.taken => {}
                Ok(_) => {
                    self.clear(&directory, &wanted);
                    continue;
                }
                // Without its lines nobody knows what of this directory is to stay.
                Err(error) => return self.tell(Walked::Failed(error)),
            }
            if let Err(error) = names::check(&self.prefix, path) {
                self.tell(Walked::Failed(error))?;
            } else if wanted.is_directory {
                self.directory(path)?;
            } else {
                let found = self.file(&directory, &wanted);
                found.map_or(Ok(()), |found| self.tell(found))?;
            }
        }
        Ok(())
    }

    /// What is in a directory, in order.
    fn wanted(&mut self, directory: &Dir, path: &str) -> Result<Vec<Wanted>, Gone> {
        let mut all = Vec::new();
        let entries = match directory.entries() {
            Ok(entries) => entries,
            Err(error) => {
                self.tell(Walked::Failed(unreadable(&error, shown(path))))?;
                return Ok(all);
            }
        };
        for entry in entries {
            let entry = match entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))) {
                Ok((name, kind)) => self.entry(path, name, kind),
                Err(error) => Err(Walked::Failed(unreadable(&error, shown(path)))),
            };
            match entry {
                Ok(wanted) => all.push(wanted),
                Err(told) => self.tell(told)?,
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    fn entry(&mut self, path: &str, name: OsString, kind: FileType) -> Result<Wanted, Walked> {
        let Some(text) = name.to_str() else {
            let shown = join(path, &name.to_string_lossy());
            return Err(Walked::Failed(
                Error::new(ErrorKind::Invalid, "the name is not UTF-8, and keys are")
                    .on(shown)
                    .next_step("rename it, or leave out the folder it is in"),
            ));
        };
        let key = join(path, text);
        let is_directory = match kind.is_symlink() {
            true if !self.root.follows_links => return Err(Walked::Skipped(key)),
            true => match self.follow(path, &key) {
                Ok(is_directory) => is_directory,
                // What is left out anyway may lead nowhere.
                Err(_) if self.filter.why_alone(&key, false).is_ok_and(|why| !why.taken) => {
                    return Err(Walked::Skipped(key));
                }
                Err(error) => return Err(Walked::Failed(error)),
            },
            false => kind.is_dir(),
        };
        Ok(Wanted { key: if is_directory { key + "/" } else { key }, name, is_directory })
    }

    /// Whether a link leads to a directory; one that the link is in is refused.
    fn follow(&self, path: &str, link: &str) -> Result<bool, Error> {
        let unreadable = |error| unreadable(&error, link);
        let target = fs::canonicalize(self.root.path_of(link)).map_err(unreadable)?;
        let is_directory = fs::metadata(&target).map_err(unreadable)?.is_dir();
        if is_directory && fs::canonicalize(self.root.path_of(path)).map_err(unreadable)?.starts_with(&target) {
            return Err(Error::new(ErrorKind::Invalid, "the link leads to a folder that it is in")
                .on(link)
                .next_step("leave it out with --exclude"));
        }
        Ok(is_directory)
    }

    fn file(&self, directory: &Dir, wanted: &Wanted) -> Option<Walked> {
        let path = &wanted.key;
        let found = match self.root.follows_links {
            true => match fs::metadata(self.root.path_of(path)) {
                Ok(found) => found.is_file().then(|| (found.len(), modified_ns(&found))),
                Err(error) => return Some(Walked::Failed(unreadable(&error, path))),
            },
            false => match beneath::look(directory, &wanted.name) {
                // It went away meanwhile.
                Ok(None) => return None,
                Ok(Some(found)) => found.is_file().then(|| (found.len(), modified_of(&found))),
                Err(fault) => return Some(Walked::Failed(failed(fault, path))),
            },
        };
        Some(match found {
            None => Walked::Skipped(path.clone()),
            Some((len, Ok(modified_ns))) => Walked::File(LocalFile { path: path.clone(), len, modified_ns }),
            Some((_, Err(error))) => Walked::Failed(unreadable(&error, path)),
        })
    }

    /// Removes a file that this mirror was writing when it was killed.
    fn clear(&self, directory: &Dir, wanted: &Wanted) {
        let is_ours =
            !self.drafts.is_empty() && wanted.name.to_str().is_some_and(|name| names::is_draft(name, &self.drafts));
        if is_ours && !wanted.is_directory {
            // What can't be removed is taken for nothing else, and the next run tries again.
            let _ = directory.remove_file(&wanted.name);
        }
    }

    fn tell(&mut self, walked: Walked) -> Result<(), Gone> {
        self.found.blocking_send(walked).map_err(|_| Gone)
    }
}

pub(super) fn modified_of(metadata: &Metadata) -> std::io::Result<i64> {
    Ok(crate::folder::unix_ns(metadata.modified()?.into_std()))
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}
