//! What this device remembers of a mirror: files and objects that were the same when it last looked. It saves requests;
//! damaged or of another version, it is forgotten.

use super::Object;
use super::walk::LocalFile;
use crate::{Error, ErrorKind, StoreUri};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, params};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidelock_core::s3::ETag;
use tidelock_sqlite::{create_folder, io_error};

/// "tidm": marks the file as ours (SQLite's `application_id`).
const APPLICATION_ID: i32 = 0x7469_646d;
const VERSION: i32 = 1;
/// A path of 1,024 bytes, an ETag of 1,024, numbers.
const ROW_BYTES_MAX: i32 = 4096;
/// Rows that are read at once.
const PAGE: usize = 1000;

const SCHEMA: &str = "
    CREATE TABLE same (path TEXT PRIMARY KEY NOT NULL, len INTEGER NOT NULL, modified_ns INTEGER NOT NULL, etag TEXT NOT NULL)
        STRICT, WITHOUT ROWID;
";

/// The memory of one folder and one prefix of one bucket, of which no other process makes a mirror from here meanwhile.
pub(super) struct Memory {
    connection: Connection,
    /// Rows from the last one taken on, in order.
    ahead: VecDeque<Row>,
    /// The last row fetched; `None` at the end.
    fetched: Option<String>,
    /// Names files that this mirror writes.
    pub(super) id: String,
    _lock: File,
}

/// A file and an object that were the same.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    path: String,
    len: u64,
    modified_ns: i64,
    etag: String,
}

impl Memory {
    /// Opens the memory in `local`, this device's folder.
    pub(super) fn open(local: &Path, folder: &Path, store: &StoreUri, prefix: &str) -> Result<Self, Error> {
        let memories = local.join("mirrors");
        create_folder(&memories)?;
        let id = id(folder, store, prefix);
        let lock = lock(&memories.join(format!("{id}.lock")), folder)?;
        let path = memories.join(format!("{id}.db"));
        let connection = match connect(&path) {
            Ok(connection) => connection,
            Err(_) => {
                forget(&path)?;
                connect(&path).map_err(|error| failed(&error, &path))?
            }
        };
        Ok(Self { connection, ahead: VecDeque::new(), fetched: Some(String::new()), id, _lock: lock })
    }

    /// Whether the two were the same when both were as they are now. Paths must come in rising order; rows that are passed over
    /// are of files and objects that are gone, and forgotten.
    pub(super) fn knows(&mut self, local: &LocalFile, object: &Object) -> bool {
        let Some(row) = self.take(&local.path) else { return false };
        let etag = ETag::new(row.etag);
        row.len == local.len
            && row.len == object.size
            && row.modified_ns == local.modified_ns
            && etag.zip(object.etag.as_ref()).is_some_and(|(known, listed)| known.matches(listed))
    }

    /// Remembers that the two are the same. It only saves requests, so it may fail.
    pub(super) fn remember(&mut self, local: &LocalFile, etag: Option<&ETag>) {
        let (Some(etag), Ok(len)) = (etag, i64::try_from(local.len)) else { return };
        let row = params![local.path, len, local.modified_ns, etag.as_str()];
        let sql = "REPLACE INTO same (path, len, modified_ns, etag) VALUES (?1, ?2, ?3, ?4)";
        let _ = self.connection.prepare_cached(sql).and_then(|mut put| put.execute(row));
    }

    /// The row at a path; those before it are forgotten.
    fn take(&mut self, path: &str) -> Option<Row> {
        loop {
            if self.ahead.is_empty() {
                self.fetch();
            }
            let row = self.ahead.front()?;
            if row.path.as_str() > path {
                return None;
            }
            let row = self.ahead.pop_front()?;
            if row.path == path {
                return Some(row);
            }
            let sql = "DELETE FROM same WHERE path = ?1";
            let _ = self.connection.prepare_cached(sql).and_then(|mut delete| delete.execute([&row.path]));
        }
    }

    fn fetch(&mut self) {
        let Some(after) = self.fetched.take() else { return };
        // A page that can't be read ends it: what is not known is looked at.
        self.ahead = self.page(&after).unwrap_or_default().into();
        if self.ahead.len() == PAGE {
            self.fetched = self.ahead.back().map(|row| row.path.clone());
        }
    }

    fn page(&self, after: &str) -> rusqlite::Result<Vec<Row>> {
        let sql = "SELECT path, len, modified_ns, etag FROM same WHERE path > ?1 ORDER BY path LIMIT ?2";
        let mut select = self.connection.prepare_cached(sql)?;
        let rows = select.query_map(params![after, PAGE as i64], |row| {
            let len = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(u64::MAX);
            Ok(Row { path: row.get(0)?, len, modified_ns: row.get(2)?, etag: row.get(3)? })
        })?;
        rows.collect()
    }
}

