//! Rounds: condemn, wait, look again, delete.

use crate::rules::Rule;
use crate::world::{Kind, OPS_MAX, World, bit};

impl World {
    pub(crate) fn collect(&mut self, d: usize) {
        let complete = self.pull(d, true);
        if self.on(Rule::Gaps) && !complete {
            return;
        }
        let m = self.devs[d].applied;
        for c in self.rounds(m) {
            let a = self.ops[c].dev;
            if a != d && self.devs[a].retired {
                self.op(d, Kind::Done(c, vec![]));
            }
        }
        let m = self.devs[d].applied;
        let count = if self.on(Rule::OwnPending) { m } else { m & !self.unpublished(d) };
        let (referenced, condemned) = (self.referenced(count), self.condemned(m));
        let known = self.known(m);
        let packs: Vec<u32> = self
            .bucket
            .iter()
            .copied()
            .filter(|p| !referenced.contains(p) && !condemned.contains(p))
            .filter(|p| {
                let x = &self.info[*p as usize];
                known.contains(p)
                    || x.dev == d
                    || !self.on(Rule::OwnOrphans)
                    || (self.devs[x.dev].retired && self.now - x.born > 720)
            })
            .collect();
        if !packs.is_empty() && self.ops.len() < OPS_MAX {
            self.op(d, Kind::Condemn(packs));
        }
    }

    /// Looks again at what is due; the deleting itself may come an hour later, or (without `recheck`) whenever the process goes on.
    pub(crate) fn delete_due(&mut self, d: usize, smooth: bool) {
        let grace = if self.on(Rule::Grace) { 168 } else { 0 };
        let (own, srv) = (self.own_now(d), self.now);
        if let Some((o, s, c, packs, all)) = self.devs[d].doomed.take()
            && ((own - o <= 1 && srv - s <= 1 && own >= o) || !self.on(Rule::Recheck))
        {
            self.delete(d, c, packs, all, smooth);
            return;
        }
        let due: Vec<usize> = self
            .rounds(self.devs[d].applied)
            .into_iter()
            .filter(|c| {
                self.ops[*c].dev == d
                    && self.devs[d]
                        .confirmed
                        .get(c)
                        .is_some_and(|(o, s)| own - o >= grace && (!self.on(Rule::Both) || srv - s >= grace))
            })
            .collect();
        if due.is_empty() {
            return;
        }
        let complete = self.pull(d, true);
        if self.on(Rule::Gaps) && !complete {
            return;
        }
        let m = self.devs[d].applied;
        let still = self.rounds(m);
        let count = if self.on(Rule::OwnPending) { m } else { m & !self.unpublished(d) };
        let referenced = self.referenced(count);
        for c in due.into_iter().filter(|c| still.contains(c)) {
            let want = if self.on(Rule::AckSeen) { self.ops[c].seen | bit(c) } else { bit(c) };
            let acked = !self.on(Rule::Ack)
                || (0..self.devs.len()).all(|x| {
                    x == d
                        || !self.devs[x].listed
                        || self.devs[x].retired
                        || self.mans[x].last().is_some_and(|(_, man)| man.stated & want == want)
                });
            let Kind::Condemn(packs) = self.ops[c].kind.clone() else { continue };
            let mut all = true;
            let mut doomed = vec![];
            for p in packs {
                if self.info[p as usize].class == 0 && !acked {
                    all = false;
                    continue;
                }
                let named_since = (0..self.ops.len())
                    .any(|i| m & bit(i) != 0 && self.ops[c].seen & bit(i) == 0 && self.names(m, i, p));
                if referenced.contains(&p) || (self.on(Rule::Touched) && named_since) {
                    if self.bucket.contains(&p) {
                        self.spared += 1
                    }
                    continue;
                }
                doomed.push(p);
            }
            if !smooth && self.rng.p(40) {
                self.devs[d].doomed = Some((own, srv, c, doomed, all));
                return;
            }
            if !self.delete(d, c, doomed, all, smooth) {
                return;
            }
        }
    }

    pub(crate) fn delete(&mut self, d: usize, c: usize, packs: Vec<u32>, all: bool, smooth: bool) -> bool {
        let m = self.devs[d].applied;
        let placed = (0..self.ops.len())
            .filter(|i| m & bit(*i) != 0 && matches!(self.ops[*i].kind, Kind::Place(_, p) if packs.contains(&p)))
            .collect();
        for p in packs {
            if self.bucket.remove(&p) {
                self.deleted += 1;
                self.say(|| format!("dev {d} DELETE pack {p}"))
            }
            self.devs[d].journal.remove(&p);
            if !smooth && self.rng.p(5) {
                return false;
            } // crashed
        }
        if all && self.ops.len() < OPS_MAX {
            self.op(d, Kind::Done(c, placed));
        }
        true
    }
}
