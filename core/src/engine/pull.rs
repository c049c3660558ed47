//! Pull: beacon → the manifests that moved → the segments and snapshots with ops not yet applied. No LIST.

use super::api::{Phase, SyncReport};
use super::at_hand::AtHand;
use super::head::{Debt, Head, Identity, Peer, Stopped};
use super::lines::{self, naming_foreign};
use super::manifests::{Read, accept_listed, note_unknown, read_manifests, settle_manifests, stored_tails};
use super::objects::{Found, beacon_path};
use super::retired::{self, awaited};
use super::segments::{self, Tagged, apply_whole, place_tail, take_segments};
use super::shared::Shared;
use super::state::Tx;
use super::{apply, epochs, evidence, header, look, merge, revoked, slots};
use crate::crypto::ObjectKind;
use crate::replica::{Beacon, Damaged, MANIFEST_SEALED_BYTES_MAX, Sighting};
use crate::s3::ETag;
use crate::{DeviceId, EpochId, Error, ErrorKind};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A reading lower than verified is reported as a rollback once it has lasted this long.
const BEHIND_MS_MAX: u64 = 3_600_000;

/// A segment that could not be had this often is named as damaged.
const TRIES_BEFORE_DAMAGED: u32 = 3;

/// What a poll found.
#[derive(Default)]
pub(super) struct Polled {
    /// The beacon lacks something verified, or its own entry is wrong.
    pub(super) repair: bool,
    /// Others have newer keys than this device, which must not overwrite what it cannot read.
    pub(super) locked_out: bool,
    /// A device that counts has said something new under older keys: perhaps it has no others.
    pub(super) lacks_keys: bool,
    /// Its ETag, for a conditional repair.
    pub(super) beacon_etag: Option<ETag>,
}

/// Polls, and takes everything that is new. `full`: nothing is taken from hints. What is sealed under an epoch that is not
/// known here makes it look for new keys, once, and then poll anew.
pub(super) async fn pull(cx: &Shared, full: bool, report: &mut SyncReport) -> Result<Polled, Error> {
    cx.lock().unknown_epoch = None;
    let mut looked = Looked::NotYet;
    loop {
        let mut this = SyncReport::default();
        let polled = poll(cx, full, &mut looked, &mut this).await?;
        report.ops_applied += this.ops_applied;
        // What could not be opened without the keys that came is no news.
        let Some(polled) = polled else { continue };
        report.debts = cx.read(|state| debts(&state.head));
        report.reports.extend(this.reports);
        return Ok(polled);
    }
}

/// Whether this pull has looked at the own slot for new keys.
#[derive(PartialEq)]
enum Looked {
    NotYet,
    Through,
    /// Others have newer keys than this device.
    LockedOut,
}

/// True: keys came for what could not be opened.
async fn new_keys(cx: &Shared, looked: &mut Looked, report: &mut SyncReport) -> Result<bool, Error> {
    let Some(unknown) = cx.read(|state| state.unknown_epoch).filter(|_| *looked == Looked::NotYet) else {
        return Ok(false);
    };
    *looked = Looked::Through;
    let identity = cx.read(|state| state.head.identity().cloned())?;
    match epochs::learn(cx, &identity, unknown).await {
        Err(error) if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Revoked) => {
            *looked = Looked::LockedOut;
            report.reports.push(error);
            Ok(false)
        }
        came => came,
    }
}

