//! Ops, their tags, and runs in columns (docs/format/replica.md, "Ops", "Runs").

use crate::bytes::{Entry, Id, Lines, Tag, blob, count, dots, join, list, one_line, squeezed, stored, varint, vector};
use crate::case::hex;
use crate::sealing::hash;
use crate::world::{MS, first_tag, short};
use serde_json::{Value, json};

pub(crate) const ROOT: u8 = 0;
pub(crate) const MAP: u8 = 1;
pub(crate) const LOG: u8 = 2;
pub(crate) const PLACES: u8 = 4;
pub(crate) const DOCUMENTS: u8 = 5;

/// A collection: kind and name, also ones that may not be.
pub(crate) type Collection = (u8, Vec<u8>);

pub(crate) fn map(name: &str) -> Collection {
    (MAP, name.as_bytes().to_vec())
}

pub(crate) fn log(name: &str) -> Collection {
    (LOG, name.as_bytes().to_vec())
}

pub(crate) fn documents(name: &str) -> Collection {
    (DOCUMENTS, name.as_bytes().to_vec())
}

pub(crate) fn places() -> Collection {
    (PLACES, Vec::new())
}

pub(crate) fn root() -> Collection {
    (ROOT, Vec::new())
}

pub(crate) fn collection_bytes((kind, name): &Collection) -> Vec<u8> {
    join(&[&[*kind], &blob(name)])
}

pub(crate) fn collection_value((kind, name): &Collection) -> Value {
    let kind = match *kind {
        ROOT => "root",
        MAP => "map",
        PLACES => "places",
        DOCUMENTS => "documents",
        _ => "log",
    };
    json!({"kind": kind, "name": String::from_utf8_lossy(name)})
}

/// What an op did: its encoding is at hand, so that it can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Put(Vec<u8>),
    PutWith(Vec<u8>, Vec<Attached>),
    Delete,
    Raw(Vec<u8>),
}

impl Action {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Put(value) => join(&[&[1], &blob(value)]),
            Self::Delete => vec![2],
            Self::PutWith(value, attached) => {
                join(&[&[3], &blob(value), &list(&attached.iter().map(Attached::bytes).collect::<Vec<_>>())])
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }

    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Put(value) => json!({"put": hex(value)}),
            Self::PutWith(value, attached) => {
                json!({"put": hex(value), "attached": attached.iter().map(Attached::value).collect::<Value>()})
            }
            Self::Delete | Self::Raw(_) => json!("delete"),
        }
    }
}

/// An attachment of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attached {
    pub(crate) name: Vec<u8>,
    pub(crate) id: [u8; 32],
    pub(crate) len: u64,
}

impl Attached {
    pub(crate) fn new(name: &str, id: u8, len: u64) -> Self {
        Self { name: name.as_bytes().to_vec(), id: [id; 32], len }
    }

    fn bytes(&self) -> Vec<u8> {
        join(&[&blob(&self.name), &self.id, &self.len.to_le_bytes()])
    }

    fn value(&self) -> Value {
        json!({"name": String::from_utf8_lossy(&self.name), "id": hex(self.id), "len": self.len.to_string()})
    }
}

/// What a write had seen beyond a vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) vector: Vec<Lines>,
    pub(crate) dots: Vec<Entry>,
}

impl Context {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&[&vector(&self.vector), &dots(&self.dots)])
    }

    pub(crate) fn value(&self) -> Value {
        json!({"vector": vector_value(&self.vector), "dots": entries_value(&self.dots)})
    }
}

/// Numbers of 64 bits are decimal text: not every language's JSON has room for them.
pub(crate) fn entry_value((device, n, tag): &Entry) -> Value {
    json!({"device": hex(device), "n": n.to_string(), "tag": hex(tag)})
}

pub(crate) fn entries_value(entries: &[Entry]) -> Value {
    entries.iter().map(entry_value).collect()
}

/// A vector; `further` is there only where a device has more lines than one.
pub(crate) fn vector_value(vector: &[Lines]) -> Value {
    let entry = |lines: &Lines| {
        let mut value = entry_value(&lines.first);
        if !lines.further.is_empty() {
            let further = lines
                .further
                .iter()
                .map(|(n, tag, fork)| json!({"n": n.to_string(), "tag": hex(tag), "fork": fork.to_string()}));
            value["further"] = further.collect();
        }
        value
    };
    vector.iter().map(entry).collect()
}

