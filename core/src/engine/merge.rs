//! Taking snapshots: when one is needed, which, and how its rows come in chunk by chunk.

use super::api::{Phase, SyncReport};
use super::apply::{OPS_PER_STEP_MAX, adopt, merge_rows, past};
use super::head::{Debt, Head, Identity, Known, Log, Partial, local_error};
use super::lines;
use super::objects::{Opened, snapshot_path};
use super::revoked;
use super::shared::Shared;
use super::state::{Tx, key_of, record_key};
use crate::crypto::{ObjectKind, unpad_padme};
use crate::local::{ByteRange, Table};
use crate::replica::{
    ChunkRef, Collection, Index, Kind, ObjectRef, Point, Row, RowKey, Slot, SnapshotRef, Vector, decode, decode_chunk,
    decode_deletions,
};
use crate::{DeviceId, Error, ErrorKind, Hash, ObjectId};
use futures::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Local rows read at once while a chunk is merged.
const ROWS_PER_PAGE: u32 = 2_000;

/// The place before every row.
fn least() -> RowKey {
    RowKey { collection: Collection { kind: Kind::Root, name: String::new() }, key: String::new() }
}

/// Whether some device's log does not reach back to what is applied here, or a segment of it cannot be had, or this
/// device holds nothing yet, while a snapshot that would help is named. `foreign`: who names one with a line not known here.
pub(super) fn wants_snapshot(
    head: &Head,
    unix_ms: u64,
    unreadable: &BTreeSet<(DeviceId, ObjectId)>,
    foreign: &BTreeSet<DeviceId>,
) -> bool {
    let gap = head.peers.iter().any(|(id, peer)| {
        let lost = |log: &Log| log.segments.iter().any(|segment| unreadable.contains(&(*id, segment.object.id)));
        // A revoked device's log proves less than a snapshot of somebody who counts.
        let held = || head.peers.values().filter_map(|peer| peer.snapshot.as_ref()).any(|s| s.vector.n(*id) > peer.n);
        let short = |log: &Log| log.from() > peer.n + 1 || lost(log);
        peer.unplaced_ms.is_some()
            || (revoked::is_behind(head, *id, peer)
                && ((head.is_revoked(*id) && held()) || peer.logs().any(|log| !head.has_log(*id, log) && short(log))))
    });
    let new_here = head.peers.values().all(|peer| peer.n == 0);
    let named = || head.peers.values().filter_map(|peer| peer.snapshot.as_ref());
    let due = head.bucket.snapshot_debt.is_none_or(|debt| debt.is_due(head.bucket.polls + 1, unix_ms));
    due && (gap || new_here || !foreign.is_empty() || named().any(|named| is_beyond_logs(head, named)))
        && best(head, &[], foreign).is_some()
}

/// Whether a snapshot holds something that is not applied here and that no log is going to bring.
fn is_beyond_logs(head: &Head, named: &SnapshotRef) -> bool {
    let own = head.identity.as_ref().map(|identity| identity.device);
    let in_log = |device: DeviceId, op: Point| {
        let mut logs = head.peers.get(&device).into_iter().flat_map(|peer| peer.logs());
        logs.any(|log| head.forks.reaches(device, Point { n: log.end.n, tag: log.end.tag }, op.n, op.tag))
    };
    let lacks = |device: DeviceId, op: Point| Some(device) != own && !head.has_op(device, op) && !in_log(device, op);
    named.beyond.iter().any(|dot| lacks(dot.device, Point { n: dot.n, tag: dot.tag }))
        || named.vector.iter().any(|(device, _)| {
            knows_more_lines(head, named, device) || named.vector.points(device).any(|point| lacks(device, point))
        })
}

