//! What exists: ops, packs, manifests, devices, and what of it stands for whom.
//! A set of ops stands for a vector (as in docs/decisions/0003), so causality is exact. Times are hours.

use std::collections::{BTreeMap, BTreeSet};

use crate::random::Rng;
use crate::rules::Rule;

pub(crate) type Mask = u128;
pub(crate) const OPS_MAX: usize = 118;

/// A name. `pack`: of a backup, else 0; `bytes`: the device still has them; `late`: told apart by the judge.
#[derive(Clone, Debug)]
pub(crate) struct Ref {
    pub(crate) content: u8,
    pub(crate) pack: u32,
    pub(crate) bytes: bool,
    pub(crate) late: bool,
}

/// Put and delete write a key; `Done` ends a round and lists the places that went with it; `Place` is a content and its pack.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Put(u8, Vec<Ref>),
    Del(u8),
    Snap(u16, Vec<Ref>),
    Forget(u16),
    Condemn(Vec<u32>),
    Done(usize, Vec<usize>),
    Place(u8, u32),
}

/// An op, and all that its author had applied.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) dev: usize,
    pub(crate) kind: Kind,
    pub(crate) seen: Mask,
}

/// A manifest: the first `count` own ops, and the ops it states as applied.
#[derive(Clone, Debug)]
pub(crate) struct Man {
    pub(crate) seq: u64,
    pub(crate) count: usize,
    pub(crate) stated: Mask,
}

/// A manifest on its way, and when it was frozen by the own clock and the server's.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    pub(crate) own: i64,
    pub(crate) srv: i64,
    pub(crate) seq: u64,
    pub(crate) count: usize,
    pub(crate) stated: Mask,
}

/// A device. `own`: its ops in order; `pulled`: when, by both clocks, and whether nothing was left out; `doomed`: a round's packs about to go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dev {
    pub(crate) dead: bool,
    pub(crate) online: bool,
    pub(crate) retired: bool,
    pub(crate) knows_retired: bool,
    pub(crate) listed: bool,
    pub(crate) whole: bool,
    pub(crate) doomed: Option<(i64, i64, usize, Vec<u32>, bool)>,
    pub(crate) seq: u64,
    pub(crate) applied: Mask,
    pub(crate) own: Vec<usize>,
    pub(crate) published: usize,
    pub(crate) frozen: Option<Frozen>,
    pub(crate) pulled: Option<(i64, i64, bool)>,
    pub(crate) prepared: Option<usize>,
    pub(crate) skew: i64,
    pub(crate) journal: BTreeMap<u32, u8>,
    pub(crate) confirmed: BTreeMap<usize, (i64, i64)>,
    pub(crate) last_put: i64,
}

/// A pack holds one content. Class 0: attachments, 1: backups.
#[derive(Clone)]
pub(crate) struct Pack {
    pub(crate) content: u8,
    pub(crate) class: u8,
    pub(crate) dev: usize,
    pub(crate) born: i64,
}

/// All devices, one bucket.
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) ops: Vec<Op>,
    pub(crate) info: Vec<Pack>,
    pub(crate) bucket: BTreeSet<u32>,
    pub(crate) mans: Vec<Vec<(i64, Man)>>,
    pub(crate) late: Vec<(i64, usize, Man)>,
    pub(crate) devs: Vec<Dev>,
    pub(crate) unread: Vec<(usize, usize, i64)>,
    pub(crate) rng: Rng,
    pub(crate) out: u32,
    pub(crate) show: bool,
    pub(crate) wild: bool,
    pub(crate) sids: u16,
    pub(crate) deleted: u64,
    pub(crate) reputs: u64,
    pub(crate) spared: u64,
}

pub(crate) fn bit(i: usize) -> Mask {
    1u128 << i
}

impl World {
    pub(crate) fn on(&self, r: Rule) -> bool {
        self.out & (1 << r as u32) == 0
    }

    pub(crate) fn say(&self, s: impl FnOnce() -> String) {
        if self.show {
            println!("{:6} {}", self.now, s())
        }
    }

    pub(crate) fn refs(kind: &Kind) -> &[Ref] {
        match kind {
            Kind::Put(_, r) | Kind::Snap(_, r) => r,
            _ => &[],
        }
    }

    /// Writes of the key that no other write in `m` has seen.
    pub(crate) fn standing(&self, m: Mask, key: u8) -> Vec<usize> {
        let at: Vec<usize> = (0..self.ops.len())
            .filter(|i| m & bit(*i) != 0 && matches!(&self.ops[*i].kind, Kind::Put(k, _) | Kind::Del(k) if *k == key))
            .collect();
        at.iter().copied().filter(|i| !at.iter().any(|j| self.ops[*j].seen & bit(*i) != 0)).collect()
    }

    pub(crate) fn forgotten(&self, m: Mask, sid: u16) -> bool {
        (0..self.ops.len()).any(|i| m & bit(i) != 0 && matches!(self.ops[i].kind, Kind::Forget(s) if s == sid))
    }