/// One poll; `None` if new keys came on the way: then it is to be done anew.
async fn poll(cx: &Shared, full: bool, looked: &mut Looked, report: &mut SyncReport) -> Result<Option<Polled>, Error> {
    let identity = cx.read(|state| state.head.identity().cloned())?;
    cx.progress(Phase::Looking, 0, 1);
    // Whoever was left out of the current keys may seal one under others. Until one under the current keys was read or PUT here, what
    // the others say may still be under those from before.
    let current = identity.keys.current();
    let may_be_past = cx.read(|state| state.head.bucket.beacon_epoch != Some(current));
    let counts = |epoch: EpochId| epoch == current || may_be_past || weakened!(PastBeaconTaken);
    let (known, known_beacon, mut beacon_epoch) = cx.read(|state| {
        let bucket = &state.head.bucket;
        let known = bucket.beacon_etag.clone().filter(|_| !full && bucket.beacon_epoch.is_some_and(counts));
        (known, bucket.beacon.clone(), bucket.beacon_epoch)
    });
    let known = known.and_then(ETag::new);
    let path = beacon_path(identity.space);
    let found = cx.get(&path, known.clone(), MANIFEST_SEALED_BYTES_MAX).await;
    let (mut readable, mut is_past) = (true, false);
    let (beacon, etag, unchanged) = match found {
        Ok(Found::Unchanged) => (known_beacon.clone(), known, true),
        Ok(Found::Bytes { bytes, etag }) => match open_beacon(cx, &identity, &path, &bytes) {
            Ok((beacon, epoch)) if counts(epoch) => {
                beacon_epoch = Some(epoch);
                (beacon.devices, etag, false)
            }
            Ok(_) => {
                (readable, is_past) = (false, true);
                (BTreeMap::new(), etag, false)
            }
            Err(error) => {
                readable = false;
                report.reports.push(error.next_step("none: the next push writes a new one"));
                (BTreeMap::new(), etag, false)
            }
        },
        Ok(Found::Nothing) => {
            header::check(cx, &identity).await?;
            (BTreeMap::new(), None, false)
        }
        Err(failure) if failure.error.kind() == ErrorKind::Corrupt => (BTreeMap::new(), None, false),
        Err(failure) => return Err(failure.error),
    };

    if unchanged && planted!(NotModifiedEndsIt) {
        return Ok(Some(Polled { beacon_etag: etag, ..Polled::default() }));
    }
    let polls = cx.read(|state| state.head.bucket.polls + 1);
    let mut to_read = cx.read(|state| look::from_beacon(&state.head, &identity, &beacon, polls, state.now.unix_ms));
    let mut own = cx.read(|state| evidence::own_is_due(&state.head, state.now.unix_ms)) || full;
    if to_read.remove(&identity.device) {
        own = true;
    }
    if full {
        let listed = look::list(cx, &identity).await?;
        to_read.extend(cx.read(|state| look::from_list(&state.head, &identity, &listed)));
        if planted!(AbsentIsDeleted) {
            cx.step(|tx| {
                tx.head.peers.retain(|id, _| listed.contains_key(id));
                Ok(())
            })?;
        }
    }
    while own && *looked != Looked::LockedOut {
        // Keys come first. Under new ones a copy may have written, which is not to be overwritten; and a new id is given none.
        if new_keys(cx, looked, report).await? {
            return Ok(None);
        }
        let sought = *looked != Looked::NotYet;
        own = *looked != Looked::LockedOut && !evidence::check_own(cx, &identity, sought, report).await?;
    }
    let read = read_manifests(cx, &identity, &to_read, report).await?;
    // First of all: under the new keys somebody may say that another, who has only the old ones, is revoked.
    if new_keys(cx, looked, report).await? {
        return Ok(None);
    }
    let under_older_keys = cx.read(|state| news_under_older_keys(&state.head, &read));
    let shown = beacon.clone();
    cx.step(|tx| settle_manifests(tx, &shown, &to_read, &read))?;
    check_not_revoked(cx)?;

    take_ops(cx, &identity, &read, report).await?;
    if cx.step(|tx| accept_listed(tx, &read))? {
        check_not_revoked(cx)?;
        take_ops(cx, &identity, &read, report).await?; // devices that were listed by what came just now
    }
    if new_keys(cx, looked, report).await? {
        return Ok(None);
    }

    let (retired, knows_slots) = (cx.read(retired::all)?, cx.read(slots::knows_slots)?);
    let repair = cx.step(|tx| {
        let unix_ms = tx.now.unix_ms;
        let bucket = &mut tx.head.bucket;
        bucket.knows_slots = knows_slots;
        bucket.polls = polls;
        bucket.last_pull_ms = Some(unix_ms);
        // A beacon that could not be read is asked for again, whole.
        bucket.beacon_etag = etag.as_ref().filter(|_| readable).map(|etag| etag.as_str().to_owned());
        bucket.beacon_epoch = beacon_epoch;
        if full {
            bucket.checked_ms = unix_ms;
            bucket.check_soon = false;
        }
        note_unknown(tx, &beacon, &to_read);
        let (peers, unknown) = (&tx.head.peers, &tx.head.bucket.unknown);
        let is_known = |id: &DeviceId| *id == identity.device || peers.contains_key(id) || unknown.contains_key(id);
        let known = beacon.iter().filter(|(id, _)| is_known(id)).map(|(id, said)| (*id, *said)).collect();
        // That it names no longer what nobody could verify is as it should be.
        let verified = |id: &DeviceId| match *id == identity.device {
            true => tx.head.published.sequence,
            false => peers.get(id).map_or(0, |peer| peer.sequence),
        };
        let goes_back = |(id, was): (&DeviceId, &Sighting)| beacon.get(id) < Some(was) && was.sequence <= verified(id);
        let backwards = !unchanged && !is_past && known_beacon.iter().any(goes_back);
        tx.head.bucket.beacon = known;
        tx.head.bucket.check_soon |= backwards;
        let own = Sighting { sequence: tx.head.published.sequence, hash: tx.head.published.hash.short() };
        if own.sequence > 0 && beacon.get(&identity.device) == Some(&own) {
            tx.head.bucket.beacon_dirty = false;
        }
        let lacks = lacks(tx.head, &identity, &beacon, &retired);
        if !lacks {
            // What was repaired shows: the next repair does not wait for this one's sake.
            (tx.head.bucket.repairs, tx.head.bucket.repair_due_poll) = (0, 0);
        }
        Ok(lacks)
    })?;
    if cx.read(|state| debts(&state.head)) > 0 {
        report_debts(cx, report);
    }
    revoked::report(cx, report);
    // Who has the newer keys writes the beacon.
    let locked_out = *looked == Looked::LockedOut;
    cx.lock().locked_out = locked_out;
    let lacks_keys = cx.read(|state| under_older_keys.iter().any(|device| !state.head.is_revoked(*device)));
    Ok(Some(Polled { repair, locked_out, lacks_keys, beacon_etag: etag }))
}

