//! What an answer means that is no answer to the call: the error, and what to try.

use super::answer::Response;
use super::call::{Call, Condition, ERROR_BODY_BYTES_MAX, Method};
use super::date::{http_date_unix_ms, iso_date_unix_ms};
use super::uri::StoreUri;
use super::xml::{self, Refusal};
use crate::{Error, ErrorKind};

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What to report if nothing is tried, or nothing helps.
    pub error: Error,
    /// What may help.
    pub retry: Retry,
}

/// What may turn a failure into an answer. All but [`Retry::Backoff`] are worth one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: the same request fails again.
    Never,
    /// The same call, later.
    Backoff {
        /// Not before this many ms, says the server.
        retry_after_ms: Option<u64>,
    },
    /// The same call, signed for the server's time, if the device's is off.
    Clock {
        /// The server's time, in ms since 1970.
        server_unix_ms: u64,
    },
    /// The same call, signed for (and on AWS sent to) this region: [`super::S3Store::set_region`].
    Region(String),
    /// The same call with [`super::EtagQuoting::Unquoted`].
    Unquoted,
    /// A [`Call::DeleteObject`] for each key.
    SingleDeletes,
    /// The whole listing anew, by [`Call::ListObjects`].
    ListV1,
}

/// The fields of an error document that decide something.
#[derive(Debug, Default)]
struct Document {
    code: Option<String>,
    region: Option<String>,
    server_time: Option<String>,
}

/// Reads a response with an error status, or with any status that the call can't have.
pub(super) fn failure(call: &Call, store: &StoreUri, response: &Response) -> Failure {
    let document = read_document(&response.body);
    if (300..=399).contains(&response.status) {
        return redirected(call, store, response, document.unwrap_or_default());
    }
    let document = match document {
        Ok(document) => document,
        // Answers to HEAD have no body.
        Err(_) if call.method() == Method::Head => Document::default(),
        Err(refusal) => return without_document(call, store, response, refusal),
    };
    let code = document.code.as_deref().map(str::trim).unwrap_or_default();
    let (error, retry) = meaning(call, store, response, &document, code);
    Failure { error: on_object(error, call), retry }
}

/// An answer that no S3 server gives.
pub(super) fn not_s3(call: &Call, refusal: &str) -> Failure {
    let message = format!("this is not an S3 answer: it {refusal}");
    let error = Error::new(ErrorKind::Network, message).next_step(
        "check the endpoint of the store's address, and that no proxy, login page or web server answers in its place",
    );
    Failure { error: on_object(error, call), retry: Retry::Never }
}

/// The code of an error document, if the body is one.
pub(super) fn code(body: &[u8]) -> Option<String> {
    read_document(body).ok()?.code
}

