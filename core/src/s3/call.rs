//! What is asked of a bucket, and the one HTTP request that asks it.

use super::etag::{ETag, EtagQuoting};
use super::uri::StoreUri;
use super::{Action, Answer, Failure, Response, answer, delete, list, presign};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use std::fmt;

/// The most keys one listing page may ask for (S3's own limit).
pub const KEYS_PER_LIST_MAX: u32 = 1000;
/// The most keys one [`Call::DeleteObjects`] may name (S3's own limit).
pub const KEYS_PER_DELETE_MAX: usize = 1000;

/// The most bytes of an error document: AWS's `SignatureDoesNotMatch` repeats the whole request in it, in hex too.
pub(super) const ERROR_BODY_BYTES_MAX: u64 = 64 << 10;
/// The most bytes of a listing: 1,000 keys of 1,024 bytes, each three times as long when URL-encoded, and as much again
/// for the rest of an entry.
pub(super) const LIST_BODY_BYTES_MAX: u64 = 8 << 20;

/// One call to a store. Keys, and the listing's `prefix` and `start_after`, are relative to the store's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Reads an object.
    GetObject {
        /// The object.
        key: String,
        /// Answer [`super::Answer::NotModified`] if the object still has this ETag.
        if_none_match: Option<ETag>,
        /// First and last byte wanted, both included.
        range: Option<(u64, u64)>,
        /// The most bytes the answer may have; a longer object is refused.
        body_max: u64,
    },
    /// Asks for an object's length, ETag and time.
    HeadObject {
        /// The object.
        key: String,
    },
    /// Writes an object.
    PutObject {
        /// The object.
        key: String,
        /// Its whole content.
        body: Bytes,
        /// When to write at all.
        condition: Condition,
    },
    /// Deletes an object, or finds it gone.
    DeleteObject {
        /// The object.
        key: String,
    },
    /// Deletes 1 to 1,000 objects.
    DeleteObjects {
        /// The objects.
        keys: Vec<String>,
    },
    /// Lists one page of keys.
    ListObjectsV2 {
        /// What the keys begin with; may be empty or end within a part.
        prefix: String,
        /// The `next` of the page before.
        continuation: Option<String>,
        /// List only keys after this one.
        start_after: Option<String>,
        /// Keys a page, 1 to 1,000.
        max_keys: u32,
    },
    /// Lists one page of keys by the first version of the request: after [`super::Retry::ListV1`].
    ListObjects {
        /// What the keys begin with; may be empty or end within a part.
        prefix: String,
        /// The `next` of the page before.
        marker: Option<String>,
        /// Keys a page, 1 to 1,000.
        max_keys: u32,
    },
    /// Asks whether the bucket is there and the keys are good for it.
    HeadBucket,
}

/// When a PUT writes. Only forms that no known server mistakes for "always".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    Always,
    /// If nothing is there: `If-None-Match: *`.
    IfAbsent,
    /// If what is there has this ETag: one strong, quoted `If-Match`.
    IfMatch(ETag),
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `PUT`
    Put,
    /// `POST`
    Post,
    /// `DELETE`
    Delete,
    /// `OPTIONS`: what a browser asks before it lets a page send a request.
    Options,
}

impl Method {
    /// As in the request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// What a provider counts a request as, and prices it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// Reads.
    Get,
    /// Writes.
    Put,
    /// Single deletes.
    Delete,
    /// Listings.
    List,
    /// Questions without a body.
    Head,
    /// Deletes of many.
    Post,
}

impl RequestKind {
    /// As in reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::List => "LIST",
            Self::Head => "HEAD",
            Self::Post => "POST",
        }
    }
}

/// One request, complete: to be sent once, as it is, with `host` and `content-length` from the transport and no redirect
/// followed. In a folder store's URL the path is the key, relative to the folder.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The URL; it holds a signature only after [`super::presign()`].
    pub url: String,
    /// Headers to set, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// The most bytes of a body to accept in answer.
    pub max_response_bytes: u64,
}

impl fmt::Debug for HttpRequest {
    /// Without what signs it, and without the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |name: &str| matches!(name, "authorization" | "x-amz-security-token");
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), if redacted(name) { "redacted" } else { value.as_str() }))
            .collect();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &presign::shown_url(&self.url))
            .field("headers", &headers)
            .field("body_bytes", &self.body.len())
            .field("max_response_bytes", &self.max_response_bytes)
            .finish()
    }
}

impl HttpRequest {
    /// A request without headers and body, whose answer is an error document at most.
    pub(super) fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: Vec::new(), body: Bytes::new(), max_response_bytes: ERROR_BODY_BYTES_MAX }
    }

    /// The request with a document as its body, and the checksum (RFC 1864) that some servers refuse it without.
    pub(super) fn with_document(mut self, document: Bytes) -> Self {
        self.headers.push(("content-type".to_owned(), "application/xml".to_owned()));
        self.headers.push(("content-md5".to_owned(), delete::content_md5(&document)));
        self.body = document;
        self
    }
}

impl Condition {
    /// The header that says it.
    pub(super) fn header(&self, quoting: EtagQuoting) -> Option<(String, String)> {
        match self {
            Self::Always => None,
            Self::IfAbsent => Some(("if-none-match".to_owned(), "*".to_owned())),
            Self::IfMatch(etag) => Some(("if-match".to_owned(), etag.strong(quoting))),
        }
    }
}

