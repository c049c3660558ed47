//! The own log as the next manifest will tell it: trimmed below a snapshot, mended, and what overflows its tail as segments.

use super::api::Phase;
use super::head::{Head, Identity, OwnSegment, Published, Start, damaged, local_error};
use super::objects::segment_path;
use super::publish::new_id;
use super::puts::Puts;
use super::retired::{self, awaited};
use super::shared::Shared;
use super::snapshot::Written;
use super::state::internal;
use crate::crypto::{ObjectKind, pad_padme};
use crate::local::{ByteRange, LocalError, Row, Table};
use crate::replica::{
    Home, Logged, ObjectRef, Run, SEGMENTS_MAX, SegmentRef, SnapshotRef, decode, encode, encode_segment, encode_tail,
    first_tag, whole_calls,
};
use crate::{Error, Hash};
use std::sync::Arc;

/// A segment's plaintext is cut here, so that no step seals or compresses more.
pub(super) const SEGMENT_PLAIN_BYTES_MAX: usize = 1 << 20;
/// A last segment shorter than this is merged with the overflowing tail, under a new name.
const SEGMENT_GROWS_BYTES: u64 = 256 << 10;
/// Own ops read at once.
const OPS_PER_PAGE: u32 = 5_000;

/// What the next manifest's log will be.
pub(super) struct NextLine {
    pub(super) segments: Vec<OwnSegment>,
    pub(super) tail: Start,
    pub(super) superseded: Vec<String>,
    pub(super) snapshot: Option<SnapshotRef>,
    /// What others could not read has been written again.
    pub(super) mended: bool,
    /// The snapshot, if it was written for this very manifest.
    pub(super) written: Option<Written>,
}

pub(super) fn start_of_tail(published: &Published, identity: &Identity) -> Start {
    if published.tail.from > 0 {
        return published.tail.clone();
    }
    Start { from: 1, before: first_tag(identity.device), base: Default::default() }
}

/// Drops from the log what the named snapshot covers, once every device has stated to have seen it, or when the log
/// has grown too long.
pub(super) fn trim(cx: &Shared, identity: &Identity, line: &mut NextLine) -> Result<(), Error> {
    let Some(covered) = line.snapshot.as_ref().map(|named| named.vector.n(identity.device)) else { return Ok(()) };
    let retired = cx.read(retired::all)?;
    let seen = cx.read(|state| {
        let here = awaited(&state.head, &retired).filter(|(id, _)| !state.head.left.contains(id));
        here.map(|(_, peer)| peer.stated.n(identity.device)).min().unwrap_or(covered)
    });
    let covered = if planted!(TrimmedBeyondSnapshot) { u64::MAX } else { covered };
    let up_to = if line.segments.len() >= SEGMENTS_MAX { covered } else { covered.min(seen) };
    drop_log_below(cx, identity, line, up_to)
}

/// Lets the log begin above op `up_to`, as far as whole segments and the tail allow.
pub(super) fn drop_log_below(cx: &Shared, identity: &Identity, line: &mut NextLine, up_to: u64) -> Result<(), Error> {
    while line.segments.first().is_some_and(|first| first.named.end.n <= up_to) {
        let gone = line.segments.remove(0);
        line.superseded.push(segment_path(identity.space, identity.device, gone.named.object.id));
    }
    if line.segments.is_empty() && line.tail.from <= up_to {
        let (clock, forks) = cx.read(|state| (state.head.clock.clone(), state.head.forks.clone()));
        if clock.n == up_to && forks.is_empty() {
            // What the ops in between would be read for is known: without forks, joined in any order, it comes to the same.
            line.tail = Start { from: clock.n + 1, before: clock.tag, base: clock.seen };
            return Ok(());
        }
        let mut tail = line.tail.clone();
        while tail.from <= up_to {
            for logged in &read_page(cx, tail.from, up_to)? {
                tail.before = logged.tag(tail.before);
                tail.base.join(logged.seen(), &forks);
                tail.from += 1;
            }
        }
        line.tail = tail;
    }
    Ok(())
}

