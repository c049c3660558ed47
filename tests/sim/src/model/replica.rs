//! Design §3 as written: applying an op, writing one, merging a chunk of a snapshot, collecting tombstones.

use std::rc::Rc;

use super::bucket::Body;
use super::dots::{Dot, Dots};
use super::oracle::Writes;
use super::rules::{Rule, Rules};

/// Keys below this are of a map collection, the others of a log collection.
pub const MAP_KEYS: usize = 3;

/// All keys of the space, in snapshot order.
pub const KEYS: usize = MAP_KEYS + 2;

/// What an op does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value for a map key.
    Put,
    /// The end of what its writer saw at a map key.
    Delete,
    /// A line under a log key.
    Append,
    /// The end of a log key, for ever.
    LogDelete,
    /// A number whose op was replaced before anyone else could know it.
    Void,
}

/// One op as its device publishes it.
#[derive(Clone, Debug)]
pub struct Op {
    /// Its place in the oracle's history: how the model names its value.
    pub id: u8,
    /// Its name.
    pub dot: Dot,
    /// What it does.
    pub kind: Kind,
    /// The key it does it to.
    pub key: usize,
    /// Its clock.
    pub stamp: u64,
    /// The vector its writer had applied, own earlier ops included.
    pub vector: Dots,
    /// What it replaces or knows to be replaced beyond its vector.
    pub context: Dots,
    /// The oracle's: what its writer had truly seen of its key, and itself.
    pub ghost: Writes,
}

/// What stands at a map key: a put or a tombstone with its stored context.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The op's place in the history.
    pub id: u8,
    /// The op's name.
    pub dot: Dot,
    /// The op's clock.
    pub stamp: u64,
    /// A value; otherwise a tombstone.
    pub put: bool,
    /// What the op has seen beyond the holder's prefix.
    pub context: Dots,
}

/// The state of one key.
#[derive(Clone, Debug, Default)]
pub struct Key {
    /// Of a map key: its puts and tombstones, siblings of each other.
    pub entries: Vec<Entry>,
    /// Of a log key: the (stamp, dot) of its line.
    pub line: Option<(u64, Dot)>,
    /// Of a log key: whether a deletion is known.
    pub deleted: bool,
    /// The oracle's: the writes this state has taken in, and all that they had seen.
    pub ghost: Writes,
}

/// A snapshot of which the chunks of a first part of the keys are merged and whose V the prefix does not cover yet.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The snapshot.
    pub snapshot: u32,
    /// Its V.
    pub v: Dots,
    /// The keys below this are merged.
    pub below: usize,
    /// How many chunks are merged.
    pub chunks: usize,
    /// All chunks, where they are had before the first is merged.
    pub staged: Option<Vec<Rc<Body>>>,
    /// Still being merged; otherwise given up half-way.
    pub active: bool,
}

/// What a device holds of the space.
#[derive(Clone, Debug)]
pub struct Replica {
    /// The names of the ops applied: a prefix of each device's, and islands.
    pub applied: Dots,
    /// All keys.
    pub keys: Vec<Key>,
    /// Half-merged snapshots.
    pub merged: Vec<Merged>,
    rules: Rules,
}

impl Replica {
    /// An empty one.
    pub fn new(rules: Rules) -> Self {
        Self { applied: Dots::default(), keys: vec![Key::default(); KEYS], merged: Vec::new(), rules }
    }

    /// The V's of half-merged snapshots whose merged part has this key.
    fn range(&self, key: usize) -> Dots {
        self.merged.iter().filter(|merged| key < merged.below).fold(Dots::default(), |all, merged| all | merged.v)
    }

    /// Applies a new own op: `op.vector` and `op.context` are set here. Gives the own dots it replaces.
    pub fn write(&mut self, op: &mut Op) -> Vec<Dot> {
        op.context = Dots::default();
        if self.rules.has(Rule::RangeNamed) {
            op.context = self.range(op.key);
        }
        let key = &mut self.keys[op.key];
        for entry in &key.entries {
            op.context.add(entry.dot);
            if self.rules.has(Rule::WriteContexts) {
                op.context = op.context | entry.context;
            }
        }
        op.context = op.context.less(&op.vector);
        op.ghost |= key.ghost;
        let own = key.entries.iter().map(|entry| entry.dot).filter(|dot| dot.device == op.dot.device).collect();
        if op.key < MAP_KEYS {
            key.entries.clear();
        }
        self.take(op);
        self.shrink();
        own
    }

    /// Applies a published op of any device, once.
    pub fn apply(&mut self, op: &Op) {
        if self.applied.covers(op.dot) {
            return;
        }
        let (in_range, brought) = (self.range(op.key).covers(op.dot), self.keys[op.key].has(op.dot));
        if op.kind == Kind::Void {
            self.applied.add(op.dot);
        } else if in_range && !brought && self.rules.has(Rule::RangeApplied) {
            self.applied.add(op.dot);
            self.keys[op.key].ghost |= op.ghost;
        } else {
            self.take(op);
        }
        self.shrink();
    }

    fn take(&mut self, op: &Op) {
        self.applied.add(op.dot);
        let rules = self.rules;
        let key = &mut self.keys[op.key];
        key.ghost |= op.ghost;
        match op.kind {
            Kind::Append => key.line = lower(key.line, Some((op.stamp, op.dot))),
            Kind::LogDelete => key.deleted = true,
            Kind::Put | Kind::Delete => key.place(op, rules),
            Kind::Void => {}
        }
        key.bury();
    }

