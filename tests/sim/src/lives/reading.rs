//! Reading what others wrote: manifests, their lines, and snapshots.

use std::rc::Rc;

use super::bucket::{Body, Line, Manifest};
use super::op::{Kind, Set, one};
use super::rules::Rule;
use super::world::World;
use crate::model::random::Random;

impl World {
    /// Reads a device's manifest and what it can of its ops. May stop anywhere, as a crash would.
    pub fn pull(&mut self, s: usize, device: u8, random: &mut Random) {
        let store = &self.stores[s];
        if device == store.device() || store.revoked {
            return;
        }
        let Some(manifest) = self.bucket.manifest(device, random) else { return };
        let known = store.known.get(&device);
        if known.is_some_and(|known| known.sequence > manifest.sequence) {
            if !self.rules.has(Rule::ReadLower) {
                return;
            }
        } else if self.counts_whole(s, &manifest) || !self.rules.has(Rule::KnownBefore) {
            self.stores[s].known.insert(device, Rc::clone(&manifest));
        }
        self.moved(s, &manifest);
        self.note(|_| format!("{s} reads #{} of {}", manifest.hash, (b'A' + device) as char));
        let full = self.counts_whole(s, &manifest);
        self.honest(s, manifest.lines.iter().fold(manifest.vector, |all, line| all | line.ops()));
        if full && self.rules.has(Rule::Vouch) {
            let lines = manifest.lines.iter().fold(0, |all, line| all | line.ops() | line.trimmed);
            let named = manifest.snapshot.as_ref().map_or(0, |named| named.v);
            self.stores[s].vouched |= manifest.vector | lines | named;
        }
        let mut gap = false;
        for line in &manifest.lines {
            gap |= line.trimmed & !self.stores[s].applied != 0;
            let carried = full && line.device != device;
            if self.waits(s, line) {
                continue;
            }
            self.take_unsure(s, line);
            if !self.read_line(s, line, carried, &mut gap, random) {
                return;
            }
        }
        if gap || random.once_in(6) || !self.bucket.moody {
            self.take_snapshots(s, full.then_some(&manifest), random);
        }
        self.learn(s, random);
    }

    fn read_line(&mut self, s: usize, line: &Line, carried: bool, gap: &mut bool, random: &mut Random) -> bool {
        for segment in &line.segments {
            if self.bucket.moody && random.once_in(20) {
                return false;
            }
            if segment.ops & !self.stores[s].applied == 0 {
                self.stores[s].damaged.remove(&segment.object);
                continue;
            }
            match self.bucket.get(segment.object).as_deref() {
                Some(Body::Segment(ops)) => {
                    self.stores[s].damaged.remove(&segment.object);
                    ops.iter().for_each(|&(op, void)| self.meet(s, op, void, carried));
                }
                _ => {
                    self.note(|_| format!("{s} misses segment {}", segment.object));
                    self.stores[s].damaged.insert(segment.object, segment.ops);
                    *gap = true;
                }
            }
        }
        line.tail.iter().for_each(|&(op, void)| self.meet(s, op, void, carried));
        self.take_voids(s);
        true
    }

    /// A void counts as applied once what replaced it is, which may be a void, too.
    fn take_voids(&mut self, s: usize) {
        let waiting = std::mem::take(&mut self.stores[s].waiting);
        for (op, by) in waiting.into_iter().rev() {
            if self.covers(self.stores[s].applied, by) {
                self.take(s, op, true);
            } else {
                self.stores[s].waiting.insert(op, by);
            }
        }
    }

    /// An op in a log: it is applied, or kept apart.
    fn meet(&mut self, s: usize, op: u8, void: Option<u8>, carried: bool) {
        if carried || self.counts(s, op) {
            match void.filter(|_| self.rules.has(Rule::VoidWhole)) {
                Some(by) => _ = self.stores[s].waiting.insert(op, by),
                None => self.take(s, op, void.is_some()),
            }
            return;
        }
        let store = &mut self.stores[s];
        if self.rules.has(Rule::QuarantineShown) {
            store.quarantine |= one(op);
        }
        let of = &self.ops[op as usize];
        if of.kind == Kind::Close && self.rules.has(Rule::CloseBeyond) {
            let author = self.closed(s, of.device);
            if author.is_some_and(|author| !author.revoked) {
                self.stores[s].state.closes |= one(op);
            }
        }
    }

    /// Merges snapshots named that have something new.
    pub fn take_snapshots(&mut self, s: usize, manifest: Option<&Rc<Manifest>>, random: &mut Random) {
        let known = self.stores[s].known.values().cloned().collect::<Vec<_>>();
        for manifest in manifest.into_iter().chain(&known) {
            let Some(named) = manifest.snapshot.clone() else { continue };
            let counts = self.rules.has(Rule::KnownBefore) || self.counts_whole(s, manifest);
            if self.less(named.v, self.stores[s].applied) == 0 || !counts {
                self.stores[s].damaged.remove(&named.object);
                continue;
            }
            if self.bucket.moody && random.once_in(3) {
                continue;
            }
            let body = self.bucket.get(named.object);
            let Some(Body::Snapshot(v, state)) = body.as_deref() else {
                self.note(|_| format!("{s} misses snapshot {}", named.object));
                self.stores[s].damaged.insert(named.object, named.v);
                continue;
            };
            self.note(|world| format!("{s} merges snapshot {}, V [{}]", named.object, world.names(*v)));
            self.merge(s, *v, state);
            let store = &mut self.stores[s];
            store.opened.insert(named.object);
            store.damaged.remove(&named.object);
        }
        let applied = self.stores[s].applied;
        self.stores[s].damaged.retain(|_, ops: &mut Set| *ops & !applied != 0);
    }

    /// Pulls all that is listed.
    pub fn pull_all(&mut self, s: usize, random: &mut Random) {
        for device in self.bucket.list() {
            self.pull(s, device, random);
        }
    }
}