/// Own ops from a number on: some of those up to `to`, which is not below it.
fn read_page(cx: &Shared, from: u64, to: u64) -> Result<Vec<Logged>, Error> {
    let rows = cx.read(|state| state.local.list(Table::Ops, &rows(from, to), OPS_PER_PAGE)).map_err(local_error)?;
    if rows.is_empty() {
        return Err(hole());
    }
    decode_ops(&rows, from)
}

/// The rows of own ops from a number to another, both included.
pub(super) fn rows(from: u64, to: u64) -> ByteRange {
    ByteRange { start: from.to_be_bytes().to_vec(), end: Some((to + 1).to_be_bytes().to_vec()) }
}

/// The own ops in rows, from a number on. Without one of them the others would go out under wrong numbers.
pub(super) fn decode_ops(rows: &[Row], from: u64) -> Result<Vec<Logged>, Error> {
    if !rows.iter().zip(from..).all(|((key, _), n)| *key == n.to_be_bytes()) {
        return Err(hole());
    }
    rows.iter().map(|(_, op)| damaged(decode(op, "an own op"))).collect()
}

/// An own op that was numbered is not in the store.
pub(super) fn hole() -> Error {
    local_error(LocalError::Corrupt("the log of own ops has a hole".to_owned()))
}

/// The run from `start` to op `to`, or `None` if it takes more than `bytes_max`.
pub(super) fn read_ops(cx: &Shared, start: &Start, to: u64, bytes_max: usize) -> Result<Option<Run>, Error> {
    let mut run = Run { from: start.from, before: start.before, base: start.base.clone(), ops: Vec::new() };
    while run.to() < to {
        run.ops.extend(read_page(cx, run.to() + 1, to)?);
        if run.ops.len() * 16 > bytes_max {
            return Ok(None); // no op takes less
        }
    }
    Ok((encode_tail(&run).len() <= bytes_max).then_some(run))
}

/// What the ops from `start` to op `to` take, as they are stored.
pub(super) fn pending_bytes(cx: &Shared, start: &Start, to: u64) -> Result<u64, Error> {
    cx.read(|state| state.local.value_bytes(Table::Ops, &rows(start.from, to))).map_err(local_error)
}

/// The overflowing tail becomes segments, the last one merged into the first of them while it is small.
pub(super) async fn write_segments(
    cx: &Shared,
    identity: &Arc<Identity>,
    line: &mut NextLine,
    goal: u64,
) -> Result<(), Error> {
    if line.segments.last().is_some_and(|last| last.named.object.len < SEGMENT_GROWS_BYTES) {
        grow_from(identity, line, line.segments.len() - 1);
    }
    write_log(cx, identity, line, goal).await?;
    while line.segments.len() > SEGMENTS_MAX {
        // No snapshot may be written here: the two smallest neighbours become one, whatever their size.
        let sizes: Vec<u64> = line.segments.iter().map(|segment| segment.named.object.len).collect();
        let at = (0..sizes.len() - 1).min_by_key(|at| sizes[*at] + sizes[at + 1]).unwrap_or(0);
        let (left, right) = (line.segments.remove(at), line.segments.remove(at));
        for gone in [&left, &right] {
            line.superseded.push(segment_path(identity.space, identity.device, gone.named.object.id));
        }
        let run = read_ops(cx, &left.start, right.named.end.n, usize::MAX)?
            .ok_or_else(|| internal("two segments have no ops"))?;
        let mut puts = Puts::new(cx);
        let merged = put_segment(&mut puts, cx, identity, &run, left.start.clone()).await?;
        puts.end().await?;
        line.segments.insert(at, merged);
    }
    Ok(())
}

/// Where a log begins; what is below is in snapshots alone.
pub(super) fn beginning(segments: &[OwnSegment], tail: &Start) -> u64 {
    segments.first().map_or(tail.from, |first| first.start.from)
}

