//! Moving house: a whole history from one backend into another, with a backup of what came.

use crate::backend::{HistoryBackend, Received};
use crate::bucket::too_long;
use crate::entry::{DeletionRequest, ENTRY_BYTES_MAX, Entry};
use crate::home::local_error;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use tidelock::{Error, ErrorKind};

/// What a migration did.
#[derive(Debug)]
pub struct Migrated {
    /// Entries that are in the other backend now.
    pub entries: usize,
    /// Entries that somebody had wished to be deleted, and that were left out.
    pub deleted: usize,
    /// One for each entry that could not be read, or that is too long.
    pub refused: Vec<Error>,
}

/// Writes all that was received into a new file, one entry a line and in clear, and then into the other backend, without what was to be
/// deleted. The source is left as it is. Repeating it adds nothing twice.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if the file is there, else what file system and backend say. Without a whole backup nothing is
/// migrated.
pub fn migrate(
    received: Received,
    deletions: &[DeletionRequest],
    to: &dyn HistoryBackend,
    backup: &Path,
) -> Result<Migrated, Error> {
    let Received { entries, mut refused } = received;
    write_backup(&entries, backup).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::new(ErrorKind::AlreadyExists, "there is a backup already")
            .on(backup.display().to_string())
            .next_step("move it away, or name another file with --backup"),
        _ => local_error(backup, &error),
    })?;
    let received = entries.len();
    let names = || deletions.iter().flat_map(|request| &request.messages.names);
    let mut kept: Vec<Entry> = entries.into_iter().filter(|entry| !names().any(|name| name.names(entry))).collect();
    let deleted = received - kept.len();
    kept.retain(|entry| {
        let fits = serde_json::to_vec(entry).is_ok_and(|json| json.len() <= ENTRY_BYTES_MAX);
        if !fits {
            refused.push(too_long(&entry.entry_id));
        }
        fits
    });
    to.submit_dump(&kept, "")?;
    Ok(Migrated { entries: kept.len(), deleted, refused })
}

/// For its owner alone, and on the disk when this returns.
fn write_backup(entries: &[Entry], path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(create(path)?);
    for entry in entries {
        serde_json::to_writer(&mut out, entry)?;
        out.write_all(b"\n")?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
