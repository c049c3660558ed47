//! Lines: what one store writes under an id. A store that was copied, or restored from a backup, goes on under the same id
//! in two ways; both lines share their ops up to a fork, and no tag beyond it.

use super::Point;
use crate::{DeviceId, Tag};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::io;

/// The lines of a device that has forked, or may have: its store has left it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Fork {
    /// All lines share the ops up to this one.
    trunk: u64,
    /// The tag of op `trunk`.
    before: Tag,
    /// Each line's tags from op `trunk + 1` on; zeros stand for a tag that is not known. No line is another's beginning.
    lines: Vec<Vec<Tag>>,
}

impl BorshDeserialize for Fork {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (trunk, before, lines) = <(u64, Tag, Vec<Vec<Tag>>)>::deserialize_reader(reader)?;
        if !(1..=LINES_MAX).contains(&lines.len()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no line, or more than a vector can name"));
        }
        let longest = lines.iter().map(Vec::len).max().unwrap_or_default() as u64;
        let parts = lines.iter().enumerate().all(|(at, line)| lines[..at].iter().all(|other| !begins(line, other)));
        if !parts || trunk.checked_add(1 + longest).is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "lines that do not part, or impossible numbers"));
        }
        Ok(Self { trunk, before, lines })
    }
}

/// The most lines of a device: a vector's entry counts its further ones in a byte.
const LINES_MAX: usize = 256;

/// Whether one of two lines is the beginning of the other, as far as both are known.
fn begins(one: &[Tag], other: &[Tag]) -> bool {
    one.iter().zip(other).all(|(a, b)| a == b || *a == UNKNOWN || *b == UNKNOWN)
}

/// How far two lines are the same ops, by the last tag that both have.
fn same(one: &[Tag], other: &[Tag]) -> usize {
    one.iter().zip(other).rposition(|(a, b)| a == b && *a != UNKNOWN).map_or(0, |at| at + 1)
}

/// Stands for a tag that is not known.
pub(crate) const UNKNOWN: Tag = Tag([0; 8]);

impl Fork {
    /// Lines beyond op `trunk`.
    pub(crate) fn new(trunk: Point, lines: Vec<Vec<Tag>>) -> Self {
        Self { trunk: trunk.n, before: trunk.tag, lines }
    }

    /// The lines known here and those that another device tells of. `mine` gives the tags of trunk ops, as far as they are
    /// known. `None`: where they part can't be told, or there are too many.
    pub(crate) fn join(&self, other: &Self, mine: impl Fn(u64) -> Option<Tag>) -> Option<Self> {
        let mut joined = self.clone();
        if other.trunk < joined.trunk {
            if mine(other.trunk).is_some_and(|tag| tag != other.before) {
                return None; // they part lower still
            }
            // They part lower: what was trunk here belongs to each line.
            let between: Vec<Tag> = (other.trunk + 1..=joined.trunk).map(|n| mine(n).unwrap_or(UNKNOWN)).collect();
            joined.lines.iter_mut().for_each(|line| *line = [between.as_slice(), line].concat());
            (joined.trunk, joined.before) = (other.trunk, other.before);
        }
        for line in &other.lines {
            let shared = if other.trunk == joined.trunk {
                if other.before != joined.before {
                    return None;
                }
                Vec::new()
            } else {
                let at = (0..joined.lines.len()).find(|line| joined.is_on(*line, other.trunk, other.before))?;
                joined.lines[at][..usize::try_from(other.trunk - joined.trunk).ok()?].to_vec()
            };
            if !joined.insert([shared, line.clone()].concat()) {
                return None;
            }
        }
        Some(joined)
    }

    /// Adds a line, given by its tags beyond the trunk: one that begins it or that it begins becomes the longer of both.
    /// False: it has as many lines as a vector can name.
    #[must_use]
    pub(crate) fn insert(&mut self, tags: Vec<Tag>) -> bool {
        let full = self.lines.len() == LINES_MAX;
        // Of several that it may be, the one whose tags it shares furthest: tags rest on those before them.
        match self.lines.iter_mut().filter(|line| begins(line, &tags)).max_by_key(|line| same(line, &tags)) {
            Some(line) => {
                for (known, told) in line.iter_mut().zip(&tags).filter(|(known, _)| **known == UNKNOWN) {
                    *known = *told;
                }
                if tags.len() > line.len() {
                    line.extend_from_slice(&tags[line.len()..]);
                }
            }
            None if full => return false,
            None => self.lines.push(tags),
        }
        true
    }

