//! Lines of forked devices, as they turn up: which line a run, a vector or a snapshot speaks of, by the tags kept here.

use super::at_hand::Told;
use super::head::{Head, Log, Peer};
use super::state::Tx;
use super::tags;
use crate::replica::{Fork, Index, Point, Run, UNKNOWN, Vector, first_tag};
use crate::{DeviceId, Error, ErrorKind, Tag};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A line that can't be placed is taken, after this long, to part where the tags kept here end.
const UNPLACED_MS_MAX: u64 = 30 * 24 * 3600 * 1000;

/// The longest stretch of a line that is looked at by its tags: numbers that others tell are not believed further.
const SPAN_MAX: u64 = 1 << 20;

/// A device's line is applied up to a point too.
pub(super) fn add_point(head: &mut Head, device: DeviceId, point: Point) {
    let mut vector: Vector = head.peers.get(&device).into_iter().flat_map(|peer| peer.points()).fold(
        Vector::default(),
        |mut vector, known| {
            vector.raise(device, known, &head.forks);
            vector
        },
    );
    vector.raise(device, point, &head.forks);
    let Some(first) = vector.point(device) else { return };
    let peer = head.peer_mut(device);
    (peer.n, peer.tag) = (first.n, first.tag);
    peer.further = vector.further(device).iter().map(|further| further.point).collect();
}

/// What a write waits for before it can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The segment with this op of a device, which is being read.
    Segment(DeviceId, u64),
    /// What is not on its way: other manifests, a snapshot, or a line that turns up.
    News,
}

/// What a write with this vector waits for: until it came, the numbers of the vector don't tell which ops they mean.
pub(super) fn awaited(tx: &mut Tx<'_>, vector: &Vector) -> Result<Option<Wait>, Error> {
    if is_placed(tx, vector)? { told_apart(tx, vector) } else { Ok(Some(Wait::News)) }
}

/// Whether every line that a vector names is known here as far as it goes, or goes on from what is known here.
///
/// Who had seen another line of a device than this one has, names ops that have the numbers of others: what such a write
/// replaced can't be told until the line is known.
pub(super) fn is_placed(tx: &mut Tx<'_>, vector: &Vector) -> Result<bool, Error> {
    let own = tx.head.identity()?.device;
    let mut placed = true;
    for (device, _) in vector.iter() {
        for point in vector.points(device) {
            let known = tags::of(tx, device, point.n)?;
            let here = if device == own {
                let is_own = point.n <= tx.head.clock.n && known.is_none_or(|known| known == point.tag);
                tx.head.bucket.copied |= !is_own;
                is_own
            } else if let Some(fork) = tx.head.forks.of(device) {
                // Beyond the trunk the tags kept are those of the line that was known first.
                let on_trunk = point.n <= fork.before().n && known.is_none_or(|known| known == point.tag);
                on_trunk || (point.n > fork.before().n && tx.head.forks.places(device, point))
            } else {
                let (peer, is_revoked) = (tx.head.peers.get(&device), tx.head.is_revoked(device));
                let in_island = |n: u64| {
                    let islands = peer.into_iter().flat_map(|peer| &peer.islands);
                    islands.filter(move |island| island.from <= n && n <= island.end().n)
                };
                vector.further(device).is_empty()
                    && match known {
                        Some(known) => known == point.tag,
                        None => {
                            // What a revoked device says of itself places nothing: another history may end at that number.
                            let is_denied = |peer: &Arc<Peer>| !is_revoked && !peer.may_publish(point);
                            in_island(point.n).all(|island| island.has(point.n, point.tag))
                                && !peer.is_some_and(is_denied)
                        }
                    }
            };
            if !here && device != own {
                note_unplaced(tx, device);
            }
            placed &= here;
        }
    }
    Ok(placed)
}

