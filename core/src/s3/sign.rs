//! AWS Signature Version 4, in headers and in URLs. The one file that knows the signing library.

use super::call::HttpRequest;
use super::credentials::Credentials;
use crate::{Error, ErrorKind};
use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningInstructions,
    SigningSettings, UriPathNormalizationMode, sign as aws_sign,
};
use aws_sigv4::sign::v4;
use std::time::{Duration, UNIX_EPOCH};

/// The last millisecond of the year 9999: the date in a signature has four digits for the year.
const UNIX_MS_MAX: u64 = 253_402_300_799_999;

/// Adds the headers that sign a request at a time: `authorization`, `x-amz-date`, `x-amz-content-sha256` (the body's real
/// SHA-256) and, for temporary keys, `x-amz-security-token`.
///
/// Everything set so far is signed; none of it is a header that proxies rewrite, so nothing can be taken away unseen:
/// a PUT that lost its condition on the way is refused. `host` is signed as the URL has it and left to the transport.
pub(super) fn sign(
    request: &mut HttpRequest,
    credentials: &Credentials,
    region: &str,
    unix_ms: u64,
) -> Result<(), Error> {
    let scope = Scope { region, service: "s3", unix_ms };
    let headers = signature_headers(request, credentials, &scope, s3_settings())?;
    request.headers.extend(headers);
    Ok(())
}

/// Adds the headers that sign a request to AWS's token service. It hashes the body by itself, and has no use for the hash
/// in a header.
pub(super) fn sign_sts(
    request: &mut HttpRequest,
    credentials: &Credentials,
    region: &str,
    unix_ms: u64,
) -> Result<(), Error> {
    let scope = Scope { region, service: "sts", unix_ms };
    let mut settings = s3_settings();
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    let headers = signature_headers(request, credentials, &scope, settings)?;
    request.headers.extend(headers);
    Ok(())
}

/// The parameters that sign a URL for some seconds, names and values not yet encoded. All headers of the request are
/// signed, and nothing of its body: who is to send it may not know it yet.
pub(super) fn presign(
    request: &HttpRequest,
    credentials: &Credentials,
    region: &str,
    unix_ms: u64,
    expires_s: u32,
) -> Result<Vec<(&'static str, String)>, Error> {
    let scope = Scope { region, service: "s3", unix_ms };
    query_parameters(request, SignableBody::UnsignedPayload, credentials, &scope, s3_settings(), expires_s)
}

struct Scope<'a> {
    region: &'a str,
    service: &'a str,
    unix_ms: u64,
}

/// S3 takes keys as they are: no path is normalised or encoded twice.
fn s3_settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

fn signature_headers(
    request: &HttpRequest,
    credentials: &Credentials,
    scope: &Scope<'_>,
    settings: SigningSettings,
) -> Result<Vec<(String, String)>, Error> {
    let body = SignableBody::Bytes(&request.body);
    let (headers, _query) = instructions(request, body, credentials, scope, settings)?.into_parts();
    Ok(headers.into_iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
}

fn query_parameters(
    request: &HttpRequest,
    body: SignableBody<'_>,
    credentials: &Credentials,
    scope: &Scope<'_>,
    mut settings: SigningSettings,
    expires_s: u32,
) -> Result<Vec<(&'static str, String)>, Error> {
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(expires_s.into()));
    let (_headers, query) = instructions(request, body, credentials, scope, settings)?.into_parts();
    Ok(query.into_iter().map(|(name, value)| (name, value.into_owned())).collect())
}

fn instructions(
    request: &HttpRequest,
    body: SignableBody<'_>,
    credentials: &Credentials,
    scope: &Scope<'_>,
    settings: SigningSettings,
) -> Result<SigningInstructions, Error> {
    if scope.unix_ms > UNIX_MS_MAX {
        return Err(Error::new(ErrorKind::ClockSkew, "the device's clock is past the year 9999"));
    }
    let identity = AwsCredentials::new(
        credentials.access_key(),
        credentials.secret_key(),
        credentials.session_token().map(str::to_owned),
        None,
        "tidelock",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(UNIX_EPOCH + Duration::from_millis(scope.unix_ms))
        .settings(settings)
        .build()
        .map_err(|_| defect())?
        .into();
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable =
        SignableRequest::new(request.method.as_str(), request.url.as_str(), headers, body).map_err(|_| defect())?;
    let (instructions, _signature) = aws_sign(signable, &params).map_err(|_| defect())?.into_parts();
    Ok(instructions)
}

/// URL, headers and keys were all checked before: the library has nothing left to refuse. Its own words are left out,
/// as they may repeat what it was given.
fn defect() -> Error {
    Error::new(ErrorKind::Internal, "the request could not be signed")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
