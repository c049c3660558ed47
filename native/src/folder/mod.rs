//! A directory as a bucket: the store behind `file://` and behind the embedded S3 server.

mod apart;
pub(crate) mod beneath;
mod fault;
mod hidden;
mod key;
mod list;
mod transport;
mod write;
mod xml;

#[cfg(all(test, unix))]
mod links_tests;
#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transport_tests;

use beneath::Found;
use bytes::Bytes;
use cap_std::fs::Metadata;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock_core::{Error, ErrorKind};

pub use apart::check_apart;
pub use fault::Fault;
pub use hidden::{Draft, clear, draft_name};
#[cfg(windows)]
pub(crate) use key::is_windows_device;
pub use list::{Entry, Listing, key_of_token, token_of_key};

/// The longest key in bytes, as in S3.
pub const KEY_BYTES_MAX: usize = 1024;

/// The most entries on one page of a listing, as in S3.
pub const PAGE_ENTRIES_MAX: u32 = 1000;

/// One directory whose files are the objects of one bucket.
///
/// Any number of threads and processes may use one directory at once, provided that all of them open the *same*
/// directory: writers take turns by an OS lock in `.tidelock/` below the root, which the system frees when a process is
/// killed. Readers take no lock: a file appears whole, by a rename, and is never written again. On network shares this
/// needs working `flock` and clients that see each other's renames.
///
/// An object is a regular file at its key's path. Characters that some file system refuses are written as `%XX`. Names that
/// no key is written as, symbolic links and `.tidelock/` are not objects. No link below the root is followed, for reading, writing
/// or clearing away: the folder may be shared. A key may not be another one's parent (`k` and `k/x`): the second PUT is refused. Where file names ignore case, or change their Unicode form, keys that differ only
/// in that are one object: Tidelock's own keys are lower-case ASCII.
///
/// # ETags
/// An ETag is the file's modification time in ns and its size. Whoever PUTs holds the lock and sets that time to now, but
/// always later than that of any PUT before, even where the clock stands still or the file system rounds: so each PUT has
/// its own ETag, every process derives the same one from one `stat`, and a copy or backup that keeps times keeps ETags.
/// A hash of the content would cost a read of every listed file and be the same again after A → B → A; an inode number
/// is used again at once, and differs between mounts. The hyphen inside keeps S3 tools from taking it for an MD5.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// In bytes.
    pub size: u64,
    /// When it was PUT, in ns since 1970; see [`Folder`] for how far it is a clock.
    pub modified_unix_ns: i64,
}

/// What [`Folder::get`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// The bytes asked for. `first` is where they begin in the object, if only a range was asked for.
    Object {
        /// Of the whole object.
        meta: Meta,
        /// All of it, or the range.
        body: Bytes,
        /// The range's first byte; `None` when the whole object is in `body`.
        first: Option<u64>,
    },
    /// It has the ETag given as `if_none_match`.
    NotModified(Meta),
    /// There is no such object.
    Missing,
}

/// What [`Folder::open_range`] found.
#[derive(Debug)]
pub enum Opened {
    /// The bytes asked for, to be read. `first` is where they begin in the object, if only a range was asked for.
    Object {
        /// Of the whole object.
        meta: Meta,
        /// All of it, or the range: `len` bytes. A file that another program shortens meanwhile ends earlier.
        reader: io::Take<File>,
        /// How many bytes there are to read.
        len: u64,
        /// The range's first byte; `None` when all of the object is read.
        first: Option<u64>,
    },
    /// It has the ETag given as `if_none_match`.
    NotModified(Meta),
    /// There is no such object.
    Missing,
}

/// Which bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first position to the last, both included; what lies beyond the end is left out.
    Between(u64, u64),
    /// From a position to the end.
    From(u64),
    /// So many of the last bytes.
    Last(u64),
}

/// When a PUT may take place. Decided under the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Whatever is there.
    Always,
    /// Only where there is no such object.
    IfAbsent,
    /// Only over the object with this ETag, as [`Meta::etag`] gives it.
    IfMatch(&'a str),
}

/// What became of a PUT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored, durably.
    Stored(Meta),
    /// The condition did not hold. Nothing changed.
    Refused,
    /// `IfMatch`, and there is no such object. Nothing changed.
    Missing,
}

impl Meta {
    /// The ETag with its quotes; see [`Folder`].
    pub fn etag(&self) -> String {
        format!("\"{:016x}-{:x}\"", self.modified_unix_ns, self.size)
    }

    fn of(metadata: &Metadata) -> io::Result<Self> {
        Ok(Self { size: metadata.len(), modified_unix_ns: unix_ns(metadata.modified()?.into_std()) })
    }
}

