//! Listing: the objects below a directory in the order of their keys' bytes, a page at a time.

use super::beneath::{self, Found};
use super::{Fault, Folder, KEY_BYTES_MAX, Meta, is_absent, key};
use cap_std::fs::{Dir, Metadata};
use std::ffi::OsString;

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
        let root = self.root_directory()?;
        let mut page = Page { prefix, start_after, max, listing: Listing::default() };
        if max > 0 {
            page.walk(&root, "")?;
        }
        Ok(page.listing)
    }
}

/// An object, or a directory whose objects matter; by rising key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    key: String,
    name: OsString,
    is_directory: bool,
}

struct Page<'a> {
    prefix: &'a str,
    start_after: &'a str,
    max: usize,
    listing: Listing,
}

impl Page<'_> {
    /// Adds what is below `directory`, whose keys all begin with `base`. At most `KEY_BYTES_MAX / 2` deep.
    fn walk(&mut self, directory: &Dir, base: &str) -> Result<(), Fault> {
        for Wanted { key, name, is_directory } in self.wanted(directory, base)? {
            if is_directory {
                // Went away, or became something else, since its directory was read?
                let Found::Directory(below) = beneath::enter(directory, &name)? else { continue };
                self.walk(&below, &key)?;
            } else if let Some(metadata) = beneath::look(directory, &name)?.filter(Metadata::is_file) {
                if self.listing.entries.len() == self.max {
                    self.listing.truncated = true;
                } else {
                    self.listing.entries.push(Entry { key, meta: Meta::of(&metadata)? });
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
    fn wanted(&self, directory: &Dir, base: &str) -> Result<Vec<Wanted>, Fault> {
        let mut wanted = Vec::new();
        let entries = match directory.entries() {
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
                wanted.push(Wanted { key, name: entry.file_name(), is_directory: kind.is_dir() });
            }
        }
        wanted.sort_unstable();
        Ok(wanted)
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
