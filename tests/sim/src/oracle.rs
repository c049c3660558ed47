//! What every device must hold in the end, from the history of writes alone: no vectors, no merge.
//!
//! Each write of a map notes which values stood at its key on the device that made it: those it replaced. What was
//! replaced is gone, all else stands. A log is a set of entries and a set of deletions.

use std::collections::{BTreeMap, BTreeSet};

/// A write, as the oracle is told of it.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A put, with what stood there.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What stood there.
        standing: BTreeSet<String>,
    },
    /// A delete, with what stood there.
    Delete {
        /// The key.
        key: String,
        /// What stood there.
        standing: BTreeSet<String>,
    },
    /// An entry of the log.
    Append {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A deletion in the log.
    DeleteEntry {
        /// Its key.
        key: String,
    },
}

/// The history. Each write is told with the device that made it.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// Values put at a key of a map, and by whom.
    put: BTreeMap<String, BTreeMap<String, usize>>,
    /// Values replaced at a key, and by whom.
    replaced: BTreeMap<String, BTreeMap<String, BTreeSet<usize>>>,
    /// Entries of the log, by key: what they say, and who added them; an import may be made by several.
    entries: BTreeMap<String, (String, BTreeSet<usize>)>,
    deleted: BTreeMap<String, BTreeSet<usize>>,
}

/// What a device holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The values that stand at each key of the map.
    pub map: BTreeMap<String, BTreeSet<String>>,
    /// The entries of the log.
    pub log: BTreeMap<String, String>,
}

impl Held {
    /// Whether all of it is in another.
    pub fn is_within(&self, other: &Self) -> bool {
        let in_map = |(key, values): (&String, &BTreeSet<String>)| {
            other.map.get(key).is_some_and(|others| values.is_subset(others))
        };
        self.map.iter().all(in_map) && self.log.iter().all(|(key, value)| other.log.get(key) == Some(value))
    }
}

impl Oracle {
    /// A write of a device.
    pub fn tell(&mut self, by: usize, fact: Fact) {
        match fact {
            Fact::Put { key, value, standing } => {
                self.replace(by, &key, standing);
                self.put.entry(key).or_default().insert(value, by);
            }
            Fact::Delete { key, standing } => self.replace(by, &key, standing),
            Fact::Append { key, value } => {
                self.entries.entry(key).or_insert((value, BTreeSet::new())).1.insert(by);
            }
            Fact::DeleteEntry { key } => {
                self.deleted.entry(key).or_default().insert(by);
            }
        }
    }

    fn replace(&mut self, by: usize, key: &str, standing: BTreeSet<String>) {
        let replaced = self.replaced.entry(key.to_owned()).or_default();
        for value in standing {
            replaced.entry(value).or_default().insert(by);
        }
    }

    /// What everybody must hold.
    pub fn held(&self) -> Held {
        self.of(|_| true, |_| true)
    }

    /// What must be held where it may be that nothing of some devices counts, and may be that all of it does.
    pub fn at_least(&self, maybe: &BTreeSet<usize>) -> Held {
        self.of(|by| !maybe.contains(&by), |_| true)
    }

    /// All that may be held then.
    pub fn at_most(&self, maybe: &BTreeSet<usize>) -> Held {
        self.of(|_| true, |by| !maybe.contains(&by))
    }

    /// What stands of what the first kind of devices wrote, while nothing of the second replaced it.
    fn of(&self, writes: impl Fn(usize) -> bool, replaces: impl Fn(usize) -> bool) -> Held {
        let is_gone = |by: Option<&BTreeSet<usize>>| by.is_some_and(|by| by.iter().any(|by| replaces(*by)));
        let mut held = Held::default();
        for (key, put) in &self.put {
            let replaced = self.replaced.get(key);
            let stands = |(value, by): &(&String, &usize)| {
                writes(**by) && !is_gone(replaced.and_then(|replaced| replaced.get(*value)))
            };
            let values: BTreeSet<String> = put.iter().filter(stands).map(|(value, _)| value.clone()).collect();
            if !values.is_empty() {
                held.map.insert(key.clone(), values);
            }
        }
        for (key, (value, by)) in &self.entries {
            if by.iter().any(|by| writes(*by)) && !is_gone(self.deleted.get(key)) {
                held.log.insert(key.clone(), value.clone());
            }
        }
        held
    }
}
