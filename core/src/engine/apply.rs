//! Foreign ops and snapshots meet the local state here, and nowhere else.

use super::head::{Head, Partial};
use super::lines::Wait;
use super::state::{Tx, record_key};
use super::{lines, revoked, tags};
use crate::local::{ByteRange, Table};
use crate::replica::{
    Action, Collection, Context, Dot, Forks, Index, Island, Kind, Logged, Op, Point, Row, RowKey, Run, Slot, Standing,
    Vector, deletion_digest, whole_calls,
};
use crate::{DeviceId, Error, Tag};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The most ops merged in one step.
pub(super) const OPS_PER_STEP_MAX: usize = 5_000;

/// How far a run came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// All of it is applied.
    Whole,
    /// `OPS_PER_STEP_MAX` ops were; the rest begins here.
    More(Place),
    /// An op had seen what no verified manifest publishes, or what is on no line known here: the rest waits.
    Waits(Wait),
    /// All of it waits: where its line parts from those known here can't be told yet.
    Unplaced,
}

/// A place within a run: an op's index, and the author's vector before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    index: usize,
    vector: Vector,
    /// The tag of each op of the run.
    tags: Arc<Vec<Tag>>,
}

impl Place {
    /// Before the first op.
    pub(super) fn start(run: &Run, tags: Arc<Vec<Tag>>) -> Self {
        Self { index: 0, vector: run.base.clone(), tags }
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
    if place.index == 0 && !lines::place_run(tx, device, run, &place.tags)? {
        return Ok(Applied::Unplaced);
    }
    if place.index == 0
        && let Some(wait) = lines::awaited(tx, &run.base)?
    {
        return Ok(Applied::Waits(wait));
    }
    let (reached, wait) = reach(tx, device, run, &place)?;
    let Place { index: start, mut vector, tags } = place;
    let end = match start + OPS_PER_STEP_MAX {
        step if step < reached => whole_calls(&run.ops, start, step),
        _ => reached,
    };
    let unix_ms = tx.now.unix_ms;
    let forks = tx.head.forks.clone();
    let mut prefix = tx.head.vector();
    let mut fresh = Vec::new();
    for (at, logged) in run.ops.iter().enumerate().take(end).skip(start) {
        let (n, before, tag) = (run.from + at as u64, run.before_op(at, &tags), tags[at]);
        see(&mut vector, device, n, before, logged, &forks);
        if tx.head.has_op(device, Point { n, tag }) {
            continue;
        }
        if let Logged::Op(op) = logged {
            apply_op(tx, op, Dot { device, n, tag }, &vector, &prefix)?;
            tx.head.clock.stamp = tx.head.clock.stamp.after_seeing(op.stamp, unix_ms);
            *counted += 1;
        }
        fresh.push((n, tag));
        for point in advance(tx.head, device, before, Point { n, tag }) {
            prefix.raise(device, point, &forks);
        }
    }
    tags::keep(tx, device, fresh)?;
    Ok(match wait {
        _ if end < reached => Applied::More(Place { index: end, vector, tags }),
        Some(wait) => Applied::Waits(wait),
        None => Applied::Whole,
    })
}

/// The author's vector goes on to an op.
fn see(vector: &mut Vector, device: DeviceId, n: u64, before: Tag, logged: &Logged, forks: &Forks) {
    vector.join(logged.seen(), forks);
    if n > 1 {
        vector.raise(device, Point { n: n - 1, tag: before }, forks); // an op has seen its device's earlier ones
    }
}

/// Before which op of a run what can be applied now ends, and what the rest waits for.
fn reach(tx: &mut Tx<'_>, device: DeviceId, run: &Run, place: &Place) -> Result<(usize, Option<Wait>), Error> {
    let forks = tx.head.forks.clone();
    let Place { index: start, vector, tags } = place;
    let mut vector = vector.clone();
    let mut checked = false;
    let (mut end, mut waits) = (run.ops.len(), None);
    for (at, logged) in run.ops.iter().enumerate().skip(*start) {
        let (n, before) = (run.from + at as u64, run.before_op(at, tags));
        let is_new = !tx.head.has_op(device, Point { n, tag: tags[at] });
        let is_news = is_new && (!checked || !logged.seen().is_empty());
        let seen = if is_news { lines::awaited(tx, logged.seen())? } else { None };
        // Who wrote beside a half-merged snapshot names all that it covers, and may have learnt of lines with it.
        let context = match logged {
            Logged::Op(op) if is_new => lines::awaited(tx, &op.context.vector)?,
            _ => None,
        };
        if let Some(wait) = seen.or(context) {
            (end, waits) = (at, Some(wait));
            break;
        }
        see(&mut vector, device, n, before, logged, &forks);
        if is_news && !is_published(tx.head, &vector) {
            lines::note_unplaced(tx, device); // it may be in a snapshot alone: of who has left an id, for one
            (end, waits) = (at, Some(Wait::News));
            break;
        }
        checked |= is_new;
    }
    Ok(match first_alone(tx.head, device, run, tags, *start..end) {
        Some(void) => (void, waits.or(Some(Wait::News))),
        None => (end, waits),
    })
}

/// The first void of these ops that does not count yet: one counts only with what replaced it, which may be a void too. A
/// copy of its author's store may have published what it stands for, and whoever took the void alone would never hold that.
///
/// What another object of the log is to bring counts as if it were here: otherwise a key that is replaced over and over
/// would have all of a log be read at once.
fn first_alone(head: &Head, device: DeviceId, run: &Run, tags: &[Tag], reach: Range<usize>) -> Option<usize> {
    let to_come = revoked::wanted(head, device);
    let mut counts = vec![true; reach.len()];
    let mut alone = None;
    for at in reach.clone().rev() {
        let Logged::Void { by, .. } = &run.ops[at] else { continue };
        let n = (run.from + at as u64).saturating_add(*by);
        let replaced_by = usize::try_from(n - run.from).unwrap_or(usize::MAX);
        counts[at - reach.start] = match tags.get(replaced_by) {
            Some(_) if reach.contains(&replaced_by) => counts[replaced_by - reach.start],
            Some(tag) => head.has_op(device, Point { n, tag: *tag }),
            None => n <= to_come,
        };
        if !counts[at - reach.start] && !head.has_op(device, Point { n: run.from + at as u64, tag: tags[at] }) {
            alone = Some(at);
        }
    }
    alone
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
        head.is_revoked(device)
            || head
                .peers
                .get(&device)
                .is_some_and(|peer| point.n <= peer.n || peer.logs().any(|log| point.n <= log.end.n))
    })
}

