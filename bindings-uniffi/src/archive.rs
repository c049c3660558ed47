//! A whole vault as a file. An engine of its own reads or writes the store, so that the open one stays usable meanwhile.

use crate::failure::Failure;
use crate::random::Platform;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::path::Path;
use std::time::Instant;
use tidelock_client::archive::{self, ArchiveImport};
use tidelock_client::{Now, Options};
use tidelock_core::engine::Engine;
use tidelock_core::{Error, ErrorKind};
use tidelock_sqlite::open_in;

/// Writes everything this device has into a new file, in clear; gives how many records it has.
///
/// # Errors
/// `already-exists` if the file is there, `not-found` if no vault is in the folder `local`, `local-store`.
#[uniffi::export]
pub fn export_archive(options: Options, local: &str, file: &str, now: Now) -> Result<u64, Failure> {
    let engine = open(options, local, now)?;
    let file = Path::new(file);
    let mut out = BufWriter::new(new_file(file).map_err(|error| file_error(&error, file))?);
    let written = archive::export(&engine, now.unix_ms, &mut out)
        .and_then(|records| out.get_ref().sync_all().map(|()| records).map_err(|error| file_error(&error, file)));
    if written.is_err() {
        // Half an archive is none; nothing is lost if it can't be removed.
        let _ = fs::remove_file(file);
    }
    Ok(written?)
}

/// Takes in what an archive holds and this device has not; importing twice changes nothing.
///
/// # Errors
/// `invalid` with the line that is none of an archive: what came before it stays imported. `not-found` if the file, or a vault
/// in the folder `local`, is not there; `unsupported` for a newer version; `local-store`.
#[uniffi::export]
pub fn import_archive(options: Options, local: &str, file: &str, now: Now) -> Result<ArchiveImport, Failure> {
    let mut engine = open(options, local, now)?;
    let file = Path::new(file);
    let mut input = BufReader::new(File::open(file).map_err(|error| file_error(&error, file))?);
    let start = Instant::now();
    let clock = || {
        let passed = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { monotonic_ms: now.monotonic_ms + passed, unix_ms: now.unix_ms + passed }.into()
    };
    Ok(archive::import(&mut engine, &clock, &mut input)?)
}

fn open(options: Options, local: &str, now: Now) -> Result<Engine, Error> {
    let store = open_in(Path::new(local))?;
    Engine::open(options.try_into()?, Box::new(store), Box::new(Platform), now.into())
}

/// For its owner alone.
fn new_file(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

fn file_error(error: &io::Error, file: &Path) -> Error {
    let failed = match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Error::new(ErrorKind::AlreadyExists, "the file is there already").next_step("name another, or remove it")
        }
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, "the file or its folder is not there").next_step("check its name")
        }
        _ => Error::new(ErrorKind::LocalStore, format!("the archive's file failed: {error}"))
            .next_step("check the file's folder and the disk's room"),
    };
    failed.on(file.display().to_string())
}
