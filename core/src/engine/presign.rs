//! Requests that somebody else signs, for devices without keys for the bucket: what is asked, and what an answer may be.

use super::api::TransportFailure;
use super::objects::is_polled;
use super::shared::{Shared, cancelled, never};
use crate::s3::{Action, Call, EtagQuoting, Failure, HttpRequest, Method, PRESIGN_SECONDS_MAX, Retry, StoreUri};
use crate::{Error, ErrorKind};
use http::{HeaderName, HeaderValue};
use std::fmt;

/// The most bytes of a signed URL: a key takes 3 KiB and a session token some more.
const URL_BYTES_MAX: usize = 16 << 10;
/// The most headers that come with one.
const HEADERS_MAX: usize = 32;
/// The most bytes of such a header's value.
const HEADER_BYTES_MAX: usize = 4 << 10;

/// A request that somebody else is to sign in its URL. It says nothing of the body but its length.
#[derive(Clone, PartialEq, Eq)]
pub struct UnsignedRequest {
    /// The method.
    pub method: Method,
    /// The whole URL, unsigned. The signed one has the same scheme, host and path.
    pub url: String,
    /// The object's whole key in the bucket; `None` for a listing, which is asked of the bucket.
    pub key: Option<String>,
    /// The URL's parameters, in order, names and values not encoded.
    pub query: Vec<(String, String)>,
    /// Headers that the signature has to bind, names in lower case: a PUT's condition. Others are sent unsigned, so that
    /// one URL serves every poll.
    pub headers: Vec<(String, String)>,
    /// The body's length in bytes, for `content-length` to bind where there is a body.
    pub body_bytes: u64,
}

impl fmt::Debug for UnsignedRequest {
    /// In full: nothing in it is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, headers, body_bytes, .. } = self;
        write!(f, "UnsignedRequest({} {url} {headers:?}, {body_bytes} B)", method.as_str())
    }
}

/// A signer's answer. Whoever has it may do what it was asked for until it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl {
    /// The URL that was asked for, with the parameters of a signature.
    pub url: String,
    /// Headers to send beside those that were asked for; only `x-amz-…` ones. `host` and `content-length` are ignored:
    /// the transport sets them.
    pub headers: Vec<(String, String)>,
    /// For how many seconds it holds good from now on; `None`: as `X-Amz-Expires` in the URL says. The lesser of both
    /// counts, and half of that is used.
    pub expires_s: Option<u32>,
}

impl fmt::Debug for SignedUrl {
    /// Without the query: it is a key to the object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedUrl({}, {:?} s)", place(&self.url), self.expires_s)
    }
}

/// A URL that serves more than one request: the beacon's.
pub(super) struct ReusedUrl {
    unsigned: String,
    signed: SignedUrl,
    /// Until here, monotonic ms.
    until_ms: u64,
}

impl Shared {
    /// Whether requests to this store are signed elsewhere.
    pub(super) fn is_presigned(&self, store: &StoreUri) -> bool {
        matches!(store, StoreUri::S3(_)) && self.read(|state| state.config.presigned)
    }

    /// The call as a request that somebody else has signed.
    pub(super) async fn presigned(
        &self,
        store: &StoreUri,
        call: &Call,
        quoting: EtagQuoting,
    ) -> Result<HttpRequest, Failure> {
        let request = call.unsigned(store, quoting).map_err(never)?;
        let unsigned = UnsignedRequest::of(store, &request);
        let is_reused = call.method() == Method::Get && unsigned.key.as_deref().is_some_and(is_polled);

        let (asked_ms, wanted) = {
            let mut state = self.lock();
            let now_ms = state.now.monotonic_ms;
            match &state.reused_url {
                Some(known) if is_reused && known.unsigned == request.url && now_ms < known.until_ms => {
                    return Ok(known.signed.clone().on(request));
                }
                _ => {}
            }
            let deadline_ms = now_ms.saturating_add(state.config.timeout_ms);
            (now_ms, state.waits.want_presigned(unsigned.clone(), deadline_ms))
        };
        let answer = wanted.await.map_err(|_| never(cancelled()))?;
        let signed = unsigned.checked(answer)?;
        if is_reused {
            let until_ms = asked_ms.saturating_add(signed.life_ms() / 2);
            let unsigned = request.url.clone();
            self.lock().reused_url = Some(ReusedUrl { unsigned, signed: signed.clone(), until_ms });
        }
        Ok(signed.on(request))
    }
}

impl UnsignedRequest {
    /// What is asked of a signer for a request, which is one on `store`.
    pub fn of(store: &StoreUri, request: &HttpRequest) -> Self {
        // What a GET may vary from poll to poll is left unsigned.
        let is_bound = |name: &str| name.starts_with("x-amz-") || !matches!(request.method, Method::Get | Method::Head);
        Self {
            method: request.method,
            url: request.url.clone(),
            key: store.full_key_in(&request.url),
            query: parameters(&request.url).collect(),
            headers: request.headers.iter().filter(|(name, _)| is_bound(name)).cloned().collect(),
            body_bytes: request.body.len() as u64,
        }
    }

    /// The answer, if it leads where the request was to go and nowhere else; with the headers to add alone.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] if it is not of what was asked; of a signer that can't be reached, [`ErrorKind::Network`] or
    /// [`ErrorKind::Timeout`], to be tried again.
    pub fn checked(&self, answer: Result<SignedUrl, TransportFailure>) -> Result<SignedUrl, Failure> {
        let object = self.key.as_deref().unwrap_or_else(|| place(&self.url));
        let signed = answer.map_err(|failure| signer_failure(&failure, object))?;
        checked(self, signed).map_err(|why| never(not_what_was_asked(why, object)))
    }
}

