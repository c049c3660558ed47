//! What an answer means that is no answer to the call: the error, and what to try.

use super::answer::Response;
use super::buckets::Server;
use super::call::{ERROR_BODY_BYTES_MAX, Method};
use super::date::{http_date_unix_ms, iso_date_unix_ms};
use super::list;
use super::uri::{self, StoreUri};
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
    /// The same call, signed with other keys, if these are not the newest: the server takes them for expired or unknown.
    Credentials,
    /// The same call with [`super::EtagQuoting::Unquoted`].
    Unquoted,
    /// A [`super::Call::DeleteObject`] for each key.
    SingleDeletes,
    /// The whole listing anew, by [`super::Call::ListObjects`].
    ListV1,
    /// The same call, later; and if it fails so again, the whole listing anew, by [`super::Call::ListObjects`]: a server that knows
    /// no continuation tokens may fail inside.
    BackoffThenListV1 {
        /// Not before this many ms, says the server.
        retry_after_ms: Option<u64>,
    },
}

/// What the meaning of a failure depends on: what was asked, and where.
pub(super) struct Asked<'a> {
    pub(super) place: Place<'a>,
    pub(super) method: Method,
    /// What messages name as the object.
    pub(super) object: Option<&'a str>,
    /// The form to try where the server understands S3 and refuses this one.
    pub(super) other_form: OtherForm,
    /// Whether the bucket itself is what may be missing.
    pub(super) is_of_bucket: bool,
}

/// Where a call goes.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Store(&'a StoreUri),
    /// The server, without a bucket.
    Server(&'a Server),
}

/// How else a refused call can be made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherForm {
    None,
    /// Its conditions compare an ETag.
    Unquoted,
    SingleDeletes,
    ListV1,
}

impl<'a> Asked<'a> {
    /// A call about one object.
    pub(super) fn object(store: &'a StoreUri, method: Method, object: &'a str) -> Self {
        Self { object: Some(object), ..Self::bucket(store, method) }
    }

    /// A call about the bucket.
    pub(super) fn bucket(store: &'a StoreUri, method: Method) -> Self {
        Self { place: Place::Store(store), method, object: None, other_form: OtherForm::None, is_of_bucket: false }
    }

    /// The same, with a condition that compares an ETag.
    pub(super) fn with_etag(self, compares: bool) -> Self {
        match compares {
            true => Self { other_form: OtherForm::Unquoted, ..self },
            false => self,
        }
    }
}

/// The fields of an error document that decide something.
#[derive(Debug, Default)]
struct Document {
    code: Option<String>,
    region: Option<String>,
    server_time: Option<String>,
}

/// A response that is no answer to the call: a failure, or a status that no such call ends in.
pub(super) fn no_answer(asked: &Asked<'_>, response: &Response) -> Failure {
    match response.status {
        ..=299 | 304 | 600.. => not_s3(asked, "has a status that no such call ends in"),
        _ => failure(asked, response),
    }
}

/// Reads a response with an error status, or with an error's document under any other.
pub(super) fn failure(asked: &Asked<'_>, response: &Response) -> Failure {
    let document = read_document(&response.body);
    if (300..=399).contains(&response.status) {
        return redirected(asked, response, document.unwrap_or_default());
    }
    let document = match document {
        Ok(document) => document,
        // Answers to HEAD have no body.
        Err(_) if asked.method == Method::Head => Document::default(),
        Err(refusal) => return without_document(asked, response, refusal),
    };
    let code = document.code.as_deref().map(str::trim).unwrap_or_default();
    let (error, retry) = meaning(asked, response, &document, code);
    Failure { error: on_object(error, asked), retry: in_listing(asked, response, retry) }
}

/// What may help a listing that failed inside the server; a folder's own has no other form.
fn in_listing(asked: &Asked<'_>, response: &Response, retry: Retry) -> Retry {
    match (retry, asked.place) {
        (Retry::Backoff { retry_after_ms }, Place::Store(StoreUri::S3(_)))
            if response.status == 500 && asked.other_form == OtherForm::ListV1 =>
        {
            Retry::BackoffThenListV1 { retry_after_ms }
        }
        (retry, _) => retry,
    }
}

