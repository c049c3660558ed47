//! Tidelock for Python: the engine as one synchronous object, plain data in and out. The run loop is the caller's.

mod data;

use data::{Change, Collection, Credentials, Operation, Output, Page, Record, Response, SignedUrl, TransportFailure};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidelock_core::crypto::{self, Entropy};
use tidelock_core::local::{LocalError, MemoryLocal};
use tidelock_core::{CommitId, Config, ErrorKind, Now, OpId, PresignId, RequestId, StretchId};

pyo3::create_exception!(tidelock, Error, PyException, "Has the kind, the message and the next step as arguments.");

/// One vault on one device. `now` is (monotonic ms, unix ms) in every call; each gives back what the engine gives.
#[pyclass]
#[derive(Debug)]
pub struct Engine(Mutex<tidelock_core::Engine>);

/// An Argon2id run, for a thread that may be busy for some tenths of a second.
#[pyclass(frozen, from_py_object)]
#[derive(Clone, Debug)]
pub struct StretchRequest(crypto::StretchRequest);

/// What [`StretchRequest`] gives.
#[pyclass(frozen)]
#[derive(Debug)]
pub struct StretchedKey(crypto::StretchedKey);

#[pymethods]
impl StretchRequest {
    /// Takes 64 MiB of memory; other threads go on.
    fn run(&self, py: Python<'_>) -> PyResult<StretchedKey> {
        py.detach(|| crypto::stretch(&self.0)).map(StretchedKey).map_err(raised)
    }
}

#[pymethods]
impl Engine {
    /// Opens what the platform has kept: every page of every `Persist` output, none for a new device. `presigned`: requests
    /// are signed elsewhere, by `Presign` outputs in place of `NeedCredentials`.
    #[new]
    #[pyo3(signature = (store, device_name, pages, now, presigned = false))]
    fn open(store: &str, device_name: &str, pages: Vec<Page>, now: (u64, u64), presigned: bool) -> PyResult<Self> {
        let mut config = Config::new(store.parse().map_err(raised)?, device_name);
        config.presigned = presigned;
        let pages = pages.into_iter().map(Into::into).collect();
        let local = MemoryLocal::load(pages).map_err(|error| {
            let error = tidelock_core::Error::new(ErrorKind::LocalStore, error.to_string());
            raised(error.next_step("join the vault anew"))
        })?;
        tidelock_core::Engine::open(config, Box::new(local), Box::new(Platform), at(now))
            .map(|engine| Self(Mutex::new(engine)))
            .map_err(raised)
    }

    /// Applies changes, all or none: gives the key of each, and the commit.
    fn write(&self, changes: Vec<Change>, now: (u64, u64)) -> PyResult<(Vec<String>, u64)> {
        let changes: Vec<_> = changes.into_iter().map(Into::into).collect();
        let written = self.engine().write(&changes, at(now)).map_err(raised)?;
        Ok((written.keys, written.commit.0))
    }

    /// What stands at a key, or `None`.
    fn get(&self, collection: Collection, key: &str) -> PyResult<Option<Record>> {
        Ok(self.engine().get(&collection.into(), key).map_err(raised)?.map(Into::into))
    }

    /// Starts an operation, and gives its number.
    fn start(&self, operation: Operation, now: (u64, u64)) -> PyResult<u64> {
        let operation = operation.try_into().map_err(raised)?;
        Ok(self.engine().start(operation, at(now)).0)
    }

    /// Cancels an operation.
    fn cancel(&self, op: u64, now: (u64, u64)) {
        self.engine().cancel(OpId(op), at(now));
    }

    /// A whole answer came.
    fn handle_response(&self, id: u64, response: Response, now: (u64, u64)) {
        self.engine().handle_response(RequestId(id), response.into(), at(now));
    }

    /// No whole answer came.
    fn handle_failure(&self, id: u64, failure: TransportFailure, now: (u64, u64)) {
        self.engine().handle_failure(RequestId(id), failure.into(), at(now));
    }

    /// Credentials that are valid now.
    fn handle_credentials(&self, credentials: Credentials, now: (u64, u64)) -> PyResult<()> {
        let credentials = credentials.try_into().map_err(raised)?;
        self.engine().handle_credentials(Ok(credentials), at(now));
        Ok(())
    }

    /// A request was signed elsewhere.
    fn handle_presigned(&self, id: u64, signed: SignedUrl, now: (u64, u64)) {
        self.engine().handle_presigned(PresignId(id), Ok(signed.into()), at(now));
    }

    /// A request was not signed, and why.
    fn handle_presign_failure(&self, id: u64, failure: TransportFailure, now: (u64, u64)) {
        self.engine().handle_presigned(PresignId(id), Err(failure.into()), at(now));
    }

    /// Pages are stored, or (with a text) could not be.
    fn handle_persisted(&self, up_to: u64, failure: Option<String>, now: (u64, u64)) {
        let result = failure.map_or(Ok(()), |text| Err(LocalError::Other(text)));
        self.engine().handle_persisted(CommitId(up_to), result, at(now));
    }

    /// A passphrase is stretched.
    fn handle_stretched(&self, id: u64, key: &StretchedKey, now: (u64, u64)) {
        self.engine().handle_stretched(StretchId(id), Ok(key.0.clone()), at(now));
    }

    /// Time has passed.
    fn handle_timeout(&self, now: (u64, u64)) {
        self.engine().handle_timeout(at(now));
    }

    /// What to do next, or `None`.
    fn poll_output(&self, now: (u64, u64)) -> Option<Output> {
        self.engine().poll_output(at(now)).map(Into::into)
    }

    /// When to call `handle_timeout` next, in monotonic ms, or `None`.
    fn poll_timeout(&self) -> Option<u64> {
        self.engine().poll_timeout()
    }
}

impl Engine {
    fn engine(&self) -> MutexGuard<'_, tidelock_core::Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The platform's random bytes.
struct Platform;

impl Entropy for Platform {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("every platform with cryptography has random bytes");
    }
}

fn at((monotonic_ms, unix_ms): (u64, u64)) -> Now {
    Now { monotonic_ms, unix_ms }
}

fn raised(error: tidelock_core::Error) -> PyErr {
    let hint = error.hint().map(str::to_owned);
    Error::new_err((error.kind().name(), error.to_string(), hint))
}

#[pymodule]
mod tidelock {
    #[pymodule_export]
    use super::data::{
        Change, Collection, Credentials, Operation, Output, Page, Problem, Record, Report, Request, Response, Secret,
        SignedUrl, TransportFailure, UnsignedRequest,
    };
    #[pymodule_export]
    use super::{Engine, Error, StretchRequest, StretchedKey};
}
