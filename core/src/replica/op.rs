//! Ops as written, their tags, and runs of them as they are published.

use super::{Action, Collection, Context, Forks, Kind, Point, Stamp, Vector, check_key, split_document_key};
use crate::{DeviceId, Error, ErrorKind, Tag};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;
use std::io;

/// A put or delete, as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Op {
    /// What changed in the author's vector since its op before.
    pub seen: Vector,
    /// Orders it among concurrent ones.
    pub stamp: Stamp,
    /// Where.
    pub collection: Collection,
    /// The record's key.
    pub key: String,
    /// What it did.
    pub action: Action,
    /// What it replaced beyond its author's vector.
    pub context: Context,
}

/// A numbered op of a device's log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Logged {
    /// A put or delete.
    Op(Op) = 1,
    /// Replaced before anything published held it: only its number, its tag and what its author had seen remain. It counts
    /// only with what replaced it, for a copy of its author's store may have published the op itself.
    Void {
        /// As the op had it.
        seen: Vector,
        /// As the op had it.
        tag: Tag,
        /// How far on in its line the op is that replaced it; not 0.
        by: u64,
    } = 2,
}

impl Logged {
    /// What changed in the author's vector since its op before.
    pub fn seen(&self) -> &Vector {
        match self {
            Self::Op(op) => &op.seen,
            Self::Void { seen, .. } => seen,
        }
    }

    /// The tag, given the one before: a void carries its own.
    pub fn tag(&self, before: Tag) -> Tag {
        match self {
            Self::Op(op) => op.tag(before),
            Self::Void { tag, .. } => *tag,
        }
    }
}

impl Op {
    /// First 8 bytes of BLAKE3(tag before ‖ op as written).
    pub fn tag(&self, before: Tag) -> Tag {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&before.0);
        borsh::to_writer(&mut hasher, self).expect("a hasher takes every byte");
        let mut tag = Tag::default();
        tag.0.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        tag
    }
}

/// Where to end before op `end` so that no call of a document is split: at `end`, or before the ops of the document that go on
/// there. At `end` too where these began at `from`.
pub(crate) fn whole_calls(ops: &[Logged], from: usize, end: usize) -> usize {
    let document = |logged: &'_ Logged| match logged {
        Logged::Op(op) if op.collection.kind == Kind::Documents => {
            Some((op.collection.clone(), split_document_key(&op.key).0.to_owned()))
        }
        Logged::Op(_) | Logged::Void { .. } => None,
    };
    let is_op = |logged: &&Logged| matches!(logged, Logged::Op(_));
    let Some(goes_on) = ops[end..].iter().find(is_op).and_then(document) else { return end };
    // Voids between show nothing: they may go with either side.
    let others = |logged: &Logged| matches!(logged, Logged::Op(_)) && document(logged).as_ref() != Some(&goes_on);
    match ops[from..end].iter().rposition(others) {
        Some(last) => from + last + 1,
        None => end,
    }
}

/// tag(0) of a device: first 8 bytes of BLAKE3 of its id.
pub fn first_tag(device: DeviceId) -> Tag {
    let mut tag = Tag::default();
    tag.0.copy_from_slice(&blake3::hash(&device.0).as_bytes()[..8]);
    tag
}

/// Consecutive ops of one device: the tail of a manifest, or a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first op's number; of an empty run, the number the next op will have.
    pub from: u64,
    /// The tag of op `from − 1`.
    pub before: Tag,
    /// The author's vector at op `from − 1`.
    pub base: Vector,
    /// The ops.
    pub ops: Vec<Logged>,
}

impl Run {
    /// The last op's number; `from − 1` if there is none.
    pub fn to(&self) -> u64 {
        self.from - 1 + self.ops.len() as u64
    }

    /// The last op's number and tag.
    pub fn end(&self) -> Point {
        Point { n: self.to(), tag: self.ops.iter().fold(self.before, |tag, op| op.tag(tag)) }
    }

