//! What one local store holds. A copy of a store is a copy of all of this.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::bucket::{Line, Manifest, Named, Published, SegmentRef};
use super::op::{KEYS, Set, one};

/// What stands at a map key: a put or a tombstone, and what it had seen beyond the holder's prefix.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The op.
    pub op: u8,
    /// A value; otherwise a tombstone.
    pub put: bool,
    /// Its stored context.
    pub context: Set,
}

/// The state of one key.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// Of a map key.
    pub entries: Vec<Entry>,
    /// Of a log key: its line, as (stamp, op).
    pub line: Option<(u32, u8)>,
    /// Of a log key: a deletion is known.
    pub deleted: bool,
    /// The judge's: the writes this state has taken in, and all that they had seen.
    pub ghost: Set,
}

/// All that a snapshot has.
#[derive(Clone, Debug)]
pub struct State {
    /// All keys.
    pub slots: Vec<Slot>,
    /// Root records: closes.
    pub closes: Set,
    /// Root records: lapses.
    pub lapses: Set,
    /// The ops whose tags are known.
    pub tags: Set,
}

/// The own log under one id.
#[derive(Clone, Debug)]
pub struct OwnLine {
    /// The id.
    pub device: u8,
    /// Its last op.
    pub head: Option<u8>,
    /// Trimmed ops.
    pub trimmed: Set,
    /// Segments: when they were PUT, and the ops in order.
    pub segments: Vec<(SegmentRef, u32, Vec<u8>)>,
    /// Ops after the segments.
    pub tail: Vec<u8>,
}

impl OwnLine {
    /// An empty one.
    pub fn new(device: u8) -> Self {
        Self { device, head: None, trimmed: 0, segments: Vec::new(), tail: Vec::new() }
    }

    /// All ops not trimmed.
    pub fn ops(&self) -> Set {
        self.segments.iter().fold(self.tail.iter().fold(0, |all, &op| all | one(op)), |all, old| all | old.0.ops)
    }

    /// As it is published.
    pub fn line(&self, voids: &BTreeMap<u8, u8>) -> Line {
        Line {
            device: self.device,
            trimmed: self.trimmed,
            segments: self.segments.iter().map(|segment| segment.0.clone()).collect(),
            tail: published(&self.tail, voids),
        }
    }
}

/// Ops as published: some as voids.
pub fn published(ops: &[u8], voids: &BTreeMap<u8, u8>) -> Vec<Published> {
    ops.iter().map(|&op| (op, voids.get(&op).copied())).collect()
}

/// One local store, all of it durable.
#[derive(Clone, Debug)]
pub struct Store {
    /// Somebody still uses it.
    pub alive: bool,
    /// It has learnt that it was revoked.
    pub revoked: bool,
    /// What stands.
    pub state: State,
    /// The ops applied.
    pub applied: Set,
    /// What live devices were seen to state.
    pub vouched: Set,
    /// Left ids first, the own last.
    pub lines: Vec<OwnLine>,
    /// Ids it had before.
    pub left: Vec<u8>,
    /// Own ops that go out as voids, and what replaced them.
    pub voids: BTreeMap<u8, u8>,
    /// Own ops that a frozen manifest or a snapshot held.
    pub exposed: Set,
    /// A manifest to be PUT before another is made.
    pub frozen: Option<Rc<Manifest>>,
    /// The newest one known to be in the bucket, and when it was last seen there.
    pub published: Option<(Rc<Manifest>, u32)>,
    /// The greatest sequence frozen.
    pub sequence: u32,
    /// All that were frozen here under the own id.
    pub hashes: BTreeSet<u32>,
    /// The snapshot it names, and when it was PUT.
    pub named: Option<(Named, u32)>,
    /// Snapshots merged or written.
    pub opened: BTreeSet<u32>,
    /// The newest manifest read of each device.
    pub known: BTreeMap<u8, Rc<Manifest>>,
    /// Voids read whose replacing op is not applied yet.
    pub waiting: BTreeMap<u8, u8>,
    /// Lines that wait, by their first op of unknown place, since when.
    pub unsure: BTreeMap<u8, u32>,
    /// Ops seen that do not count.
    pub quarantine: Set,
    /// Objects missed, and what they would bring.
    pub damaged: BTreeMap<u32, Set>,
    /// Own objects no longer named, since when.
    pub retired: Vec<(u32, u32)>,
    /// Objects that a sweep found unnamed, since when.
    pub unnamed: BTreeMap<u32, u32>,
    /// Applied ops that the last full check found covered by no manifest.
    pub uncovered: Set,
    /// When each device's manifest was seen to move: hash, own clock, the server's.
    pub moved: BTreeMap<u8, (u32, u32, u32)>,
    /// How far the own clock is ahead.
    pub skew: u32,
    /// The last stamp.
    pub stamp: u32,
}

impl Store {
    /// An empty store with a fresh id.
    pub fn new(device: u8) -> Self {
        Self {
            alive: true,
            revoked: false,
            state: State { slots: vec![Slot::default(); KEYS], closes: 0, lapses: 0, tags: 0 },
            applied: 0,
            vouched: 0,
            lines: vec![OwnLine::new(device)],
            left: Vec::new(),
            voids: BTreeMap::new(),
            exposed: 0,
            frozen: None,
            published: None,
            sequence: 0,
            hashes: BTreeSet::new(),
            named: None,
            opened: BTreeSet::new(),
            known: BTreeMap::new(),
            waiting: BTreeMap::new(),
            unsure: BTreeMap::new(),
            quarantine: 0,
            damaged: BTreeMap::new(),
            retired: Vec::new(),
            unnamed: BTreeMap::new(),
            uncovered: 0,
            moved: BTreeMap::new(),
            skew: 0,
            stamp: 0,
        }
    }

    /// The own line.
    pub fn own(&self) -> &OwnLine {
        self.lines.last().expect("a store has its own line")
    }

    /// The own line, to change.
    pub fn own_mut(&mut self) -> &mut OwnLine {
        self.lines.last_mut().expect("a store has its own line")
    }

    /// The own id.
    pub fn device(&self) -> u8 {
        self.own().device
    }
}
