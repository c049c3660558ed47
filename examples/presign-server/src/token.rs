//! Who asks: the subject of a JWT, signed by the algorithm that the settings name, whatever the token says.

use crate::{Refusal, Settings};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode};
use serde::Deserialize;

/// Headers are bounded by servers at 8 KiB as a rule.
const TOKEN_BYTES_MAX: usize = 8 << 10;
const SUBJECT_BYTES_MAX: usize = 128;
/// Clocks that are off by less are taken.
const LEEWAY_S: u64 = 30;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// RFC 7519 allows fractions of a second.
    exp: f64,
}

/// Whoever asks, and until when.
pub(crate) struct Asker {
    /// The token's subject.
    pub(crate) subject: String,
    /// When the token is taken here no more, in seconds since 1970.
    pub(crate) ends_s: u64,
}

/// Reads the token in an `Authorization` header.
pub(crate) fn asker(settings: &Settings, authorization: Option<&str>) -> Result<Asker, Refusal> {
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| Refusal::unauthorized("the request has no bearer token"))?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::unauthorized("the token is too long"));
    }
    let mut validation = Validation::new(settings.algorithm.into());
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    validation.set_audience(&[&settings.audience]);
    if let Some(issuer) = &settings.issuer {
        validation.set_required_spec_claims(&["exp", "aud", "sub", "iss"]);
        validation.set_issuer(&[issuer]);
    }
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_S;
    let claims = decode::<Claims>(token, &settings.key, &validation).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => Refusal::unauthorized("the token has expired"),
        // Nothing more: whoever forges tokens need not be told how close they came.
        _ => Refusal::unauthorized("the token is not valid here"),
    })?;
    let Claims { sub: subject, exp } = claims.claims;
    // It becomes a part of keys, so it can be neither a path nor half of one.
    let is_good = (1..=SUBJECT_BYTES_MAX).contains(&subject.len())
        && subject.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match is_good {
        true => Ok(Asker { subject, ends_s: (exp as u64).saturating_add(LEEWAY_S) }),
        false => Err(Refusal::forbidden("the token's subject is not of letters, digits, `-` and `_`")),
    }
}
