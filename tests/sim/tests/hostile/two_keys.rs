//! Ciphertexts that open under two keys (Len, Grubbs and Ristenpart 2021; Dodis and others 2018): made here for
//! ChaCha20-Poly1305, and stopped by the commitment alone.

use crate::Outcome;
use hmac::Mac;
use tidelock_core::EpochId;
use tidelock_core::crypto::{ContentKey, KeyRing, ObjectKind, Place, RootSecret, open};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;

const BLOCKS: usize = 6;

pub(crate) fn class() -> Outcome {
    let world = World::with_devices(51, 1);
    let mut insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    let epoch = insider.keys.current();
    let vault = insider.vault;
    let mut ring = |what: &[u8]| {
        let secret = insider.secret.clone();
        let root = RootSecret::generate(&secret, insider.random(), what);
        KeyRing::first(vault, epoch, root).expect("a first epoch")
    };
    let rings = [ring(b"one"), ring(b"two")];
    let path = format!("spaces/{}/beacon", insider.space);
    let place = Place { vault, kind: ObjectKind::Beacon, epoch, path: &path };
    let keys = rings.each_ref().map(|ring| ring.content_key(epoch, insider.space).expect("its epoch"));
    let derived = rings.each_ref().map(|ring| MessageKeys::new(ring, &insider, epoch, &path));
    let body = collide(&derived, insider.random());
    for which in 0..2 {
        let sealed = [&clear_header(epoch)[..], &SALT, &derived[which].commitment, &body].concat();
        let opened = keys.each_ref().map(|key: &ContentKey| open(key, &place, &sealed, 1 << 20).is_ok());
        ensure!(opened[which], "the forged object does not even open under its own key: the test proves nothing");
        ensure!(opened != [true, true], "one object opens under two keys");
    }
    Ok(())
}

const SALT: [u8; 24] = [0x5a; 24];

fn clear_header(epoch: EpochId) -> Vec<u8> {
    [&b"TDLK\x01\x03\x01"[..], &epoch.number.to_le_bytes(), &epoch.id].concat()
}

/// Key, base nonce and commitment of one message, from docs/format/crypto.md.
struct MessageKeys {
    key: [u8; 32],
    nonce: [u8; 12],
    commitment: [u8; 32],
}

impl MessageKeys {
    fn new(ring: &KeyRing, insider: &Insider, epoch: EpochId, path: &str) -> Self {
        let bytes = ring.to_bytes();
        let root: &[u8] = &bytes[16 + 4 + 12..][..32];
        let mut content = [0; 32];
        let info = [&b"tidelock/v1/content\0"[..], &insider.vault.0, &insider.space.0].concat();
        hkdf::Hkdf::<sha2::Sha512>::new(None, root).expand(&info, &mut content).expect("32 bytes");
        let name = b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0";
        let info = [&name[..], &SALT, &clear_header(epoch), &insider.vault.0, path.as_bytes()].concat();
        let mut out = Vec::new();
        let mut block = Vec::new();
        for number in 1..=2u8 {
            let mut mac = <hmac::Hmac<sha2::Sha512> as hmac::KeyInit>::new_from_slice(&content).expect("any length");
            mac.update(&block);
            mac.update(&info);
            mac.update(&[number]);
            block = mac.finalize().into_bytes().to_vec();
            out.extend_from_slice(&block);
        }
        let part = |from: usize, to: usize| out[from..to].to_vec();
        Self {
            key: part(0, 32).try_into().expect("32"),
            nonce: part(32, 44).try_into().expect("12"),
            commitment: part(44, 76).try_into().expect("32"),
        }
    }

    /// Poly1305's r and s: the first half of ChaCha20's block 0.
    fn poly(&self) -> (Number, u128) {
        let block = chacha20_block(&self.key, &self.nonce);
        let r = u128::from_le_bytes(block[..16].try_into().expect("16")) & 0x0ffffffc_0ffffffc_0ffffffc_0fffffff;
        (Number::from(r), u128::from_le_bytes(block[16..32].try_into().expect("16")))
    }
}

