//! Plain objects: PutObject, GetObject, HeadObject and CopyObject with all that S3 keeps beside their content.

use super::answer::{Response, content, etag, is_html, is_no_such_key, is_refused, last_modified, length, no_html};
use super::call::{Condition, HttpRequest, Method, RequestKind, range_header};
use super::etag::{ETag, EtagQuoting};
use super::failure::{self, Asked, Failure, no_answer, not_s3};
use super::properties::Properties;
use super::uri::{PATH, StoreUri};
use super::{Action, xml};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use percent_encoding::utf8_percent_encode;

/// Writes an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutObject {
    /// The object.
    pub key: String,
    /// Its whole content.
    pub body: Bytes,
    /// When to write at all.
    pub condition: Condition,
    /// What is kept beside the content.
    pub properties: Properties,
}

/// Reads an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObject {
    /// The object.
    pub key: String,
    /// Only as long as it has this ETag: so that all ranges are of one content.
    pub if_match: Option<ETag>,
    /// First and last byte wanted, both included.
    pub range: Option<(u64, u64)>,
    /// The most bytes the answer may have; a longer object is refused.
    pub body_max: u64,
}

/// Asks what an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadObject {
    /// The object.
    pub key: String,
}

/// Copies an object within the store (S3's own limit: 5 GiB).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyObject {
    /// The object to read.
    pub source: String,
    /// Only as long as the source has this ETag.
    pub if_source_matches: Option<ETag>,
    /// The object to write.
    pub key: String,
    /// The copy's own properties. `None` keeps content type and metadata; storage class and encryption are the bucket's
    /// default then, as S3 copies neither.
    pub properties: Option<Properties>,
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Written.
    Stored {
        /// The new content's ETag.
        etag: Option<ETag>,
    },
    /// The condition was not met, and nothing was written (by this request: a retry may meet its own first try).
    Refused,
    /// Another write was under way; whether this one was carried out is open.
    Conflict,
    /// What was to be written from is not there: the source of a copy; the upload to complete, which may have been
    /// completed by an earlier try.
    Gone,
}

/// How a read ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The object, or the range of it.
    Object {
        /// The content.
        body: Bytes,
        /// What else is known of it.
        head: Head,
    },
    /// There is no such object.
    Missing,
    /// It has another ETag than asked for.
    Changed,
}

/// How a read begins whose content comes in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadStart {
    /// Content follows.
    Object {
        /// What else is known of the object.
        head: Head,
        /// Where in the object the content begins: 0 as well if the server ignores ranges and sends the whole.
        first: u64,
    },
    /// There is no such object.
    Missing,
    /// It has another ETag than asked for.
    Changed,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The whole object's length in bytes; `None` where a browser hides `Content-Range`.
    pub len: Option<u64>,
    /// Its ETag.
    pub etag: Option<ETag>,
    /// As the server wrote it.
    pub last_modified: Option<String>,
    /// What is kept beside the content.
    pub properties: Properties,
}

impl Action for PutObject {
    type Answer = Written;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Put
    }

    fn unsigned(&self, store: &StoreUri, quoting: EtagQuoting) -> Result<HttpRequest, Error> {
        let mut request = HttpRequest::new(Method::Put, store.any_object_url(&self.key)?);
        request.headers = self.properties.headers()?;
        request.headers.extend(self.condition.header(quoting));
        request.body = self.body.clone();
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Written, Failure> {
        let asked = asked_to_write(store, Method::Put, &self.key, &self.condition);
        match response.status {
            200 | 201 | 204 => no_html(&asked, response).map(|()| Written::Stored { etag: etag(response) }),
            _ => not_written(&asked, &self.condition, response),
        }
    }
}

