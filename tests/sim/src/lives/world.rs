//! Everything there is in a schedule; and where writes meet.

use super::bucket::Bucket;
use super::op::{Kind, MAP_KEYS, Mark, OPS_MAX, Op, Set, each, one};
use super::rules::{Rule, Rules};
use super::store::{Entry, Slot, State, Store};
use crate::model::random::Random;

/// The world.
pub struct World {
    /// All ops ever written.
    pub ops: Vec<Op>,
    /// The bucket.
    pub bucket: Bucket,
    /// All stores, dead ones too.
    pub stores: Vec<Store>,
    /// How many ids there were.
    pub devices: u8,
    /// How many manifests there were.
    pub manifests: u32,
    /// The judge's: ops that some store took in or saw stated before it knew that their author was revoked.
    pub unwarned: Set,
    /// The rules all obey.
    pub rules: Rules,
    /// What happened, in words.
    pub trace: Option<Vec<String>>,
    /// How often what came up.
    pub had: Had,
}

/// What a schedule had in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Had {
    /// Writes.
    pub writes: usize,
    /// Copies of stores.
    pub copies: usize,
    /// Ids left.
    pub left: usize,
    /// Snapshots written to carry.
    pub carried: usize,
    /// Closes.
    pub closes: usize,
    /// Lapses, and those cancelled.
    pub lapses: usize,
    /// Lapses cancelled.
    pub cancelled: usize,
    /// Tombstones collected.
    pub collected: usize,
    /// Objects deleted or swept.
    pub deleted: usize,
    /// Voids.
    pub voids: usize,
    /// Ops quarantined at the end.
    pub quarantined: usize,
    /// Tombstones that stand alone at the end.
    pub kept: usize,
    /// Ops taken for another line's because nobody could tell.
    pub unsure: usize,
}

impl Had {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            writes: self.writes + other.writes,
            copies: self.copies + other.copies,
            left: self.left + other.left,
            carried: self.carried + other.carried,
            closes: self.closes + other.closes,
            lapses: self.lapses + other.lapses,
            cancelled: self.cancelled + other.cancelled,
            collected: self.collected + other.collected,
            deleted: self.deleted + other.deleted,
            voids: self.voids + other.voids,
            quarantined: self.quarantined + other.quarantined,
            kept: self.kept + other.kept,
            unsure: self.unsure + other.unsure,
        }
    }
}

impl World {
    /// One store, and an empty bucket.
    pub fn new(rules: Rules, traced: bool) -> Self {
        Self {
            ops: Vec::new(),
            bucket: Bucket::moody(),
            stores: vec![Store::new(0)],
            devices: 1,
            manifests: 0,
            unwarned: 0,
            rules,
            trace: traced.then(Vec::new),
            had: Had::default(),
        }
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if let Some(mut trace) = self.trace.take() {
            trace.push(format!("{:4} {}", self.bucket.now, line(self)));
            self.trace = Some(trace);
        }
    }

    /// Names of ops: letter of the id, number, and the op's place as tag.
    pub fn names(&self, set: Set) -> String {
        let name = |op: u8| {
            let of = &self.ops[op as usize];
            format!("{}{}.{op}", (b'A' + of.device) as char, of.n)
        };
        each(set).map(name).collect::<Vec<_>>().join(" ")
    }

    /// The ops that share this one's name.
    fn same(&self, op: u8) -> Set {
        if self.rules.has(Rule::Tags) {
            return one(op);
        }
        let (device, n) = (self.ops[op as usize].device, self.ops[op as usize].n);
        let same = |other: &(usize, &Op)| other.1.device == device && other.1.n == n;
        self.ops.iter().enumerate().filter(same).fold(0, |all, (at, _)| all | 1 << at)
    }

    /// Whether a set covers an op.
    pub fn covers(&self, set: Set, op: u8) -> bool {
        set & self.same(op) != 0
    }

    /// What of a set another does not cover.
    pub fn less(&self, set: Set, other: Set) -> Set {
        if self.rules.has(Rule::Tags) {
            return set & !other;
        }
        each(set).filter(|&op| !self.covers(other, op)).fold(0, |all, op| all | one(op))
    }

    /// The part without gaps.
    pub fn prefix(&self, set: Set) -> Set {
        each(set).fold(0, |prefix, op| {
            let joins = self.ops[op as usize].parent.is_none_or(|parent| self.covers(prefix, parent));
            if joins { prefix | one(op) } else { prefix }
        })
    }

