//! The judge: knows every write and what it had truly seen, and no vector.

use super::op::{Kind, MAP_KEYS, OPS_MAX, Op, Set, each, one};
use super::store::Slot;
use super::world::World;

impl World {
    /// Why a store holds something else than what these writes make of a key.
    pub fn judge(&self, key: usize, known: Set, held: &Slot) -> Result<(), String> {
        let right = standing(&self.ops, key, known);
        if key >= MAP_KEYS {
            let holds = held.line.map_or(0, |line| one(line.1));
            return if holds == right {
                Ok(())
            } else {
                Err(format!("log key {key} holds [{}], not [{}]", self.names(holds), self.names(right)))
            };
        }
        let puts = || held.entries.iter().filter(|entry| entry.put);
        let holds = puts().fold(0, |all, entry| all | one(entry.op));
        if puts().count() != holds.count_ones() as usize {
            return Err(format!("key {key} twice: {}", self.names(holds)));
        }
        if right & !holds != 0 {
            return Err(format!("key {key} lost: {}", self.names(right & !holds)));
        }
        if holds & !right != 0 {
            return Err(format!("key {key} resurrected: {}", self.names(holds & !right)));
        }
        Ok(())
    }

    /// The writes of a key that must be known: what any store still used has taken in, and what the last manifests of
    /// the dead say that nobody wrote over.
    pub fn must(&self, key: usize) -> Set {
        let mut all = 0;
        for s in self.members() {
            all |= self.stores[s].state.slots[key].ghost;
        }
        for manifest in self.bucket.current() {
            let alone = self.stores.iter().enumerate().all(|(s, store)| {
                s == manifest.store || !store.lines.iter().any(|line| line.device == manifest.device)
            });
            let closed = self.members().iter().any(|&s| self.closed(s, manifest.device).is_some());
            if alone && !closed {
                for op in each(manifest.lines.iter().fold(0, |all, line| all | line.ops())) {
                    let op_of = &self.ops[op as usize];
                    let void = self.stores[manifest.store].voids.contains_key(&op);
                    if op_of.key == key && op_of.mark.is_none() && !void {
                        all |= op_of.seen;
                    }
                }
            }
        }
        all
    }

    /// Stores still used whose id nobody else in use knows to be revoked: of two that revoked each other, none is left.
    fn members(&self) -> Vec<usize> {
        let revoked = |device| self.used().any(|s| self.closed(s, device).is_some_and(|mark| mark.revoked));
        self.used().filter(|&s| !revoked(self.stores[s].device())).collect()
    }

    /// Stores still used, by somebody who does not know better.
    pub fn used(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.stores.len()).filter(|&s| self.stores[s].alive && !self.stores[s].revoked)
    }

    /// All stores still used hold what all writes make.
    pub fn judge_all(&self) -> Result<(), String> {
        for key in 0..super::op::KEYS {
            let must = self.must(key);
            for s in self.members() {
                let what = self.judge(key, must, &self.stores[s].state.slots[key]);
                what.map_err(|what| format!("store {s}: {what}"))?;
            }
        }
        Ok(())
    }

    /// Nothing counts that a revoked device wrote and nobody had before they knew.
    pub fn judge_revoked(&self) -> Result<(), String> {
        for s in self.members() {
            for device in 0..self.devices {
                if self.closed(s, device).is_some_and(|mark| mark.revoked) {
                    let forbidden = self.of(device, self.stores[s].applied) & !self.unwarned;
                    if forbidden != 0 {
                        return Err(format!("store {s} counts {}", self.names(forbidden)));
                    }
                }
            }
        }
        Ok(())
    }

    /// All that manifests have and stores do not count is shown to their users.
    pub fn judge_quarantine(&self) -> Result<(), String> {
        for manifest in self.bucket.current() {
            for s in self.members() {
                let store = &self.stores[s];
                let silent =
                    manifest.lines.iter().fold(0, |all, line| all | line.ops()) & !store.applied & !store.quarantine;
                let readable = |op: &u8| manifest.lines.iter().flat_map(|line| &line.tail).any(|tail| tail.0 == *op);
                let silent = each(silent).filter(readable).fold(0, |all: Set, op| all | one(op));
                if silent != 0 {
                    return Err(format!("store {s} says nothing of {}", self.names(silent)));
                }
            }
        }
        Ok(())
    }
}

/// What stands at a key when these writes, and no others, are known.
fn standing(ops: &[Op], key: usize, known: Set) -> Set {
    debug_assert!(ops.len() <= OPS_MAX);
    let of_key = || each(known).filter(|&op| ops[op as usize].key == key && ops[op as usize].mark.is_none());
    if key >= MAP_KEYS {
        if of_key().any(|op| ops[op as usize].kind == Kind::LogDelete) {
            return 0;
        }
        return of_key().min_by_key(|&op| (ops[op as usize].stamp, op)).map_or(0, one);
    }
    let replaced = of_key().fold(0, |all, op| all | (ops[op as usize].seen & !one(op)));
    of_key().filter(|&op| ops[op as usize].kind == Kind::Put).fold(0, |all, op| all | one(op)) & !replaced
}
