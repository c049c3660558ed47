//! The engine behind plain types: opened, called, told what happened, and drained in batches.

use crate::{
    Change, Collection, Conflict, Credentials, Document, Entry, KeyRange, Operation, Output, Position, Record,
    Response, SignedUrl, Status, TransportFailure, Written,
};
use std::collections::BTreeMap;
use tidelock_core::crypto::{Entropy, StretchRequest, StretchedKey};
use tidelock_core::local::{LocalError, LocalStore};
use tidelock_core::{self as core, CommitId, Config, Engine, Error, OpId, PresignId, RequestId, StretchId};

/// The platform's clocks, read right before each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Now {
    /// Of a clock that never goes back.
    pub monotonic_ms: u64,
    /// Since 1970.
    pub unix_ms: u64,
}

/// How a device reaches its vault. What is none has the core's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase", default))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Options {
    /// The bucket side: `s3://bucket/prefix?region=…&endpoint=…`.
    pub store: String,
    /// What people call this device; ≤ 256 bytes.
    pub device: String,
    /// Whether somebody else signs requests: [`Output::Presign`] in place of [`Output::NeedCredentials`].
    pub presigned: bool,
    /// A request's deadline before its body counts; 30 s.
    pub timeout_ms: Option<u64>,
    /// How often one request is tried again; 5.
    pub retries: Option<u32>,
    /// Requests in flight at once; 8.
    pub concurrency: Option<u32>,
    /// Whether segments and snapshots are compressed; yes.
    pub compression: Option<bool>,
}

/// What the platform reports back. Unknown and late ids are ignored.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[allow(missing_docs, reason = "the fields are those of the engine's `handle_*` calls")]
pub enum Input {
    /// A whole answer came.
    Answered { id: u64, response: Response },
    /// No whole answer came.
    Failed { id: u64, failure: TransportFailure },
    /// Credentials that are valid now.
    HaveCredentials { credentials: Credentials },
    /// There are no credentials.
    NoCredentials { failure: TransportFailure },
    /// A request was signed elsewhere.
    Presigned { id: u64, signed: SignedUrl },
    /// A request was not signed.
    NotPresigned { id: u64, failure: TransportFailure },
    /// The pages of every commit up to this one are stored.
    Persisted { commit: u64 },
    /// Pages could not be stored: nothing more is written.
    NotPersisted { commit: u64, text: String },
    /// Time has passed. Early is harmless.
    Timeout,
}

/// What one drain gives.
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Drained {
    /// What to do now, in order.
    pub outputs: Vec<Output>,
    /// When to give [`Input::Timeout`], in monotonic ms; a time already past: at once, there is more to do.
    pub wake_at_ms: Option<u64>,
}

/// One vault on one device. Drain it after every other call, do what the outputs say, sleep until `wake_at_ms`.
#[derive(Debug)]
pub struct Driver {
    engine: Engine,
    /// Handed out as ids, so that no object crosses a language boundary inside an output.
    stretches: BTreeMap<u64, StretchRequest>,
}

impl Driver {
    /// Opens what the device has; an empty local store is one that `Create` or `Join` fills.
    ///
    /// # Errors
    /// `invalid` for a malformed store URI, `local-store` for a store that can't be read.
    pub fn open(
        options: Options,
        local: Box<dyn LocalStore>,
        entropy: Box<dyn Entropy + Send>,
        now: Now,
    ) -> Result<Self, Error> {
        let engine = Engine::open(options.try_into()?, local, entropy, now.into())?;
        Ok(Self { engine, stretches: BTreeMap::new() })
    }

    /// Applies at most 5,000 changes, all or none.
    ///
    /// # Errors
    /// As [`Engine::write`].
    pub fn write(&mut self, changes: Vec<Change>, now: Now) -> Result<Written, Error> {
        let changes: Vec<core::Change> = changes.into_iter().map(Into::into).collect();
        Ok(self.engine.write(&changes, now.into())?.into())
    }

    /// The value at a key.
    ///
    /// # Errors
    /// `local-store`.
    pub fn get(&self, collection: Collection, key: &str) -> Result<Option<Record>, Error> {
        Ok(self.engine.get(&collection.into(), key)?.map(Into::into))
    }

    /// A page of entries by ascending key, at most `limit`; an empty page is the end. The next page starts right after the
    /// last key of this one: at that key followed by NUL.
    ///
    /// # Errors
    /// `local-store`.
    pub fn list(&self, collection: Collection, range: KeyRange, limit: u32) -> Result<Vec<Entry>, Error> {
        let entries = self.engine.list(&collection.into(), &range.into(), limit)?;
        Ok(entries.into_iter().map(Into::into).collect())
    }

    /// What stands of a document.
    ///
    /// # Errors
    /// `local-store`.
    pub fn document(&self, collection: Collection, id: &str) -> Result<Option<Document>, Error> {
        Ok(self.engine.document(&collection.into(), id)?.map(Into::into))
    }