/// Counts an op as applied: its line's prefix grows, or an island does. Gives where prefixes of its device have got to.
fn advance(head: &mut Head, device: DeviceId, before: Tag, op: Point) -> Vec<Point> {
    let follows = op.n == 1 || head.prefix_has(device, Point { n: op.n - 1, tag: before });
    if follows || planted!(IslandTakenForPrefix) {
        lines::add_point(head, device, op);
        absorb_islands(head, device);
        return head.peers[&device].points().collect();
    }
    let peer = head.peer_mut(device);
    match peer.islands.iter_mut().find(|island| island.end() == Point { n: op.n - 1, tag: before }) {
        Some(island) => island.tags.push(op.tag),
        None => {
            let island = Island { from: op.n, before, tags: vec![op.tag] };
            let at = peer.islands.partition_point(|other| *other < island);
            peer.islands.insert(at, island);
        }
    }
    join_islands(head, device);
    Vec::new()
}

/// Islands that a prefix has reached become part of it.
fn absorb_islands(head: &mut Head, device: DeviceId) {
    let reached = |head: &Head, island: &Island| {
        let follows = Point { n: island.from - 1, tag: island.before };
        let mut points = head.peers[&device].points();
        // A prefix may have got into it, or past it, by a snapshot.
        points.any(|point| point == follows || island.has(point.n, point.tag))
            || (head.forks.of(device).is_some() && head.prefix_has(device, follows))
            || head.prefix_has(device, island.end())
    };
    loop {
        let found = head.peers[&device].islands.iter().position(|island| reached(head, island));
        let Some(at) = found else { return };
        let end = head.peer_mut(device).islands.remove(at).end();
        lines::add_point(head, device, end);
    }
}

