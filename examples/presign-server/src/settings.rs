//! What the server is told at its start.

use axum::http::{HeaderValue, Uri};
use jsonwebtoken::DecodingKey;
use std::fmt;
use std::net::SocketAddr;
use tidelock_core::s3::{Credentials, StoreUri};
use zeroize::Zeroizing;

/// HMAC-SHA-256 is as strong as its key: RFC 7518, 3.2, wants as many bits as the hash has.
const HS256_KEY_BYTES_MIN: usize = 32;
/// More than any key of the three kinds has.
const KEY_FILE_BYTES_MAX: usize = 64 << 10;

/// How tokens are signed. It comes from the settings alone: a token that says otherwise is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: whoever checks tokens can make them too.
    Hs256,
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs256 => Self::HS256,
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Es256 => Self::ES256,
        }
    }
}

/// Everything the server knows.
pub struct Settings {
    /// The bucket, by its address and with no prefix: `s3://BUCKET?region=…`.
    pub store: StoreUri,
    /// The keys that sign.
    pub credentials: Credentials,
    /// Other keys for what writes, which may not read: some servers (MinIO) take an unsigned `x-amz-copy-source` with a
    /// signed PUT, and would copy somebody else's object.
    pub write_credentials: Option<Credentials>,
    /// Whether uploads in parts are signed. On Ceph nothing keeps a signed part from copying what the writing user wrote.
    pub signs_parts: bool,
    /// How tokens are signed.
    pub algorithm: Algorithm,
    /// What checks them.
    pub key: DecodingKey,
    /// Whom they must be for: `aud`.
    pub audience: String,
    /// Whom they must come from: `iss`; `None`: anybody with the key.
    pub issuer: Option<String>,
    /// For how many seconds a URL holds good: 60 to 3,600.
    pub expires_s: u32,
    /// The most bytes of a body.
    pub body_bytes_max: u64,
    /// The origins whose pages may ask, such as `https://app.example`; none: only pages of the server's own origin.
    pub origins: Vec<HeaderValue>,
}

