//! Listing: the objects below a directory in the order of their keys' bytes, a page at a time.

use super::{Fault, Folder, KEY_BYTES_MAX, Meta, is_absent, key};
use std::fs;
use std::path::{Path, PathBuf};

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its size, ETag and time.
    pub meta: Meta,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the keys' bytes.
    pub entries: Vec<Entry>,
    /// Whether there are more behind the last one.
    pub truncated: bool,
}

impl Folder {
    /// At most `max` objects whose key begins with `prefix` and comes after `start_after`.
    ///
    /// An object that stands from before the call to its end is listed; one that comes or goes meanwhile may be.
    ///
    /// # Errors
    /// [`Fault::NoBucket`], and whatever the system says.
    pub fn list(&self, prefix: &str, start_after: &str, max: usize) -> Result<Listing, Fault> {
        self.check()?;
        let mut page = Page { prefix, start_after, max, listing: Listing::default() };
        if max > 0 {
            page.walk(self.root(), "")?;
        }
        Ok(page.listing)
    }
}

struct Page<'a> {
    prefix: &'a str,
    start_after: &'a str,
    max: usize,
    listing: Listing,
}

impl Page<'_> {
    /// Adds what is below `directory`, whose keys all begin with `base`. At most `KEY_BYTES_MAX / 2` deep.
    fn walk(&mut self, directory: &Path, base: &str) -> Result<(), Fault> {
        for (key, path) in self.wanted(directory, base)? {
            if key.ends_with('/') && path.is_dir() {
                self.walk(&path, &key)?;
            } else if let Some(meta) = look(&path)? {
                if self.listing.entries.len() == self.max {
                    self.listing.truncated = true;
                } else {
                    self.listing.entries.push(Entry { key, meta });
                }
            }
            if self.listing.truncated {
                break;
            }
        }
        Ok(())
    }

    /// The objects and directories that matter here, in order. A directory counts as its name and a slash, which is how
    /// all keys below it begin: so `a-b` and `a.b` come before `a/b`, as their bytes say.
    fn wanted(&self, directory: &Path, base: &str) -> Result<Vec<(String, PathBuf)>, Fault> {
        let mut wanted = Vec::new();
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(wanted),
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let entry = entry?;
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            let Some(part) = key::part_of(&entry.file_name()) else {
                continue;
            };
            let key = if kind.is_dir() { format!("{base}{part}/") } else { format!("{base}{part}") };
            let matters = if kind.is_dir() {
                (key.starts_with(self.prefix) || self.prefix.starts_with(&key))
                    && (key.as_str() > self.start_after || self.start_after.starts_with(&key))
            } else {
                kind.is_file() && key.starts_with(self.prefix) && key.as_str() > self.start_after
            };
            if matters && key.len() <= KEY_BYTES_MAX {
                wanted.push((key, entry.path()));
            }
        }
        wanted.sort_unstable();
        Ok(wanted)
    }
}

/// `None` when it went away, or became something else, since its directory was read.
fn look(path: &Path) -> Result<Option<Meta>, Fault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(Meta::of(&metadata)?)),
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The continuation token that goes on after this key: hex, so that it passes through XML and URLs as it is.
pub fn token_of_key(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The key that a token goes on after; `None` for what [`token_of_key`] never gave.
pub fn key_of_token(token: &str) -> Option<String> {
    if token.len() > 2 * KEY_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = token.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}
