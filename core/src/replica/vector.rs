//! Version vectors, dots and contexts: who had seen what, as facts.

use crate::{DeviceId, Tag};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The name of an op: its device, its number there, and the tag of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Dot {
    /// Who wrote it.
    pub device: DeviceId,
    /// Counts from 1 without gaps.
    pub n: u64,
    /// Chains over the device's ops up to this one.
    pub tag: Tag,
}

impl BorshDeserialize for Dot {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        match <(DeviceId, u64, Tag)>::deserialize_reader(reader)? {
            (device, n, tag) if n > 0 => Ok(Self { device, n, tag }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a dot without a number")),
        }
    }
}

/// How far a device's line is known: its last number and that op's tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// All ops up to this number.
    pub n: u64,
    /// The tag of op `n`.
    pub tag: Tag,
}

/// In the bucket n, tag, and a count of further lines of a forked device, which this version does not read.
impl BorshSerialize for Point {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        (self.n, self.tag, 0u8).serialize(writer)
    }
}

impl BorshDeserialize for Point {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        match <(u64, Tag, u8)>::deserialize_reader(reader)? {
            (n, tag, 0) if n > 0 => Ok(Self { n, tag }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a point without ops, or with further lines")),
        }
    }
}

/// For each device, all its ops up to a number. In the bucket: sorted by device, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vector(BTreeMap<DeviceId, Point>);

impl Vector {
    /// How far it goes for a device; 0: not at all.
    pub fn n(&self, device: DeviceId) -> u64 {
        self.0.get(&device).map_or(0, |point| point.n)
    }

    /// The point of a device.
    pub fn point(&self, device: DeviceId) -> Option<Point> {
        self.0.get(&device).copied()
    }

    /// Whether it covers an op. Every device has one line, so the number decides.
    pub fn covers(&self, dot: &Dot) -> bool {
        dot.n <= self.n(dot.device)
    }

    /// Whether it covers all that `other` covers.
    pub fn covers_all(&self, other: &Self) -> bool {
        other.0.iter().all(|(device, point)| point.n <= self.n(*device))
    }

    /// Moves a device forward; never back.
    pub fn raise(&mut self, device: DeviceId, point: Point) {
        let known = self.0.entry(device).or_default();
        if point.n > known.n {
            *known = point;
        }
    }

    /// Covers what either covered.
    pub fn join(&mut self, other: &Self) {
        for (device, point) in &other.0 {
            self.raise(*device, *point);
        }
    }

    /// The entries that go beyond `other`.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|(device, point)| point.n > other.n(**device)).map(|(d, p)| (*d, *p)).collect())
    }

    /// The entries, by device.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceId, Point)> + '_ {
        self.0.iter().map(|(device, point)| (*device, *point))
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of devices in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<(DeviceId, Point)> for Vector {
    fn from_iter<I: IntoIterator<Item = (DeviceId, Point)>>(points: I) -> Self {
        let mut vector = Self::default();
        points.into_iter().for_each(|(device, point)| vector.raise(device, point));
        vector
    }
}

/// What a write had seen beyond its vector: normally nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Context {
    /// Whole prefixes beyond the vector.
    pub vector: Vector,
    /// Single ops beyond the vector.
    pub dots: BTreeSet<Dot>,
}

impl Context {
    /// Whether it covers an op.
    pub fn covers(&self, dot: &Dot) -> bool {
        self.vector.covers(dot) || self.dots.contains(dot)
    }

    /// Covers what either covered.
    pub fn join(&mut self, other: &Self) {
        self.vector.join(&other.vector);
        self.dots.extend(other.dots.iter().copied());
    }

    /// Drops what `prefix` covers, and dots that the own vector covers.
    pub fn shrink(&mut self, prefix: &Vector) {
        if self.is_empty() {
            return;
        }
        self.vector = self.vector.beyond(prefix);
        let vector = &self.vector;
        self.dots.retain(|dot| !prefix.covers(dot) && !vector.covers(dot));
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.vector.is_empty() && self.dots.is_empty()
    }
}