/// What names a mirror. The store's region may be learnt: it is no part of it.
fn id(folder: &Path, store: &StoreUri, prefix: &str) -> String {
    let place = match store {
        StoreUri::S3(s3) => format!("{:?} {} {}", s3.endpoint(), s3.bucket(), s3.prefix()),
        StoreUri::Folder(folder) => folder.path().to_owned(),
    };
    let mut hash = Sha256::new();
    for part in [folder.as_os_str().as_encoded_bytes(), place.as_bytes(), prefix.as_bytes()] {
        hash = hash.chain_update(part.len().to_be_bytes()).chain_update(part);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock(path: &Path, folder: &Path) -> Result<File, Error> {
    let file = private().open(path).map_err(|error| io_error(&error, path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::Busy, "another process mirrors this folder")
            .on(folder.display().to_string())
            .next_step("wait for it to end, or stop it")
            .retryable()),
        Err(TryLockError::Error(error)) => Err(io_error(&error, path)),
    }
}

/// A file that only its owner reads: it has names of files.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // SQLite gives the files beside it the mode of this one.
    drop(private().open(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    // A power loss may take the last rows, and never leaves wrong ones.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    if (number("application_id")?, number("user_version")?) == (0, 0) {
        connection.execute_batch(&format!(
            "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    }
    if (number("application_id")?, number("user_version")?) != (APPLICATION_ID, VERSION) {
        return Err(rusqlite::Error::InvalidQuery);
    }
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    connection.prepare_cached("SELECT path, len, modified_ns, etag FROM same LIMIT 0")?;
    if sound == "ok" { Ok(connection) } else { Err(rusqlite::Error::InvalidQuery) }
}

/// Removes a memory that can't be read.
fn forget(path: &Path) -> Result<(), Error> {
    for end in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        let file = PathBuf::from(file);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io_error(&error, &file)),
            _ => {}
        }
    }
    Ok(())
}

fn failed(error: &rusqlite::Error, path: &Path) -> Error {
    Error::new(ErrorKind::LocalStore, format!("what is remembered of the mirror can't be kept: {error}"))
        .on(path.display().to_string())
        .next_step("check that this device's folder may be written and has room")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn open(local: &Path) -> Memory {
        Memory::open(local, Path::new("/photos"), &"s3://bucket/p?region=eu-west-1".parse().unwrap(), "x/").unwrap()
    }

    fn pair(path: &str) -> (LocalFile, Object) {
        let local = LocalFile { path: path.to_owned(), len: 3, modified_ns: -5 };
        let object = Object { path: path.to_owned(), size: 3, etag: ETag::new("\"e\""), last_modified: None };
        (local, object)
    }

    #[test]
    fn what_was_the_same_is_known_until_either_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (local, object) = pair("a");
        let mut memory = open(folder.path());
        assert!(!memory.knows(&local, &object));
        memory.remember(&local, object.etag.as_ref());
        drop(memory);
        let bare = Object { etag: ETag::new("e"), ..object.clone() };
        for (local, object, known) in [
            (local.clone(), object.clone(), true),
            (local.clone(), bare, true),
            (LocalFile { len: 4, ..local.clone() }, object.clone(), false),
            (LocalFile { modified_ns: -4, ..local.clone() }, object.clone(), false),
            (local.clone(), Object { size: 4, ..object.clone() }, false),
            (local.clone(), Object { etag: ETag::new("\"f\""), ..object.clone() }, false),
            (local.clone(), Object { etag: None, ..object.clone() }, false),
        ] {
            assert_eq!(open(folder.path()).knows(&local, &object), known, "{local:?} {object:?}");
        }
    }

    #[test]
    fn rows_that_are_passed_over_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = open(folder.path());
        let paths: Vec<String> = (0..2 * PAGE + 1).map(|n| format!("{n:06}")).collect();
        for path in &paths {
            let (local, object) = pair(path);
            memory.remember(&local, object.etag.as_ref());
        }
        drop(memory);
        let mut memory = open(folder.path());
        for path in paths.iter().skip(1).step_by(2) {
            let (local, object) = pair(path);
            assert!(memory.knows(&local, &object), "{path}");
        }
        drop(memory);
        let mut memory = open(folder.path());
        let known = paths.iter().filter(|path| memory.knows(&pair(path).0, &pair(path).1)).count();
        assert_eq!(known, PAGE + 1, "every second one, and the last, which nothing passed");
    }

    #[test]
    fn a_damaged_or_foreign_memory_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (local, object) = pair("a");
        let mut memory = open(folder.path());
        memory.remember(&local, object.etag.as_ref());
        let path = folder.path().join("mirrors").join(format!("{}.db", memory.id));
        drop(memory);
        let sound = fs::read(&path).unwrap();
        let newer = |path: &Path| Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
        let without_table = |path: &Path| Connection::open(path).unwrap().execute_batch("DROP TABLE same").unwrap();
        let noise = |path: &Path| fs::write(path, vec![0x5a; 20_000]).unwrap();
        let half = |path: &Path| fs::write(path, &sound[..sound.len() / 2 + 100]).unwrap();
        for damage in [&newer as &dyn Fn(&Path), &without_table, &noise, &half] {
            damage(&path);
            let mut memory = open(folder.path());
            assert!(!memory.knows(&local, &object));
            memory.remember(&local, object.etag.as_ref());
            drop(memory);
            assert!(open(folder.path()).knows(&local, &object));
        }
    }

    #[test]
    fn one_process_at_a_time_mirrors_a_pair() {
        let folder = tempfile::tempdir().unwrap();
        let open = |prefix| {
            Memory::open(folder.path(), Path::new("/photos"), &"s3://bucket".parse().unwrap(), prefix).map(drop)
        };
        let memory = Memory::open(folder.path(), Path::new("/photos"), &"s3://bucket".parse().unwrap(), "x/").unwrap();
        assert_eq!(open("x/").unwrap_err().kind(), ErrorKind::Busy);
        open("y/").unwrap();
        drop(memory);
        open("x/").unwrap();
    }
}
