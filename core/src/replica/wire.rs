//! The encodings of published objects: borsh, one form each, trailing bytes refused.

use super::frame::{FRAMES_BYTES_MAX, Frame};
use super::op::{Columns, Head};
use super::{Action, Collection, Dot, Fork, Island, Kind, Run, Slot, Vector};
use crate::{DeviceId, Error, ErrorKind, Hash, ObjectId, SpaceId, Tag, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet};

/// Decodes exactly `bytes`.
pub(crate) fn decode<T: BorshDeserialize>(bytes: &[u8], what: &str) -> Result<T, Error> {
    borsh::from_slice(bytes).map_err(|_| Error::new(ErrorKind::Corrupt, format!("{what} is not validly encoded")))
}

/// Encodes; memory takes every byte.
pub(crate) fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    // Most values are small rows, thousands of them held at once: borsh's own 1 KiB for each is too much.
    let mut out = Vec::with_capacity(128);
    value.serialize(&mut out).expect("writing to memory cannot fail");
    out
}

/// A tail: the columns of a run, uncompressed.
pub(crate) fn encode_tail(run: &Run) -> Vec<u8> {
    encode(&run.split())
}

/// The run in a tail of `device`.
pub(crate) fn decode_tail(device: DeviceId, bytes: &[u8]) -> Result<Run, Error> {
    decode::<Columns>(bytes, "a tail")?.join(device)
}

/// A frame of rows takes no more once its rows have this many bytes.
pub(crate) const FRAME_FULL_BYTES: usize = 1 << 20;

/// A segment: who and where, the heads as one frame, then a frame a collection.
#[derive(BorshSerialize, BorshDeserialize)]
struct SegmentWire {
    vault: VaultId,
    space: SpaceId,
    device: DeviceId,
    from: u64,
    before: Tag,
    heads: Frame,
    payloads: Vec<Frame>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct HeadsWire {
    base: Vector,
    devices: Vec<DeviceId>,
    collections: Vec<Collection>,
    heads: Vec<Head>,
}

/// Where a segment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) vault: VaultId,
    pub(crate) space: SpaceId,
    pub(crate) device: DeviceId,
}

/// A segment's plaintext.
pub(crate) fn encode_segment(home: Home, run: &Run, compress: bool) -> Vec<u8> {
    let columns = run.split();
    let heads = encode(&HeadsWire {
        base: columns.base,
        devices: columns.devices,
        collections: columns.collections,
        heads: columns.heads,
    });
    encode(&SegmentWire {
        vault: home.vault,
        space: home.space,
        device: home.device,
        from: columns.from,
        before: columns.before,
        heads: Frame::pack(heads, compress),
        payloads: columns.payloads.iter().map(|payload| Frame::pack(encode(payload), compress)).collect(),
    })
}

/// The run in a segment of `home`.
pub(crate) fn decode_segment(home: Home, plaintext: &[u8]) -> Result<Run, Error> {
    let wire: SegmentWire = decode(plaintext, "a segment")?;
    if (Home { vault: wire.vault, space: wire.space, device: wire.device }) != home {
        return Err(Error::new(ErrorKind::Corrupt, "a segment belongs elsewhere"));
    }
    let mut left = FRAMES_BYTES_MAX;
    let heads: HeadsWire = decode(&wire.heads.unpack(&mut left)?, "a segment's heads")?;
    let payloads = wire
        .payloads
        .into_iter()
        .map(|frame| decode(&frame.unpack(&mut left)?, "a segment's payload"))
        .collect::<Result<_, Error>>()?;
    let columns = Columns {
        from: wire.from,
        before: wire.before,
        base: heads.base,
        devices: heads.devices,
        collections: heads.collections,
        heads: heads.heads,
        payloads,
    };
    let run = columns.join(home.device)?;
    if run.ops.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, "a segment has no op"));
    }
    Ok(run)
}

/// An immutable object named by a manifest or an index: bound by the hash of its sealed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct ObjectRef {
    pub(crate) id: ObjectId,
    /// BLAKE3 of the sealed bytes.
    pub(crate) hash: Hash,
    /// Length of the sealed bytes.
    pub(crate) len: u64,
}

/// A chunk of a snapshot: rows of consecutive keys, and where they begin.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct ChunkRef {
    pub(crate) object: ObjectRef,
    /// The first row's place; the range ends where the next chunk's begins.
    pub(crate) first: RowKey,
    /// BLAKE3 of the plaintext before padding: a chunk that comes out the same is named again, not written again.
    pub(crate) content: Hash,
}

/// Digests of deleted log entries.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct DeletionsRef {
    pub(crate) object: ObjectRef,
    /// As in a chunk.
    pub(crate) content: Hash,
}

/// A row's place: collections by (kind, name), then keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct RowKey {
    pub(crate) collection: Collection,
    pub(crate) key: String,
}

impl RowKey {
    /// Whether it can be a row's place.
    pub(crate) fn is_possible(&self) -> bool {
        self.collection.check().is_ok() && super::check_key(&self.key).is_ok()
    }
}

