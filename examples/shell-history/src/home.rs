//! The folder of a device's history: which store its vault is at, the vault's local store, and when a sync was tried last.

use etcetera::BaseStrategy as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tidelock::{Error, ErrorKind, Options};

/// A store's address has at most so many bytes, and more than that is not read.
const STORE_BYTES_MAX: u64 = 4096;

/// The folder of a device's history: `HIST_HOME`, else `hist` in the folder where people's programs keep their data.
#[derive(Clone, Debug)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// By the environment.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if nothing says where a person's data is.
    pub fn find() -> Result<Self, Error> {
        if let Some(folder) = std::env::var_os("HIST_HOME").filter(|folder| !folder.is_empty()) {
            return Ok(Self { folder: folder.into() });
        }
        let folders = etcetera::choose_base_strategy().map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("there is no home folder: {error}")).next_step("set HIST_HOME")
        })?;
        Ok(Self { folder: folders.data_dir().join("hist") })
    }

    /// What the vault is opened with.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] before `hist init` or `hist join`.
    pub fn options(&self) -> Result<Options, Error> {
        let file = self.folder.join("store");
        let store = read_text(&file, STORE_BYTES_MAX).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, "this device has no history yet")
                .on(self.folder.display().to_string())
                .next_step("run `hist init STORE`, or `hist join STORE` where another device has one"),
            _ => local_error(&file, &error),
        })?;
        self.options_at(store.trim_end())
    }

    /// The same of a store that is not remembered yet.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is no store's address.
    pub fn options_at(&self, store: &str) -> Result<Options, Error> {
        Options::new(store, self.folder.join("vault"))
    }

    /// Remembers where the vault is.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remember(&self, options: &Options) -> Result<(), Error> {
        let file = self.folder.join("store");
        fs::write(&file, format!("{}\n", options.store)).map_err(|error| local_error(&file, &error))
    }

    /// Whether a sync is due: none runs, and none was begun in the last `after`. Another is due when what this gives is dropped.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sync_due(&self, after: Duration) -> Result<Option<File>, Error> {
        let path = self.folder.join("syncing");
        let fail = |error: io::Error| local_error(&path, &error);
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(fail)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        let metadata = file.metadata().map_err(fail)?;
        // A file without content is new. A time in the future is of a clock that was wrong.
        let age = metadata.modified().map_err(fail)?.elapsed().unwrap_or(after);
        if metadata.len() > 0 && age < after {
            return Ok(None);
        }
        file.set_len(1).and_then(|()| file.set_modified(SystemTime::now())).map_err(fail)?;
        Ok(Some(file))
    }
}

/// A small file's text.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = io::Read::read_to_string(&mut io::Read::take(File::open(path)?, bytes_max + 1), &mut text)?;
    match read as u64 > bytes_max {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {bytes_max} bytes"))),
        false => Ok(text),
    }
}

pub(crate) fn local_error(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::LocalStore, error.to_string())
        .on(path.display().to_string())
        .next_step("look at this file, its rights and the room on its disk")
}
