//! Freezing a manifest, putting it, looking whether it stands.

use std::rc::Rc;

use super::bucket::{Body, Manifest, Named, SegmentRef};
use super::op::{Set, one};
use super::rules::Rule;
use super::store::{Store, published};
use super::world::World;
use crate::model::random::Random;

/// A day, in ticks.
pub const DAY: u32 = 10;
/// More ops than this in the tail go into a segment.
const TAIL: usize = 2;

impl World {
    /// An empty store joins: it says so before it reads.
    pub fn join(&mut self, random: &mut Random) {
        let device = self.devices;
        self.devices += 1;
        let s = self.stores.len();
        let mut store = Store::new(device);
        store.skew = [0, 40, 3, 0, 90][s % 5];
        self.stores.push(store);
        self.note(|_| format!("{s} joins as {}", (b'A' + device) as char));
        if self.rules.has(Rule::JoinFirst) {
            self.freeze(s, random);
            self.put(s, false, random);
        }
    }

    /// Freezes the next manifest.
    pub fn freeze(&mut self, s: usize, random: &mut Random) {
        if self.stores[s].frozen.is_some() || self.stores[s].revoked {
            return;
        }
        self.renew(s, random);
        self.trim(s);
        let now = self.bucket.now;
        let store = &mut self.stores[s];
        let voids = store.voids.clone();
        let line = store.own_mut();
        if line.tail.len() > TAIL {
            let ops = std::mem::take(&mut line.tail);
            let set = ops.iter().fold(0, |all, &op| all | one(op));
            let object = self.bucket.put(Body::Segment(published(&ops, &voids)), random);
            line.segments.push((SegmentRef { object, ops: set }, now, ops));
        }
        let vector = self.prefix(self.stores[s].applied);
        self.manifests += 1;
        let store = &mut self.stores[s];
        store.sequence += 1;
        let manifest = Manifest {
            hash: self.manifests,
            device: store.device(),
            sequence: store.sequence,
            vector,
            lines: store.lines.iter().map(|line| line.line(&voids)).collect(),
            snapshot: store.named.as_ref().map(|named| named.0.clone()),
            damaged: store.damaged.keys().copied().collect(),
            lacks: store.vouched & !store.applied,
            frozen: now,
            store: s,
        };
        store.hashes.insert(manifest.hash);
        store.exposed |= manifest.lines.iter().fold(0, |all, line| all | line.ops());
        let manifest = Rc::new(manifest);
        store.frozen = Some(Rc::clone(&manifest));
        self.note(|world| {
            let lines: Vec<_> = manifest.lines.iter().map(|line| world.names(line.ops())).collect();
            let named = manifest.snapshot.as_ref().map(|named| (named.object, world.names(named.v)));
            format!(
                "{s} freezes {} #{} of {}: {lines:?} names {named:?} states [{}]",
                manifest.sequence,
                manifest.hash,
                (b'A' + manifest.device) as char,
                world.names(manifest.vector)
            )
        });
    }

    /// What the published manifest does not name and is old may have been swept: it gets new names.
    fn renew(&mut self, s: usize, random: &mut Random) {
        if !self.rules.has(Rule::FrozenOld) {
            return;
        }
        let now = self.bucket.now;
        let store = &mut self.stores[s];
        let standing = store.published.as_ref().map(|published| Rc::clone(&published.0));
        let stands = |object: u32| {
            standing.as_ref().is_some_and(|manifest| {
                manifest.snapshot.as_ref().is_some_and(|named| named.object == object)
                    || manifest.lines.iter().flat_map(|line| &line.segments).any(|segment| segment.object == object)
            })
        };
        for line in &mut store.lines {
            if let Some(at) = line.segments.iter().position(|old| old.1 + DAY < now && !stands(old.0.object)) {
                let again: Vec<u8> = line.segments.drain(at..).flat_map(|old| old.2).collect();
                line.tail.splice(0..0, again);
            }
        }
        if store.named.as_ref().is_some_and(|named| named.1 + DAY < now && !stands(named.0.object)) {
            self.snapshot(s, random);
        }
    }

