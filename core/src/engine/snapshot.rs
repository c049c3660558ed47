//! Writing snapshots: when one is due, and how the state of the space becomes chunks. A chunk that did not change is
//! named again, not written again.

use super::api::Phase;
use super::head::{Head, Identity, Known, OwnSegment, Peer, damaged, local_error};
use super::objects::snapshot_path;
use super::own_log::beginning;
use super::publish::new_id;
use super::puts::Puts;
use super::retired::{self, awaited};
use super::shared::Shared;
use super::state::{key_of, record_key};
use super::{carry, listed, tags};
use crate::crypto::{ObjectKind, pad_padme};
use crate::local::{ByteRange, Table};
use crate::replica::{
    ChunkPart, ChunkRef, Collection, Damaged, DeletionsRef, FRAME_FULL_BYTES, Index, ObjectRef, Point, Row, RowKey,
    SnapshotRef, Vector, decode, encode, encode_chunk,
};
use crate::{DeviceId, Error, Hash, ObjectId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// No snapshot is written for less than this outside the last one.
const OUTSIDE_BYTES_MIN: u64 = 64 << 10;
/// One is due when what is outside passes this share of it.
const OUTSIDE_SHARE: u64 = 5;
/// And at this many segments in the space above it.
const OUTSIDE_SEGMENTS_MAX: usize = 16;
/// A chunk takes frames up to about this many bytes before compression.
const CHUNK_BYTES: usize = 4 << 20;
/// Rows read at once.
const ROWS_PER_PAGE: u32 = 2_000;
/// Digests in one object of deletions: 1 MiB.
const DELETIONS_PER_OBJECT: usize = 65_536;
/// Who did not cross the line waits this long for whoever did, and up to ten times as long.
const OTHERS_WAIT_MS: u64 = 60_000;

/// Whether this device may write one: none is half merged here. One with gaps may: its V is its prefix, and what it has
/// applied beyond stands in the rows under names that V does not cover. (Without that, two devices that have trimmed their
/// logs wait for each other for ever once both snapshots are lost: found by the model.)
pub(super) fn may_write(cx: &Shared) -> bool {
    cx.read(|state| state.head.bucket.partial.is_empty())
}

/// Whether others' segments, or the own published ones, are too many outside the last snapshot, and whoever crossed the
/// line has not written one in its time.
pub(super) fn is_due(cx: &Shared) -> bool {
    let crossed = cx.read(|state| {
        crosses(&state.head, &state.head.published.segments) || is_missed(&state.head) || carry::is_due(&state.head)
    });
    let due_ms = cx.read(|state| state.head.bucket.snapshot_due_ms);
    let (unix_ms, wait_ms) = {
        let mut state = cx.lock();
        let mut random = [0; 2];
        state.entropy.fill(&mut random);
        (state.now.unix_ms, OTHERS_WAIT_MS + u64::from(u16::from_le_bytes(random)) * 9 * OTHERS_WAIT_MS / 65_536)
    };
    let next = match (crossed, due_ms) {
        (false, _) => None,
        (true, None) => Some(unix_ms + wait_ms),
        (true, due) => due,
    };
    if next != due_ms {
        let stored = cx.step(|tx| {
            tx.head.bucket.snapshot_due_ms = next;
            Ok(())
        });
        if stored.is_err() {
            return false; // the store is broken: the push finds out by itself
        }
    }
    // One further ahead than anybody waits was set by a clock that went back since.
    let is_over = |due_ms| unix_ms >= due_ms || due_ms > unix_ms.saturating_add(10 * OTHERS_WAIT_MS);
    due_ms.is_some_and(|due_ms| crossed && is_over(due_ms)) && may_write(cx)
}

/// Whether no snapshot is named yet and no other device waits for the own log: what a first snapshot holds would be trimmed from
/// the log at once, so it need not become segments.
pub(super) fn is_first_and_alone(cx: &Shared) -> Result<bool, Error> {
    let retired = cx.read(retired::all)?;
    Ok(cx.read(|state| newest(&state.head).is_none() && awaited(&state.head, &retired).next().is_none()))
}

/// Whether a device misses ops that are applied here: all of them, or more than it has. The rest may be lost for good, or not
/// count, where its author was revoked.
fn is_missed(head: &Head) -> bool {
    let held = head.vector();
    complaints(head).any(|(peer, missed)| {
        // Numbers don't say which line is missed: who misses one of them too has nothing to give.
        let is_here = !head.forks.parts(missed.device)
            || head.peers.get(&missed.device).is_none_or(|peer| peer.damaged.is_empty());
        let more = missed.from.max(peer.stated.n(missed.device).saturating_add(1));
        held.n(missed.device) >= missed.to.min(more) && is_here
    })
}

/// Whether the newest named snapshot is one that a device can't read, for it misses what that holds: all of it is written anew.
fn is_spoilt(head: &Head) -> bool {
    let named = newest(head);
    complaints(head).any(|(_, missed)| named.is_some_and(|named| named.vector.n(missed.device) >= missed.to))
}

/// What others could not read, by manifests that no snapshot written here has answered. What the own log has is written again
/// there; another's author may be gone.
fn complaints(head: &Head) -> impl Iterator<Item = (&Peer, &Damaged)> {
    let new =
        |(id, peer): &(&DeviceId, &Arc<Peer>)| head.bucket.answered.get(*id).is_none_or(|told| *told < peer.sequence);
    let missed = head.counting().filter(new).flat_map(|(_, peer)| {
        let missed = peer.misses.iter().chain(&peer.misses_of_others);
        missed.map(move |missed| (&**peer, missed))
    });
    missed.filter(|(_, missed)| !is_own(head, missed) || is_below_own_log(head, missed))
}

fn is_own(head: &Head, missed: &Damaged) -> bool {
    head.identity.as_ref().is_some_and(|identity| identity.device == missed.device)
}

/// Whether what is missed of this device is below its log: that is in its snapshot alone.
fn is_below_own_log(head: &Head, missed: &Damaged) -> bool {
    let published = &head.published;
    missed.from < beginning(&published.segments, &published.tail)
}

/// Whether the log that this push makes crosses the line.
pub(super) fn is_crossed(cx: &Shared, own: &[OwnSegment]) -> bool {
    cx.read(|state| crosses(&state.head, own))
}

fn crosses(head: &Head, own: &[OwnSegment]) -> bool {
    let Some(identity) = &head.identity else { return false };
    let none = Vector::default();
    let (covered, bytes) = match newest(head) {
        Some(named) => (&named.vector, named.bytes),
        None => (&none, 0),
    };
    let mine = own.iter().map(|segment| (identity.device, &segment.named));
    let theirs = head.counting().flat_map(|(id, peer)| peer.log.segments.iter().map(move |segment| (*id, segment)));
    let outside: Vec<u64> = mine
        .chain(theirs)
        .filter(|(id, segment)| segment.end.n > covered.n(*id))
        .map(|(_, segment)| segment.object.len)
        .collect();
    let outside_bytes: u64 = outside.iter().sum();
    outside.len() >= OUTSIDE_SEGMENTS_MAX
        || (outside_bytes > OUTSIDE_BYTES_MIN && outside_bytes > bytes / OUTSIDE_SHARE)
}

/// The named snapshot that covers most.
fn newest(head: &Head) -> Option<&SnapshotRef> {
    let own = head.published.snapshot.as_ref().into_iter();
    own.chain(head.counting().filter_map(|(_, peer)| peer.snapshot.as_ref()))
        .max_by_key(|named| named.vector.iter().map(|(_, point)| point.n).sum::<u64>())
}

/// Whether a manifest that counts names a snapshot: its objects stand, and will for an hour after none does.
pub(super) fn is_named(head: &Head, index: ObjectId) -> bool {
    let theirs = head.counting().filter_map(|(_, peer)| peer.snapshot.as_ref());
    theirs.chain(&head.published.snapshot).any(|named| named.index.id == index)
}

/// Whether a device that is revoked wrote a snapshot: it may do away with it at any time.
pub(super) fn is_of_revoked(head: &Head, named: &SnapshotRef) -> bool {
    let is_it = |other: &SnapshotRef| other.index.id == named.index.id;
    let known = head.snapshot.as_ref().filter(|known| is_it(&known.named));
    let mut revoked = head.peers.iter().filter(|(id, _)| head.is_revoked(**id));
    known.is_some_and(|known| head.is_revoked(known.index.device))
        || revoked.any(|(_, peer)| peer.snapshot.as_ref().is_some_and(is_it))
}

/// A snapshot that no manifest names yet.
pub(super) struct Written {
    pub(super) named: SnapshotRef,
    /// Objects that it does away with.
    pub(super) superseded: Vec<String>,
    /// The older snapshot some of whose objects it names again.
    pub(super) lender: Option<ObjectId>,
    /// The manifests of others that stood: what they miss is in it.
    pub(super) answers: BTreeMap<DeviceId, u64>,
}

/// Writes the state of the space, own ops up to `goal`.
pub(super) async fn write(cx: &Shared, identity: &Arc<Identity>, goal: u64) -> Result<Written, Error> {
    let (old, answers) = cx.read(|state| {
        let stand = state.head.peers.iter().map(|(id, peer)| (*id, peer.sequence));
        (state.head.snapshot.clone(), stand.collect())
    });
    // The objects of one that no manifest names may be swept, and those of a revoked device's deleted; those of one that others
    // can't read may be what is wrong with it.
    let lender = cx.read(|state| {
        let head = &state.head;
        let stands = |known: &SnapshotRef| is_named(head, known.index.id) && !is_of_revoked(head, known);
        old.clone().filter(|known| stands(&known.named) && !is_spoilt(head))
    });
    let lender = match lender {
        Some(lender) => Some(listed::as_it_stands(cx, identity, lender).await?),
        None => None,
    };
    let (vector, islands, forks, tags) = cx.step(|tx| {
        let mut vector = tx.head.vector();
        if let Some(tag) = tags::of(tx, identity.device, goal)? {
            // Own ops written since are not in it.
            vector = vector.without(identity.device);
            vector.raise(identity.device, Point { n: goal, tag }, &tx.head.forks);
        }
        let with_islands = tx.head.peers.iter().filter(|(_, peer)| !peer.islands.is_empty());
        let islands = with_islands.map(|(id, peer)| (*id, peer.islands.clone())).collect();
        let forks = tx.head.forks.iter().map(|(id, fork)| (id, fork.clone())).collect();
        let tags = tags::before_points(tx, &vector)?;
        Ok((vector, islands, forks, tags))
    })?;
    let mut writer = Writer {
        cx,
        identity,
        puts: Puts::new(cx),
        old: lender.clone(),
        chunks: Vec::new(),
        rows: Vec::new(),
        parts: Vec::new(),
        bytes: 0,
        first: None,
        chunk_bytes: 0,
    };
    let mut collections: Vec<(Collection, u32)> = cx.read(|state| {
        state.head.collections.iter().map(|(collection, number)| (collection.clone(), *number)).collect()
    });
    collections.sort();
    for (collection, number) in &collections {
        writer.collection(collection, *number).await?;
    }
    writer.end_chunk().await?;
    let Writer { chunks, mut puts, .. } = writer;
    puts.end().await?;
    let deletions = write_deletions(&mut puts, cx, identity, lender.as_deref()).await?;
    puts.end().await?;
    let bytes =
        chunks.iter().map(|chunk| chunk.object.len).chain(deletions.iter().map(|deletions| deletions.object.len)).sum();
    let index = Index {
        vault: identity.vault,
        space: identity.space,
        device: identity.device,
        vector: vector.clone(),
        islands,
        forks,
        tags,
        chunks,
        deletions,
    };
    let object = put(&mut puts, cx, identity, ObjectKind::SnapshotIndex, &encode(&index)).await?;
    puts.end().await?;
    let named = SnapshotRef { index: object, bytes, vector, beyond: index.beyond() };
    let superseded = old.as_deref().map(|old| no_longer_named(identity, old, &index)).unwrap_or_default();
    let lent: BTreeSet<ObjectId> = lender.iter().flat_map(|old| objects(&old.index)).map(|object| object.id).collect();
    let lender = lender.filter(|_| objects(&index).any(|object| lent.contains(&object.id)));
    cx.step(|tx| {
        tx.head.snapshot = Some(Arc::new(Known { named: named.clone(), index: index.clone() }));
        Ok(())
    })?;
    Ok(Written { named, superseded, lender: lender.map(|old| old.named.index.id), answers })
}

/// What an older snapshot names and a newer one does not.
pub(super) fn no_longer_named(identity: &Identity, old: &Known, new: &Index) -> Vec<String> {
    let kept: BTreeSet<_> = objects(new).map(|object| object.id).collect();
    objects(&old.index)
        .chain([old.named.index])
        .filter(|object| !kept.contains(&object.id))
        .map(|object| snapshot_path(identity.space, object.id))
        .collect()
}

/// Everything an index names.
pub(super) fn objects(index: &Index) -> impl Iterator<Item = ObjectRef> + '_ {
    index.chunks.iter().map(|chunk| chunk.object).chain(index.deletions.iter().map(|deletions| deletions.object))
}