    /// Adds ops that are applied beyond a gap: to the line that has the op before them, or to the only one, if that ends in
    /// the gap. Elsewhere they stay out: which line they are on can't be told.
    pub(crate) fn insert_island(&mut self, island: &Island) {
        let before = Point { n: island.from - 1, tag: island.before };
        let gap = self.lines.first().filter(|_| !self.parts()).and_then(|line| {
            let unknown = usize::try_from(before.n.checked_sub(self.trunk + 1)?).ok().filter(|n| *n >= line.len())?;
            let mut line = line.clone();
            line.resize(unknown, UNKNOWN);
            line.push(before.tag);
            Some(line)
        });
        if let Some(line) = self.up_to(before).or(gap) {
            // A line too many is one that a vector could not name either.
            let _ = self.insert([line, island.tags.clone()].concat());
        }
    }

    /// Whether there is more than one line.
    pub(crate) fn parts(&self) -> bool {
        self.lines.len() > 1
    }

    /// The tags, beyond the trunk, of the line that op is on, up to it.
    pub(crate) fn up_to(&self, op: Point) -> Option<Vec<Tag>> {
        let line = self.lines_with(op).next()?;
        let shared = usize::try_from(op.n.checked_sub(self.trunk)?).ok()?;
        self.lines[line].get(..shared).map(<[Tag]>::to_vec)
    }

    /// The op that all lines follow.
    pub(crate) fn before(&self) -> Point {
        Point { n: self.trunk, tag: self.before }
    }

    fn at(&self, line: usize, n: u64) -> Option<Tag> {
        let index = usize::try_from(n.checked_sub(self.trunk + 1)?).ok()?;
        self.lines[line].get(index).copied()
    }

    /// Whether op (n, tag) is on a line. Where a line's tag is not known, any tag is its that is no other line's.
    pub(crate) fn is_on(&self, line: usize, n: u64, tag: Tag) -> bool {
        match self.at(line, n) {
            None => n <= self.trunk,
            Some(tag_here) if tag_here == UNKNOWN => (0..self.lines.len()).all(|other| self.at(other, n) != Some(tag)),
            Some(known) => known == tag,
        }
    }

    fn lines_with(&self, point: Point) -> impl Iterator<Item = usize> {
        (0..self.lines.len()).filter(move |line| self.is_on(*line, point.n, point.tag))
    }

    fn reaches(&self, tip: Point, n: u64, tag: Tag) -> bool {
        n <= self.trunk || self.lines_with(tip).any(|line| self.is_on(line, n, tag))
    }
}

/// Consecutive ops of a device that are applied, though what they follow is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub(crate) struct Island {
    /// The first op.
    pub(crate) from: u64,
    /// The tag of op `from − 1`.
    pub(crate) before: Tag,
    /// The tags of its ops; at least one.
    pub(crate) tags: Vec<Tag>,
}

impl BorshDeserialize for Island {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (from, before, tags) = <(u64, Tag, Vec<Tag>)>::deserialize_reader(reader)?;
        if from < 2 || tags.is_empty() || from.checked_add(tags.len() as u64).is_none() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an island without ops, or with impossible numbers",
            ));
        }
        Ok(Self { from, before, tags })
    }
}

impl Island {
    /// Its last op.
    pub(crate) fn end(&self) -> Point {
        Point { n: self.from - 1 + self.tags.len() as u64, tag: self.tags.last().copied().unwrap_or_default() }
    }

    /// Whether it holds op (n, tag).
    pub(crate) fn has(&self, n: u64, tag: Tag) -> bool {
        let at = n.checked_sub(self.from).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.tags.get(at)) == Some(&tag)
    }
}

/// All devices that are known to have forked, and their lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forks(BTreeMap<DeviceId, Fork>);

impl Forks {
    /// The lines of a device, if it has more than one.
    pub(crate) fn of(&self, device: DeviceId) -> Option<&Fork> {
        self.0.get(&device)
    }

    pub(crate) fn of_mut(&mut self, device: DeviceId) -> Option<&mut Fork> {
        self.0.get_mut(&device)
    }

    pub(crate) fn insert(&mut self, device: DeviceId, fork: Fork) {
        self.0.insert(device, fork);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DeviceId, &Fork)> {
        self.0.iter().map(|(device, fork)| (*device, fork))
    }

