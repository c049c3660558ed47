//! Version vectors, dots and contexts: who had seen what, as facts.

use super::Forks;
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

/// How far a line is known: its last number and that op's tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Point {
    /// All ops up to this number.
    pub n: u64,
    /// The tag of op `n`.
    pub tag: Tag,
}

impl BorshDeserialize for Point {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        match <(u64, Tag)>::deserialize_reader(reader)? {
            (n, tag) if n > 0 => Ok(Self { n, tag }),
            _ => Err(invalid("a point without ops")),
        }
    }
}

/// A further line of a forked device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Further {
    /// How far the line is known.
    pub point: Point,
    /// It shares its ops up to this one, and no more, with the device's first line.
    pub fork: u64,
}

/// A device's entry: the greatest point of its lines, and its further ones, rising.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    first: Point,
    further: Vec<Further>,
}

impl BorshSerialize for Entry {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.first.serialize(writer)?;
        u8::try_from(self.further.len()).map_err(|_| invalid("too many lines"))?.serialize(writer)?;
        self.further.iter().try_for_each(|further| further.serialize(writer))
    }
}

impl BorshDeserialize for Entry {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let first = Point::deserialize_reader(reader)?;
        let count = u8::deserialize_reader(reader)?;
        let further = (0..count).map(|_| Further::deserialize_reader(reader)).collect::<io::Result<Vec<_>>>()?;
        let rises = further.windows(2).all(|pair| pair[0].point < pair[1].point);
        let part = further.iter().all(|further| further.point < first && further.fork < further.point.n);
        if rises && part {
            Ok(Self { first, further })
        } else {
            Err(invalid("lines that do not part, or out of order"))
        }
    }
}

impl Entry {
    fn points(&self) -> impl Iterator<Item = Point> {
        std::iter::once(self.first).chain(self.further.iter().map(|further| further.point))
    }

