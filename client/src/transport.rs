//! What the platform sends, signs and stores for the engine, and what it reports back.

use std::fmt;
use tidelock_core::{self as core, Error, local, s3};

/// A header or a URL parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Header {
    /// Its name, in any case.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A request, complete: send it once, without following redirects.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Request {
    /// Its name in [`Input::Answered`](crate::Input::Answered) and [`Input::Failed`](crate::Input::Failed).
    pub id: u64,
    /// The method, in upper case.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Headers to set beside `host` and `content-length`.
    pub headers: Vec<Header>,
    /// The body.
    #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
    pub body: Vec<u8>,
    /// Read no more than this; a longer answer is [`TransportFailure::TooLong`].
    pub max_response_bytes: u64,
}

/// A request that somebody else is to sign in its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct UnsignedRequest {
    /// The method, in upper case.
    pub method: String,
    /// The whole URL, unsigned.
    pub url: String,
    /// The object's whole key in the bucket; none for a listing.
    pub key: Option<String>,
    /// The URL's parameters, not encoded.
    pub query: Vec<Header>,
    /// Headers that the signature has to bind.
    pub headers: Vec<Header>,
    /// The body's length.
    pub body_bytes: u64,
}

/// A signer's answer.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SignedUrl {
    /// The URL that was asked for, with the parameters of a signature.
    pub url: String,
    /// `x-amz-…` headers to send with it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub headers: Vec<Header>,
    /// For how many seconds it holds good from now on; none: as the URL says.
    pub expires_s: Option<u32>,
}

/// A whole HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Its body.
    #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
    pub body: Vec<u8>,
}

/// Why no whole answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(tag = "kind", rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[allow(missing_docs, reason = "the text is the platform's")]
pub enum TransportFailure {
    /// The transport's own deadline.
    Timeout,
    /// No connection.
    Connect { text: String },
    /// TLS refused.
    Tls { text: String },
    /// The connection broke after it stood.
    Reset { text: String },
    /// The answer is longer than `max_response_bytes`.
    TooLong,
    /// No credentials were found; or a signer refuses.
    NoCredentials { text: String },
}

/// An access key with its secret.
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Credentials {
    /// The access key's id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Belongs to temporary ones.
    pub session_token: Option<String>,
}

/// A page of the local store, to be kept by its number; without bytes: to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Page {
    /// Its number.
    pub id: u64,
    /// Its content.
    #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
    pub bytes: Option<Vec<u8>>,
}

impl fmt::Debug for Request {
    /// Without headers and query: they hold signatures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {} {}, {} B)", self.id, self.method, without_query(&self.url), self.body.len())
    }
}

impl fmt::Debug for SignedUrl {
    /// Without the query: it is a key to the object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedUrl({}, {:?} s)", without_query(&self.url), self.expires_s)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

fn headers(pairs: Vec<(String, String)>) -> Vec<Header> {
    pairs.into_iter().map(|(name, value)| Header { name, value }).collect()
}

fn pairs(headers: Vec<Header>) -> Vec<(String, String)> {
    headers.into_iter().map(|Header { name, value }| (name, value)).collect()
}

impl From<core::Request> for Request {
    fn from(request: core::Request) -> Self {
        let core::Request { id, method, url, headers: pairs, body, max_response_bytes } = request;
        let method = method.as_str().to_owned();
        Self { id: id.0, method, url, headers: headers(pairs), body: body.into(), max_response_bytes }
    }
}

impl From<core::UnsignedRequest> for UnsignedRequest {
    fn from(request: core::UnsignedRequest) -> Self {
        let core::UnsignedRequest { method, url, key, query, headers: pairs, body_bytes } = request;
        let method = method.as_str().to_owned();
        Self { method, url, key, query: headers(query), headers: headers(pairs), body_bytes }
    }
}

impl From<SignedUrl> for core::SignedUrl {
    fn from(SignedUrl { url, headers, expires_s }: SignedUrl) -> Self {
        Self { url, headers: pairs(headers), expires_s }
    }
}

impl From<Response> for s3::Response {
    fn from(Response { status, headers, body }: Response) -> Self {
        Self { status, headers: pairs(headers), body: body.into() }
    }
}

impl From<TransportFailure> for core::TransportFailure {
    fn from(failure: TransportFailure) -> Self {
        match failure {
            TransportFailure::Timeout => Self::Timeout,
            TransportFailure::Connect { text } => Self::Connect(text),
            TransportFailure::Tls { text } => Self::Tls(text),
            TransportFailure::Reset { text } => Self::Reset(text),
            TransportFailure::TooLong => Self::TooLong,
            TransportFailure::NoCredentials { text } => Self::NoCredentials(text),
        }
    }
}

impl TryFrom<Credentials> for s3::Credentials {
    type Error = Error;

    /// Fails with `invalid` if they can't be any.
    fn try_from(credentials: Credentials) -> Result<Self, Error> {
        let Credentials { access_key, secret_key, session_token } = credentials;
        Self::new(access_key, secret_key, session_token)
    }
}

impl From<Page> for local::Page {
    fn from(Page { id, bytes }: Page) -> Self {
        Self { id, bytes }
    }
}

impl From<local::Page> for Page {
    fn from(local::Page { id, bytes }: local::Page) -> Self {
        Self { id, bytes }
    }
}