    /// The tag before op `at` of the run; `tags` are its ops'.
    pub(crate) fn before_op(&self, at: usize, tags: &[Tag]) -> Tag {
        if at == 0 { self.before } else { tags[at - 1] }
    }

    /// The tag of each op.
    pub(crate) fn tags(&self) -> Vec<Tag> {
        let mut tag = self.before;
        let mut tags = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            tag = op.tag(tag);
            tags.push(tag);
        }
        tags
    }

    /// The author's vector at the last op.
    pub fn vector(&self, forks: &Forks) -> Vector {
        let mut vector = self.base.clone();
        self.ops.iter().for_each(|op| vector.join(op.seen(), forks));
        vector
    }

    /// Splits into what can be published apart (heads, one payload a collection) for the encoders.
    pub(super) fn split(&self) -> Columns {
        let mut devices: Vec<DeviceId> = self.base.iter().map(|(device, _)| device).collect();
        let mut reached: Vec<u64> = self.base.iter().map(|(_, point)| point.n).collect();
        let mut columns = Columns {
            from: self.from,
            before: self.before,
            base: self.base.clone(),
            devices: Vec::new(),
            collections: Vec::new(),
            heads: Vec::with_capacity(self.ops.len()),
            payloads: Vec::new(),
        };
        for logged in &self.ops {
            let seen = logged.seen().entries().map(|(device, entry)| {
                let n = entry.n(device);
                let at = devices.iter().position(|known| *known == device).unwrap_or_else(|| {
                    devices.push(device);
                    columns.devices.push(device);
                    reached.push(0);
                    devices.len() - 1
                });
                let ahead = n - std::mem::replace(&mut reached[at], n);
                let device_at = at as u64;
                match entry.point(device) {
                    Some(point) if entry.further(device).is_empty() => {
                        Seen::Line { device: device_at, ahead, tag: point.tag }
                    }
                    _ => Seen::Lines { device: device_at, entry },
                }
            });
            let seen = seen.collect();
            columns.heads.push(match logged {
                Logged::Void { tag, by, .. } => Head::Void { seen, tag: *tag, by: *by },
                Logged::Op(op) => {
                    let at =
                        columns.collections.iter().position(|known| *known == op.collection).unwrap_or_else(|| {
                            columns.collections.push(op.collection.clone());
                            columns.payloads.push(Vec::new());
                            columns.collections.len() - 1
                        });
                    columns.payloads[at].push(Payload { key: op.key.clone(), action: op.action.clone() });
                    let collection = u16::try_from(at).unwrap_or(u16::MAX); // a run is cut long before: see `cut`
                    Head::Op { seen, stamp: op.stamp, collection, context: op.context.clone() }
                }
            });
        }
        columns
    }
}

/// A run taken apart: what is the engine's own here, what is the caller's there, so that text an attacker can place
/// in one collection is never compressed together with another's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Columns {
    pub(super) from: u64,
    pub(super) before: Tag,
    pub(super) base: Vector,
    /// Devices that the heads name beyond the base's, in the order of their first mention.
    pub(super) devices: Vec<DeviceId>,
    /// In the order of their first op.
    pub(super) collections: Vec<Collection>,
    pub(super) heads: Vec<Head>,
    /// One list a collection, in the order of the ops.
    pub(super) payloads: Vec<Vec<Payload>>,
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub(super) enum Head {
    Op {
        seen: Vec<Seen>,
        stamp: Stamp,
        collection: u16,
        context: Context,
    } = 1,
    Void {
        seen: Vec<Seen>,
        tag: Tag,
        #[borsh(serialize_with = "write_by", deserialize_with = "read_varint")]
        by: u64,
    } = 2,
}

fn write_by<W: io::Write>(by: &u64, writer: &mut W) -> io::Result<()> {
    write_varint(writer, *by)
}

/// An entry of `seen`, short: ten devices that all write name nine each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Of a device with one line. `device` indexes the base's devices, then the run's further ones.
    Line {
        device: u64,
        /// How far beyond what the run said before.
        ahead: u64,
        tag: Tag,
    },
    /// Of a forked device: its whole entry, as in a vector, after an `ahead` of 0.
    Lines { device: u64, entry: Vector },
}

