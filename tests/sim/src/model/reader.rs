//! Reading what others wrote: manifests, their logs, and snapshots chunk by chunk.

use super::bucket::{Body, Manifest, Named};
use super::device::World;
use super::dots::{Dot, name};
use super::random::Random;
use super::replica::{KEYS, Merged};
use super::rules::Rule;

impl World {
    /// Reads a device's manifest and what it can of its ops. May stop anywhere, as a crash would.
    pub fn pull(&mut self, d: usize, from: usize, random: &mut Random) {
        let Some(manifest) = self.bucket.get_manifest(from, random) else { return };
        let device = &mut self.devices[d];
        if d == from || device.known[from].as_ref().is_some_and(|known| known.sequence > manifest.sequence) {
            return;
        }
        device.known[from] = Some(manifest.clone());
        device.damaged.retain(|entry| entry.0 != from);
        self.note(|| format!("{} reads manifest {} of {}", name(d), manifest.sequence, name(from)));
        if self.rules.held && !self.devices[d].replica.merged.is_empty() {
            self.take_snapshot(d, &manifest, from, random);
            return;
        }
        let mut gap = self.lacks(d, from, 1, manifest.from - 1);
        for segment in &manifest.segments {
            if self.bucket.moody && random.once_in(12) {
                return;
            }
            if !self.lacks(d, from, segment.from, segment.to) {
                continue;
            }
            match self.bucket.get(segment.id).as_deref() {
                Some(Body::Segment(ops)) => {
                    self.note(|| format!("  segment {}", segment.id));
                    ops.iter().for_each(|op| self.devices[d].replica.apply(op));
                }
                _ => {
                    self.note(|| format!("  segment {} is unreadable", segment.id));
                    self.devices[d].damaged.insert((from, segment.id));
                    gap = true;
                }
            }
        }
        manifest.tail.iter().for_each(|op| self.devices[d].replica.apply(op));
        self.devices[d].replica.forget();
        if gap {
            self.take_snapshot(d, &manifest, from, random);
        }
    }

    /// Whether a device lacks any op of this run of another's log.
    fn lacks(&self, d: usize, device: usize, from: u8, to: u8) -> bool {
        (from..=to).any(|n| !self.devices[d].replica.applied.covers(Dot { device, n }))
    }

    /// Begins to merge a snapshot that fills a gap in `from`'s log.
    fn take_snapshot(&mut self, d: usize, manifest: &Manifest, from: usize, random: &mut Random) {
        let own = manifest.snapshot.clone().map(|named| (from, named));
        let known = self.devices[d].known.iter().enumerate();
        let others = known.filter_map(|(by, known)| Some((by, known.as_ref()?.snapshot.clone()?)));
        let fills = |named: &Named| {
            let helps = |n| {
                let dot = Dot { device: from, n };
                named.v.covers(dot) && !self.devices[d].replica.applied.covers(dot)
            };
            (1..=manifest.last).any(helps)
        };
        let choice: Vec<_> = own.into_iter().chain(others).filter(|(_, named)| fills(named)).collect();
        if !choice.is_empty() {
            let (by, named) = choice[random.below(choice.len())].clone();
            self.begin_merge(d, by, named);
        }
    }

    /// Takes any snapshot named that has something new.
    pub fn catch_up(&mut self, d: usize, random: &mut Random) {
        let by = random.below(self.devices.len());
        let Some(named) = self.devices[d].known[by].as_ref().and_then(|known| known.snapshot.clone()) else { return };
        self.begin_merge(d, by, named);
    }

    fn begin_merge(&mut self, d: usize, by: usize, named: Named) {
        let replica = &self.devices[d].replica;
        let busy = replica.merged.iter().any(|merged| merged.active);
        let less = self.rules.held && replica.merged.iter().any(|merged| !named.v.includes(&merged.v));
        if busy || less || replica.applied.prefix().includes(&named.v) {
            return;
        }
        let index = self.bucket.get(named.id);
        let Some(Body::Index(v, chunks)) = index.as_deref() else {
            self.devices[d].damaged.insert((by, named.id));
            self.note(|| format!("{} finds snapshot {} unreadable", name(d), named.id));
            return;
        };
        let all: Option<Vec<_>> = chunks.iter().map(|chunk| self.bucket.get(chunk.1)).collect();
        if all.is_none() && self.rules.has(Rule::Staged) {
            self.devices[d].damaged.insert((by, named.id));
            self.note(|| format!("{} cannot have all of snapshot {}", name(d), named.id));
            return;
        }
        self.note(|| format!("{} begins to merge snapshot {}, V {v}", name(d), named.id));
        let staged = all.filter(|_| self.rules.has(Rule::Staged));
        let device = &mut self.devices[d];
        match device.replica.merged.iter_mut().find(|merged| merged.snapshot == named.id) {
            Some(given_up) => given_up.active = true,
            None => {
                let merged = Merged { snapshot: named.id, v: *v, below: 0, chunks: 0, staged, active: true };
                device.replica.merged.push(merged);
            }
        }
        if !self.rules.has(Rule::AdoptLast) {
            device.replica.adopt(v);
        }
    }

    /// Merges the next chunk of the snapshot under way, adopts V after the last one, or gives up if it cannot be had.
    pub fn merge_chunk(&mut self, d: usize, random: &mut Random) {
        let Some(at) = self.devices[d].replica.merged.iter().position(|merged| merged.active) else { return };
        let merged = self.devices[d].replica.merged[at].clone();
        let body = match &merged.staged {
            Some(staged) => staged.get(merged.chunks).cloned(),
            None => self.bucket.get(merged.snapshot).and_then(|index| match &*index {
                Body::Index(_, chunks) => self.bucket.get(chunks[merged.chunks].1),
                _ => None,
            }),
        };
        let Some(Body::Chunk(keys)) = body.as_deref() else {
            self.give_up(d, at, merged.snapshot);
            return;
        };
        let (first, to) = (merged.below, merged.below + keys.len());
        self.note(|| format!("{} merges keys {first} to {} of snapshot {}", name(d), to - 1, merged.snapshot));
        let device = &mut self.devices[d];
        device.replica.merge(keys, first, &merged.v);
        let progress = &mut device.replica.merged[at];
        progress.chunks += 1;
        progress.below = to;
        if to == KEYS {
            progress.active = false;
            device.replica.adopt(&merged.v);
            device.replica.forget();
            device.opened.insert(merged.snapshot);
            self.note(|| format!("{} adopts V", name(d)));
        } else if merged.staged.is_none() && self.bucket.moody && random.once_in(10) {
            self.give_up(d, at, merged.snapshot);
        }
    }

    fn give_up(&mut self, d: usize, at: usize, snapshot: u32) {
        self.note(|| format!("{} gives up snapshot {snapshot}", name(d)));
        let device = &mut self.devices[d];
        let namer = device.known.iter().position(|known| {
            known.as_ref().and_then(|known| known.snapshot.as_ref()).is_some_and(|named| named.id == snapshot)
        });
        device.damaged.extend(namer.map(|namer| (namer, snapshot)));
        let merged = &mut device.replica.merged[at];
        merged.active = false;
        if merged.chunks == 0 {
            device.replica.merged.remove(at);
        }
    }
}
