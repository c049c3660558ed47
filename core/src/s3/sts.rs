//! Temporary keys from AWS's Security Token Service, or MinIO's: for apps whose platform brings none.

use super::answer::Response;
use super::call::{HttpRequest, Method};
use super::credentials::Credentials;
use super::date::{http_date_unix_ms, iso_date_unix_ms};
use super::endpoint::Endpoint;
use super::failure::{Failure, Retry, shown_code};
use super::sign;
use super::uri::{checked_region, invalid};
use super::xml::{self, Refusal};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use form_urlencoded::Serializer;
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// The shortest life of temporary keys, in seconds (STS's own limit).
pub const STS_SECONDS_MIN: u32 = 900;
/// The longest life of temporary keys, in seconds (AWS's limit; a role's own may be lower).
pub const STS_SECONDS_MAX: u32 = 43_200;

/// The longest policy that temporary keys are narrowed by, in characters (STS's own limit).
const POLICY_CHARS_MAX: usize = 2048;

/// The version of the API, in every request.
const VERSION: &str = "2011-06-15";
/// The longest token of an identity provider, in bytes (AWS's limit).
const IDENTITY_TOKEN_BYTES_MAX: usize = 20_000;
/// The most bytes of a form: a token, escaped, and a role. Of its full size from the start, it leaves no copies behind.
const FORM_BYTES_MAX: usize = 64 << 10;
/// The most bytes of an answer: its session token may have 16 KiB.
const BODY_BYTES_MAX: u64 = 64 << 10;

/// The role that keys are wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Such as `arn:aws:iam::123456789012:role/notes`; MinIO can do without.
    pub arn: Option<String>,
    /// The name in the provider's logs: 2 to 64 letters, digits and `_=,.@-`.
    pub session_name: String,
    /// How long the keys are to hold good: 900 to 43,200 seconds.
    pub duration_s: u32,
    /// A policy (JSON) that narrows what the keys may, below what the role may: 1 to 2,048 characters.
    pub policy: Option<String>,
}

/// Trades keys for temporary ones with a role's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// The role.
    pub role: Role,
}

/// Trades an identity provider's token for temporary keys. No keys are needed for it.
#[derive(Clone, PartialEq, Eq)]
pub struct AssumeRoleWithWebIdentity {
    /// The role.
    pub role: Role,
    token: Zeroizing<String>,
}

/// Temporary keys and their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemporaryCredentials {
    /// The keys.
    pub credentials: Credentials,
    /// When they expire, in ms since 1970 by the server's clock.
    pub expires_unix_ms: u64,
}

impl AssumeRole {
    /// The request to a token service, signed with the lasting keys.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the role or region breaks its limit; [`ErrorKind::ClockSkew`] past the year 9999.
    pub fn request(
        &self,
        endpoint: &Endpoint,
        region: &str,
        credentials: &Credentials,
        unix_ms: u64,
    ) -> Result<HttpRequest, Error> {
        let region = checked_region(region)?;
        let mut form = self.role.form("AssumeRole")?;
        let mut request = request(endpoint, form.finish());
        sign::sign_sts(&mut request, credentials, &region, unix_ms)?;
        Ok(request)
    }

    /// Reads the response to its request, and wipes its body, if nobody else has it.
    ///
    /// # Errors
    /// A [`Failure`] for every response that has no keys.
    pub fn interpret(&self, response: Response) -> Result<TemporaryCredentials, Failure> {
        interpret("AssumeRoleResponse/AssumeRoleResult/Credentials/", response)
    }
}

impl AssumeRoleWithWebIdentity {
    /// With a token as the identity provider hands it out, wiped when dropped and never printed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is not 4 to 20,000 bytes of visible ASCII.
    pub fn new(role: Role, token: impl Into<String>) -> Result<Self, Error> {
        let token = Zeroizing::new(token.into());
        let good =
            (4..=IDENTITY_TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        match good {
            true => Ok(Self { role, token }),
            false => Err(invalid("the identity token is not 4 to 20,000 bytes of visible ASCII")),
        }
    }

    /// The request to a token service, unsigned: the token itself is what proves it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the role breaks its limit.
    pub fn request(&self, endpoint: &Endpoint) -> Result<HttpRequest, Error> {
        let mut form = self.role.form("AssumeRoleWithWebIdentity")?;
        Ok(request(endpoint, form.append_pair("WebIdentityToken", &self.token).finish()))
    }

    /// Reads the response to its request, and wipes its body, if nobody else has it.
    ///
    /// # Errors
    /// A [`Failure`] for every response that has no keys.
    pub fn interpret(&self, response: Response) -> Result<TemporaryCredentials, Failure> {
        interpret("AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/", response)
    }
}

impl fmt::Debug for AssumeRoleWithWebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRoleWithWebIdentity").field("role", &self.role).field("token", &"redacted").finish()
    }
}

impl Role {
    fn form(&self, action: &str) -> Result<Serializer<'static, String>, Error> {
        let Self { arn, session_name, duration_s, policy } = self;
        if !(STS_SECONDS_MIN..=STS_SECONDS_MAX).contains(duration_s) {
            return Err(invalid("temporary keys are to hold good for less than 900 or more than 43,200 seconds"));
        }
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_=,.@-".contains(&byte);
        if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(in_name) {
            return Err(invalid("the role's session name is not 2 to 64 letters, digits and `_=,.@-`"));
        }
        let mut form = Serializer::new(String::with_capacity(FORM_BYTES_MAX));
        form.append_pair("Action", action);
        form.append_pair("Version", VERSION);
        form.append_pair("DurationSeconds", &duration_s.to_string());
        form.append_pair("RoleSessionName", session_name);
        if let Some(arn) = arn {
            if !(20..=2048).contains(&arn.len()) || !arn.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(invalid("the role's ARN is not 20 to 2,048 bytes of visible ASCII"));
            }
            form.append_pair("RoleArn", arn);
        }
        if let Some(policy) = policy {
            if !(1..=POLICY_CHARS_MAX).contains(&policy.chars().count()) {
                return Err(invalid("the policy of temporary keys is not 1 to 2,048 characters"));
            }
            form.append_pair("Policy", policy);
        }
        Ok(form)
    }
}

