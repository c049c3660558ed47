//! hiSHtory's sealed entries: AES-256-GCM under a key that comes from the user's secret.
//!
//! Key and user id are HMAC-SHA-256 of `encryption_key` and `user_id` under the secret; the user id, in URL-safe base64, is what
//! the seal is bound to.

use crate::backend::Received;
use crate::entry::{ENTRY_BYTES_MAX, Entry};
use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeSet;
use std::fmt;
use tidelock::{Error, ErrorKind};
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// What a hiSHtory user's secret gives.
#[derive(Clone)]
pub struct HishtoryUser {
    user_id: String,
    cipher: Aes256Gcm,
}

/// An entry as hiSHtory's server and bucket have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SealedEntry {
    /// The sealed entry, in base64.
    pub enc_data: String,
    /// Its nonce, in base64.
    pub nonce: String,
    /// The device that is to read it.
    #[serde(default)]
    pub device_id: String,
    /// Whose it is.
    pub user_id: String,
    /// When the command ended.
    pub time: Timestamp,
    /// Its id. Of entries of newer clients, the id that is sealed too.
    #[serde(default)]
    pub encrypted_id: String,
    /// How often it was read.
    #[serde(default)]
    pub read_count: i64,
    /// Whether the device that is to read it wrote it.
    #[serde(default)]
    pub is_from_same_device: bool,
}

impl HishtoryUser {
    /// By the user's secret.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is empty.
    pub fn new(secret: &str) -> Result<Self, Error> {
        if secret.is_empty() {
            return Err(
                Error::new(ErrorKind::Invalid, "the hiSHtory secret is empty").next_step("`hishtory status` shows it")
            );
        }
        let key = derive(secret, b"encryption_key")?;
        let cipher = Aes256Gcm::new_from_slice(&*key)
            .map_err(|_| Error::new(ErrorKind::Internal, "a key of 32 bytes is refused"))?;
        Ok(Self { user_id: URL_SAFE.encode(*derive(secret, b"user_id")?), cipher })
    }

    /// Under which id the server knows the user. It tells nothing of the secret.
    pub fn id(&self) -> &str {
        &self.user_id
    }

    /// Seals an entry for the server.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the system has no randomness.
    pub fn seal(&self, entry: &Entry) -> Result<SealedEntry, Error> {
        let internal = |what: String| Error::new(ErrorKind::Internal, what);
        let plain = serde_json::to_vec(entry).map_err(|error| internal(format!("an entry is no JSON: {error}")))?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| internal(format!("the system has no randomness: {error}")))?;
        let payload = Payload { msg: &plain, aad: self.user_id.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| internal("an entry can't be sealed".into()))?;
        Ok(SealedEntry {
            enc_data: STANDARD.encode(sealed),
            nonce: STANDARD.encode(nonce),
            device_id: String::new(),
            user_id: self.user_id.clone(),
            time: entry.end_time,
            encrypted_id: entry.entry_id.clone(),
            read_count: 0,
            is_from_same_device: false,
        })
    }

    /// Opens an entry. One of an older client gets the id that it was sent under.
    ///
    /// # Errors
    /// [`ErrorKind::WrongKey`] for another user's, [`ErrorKind::Corrupt`] for what was sealed by nobody with this secret or is no
    /// entry.
    pub fn open(&self, sealed: &SealedEntry) -> Result<Entry, Error> {
        let corrupt = |what: &str| {
            Error::new(ErrorKind::Corrupt, what)
                .on(sealed.encrypted_id.clone())
                .next_step("it is left out: nobody can read it")
        };
        if sealed.user_id != self.user_id {
            return Err(Error::new(ErrorKind::WrongKey, "this entry is another user's")
                .on(sealed.encrypted_id.clone())
                .next_step("check that the secret is that of this history: `hishtory status` shows it"));
        }
        if sealed.enc_data.len() > (ENTRY_BYTES_MAX + TAG_BYTES).div_ceil(3) * 4 {
            return Err(corrupt("a sealed entry is longer than an entry may be"));
        }
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| corrupt("a sealed entry is no base64"));
        let nonce: [u8; NONCE_BYTES] =
            bytes(&sealed.nonce)?.try_into().map_err(|_| corrupt("a nonce has not 12 bytes"))?;
        let payload = Payload { msg: &bytes(&sealed.enc_data)?, aad: self.user_id.as_bytes() };
        let plain = self
            .cipher
            .decrypt(&Nonce::from(nonce), payload)
            .map_err(|_| corrupt("a sealed entry does not open: it was damaged, or sealed with another secret"))?;
        let mut entry: Entry =
            serde_json::from_slice(&plain).map_err(|error| corrupt(&format!("this is no entry: {error}")))?;
        if entry.entry_id.is_empty() {
            entry.entry_id.clone_from(&sealed.encrypted_id);
        }
        Ok(entry)
    }

    /// Opens entries, of those with one id the first.
    pub(crate) fn open_all(&self, sealed: impl IntoIterator<Item = SealedEntry>) -> Received {
        let (mut received, mut seen) = (Received::default(), BTreeSet::new());
        for sealed in sealed {
            match self.open(&sealed) {
                Ok(entry) if seen.insert(sealed.encrypted_id) => received.entries.push(entry),
                Ok(_) => {}
                Err(error) => received.refused.push(error),
            }
        }
        received
    }
}

