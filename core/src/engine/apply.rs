//! Foreign ops and snapshots meet the local state here, and nowhere else.

use super::head::{Head, Island, Partial};
use super::state::Tx;
use crate::local::Table;
use crate::replica::{
    Action, Collection, Context, Dot, Kind, Logged, Op, Point, Row, RowKey, Run, SUSPICIOUS_AHEAD_MS, Slot, Standing,
    Vector, deletion_digest,
};
use crate::{DeviceId, Error, ErrorKind, Tag};

/// The most ops merged in one step.
pub(super) const OPS_PER_STEP_MAX: usize = 5_000;

/// How far a run came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// All of it is applied.
    Whole,
    /// `OPS_PER_STEP_MAX` ops were; the rest begins here.
    More(Place),
    /// An op had seen what no verified manifest publishes: the rest waits.
    Waits,
    /// The run does not pass through what is applied here: a second line of this device.
    Forked,
}

/// A place within a run: an op's index, and the author's vector and tag before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    index: usize,
    vector: Vector,
    tag: Tag,
}

impl Place {
    /// Before the first op.
    pub(super) fn start(run: &Run) -> Self {
        Self { index: 0, vector: run.base.clone(), tag: run.before }
    }
}

/// Applies a run of `device` from `place` on, skipping what is applied. `counted` gives the ops that were new.
pub(super) fn apply_run(
    tx: &mut Tx<'_>,
    device: DeviceId,
    run: &Run,
    place: Place,
    counted: &mut u64,
) -> Result<Applied, Error> {
    let Place { index: start, mut vector, mut tag } = place;
    if start == 0 && contradicts(tx.head, device, run.from - 1, run.before) {
        return Ok(Applied::Forked);
    }
    let unix_ms = tx.now.unix_ms;
    let mut prefix = tx.head.vector();
    let mut checked = false;
    for (at, logged) in run.ops.iter().enumerate().skip(start) {
        if at - start == OPS_PER_STEP_MAX {
            return Ok(Applied::More(Place { index: at, vector, tag }));
        }
        let n = run.from + at as u64;
        let before = tag;
        tag = logged.tag(before);
        vector.join(logged.seen());
        if n > 1 {
            vector.raise(device, Point { n: n - 1, tag: before }); // an op has seen its device's earlier ones
        }
        if tx.head.peers.get(&device).is_some_and(|peer| peer.has(n)) {
            if contradicts(tx.head, device, n, tag) {
                return Ok(Applied::Forked);
            }
            continue;
        }
        if (!checked || !logged.seen().is_empty()) && !is_published(tx.head, &vector) {
            return Ok(Applied::Waits);
        }
        checked = true;
        if let Logged::Op(op) = logged {
            apply_op(tx, op, Dot { device, n, tag }, &vector, &prefix)?;
            tx.head.clock.stamp = tx.head.clock.stamp.after_seeing(op.stamp, unix_ms);
            *counted += 1;
        }
        if !advance(tx.head, device, n, before, tag) {
            return Ok(Applied::Forked);
        }
        let peer = &tx.head.peers[&device];
        if peer.n > 0 {
            prefix.raise(device, Point { n: peer.n, tag: peer.tag });
        }
    }
    Ok(Applied::Whole)
}

/// Whether the tag at `n` differs from the one known here.
fn contradicts(head: &Head, device: DeviceId, n: u64, tag: Tag) -> bool {
    let Some(peer) = head.peers.get(&device) else { return false };
    (n == peer.n && n > 0 && tag != peer.tag)
        || peer
            .islands
            .iter()
            .any(|island| (island.to == n && island.tag != tag) || (island.from - 1 == n && island.before != tag))
}

/// Whether a vector names no more than the devices' newest verified manifests publish.
pub(super) fn is_published(head: &Head, vector: &Vector) -> bool {
    let own = head.identity.as_ref().map(|identity| identity.device);
    let own_published = head.frozen.as_ref().map_or(head.published.n, |frozen| frozen.next.n);
    vector.iter().all(|(device, point)| {
        if Some(device) == own {
            return point.n <= own_published;
        }
        // A revoked device holds nobody up: who names ops of it vouches for them.
        head.is_revoked(device) || head.peers.get(&device).is_some_and(|peer| point.n <= peer.end.n.max(peer.n))
    })
}