impl SignedUrl {
    /// Whether the store refuses what a signer allowed: the URL may have expired, and another one is asked for once.
    pub fn is_refused(failure: &Failure) -> bool {
        matches!(failure.error.kind(), ErrorKind::Auth | ErrorKind::ClockSkew)
    }

    /// What is said of a second URL that the store refuses.
    pub fn refused_again(failure: Failure) -> Failure {
        let message = format!("the store refuses what the signer signed: {}", failure.error.message());
        let error = Error::new(ErrorKind::Auth, message)
            .next_step("ask who runs the signer to check its keys, its region and its clock");
        never(match failure.error.object() {
            Some(object) => error.on(object),
            None => error,
        })
    }

    /// For how long it holds good, in ms; 0 if nothing says so.
    fn life_ms(&self) -> u64 {
        let in_url = parameters(&self.url).find(|(name, _)| name.eq_ignore_ascii_case("x-amz-expires"));
        let in_url = in_url.and_then(|(_, seconds)| seconds.parse::<u32>().ok());
        let seconds = self.expires_s.into_iter().chain(in_url).min().unwrap_or(0);
        u64::from(seconds.min(PRESIGN_SECONDS_MAX)) * 1000
    }

    /// The request that it was asked for, made with this URL.
    #[must_use]
    pub fn on(self, mut request: HttpRequest) -> HttpRequest {
        request.url = self.url;
        request.headers.extend(self.headers);
        request
    }
}

/// The answer, if it leads where the request was to go and nowhere else; with the headers to add alone.
fn checked(asked: &UnsignedRequest, mut signed: SignedUrl) -> Result<SignedUrl, &'static str> {
    if signed.url.len() > URL_BYTES_MAX {
        return Err("a URL that is too long");
    }
    if !signed.url.bytes().all(|byte| byte.is_ascii_graphic()) || signed.url.contains('#') {
        return Err("a malformed URL");
    }
    // Of the bucket itself: boto3 leaves the last slash out, and signs what it gives.
    let is_place = |asked_place: &str| {
        let is_bucket = asked.key.is_none();
        place(&signed.url) == asked_place || is_bucket && asked_place.strip_suffix('/') == Some(place(&signed.url))
    };
    if !is_place(place(&asked.url)) {
        return Err("a URL of another place");
    }
    let mut wanted = asked.query.clone();
    for parameter in parameters(&signed.url) {
        match wanted.iter().position(|wanted| *wanted == parameter) {
            Some(at) => drop(wanted.swap_remove(at)),
            None if is_of_signature(&parameter.0) => {}
            None => return Err("a URL with other parameters"),
        }
    }
    if !wanted.is_empty() {
        return Err("a URL with other parameters");
    }
    if signed.headers.len() > HEADERS_MAX {
        return Err("too many headers");
    }
    let mut added: Vec<(String, String)> = Vec::new();
    for (name, value) in std::mem::take(&mut signed.headers) {
        let name = name.to_ascii_lowercase();
        let is_good = HeaderName::from_bytes(name.as_bytes()).is_ok()
            && HeaderValue::from_str(&value).is_ok_and(|value| value.to_str().is_ok())
            && value.len() <= HEADER_BYTES_MAX;
        match name.as_str() {
            _ if !is_good => return Err("a malformed header"),
            "host" | "content-length" => {}
            _ if asked.headers.contains(&(name.clone(), value.clone())) => {}
            _ if !name.starts_with("x-amz-") || added.iter().any(|(other, _)| *other == name) => {
                return Err("a header that was not asked for");
            }
            _ => added.push((name, value)),
        }
    }
    signed.headers = added;
    Ok(signed)
}

/// What signs, in either version of AWS's signature, and `x-id`, which AWS's own libraries add.
fn is_of_signature(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("x-amz-") || matches!(name.as_str(), "awsaccesskeyid" | "signature" | "expires" | "x-id")
}

/// A URL up to its parameters.
fn place(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

fn parameters(url: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes()).into_owned()
}

fn not_what_was_asked(what: &str, object: &str) -> Error {
    Error::new(ErrorKind::Auth, format!("the signer gave {what}, not of what was asked"))
        .on(object)
        .next_step("give this device the bucket, endpoint, region and path_style that the signer signs for")
}

fn signer_failure(failure: &TransportFailure, object: &str) -> Failure {
    let again = Retry::Backoff { retry_after_ms: None };
    let (kind, message, step, retry) = match failure {
        TransportFailure::Timeout => {
            (ErrorKind::Timeout, "the signer did not answer in time".to_owned(), "check the network", again)
        }
        TransportFailure::Connect(why) => {
            (ErrorKind::Network, format!("the signer cannot be reached: {why}"), "check its URL and the network", again)
        }
        TransportFailure::Reset(why) => (
            ErrorKind::Network,
            format!("the connection to the signer broke: {why}"),
            "check the network, then try again",
            again,
        ),
        TransportFailure::Tls(why) => (
            ErrorKind::Network,
            format!("TLS to the signer failed: {why}"),
            "check the signer's certificate and the device's clock",
            Retry::Never,
        ),
        TransportFailure::TooLong => (
            ErrorKind::Auth,
            "the signer's answer is longer than any valid one".to_owned(),
            "check that the signer's URL leads to a signer",
            Retry::Never,
        ),
        TransportFailure::NoCredentials(why) => (
            ErrorKind::Auth,
            format!("the signer gave no URL: {why}"),
            "sign in again, or ask who runs the signer",
            Retry::Never,
        ),
    };
    let mut error = Error::new(kind, message).on(object).next_step(step);
    if retry != Retry::Never {
        error = error.retryable();
    }
    Failure { error, retry }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