impl Action for Call {
    type Answer = Answer;

    fn billing_kind(&self) -> RequestKind {
        match self {
            Self::GetObject { .. } => RequestKind::Get,
            Self::ListObjectsV2 { .. } | Self::ListObjects { .. } => RequestKind::List,
            Self::HeadObject { .. } | Self::HeadBucket => RequestKind::Head,
            Self::PutObject { .. } => RequestKind::Put,
            Self::DeleteObject { .. } => RequestKind::Delete,
            Self::DeleteObjects { .. } => RequestKind::Post,
        }
    }

    fn unsigned(&self, store: &StoreUri, quoting: EtagQuoting) -> Result<HttpRequest, Error> {
        let mut request = HttpRequest::new(self.method(), self.url(store)?);
        request.headers = self.headers(quoting)?;
        match self {
            Self::GetObject { body_max, .. } => {
                // Also when the object is to be small: an error's document must fit.
                request.max_response_bytes = ERROR_BODY_BYTES_MAX.max(*body_max);
            }
            Self::PutObject { body, .. } => request.body = body.clone(),
            Self::DeleteObjects { keys } => {
                let full_keys = keys.iter().map(|key| store.full_key(key)).collect::<Result<_, _>>()?;
                request = delete::request(store, full_keys)?;
            }
            Self::ListObjectsV2 { .. } | Self::ListObjects { .. } => request.max_response_bytes = LIST_BODY_BYTES_MAX,
            Self::HeadObject { .. } | Self::DeleteObject { .. } | Self::HeadBucket => (),
        }
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Answer, Failure> {
        answer::interpret(self, store, response)
    }
}

impl Call {
    /// The HTTP method it is sent with.
    pub fn method(&self) -> Method {
        match self {
            Self::GetObject { .. } | Self::ListObjectsV2 { .. } | Self::ListObjects { .. } => Method::Get,
            Self::HeadObject { .. } | Self::HeadBucket => Method::Head,
            Self::PutObject { .. } => Method::Put,
            Self::DeleteObject { .. } => Method::Delete,
            Self::DeleteObjects { .. } => Method::Post,
        }
    }

    /// What messages name as the object.
    pub(super) fn object(&self) -> Option<&str> {
        match self {
            Self::GetObject { key, .. }
            | Self::HeadObject { key }
            | Self::PutObject { key, .. }
            | Self::DeleteObject { key } => Some(key),
            Self::ListObjectsV2 { prefix, .. } | Self::ListObjects { prefix, .. } if !prefix.is_empty() => Some(prefix),
            Self::ListObjectsV2 { .. } | Self::ListObjects { .. } | Self::DeleteObjects { .. } | Self::HeadBucket => {
                None
            }
        }
    }

    fn url(&self, store: &StoreUri) -> Result<String, Error> {
        match self {
            Self::GetObject { key, .. }
            | Self::HeadObject { key }
            | Self::PutObject { key, .. }
            | Self::DeleteObject { key } => store.object_url(key),
            Self::DeleteObjects { .. } => Ok(store.bucket_url(vec![("delete", String::new())])),
            Self::HeadBucket => Ok(store.bucket_url(vec![])),
            Self::ListObjectsV2 { prefix, continuation, start_after, max_keys } => {
                let mut parameters = list::parameters(store, prefix, "max-keys", *max_keys)?;
                parameters.push(("list-type", "2".to_owned()));
                if let Some(token) = continuation {
                    parameters.push(("continuation-token", token.clone()));
                }
                if let Some(key) = start_after {
                    parameters.push(("start-after", store.full_key(key)?));
                }
                Ok(store.bucket_url(parameters))
            }
            Self::ListObjects { prefix, marker, max_keys } => {
                let mut parameters = list::parameters(store, prefix, "max-keys", *max_keys)?;
                parameters.extend(marker.clone().map(|marker| ("marker", marker)));
                Ok(store.bucket_url(parameters))
            }
        }
    }

    fn headers(&self, quoting: EtagQuoting) -> Result<Vec<(String, String)>, Error> {
        let mut headers = Vec::new();
        let mut set = |name: &str, value: String| headers.push((name.to_owned(), value));
        match self {
            Self::GetObject { if_none_match, range, .. } => {
                if let Some(etag) = if_none_match {
                    set("if-none-match", etag.weak(quoting));
                }
                if let Some((first, last)) = range {
                    set("range", range_header(*first, *last)?);
                }
            }
            Self::PutObject { condition, .. } => headers.extend(condition.header(quoting)),
            Self::HeadObject { .. }
            | Self::DeleteObject { .. }
            | Self::DeleteObjects { .. }
            | Self::ListObjectsV2 { .. }
            | Self::ListObjects { .. }
            | Self::HeadBucket => (),
        }
        Ok(headers)
    }
}

/// The `Range` header's value for the first and last byte, both included.
pub(super) fn range_header(first: u64, last: u64) -> Result<String, Error> {
    match first <= last {
        true => Ok(format!("bytes={first}-{last}")),
        false => Err(Error::new(ErrorKind::Invalid, "a range ends before it begins")),
    }
}
