//! What an adversary does to an answer.

use crate::random::Random;
use bytes::Bytes;

/// A way to change bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// One to eight bits are turned.
    Flipped,
    /// The end is missing.
    Truncated,
    /// Something follows.
    Extended,
    /// Another object of the vault, whole.
    Swapped,
    /// The beginning of this one, the rest of another.
    Spliced,
    /// What stood here before.
    Older,
    /// Another status, or other headers.
    Head,
}

impl Mutation {
    /// All that change a body.
    pub const BODY: [Self; 6] =
        [Self::Flipped, Self::Truncated, Self::Extended, Self::Swapped, Self::Spliced, Self::Older];

    /// Changes a body; `None` where that would change nothing. `others`: what the vault's other objects are, `older`: what
    /// stood here before.
    pub fn apply(self, body: &Bytes, others: &[Bytes], older: &[Bytes], random: &mut Random) -> Option<Bytes> {
        let changed = match self {
            Self::Flipped => flipped(body, random)?,
            Self::Truncated => body.slice(..cut(body, random)?),
            Self::Extended => extended(body, others, random),
            Self::Swapped => pick(others, random)?,
            Self::Spliced => spliced(body, &pick(others, random)?, random)?,
            Self::Older => pick(older, random)?,
            Self::Head => return None,
        };
        (changed != *body).then_some(changed)
    }
}

fn pick(from: &[Bytes], random: &mut Random) -> Option<Bytes> {
    (!from.is_empty()).then(|| from[random.below(from.len() as u64) as usize].clone())
}

/// Half of all flips are within the first 128 bytes, where headers, salts and commitments are.
fn flipped(body: &Bytes, random: &mut Random) -> Option<Bytes> {
    if body.is_empty() {
        return None;
    }
    let mut bytes = body.to_vec();
    for _ in 0..=random.below(8) {
        let near = if random.permille(500) { bytes.len().min(128) } else { bytes.len() };
        let at = random.below(near as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
    }
    Some(Bytes::from(bytes))
}

/// Where to cut: anywhere, or at a bound of a chunk of a sealed object.
fn cut(body: &Bytes, random: &mut Random) -> Option<usize> {
    const BEFORE_CHUNKS: usize = 19 + 24 + 32;
    const CHUNK: usize = 16 * 1024 + 16;
    let len = body.len();
    if len == 0 {
        return None;
    }
    let chunks = len.saturating_sub(BEFORE_CHUNKS) / CHUNK;
    if random.permille(300) {
        return Some((BEFORE_CHUNKS + random.below(chunks as u64 + 1) as usize * CHUNK).min(len - 1));
    }
    Some(random.below(len as u64) as usize)
}

fn extended(body: &Bytes, others: &[Bytes], random: &mut Random) -> Bytes {
    let mut bytes = body.to_vec();
    match pick(others, random) {
        Some(other) if random.permille(300) => bytes.extend_from_slice(&other),
        _ if random.permille(300) => bytes.extend_from_slice(&body.clone()),
        _ => bytes.extend((0..=random.below(64)).map(|_| random.bits() as u8)),
    }
    Bytes::from(bytes)
}

fn spliced(body: &Bytes, other: &Bytes, random: &mut Random) -> Option<Bytes> {
    let at = cut(body, random)?;
    let from = at.min(other.len());
    Some(Bytes::from([&body[..at], &other[from..]].concat()))
}
