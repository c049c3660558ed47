//! Multipart uploads over a folder: each a directory of its parts in the folder's hidden one, which no key leads to, until
//! they are put together as one object. A restart of the server loses none.

use super::forms::error_of;
use md5::{Digest, Md5};
use s3s::{S3Error, s3_error};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tidelock::folder::{Condition, Fault, Folder, OBJECT_BYTES_MAX, Put};

/// The fewest bytes of every part but the last, as in S3.
const PART_BYTES_MIN: u64 = 5 << 20;
/// The most parts of an upload, and the highest number of one, as in S3.
const PARTS_MAX: i32 = 10_000;

/// The file that has the key; its time is when the upload began. No part has such a name.
const KEY_FILE: &str = "key";

/// How old a directory must be that is no upload before it counts as left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// The uploads of one bucket.
pub(super) struct Uploads<'a> {
    folder: &'a Folder,
}

/// An upload that is under way, or was left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) began: SystemTime,
}

/// A part that is there. Its ETag is the MD5 of its content, in hex digits, as in S3.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    path: PathBuf,
}

/// Why not.
pub(super) enum Refusal {
    Folder(Fault),
    S3(S3Error),
}

type Result<T> = std::result::Result<T, Refusal>;

impl<'a> Uploads<'a> {
    pub(super) fn of(folder: &'a Folder) -> Self {
        Self { folder }
    }

    /// Begins one; its id is the result. An object that can't be has no upload either.
    pub(super) fn begin(&self, key: &str) -> Result<String> {
        self.folder.head(key)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let id = format!("{:032x}", u128::from_be_bytes(id));
        fs::create_dir_all(self.root())?;
        self.sweep();
        // Nobody sees it before it has its key.
        let draft = tempfile::Builder::new().prefix("begun-").tempdir_in(self.root())?;
        fs::write(draft.path().join(KEY_FILE), key)?;
        fs::rename(draft.keep(), self.root().join(&id))?;
        Ok(id)
    }