/// Islands that touch become one.
fn join_islands(head: &mut Head, device: DeviceId) {
    let islands = &mut head.peer_mut(device).islands;
    while let Some((left, right)) = (0..islands.len()).find_map(|left| {
        let end = islands[left].end();
        let follows = |right: &Island| right.from == end.n + 1 && right.before == end.tag;
        islands.iter().position(follows).map(|right| (left, right))
    }) {
        let tags = std::mem::take(&mut islands[right].tags);
        islands[left].tags.extend(tags);
        islands.remove(right);
    }
}

/// One op, numbered and not applied yet.
fn apply_op(tx: &mut Tx<'_>, op: &Op, dot: Dot, seen: &Vector, prefix: &Vector) -> Result<(), Error> {
    if op.collection.kind == Kind::Log {
        return apply_log_op(tx, op, dot);
    }
    let number = tx.collection(&op.collection);
    let before = tx.slot(number, &op.key)?;
    let forks = tx.head.forks.clone();
    let mut slot = before.clone();
    let standing = Standing { dot, stamp: op.stamp, action: op.action.clone(), context: op.context.clone() };
    if in_partial(tx.head, &op.collection, &op.key, &dot) {
        // A chunk already brought this key's state with the op in it: if it stands, what it had seen joins; else it is gone.
        if let Some(same) = slot.standing.iter_mut().find(|write| write.dot == dot) {
            same.context.join(&standing.context, &forks);
            same.context.vector.join(&seen.beyond(prefix, &forks), &forks);
            same.context.shrink(prefix, &forks);
        }
    } else {
        slot.apply(standing, seen, prefix, &forks);
    }
    if slot != before {
        tx.set_slot(number, &op.key, &slot, &before);
        tx.note_change(&op.collection, &op.key);
    }
    Ok(())
}

fn in_partial(head: &Head, collection: &Collection, key: &str, dot: &Dot) -> bool {
    head.bucket.partial.iter().any(|partial| partial.covers(dot, &head.forks) && partial.is_past(collection, key))
}