fn request(endpoint: &Endpoint, form: String) -> HttpRequest {
    let mut request = HttpRequest::new(Method::Post, format!("{endpoint}/"));
    request.headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    // Wiped with its last clone: it may hold an identity's token.
    request.body = Bytes::from_owner(Zeroizing::new(form.into_bytes()));
    request.max_response_bytes = BODY_BYTES_MAX;
    request
}

fn interpret(path: &str, response: Response) -> Result<TemporaryCredentials, Failure> {
    let read = match response.status {
        200 => credentials(path, &response.body).map_err(not_sts),
        _ => Err(failure(&response)),
    };
    if let Ok(mut body) = response.body.try_into_mut() {
        body.as_mut().zeroize();
    }
    read
}

fn credentials(parent: &str, body: &[u8]) -> Result<TemporaryCredentials, Refusal> {
    if body.len() as u64 > BODY_BYTES_MAX {
        return Err("is larger than any answer with keys");
    }
    let root = parent.split('/').next().unwrap_or(parent);
    let (mut access_key, mut secret_key, mut token, mut expiration) = (None, None, None, None);
    xml::read(body, |path, text| {
        // Wiped even where the rest of the document is refused.
        let text = Zeroizing::new(text);
        let field = match path.strip_prefix(parent) {
            Some("AccessKeyId") => &mut access_key,
            Some("SecretAccessKey") => &mut secret_key,
            Some("SessionToken") => &mut token,
            Some("Expiration") => &mut expiration,
            _ if path.split('/').next() == Some(root) => return Ok(()),
            _ => return Err("is no answer of a token service"),
        };
        match field.replace(text) {
            None => Ok(()),
            Some(_) => Err("gives one field twice"),
        }
    })?;
    let access_key = access_key.ok_or("lacks an access key")?;
    let secret_key = secret_key.ok_or("lacks a secret key")?;
    let token = token.ok_or("lacks a session token")?;
    let expires_unix_ms =
        expiration.and_then(|text| iso_date_unix_ms(text.trim())).ok_or("lacks the time its keys expire at")?;
    let credentials = Credentials::new(access_key.trim(), secret_key.trim(), Some(token.trim().to_owned()))
        .map_err(|_| "has keys of an unknown form")?;
    Ok(TemporaryCredentials { credentials, expires_unix_ms })
}

/// Codes: <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html> and each action's page.
fn failure(response: &Response) -> Failure {
    let code = code(&response.body).unwrap_or_default();
    let said = match code.as_str() {
        "" => format!("status {}", response.status),
        code => format!("status {}, {}", response.status, shown_code(code)),
    };
    let error = |kind, what: &str, step: &str| Error::new(kind, format!("{what}: {said}")).next_step(step);
    let never = |error| Failure { error, retry: Retry::Never };
    let later = |error: Error| Failure { error: error.retryable(), retry: Retry::Backoff { retry_after_ms: None } };
    let closed = "the token service gives no keys";
    match (code.as_str(), response.status) {
        ("ExpiredTokenException" | "ExpiredToken", _) => {
            never(error(ErrorKind::Auth, closed, "sign in again: the token has expired"))
        }
        ("InvalidIdentityToken" | "IDPRejectedClaim", _) => {
            never(error(ErrorKind::Auth, closed, "check the role's trust policy: issuer, audience and subject"))
        }
        ("RequestExpired" | "RequestTimeTooSkewed", _) => {
            let error = error(ErrorKind::ClockSkew, "the device's clock is too far off", "set the device's clock");
            let server = response.header("date").and_then(http_date_unix_ms);
            Failure { error, retry: server.map_or(Retry::Never, |server_unix_ms| Retry::Clock { server_unix_ms }) }
        }
        ("Throttling" | "ThrottlingException" | "SlowDown", _) | (_, 429 | 503) => {
            later(error(ErrorKind::Throttled, "the token service asks for fewer requests", "try again later"))
        }
        ("IDPCommunicationError", _) | (_, 500..=599) => {
            later(error(ErrorKind::Network, "the token service could not serve the request", "try again later"))
        }
        ("", 400..=499) => not_sts("has no error code"),
        (_, 400 | 401 | 403) => {
            let step = "check that the role exists, that it may be assumed by this identity, and for that long";
            never(error(ErrorKind::Auth, closed, step))
        }
        (_, 400..=499) => never(error(ErrorKind::Unsupported, closed, "check the token service's address")),
        _ => not_sts("has a status that no such call ends in"),
    }
}

fn code(body: &[u8]) -> Option<String> {
    if body.len() as u64 > BODY_BYTES_MAX {
        return None;
    }
    let mut code = None;
    xml::read(body, |path, text| match path {
        // MinIO answers in S3's form where the address is not its token service's.
        "ErrorResponse/Error/Code" | "Error/Code" => xml::set(&mut code, text),
        path if matches!(path.split('/').next(), Some("ErrorResponse" | "Error")) => Ok(()),
        _ => Err("is no error document"),
    })
    .ok()?;
    code.map(|code| code.trim().to_owned())
}

fn not_sts(refusal: Refusal) -> Failure {
    let error = Error::new(ErrorKind::Network, format!("this is not a token service's answer: it {refusal}"))
        .next_step("check the token service's address, and that no proxy or login page answers in its place");
    Failure { error, retry: Retry::Never }
}