/// Devices known before whose newer manifest is not sealed under the current keys.
fn news_under_older_keys(head: &Head, read: &Read) -> Vec<DeviceId> {
    let known = |device: &DeviceId| head.peers.get(device).map_or(0, |peer| peer.sequence);
    read.iter()
        .filter(|(device, verified)| !verified.current_keys && (1..verified.manifest.sequence).contains(&known(device)))
        .map(|(device, _)| *device)
        .collect()
}

/// Who reads that it is revoked stops there.
fn check_not_revoked(cx: &Shared) -> Result<(), Error> {
    match cx.read(|state| state.head.bucket.stopped.clone()) {
        Some(Stopped::Revoked) => Err(cx.read(|state| Stopped::Revoked.error(state))),
        _ => Ok(()),
    }
}

/// Opens a beacon; says which epoch it was sealed under.
pub(super) fn open_beacon(
    cx: &Shared,
    identity: &Identity,
    path: &str,
    sealed: &[u8],
) -> Result<(Beacon, EpochId), Error> {
    let (plaintext, epoch) = cx.open(path, ObjectKind::Beacon, sealed, MANIFEST_SEALED_BYTES_MAX)?;
    read_beacon(identity, &plaintext).map(|beacon| (beacon, epoch)).map_err(|error| error.on(path))
}

