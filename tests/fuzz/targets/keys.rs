//! Rings of keys and their objects: one encoding, whole back to the first epoch, and what is told loses nothing.
#![no_main]

use std::collections::BTreeSet;
use tidelock_core::EpochId;
use tidelock_core::crypto::{EPOCHS_MAX, KeyRing, RootSecret, Told, open_keys, seal_keys};
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
    let secret = known.root_secret(epoch).expect("the current one").clone();
    if let Ok(ring) = open_keys(vault::id(), epoch, secret, sealed) {
        assert_eq!(ring.current(), epoch);
        check(&ring);
    }
}

/// A ring that epochs are added to, and two parts of it that are told each other.
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
    let all: BTreeSet<EpochId> = ring.epochs().collect();
    for (mut known, told) in [(left.clone(), right.clone()), (right, left)] {
        let [had, new] = [&known, &told].map(|ring| ring.epochs().collect::<BTreeSet<_>>());
        let before = known.current();
        let took = known.take(&told).expect("two parts of one ring");
        assert_eq!(known.epochs().collect::<BTreeSet<_>>(), all);
        let (expected, current) = match (new.is_superset(&had), had.is_superset(&new)) {
            (true, same) => (if same { Told::Known } else { Told::Newer }, told.current()),
            (false, true) => (Told::Known, before),
            (false, false) => (Told::Apart, before),
        };
        assert_eq!((took, known.current()), (expected, current));
        assert_eq!(known.take(&told), Ok(Told::Known), "told twice, it is new twice");
        check(&known);
    }
    check(&ring);
}

fn check(ring: &KeyRing) {
    let epochs: Vec<EpochId> = ring.epochs().collect();
    assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]) && epochs.len() <= EPOCHS_MAX);
    assert_eq!(epochs.iter().filter(|epoch| epoch.number <= 1).count(), 1);
    assert_eq!(epochs.first().map(|epoch| epoch.number), Some(1));
    assert!(epochs.contains(&ring.current()));
    assert_eq!(KeyRing::from_bytes(&ring.to_bytes()).as_ref(), Ok(ring));
    if ring.current().number > 1 {
        let sealed = seal_keys(ring, &vault::device(), &mut Constant(7));
        let secret = ring.root_secret(ring.current()).expect("the current one").clone();
        let opened = open_keys(ring.vault(), ring.current(), secret, &sealed).expect("what is sealed opens");
        let up_to_current = epochs.iter().filter(|epoch| **epoch <= ring.current());
        assert!(opened.current() == ring.current() && opened.epochs().eq(up_to_current.copied()));
    }
}
