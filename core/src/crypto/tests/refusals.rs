//! What must not open, verify or parse; what must not show.

use super::*;
use crate::ErrorKind;
use std::collections::BTreeSet;

const PATH: &str = "spaces/x/segments/y/z";

fn place() -> Place<'static> {
    Place { vault: VAULT, kind: ObjectKind::Segment, epoch: NEWEST, path: PATH }
}

fn key() -> ContentKey {
    ring().content_key(NEWEST, SPACE).unwrap()
}

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    seal(&key(), &place(), &device().salt(&mut Frozen, &place(), plaintext), plaintext)
}

/// Every refusal is the same error.
#[track_caller]
fn refused(key: &ContentKey, place: &Place<'_>, sealed: &[u8]) {
    let error = open(key, place, sealed, u64::MAX).expect_err("it opened");
    assert_eq!(
        (error.kind(), error.message(), error.object()),
        (ErrorKind::Corrupt, "object fails its checks", Some(place.path))
    );
}

#[test]
#[cfg_attr(miri, ignore = "slow: opens once a bit")]
fn no_flipped_bit_opens() {
    let object = sealed(b"a small object");
    for at in 0..object.len() {
        for bit in 0..8 {
            let mut altered = object.clone();
            altered[at] ^= 1 << bit;
            refused(&key(), &place(), &altered);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow: opens thousands of objects")]
fn no_cut_or_longer_object_opens() {
    let object = sealed(&counting(20_000));
    for len in (0..200).chain(object.len() - 3700..object.len()).chain([19 + 56 + 16_400, 19 + 56 + 16_416]) {
        refused(&key(), &place(), &object[..len]);
    }
    for more in [1, 15, 16, 17, 16_400] {
        refused(&key(), &place(), &[&object[..], &vec![0; more]].concat());
    }
}

#[test]
fn chunks_dropped_doubled_reordered_or_spliced_do_not_open() {
    let plaintext = counting(3 * 16_384 + 100);
    let object = sealed(&plaintext);
    let other = {
        let other_place = Place { path: "spaces/x/segments/y/other", ..place() };
        seal(&key(), &other_place, &device().salt(&mut Frozen, &other_place, &plaintext), &plaintext)
    };
    let (head, body) = object.split_at(19 + 56);
    let chunks: Vec<&[u8]> = body.chunks(16_400).collect();
    let foreign: Vec<&[u8]> = other[19 + 56..].chunks(16_400).collect();
    assert_eq!(chunks.len(), 4);
    let build = |parts: &[&[u8]]| [&[head], parts].concat().concat();
    assert_eq!(open(&key(), &place(), &build(&chunks), u64::MAX).unwrap(), plaintext);

    let (a, b, c, last) = (chunks[0], chunks[1], chunks[2], chunks[3]);
    let cases: [(&str, Vec<&[u8]>); 9] = [
        ("first dropped", vec![b, c, last]),
        ("middle dropped", vec![a, c, last]),
        ("last dropped", vec![a, b, c]),
        ("doubled", vec![a, a, b, c, last]),
        ("last doubled", vec![a, b, c, last, last]),
        ("reordered", vec![b, a, c, last]),
        ("last first", vec![last, a, b, c]),
        ("spliced", vec![a, foreign[1], c, last]),
        ("foreign last", vec![a, b, c, foreign[3]]),
    ];
    for (name, parts) in cases {
        assert!(open(&key(), &place(), &build(&parts), u64::MAX).is_err(), "{name}");
    }
}

#[test]
fn an_object_opens_in_its_place_only() {
    let object = sealed(b"text");
    let places = [
        Place { vault: VaultId([9; 16]), ..place() },
        Place { kind: ObjectKind::Manifest, ..place() },
        Place { epoch: EpochId { number: 3, ..NEWEST }, ..place() },
        Place { epoch: EpochId { id: [1; 8], ..NEWEST }, ..place() },
        Place { path: "spaces/x/segments/y/Z", ..place() },
        Place { path: "spaces/x/segments/y/", ..place() },
        Place { path: "", ..place() },
    ];
    for place in places {
        refused(&key(), &place, &object);
        // Nor if its clear header is made to fit.
        let fitting = [&place.clear_header()[..], &object[19..]].concat();
        refused(&key(), &place, &fitting);
    }
    refused(&ring().content_key(EPOCHS[0], SPACE).unwrap(), &place(), &object);
    refused(&ring().content_key(NEWEST, SpaceId([9; 16])).unwrap(), &place(), &object);
}

#[test]
fn plaintexts_are_bounded() {
    let object = sealed(b"text");
    assert!(open(&key(), &place(), &object, 4).is_ok());
    let error = open(&key(), &place(), &object, 3).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupt, "object fails its checks"));
}

#[test]
fn the_epoch_is_read_from_known_headers_only() {
    let object = sealed(b"text");
    assert_eq!(epoch_of(&object).unwrap(), NEWEST);
    for len in 0..19 {
        assert!(epoch_of(&object[..len]).is_err());
    }
    for (at, byte) in [(0, b't'), (4, 0), (4, 2), (5, 0), (5, 11), (6, 0), (6, 2)] {
        let mut altered = object.clone();
        altered[at] = byte;
        assert!(epoch_of(&altered).is_err(), "byte {at} = {byte}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow: verifies dozens of signatures")]
fn signatures_are_strict_and_bound_to_their_domain() {
    let device = device();
    let (public, signature) = (device.public_key(), device.sign("manifest", b"body"));
    verify(&public, "manifest", b"body", &signature).unwrap();
    assert!(verify(&public, "other", b"body", &signature).is_err());
    assert!(verify(&public, "manifes", b"tbody", &signature).is_err());
    assert!(verify(&public, "manifest", b"bodY", &signature).is_err());
    assert!(verify(&DeviceSecret::from_bytes([1; 32]).public_key(), "manifest", b"body", &signature).is_err());
    for at in 0..64 {
        let mut altered = signature;
        altered[at] ^= 1;
        assert!(verify(&public, "manifest", b"body", &altered).is_err(), "byte {at}");
    }
}

/// S + L, with L the order of the group (RFC 8032 §5.1), satisfies the equation but is another encoding of S.
#[test]
fn a_signature_with_a_large_s_is_refused() {
    let order = vectors::hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let device = device();
    let mut altered = device.sign("manifest", b"body");
    let mut carry = 0;
    for (byte, add) in altered[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(verify(&device.public_key(), "manifest", b"body", &altered).is_err());
}

/// Under a key or an R of small order one signature fits many messages: with A the neutral element, R the neutral element
/// and S = 0 the equation holds for every message.
#[test]
#[cfg_attr(miri, ignore = "slow: verifies hundreds of signatures")]
fn points_of_small_order_are_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let small_order = [
        neutral,
        [0; 32],
        vectors::hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").try_into().unwrap(),
        vectors::hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05").try_into().unwrap(),
        vectors::hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a").try_into().unwrap(),
    ];
    for key in small_order {
        for r in small_order {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r);
            for body in [&b"one"[..], b"two", b"three", b"four"] {
                assert!(verify(&key, "manifest", body, &signature).is_err());
            }
        }
    }
    // That the lax rules would take it shows that the strict ones are what refuses it.
    use ed25519_dalek::{Signature, Verifier, VerifyingKey};
    let mut signature = [0; 64];
    signature[0] = 1;
    let lax = VerifyingKey::from_bytes(&neutral).unwrap();
    assert!(lax.verify(b"any", &Signature::from_bytes(&signature)).is_ok());
}

#[test]
fn frozen_entropy_repeats_a_salt_only_for_the_same_object() {
    let device = device();
    let other = DeviceSecret::from_bytes([0xd1; 32]);
    let salt = |device: &DeviceSecret, place: &Place<'_>, text: &[u8]| device.salt(&mut Frozen, place, text).0;
    let salts = BTreeSet::from([
        salt(&device, &place(), b"text"),
        salt(&device, &place(), b"texT"),
        salt(&device, &Place { path: "elsewhere", ..place() }, b"text"),
        salt(&device, &Place { epoch: EPOCHS[0], ..place() }, b"text"),
        salt(&other, &place(), b"text"),
    ]);
    assert_eq!(salts.len(), 5);
    assert_eq!(salt(&device, &place(), b"text"), salt(&device, &place(), b"text"));

    struct Counting(u8);
    impl Entropy for Counting {
        fn fill(&mut self, out: &mut [u8]) {
            self.0 += 1;
            out.fill(self.0);
        }
    }
    let mut entropy = Counting(0);
    assert_ne!(device.salt(&mut entropy, &place(), b"text").0, device.salt(&mut entropy, &place(), b"text").0);
    let fresh = [
        device.fresh::<16>("id", &mut Frozen, &[b"1"]),
        device.fresh("id", &mut Frozen, &[b"2"]),
        device.fresh("ids", &mut Frozen, &[b"1"]),
        other.fresh("id", &mut Frozen, &[b"1"]),
    ];
    assert_eq!(BTreeSet::from(fresh).len(), 4);
    assert_ne!(DeviceSecret::generate(&mut Frozen, b"1"), DeviceSecret::generate(&mut Frozen, b"2"));
}

#[test]
fn no_two_keys_are_equal() {
    let ring = ring();
    let device = device();
    let mut keys = BTreeSet::from([ring.digest_key().0, ring.import_key().0, *device.to_bytes()]);
    for epoch in EPOCHS {
        for space in [SPACE, private_space_id(VAULT)] {
            keys.insert(ring.content_key(epoch, space).unwrap().0);
        }
        keys.insert(ring.root_secret(epoch).unwrap().0);
    }
    for space in [SPACE, private_space_id(VAULT)] {
        keys.extend([ring.piece_id_key(space), ring.blob_id_key(space), ring.cut_key(space)].map(|key| key.0));
    }
    assert_eq!(keys.len(), 3 + 3 * 3 + 2 * 3);
    let unknown = EpochId { number: 9, id: [0; 8] };
    assert!(ring.content_key(unknown, SPACE).is_none());
}

#[test]
fn keys_of_digests_imports_and_content_never_rotate() {
    let first = KeyRing::first(VAULT, EPOCHS[0], RootSecret([0xa1; 32])).unwrap();
    assert_eq!(first.digest_key(), ring().digest_key());
    assert_eq!(first.import_key(), ring().import_key());
    let of_content = |ring: &KeyRing| [ring.piece_id_key(SPACE), ring.blob_id_key(SPACE), ring.cut_key(SPACE)];
    assert_eq!(of_content(&first), of_content(&ring()));
    assert_eq!(ring().current(), EPOCHS[2], "what was added last");
    assert_eq!(ring().epochs().collect::<Vec<_>>(), EPOCHS);
}

#[test]
fn rings_are_whole_or_refused() {
    let secret = || RootSecret([7; 32]);
    for number in [0, 2, u32::MAX] {
        assert!(KeyRing::first(VAULT, EpochId { number, id: [1; 8] }, secret()).is_err());
    }
    let mut ring = ring();
    let before = ring.clone();
    assert!(ring.add(EPOCHS[1], secret()).is_err(), "another secret of a known epoch");
    assert!(ring.add(EpochId { number: 1, id: [9; 8] }, secret()).is_err(), "a second first epoch");
    assert!(ring.add(EpochId { number: 0, id: [9; 8] }, secret()).is_err());
    ring.add(EPOCHS[2], RootSecret([0xa3; 32])).unwrap();
    assert_eq!(ring, before);

    let bytes = ring.to_bytes();
    assert_eq!(KeyRing::from_bytes(&bytes).unwrap(), ring);
    for len in 0..bytes.len() {
        assert!(KeyRing::from_bytes(&bytes[..len]).is_err());
    }
    assert!(KeyRing::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    let entries = 16 + 4;
    let swapped =
        [&bytes[..entries], &bytes[entries + 44..entries + 88], &bytes[entries..entries + 44], &bytes[entries + 88..]];
    assert!(KeyRing::from_bytes(&swapped.concat()).is_err(), "one order only");
    let mut many = bytes[..16].to_vec();
    many.extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(KeyRing::from_bytes(&many).is_err());
}

/// docs/format/crypto.md, "Keys": which ring is taken, and which only read with.
#[test]
fn what_a_ring_is_told() {
    let first = || KeyRing::first(VAULT, EPOCHS[0], RootSecret([0xa1; 32])).unwrap();
    let with = |epochs: &[EpochId]| {
        let mut ring = first();
        for epoch in epochs {
            ring.add(*epoch, RootSecret([epoch.id[0]; 32])).unwrap();
        }
        ring
    };
    let [two, two_too, three] = [(2, 0x21), (2, 0x22), (3, 0x31)].map(|(number, id)| EpochId { number, id: [id; 8] });
    for (own, told, took, current, all) in [
        (vec![], vec![two], Told::Newer, two, 2),
        (vec![two], vec![], Told::Known, two, 2),
        (vec![two], vec![two], Told::Known, two, 2),
        (vec![two], vec![two_too], Told::Apart, two, 3),
        (vec![two], vec![three], Told::Apart, two, 3), // a greater number alone proves nothing
        (vec![two], vec![two_too, three], Told::Apart, two, 4),
        (vec![two], vec![two_too, two, three], Told::Newer, three, 4),
        (vec![two_too, two], vec![two, three], Told::Apart, two, 4),
    ] {
        let mut ring = with(&own);
        assert_eq!(ring.take(&with(&told)).unwrap(), took, "{own:?} told {told:?}");
        assert_eq!((ring.current(), ring.epochs().count()), (current, all), "{own:?} told {told:?}");
        assert_eq!(KeyRing::from_bytes(&ring.to_bytes()).unwrap(), ring);
    }

    let mut ring = with(&[two]);
    let before = ring.clone();
    let mut other = first();
    other.add(two, RootSecret([9; 32])).unwrap();
    ring.take(&other).unwrap_err();
    ring.take(&KeyRing::first(VAULT, EPOCHS[0], RootSecret([9; 32])).unwrap()).unwrap_err();
    ring.take(&with(&[EpochId { number: u32::MAX, id: [1; 8] }])).unwrap_err();
    assert_eq!(ring, before, "what is refused leaves nothing");
}

/// docs/format/crypto.md, "Keys": a vault has at most 4,096 epochs; a ring that is apart is taken up to half of that, by how
/// many there are and by the greatest number.
#[test]
fn rings_are_bounded() {
    let ring = |numbers: std::ops::RangeInclusive<u32>, id: u8| {
        let mut bytes = VAULT.0.to_vec();
        let epochs: Vec<EpochId> =
            std::iter::once(EPOCHS[0]).chain(numbers.map(|number| EpochId { number, id: [id; 8] })).collect();
        bytes.extend_from_slice(&u32::try_from(epochs.len()).unwrap().to_le_bytes());
        for epoch in &epochs {
            bytes.extend_from_slice(&epoch.number.to_le_bytes());
            bytes.extend_from_slice(&epoch.id);
            bytes.extend_from_slice(&[epoch.id[0]; 32]);
        }
        let current = epochs.last().unwrap();
        bytes.extend_from_slice(&current.number.to_le_bytes());
        bytes.extend_from_slice(&current.id);
        KeyRing::from_bytes(&bytes)
    };
    let largest = ring(2..=4096, 1).unwrap();
    assert_eq!((largest.vault(), largest.greatest_number(), largest.epochs().count()), (VAULT, 4096, 4096));
    ring(2..=4097, 1).unwrap_err();
    let (current, secret) = (largest.current(), RootSecret([1; 32]));
    let sealed = seal_keys(&largest, &device(), &mut Frozen);
    assert_eq!(open_keys(VAULT, current, secret, &sealed).unwrap(), largest);

    // Told `told`, who has one epoch beside the first that they lack.
    let apart = |told: std::ops::RangeInclusive<u32>| ring(2..=2, 2).unwrap().take(&ring(told, 1).unwrap());
    assert_eq!(apart(2..=2047).unwrap(), Told::Apart, "2,048 in all");
    apart(2..=2048).unwrap_err();
    assert_eq!(apart(2048..=2048).unwrap(), Told::Apart, "number 2,048");
    apart(2049..=2049).unwrap_err();
}

#[test]
fn keys_objects_open_under_their_own_epoch_only() {
    let ring = ring();
    let sealed = seal_keys(&ring, &device(), &mut Frozen);
    let newest = || RootSecret([0xa3; 32]);
    assert_eq!(open_keys(VAULT, NEWEST, newest(), &sealed).unwrap(), ring);
    assert!(open_keys(VAULT, NEWEST, RootSecret([0xa2; 32]), &sealed).is_err());
    assert!(open_keys(VAULT, EPOCHS[1], newest(), &sealed).is_err());
    assert!(open_keys(VaultId([9; 16]), NEWEST, newest(), &sealed).is_err());

    let first = KeyRing::first(VAULT, EPOCHS[0], RootSecret([0xa1; 32])).unwrap();
    let empty = seal_keys(&first, &device(), &mut Frozen);
    assert!(open_keys(VAULT, EPOCHS[0], RootSecret([0xa1; 32]), &empty).is_err(), "the first epoch has none");
}

#[test]
fn codes_are_read_as_people_write_them() {
    let code = RecoveryCode([0b1000_0100; 20]);
    let text = code.reveal().to_string();
    assert_eq!((text.len(), text.split('-').count()), (44, 9));
    for written in [
        text.clone(),
        text.to_lowercase(),
        text.replace('-', ""),
        text.replace('-', " "),
        format!("\n\t {} \r\n", text.replace('-', " - ")),
        text.replace('0', "O").replace('1', "l"),
        text.replace('0', "o").replace('1', "i"),
        text.replace('1', "I").replace('1', "L"),
    ] {
        assert_eq!(RecoveryCode::parse(&written).unwrap(), code, "{written:?}");
    }
    for zeros in [RecoveryCode([0; 20]), RecoveryCode([0xff; 20])] {
        assert_eq!(RecoveryCode::parse(&zeros.reveal().replace('0', "o").replace('1', "L")).unwrap(), zeros);
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow: reads a thousand codes")]
fn a_code_with_a_slip_is_refused_by_its_checksum() {
    let text = RecoveryCode([0x5a; 20]).reveal().to_string();
    let alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    for at in (0..text.len()).filter(|at| text.as_bytes()[*at] != b'-') {
        for letter in alphabet.chars().filter(|letter| *letter != char::from(text.as_bytes()[at])) {
            let mut slip = text.clone();
            slip.replace_range(at..=at, letter.encode_utf8(&mut [0; 4]));
            let error = RecoveryCode::parse(&slip).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(error.message(), "recovery code has a typing mistake: its checksum does not match");
        }
    }
}

#[test]
fn what_is_no_code_is_refused_with_its_reason() {
    let text = RecoveryCode([0x5a; 20]).reveal().to_string();
    let cases = [
        ("", "recovery code has 0 letters and digits instead of 36".to_owned()),
        (&text[..43], "recovery code has 35 letters and digits instead of 36".to_owned()),
        ("ABCU", "recovery code has a letter it can't have, at place 4".to_owned()),
        ("é", "recovery code has a letter it can't have, at place 1".to_owned()),
        (&"0".repeat(257), "recovery code is too long: 257 bytes, at most 256".to_owned()),
    ];
    for (text, message) in cases {
        let error = RecoveryCode::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Invalid, message.as_str()));
        assert!(error.hint().is_some());
    }
}

#[test]
fn padding_has_one_form() {
    for len in (0..300).chain([4091, 4092, 4093, 8188, 8189, 100_000]) {
        let text = counting(len);
        let power = pad_to_power_of_two(&text);
        assert!(power.len().is_power_of_two() && power.len() >= 4096 && power.len() < 2 * (len + 4).max(4096));
        assert_eq!(unpad_to_power_of_two(&power).unwrap(), text);
        let padme = pad_padme(&text);
        assert_eq!(padme.len() as u64, padme_len(len as u64 + 4));
        assert_eq!(unpad_padme(&padme).unwrap(), text);
        assert!(unpad_padme(&[&padme[..], &[0]].concat()).is_err());
    }
    let padded = pad_to_power_of_two(b"text");
    let mut dirty = padded.clone();
    *dirty.last_mut().unwrap() = 1;
    let mut longer = padded.clone();
    longer[0] = 5;
    let mut huge = padded.clone();
    huge[..4].fill(0xff);
    let twice = [&padded[..], &vec![0; 4096]].concat();
    assert_eq!(unpad_to_power_of_two(&longer).unwrap(), b"text\0", "a length inside the zeros is another plaintext");
    for bad in [dirty, huge, twice, padded[..2048].to_vec(), vec![], vec![0; 3]] {
        assert_eq!(unpad_to_power_of_two(&bad).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

/// The bound that the PADMÉ paper proves: overhead below 12 %, and O(log log) bits of length shown.
#[test]
#[cfg_attr(miri, ignore = "slow: 200,000 lengths")]
fn padme_costs_little_and_hides_much() {
    let mut lengths = BTreeSet::new();
    for len in 1..200_000 {
        let padded = padme_len(len);
        assert!(padded >= len && (padded - len) * 100 <= len * 12, "{len} → {padded}");
        assert_eq!(padme_len(padded), padded, "padding again changes nothing");
        lengths.insert(padded);
    }
    assert!(lengths.len() < 300, "{} lengths", lengths.len());
}

#[test]
fn secrets_print_redacted() {
    let device = device();
    let code = RecoveryCode([0xd0; 20]);
    let opener = Opener::device(&device);
    let request = StretchRequest {
        stretching: Stretching { salt: [0; 16], params: StretchParams::default() },
        passphrase: b"hunter2".to_vec().into(),
    };
    let payload = super::slots::payload();
    let printed = [
        format!("{device:?} {:#?}", device),
        format!("{:?}", RootSecret([0xd0; 32])),
        format!("{:?} {:?}", ContentKey([0xd0; 32]), HashKey([0xd0; 32])),
        format!("{code:?}"),
        format!("{:?}", StretchedKey([0xd0; 32])),
        format!("{:?}", opener.record()),
        format!("{opener:?}"),
        format!("{request:?}"),
        format!("{payload:?}"),
        format!("{:?}", ring()),
    ];
    let revealed = code.reveal();
    for text in printed {
        for secret in ["208", "d0d0", "163", "a3a3", "161", "hunter2", "104, 117", revealed.as_str()] {
            assert!(!text.contains(secret), "{text} shows {secret}");
        }
    }
    // What is no secret shows.
    assert!(format!("{device:?}").starts_with("DeviceSecret("));
    assert!(format!("{:?}", ring()).contains(&format!("{VAULT:?}")));
    assert!(format!("{request:?}").contains(&format!("{:?}", request.stretching)));
    assert!(format!("{opener:?} {:?}", opener.record()).matches(&format!("{:?}", opener.name())).count() == 2);
}