/// Rows on their way into chunks.
struct Writer<'a> {
    cx: &'a Shared,
    identity: &'a Arc<Identity>,
    puts: Puts<'a>,
    old: Option<Arc<Known>>,
    chunks: Vec<ChunkRef>,
    /// Rows of the frame being filled, and their bytes.
    rows: Vec<Row>,
    bytes: usize,
    /// Frames of the chunk being filled, their bytes before compression, and its first row.
    parts: Vec<ChunkPart>,
    chunk_bytes: usize,
    first: Option<RowKey>,
}

impl Writer<'_> {
    async fn collection(&mut self, collection: &Collection, number: u32) -> Result<(), Error> {
        let mut range = ByteRange { start: record_key(number, ""), end: ByteRange::prefix(&number.to_be_bytes()).end };
        loop {
            let page =
                self.cx.read(|state| state.local.list(Table::Records, &range, ROWS_PER_PAGE)).map_err(local_error)?;
            let Some((last, _)) = page.last() else { break };
            range.start.clone_from(last);
            range.start.push(0);
            for (row, value) in page {
                let key = key_of(&row)?;
                if self.begins_old_chunk(collection, &key) {
                    // Chunks keep their bounds, so that one without changes comes out as it was.
                    self.end_part(collection);
                    self.end_chunk().await?;
                }
                self.first.get_or_insert_with(|| RowKey { collection: collection.clone(), key: key.clone() });
                self.bytes += value.len() + key.len();
                self.rows.push(Row { key, slot: damaged(decode(&value, "a record"))? });
                if self.bytes >= FRAME_FULL_BYTES {
                    self.end_part(collection);
                    self.cx.yield_now().await;
                    if self.chunk_bytes >= CHUNK_BYTES {
                        self.end_chunk().await?;
                    }
                }
            }
        }
        self.end_part(collection);
        Ok(())
    }

    fn begins_old_chunk(&self, collection: &Collection, key: &str) -> bool {
        let Some(old) = &self.old else { return false };
        // A small chunk is not kept apart: what follows grows it.
        self.chunk_bytes + self.bytes >= CHUNK_BYTES / 2
            && old
                .index
                .chunks
                .binary_search_by(|chunk| (&chunk.first.collection, chunk.first.key.as_str()).cmp(&(collection, key)))
                .is_ok()
    }

    fn end_part(&mut self, collection: &Collection) {
        if self.rows.is_empty() {
            return;
        }
        let compression = self.cx.read(|state| state.config.compression);
        self.parts.push(ChunkPart::pack(collection.clone(), &std::mem::take(&mut self.rows), compression));
        self.chunk_bytes += std::mem::take(&mut self.bytes);
    }

    async fn end_chunk(&mut self) -> Result<(), Error> {
        self.chunk_bytes = 0;
        let Some(first) = self.first.take() else { return Ok(()) };
        let plaintext = encode_chunk(std::mem::take(&mut self.parts));
        let content = Hash::of(&plaintext);
        let same = self.old.as_ref().and_then(|old| old.index.chunks.iter().find(|chunk| chunk.content == content));
        let object = match same {
            Some(same) => same.object,
            None => put(&mut self.puts, self.cx, self.identity, ObjectKind::SnapshotChunk, &plaintext).await?,
        };
        self.chunks.push(ChunkRef { object, first, content });
        self.cx.progress(Phase::Pushing, self.chunks.len() as u64, self.chunks.len() as u64 + 1);
        Ok(())
    }
}

