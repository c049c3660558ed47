//! The bucket: manifests that may be read stale or overwritten late by themselves, objects that may be lost or unreadable.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::dots::{DEVICES, Dots};
use super::random::Random;
use super::replica::{Key, Op};

/// A segment as a manifest names it.
#[derive(Clone, Debug)]
pub struct SegmentRef {
    /// The object.
    pub id: u32,
    /// Its first op.
    pub from: u8,
    /// Its last op.
    pub to: u8,
}

/// A snapshot as a manifest names it.
#[derive(Clone, Debug)]
pub struct Named {
    /// The index object.
    pub id: u32,
    /// Its V.
    pub v: Dots,
}

/// A device's statement.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Which of the device's statements it is, from 1.
    pub sequence: u32,
    /// What the device had applied.
    pub vector: Dots,
    /// The first op of its log; earlier ones are trimmed.
    pub from: u8,
    /// Its last op; 0 for none.
    pub last: u8,
    /// Its segments.
    pub segments: Vec<SegmentRef>,
    /// Its ops after the segments.
    pub tail: Vec<Op>,
    /// The snapshot it names.
    pub snapshot: Option<Named>,
    /// Objects it misses.
    pub damaged: Vec<u32>,
}

/// An object that is written once.
#[derive(Clone, Debug)]
pub enum Body {
    /// A run of one device's ops.
    Segment(Vec<Op>),
    /// V, and the chunks: for each its first key and its object.
    Index(Dots, Vec<(usize, u32)>),
    /// The keys from the chunk's first on.
    Chunk(Vec<Key>),
}

struct Object {
    body: Rc<Body>,
    lost: bool,
    bad_until: u32,
}

/// The bucket and its moods.
pub struct Bucket {
    /// Faults happen; otherwise every read is exact, though what is lost stays lost.
    pub moody: bool,
    /// Time, in events.
    pub now: u32,
    manifests: [Vec<Rc<Manifest>>; DEVICES],
    late: Vec<(u32, usize, Rc<Manifest>)>,
    objects: BTreeMap<u32, Object>,
    next_id: u32,
}

impl Bucket {
    /// An empty bucket.
    pub fn new() -> Self {
        Self {
            moody: true,
            now: 0,
            manifests: Default::default(),
            late: Vec::new(),
            objects: BTreeMap::new(),
            next_id: 1,
        }
    }

    /// Time goes on; duplicates of old PUTs land.
    pub fn tick(&mut self) {
        self.now += 1;
        let due = |entry: &(u32, usize, Rc<Manifest>)| entry.0 <= self.now || !self.moody;
        let landing: Vec<_> = self.late.iter().filter(|entry| due(entry)).cloned().collect();
        self.late.retain(|entry| entry.0 > self.now && self.moody);
        for (_, device, manifest) in landing {
            self.manifests[device].push(manifest);
        }
    }

    /// PUT of a manifest. It may land a second time, much later.
    pub fn put_manifest(&mut self, device: usize, manifest: Rc<Manifest>, random: &mut Random) {
        if self.moody && random.once_in(8) {
            self.late.push((self.now + 1 + random.below(30) as u32, device, Rc::clone(&manifest)));
        }
        self.manifests[device].push(manifest);
    }

    /// GET of a manifest, perhaps an older one.
    pub fn get_manifest(&self, device: usize, random: &mut Random) -> Option<Rc<Manifest>> {
        let versions = &self.manifests[device];
        let back = if self.moody && random.once_in(5) { random.below(3) } else { 0 };
        versions.get(versions.len().checked_sub(1 + back)?).cloned()
    }

    /// LIST of the manifests.
    pub fn list(&self) -> Vec<usize> {
        (0..DEVICES).filter(|&device| !self.manifests[device].is_empty()).collect()
    }

    /// PUT of an object under a new name. It may be lost for good, or unreadable for a while.
    pub fn put(&mut self, body: Body, random: &mut Random) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        let lost = self.moody && random.once_in(15);
        let bad_until = if self.moody && random.once_in(3) { self.now + random.below(100) as u32 } else { 0 };
        self.objects.insert(id, Object { body: Rc::new(body), lost, bad_until });
        id
    }

    /// GET of an object; none if it is missing or cannot be read.
    pub fn get(&self, id: u32) -> Option<Rc<Body>> {
        let object = self.objects.get(&id)?;
        let bad = object.lost || (self.moody && object.bad_until > self.now);
        (!bad).then(|| Rc::clone(&object.body))
    }

    /// How many keys a chunk has: its writer knows, whatever became of it.
    pub fn stored(&self, id: u32) -> Option<usize> {
        match &*self.objects.get(&id)?.body {
            Body::Chunk(keys) => Some(keys.len()),
            _ => None,
        }
    }

    /// DELETE of an object.
    pub fn delete(&mut self, id: u32) {
        self.objects.remove(&id);
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self::new()
    }
}
