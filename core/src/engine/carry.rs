//! Carrying: what is applied here and stands in no manifest any more, neither in a log nor in a snapshot, is published again,
//! in a snapshot. Whoever wrote it may be gone: a copy that its twin overwrote, or a device that was rolled back.

use super::head::{Head, Log, Peer};
use super::state::Tx;
use crate::DeviceId;
use crate::replica::{Dot, Point, SnapshotRef};
use std::collections::BTreeSet;

/// After a full check: what stands nowhere now and stood nowhere at the check before is to be carried.
pub(super) fn look(tx: &mut Tx<'_>) {
    let uncovered = uncovered(tx.head);
    let bucket = &mut tx.head.bucket;
    bucket.carry = uncovered.intersection(&bucket.uncovered).copied().collect();
    bucket.uncovered = uncovered;
}

/// Whether something that was to be carried still stands nowhere.
pub(super) fn is_due(head: &Head) -> bool {
    !planted!(LeftWithoutCarry) && !head.bucket.carry.is_empty() && !uncovered(head).is_disjoint(&head.bucket.carry)
}

/// Whether something is applied here that stands in no manifest now.
pub(super) fn is_needed(head: &Head) -> bool {
    !uncovered(head).is_empty()
}

/// The ends of what is applied here of others and stands in no manifest.
fn uncovered(head: &Head) -> BTreeSet<Dot> {
    let mut uncovered = BTreeSet::new();
    for (id, peer) in &head.peers {
        let dot = |end: Point| Dot { device: *id, n: end.n, tag: end.tag };
        uncovered.extend(peer.points().filter(|point| !is_prefix_covered(head, *id, peer, *point)).map(dot));
        let islands = peer.islands.iter().filter(|island| {
            let in_log = |log: &Log| log.from() <= island.from && reaches(head, *id, log, island.end());
            // A revoked device's log is read as far as somebody says that it counts, and of an island only a snapshot says so.
            let in_log = !head.is_revoked(*id) && standing(head, *id, peer).is_some_and(in_log);
            !in_log && !snapshots(head).any(|named| has(head, named, &dot(island.end())))
        });
        uncovered.extend(islands.map(|island| dot(island.end())));
    }
    uncovered
}

/// The log of the manifest that stands in the bucket, as last seen. Of a revoked device's lines others go by the numbers of one.
fn standing<'a>(head: &Head, device: DeviceId, peer: &'a Peer) -> Option<&'a Log> {
    match &peer.twin {
        _ if head.is_revoked(device) && head.forks.parts(device) => None,
        Some(twin) => peer.behind.is_none_or(|behind| behind.shown_n > 0).then_some(twin),
        None => (peer.sequence > 0 && is_there(peer)).then_some(&peer.log),
    }
}

/// Whether the newest manifest that was read is what the bucket shows, as far as is known: not while it shows an older one or
/// none, nor while a newer one is named that can't be read.
fn is_there(peer: &Peer) -> bool {
    peer.behind.is_none() && peer.wanted.is_none()
}

fn reaches(head: &Head, device: DeviceId, log: &Log, op: Point) -> bool {
    let foreign = log.foreign && head.forks.of(device).is_none();
    !foreign && head.forks.reaches(device, Point { n: log.end.n, tag: log.end.tag }, op.n, op.tag)
}

/// The snapshots that manifests name which stand in the bucket, and that anybody takes: who hears that a device is revoked
/// before he knows its snapshot takes none of it.
fn snapshots(head: &Head) -> impl Iterator<Item = &SnapshotRef> {
    let theirs = head.counting().map(|(_, peer)| peer).filter(|peer| peer.twin.is_none() && is_there(peer));
    theirs.filter_map(|peer| peer.snapshot.as_ref()).chain(&head.published.snapshot)
}

fn has(head: &Head, named: &SnapshotRef, dot: &Dot) -> bool {
    named.vector.covers(dot, &head.forks) || named.beyond.contains(dot)
}

/// Whether snapshots up to somewhere, and the log from there on, have a device's line up to a point.
fn is_prefix_covered(head: &Head, device: DeviceId, peer: &Peer, end: Point) -> bool {
    let shared = |point: Point| head.forks.shared(device, point, end);
    let in_snapshots = snapshots(head)
        .flat_map(|named| named.vector.points(device).collect::<Vec<_>>())
        .map(shared)
        .max()
        .unwrap_or(0);
    in_snapshots >= end.n
        || standing(head, device, peer)
            .is_some_and(|log| log.from() <= in_snapshots + 1 && reaches(head, device, log, end))
}