/// What tells apart the ops that a write has seen, where they are, or may be, on other lines than the one known here, so that
/// their numbers alone don't: the device's log at hand has other ops of those numbers or is still being read, or a manifest of
/// a device that counts says that lines part below them.
fn told_apart(tx: &mut Tx<'_>, seen: &Vector) -> Result<Option<Wait>, Error> {
    let own = tx.head.identity()?.device;
    let stating = tx.head.counting().filter(|(_, peer)| peer.stated.has_further());
    let stating: Vec<DeviceId> = stating.map(|(id, _)| *id).collect();
    for (device, point) in seen.iter().filter(|(device, _)| *device != own) {
        let told = tx.at_hand.of(device, point);
        let states = |id: &DeviceId| {
            let mut further = tx.head.peers[id].stated.further(device).iter();
            *id != device && further.any(|further| further.fork < point.n)
        };
        let parts = told != Told::Nothing || stating.iter().any(states);
        // Mostly nobody knows of lines: only where somebody may are tags read.
        if !parts || tx.head.forks.of(device).is_some() || tags::of(tx, device, point.n)?.is_some() {
            continue;
        }
        if told == Told::Later {
            return Ok(Some(Wait::Segment(device, point.n)));
        }
        if !has_waited(tx, device) {
            note_unplaced(tx, device);
            return Ok(Some(Wait::News));
        }
    }
    Ok(None)
}

fn has_waited(tx: &Tx<'_>, device: DeviceId) -> bool {
    let since_ms = tx.head.peers.get(&device).and_then(|peer| peer.unplaced_ms);
    since_ms.is_some_and(|ms| tx.now.unix_ms >= ms.saturating_add(UNPLACED_MS_MAX))
}

/// Something of a device can't be taken before more is known: a snapshot may tell.
pub(super) fn note_unplaced(tx: &mut Tx<'_>, device: DeviceId) {
    let unix_ms = tx.now.unix_ms;
    let peer = tx.head.peer_mut(device);
    // What a clock that went back noted counts from now on: after the wait the number decides, and it may be another line's.
    peer.unplaced_ms = Some(peer.unplaced_ms.map_or(unix_ms, |since_ms| since_ms.min(unix_ms)));
}

/// Finds the line of a run, and where it parts from those known here. False: that can't be told yet.
pub(super) fn place_run(tx: &mut Tx<'_>, device: DeviceId, run: &Run, tags: &[Tag]) -> Result<bool, Error> {
    let placed = match tx.head.forks.of(device) {
        Some(_) => place_among(tx, device, run, tags)?,
        None => place_beside(tx, device, run, tags)?,
    };
    follow_islands(tx.head, device);
    if placed {
        if tx.head.peers.get(&device).is_some_and(|peer| peer.unplaced_ms.is_some()) {
            tx.head.peer_mut(device).unplaced_ms = None;
        }
    } else {
        note_unplaced(tx, device);
    }
    Ok(placed)
}

/// A device with one line so far: tags that differ show a second one.
fn place_beside(tx: &mut Tx<'_>, device: DeviceId, run: &Run, tags: &[Tag]) -> Result<bool, Error> {
    let Some(applied) = tx.head.peers.get(&device).map(|peer| peer.n) else { return Ok(true) };
    let told = |n: u64| if n < run.from { run.before } else { tags[(n - run.from) as usize] };
    let mut shared = None;
    let mut differs = None;
    for n in run.from - 1..=run.to().min(applied) {
        match if n == 0 { Some(first_tag(device)) } else { tags::of(tx, device, n)? } {
            Some(known) if known == told(n) => shared = Some(n),
            Some(_) => {
                differs = Some(n);
                break;
            }
            None => {}
        }
    }
    let stated =
        stated(tx.head, device, run, tags).filter(|fork| *fork + 1 >= run.from && *fork < run.to().min(applied));
    let differs = match (differs, stated) {
        (Some(differs), _) => differs,
        (None, Some(fork)) => fork + 1,
        (None, None) => return Ok(true),
    };
    let trunk = match shared {
        Some(shared) if shared + 1 == differs => shared,
        Some(shared) => match stated {
            Some(fork) if (shared..differs).contains(&fork) => fork,
            _ if has_waited(tx, device) => shared,
            _ => return Ok(false),
        },
        None => match stated {
            Some(fork) if fork < differs => fork,
            _ => return Ok(false), // it parts below the run: what lies between is in a snapshot
        },
    };
    if applied - trunk > SPAN_MAX {
        return Ok(false);
    }
    let theirs = tags[(trunk + 1 - run.from) as usize..].to_vec();
    let before = Point { n: trunk, tag: if trunk == 0 { first_tag(device) } else { told(trunk) } };
    part(tx, device, before, applied, theirs)?;
    Ok(true)
}

