//! What a user may have signed: requests on objects under `users/{sub}/`, and listings of them. Whatever is not named here
//! is refused.

use crate::Refusal;
use crate::question::Question;

/// S3's own limit.
const KEY_BYTES_MAX: usize = 1024;
/// More than any ETag or type has.
const HEADER_BYTES_MAX: usize = 256;

/// A kind of request: its method, and the parameters that it must and may have.
struct Shape(&'static str, &'static [&'static str], &'static [&'static str]);

/// On an object. A DeleteObjects is missing on purpose: its keys stand in its body, which no signature in a URL binds.
const ON_OBJECT: &[Shape] = &[
    Shape("GET", &[], &[]),
    Shape("HEAD", &[], &[]),
    Shape("PUT", &[], &[]),
    Shape("DELETE", &[], &[]),
    // Multipart uploads.
    Shape("POST", &["uploads"], &[]),
    Shape("PUT", &["partNumber", "uploadId"], &[]),
    Shape("GET", &["uploadId"], &["encoding-type", "max-parts", "part-number-marker"]),
    Shape("POST", &["uploadId"], &[]),
    Shape("DELETE", &["uploadId"], &[]),
];

/// On the bucket: listings below a prefix.
const ON_BUCKET: &[Shape] = &[
    Shape(
        "GET",
        &["list-type", "prefix"],
        &["continuation-token", "delimiter", "encoding-type", "max-keys", "start-after"],
    ),
    Shape("GET", &["prefix"], &["delimiter", "encoding-type", "marker", "max-keys"]),
    Shape(
        "GET",
        &["prefix", "uploads"],
        &["delimiter", "encoding-type", "key-marker", "max-uploads", "upload-id-marker"],
    ),
];

/// Headers that may be bound. No `x-amz-…` one: `x-amz-copy-source` would read somebody else's object.
const HEADERS: &[&str] = &["content-md5", "content-type", "if-match", "if-none-match"];

/// Whether this user may have this signed.
pub(crate) fn check(subject: &str, question: &Question, body_bytes_max: u64) -> Result<(), Refusal> {
    let shapes = if question.key.is_empty() { ON_BUCKET } else { ON_OBJECT };
    if !shapes.iter().any(|shape| shape.fits(question)) {
        return Err(Refusal::forbidden("such a request is not signed"));
    }
    if question.key.is_empty() {
        let prefix = question.query.get("prefix").map_or("", String::as_str);
        let rest = within(subject, prefix)?;
        // The last part may be empty, or the beginning of a name.
        let (parts, last) = rest.rsplit_once('/').map_or((None, rest), |(parts, last)| (Some(parts), last));
        if !parts.is_none_or(|parts| parts.split('/').all(is_good_part)) || !(last.is_empty() || is_good_part(last)) {
            return Err(outside());
        }
    } else if !within(subject, &question.key)?.split('/').all(is_good_part) {
        return Err(outside());
    }
    for (name, value) in &question.headers {
        if !HEADERS.contains(&name.as_str()) {
            return Err(Refusal::bad("a header is not one that may be bound"));
        }
        if value.len() > HEADER_BYTES_MAX || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Refusal::bad("a header's value is malformed"));
        }
    }
    if question.content_length > body_bytes_max {
        return Err(Refusal::too_large(body_bytes_max));
    }
    if question.content_length > 0 && !matches!(question.method.as_str(), "PUT" | "POST") {
        return Err(Refusal::bad("such a request has no body"));
    }
    Ok(())
}

impl Shape {
    fn fits(&self, question: &Question) -> bool {
        let Self(method, must, may) = *self;
        question.method == method
            && must.iter().all(|name| question.query.contains_key(*name))
            && question.query.keys().all(|name| must.contains(&name.as_str()) || may.contains(&name.as_str()))
            && question.query.iter().all(|(name, value)| is_good_value(name, value))
    }
}

fn is_good_value(name: &str, value: &str) -> bool {
    match name {
        "list-type" => value == "2",
        "uploads" => value.is_empty(),
        _ => value.len() <= KEY_BYTES_MAX,
    }
}

/// The part of a key or prefix after the user's own.
fn within<'a>(subject: &str, key: &'a str) -> Result<&'a str, Refusal> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Refusal::bad("a key has at most 1,024 bytes"));
    }
    // What a proxy or server may decode once more, or take for a slash.
    if key.contains(['%', '\\']) || key.chars().any(char::is_control) {
        return Err(outside());
    }
    key.strip_prefix("users/")
        .and_then(|rest| rest.strip_prefix(subject))
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(outside)
}

/// Servers with a file system behind them resolve dots.
fn is_good_part(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
}

fn outside() -> Refusal {
    Refusal::forbidden("the key is outside of what this token may reach")
}
