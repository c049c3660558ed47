//! What requests and answers of S3 say, and what the folder says for it: ETags, times, conditions, pages, errors.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{ETag, ETagCondition, EncodingType, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};
use std::time::{Duration, UNIX_EPOCH};
use tidelock::folder::{Condition, Fault, Meta, PAGE_ENTRIES_MAX, Put};

/// What stays as it is under `encoding-type=url`, as S3 does it.
const URL_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// As S3's `ETag` in headers and listings.
pub(super) fn etag(meta: &Meta) -> ETag {
    ETag::Strong(meta.etag().trim_matches('"').to_owned())
}

/// As S3's `Last-Modified`. Times before 1970 are 1970's first moment.
pub(super) fn timestamp(meta: &Meta) -> Timestamp {
    let since = Duration::from_nanos(meta.modified_unix_ns.max(0).unsigned_abs());
    (UNIX_EPOCH + since).into()
}

/// A fault of the folder, as S3 says it.
pub(super) fn error_of(fault: Fault) -> S3Error {
    let code = S3ErrorCode::from_bytes(fault.code().as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, fault.to_string());
    if let Ok(status) = StatusCode::from_u16(fault.status()) {
        error.set_status_code(status);
    }
    error
}

/// Without a body, but with the ETag.
pub(super) fn not_modified(meta: &Meta) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, HeaderValue::try_from(meta.etag()).expect("hex digits and quotes are visible ASCII"));
    error.set_headers(headers);
    error
}

pub(super) fn missing() -> S3Error {
    s3_error!(NoSuchKey, "there is no such object")
}

pub(super) fn condition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "the condition does not hold")
}

/// The ETag of an `If-Match`, in the form of [`Meta::etag`]. A weak one matches nothing.
pub(super) fn strong(condition: Option<ETagCondition>) -> S3Result<Option<String>> {
    match condition {
        None => Ok(None),
        Some(ETagCondition::ETag(ETag::Strong(value))) => Ok(Some(quoted(&value))),
        Some(ETagCondition::ETag(ETag::Weak(value))) => Ok(Some(format!("W/{}", quoted(&value)))),
        Some(ETagCondition::Any) => Err(s3_error!(NotImplemented, "If-Match takes one ETag")),
    }
}

pub(super) fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

/// Whether the request's signature covers a header: it names those it does in the URL or in `Authorization`.
pub(super) fn is_signed<T>(request: &S3Request<T>, header: &str) -> bool {
    let in_url = || {
        let query = form_urlencoded::parse(request.uri.query()?.as_bytes());
        query.into_iter().find_map(|(name, value)| (name == "X-Amz-SignedHeaders").then(|| value.into_owned()))
    };
    let in_header = || {
        let authorization = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (_, names) = authorization.split_once("SignedHeaders=")?;
        names.split(',').next().map(str::to_owned)
    };
    in_url().or_else(in_header).is_some_and(|names| names.trim().split(';').any(|name| name == header))
}

/// When a write is to take place.
pub(super) enum When {
    Always,
    IfAbsent,
    IfMatch(String),
}

impl When {
    pub(super) fn of(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> S3Result<Self> {
        match (strong(if_match)?, if_none_match) {
            (None, None) => Ok(Self::Always),
            (None, Some(ETagCondition::Any)) => Ok(Self::IfAbsent),
            (Some(etag), None) => Ok(Self::IfMatch(etag)),
            _ => Err(s3_error!(NotImplemented, "of If-None-Match, a write takes `*` alone")),
        }
    }

    pub(super) fn condition(&self) -> Condition<'_> {
        match self {
            Self::Always => Condition::Always,
            Self::IfAbsent => Condition::IfAbsent,
            Self::IfMatch(etag) => Condition::IfMatch(etag),
        }
    }
}

pub(super) fn stored(put: Put) -> S3Result<Meta> {
    match put {
        Put::Stored(meta) => Ok(meta),
        Put::Refused => Err(condition_failed()),
        Put::Missing => Err(missing()),
    }
}

/// How many entries a page is to have.
pub(super) fn page_max(asked: Option<i32>) -> S3Result<i32> {
    let max = PAGE_ENTRIES_MAX as i32;
    match asked {
        Some(asked) if asked < 0 => Err(s3_error!(InvalidArgument, "a page has no less than nothing")),
        asked => Ok(asked.unwrap_or(max).min(max)),
    }
}

/// Cuts what is listed to a page; whether there is another one. After a page of none nobody would get on.
pub(super) fn cut<T>(entries: &mut Vec<T>, max: i32) -> bool {
    let goes_on = max > 0 && entries.len() > max as usize;
    entries.truncate(max as usize);
    goes_on
}

/// How keys are written in a listing.
pub(super) fn naming(encoding: Option<&EncodingType>) -> impl Fn(&str) -> String + use<> {
    let url_encoded = encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL);
    move |key| if url_encoded { utf8_percent_encode(key, URL_ENCODED).to_string() } else { key.to_owned() }
}
