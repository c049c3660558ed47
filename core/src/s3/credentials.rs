//! The keys requests are signed with.

use crate::{Error, ErrorKind};
use std::fmt;
use zeroize::Zeroizing;

const KEY_BYTES_MAX: usize = 256;
/// AWS warns that tokens grow; this is what its services accept in a header.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// An access key with its secret, wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key: Zeroizing<String>,
    secret_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
    expires_unix_ms: Option<u64>,
}

impl Credentials {
    /// Keys as a provider hands them out; a session token belongs to temporary ones.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if one is empty, too long (256 bytes; a token 16 KiB) or has a character other than
    /// visible ASCII, such as the line break of a file it was read from.
    pub fn new(
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Result<Self, Error> {
        // Each is in wiped memory before any is looked at: one that is refused takes the others with it.
        let [access_key, secret_key] = [access_key.into(), secret_key.into()].map(Zeroizing::new);
        let session_token = session_token.map(Zeroizing::new);
        let access_key = checked(access_key, "access key", KEY_BYTES_MAX)?;
        if access_key.contains(['/', ',', '=']) {
            // They separate the parts of the header that an access key is sent in.
            return Err(refused("access key", "has a `/`, `,` or `=`"));
        }
        let secret_key = checked(secret_key, "secret key", KEY_BYTES_MAX)?;
        let session_token = session_token.map(|token| checked(token, "session token", TOKEN_BYTES_MAX)).transpose()?;
        Ok(Self { access_key, secret_key, session_token, expires_unix_ms: None })
    }

    /// The same keys, which end at a time, in ms since 1970 by their issuer's clock. The engine asks for others
    /// shortly before.
    pub fn expiring(self, unix_ms: u64) -> Self {
        Self { expires_unix_ms: Some(unix_ms), ..self }
    }

    /// When they end, in ms since 1970; `None` if nobody said so.
    pub fn expires_unix_ms(&self) -> Option<u64> {
        self.expires_unix_ms
    }

    /// Access key, secret key and session token, for whoever keeps them where secrets belong: a keyring, or a file of
    /// their owner's alone.
    pub fn reveal(&self) -> (&str, &str, Option<&str>) {
        (&self.access_key, &self.secret_key, self.session_token())
    }

    pub(super) fn access_key(&self) -> &str {
        &self.access_key
    }

    pub(super) fn secret_key(&self) -> &str {
        &self.secret_key
    }

    pub(super) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref().map(String::as_str)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

fn checked(text: Zeroizing<String>, what: &str, bytes_max: usize) -> Result<Zeroizing<String>, Error> {
    if text.is_empty() {
        return Err(refused(what, "is empty"));
    }
    if text.len() > bytes_max {
        return Err(refused(what, "is too long"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused(what, "has a space, a line break or another character that is not visible ASCII"));
    }
    Ok(text)
}

fn refused(what: &str, why: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the store's {what} {why}"))
        .next_step("copy the keys again from your provider")
}
