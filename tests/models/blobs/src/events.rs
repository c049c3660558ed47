//! What happens by chance.

use crate::rules::Rule;
use crate::world::{Dev, Kind, Man, OPS_MAX, Ref, World, bit};

impl World {
    pub(crate) fn event(&mut self) {
        let mut e = self.rng.below(100);
        if self.wild {
            match self.rng.below(100) {
                0..=3 => e = 83,
                4..=13 => e = 84,
                _ => {}
            }
        }
        let d = self.rng.below(self.devs.len() as u64) as usize;
        if self.devs[d].dead {
            return;
        }
        let room = self.ops.len() < OPS_MAX - 45; // places and rounds need some too
        let key = self.rng.below(3) as u8;
        let content = self.rng.below(4) as u8;
        match e {
            0..=8 if room => {
                let r = self.resolve(d, content, 0);
                self.op(d, Kind::Put(key, vec![r]));
            }
            9..=16 if room && (self.devs[d].whole || !self.on(Rule::Whole)) => {
                // an edit that carries over what stands there; bytes of own unpublished ones are still here
                let unpublished = self.unpublished(d);
                let refs: Vec<Ref> = self
                    .standing(self.devs[d].applied, key)
                    .into_iter()
                    .flat_map(|i| {
                        Self::refs(&self.ops[i].kind)
                            .iter()
                            .map(|r| Ref { bytes: r.bytes && unpublished & bit(i) != 0, pack: 0, ..r.clone() })
                            .collect::<Vec<_>>()
                    })
                    .collect();
                if !refs.is_empty() && refs.len() < 5 {
                    self.op(d, Kind::Put(key, refs));
                }
            }
            17..=23 if room => {
                if self.standing(self.devs[d].applied, key).iter().any(|i| matches!(self.ops[*i].kind, Kind::Put(..))) {
                    self.op(d, Kind::Del(key));
                }
            }
            24..=29 if room => {
                let n = 1 + self.rng.below(2);
                let refs = (0..n)
                    .map(|_| {
                        let c = self.rng.below(4) as u8;
                        self.resolve(d, c, 1)
                    })
                    .collect();
                self.sids += 1;
                let s = self.sids;
                self.op(d, Kind::Snap(s, refs));
            }
            30..=34 if room => {
                let m = self.devs[d].applied;
                let all: Vec<u16> = (0..self.ops.len())
                    .filter_map(|i| match self.ops[i].kind {
                        Kind::Snap(s, _) if m & bit(i) != 0 && !self.forgotten(m, s) => Some(s),
                        _ => None,
                    })
                    .collect();
                if !all.is_empty() {
                    let s = all[self.rng.below(all.len() as u64) as usize];
                    self.op(d, Kind::Forget(s));
                }
            }
            35..=61 if self.devs[d].online => {
                let n = 1 + self.rng.below(6);
                for _ in 0..n {
                    self.step(d, false)
                }
            }
            62..=67 if self.devs[d].online && room => self.collect(d),
            68..=74 if self.devs[d].online => self.delete_due(d, false),
            75..=80 => {
                self.devs[d].online = !self.devs[d].online;
                self.say(|| format!("dev {d} online {}", self.devs[d].online))
            }
            81 | 82 => {
                self.devs[d].pulled = None;
                self.devs[d].prepared = None;
                self.devs[d].doomed = None;
                self.say(|| format!("dev {d} crashes"))
            }
            83 if self.rng.p(50) => {
                self.devs[d].skew += self.rng.below(500) as i64 - 250;
                self.say(|| format!("dev {d} clock jumps to {}", self.devs[d].skew))
            }
            84 | 85 => {
                let x = self.rng.below(self.devs.len() as u64) as usize;
                let n = self.devs[x].own.len();
                if n > 0 {
                    let k = self.rng.below(n as u64) as usize;
                    let until = self.now + self.rng.below(400) as i64;
                    self.unread.push((x, k, until))
                }
            }
            86 if self.rng.p(30) && self.devs.iter().filter(|x| !x.dead).count() > 2 => {
                self.devs[d].dead = true;
                self.say(|| format!("dev {d} dies"))
            }
            87 if self.devs.len() < 5 && self.rng.p(40) => self.join(),
            88 | 89 => {
                let x = (0..self.devs.len()).find(|x| {
                    self.devs[*x].listed
                        && !self.devs[*x].retired
                        && (self.devs[*x].dead || self.now - self.devs[*x].last_put > 4320)
                });
                if let Some(x) = x {
                    self.devs[x].retired = true;
                    self.say(|| format!("dev {x} retired"))
                }
            }
            _ => {
                let t = [1, 1, 6, 6, 26, 30, 100, 170, 200, 900];
                let t = t[self.rng.below(10) as usize];
                self.now += if self.rng.p(2) { 4400 } else { t };
                let now = self.now;
                let (land, rest): (Vec<_>, Vec<_>) = self.late.drain(..).partition(|(t, _, _)| *t <= now);
                self.late = rest;
                for (_, d, m) in land {
                    self.land(d, m)
                }
            }
        }
    }

    pub(crate) fn join(&mut self) {
        let d = self.devs.len();
        self.devs.push(Dev { online: true, last_put: self.now, ..Dev::default() });
        self.mans.push(vec![]);
        self.say(|| format!("dev {d} joins"));
        if self.on(Rule::Announce) {
            self.devs[d].seq = 1;
            self.land(d, Man { seq: 1, count: 0, stated: 0 })
        }
        self.pull(d, false);
    }
}