impl Action for GetObject {
    type Answer = Read;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Get
    }

    fn unsigned(&self, store: &StoreUri, quoting: EtagQuoting) -> Result<HttpRequest, Error> {
        let mut request = HttpRequest::new(Method::Get, store.any_object_url(&self.key)?);
        if let Some(etag) = &self.if_match {
            request.headers.push(("if-match".to_owned(), etag.strong(quoting)));
        }
        if let Some((first, last)) = self.range {
            request.headers.push(("range".to_owned(), range_header(first, last)?));
        }
        request.max_response_bytes = request.max_response_bytes.max(self.body_max);
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Read, Failure> {
        let asked = Asked::object(store, Method::Get, &self.key).with_etag(self.if_match.is_some());
        match response.status {
            200 | 206 => {
                let body = content(&asked, self.range, self.body_max, response)?;
                // What a 200 says of a range that nobody asked for counts for nothing.
                let len = match self.range.and_then(|_| content_range(response)) {
                    Some((_, total)) => total,
                    None => (response.status == 200).then_some(response.body.len() as u64),
                };
                Ok(Read::Object { body, head: head(response, len) })
            }
            404 if is_no_such_key(response) => Ok(Read::Missing),
            412 if self.if_match.is_some() => Ok(Read::Changed),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

impl GetObject {
    /// Reads status and headers of a response whose body is read in pieces. Only a response with another status than 200
    /// and 206 has its body here.
    ///
    /// # Errors
    /// As [`Action::interpret`].
    pub fn begin(&self, store: &StoreUri, response: &Response) -> Result<ReadStart, Failure> {
        let asked = Asked::object(store, Method::Get, &self.key).with_etag(self.if_match.is_some());
        match (self.range, response.status) {
            (range, 200) if range.is_none() || content_range(response).is_none() => {
                // Without an ETag and as HTML it is a login page, whatever it says.
                if is_html(response) && etag(response).is_none() {
                    return Err(not_s3(&asked, "is a web page"));
                }
                let len = response.header("content-length").and_then(|len| len.trim().parse().ok());
                Ok(ReadStart::Object { head: head(response, len), first: 0 })
            }
            // rclone sends a range with status 200.
            (Some((first, _)), 200 | 206) => match content_range(response) {
                Some((from, total)) if from == first => Ok(ReadStart::Object { head: head(response, total), first }),
                _ => Err(not_s3(&asked, "has another range than the one asked for")),
            },
            (None, 206) => Err(not_s3(&asked, "has a range, and none was asked for")),
            _ => match self.interpret(store, response)? {
                Read::Missing => Ok(ReadStart::Missing),
                Read::Changed => Ok(ReadStart::Changed),
                Read::Object { .. } => Err(not_s3(&asked, "has a status that no such call ends in")),
            },
        }
    }
}

/// First byte and whole length of `bytes FIRST-LAST/LENGTH`; the length may be `*`.
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    let (range, total) = response.header("content-range")?.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _last) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()))
}

impl Action for HeadObject {
    /// `None` if there is no such object.
    type Answer = Option<Head>;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Head
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        Ok(HttpRequest::new(Method::Head, store.any_object_url(&self.key)?))
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Option<Head>, Failure> {
        let asked = Asked::object(store, Method::Head, &self.key);
        match response.status {
            200 => Ok(Some(head(response, Some(length(&asked, response)?)))),
            404 => Ok(None),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

impl Action for CopyObject {
    type Answer = Written;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Put
    }

    fn unsigned(&self, store: &StoreUri, quoting: EtagQuoting) -> Result<HttpRequest, Error> {
        let StoreUri::S3(s3) = store else {
            return Err(Error::new(ErrorKind::Unsupported, "a folder copies no objects by itself").on(&self.key));
        };
        let source = store.any_full_key(&self.source)?;
        let mut request = HttpRequest::new(Method::Put, store.any_object_url(&self.key)?);
        let mut set = |name: &str, value: String| request.headers.push((name.to_owned(), value));
        set("x-amz-copy-source", format!("{}/{}", s3.bucket(), utf8_percent_encode(&source, PATH)));
        if let Some(etag) = &self.if_source_matches {
            set("x-amz-copy-source-if-match", etag.strong(quoting));
        }
        if let Some(properties) = &self.properties {
            set("x-amz-metadata-directive", "REPLACE".to_owned());
            request.headers.extend(properties.headers()?);
        }
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Written, Failure> {
        let asked = Asked::object(store, Method::Put, &self.key).with_etag(self.if_source_matches.is_some());
        match response.status {
            // S3 answers before it has copied, and says in the document how it went.
            200 if failure::code(&response.body).is_some() => Err(failure::failure(&asked, response)),
            200 => match result_etag(&response.body, "CopyObjectResult", "is no CopyObjectResult") {
                Ok(etag) => Ok(Written::Stored { etag }),
                Err(refusal) => Err(not_s3(&asked, refusal)),
            },
            404 if is_no_such_key(response) => Ok(Written::Gone),
            412 if self.if_source_matches.is_some() => Ok(Written::Refused),
            409 => Ok(Written::Conflict),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

/// A write with a condition.
pub(super) fn asked_to_write<'a>(
    store: &'a StoreUri,
    method: Method,
    key: &'a str,
    condition: &Condition,
) -> Asked<'a> {
    Asked::object(store, method, key).with_etag(matches!(condition, Condition::IfMatch(_)))
}

/// A write with a condition that did not end well.
pub(super) fn not_written(asked: &Asked<'_>, condition: &Condition, response: &Response) -> Result<Written, Failure> {
    match response.status {
        404 | 412 if is_refused(condition, response) => Ok(Written::Refused),
        409 => Ok(Written::Conflict),
        _ => Err(no_answer(asked, response)),
    }
}

/// The ETag in a document that says how a write went.
pub(super) fn result_etag(body: &[u8], root: &str, other: xml::Refusal) -> Result<Option<ETag>, xml::Refusal> {
    let mut etag = None;
    xml::read(body, |path, text| match path.strip_prefix(root) {
        Some("/ETag") => xml::set(&mut etag, text),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(()),
        _ => Err(other),
    })?;
    Ok(etag.and_then(|text| ETag::new(text.trim())))
}

fn head(response: &Response, len: Option<u64>) -> Head {
    Head { len, etag: etag(response), last_modified: last_modified(response), properties: Properties::of(response) }
}