/// The named snapshot that brings most beyond what is applied here. `tried`: those that are not to be taken any more.
fn best(head: &Head, tried: &[SnapshotRef], foreign: &BTreeSet<DeviceId>) -> Option<SnapshotRef> {
    let own = head.vector();
    head.peers
        .iter()
        .filter_map(|(id, peer)| Some((id, peer.snapshot.as_ref()?)))
        .filter(|(id, named)| revoked::may_take(head, **id, &named.vector) && !tried.contains(named))
        .filter(|(id, named)| foreign.contains(id) || brings(head, &own, named))
        .map(|(_, named)| named)
        .max_by_key(|named| {
            let gain: u64 = named.vector.iter().map(|(id, point)| point.n.saturating_sub(own.n(id))).sum();
            (gain, named.beyond.len(), std::cmp::Reverse(named.index.id))
        })
        .cloned()
}

/// Whether a snapshot holds an op that is not applied here.
fn brings(head: &Head, own: &Vector, named: &SnapshotRef) -> bool {
    !own.covers_all(&named.vector, &head.forks)
        || named.beyond.iter().any(|dot| !head.has(dot))
        || named.vector.iter().any(|(device, _)| knows_more_lines(head, named, device))
}

/// Whether a snapshot was written by who knew a device's fork, of which nothing is known here: numbers say nothing then.
fn knows_more_lines(head: &Head, named: &SnapshotRef, device: DeviceId) -> bool {
    !named.vector.further(device).is_empty() && head.forks.of(device).is_none()
}

/// Takes the best snapshot; true if one came in whole. None is tried twice in a pull: one that can't be had or is bad, nor one
/// that came, which a member may name otherwise than it is. What is refused is the naming: another's of the same object may
/// be true.
pub(super) async fn take_snapshot(
    cx: &Shared,
    identity: &Arc<Identity>,
    tried: &mut Vec<SnapshotRef>,
    foreign: &BTreeSet<DeviceId>,
    report: &mut SyncReport,
) -> Result<bool, Error> {
    while let Some(named) = cx.read(|state| best(&state.head, tried, foreign)) {
        let taken = take(cx, identity, &named.index, Some(&named), &least()).await?;
        tried.push(named);
        match taken {
            Ok(()) => {
                cx.step(|tx| {
                    tx.head.bucket.snapshot_debt = None;
                    Ok(())
                })?;
                return Ok(true);
            }
            Err(error) => report.reports.push(error),
        }
    }
    cx.step(|tx| {
        let (polls, unix_ms) = (tx.head.bucket.polls + 1, tx.now.unix_ms);
        let bucket = &mut tx.head.bucket;
        bucket.snapshot_debt = Some(Debt::after(bucket.snapshot_debt, polls, unix_ms));
        Ok(())
    })?;
    Ok(false)
}

