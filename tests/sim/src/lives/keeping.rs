//! Keeping the bucket small and whole: snapshots, carrying, mending, deleting, sweeping, collecting tombstones.

use std::collections::BTreeSet;

use super::bucket::{Body, Manifest, Named};
use super::op::{MAP_KEYS, Set};
use super::publishing::DAY;
use super::rules::Rule;
use super::world::World;
use crate::model::random::Random;

/// An hour, in ticks.
const GRACE: u32 = 4;

impl World {
    /// Writes a snapshot and names it.
    pub fn snapshot(&mut self, s: usize, random: &mut Random) {
        let store = &self.stores[s];
        let islands = self.rules.has(Rule::SnapshotIslands);
        let v = if islands { store.applied } else { self.prefix(store.applied) };
        if v == 0 || store.revoked {
            return;
        }
        let mut state = store.state.clone();
        state.tags = self.thinned(state.tags, v, &self.stores[s].left);
        let object = self.bucket.put(Body::Snapshot(v, state), random);
        let now = self.bucket.now;
        let own = self.own_ops(s);
        let store = &mut self.stores[s];
        store.opened.insert(object);
        store.exposed |= own;
        store.named = Some((Named { object, v }, now));
        self.note(|world| format!("{s} writes snapshot {object}, V [{}]", world.names(v)));
    }

    /// Names another device's snapshot that was merged.
    pub fn name_others(&mut self, s: usize, random: &mut Random) {
        let now = self.bucket.now;
        let store = &self.stores[s];
        if store.known.is_empty() || store.revoked {
            return;
        }
        let at = random.below(store.known.len());
        let manifest = store.known.values().nth(at).cloned();
        let Some(named) = manifest.filter(|m| self.counts_whole(s, m)).and_then(|m| m.snapshot.clone()) else { return };
        let old = store.named.as_ref().map_or(0, |old| old.0.v);
        let stands = self.bucket.objects().contains(&named.object);
        if store.opened.contains(&named.object) && self.less(old, named.v) == 0 && stands {
            self.note(|_| format!("{s} names snapshot {}", named.object));
            self.stores[s].named = Some((named, now));
        }
    }

    /// A full check: carries what is applied here and covered by no manifest, twice running; mends what is damaged.
    pub fn full_check(&mut self, s: usize, random: &mut Random) {
        if self.stores[s].revoked || !self.check_own(s, random) {
            return;
        }
        self.pull_all(s, random);
        if self.stores[s].revoked {
            return;
        }
        let manifests = self.listed(s, random);
        let damaged: BTreeSet<u32> = manifests
            .iter()
            .flat_map(|manifest| manifest.damaged.iter())
            .chain(self.stores[s].damaged.keys())
            .copied()
            .collect();
        let covered = manifests.iter().fold(0, |all, manifest| all | self.covered_by(s, manifest, &damaged));
        let lacking = manifests.iter().fold(0, |all, manifest| all | manifest.lacks);
        let covered = if self.rules.has(Rule::CarryLacking) { covered & !lacking } else { covered };
        let pending = self.stores[s].frozen.as_ref().map_or(0, |frozen| self.covered_by(s, frozen, &damaged));
        let named = self.stores[s].named.as_ref().filter(|named| !damaged.contains(&named.0.object));
        let named = named.map_or(0, |named| named.0.v);
        let uncovered = self.stores[s].applied & !covered & !pending & !named & !self.own_ops(s);
        let twice = uncovered & self.stores[s].uncovered;
        if self.rules.has(Rule::Carry) && (twice != 0 || uncovered != 0 && !self.rules.has(Rule::CarryTwice)) {
            self.note(|world| format!("{s} carries [{}]", world.names(uncovered)));
            self.had.carried += 1;
            self.snapshot(s, random);
        }
        self.stores[s].uncovered = uncovered;
        if self.rules.has(Rule::Mend) {
            self.mend(s, &damaged, random);
        }
    }

