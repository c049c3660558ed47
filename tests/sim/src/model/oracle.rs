//! The judge: knows every write ever made and what it had truly seen, as sets of writes, without any vector.

use super::dots::Dot;
use super::replica::{Key, Kind};

/// A set of writes, by their place in the history: at most 128 a schedule.
pub type Writes = u128;

/// One write as it happened.
#[derive(Clone, Debug)]
pub struct Past {
    /// What it was when its writer made it; a later void does not change this.
    pub kind: Kind,
    /// The key it wrote.
    pub key: usize,
    /// Its name.
    pub dot: Dot,
    /// Its clock; with the dot a total order.
    pub stamp: u64,
    /// The writes of the same key that its writer's state held or had replaced, and all that those had seen.
    pub seen: Writes,
}

/// Everything written in a schedule.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Past>);

impl History {
    /// Notes a write and gives its place.
    pub fn add(&mut self, past: Past) -> u8 {
        self.0.push(past);
        (self.0.len() - 1) as u8
    }

    /// How many writes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a write had seen, and itself.
    pub fn with_seen(&self, id: u8) -> Writes {
        self.0[id as usize].seen | 1 << id
    }

    /// The puts of a map key that stand when these writes, and no others, are known.
    pub fn standing(&self, key: usize, known: Writes) -> Writes {
        let of_key = || self.0.iter().enumerate().filter(|(id, past)| past.key == key && known >> id & 1 == 1);
        let replaced = of_key().fold(0, |all, (_, past)| all | past.seen);
        of_key().filter(|(_, past)| past.kind == Kind::Put).fold(0, |all, (id, _)| all | 1 << id) & !replaced
    }

    /// Why a device that knows these writes holds the wrong entries of a map key, if it does.
    pub fn judge_map(&self, key: usize, known: Writes, held: &Key) -> Result<(), String> {
        let right = self.standing(key, known);
        let live = || held.entries.iter().filter(|entry| entry.put);
        let holds = live().fold(0, |all: Writes, entry| all | 1 << entry.id);
        let list = |set: Writes| {
            let dots = (0..self.0.len()).filter(|id| set >> id & 1 == 1).map(|id| self.0[id].dot.to_string());
            dots.collect::<Vec<_>>().join(" ")
        };
        if live().count() != holds.count_ones() as usize {
            return Err(format!("key {key} twice: {}", list(holds)));
        }
        if right & !holds != 0 {
            return Err(format!("key {key} lost: {}", list(right & !holds)));
        }
        if holds & !right != 0 {
            return Err(format!("key {key} resurrected: {}", list(holds & !right)));
        }
        let winner = live().max_by_key(|entry| (entry.stamp, entry.dot)).map(|entry| entry.id);
        let of_right = |id: &u8| right >> id & 1 == 1;
        let best = (0..self.0.len() as u8).filter(of_right).max_by_key(|&id| {
            let past = &self.0[id as usize];
            (past.stamp, past.dot)
        });
        if winner == best { Ok(()) } else { Err(format!("key {key} winner {winner:?}, not {best:?}")) }
    }

    /// Why a device that has everything holds the wrong entry of a log key, if it does.
    pub fn judge_log(&self, key: usize, held: &Key) -> Result<(), String> {
        let of_key = |kind| self.0.iter().filter(move |past| past.key == key && past.kind == kind);
        let deleted = of_key(Kind::LogDelete).next().is_some();
        let lowest = of_key(Kind::Append).map(|past| (past.stamp, past.dot)).min();
        let right = if deleted { None } else { lowest };
        let holds = held.line;
        if holds == right { Ok(()) } else { Err(format!("log key {key} holds {holds:?}, not {right:?}")) }
    }
}
