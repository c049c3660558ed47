//! Cutting content where its bytes say so, by a table that only the vault knows: FastCDC (Xia et al., USENIX ATC 2016).

use crate::crypto::HashKey;
use std::sync::Arc;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// No piece but content's last is shorter.
pub const CUT_BYTES_MIN: usize = 512 << 10;
/// From this length on a piece ends sooner.
const SOONER_FROM: usize = 1 << 20;
/// No piece is longer.
pub const CUT_BYTES_MAX: usize = 4 << 20;

/// Bits that must be zero where a piece ends: before [`SOONER_FROM`], and from there on.
const BITS: [u32; 2] = [21, 19];
/// Bits below depend on too few bytes; the highest would be lost where two bytes are taken at once.
const MASK_BITS: std::ops::Range<u8> = 16..63;

/// The table and the masks of one space, from its cut key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Gear {
    pub(super) table: [u64; 256],
    /// The table's numbers, each twice as great: the first of two bytes.
    doubled: [u64; 256],
    pub(super) masks: [u64; 2],
}

impl Gear {
    pub(super) fn new(key: &HashKey) -> Self {
        let mut stream = key.gear_stream();
        let table = std::array::from_fn(|_| {
            let mut number = [0; 8];
            stream.fill(&mut number);
            u64::from_le_bytes(number)
        });
        let masks = BITS.map(|bits| {
            let mut mask = 0u64;
            while mask.count_ones() < bits {
                let mut byte = [0];
                stream.fill(&mut byte);
                let place = byte[0] & 63;
                if MASK_BITS.contains(&place) {
                    mask |= 1 << place;
                }
            }
            mask
        });
        Self { table, doubled: table.map(|number| number << 1), masks }
    }

    /// Takes bytes into `hash`, up to the first behind which the mask's bits are zero; how many that were, and whether it was so.
    fn roll(&self, hash: &mut u64, bytes: &[u8], mask: u64) -> (usize, bool) {
        let mut h = *hash;
        let mut found = None;
        let (pairs, last) = bytes.as_chunks::<2>();
        for (number, [first, second]) in pairs.iter().enumerate() {
            h = (h << 2).wrapping_add(self.doubled[usize::from(*first)]);
            if h & (mask << 1) == 0 {
                found = Some(2 * number + 1);
                break;
            }
            h = h.wrapping_add(self.table[usize::from(*second)]);
            if h & mask == 0 {
                found = Some(2 * number + 2);
                break;
            }
        }
        if found.is_none() {
            for byte in last {
                h = (h << 1).wrapping_add(self.table[usize::from(*byte)]);
                if h & mask == 0 {
                    found = Some(bytes.len());
                }
            }
        }
        *hash = h;
        (found.unwrap_or(bytes.len()), found.is_some())
    }
}

impl std::fmt::Debug for Gear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gear(redacted)")
    }
}

/// Cuts one content, given in slices of any length. It keeps none of them.
#[derive(Clone, Debug)]
pub struct Cutter {
    gear: Arc<Gear>,
    hash: u64,
    /// Bytes of the piece that runs.
    len: usize,
}

impl Cutter {
    /// Stands at the content's beginning.
    pub fn new(gear: Arc<Gear>) -> Self {
        Self { gear, hash: 0, len: 0 }
    }

    /// Takes the next bytes. If a piece ends in them, how many of them are its last: give those behind again. `None`: all
    /// are of a piece that goes on, or ends with the content.
    pub fn cut(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            // The hash begins with the byte that makes the piece long enough to end.
            let (until, mask) = match self.len {
                len if len < CUT_BYTES_MIN - 1 => (CUT_BYTES_MIN - 1, None),
                len if len < SOONER_FROM - 1 => (SOONER_FROM - 1, Some(self.gear.masks[0])),
                _ => (CUT_BYTES_MAX, Some(self.gear.masks[1])),
            };
            let run = &bytes[taken..bytes.len().min(taken + until - self.len)];
            let (count, ends) = mask.map_or((run.len(), false), |mask| self.gear.roll(&mut self.hash, run, mask));
            taken += count;
            self.len += count;
            if ends || self.len == CUT_BYTES_MAX {
                (self.hash, self.len) = (0, 0);
                return Some(taken);
            }
        }
        None
    }
}
