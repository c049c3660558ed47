//! Keys of log entries, and where entries are listed. An appended entry's key sorts by time. An imported entry's key comes
//! from its content, so it is listed by its place instead. Of a deleted entry a digest of its key stays.

use super::{Collection, Stamp};
use crate::crypto::HashKey;
use crate::{Error, ErrorKind};

/// Begins the keys of imported entries, and no appended entry's key.
pub(crate) const IMPORTED: char = 'i';
/// Hex digits of ms in keys and places: 48 bits.
const MS_DIGITS: usize = 12;
/// Hex digits of a stamp in a place: 48 bits of ms and 32 of the counter.
const STAMP_DIGITS: usize = 20;
/// Hex digits of every other key than an imported entry's first character.
const KEY_DIGITS: usize = 32;

/// A new entry's key, 32 hex digits: the 48 bits of its stamp's ms, its counter, and 48 random bits. Stamps rise from op to op
/// of a device, so do the keys; the random bits tell devices and copies of a store apart.
pub(crate) fn append_key(stamp: Stamp, random: [u8; 6]) -> String {
    format!("{}{:08x}{}", ms_digits(stamp.ms), stamp.counter, hex(&random))
}

/// Checks a key that a caller made for an entry: it has [`append_key`]'s form.
pub(crate) fn check_append_key(key: &str) -> Result<(), Error> {
    if is_digits(key) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, "an entry's key has 32 lower-case hex digits")
        .next_step("write 12 digits of Unix milliseconds, then 20 that no other entry has; or leave the key out"))
}

/// An imported entry's key: `i`, its ms in 12 hex digits, and 10 bytes of a keyed hash of where it comes from and what it is.
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
    format!("{IMPORTED}{}{}", ms_digits(unix_ms), hex(&key.hash(&hashed).0[..10]))
}

/// Whether a key has a form that `append` or `import` gives.
pub(crate) fn is_entry_key(key: &str) -> bool {
    is_digits(key) || imported_digits(key).is_some()
}

/// Where an entry is listed: entries are in the order of their places. An imported one's has the stamp of its import between
/// its ms and its hash, so entries of one ms are in the order in which they were imported; any other's is its key.
pub(crate) fn place(key: &str, stamp: Stamp) -> String {
    match imported_digits(key) {
        Some(digits) => {
            let (ms, hash) = digits.split_at(MS_DIGITS);
            format!("{ms}{}{:08x}{hash}", ms_digits(stamp.ms), stamp.counter)
        }
        None => key.to_owned(),
    }
}

/// The key of the imported entry at a place.
pub(crate) fn key_at(place: &str) -> String {
    match (place.get(..MS_DIGITS), place.get(MS_DIGITS + STAMP_DIGITS..)) {
        (Some(ms), Some(hash)) if !place.starts_with(IMPORTED) => format!("{IMPORTED}{ms}{hash}"),
        _ => place.to_owned(),
    }
}

/// The digits of ms in an imported entry's key.
pub(crate) fn ms_of(key: &str) -> &str {
    imported_digits(key).map_or("", |digits| &digits[..MS_DIGITS])
}

/// The digits of a well-formed imported entry's key.
fn imported_digits(key: &str) -> Option<&str> {
    key.strip_prefix(IMPORTED).filter(|digits| is_digits(digits))
}

fn is_digits(text: &str) -> bool {
    text.len() == KEY_DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
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

fn ms_digits(unix_ms: u64) -> String {
    format!("{:012x}", unix_ms & 0xffff_ffff_ffff)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
        assert_eq!(check_append_key(&append_key(Stamp { ms: 0x0123_4567_89ab, counter: 1 }, [0xcd; 6])), Ok(()));
        for wrong in ["", "0123456789abcdcdcdcdcdcdcdcdcdc", "0123456789ABcdcdcdcdcdcdcdcdcdcd", &"0".repeat(33)] {
            assert_eq!(check_append_key(wrong).unwrap_err().kind(), ErrorKind::Invalid, "{wrong}");
        }
    }

    #[test]
    fn keys_sort_by_time_and_tell_equal_imports_apart() {
        let at = |counter| Stamp { ms: 0x0123_4567_89ab, counter };
        assert_eq!(append_key(at(0xef), [0xcd; 6]), "0123456789ab000000efcdcdcdcdcdcd");
        assert!(append_key(at(1), [0xff; 6]) < append_key(at(2), [0; 6]));
        let device = DeviceSecret::from_bytes([7; 32]);
        let secret = RootSecret::generate(&device, &mut Zeros, b"");
        let epoch = EpochId { number: 1, id: [0; 8] };
        let key = KeyRing::first(VaultId([1; 16]), epoch, secret).unwrap().import_key().clone();
        let import = |ms, value: &[u8], repeat| import_key(&key, &Collection::log("a"), "file", ms, value, repeat);
        assert_eq!(import(5, b"ls", 0), import(5, b"ls", 0));
        let keys = [import(5, b"ls", 0), import(5, b"ls", 1), import(5, b"l", 0), import(6, b"ls", 0)];
        assert!((0..4).all(|at| !keys[..at].contains(&keys[at])));
        assert!(keys[3] > keys[0]);
        assert!(keys.iter().all(|key| is_entry_key(key)));
    }

    #[test]
    fn imported_entries_are_listed_by_ms_then_by_stamp() {
        let key = |ms: u64, hash: &str| format!("i{ms:012x}{}", hash.repeat(10));
        let stamp = |ms, counter| Stamp { ms, counter };
        let places = [
            place(&key(0, "ff"), stamp(5, 0)),
            place(&key(0, "00"), stamp(5, 1)),
            place(&key(0, "77"), stamp(6, 0)),
            place(&key(7, "00"), stamp(5, 0)),
            append_key(stamp(8, 0), [0; 6]),
        ];
        assert!(places.is_sorted());
        assert_eq!(key_at(&places[1]), key(0, "00"));
    }

    #[test]
    fn a_key_of_another_form_is_its_own_place() {
        for key in ["i", "i00", "I", "notes", "018bcfe568000000000000000000000a", &format!("i{}", "g".repeat(32))] {
            assert_eq!(place(key, Stamp { ms: 1, counter: 1 }), key);
        }
        assert_eq!(key_at("i00"), "i00");
        assert!(["", "i", "018bcfe5", &"A".repeat(32), &"g".repeat(32)].iter().all(|key| !is_entry_key(key)));
    }
}
