//! Keys of log entries: sortable by time; an imported entry's key comes from its content, a deleted one's digest stays.

use super::Collection;
use crate::crypto::HashKey;
use crate::{Error, ErrorKind};

/// A new entry's key: 48 bits of ms and 80 random bits, as 32 hex digits.
pub(crate) fn append_key(unix_ms: u64, random: [u8; 10]) -> String {
    hex_key(unix_ms, random)
}

/// Checks a key that a caller made for an entry: it has [`append_key`]'s form.
pub(crate) fn check_append_key(key: &str) -> Result<(), Error> {
    if key.len() == 32 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, "an entry's key has 32 lower-case hex digits")
        .next_step("write 12 digits of Unix milliseconds, then 20 random ones; or leave the key out"))
}

/// An imported entry's key: its ms and 10 bytes of a keyed hash of where it comes from and what it is.
pub(crate) fn import_key(
    key: &HashKey,
    collection: &Collection,
    source: &str,
    unix_ms: u64,
    value: &[u8],
    repeat: u32,
) -> String {
    let mut hashed = Vec::with_capacity(value.len() + source.len() + collection.name.len() + 36);
    for part in [collection.name.as_bytes(), source.as_bytes(), value] {
        hashed.extend_from_slice(&(part.len() as u64).to_le_bytes());
        hashed.extend_from_slice(part);
    }
    hashed.extend_from_slice(&unix_ms.to_le_bytes());
    hashed.extend_from_slice(&repeat.to_le_bytes());
    let mut random = [0; 10];
    random.copy_from_slice(&key.hash(&hashed).0[..10]);
    hex_key(unix_ms, random)
}

/// What is kept for ever of a deleted entry: 16 bytes of a keyed hash of collection and key.
pub(crate) fn deletion_digest(key: &HashKey, collection: &Collection, entry: &str) -> [u8; 16] {
    let mut hashed = (collection.name.len() as u64).to_le_bytes().to_vec();
    hashed.extend_from_slice(collection.name.as_bytes());
    hashed.extend_from_slice(entry.as_bytes());
    let mut digest = [0; 16];
    digest.copy_from_slice(&key.hash(&hashed).0[..16]);
    digest
}

fn hex_key(unix_ms: u64, random: [u8; 10]) -> String {
    let ms = unix_ms & 0xffff_ffff_ffff;
    random.iter().fold(format!("{ms:012x}"), |key, byte| key + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{DeviceSecret, Entropy, KeyRing, RootSecret};
    use crate::{EpochId, VaultId};

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    #[test]
    fn a_callers_key_has_the_form_of_an_engines() {
        assert_eq!(check_append_key(&append_key(0x0123_4567_89ab, [0xcd; 10])), Ok(()));
        for wrong in ["", "0123456789abcdcdcdcdcdcdcdcdcdc", "0123456789ABcdcdcdcdcdcdcdcdcdcd", &"0".repeat(33)] {
            assert_eq!(check_append_key(wrong).unwrap_err().kind(), ErrorKind::Invalid, "{wrong}");
        }
    }

    #[test]
    fn keys_sort_by_time_and_tell_equal_imports_apart() {
        assert_eq!(append_key(0x0123_4567_89ab, [0xcd; 10]), "0123456789abcdcdcdcdcdcdcdcdcdcd");
        let device = DeviceSecret::from_bytes([7; 32]);
        let secret = RootSecret::generate(&device, &mut Zeros, b"");
        let epoch = EpochId { number: 1, id: [0; 8] };
        let key = KeyRing::first(VaultId([1; 16]), epoch, secret).unwrap().import_key();
        let import = |ms, value: &[u8], repeat| import_key(&key, &Collection::log("a"), "file", ms, value, repeat);
        assert_eq!(import(5, b"ls", 0), import(5, b"ls", 0));
        let keys = [import(5, b"ls", 0), import(5, b"ls", 1), import(5, b"l", 0), import(6, b"ls", 0)];
        assert!((0..4).all(|at| !keys[..at].contains(&keys[at])));
        assert!(keys[3] > keys[0]);
    }
}
