//! What devices write, and the oracle is told.

use super::World;
use crate::oracle::Fact;
use bytes::Bytes;
use std::fmt::Write as _;
use tidelock_core::{Change, CommitId, ErrorKind};

impl World {
    /// A value nobody else writes.
    pub fn value(&mut self) -> String {
        self.values += 1;
        format!("value {}", self.values)
    }

    /// A value nobody else writes, of so many bytes that do not compress well.
    pub fn big_value(&mut self, bytes: usize) -> String {
        let mut value = self.value() + " ";
        while value.len() < bytes {
            let _ = write!(value, "{:016x}", self.random.bits()); // into a string: it can't fail
        }
        value
    }

    /// A put of a new value, told to the oracle.
    pub fn put(&mut self, at: usize, key: &str) -> String {
        let value = self.value();
        self.put_value(at, key, &value);
        value
    }

    /// A put of a new value of so many bytes, told to the oracle.
    pub fn put_big(&mut self, at: usize, key: &str, bytes: usize) -> String {
        let value = self.big_value(bytes);
        self.put_value(at, key, &value);
        value
    }

    /// A put, told to the oracle.
    pub fn put_value(&mut self, at: usize, key: &str, value: &str) {
        let standing = self.standing(at, key);
        let bytes = Bytes::from(value.to_owned());
        let change = Change::Put { collection: Self::map(), key: key.to_owned(), value: bytes };
        if let Some((_, commit)) = self.write(at, change) {
            self.tell(at, commit, Fact::Put { key: key.to_owned(), value: value.to_owned(), standing });
        }
    }

    /// Ends a conflict, and tells the oracle.
    pub fn resolve(&mut self, at: usize, key: &str, value: Option<&str>) {
        let standing = self.standing(at, key);
        let bytes = value.map(|value| Bytes::from(value.to_owned()));
        let written = self.write(at, Change::Resolve { collection: Self::map(), key: key.to_owned(), value: bytes });
        let Some((_, commit)) = written else { return };
        let key = key.to_owned();
        let fact = match value {
            Some(value) => Fact::Put { key, value: value.to_owned(), standing },
            None => Fact::Delete { key, standing },
        };
        self.tell(at, commit, fact);
    }

    /// A delete, told to the oracle.
    pub fn delete(&mut self, at: usize, key: &str) {
        let standing = self.standing(at, key);
        let change = Change::Delete { collection: Self::map(), key: key.to_owned() };
        if let Some((_, commit)) = self.write(at, change) {
            self.tell(at, commit, Fact::Delete { key: key.to_owned(), standing });
        }
    }

    /// An entry of the log, told to the oracle.
    pub fn append(&mut self, at: usize) -> Option<String> {
        let value = self.value();
        let change = Change::Append { collection: Self::log(), key: None, value: Bytes::from(value.clone()) };
        let (key, commit) = self.write(at, change)?;
        self.tell(at, commit, Fact::Append { key: key.clone(), value });
        Some(key)
    }

    /// What happens in here comes to nobody: the oracle forgets it.
    pub fn untold<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.oracle.clone();
        let done = act(self);
        self.oracle = before;
        done
    }

    /// Imports an entry, told to the oracle; gives its key.
    pub fn import(&mut self, at: usize, unix_ms: u64, value: &str) -> Option<String> {
        let (source, bytes) = ("a file".to_owned(), Bytes::from(value.to_owned()));
        let change = Change::Import { collection: Self::log(), source, unix_ms, repeat: 0, value: bytes };
        let (key, commit) = self.write(at, change)?;
        self.tell(at, commit, Fact::Append { key: key.clone(), value: value.to_owned() });
        Some(key)
    }

    /// Deletes an entry of the log, told to the oracle.
    pub fn delete_entry(&mut self, at: usize, key: &str) {
        let change = Change::Delete { collection: Self::log(), key: key.to_owned() };
        if let Some((_, commit)) = self.write(at, change) {
            self.tell(at, commit, Fact::DeleteEntry { key: key.to_owned() });
        }
    }

    /// Deletes some entry that the device holds, if it holds one.
    pub fn delete_some_entry(&mut self, at: usize) {
        let keys: Vec<String> = self.log_of(at).into_keys().collect();
        if !keys.is_empty() {
            let key = keys[self.random.below(keys.len() as u64) as usize].clone();
            self.delete_entry(at, &key);
        }
    }

    /// Ten hours in which a device replaces two pages of 30 kB over and over and all sync: its log is trimmed below a snapshot.
    pub fn write_until_trimmed(&mut self, at: usize) {
        for round in 0..20 {
            self.put_big(at, &format!("page {}", round % 2), 30_000);
            self.sync_all();
            self.now_ms += 30 * 60_000;
        }
    }

    /// One change; gives its key and commit, or `None` if the device was killed before it was committed, or its disk was
    /// full: then it is no fact.
    pub(super) fn write(&mut self, at: usize, change: Change) -> Option<(String, CommitId)> {
        self.read_clock(at);
        let now = self.devices[at].now(self.now_ms);
        let written = self.devices[at].engine.write(&[change], now);
        if self.devices[at].is_killed() {
            self.restart(at);
            return None;
        }
        self.devices[at].drain(self.now_ms);
        match written {
            Ok(written) => written.keys.into_iter().next().map(|key| (key, written.commit)),
            Err(error) if error.kind() == ErrorKind::LocalStore => None,
            Err(error) => panic!("a valid change was refused: {error}"),
        }
    }
}