    fn listed(&self, s: usize, random: &mut Random) -> Vec<std::rc::Rc<Manifest>> {
        let own = self.stores[s].device();
        let listed = self.bucket.list().into_iter();
        let mine = self.stores[s].published.as_ref().map(|published| published.0.clone());
        listed
            .filter(|&device| device != own)
            .filter_map(|device| self.bucket.manifest(device, random))
            .chain(mine)
            .collect()
    }

    /// The ops that a manifest keeps: in its lines, or in its snapshot.
    fn covered_by(&self, s: usize, manifest: &Manifest, damaged: &BTreeSet<u32>) -> Set {
        let whole = self.counts_whole(s, manifest);
        let mut covered = 0;
        for line in &manifest.lines {
            let lost = line.segments.iter().filter(|segment| damaged.contains(&segment.object));
            covered |= line.ops() & !lost.fold(0, |all, segment| all | segment.ops);
        }
        if !whole {
            let marks =
                (0..self.devices).filter_map(|device| self.closed(s, device)).fold(0, |all, mark| all | mark.ops);
            covered &= self.of(manifest.device, marks);
        }
        let named = manifest.snapshot.as_ref().filter(|named| whole && !damaged.contains(&named.object));
        covered | named.map_or(0, |named| named.v)
    }

    /// Own objects that are missed get new names.
    fn mend(&mut self, s: usize, damaged: &BTreeSet<u32>, random: &mut Random) {
        for line in &mut self.stores[s].lines {
            if let Some(at) = line.segments.iter().position(|segment| damaged.contains(&segment.0.object)) {
                let again: Vec<u8> = line.segments.drain(at..).flat_map(|old| old.2).collect();
                line.tail.splice(0..0, again);
            }
        }
        if self.stores[s].named.as_ref().is_some_and(|named| damaged.contains(&named.0.object)) {
            self.snapshot(s, random);
        }
    }

    /// Deletes what the snapshot that the own manifest names makes superfluous.
    pub fn delete(&mut self, s: usize, random: &mut Random) {
        let now = self.bucket.now;
        let store = &self.stores[s];
        let Some((published, since)) = store.published.clone() else { return };
        if store.revoked || self.rules.has(Rule::DeleteGrace) && since + GRACE > now {
            return;
        }
        if self.rules.has(Rule::DeleteStands)
            && self.bucket.manifest(store.device(), random).is_none_or(|stands| stands.hash != published.hash)
        {
            return;
        }
        let grace = if self.rules.has(Rule::DeleteGrace) { GRACE } else { 0 };
        let store = &mut self.stores[s];
        let (gone, kept) = store.retired.iter().partition(|old| old.1 + grace < now);
        store.retired = kept;
        let mut gone: Vec<u32> = Vec::into_iter(gone).map(|old: (u32, u32)| old.0).collect();
        let store = &self.stores[s];
        let named = published.snapshot.as_ref().filter(|named| store.opened.contains(&named.object));
        if let Some(named) = named {
            let witness = store.known.values().filter(|known| self.counts_whole(s, known));
            let witness = witness.fold(0, |all, known| all | known.vector);
            let sure = |ops: Set| ops & !named.v == 0 && (ops & !witness == 0 || !self.rules.has(Rule::DeleteWitness));
            for manifest in store.known.values() {
                let segments = manifest.lines.iter().flat_map(|line| &line.segments);
                gone.extend(segments.filter(|segment| sure(segment.ops)).map(|segment| segment.object));
                let theirs = manifest.snapshot.as_ref().filter(|theirs| sure(theirs.v) && theirs.v != named.v);
                gone.extend(theirs.map(|theirs| theirs.object));
            }
        }
        let own = |object: &u32| {
            published.snapshot.as_ref().is_some_and(|named| named.object == *object)
                || published.lines.iter().flat_map(|line| &line.segments).any(|segment| segment.object == *object)
                || store.named.as_ref().is_some_and(|named| named.0.object == *object)
        };
        gone.retain(|object| !own(object));
        let theirs: BTreeSet<u32> = store
            .known
            .values()
            .filter_map(|known| known.snapshot.as_ref())
            .filter(|theirs| named.is_none_or(|named| theirs.v & !named.v != 0 || theirs.v == named.v))
            .map(|theirs| theirs.object)
            .collect();
        gone.retain(|object| !theirs.contains(object));
        self.remove(s, gone, "deletes");
    }