/// Reads a beacon's plaintext: its place, its bounds.
pub(super) fn read_beacon(identity: &Identity, plaintext: &[u8]) -> Result<Beacon, Error> {
    let beacon = Beacon::decode(plaintext)?;
    if (beacon.vault, beacon.space) == (identity.vault, identity.space) {
        return Ok(beacon);
    }
    Err(Error::new(ErrorKind::Corrupt, "a beacon belongs elsewhere"))
}

/// Whether the beacon lacks something that this device has verified, or says something else of this device.
fn lacks(
    head: &Head,
    identity: &Identity,
    beacon: &BTreeMap<DeviceId, Sighting>,
    retired: &BTreeSet<DeviceId>,
) -> bool {
    if planted!(BeaconNotRepaired) {
        return false;
    }
    let own = head.published.sequence;
    let own_wrong =
        own > 0 && beacon.get(&identity.device) != Some(&Sighting { sequence: own, hash: head.published.hash.short() });
    own_wrong
        || awaited(head, retired).any(|(id, peer)| {
            let verified = Sighting { sequence: peer.sequence, hash: peer.hash.short() };
            beacon.get(id).is_none_or(|said| *said < verified)
        })
}

pub(super) fn debts(head: &Head) -> u64 {
    head.peers.values().filter(|peer| peer.debt.is_some()).count() as u64
}

fn report_debts(cx: &Shared, report: &mut SyncReport) {
    let (mut peers, now) = cx.read(|state| (state.head.peers.clone(), state.now));
    cx.read(|state| peers.retain(|id, _| !state.head.is_revoked(*id)));
    for (id, peer) in &peers {
        let Some(behind) = peer.behind else { continue };
        let witness = peers.iter().find(|(other, third)| *other != id && third.stated.n(*id) > behind.shown_n);
        if now.has_passed(behind.since_ms, BEHIND_MS_MAX) || witness.is_some() {
            let witness =
                witness.map_or(String::new(), |(third, _)| format!(" (device {third} has signed to have seen more)"));
            report.reports.push(
                Error::new(ErrorKind::RolledBack, format!("the bucket shows an older state of a device{witness}"))
                    .on(id.to_string())
                    .next_step("nothing is lost here; find out who restored the bucket"),
            );
        }
    }
}

