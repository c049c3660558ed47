//! The `file://` transport: answers an S3 request on the folder, with the statuses, headers and documents of S3.

use super::{ByteRange, Condition, Fault, Folder, Got, Meta, PAGE_ENTRIES_MAX, Put, key_of_token, unix_ns, xml};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use percent_encoding::percent_decode_str;
use std::time::SystemTime;
use tidelock_core::s3::{HttpRequest, Method, Response};

/// An answer, or S3's error: status, code and message.
type Answered = Result<Response, (u16, &'static str, String)>;

impl Folder {
    /// Answers one request whose URL is `file:///`, a percent-encoded key (or none, for the bucket) and a query.
    ///
    /// GetObject (`Range`, `If-None-Match`), HeadObject, PutObject (`If-Match` with one ETag, `If-None-Match: *`),
    /// DeleteObject, DeleteObjects, ListObjectsV2 and HeadBucket; all else is `NotImplemented`. Blocks on the disk, and
    /// while other writers have their turn: call it where that may be. A body over `max_response_bytes` is answered with
    /// `EntityTooLarge` instead.
    pub fn answer(&self, request: &HttpRequest) -> Response {
        let mut response = match self.dispatch(request) {
            Ok(response) if response.body.len() as u64 > request.max_response_bytes => {
                let message = format!("the answer is larger than {} bytes", request.max_response_bytes);
                failed(request.method, 400, "EntityTooLarge", &message)
            }
            Ok(response) => response,
            Err((status, code, message)) => failed(request.method, status, code, &message),
        };
        response.headers.push(header("date", http_date(unix_ns(SystemTime::now()))));
        response
    }

    fn dispatch(&self, request: &HttpRequest) -> Answered {
        let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
        let path =
            path.strip_prefix("file:///").ok_or_else(|| refused("InvalidURI", "the url is not a file:/// url"))?;
        let key = percent_decode_str(path).decode_utf8().map_err(|_| refused("InvalidURI", "the key is not UTF-8"))?;
        let query = Query::of(query);
        match (request.method, key.as_ref()) {
            (Method::Head, "") => Ok(self.check().map(|()| empty(200, vec![])).map_err(fault)?),
            (Method::Get, "") if query.get("list-type") == Some("2") => self.list_objects(&query),
            (Method::Post, "") if query.get("delete").is_some() => self.delete_objects(&request.body),
            (_, "") => Err(not_implemented()),
            (Method::Get, key) => self.get_object(key, request),
            (Method::Head, key) => match self.head(key).map_err(fault)? {
                Some(meta) => Ok(empty(200, described(&meta, meta.size))),
                None => Err(missing()),
            },
            (Method::Put, key) => self.put_object(key, request),
            (Method::Delete, key) => Ok(self.delete(key).map(|()| empty(204, vec![])).map_err(fault)?),
            (Method::Post | Method::Options, _) => Err(not_implemented()),
        }
    }

    fn get_object(&self, key: &str, request: &HttpRequest) -> Answered {
        let range = match header_of(request, "range") {
            Some(text) => Some(parse_range(text).ok_or_else(|| refused("InvalidArgument", "the range is malformed"))?),
            None => None,
        };
        let if_none_match = header_of(request, "if-none-match").map(quoted);
        let got = self.get(key, if_none_match.as_deref(), range, request.max_response_bytes).map_err(fault)?;
        match got {
            Got::Missing => Err(missing()),
            Got::NotModified(meta) => Ok(empty(304, vec![header("etag", meta.etag())])),
            Got::Object { meta, body, first: None } => {
                Ok(Response { status: 200, headers: described(&meta, meta.size), body })
            }
            Got::Object { meta, body, first: Some(first) } => {
                let len = body.len() as u64;
                let mut headers = described(&meta, len);
                // A range is never empty.
                headers.push(header("content-range", format!("bytes {first}-{}/{}", first + len - 1, meta.size)));
                Ok(Response { status: 206, headers, body })
            }
        }
    }

    fn put_object(&self, key: &str, request: &HttpRequest) -> Answered {
        let if_match = header_of(request, "if-match").map(quoted);
        let condition = match (if_match.as_deref(), header_of(request, "if-none-match")) {
            (None, None) => Condition::Always,
            (None, Some("*")) => Condition::IfAbsent,
            (Some(etag), None) if etag != "\"*\"" => Condition::IfMatch(etag),
            _ => return Err(not_implemented()),
        };
        match self.put(key, &request.body, condition).map_err(fault)? {
            Put::Stored(meta) => Ok(empty(200, vec![header("etag", meta.etag())])),
            Put::Refused => Err((412, "PreconditionFailed", "the condition does not hold".to_owned())),
            Put::Missing => Err(missing()),
        }
    }

    fn list_objects(&self, query: &Query) -> Answered {
        let prefix = query.get("prefix").unwrap_or_default();
        let start_after = match query.get("continuation-token") {
            Some(token) => key_of_token(token)
                .ok_or_else(|| refused("InvalidArgument", "the continuation token is not one of this store's"))?,
            None => query.get("start-after").unwrap_or_default().to_owned(),
        };
        let max_keys = match query.get("max-keys") {
            Some(text) => text.parse().map_err(|_| refused("InvalidArgument", "max-keys is not a number"))?,
            None => PAGE_ENTRIES_MAX,
        };
        let max_keys = PAGE_ENTRIES_MAX.min(max_keys);
        if query.get("delimiter").is_some() {
            return Err(not_implemented());
        }
        let listing = self.list(prefix, &start_after, max_keys as usize).map_err(fault)?;
        let asked = xml::Asked { prefix, max_keys, url_encoded: query.get("encoding-type") == Some("url") };
        Ok(document(200, xml::list_result(&asked, &listing)))
    }

    fn delete_objects(&self, body: &[u8]) -> Answered {
        let (keys, quiet) = xml::read_delete(body)
            .ok_or_else(|| refused("MalformedXML", "the body is no DeleteObjects document of at most 1,000 keys"))?;
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for key in keys {
            match self.delete(&key) {
                Ok(()) => deleted.push(key),
                Err(Fault::NoBucket) => return Err(fault(Fault::NoBucket)),
                Err(fault) => failed.push((key, fault)),
            }
        }
        Ok(document(200, xml::delete_result(&deleted, &failed, quiet)))
    }
}

/// The query's parameters, decoded.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// `bytes=A-B`, `bytes=A-` or `bytes=-N`.
fn parse_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first, last) {
        ("", count) => Some(ByteRange::Last(count.parse().ok()?)),
        (first, "") => Some(ByteRange::From(first.parse().ok()?)),
        (first, last) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

/// An ETag in a condition, also where a client left out the quotes.
fn quoted(etag: &str) -> String {
    let etag = etag.trim();
    if etag.ends_with('"') { etag.to_owned() } else { format!("\"{etag}\"") }
}

fn header_of<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn header(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// The headers of GET and HEAD; `len` is of the body sent, or of the object for HEAD.
fn described(meta: &Meta, len: u64) -> Vec<(String, String)> {
    vec![
        header("etag", meta.etag()),
        header("content-length", len.to_string()),
        header("last-modified", http_date(meta.modified_unix_ns)),
        header("content-type", "application/octet-stream"),
        header("accept-ranges", "bytes"),
    ]
}

fn empty(status: u16, headers: Vec<(String, String)>) -> Response {
    Response { status, headers, body: Bytes::new() }
}

fn document(status: u16, xml: String) -> Response {
    Response { status, headers: vec![header("content-type", "application/xml")], body: xml.into() }
}

/// Answers to HEAD have no body, errors neither.
fn failed(method: Method, status: u16, code: &str, message: &str) -> Response {
    if method == Method::Head { empty(status, vec![]) } else { document(status, xml::error(code, message)) }
}

fn fault(fault: Fault) -> (u16, &'static str, String) {
    (fault.status(), fault.code(), fault.to_string())
}

fn refused(code: &'static str, message: &str) -> (u16, &'static str, String) {
    (400, code, message.to_owned())
}

fn missing() -> (u16, &'static str, String) {
    (404, "NoSuchKey", "there is no such object".to_owned())
}

fn not_implemented() -> (u16, &'static str, String) {
    (501, "NotImplemented", "a folder does not know this request or condition".to_owned())
}

/// As in HTTP headers, in whole seconds. Times beyond the year 9999 can't be: they fit in 64 bits of ns.
fn http_date(unix_ns: i64) -> String {
    let time = Timestamp::from_second(unix_ns.div_euclid(1_000_000_000)).unwrap_or_default();
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}
