//! Sealed objects: bytes that nobody sealed do not open, what is sealed opens at its place alone and whole.
#![no_main]

use tidelock_core::crypto::{Place, epoch_of, open, private_space_id, seal, sealed_len};
use tidelock_fuzz::input::Input;
use tidelock_fuzz::vault::{self, Constant};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let kind = *input.pick(&vault::KINDS);
    let is_raw = input.byte() % 2 == 0;
    let path = input.text();
    match is_raw {
        true => raw(kind, &path, input.rest()),
        false => altered(kind, &path, &mut input),
    }
});

/// Any bytes at any place. The seeds are whole objects: one that opens is the one encoding of its plaintext.
fn raw(kind: tidelock_core::crypto::ObjectKind, path: &str, sealed: &[u8]) {
    let Ok(epoch) = epoch_of(sealed) else { return };
    let Some(key) = vault::ring().content_key(epoch, private_space_id(vault::id())) else { return };
    let place = Place { vault: vault::id(), kind, epoch, path };
    if let Ok(plaintext) = open(&key, &place, sealed, 1 << 20) {
        assert!(plaintext.len() <= 1 << 20);
        assert_eq!(sealed_len(plaintext.len() as u64), sealed.len() as u64);
        assert!(open(&key, &place, &sealed[..sealed.len() - 1], 1 << 20).is_err(), "a shorter one opens too");
    }
}

/// A plaintext is sealed; then bytes are changed, cut or added, or it is read at another place.
fn altered(kind: tidelock_core::crypto::ObjectKind, path: &str, input: &mut Input<'_>) {
    let (ring, epoch) = (vault::ring(), vault::newest());
    let key = ring.content_key(epoch, private_space_id(vault::id())).expect("a known epoch");
    let place = Place { vault: vault::id(), kind, epoch, path };
    // Lengths around those of chunks, from few bytes.
    let plaintext = vec![input.byte(); [0, 1, 16_383, 16_384, 16_385, 32_768, 40_000][input.below(7)] + input.below(4)];
    let salt = vault::device().salt(&mut Constant(input.byte()), &place, &plaintext);
    let sealed = seal(&key, &place, &salt, &plaintext);
    assert_eq!(sealed.len() as u64, sealed_len(plaintext.len() as u64));
    assert_eq!(epoch_of(&sealed), Ok(epoch));
    let len = plaintext.len() as u64;
    assert_eq!(open(&key, &place, &sealed, len).as_ref(), Ok(&plaintext));
    if let Some(less) = len.checked_sub(1) {
        assert!(open(&key, &place, &sealed, less).is_err(), "more than was allowed");
    }
    let mut other = sealed.clone();
    let at = input.number() as usize % sealed.len();
    match input.below(6) {
        0 => other[at] ^= input.byte(),
        1 => other.truncate(at),
        2 => other.extend_from_slice(input.rest()),
        3 => {
            // Chunks in another order.
            let chunks = other.split_off(75.min(other.len()));
            let mut chunks: Vec<&[u8]> = chunks.chunks(16_400).collect();
            chunks.rotate_left(1);
            other.extend(chunks.concat());
        }
        4 => {
            let elsewhere = Place { path: &format!("{path}{}", input.text()), ..place };
            assert!(elsewhere.path == path || open(&key, &elsewhere, &sealed, len).is_err(), "it opens elsewhere");
        }
        _ => {
            let kind = *input.pick(&vault::KINDS);
            assert!(kind == place.kind || open(&key, &Place { kind, ..place }, &sealed, len).is_err());
        }
    }
    assert!(other == sealed || open(&key, &place, &other, 1 << 20).is_err(), "an altered object opens");
}