/// Blocks of ciphertext and one tag that is right under both keys: two of the blocks solve the two equations.
fn collide(keys: &[MessageKeys; 2], random: &mut Random) -> Vec<u8> {
    let polys = keys.each_ref().map(MessageKeys::poly);
    let lengths = u128::from(BLOCKS as u64 * 16) << 64;
    loop {
        let bits = |random: &mut Random| u128::from(random.bits()) << 64 | u128::from(random.bits());
        let tag = bits(random);
        let free: Vec<u128> = (0..BLOCKS - 2).map(|_| bits(random)).collect();
        // For each key: b4·r³ + b5·r² = tag − s − (all other blocks).
        let sides = polys.each_ref().map(|(r, s)| {
            let before = free.iter().fold(Number::ZERO, |sum, block| sum.add(Number::block(*block)).mul(*r));
            let others = before.mul(r.mul(*r)).mul(*r).add(Number::block(lengths).mul(*r));
            Number::from(tag.wrapping_sub(*s)).sub(others)
        });
        let squares = polys.each_ref().map(|(r, _)| r.mul(*r));
        let cubes = [squares[0].mul(polys[0].0), squares[1].mul(polys[1].0)];
        let determinant = cubes[0].mul(squares[1]).sub(cubes[1].mul(squares[0])).inverse();
        let first = sides[0].mul(squares[1]).sub(sides[1].mul(squares[0])).mul(determinant);
        let second = cubes[0].mul(sides[1]).sub(cubes[1].mul(sides[0])).mul(determinant);
        // A whole block has 2¹²⁸ added: one solution in sixteen is two blocks.
        if let (Some(first), Some(second)) = (first.as_block(), second.as_block()) {
            let blocks = free.iter().chain([&first, &second]).flat_map(|block| block.to_le_bytes());
            return blocks.chain(tag.to_le_bytes()).collect();
        }
    }
}

/// A number modulo 2¹³⁰ − 5, lowest word first. Slow and simple.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Number([u64; 3]);

impl From<u128> for Number {
    fn from(value: u128) -> Self {
        Self([value as u64, (value >> 64) as u64, 0])
    }
}

impl Number {
    const ZERO: Self = Self([0; 3]);
    const PRIME: Self = Self([u64::MAX - 4, u64::MAX, 3]);

    fn block(value: u128) -> Self {
        Self([value as u64, (value >> 64) as u64, 1])
    }

    fn as_block(self) -> Option<u128> {
        (self.0[2] == 1).then(|| u128::from(self.0[1]) << 64 | u128::from(self.0[0]))
    }

    fn is_less(self, other: Self) -> bool {
        self.0.iter().rev().lt(other.0.iter().rev())
    }

    fn plain_sub(self, other: Self) -> Self {
        let mut borrow = false;
        Self(std::array::from_fn(|at| {
            let (some, first) = self.0[at].overflowing_sub(other.0[at]);
            let (less, second) = some.overflowing_sub(u64::from(borrow));
            borrow = first || second;
            less
        }))
    }

    fn add(self, other: Self) -> Self {
        let mut carry = false;
        let sum = Self(std::array::from_fn(|at| {
            let (some, first) = self.0[at].overflowing_add(other.0[at]);
            let (more, second) = some.overflowing_add(u64::from(carry));
            carry = first || second;
            more
        }));
        if sum.is_less(Self::PRIME) { sum } else { sum.plain_sub(Self::PRIME) }
    }

    fn sub(self, other: Self) -> Self {
        if other.is_less(self) || other == self {
            self.plain_sub(other)
        } else {
            Self::PRIME.plain_sub(other).add(self)
        }
    }

    fn mul(self, other: Self) -> Self {
        (0..192).rev().fold(Self::ZERO, |sum, bit| {
            let doubled = sum.add(sum);
            if other.0[bit / 64] >> (bit % 64) & 1 == 1 { doubled.add(self) } else { doubled }
        })
    }

    /// By Fermat: to the power of the prime less 2.
    fn inverse(self) -> Self {
        let exponent = Self::PRIME.plain_sub(Self([2, 0, 0]));
        (0..130).rev().fold(Self([1, 0, 0]), |power, bit| {
            let squared = power.mul(power);
            if exponent.0[bit / 64] >> (bit % 64) & 1 == 1 { squared.mul(self) } else { squared }
        })
    }
}

/// Block 0 of ChaCha20 (RFC 8439, section 2.3).
fn chacha20_block(key: &[u8; 32], nonce: &[u8; 12]) -> [u8; 64] {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[4 * at..4 * at + 4].try_into().expect("4"));
    let mut start = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    (0..8).for_each(|at| start[4 + at] = word(key, at));
    (0..3).for_each(|at| start[13 + at] = word(nonce, at));
    let mut state = start;
    let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
        for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
            state[x] = state[x].wrapping_add(state[y]);
            state[z] = (state[z] ^ state[x]).rotate_left(turn);
        }
    };
    for _ in 0..10 {
        (0..4).for_each(|at| quarter(at, 4 + at, 8 + at, 12 + at));
        (0..4).for_each(|at| quarter(at, 4 + (at + 1) % 4, 8 + (at + 2) % 4, 12 + (at + 3) % 4));
    }
    let mut out = [0; 64];
    for at in 0..16 {
        out[4 * at..4 * at + 4].copy_from_slice(&state[at].wrapping_add(start[at]).to_le_bytes());
    }
    out
}