    /// A set and all before it on its lines.
    pub fn closure(&self, set: Set) -> Set {
        let mut all = set;
        for at in (0..self.ops.len()).rev().filter(|at| set >> at != 0) {
            if all >> at & 1 == 1 {
                all |= self.ops[at].parent.map_or(0, one);
            }
        }
        all
    }

    /// The ops of one id.
    pub fn of(&self, device: u8, set: Set) -> Set {
        each(set).filter(|&op| self.ops[op as usize].device == device).fold(0, |all, op| all | one(op))
    }

    /// A new own op; its vector and context are what the store holds.
    pub fn write(&mut self, s: usize, kind: Kind, key: usize, mark: Option<Mark>) -> bool {
        if self.ops.len() >= OPS_MAX {
            return false;
        }
        let id = self.ops.len() as u8;
        let vector = self.prefix(self.stores[s].applied);
        let store = &self.stores[s];
        let mut context = 0;
        let mut seen = one(id);
        if mark.is_none() {
            let slot = &store.state.slots[key];
            context = slot.entries.iter().fold(0, |all, entry| all | one(entry.op) | entry.context);
            seen |= if key < MAP_KEYS { slot.ghost } else { 0 };
        }
        context = self.less(context, vector);
        let store = &mut self.stores[s];
        store.stamp = (store.stamp + 1).max(self.bucket.now + store.skew % 50);
        let own = store.own();
        let n = own.head.map_or(0, |head| self.ops[head as usize].n) + 1;
        let op =
            Op { device: own.device, n, parent: own.head, kind, key, stamp: store.stamp, vector, context, mark, seen };
        let (exposed, line) = (store.exposed, store.own_mut());
        line.head = Some(id);
        line.tail.push(id);
        let mine = store.lines.iter().fold(0, |all, line| all | line.ops());
        let replaced = match kind {
            Kind::Put | Kind::Delete => store.state.slots[key].entries.iter().fold(0, |all, entry| all | one(entry.op)),
            Kind::LogDelete => store.state.slots[key].line.map_or(0, |line| one(line.1)),
            _ => 0,
        } & mine;
        let voids = if self.rules.has(Rule::VoidUnpublished) { replaced & !exposed } else { replaced };
        store.voids.extend(each(voids).map(|op| (op, id)));
        self.had.voids += voids.count_ones() as usize;
        self.had.writes += 1;
        self.ops.push(op);
        self.note(|world| {
            let op = &world.ops[id as usize];
            let (name, context) = (world.names(one(id)), world.names(op.context));
            let mark = mark.map(|mark| format!("of {}: {}", (b'A' + mark.target) as char, world.names(mark.ops)));
            format!(
                "{s} writes {name} {kind:?} key {key} context [{context}] {} voids [{}]",
                mark.unwrap_or_default(),
                world.names(voids)
            )
        });
        self.take(s, id, false);
        true
    }

    /// Applies a published op, once.
    pub fn take(&mut self, s: usize, id: u8, void: bool) {
        if self.covers(self.stores[s].applied, id) {
            return;
        }
        self.stores[s].applied |= one(id);
        self.stores[s].state.tags |= one(id);
        if !self.rules.has(Rule::TagsKept) {
            let store = &self.stores[s];
            self.stores[s].state.tags = self.thinned(store.state.tags, store.applied, &[]);
        }
        self.stores[s].quarantine &= !one(id);
        self.honest(s, one(id));
        if !void {
            let op = self.ops[id as usize].clone();
            match op.kind {
                Kind::Close => self.stores[s].state.closes |= one(id),
                Kind::Lapse => self.stores[s].state.lapses |= one(id),
                _ => {
                    let mut slot = std::mem::take(&mut self.stores[s].state.slots[op.key]);
                    slot.ghost |= op.seen;
                    match op.kind {
                        Kind::Append => slot.line = lower(slot.line, Some((op.stamp, id))),
                        Kind::LogDelete => slot.deleted = true,
                        _ => self.place(&mut slot, id, &op),
                    }
                    bury(&mut slot);
                    self.stores[s].state.slots[op.key] = slot;
                }
            }
        }
        self.shrink(s);
    }

    /// The judge's: notes what a store reads of others before it knows that they are revoked.
    pub fn honest(&mut self, s: usize, ops: Set) {
        let own = self.stores[s].device();
        if self.closed(s, own).is_some_and(|mark| mark.revoked) {
            return;
        }
        for device in (0..self.devices).filter(|&device| device != own) {
            let mark = self.closed(s, device).filter(|mark| mark.revoked);
            self.unwarned |= self.of(device, ops) & mark.map_or(!0, |mark| mark.ops);
        }
    }

