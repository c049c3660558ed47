//! Multipart uploads over a folder: each a directory of its parts in the folder's hidden one, which no key leads to, until
//! they are put together as one object. A restart of the server loses none.

use super::forms::error_of;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use md5::{Digest, Md5};
use s3s::{S3Error, s3_error};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::SystemTime;
use tidelock::folder::{Condition, Fault, Folder, KEY_BYTES_MAX, OBJECT_BYTES_MAX, Put, clear, draft_name};

/// The fewest bytes of every part but the last, as in S3.
const PART_BYTES_MIN: u64 = 5 << 20;
/// The most parts of an upload, and the highest number of one, as in S3.
const PARTS_MAX: i32 = 10_000;

/// The file that has the key; its time is when the upload began. Parts' files have their numbers as names.
const KEY_FILE: &str = "key";
/// A part's file begins with its content's MD5 in hex digits: so one rename puts it in the place of an earlier one.
const MD5_BYTES: usize = 32;

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

/// A part that is there.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) number: i32,
    /// The MD5 of its content, in hex digits, as in S3.
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
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
        let uploads = self.root()?;
        // Nobody sees it before it has its key.
        let (drafts, name) = (self.folder.drafts()?, draft_name());
        drafts.create_dir(&name)?;
        drafts.open_dir_nofollow(&name)?.write(KEY_FILE, key)?;
        drafts.rename(&name, &uploads, &id)?;
        Ok(id)
    }

    /// Stores a part in the place of any earlier one of its number; its ETag is the result.
    pub(super) fn put_part(&self, key: &str, id: &str, number: i32, body: &[u8]) -> Result<String> {
        let directory = self.directory(key, id)?;
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(s3_error!(InvalidArgument, "a part's number is 1 to 10,000").into());
        }
        let etag = md5(body);
        let draft = draft_name();
        let mut file =
            directory.open_with(&draft, OpenOptions::new().write(true).create_new(true)).map_err(gone_if_missing)?;
        let written =
            file.write_all(etag.as_bytes()).and_then(|()| file.write_all(body)).and_then(|()| file.sync_all());
        let placed = written.and_then(|()| directory.rename(&draft, &directory, part_file(number)));
        placed.map_err(|error| {
            // The rest of an upload's files goes with it.
            let _ = directory.remove_file(&draft);
            gone_if_missing(error)
        })?;
        Ok(etag)
    }

    /// The parts by rising number.
    pub(super) fn parts(&self, key: &str, id: &str) -> Result<Vec<Part>> {
        let directory = self.directory(key, id)?;
        let mut parts = Vec::new();
        for entry in directory.entries().map_err(gone_if_missing)? {
            let name = entry?.file_name();
            if let Some(number) = name.to_str().and_then(|name| name.parse().ok()) {
                parts.push(open_part(&directory, number).map_err(gone_if_missing)?.0);
            }
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
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
        // What can't be an object ends it at once, so that few files are open together.
        let (mut parts, mut bytes) = (Vec::new(), 0);
        for (at, (number, etag)) in wanted.iter().enumerate() {
            let missing = || s3_error!(InvalidPart, "part {number} with this ETag is not there");
            let (part, file) = match open_part(&directory, *number) {
                Ok(found) if found.0.etag == *etag => found,
                Ok(_) => return Err(missing().into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing().into()),
                Err(error) => return Err(error.into()),
            };
            if at + 1 < wanted.len() && part.size < PART_BYTES_MIN {
                return Err(s3_error!(EntityTooSmall, "every part but the last has at least 5 MiB").into());
            }
            bytes += part.size;
            if bytes > OBJECT_BYTES_MAX {
                return Err(Fault::TooLarge { bytes, bytes_max: OBJECT_BYTES_MAX }.into());
            }
            parts.push((part, file));
        }
        let mut body = Vec::with_capacity(bytes as usize);
        for (part, file) in parts {
            let start = body.len();
            file.take(part.size).read_to_end(&mut body)?;
            if md5(&body[start..]) != part.etag {
                return Err(s3_error!(InvalidPart, "part {} is not as it was stored", part.number).into());
            }
        }
        let put = self.folder.put(key, &body, condition)?;
        if matches!(put, Put::Stored(_)) {
            // The object is there: whether all of its upload is gone by now changes nothing.
            let _ = self.remove(id);
        }
        Ok(put)
    }

    /// Gives one up.
    pub(super) fn abort(&self, key: &str, id: &str) -> Result<()> {
        self.directory(key, id)?;
        self.remove(id).map_err(|refusal| match refusal {
            Refusal::Folder(Fault::Io(error)) => gone_if_missing(error),
            other => other,
        })
    }

    /// Those whose keys begin with `prefix`, by key and then by id.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Upload>> {
        let mut uploads = Vec::new();
        let root = self.root()?;
        for entry in root.entries()? {
            let Some(id) = entry?.file_name().to_str().filter(|name| is_id(name)).map(str::to_owned) else { continue };
            match root.open_dir_nofollow(&id).and_then(|directory| read_key(&directory)) {
                Ok((key, began)) if key.starts_with(prefix) => uploads.push(Upload { key, id, began }),
                Ok(_) => {}
                // It ends at this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Refusal::from(error)),
            }
        }
        uploads.sort();
        Ok(uploads)
    }

    fn root(&self) -> Result<Dir> {
        Ok(self.folder.own_directory("uploads")?)
    }

    /// Where an upload's parts are.
    fn directory(&self, key: &str, id: &str) -> Result<Dir> {
        if !is_id(id) {
            return Err(gone().into());
        }
        let directory = self.root()?.open_dir_nofollow(id).map_err(gone_if_missing)?;
        match read_key(&directory).map_err(gone_if_missing)? {
            (stored, _) if stored == key => Ok(directory),
            _ => Err(gone().into()),
        }
    }

    /// First out of sight, so that nothing is added to what is half removed.
    fn remove(&self, id: &str) -> Result<()> {
        let (drafts, name) = (self.folder.drafts()?, draft_name());
        self.root()?.rename(id, &drafts, &name)?;
        Ok(clear(&drafts, OsStr::new(&name))?)
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

fn gone() -> S3Error {
    s3_error!(NoSuchUpload, "there is no such upload; it was completed or given up, or never begun")
}

/// An upload may end at any moment.
fn gone_if_missing(error: io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::NotFound => gone().into(),
        _ => error.into(),
    }
}

/// The key of an upload, and when it began.
fn read_key(directory: &Dir) -> io::Result<(String, SystemTime)> {
    let mut key = String::new();
    let file = open(directory, KEY_FILE)?;
    let began = file.metadata()?.modified()?;
    file.take(KEY_BYTES_MAX as u64 + 1).read_to_string(&mut key)?;
    Ok((key, began))
}

/// Opens a file, a link not.
fn open(directory: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    Ok(directory.open_with(name, options.read(true).follow(FollowSymlinks::No))?.into_std())
}

fn part_file(number: i32) -> String {
    format!("{number:05}")
}

/// A part, and its file at the beginning of its content.
fn open_part(directory: &Dir, number: i32) -> io::Result<(Part, File)> {
    let mut file = open(directory, &part_file(number))?;
    let metadata = file.metadata()?;
    let mut etag = [0; MD5_BYTES];
    file.read_exact(&mut etag)?;
    let size = metadata.len() - MD5_BYTES as u64;
    let etag = String::from_utf8_lossy(&etag).into_owned();
    Ok((Part { number, etag, size, modified: metadata.modified()? }, file))
}

/// 32 hex digits: one plain directory name, whoever asks.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn md5(content: &[u8]) -> String {
    Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
