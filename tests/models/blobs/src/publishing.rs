//! How a device pulls, uploads and publishes.

use std::collections::BTreeSet;

use crate::rules::Rule;
use crate::world::{Frozen, Kind, Man, Mask, OPS_MAX, Pack, Ref, World, bit};

impl World {
    /// The manifest stands in the bucket.
    pub(crate) fn land(&mut self, d: usize, man: Man) {
        if self.mans[d].last().is_some_and(|(_, m)| m.seq >= man.seq) {
            return;
        }
        self.say(|| format!("dev {d} manifest stands: {} ops, states {:b}", man.count, man.stated));
        if self.devs[d].retired {
            // What a retired device carries over comes late: the judge tells it apart.
            for k in 0..man.count {
                let i = self.devs[d].own[k];
                let before = self.mans[d].last().map_or(0, |(_, m)| m.count);
                if k >= before
                    && let Kind::Put(_, r) = &mut self.ops[i].kind
                {
                    for r in r.iter_mut().filter(|r| !r.bytes) {
                        r.late = true
                    }
                }
            }
            self.devs[d].retired = false;
        }
        let now = self.now;
        self.devs[d].last_put = now;
        self.devs[d].listed = true;
        self.mans[d].push((now, man));
    }

    /// Whether nothing was left out.
    pub(crate) fn pull(&mut self, d: usize, fresh: bool) -> bool {
        let mut complete = true;
        for x in 0..self.devs.len() {
            if x == d {
                continue;
            }
            let stale = if !fresh && self.rng.p(15) { self.rng.below(25) as i64 } else { 0 };
            let Some((_, man)) =
                self.mans[x].iter().rev().find(|(t, _)| *t <= self.now - stale).or(self.mans[x].first()).cloned()
            else {
                continue;
            };
            for k in 0..man.count {
                let i = self.devs[x].own[k];
                if self.devs[d].applied & bit(i) != 0 {
                    continue;
                }
                if self.unread.iter().any(|(dev, n, until)| *dev == x && *n == k && *until > self.now) {
                    complete = false;
                    continue;
                }
                self.devs[d].applied |= bit(i);
            }
        }
        if self.devs[d].retired {
            self.devs[d].knows_retired = true
        }
        if complete {
            self.devs[d].whole = true
        }
        complete
    }

    pub(crate) fn usable(&self, d: usize, m: Mask, pack: u32) -> bool {
        (!self.on(Rule::CheckCondemned) || !self.condemned(self.devs[d].applied).contains(&pack))
            && (!self.on(Rule::CheckStanding)
                || self.devs[d].journal.contains_key(&pack)
                || self.referenced(m).contains(&pack))
    }

    pub(crate) fn resolve(&mut self, d: usize, content: u8, class: u8) -> Ref {
        let m = self.devs[d].applied;
        let at: BTreeSet<u32> = if class == 0 {
            self.places(m, content).into_iter().map(|p| p.1).collect()
        } else {
            self.known(m).into_iter().chain(self.devs[d].journal.keys().copied()).collect()
        };
        let hit = at.into_iter().rfind(|p| {
            self.info[*p as usize].content == content && self.info[*p as usize].class == class && self.usable(d, m, *p)
        });
        let bytes = hit.is_none() || self.on(Rule::Keep);
        Ref { content, pack: if class == 1 { hit.unwrap_or(0) } else { 0 }, bytes, late: false }
    }

    pub(crate) fn upload(&mut self, d: usize, content: u8, class: u8) -> u32 {
        let pack = self.info.len() as u32;
        self.info.push(Pack { content, class, dev: d, born: self.now });
        self.bucket.insert(pack);
        self.devs[d].journal.insert(pack, class);
        self.say(|| format!("dev {d} PUT pack {pack} (content {content} class {class})"));
        pack
    }

