//! The bucket: manifests that may be read stale or overwritten, also late by old ones, and objects that go for good.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::op::Set;
use super::store::State;
use crate::model::random::Random;

/// How long a read may be stale, in ticks.
const STALE: u32 = 6;

/// How late a duplicate of a PUT may land.
const LATE: usize = 4;

/// An op as published: it, or a void in its place that names what replaced it.
pub type Published = (u8, Option<u8>);

/// A segment as a manifest names it.
#[derive(Clone, Debug)]
pub struct SegmentRef {
    /// The object.
    pub object: u32,
    /// The ops that its range stands for.
    pub ops: Set,
}

/// Ops of one id, end to end.
#[derive(Clone, Debug)]
pub struct Line {
    /// The id.
    pub device: u8,
    /// The ops before its first: trimmed, under the snapshot named beside it.
    pub trimmed: Set,
    /// Older ones.
    pub segments: Vec<SegmentRef>,
    /// The newest ones.
    pub tail: Vec<Published>,
}

impl Line {
    /// All ops from its first on.
    pub fn ops(&self) -> Set {
        let tail = self.tail.iter().fold(0, |all, op| all | 1 << op.0);
        self.segments.iter().fold(tail, |all, segment| all | segment.ops)
    }
}

/// A snapshot as a manifest names it.
#[derive(Clone, Debug)]
pub struct Named {
    /// The object.
    pub object: u32,
    /// Its V.
    pub v: Set,
}

/// A device's statement.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its hash.
    pub hash: u32,
    /// Who.
    pub device: u8,
    /// Counts from 1, in each copy of a store by itself.
    pub sequence: u32,
    /// What it had applied without gaps.
    pub vector: Set,
    /// Left ids first, the own last.
    pub lines: Vec<Line>,
    /// The snapshot it names.
    pub snapshot: Option<Named>,
    /// Objects it misses.
    pub damaged: Vec<u32>,
    /// Ops that others state and that it could not have.
    pub lacks: Set,
    /// When it was frozen.
    pub frozen: u32,
    /// The judge's: which store made it.
    pub store: usize,
}

/// An object that is written once.
#[derive(Clone, Debug)]
pub enum Body {
    /// A run of ops.
    Segment(Vec<Published>),
    /// V and all that stands.
    Snapshot(Set, State),
}

struct Object {
    body: Rc<Body>,
    bad_until: u32,
}

/// The bucket and its moods.
#[derive(Default)]
pub struct Bucket {
    /// Faults happen.
    pub moody: bool,
    /// Time.
    pub now: u32,
    /// Objects that nobody can read now, beside those that chance hides.
    pub hidden: BTreeSet<u32>,
    manifests: BTreeMap<u8, Vec<(u32, Rc<Manifest>)>>,
    late: Vec<(u32, Rc<Manifest>)>,
    objects: BTreeMap<u32, Object>,
    next: u32,
}

impl Bucket {
    /// Whatever went wrong with it ends.
    pub fn heal(&mut self) {
        self.moody = false;
        self.hidden.clear();
    }

    /// An empty one in which faults happen.
    pub fn moody() -> Self {
        Self { moody: true, ..Self::default() }
    }

    /// Time goes on; duplicates of old PUTs land.
    pub fn pass(&mut self, ticks: u32) {
        self.now += ticks;
        let (landing, later) = self.late.drain(..).partition(|late| late.0 <= self.now || !self.moody);
        self.late = later;
        let landing: Vec<(u32, Rc<Manifest>)> = landing;
        for (_, manifest) in landing {
            self.manifests.entry(manifest.device).or_default().push((self.now, manifest));
        }
    }

    /// PUT of a manifest. It may land a second time, much later.
    pub fn put_manifest(&mut self, manifest: &Rc<Manifest>, random: &mut Random) {
        if self.moody && random.once_in(10) {
            self.late.push((self.now + 1 + random.below(LATE) as u32, Rc::clone(manifest)));
        }
        self.manifests.entry(manifest.device).or_default().push((self.now, Rc::clone(manifest)));
    }

    /// GET of a manifest, perhaps one that was replaced a short while ago.
    pub fn manifest(&self, device: u8, random: &mut Random) -> Option<Rc<Manifest>> {
        let versions = self.manifests.get(&device)?;
        let mut at = versions.len() - 1;
        while self.moody && at > 0 && versions[at].0 + STALE > self.now && random.once_in(4) {
            at -= 1;
        }
        Some(Rc::clone(&versions[at].1))
    }

    /// The manifests as they stand.
    pub fn current(&self) -> impl Iterator<Item = &Rc<Manifest>> {
        self.manifests.values().filter_map(|versions| Some(&versions.last()?.1))
    }

    /// LIST of the manifests.
    pub fn list(&self) -> Vec<u8> {
        self.manifests.keys().copied().collect()
    }

    /// LIST of segments and snapshots.
    pub fn objects(&self) -> Vec<u32> {
        self.objects.keys().copied().collect()
    }

    /// PUT of an object under a new name; perhaps unreadable for a while.
    pub fn put(&mut self, body: Body, random: &mut Random) -> u32 {
        self.next += 1;
        let bad_until = if self.moody && random.once_in(6) { self.now + random.below(50) as u32 } else { 0 };
        self.objects.insert(self.next, Object { body: Rc::new(body), bad_until });
        self.next
    }

    /// GET of an object.
    pub fn get(&self, name: u32) -> Option<Rc<Body>> {
        let object = self.objects.get(&name)?;
        let bad = self.hidden.contains(&name) || self.moody && object.bad_until > self.now;
        (!bad).then(|| Rc::clone(&object.body))
    }

    /// A device's manifest is gone, as a lifecycle rule would take it.
    pub fn lose_manifest(&mut self, device: u8) {
        self.manifests.remove(&device);
    }

    /// DELETE of an object.
    pub fn delete(&mut self, object: u32) {
        self.objects.remove(&object);
    }
}
