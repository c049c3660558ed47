//! What SQLite says, in the port's words.

use rusqlite::{Error, ErrorCode, ffi};
use std::io;
use tidelock_core::local::LocalError;

/// For every call on a store that is open.
pub(crate) fn said(error: Error) -> LocalError {
    let Error::SqliteFailure(code, _) = &error else {
        // The queries are fixed and fit the tables: what comes back otherwise was not written by this crate.
        return LocalError::Corrupt(error.to_string());
    };
    match (code.code, code.extended_code) {
        (_, ffi::SQLITE_READONLY_DBMOVED) => LocalError::Other("the store's file was moved or removed".into()),
        (ErrorCode::ReadOnly, _) => LocalError::ReadOnly,
        // Growing `-shm` fails with this on a full disk.
        (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => LocalError::Full,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => LocalError::Busy,
        // Too big: of rows only; commits are checked before.
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig, _)
        | (_, ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_DATA | ffi::SQLITE_IOERR_CORRUPTFS) => {
            LocalError::Corrupt(error.to_string())
        }
        _ => LocalError::Other(error.to_string()),
    }
}

/// For what is done to the file beside SQLite.
pub(crate) fn failed(error: io::Error) -> LocalError {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => LocalError::ReadOnly,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LocalError::Full,
        _ => LocalError::Other(error.to_string()),
    }
}
