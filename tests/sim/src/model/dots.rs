//! Sets of op names, small enough for exhaustive random search: at most 63 ops a device.

use std::ops::BitOr;

/// The most devices a schedule has.
pub const DEVICES: usize = 5;

/// The greatest op number a device may use.
pub const MAX_N: u8 = 60;

/// The name of an op: its device and its number, which starts at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dot {
    /// The index of the device that wrote the op.
    pub device: usize,
    /// The op's number among that device's ops.
    pub n: u8,
}

/// A set of dots. A version vector is one whose numbers run from 1 without a gap; a context may have any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dots([u64; DEVICES]);

impl Dots {
    /// The set of one dot.
    pub fn one(dot: Dot) -> Self {
        let mut set = Self::default();
        set.add(dot);
        set
    }

    /// Adds one dot.
    pub fn add(&mut self, dot: Dot) {
        self.0[dot.device] |= 1 << dot.n;
    }

    /// Whether the dot is in the set.
    pub fn covers(&self, dot: Dot) -> bool {
        self.0[dot.device] >> dot.n & 1 == 1
    }

    /// Whether every dot of `other` is in the set.
    pub fn includes(&self, other: &Self) -> bool {
        other.less(self).is_empty()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&bits| bits == 0)
    }

    /// What is in the set and not in `other`.
    pub fn less(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|d| self.0[d] & !other.0[d]))
    }

    /// The number up to which a device's ops are in the set without a gap; 0 for none.
    pub fn reach(&self, device: usize) -> u8 {
        (!(self.0[device] >> 1)).trailing_zeros() as u8
    }

    /// The part without gaps: what a device may state as its version vector.
    pub fn prefix(&self) -> Self {
        Self(std::array::from_fn(|d| up_to(self.reach(d))))
    }

    /// Every number up to the greatest of each device: what a device with gaps must *not* state.
    pub fn filled(&self) -> Self {
        Self(self.0.map(|bits| up_to(63 - (bits | 1).leading_zeros() as u8)))
    }
}

impl BitOr for Dots {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(std::array::from_fn(|d| self.0[d] | other.0[d]))
    }
}

/// The bits of the numbers 1 to `n`.
fn up_to(n: u8) -> u64 {
    ((1u64 << n) - 1) << 1
}

impl std::fmt::Display for Dots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut gap = "";
        for (device, bits) in self.0.iter().enumerate() {
            for n in (1..64).filter(|n| bits >> n & 1 == 1) {
                write!(f, "{gap}{}{n}", name(device))?;
                gap = " ";
            }
        }
        if gap.is_empty() { write!(f, "-") } else { Ok(()) }
    }
}

impl std::fmt::Display for Dot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", name(self.device), self.n)
    }
}

/// The letter of a device in traces.
pub(super) fn name(device: usize) -> char {
    (b'A' + device as u8) as char
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stops_at_the_first_gap() {
        let mut set = Dots::default();
        for n in [1, 2, 4] {
            set.add(Dot { device: 1, n });
        }
        assert_eq!(set.reach(1), 2);
        assert_eq!(set.to_string(), "B1 B2 B4");
        assert_eq!(set.prefix().to_string(), "B1 B2");
        assert_eq!(set.filled().to_string(), "B1 B2 B3 B4");
        assert_eq!(set.less(&set.prefix()).to_string(), "B4");
        assert!(set.includes(&set.prefix()) && !set.prefix().includes(&set));
    }
}
