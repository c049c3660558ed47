//! The logs' runs: segments fetched several at a time, applied as they come; what waits for others on their way is kept
//! until they come.

use super::api::{Phase, SyncReport};
use super::apply::{Applied, Place, apply_run};
use super::head::{Identity, Peer};
use super::lines::Wait;
use super::objects::{Opened, segment_path};
use super::shared::Shared;
use super::state::Tx;
use super::{ahead, lines, revoked};
use crate::crypto::{ObjectKind, unpad_padme};
use crate::replica::{Home, Point, Run, SegmentRef, decode_segment};
use crate::{DeviceId, Error, ErrorKind, ObjectId, Tag};
use futures::stream::{FuturesUnordered, StreamExt};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sealed bytes of segments that are kept while they wait for others; what is beyond is read again.
const HELD_BYTES_MAX: u64 = 8 << 20;

/// A run that was read, and the tag of each of its ops.
pub(super) struct Tagged {
    pub(super) run: Run,
    pub(super) tags: Arc<Vec<Tag>>,
}

impl Tagged {
    pub(super) fn new(run: Run) -> Self {
        let tags = Arc::new(run.tags());
        Self { run, tags }
    }

    fn end(&self) -> Point {
        Point { n: self.run.to(), tag: self.tags.last().copied().unwrap_or(self.run.before) }
    }
}

/// Segments of the devices behind, with ops not yet applied; true if anything moved.
pub(super) async fn take_segments(
    cx: &Shared,
    identity: &Arc<Identity>,
    devices: &[DeviceId],
    unreadable: &mut BTreeSet<(DeviceId, ObjectId)>,
    held: &mut Vec<Held>,
    report: &mut SyncReport,
) -> Result<bool, Error> {
    let mut moved = apply_held(cx, held, |_| true, report).await?;
    let here: BTreeSet<ObjectId> = held.iter().map(|held| held.segment.object.id).collect();
    let mut wanted = cx.step(|tx| wanted(tx, devices, unreadable))?;
    wanted.retain(|(_, segment)| !here.contains(&segment.object.id));
    wanted.iter().for_each(|(device, segment)| cx.lock().at_hand.await_segment(*device, segment));
    let total = wanted.len() as u64;
    let width = cx.read(|state| state.config.concurrency.max(1)) as usize;
    let mut waiting = wanted.into_iter();
    let mut running = FuturesUnordered::new();
    running.extend(waiting.by_ref().take(width).map(|(device, segment)| fetch_segment(cx, identity, device, segment)));
    let mut done = 0;
    // Segments are applied in the order of their numbers where they come so; out of order they make islands that join.
    while let Some((device, segment, fetched)) = running.next().await {
        running.extend(waiting.next().map(|(device, segment)| fetch_segment(cx, identity, device, segment)));
        done += 1;
        cx.progress(Phase::Pulling, done, total);
        match cx.spare(fetched).await? {
            Ok(run) => {
                let came = apply_whole(cx, device, &run, report).await?;
                moved |= came.moved;
                if let Some(wait) = came.waits {
                    show(cx, device, &run, came.placed);
                    held.push(Held { device, segment, run, wait });
                }
            }
            Err(error) if planted!(BadObjectStops) => return Err(error),
            Err(error) => {
                unreadable.insert((device, segment.object.id));
                report.reports.push(error);
                moved = true; // a snapshot may cover it: plan again
            }
        }
        cx.lock().at_hand.await_no_more(device, &segment);
        let awaited = segment.from..=segment.end.n;
        let came = |wait| matches!(wait, Wait::Segment(of, n) if of == device && awaited.contains(&n));
        moved |= apply_held(cx, held, came, report).await?;
        while held.iter().map(|held| held.segment.object.len).sum::<u64>() > HELD_BYTES_MAX {
            held.remove(0);
        }
    }
    Ok(moved)
}

/// Segments to read. Logs grow side by side: read so, little of one waits for much of another.
fn wanted(
    tx: &Tx<'_>,
    devices: &[DeviceId],
    unreadable: &BTreeSet<(DeviceId, ObjectId)>,
) -> Result<Vec<(DeviceId, SegmentRef)>, Error> {
    let head = &*tx.head;
    let mut wanted = Vec::new();
    for id in devices {
        let peer: &Peer = &head.peers[id];
        let due = peer.debt.is_none_or(|debt| debt.is_due(head.bucket.polls + 1, tx.now.unix_ms));
        let counts_to = revoked::wanted(head, *id);
        let logs = peer.logs().filter(|log| due && !head.has_log(*id, log));
        let mut missing = Vec::new();
        for segment in logs.flat_map(|log| &log.segments).filter(|segment| segment.from <= counts_to) {
            // By its numbers alone one of a line that nobody here knows of would count as applied.
            let is_here = head.has_segment(*id, segment) && !lines::parts_from_here(tx, *id, segment.end)?;
            if !is_here && !unreadable.contains(&(*id, segment.object.id)) {
                missing.push(*segment);
            }
        }
        let share = |at: usize| (at << 16) / missing.len();
        wanted.extend(missing.iter().enumerate().map(|(at, segment)| (share(at), (*id, *segment))));
    }
    wanted.sort_by_key(|(share, _)| *share);
    Ok(wanted.into_iter().map(|(_, segment)| segment).collect())
}

type Fetched = Result<Result<Tagged, Error>, Error>;

