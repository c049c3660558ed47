//! Keeping the bucket small and whole: snapshots, mending, deleting, collecting tombstones.

use super::bucket::{Body, Named, SegmentRef};
use super::device::World;
use super::dots::{Dots, name};
use super::random::Random;
use super::replica::KEYS;
use super::rules::Rule;

/// An object no longer named may go after so many events.
const GRACE: u32 = 15;

impl World {
    /// Writes a snapshot, if this device may, and names it.
    pub fn snapshot(&mut self, d: usize, random: &mut Random) {
        let replica = &self.devices[d].replica;
        let settled = replica.merged.is_empty() || !self.rules.has(Rule::SnapshotSettled);
        let gaps = replica.applied != replica.applied.prefix();
        if !settled || (gaps && !self.rules.has(Rule::SnapshotGaps)) {
            return;
        }
        let v = if self.rules.has(Rule::SnapshotPrefix) { replica.applied.prefix() } else { replica.applied.filled() };
        if v.is_empty() {
            return;
        }
        if self.rules.has(Rule::SnapshotWhole) {
            let mut chunks = Vec::new();
            while self.put_chunk(d, &mut chunks, random) {}
            self.finish_snapshot(d, v, chunks, random);
        } else {
            let (v, mut chunks) = self.devices[d].torn.take().unwrap_or((v, Vec::new()));
            if self.put_chunk(d, &mut chunks, random) {
                self.devices[d].torn = Some((v, chunks));
            } else {
                self.finish_snapshot(d, v, chunks, random);
            }
        }
    }

    /// PUTs the next chunk. False if there was none left.
    fn put_chunk(&mut self, d: usize, chunks: &mut Vec<(usize, u32)>, random: &mut Random) -> bool {
        let first = match chunks.last().and_then(|chunk| self.bucket.stored(chunk.1).map(|keys| chunk.0 + keys)) {
            None => 0,
            Some(KEYS) => return false,
            Some(next) => next,
        };
        let to = if random.once_in(6) { KEYS } else { first + 1 + random.below(KEYS - first) };
        let keys = self.devices[d].replica.keys[first..to].to_vec();
        chunks.push((first, self.bucket.put(Body::Chunk(keys), random)));
        true
    }

    fn finish_snapshot(&mut self, d: usize, v: Dots, chunks: Vec<(usize, u32)>, random: &mut Random) {
        self.note(|| format!("{} writes a snapshot, V {v}, chunks {chunks:?}", name(d)));
        let id = self.bucket.put(Body::Index(v, chunks), random);
        let device = &mut self.devices[d];
        device.opened.insert(id);
        device.exposed = device.exposed.max(v.reach(d));
        self.name_snapshot(d, Named { id, v });
    }

    /// Names another device's snapshot that was merged whole.
    pub fn name_others(&mut self, d: usize, random: &mut Random) {
        let by = random.below(self.devices.len());
        let Some(named) = self.devices[d].known[by].as_ref().and_then(|known| known.snapshot.clone()) else { return };
        if self.devices[d].opened.contains(&named.id) {
            self.name_snapshot(d, named);
        }
    }

    fn name_snapshot(&mut self, d: usize, named: Named) {
        let device = &mut self.devices[d];
        let grows = device.snapshot.as_ref().is_none_or(|old| named.v.includes(&old.v));
        if grows || !self.rules.has(Rule::NamedGrows) {
            let now = self.bucket.now;
            device.retired.extend(device.snapshot.replace(named.clone()).map(|old| (old.id, now)));
            self.note(|| format!("{} names snapshot {}", name(d), named.id));
        }
    }

