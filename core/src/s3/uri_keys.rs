//! Keys that somebody wrote into a store's address: taken out of it, so that they can be kept where secrets belong.

use super::credentials::Credentials;
use super::uri::invalid;
use crate::Error;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// The longest address with keys, in bytes: a session token has up to 16 KiB, or three times that escaped.
const BYTES_MAX: usize = 64 << 10;

/// Which part of credentials a parameter's name, in any usual spelling, announces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPart {
    AccessKey,
    SecretKey,
    SessionToken,
}

impl KeyPart {
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace(['-', '_'], "");
        match name.strip_prefix("aws").unwrap_or(&name) {
            "accesskey" | "accesskeyid" => Some(Self::AccessKey),
            "secretkey" | "secretaccesskey" | "secret" => Some(Self::SecretKey),
            "sessiontoken" | "securitytoken" | "token" => Some(Self::SessionToken),
            _ => None,
        }
    }
}

/// Whether a name, in any usual spelling, is that of an access key, a secret key or a session token.
pub fn names_a_key(name: &str) -> bool {
    KeyPart::named(name).is_some()
}

/// Takes the keys out of a store's address: `access_key`, `secret_key` and, for temporary ones, `session_token`. The rest
/// is left as it is, to be read as a [`super::StoreUri`]. For addresses from the environment, a file or stdin: whoever
/// takes one from a command line tells secrets to every user of the machine.
///
/// # Errors
/// [`crate::ErrorKind::Invalid`] if half of a pair is missing, one is given twice or malformed. No value is repeated.
pub fn take_keys(text: &str) -> Result<(Zeroizing<String>, Option<Credentials>), Error> {
    if text.len() > BYTES_MAX {
        return Err(invalid("store URI is longer than 64 KiB"));
    }
    let Some((address, query)) = text.split_once('?') else { return Ok((Zeroizing::new(text.to_owned()), None)) };
    let (mut access_key, mut secret_key, mut session_token) = (None, None, None);
    let mut rest = Zeroizing::new(String::with_capacity(text.len()));
    rest.push_str(address);
    let mut separator = '?';
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = percent_decode_str(name).decode_utf8_lossy();
        let place = match KeyPart::named(&name) {
            Some(KeyPart::AccessKey) => &mut access_key,
            Some(KeyPart::SecretKey) => &mut secret_key,
            Some(KeyPart::SessionToken) => &mut session_token,
            None => {
                rest.push(separator);
                rest.push_str(parameter);
                separator = '&';
                continue;
            }
        };
        // A `+` is a plus here: keys have many, and never a space.
        let value =
            percent_decode_str(value).decode_utf8().map_err(|_| invalid("a key in the store URI is not UTF-8"))?;
        if place.replace(Zeroizing::new(value.into_owned())).is_some() {
            return Err(invalid("store URI gives a key twice"));
        }
    }
    match (access_key, secret_key, session_token) {
        (None, None, None) => Ok((rest, None)),
        (Some(access_key), Some(secret_key), token) => {
            let token = token.as_deref().cloned();
            Ok((rest, Some(Credentials::new(access_key.as_str(), secret_key.as_str(), token)?)))
        }
        _ => Err(invalid("store URI holds a part of a key pair alone")
            .next_step("give access_key and secret_key together, or neither")),
    }
}
