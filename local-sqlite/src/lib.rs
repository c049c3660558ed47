//! The local store of native programs and phones: one SQLite file, several processes at once.
//!
//! A commit is durable on return, through power loss too (WAL, `synchronous=FULL`). The file and the two that SQLite puts
//! beside it, `-wal` and `-shm`, have mode 0600. They belong on a local disk: SQLite's WAL does not work over a network.
//!
//! Damage is found as SQLite finds it, on the page that is read: in the file's structure, not in the bytes of a value.
//!
//! A store on a read-only mount can be read. If `-wal` lies there with commits that SQLite cannot read without writing
//! (`-shm` is missing), opening is refused rather than an older state shown. If neither lies there, the file is read as
//! one that nobody changes: who writes it through another mount must wait, or the reader sees errors or old rows.
//!
//! A process that forks and goes on with stores in the child prepares a [`Fork`].
#![forbid(unsafe_code)]

mod error;
mod folder;
mod fork;
mod lock;
mod open;

pub use folder::{STORE_FILE, create_folder, io_error, local_error, no_vault, open_in, open_or_create_in};
pub use fork::Fork;
pub use lock::SyncLock;

use error::said;
use fork::Forkable;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, ToSql, TransactionBehavior, params};
use std::fmt;
use std::path::Path;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, Page, Revision, Row, Table};

const GET: &str = "SELECT value FROM rows WHERE tbl = ?1 AND key = ?2";
const LIST: &str = "SELECT key, value FROM rows WHERE tbl = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
const LIST_TO: &str = "SELECT key, value FROM rows WHERE tbl = ?1 AND key >= ?2 AND key < ?4 ORDER BY key LIMIT ?3";
const PUT: &str = "REPLACE INTO rows (tbl, key, value) VALUES (?1, ?2, ?3)";
const REMOVE: &str = "DELETE FROM rows WHERE tbl = ?1 AND key = ?2";
const EMPTY: &str = "DELETE FROM rows WHERE tbl = ?1 AND key >= ?2";
const EMPTY_TO: &str = "DELETE FROM rows WHERE tbl = ?1 AND key >= ?2 AND key < ?3";
// SQLite tells a value's length without reading the value.
const BYTES: &str = "SELECT coalesce(sum(length(value)), 0) FROM rows WHERE tbl = ?1 AND key >= ?2";
const BYTES_TO: &str = "SELECT coalesce(sum(length(value)), 0) FROM rows WHERE tbl = ?1 AND key >= ?2 AND key < ?3";
const REVISION: &str = "SELECT value FROM revision";
const SET_REVISION: &str = "UPDATE revision SET value = ?1";

/// A store in a SQLite file. Each process and thread opens its own; a commit of one is seen by the others at once.
pub struct SqliteLocal {
    connection: Forkable,
}

impl SqliteLocal {
    /// Opens the store at `path`, and makes it if there is none. Its folder must exist.
    ///
    /// # Errors
    /// - [`LocalError::Corrupt`]: the file is no SQLite database, or a damaged one. An empty file counts as none.
    /// - [`LocalError::Other`]: the file is another program's database, or of a newer version; or the system's message.
    /// - [`LocalError::Busy`], [`LocalError::Full`], [`LocalError::ReadOnly`]: a new store could not be made, or a
    ///   read-only one not be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LocalError> {
        let connection = Forkable::open(|| open::open(path.as_ref()))?;
        Ok(Self { connection })
    }

    /// Opens the store that is at `path` for this handle alone, to look at it before it is removed: until the handle is
    /// dropped, nobody else opens it.
    ///
    /// # Errors
    /// [`LocalError::Busy`]: somebody else has it open for longer than a commit takes. Else as [`open`](Self::open).
    pub fn open_alone(path: impl AsRef<Path>) -> Result<Self, LocalError> {
        let connection = Forkable::open(|| open::open_alone(path.as_ref()))?;
        Ok(Self { connection })
    }

    /// Reads every page of the file. Damage in the bytes of a value is not found.
    ///
    /// # Errors
    /// [`LocalError::Corrupt`]: one of them is damaged.
    pub fn check_pages(&self) -> Result<(), LocalError> {
        self.connection.call(|connection| open::check_pages(connection))
    }

    fn rows(&self, sql: &'static str, params: impl Params) -> Result<Vec<Row>, LocalError> {
        self.connection.call(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(said)?;
            let rows = statement.query_map(params, |row| Ok((bytes(row.get_ref(0)?)?, bytes(row.get_ref(1)?)?)));
            rows.map_err(said)?.map(|row| row.map_err(said)).collect()
        })
    }
}

