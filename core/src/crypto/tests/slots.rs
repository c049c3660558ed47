//! Slots: each opener opens its own and no other, and nothing altered opens.

use super::*;
use crate::ErrorKind;

const STRETCHING: Stretching =
    Stretching { salt: [0x5a; 16], params: StretchParams { memory_kib: 19 * 1024, passes: 2, lanes: 1 } };

pub(super) fn payload() -> SlotPayload {
    SlotPayload { epoch: NEWEST, root_secret: RootSecret([0xa3; 32]), vault: VAULT, header_hash: HEADER_HASH }
}

fn stretched(passphrase: &[u8]) -> StretchedKey {
    let request = StretchRequest { stretching: STRETCHING, passphrase: passphrase.to_vec().into() };
    stretch(&request).unwrap()
}

fn code(first: u8) -> RecoveryCode {
    RecoveryCode((first..first + 20).collect::<Vec<u8>>().try_into().unwrap())
}

pub(super) fn openers() -> [(&'static str, Opener); 3] {
    [
        ("recovery", Opener::recovery(&code(100))),
        ("passphrase", Opener::passphrase(STRETCHING, &stretched(b"correct horse"))),
        ("device", Opener::device(&device())),
    ]
}

fn sealed(opener: &Opener) -> Vec<u8> {
    seal_slot(&opener.record(), &payload(), &device(), &mut Frozen).unwrap()
}

fn kind(opener: &Opener, sealed: &[u8]) -> ErrorKind {
    open_slot(opener, VAULT, HEADER_HASH, sealed).unwrap_err().kind()
}

#[test]
fn a_wrong_opener_is_told() {
    let passphrase = Opener::passphrase(STRETCHING, &stretched(b"correct horse"));
    let other = Opener::passphrase(STRETCHING, &stretched(b"battery staple"));
    assert_eq!(kind(&other, &sealed(&passphrase)), ErrorKind::WrongKey);
    // The passphrase was changed, with a new salt, since it was stretched.
    let resalted = Stretching { salt: [1; 16], ..STRETCHING };
    assert_eq!(kind(&Opener::passphrase(resalted, &stretched(b"x")), &sealed(&passphrase)), ErrorKind::WrongKey);
    // A cost that nobody sets is damage, whatever the passphrase.
    let mut altered = sealed(&passphrase);
    altered[19 + 2 + 16..][..4].copy_from_slice(&0u32.to_le_bytes());
    assert_eq!(kind(&passphrase, &altered), ErrorKind::Corrupt);
    let codes = [Opener::recovery(&code(100)), Opener::recovery(&code(101))];
    assert_eq!(kind(&codes[1], &sealed(&codes[0])), ErrorKind::WrongKey);
    assert_ne!(codes[0].name().path(), codes[1].name().path());
}

#[test]
fn a_slot_belongs_to_vault_header_epoch_and_place() {
    for (name, opener) in openers() {
        let slot = sealed(&opener);
        assert!(open_slot(&opener, VaultId([9; 16]), HEADER_HASH, &slot).is_err(), "{name}");
        assert!(open_slot(&opener, VAULT, Hash([9; 32]), &slot).is_err(), "{name}");
        for (other_name, other) in openers() {
            assert_eq!(open_slot(&other, VAULT, HEADER_HASH, &slot).is_ok(), name == other_name);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow: opens once a bit")]
fn no_flipped_bit_or_cut_slot_opens() {
    for (name, opener) in openers() {
        let slot = sealed(&opener);
        for at in 0..slot.len() {
            for bit in 0..8 {
                // X25519 ignores the top bit of a public key; HPKE binds the bytes all the same.
                let mut altered = slot.clone();
                altered[at] ^= 1 << bit;
                assert!(open_slot(&opener, VAULT, HEADER_HASH, &altered).is_err(), "{name}: byte {at}, bit {bit}");
            }
            assert!(open_slot(&opener, VAULT, HEADER_HASH, &slot[..at]).is_err(), "{name}: cut at {at}");
        }
        assert!(open_slot(&opener, VAULT, HEADER_HASH, &[&slot[..], &[0]].concat()).is_err(), "{name}: longer");
    }
}

#[test]
fn the_provider_can_make_no_slot_from_the_public_key() {
    for (_, opener) in openers() {
        let mut record = opener.record();
        record.psk[0] ^= 1;
        let forged = seal_slot(&record, &payload(), &device(), &mut Frozen).unwrap();
        assert_eq!(kind(&opener, &forged), ErrorKind::WrongKey);
    }
}

#[test]
fn a_public_key_of_small_order_is_refused() {
    let mut record = Opener::device(&device()).record();
    for small in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        record.public_key = small;
        let error = seal_slot(&record, &payload(), &device(), &mut Frozen).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn stretching_is_read_from_the_slot_and_bounded() {
    let slot = sealed(&Opener::passphrase(STRETCHING, &stretched(b"correct horse")));
    assert_eq!(stretching_of(&slot).unwrap(), STRETCHING);
    assert!(stretching_of(&sealed(&Opener::device(&device()))).is_err());
    for len in 0..19 + 2 + 28 {
        assert_eq!(stretching_of(&slot[..len]).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    let kib = 1024;
    let cases = [
        (19 * kib - 1, 2, 1),
        (256 * kib + 1, 2, 1),
        (64 * kib, 1, 1),
        (64 * kib, 5, 1),
        (64 * kib, 3, 0),
        (64 * kib, 3, 5),
        (u32::MAX, 3, 1),
        (64 * kib, u32::MAX, 1),
        (64 * kib, 3, u32::MAX),
        (0, 0, 0),
    ];
    for (memory_kib, passes, lanes) in cases {
        let params = StretchParams { memory_kib, passes, lanes };
        let mut altered = slot.clone();
        altered[19 + 2 + 16..][..4].copy_from_slice(&memory_kib.to_le_bytes());
        altered[19 + 2 + 20..][..4].copy_from_slice(&passes.to_le_bytes());
        altered[19 + 2 + 24..][..4].copy_from_slice(&lanes.to_le_bytes());
        assert_eq!(stretching_of(&altered).unwrap_err().kind(), ErrorKind::Unsupported, "{params:?}");
        let stretching = Stretching { params, ..STRETCHING };
        let request = StretchRequest { stretching, passphrase: b"x".to_vec().into() };
        assert_eq!(stretch(&request).unwrap_err().kind(), ErrorKind::Unsupported, "{params:?}");
    }
    assert!(StretchParams::default().check().is_ok());
}

#[test]
fn passphrases_are_stretched_at_the_cost_that_the_format_says() {
    // docs/format/crypto.md, "Slots": 65,536 KiB, 3 passes, 1 lane.
    assert_eq!(StretchParams::default(), StretchParams { memory_kib: 65_536, passes: 3, lanes: 1 });
}

#[test]
fn passphrases_are_bounded() {
    stretched(&[b'x'; 1024]);
    for passphrase in [vec![], vec![b'x'; 1025]] {
        let request = StretchRequest { stretching: STRETCHING, passphrase: passphrase.into() };
        assert_eq!(stretch(&request).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn records_have_one_encoding() {
    for (name, opener) in openers() {
        let bytes = borsh::to_vec(&opener.record()).unwrap();
        assert_eq!(borsh::from_slice::<SlotRecord>(&bytes).unwrap(), opener.record(), "{name}");
        assert!(borsh::from_slice::<SlotRecord>(&[&bytes[..], &[0]].concat()).is_err(), "{name}");
        assert_eq!(
            bytes[0],
            match name {
                "recovery" => 1,
                "passphrase" => 2,
                _ => 3,
            }
        );
    }
}

/// The keys that a record is refused for are those that HPKE does not seal to.
#[test]
fn a_record_is_refused_where_no_slot_can_be_sealed_from_it() {
    let near_p = |low: u8| [&[low][..], &[0xff; 30], &[0x7f]].concat().try_into().unwrap();
    let order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    let other_8 = "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157";
    let of_hex = |text: &str| -> [u8; 32] {
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn(byte)
    };
    let low = |first: u8| -> [u8; 32] { std::array::from_fn(|at| if at == 0 { first } else { 0 }) };
    let small = [low(0), low(1), near_p(0xec), near_p(0xed), near_p(0xee), of_hex(order_8), of_hex(other_8)];
    let good = [low(2), low(9), near_p(0xeb), near_p(0xef), Opener::device(&device()).record().public_key];
    for (keys, is_good) in [(&small[..], false), (&good[..], true)] {
        for key in keys {
            for highest_bit in [0, 0x80] {
                let mut public_key = *key;
                public_key[31] |= highest_bit;
                let record = SlotRecord { public_key, ..Opener::device(&device()).record() };
                assert_eq!(record.check().is_ok(), is_good, "{public_key:02x?}");
                let sealed = seal_slot(&record, &payload(), &device(), &mut Frozen);
                assert_eq!(sealed.is_ok(), is_good, "{public_key:02x?}");
            }
        }
    }
}