    fn place(&self, slot: &mut Slot, id: u8, op: &Op) {
        let seen = op.vector | op.context;
        let replaced = slot.entries.iter().any(|entry| self.covers(entry.context, id));
        let mut context = seen;
        slot.entries.retain(|entry| {
            let goes = entry.op != id && self.covers(seen, entry.op);
            if goes {
                context |= entry.context;
            }
            !goes
        });
        if replaced {
            for entry in slot.entries.iter_mut().filter(|entry| self.covers(entry.context, id)) {
                entry.context |= context;
            }
        } else if let Some(entry) = slot.entries.iter_mut().find(|entry| entry.op == id) {
            entry.context |= context;
        } else {
            slot.entries.push(Entry { op: id, put: op.kind == Kind::Put, context });
        }
    }

    /// Merges a snapshot and adopts its V.
    pub fn merge(&mut self, s: usize, v: Set, their: &State) {
        self.honest(s, v);
        let applied = self.stores[s].applied;
        for (key, theirs) in their.slots.iter().enumerate() {
            let mut slot = std::mem::take(&mut self.stores[s].state.slots[key]);
            if key < MAP_KEYS {
                self.merge_slot(&mut slot, theirs, applied, v);
            }
            slot.line = lower(slot.line, theirs.line);
            slot.deleted |= theirs.deleted;
            slot.ghost |= theirs.ghost;
            bury(&mut slot);
            self.stores[s].state.slots[key] = slot;
        }
        let store = &mut self.stores[s];
        store.state.closes |= their.closes;
        store.state.lapses |= their.lapses;
        store.state.tags |= their.tags;
        store.applied = applied | v;
        store.quarantine &= !v;
        self.shrink(s);
    }

    fn merge_slot(&self, mine: &mut Slot, theirs: &Slot, applied: Set, v: Set) {
        let has = |slot: &Slot, op: u8| slot.entries.iter().any(|entry| entry.op == op);
        for entry in &mut mine.entries {
            if let Some(same) = theirs.entries.iter().find(|same| same.op == entry.op) {
                entry.context |= same.context;
            }
        }
        mine.entries.retain(|entry| has(theirs, entry.op) || !self.covers(v, entry.op));
        for entry in &theirs.entries {
            if !has(mine, entry.op) && !self.covers(applied, entry.op) {
                mine.entries.push(entry.clone());
            }
        }
        let mut at = 0;
        while at < mine.entries.len() {
            let op = mine.entries[at].op;
            if mine.entries.iter().any(|entry| entry.op != op && self.covers(entry.context, op)) {
                let gone = mine.entries.remove(at);
                for entry in mine.entries.iter_mut().filter(|entry| self.covers(entry.context, op)) {
                    entry.context |= gone.context;
                }
                at = 0;
            } else {
                at += 1;
            }
        }
    }

    fn shrink(&mut self, s: usize) {
        let prefix = self.prefix(self.stores[s].applied);
        for key in 0..MAP_KEYS {
            let mut slot = std::mem::take(&mut self.stores[s].state.slots[key]);
            for entry in &mut slot.entries {
                entry.context = self.less(entry.context, prefix);
            }
            self.stores[s].state.slots[key] = slot;
        }
    }

    /// A random write, where it makes sense: a map key is only deleted if something stands there.
    pub fn write_something(&mut self, s: usize, random: &mut Random) {
        let key = match random.below(8) {
            0 => MAP_KEYS + random.below(2),
            1..4 => 0,
            _ => random.below(MAP_KEYS),
        };
        let delete = random.once_in(3);
        let slot = &self.stores[s].state.slots[key];
        let (kind, nothing) = match (key < MAP_KEYS, delete) {
            (true, true) => (Kind::Delete, slot.entries.iter().all(|entry| !entry.put)),
            (true, false) => (Kind::Put, false),
            (false, true) => (Kind::LogDelete, slot.line.is_none()),
            (false, false) => (Kind::Append, false),
        };
        if !nothing && !self.stores[s].revoked && self.ops.len() < OPS_MAX - 30 {
            self.write(s, kind, key, None);
        }
    }
}

fn lower(a: Option<(u32, u8)>, b: Option<(u32, u8)>) -> Option<(u32, u8)> {
    a.into_iter().chain(b).min()
}

fn bury(slot: &mut Slot) {
    if slot.deleted {
        slot.line = None;
    }
}