/// An answer that no S3 server gives.
pub(super) fn not_s3(asked: &Asked<'_>, refusal: &str) -> Failure {
    let message = format!("this is not an S3 answer: it {refusal}");
    let error = Error::new(ErrorKind::Network, message).next_step(
        "check the endpoint of the store's address, and that no proxy, login page or web server answers in its place",
    );
    Failure { error: on_object(error, asked), retry: Retry::Never }
}

/// A listing that can't be read, with the key that it is about.
pub(super) fn unreadable(asked: &Asked<'_>, page: list::Unreadable) -> Failure {
    match &page.key {
        Some(key) => not_s3(&Asked { object: Some(key), ..*asked }, page.why),
        None => not_s3(asked, page.why),
    }
}

/// The code of an error document, if the body is one.
pub(crate) fn code(body: &[u8]) -> Option<String> {
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
fn redirected(asked: &Asked<'_>, response: &Response, document: Document) -> Failure {
    let Some(region) = region(asked.place, response, &document) else {
        return not_s3(asked, "redirects elsewhere");
    };
    let (error, retry) = wrong_region(region);
    Failure { error: on_object(error, asked), retry }
}

/// Load balancers answer for a server that is down or full, in words of their own.
fn without_document(asked: &Asked<'_>, response: &Response, refusal: Refusal) -> Failure {
    let (error, retry) = match response.status {
        429 | 503 => throttled(response, ""),
        408 => timed_out(response, ""),
        501 | 505 => return not_s3(asked, refusal),
        500..=599 => server_failed(response, ""),
        401 | 403 if response.body.is_empty() => (auth(asked.place, ""), Retry::Credentials),
        _ => return not_s3(asked, refusal),
    };
    Failure { error: on_object(error, asked), retry: in_listing(asked, response, retry) }
}

/// Status and code of an answer in S3's form. First what the code alone says, whatever the status: servers differ there.
fn meaning(asked: &Asked<'_>, response: &Response, document: &Document, code: &str) -> (Error, Retry) {
    match code {
        "RequestTimeTooSkewed" => return clock_skew(response, document),
        "NoSuchBucket" => return (no_bucket(asked.place), Retry::Never),
        "SlowDown"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        // Wasabi, with status 400: https://github.com/api-evangelist/wasabi.
        | "RequestRateLimitExceeded"
        | "SlowDownRead"
        | "SlowDownWrite" => return throttled(response, code),
        "RequestTimeout" => return timed_out(response, code),
        "InternalError" => return server_failed(response, code),
        // Damage on the way, not on this side: the same bytes are sent again.
        "BadDigest" | "IncompleteBody" | "XAmzContentSHA256Mismatch"
            if asked.other_form != OtherForm::SingleDeletes =>
        {
            return server_failed(response, code);
        }
        "ConditionalRequestConflict" | "OperationAborted" => return server_failed(response, code),
        // The second is of a signed URL.
        "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError" => {
            return match region(asked.place, response, document) {
                Some(region) => wrong_region(region),
                None => (auth(asked.place, code), Retry::Never),
            };
        }
        // versitygw says the last, with status 404, for an access key that it does not know.
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "InvalidAccessKeyId" | "SignatureDoesNotMatch"
        | "XAdminUserNotFound" => {
            return (auth(asked.place, code), Retry::Credentials);
        }
        // Of this one object: an archive class of S3, which a lifecycle rule moved it to.
        "InvalidObjectState" => return (archived(), Retry::Never),
        // A folder's answer to a GET of more than was asked for: other transports end the answer there.
        "EntityTooLarge" if asked.method == Method::Get => {
            return (Error::new(ErrorKind::Corrupt, "the object is longer than may be"), Retry::Never);
        }
        // A folder's, and MinIO's: a directory where a file has to be, or the reverse.
        "InvalidRequest" if matches!(asked.place, Place::Store(StoreUri::Folder(_))) => return (in_the_way(), Retry::Never),
        "XMinioObjectExistsAsDirectory" | "XMinioParentIsObject" => return (in_the_way(), Retry::Never),
        // rclone says no more to a clock that is behind: the server's own tells.
        "AccessDenied" => return (auth(asked.place, code), server_clock(response, document)),
        _ => (),
    }
    match response.status {
        // HEAD on AWS: the body that would name code and region is missing.
        400 if code.is_empty() => match region(asked.place, response, document) {
            Some(region) => wrong_region(region),
            None => refused(asked, response, code),
        },
        // An answer to HEAD does not say whether the keys have expired.
        401 | 403 if code.is_empty() => (auth(asked.place, code), Retry::Credentials),
        401 | 403 => (auth(asked.place, code), Retry::Never),
        404 if asked.is_of_bucket => (no_bucket(asked.place), Retry::Never),
        404 => (not_found(code), Retry::Never),
        408 => timed_out(response, code),
        416 => (Error::new(ErrorKind::Corrupt, "object is shorter than the range asked for"), Retry::Never),
        429 | 503 => throttled(response, code),
        501 | 505 => refused(asked, response, code),
        500..=599 => server_failed(response, code),
        _ => refused(asked, response, code),
    }
}

fn in_the_way() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "something else is in the object's place: a directory, or a file where one has to be",
    )
    .next_step("look at that path in the store, and move away what is there; the rest of the vault goes on without it")
}

