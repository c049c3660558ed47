//! Rows, chunks and indexes (docs/format/replica.md, "Maps", "Snapshots").

use crate::bytes::{Entry, Id, blob, count, dot, join, list, stored, vector};
use crate::case::hex;
use crate::manifest::ObjectRef;
use crate::ops::{
    Action, Collection, Context, collection_bytes, collection_value, entries_value, entry_value, stamp, stamp_value,
};
use crate::world::{MS, VAULT, space};
use serde_json::{Value, json};

/// A write that stands at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) dot: Entry,
    pub(crate) stamp: (u64, u32),
    pub(crate) action: Action,
    pub(crate) context: Context,
}

impl Standing {
    pub(crate) fn put(dot: Entry, value: &str) -> Self {
        let action = Action::Put(value.as_bytes().to_vec());
        Self { dot, stamp: (MS, 0), action, context: Context::default() }
    }

    pub(crate) fn delete(dot: Entry) -> Self {
        Self { action: Action::Delete, ..Self::put(dot, "") }
    }

    pub(crate) fn at(mut self, ms: u64, counter: u32) -> Self {
        self.stamp = (ms, counter);
        self
    }

    pub(crate) fn seeing(mut self, vector: &[Entry], dots: &[Entry]) -> Self {
        self.context = Context { vector: vector.to_vec(), dots: dots.to_vec() };
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&[&dot(&self.dot), &stamp(self.stamp), &self.action.bytes(), &self.context.bytes()])
    }

    pub(crate) fn value(&self) -> Value {
        json!({
            "dot": entry_value(&self.dot),
            "stamp": stamp_value(self.stamp),
            "action": self.action.value(),
            "context": self.context.value(),
        })
    }
}

pub(crate) fn slot_value(slot: &[Standing]) -> Value {
    slot.iter().map(Standing::value).collect()
}

/// A row: key and what stands.
pub(crate) type Row = (Vec<u8>, Vec<Standing>);

pub(crate) fn row(key: &str, slot: &[Standing]) -> Row {
    (key.as_bytes().to_vec(), slot.to_vec())
}

pub(crate) fn rows_bytes(rows: &[Row]) -> Vec<u8> {
    let one = |(key, slot): &Row| join(&[&blob(key), &list(&slot.iter().map(Standing::bytes).collect::<Vec<_>>())]);
    list(&rows.iter().map(one).collect::<Vec<_>>())
}

/// A chunk's plaintext, each frame stored.
pub(crate) fn chunk(parts: &[(Collection, Vec<Row>)]) -> Vec<u8> {
    let part = |(collection, rows): &(Collection, Vec<Row>)| {
        join(&[&collection_bytes(collection), &stored(&rows_bytes(rows))])
    };
    list(&parts.iter().map(part).collect::<Vec<_>>())
}

/// What a chunk says: its frames in order.
pub(crate) fn chunk_value(parts: &[(Collection, Vec<Row>)]) -> Value {
    let row = |(key, slot): &Row| json!({"key": String::from_utf8_lossy(key), "slot": slot_value(slot)});
    parts.iter().map(|(collection, rows)| {
        json!({"collection": collection_value(collection), "rows": rows.iter().map(row).collect::<Value>()})
    }).collect()
}

/// Where a row is.
pub(crate) type RowKey = (Collection, Vec<u8>);

pub(crate) fn row_key_bytes((collection, key): &RowKey) -> Vec<u8> {
    join(&[&collection_bytes(collection), &blob(key)])
}

pub(crate) fn row_key_value((collection, key): &RowKey) -> Value {
    json!({"collection": collection_value(collection), "key": String::from_utf8_lossy(key)})
}

/// Tags kept of a device's line.
pub(crate) type KeptTags = (Id, Vec<(u64, [u8; 8])>);

/// An index before it is encoded.
#[derive(Clone)]
pub(crate) struct Index {
    /// Vault, space, author.
    pub(crate) home: [Id; 3],
    pub(crate) vector: Vec<Entry>,
    pub(crate) tags: Vec<KeptTags>,
    pub(crate) chunks: Vec<(ObjectRef, RowKey, [u8; 32])>,
    pub(crate) deletions: Vec<(ObjectRef, [u8; 32])>,
    pub(crate) after: Vec<u8>,
}

impl Index {
    pub(crate) fn new(author: Id, vector: Vec<Entry>) -> Self {
        let home = [VAULT, space(), author];
        Self { home, vector, tags: Vec::new(), chunks: Vec::new(), deletions: Vec::new(), after: Vec::new() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let tags = |(device, tags): &KeptTags| {
            let tags: Vec<Vec<u8>> = tags.iter().map(|(n, tag)| join(&[&n.to_le_bytes(), tag])).collect();
            join(&[device, &list(&tags)])
        };
        let chunk = |(object, first, content): &(ObjectRef, RowKey, [u8; 32])| {
            join(&[&object.bytes(), &row_key_bytes(first), content])
        };
        let deletions = |(object, content): &(ObjectRef, [u8; 32])| join(&[&object.bytes(), content]);
        join(&[
            &self.home.concat(),
            &vector(&self.vector),
            &list(&self.tags.iter().map(tags).collect::<Vec<_>>()),
            &list(&self.chunks.iter().map(chunk).collect::<Vec<_>>()),
            &list(&self.deletions.iter().map(deletions).collect::<Vec<_>>()),
            &self.after,
        ])
    }

    pub(crate) fn value(&self) -> Value {
        let chunks: Value = self.chunks.iter().map(|(object, first, content)| {
            json!({"object": object.value(), "first": row_key_value(first), "content": hex(content)})
        }).collect();
        let deletions: Value = self
            .deletions
            .iter()
            .map(|(object, content)| json!({"object": object.value(), "content": hex(content)}))
            .collect();
        json!({
            "device": hex(self.home[2]),
            "vector": entries_value(&self.vector),
            "chunks": chunks,
            "deletions": deletions,
        })
    }
}

/// A deletions object's plaintext.
pub(crate) fn deletions(digests: &[Id]) -> Vec<u8> {
    join(&[&count(digests.len()), &digests.concat()])
}