/// A code as messages may show it: the server chose it.
pub(super) fn shown_code(code: &str) -> String {
    let plain =
        (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain { code.to_owned() } else { "unreadable code".to_owned() }
}

fn read_document(body: &[u8]) -> Result<Document, Refusal> {
    if body.is_empty() {
        return Err("is empty");
    }
    if body.len() as u64 > ERROR_BODY_BYTES_MAX {
        return Err("is larger than any error document");
    }
    let mut document = Document::default();
    xml::read(body, |path, text| match path {
        "Error/Code" => xml::set(&mut document.code, text),
        "Error/Region" => xml::set(&mut document.region, text),
        "Error/ServerTime" => xml::set(&mut document.server_time, text),
        "Error" => Ok(()),
        path if path.starts_with("Error/") => Ok(()),
        _ => Err("is no S3 error document"),
    })?;
    match document.code {
        Some(_) => Ok(document),
        None => Err("has no error code"),
    }
}

/// S3 redirects to a bucket's region; all other redirects lead away from the store, and the keys must not follow.
fn redirected(call: &Call, store: &StoreUri, response: &Response, document: Document) -> Failure {
    let Some(region) = region(store, response, &document) else {
        return not_s3(call, "redirects elsewhere");
    };
    let (error, retry) = wrong_region(region);
    Failure { error: on_object(error, call), retry }
}

/// Load balancers answer for a server that is down or full, in words of their own.
fn without_document(call: &Call, store: &StoreUri, response: &Response, refusal: Refusal) -> Failure {
    let (error, retry) = match response.status {
        429 | 503 => throttled(response, ""),
        408 => timed_out(response, ""),
        501 | 505 => return not_s3(call, refusal),
        500..=599 => server_failed(response, ""),
        401 | 403 if response.body.is_empty() => (auth(store, ""), Retry::Never),
        _ => return not_s3(call, refusal),
    };
    Failure { error: on_object(error, call), retry }
}

/// Status and code of an answer in S3's form. First what the code alone says, whatever the status: servers differ there.
fn meaning(call: &Call, store: &StoreUri, response: &Response, document: &Document, code: &str) -> (Error, Retry) {
    match code {
        "RequestTimeTooSkewed" => return clock_skew(response, document),
        "NoSuchBucket" => return (no_bucket(store), Retry::Never),
        "SlowDown"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "SlowDownRead"
        | "SlowDownWrite" => return throttled(response, code),
        "RequestTimeout" => return timed_out(response, code),
        "InternalError" => return server_failed(response, code),
        // Damage on the way, not on this side: the same bytes are sent again.
        "BadDigest" | "IncompleteBody" | "XAmzContentSHA256Mismatch" if !is_delete_objects(call) => {
            return server_failed(response, code);
        }
        "ConditionalRequestConflict" | "OperationAborted" => return server_failed(response, code),
        "AuthorizationHeaderMalformed" => {
            return match region(store, response, document) {
                Some(region) => wrong_region(region),
                None => (auth(store, code), Retry::Never),
            };
        }
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" => {
            return (auth(store, code), Retry::Never);
        }
        // rclone says no more to a clock that is behind: the server's own tells.
        "AccessDenied" => return (auth(store, code), server_clock(response, document)),
        _ => (),
    }
    match response.status {
        // HEAD on AWS: the body that would name code and region is missing.
        400 if code.is_empty() => match region(store, response, document) {
            Some(region) => wrong_region(region),
            None => refused(call, response, code),
        },
        401 | 403 => (auth(store, code), Retry::Never),
        404 if matches!(call, Call::HeadBucket) => (no_bucket(store), Retry::Never),
        404 => (not_found(code), Retry::Never),
        408 => timed_out(response, code),
        416 => (Error::new(ErrorKind::Corrupt, "object is shorter than the range asked for"), Retry::Never),
        429 | 503 => throttled(response, code),
        501 | 505 => refused(call, response, code),
        500..=599 => server_failed(response, code),
        _ => refused(call, response, code),
    }
}

/// The server understands S3 and will not do this. Which form it would rather have depends on the call.
fn refused(call: &Call, response: &Response, code: &str) -> (Error, Retry) {
    let message = format!("the store refuses the request: {}", status_and_code(response, code));
    let error = Error::new(ErrorKind::Unsupported, message);
    let retry = match call {
        Call::DeleteObjects { .. } => Retry::SingleDeletes,
        Call::ListObjectsV2 { .. } => Retry::ListV1,
        Call::PutObject { condition: Condition::IfMatch(_), .. } | Call::GetObject { if_none_match: Some(_), .. }
            if response.status == 400 =>
        {
            Retry::Unquoted
        }
        _ => Retry::Never,
    };
    let step = match code {
        // An answer to HEAD has no room for the cause.
        "" => "check endpoint and region in the store's address, and the keys",
        _ => "check that the server offers this part of S3; its documentation names the code",
    };
    (error.next_step(step), retry)
}

fn wrong_region(region: String) -> (Error, Retry) {
    let error = Error::new(ErrorKind::Invalid, format!("the bucket is in region `{region}`"))
        .next_step(format!("write region={region} in the store's address"));
    (error, Retry::Region(region))
}