impl Folder {
    /// A directory that was looked at already, by its absolute path.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Opens an existing directory and clears away what killed writers left over a day ago.
    ///
    /// The directory is never created here: a disk that is not mounted must not look like an empty bucket.
    ///
    /// # Errors
    /// `NotFound` where there is no such directory, `LocalStore` where it can't be looked at.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        let shown = root.display().to_string();
        // So that a later change of the current directory changes nothing, and every path has a parent.
        let root = std::path::absolute(root).map_err(|_| {
            Error::new(ErrorKind::Invalid, "the store's path is empty").next_step("give the path of a folder")
        })?;
        let folder = Self { root };
        match fs::metadata(&folder.root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(Error::new(ErrorKind::NotFound, "the store is a file, not a folder")
                    .on(shown)
                    .next_step("give the path of a folder"));
            }
            Err(error) if is_absent(&error) => {
                return Err(Error::new(ErrorKind::NotFound, "there is no such folder")
                    .on(shown)
                    .next_step("create the folder, or connect the disk it is on"));
            }
            Err(error) => {
                return Err(Error::new(ErrorKind::LocalStore, format!("the folder can't be opened: {error}")).on(shown));
            }
        }
        folder.sweep();
        Ok(folder)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads an object, or a range of it, of at most `bytes_max` bytes: all of them are held in memory.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], [`Fault::Range`] where the range begins beyond the end, [`Fault::NoBucket`], [`Fault::Key`].
    pub fn get(
        &self,
        key: &str,
        if_none_match: Option<&str>,
        range: Option<ByteRange>,
        bytes_max: u64,
    ) -> Result<Got, Fault> {
        let (meta, mut reader, len, first) = match self.open_range(key, if_none_match, range)? {
            Opened::Object { meta, reader, len, first } => (meta, reader, len, first),
            Opened::NotModified(meta) => return Ok(Got::NotModified(meta)),
            Opened::Missing => return Ok(Got::Missing),
        };
        if len > bytes_max {
            return Err(Fault::TooLarge { bytes: len, bytes_max });
        }
        let mut body = Vec::with_capacity(len as usize);
        reader.read_to_end(&mut body)?;
        if body.len() as u64 != len {
            return Err(Fault::Io(io::Error::other("another program changed the file while it was read")));
        }
        Ok(Got::Object { meta, body: body.into(), first })
    }

    /// Opens an object, or a range of it, to read it bit by bit.
    ///
    /// # Errors
    /// [`Fault::Range`] where the range begins beyond the end, [`Fault::NoBucket`], [`Fault::Key`].
    pub fn open_range(
        &self,
        key: &str,
        if_none_match: Option<&str>,
        range: Option<ByteRange>,
    ) -> Result<Opened, Fault> {
        let Some((mut file, meta)) = self.open_object(key)? else {
            return Ok(Opened::Missing);
        };
        if if_none_match.is_some_and(|etag| etag == meta.etag()) {
            return Ok(Opened::NotModified(meta));
        }
        let (first, len) = match range {
            Some(range) => range.within(meta.size)?,
            None => (0, meta.size),
        };
        file.seek(SeekFrom::Start(first))?;
        Ok(Opened::Object { meta, reader: file.take(len), len, first: range.map(|_| first) })
    }

    /// Looks at an object without reading it.
    ///
    /// # Errors
    /// [`Fault::NoBucket`], [`Fault::Key`], [`Fault::Denied`].
    pub fn head(&self, key: &str) -> Result<Option<Meta>, Fault> {
        Ok(self.open_object(key)?.map(|(_, meta)| meta))
    }

    /// Whether the directory is there: HeadBucket.
    ///
    /// # Errors
    /// [`Fault::NoBucket`] where it is not.
    pub fn check(&self) -> Result<(), Fault> {
        self.root_directory().map(drop)
    }

    fn open_object(&self, key: &str) -> Result<Option<(File, Meta)>, Fault> {
        let path = key::path_of(key)?;
        let Found::Directory(directory) = self.find_parent(&path)? else { return Ok(None) };
        let Some(file) = beneath::open_file(&directory, beneath::name(&path))? else { return Ok(None) };
        // Of the open file, not of the path: a PUT in between must not mix its ETag with the old bytes.
        let meta = Meta::of(&Metadata::from_file(&file)?)?;
        Ok(Some((file, meta)))
    }
}

impl ByteRange {
    /// First position and length, inside an object of `size` bytes.
    fn within(self, size: u64) -> Result<(u64, u64), Fault> {
        let (first, end) = match self {
            Self::Between(first, last) => (first, last.saturating_add(1).min(size)),
            Self::From(first) => (first, size),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        if first >= end { Err(Fault::Range { size }) } else { Ok((first, end - first)) }
    }
}

/// A file, or a directory on the way to it, is not there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Times before 1970 are negative; what does not fit (the years before 1678 and after 2261) is the nearest that does.
pub(crate) fn unix_ns(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}