/// Counts op `n` as applied: the prefix grows, or an island does. False: it does not join its neighbours' tags.
fn advance(head: &mut Head, device: DeviceId, n: u64, before: Tag, tag: Tag) -> bool {
    let peer = head.peer_mut(device);
    if n == peer.n + 1 || planted!(IslandTakenForPrefix) {
        if peer.n > 0 && peer.tag != before && !planted!(IslandTakenForPrefix) {
            return false;
        }
        (peer.n, peer.tag) = (n, tag);
    } else {
        match peer.islands.iter_mut().find(|island| island.to + 1 == n) {
            Some(island) if island.tag != before => return false,
            Some(island) => (island.to, island.tag) = (n, tag),
            None => {
                let at = peer.islands.partition_point(|island| island.from < n);
                peer.islands.insert(at, Island { from: n, before, to: n, tag });
            }
        }
    }
    absorb_islands(head, device)
}

/// Islands that the prefix has reached become part of it; those that now touch become one.
fn absorb_islands(head: &mut Head, device: DeviceId) -> bool {
    let peer = head.peer_mut(device);
    let mut joins = true;
    while let Some(island) = peer.islands.first().copied().filter(|island| island.from <= peer.n + 1) {
        if island.from == peer.n + 1 && peer.n > 0 && island.before != peer.tag {
            joins = false;
        }
        if island.to > peer.n {
            (peer.n, peer.tag) = (island.to, island.tag);
        }
        peer.islands.remove(0);
    }
    let mut at = 0;
    while at + 1 < peer.islands.len() {
        let (left, right) = (peer.islands[at], peer.islands[at + 1]);
        if left.to + 1 == right.from {
            joins &= left.tag == right.before;
            peer.islands[at] = Island { to: right.to, tag: right.tag, ..left };
            peer.islands.remove(at + 1);
        } else {
            at += 1;
        }
    }
    joins
}

/// One op, numbered and not applied yet.
fn apply_op(tx: &mut Tx<'_>, op: &Op, dot: Dot, seen: &Vector, prefix: &Vector) -> Result<(), Error> {
    if op.collection.kind == Kind::Log {
        return apply_log_op(tx, op, dot);
    }
    let number = tx.collection(&op.collection);
    let before = tx.slot(number, &op.key)?;
    let mut slot = before.clone();
    let standing = Standing { dot, stamp: op.stamp, action: op.action.clone(), context: op.context.clone() };
    if in_partial(tx.head, &op.collection, &op.key, &dot) {
        // A chunk already brought this key's state with the op in it: if it stands, what it had seen joins; else it is gone.
        if let Some(same) = slot.standing.iter_mut().find(|write| write.dot == dot) {
            same.context.join(&standing.context);
            same.context.vector.join(&seen.beyond(prefix));
            same.context.shrink(prefix);
        }
    } else {
        slot.apply(standing, seen, prefix);
    }
    if slot != before {
        tx.set_slot(number, &op.key, &slot, &before);
        tx.note_change(&op.collection);
    }
    Ok(())
}

fn in_partial(head: &Head, collection: &Collection, key: &str, dot: &Dot) -> bool {
    head.bucket.partial.iter().any(|partial| partial.vector.covers(dot) && partial.is_past(collection, key))
}

/// A log is a two-phase set: deletion wins, and of two values under one key the lowest (stamp, dot) stands.
fn apply_log_op(tx: &mut Tx<'_>, op: &Op, dot: Dot) -> Result<(), Error> {
    let number = tx.collection(&op.collection);
    let before = tx.slot(number, &op.key)?;
    let digest = deletion_digest(&tx.head.identity()?.keys.digest_key(), &op.collection, &op.key);
    let after = match &op.action {
        Action::Delete => {
            tx.set(Table::Deletions, digest.to_vec(), Some(Vec::new()));
            Slot::default()
        }
        Action::Put(_) if tx.get(Table::Deletions, &digest)?.is_some() && !planted!(DeletionForgotten) => {
            Slot::default()
        }
        Action::Put(_) => {
            let new = Standing { dot, stamp: op.stamp, action: op.action.clone(), context: Context::default() };
            lowest(before.clone(), new)
        }
    };
    if after != before {
        tx.set_slot(number, &op.key, &after, &before);
        tx.note_change(&op.collection);
    }
    Ok(())
}

