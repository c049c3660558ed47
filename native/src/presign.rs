//! Requests signed by somebody else: for programs and devices that have no keys for the bucket.

use crate::signer::HttpSigner;
use crate::{Error, ErrorKind};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use tidelock_core::engine::{SignedUrl, TransportFailure, UnsignedRequest};
use zeroize::Zeroizing;

type Later<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;
type Callback = dyn Fn(UnsignedRequest) -> Later<SignedUrl> + Send + Sync;
type TokenCallback = dyn Fn() -> Later<Zeroizing<String>> + Send + Sync;

/// Who signs each request in its URL, so that this device needs no keys for the bucket. The signer learns what is asked of
/// the bucket, and nothing of what is in a body but its length. Its answers are checked: one that leads elsewhere is refused.
///
/// ```
/// use tidelock::{Options, Presign, SignerToken};
///
/// let mut options = Options::new("s3://my-bucket/users/alice?region=eu-central-1", "/home/alice/.local/share/notes")?;
/// options.presign = Some(Presign::signer("https://sign.example/presign", SignerToken::environment())?);
/// # Ok::<(), tidelock::Error>(())
/// ```
#[derive(Clone)]
pub struct Presign(Who);

#[derive(Clone)]
enum Who {
    Callback(Arc<Callback>),
    Http(Arc<HttpSigner>),
}

impl Presign {
    /// The program signs by itself. It is called on the vault's own thread, which must not be kept busy. Errors of the kinds
    /// `network`, `timeout` and `throttled` are tried again; all others end what was begun.
    pub fn callback<F>(sign: impl Fn(UnsignedRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<SignedUrl, Error>> + Send + 'static,
    {
        Self(Who::Callback(Arc::new(move |request| Box::pin(sign(request)))))
    }

    /// A server signs, by the protocol of `docs/PRESIGN.md`: `examples/presign-server` is one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `url` is not `https://…`; `http://` is taken for this machine itself alone.
    pub fn signer(url: &str, token: SignerToken) -> Result<Self, Error> {
        Ok(Self(Who::Http(Arc::new(HttpSigner::new(url, token)?))))
    }

    /// Has one request signed.
    pub(crate) async fn sign(
        &self,
        client: reqwest::Client,
        request: UnsignedRequest,
    ) -> Result<SignedUrl, TransportFailure> {
        match &self.0 {
            Who::Callback(sign) => sign(request).await.map_err(|error| failure(&error)),
            Who::Http(signer) => signer.sign(client, request).await,
        }
    }
}

impl fmt::Debug for Presign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Who::Callback(_) => f.write_str("Presign(callback)"),
            Who::Http(signer) => write!(f, "Presign({})", signer.url()),
        }
    }
}

/// Where the bearer token for a signer comes from. It is asked for with each request, so that it may change.
#[derive(Clone)]
pub struct SignerToken(pub(crate) Source);

#[derive(Clone)]
pub(crate) enum Source {
    Environment,
    File(PathBuf),
    Callback(Arc<TokenCallback>),
}

impl SignerToken {
    /// `TIDELOCK_SIGNER_TOKEN`.
    pub fn environment() -> Self {
        Self(Source::Environment)
    }

    /// The first line of a file, which only its owner may read (0600 or less).
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// The program gets it by itself.
    pub fn callback<F>(token: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Zeroizing<String>, Error>> + Send + 'static,
    {
        Self(Source::Callback(Arc::new(move || Box::pin(token()))))
    }
}

impl fmt::Debug for SignerToken {
    /// Names the source alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Environment => f.write_str("SignerToken(environment)"),
            Source::File(file) => write!(f, "SignerToken({})", file.display()),
            Source::Callback(_) => f.write_str("SignerToken(callback)"),
        }
    }
}

/// What the engine makes of a program's error: whether to try again, and its words.
pub(crate) fn failure(error: &Error) -> TransportFailure {
    let text = match error.hint() {
        Some(hint) => format!("{}; {hint}", error.message()),
        None => error.message().to_owned(),
    };
    match error.kind() {
        ErrorKind::Timeout => TransportFailure::Timeout,
        ErrorKind::Network | ErrorKind::Throttled => TransportFailure::Connect(text),
        _ => TransportFailure::NoCredentials(text),
    }
}
