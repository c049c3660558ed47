//! What devices hold, and whether it is what the oracle says.

use super::World;
use crate::oracle::Held;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::local::{ByteRange, LocalStore as _, Table};
use tidelock_core::{Collection, DeviceState, DeviceStatus, KeyRange};

impl World {
    /// What a device says of another, which it knows.
    pub fn status_of(&self, at: usize, of: usize) -> DeviceStatus {
        let id = self.id(of);
        let devices = self.devices[at].engine.status().expect("the disk is sound").devices;
        devices.into_iter().find(|device| device.id == id).expect("it is known there")
    }

    /// The keys at which a device keeps tombstones.
    pub fn tombstones(&self, at: usize) -> usize {
        let rows = self.devices[at].disk.list(Table::Tombstones, &ByteRange::default(), u32::MAX);
        rows.expect("the disk is sound").len()
    }

    /// Whether a device knows that another is revoked.
    pub fn is_revoked(&self, at: usize, of: usize) -> bool {
        self.status_of(at, of).state == DeviceState::Revoked
    }

    /// The values that stand at a key of the map on a device.
    pub fn standing(&self, at: usize, key: &str) -> BTreeSet<String> {
        let engine = &self.devices[at].engine;
        let mut values = BTreeSet::new();
        if let Some(record) = engine.get(&Self::map(), key).expect("the disk is sound") {
            values.insert(text(&record.value));
            if record.siblings > 0 {
                let all = engine.conflicts(None, 10_000).expect("the disk is sound");
                let here = all.into_iter().filter(|conflict| conflict.collection == Self::map() && conflict.key == key);
                values.extend(
                    here.flat_map(|conflict| conflict.versions).filter_map(|version| version.value).map(|v| text(&v)),
                );
            }
        }
        values
    }

    /// What a device holds of the map, and of the registers of documents.
    pub fn map_of(&self, at: usize) -> BTreeMap<String, BTreeSet<String>> {
        let values = self.entries(at, &Self::map()).into_iter();
        let mut map: BTreeMap<_, _> = values.map(|(key, value)| (key, BTreeSet::from([value]))).collect();
        for conflict in self.devices[at].engine.conflicts(None, 10_000).expect("the disk is sound") {
            if conflict.collection == Self::map()
                && let Some(values) = map.get_mut(&conflict.key)
            {
                values.extend(conflict.versions.into_iter().filter_map(|version| version.value).map(|v| text(&v)));
            }
        }
        map.extend(self.documents_of(at));
        map
    }

    /// What a device holds of the log.
    pub fn log_of(&self, at: usize) -> BTreeMap<String, String> {
        self.entries(at, &Self::log())
    }

    pub(super) fn entries(&self, at: usize, collection: &Collection) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut range = KeyRange::default();
        loop {
            let page = self.devices[at].engine.list(collection, &range, 500).expect("the disk is sound");
            let Some(last) = page.last() else { return all };
            range.start = last.next_start(collection);
            all.extend(page.into_iter().map(|entry| (entry.key, text(&entry.record.value))));
        }
    }

    /// Everybody holds what the oracle says.
    ///
    /// # Errors
    /// Who does not, and what.
    pub fn check(&self) -> Result<(), String> {
        self.here().into_iter().try_for_each(|at| self.check_one(at))
    }

    /// One device holds what the oracle says.
    ///
    /// # Errors
    /// What it holds instead.
    pub fn check_one(&self, at: usize) -> Result<(), String> {
        let Held { map, log } = self.oracle.held();
        let held = self.map_of(at);
        if held != map {
            return Err(format!("device {at} holds the map {}, the oracle says {}", short(&held), short(&map)));
        }
        let held = self.log_of(at);
        if held != log {
            return Err(format!("device {at} holds the log {}, the oracle says {}", short(&held), short(&log)));
        }
        Ok(())
    }

    /// Everybody holds the same: all that must stand and nothing that can't, where what some devices wrote may count or not.
    ///
    /// # Errors
    /// Who does not, and what.
    pub fn check_without(&self, maybe: &BTreeSet<usize>) -> Result<(), String> {
        self.check_alike()?;
        let Some(at) = self.here().first().copied() else { return Ok(()) };
        let held = Held { map: self.map_of(at), log: self.log_of(at) };
        let (least, most) = (self.oracle.at_least(maybe), self.oracle.at_most(maybe));
        if least.is_within(&held) && held.is_within(&most) {
            return Ok(());
        }
        let (held, least, most) = (short(&held), short(&least), short(&most));
        Err(format!("device {at} holds {held}, at least {least} must be there, at most {most}"))
    }

    /// Everybody holds the same, whatever that is.
    ///
    /// # Errors
    /// Who does not, and what.
    pub fn check_alike(&self) -> Result<(), String> {
        let mut here = self.here().into_iter();
        let Some(first) = here.next() else { return Ok(()) };
        let (map, log) = (self.map_of(first), self.log_of(first));
        here.try_for_each(|at| {
            let (other_map, other_log) = (self.map_of(at), self.log_of(at));
            if (&other_map, &other_log) == (&map, &log) {
                return Ok(());
            }
            let (held, other) = (short(&(&map, &log)), short(&(&other_map, &other_log)));
            Err(format!("device {first} holds {held}, device {at} {other}"))
        })
    }
}

/// For a message: big values would bury what differs.
fn short(held: &impl std::fmt::Debug) -> String {
    format!("{held:?}").split('"').map(|part| part.chars().take(40).collect::<String>()).collect::<Vec<_>>().join("\"")
}

fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned)
}