impl fmt::Debug for SqliteLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.connection.call(|connection| Ok(connection.path().map(str::to_owned)));
        f.debug_struct("SqliteLocal").field("path", &path.ok().flatten()).finish()
    }
}

impl LocalStore for SqliteLocal {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LocalError> {
        self.connection.call(|connection| {
            let mut statement = connection.prepare_cached(GET).map_err(said)?;
            statement.query_row(params![table as u8, key], |row| bytes(row.get_ref(0)?)).optional().map_err(said)
        })
    }

    fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, LocalError> {
        match &range.end {
            None => self.rows(LIST, params![table as u8, range.start, limit]),
            Some(end) => self.rows(LIST_TO, params![table as u8, range.start, limit, end]),
        }
    }

    fn value_bytes(&self, table: Table, range: &ByteRange) -> Result<u64, LocalError> {
        let bytes: i64 = self.connection.call(|connection| {
            let sum = |sql, params: &[&dyn ToSql]| connection.prepare_cached(sql)?.query_row(params, |row| row.get(0));
            match &range.end {
                None => sum(BYTES, &[&(table as u8), &range.start]),
                Some(end) => sum(BYTES_TO, &[&(table as u8), &range.start, end]),
            }
            .map_err(said)
        })?;
        Ok(bytes.unsigned_abs())
    }

    fn revision(&self) -> Result<Revision, LocalError> {
        self.connection.call(|connection| revision(connection))
    }

    /// After an error that is the disk's, a power cut may yet show the commit; its revision tells.
    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, LocalError> {
        batch.check_limits()?;
        self.connection.call(|connection| commit(connection, batch, expected))
    }

    fn take_dirty_pages(&mut self) -> Option<Vec<Page>> {
        None
    }
}

fn commit(connection: &mut Connection, batch: &Batch, expected: Revision) -> Result<Revision, LocalError> {
    // Immediate: the revision is read under the write lock, so nobody commits in between.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(said)?;
    if revision(&transaction)? != expected {
        return Err(LocalError::Stale);
    }
    let next = i64::try_from(expected.0 + 1).map_err(|_| LocalError::Corrupt("its revision is too large".into()))?;
    {
        for (table, range) in &batch.emptied {
            let empty = |sql, params: &[&dyn ToSql]| transaction.prepare_cached(sql)?.execute(params);
            match &range.end {
                None => empty(EMPTY, &[&(*table as u8), &range.start]),
                Some(end) => empty(EMPTY_TO, &[&(*table as u8), &range.start, end]),
            }
            .map_err(said)?;
        }
        let mut put = transaction.prepare_cached(PUT).map_err(said)?;
        let mut remove = transaction.prepare_cached(REMOVE).map_err(said)?;
        for write in &batch.writes {
            match &write.value {
                Some(value) => put.execute(params![write.table as u8, write.key, value]),
                None => remove.execute(params![write.table as u8, write.key]),
            }
            .map_err(said)?;
        }
        let mut set = transaction.prepare_cached(SET_REVISION).map_err(said)?;
        set.execute([next]).map_err(said)?;
    }
    transaction.commit().map_err(said)?;
    Ok(Revision(expected.0 + 1))
}

fn revision(connection: &Connection) -> Result<Revision, LocalError> {
    let mut statement = connection.prepare_cached(REVISION).map_err(said)?;
    let count: i64 = statement.query_row([], |row| row.get(0)).map_err(said)?;
    u64::try_from(count).map(Revision).map_err(|_| LocalError::Corrupt("its revision is negative".into()))
}

/// An empty vector binds as an empty blob, and comes back as one.
fn bytes(value: ValueRef<'_>) -> rusqlite::Result<Vec<u8>> {
    Ok(value.as_blob()?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::StatementStatus;

    #[test]
    fn a_page_is_listed_by_a_statement_that_is_prepared_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteLocal::open(folder.path().join("store.db")).unwrap();
        let range = ByteRange { start: vec![1], end: Some(vec![2]) };
        for limit in 1..=5 {
            store.list(Table::Records, &range, limit).unwrap();
        }
        let prepared_again = |sql| {
            let count = |connection: &mut Connection| {
                Ok(connection.prepare_cached(sql).map_err(said)?.get_status(StatementStatus::RePrepare))
            };
            store.connection.call(count).unwrap()
        };
        assert_eq!(prepared_again(LIST_TO), 0);
    }
}
