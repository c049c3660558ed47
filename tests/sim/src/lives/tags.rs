//! Tags that are not kept for ever, and lines of which nobody knows where they fork.

use super::bucket::Line;
use super::op::{Set, each, one};
use super::publishing::DAY;
use super::rules::Rule;
use super::world::World;

/// The newest tags of a line that are kept: 1,024, scaled.
const NEWEST: u8 = 3;
/// Every so manieth is kept, too: 64, scaled.
const EVERY: u8 = 4;
/// A line waits so long: 30 days, scaled.
const WAIT: u32 = 3 * DAY;

impl World {
    /// The tags kept of ops that are covered: of each line the newest, some of the older ones, and all where lines of one
    /// id stand side by side. All of the ids named.
    pub fn thinned(&self, tags: Set, covered: Set, whole: &[u8]) -> Set {
        let head = |device: u8| {
            each(covered).map(|op| &self.ops[op as usize]).filter(|op| op.device == device).map(|op| op.n).max()
        };
        let heads: Vec<u8> = (0..self.devices).map(|device| head(device).unwrap_or(0)).collect();
        let last = |op: u8| !each(covered).any(|other| self.ops[other as usize].parent == Some(op));
        let kept = |op: u8| {
            let of = &self.ops[op as usize];
            whole.contains(&of.device)
                || of.n.is_multiple_of(EVERY)
                || of.n + NEWEST > heads[of.device as usize]
                || last(op)
                || self.beside(op, covered) != 0
        };
        each(tags).filter(|&op| covered >> op & 1 == 0 || kept(op)).fold(0, |all, op| all | one(op))
    }

    /// The others of a set that share an op's id and number.
    fn beside(&self, op: u8, set: Set) -> Set {
        let of = &self.ops[op as usize];
        let same = |other: &u8| {
            *other != op && self.ops[*other as usize].device == of.device && self.ops[*other as usize].n == of.n
        };
        each(set).filter(same).fold(0, |all, other| all | one(other))
    }

    /// The ops of a line of which a store cannot tell whether it has them: their numbers are applied, those tags are not
    /// kept, and nothing before or after on the line decides.
    pub fn unsure(&self, s: usize, line: &Line) -> Set {
        let (applied, tags) = (self.stores[s].applied, self.stores[s].state.tags);
        if applied & !tags == 0 {
            return 0;
        }
        let mut unsure = 0;
        for op in each(line.ops()) {
            if applied & tags & one(op) != 0 {
                unsure = 0; // what is before it is the same, too
            } else if (self.beside(op, applied) | applied & one(op)) & !tags == 0 {
                break; // it is another line, and so is what comes after it
            } else {
                unsure |= one(op);
            }
        }
        unsure & !self.placed(s, line.device)
    }

    /// What others state who have all that this store has of an id: they say where lines fork.
    fn placed(&self, s: usize, device: u8) -> Set {
        let store = &self.stores[s];
        let mine = self.of(device, self.prefix(store.applied));
        let knows = |known: &&std::rc::Rc<super::bucket::Manifest>| mine & !known.vector == 0;
        store.known.values().filter(knows).fold(0, |all, known| all | known.vector)
    }

    /// What of a line must wait: none, once a live device says that it has it, or if it has waited in vain.
    pub fn waits(&mut self, s: usize, line: &Line) -> bool {
        let unsure = self.unsure(s, line);
        if unsure == 0 || !self.rules.has(Rule::TagsWait) {
            return false;
        }
        let now = self.bucket.now;
        let first = unsure.trailing_zeros() as u8;
        let since = *self.stores[s].unsure.entry(first).or_insert(now);
        self.note(|world| format!("{s} cannot place [{}]", world.names(unsure)));
        let waits = since + WAIT > now || !self.rules.has(Rule::TagsTaken);
        if waits && self.rules.has(Rule::QuarantineShown) {
            let store = &mut self.stores[s];
            store.quarantine |= line.ops() & !store.applied;
        }
        waits
    }

    /// Takes again what may be another line's: it may be a value that was deleted.
    pub fn take_unsure(&mut self, s: usize, line: &Line) {
        let unsure = self.unsure(s, line) & self.stores[s].applied;
        if unsure != 0 && self.rules.has(Rule::TagsTaken) {
            self.note(|world| format!("{s} takes [{}] for another line", world.names(unsure)));
            self.had.unsure += 1;
            self.stores[s].applied &= !unsure;
        }
    }
}
