//! C2SP *chunked-encryption* (<https://c2sp.org/chunked-encryption>), generic over AEAD and hash.
//!
//! A sealed message is salt(24) ‖ commitment(32) ‖ chunks: each of 16 KiB of plaintext and a tag, the last always shorter.

use chacha20poly1305::aead::{AeadInOut, Key, KeyInit, KeySizeUser, Nonce, Tag};
use hmac::Mac;
use std::iter::once;
use std::ops::Range;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub(super) const SALT_BYTES: usize = 24;
const COMMITMENT_BYTES: usize = 32;
const HEADER_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;
pub(super) const CHUNK_BYTES: usize = 16 * 1024;
const TAG_BYTES: usize = 16;
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

/// An AEAD with nonces of 12 and tags of 16 bytes, its name in IANA's registry, and the hash of HKDF-Expand.
pub(super) trait Suite {
    type Aead: AeadInOut + KeyInit;
    type Hmac: Mac + hmac::KeyInit;
    const AEAD_NAME: &str;
}

/// Suite 1 of Tidelock's envelope.
pub(super) struct ChaCha20Poly1305Sha512;

impl Suite for ChaCha20Poly1305Sha512 {
    type Aead = chacha20poly1305::ChaCha20Poly1305;
    type Hmac = hmac::Hmac<sha2::Sha512>;
    const AEAD_NAME: &str = "AEAD_CHACHA20_POLY1305";
}

/// Bytes that a message of `plaintext_len` has when sealed.
pub(super) const fn sealed_len(plaintext_len: u64) -> u64 {
    let chunks = plaintext_len / CHUNK_BYTES as u64 + 1;
    HEADER_BYTES as u64 + plaintext_len + chunks * TAG_BYTES as u64
}

/// Appends the sealed message to `out`. The salt must never repeat for another message under one key and context.
pub(super) fn seal<S: Suite>(
    key: &Key<S::Aead>,
    salt: &[u8; SALT_BYTES],
    context: &[&[u8]],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) {
    let keys = MessageKeys::derive::<S>(key, salt, context);
    let aead = keys.aead::<S>();
    out.extend_from_slice(salt);
    out.extend_from_slice(keys.commitment());
    let full = plaintext.chunks_exact(CHUNK_BYTES);
    let last = full.remainder();
    for (number, plain) in full.chain(once(last)).enumerate() {
        let start = out.len();
        out.extend_from_slice(plain);
        let tag = aead
            .encrypt_inout_detached(&keys.nonce::<S>(number), &[], (&mut out[start..]).into())
            .expect("16 KiB are far below the AEAD's limit");
        out.extend_from_slice(&tag);
    }
}

/// The plaintext; refused is anything that [`seal`] did not make with this key and context, and a plaintext of more
/// than `plaintext_max` bytes. Memory is taken only for what is really there and within the bound.
pub(super) fn open<S: Suite>(
    key: &Key<S::Aead>,
    context: &[&[u8]],
    sealed: &[u8],
    plaintext_max: u64,
) -> Result<Vec<u8>, Refused> {
    let (salt, rest) = sealed.split_first_chunk::<SALT_BYTES>().ok_or(Refused::Damaged)?;
    let (commitment, body) = rest.split_first_chunk::<COMMITMENT_BYTES>().ok_or(Refused::Damaged)?;
    let plaintext_len = plaintext_len(body.len()).ok_or(Refused::Damaged)?;
    if plaintext_len as u64 > plaintext_max {
        return Err(Refused::Damaged);
    }
    let keys = MessageKeys::derive::<S>(key, salt, context);
    if !bool::from(commitment.ct_eq(keys.commitment())) && !weakened!(CommitmentUnchecked) {
        return Err(Refused::NotThisKey);
    }
    open_chunks::<S>(&keys, 0, body)
}

/// The plaintext of some chunks in a row, whose numbers begin with `first`, by a salt that is known beforehand. Each opens at
/// its number alone; the message's commitment is not seen.
pub(super) fn open_part<S: Suite>(
    key: &Key<S::Aead>,
    salt: &[u8; SALT_BYTES],
    context: &[&[u8]],
    first: usize,
    chunks: &[u8],
) -> Result<Vec<u8>, Refused> {
    open_chunks::<S>(&MessageKeys::derive::<S>(key, salt, context), first, chunks)
}

