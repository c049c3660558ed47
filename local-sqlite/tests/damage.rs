//! Files that are no store, or a damaged one: refused in the port's words, and never written.

use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, Revision, Table, Write};
use tidelock_sqlite::SqliteLocal;

/// SQLite's default page.
const PAGE_BYTES: usize = 4096;

/// A closed store with 2,000 rows; its file.
fn closed_store() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let write = |n: u32| Write { table: Table::Records, key: n.to_be_bytes().to_vec(), value: Some(vec![7; 200]) };
    let mut local = SqliteLocal::open(&path).unwrap();
    local.commit(&Batch::from((0..2000).map(write).collect::<Vec<_>>()), Revision(0)).unwrap();
    drop(local);
    assert!(!folder.path().join("store-wal").exists(), "the last to close leaves one file");
    (folder, path)
}

/// The first error of a whole life: open, read everything, commit.
fn use_all(path: &Path) -> Result<usize, LocalError> {
    let mut local = SqliteLocal::open(path)?;
    let rows = local.list(Table::Records, &ByteRange::default(), u32::MAX)?;
    let revision = local.revision()?;
    local.commit(&Batch::default(), revision)?;
    Ok(rows.len())
}

fn is_corrupt<T>(outcome: &Result<T, LocalError>) -> bool {
    matches!(outcome, Err(LocalError::Corrupt(_)))
}

#[test]
fn a_whole_store_is_read() {
    let (_folder, path) = closed_store();
    assert_eq!(use_all(&path), Ok(2000));
}

#[test]
fn not_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let text = "This is a diary, not a database. ".repeat(300);
    fs::write(&path, &text).unwrap();
    assert!(is_corrupt(&SqliteLocal::open(&path)));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_truncated_store() {
    let (_folder, path) = closed_store();
    let whole = fs::read(&path).unwrap();
    // SQLite takes a file of one byte for an empty one: some systems cannot lock an empty file.
    for bytes in
        [2, 15, 99, 100, PAGE_BYTES - 1, PAGE_BYTES, 3 * PAGE_BYTES + 5, whole.len() / 2, whole.len() - PAGE_BYTES]
    {
        fs::write(&path, &whole[..bytes]).unwrap();
        let outcome = use_all(&path);
        assert!(is_corrupt(&outcome), "{bytes} of {} bytes: {outcome:?}", whole.len());
    }
}

#[test]
fn an_overwritten_page() {
    let (_folder, path) = closed_store();
    let whole = fs::read(&path).unwrap();
    for page in 0..whole.len() / PAGE_BYTES {
        let mut damaged = whole.clone();
        damaged[page * PAGE_BYTES..(page + 1) * PAGE_BYTES].fill(0xa5);
        fs::write(&path, &damaged).unwrap();
        let outcome = use_all(&path);
        assert!(is_corrupt(&outcome), "page {page}: {outcome:?}");
    }
}

#[test]
fn an_empty_file_is_a_new_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    fs::write(&path, "").unwrap();
    assert_eq!(use_all(&path), Ok(0));
}

#[test]
fn another_programs_database_is_left_alone() {
    for make in ["CREATE TABLE notes (text)", "PRAGMA application_id = 77", "PRAGMA user_version = 3"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.db");
        Connection::open(&path).unwrap().execute_batch(make).unwrap();
        let before = fs::read(&path).unwrap();
        let error = SqliteLocal::open(&path).unwrap_err();
        assert!(matches!(&error, LocalError::Other(text) if text.contains("another program")), "{make}: {error:?}");
        assert!(fs::read(&path).unwrap() == before, "{make}");
    }
}

/// What `change` leaves of a good store.
fn opened_after(change: &str) -> Result<usize, LocalError> {
    let (_folder, path) = closed_store();
    Connection::open(&path).unwrap().execute_batch(change).unwrap();
    use_all(&path)
}

#[test]
fn a_newer_version_is_named() {
    let error = opened_after("PRAGMA user_version = 2").unwrap_err();
    assert_eq!(error, LocalError::Other("the store has version 2, this program reads 1".into()));
}

#[test]
fn tables_that_are_not_ours() {
    for change in [
        "DROP TABLE rows",
        "DROP TABLE revision",
        "DELETE FROM revision",
        "DROP TABLE revision; CREATE TABLE revision (value); INSERT INTO revision VALUES (-1)",
        "DROP TABLE revision; CREATE TABLE revision (value); INSERT INTO revision VALUES ('one')",
        "DROP TABLE revision; CREATE TABLE revision (value); INSERT INTO revision VALUES (9223372036854775807)",
        "DROP TABLE rows; CREATE TABLE rows (tbl, key, value); INSERT INTO rows VALUES (1, x'00', 'text')",
        "DROP TABLE rows; CREATE TABLE rows (tbl, key, value); INSERT INTO rows VALUES (1, x'00', NULL)",
        "INSERT INTO rows VALUES (1, x'00', zeroblob(70000000))",
    ] {
        let outcome = opened_after(change);
        assert!(is_corrupt(&outcome), "{change}: {outcome:?}");
    }
}

#[test]
fn a_folder_that_is_missing_and_a_path_that_is_one() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(SqliteLocal::open(folder.path().join("no/store")), Err(LocalError::Other(_))));
    assert!(matches!(SqliteLocal::open(folder.path()), Err(LocalError::Other(_))));
}
