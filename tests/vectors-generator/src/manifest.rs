//! Manifests (docs/format/replica.md, "Manifests"), to be spoilt before they are signed.

use crate::bytes::{Entry, Id, Lines, blob, dots, join, list, one_line, point, vector};
use crate::case::hex;
use crate::ops::{Run, entries_value, vector_value};
use crate::sealing::{hash, public_key, sign};
use crate::world::{VAULT, space};
use serde_json::{Value, json};

/// An object as it is named: id, hash of its sealed bytes, their length.
#[derive(Clone)]
pub(crate) struct ObjectRef(pub(crate) Id, pub(crate) [u8; 32], pub(crate) u64);

impl ObjectRef {
    pub(crate) fn of(id: Id, sealed: &[u8]) -> Self {
        Self(id, hash(sealed), sealed.len() as u64)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&[&self.0, &self.1, &self.2.to_le_bytes()])
    }

    pub(crate) fn value(&self) -> Value {
        json!({"id": hex(self.0), "hash": hex(self.1), "len": self.2.to_string()})
    }
}

/// A segment as a manifest names it.
#[derive(Clone)]
pub(crate) struct SegmentRef {
    pub(crate) object: ObjectRef,
    pub(crate) from: u64,
    pub(crate) end: Entry,
}

/// A revoked device, number and tag of its mark, when.
pub(crate) type Revoked = (Id, Option<(u64, [u8; 8])>, u64);

/// A manifest before it is encoded.
#[derive(Clone)]
pub(crate) struct Manifest {
    pub(crate) seed: [u8; 32],
    /// Vault, space, device.
    pub(crate) home: [Id; 3],
    pub(crate) public_key: [u8; 32],
    pub(crate) sequence: u64,
    pub(crate) previous: [u8; 32],
    pub(crate) vector: Vec<Lines>,
    pub(crate) segments: Vec<SegmentRef>,
    pub(crate) tail: Run,
    /// The tail's bytes, where they are not the run's.
    pub(crate) raw_tail: Option<Vec<u8>>,
    /// Index, bytes, vector.
    pub(crate) snapshot: Option<(ObjectRef, u64, Vec<Lines>)>,
    /// The ends of the snapshot's islands.
    pub(crate) beyond: Vec<Entry>,
    /// The option's bytes, where they are not the snapshot's.
    pub(crate) raw_snapshot: Option<Vec<u8>>,
    pub(crate) damaged: Vec<(Id, u64, u64)>,
    pub(crate) revoked: Vec<Revoked>,
    /// After the body.
    pub(crate) after: Vec<u8>,
    pub(crate) domain: &'static str,
}

impl Manifest {
    /// A device's first, with all its ops in the tail; `others` is what it has of others.
    pub(crate) fn first(seed: [u8; 32], tail: Run, others: &[Entry]) -> Self {
        let device = tail.device;
        let own = Some(tail.end()).filter(|(_, n, _)| *n > 0);
        let mut vector = one_line(&others.iter().copied().chain(own).collect::<Vec<_>>());
        vector.sort_unstable();
        Self {
            seed,
            home: [VAULT, space(), device],
            public_key: public_key(&seed),
            sequence: 1,
            previous: [0; 32],
            vector,
            segments: Vec::new(),
            tail,
            raw_tail: None,
            snapshot: None,
            beyond: Vec::new(),
            raw_snapshot: None,
            damaged: Vec::new(),
            revoked: Vec::new(),
            after: Vec::new(),
            domain: "manifest",
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let segments: Vec<Vec<u8>> = self
            .segments
            .iter()
            .map(|segment| {
                let (_, n, tag) = &segment.end;
                join(&[&segment.object.bytes(), &segment.from.to_le_bytes(), &point(*n, tag)])
            })
            .collect();
        let tail = self.raw_tail.clone().unwrap_or_else(|| self.tail.tail());
        let snapshot = match &self.snapshot {
            Some((index, bytes, covers)) => {
                join(&[&[1], &index.bytes(), &bytes.to_le_bytes(), &vector(covers), &dots(&self.beyond)])
            }
            None => vec![0],
        };
        let damaged = |(device, from, to): &(Id, u64, u64)| join(&[device, &from.to_le_bytes(), &to.to_le_bytes()]);
        let revoked = |(device, mark, at_ms): &Revoked| {
            let mark = mark.map_or(vec![0], |(n, tag)| join(&[&[1], &point(n, &tag)]));
            join(&[device, &mark, &at_ms.to_le_bytes()])
        };
        join(&[
            &self.home.concat(),
            &self.public_key,
            &self.sequence.to_le_bytes(),
            &self.previous,
            &vector(&self.vector),
            &list(&segments),
            &blob(&tail),
            self.raw_snapshot.as_deref().unwrap_or(&snapshot),
            &list(&self.damaged.iter().map(damaged).collect::<Vec<_>>()),
            &list(&self.revoked.iter().map(revoked).collect::<Vec<_>>()),
            &self.after,
        ])
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        hash(&self.body())
    }

    pub(crate) fn signed(&self) -> Vec<u8> {
        let body = self.body();
        join(&[&body, &sign(&self.seed, self.domain, &body)])
    }

    pub(crate) fn value(&self) -> Value {
        let segments: Value = self
            .segments
            .iter()
            .map(|segment| {
                let (_, n, tag) = &segment.end;
                json!({
                    "object": segment.object.value(),
                    "from": segment.from.to_string(),
                    "end": {"n": n.to_string(), "tag": hex(tag)},
                })
            })
            .collect();
        let damaged: Value = self
            .damaged
            .iter()
            .map(|(device, from, to)| json!({"device": hex(device), "from": from.to_string(), "to": to.to_string()}))
            .collect();
        let revoked: Value = self
            .revoked
            .iter()
            .map(|(device, mark, at_ms)| {
                let mark = mark.map(|(n, tag)| json!({"n": n.to_string(), "tag": hex(tag)}));
                json!({"device": hex(device), "mark": mark, "at_ms": at_ms.to_string()})
            })
            .collect();
        let snapshot = self.snapshot.as_ref().map(|(index, bytes, vector)| {
            json!({
                "index": index.value(),
                "bytes": bytes.to_string(),
                "vector": vector_value(vector),
                "beyond": entries_value(&self.beyond),
            })
        });
        json!({
            "device": hex(self.home[2]),
            "public_key": hex(self.public_key),
            "sequence": self.sequence.to_string(),
            "previous": hex(self.previous),
            "hash": hex(self.hash()),
            "vector": vector_value(&self.vector),
            "segments": segments,
            "tail": self.tail.value(),
            "snapshot": snapshot,
            "damaged": damaged,
            "revoked": revoked,
        })
    }
}