/// Where in a sealed message the chunks are that hold these bytes of its plaintext. The last one may be shorter than is said.
pub(super) fn chunks_with(plaintext: Range<u64>) -> Range<u64> {
    let sealed = |chunks: u64| HEADER_BYTES as u64 + chunks * SEALED_CHUNK_BYTES as u64;
    sealed(plaintext.start / CHUNK_BYTES as u64)..sealed(plaintext.end.div_ceil(CHUNK_BYTES as u64))
}

fn open_chunks<S: Suite>(keys: &MessageKeys, first: usize, chunks: &[u8]) -> Result<Vec<u8>, Refused> {
    let aead = keys.aead::<S>();
    let mut out = Vec::with_capacity(chunks.len());
    for (number, sealed) in (first..).zip(chunks.chunks(SEALED_CHUNK_BYTES)) {
        let (body, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(Refused::Damaged)?;
        let start = out.len();
        out.extend_from_slice(body);
        let tag = Tag::<S::Aead>::try_from(&tag[..]).map_err(|_| Refused::Damaged)?;
        aead.decrypt_inout_detached(&keys.nonce::<S>(number), &[], (&mut out[start..]).into(), &tag)
            .map_err(|_| Refused::Damaged)?;
    }
    Ok(out)
}

/// Why a message did not open. Only a slot tells the two apart: there a wrong key is a person's slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The commitment belongs to another key, salt or context.
    NotThisKey,
    /// Impossible or too long, or a chunk fails its tag.
    Damaged,
}

/// `None` where the last chunk lacks a whole tag: each message has one, shorter than a full chunk, even if it is empty.
fn plaintext_len(chunks_len: usize) -> Option<usize> {
    let full = chunks_len / SEALED_CHUNK_BYTES;
    let last = chunks_len % SEALED_CHUNK_BYTES;
    Some(full * CHUNK_BYTES + last.checked_sub(TAG_BYTES)?)
}

const NONCE_BYTES: usize = 12;
const KEY_BYTES_MAX: usize = 32;

/// key ‖ base nonce ‖ commitment of one message.
struct MessageKeys {
    bytes: Zeroizing<[u8; KEY_BYTES_MAX + NONCE_BYTES + COMMITMENT_BYTES]>,
    key_len: usize,
}

impl MessageKeys {
    fn derive<S: Suite>(key: &Key<S::Aead>, salt: &[u8; SALT_BYTES], context: &[&[u8]]) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES_MAX + NONCE_BYTES + COMMITMENT_BYTES]);
        let key_len = <S::Aead as KeySizeUser>::key_size();
        let mut info: Vec<&[u8]> = vec![b"c2sp.org/chunked-encryption@v1+", S::AEAD_NAME.as_bytes(), &[0], salt];
        info.extend_from_slice(context);
        expand::<S::Hmac>(key, &info, &mut bytes[..key_len + NONCE_BYTES + COMMITMENT_BYTES]);
        Self { bytes, key_len }
    }

    fn aead<S: Suite>(&self) -> S::Aead {
        S::Aead::new_from_slice(&self.bytes[..self.key_len]).expect("the slice is cut to the AEAD's key size")
    }

    /// The base nonce XOR the chunk's number, big-endian. A message held in memory stays far below 2³⁸ chunks.
    fn nonce<S: Suite>(&self, number: usize) -> Nonce<S::Aead> {
        let mut nonce = Nonce::<S::Aead>::try_from(&self.bytes[self.key_len..][..NONCE_BYTES])
            .expect("every suite's nonce has 12 bytes");
        let number = if weakened!(ChunkNumberNotBound) { 0 } else { number };
        let counter = (number as u64).to_be_bytes();
        nonce[NONCE_BYTES - counter.len()..].iter_mut().zip(counter).for_each(|(byte, count)| *byte ^= count);
        nonce
    }

    fn commitment(&self) -> &[u8] {
        &self.bytes[self.key_len + NONCE_BYTES..][..COMMITMENT_BYTES]
    }
}

/// HKDF-Expand (RFC 5869 §2.3). The `hkdf` crate refuses input keys shorter than the hash, which this scheme allows.
fn expand<M: Mac + hmac::KeyInit>(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let mut block = Zeroizing::new(Vec::new());
    for (number, part) in (1u8..=u8::MAX).zip(out.chunks_mut(M::output_size())) {
        let mut mac = <M as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(&block);
        info.iter().for_each(|bytes| mac.update(bytes));
        mac.update(&[number]);
        *block = mac.finalize().into_bytes().to_vec();
        part.copy_from_slice(&block[..part.len()]);
    }
}