    /// Trims the own lines up to the V of the snapshot named beside them.
    fn trim(&mut self, s: usize) {
        let now = self.bucket.now;
        let store = &mut self.stores[s];
        let Some((Named { v, .. }, _)) = store.named.clone() else { return };
        for line in &mut store.lines {
            while line.segments.first().is_some_and(|first| first.0.ops & !v == 0) {
                let gone = line.segments.remove(0).0;
                line.trimmed |= gone.ops;
                store.retired.push((gone.object, now));
            }
            while line.segments.is_empty() && line.tail.first().is_some_and(|&op| v >> op & 1 == 1) {
                line.trimmed |= one(line.tail.remove(0));
            }
        }
        let last = store.lines.len() - 1;
        let mut at = 0;
        store.lines.retain(|line| {
            at += 1;
            at > last || line.ops() != 0
        });
    }

    /// PUTs the frozen manifest. Unsure: it arrives, but the store does not learn that.
    pub fn put(&mut self, s: usize, unsure: bool, random: &mut Random) {
        let Some(frozen) = self.stores[s].frozen.clone() else { return };
        if self.stores[s].revoked {
            return;
        }
        if self.rules.has(Rule::FrozenOld) && frozen.frozen + DAY < self.bucket.now {
            self.note(|_| format!("{s} gives up #{}: it is old", frozen.hash));
            self.stores[s].frozen = None;
            self.freeze(s, random);
            return;
        }
        self.bucket.put_manifest(&frozen, random);
        if !unsure {
            self.confirm(s, &frozen);
        }
        self.note(|_| format!("{s} puts #{}{}", frozen.hash, if unsure { ", and does not know" } else { "" }));
    }

    fn confirm(&mut self, s: usize, manifest: &Rc<Manifest>) {
        let now = self.bucket.now;
        let store = &mut self.stores[s];
        let old = store.published.replace((Rc::clone(manifest), now));
        if let Some(named) = old.and_then(|old| old.0.snapshot.clone())
            && manifest.snapshot.as_ref().is_none_or(|new| new.object != named.object)
        {
            store.retired.push((named.object, now));
        }
        if store.frozen.as_ref().is_some_and(|frozen| frozen.hash == manifest.hash) {
            store.frozen = None;
        }
    }

    /// Reads the own manifest and does what it shows. False if the store took another id.
    pub fn check_own(&mut self, s: usize, random: &mut Random) -> bool {
        let store = &self.stores[s];
        if store.revoked {
            return true;
        }
        let Some(found) = self.bucket.manifest(store.device(), random) else { return true };
        let published = store.published.as_ref().map(|published| Rc::clone(&published.0));
        if store.frozen.as_ref().is_some_and(|frozen| frozen.hash == found.hash) {
            self.confirm(s, &found);
        } else if let Some(stood) = &mut self.stores[s].published.as_mut().filter(|stood| stood.0.hash == found.hash) {
            stood.1 = self.bucket.now;
        } else if self.stores[s].hashes.contains(&found.hash) {
            let old = self.stores[s].published.as_ref().is_some_and(|stood| stood.1 + DAY < self.bucket.now);
            if old && self.rules.has(Rule::AgainAnew) {
                self.note(|_| format!("{s} finds #{}, which is older, and has not looked for long", found.hash));
                (self.stores[s].published, self.stores[s].frozen) = (None, None);
            } else if let Some(published) = published.filter(|_| self.rules.has(Rule::PutAgain)) {
                self.bucket.put_manifest(&published, random);
                self.note(|_| format!("{s} puts #{} again", published.hash));
            }
        } else if self.rules.has(Rule::LeaveForeign) {
            self.note(|_| format!("{s} finds #{} under its id", found.hash));
            self.leave(s, random);
            return false;
        }
        true
    }

    /// Takes another id. All stays as it is, under its old names.
    pub fn leave(&mut self, s: usize, random: &mut Random) {
        let device = self.devices;
        self.devices += 1;
        self.had.left += 1;
        let old = self.stores[s].device();
        self.unwarned |= self.stores[s].applied;
        let store = &mut self.stores[s];
        if !self.rules.has(Rule::LeaveLog) {
            store.lines.clear();
        }
        if !self.rules.has(Rule::LeaveSnapshot) {
            store.named = None;
        }
        store.lines.push(super::store::OwnLine::new(device));
        (store.frozen, store.published, store.sequence) = (None, None, 0);
        store.hashes.clear();
        store.left.push(old);
        if self.rules.has(Rule::LeaveFresh) {
            self.snapshot(s, random);
        }
        self.note(|_| format!("{s} leaves, and is now {}", (b'A' + device) as char));
    }

    /// Own ops that are published by the own log, or will be.
    pub fn own_ops(&self, s: usize) -> Set {
        self.stores[s].lines.iter().fold(0, |all, line| all | line.ops())
    }
}
