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

    /// Adds ops that are applied beyond a gap to the line that has the op before them. Elsewhere they stay out: be there one
    /// line alone, it may be a leaver's, who left since there is another.
    pub(crate) fn insert_island(&mut self, island: &Island) {
        let before = Point { n: island.from - 1, tag: island.before };
        if let Some(line) = self.up_to(before) {
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
    /// Whether no device is known to have forked.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

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
    fn a_line_known_in_part_is_the_one_that_it_has_a_tag_in_common_with() {
        const U: u16 = u16::MAX;
        let line = |numbers: &[u16]| -> Vec<Tag> {
            numbers.iter().map(|number| if *number == U { UNKNOWN } else { tag(*number) }).collect()
        };
        // What is told, the line it is of, what that one is then, and another, which it might begin or go on from too.
        let cases: [[&[u16]; 4]; 4] = [
            [&[U, U, 4], &[1, 3, 4], &[1, 3, 4], &[1, 2]],
            [&[U, 4, U], &[1, 4], &[1, 4, U], &[1, U, 9]],
            [&[U, 4], &[1, 4], &[1, 4], &[2]],
            [&[1, U, 5], &[1], &[1, U, 5], &[U, 3]],
        ];
        for [told, of, then, other] in cases {
            for of_first in [true, false] {
                let order =
                    |of, other| if of_first { vec![line(of), line(other)] } else { vec![line(other), line(of)] };
                let before = Point { n: 1, tag: tag(0) };
                let mut fork = Fork::new(before, order(of, other));
                assert!(fork.insert(line(told)));
                assert_eq!(fork, Fork::new(before, order(then, other)), "{told:?} told, {of:?} and {other:?} known");
            }
        }
    }

    /// Lines of one device as they really are, from op 1 on; every op has a tag of its own.
    fn real_lines(seed: u64) -> Vec<Vec<Tag>> {
        let mut bits = seed;
        let mut below = |bound: usize| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (bits >> 33) as usize % bound
        };
        let mut fresh = (1..).map(tag);
        let mut lines: Vec<Vec<Tag>> = vec![fresh.by_ref().take(1 + below(6)).collect()];
        for _ in 0..below(4) {
            let from = &lines[below(lines.len())];
            let shared = from[..below(from.len())].to_vec();
            lines.push(shared.into_iter().chain(fresh.by_ref().take(1 + below(5))).collect());
        }
        lines
    }

    fn common(one: &[Tag], other: &[Tag]) -> usize {
        one.iter().zip(other).take_while(|(a, b)| a == b).count()
    }

    /// How many ops all of some lines share, but for the last one of a line alone.
    fn trunk_max(lines: &[Vec<Tag>]) -> usize {
        lines.iter().map(|line| common(line, &lines[0])).min().unwrap().min(lines[0].len() - 1)
    }

    /// All that is known of some lines, with a trunk of `trunk` ops.
    fn known(lines: &[Vec<Tag>], trunk: usize) -> Fork {
        let before = trunk.checked_sub(1).map_or(tag(0), |last| lines[0][last]);
        Fork::new(Point { n: trunk as u64, tag: before }, lines.iter().map(|line| line[trunk..].to_vec()).collect())
    }

    /// What a fork says of every two places in lines that it knows, against the lines themselves.
    fn check(fork: &Fork, lines: &[Vec<Tag>], seed: u64) {
        let device = DeviceId([7; 16]);
        let forks: Forks = [(device, fork.clone())].into_iter().collect();
        assert_eq!(forks.parts(device), lines.len() > 1, "{seed}");
        let point = |line: &[Tag], n: usize| Point { n: n as u64, tag: line[n - 1] };
        let trunk = fork.before().n as usize;
        for line in lines {
            for n in 1..=line.len() {
                assert!(forks.places(device, point(line, n)), "{seed}");
                assert_eq!(forks.places(device, Point { n: n as u64, tag: tag(999) }), n <= trunk, "{seed}");
                let beyond = (n >= trunk).then(|| line[trunk..n].to_vec());
                assert_eq!(fork.up_to(point(line, n)).filter(|_| n >= trunk), beyond, "{seed}");
            }
            assert_eq!(fork.up_to(Point { n: line.len() as u64, tag: tag(999) }), None, "{seed}");
            for other in lines {
                for (tip, n) in (1..=line.len()).flat_map(|tip| (1..=other.len()).map(move |n| (tip, n))) {
                    let (tip_point, op) = (point(line, tip), point(other, n));
                    let is_before = n <= tip && common(line, other) >= n;
                    assert_eq!(
                        forks.reaches(device, tip_point, op.n, op.tag),
                        is_before || n <= trunk.min(tip),
                        "{seed}"
                    );
                    let shared = common(&line[..tip], &other[..n]) as u64;
                    assert_eq!(forks.shared(device, tip_point, op), shared, "{seed}");
                }
            }
        }
    }

    #[test]
    fn a_fork_tells_what_its_lines_share() {
        for seed in 0..300 {
            let lines = real_lines(seed);
            for trunk in 0..=trunk_max(&lines) {
                let whole = known(&lines, trunk);
                check(&whole, &lines, seed);
                assert_eq!(decode::<Fork>(&encode(&whole), "a fork").unwrap(), whole);
                // A line that ends earlier goes on; what is known already changes nothing.
                for at in 0..lines.len() {
                    let parts = lines.iter().enumerate().filter(|(other, _)| *other != at);
                    let parts = parts.map(|(_, other)| common(&lines[at], other)).max().unwrap_or(0).max(trunk);
                    let mut shorter = whole.clone();
                    shorter.lines[at].truncate(parts + 1 - trunk);
                    assert!(shorter.insert(lines[at][trunk..].to_vec()));
                    assert_eq!(shorter, whole, "{seed}");
                    assert!(shorter.insert(lines[at][trunk..=parts].to_vec()));
                    assert_eq!(shorter, whole, "{seed}");
                }
            }
        }
    }

    #[test]
    fn what_two_know_of_a_devices_lines_is_joined() {
        for seed in 0..300 {
            let lines = real_lines(seed);
            for split in 1..lines.len() {
                let (mine, theirs) = lines.split_at(split);
                // A trunk is shared by all lines that its reader knows, and what is told starts on one of these.
                for my_trunk in 0..=trunk_max(mine) {
                    for their_trunk in 0..=trunk_max(theirs) {
                        let told = known(theirs, their_trunk);
                        let tags = |n: u64| (1..=my_trunk as u64).contains(&n).then(|| mine[0][n as usize - 1]);
                        let joined = known(mine, my_trunk).join(&told, tags);
                        let starts = mine.iter().any(|line| common(line, &theirs[0]) >= their_trunk);
                        if !starts {
                            assert_eq!(joined, None, "{seed}: they part below what is told");
                            continue;
                        }
                        let joined = joined.unwrap();
                        assert_eq!(joined.before().n as usize, my_trunk.min(their_trunk), "{seed}");
                        if common(&mine[0], &theirs[0]) >= joined.before().n as usize {
                            check(&joined, &lines, seed);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn ops_beyond_a_gap_join_the_line_that_they_follow() {
        let numbers = |numbers: &[u16]| numbers.iter().map(|number| tag(*number)).collect::<Vec<_>>();
        let trunk = Point { n: 1, tag: tag(0) };
        let island = |from, before, tags: &[u16]| Island { from, before: tag(before), tags: numbers(tags) };
        let one = Fork::new(trunk, vec![numbers(&[2, 3])]);
        let two = Fork::new(trunk, vec![numbers(&[2, 3]), numbers(&[12])]);
        let with = |fork: &Fork, island| {
            let mut fork = fork.clone();
            fork.insert_island(&island);
            fork
        };
        assert_eq!(with(&one, island(4, 3, &[4])), Fork::new(trunk, vec![numbers(&[2, 3, 4])]), "right behind its end");
        assert_eq!(with(&one, island(6, 5, &[6])), one, "what lies between is not known");
        assert_eq!(with(&one, island(5, 4, &[5])), one, "nor whether 4 follows 3");
        assert_eq!(with(&one, island(3, 22, &[23])), one, "it follows another op 2: a line that is not known");
        assert_eq!(with(&two, island(3, 12, &[13])), Fork::new(trunk, vec![numbers(&[2, 3]), numbers(&[12, 13])]));
        assert_eq!(with(&two, island(6, 5, &[6])), two, "it may be on either");
        assert_eq!(with(&one, island(2, 0, &[12])).lines.len(), 2, "it parts at the trunk");
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