    /// Merges the part of a snapshot that has the keys from `from` to `to`. V is not adopted by this.
    pub fn merge(&mut self, theirs: &[Key], from: usize, v: &Dots) {
        for (key, their) in (from..).zip(theirs) {
            let applied = if self.rules.has(Rule::MergeIslands) { self.applied } else { self.applied.prefix() };
            let applied = applied | self.range(key);
            let rules = self.rules;
            self.keys[key].merge(their, &applied, v, rules);
            if !rules.has(Rule::ShrinkOld) {
                self.keys[key].shrink(&(self.applied.prefix() | *v));
            }
        }
        self.shrink();
    }

    /// The last chunk is merged: what V covers is applied.
    pub fn adopt(&mut self, v: &Dots) {
        self.applied = self.applied | *v;
        self.shrink();
    }

    /// Stored contexts lose what the prefix now covers, and so do half-merged snapshots.
    fn shrink(&mut self) {
        let prefix = self.applied.prefix();
        let known = if self.rules.has(Rule::ShrinkByPrefix) { prefix } else { self.applied };
        self.keys.iter_mut().for_each(|key| key.shrink(&known));
    }

    /// Forgets the half-merged snapshots that the prefix now covers.
    pub fn forget(&mut self) {
        let prefix = self.applied.prefix();
        self.merged.retain(|merged| merged.active || !prefix.includes(&merged.v));
    }

    /// Drops the tombstones that the rules let go. `stated` are the vectors of all live devices listed whose ops are all
    /// applied here, or nothing if some device's are not.
    pub fn collect(&mut self, stated: &[Dots]) -> usize {
        let (prefix, rules) = (self.applied.prefix(), self.rules);
        let mut gone = 0;
        for key in &mut self.keys {
            let alone = key.entries.iter().all(|entry| !entry.put) || !rules.has(Rule::TombAlone);
            let bare = key.entries.iter().all(|entry| entry.context.is_empty()) || !rules.has(Rule::TombContext);
            let covered = |dot: Dot| {
                (prefix.covers(dot) || !rules.has(Rule::TombOwn)) && stated.iter().all(|vector| vector.covers(dot))
            };
            let every = key.entries.iter().filter(|entry| !entry.put).all(|entry| covered(entry.dot));
            if alone && bare && every {
                let before = key.entries.len();
                key.entries.retain(|entry| entry.put);
                gone += before - key.entries.len();
                key.deleted &= rules.has(Rule::LogDeletes);
            }
        }
        gone
    }
}

impl Key {
    fn has(&self, dot: Dot) -> bool {
        self.entries.iter().any(|entry| entry.dot == dot)
    }

    /// Applying `v`.
    fn place(&mut self, op: &Op, rules: Rules) {
        let seen = op.vector | op.context;
        let replaced = self.entries.iter().any(|entry| entry.context.covers(op.dot));
        let mut context = seen;
        if !replaced || rules.has(Rule::LateRemoves) {
            self.entries.retain(|entry| {
                let goes = entry.dot != op.dot && seen.covers(entry.dot);
                if goes && rules.has(Rule::JoinRemoved) {
                    context = context | entry.context;
                }
                !goes
            });
        }
        if replaced {
            for entry in self.entries.iter_mut().filter(|entry| entry.context.covers(op.dot)) {
                if rules.has(Rule::JoinLate) {
                    entry.context = entry.context | context;
                }
            }
        } else if let Some(entry) = self.entries.iter_mut().find(|entry| entry.dot == op.dot) {
            if rules.has(Rule::Brought) {
                entry.context = entry.context | context;
            }
        } else {
            self.entries.push(Entry { id: op.id, dot: op.dot, stamp: op.stamp, put: op.kind == Kind::Put, context });
        }
    }

    /// Merging two states: `applied` is what this side has applied at this key, `v` what the other has.
    fn merge(&mut self, their: &Self, applied: &Dots, v: &Dots, rules: Rules) {
        for entry in &mut self.entries {
            if let Some(same) = their.entries.iter().find(|same| same.dot == entry.dot)
                && rules.has(Rule::MergeJoins)
            {
                entry.context = entry.context | same.context;
            }
        }
        self.entries.retain(|entry| their.has(entry.dot) || !v.covers(entry.dot) || !rules.has(Rule::MergeDrops));
        for entry in &their.entries {
            if !self.has(entry.dot) && (!applied.covers(entry.dot) || !rules.has(Rule::MergeDrops)) {
                self.entries.push(entry.clone());
            }
        }
        if rules.has(Rule::MergeContexts) {
            self.apply_contexts();
        }
        self.line = lower(self.line, their.line);
        self.deleted |= their.deleted;
        self.ghost |= their.ghost;
        self.bury();
    }

    /// Entries that another entry has seen go, and their contexts join it.
    fn apply_contexts(&mut self) {
        let mut at = 0;
        while at < self.entries.len() {
            let dot = self.entries[at].dot;
            if self.entries.iter().any(|entry| entry.dot != dot && entry.context.covers(dot)) {
                let gone = self.entries.remove(at);
                for entry in self.entries.iter_mut().filter(|entry| entry.context.covers(dot)) {
                    entry.context = entry.context | gone.context;
                }
                at = 0;
            } else {
                at += 1;
            }
        }
    }

    fn shrink(&mut self, known: &Dots) {
        self.entries.iter_mut().for_each(|entry| entry.context = entry.context.less(known));
    }

    /// Of a log key: deletion always wins.
    fn bury(&mut self) {
        if self.deleted {
            self.line = None;
        }
    }
}

/// The lower of two lines: it stands.
fn lower(a: Option<(u64, Dot)>, b: Option<(u64, Dot)>) -> Option<(u64, Dot)> {
    a.into_iter().chain(b).min()
}