    /// Stores a part in the place of any earlier one of its number; its ETag is the result.
    pub(super) fn put_part(&self, key: &str, id: &str, number: i32, body: &[u8]) -> Result<String> {
        let directory = self.directory(key, id)?;
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(s3_error!(InvalidArgument, "a part's number is 1 to 10,000").into());
        }
        let etag = md5(body);
        let mut draft = tempfile::Builder::new().prefix("draft-").tempfile_in(&directory)?;
        draft.write_all(body)?;
        draft.as_file().sync_all()?;
        let name = format!("{number:05}-{etag}");
        draft.persist(directory.join(&name)).map_err(|error| error.error)?;
        let earlier = parts_in(&directory)?.into_iter().filter(|part| part.number == number && part.etag != etag);
        for part in earlier {
            fs::remove_file(part.path)?;
        }
        Ok(etag)
    }

    /// The parts by rising number.
    pub(super) fn parts(&self, key: &str, id: &str) -> Result<Vec<Part>> {
        // Where two of a number arrived at once, the later one counts.
        let mut by_number = BTreeMap::new();
        let mut parts = parts_in(&self.directory(key, id)?)?;
        parts.sort_by_key(|part| part.modified);
        by_number.extend(parts.into_iter().map(|part| (part.number, part)));
        Ok(by_number.into_values().collect())
    }

    /// Puts the parts of these numbers and ETags together, where the condition holds.
    pub(super) fn complete(
        &self,
        key: &str,
        id: &str,
        wanted: &[(i32, String)],
        condition: Condition<'_>,
    ) -> Result<Put> {
        let directory = self.directory(key, id)?;
        if wanted.is_empty() {
            return Err(s3_error!(MalformedXML, "a CompleteMultipartUpload names at least one part").into());
        }
        if !wanted.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Err(s3_error!(InvalidPartOrder, "the parts are not named by rising number").into());
        }
        let there = parts_in(&directory)?;
        let part_of = |(number, etag): &(i32, String)| {
            let found = there.iter().find(|part| part.number == *number && part.etag == *etag);
            found.ok_or_else(|| s3_error!(InvalidPart, "part {number} with this ETag is not there"))
        };
        let parts = wanted.iter().map(part_of).collect::<std::result::Result<Vec<_>, _>>()?;
        if parts[..parts.len() - 1].iter().any(|part| part.size < PART_BYTES_MIN) {
            return Err(s3_error!(EntityTooSmall, "every part but the last has at least 5 MiB").into());
        }
        let bytes = parts.iter().map(|part| part.size).sum::<u64>();
        if bytes > OBJECT_BYTES_MAX {
            return Err(Fault::TooLarge { bytes, bytes_max: OBJECT_BYTES_MAX }.into());
        }
        let mut body = Vec::with_capacity(bytes as usize);
        for part in parts {
            let content = fs::read(&part.path)?;
            if md5(&content) != part.etag {
                return Err(s3_error!(InvalidPart, "part {} is not as it was stored", part.number).into());
            }
            body.extend_from_slice(&content);
        }
        let put = self.folder.put(key, &body, condition)?;
        if matches!(put, Put::Stored(_)) {
            self.remove(&directory)?;
        }
        Ok(put)
    }

    /// Gives one up.
    pub(super) fn abort(&self, key: &str, id: &str) -> Result<()> {
        let directory = self.directory(key, id)?;
        self.remove(&directory)
    }

    /// Those whose keys begin with `prefix`, by key and then by id.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Upload>> {
        let mut uploads = Vec::new();
        let entries = match fs::read_dir(self.root()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.folder.check()?;
                return Ok(uploads);
            }
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().filter(|name| is_id(name)).map(str::to_owned) else { continue };
            let file = entry.path().join(KEY_FILE);
            match fs::read_to_string(&file) {
                Ok(key) if key.starts_with(prefix) => {
                    uploads.push(Upload { key, id, began: fs::metadata(file)?.modified()? });
                }
                Ok(_) => {}
                // It ends at this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        uploads.sort();
        Ok(uploads)
    }

    /// Clears away what a killed server began or ended halfway. What can't be cleared is harmless.
    fn sweep(&self) {
        for entry in fs::read_dir(self.root()).into_iter().flatten().flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| modified.elapsed().ok());
            if !entry.file_name().to_str().is_some_and(is_id) && age.is_some_and(|age| age > LEFT_BEHIND) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.hidden().join("uploads")
    }

    /// Where an upload's parts are.
    fn directory(&self, key: &str, id: &str) -> Result<PathBuf> {
        self.folder.check()?;
        let gone = || s3_error!(NoSuchUpload, "there is no such upload; it was completed or given up, or never begun");
        if !is_id(id) {
            return Err(gone().into());
        }
        let directory = self.root().join(id);
        match fs::read_to_string(directory.join(KEY_FILE)) {
            Ok(stored) if stored == key => Ok(directory),
            Ok(_) => Err(gone().into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone().into()),
            Err(error) => Err(error.into()),
        }
    }

    /// First out of sight, so that nothing is added to what is half removed.
    fn remove(&self, directory: &Path) -> Result<()> {
        let hidden = tempfile::Builder::new().prefix("ended-").tempdir_in(self.root())?;
        fs::rename(directory, hidden.path().join("upload"))?;
        Ok(hidden.close()?)
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Folder(fault) => error_of(fault),
            Refusal::S3(error) => error,
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Folder(fault)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Folder(error.into())
    }
}

impl From<S3Error> for Refusal {
    fn from(error: S3Error) -> Self {
        Self::S3(error)
    }
}

fn parts_in(directory: &Path) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((number, etag)) = name.to_str().and_then(|name| name.split_once('-')) else { continue };
        let Ok(number) = number.parse() else { continue };
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Another of its number took its place.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let (size, modified) = (metadata.len(), metadata.modified()?);
        parts.push(Part { number, etag: etag.to_owned(), size, modified, path: entry.path() });
    }
    Ok(parts)
}

/// 32 hex digits: one plain directory name, whoever asks.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn md5(content: &[u8]) -> String {
    Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