/// Whether somebody misses what the own log has.
pub(super) fn is_missed(head: &Head) -> bool {
    let from = beginning(&head.published.segments, &head.published.tail);
    head.peers.values().flat_map(|peer| &peer.misses).any(|missed| missed.to >= from)
}

/// What another device could not read is written again under a new name: same ops, same names, same contents.
pub(super) async fn mend(cx: &Shared, identity: &Arc<Identity>, line: &mut NextLine) -> Result<(), Error> {
    if !cx.read(|state| is_missed(&state.head)) {
        return Ok(());
    }
    let misses: Vec<_> = cx.read(|state| state.head.peers.values().flat_map(|peer| peer.misses.clone()).collect());
    for segment in &mut line.segments {
        if planted!(MendForgotten) {
            break;
        }
        let (from, to) = (segment.named.from, segment.named.end.n);
        if !misses.iter().any(|missed| missed.from <= to && missed.to >= from) {
            continue;
        }
        let run = read_ops(cx, &segment.start, to, usize::MAX)?.ok_or_else(|| internal("a segment has no ops"))?;
        line.superseded.push(segment_path(identity.space, identity.device, segment.named.object.id));
        let mut puts = Puts::new(cx);
        *segment = put_segment(&mut puts, cx, identity, &run, segment.start.clone()).await?;
        puts.end().await?;
    }
    line.mended = true;
    Ok(())
}

/// Takes the segments from `at` on back into the tail; their objects are superseded.
fn grow_from(identity: &Identity, line: &mut NextLine, at: usize) {
    for gone in line.segments.drain(at..).rev() {
        line.superseded.push(segment_path(identity.space, identity.device, gone.named.object.id));
        line.tail = gone.start;
    }
}

/// Writes everything from the tail's start to op `goal` as segments.
async fn write_log(cx: &Shared, identity: &Arc<Identity>, line: &mut NextLine, goal: u64) -> Result<(), Error> {
    let total = goal + 1 - line.tail.from;
    let forks = cx.read(|state| state.head.forks.clone());
    let mut puts = Puts::new(cx);
    while line.tail.from <= goal {
        let start = line.tail.clone();
        let mut run = Run { from: start.from, before: start.before, base: start.base.clone(), ops: Vec::new() };
        let mut bytes = 0;
        'fill: while run.to() < goal {
            for logged in read_page(cx, run.to() + 1, goal)? {
                bytes += encode(&logged).len();
                run.ops.push(logged);
                if bytes > SEGMENT_PLAIN_BYTES_MAX && run.ops.len() > 1 {
                    run.ops.truncate(whole_calls(&run.ops, 0, run.ops.len() - 1));
                    break 'fill;
                }
            }
        }
        let segment = put_segment(&mut puts, cx, identity, &run, start).await?;
        line.tail = Start { from: run.to() + 1, before: segment.named.end.tag, base: run.vector(&forks) };
        line.segments.push(segment);
        cx.progress(Phase::Pushing, total - (goal + 1 - line.tail.from), total);
    }
    puts.end().await
}

/// Seals a run under a new name and begins to PUT it.
async fn put_segment(
    puts: &mut Puts<'_>,
    cx: &Shared,
    identity: &Arc<Identity>,
    run: &Run,
    start: Start,
) -> Result<OwnSegment, Error> {
    let home = Home { vault: identity.vault, space: identity.space, device: identity.device };
    let compression = cx.read(|state| state.config.compression);
    let plaintext = pad_padme(&encode_segment(home, run, compression));
    let mut id = new_id(cx, identity, &plaintext);
    if planted!(SegmentSealedAgain) {
        id.0[..8].copy_from_slice(&run.from.to_le_bytes());
        id.0[8..].fill(0);
    }
    let path = segment_path(identity.space, identity.device, id);
    let sealed = cx.seal(&path, ObjectKind::Segment, &plaintext)?;
    let object = ObjectRef { id, hash: Hash::of(&sealed), len: sealed.len() as u64 };
    puts.begin(path, sealed).await?;
    Ok(OwnSegment { named: SegmentRef { object, from: run.from, end: run.end() }, start })
}
