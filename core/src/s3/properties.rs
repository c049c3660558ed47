//! What an object has beside its content: content type, metadata, storage class, encryption at rest.

use super::answer::Response;
use crate::{Error, ErrorKind};
use std::collections::BTreeMap;

/// The most bytes of all names and values of an object's metadata together (S3's own limit).
pub const METADATA_BYTES_MAX: usize = 2048;

const CONTENT_TYPE_BYTES_MAX: usize = 255;
const STORAGE_CLASS_BYTES_MAX: usize = 64;
/// An ARN or an alias with room to spare.
const KEY_ID_BYTES_MAX: usize = 2048;
const METADATA_PREFIX: &str = "x-amz-meta-";

/// Properties given with a write, or read back. All are in clear to the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// The `Content-Type`: 1 to 255 bytes of printable ASCII. Without one, stores say `binary/octet-stream`.
    pub content_type: Option<String>,
    /// The caller's own: at most 2,048 bytes in all. A name is of lower-case letters, digits, `-`, `_` and `.`; a value of
    /// printable ASCII with no space at either end, as headers carry nothing else unharmed.
    pub metadata: BTreeMap<String, String>,
    /// Such as `STANDARD_IA`: 1 to 64 upper-case letters, digits and `_`. Which there are is the provider's to say.
    pub storage_class: Option<String>,
    /// How the store encrypts it at rest, under keys that it holds.
    pub encryption: Option<Encryption>,
}

/// Server-side encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// SSE-S3, `AES256`: under the store's own keys.
    Store,
    /// SSE-KMS, `aws:kms`: under a key of its key service.
    Kms {
        /// The key's id, ARN or alias, 1 to 2,048 bytes of visible ASCII; `None` is the account's default key.
        key_id: Option<String>,
    },
}

impl Properties {
    /// What a response to a GET or HEAD says of its object. What could not be written in the same form is left out:
    /// values in other characters, or an encryption of another kind.
    pub fn of(response: &Response) -> Self {
        let header = |name: &str| response.header(name).map(str::trim);
        let mut metadata = BTreeMap::new();
        let mut bytes = 0;
        for (name, value) in &response.headers {
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            let Some(name) = name.strip_prefix(METADATA_PREFIX) else { continue };
            bytes += name.len() + value.len();
            if bytes > METADATA_BYTES_MAX {
                break;
            }
            if is_metadata(name, value) {
                metadata.insert(name.to_owned(), value.to_owned());
            }
        }
        let key_id = || header("x-amz-server-side-encryption-aws-kms-key-id").filter(|id| is_key_id(id));
        Self {
            content_type: header("content-type").filter(|text| is_content_type(text)).map(str::to_owned),
            metadata,
            storage_class: header("x-amz-storage-class").filter(|text| is_storage_class(text)).map(str::to_owned),
            encryption: match header("x-amz-server-side-encryption") {
                Some("AES256") => Some(Encryption::Store),
                Some("aws:kms") => Some(Encryption::Kms { key_id: key_id().map(str::to_owned) }),
                _ => None,
            },
        }
    }

    /// The headers that give them with a write.
    pub(super) fn headers(&self) -> Result<Vec<(String, String)>, Error> {
        let mut headers = Vec::new();
        let mut set = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        if let Some(content_type) = &self.content_type {
            check(is_content_type(content_type), "content type is not 1 to 255 bytes of printable ASCII")?;
            set("content-type", content_type);
        }
        let bytes: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        check(bytes <= METADATA_BYTES_MAX, "metadata has more than 2,048 bytes")?;
        for (name, value) in &self.metadata {
            check(is_metadata(name, value), "metadata has a name or value that no header can carry")?;
            set(&format!("{METADATA_PREFIX}{name}"), value);
        }
        if let Some(class) = &self.storage_class {
            check(is_storage_class(class), "storage class is not 1 to 64 upper-case letters, digits and `_`")?;
            set("x-amz-storage-class", class);
        }
        match &self.encryption {
            None => (),
            Some(Encryption::Store) => set("x-amz-server-side-encryption", "AES256"),
            Some(Encryption::Kms { key_id }) => {
                set("x-amz-server-side-encryption", "aws:kms");
                if let Some(key_id) = key_id {
                    check(is_key_id(key_id), "encryption key's id is not 1 to 2,048 bytes of visible ASCII")?;
                    set("x-amz-server-side-encryption-aws-kms-key-id", key_id);
                }
            }
        }
        Ok(headers)
    }
}

fn check(good: bool, refusal: &str) -> Result<(), Error> {
    if good { Ok(()) } else { Err(Error::new(ErrorKind::Invalid, refusal)) }
}

/// A header's value as it stands: no space at either end, which transports take away.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) && text.trim() == text
}

fn is_content_type(text: &str) -> bool {
    (1..=CONTENT_TYPE_BYTES_MAX).contains(&text.len()) && is_printable(text)
}

fn is_metadata(name: &str, value: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    !name.is_empty() && name.bytes().all(in_name) && is_printable(value)
}

fn is_storage_class(text: &str) -> bool {
    let in_class = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=STORAGE_CLASS_BYTES_MAX).contains(&text.len()) && text.bytes().all(in_class)
}

fn is_key_id(text: &str) -> bool {
    (1..=KEY_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
