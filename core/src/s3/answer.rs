//! What a store answered, read with bounds: one meaning for each call, whatever the server.

use super::call::{Call, Condition};
use super::date::http_date_unix_ms;
use super::delete;
use super::etag::ETag;
use super::failure::{self, Asked, Failure, OtherForm, Retry, no_answer, not_s3, unreadable};
use super::list::{self, After, LAST_MODIFIED_BYTES_MAX, ListEntry};
use super::uri::StoreUri;
use crate::{Error, ErrorKind};
use bytes::Bytes;

/// A whole HTTP response, as any transport brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Its headers; names in any case.
    pub headers: Vec<(String, String)>,
    /// Its body, at most the request's `max_response_bytes`.
    pub body: Bytes,
}

impl Response {
    /// The first header of a name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// GetObject: the object, or the range of it.
    Object {
        /// The content.
        body: Bytes,
        /// Its ETag, where the server gives one and (in browsers) exposes it.
        etag: Option<ETag>,
        /// The server's clock, in ms since 1970.
        date_unix_ms: Option<u64>,
    },
    /// GetObject with `if_none_match`: it still has that ETag.
    NotModified,
    /// GetObject and HeadObject: there is no such object.
    Missing,
    /// HeadObject.
    Head {
        /// Length in bytes.
        len: u64,
        /// Its ETag.
        etag: Option<ETag>,
        /// As the server wrote it.
        last_modified: Option<String>,
    },
    /// PutObject: written.
    Stored {
        /// The new content's ETag.
        etag: Option<ETag>,
    },
    /// PutObject: its condition was not met, and nothing was written (by this request: a retry may meet its own first try).
    Refused,
    /// PutObject: another write was under way; whether this one was carried out is open.
    Conflict,
    /// DeleteObject: gone, or never there.
    Deleted,
    /// DeleteObjects.
    DeletedMany {
        /// Keys that are still there, each with S3's code for why.
        failed: Vec<(String, String)>,
    },
    /// ListObjectsV2 and ListObjects: a page.
    Listed {
        /// The objects, in the server's order.
        entries: Vec<ListEntry>,
        /// The `continuation` or `marker` of the next page, if there is one.
        next: Option<String>,
    },
    /// HeadBucket: it is there, and open to these keys.
    Bucket,
}

/// Reads the response to a call's request.
pub(super) fn interpret(call: &Call, store: &StoreUri, response: &Response) -> Result<Answer, Failure> {
    let asked = &asked(call, store);
    match (call, response.status) {
        (Call::GetObject { range, body_max, .. }, 200 | 206) => object(asked, *range, *body_max, response),
        (Call::GetObject { if_none_match: Some(_), .. }, 304) => Ok(Answer::NotModified),
        (Call::GetObject { .. }, 404) if is_no_such_key(response) => Ok(Answer::Missing),

        (Call::HeadObject { .. }, 200) => head(asked, response),
        (Call::HeadObject { .. }, 404) => Ok(Answer::Missing),

        (Call::PutObject { .. }, 200 | 201 | 204) => stored(asked, response),
        (Call::PutObject { condition, .. }, 404 | 412) if is_refused(condition, response) => Ok(Answer::Refused),
        (Call::PutObject { .. }, 409) => Ok(Answer::Conflict),

        (Call::DeleteObject { .. }, 200 | 204) => no_html(asked, response).map(|()| Answer::Deleted),
        (Call::DeleteObject { .. }, 404) if is_no_such_key(response) => Ok(Answer::Deleted),

        // B2 says that all are gone by 204 alone.
        (Call::DeleteObjects { .. }, 204) if response.body.is_empty() => Ok(Answer::DeletedMany { failed: vec![] }),
        (Call::DeleteObjects { keys }, 200 | 204) => match delete::failed(store, keys, &response.body) {
            Ok(failed) => Ok(Answer::DeletedMany { failed }),
            Err(refusal) => Err(not_s3(asked, refusal)),
        },

        (Call::ListObjectsV2 { prefix, continuation, .. }, 200) => {
            match list::page(store, prefix, After::Token(continuation.as_deref()), &response.body) {
                Ok(page) => Ok(Answer::Listed { entries: page.entries, next: page.next }),
                Err(page) if page.why == list::WITHOUT_TOKEN => {
                    Err(Failure { retry: Retry::ListV1, ..unreadable(asked, page) })
                }
                Err(page) => Err(unreadable(asked, page)),
            }
        }
        (Call::ListObjects { prefix, marker, .. }, 200) => {
            match list::page(store, prefix, After::Marker(marker.as_deref()), &response.body) {
                Ok(page) => Ok(Answer::Listed { entries: page.entries, next: page.next }),
                Err(page) => Err(unreadable(asked, page)),
            }
        }

        (Call::HeadBucket, 200 | 204) => Ok(Answer::Bucket),

        _ => Err(no_answer(asked, response)),
    }
}

