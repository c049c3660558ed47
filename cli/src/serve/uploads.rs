//! Multipart uploads over a folder: each a directory of its parts in the folder's hidden one, which no key leads to, until
//! they are put together as one object. A restart of the server loses none.

use super::bodies;
use super::forms::error_of;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use md5::{Digest, Md5};
use s3s::{S3Error, s3_error};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take, Write};
use std::time::SystemTime;
use tidelock::folder::{Condition, Fault, Folder, KEY_BYTES_MAX, Put, clear, draft_name};

/// The fewest bytes of every part but the last, as in S3.
const PART_BYTES_MIN: u64 = 5 << 20;
/// The most parts of an upload, and the highest number of one, as in S3.
const PARTS_MAX: i32 = 10_000;
/// The most bytes of an object, as in S3.
const OBJECT_BYTES_MAX: u64 = 5 << 40;

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

    /// A file for a part's content.
    pub(super) fn draft_part(&self, key: &str, id: &str, number: i32) -> Result<PartDraft> {
        let directory = self.directory(key, id)?;
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(s3_error!(InvalidArgument, "a part's number is 1 to 10,000").into());
        }
        let name = draft_name();
        let mut options = OpenOptions::new();
        let file = directory.open_with(&name, options.write(true).create_new(true)).map_err(gone_if_missing)?;
        let mut draft = PartDraft { file: file.into_std(), directory, name, number };
        draft.write_all(&[0; MD5_BYTES])?;
        Ok(draft)
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
        let mut bytes = 0;
        for (at, (number, etag)) in wanted.iter().enumerate() {
            let (part, _) = open_named(&directory, *number, etag)?;
            if at + 1 < wanted.len() && part.size < PART_BYTES_MIN {
                return Err(s3_error!(EntityTooSmall, "every part but the last has at least 5 MiB").into());
            }
            bytes += part.size;
            if bytes > OBJECT_BYTES_MAX {
                return Err(Fault::TooLarge { bytes, bytes_max: OBJECT_BYTES_MAX }.into());
            }
        }
        let mut draft = self.folder.draft()?;
        for (number, etag) in wanted {
            let (part, content) = open_named(&directory, *number, etag)?;
            let mut hashing = Hashing { to: &mut draft, hasher: Md5::new() };
            bodies::copy(content, &mut hashing)?;
            if hex(&hashing.hasher.finalize()) != part.etag {
                return Err(s3_error!(InvalidPart, "part {number} is not as it was stored").into());
            }
        }
        let put = self.folder.put_draft(key, draft, condition)?;
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

/// A part that is being written; gone when dropped, unless it was put.
pub(super) struct PartDraft {
    file: File,
    directory: Dir,
    name: String,
    number: i32,
}

impl PartDraft {
    /// Puts it in the place of any earlier part of its number; its ETag is the result.
    pub(super) fn put(mut self, md5: [u8; 16]) -> Result<String> {
        let etag = hex(&md5);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(etag.as_bytes())?;
        self.file.sync_all()?;
        let placed = self.directory.rename(&self.name, &self.directory, part_file(self.number));
        placed.map_err(gone_if_missing)?;
        Ok(etag)
    }
}

impl Drop for PartDraft {
    fn drop(&mut self) {
        // What was put has another name. The rest of an upload's files goes with it.
        let _ = self.directory.remove_file(&self.name);
    }
}

impl Write for PartDraft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Hashes what it writes.
struct Hashing<'a, W> {
    to: &'a mut W,
    hasher: Md5,
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
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

/// A part with this ETag, and its content.
fn open_named(directory: &Dir, number: i32, etag: &str) -> Result<(Part, Take<File>)> {
    let missing = || s3_error!(InvalidPart, "part {number} with this ETag is not there");
    match open_part(directory, number) {
        Ok((part, file)) if part.etag == etag => {
            let size = part.size;
            Ok((part, file.take(size)))
        }
        Ok(_) => Err(missing().into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing().into()),
        Err(error) => Err(error.into()),
    }
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

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
