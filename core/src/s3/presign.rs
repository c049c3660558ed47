//! Requests signed in their URLs: who holds one needs no keys, and may do just what it names, until it expires.

use super::call::HttpRequest;
use super::credentials::Credentials;
use super::sign;
use super::uri::{self, invalid};
use crate::Error;
use http::{HeaderName, HeaderValue, Uri};

/// The longest that a presigned URL may hold good, in seconds (S3's own limit: 7 days).
pub const PRESIGN_SECONDS_MAX: u32 = 604_800;

/// More than any action has, and far fewer than the signing library can hold.
const HEADERS_MAX: usize = 100;

/// What a presigned URL leaves open to its holder. Method, host, key and parameters are always fixed, and so are `x-amz-…`
/// headers: S3 refuses one that is not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For how many seconds it holds good: 1 to 604,800. Temporary keys end it sooner.
    pub expires_s: u32,
    /// The other headers that must be sent as they are, names in lower case. `content-length` fixes the body's length; S3
    /// has no upper bound to offer. What is left out is the holder's to choose: `if-none-match` of a URL that is polled.
    pub signed_headers: Vec<String>,
}

/// Signs a request in its URL from `unix_ms` on. The answer's headers are those to send with it. To bind the length of a
/// body that is not at hand, the request has a `content-length` header.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) if the terms name another time or a header that the request does not have, or if
/// its URL is no bucket's, or signed before; [`ClockSkew`](crate::ErrorKind::ClockSkew) past the year 9999.
pub fn presign(
    request: &HttpRequest,
    region: &str,
    credentials: &Credentials,
    unix_ms: u64,
    terms: &Terms,
) -> Result<HttpRequest, Error> {
    if !(1..=PRESIGN_SECONDS_MAX).contains(&terms.expires_s) {
        return Err(invalid("a presigned URL holds good for less than 1 or more than 604,800 seconds"));
    }
    let region = uri::checked_region(region)?;
    check_url(&request.url)?;
    let mut bound = HttpRequest::new(request.method, request.url.clone());
    bound.headers = bound_headers(request, terms)?;
    let parameters = sign::presign(&bound, credentials, &region, unix_ms, terms.expires_s)?;

    let mut signed = request.clone();
    for (name, value) in parameters {
        uri::push_parameter(&mut signed.url, name, &value);
    }
    // The transport's to set, from the body it sends.
    signed.headers.retain(|(name, _)| name != "content-length");
    Ok(signed)
}

/// A URL as logs may show it: what signs it, in whoever's form, is a key to its object.
pub(super) fn shown_url(url: &str) -> &str {
    match url.split_once('?') {
        Some((shown, query)) if query.to_ascii_lowercase().contains("signature") => shown,
        _ => url,
    }
}

fn bound_headers(request: &HttpRequest, terms: &Terms) -> Result<Vec<(String, String)>, Error> {
    if request.headers.len() > HEADERS_MAX {
        return Err(invalid("a request to sign has more than 100 headers"));
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in &request.headers {
        let good = HeaderName::from_bytes(name.as_bytes()).is_ok_and(|parsed| parsed.as_str() == name)
            && HeaderValue::from_str(value).is_ok()
            && value.is_ascii();
        if !good || headers.iter().any(|(other, _)| other == name) {
            return Err(invalid("a header to sign is malformed, given twice or not in lower case"));
        }
        headers.push((name.clone(), value.clone()));
    }
    if !headers.iter().any(|(name, _)| name == "content-length") {
        headers.push(("content-length".to_owned(), request.body.len().to_string()));
    }
    for wanted in &terms.signed_headers {
        // The signing library leaves them out in silence.
        let never = matches!(wanted.as_str(), "authorization" | "user-agent" | "x-amzn-trace-id" | "transfer-encoding");
        if never || !headers.iter().any(|(name, _)| name == wanted) {
            return Err(invalid("the terms name a header that the request does not have or that can't be signed"));
        }
    }
    headers.retain(|(name, _)| name.starts_with("x-amz-") || terms.signed_headers.contains(name));
    Ok(headers)
}

/// The URL may come from somebody who wants it signed.
fn check_url(url: &str) -> Result<(), Error> {
    let parsed: Uri = url.parse().map_err(|_| invalid("the URL to sign is malformed"))?;
    let good = matches!(parsed.scheme_str(), Some("http" | "https"))
        && parsed.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && parsed.host().is_some_and(|host| !host.is_empty())
        && !url.contains('#');
    if !good {
        return Err(invalid("the URL to sign is malformed"));
    }
    let is_signed = |(name, _): (std::borrow::Cow<'_, str>, _)| name.to_ascii_lowercase().starts_with("x-amz-");
    if form_urlencoded::parse(parsed.query().unwrap_or_default().as_bytes()).any(is_signed) {
        return Err(invalid("the URL to sign is signed already"));
    }
    Ok(())
}