/// From `trunk` on, a device has two lines: the one applied here up to `applied`, and another.
fn part(tx: &mut Tx<'_>, device: DeviceId, trunk: Point, applied: u64, theirs: Vec<Tag>) -> Result<(), Error> {
    let mine = tags::between(tx, device, trunk.n + 1, applied)?;
    let fork = with_islands(tx.head, device, Fork::new(trunk, vec![mine, theirs]));
    Arc::make_mut(&mut tx.head.forks).insert(device, fork);
    tx.head.peer_mut(device).forked = true;
    Ok(())
}

/// A device whose lines are known: the run goes on on one of them, or parts from it.
fn place_among(tx: &mut Tx<'_>, device: DeviceId, run: &Run, tags: &[Tag]) -> Result<bool, Error> {
    let Some(fork) = tx.head.forks.of(device) else { return Ok(false) };
    let trunk = fork.before();
    if run.from - 1 > trunk.n {
        let Some(shared) = fork.up_to(Point { n: run.from - 1, tag: run.before }) else { return Ok(false) };
        let line = [shared, tags.to_vec()].concat();
        return Ok(Arc::make_mut(&mut tx.head.forks).of_mut(device).is_some_and(|fork| fork.insert(line)));
    }
    if run.to() <= trunk.n {
        return Ok(true);
    }
    let at_trunk = if run.from - 1 == trunk.n { run.before } else { tags[(trunk.n - run.from) as usize] };
    if at_trunk != trunk.tag {
        return Ok(false); // it parts lower than the lines known here
    }
    let line = tags[(trunk.n + 1 - run.from) as usize..].to_vec();
    Ok(Arc::make_mut(&mut tx.head.forks).of_mut(device).is_some_and(|fork| fork.insert(line)))
}

/// The fork that another device's manifest states between the line of a run and the one known here.
fn stated(head: &Head, device: DeviceId, run: &Run, tags: &[Tag]) -> Option<u64> {
    let in_run = |point: Point| {
        let at = point.n.checked_sub(run.from).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| tags.get(at)) == Some(&point.tag)
    };
    head.peers.values().find_map(|peer| {
        let first = peer.stated.point(device).is_some_and(in_run);
        let mut further = peer.stated.further(device).iter();
        further.find(|further| first || in_run(further.point)).map(|further| further.fork)
    })
}

/// Marks logs that end on another line than the one known here: by the number alone they would count as applied.
pub(super) fn note_foreign(tx: &mut Tx<'_>) -> Result<(), Error> {
    let devices: Vec<DeviceId> = tx.head.peers.keys().copied().collect();
    for device in devices {
        let peer = tx.head.peers[&device].clone();
        let log = is_foreign(tx, device, &peer.log)?;
        let twin = peer.twin.as_ref().map(|twin| is_foreign(tx, device, twin)).transpose()?;
        if log != peer.log.foreign || twin != peer.twin.as_ref().map(|twin| twin.foreign) {
            let peer = tx.head.peer_mut(device);
            peer.log.foreign = log;
            if let (Some(is), Some(twin)) = (twin, &mut peer.twin) {
                twin.foreign = is;
            }
        }
    }
    Ok(())
}

