//! Documents: what devices write, what the oracle is told of it field by field, and what devices hold.
//!
//! The oracle knows a document as registers of a map: a field's is `id ‖ 0x00 ‖ name`. At the id itself stands which writes made
//! the document exist, by their names, since they all have one value.

use super::World;
use crate::oracle::Fact;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::local::{ByteRange, LocalStore as _, Table};
use tidelock_core::replica::{Slot, split_document_key};
use tidelock_core::{Change, Collection, KeyRange};

/// The registers of documents, and what stands at each.
type Registers = BTreeMap<String, BTreeSet<String>>;

impl World {
    /// The documents that workloads write.
    pub fn documents() -> Collection {
        Collection::documents("visits")
    }

    /// A put of fields with their JSON values, told to the oracle.
    pub fn put_document(&mut self, at: usize, id: &str, fields: &[(&str, String)]) {
        let before = self.registers(at, id);
        let change = Change::Put { collection: Self::documents(), key: id.to_owned(), value: object(fields) };
        let mut changes: Vec<(&str, Option<&str>)> =
            fields.iter().map(|(name, value)| (*name, Some(&**value))).collect();
        let gone = before.keys().filter_map(|key| split_document_key(key).1);
        changes.extend(gone.filter(|name| fields.iter().all(|(field, _)| field != name)).map(|name| (name, None)));
        let is_new = !before.contains_key(id);
        self.write_document(at, id, change, &before, &changes, is_new);
    }

    /// A patch, told to the oracle.
    pub fn patch_document(&mut self, at: usize, id: &str, changes: &[(&str, Option<String>)]) {
        let before = self.registers(at, id);
        let fields: Vec<(&str, String)> =
            changes.iter().map(|(name, value)| (*name, value.clone().unwrap_or_else(|| "null".to_owned()))).collect();
        let change = Change::Patch { collection: Self::documents(), id: id.to_owned(), patch: object(&fields) };
        let changes: Vec<(&str, Option<&str>)> =
            changes.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        self.write_document(at, id, change, &before, &changes, before.is_empty());
    }

    /// A delete of a document, told to the oracle.
    pub fn delete_document(&mut self, at: usize, id: &str) {
        let before = self.registers(at, id);
        let change = Change::Delete { collection: Self::documents(), key: id.to_owned() };
        if let Some((_, commit)) = self.write(at, change) {
            for (key, standing) in before {
                self.tell(at, commit, Fact::Delete { key, standing });
            }
        }
    }

    /// Ends the conflict of a field, if there is one, with a JSON value or none, and tells the oracle.
    pub fn resolve_field(&mut self, at: usize, id: &str, field: &str, value: Option<&str>) {
        let before = self.registers(at, id);
        if before.get(&format!("{id}\0{field}")).is_none_or(|standing| standing.len() < 2) {
            return;
        }
        let change = Change::ResolveField {
            collection: Self::documents(),
            id: id.to_owned(),
            field: field.to_owned(),
            value: value.map(|value| Bytes::from(value.to_owned())),
        };
        self.write_document(at, id, change, &before, &[(field, value)], false);
    }

    /// A change of single fields: those with a value are set, the others removed where they stand.
    fn write_document(
        &mut self,
        at: usize,
        id: &str,
        change: Change,
        before: &Registers,
        changes: &[(&str, Option<&str>)],
        is_new: bool,
    ) {
        let Some((_, commit)) = self.write(at, change) else { return };
        if is_new {
            // One write stands there now: its name.
            for value in self.beginnings(at).remove(id).unwrap_or_default() {
                self.tell(at, commit, Fact::Put { key: id.to_owned(), value, standing: BTreeSet::new() });
            }
        }
        for (field, value) in changes {
            let key = format!("{id}\0{field}");
            let standing = before.get(&key).cloned().unwrap_or_default();
            let fact = match value {
                Some(value) => Fact::Put { key, value: (*value).to_owned(), standing },
                None => Fact::Delete { key, standing },
            };
            self.tell(at, commit, fact);
        }
    }

    /// What stands at the registers of one document on a device.
    pub fn registers(&self, at: usize, id: &str) -> Registers {
        let all = self.documents_of(at).into_iter();
        all.filter(|(key, _)| split_document_key(key).0 == id).collect()
    }

    /// What stands at the registers of all documents on a device.
    ///
    /// # Panics
    /// If a document is not what its registers make.
    pub fn documents_of(&self, at: usize) -> Registers {
        let engine = &self.devices[at].engine;
        let single = self.entries(at, &Self::documents());
        self.check_documents(at, &single);
        let mut registers: Registers = single.into_iter().map(|(key, value)| (key, BTreeSet::from([value]))).collect();
        for conflict in engine.conflicts(None, 10_000).expect("the disk is sound") {
            if conflict.collection == Self::documents() {
                let values = conflict.versions.into_iter().filter_map(|version| version.value);
                let values = values.map(|value| String::from_utf8_lossy(&value).into_owned());
                registers.entry(conflict.key).or_default().extend(values);
            }
        }
        if registers.keys().any(|key| split_document_key(key).1.is_none()) {
            registers.extend(self.beginnings(at));
        }
        registers
    }

    /// The engine shows of each document the fields whose registers stand, and says of those that lack a beginning that they
    /// were deleted.
    fn check_documents(&self, at: usize, single: &BTreeMap<String, String>) {
        let mut expected: BTreeMap<&str, (Vec<String>, bool)> = BTreeMap::new();
        for (key, value) in single {
            let (id, field) = split_document_key(key);
            let document = expected.entry(id).or_default();
            match field {
                Some(field) => document.0.push(format!("\"{field}\":{value}")),
                None => document.1 = true,
            }
        }
        let expected: Vec<(String, String, bool)> = expected
            .into_iter()
            .map(|(id, (fields, exists))| (id.to_owned(), format!("{{{}}}", fields.join(",")), !exists))
            .collect();
        let shown = self.devices[at].engine.documents(&Self::documents(), &KeyRange::default(), 10_000);
        let shown: Vec<(String, String, bool)> = shown
            .expect("the disk is sound")
            .into_iter()
            .map(|document| {
                (document.id, String::from_utf8_lossy(&document.value).into_owned(), document.deleted_concurrently)
            })
            .collect();
        assert_eq!(shown, expected, "device {at} shows documents that their registers don't make");
    }

    /// The names of the writes that made documents exist, by id: from the disk, for the engine shows one of them alone.
    fn beginnings(&self, at: usize) -> Registers {
        let rows = self.devices[at].disk.list(Table::Records, &ByteRange::default(), u32::MAX);
        let mut beginnings = Registers::new();
        for (row, value) in rows.expect("the disk is sound") {
            let Some(id) = row.get(4..).and_then(|key| std::str::from_utf8(key).ok()) else { continue };
            if !id.starts_with("visit ") || split_document_key(id).1.is_some() {
                continue;
            }
            let slot: Slot = borsh::from_slice(&value).expect("the disk is sound");
            let names: BTreeSet<String> = slot.puts().map(|write| format!("{:?}", write.dot)).collect();
            if !names.is_empty() {
                beginnings.insert(id.to_owned(), names);
            }
        }
        beginnings
    }
}

/// A JSON object of fields with their values as JSON.
fn object(fields: &[(&str, String)]) -> Bytes {
    let members: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Bytes::from(format!("{{{}}}", members.join(",")))
}
