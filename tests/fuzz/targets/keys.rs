//! Rings of keys and their objects: one encoding, whole back to the first epoch, and joins that lose nothing.
#![no_main]

use tidelock_core::EpochId;
use tidelock_core::crypto::{EPOCHS_MAX, KeyRing, RootSecret, open_keys, seal_keys};
use tidelock_fuzz::input::Input;
use tidelock_fuzz::vault::{self, Constant};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    match input.below(3) {
        0 => local(input.rest()),
        1 => object(input.rest()),
        _ => grown(&mut input),
    }
});

/// The ring's row in a local store.
fn local(bytes: &[u8]) {
    if let Ok(ring) = KeyRing::from_bytes(bytes) {
        assert_eq!(*ring.to_bytes(), bytes, "a second encoding was taken");
        check(&ring);
    }
}

/// An object of `keys/`, whose seeds are good ones.
fn object(sealed: &[u8]) {
    let (known, epoch) = (vault::ring(), vault::newest());
    let secret = known.root_secret(epoch).expect("the newest").clone();
    if let Ok(ring) = open_keys(vault::id(), epoch, secret, sealed) {
        assert_eq!(ring.newest(), epoch);
        check(&ring);
    }
}

/// A ring that epochs are added to, and two halves of it that are joined.
fn grown(input: &mut Input<'_>) {
    let secret = |of: u8| RootSecret::generate(&vault::device(), &mut Constant(of), b"fuzz");
    let first = EpochId { number: 1, id: [input.byte(); 8] };
    let Ok(mut ring) = KeyRing::first(vault::id(), first, secret(input.byte())) else {
        panic!("a first epoch makes a ring")
    };
    let (mut left, mut right) = (ring.clone(), ring.clone());
    while !input.is_empty() {
        let epoch = EpochId { number: u32::from(input.byte() % 8), id: [input.byte() % 4; 8] };
        let secret = secret(input.byte());
        let before = ring.clone();
        match ring.add(epoch, secret.clone()) {
            Ok(()) => {
                assert_eq!(ring.root_secret(epoch), Some(&secret));
                let side = if input.byte() % 2 == 0 { &mut left } else { &mut right };
                side.add(epoch, secret).expect("what the whole takes, a half takes");
            }
            Err(_) => assert_eq!(ring, before, "a refusal changed the ring"),
        }
    }
    let mut joined = left.clone();
    joined.join(&right).expect("two halves of one ring");
    assert_eq!(joined, ring);
    right.join(&left).expect("two halves of one ring");
    assert_eq!(right, ring);
    check(&ring);
}

fn check(ring: &KeyRing) {
    let epochs: Vec<EpochId> = ring.epochs().collect();
    assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]) && epochs.len() <= EPOCHS_MAX);
    assert_eq!(epochs.iter().filter(|epoch| epoch.number <= 1).count(), 1);
    assert_eq!(epochs.first().map(|epoch| epoch.number), Some(1));
    assert_eq!(epochs.last(), Some(&ring.newest()));
    assert_eq!(KeyRing::from_bytes(&ring.to_bytes()).as_ref(), Ok(ring));
    if epochs.len() > 1 {
        let sealed = seal_keys(ring, &vault::device(), &mut Constant(7));
        let secret = ring.root_secret(ring.newest()).expect("the newest").clone();
        assert_eq!(open_keys(ring.vault(), ring.newest(), secret, &sealed).as_ref(), Ok(ring));
    }
}