/// Who names a snapshot with another line than the one known here: by its number alone it would count as applied.
pub(super) fn naming_foreign(tx: &Tx<'_>) -> Result<BTreeSet<DeviceId>, Error> {
    let mut foreign = BTreeSet::new();
    for (id, named) in tx.head.peers.iter().filter_map(|(id, peer)| Some((*id, peer.snapshot.as_ref()?))) {
        for (device, point) in named.vector.iter() {
            if parts_from_here(tx, device, point)? {
                foreign.insert(id);
            }
        }
    }
    Ok(foreign)
}

/// Whether a device's op is on another line than the only one known here, for that one has another op of its number.
pub(super) fn parts_from_here(tx: &Tx<'_>, device: DeviceId, op: Point) -> Result<bool, Error> {
    Ok(tx.head.forks.of(device).is_none() && tags::of(tx, device, op.n)?.is_some_and(|known| known != op.tag))
}

fn is_foreign(tx: &Tx<'_>, device: DeviceId, log: &Log) -> Result<bool, Error> {
    if log.end.n == 0 || tx.head.forks.of(device).is_some() {
        return Ok(false);
    }
    let end = Point { n: log.end.n, tag: log.end.tag };
    match tags::of(tx, device, end.n)? {
        Some(known) => Ok(known != end.tag),
        None => Ok(tx.head.peers.values().any(|peer| {
            let stated = &peer.stated;
            !stated.further(device).is_empty() && stated.points(device).any(|point| point == end)
        })),
    }
}

/// Learns the lines that a snapshot's index tells of. False: where one parts from those known here can't be told.
pub(super) fn learn(tx: &mut Tx<'_>, index: &Index) -> Result<bool, Error> {
    let own = tx.head.identity()?.device;
    let mut is_own = !index.forks.contains_key(&own);
    for island in index.islands.get(&own).into_iter().flatten() {
        let end = island.end();
        is_own &= end.n <= tx.head.clock.n && tags::of(tx, own, end.n)?.is_none_or(|known| known == end.tag);
    }
    if !is_own {
        tx.head.bucket.copied = true;
        return Ok(false);
    }
    for (device, told) in &index.forks {
        let known = match tx.head.forks.of(*device) {
            Some(known) => known.clone(),
            None => match learn_first(tx, *device, told)? {
                Some(known) => with_islands(tx.head, *device, known),
                None => return Ok(false),
            },
        };
        if known.before().n.saturating_sub(told.before().n) > SPAN_MAX {
            return Ok(false);
        }
        let mut trunk_tags = Vec::new();
        for n in told.before().n..=known.before().n {
            trunk_tags.push(tags::of(tx, *device, n)?);
        }
        let mine = |n: u64| trunk_tags.get((n - told.before().n) as usize).copied().flatten();
        let Some(joined) = known.join(told, mine) else { return Ok(false) };
        if tx.head.forks.of(*device) != Some(&joined) {
            Arc::make_mut(&mut tx.head.forks).insert(*device, joined);
            tx.head.peer_mut(*device).forked = tx.head.forks.of(*device).is_some_and(Fork::parts);
        }
    }
    for (device, told) in index.tags.iter().filter(|(device, _)| **device != own) {
        let Some(end) = index.vector.point(*device) else { continue };
        if !learn_tags(tx, *device, told, end)? {
            return Ok(false);
        }
    }
    for device in index.vector.iter().map(|(device, _)| device) {
        follow_islands(tx.head, device);
    }
    Ok(true)
}