    /// Whether the line that ends in `tip` has op (n, tag). With one line the number decides.
    pub(crate) fn reaches(&self, device: DeviceId, tip: Point, n: u64, tag: Tag) -> bool {
        n <= tip.n && (planted!(PlainDots) || self.0.get(&device).is_none_or(|fork| fork.reaches(tip, n, tag)))
    }

    /// Whether a device is known to have several lines.
    pub(crate) fn parts(&self, device: DeviceId) -> bool {
        self.of(device).is_some_and(Fork::parts)
    }

    /// Whether an op is on a line that is known here.
    pub(crate) fn places(&self, device: DeviceId, point: Point) -> bool {
        self.0.get(&device).is_none_or(|fork| point.n <= fork.trunk || fork.lines_with(point).next().is_some())
    }

    /// How many ops the lines that end in two points share.
    pub(crate) fn shared(&self, device: DeviceId, one: Point, other: Point) -> u64 {
        let least = one.n.min(other.n);
        let Some(fork) = self.0.get(&device) else { return least };
        let on_both = |n: &u64| {
            fork.lines_with(one).any(|line| {
                let tag = fork.at(line, *n).unwrap_or(UNKNOWN);
                fork.lines_with(other).any(|line| fork.is_on(line, *n, tag))
            })
        };
        (fork.trunk + 1..=least).take_while(on_both).last().unwrap_or(fork.trunk.min(least))
    }
}

impl FromIterator<(DeviceId, Fork)> for Forks {
    fn from_iter<I: IntoIterator<Item = (DeviceId, Fork)>>(forks: I) -> Self {
        Self(forks.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Vector, decode, encode};

    fn tag(number: u16) -> Tag {
        let [high, low] = number.to_be_bytes();
        Tag([high, low, 1, 1, 1, 1, 1, 1])
    }

    /// Of which one line, from op 2 on, is known.
    fn fork() -> Fork {
        Fork::new(Point { n: 1, tag: tag(0) }, vec![vec![tag(1)]])
    }

    #[test]
    fn a_device_has_no_more_lines_than_a_vector_can_name() {
        let mut fork = fork();
        assert!((2..=256).all(|number| fork.insert(vec![tag(number)])));
        assert!(!fork.insert(vec![tag(257)]), "a line too many");
        assert!(fork.insert(vec![tag(9), tag(1)]), "a line that goes on");
        assert_eq!(decode::<Fork>(&encode(&fork), "a fork").unwrap(), fork);
    }

    #[test]
    fn a_line_known_by_its_end_is_the_one_that_has_that_end() {
        let mut fork = Fork::new(Point { n: 1, tag: tag(0) }, vec![vec![tag(1), tag(2)], vec![tag(1), tag(3), tag(4)]]);
        let known = fork.clone();
        assert!(fork.insert(vec![UNKNOWN, UNKNOWN, tag(4)]));
        assert_eq!(fork, known, "it is the second: the first ends earlier, and might have gone on to anything");
    }

    #[test]
    fn lines_that_part_below_both_trunks_are_not_joined() {
        let point = |n, number| Point { n, tag: tag(number) };
        let known = Fork::new(point(2, 2), vec![vec![tag(3)], vec![tag(4)]]);
        let mine = |n| (n < 3).then(|| tag(n as u16));
        let lines = || vec![vec![tag(12)], vec![tag(13)]];
        assert_eq!(known.join(&Fork::new(point(1, 11), lines()), mine), None, "op 1 is another one there");
        let joined = known.join(&Fork::new(point(1, 1), lines()), mine).unwrap();
        assert_eq!((joined.before(), joined.lines.len()), (point(1, 1), 4));
    }

    #[test]
    fn an_entry_has_room_for_whatever_is_joined_to_it() {
        let device = DeviceId([7; 16]);
        let forks: Forks = [(device, fork())].into_iter().collect();
        let mut vector = Vector::default();
        for number in 1..=600 {
            vector.raise(device, Point { n: 2, tag: tag(number) }, &forks); // all but one on no line that is known
        }
        assert_eq!(vector.further(device).len(), 255);
        assert_eq!(vector.point(device), Some(Point { n: 2, tag: tag(600) }));
        assert_eq!(decode::<Vector>(&encode(&vector), "a vector").unwrap(), vector);
    }
}