/// A snapshot's index: the state of a space at `vector`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Index {
    pub(crate) vault: VaultId,
    pub(crate) space: SpaceId,
    /// Who wrote it.
    pub(crate) device: DeviceId,
    /// What is absent though this covers it was replaced or deleted.
    pub(crate) vector: Vector,
    /// Ops beyond the vector that the rows hold too.
    pub(crate) islands: BTreeMap<DeviceId, Vec<Island>>,
    /// The lines of forked devices.
    pub(crate) forks: BTreeMap<DeviceId, Fork>,
    /// Of devices in the vector: the tags of the ops right before its point, the last one's last. They tell these
    /// ops from a copy's.
    pub(crate) tags: BTreeMap<DeviceId, Vec<Tag>>,
    /// By rising first row.
    pub(crate) chunks: Vec<ChunkRef>,
    /// Digests of deleted log entries, rising through all of them.
    pub(crate) deletions: Vec<DeletionsRef>,
}

/// Tags of a device in an index, at most.
pub(crate) const INDEX_TAGS_MAX: u64 = 1_024;

impl Index {
    /// Whether tags are told of devices that have one line in the vector, some each, and of ops that there are.
    pub(crate) fn has_possible_tags(&self) -> bool {
        self.tags.iter().all(|(device, tags)| {
            let told = tags.len() as u64;
            self.vector.point(*device).is_some_and(|point| told < point.n)
                && (1..=INDEX_TAGS_MAX).contains(&told)
                && self.vector.further(*device).is_empty()
                && !self.forks.contains_key(device)
        })
    }

    /// The last op of each island.
    pub(crate) fn beyond(&self) -> BTreeSet<Dot> {
        let ends = |(device, islands): (&DeviceId, &Vec<Island>)| {
            let device = *device;
            islands.iter().map(Island::end).map(move |end| Dot { device, n: end.n, tag: end.tag }).collect::<Vec<_>>()
        };
        self.islands.iter().flat_map(ends).collect()
    }
}

/// The rows of one collection in a chunk.
#[derive(BorshSerialize, BorshDeserialize)]
struct ChunkPartWire {
    collection: Collection,
    rows: Frame,
}

/// A row of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) slot: Slot,
}

/// A packed part of a chunk: made row block by row block, so that no step compresses more than it should.
pub(crate) struct ChunkPart(ChunkPartWire);

impl ChunkPart {
    pub(crate) fn pack(collection: Collection, rows: &Vec<Row>, compress: bool) -> Self {
        Self(ChunkPartWire { collection, rows: Frame::pack(encode(rows), compress) })
    }
}

/// A chunk's plaintext.
pub(crate) fn encode_chunk(parts: Vec<ChunkPart>) -> Vec<u8> {
    encode(&parts.into_iter().map(|part| part.0).collect::<Vec<_>>())
}

/// A chunk's rows, checked to be what a vault may hold, in the one form: rows rise strictly, no frame is without rows,
/// and a collection has a further frame only after one that is full.
pub(crate) fn decode_chunk(plaintext: &[u8]) -> Result<Vec<(Collection, Vec<Row>)>, Error> {
    let bad = |what: &str| Error::new(ErrorKind::Corrupt, format!("a chunk {what}"));
    let parts: Vec<ChunkPartWire> = decode(plaintext, "a chunk")?;
    if parts.is_empty() {
        return Err(bad("has no rows"));
    }
    let mut out: Vec<(Collection, Vec<Row>)> = Vec::with_capacity(parts.len());
    let mut last: Option<RowKey> = None;
    let mut last_frame_bytes = 0;
    let mut left = FRAMES_BYTES_MAX;
    for part in parts {
        part.collection.check().map_err(|_| bad("names an impossible collection"))?;
        let content = part.rows.unpack(&mut left)?;
        let rows: Vec<Row> = decode(&content, "a chunk's rows")?;
        if rows.is_empty() {
            return Err(bad("has a frame without rows"));
        }
        let goes_on = out.last().is_some_and(|(before, _)| *before == part.collection);
        if goes_on && last_frame_bytes < FRAME_FULL_BYTES {
            return Err(bad("goes on with a collection whose frame was not full"));
        }
        last_frame_bytes = content.len();
        for row in &rows {
            let here = RowKey { collection: part.collection.clone(), key: row.key.clone() };
            if last.as_ref().is_some_and(|last| *last >= here) {
                return Err(bad("has rows out of order"));
            }
            check_row(part.collection.kind, row)?;
            last = Some(here);
        }
        out.push((part.collection, rows));
    }
    Ok(out)
}

/// A row's key, actions and order; of a log, that there are only entries, each value once.
fn check_row(kind: Kind, row: &Row) -> Result<(), Error> {
    let bad = |what: &str| Error::new(ErrorKind::Corrupt, format!("a row {what}"));
    super::check_key(&row.key).map_err(|_| bad("has an impossible key"))?;
    let standing = &row.slot.standing;
    if standing.is_empty() || !standing.windows(2).all(|pair| pair[0].dot < pair[1].dot) {
        return Err(bad("has nothing standing, or out of order"));
    }
    for (at, write) in standing.iter().enumerate() {
        write.action.check(kind, &row.key).map_err(|_| bad("has an impossible key or value"))?;
        let is_entry = write.action != Action::Delete
            && write.context.is_empty()
            && standing[..at].iter().all(|other| other.action != write.action);
        if kind == Kind::Log && !is_entry {
            return Err(bad("of a log has a delete, a context, or a value twice"));
        }
    }
    Ok(())
}

/// Digests of deleted log entries: some, strictly rising.
pub(crate) fn decode_deletions(plaintext: &[u8]) -> Result<Vec<[u8; 16]>, Error> {
    let digests: Vec<[u8; 16]> = decode(plaintext, "a snapshot's deletions")?;
    if digests.is_empty() || !digests.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(Error::new(ErrorKind::Corrupt, "a snapshot's deletions are none, or out of order"));
    }
    Ok(digests)
}