impl fmt::Debug for Settings {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("store", &self.store.to_string())
            .field("algorithm", &self.algorithm)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a setting: its name, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(pub &'static str, pub String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl std::error::Error for SettingsError {}

type Result<T> = std::result::Result<T, SettingsError>;

impl Settings {
    /// 15 minutes.
    pub const EXPIRES_S: u32 = 900;
    /// 64 MiB.
    pub const BODY_BYTES_MAX: u64 = 64 << 20;

    /// Reads them from variables, and the token's key from the file that one of them names.
    ///
    /// # Errors
    /// The name of the variable that is missing or wrong.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name: &'static str| variable(name).filter(|value| !value.is_empty());
        let need = |name: &'static str| get(name).ok_or_else(|| SettingsError(name, "is not set".to_owned()));
        let store = need("PRESIGN_STORE")?;
        let keys = |id: &'static str, secret: &'static str, token| {
            Credentials::new(need(id)?, need(secret)?, token)
                .map_err(|error| SettingsError(secret, error.message().to_owned()))
        };
        let credentials = keys("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", get("AWS_SESSION_TOKEN"))?;
        let write_credentials = match get("PRESIGN_WRITE_ACCESS_KEY_ID") {
            Some(_) => Some(keys("PRESIGN_WRITE_ACCESS_KEY_ID", "PRESIGN_WRITE_SECRET_ACCESS_KEY", None)?),
            None => None,
        };
        let algorithm = match need("PRESIGN_JWT_ALGORITHM")?.as_str() {
            "HS256" => Algorithm::Hs256,
            "RS256" => Algorithm::Rs256,
            "ES256" => Algorithm::Es256,
            _ => return Err(SettingsError("PRESIGN_JWT_ALGORITHM", "is none of HS256, RS256 and ES256".to_owned())),
        };
        let file = need("PRESIGN_JWT_KEY_FILE")?;
        let unreadable = |why: String| SettingsError("PRESIGN_JWT_KEY_FILE", why);
        let key = Zeroizing::new(std::fs::read(&file).map_err(|error| unreadable(format!("can't be read: {error}")))?);
        Ok(Self {
            store: checked_store(&store)?,
            credentials,
            write_credentials,
            signs_parts: get("PRESIGN_PARTS").as_deref() != Some("off"),
            algorithm,
            key: decoding_key(algorithm, &key)?,
            audience: need("PRESIGN_JWT_AUDIENCE")?,
            // A public key is often one provider's for many tenants and apps: without the issuer each of their tokens counts.
            issuer: match algorithm {
                Algorithm::Hs256 => get("PRESIGN_JWT_ISSUER"),
                Algorithm::Rs256 | Algorithm::Es256 => Some(need("PRESIGN_JWT_ISSUER")?),
            },
            expires_s: number("PRESIGN_EXPIRES_S", get("PRESIGN_EXPIRES_S"), Self::EXPIRES_S.into(), 60..=3600)? as u32,
            body_bytes_max: number("PRESIGN_BODY_MAX", get("PRESIGN_BODY_MAX"), Self::BODY_BYTES_MAX, 1..=5 << 30)?,
            origins: get("PRESIGN_ORIGINS")
                .unwrap_or_default()
                .split_whitespace()
                .map(origin)
                .collect::<Result<_>>()?,
        })
    }

    /// Where to listen: `PRESIGN_LISTEN`, or 127.0.0.1:8080.
    ///
    /// # Errors
    /// If it is no address with a port.
    pub fn listen(variable: impl Fn(&str) -> Option<String>) -> Result<SocketAddr> {
        match variable("PRESIGN_LISTEN").filter(|value| !value.is_empty()) {
            Some(text) => text
                .parse()
                .map_err(|_| SettingsError("PRESIGN_LISTEN", "is no address like 127.0.0.1:8080".to_owned())),
            None => Ok(SocketAddr::from(([127, 0, 0, 1], 8080))),
        }
    }
}

/// A key that checks tokens: for HS256 the secret as it is (32 bytes or more), else a public key in PEM.
///
/// # Errors
/// If it is none.
pub fn decoding_key(algorithm: Algorithm, bytes: &[u8]) -> Result<DecodingKey> {
    let wrong = |why: &str| SettingsError("PRESIGN_JWT_KEY_FILE", why.to_owned());
    if bytes.len() > KEY_FILE_BYTES_MAX {
        return Err(wrong("is too long for a key"));
    }
    match algorithm {
        Algorithm::Hs256 => {
            let secret = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            match secret.len() < HS256_KEY_BYTES_MIN {
                true => Err(wrong("holds less than 32 bytes")),
                false => Ok(DecodingKey::from_secret(secret)),
            }
        }
        Algorithm::Rs256 => DecodingKey::from_rsa_pem(bytes).map_err(|_| wrong("holds no RSA public key in PEM")),
        Algorithm::Es256 => DecodingKey::from_ec_pem(bytes).map_err(|_| wrong("holds no EC public key in PEM")),
    }
}

fn checked_store(text: &str) -> Result<StoreUri> {
    let wrong = |why: String| SettingsError("PRESIGN_STORE", why);
    match text.parse::<StoreUri>() {
        Ok(StoreUri::S3(s3)) if s3.prefix().is_empty() => Ok(StoreUri::S3(s3)),
        Ok(StoreUri::S3(_)) => Err(wrong("has a prefix: what users reach is under users/ in the bucket".to_owned())),
        Ok(StoreUri::Folder(_)) => Err(wrong("is a folder, which has no URLs to sign".to_owned())),
        Err(error) => Err(wrong(format!("is no store's address: {}", error.message()))),
    }
}

/// `scheme://host[:port]`, as browsers write it. `*` is none: who may ask is to be said.
fn origin(text: &str) -> Result<HeaderValue> {
    let is_one = text.parse::<Uri>().is_ok_and(|uri| {
        let (scheme, authority) = (uri.scheme_str(), uri.authority().map(|authority| authority.as_str()));
        scheme.zip(authority).is_some_and(|(scheme, authority)| {
            matches!(scheme, "https" | "http") && text == format!("{scheme}://{authority}") && !authority.contains('@')
        })
    });
    let wrong = || SettingsError("PRESIGN_ORIGINS", format!("names no origin like https://app.example: {text}"));
    HeaderValue::from_str(text).ok().filter(|_| is_one).ok_or_else(wrong)
}

fn number(name: &'static str, text: Option<String>, default: u64, range: std::ops::RangeInclusive<u64>) -> Result<u64> {
    match text {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| SettingsError(name, format!("is no number from {} to {}", range.start(), range.end()))),
    }
}