/// An op. `void`: it is published as one, and so far on in its line is what replaced it.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) seen: Vec<Lines>,
    pub(crate) stamp: (u64, u32),
    pub(crate) collection: Collection,
    pub(crate) key: Vec<u8>,
    pub(crate) action: Action,
    pub(crate) context: Context,
    pub(crate) void: Option<u64>,
}

impl Op {
    pub(crate) fn put(collection: Collection, key: &str, value: &str) -> Self {
        Self::new(collection, key, Action::Put(value.as_bytes().to_vec()))
    }

    pub(crate) fn new(collection: Collection, key: &str, action: Action) -> Self {
        let key = key.as_bytes().to_vec();
        Self { seen: Vec::new(), stamp: (MS, 0), collection, key, action, context: Context::default(), void: None }
    }

    pub(crate) fn seeing(mut self, seen: &[Entry]) -> Self {
        self.seen = one_line(seen);
        self
    }

    pub(crate) fn at(mut self, ms: u64, counter: u32) -> Self {
        self.stamp = (ms, counter);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&[
            &vector(&self.seen),
            &stamp(self.stamp),
            &collection_bytes(&self.collection),
            &blob(&self.key),
            &self.action.bytes(),
            &self.context.bytes(),
        ])
    }

    pub(crate) fn tag(&self, before: &Tag) -> Tag {
        short(hash(&join(&[before, &self.bytes()])))
    }

    fn value(&self, n: u64, tag: &Tag) -> Value {
        let mut value = json!({"n": n.to_string(), "tag": hex(tag), "seen": vector_value(&self.seen)});
        let op = match self.void {
            Some(by) => json!({"void": by.to_string()}),
            None => json!({
                "stamp": stamp_value(self.stamp),
                "collection": collection_value(&self.collection),
                "key": String::from_utf8_lossy(&self.key),
                "action": self.action.value(),
                "context": self.context.value(),
            }),
        };
        let fields = value.as_object_mut().expect("an object");
        fields.extend(op.as_object().expect("an object").clone());
        value
    }
}

pub(crate) fn stamp((ms, counter): (u64, u32)) -> Vec<u8> {
    join(&[&ms.to_le_bytes(), &counter.to_le_bytes()])
}

pub(crate) fn stamp_value((ms, counter): (u64, u32)) -> Value {
    json!({"ms": ms.to_string(), "counter": counter})
}

/// Consecutive ops of a device.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) device: Id,
    pub(crate) from: u64,
    pub(crate) before: Tag,
    pub(crate) base: Vec<Lines>,
    pub(crate) ops: Vec<Op>,
}

impl Run {
    /// A run from a device's first op on.
    pub(crate) fn first(device: Id, ops: Vec<Op>) -> Self {
        Self { device, from: 1, before: first_tag(&device), base: Vec::new(), ops }
    }

    /// A run that goes on where this one ends. `base` is the author's vector there.
    pub(crate) fn then(&self, base: Vec<Entry>, ops: Vec<Op>) -> Self {
        let (_, n, tag) = self.end();
        Self { device: self.device, from: n + 1, before: tag, base: one_line(&base), ops }
    }

    /// The last op's dot.
    pub(crate) fn end(&self) -> Entry {
        let tag = self.ops.iter().fold(self.before, |tag, op| op.tag(&tag));
        (self.device, self.from - 1 + self.ops.len() as u64, tag)
    }

    /// The op's dot.
    pub(crate) fn dot(&self, index: usize) -> Entry {
        Self { ops: self.ops[..=index].to_vec(), ..self.clone() }.end()
    }

    pub(crate) fn value(&self) -> Value {
        let mut tag = self.before;
        let ops = (self.from..).zip(&self.ops).map(|(n, op)| {
            tag = op.tag(&tag);
            op.value(n, &tag)
        });
        let ops: Value = ops.collect();
        json!({
            "from": self.from.to_string(),
            "before": hex(self.before),
            "base": vector_value(&self.base),
            "ops": ops,
            "end": entry_value(&self.end()),
        })
    }