    fn remove(&mut self, s: usize, gone: Vec<u32>, how: &str) {
        // Who revokes withdraws the bucket's credentials, too: with them, anything can be deleted.
        let own = self.stores[s].device();
        if self.ops.iter().filter_map(|op| op.mark).any(|mark| mark.target == own && mark.revoked) {
            return;
        }
        if !gone.is_empty() {
            self.had.deleted += gone.len();
            self.note(|_| format!("{s} {how} {gone:?}"));
        }
        gone.into_iter().for_each(|object| self.bucket.delete(object));
    }

    /// Deletes what no manifest names, if an earlier sweep found it unnamed too.
    pub fn sweep(&mut self, s: usize, random: &mut Random) {
        if self.stores[s].revoked {
            return;
        }
        let objects = self.bucket.objects();
        let mut named = BTreeSet::new();
        for device in self.bucket.list() {
            let Some(manifest) = self.bucket.manifest(device, random) else { return };
            named.extend(manifest.lines.iter().flat_map(|line| &line.segments).map(|segment| segment.object));
            named.extend(manifest.snapshot.iter().map(|named| named.object));
        }
        let now = self.bucket.now;
        let twice = self.rules.has(Rule::SweepTwice);
        let store = &mut self.stores[s];
        store.unnamed.retain(|object, _| !named.contains(object));
        let mut gone = Vec::new();
        for object in objects.into_iter().filter(|object| !named.contains(object)) {
            let since = *store.unnamed.entry(object).or_insert(now);
            if since + 7 * DAY <= now || !twice {
                gone.push(object);
            }
        }
        self.remove(s, gone, "sweeps");
    }

    /// Drops the tombstones that nobody needs.
    pub fn collect(&mut self, s: usize, random: &mut Random) {
        let store = &self.stores[s];
        if store.revoked {
            return;
        }
        let mut stated = !0;
        for device in self.bucket.list() {
            let Some(manifest) = self.bucket.manifest(device, random) else { return };
            if device == store.device() {
                if self.rules.has(Rule::TombMember) && !store.hashes.contains(&manifest.hash) {
                    return;
                }
                continue;
            }
            if self.closed(s, device).is_some() {
                continue;
            }
            let ops = manifest.lines.iter().fold(0, |all, line| all | line.ops());
            if self.rules.has(Rule::TombOps) && ops & !store.applied != 0 {
                return;
            }
            stated &= manifest.vector;
        }
        if !self.rules.has(Rule::TombLive) {
            stated = !0;
        }
        let prefix = self.prefix(store.applied);
        for key in 0..MAP_KEYS {
            let slot = &self.stores[s].state.slots[key];
            let alone = slot.entries.iter().all(|entry| !entry.put) || !self.rules.has(Rule::TombAlone);
            let bare = slot.entries.iter().all(|entry| entry.context == 0) || !self.rules.has(Rule::TombContext);
            let seen = |op| self.covers(stated, op) && self.covers(prefix, op);
            if alone && bare && slot.entries.iter().filter(|entry| !entry.put).all(|entry| seen(entry.op)) {
                let slot = &mut self.stores[s].state.slots[key];
                let before = slot.entries.len();
                slot.entries.retain(|entry| entry.put);
                let gone = before - slot.entries.len();
                self.had.collected += gone;
                if gone > 0 {
                    self.note(|_| format!("{s} collects {gone} tombstones of key {key}"));
                }
            }
        }
        if !self.rules.has(Rule::LogDeletes) {
            for key in MAP_KEYS..self.stores[s].state.slots.len() {
                self.stores[s].state.slots[key].deleted = false;
            }
        }
    }
}
