//! Multipart uploads: an object written in parts, which nobody sees before it is complete.

use super::answer::{Response, etag, no_html};
use super::call::{Condition, HttpRequest, Method, RequestKind};
use super::etag::{ETag, EtagQuoting};
use super::failure::{self, Asked, Failure, Retry, no_answer, not_s3, on_object};
use super::object::{Written, asked_to_write, not_written, result_etag};
use super::properties::Properties;
use super::uri::StoreUri;
use super::{Action, xml};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use quick_xml::escape::escape;

/// The most parts of an upload, and the highest number of one (S3's own limit).
pub const PARTS_MAX: u32 = 10_000;
/// The fewest bytes of every part but the last (S3's own limit).
pub const PART_BYTES_MIN: u64 = 5 << 20;
/// The most bytes of a part (S3's own limit).
pub const PART_BYTES_MAX: u64 = 5 << 30;

/// The longest upload id, in bytes: it goes into a URL.
const UPLOAD_ID_BYTES_MAX: usize = 1024;

/// The server's name of an upload, opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// Takes 1 to 1,024 bytes of visible ASCII; anything else is no upload's id.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let good = (1..=UPLOAD_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then_some(Self(text))
    }

    /// As the server wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Begins an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateMultipartUpload {
    /// The object it is to become.
    pub key: String,
    /// What is kept beside the content.
    pub properties: Properties,
}

/// Writes one part, in the place of any earlier one of its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPart {
    /// The object it is to become.
    pub key: String,
    /// The upload.
    pub upload: UploadId,
    /// 1 to 10,000; parts are put together in this order.
    pub number: u32,
    /// Its content, at most 5 GiB. Every part but the last has at least 5 MiB; R2 wants those of one size.
    pub body: Bytes,
}

/// Puts the parts together: the object is there from then on, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteMultipartUpload {
    /// The object.
    pub key: String,
    /// The upload.
    pub upload: UploadId,
    /// 1 to 10,000 parts, by rising number.
    pub parts: Vec<Part>,
    /// When to write at all.
    pub condition: Condition,
}

/// A part that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub number: u32,
    /// The ETag that [`UploadPart`] was answered with.
    pub etag: ETag,
}

/// Gives an upload up. Parts that are on their way may still arrive: list afterwards, and abort again if there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortMultipartUpload {
    /// The object it was to become.
    pub key: String,
    /// The upload.
    pub upload: UploadId,
}