async fn fetch_segment(
    cx: &Shared,
    identity: &Identity,
    device: DeviceId,
    segment: SegmentRef,
) -> (DeviceId, SegmentRef, Fetched) {
    let path = segment_path(identity.space, device, segment.object.id);
    let step = "none: it is tried again, its author mends it, or a snapshot covers it";
    let fetched = match cx.get_named(&path, ObjectKind::Segment, &segment.object).await {
        Ok(Opened::Plain { plaintext, .. }) => {
            let home = Home { vault: identity.vault, space: identity.space, device };
            let run = unpad_padme(&plaintext).and_then(|bytes| decode_segment(home, bytes)).map(Tagged::new);
            Ok(match run {
                Ok(read) if read.run.from == segment.from && read.end() == segment.end => Ok(read),
                Ok(_) => Err(Error::new(ErrorKind::Corrupt, "a segment is not what its manifest says")
                    .on(path)
                    .next_step(step)),
                Err(error) => Err(error.on(path).next_step(step)),
            })
        }
        Ok(Opened::Missing) => {
            Ok(Err(Error::new(ErrorKind::NotFound, "a segment is not there yet, or lost").on(path).next_step(step)))
        }
        Ok(Opened::Bad(error)) => Ok(Err(error.next_step(step))),
        Err(error) => Err(error),
    };
    (device, segment, fetched)
}

/// A segment's run that waits.
pub(super) struct Held {
    device: DeviceId,
    segment: SegmentRef,
    run: Tagged,
    wait: Wait,
}

/// Applies what can be of the runs whose wait may be over; true if anything was new.
async fn apply_held(
    cx: &Shared,
    held: &mut Vec<Held>,
    is_over: impl Fn(Wait) -> bool,
    report: &mut SyncReport,
) -> Result<bool, Error> {
    let mut moved = false;
    for mut due in held.extract_if(.., |held| is_over(held.wait)).collect::<Vec<_>>() {
        let came = apply_whole(cx, due.device, &due.run, report).await?;
        moved |= came.moved;
        if let Some(wait) = came.waits {
            due.wait = wait;
            held.push(due);
        }
    }
    Ok(moved)
}

/// What a run tells of its device's ops, for others that name them: of a revoked device what counts, and no other history.
pub(super) fn show(cx: &Shared, device: DeviceId, read: &Tagged, placed: bool) {
    let counted = cx.read(|state| revoked::counted(&state.head, device, &read.run).ops.len());
    let tags = match counted == read.tags.len() {
        true => read.tags.clone(),
        false => Arc::new(read.tags[..counted].to_vec()),
    };
    cx.lock().at_hand.add(device, read.run.from, &tags, placed);
}

/// Finds the line of a manifest's tail before anything is applied. Of a revoked device only what counts may show a line.
pub(super) fn place_tail(cx: &Shared, device: DeviceId, tail: &Tagged, report: &mut SyncReport) -> Result<bool, Error> {
    step_on(cx, device, report, |tx| {
        Ok(tx.head.is_revoked(device) || lines::place_run(tx, device, &tail.run, &tail.tags)?)
    })
}

/// A step with what a device wrote: if a second line of it turns up, a person hears of that.
fn step_on<R>(
    cx: &Shared,
    device: DeviceId,
    report: &mut SyncReport,
    mut step: impl FnMut(&mut Tx<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let is_forked = |tx: &Tx<'_>| tx.head.peers.get(&device).is_some_and(|peer| peer.forked);
    let (result, parted) = cx.step(|tx| {
        let was_forked = is_forked(tx);
        let result = step(tx)?;
        Ok((result, !was_forked && is_forked(tx)))
    })?;
    if parted {
        report.reports.push(lines::forked(device));
    }
    Ok(result)
}

/// How far a run came this time.
pub(super) struct Came {
    /// Something of it was new.
    pub(super) moved: bool,
    /// Its line is known.
    placed: bool,
    /// What the rest of it waits for, if not all of it is applied.
    waits: Option<Wait>,
}

/// Applies a run in steps.
pub(super) async fn apply_whole(
    cx: &Shared,
    device: DeviceId,
    read: &Tagged,
    report: &mut SyncReport,
) -> Result<Came, Error> {
    let mut came = Came { moved: false, placed: true, waits: None };
    let counted = cx.read(|state| revoked::counted(&state.head, device, &read.run));
    let (run, tags) = match &counted {
        Cow::Owned(part) if part.ops.is_empty() => return Ok(came),
        Cow::Owned(part) => (part, Arc::new(read.tags[..part.ops.len()].to_vec())),
        Cow::Borrowed(run) => (*run, read.tags.clone()),
    };
    let mut place = Place::start(run, tags);
    loop {
        let (applied, new, moved) = step_on(cx, device, report, |tx| {
            let mut new = 0;
            let reached = |tx: &Tx<'_>| {
                let peer = tx.head.peers.get(&device);
                peer.map(|peer| (peer.points().collect::<Vec<_>>(), peer.islands.clone(), peer.forked))
            };
            let before = reached(tx);
            let applied = apply_run(tx, device, run, place.clone(), &mut new)?;
            Ok((applied, new, before != reached(tx)))
        })?;
        report.ops_applied += new;
        came.moved |= moved;
        match applied {
            Applied::More(next) => {
                place = next;
                cx.yield_now().await;
            }
            Applied::Whole => break,
            Applied::Waits(wait) => {
                came.waits = Some(wait);
                break;
            }
            Applied::Unplaced => {
                (came.placed, came.waits) = (false, Some(Wait::News));
                break;
            }
        }
    }
    if came.moved {
        report.reports.extend(ahead::warning(cx, device, run)?);
    }
    Ok(came)
}