/// The region the server names, if it is another than the store's.
fn region(store: &StoreUri, response: &Response, document: &Document) -> Option<String> {
    let StoreUri::S3(s3) = store else { return None };
    let named = document.region.as_deref().map(str::trim).or_else(|| response.header("x-amz-bucket-region"))?;
    let mut elsewhere = s3.clone();
    elsewhere.set_region(named).ok()?;
    (elsewhere.region() != s3.region()).then(|| named.to_owned())
}

fn clock_skew(response: &Response, document: &Document) -> (Error, Retry) {
    let error = Error::new(ErrorKind::ClockSkew, "the device's clock is too far from the store's")
        .next_step("set the device's clock");
    (error, server_clock(response, document))
}

fn server_clock(response: &Response, document: &Document) -> Retry {
    // In a browser the header is hidden unless the server exposes it.
    let header = response.header("date").and_then(http_date_unix_ms);
    let server_unix_ms = header.or_else(|| document.server_time.as_deref().map(str::trim).and_then(iso_date_unix_ms));
    server_unix_ms.map_or(Retry::Never, |server_unix_ms| Retry::Clock { server_unix_ms })
}

fn auth(store: &StoreUri, code: &str) -> Error {
    let shown = if code.is_empty() { String::new() } else { format!(": {}", shown_code(code)) };
    if let StoreUri::Folder(_) = store {
        return Error::new(ErrorKind::Auth, format!("the folder `{}` is not open to this user{shown}", store.name()))
            .next_step("check the folder's permissions, and that its disk is not mounted read-only");
    }
    let step = match code {
        "InvalidAccessKeyId" => "check the access key, and that it belongs to this provider",
        "SignatureDoesNotMatch" => "check the secret key, and the region in the store's address",
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => "get fresh temporary keys",
        _ => "check that the keys may list, read, write and delete in this bucket and prefix",
    };
    Error::new(ErrorKind::Auth, format!("bucket `{}` is not open to these keys{shown}", store.name())).next_step(step)
}

fn no_bucket(store: &StoreUri) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no bucket `{}`", store.name()))
        .next_step("create the bucket, or correct its name, region or endpoint in the store's address")
}

fn not_found(code: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the store has no such thing: {}", shown_code(code)))
        .next_step("check bucket and endpoint in the store's address")
}

fn throttled(response: &Response, code: &str) -> (Error, Retry) {
    let message = format!("the store asks for fewer requests: {}", status_and_code(response, code));
    backoff(response, Error::new(ErrorKind::Throttled, message).next_step("try again later"))
}

fn timed_out(response: &Response, code: &str) -> (Error, Retry) {
    let message = format!("the store waited too long for the request: {}", status_and_code(response, code));
    backoff(response, Error::new(ErrorKind::Timeout, message).next_step("check the connection, then try again"))
}

fn server_failed(response: &Response, code: &str) -> (Error, Retry) {
    let message = format!("the store could not serve the request: {}", status_and_code(response, code));
    let step = match response.status {
        507 => "make room in the store, or have its quota raised",
        _ => "try again later",
    };
    backoff(response, Error::new(ErrorKind::Network, message).next_step(step))
}

fn backoff(response: &Response, error: Error) -> (Error, Retry) {
    (error.retryable(), Retry::Backoff { retry_after_ms: retry_after_ms(response) })
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date, which only means something beside the server's own.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let text = response.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(u64::from(seconds) * 1000);
    }
    let now = response.header("date").and_then(http_date_unix_ms)?;
    Some(http_date_unix_ms(text)?.saturating_sub(now))
}

fn status_and_code(response: &Response, code: &str) -> String {
    match code {
        "" => format!("status {}", response.status),
        code => format!("status {}, {}", response.status, shown_code(code)),
    }
}

fn is_delete_objects(call: &Call) -> bool {
    matches!(call, Call::DeleteObjects { .. })
}

fn on_object(error: Error, call: &Call) -> Error {
    match call.object() {
        Some(object) => error.on(object),
        None => error,
    }
}