    /// A page of documents by ascending id, at most `limit`; an empty page is the end. The next page starts right after the
    /// last id of this one: at that id followed by NUL.
    ///
    /// # Errors
    /// `local-store`.
    pub fn documents(&self, collection: Collection, range: KeyRange, limit: u32) -> Result<Vec<Document>, Error> {
        let documents = self.engine.documents(&collection.into(), &range.into(), limit)?;
        Ok(documents.into_iter().map(Into::into).collect())
    }

    /// A page of conflicts, after an earlier page's last.
    ///
    /// # Errors
    /// `local-store`.
    pub fn conflicts(&self, after: Option<Position>, limit: u32) -> Result<Vec<Conflict>, Error> {
        let conflicts = self.engine.conflicts(after.map(Into::into).as_ref(), limit)?;
        Ok(conflicts.into_iter().map(Into::into).collect())
    }

    /// What is known, without a request.
    ///
    /// # Errors
    /// `local-store`.
    pub fn status(&self) -> Result<Status, Error> {
        Ok(self.engine.status()?.into())
    }

    /// Starts an operation; gives its number, which exactly one [`Output::Finished`] or [`Output::Failed`] ends.
    ///
    /// # Errors
    /// `invalid` for a mistyped recovery code or device id.
    pub fn start(&mut self, operation: Operation, now: Now) -> Result<u64, Error> {
        Ok(self.engine.start(operation.try_into()?, now.into()).0)
    }

    /// Cancels an operation; unknown and ended ones are ignored.
    pub fn cancel(&mut self, op: u64, now: Now) {
        self.engine.cancel(OpId(op), now.into());
    }

    /// Takes what the platform reports.
    ///
    /// # Errors
    /// `invalid` for credentials that can't be any.
    pub fn handle(&mut self, input: Input, now: Now) -> Result<(), Error> {
        let (engine, now) = (&mut self.engine, now.into());
        match input {
            Input::Answered { id, response } => engine.handle_response(RequestId(id), response.into(), now),
            Input::Failed { id, failure } => engine.handle_failure(RequestId(id), failure.into(), now),
            Input::HaveCredentials { credentials } => engine.handle_credentials(Ok(credentials.try_into()?), now),
            Input::NoCredentials { failure } => engine.handle_credentials(Err(failure.into()), now),
            Input::Presigned { id, signed } => engine.handle_presigned(PresignId(id), Ok(signed.into()), now),
            Input::NotPresigned { id, failure } => engine.handle_presigned(PresignId(id), Err(failure.into()), now),
            Input::Persisted { commit } => engine.handle_persisted(CommitId(commit), Ok(()), now),
            Input::NotPersisted { commit, text } => {
                engine.handle_persisted(CommitId(commit), Err(LocalError::Other(text)), now);
            }
            Input::Timeout => engine.handle_timeout(now),
        }
        Ok(())
    }

    /// The stretching that [`Output::Stretch`] named, once: run [`core::crypto::stretch`] on it.
    pub fn take_stretch(&mut self, id: u64) -> Option<StretchRequest> {
        self.stretches.remove(&id)
    }

    /// A passphrase is stretched, or could not be.
    pub fn handle_stretched(&mut self, id: u64, key: Result<StretchedKey, Error>, now: Now) {
        self.engine.handle_stretched(StretchId(id), key, now.into());
    }

    /// Everything to do next, and until when to sleep. It works no longer than a slice of the engine's.
    pub fn drain(&mut self, now: Now) -> Drained {
        let mut outputs = Vec::new();
        while let Some(output) = self.engine.poll_output(now.into()) {
            outputs.push(self.plain(output));
        }
        Drained { outputs, wake_at_ms: self.engine.poll_timeout() }
    }

    fn plain(&mut self, output: core::Output) -> Output {
        match output {
            core::Output::Send(request) => Output::Send { request: request.into() },
            core::Output::Abort(id) => Output::Abort { id: id.0 },
            core::Output::NeedCredentials => Output::NeedCredentials,
            core::Output::Presign(id, request) => Output::Presign { id: id.0, request: request.into() },
            core::Output::Persist(commit, pages) => {
                Output::Persist { commit: commit.0, pages: pages.into_iter().map(Into::into).collect() }
            }
            core::Output::Stretch(id, request) => {
                self.stretches.insert(id.0, request);
                Output::Stretch { id: id.0 }
            }
            core::Output::Event(event) => event.into(),
        }
    }
}

impl From<Now> for core::Now {
    fn from(Now { monotonic_ms, unix_ms }: Now) -> Self {
        Self { monotonic_ms, unix_ms }
    }
}

impl TryFrom<Options> for Config {
    type Error = Error;

    /// Fails with `invalid` for a malformed store URI.
    fn try_from(options: Options) -> Result<Self, Error> {
        let defaults = Self::new(options.store.parse()?, options.device);
        Ok(Self {
            timeout_ms: options.timeout_ms.unwrap_or(defaults.timeout_ms),
            retries: options.retries.unwrap_or(defaults.retries),
            concurrency: options.concurrency.unwrap_or(defaults.concurrency),
            compression: options.compression.unwrap_or(defaults.compression),
            presigned: options.presigned,
            ..defaults
        })
    }
}