    /// Puts again what others report as damaged: a segment with the same ops, or a fresh snapshot.
    pub fn mend(&mut self, d: usize, random: &mut Random) {
        if !self.rules.has(Rule::Mend) {
            return;
        }
        let reported: Vec<u32> =
            self.devices[d].known.iter().flatten().flat_map(|known| known.damaged.iter().copied()).collect();
        for id in reported {
            let device = &mut self.devices[d];
            if let Some(at) = device.segments.iter().position(|segment| segment.id == id) {
                let SegmentRef { from, to, .. } = device.segments[at];
                let ops = device.log[from as usize - 1..to as usize].to_vec();
                let new = self.bucket.put(Body::Segment(ops), random);
                self.devices[d].segments[at].id = new;
                self.note(|| format!("{} mends segment {id} as {new}", name(d)));
            } else if device.snapshot.as_ref().is_some_and(|named| named.id == id) {
                self.snapshot(d, random);
            }
        }
    }

    /// Deletes what the rules allow: own objects some time after the manifest that no longer names them, and anybody's
    /// segments and snapshots below the V of a snapshot that is named and was opened here.
    pub fn delete(&mut self, d: usize, random: &mut Random) {
        let device = &mut self.devices[d];
        let Some(published) = device.published.clone() else { return };
        let named = |id: u32| {
            published.segments.iter().any(|segment| segment.id == id)
                || published.snapshot.as_ref().is_some_and(|named| named.id == id)
        };
        let now = self.bucket.now;
        let (gone, kept) = device.retired.iter().partition(|(id, since)| since + GRACE < now && !named(*id));
        device.retired = kept;
        let mut gone: Vec<u32> = Vec::into_iter(gone).map(|entry: (u32, u32)| entry.0).collect();
        gone.retain(|id| {
            let of = |known: &super::bucket::Manifest| known.snapshot.as_ref().is_some_and(|named| named.id == *id);
            !self.devices[d].known.iter().flatten().any(|known| of(known))
        });
        let device = &self.devices[d];
        let manifests = || device.known.iter().flatten().chain([&published]);
        let opened = manifests().filter_map(|manifest| manifest.snapshot.as_ref());
        let cover = opened.filter(|named| device.opened.contains(&named.id)).map(|named| named.v);
        if let Some(v) = cover.max_by_key(|v| (0..self.devices.len()).map(|e| u32::from(v.reach(e))).sum::<u32>())
            && random.once_in(3)
        {
            for (by, manifest) in device.known.iter().enumerate() {
                let segments = manifest.iter().flat_map(|manifest| &manifest.segments);
                gone.extend(segments.filter(|segment| segment.to <= v.reach(by)).map(|segment| segment.id));
                let snapshot = manifest.iter().filter_map(|manifest| manifest.snapshot.as_ref());
                gone.extend(snapshot.filter(|named| v.includes(&named.v) && named.v != v).map(|named| named.id));
            }
        }
        for id in gone {
            self.note(|| format!("{} deletes object {id}", name(d)));
            self.bucket.delete(id);
        }
    }

    /// A full check: LIST, read every manifest, collect tombstones.
    pub fn collect(&mut self, d: usize, random: &mut Random) {
        if !self.devices[d].joined {
            return;
        }
        let mut manifests = Vec::new();
        if self.rules.has(Rule::TombList) {
            for e in self.bucket.list().into_iter().filter(|&e| e != d) {
                manifests.push((e, self.bucket.get_manifest(e, random)));
            }
        } else {
            manifests.extend(self.devices[d].known.iter().cloned().enumerate().filter(|known| known.1.is_some()));
        }
        let mut stated = Vec::new();
        for (e, manifest) in manifests {
            let Some(manifest) = manifest else { return };
            let all = self.devices[d].replica.applied.reach(e) >= manifest.last;
            if !all && self.rules.has(Rule::TombOps) {
                return;
            }
            stated.push(manifest.vector);
        }
        if !self.rules.has(Rule::TombLive) {
            stated.clear();
        }
        let gone = self.devices[d].replica.collect(&stated);
        self.collected += gone;
        if gone > 0 {
            self.note(|| format!("{} collects {gone} tombstones", name(d)));
        }
    }
}
