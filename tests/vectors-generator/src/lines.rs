//! A model of docs/format/replica.md, "Lines": a line is the set of its ops, and an entry covers a union of such sets.

use crate::bytes::{Entry, Id, Lines, Tag, join, list};
use crate::case::hex;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Stands for a tag that its writer did not know.
pub(crate) const UNKNOWN: Tag = [0; 8];

/// All lines of a forked device beyond the op `trunk`, also ones that may not be.
#[derive(Clone)]
pub(crate) struct Fork {
    pub(crate) device: Id,
    pub(crate) trunk: u64,
    pub(crate) before: Tag,
    pub(crate) lines: Vec<Vec<Tag>>,
}

/// Consecutive ops beyond a gap.
#[derive(Clone)]
pub(crate) struct Island {
    pub(crate) from: u64,
    pub(crate) before: Tag,
    pub(crate) tags: Vec<Tag>,
}

pub(crate) fn tags_bytes(tags: &[Tag]) -> Vec<u8> {
    list(&tags.iter().map(|tag| tag.to_vec()).collect::<Vec<_>>())
}

pub(crate) fn tags_value(tags: &[Tag]) -> Value {
    tags.iter().map(hex).collect()
}

impl Island {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&[&self.from.to_le_bytes(), &self.before, &tags_bytes(&self.tags)])
    }

    fn value(&self) -> Value {
        json!({"from": self.from.to_string(), "before": hex(self.before), "tags": tags_value(&self.tags)})
    }
}

pub(crate) fn islands_value(islands: &[(Id, Vec<Island>)]) -> Value {
    let of = |(device, islands): &(Id, Vec<Island>)| json!({"device": hex(device), "islands": islands.iter().map(Island::value).collect::<Value>()});
    islands.iter().map(of).collect()
}

pub(crate) fn forks_value(forks: &[Fork]) -> Value {
    forks.iter().map(Fork::value).collect()
}

impl Fork {
    /// As it stands behind its device.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let lines: Vec<Vec<u8>> = self.lines.iter().map(|tags| tags_bytes(tags)).collect();
        join(&[&self.trunk.to_le_bytes(), &self.before, &list(&lines)])
    }

    fn value(&self) -> Value {
        let lines: Value = self.lines.iter().map(|tags| tags_value(tags)).collect();
        json!({
            "device": hex(self.device),
            "trunk": self.trunk.to_string(),
            "before": hex(self.before),
            "lines": lines,
        })
    }

    fn at(&self, line: usize, n: u64) -> Option<&Tag> {
        let index = usize::try_from(n - self.trunk - 1).expect("a short line");
        self.lines[line].get(index)
    }

    /// The lines that an op is on.
    fn lines_with(&self, n: u64, tag: &Tag) -> BTreeSet<usize> {
        let all = 0..self.lines.len();
        if n <= self.trunk {
            return all.collect();
        }
        let by_tag: BTreeSet<usize> = all.clone().filter(|line| self.at(*line, n) == Some(tag)).collect();
        match by_tag.is_empty() {
            true => all.filter(|line| self.at(*line, n) == Some(&UNKNOWN)).collect(),
            false => by_tag,
        }
    }

    /// How many ops two points have in common below both; both are on lines known here, whose tags are.
    fn shared(&self, one: &Entry, other: &Entry) -> u64 {
        let history = |point: &Entry| {
            let line = *self.lines_with(point.1, &point.2).first().expect("a known line");
            (self.trunk + 1..=point.1).map(|n| self.at(line, n).copied()).collect::<Vec<_>>()
        };
        let (one, other) = (history(one), history(other));
        self.trunk + one.iter().zip(&other).take_while(|(one, other)| one == other).count() as u64
    }
}

/// Whether the ops up to a point include an op.
fn reaches(forks: &[Fork], point: &Entry, op: &Entry) -> bool {
    let on_one_line = |fork: &Fork| {
        let (lines, others) = (fork.lines_with(point.1, &point.2), fork.lines_with(op.1, &op.2));
        !lines.is_disjoint(&others)
    };
    op.1 <= point.1 && forks.iter().find(|fork| fork.device == op.0).is_none_or(on_one_line)
}

fn points(lines: &Lines) -> Vec<Entry> {
    let further = lines.further.iter().map(|(n, tag, _)| (lines.first.0, *n, *tag));
    further.chain([lines.first]).collect()
}

pub(crate) fn covers(forks: &[Fork], vector: &[Lines], op: &Entry) -> bool {
    let of_device = vector.iter().filter(|lines| lines.first.0 == op.0);
    of_device.flat_map(points).any(|point| reaches(forks, &point, op))
}

/// Of each device the points of both that no other reaches.
pub(crate) fn join_vectors(forks: &[Fork], one: &[Lines], other: &[Lines]) -> Vec<Lines> {
    let all: BTreeSet<Entry> = one.iter().chain(other).flat_map(points).collect();
    let mut ends: Vec<Entry> = all.iter().copied().collect();
    ends.retain(|point| all.iter().all(|later| later == point || later.0 != point.0 || !reaches(forks, later, point)));
    let devices: BTreeSet<Id> = ends.iter().map(|point| point.0).collect();
    let entry = |device: &Id| {
        let mut points: Vec<Entry> = ends.iter().filter(|point| point.0 == *device).copied().collect();
        let first = points.pop().expect("a device of a point");
        let fork = forks.iter().find(|fork| fork.device == *device);
        let further = points.iter().map(|point| (point.1, point.2, fork.map_or(0, |fork| fork.shared(&first, point))));
        Lines { first, further: further.collect() }
    };
    devices.iter().map(entry).collect()
}
