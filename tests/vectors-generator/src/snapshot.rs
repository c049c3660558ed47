//! Rows, chunks and indexes (docs/format/replica.md, "Maps", "Snapshots").

use crate::bytes::{Entry, Id, Lines, Tag, blob, count, dot, join, list, one_line, stored, vector};
use crate::case::hex;
use crate::lines::{Fork, Island, forks_value, islands_value, tags_bytes, tags_value};
use crate::manifest::ObjectRef;
use crate::ops::{
    Action, Collection, Context, collection_bytes, collection_value, entry_value, stamp, stamp_value, vector_value,
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
        self.context = Context { vector: one_line(vector), dots: dots.to_vec() };
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

/// An index before it is encoded.
#[derive(Clone)]
pub(crate) struct Index {
    /// Vault, space, author.
    pub(crate) home: [Id; 3],
    pub(crate) vector: Vec<Lines>,
    pub(crate) islands: Vec<(Id, Vec<Island>)>,
    pub(crate) forks: Vec<Fork>,
    pub(crate) tags: Vec<(Id, Vec<Tag>)>,
    pub(crate) chunks: Vec<(ObjectRef, RowKey, [u8; 32])>,
    pub(crate) deletions: Vec<(ObjectRef, [u8; 32])>,
    pub(crate) after: Vec<u8>,
}

impl Index {
    pub(crate) fn new(author: Id, vector: Vec<Lines>) -> Self {
        let (home, chunks, deletions, after) = ([VAULT, space(), author], Vec::new(), Vec::new(), Vec::new());
        Self { home, vector, islands: Vec::new(), forks: Vec::new(), tags: Vec::new(), chunks, deletions, after }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let islands = |(device, islands): &(Id, Vec<Island>)| {
            join(&[device, &list(&islands.iter().map(Island::bytes).collect::<Vec<_>>())])
        };
        let told = |(device, tags): &(Id, Vec<Tag>)| join(&[device, &tags_bytes(tags)]);
        let fork = |fork: &Fork| join(&[&fork.device, &fork.bytes()]);
        let chunk = |(object, first, content): &(ObjectRef, RowKey, [u8; 32])| {
            join(&[&object.bytes(), &row_key_bytes(first), content])
        };
        let deletions = |(object, content): &(ObjectRef, [u8; 32])| join(&[&object.bytes(), content]);
        join(&[
            &self.home.concat(),
            &vector(&self.vector),
            &list(&self.islands.iter().map(islands).collect::<Vec<_>>()),
            &list(&self.forks.iter().map(fork).collect::<Vec<_>>()),
            &list(&self.tags.iter().map(told).collect::<Vec<_>>()),
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
            "vector": vector_value(&self.vector),
            "islands": islands_value(&self.islands),
            "forks": forks_value(&self.forks),
            "tags": self.tags.iter().map(|(device, tags)| json!({"device": hex(device), "tags": tags_value(tags)})).collect::<Value>(),
            "chunks": chunks,
            "deletions": deletions,
        })
    }
}

/// A deletions object's plaintext.
pub(crate) fn deletions(digests: &[Id]) -> Vec<u8> {
    join(&[&count(digests.len()), &digests.concat()])
}