async fn write_deletions(
    puts: &mut Puts<'_>,
    cx: &Shared,
    identity: &Arc<Identity>,
    old: Option<&Known>,
) -> Result<Vec<DeletionsRef>, Error> {
    let mut range = ByteRange::default();
    if planted!(SnapshotWithoutDeletions) {
        return Ok(Vec::new());
    }
    let mut objects = Vec::new();
    let mut digests: Vec<[u8; 16]> = Vec::new();
    loop {
        let page = cx.read(|state| state.local.list(Table::Deletions, &range, ROWS_PER_PAGE)).map_err(local_error)?;
        if let Some((last, _)) = page.last() {
            range.start.clone_from(last);
            range.start.push(0);
        }
        let last_page = page.is_empty();
        digests.extend(page.into_iter().filter_map(|(digest, _)| <[u8; 16]>::try_from(digest).ok()));
        while digests.len() >= DELETIONS_PER_OBJECT || (last_page && !digests.is_empty()) {
            let here: Vec<[u8; 16]> = digests.drain(..digests.len().min(DELETIONS_PER_OBJECT)).collect();
            let plaintext = encode(&here);
            let content = Hash::of(&plaintext);
            let same = old.and_then(|old| old.index.deletions.iter().find(|known| known.content == content));
            let object = match same {
                Some(same) => same.object,
                None => put(puts, cx, identity, ObjectKind::SnapshotChunk, &plaintext).await?,
            };
            objects.push(DeletionsRef { object, content });
        }
        if last_page {
            return Ok(objects);
        }
    }
}

/// Seals an object of a snapshot under a new name and begins to PUT it.
async fn put(
    puts: &mut Puts<'_>,
    cx: &Shared,
    identity: &Arc<Identity>,
    kind: ObjectKind,
    plaintext: &[u8],
) -> Result<ObjectRef, Error> {
    let id = new_id(cx, identity, plaintext);
    let path = snapshot_path(identity.space, id);
    let sealed = cx.seal(&path, kind, &pad_padme(plaintext))?;
    let object = ObjectRef { id, hash: Hash::of(&sealed), len: sealed.len() as u64 };
    puts.begin(path, sealed).await?;
    Ok(object)
}
