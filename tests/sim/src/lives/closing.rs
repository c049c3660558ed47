//! Closing: which ops count, and who says so.

use std::rc::Rc;

use super::bucket::Manifest;
use super::op::{Kind, Mark, Set, each, one};
use super::rules::Rule;
use super::world::World;
use crate::model::random::Random;

/// A device not seen for so long has lapsed: 180 days, scaled.
const LAPSE: u32 = 150;
/// A lapse that nothing cancelled closes after so long: 30 days, scaled.
const LAPSED: u32 = 30;

impl World {
    /// What a store knows of a device's being closed.
    pub fn closed(&self, s: usize, device: u8) -> Option<Mark> {
        let closes = each(self.stores[s].state.closes).filter_map(|op| self.ops[op as usize].mark);
        let mut marks: Vec<Mark> = closes.filter(|mark| mark.target == device).collect();
        marks.sort_by_key(|mark| (mark.ops.count_ones(), mark.sequence));
        let greatest = marks.last().copied()?;
        if !self.rules.has(Rule::CloseJoins) {
            return Some(greatest);
        }
        Some(marks.iter().fold(greatest, |all, mark| Mark {
            sequence: all.sequence.max(mark.sequence),
            ops: all.ops | mark.ops,
            revoked: all.revoked | mark.revoked,
            ..all
        }))
    }

    /// What of a closed device counts. A retired one may say more; a revoked one may not.
    fn shut(&self, s: usize, device: u8) -> Option<Mark> {
        self.closed(s, device).filter(|mark| mark.revoked || self.rules.has(Rule::RetireMarks))
    }

    /// Whether an op counts.
    pub fn counts(&self, s: usize, op: u8) -> bool {
        let mark = self.shut(s, self.ops[op as usize].device);
        !self.rules.has(Rule::CloseMarks) || mark.is_none_or(|mark| self.covers(mark.ops | self.stores[s].vouched, op))
    }

    /// Whether a manifest counts whole: its vector, the lines it carries, its snapshot.
    pub fn counts_whole(&self, s: usize, manifest: &Manifest) -> bool {
        match self.shut(s, manifest.device) {
            None => true,
            Some(_) if !self.rules.has(Rule::CloseMarks) => true,
            Some(_) if self.rules.has(Rule::ClosedShut) => false,
            Some(mark) => manifest.sequence <= mark.sequence || !self.rules.has(Rule::CloseSequence),
        }
    }

    /// Closes a device at what is applied of it.
    pub fn close(&mut self, s: usize, target: u8, revoked: bool, random: &mut Random) {
        let own = self.stores[s].device();
        if target == own || self.stores[s].revoked {
            return;
        }
        if self.rules.has(Rule::CloseReadAgain) {
            self.pull(s, target, random);
        }
        let sequence = self.stores[s].known.get(&target).map_or(0, |known| known.sequence);
        self.write_close(s, Mark { target, sequence, ops: 0, revoked });
        if revoked && self.rules.has(Rule::RevokeSnapshot) {
            self.snapshot(s, random);
        }
    }

    fn write_close(&mut self, s: usize, mut mark: Mark) {
        if let Some(old) = self.closed(s, mark.target) {
            mark.sequence = mark.sequence.max(old.sequence);
            mark.ops |= old.ops;
            mark.revoked |= old.revoked;
        }
        mark.ops |= self.closure(self.of(mark.target, self.stores[s].applied));
        if self.write(s, Kind::Close, 0, Some(mark)) {
            self.had.closes += 1;
        }
    }

    /// What follows from the closes known.
    pub fn learn(&mut self, s: usize, random: &mut Random) {
        let own = self.stores[s].device();
        if let Some(mark) = self.closed(s, own) {
            if mark.revoked {
                self.note(|_| format!("{s} learns that it is revoked"));
                self.stores[s].revoked = true;
                return;
            }
            if self.rules.has(Rule::LeaveClosed) {
                self.note(|_| format!("{s} learns that its id is closed"));
                self.leave(s, random);
            }
        }
        let targets: Vec<u8> = (0..self.devices).filter(|&device| device != own).collect();
        for target in targets {
            let Some(mark) = self.shut(s, target) else { continue };
            let applied = self.of(target, self.stores[s].applied);
            if self.rules.has(Rule::CloseRaise) && applied & !mark.ops != 0 {
                self.write_close(s, mark);
            }
        }
        if self.rules.has(Rule::CloseRewrite) {
            self.rewrite(s);
        }
    }

    /// A close that is known though its op does not count is written again, unless a counted one says as much.
    fn rewrite(&mut self, s: usize) {
        let store = &self.stores[s];
        let beyond = store.state.closes & !store.applied;
        for op in each(beyond) {
            let Some(mark) = self.ops[op as usize].mark else { continue };
            let counted = each(self.stores[s].state.closes & self.stores[s].applied);
            let said = counted
                .filter_map(|op| self.ops[op as usize].mark)
                .any(|said| said.target == mark.target && said.sequence >= mark.sequence && mark.ops & !said.ops == 0);
            if !said && mark.target != self.stores[s].device() {
                self.write_close(s, mark);
            }
        }
    }

    /// Notes that a device's manifest moved.
    pub fn moved(&mut self, s: usize, manifest: &Rc<Manifest>) {
        let now = self.bucket.now;
        let store = &mut self.stores[s];
        let seen = (manifest.hash, now + store.skew, now);
        let old = *store.moved.entry(manifest.device).or_insert(seen);
        if old.0 < manifest.hash {
            store.moved.insert(manifest.device, seen);
        }
    }

    /// Writes that a device lapsed, or closes one that stayed so.
    pub fn lapse(&mut self, s: usize, target: u8, random: &mut Random) {
        if self.stores[s].revoked || target == self.stores[s].device() || self.closed(s, target).is_some() {
            return;
        }
        self.pull(s, target, random);
        let store = &self.stores[s];
        let (Some(&moved), Some(known)) = (store.moved.get(&target), store.known.get(&target)) else { return };
        let (own, date) = (self.bucket.now + store.skew, self.bucket.now);
        let since =
            |ticks: u32| own >= moved.1 + ticks && (date >= moved.2 + ticks || !self.rules.has(Rule::LapseClocks));
        let lapses = each(store.state.lapses);
        let of_target = |op: &u8| self.ops[*op as usize].mark.is_some_and(|mark| mark.target == target);
        let lapsed = lapses.filter(of_target).fold(0, |all: Set, op| all | one(op));
        let cancelled = self.rules.has(Rule::LapseCancel) && known.vector & lapsed == lapsed;
        if lapsed != 0 && !cancelled {
            if since(LAPSED) && (known.vector & lapsed == 0) {
                self.close(s, target, false, random);
            }
        } else if since(LAPSE) {
            self.had.cancelled += usize::from(lapsed != 0);
            self.had.lapses += 1;
            self.write(s, Kind::Lapse, 0, Some(Mark { target, sequence: 0, ops: 0, revoked: false }));
        }
    }

    /// By hand: what a closed device published beyond its mark is taken.
    pub fn adopt(&mut self, s: usize, random: &mut Random) {
        if self.stores[s].revoked {
            return;
        }
        let store = &mut self.stores[s];
        store.vouched |= store.quarantine;
        self.unwarned |= store.quarantine;
        self.pull_all(s, random);
    }
}