    pub(crate) fn columns(&self) -> Columns {
        let mut table: Vec<(Id, u64)> = self.base.iter().map(|lines| (lines.first.0, lines.first.1)).collect();
        let mut columns = Columns {
            from: self.from,
            before: self.before,
            base: vector(&self.base),
            devices: Vec::new(),
            collections: Vec::new(),
            heads: Vec::new(),
            payloads: Vec::new(),
        };
        let mut tag = self.before;
        for op in &self.ops {
            tag = op.tag(&tag);
            let mut seen = Vec::new();
            for lines in &op.seen {
                let (device, n, seen_tag) = &lines.first;
                let at = table.iter().position(|(known, _)| known == device).unwrap_or_else(|| {
                    table.push((*device, 0));
                    columns.devices.push(*device);
                    table.len() - 1
                });
                let (ahead, rest) = match lines.further.is_empty() {
                    true => (n - table[at].1, seen_tag.to_vec()),
                    false => (0, lines.bytes()),
                };
                seen.push(Seen { device: varint(at as u64), ahead: varint(ahead), rest });
                table[at].1 = *n;
            }
            if let Some(by) = op.void {
                columns.heads.push(Head { form: 2, seen, rest: join(&[&tag[..], &varint(by)]) });
                continue;
            }
            let at = columns.collections.iter().position(|known| *known == op.collection).unwrap_or_else(|| {
                columns.collections.push(op.collection.clone());
                columns.payloads.push(Vec::new());
                columns.payloads.len() - 1
            });
            columns.payloads[at].push(join(&[&blob(&op.key), &op.action.bytes()]));
            let number = u16::try_from(at).expect("few collections").to_le_bytes();
            let rest = join(&[&stamp(op.stamp), &number, &op.context.bytes()]);
            columns.heads.push(Head { form: 1, seen, rest });
        }
        columns
    }

    pub(crate) fn tail(&self) -> Vec<u8> {
        self.columns().tail()
    }
}

/// A head, its numbers encoded.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) form: u8,
    pub(crate) seen: Vec<Seen>,
    /// Stamp, collection, context; a void's tag, and what replaced it.
    pub(crate) rest: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) device: Vec<u8>,
    pub(crate) ahead: Vec<u8>,
    /// The tag; of a forked device its whole entry.
    pub(crate) rest: Vec<u8>,
}

/// A run taken apart, to be spoilt before it is written.
#[derive(Clone)]
pub(crate) struct Columns {
    pub(crate) from: u64,
    pub(crate) before: Tag,
    pub(crate) base: Vec<u8>,
    pub(crate) devices: Vec<Id>,
    pub(crate) collections: Vec<Collection>,
    pub(crate) heads: Vec<Head>,
    pub(crate) payloads: Vec<Vec<Vec<u8>>>,
}

impl Columns {
    fn heads(&self) -> Vec<u8> {
        let heads = self.heads.iter().map(|head| {
            let seen = head.seen.iter().map(|seen| join(&[&seen.device, &seen.ahead, &seen.rest])).collect::<Vec<_>>();
            join(&[&[head.form], &list(&seen), &head.rest])
        });
        join(&[
            &self.base,
            &count(self.devices.len()),
            &self.devices.concat(),
            &list(&self.collections.iter().map(collection_bytes).collect::<Vec<_>>()),
            &list(&heads.collect::<Vec<_>>()),
        ])
    }

    fn payloads(&self) -> Vec<Vec<u8>> {
        self.payloads.iter().map(|payloads| list(payloads)).collect()
    }

    pub(crate) fn tail(&self) -> Vec<u8> {
        join(&[&self.from.to_le_bytes(), &self.before, &self.heads(), &list(&self.payloads())])
    }

    pub(crate) fn segment(&self, home: [Id; 3]) -> Segment {
        Segment {
            home,
            from: self.from,
            before: self.before,
            heads: stored(&self.heads()),
            payloads: self.payloads().iter().map(|payloads| stored(payloads)).collect(),
            heads_content: self.heads(),
            payload_contents: self.payloads(),
        }
    }
}

/// A segment, to be spoilt before it is written.
#[derive(Clone)]
pub(crate) struct Segment {
    /// Vault, space, device.
    pub(crate) home: [Id; 3],
    pub(crate) from: u64,
    pub(crate) before: Tag,
    /// A frame.
    pub(crate) heads: Vec<u8>,
    /// Frames.
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) heads_content: Vec<u8>,
    pub(crate) payload_contents: Vec<Vec<u8>>,
}

impl Segment {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&[&self.home.concat(), &self.from.to_le_bytes(), &self.before, &self.heads, &list(&self.payloads)])
    }
}

/// One zstd frame (RFC 8878) of raw blocks: not shorter than its content, but written by hand.
pub(crate) fn raw_zstd(content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).expect("a short content").to_le_bytes();
    let block = (content.len() as u32) << 3 | 1;
    join(&[&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], &len, &block.to_le_bytes()[..3], content])
}

/// A frame of [`raw_zstd`].
pub(crate) fn raw_frame(content: &[u8]) -> Vec<u8> {
    squeezed(content.len(), &raw_zstd(content))
}