impl Action for CreateMultipartUpload {
    type Answer = UploadId;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Post
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let url = store.object_query_url(&self.key, vec![("uploads", String::new())])?;
        let mut request = HttpRequest::new(Method::Post, url);
        request.headers = self.properties.headers()?;
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<UploadId, Failure> {
        let asked = Asked::object(store, Method::Post, &self.key);
        match response.status {
            200 => upload_id(&response.body).map_err(|refusal| not_s3(&asked, refusal)),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

impl Action for UploadPart {
    /// The part's ETag; `None` if there is no such upload (any more).
    type Answer = Option<ETag>;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Put
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        check_number(self.number)?;
        if self.body.len() as u64 > PART_BYTES_MAX {
            return Err(Error::new(ErrorKind::Invalid, "a part has more than 5 GiB").on(&self.key));
        }
        let parameters = vec![("partNumber", self.number.to_string()), ("uploadId", self.upload.0.clone())];
        let mut request = HttpRequest::new(Method::Put, store.object_query_url(&self.key, parameters)?);
        request.body = self.body.clone();
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Option<ETag>, Failure> {
        let asked = Asked::object(store, Method::Put, &self.key);
        match response.status {
            200 => {
                no_html(&asked, response)?;
                match etag(response) {
                    Some(etag) => Ok(Some(etag)),
                    None => Err(hidden_etag(&asked)),
                }
            }
            404 if is_gone(response) => Ok(None),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

impl Action for CompleteMultipartUpload {
    type Answer = Written;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Post
    }

    fn unsigned(&self, store: &StoreUri, quoting: EtagQuoting) -> Result<HttpRequest, Error> {
        let url = store.object_query_url(&self.key, vec![("uploadId", self.upload.0.clone())])?;
        let mut request = HttpRequest::new(Method::Post, url);
        request.headers.push(("content-type".to_owned(), "application/xml".to_owned()));
        request.headers.extend(self.condition.header(quoting));
        request.body = self.document()?;
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Written, Failure> {
        let asked = asked_to_write(store, Method::Post, &self.key, &self.condition);
        if is_gone(response) {
            return Ok(Written::Gone);
        }
        match response.status {
            // S3 answers before it has put the parts together, and says in the document how it went.
            200 => match failure::code(&response.body).as_deref().map(str::trim) {
                Some("PreconditionFailed") if self.condition != Condition::Always => Ok(Written::Refused),
                Some("ConditionalRequestConflict") => Ok(Written::Conflict),
                Some(_) => Err(failure::failure(&asked, response)),
                None => {
                    let etag = result_etag(
                        &response.body,
                        "CompleteMultipartUploadResult",
                        "is no CompleteMultipartUploadResult",
                    );
                    etag.map(|etag| Written::Stored { etag }).map_err(|refusal| not_s3(&asked, refusal))
                }
            },
            _ => not_written(&asked, &self.condition, response),
        }
    }
}

impl CompleteMultipartUpload {
    fn document(&self) -> Result<Bytes, Error> {
        let rises = self.parts.windows(2).all(|pair| pair[0].number < pair[1].number);
        if self.parts.is_empty() || !rises {
            return Err(Error::new(ErrorKind::Invalid, "an upload's parts are none, or not by rising number"));
        }
        let mut document = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for Part { number, etag } in &self.parts {
            check_number(*number)?;
            document.push_str("<Part><PartNumber>");
            document.push_str(&number.to_string());
            document.push_str("</PartNumber><ETag>");
            document.push_str(&escape(etag.as_str()));
            document.push_str("</ETag></Part>");
        }
        document.push_str("</CompleteMultipartUpload>");
        Ok(document.into())
    }
}

impl Action for AbortMultipartUpload {
    /// The upload is gone, or was never there.
    type Answer = ();

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Delete
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let url = store.object_query_url(&self.key, vec![("uploadId", self.upload.0.clone())])?;
        Ok(HttpRequest::new(Method::Delete, url))
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<(), Failure> {
        let asked = Asked::object(store, Method::Delete, &self.key);
        match response.status {
            200 | 204 => no_html(&asked, response),
            404 if is_gone(response) => Ok(()),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

/// Whether S3 says that there is no such upload: under 404, or in the document of a late 200.
pub(super) fn is_gone(response: &Response) -> bool {
    matches!(response.status, 200 | 404)
        && failure::code(&response.body).is_some_and(|code| code.trim() == "NoSuchUpload")
}

/// A number that a part can have.
pub(super) fn check_number(number: u32) -> Result<(), Error> {
    match (1..=PARTS_MAX).contains(&number) {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Invalid, "a part's number is not 1 to 10,000")),
    }
}

fn upload_id(body: &[u8]) -> Result<UploadId, xml::Refusal> {
    let mut id = None;
    xml::read(body, |path, text| match path {
        // The shorter one is rclone's.
        "InitiateMultipartUploadResult/UploadId" | "InitiateMultipartUpload/UploadId" => xml::set(&mut id, text),
        "InitiateMultipartUploadResult" | "InitiateMultipartUpload" => Ok(()),
        path if path.starts_with("InitiateMultipartUploadResult/") => Ok(()),
        path if path.starts_with("InitiateMultipartUpload/") => Ok(()),
        _ => Err("is no InitiateMultipartUploadResult"),
    })?;
    UploadId::new(id.ok_or("lacks an upload id")?).ok_or("has a malformed upload id")
}

/// Without its parts' ETags no upload can be completed, and only a browser hides them.
fn hidden_etag(asked: &Asked<'_>) -> Failure {
    let error = Error::new(ErrorKind::Unsupported, "the store gives no ETag for a part")
        .next_step("in a browser, add ETag to ExposeHeaders in the bucket's CORS rules");
    Failure { error: on_object(error, asked), retry: Retry::Never }
}
