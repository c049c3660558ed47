//! What a store shows in either world, and whether that is the same.

use super::both::{Both, KEYS};
use super::documents::{FIELDS, ID};
use crate::lives::op::{MAP_KEYS, each};
use crate::lives::store::Slot;
use std::collections::BTreeSet;

/// What a store shows: the ops whose values stand at each key of the map, and the keys of the log that have an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    map: Vec<BTreeSet<usize>>,
    log: BTreeSet<usize>,
}

impl Both {
    /// What a store of the model shows.
    fn shown_by_model(&self, s: usize) -> Shown {
        let slots = &self.model.stores[s].state.slots;
        let puts = |slot: &Slot| slot.entries.iter().filter(|entry| entry.put).map(|entry| entry.op.into()).collect();
        let mut map: Vec<BTreeSet<usize>> = slots[..MAP_KEYS].iter().map(puts).collect();
        if self.documents {
            map[0] = exists(!map[0].is_empty());
        }
        Shown { map, log: (MAP_KEYS..KEYS).filter(|&key| slots[key].line.is_some()).collect() }
    }

    /// What an engine shows.
    pub(super) fn shown(&self, s: usize) -> Shown {
        let map = self.real.map_of(s);
        let at = |key| match (self.documents, key) {
            (false, _) => map.get(&map_key(key)).into_iter().flatten().map(|value| number(value)).collect(),
            (true, 0) => exists(map.contains_key(ID)),
            (true, _) => {
                let values = map.get(&format!("{ID}\0{}", FIELDS[key])).into_iter().flatten();
                values.map(|value| number(value.trim_matches('"'))).collect()
            }
        };
        Shown {
            map: (0..MAP_KEYS).map(at).collect(),
            log: self.real.log_of(s).values().map(|value| number(value)).collect(),
        }
    }

    pub(super) fn agrees(&self, s: usize) -> bool {
        self.shown_by_model(s) == self.shown(s)
    }

    /// Whether all that differs has a write, under an id that somebody has left, that no log in the bucket has.
    fn is_in_snapshots_alone(&self, s: usize, model: &Shown, engine: &Shown) -> bool {
        let model_of = &self.model;
        let logged = model_of.bucket.current().flat_map(|m| &m.lines).fold(0, |all, line| all | line.ops());
        let is_left = |device| model_of.stores.iter().any(|store| store.left.contains(&device));
        let alone = |key: usize| {
            let mut ops = each(model_of.stores[s].applied & !logged).map(|op| &model_of.ops[op as usize]);
            ops.any(|op| op.key == key && is_left(op.device))
        };
        let maps = (0..MAP_KEYS).filter(|&key| model.map[key] != engine.map[key]);
        maps.chain(model.log.symmetric_difference(&engine.log).copied()).all(alone)
    }

    /// Both show the same, unless the engine can't take something yet: it says so, or it can't know. Of an id that two stores
    /// wrote under it tells lines apart by tags, and its snapshots have those of left ids alone (decision 5): who has one line
    /// by a snapshot, and hears of a shorter one by another, waits for a manifest that states both.
    pub(super) fn compare(&mut self, s: usize) -> Result<(), String> {
        if !self.is_used(s) {
            return Ok(());
        }
        let (model, engine) = (self.shown_by_model(s), self.shown(s));
        if model == engine {
            self.behind.remove(&s);
            self.counts.same += 1;
            let is_deleted = model.map[0].is_empty() && model.map.iter().any(|ops| !ops.is_empty());
            self.counts.deleted += usize::from(self.documents && is_deleted);
            return Ok(());
        }
        if self.behind.contains(&s) || self.is_in_snapshots_alone(s, &model, &engine) {
            self.behind.insert(s);
            self.counts.later += 1;
            return Ok(());
        }
        Err(format!("store {s} of the model shows {model:?}, device {s} {engine:?}"))
    }
}

/// Of the writes that make a document exist the engine shows whether there is one.
fn exists(exists: bool) -> BTreeSet<usize> {
    exists.then_some(0).into_iter().collect()
}

pub(super) fn map_key(key: usize) -> String {
    format!("key {key}")
}

/// What a value begins with.
fn number(value: &str) -> usize {
    value.split_whitespace().next().and_then(|text| text.parse().ok()).expect("a number")
}
