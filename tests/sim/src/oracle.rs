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

/// The history.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// Values put at a key of a map.
    put: BTreeMap<String, BTreeSet<String>>,
    /// Values replaced at a key.
    replaced: BTreeMap<String, BTreeSet<String>>,
    /// Entries of the log.
    entries: BTreeMap<String, String>,
    deleted: BTreeSet<String>,
}

impl Oracle {
    /// A write.
    pub fn tell(&mut self, fact: Fact) {
        match fact {
            Fact::Put { key, value, standing } => self.put(&key, &value, standing),
            Fact::Delete { key, standing } => self.delete(&key, standing),
            Fact::Append { key, value } => self.append(&key, &value),
            Fact::DeleteEntry { key } => self.delete_entry(&key),
        }
    }

    /// A put, with what stood there.
    pub fn put(&mut self, key: &str, value: &str, standing: BTreeSet<String>) {
        self.put.entry(key.to_owned()).or_default().insert(value.to_owned());
        self.replaced.entry(key.to_owned()).or_default().extend(standing);
    }

    /// A delete, with what stood there.
    pub fn delete(&mut self, key: &str, standing: BTreeSet<String>) {
        self.replaced.entry(key.to_owned()).or_default().extend(standing);
    }

    /// An entry of the log.
    pub fn append(&mut self, key: &str, value: &str) {
        self.entries.insert(key.to_owned(), value.to_owned());
    }

    /// A deletion in the log.
    pub fn delete_entry(&mut self, key: &str) {
        self.deleted.insert(key.to_owned());
    }

    /// The values that stand at each key of the map.
    pub fn map(&self) -> BTreeMap<String, BTreeSet<String>> {
        let none = BTreeSet::new();
        let standing = |(key, put): (&String, &BTreeSet<String>)| {
            let left: BTreeSet<String> = put - self.replaced.get(key).unwrap_or(&none);
            (!left.is_empty()).then(|| (key.clone(), left))
        };
        self.put.iter().filter_map(standing).collect()
    }

    /// The log.
    pub fn log(&self) -> BTreeMap<String, String> {
        self.entries
            .iter()
            .filter(|(key, _)| !self.deleted.contains(*key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }
}