/// A log is a two-phase set: deletion wins, and of two values under one key the lowest (stamp, dot) stands.
fn apply_log_op(tx: &mut Tx<'_>, op: &Op, dot: Dot) -> Result<(), Error> {
    let number = tx.collection(&op.collection);
    let before = tx.slot(number, &op.key)?;
    let digest = deletion_digest(tx.head.identity()?.keys.digest_key(), &op.collection, &op.key);
    let after = match &op.action {
        Action::Delete => {
            tx.set(Table::Deletions, digest.to_vec(), Some(Vec::new()));
            Slot::default()
        }
        Action::Put(_) | Action::PutWith { .. } if tx.is_deleted(&digest)? && !planted!(DeletionForgotten) => {
            Slot::default()
        }
        Action::Put(_) | Action::PutWith { .. } => {
            let new = Standing { dot, stamp: op.stamp, action: op.action.clone(), context: Context::default() };
            lowest(before.clone(), new)
        }
    };
    if after != before {
        tx.set_slot(number, &op.key, &after, &before);
        tx.note_change(&op.collection, &op.key);
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
    let mut theirs: BTreeMap<String, Slot> = rows.into_iter().map(|row| (row.key, row.slot)).collect();
    for key in local_rows {
        theirs.entry(key).or_default();
    }
    let (Some((first, _)), Some((last, _))) = (theirs.first_key_value(), theirs.last_key_value()) else {
        return Ok(());
    };
    // A device that joins has no rows: it looks once, not for each row. No other part of the step writes in this range.
    let here = ByteRange { start: record_key(number, first), end: Some(record_key(number, &format!("{last}\0"))) };
    let none_here = tx.list(Table::Records, &here, 1)?.is_empty();
    for (key, slot) in theirs {
        let before = if none_here { Slot::default() } else { tx.slot(number, &key)? };
        let mut after = before.clone();
        if collection.kind == Kind::Log {
            let digest = deletion_digest(tx.head.identity()?.keys.digest_key(), collection, &key);
            if tx.is_deleted(&digest)? {
                after = Slot::default();
            } else {
                for write in slot.standing {
                    after = lowest(after, Standing { context: Context::default(), ..write });
                }
            }
        } else {
            let head = &*tx.head;
            let mine_has = |dot: &Dot| head.has(dot) || in_partial(head, collection, &key, dot);
            after.merge(slot, mine_has, |dot| partial.covers(dot, &head.forks), &prefix, &head.forks);
        }
        if after != before {
            tx.set_slot(number, &key, &after, &before);
            tx.note_change(collection, &key);
        }
    }
    Ok(())
}

/// After a snapshot's last chunk: what it covers counts as applied.
pub(super) fn adopt(tx: &mut Tx<'_>, index: &Index) -> Result<(), Error> {
    let own = tx.head.identity()?.device;
    let devices: Vec<DeviceId> =
        index.vector.iter().map(|(device, _)| device).filter(|device| *device != own).collect();
    for device in devices {
        if let (Some(told), Some(end)) = (index.tags.get(&device), index.vector.point(device)) {
            // Those of another line, or of who knows where, are not kept.
            let applied = tx.head.peers.get(&device).map_or(0, |peer| peer.n);
            if applied <= end.n || tags::of(tx, device, end.n)? == Some(end.tag) {
                tags::keep(tx, device, (end.n - told.len() as u64..).zip(told.iter().copied()))?;
            }
        }
        for point in index.vector.points(device) {
            lines::add_point(tx.head, device, point);
            tags::keep(tx, device, [(point.n, point.tag)])?;
        }
        absorb_islands(tx.head, device);
        let peer = tx.head.peer_mut(device);
        let n = peer.n;
        peer.damaged.retain(|damaged| damaged.to > n);
    }
    for (device, islands) in index.islands.iter().filter(|(device, _)| **device != own) {
        for island in islands {
            let mut before = island.before;
            for (n, tag) in (island.from..).zip(&island.tags) {
                if !tx.head.has_op(*device, Point { n, tag: *tag }) {
                    advance(tx.head, *device, before, Point { n, tag: *tag });
                }
                before = *tag;
            }
        }
        absorb_islands(tx.head, *device);
    }
    forget_had(tx);
    Ok(())
}

/// A half-merged snapshot all of which is applied here, whatever brought it, is none any more: it may be gone.
pub(super) fn forget_had(tx: &mut Tx<'_>) {
    if tx.head.bucket.partial.is_empty() {
        return;
    }
    let head = &*tx.head;
    let prefix = head.vector();
    let has_island = |device: DeviceId, island: &Island| {
        (island.from..).zip(&island.tags).all(|(n, tag)| head.has(&Dot { device, n, tag: *tag }))
    };
    let had = |partial: &Partial| {
        let mut islands = partial.islands.iter();
        prefix.covers_all(&partial.vector, &head.forks)
            && islands.all(|(device, islands)| islands.iter().all(|island| has_island(*device, island)))
    };
    let left: Vec<Partial> = head.bucket.partial.iter().filter(|partial| !had(partial)).cloned().collect();
    if left.len() < head.bucket.partial.len() {
        tx.head.bucket.partial = left;
    }
}

/// The place after every row of a collection.
pub(super) fn past(collection: &Collection, key: &str) -> RowKey {
    RowKey { collection: collection.clone(), key: format!("{key}\0") }
}
