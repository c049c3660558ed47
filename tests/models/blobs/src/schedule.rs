//! Plays one schedule, heals the world and judges it.

use std::collections::BTreeSet;

use crate::random::Rng;
use crate::rules::Rule;
use crate::world::{OPS_MAX, Pack, Ref, World};

/// What became of one schedule.
pub struct Outcome {
    /// Standing names whose bytes no pack in the bucket has.
    pub lost: usize,
    /// Of these, told apart: names that a retired device carried over and published on its return.
    pub late: u64,
    /// Packs in the bucket that nothing names, after three more rounds.
    pub left: usize,
    /// Packs that rounds deleted.
    pub deleted: u64,
    /// Contents that were put again.
    pub reputs: u64,
    /// Condemned packs that looking again spared.
    pub spared: u64,
    /// Whether it ran out of room for ops: then it says nothing.
    pub full: bool,
}

/// How schedules are played.
#[derive(Clone, Copy, Default)]
pub struct Play {
    /// The rules left out, as bits by their number in [`Rule`].
    pub out: u32,
    /// Eight times the jumps of clocks, five times the unreadable ops.
    pub wild: bool,
    /// Whether the story is printed.
    pub show: bool,
}

/// Plays the schedule of `seed`.
pub fn run(seed: u64, play: Play) -> Outcome {
    let Play { out, wild, show } = play;
    let mut rng = Rng(seed.wrapping_mul(0x2545F4914F6CDD1D));
    let n = 2 + rng.below(3) as usize;
    let mut w = World {
        now: 0,
        ops: vec![],
        info: vec![Pack { content: 255, class: 9, dev: 0, born: 0 }],
        bucket: BTreeSet::new(),
        mans: vec![],
        late: vec![],
        devs: vec![],
        unread: vec![],
        rng,
        out,
        show,
        wild,
        sids: 0,
        deleted: 0,
        reputs: 0,
        spared: 0,
    };
    for _ in 0..n {
        w.join()
    }
    let events = 60 + w.rng.below(200);
    for _ in 0..events {
        w.event()
    }
    // Heal: everything is readable, who lives comes online.
    w.unread.clear();
    w.now += 2;
    for (_, d, m) in std::mem::take(&mut w.late) {
        w.land(d, m)
    }
    for d in &mut w.devs {
        d.online = true;
        d.pulled = None;
        d.prepared = None;
        d.doomed = None
    }
    w.settle();
    w.out &= !(1 << Rule::Siblings as u32); // The judge counts all that stands.
    let (lost, late) = w.losses();
    w.out = out;
    if show {
        for l in &lost {
            println!("LOST {l:?}")
        }
    }
    // Is everything collected in the end?
    for d in 0..w.devs.len() {
        if w.devs[d].dead {
            w.devs[d].retired = true
        }
    }
    w.now += 800;
    for _ in 0..3 {
        for d in 0..w.devs.len() {
            if !w.devs[d].dead {
                w.collect(d);
                w.sync(d)
            }
        }
        w.settle();
        w.now += 200;
        for d in 0..w.devs.len() {
            if !w.devs[d].dead {
                w.settle();
                w.delete_due(d, true);
                w.sync(d)
            }
        }
    }
    let m = w.devs.iter().filter(|d| !d.dead).fold(0, |m, d| m | d.applied);
    let referenced = w.referenced(m);
    let left = if w.ops.len() < OPS_MAX - 2 { w.bucket.iter().filter(|p| !referenced.contains(p)).count() } else { 0 };
    w.out &= !(1 << Rule::Siblings as u32);
    let (lost2, late2) = w.losses();
    if show {
        for l in &lost2 {
            println!("LOST after settling {l:?}")
        }
        if left > 0 {
            println!("left: {:?}", w.bucket.iter().filter(|p| !referenced.contains(p)).collect::<Vec<_>>())
        }
    }
    Outcome {
        lost: lost.len().max(lost2.len()),
        late: late.max(late2),
        left,
        deleted: w.deleted,
        reputs: w.reputs,
        spared: w.spared,
        full: w.ops.len() >= OPS_MAX - 2,
    }
}

impl World {
    pub(crate) fn sync(&mut self, d: usize) {
        for _ in 0..12 {
            self.step(d, true);
            if self.devs[d].frozen.is_none()
                && self.devs[d].published == self.devs[d].own.len()
                && self.devs[d].pulled.is_none()
            {
                let applied = self.prefix(d);
                if self.mans[d].last().is_some_and(|(_, m)| m.stated == applied) {
                    break;
                }
            }
        }
    }

    pub(crate) fn settle(&mut self) {
        for _ in 0..3 {
            self.now += 2;
            for d in 0..self.devs.len() {
                if !self.devs[d].dead {
                    self.sync(d)
                }
            }
        }
    }

    pub(crate) fn losses(&self) -> (Vec<(usize, Ref)>, u64) {
        let d = (0..self.devs.len()).find(|d| !self.devs[*d].dead).unwrap();
        let mut late = 0;
        let mut lost = vec![];
        let m = self.devs[d].applied;
        for (i, r) in self.standing_refs(m) {
            let there = if self.is_snap(i) {
                self.bucket.contains(&r.pack)
            } else {
                self.places(m, r.content).iter().any(|p| self.bucket.contains(&p.1))
            };
            if !there {
                if r.late { late += 1 } else { lost.push((i, r)) }
            }
        }
        (lost, late)
    }
}