impl BorshSerialize for Seen {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        match self {
            Self::Line { device, ahead, tag } => {
                write_varint(writer, *device)?;
                write_varint(writer, *ahead)?;
                tag.serialize(writer)
            }
            Self::Lines { device, entry } => {
                write_varint(writer, *device)?;
                write_varint(writer, 0)?;
                entry.serialize_lines(writer)
            }
        }
    }
}

impl BorshDeserialize for Seen {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (device, ahead) = (read_varint(reader)?, read_varint(reader)?);
        match ahead {
            0 => Ok(Self::Lines { device, entry: Vector::deserialize_lines(reader)? }),
            _ => Ok(Self::Line { device, ahead, tag: Tag::deserialize_reader(reader)? }),
        }
    }
}

/// LEB128: seven bits a byte, the lowest first.
fn write_varint<W: io::Write>(writer: &mut W, mut value: u64) -> io::Result<()> {
    while value > 0x7f {
        writer.write_all(&[value as u8 | 0x80])?;
        value >>= 7;
    }
    writer.write_all(&[value as u8])
}

/// Takes the shortest form alone.
fn read_varint<R: io::Read>(reader: &mut R) -> io::Result<u64> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "a number is too long");
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = u8::deserialize_reader(reader)?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(bad());
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return if byte == 0 && shift > 0 { Err(bad()) } else { Ok(value) };
        }
    }
    Err(bad())
}

/// The devices of a run and how far it has named each, while it is read.
struct Reached {
    devices: Vec<(DeviceId, u64)>,
    /// How many were mentioned: the next new one is this.
    mentioned: usize,
}