    /// Rounds that are not done.
    pub(crate) fn rounds(&self, m: Mask) -> Vec<usize> {
        (0..self.ops.len())
            .filter(|i| {
                m & bit(*i) != 0
                    && matches!(self.ops[*i].kind, Kind::Condemn(_))
                    && !(0..self.ops.len())
                        .any(|j| m & bit(j) != 0 && matches!(self.ops[j].kind, Kind::Done(r, _) if r == *i))
            })
            .collect()
    }

    pub(crate) fn condemned(&self, m: Mask) -> BTreeSet<u32> {
        self.rounds(m)
            .iter()
            .flat_map(|i| match &self.ops[*i].kind {
                Kind::Condemn(p) => p.clone(),
                _ => vec![],
            })
            .collect()
    }

    pub(crate) fn standing_refs(&self, m: Mask) -> Vec<(usize, Ref)> {
        let mut out = vec![];
        for key in 0..3u8 {
            let mut at: Vec<usize> =
                self.standing(m, key).into_iter().filter(|i| matches!(self.ops[*i].kind, Kind::Put(..))).collect();
            if !self.on(Rule::Siblings) && at.len() > 1 {
                at = vec![*at.iter().max().unwrap()]
            }
            for i in at {
                out.extend(Self::refs(&self.ops[i].kind).iter().map(|r| (i, r.clone())))
            }
        }
        for i in 0..self.ops.len() {
            if m & bit(i) != 0
                && let Kind::Snap(s, r) = &self.ops[i].kind
                && !self.forgotten(m, *s)
            {
                out.extend(r.iter().map(|r| (i, r.clone())))
            }
        }
        out
    }

    /// Where an attachment's content lies: places that no round took away.
    pub(crate) fn places(&self, m: Mask, content: u8) -> Vec<(usize, u32)> {
        let gone: BTreeSet<usize> = (0..self.ops.len())
            .filter(|i| m & bit(*i) != 0)
            .flat_map(|i| match &self.ops[i].kind {
                Kind::Done(_, p) => p.clone(),
                _ => vec![],
            })
            .collect();
        (0..self.ops.len())
            .filter(|i| m & bit(*i) != 0 && !gone.contains(i))
            .filter_map(|i| match self.ops[i].kind {
                Kind::Place(c, p) if c == content => Some((i, p)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn is_snap(&self, i: usize) -> bool {
        matches!(self.ops[i].kind, Kind::Snap(..))
    }

    pub(crate) fn referenced(&self, m: Mask) -> BTreeSet<u32> {
        self.standing_refs(m)
            .into_iter()
            .flat_map(|(i, r)| {
                if self.is_snap(i) {
                    vec![r.pack]
                } else {
                    self.places(m, r.content).into_iter().map(|p| p.1).collect()
                }
            })
            .filter(|p| *p != 0)
            .collect()
    }

    /// Packs that any op here ever put something into words about.
    pub(crate) fn known(&self, m: Mask) -> BTreeSet<u32> {
        (0..self.ops.len())
            .filter(|i| m & bit(*i) != 0)
            .flat_map(|i| match &self.ops[i].kind {
                Kind::Place(_, p) => vec![*p],
                Kind::Snap(_, r) => r.iter().map(|r| r.pack).collect(),
                _ => vec![],
            })
            .filter(|p| *p != 0)
            .collect()
    }

    /// Whether op `i` names the pack.
    pub(crate) fn names(&self, m: Mask, i: usize, pack: u32) -> bool {
        match &self.ops[i].kind {
            Kind::Place(_, p) => *p == pack,
            Kind::Snap(_, r) => r.iter().any(|r| r.pack == pack),
            Kind::Put(_, r) => {
                self.info[pack as usize].class == 0
                    && r.iter().any(|r| r.content == self.info[pack as usize].content)
                    && (0..self.ops.len())
                        .any(|j| m & bit(j) != 0 && matches!(self.ops[j].kind, Kind::Place(_, p) if p == pack))
            }
            _ => false,
        }
    }

    pub(crate) fn unpublished(&self, d: usize) -> Mask {
        self.devs[d].own[self.devs[d].published..].iter().fold(0, |m, i| m | bit(*i))
    }

    pub(crate) fn own_now(&self, d: usize) -> i64 {
        self.now + self.devs[d].skew
    }

    pub(crate) fn op(&mut self, d: usize, kind: Kind) -> usize {
        let i = self.ops.len();
        self.ops.push(Op { dev: d, kind, seen: self.devs[d].applied });
        self.devs[d].applied |= bit(i);
        self.devs[d].own.push(i);
        self.say(|| format!("dev {d} op {i} {:?}", self.ops[i].kind));
        i
    }

    /// What the device can state: each line up to the first op it lacks.
    pub(crate) fn prefix(&self, d: usize) -> Mask {
        let m = self.devs[d].applied;
        self.devs
            .iter()
            .fold(0, |out, x| out | x.own.iter().take_while(|i| m & bit(**i) != 0).fold(0, |o, i| o | bit(*i)))
    }
}
