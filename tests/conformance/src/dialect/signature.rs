//! Whether a request is signed as AWS Signature Version 4 has it, computed from its documentation alone:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>, and for URLs
//! `sigv4-query-string-auth.html` there.

use super::objects::{Asked, Reply};
use super::profiles::Rules;
use hmac::{Hmac, KeyInit, Mac};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};

/// The one pair of keys.
pub(super) struct Keys {
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

/// What a request says of its signature, in its header or in its URL.
struct Signed {
    credential: String,
    date: String,
    signed_headers: String,
    signature: String,
    body_hash: String,
    /// For how long a URL holds good.
    expires: Option<Duration>,
}

impl Signed {
    /// `None` of a request that is not signed.
    fn read(asked: &Asked) -> Option<Self> {
        if let Some(signature) = asked.query("X-Amz-Signature") {
            let expires = Duration::from_secs(asked.query("X-Amz-Expires")?.parse().ok()?);
            return Some(Self {
                credential: asked.query("X-Amz-Credential")?,
                date: asked.query("X-Amz-Date")?,
                signed_headers: asked.query("X-Amz-SignedHeaders")?,
                signature,
                body_hash: "UNSIGNED-PAYLOAD".to_owned(),
                expires: Some(expires),
            });
        }
        let fields = asked.header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            let prefix = format!("{name}=");
            fields.split(',').find_map(|field| Some(field.trim().strip_prefix(&prefix)?.to_owned()))
        };
        Some(Self {
            credential: field("Credential")?,
            date: asked.header("x-amz-date")?.to_owned(),
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
            body_hash: asked.header("x-amz-content-sha256")?.to_owned(),
            expires: None,
        })
    }
}

/// The refusal, where the signature, its keys or its time are wrong.
pub(super) fn check(rules: &Rules, asked: &Asked, keys: &Keys, now: SystemTime) -> Result<(), Reply> {
    let wrong = |code| Reply::error(403, if rules.tells_of_keys { code } else { "AccessDenied" });
    let denied = || Reply::error(403, "AccessDenied");
    let Signed { credential, date, signed_headers, signature, body_hash, expires } =
        Signed::read(asked).ok_or_else(denied)?;
    let (access_key, scope) = credential.split_once('/').ok_or_else(denied)?;
    if access_key != keys.access_key {
        return Err(wrong("InvalidAccessKeyId"));
    }
    let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
    let is_loose = |name: &str| name.starts_with("x-amz-") && !is_signed(name);
    if !rules.obeys_unsigned_headers && asked.header_names().any(is_loose) {
        return Err(denied());
    }

    let mut headers = String::new();
    for name in signed_headers.split(';') {
        headers.push_str(&format!("{name}:{}\n", asked.header(name).ok_or_else(denied)?));
    }
    let pairs = asked.raw_query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-Signature="));
    let mut query: Vec<_> = pairs.map(with_equals).collect();
    query.sort();
    let request = [&asked.method, &asked.raw_path, &query.join("&"), &headers, &signed_headers, &body_hash]
        .map(|part| part.as_str())
        .join("\n");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let mut key = format!("AWS4{}", keys.secret_key).into_bytes();
    for part in scope.split('/') {
        key = hmac(&key, part.as_bytes());
    }
    if hex(&hmac(&key, to_sign.as_bytes())) != signature {
        return Err(wrong("SignatureDoesNotMatch"));
    }
    let signed = unix_time(&date).ok_or_else(denied)?;
    match now.duration_since(signed) {
        Ok(age) if expires.is_some_and(|expires| age > expires) => return Err(denied()),
        Ok(behind) if expires.is_none() && behind > rules.clock.behind_max => {
            return Err(Reply::error(rules.clock.behind.0, rules.clock.behind.1));
        }
        Err(ahead) if ahead.duration() > rules.clock.ahead_max => {
            return Err(Reply::error(403, "RequestTimeTooSkewed"));
        }
        _ => {}
    }
    if body_hash != "UNSIGNED-PAYLOAD" && body_hash != hex(&Sha256::digest(&asked.body)) {
        return Err(Reply::error(400, "XAmzContentSHA256Mismatch"));
    }
    Ok(())
}

fn with_equals(pair: &str) -> String {
    if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A time such as `20130524T000000Z`.
fn unix_time(text: &str) -> Option<SystemTime> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
}