impl Reached {
    /// The vector that entries mean; they rise by device, and each goes forward.
    fn vector(&mut self, seen: Vec<Seen>) -> Option<Vector> {
        let mut points = Vec::with_capacity(seen.len());
        let mut forked = Vec::new();
        let mut last = None;
        for entry in seen {
            let (Seen::Line { device, .. } | Seen::Lines { device, .. }) = &entry;
            let at = usize::try_from(*device).ok().filter(|at| *at <= self.mentioned)?;
            let (device, n) = self.devices.get_mut(at)?;
            let device = *device;
            self.mentioned = self.mentioned.max(at + 1);
            if last >= Some(device) {
                return None;
            }
            last = Some(device);
            match entry {
                Seen::Line { ahead, tag, .. } => {
                    *n = n.checked_add(ahead)?;
                    points.push((device, Point { n: *n, tag }));
                }
                Seen::Lines { entry, .. } => {
                    let entry = entry.of_device(device);
                    if entry.n(device) < *n || entry.further(device).is_empty() {
                        return None;
                    }
                    *n = entry.n(device);
                    forked.push(entry);
                }
            }
        }
        let mut vector: Vector = points.into_iter().collect();
        forked.into_iter().for_each(|entry| vector.insert(entry));
        Some(vector)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Payload {
    pub(super) key: String,
    pub(super) action: Action,
}

impl Columns {
    /// Puts a run of `device` together again and checks every bound; the one valid split is the one `split` makes.
    pub(super) fn join(self, device: DeviceId) -> Result<Run, Error> {
        let bad = |what: &str| Error::new(ErrorKind::Corrupt, format!("a run of ops {what}"));
        if self.from == 0 || self.from.checked_add(self.heads.len() as u64).is_none() {
            return Err(bad("has impossible numbers"));
        }
        if self.from == 1 && self.before != first_tag(device) {
            return Err(bad("begins with another device's tag"));
        }
        if self.base.point(device).is_some() || self.devices.contains(&device) {
            return Err(bad("names its own device as seen"));
        }
        if self.collections.len() != self.payloads.len() {
            return Err(bad("has payloads without a collection"));
        }
        let mut named = BTreeSet::new(); // a hostile member can name very many
        for collection in &self.collections {
            collection.check().map_err(|_| bad("names an impossible collection"))?;
            if !named.insert(collection) {
                return Err(bad("names a collection twice"));
            }
        }
        let base = self.base.iter().map(|(device, point)| (device, point.n));
        let new = self.devices.iter().map(|device| (*device, 0));
        let mut reached = Reached { mentioned: self.base.len(), devices: base.chain(new).collect() };
        let mut ids: Vec<DeviceId> = reached.devices.iter().map(|(device, _)| *device).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(bad("names a device twice"));
        }
        let mut payloads: Vec<_> = self.payloads.into_iter().map(Vec::into_iter).collect();
        let mut collections_used = 0;
        let mut ops = Vec::with_capacity(self.heads.len());
        for head in self.heads {
            ops.push(match head {
                Head::Void { by: 0, .. } => return Err(bad("has a void that replaced itself")),
                Head::Void { seen, tag, by } => {
                    let seen = reached.vector(seen).ok_or_else(|| bad("names devices out of order"))?;
                    Logged::Void { seen, tag, by }
                }
                Head::Op { seen, stamp, collection, context } => {
                    let seen = reached.vector(seen).ok_or_else(|| bad("names devices out of order"))?;
                    let at = usize::from(collection);
                    if at > collections_used {
                        return Err(bad("names collections out of order"));
                    }
                    collections_used = collections_used.max(at + 1);
                    let payload =
                        payloads.get_mut(at).and_then(Iterator::next).ok_or_else(|| bad("lacks a payload"))?;
                    let collection = self.collections[at].clone();
                    check_key(&payload.key)
                        .and_then(|()| payload.action.check(collection.kind, &payload.key))
                        .map_err(|_| bad("has an impossible key or value"))?;
                    if collection.kind == Kind::Log && !context.is_empty() {
                        return Err(bad("has a context in a log"));
                    }
                    Logged::Op(Op { seen, stamp, collection, key: payload.key, action: payload.action, context })
                }
            });
        }
        if reached.mentioned != reached.devices.len() {
            return Err(bad("names a device that it does not need"));
        }
        if payloads.iter_mut().any(|rest| rest.next().is_some()) || collections_used != self.collections.len() {
            return Err(bad("has more payloads than ops"));
        }
        Ok(Run { from: self.from, before: self.before, base: self.base, ops })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documents_call_is_not_split() {
        let op = |collection: Collection, key: &str| {
            Logged::Op(Op {
                seen: Vector::default(),
                stamp: Stamp::default(),
                collection,
                key: key.to_owned(),
                action: Action::Delete,
                context: Context::default(),
            })
        };
        let void = || Logged::Void { seen: Vector::default(), tag: Tag::default(), by: 1 };
        let field = |key| op(Collection::documents("visits"), key);
        let ops = [
            field("1"),
            field("1\0a"),
            field("2"),
            field("2\0a"),
            void(),
            field("2\0b"),
            op(Collection::map("m"), "2\0c"),
            op(Collection::map("m"), "2\0d"),
            void(),
        ];
        let ends: Vec<usize> = (0..ops.len()).map(|end| whole_calls(&ops, 0, end)).collect();
        assert_eq!(ends, [0, 1, 2, 2, 2, 2, 6, 7, 8], "a call that begins at the start is split: it has to be");
        assert_eq!(whole_calls(&ops, 2, 5), 5);
    }

    /// LEB128 as DWARF 5 §7.6 has it: its examples of unsigned numbers, and the bounds.
    #[test]
    fn numbers_are_leb128_in_the_shortest_form() {
        let cases: [(u64, &[u8]); 6] = [
            (2, &[2]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (129, &[0x81, 1]),
            (12_857, &[57 + 0x80, 100]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ];
        for (value, bytes) in cases {
            let mut written = Vec::new();
            write_varint(&mut written, value).unwrap();
            assert_eq!(written, bytes, "{value}");
            assert_eq!(read_varint(&mut &bytes[..]).unwrap(), value);
        }
        assert!(read_varint(&mut &[0x80, 0][..]).is_err(), "a zero that is not the only byte");
    }
}
