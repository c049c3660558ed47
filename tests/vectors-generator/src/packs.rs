//! docs/format/packs.md, the writer's side: ids, bodies and cuts.

use crate::bytes::{Id, count, join};
use crate::case::hex;
use crate::sealing::{derive, keyed, labelled};

/// Content, a list, a tree chunk: kinds of pieces.
pub(crate) const CONTENT: u8 = 1;
pub(crate) const LIST: u8 = 2;
pub(crate) const TREE_CHUNK: u8 = 3;

/// Classes by number.
pub(crate) const CLASSES: [(u8, &str); 3] = [(1, "att"), (2, "data"), (3, "tree")];

/// A key of the space's content.
pub(crate) fn key(label: &str, first_root: &[u8; 32], vault: Id, space: Id) -> [u8; 32] {
    derive(first_root, label, &[vault, space].concat())
}

pub(crate) fn path(space: Id, class: &str, device: Id, id: Id) -> String {
    format!("spaces/{}/blobs/{class}/{}/{}", hex(space), hex(device), hex(id))
}

/// A piece as its directory tells it, and its stored bytes.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) kind: u8,
    pub(crate) id: [u8; 32],
    pub(crate) stored: u32,
    pub(crate) inflated: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Piece {
    /// Stored as it is.
    pub(crate) fn plain(kind: u8, key: &[u8; 32], plaintext: &[u8]) -> Self {
        Self { kind, id: keyed(key, plaintext), stored: len(plaintext), inflated: 0, bytes: plaintext.to_vec() }
    }

    /// Stored as these bytes, which should inflate to the plaintext.
    pub(crate) fn squeezed(kind: u8, key: &[u8; 32], plaintext: &[u8], zstd: Vec<u8>) -> Self {
        Self { kind, id: keyed(key, plaintext), stored: len(&zstd), inflated: len(plaintext), bytes: zstd }
    }

    fn held(&self) -> Vec<u8> {
        join(&[&[self.kind], &self.id, &self.stored.to_le_bytes(), &self.inflated.to_le_bytes()])
    }
}

/// A directory with as many pieces as it says.
pub(crate) fn directory(pieces: &[Piece]) -> Vec<u8> {
    join(&[&count(pieces.len()), &pieces.iter().map(Piece::held).collect::<Vec<_>>().concat()])
}

/// A body with a directory of one's own.
pub(crate) fn body_with(pieces: &[Piece], directory: &[u8]) -> Vec<u8> {
    let bytes: Vec<&[u8]> = pieces.iter().map(|piece| &piece.bytes[..]).collect();
    join(&[&bytes.concat(), directory, &count(directory.len())])
}

pub(crate) fn body(pieces: &[Piece]) -> Vec<u8> {
    body_with(pieces, &directory(pieces))
}

/// One zstd frame of a byte again and again, in blocks of that form (RFC 8878, 3.1.1.2).
pub(crate) fn run_zstd(byte: u8, len: usize) -> Vec<u8> {
    let mut out = join(&[&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], &count(len)]);
    let mut left = len;
    while left > 0 {
        let block = left.min(128 << 10);
        left -= block;
        let header = (block as u32) << 3 | 1 << 1 | u32::from(left == 0);
        out.extend_from_slice(&header.to_le_bytes()[..3]);
        out.push(byte);
    }
    out
}

/// The gear table and both masks.
pub(crate) struct Gear {
    pub(crate) table: Vec<u64>,
    pub(crate) early: u64,
    pub(crate) late: u64,
}

pub(crate) fn gear(cut_key: &[u8; 32]) -> Gear {
    let mut stream = blake3::Hasher::new_keyed(cut_key).update(&labelled("gear", b"")).finalize_xof();
    let mut table = Vec::new();
    for _ in 0..256 {
        let mut number = [0; 8];
        stream.fill(&mut number);
        table.push(u64::from_le_bytes(number));
    }
    let mut mask = |bits| {
        let mut mask = 0u64;
        while mask.count_ones() < bits {
            let mut byte = [0];
            stream.fill(&mut byte);
            if let place @ 16..=62 = byte[0] % 64 {
                mask |= 1 << place;
            }
        }
        mask
    };
    Gear { table, early: mask(21), late: mask(19) }
}

/// The pieces' lengths, byte by byte.
pub(crate) fn cuts(gear: &Gear, content: &[u8]) -> Vec<u64> {
    let mut lengths = Vec::new();
    let (mut n, mut h) = (0u64, 0u64);
    for byte in content {
        n += 1;
        let mut ends = n == 4_194_304;
        if n >= 524_288 {
            h = h.wrapping_mul(2).wrapping_add(gear.table[usize::from(*byte)]);
            ends |= h & (if n < 1_048_576 { gear.early } else { gear.late }) == 0;
        }
        if ends {
            lengths.push(n);
            (n, h) = (0, 0);
        }
    }
    if n > 0 {
        lengths.push(n);
    }
    lengths
}

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("no piece is that long")
}
