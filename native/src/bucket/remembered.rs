//! What is kept of an upload on this device until it is complete: enough to go on after a kill.

use super::Properties;
use crate::{Error, ErrorKind, StoreUri};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use tidelock_core::s3::UploadId;
use tidelock_sqlite::{create_folder, io_error};

/// An upload's id, a path, properties of 2 KiB.
const STATE_BYTES_MAX: u64 = 64 << 10;

/// The file about one key's upload, locked: no other process uploads to this key from here meanwhile.
pub(super) struct Remembered {
    path: PathBuf,
    file: File,
}

/// An upload that was begun. The parts it has are the store's to tell.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    store: String,
    key: String,
    upload: String,
    source: SourceFile,
    /// As text: only good for comparing.
    properties: String,
    pub(super) part_bytes: u64,
    /// The ETag of the object that was there before.
    pub(super) replaces: Option<String>,
}

/// A file as it was found: as long as this is the same, so is its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceFile {
    path: PathBuf,
    pub(super) len: u64,
    modified_ns: u128,
}

impl SourceFile {
    pub(super) fn of(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { path: std::path::absolute(path)?, len: metadata.len(), modified_ns: modified.as_nanos() })
    }

    /// Whether it is still found so.
    pub(super) fn is_unchanged(&self) -> bool {
        let now = std::fs::metadata(&self.path).and_then(|metadata| Self::of(&self.path, &metadata));
        now.is_ok_and(|now| now == *self)
    }
}

impl State {
    pub(super) fn new(
        store: StoreUri,
        key: &str,
        source: &SourceFile,
        properties: &Properties,
        upload: &UploadId,
        part_bytes: u64,
        replaces: Option<String>,
    ) -> Self {
        Self {
            store: store.to_string(),
            key: key.to_owned(),
            upload: upload.as_str().to_owned(),
            source: source.clone(),
            properties: format!("{properties:?}"),
            part_bytes,
            replaces,
        }
    }

    /// Whether it is an upload of this file, with these properties.
    pub(super) fn is_of(&self, source: &SourceFile, properties: &Properties) -> bool {
        self.source == *source && self.properties == format!("{properties:?}")
    }

    pub(super) fn upload(&self) -> Result<UploadId, Error> {
        UploadId::new(self.upload.as_str()).ok_or_else(|| {
            Error::new(ErrorKind::LocalStore, "what is remembered of the upload is damaged").on(&self.key)
        })
    }
}

impl Remembered {
    /// Opens and locks the file about an upload to `key`.
    pub(super) fn open(folder: &Path, store: &StoreUri, key: &str) -> Result<Self, Error> {
        create_folder(folder)?;
        // The store's region may be learnt: it is no part of the name.
        let place = match store {
            StoreUri::S3(s3) => format!("{:?} {} {}", s3.endpoint(), s3.bucket(), s3.prefix()),
            StoreUri::Folder(folder) => folder.path().to_owned(),
        };
        let hash =
            Sha256::new().chain_update(place.len().to_be_bytes()).chain_update(&place).chain_update(key).finalize();
        let name: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(name);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| io_error(&error, &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::Busy, "another process uploads to this key")
                .on(key)
                .next_step("wait for it to end, or stop it; the upload then goes on where it stopped")
                .retryable()),
            Err(TryLockError::Error(error)) => Err(io_error(&error, &path)),
        }
    }

    /// What is remembered. A file that can't be read whole, as after a torn write, is as good as none.
    pub(super) fn state(&mut self) -> Option<State> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0)).ok()?;
        (&self.file).take(STATE_BYTES_MAX).read_to_string(&mut text).ok()?;
        let state: State = serde_json::from_str(&text).ok()?;
        state.upload().is_ok().then_some(state)
    }

    /// Remembers an upload, durably.
    pub(super) fn remember(&mut self, state: &State) -> Result<(), Error> {
        let text = serde_json::to_string(state)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the upload can't be remembered: {error}")))?;
        let mut write = || {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(text.as_bytes())?;
            self.file.sync_all()
        };
        write().map_err(|error| io_error(&error, &self.path))
    }

    /// Forgets it.
    pub(super) fn forget(&mut self) -> Result<(), Error> {
        // Empty first: who has it open already finds nothing.
        self.file.set_len(0).map_err(|error| io_error(&error, &self.path))?;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&error, &self.path)),
            _ => Ok(()),
        }
    }
}