fn archived() -> Error {
    Error::new(ErrorKind::NotFound, "the object is archived: it can't be read until it is restored")
        .next_step("restore it, and take archive classes out of the bucket's lifecycle rules")
}

/// The server understands S3 and will not do this. Which form it would rather have depends on the call.
fn refused(asked: &Asked<'_>, response: &Response, code: &str) -> (Error, Retry) {
    let message = format!("the store refuses the request: {}", status_and_code(response, code));
    let error = Error::new(ErrorKind::Unsupported, message);
    let retry = match asked.other_form {
        OtherForm::SingleDeletes => Retry::SingleDeletes,
        OtherForm::ListV1 => Retry::ListV1,
        OtherForm::Unquoted if response.status == 400 => Retry::Unquoted,
        OtherForm::Unquoted | OtherForm::None => Retry::Never,
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

/// The region the server names, if it is another than the one signed for.
fn region(place: Place<'_>, response: &Response, document: &Document) -> Option<String> {
    let signed_for = match place {
        Place::Store(StoreUri::S3(s3)) => s3.region(),
        Place::Server(server) => server.region(),
        Place::Store(StoreUri::Folder(_)) => return None,
    };
    let named = document.region.as_deref().map(str::trim).or_else(|| response.header("x-amz-bucket-region"))?;
    uri::checked_region(named).ok().filter(|named| named != signed_for)
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

fn auth(place: Place<'_>, code: &str) -> Error {
    let shown = if code.is_empty() { String::new() } else { format!(": {}", shown_code(code)) };
    let closed = match place {
        Place::Store(StoreUri::Folder(folder)) => {
            let message = format!("the folder `{}` is not open to this user{shown}", folder.path());
            return Error::new(ErrorKind::Auth, message)
                .next_step("check the folder's permissions, and that its disk is not mounted read-only");
        }
        Place::Store(StoreUri::S3(s3)) => format!("bucket `{}` is not open to these keys{shown}", s3.bucket()),
        Place::Server(server) => format!("the server `{}` lists no buckets to these keys{shown}", server.name()),
    };
    let step = match code {
        "InvalidAccessKeyId" | "XAdminUserNotFound" => "check the access key, and that it belongs to this provider",
        "SignatureDoesNotMatch" => "check the secret key, and the region in the store's address",
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
            "get fresh temporary keys: sign in again, or look at what hands them out"
        }
        _ => match place {
            Place::Store(_) => "check that the keys may list, read, write and delete in this bucket and prefix",
            Place::Server(_) => "name the bucket instead, or let the keys list all buckets",
        },
    };
    Error::new(ErrorKind::Auth, closed).next_step(step)
}

fn no_bucket(place: Place<'_>) -> Error {
    let name = match place {
        Place::Store(store) => store.name(),
        Place::Server(server) => server.name(),
    };
    Error::new(ErrorKind::NotFound, format!("there is no bucket `{name}`"))
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

pub(super) fn on_object(error: Error, asked: &Asked<'_>) -> Error {
    match asked.object {
        Some(object) => error.on(object),
        None => error,
    }
}