/// Both values of a log's key are kept in view as siblings; `log_value` picks the one that counts.
pub(super) fn lowest(mut slot: Slot, new: Standing) -> Slot {
    match slot.standing.iter().find(|old| old.action == new.action) {
        // Equal values: the earlier write stands, so that all devices keep the same one.
        Some(old) if (old.stamp, old.dot) <= (new.stamp, new.dot) => {}
        Some(old) => {
            let gone = old.dot;
            slot.standing.retain(|write| write.dot != gone);
            slot.standing.push(new);
        }
        None => slot.standing.push(new),
    }
    slot.standing.sort_by_key(|write| write.dot);
    slot
}

/// Merges rows of a snapshot's chunk, which rise from where the partial merge stands; `until` is where they end.
///
/// Local rows in between that the chunk lacks are rows that were replaced or deleted, as far as V covers them.
pub(super) fn merge_rows(
    tx: &mut Tx<'_>,
    partial: &Partial,
    collection: &Collection,
    rows: Vec<Row>,
    local_rows: Vec<String>,
) -> Result<(), Error> {
    let number = tx.collection(collection);
    let prefix = tx.head.vector();
    let mut theirs: std::collections::BTreeMap<String, Slot> =
        rows.into_iter().map(|row| (row.key, row.slot)).collect();
    for key in local_rows {
        theirs.entry(key).or_default();
    }
    for (key, slot) in theirs {
        let before = tx.slot(number, &key)?;
        let mut after = before.clone();
        if collection.kind == Kind::Log {
            let digest = deletion_digest(&tx.head.identity()?.keys.digest_key(), collection, &key);
            if tx.get(Table::Deletions, &digest)?.is_some() {
                after = Slot::default();
            } else {
                for write in slot.standing {
                    after = lowest(after, Standing { context: Context::default(), ..write });
                }
            }
        } else {
            let head = &*tx.head;
            let mine_has = |dot: &Dot| head.has(dot) || in_partial(head, collection, &key, dot);
            after.merge(slot, mine_has, |dot| partial.vector.covers(dot), &prefix);
        }
        if after != before {
            tx.set_slot(number, &key, &after, &before);
            tx.note_change(collection);
        }
    }
    Ok(())
}

/// After a snapshot's last chunk: V counts as applied.
pub(super) fn adopt(tx: &mut Tx<'_>, vector: &Vector) -> Result<(), Error> {
    let own = tx.head.identity()?.device;
    for (device, point) in vector.iter().filter(|(device, _)| *device != own) {
        let peer = tx.head.peer_mut(device);
        if point.n > peer.n {
            (peer.n, peer.tag) = (point.n, point.tag);
            peer.islands.retain(|island| island.to > point.n);
            peer.damaged.retain(|damaged| damaged.to > point.n);
            absorb_islands(tx.head, device);
        }
    }
    let prefix = tx.head.vector();
    tx.head.bucket.partial.retain(|partial| !prefix.covers_all(&partial.vector));
    Ok(())
}

/// A stamp more than 24 h ahead is data like any other, and worth a word.
pub(super) fn suspicious_stamp(run: &Run, unix_ms: u64) -> Option<u64> {
    let ahead = |logged: &Logged| match logged {
        Logged::Op(op) if op.stamp.ms > unix_ms.saturating_add(SUSPICIOUS_AHEAD_MS) => Some(op.stamp.ms),
        _ => None,
    };
    run.ops.iter().filter_map(ahead).max()
}

/// The place after every row of a collection.
pub(super) fn past(collection: &Collection, key: &str) -> RowKey {
    RowKey { collection: collection.clone(), key: format!("{key}\0") }
}

/// A second line of a device, as this version reports it.
pub(super) fn forked(device: DeviceId) -> Error {
    Error::new(ErrorKind::Forked, "two copies of one device write to the vault; the newer line waits")
        .on(device.to_string())
        .next_step("on one of the two copies, `export`, `reset` and `join` again")
}