/// The one line that a snapshot's author knows of a device, by the tags of its last ops: it is the one known here, goes on
/// from it, or parts from it. False: where it parts is not told.
fn learn_tags(tx: &mut Tx<'_>, device: DeviceId, told: &[Tag], end: Point) -> Result<bool, Error> {
    let from = end.n - told.len() as u64;
    let tags = [told, &[end.tag]].concat();
    let told = |n: u64| tags[(n - from) as usize];
    if let Some(fork) = tx.head.forks.of(device) {
        let trunk = fork.before();
        if end.n <= trunk.n {
            return Ok(true);
        }
        if from <= trunk.n && told(trunk.n) != trunk.tag {
            return Ok(false);
        }
        let line = if from <= trunk.n + 1 {
            tags[(trunk.n + 1 - from) as usize..].to_vec()
        } else {
            // What is told begins on a line that is known here, or says nothing of where it parts.
            let Some(line) = fork.up_to(Point { n: from, tag: told(from) }) else { return Ok(true) };
            [&line[..], &tags[1..]].concat()
        };
        return Ok(Arc::make_mut(&mut tx.head.forks).of_mut(device).is_some_and(|fork| fork.insert(line)));
    }
    let applied = tx.head.peers.get(&device).map_or(0, |peer| peer.n);
    let mut shared = (from == 1).then_some(0);
    for n in from..=end.n.min(applied) {
        match tags::of(tx, device, n)? {
            Some(known) if known == told(n) => shared = Some(n),
            Some(_) => {
                let Some(trunk) = shared.filter(|shared| shared + 1 == n) else { return Ok(false) };
                let before = Point { n: trunk, tag: if trunk == 0 { first_tag(device) } else { told(trunk) } };
                part(tx, device, before, applied, tags[(n - from) as usize..].to_vec())?;
                return Ok(true);
            }
            None => {}
        }
    }
    Ok(true)
}

/// A line that has become known may be the one that ops applied beyond a gap go on from: contexts here may name those.
fn follow_islands(head: &mut Head, device: DeviceId) {
    let Some(known) =
        head.forks.of(device).filter(|_| head.peers.get(&device).is_some_and(|peer| !peer.islands.is_empty()))
    else {
        return;
    };
    let followed = with_islands(head, device, known.clone());
    if followed != *known {
        Arc::make_mut(&mut head.forks).insert(device, followed);
    }
}

/// What is applied beyond gaps goes on to count as it did: contexts here may name it.
fn with_islands(head: &Head, device: DeviceId, mut fork: Fork) -> Fork {
    for island in head.peers.get(&device).into_iter().flat_map(|peer| &peer.islands) {
        if island.from.saturating_sub(fork.before().n) <= SPAN_MAX {
            fork.insert_island(island);
        }
    }
    fork
}

/// A device that had one line here: the line becomes one of those told.
fn learn_first(tx: &Tx<'_>, device: DeviceId, told: &Fork) -> Result<Option<Fork>, Error> {
    let trunk = told.before();
    let Some(applied) = tx.head.peers.get(&device).map(|peer| peer.n).filter(|n| *n > trunk.n) else {
        return Ok(Some(told.clone()));
    };
    if applied - trunk.n > SPAN_MAX || tags::of(tx, device, trunk.n)?.is_some_and(|known| known != trunk.tag) {
        return Ok(None);
    }
    let mine = tags::between(tx, device, trunk.n + 1, applied)?;
    let mut fork = told.clone();
    Ok(fork.insert(mine).then_some(fork))
}

/// How many tags of a left id are told in snapshots: forks before that can't be placed by who had not read them.
const LEFT_TAGS_MAX: u64 = 65_536;

/// The lines of the id that this store is about to leave: its own one.
pub(super) fn of_left(tx: &Tx<'_>, device: DeviceId) -> Result<Fork, Error> {
    let end = tx.head.clock.n;
    let trunk = end.saturating_sub(LEFT_TAGS_MAX);
    let before = if trunk == 0 { first_tag(device) } else { tags::of(tx, device, trunk)?.unwrap_or(UNKNOWN) };
    let line = tags::between(tx, device, trunk + 1, end)?;
    Ok(Fork::new(Point { n: trunk, tag: before }, vec![line]))
}

/// What a person hears once of a device that has forked.
pub(super) fn forked(device: DeviceId) -> Error {
    Error::new(ErrorKind::Forked, "two copies of one device's store write to the vault; what both wrote is kept")
        .on(device.to_string())
        .next_step("none: each copy goes on as a device of its own when it syncs next")
}
