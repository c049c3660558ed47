//! Opening a store: its file, its mode, whose it is, and the way round a read-only mount.

use crate::error::{failed, said};
use crate::{GET, REVISION};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tidelock_core::local::{KEY_BYTES_MAX, LocalError, VALUE_BYTES_MAX};

/// How long a commit waits for another process's. Theirs take milliseconds; beyond this something hangs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries of what SQLite does not wait for itself.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// "tidl": marks the file as ours (SQLite's `application_id`).
const APPLICATION_ID: i32 = 0x7469_646c;
/// The tables' version (SQLite's `user_version`).
const VERSION: i32 = 1;
/// The largest row: its columns and SQLite's header of it. Guards against lengths in a damaged file.
const ROW_BYTES_MAX: i32 = (KEY_BYTES_MAX + VALUE_BYTES_MAX + 64) as i32;

const SCHEMA: &str = "
    CREATE TABLE revision (only INTEGER PRIMARY KEY CHECK (only = 1), value INTEGER NOT NULL CHECK (value >= 0)) STRICT;
    INSERT INTO revision (only, value) VALUES (1, 0);
    CREATE TABLE rows (tbl INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key))
        STRICT, WITHOUT ROWID;
";

pub(crate) fn open(path: &Path) -> Result<Connection, LocalError> {
    create_file(path).map_err(failed)?;
    let mut connection = connect(path, OpenFlags::empty()).map_err(said)?;
    if connection.is_readonly("main").map_err(said)? {
        if is_read_only_mount(path) || !may_make_files(path) {
            connection = connect_read_only(path, connection)?;
        }
        check_owner(&connection)?;
    } else {
        #[cfg(unix)]
        make_private(path);
        prepare(&mut connection)?;
    }
    check_tables(&connection)?;
    Ok(connection)
}

/// The locks of this mode are kept until the connection is closed. Out of WAL, whoever waits for them and finds the file
/// removed then is refused by SQLite; in it, what they write would be gone with the file.
pub(crate) fn open_alone(path: &Path) -> Result<Connection, LocalError> {
    let connection = connect(path, OpenFlags::empty()).map_err(said)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE").map_err(said)?;
    check_owner(&connection)?;
    connection.execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE; COMMIT").map_err(said)?;
    check_tables(&connection)?;
    Ok(connection)
}

pub(crate) fn check_pages(connection: &Connection) -> Result<(), LocalError> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(said)?;
    if found == "ok" { Ok(()) } else { Err(LocalError::Corrupt(found)) }
}

/// Finds a file without our tables now, not at the first call.
fn check_tables(connection: &Connection) -> Result<(), LocalError> {
    for sql in [GET, REVISION] {
        connection.prepare_cached(sql).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::Unknown) => LocalError::Corrupt("its tables are missing".into()),
            _ => said(error),
        })?;
    }
    Ok(())
}

fn connect(path: impl AsRef<Path>, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX)?;
    // Without it, a bound LIMIT has SQLite parse and plan the statement anew at each call. The plan is the primary key's anyway.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Makes the file, so that it is never readable by others; SQLite gives `-wal` and `-shm` the file's mode.
fn create_file(path: &Path) -> io::Result<()> {
    // Closing any descriptor of a file frees the locks that this process's SQLite holds on it (POSIX). So a file is
    // opened here only when it is new, and nobody else of this process opens it before it is closed again.
    static CREATING: Mutex<()> = Mutex::new(());
    let _creating = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    if path.try_exists()? {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A store that was copied or restored may have any mode. Where a file system keeps none, there is nothing to do.
#[cfg(unix)]
fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for file in [path.to_path_buf(), beside(path, "-wal"), beside(path, "-shm")] {
        if fs::metadata(&file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
            let _ = fs::set_permissions(&file, fs::Permissions::from_mode(0o600));
        }
    }
}

/// Makes a new store, or checks that it is one of ours.
fn prepare(connection: &mut Connection) -> Result<(), LocalError> {
    let new = is_new(connection)?;
    if !new {
        check_owner(connection)?;
    }
    if switch_to_wal(connection).map_err(said)? != "wal" {
        return Err(LocalError::Other("the file system can't keep a store: SQLite's WAL does not work on it".into()));
    }
    // `fullfsync`: on Apple's systems a plain fsync does not reach the disk.
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;")
        .map_err(said)?;
    if new {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(said)?;
        // Again, under the write lock: another process may have made it meanwhile.
        if is_new(&transaction)? {
            transaction.execute_batch(SCHEMA).map_err(said)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(said)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(said)?;
            transaction.commit().map_err(said)?;
        } else {
            drop(transaction);
            check_owner(connection)?;
        }
    }
    Ok(())
}

/// Gives the mode there is then. If another process switches the same new file, SQLite is busy at once and does not wait
/// [`BUSY_TIMEOUT`], for two that hold a read lock would wait for each other; so the wait is here.
fn switch_to_wal(connection: &Connection) -> rusqlite::Result<String> {
    let give_up = Instant::now() + BUSY_TIMEOUT;
    loop {
        let mode = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match mode {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < give_up => {
                thread::sleep(BUSY_PAUSE);
            }
            other => return other,
        }
    }
}

fn is_new(connection: &Connection) -> Result<bool, LocalError> {
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(said)?;
    Ok(objects == 0 && pragma(connection, "application_id")? == 0 && pragma(connection, "user_version")? == 0)
}

fn check_owner(connection: &Connection) -> Result<(), LocalError> {
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(LocalError::Other("the file is not a Tidelock store but another program's database".into()));
    }
    match pragma(connection, "user_version")? {
        VERSION => Ok(()),
        other => Err(LocalError::Other(format!("the store has version {other}, this program reads {VERSION}"))),
    }
}

fn pragma(connection: &Connection, name: &str) -> Result<i32, LocalError> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(said)
}

/// Setting the mode that the file has changes nothing, and says where nothing can be changed.
fn is_read_only_mount(path: &Path) -> bool {
    let same = fs::metadata(path).and_then(|found| fs::set_permissions(path, found.permissions()));
    same.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}

/// Whether this user may make files beside the store. Where not, no `-shm` can be made either.
fn may_make_files(path: &Path) -> bool {
    let probe = beside(path, &format!("-probe-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&probe);
    let _ = made.is_ok().then(|| fs::remove_file(&probe));
    made.is_ok()
}

/// SQLite reads a WAL database only with `-shm`, which it can't make here, or when told that nobody changes the file.
fn connect_read_only(path: &Path, plain: Connection) -> Result<Connection, LocalError> {
    match plain.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0)) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {}
        _ => return Ok(plain),
    }
    if fs::metadata(beside(path, "-wal")).is_ok_and(|found| found.len() > 0) {
        return Err(LocalError::ReadOnly);
    }
    connect(immutable_uri(path), OpenFlags::SQLITE_OPEN_URI).map_err(said)
}

/// The file's URI, every byte but letters, digits, `/`, `.`, `-` and `_` escaped.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = OsString::from_iter([path.as_os_str(), OsStr::new(suffix)]);
    PathBuf::from(name)
}