/// A crash in the middle of a merge: it is taken up where it stood. If the snapshot is gone, its rows stay as they are,
/// and ops that its vector covers are held against them (see `apply`).
pub(super) async fn finish_partial(
    cx: &Shared,
    identity: &Arc<Identity>,
    report: &mut SyncReport,
) -> Result<(), Error> {
    let polls = cx.read(|state| state.head.bucket.polls + 1);
    for partial in cx.read(|state| state.head.bucket.partial.clone()) {
        let is_due = |debt: Debt| debt.is_due(polls, cx.read(|state| state.now.unix_ms));
        if !partial.debt.is_none_or(is_due) {
            continue;
        }
        if let Err(error) = take(cx, identity, &partial.index, None, &partial.up_to).await? {
            report.reports.push(error);
            cx.step(|tx| {
                let unix_ms = tx.now.unix_ms;
                for same in tx.head.bucket.partial.iter_mut().filter(|other| other.index == partial.index) {
                    same.debt = Some(Debt::after(partial.debt, polls, unix_ms));
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Fetches an index and merges its rows from `from` on.
async fn take(
    cx: &Shared,
    identity: &Arc<Identity>,
    object: &ObjectRef,
    named: Option<&SnapshotRef>,
    from: &RowKey,
) -> Result<Result<(), Error>, Error> {
    let path = snapshot_path(identity.space, object.id);
    let index = match get_index(cx, &path, object).await? {
        Opened::Plain { plaintext, .. } => match read_index(identity, named, &plaintext) {
            Ok(index) => index,
            Err(error) => return Ok(Err(bad(&path, &error))),
        },
        Opened::Missing => {
            return Ok(Err(Error::new(ErrorKind::NotFound, "a snapshot is not there yet, or gone").on(path)));
        }
        Opened::Bad(error) => return Ok(Err(error)),
    };
    let placed = cx.step(|tx| Ok(lines::learn(tx, &index)? && lines::is_placed(tx, &index.vector)?))?;
    if !placed {
        return Ok(Err(Error::new(
            ErrorKind::Forked,
            "a snapshot knows lines of a copied device that can't be placed here yet",
        )
        .on(path)
        .next_step("none: another snapshot or log is taken, or this one later")));
    }
    let mut digests: Vec<[u8; 16]> = Vec::new();
    for deletions in &index.deletions {
        match cx.spare(fetch(cx, identity, &deletions.object, deletions.content).await).await? {
            Ok(plaintext) => match decode_deletions(&plaintext) {
                Ok(more) if digests.last() < more.first() => digests.extend(more),
                Ok(_) => return Ok(Err(bad(&path, &out_of_range()))),
                Err(error) => return Ok(Err(bad(&path, &error))),
            },
            Err(error) => return Ok(Err(error)),
        }
    }
    let total = index.chunks.len() as u64;
    let width = cx.read(|state| state.config.concurrency.max(1)) as usize;
    let ends = index.chunks.iter().skip(1).map(|chunk| Some(chunk.first.clone())).chain([None]);
    let wanted: Vec<(ChunkRef, Option<RowKey>)> =
        index.chunks.iter().cloned().zip(ends).filter(|(_, end)| end.as_ref().is_none_or(|end| from < end)).collect();
    // All of it is fetched and read before any of it is merged: two devices could else stick half-way in each other's
    // snapshots (found by the model), and half of a bad one would count. Chunks are held compressed.
    let mut chunks = stream::iter(wanted)
        .map(|(chunk, end)| async move { (fetch(cx, identity, &chunk.object, chunk.content).await, chunk.first, end) })
        .buffered(width);
    let mut fetched = Vec::new();
    while let Some((chunk, first, end)) = chunks.next().await {
        match cx.spare(chunk).await? {
            Ok(plaintext) => match read_rows(&plaintext, &first, end.as_ref()) {
                Ok(_) => fetched.push((plaintext, first, end)),
                Err(error) => return Ok(Err(bad(&path, &error))),
            },
            Err(error) => return Ok(Err(error)),
        }
        cx.progress(Phase::Pulling, fetched.len() as u64, total);
    }
    drop(chunks);
    if planted!(AdoptedBeforeRows) {
        cx.step(|tx| adopt(tx, &index))?;
    }
    let mut merging = Partial {
        index: *object,
        vector: index.vector.clone(),
        islands: index.islands.clone(),
        up_to: from.clone(),
        debt: None,
    };
    take_deletions(cx, &merging, &digests).await?;
    for (plaintext, first, end) in fetched {
        let rows = match read_rows(&plaintext, &first, end.as_ref()) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(bad(&path, &error))),
        };
        let rows =
            rows.into_iter().flat_map(|(collection, rows)| rows.into_iter().map(move |row| (collection.clone(), row)));
        merge_range(cx, &mut merging, rows.collect(), end.as_ref()).await?;
    }
    if index.chunks.is_empty() {
        merge_range(cx, &mut merging, Vec::new(), None).await?;
    }
    let bytes = index
        .chunks
        .iter()
        .map(|chunk| chunk.object.len)
        .chain(index.deletions.iter().map(|deletions| deletions.object.len))
        .sum();
    cx.step(|tx| {
        let named = SnapshotRef { index: *object, bytes, vector: index.vector.clone(), beyond: index.beyond() };
        tx.head.bucket.partial.retain(|partial| partial.index.id != object.id);
        adopt(tx, &index)?;
        let forks = &tx.head.forks;
        if tx.head.snapshot.as_ref().is_none_or(|known| named.covers_all(&known.named, forks)) {
            tx.head.snapshot = Some(Arc::new(Known { named, index: index.clone() }));
        }
        Ok(())
    })?;
    Ok(Ok(()))
}

fn bad(path: &str, error: &Error) -> Error {
    Error::new(ErrorKind::Corrupt, error.message())
        .on(path)
        .next_step("none: another device's snapshot or log is taken instead")
}

fn out_of_range() -> Error {
    Error::new(ErrorKind::Corrupt, "a chunk or deletions are out of the range that the index gives them")
}

/// The rows of a chunk, which are in the range that the index gives it.
fn read_rows(plaintext: &[u8], first: &RowKey, next: Option<&RowKey>) -> Result<Vec<(Collection, Vec<Row>)>, Error> {
    let rows = decode_chunk(plaintext)?;
    check_range(&rows, first, next)?;
    Ok(rows)
}

/// A chunk's first row is the one that the index names, and its last is before the next chunk's.
pub(super) fn check_range(rows: &[(Collection, Vec<Row>)], first: &RowKey, next: Option<&RowKey>) -> Result<(), Error> {
    let place = |collection: &Collection, row: &Row| RowKey { collection: collection.clone(), key: row.key.clone() };
    let begins = rows.first().and_then(|(collection, rows)| Some(place(collection, rows.first()?)));
    let ends = rows.last().and_then(|(collection, rows)| Some(place(collection, rows.last()?)));
    if begins.as_ref() == Some(first) && next.is_none_or(|next| ends.as_ref() < Some(next)) {
        return Ok(());
    }
    Err(out_of_range())
}

pub(super) fn read_index(identity: &Identity, named: Option<&SnapshotRef>, plaintext: &[u8]) -> Result<Index, Error> {
    let index: Index = decode(unpad_padme(plaintext)?, "a snapshot's index")?;
    let rises = index.chunks.windows(2).all(|pair| pair[0].first < pair[1].first);
    let possible = index.chunks.iter().all(|chunk| chunk.first.is_possible());
    let here = (index.vault, index.space) == (identity.vault, identity.space);
    let as_named = named.is_none_or(|named| named.vector == index.vector && named.beyond == index.beyond());
    if !rises || !possible || !here || !as_named || !index.has_possible_tags() {
        return Err(Error::new(ErrorKind::Corrupt, "a snapshot's index is not what its manifest says"));
    }
    Ok(index)
}

/// A chunk's or deletions' bytes, which have the hash that the index gives for them.
async fn fetch(
    cx: &Shared,
    identity: &Identity,
    object: &ObjectRef,
    content: Hash,
) -> Result<Result<Vec<u8>, Error>, Error> {
    let path = snapshot_path(identity.space, object.id);
    Ok(match cx.get_named(&path, ObjectKind::SnapshotChunk, object).await? {
        Opened::Plain { plaintext, .. } => match unpad_padme(&plaintext) {
            Ok(plaintext) if Hash::of(plaintext) == content => Ok(plaintext.to_vec()),
            Ok(_) => Err(bad(&path, &Error::new(ErrorKind::Corrupt, "a chunk is not the one that its index names"))),
            Err(error) => Err(bad(&path, &error)),
        },
        Opened::Missing => {
            Err(Error::new(ErrorKind::NotFound, "a snapshot's chunk is not there yet, or gone").on(path))
        }
        Opened::Bad(error) => Err(error),
    })
}

async fn take_deletions(cx: &Shared, merging: &Partial, digests: &[[u8; 16]]) -> Result<(), Error> {
    for slice in digests.chunks(OPS_PER_STEP_MAX) {
        cx.step(|tx| {
            for digest in slice {
                tx.set(Table::Deletions, digest.to_vec(), Some(Vec::new()));
            }
            note(tx, merging.clone());
            Ok(())
        })?;
        cx.yield_now().await;
    }
    Ok(())
}

/// Merges the rows of one chunk with the local rows of its key range, in steps.
async fn merge_range(
    cx: &Shared,
    merging: &mut Partial,
    rows: Vec<(Collection, Row)>,
    end: Option<&RowKey>,
) -> Result<(), Error> {
    let mut all: BTreeMap<RowKey, Option<Slot>> = rows
        .into_iter()
        .map(|(collection, row)| (RowKey { collection, key: row.key }, Some(row.slot)))
        .filter(|(place, _)| *place >= merging.up_to)
        .collect();
    for place in local_rows(cx, &merging.up_to, end)? {
        all.entry(place).or_insert(None);
    }
    let mut all = all.into_iter().peekable();
    while all.peek().is_some() {
        let slice: Vec<(RowKey, Option<Slot>)> = all.by_ref().take(OPS_PER_STEP_MAX).collect();
        let Some((last, _)) = slice.last() else { break };
        let up_to = past(&last.collection, &last.key);
        let before = merging.clone();
        cx.step(|tx| {
            let mut rest = slice.as_slice();
            while let Some((first, _)) = rest.first() {
                let here = rest.iter().take_while(|(place, _)| place.collection == first.collection).count();
                let (part, after) = rest.split_at(here);
                let rows = part
                    .iter()
                    .filter_map(|(place, slot)| Some(Row { key: place.key.clone(), slot: slot.clone()? }))
                    .collect();
                let local =
                    part.iter().filter(|(_, slot)| slot.is_none()).map(|(place, _)| place.key.clone()).collect();
                merge_rows(tx, &before, &first.collection, rows, local)?;
                rest = after;
            }
            note(tx, Partial { up_to: up_to.clone(), ..before.clone() });
            Ok(())
        })?;
        merging.up_to = up_to;
        cx.yield_now().await;
    }
    if let Some(end) = end {
        merging.up_to = end.clone();
    }
    Ok(())
}

/// How far a snapshot is merged.
fn note(tx: &mut Tx<'_>, merging: Partial) {
    let partial = &mut tx.head.bucket.partial;
    partial.retain(|other| other.index.id != merging.index.id);
    partial.push(merging);
}

/// The places of local rows from `from` to `end`.
fn local_rows(cx: &Shared, from: &RowKey, end: Option<&RowKey>) -> Result<Vec<RowKey>, Error> {
    let state = cx.lock();
    let mut places = Vec::new();
    for (collection, number) in &state.head.collections {
        if *collection < from.collection || end.is_some_and(|end| *collection > end.collection) {
            continue;
        }
        let start = if *collection == from.collection { from.key.as_str() } else { "" };
        let mut range =
            ByteRange { start: record_key(*number, start), end: ByteRange::prefix(&number.to_be_bytes()).end };
        if let Some(end) = end.filter(|end| end.collection == *collection) {
            range.end = Some(record_key(*number, &end.key));
        }
        loop {
            let page = state.local.list(Table::Records, &range, ROWS_PER_PAGE).map_err(local_error)?;
            let full = page.len() == ROWS_PER_PAGE as usize;
            for (row, _) in &page {
                places.push(RowKey { collection: collection.clone(), key: key_of(row)? });
            }
            match page.last() {
                Some((last, _)) if full => {
                    range.start.clone_from(last);
                    range.start.push(0);
                }
                _ => break,
            }
        }
    }
    Ok(places)
}

/// An index that some manifest names; `None` if it cannot be had or is bad.
pub(super) async fn read_named_index(
    cx: &Shared,
    identity: &Arc<Identity>,
    object: &ObjectRef,
) -> Result<Option<Index>, Error> {
    let path = snapshot_path(identity.space, object.id);
    match get_index(cx, &path, object).await? {
        Opened::Plain { plaintext, .. } => Ok(read_index(identity, None, &plaintext).ok()),
        Opened::Missing | Opened::Bad(_) => Ok(None),
    }
}

async fn get_index(cx: &Shared, path: &str, object: &ObjectRef) -> Result<Opened, Error> {
    let opened = cx.get_named(path, ObjectKind::SnapshotIndex, object).await;
    Ok(cx.spare(opened.map(Ok)).await?.unwrap_or_else(Opened::Bad))
}
