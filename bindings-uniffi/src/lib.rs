//! Tidelock for Kotlin and Swift: the engine as one synchronous object, plain data in and out. The run loop is the
//! caller's.

mod data;

pub use data::{
    Change, Collection, Credentials, Header, Kind, Now, Operation, Output, Page, Phase, Problem, Record, Report,
    Request, Response, Secret, SignedUrl, TidelockException, TransportFailure, UnsignedRequest, Written,
};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidelock_core::crypto::{self, Entropy};
use tidelock_core::local::{LocalError, MemoryLocal};
use tidelock_core::{CommitId, Config, Error, ErrorKind, OpId, PresignId, RequestId, StretchId};

uniffi::setup_scaffolding!("tidelock");

/// One vault on one device. Calls may come from any thread, one after the other.
#[derive(Debug, uniffi::Object)]
pub struct Engine(Mutex<tidelock_core::Engine>);

/// An Argon2id run, for a thread that may be busy for some tenths of a second.
#[derive(Debug, uniffi::Object)]
pub struct StretchRequest(crypto::StretchRequest);

/// What [`StretchRequest::run`] gives.
#[derive(Debug, uniffi::Object)]
pub struct StretchedKey(crypto::StretchedKey);

#[uniffi::export]
impl StretchRequest {
    /// Takes 64 MiB of memory.
    ///
    /// # Errors
    /// `invalid` for an empty or overlong passphrase, `unsupported` for a cost outside the bounds.
    pub fn run(&self) -> Result<Arc<StretchedKey>, TidelockException> {
        Ok(Arc::new(StretchedKey(crypto::stretch(&self.0)?)))
    }
}

#[uniffi::export]
impl Engine {
    /// Opens what the platform has kept: every page of every `Persist` output, none for a new device. `presigned`: requests
    /// are signed elsewhere, by `Presign` outputs in place of `NeedCredentials`.
    ///
    /// # Errors
    /// `invalid` for a malformed store URI, `local-store` for damaged pages.
    #[uniffi::constructor(default(presigned = false))]
    pub fn open(
        store: &str,
        device_name: &str,
        pages: Vec<Page>,
        now: Now,
        presigned: bool,
    ) -> Result<Arc<Self>, TidelockException> {
        let mut config = Config::new(store.parse::<tidelock_core::s3::StoreUri>()?, device_name);
        config.presigned = presigned;
        let local = MemoryLocal::load(pages.into_iter().map(Into::into).collect())
            .map_err(|error| Error::new(ErrorKind::LocalStore, error.to_string()).next_step("join the vault anew"))?;
        let engine = tidelock_core::Engine::open(config, Box::new(local), Box::new(Platform), now.into())?;
        Ok(Arc::new(Self(Mutex::new(engine))))
    }

    /// Applies changes, all or none.
    ///
    /// # Errors
    /// `invalid`, `not-found`, `local-store`.
    pub fn write(&self, changes: Vec<Change>, now: Now) -> Result<Written, TidelockException> {
        let changes: Vec<_> = changes.into_iter().map(Into::into).collect();
        Ok(self.engine().write(&changes, now.into())?.into())
    }

    /// What stands at a key.
    ///
    /// # Errors
    /// `local-store`.
    pub fn get(&self, collection: Collection, key: &str) -> Result<Option<Record>, TidelockException> {
        Ok(self.engine().get(&collection.into(), key)?.map(Into::into))
    }

    /// Starts an operation, and gives its number.
    ///
    /// # Errors
    /// `invalid` for a mistyped recovery code.
    pub fn start(&self, operation: Operation, now: Now) -> Result<u64, TidelockException> {
        Ok(self.engine().start(operation.try_into()?, now.into()).0)
    }

    /// Cancels an operation.
    pub fn cancel(&self, op: u64, now: Now) {
        self.engine().cancel(OpId(op), now.into());
    }

    /// A whole answer came.
    pub fn handle_response(&self, id: u64, response: Response, now: Now) {
        self.engine().handle_response(RequestId(id), response.into(), now.into());
    }

    /// No whole answer came.
    pub fn handle_failure(&self, id: u64, failure: TransportFailure, now: Now) {
        self.engine().handle_failure(RequestId(id), failure.into(), now.into());
    }

    /// Credentials that are valid now.
    ///
    /// # Errors
    /// `invalid` if they can't be any.
    pub fn handle_credentials(&self, credentials: Credentials, now: Now) -> Result<(), TidelockException> {
        self.engine().handle_credentials(Ok(credentials.try_into()?), now.into());
        Ok(())
    }

    /// A request was signed elsewhere.
    pub fn handle_presigned(&self, id: u64, signed: SignedUrl, now: Now) {
        self.engine().handle_presigned(PresignId(id), Ok(signed.into()), now.into());
    }

    /// A request was not signed, and why.
    pub fn handle_presign_failure(&self, id: u64, failure: TransportFailure, now: Now) {
        self.engine().handle_presigned(PresignId(id), Err(failure.into()), now.into());
    }

    /// Pages are stored, or (with a text) could not be.
    pub fn handle_persisted(&self, up_to: u64, failure: Option<String>, now: Now) {
        let result = failure.map_or(Ok(()), |text| Err(LocalError::Other(text)));
        self.engine().handle_persisted(CommitId(up_to), result, now.into());
    }

    /// A passphrase is stretched.
    pub fn handle_stretched(&self, id: u64, key: &StretchedKey, now: Now) {
        self.engine().handle_stretched(StretchId(id), Ok(key.0.clone()), now.into());
    }

    /// Time has passed.
    pub fn handle_timeout(&self, now: Now) {
        self.engine().handle_timeout(now.into());
    }

    /// What to do next.
    pub fn poll_output(&self, now: Now) -> Option<Output> {
        self.engine().poll_output(now.into()).map(Into::into)
    }

    /// When to call `handle_timeout` next, in monotonic ms.
    pub fn poll_timeout(&self) -> Option<u64> {
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