    /// Uploads what is pending and puts again what may not be referenced; false: crashed on the way.
    pub(crate) fn prepare(&mut self, d: usize, may_crash: bool) -> bool {
        if self.devs[d].knows_retired && self.on(Rule::Journal) {
            self.devs[d].journal.clear()
        }
        let complete = self.devs[d].pulled.is_some_and(|p| p.2);
        let pending: Vec<usize> = self.devs[d].own[self.devs[d].published..].to_vec();
        let others = self.devs[d].applied & !self.unpublished(d);
        for i in pending {
            let class = self.is_snap(i) as u8;
            for k in 0..Self::refs(&self.ops[i].kind).len() {
                let r = Self::refs(&self.ops[i].kind)[k].clone();
                if !r.bytes {
                    continue;
                } // carried over: as it is
                let good = |w: &Self, p: u32| {
                    let mine = w.devs[d].journal.contains_key(&p);
                    p != 0
                        && w.usable(d, others, p)
                        && (mine || complete || !w.on(Rule::Complete))
                        && (mine || class == 1 || !w.on(Rule::Verify) || w.bucket.contains(&p))
                };
                let there = if class == 1 {
                    good(self, r.pack)
                } else {
                    self.places(self.devs[d].applied, r.content).into_iter().any(|p| good(self, p.1))
                };
                if there {
                    continue;
                }
                if r.pack != 0 && class == 1 && !self.on(Rule::Possess) {
                    continue;
                }
                let again = self.devs[d].journal.keys().copied().find(|p| {
                    self.info[*p as usize].content == r.content
                        && self.info[*p as usize].class == class
                        && self.usable(d, others, *p)
                });
                self.reputs += again.is_none() as u64;
                let pack = again.unwrap_or_else(|| self.upload(d, r.content, class));
                if class == 0 {
                    if self.ops.len() < OPS_MAX {
                        self.op(d, Kind::Place(r.content, pack));
                    } else {
                        return false;
                    }
                } else if let Kind::Snap(_, r) = &mut self.ops[i].kind {
                    r[k].pack = pack
                }
                if may_crash && self.rng.p(6) {
                    return false;
                }
            }
        }
        true
    }

    /// One step of a push: pull, upload, freeze, PUT.
    pub(crate) fn step(&mut self, d: usize, smooth: bool) {
        let (own, srv) = (self.own_now(d), self.now);
        if let Some(f) = self.devs[d].frozen.clone() {
            let landed = self.mans[d].last().is_some_and(|(_, m)| m.seq >= f.seq);
            if !landed && self.on(Rule::Age) && (own - f.own > 24 || srv - f.srv > 24) {
                self.say(|| format!("dev {d} gives up what it froze"));
                self.devs[d].frozen = None;
                self.devs[d].pulled = None;
                self.devs[d].prepared = None;
                return;
            }
            let man = Man { seq: f.seq, count: f.count, stated: f.stated };
            if !landed {
                if !smooth && self.rng.p(10) {
                    self.late.push((self.now + 1, d, man.clone()));
                    self.devs[d].pulled = None;
                    return;
                }
                self.land(d, man)
            }
            if !smooth && self.rng.p(10) {
                return;
            } // the answer got lost
            self.devs[d].frozen = None;
            self.devs[d].published = f.count;
            let done = self.known(self.devs[d].own[..f.count].iter().fold(0, |m, i| m | bit(*i)));
            self.devs[d].journal.retain(|p, _| !done.contains(p));
            let out = self.devs[d].own[..f.count].iter().copied();
            let rounds: Vec<usize> = out.filter(|i| matches!(self.ops[*i].kind, Kind::Condemn(_))).collect();
            for i in rounds {
                self.devs[d].confirmed.entry(i).or_insert((own, srv));
            }
            if self.devs[d].knows_retired {
                self.devs[d].knows_retired = false
            }
            return;
        }
        if self.devs[d].pulled.is_none() {
            let complete = if self.on(Rule::PullFirst) { self.pull(d, smooth) } else { true };
            self.devs[d].pulled = Some((own, srv, complete));
            self.devs[d].prepared = None;
            return;
        }
        if self.devs[d].prepared.is_none() {
            match self.prepare(d, !smooth) {
                true => self.devs[d].prepared = Some(self.devs[d].own.len()),
                false => self.devs[d].pulled = None,
            }
            return;
        }
        let (p, count) = (self.devs[d].pulled.unwrap(), self.devs[d].prepared.unwrap());
        if self.on(Rule::Fresh) && (own - p.0 > 1 || srv - p.1 > 1 || own < p.0) {
            self.devs[d].pulled = None;
            return;
        }
        self.devs[d].pulled = None;
        self.devs[d].prepared = None;
        let seq = self.devs[d].seq + 1;
        self.devs[d].seq = seq;
        self.devs[d].frozen = Some(Frozen { own, srv, seq, count, stated: self.prefix(d) });
    }
}