/// Applies everything that the verified manifests publish and that can be had. What cannot becomes a debt.
async fn take_ops(cx: &Shared, identity: &Arc<Identity>, read: &Read, report: &mut SyncReport) -> Result<(), Error> {
    merge::finish_partial(cx, identity, report).await?;
    let mut tried = Vec::new();
    let mut unreadable = BTreeSet::new();
    let mut tails: BTreeMap<DeviceId, Vec<Tagged>> = BTreeMap::new();
    let mut held = Vec::new();
    cx.lock().at_hand = AtHand::default();
    loop {
        let mut moved = false;
        let foreign = cx.step(|tx| naming_foreign(tx))?;
        if cx.read(|state| merge::wants_snapshot(&state.head, state.now.unix_ms, &unreadable, &foreign)) {
            moved |= merge::take_snapshot(cx, identity, &mut tried, &foreign, report).await?;
        }
        let behind: Vec<DeviceId> = cx.read(|state| {
            let peers = state.head.peers.iter();
            let behind = |id: &DeviceId, peer: &Peer| revoked::is_behind(&state.head, *id, peer);
            peers.filter(|(id, peer)| behind(id, peer)).map(|(id, _)| *id).collect()
        });
        for device in &behind {
            if let Entry::Vacant(vacant) = tails.entry(*device) {
                let tails: Vec<Tagged> = stored_tails(cx, *device, read)?.into_iter().map(Tagged::new).collect();
                for tail in &tails {
                    let placed = place_tail(cx, *device, tail, report)?;
                    segments::show(cx, *device, tail, placed);
                }
                vacant.insert(tails);
            }
        }
        moved |= take_segments(cx, identity, &behind, &mut unreadable, &mut held, report).await?;
        for device in behind {
            for tail in &tails[&device] {
                moved |= apply_whole(cx, device, tail, report).await?.moved;
            }
        }
        // What just turned out to wait for more than the logs have may be in a snapshot.
        if !moved && cx.read(|state| merge::wants_snapshot(&state.head, state.now.unix_ms, &unreadable, &foreign)) {
            moved = merge::take_snapshot(cx, identity, &mut tried, &foreign, report).await?;
        }
        if !moved {
            break;
        }
    }
    cx.lock().at_hand = AtHand::default();
    cx.step(|tx| {
        apply::forget_had(tx);
        let (polls, unix_ms) = (tx.head.bucket.polls + 1, tx.now.unix_ms);
        let ids: Vec<DeviceId> = tx.head.peers.keys().copied().collect();
        for id in ids {
            let quarantined = revoked::quarantined(tx.head, id);
            if tx.head.peers[&id].quarantined != quarantined {
                tx.head.peer_mut(id).quarantined = quarantined;
            }
            let peer = &tx.head.peers[&id];
            let owed = match tx.head.is_revoked(id) {
                true => revoked::is_behind(tx.head, id, peer),
                false => !tx.head.is_current(id) || peer.behind.is_some(),
            };
            let due = peer.debt.is_none_or(|debt| debt.is_due(polls, unix_ms));
            if !owed && peer.debt.is_some() {
                tx.head.peer_mut(id).debt = None;
            } else if owed && due {
                let debt = Debt::after(tx.head.peers[&id].debt, polls, unix_ms);
                tx.head.peer_mut(id).debt = Some(debt);
            }
            let peer = &tx.head.peers[&id];
            // By the numbers nothing may be missing, where another line is.
            let parts = tx.head.forks.parts(id)
                || peer.logs().any(|log| peer.has_number(log.end.n) && !tx.head.has_log(id, log));
            // Late is not lost: what could not be had several times is named, for its author to mend.
            let patient = peer.debt.is_none_or(|debt| debt.tries < TRIES_BEFORE_DAMAGED);
            let tried =
                peer.log.segments.iter().filter(|segment| unreadable.contains(&(id, segment.object.id)) && !patient);
            let below = (!patient && peer.log.from() > peer.n + 1).then(|| Damaged {
                device: id,
                from: peer.n + 1,
                to: peer.log.from() - 1,
            });
            let snapped = in_lost_snapshots(tx, id)?;
            let known = peer.damaged.iter().filter(|_| !due).copied();
            // A range may be missed for more than one reason.
            let lost: BTreeSet<Damaged> = tried
                .map(|segment| Damaged { device: id, from: segment.from, to: segment.end.n })
                .chain(below)
                .chain(known)
                .filter(|damaged| parts || (damaged.from..=damaged.to).any(|n| !peer.has_number(n)))
                .chain(snapped)
                .collect();
            if !peer.damaged.iter().eq(&lost) {
                tx.head.peer_mut(id).damaged = lost.into_iter().collect();
            }
        }
        Ok(())
    })
}

/// What of a device is in a named snapshot alone that could not be had several times.
fn in_lost_snapshots(tx: &Tx<'_>, id: DeviceId) -> Result<Option<Damaged>, Error> {
    let head = &*tx.head;
    if head.bucket.snapshot_debt.is_none_or(|debt| debt.tries < TRIES_BEFORE_DAMAGED) {
        return Ok(None);
    }
    let mut missed: Option<Damaged> = None;
    for (_, peer) in head.counting() {
        for point in peer.snapshot.iter().flat_map(|named| named.vector.points(id)) {
            let from = if lines::parts_from_here(tx, id, point)? {
                point.n // how much lower the lines part is not known
            } else if !head.prefix_has(id, point) {
                // The op itself may be an island here: what is before it is missed all the same. A line that parts from
                // those applied here is missed from there on.
                head.peers[&id].points().map(|applied| head.forks.shared(id, applied, point)).max().unwrap_or(0) + 1
            } else {
                continue;
            };
            if missed.is_none_or(|most| point.n >= most.to) {
                missed = Some(Damaged { device: id, from, to: point.n });
            }
        }
    }
    Ok(missed)
}