    /// The entry of these points, of which at least one is given: those that others of them reach are left out.
    fn of(device: DeviceId, mut points: Vec<Point>, forks: &Forks) -> Option<Self> {
        points.sort_unstable();
        points.dedup();
        let reached = |at: usize| {
            points[at + 1..].iter().any(|later| forks.reaches(device, *later, points[at].n, points[at].tag))
        };
        let mut ends: Vec<Point> = (0..points.len()).filter(|at| !reached(*at)).map(|at| points[at]).collect();
        let first = ends.pop()?;
        // More lines than an entry has room for are a forger's. What is left out counts as not known.
        ends.drain(..ends.len().saturating_sub(usize::from(u8::MAX)));
        let further =
            ends.into_iter().map(|point| Further { point, fork: forks.shared(device, first, point) }).collect();
        Some(Self { first, further })
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// For each device, all its ops up to a number, on each of its lines. In the bucket: sorted by device, each once.
///
/// What an op's number alone does not tell, [`Forks`] does: they are empty as long as every device has one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vector(BTreeMap<DeviceId, Entry>);

impl Vector {
    /// How far it goes for a device, on its longest line; 0: not at all.
    pub fn n(&self, device: DeviceId) -> u64 {
        self.0.get(&device).map_or(0, |entry| entry.first.n)
    }

    /// The greatest point of a device.
    pub fn point(&self, device: DeviceId) -> Option<Point> {
        self.0.get(&device).map(|entry| entry.first)
    }

    /// Whether it names more than one line of any device.
    pub fn has_further(&self) -> bool {
        self.0.values().any(|entry| !entry.further.is_empty())
    }

    /// The further lines of a device.
    pub fn further(&self, device: DeviceId) -> &[Further] {
        self.0.get(&device).map_or(&[], |entry| &entry.further)
    }

    /// Where each line of a device ends.
    pub(crate) fn points(&self, device: DeviceId) -> impl Iterator<Item = Point> {
        self.0.get(&device).into_iter().flat_map(Entry::points)
    }

    /// Whether it covers an op.
    pub fn covers(&self, dot: &Dot, forks: &Forks) -> bool {
        self.has(dot.device, Point { n: dot.n, tag: dot.tag }, forks)
    }

    fn has(&self, device: DeviceId, op: Point, forks: &Forks) -> bool {
        self.points(device).any(|point| forks.reaches(device, point, op.n, op.tag))
    }

    /// Whether it covers all that `other` covers.
    pub fn covers_all(&self, other: &Self, forks: &Forks) -> bool {
        other.0.iter().all(|(device, entry)| entry.points().all(|point| self.has(*device, point, forks)))
    }

    /// Covers a device's line up to a point too.
    pub fn raise(&mut self, device: DeviceId, point: Point, forks: &Forks) {
        match self.0.get_mut(&device) {
            None => {
                self.0.insert(device, Entry { first: point, further: Vec::new() });
            }
            Some(entry) if forks.of(device).is_none() && entry.further.is_empty() => {
                if point.n > entry.first.n {
                    entry.first = point;
                }
            }
            Some(entry) => {
                if let Some(joined) = Entry::of(device, entry.points().chain([point]).collect(), forks) {
                    *entry = joined;
                }
            }
        }
    }

    /// Covers what either covered.
    pub fn join(&mut self, other: &Self, forks: &Forks) {
        for (device, entry) in &other.0 {
            match self.0.get(device) {
                None => {
                    self.0.insert(*device, entry.clone());
                }
                Some(_) => entry.points().for_each(|point| self.raise(*device, point, forks)),
            }
        }
    }

    /// The entries that go beyond `other`.
    #[must_use]
    pub fn beyond(&self, other: &Self, forks: &Forks) -> Self {
        let goes =
            |(device, entry): &(&DeviceId, &Entry)| !entry.points().all(|point| other.has(**device, point, forks));
        Self(self.0.iter().filter(goes).map(|(device, entry)| (*device, entry.clone())).collect())
    }

    /// Writes the entry of a vector's one device, without the device.
    pub(super) fn serialize_lines<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.values().try_for_each(|entry| entry.serialize(writer))
    }

    /// Reads what [`Self::serialize_lines`] wrote; [`Self::of_device`] says whose it is.
    pub(super) fn deserialize_lines<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Self(BTreeMap::from([(DeviceId([0; 16]), Entry::deserialize_reader(reader)?)])))
    }

    /// The one entry, as a device's.
    pub(super) fn of_device(self, device: DeviceId) -> Self {
        Self(self.0.into_values().map(|entry| (device, entry)).collect())
    }

    /// Takes a device's entry as it stands in another vector.
    pub(super) fn insert(&mut self, entry: Self) {
        self.0.extend(entry.0);
    }

    /// The entries of all devices but one.
    #[must_use]
    pub(crate) fn without(mut self, device: DeviceId) -> Self {
        self.0.remove(&device);
        self
    }

    /// The greatest points, by device.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceId, Point)> + '_ {
        self.0.iter().map(|(device, entry)| (*device, entry.first))
    }

    /// Every entry by itself.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (DeviceId, Self)> + '_ {
        self.0.iter().map(|(device, entry)| (*device, Self(BTreeMap::from([(*device, entry.clone())]))))
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

/// Devices with one line each.
impl FromIterator<(DeviceId, Point)> for Vector {
    fn from_iter<I: IntoIterator<Item = (DeviceId, Point)>>(points: I) -> Self {
        let mut vector = Self::default();
        points.into_iter().for_each(|(device, point)| vector.raise(device, point, &Forks::default()));
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
    pub fn covers(&self, dot: &Dot, forks: &Forks) -> bool {
        self.vector.covers(dot, forks) || self.dots.contains(dot)
    }

    /// Covers what either covered.
    pub fn join(&mut self, other: &Self, forks: &Forks) {
        self.vector.join(&other.vector, forks);
        self.dots.extend(other.dots.iter().copied());
    }

    /// Drops what `prefix` covers, and dots that the own vector covers.
    pub fn shrink(&mut self, prefix: &Vector, forks: &Forks) {
        if self.is_empty() {
            return;
        }
        self.vector = self.vector.beyond(prefix, forks);
        let vector = &self.vector;
        self.dots.retain(|dot| !prefix.covers(dot, forks) && !vector.covers(dot, forks));
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.vector.is_empty() && self.dots.is_empty()
    }
}