impl fmt::Debug for HishtoryUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HishtoryUser").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

fn derive(secret: &str, what: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|_| Error::new(ErrorKind::Internal, "an HMAC key is refused"))?;
    mac.update(what);
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sealed by Node's `crypto`, after hiSHtory's rules.
    const SECRET: &str = "b7a5c1c2-0d6e-4d0c-9b1e-6f6f2f3a4b5c";
    const USER_ID: &str = "0mcu9pCgI_kwaseYSqFesCk8T9EuKN9QEAsjVy1cl4E=";
    const NONCE: &str = "AAECAwQFBgcICQoL";
    const SEALED: &str = "6p6R5XKvUnIgyyoWgvOLfUJvK8Z9Y2sFM2+Ed336GQZ0MaIlyJOfSLlwLPUCFfN5pCLvSgDwi+UQc9PR1H6xkU9uu+1X/pfyZkiWlkAbzbO/bidq4tvD8XAcTLCFGl02CgTEaobu2Xjdj7/ZQoHoGfSXxE5DgNbBygsYFJFMtEY0YKIA8Sv0pGItr+x5U1E93TKscmF/o1UqnitcXcrEG0bYWt49XLmtUWSchUWtqJLSVOffU5e6dxdFEZwrempJy5ItleiMjrnQjJY/rfx/+rpCYNTHdOUwf2fTxRkVWIEIBelzD0k1rB0G5yKx15PagEWGNh8NIhlXI+1g4gedCBwogG+78fMLoj4MPu9bWW84FZKfhbn33lhsEcsHb9xNbd8kbps7FhqgdsR9iHHTDhxSBchhhYBnk/qD/005HjzZrWcEslTRvIzEiyQtD9ZPfzJq2iC2i8Jt9TAjwhpsjeAXykq53QXqCECg7bXZR+exVM2K7bUee/WoqqyNkJ0X6E+Z4fI=";

    fn sealed() -> SealedEntry {
        let json = serde_json::json!({
            "enc_data": SEALED, "nonce": NONCE, "user_id": USER_ID, "time": "2024-01-15T11:30:01.5+01:00", "encrypted_id": "x",
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_another_implementation_sealed_opens() {
        let user = HishtoryUser::new(SECRET).unwrap();
        assert_eq!(user.id(), USER_ID);
        let entry = user.open(&sealed()).unwrap();
        assert_eq!((entry.command.as_str(), entry.exit_code), ("echo \"hello\" | wc -c", 2));
        assert_eq!(entry.start_time.to_string(), "2024-01-15T10:30:00.123456789Z");
        assert_eq!(entry.other["custom_columns"], serde_json::json!([{ "name": "git", "value": "main" }]));
        assert_eq!(user.open(&user.seal(&entry).unwrap()).unwrap(), entry);
    }

    #[test]
    fn what_is_damaged_or_foreign_is_refused() {
        let user = HishtoryUser::new(SECRET).unwrap();
        let kind = |change: fn(&mut SealedEntry)| {
            let mut sealed = sealed();
            change(&mut sealed);
            user.open(&sealed).unwrap_err().kind()
        };
        assert_eq!(kind(|sealed| sealed.enc_data.replace_range(..1, "7")), ErrorKind::Corrupt);
        assert_eq!(kind(|sealed| sealed.nonce = "AAEC".into()), ErrorKind::Corrupt);
        assert_eq!(kind(|sealed| sealed.enc_data = "A".repeat(1 << 20)), ErrorKind::Corrupt);
        assert_eq!(kind(|sealed| sealed.user_id = "other".into()), ErrorKind::WrongKey);
        assert_eq!(HishtoryUser::new("").unwrap_err().kind(), ErrorKind::Invalid);
        assert!(!format!("{user:?}").contains(SECRET));
    }
}