fn asked<'a>(call: &'a Call, store: &'a StoreUri) -> Asked<'a> {
    let other_form = match call {
        Call::DeleteObjects { .. } => OtherForm::SingleDeletes,
        Call::PutObject { condition: Condition::IfMatch(_), .. } | Call::GetObject { if_none_match: Some(_), .. } => {
            OtherForm::Unquoted
        }
        Call::ListObjectsV2 { .. } => OtherForm::ListV1,
        _ => OtherForm::None,
    };
    let is_of_bucket = matches!(call, Call::HeadBucket);
    Asked { object: call.object(), other_form, is_of_bucket, ..Asked::bucket(store, call.method()) }
}

fn object(asked: &Asked<'_>, range: Option<(u64, u64)>, body_max: u64, response: &Response) -> Result<Answer, Failure> {
    let body = content(asked, range, body_max, response)?;
    Ok(Answer::Object { body, etag: etag(response), date_unix_ms: response.header("date").and_then(http_date_unix_ms) })
}

/// What was asked for of an object.
pub(super) fn content(
    asked: &Asked<'_>,
    range: Option<(u64, u64)>,
    body_max: u64,
    response: &Response,
) -> Result<Bytes, Failure> {
    no_html(asked, response)?;
    let body = match (range, response.status) {
        (None, 200) => response.body.clone(),
        (Some((first, last)), status) if status == 206 || response.header("content-range").is_some() => {
            // rclone sends a range with status 200.
            if response.header("content-range").is_some_and(|range| !is_range(range, first, response.body.len())) {
                return Err(not_s3(asked, "has another range than the one asked for"));
            }
            if response.body.len() as u64 > (last - first).saturating_add(1) {
                return Err(not_s3(asked, "has more bytes than the range asked for"));
            }
            response.body.clone()
        }
        // A server may ignore the range and send the whole object.
        (Some((first, last)), _) => {
            let len = response.body.len();
            let Some(first) = usize::try_from(first).ok().filter(|first| *first < len) else {
                return Err(corrupt(asked, "object is shorter than the range asked for"));
            };
            let end = usize::try_from(last).map_or(len, |last| len.min(last.saturating_add(1)));
            response.body.slice(first..end)
        }
        (None, _) => return Err(not_s3(asked, "has a range, and none was asked for")),
    };
    if body.len() as u64 > body_max {
        return Err(corrupt(asked, "object is larger than it may be"));
    }
    Ok(body)
}

fn head(asked: &Asked<'_>, response: &Response) -> Result<Answer, Failure> {
    Ok(Answer::Head { len: length(asked, response)?, etag: etag(response), last_modified: last_modified(response) })
}

/// What an answer without a body says of the body's length.
pub(super) fn length(asked: &Asked<'_>, response: &Response) -> Result<u64, Failure> {
    let len = response.header("content-length").and_then(|len| len.trim().parse().ok());
    len.ok_or_else(|| not_s3(asked, "has no length"))
}

pub(super) fn last_modified(response: &Response) -> Option<String> {
    response.header("last-modified").filter(|time| time.len() <= LAST_MODIFIED_BYTES_MAX).map(str::to_owned)
}

fn stored(asked: &Asked<'_>, response: &Response) -> Result<Answer, Failure> {
    no_html(asked, response)?;
    Ok(Answer::Stored { etag: etag(response) })
}

/// Login pages and web servers answer anything with 200 and a page. No object of ours is HTML, and S3 gives an ETag.
pub(super) fn no_html(asked: &Asked<'_>, response: &Response) -> Result<(), Failure> {
    match is_html(response) && !response.body.is_empty() && response.header("etag").is_none() {
        true => Err(not_s3(asked, "is a web page")),
        false => Ok(()),
    }
}

pub(super) fn is_html(response: &Response) -> bool {
    let kind = response.header("content-type").and_then(|kind| kind.trim_start().get(..9));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
}

/// `bytes FIRST-LAST/LENGTH`, of which the body is the whole.
fn is_range(text: &str, first: u64, len: usize) -> bool {
    let parse = || {
        let (range, _length) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?))
    };
    parse().is_some_and(|(from, to)| from == first && to.checked_sub(from) == (len as u64).checked_sub(1))
}

/// A bare 404 may come from any web server: only S3's own word makes an object missing.
pub(super) fn is_no_such_key(response: &Response) -> bool {
    failure::code(&response.body).is_some_and(|code| matches!(code.trim(), "NoSuchKey" | "NotFound"))
}

/// Whether a write's condition was not met.
pub(super) fn is_refused(condition: &Condition, response: &Response) -> bool {
    match (condition, response.status) {
        (Condition::IfAbsent | Condition::IfMatch(_), 412) => true,
        // The object to match is absent: some servers say so, some 412.
        (Condition::IfMatch(_), 404) => is_no_such_key(response),
        _ => false,
    }
}

pub(super) fn etag(response: &Response) -> Option<ETag> {
    ETag::new(response.header("etag")?.trim())
}

fn corrupt(asked: &Asked<'_>, message: &str) -> Failure {
    let error = Error::new(ErrorKind::Corrupt, message);
    Failure { error: failure::on_object(error, asked), retry: Retry::Never }
}
