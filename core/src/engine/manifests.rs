//! Others' manifests: read, verified, and taken as what their devices say now.

use super::api::SyncReport;
use super::head::{Behind, Debt, Identity, Log, Peer, Point2, damaged, local_error};
use super::look::UNKNOWN_MAX;
use super::objects::{Opened, manifest_path};
use super::shared::Shared;
use super::state::Tx;
use super::{lines, member, retired, revoked};
use crate::crypto::{ObjectKind, unpad_to_power_of_two};
use crate::local::Table;
use crate::replica::{Manifest, Run, Sighting};
use crate::s3::ETag;
use crate::{DeviceId, Error, ErrorKind, Hash};
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A manifest as read, in its place and signed by its device.
pub(super) struct Verified {
    pub(super) manifest: Manifest,
    hash: Hash,
    etag: Option<ETag>,
    signed: Vec<u8>,
    /// Its author has the current keys: whoever has those is the owner.
    pub(super) current_keys: bool,
}

/// Manifests as read; what could not be had is not among them.
pub(super) type Read = BTreeMap<DeviceId, Verified>;

/// Reads manifests, several at a time. What cannot be had or does not verify is simply not among them.
pub(super) async fn read_manifests(
    cx: &Shared,
    identity: &Arc<Identity>,
    devices: &BTreeSet<DeviceId>,
    report: &mut SyncReport,
) -> Result<Read, Error> {
    let width = cx.read(|state| state.config.concurrency.max(1)) as usize;
    let mut waiting = devices.iter().copied();
    let mut running = FuturesUnordered::new();
    running.extend(waiting.by_ref().take(width).map(|device| read_manifest(cx, identity, device)));
    let mut read = Read::new();
    while let Some((device, result)) = running.next().await {
        match cx.spare(result).await? {
            Ok(found) => {
                read.extend(found.map(|found| (device, found)));
            }
            Err(bad) => report.reports.push(bad),
        }
        running.extend(waiting.next().map(|device| read_manifest(cx, identity, device)));
    }
    Ok(read)
}

type OneRead = Result<Result<Option<Verified>, Error>, Error>;

async fn read_manifest(cx: &Shared, identity: &Identity, device: DeviceId) -> (DeviceId, OneRead) {
    let path = manifest_path(identity.space, device);
    let read = match cx.get_sealed(&path, ObjectKind::Manifest).await {
        Ok(Opened::Plain { plaintext, etag, epoch }) => Ok(known(cx, device, NEWEST)
            .and_then(|known| verify_manifest(identity, device, &plaintext, known.as_deref()))
            .map(|(manifest, hash, signed)| {
                let current_keys = epoch == identity.keys.current();
                Some(Verified { manifest, hash, etag, signed, current_keys })
            })
            .map_err(|error| {
                error.on(&*path).next_step("none: it is read again later; valid data of others is not held up")
            })),
        Ok(Opened::Missing) => Ok(Ok(None)),
        Ok(Opened::Bad(error)) => {
            Ok(Err(error.next_step("none: it is read again later; valid data of others is not held up")))
        }
        Err(error) => Err(error),
    };
    (device, read)
}

/// Opens a manifest's plaintext: its place, its signature, its bounds. `known` is one that was verified before: most that are
/// read are the same still.
pub(super) fn verify_manifest(
    identity: &Identity,
    device: DeviceId,
    plaintext: &[u8],
    known: Option<&[u8]>,
) -> Result<(Manifest, Hash, Vec<u8>), Error> {
    let signed = unpad_to_power_of_two(plaintext)?;
    let (manifest, hash) =
        if known == Some(signed) { Manifest::verified_before(signed)? } else { Manifest::verify(signed)? };
    if (manifest.vault, manifest.space, manifest.device) != (identity.vault, identity.space, device) {
        return Err(Error::new(ErrorKind::Corrupt, "a manifest belongs elsewhere"));
    }
    Ok((manifest, hash, signed.to_vec()))
}

/// One step: what was read counts, what is still missing is noted. It is a debt once the ops were taken: their segments have
/// the same one, and are due now.
pub(super) fn settle_manifests(
    tx: &mut Tx<'_>,
    beacon: &BTreeMap<DeviceId, Sighting>,
    wanted: &BTreeSet<DeviceId>,
    read: &Read,
) -> Result<(), Error> {
    let own = tx.head.identity()?.device;
    for (device, said) in beacon.iter().filter(|(device, _)| **device != own) {
        let known =
            tx.head.peers.get(device).map_or((0, Default::default()), |peer| (peer.sequence, peer.hash.short()));
        let is_news =
            |peer: &Peer| (said.sequence, said.hash) > known && ![peer.wanted, peer.expired].contains(&Some(*said));
        // One of which nothing is known is none to wait for.
        if tx.head.peers.get(device).is_some_and(|peer| is_news(peer)) {
            let unix_ms = tx.now.unix_ms;
            let peer = tx.head.peer_mut(*device);
            peer.wanted = Some(*said);
            peer.wanted_ms.get_or_insert(unix_ms);
        }
    }
    accept_listed(tx, read)?;
    lines::note_foreign(tx)?;
    expire(tx);
    let unix_ms = tx.now.unix_ms;
    for device in wanted {
        let missing = !read.contains_key(device);
        if missing && !tx.head.peers.contains_key(device) {
            continue; // a listing named it, which anybody may forge: the next full check lists again
        }
        let peer = tx.head.peer_mut(*device);
        if missing && peer.sequence > 0 && peer.wanted.is_none() {
            let since_ms = peer.behind.map_or(unix_ms, |behind| behind.since_ms);
            peer.behind = Some(Behind { since_ms, shown_n: 0 });
        }
    }
    Ok(())
}

/// What was named and did not come for so long is waited for no more: its author PUTs no body that was frozen longer ago.
const WANTED_MS_MAX: u64 = 24 * 3_600_000;

/// Sightings that were wanted for too long expire, and so do those that follow them while nothing as new is read.
fn expire(tx: &mut Tx<'_>) {
    let now = tx.now;
    let is_over = |peer: &Peer| peer.wanted_ms.is_some_and(|since_ms| now.has_passed(since_ms, WANTED_MS_MAX));
    let over = tx.head.peers.iter().filter(|(_, peer)| peer.wanted.is_some() && is_over(peer));
    let over: Vec<DeviceId> = over.map(|(id, _)| *id).collect();
    for id in over.into_iter().filter(|_| !weakened!(WantedForEver)) {
        let peer = tx.head.peer_mut(id);
        peer.expired = peer.wanted.take();
    }
}

/// Notes which unknown devices a beacon names whose manifests could not be had or do not count; those that it names no longer, or
/// that are known by now, are forgotten.
pub(super) fn note_unknown(tx: &mut Tx<'_>, beacon: &BTreeMap<DeviceId, Sighting>, asked: &BTreeSet<DeviceId>) {
    let (polls, unix_ms) = (tx.head.bucket.polls, tx.now.unix_ms);
    let mut unknown = std::mem::take(&mut tx.head.bucket.unknown);
    unknown.retain(|id, _| beacon.contains_key(id));
    for id in asked.iter().filter(|id| beacon.contains_key(id)) {
        if unknown.len() >= UNKNOWN_MAX && !unknown.contains_key(id) {
            continue;
        }
        let debt = Debt::after(unknown.get(id).copied(), polls, unix_ms);
        unknown.insert(*id, debt);
    }
    unknown.retain(|id, _| !tx.head.peers.contains_key(id));
    tx.head.bucket.unknown = unknown;
}

/// Accepts manifests of devices that are listed, and of newcomers that have the current keys. Who has others alone may
/// be somebody that was revoked and lists itself. True: there was one more than before.
pub(super) fn accept_listed(tx: &mut Tx<'_>, read: &Read) -> Result<bool, Error> {
    revoked::learn(tx, read)?;
    let mut moved = false;
    for (device, verified) in read {
        let known = tx.head.peers.get(device).map_or(0, |peer| peer.sequence);
        if !is_listed(tx, *device, verified)? {
            continue;
        }
        if tx.head.is_revoked(*device) {
            accept_revoked(tx, *device, verified);
        } else {
            accept(tx, *device, verified);
        }
        let now = tx.head.peers.get(device).map_or(0, |peer| peer.sequence);
        if known > 0 && now > known {
            retired::is_back(tx, *device)?;
        }
        moved |= now > known;
    }
    Ok(moved)
}

/// Whether a manifest's author is a device of the vault, by what is known here; whoever was revoked was one, and so is whose ops a
/// device that counts, and has the current keys, states to have: a newcomer can't read its record before its manifest.
pub(super) fn is_listed(tx: &mut Tx<'_>, device: DeviceId, verified: &Verified) -> Result<bool, Error> {
    let known = tx.head.peers.get(&device).is_some_and(|peer| peer.sequence > 0);
    let is_stated = || tx.head.counting().any(|(_, peer)| peer.has_keys && peer.stated.n(device) > 0);
    Ok(known || is_stated() || verified.current_keys || tx.head.is_revoked(device) || member::is_listed(tx, device)?)
}

/// Of a revoked device nothing is taken but where its ops are; which of them count is asked when they are applied.
fn accept_revoked(tx: &mut Tx<'_>, device: DeviceId, verified: &Verified) {
    let Verified { manifest, hash, etag, signed, .. } = verified;
    let unix_ms = tx.now.unix_ms;
    let peer = tx.head.peer_mut(device);
    if (manifest.sequence, hash.0) < (peer.sequence, peer.hash.0) {
        return note_behind(peer, manifest, unix_ms); // what the newer one had that counts may stand nowhere now
    }
    (peer.behind, peer.twin) = (None, None);
    if *hash == peer.hash {
        tx.set(Table::Devices, manifest_row(device, TWIN), None);
        return;
    }
    peer.etag = etag.as_ref().map(|etag| etag.as_str().to_owned());
    (peer.wanted, peer.expired, peer.wanted_ms, peer.debt) = (None, None, None, None);
    (peer.sequence, peer.hash) = (manifest.sequence, *hash);
    peer.log = log_of(manifest);
    tx.set(Table::Devices, manifest_row(device, NEWEST), Some(signed.clone()));
    tx.set(Table::Devices, manifest_row(device, TWIN), None);
}

fn accept(tx: &mut Tx<'_>, device: DeviceId, verified: &Verified) {
    let Verified { manifest, hash, etag, signed, .. } = verified;
    let hash = *hash;
    let unix_ms = tx.now.unix_ms;
    let own = tx.head.identity.as_ref().map(|identity| identity.device);
    let log = log_of(manifest);
    let server_ms = tx.server_ms;
    let peer = tx.head.peer_mut(device);
    if (manifest.sequence, hash.0) < (peer.sequence, peer.hash.0) && !planted!(LatePutTrusted) {
        // An older one of its own, or another copy's: its ops count all the same.
        if manifest.sequence < peer.sequence {
            note_behind(peer, manifest, unix_ms);
        }
        if peer.twin.as_ref().is_none_or(|twin| (twin.end, &twin.segments) != (log.end, &log.segments)) {
            peer.twin = Some(log);
            tx.set(Table::Devices, manifest_row(device, TWIN), Some(signed.clone()));
        }
        return;
    }
    peer.twin = None;
    peer.etag = etag.as_ref().map(|etag| etag.as_str().to_owned());
    peer.behind = None;
    if peer.wanted.or(peer.expired).is_some_and(|wanted| wanted.sequence <= manifest.sequence) {
        (peer.wanted, peer.expired, peer.wanted_ms) = (None, None, None);
    }
    if hash == peer.hash {
        return;
    }
    // News: nothing of it waits for its turn. What could not be had of it before is counted on while it is still named.
    peer.debt = peer.debt.filter(|_| misses_the_same(peer, &log)).map(Debt::at_once);
    peer.sequence = manifest.sequence;
    peer.hash = hash;
    (peer.seen_ms, peer.seen_server_ms) = (Some(unix_ms), server_ms);
    peer.stated = manifest.vector.clone();
    peer.has_keys = verified.current_keys;
    peer.log = log;
    let other_snapshot = peer.snapshot != manifest.snapshot;
    peer.snapshot.clone_from(&manifest.snapshot);
    (peer.misses, peer.misses_of_others) = manifest.damaged.iter().partition(|damaged| Some(damaged.device) == own);
    if other_snapshot {
        tx.head.bucket.snapshot_debt = None;
    }
    tx.set(Table::Devices, manifest_row(device, NEWEST), Some(signed.clone()));
    tx.set(Table::Devices, manifest_row(device, TWIN), None);
}

/// Whether the first op that is missed of a device is looked for in the same place in a newer log of it.
fn misses_the_same(peer: &Peer, newer: &Log) -> bool {
    let missed = peer.n + 1;
    let place =
        |log: &Log| log.segments.iter().find(|segment| segment.end.n >= missed).map(|segment| segment.object.id);
    let is_below = |log: &Log| log.from() > missed;
    is_below(&peer.log) == is_below(newer)
        && (is_below(newer) || place(&peer.log).is_some_and(|old| place(newer) == Some(old)))
}

/// The bucket shows an older manifest of a device than was verified.
fn note_behind(peer: &mut Peer, manifest: &Manifest, unix_ms: u64) {
    let since_ms = peer.behind.map_or(unix_ms, |behind| behind.since_ms);
    peer.behind = Some(Behind { since_ms, shown_n: manifest.line.tail.to() });
}

fn log_of(manifest: &Manifest) -> Log {
    // A verified one's vector ends where its tail does, which is slow to count again.
    let end = manifest.vector.point(manifest.device).unwrap_or_else(|| manifest.line.tail.end());
    Log {
        end: Point2 { n: end.n, tag: end.tag },
        segments: manifest.line.segments.clone(),
        tail_from: manifest.line.tail.from,
        foreign: false,
    }
}

/// What a device's manifest is that lies beside its row: its newest verified one, or what stands in its place.
const NEWEST: u8 = 1;
const TWIN: u8 = 2;

/// Where a manifest of a device lies, as signed.
fn manifest_row(device: DeviceId, which: u8) -> Vec<u8> {
    [&device.0[..], &[which]].concat()
}

/// The tails of a device's newest verified manifest, and of the one that stands in its place. One that was `read` just now
/// is not read again.
pub(super) fn stored_tails(cx: &Shared, device: DeviceId, read: &Read) -> Result<Vec<Run>, Error> {
    let mut tails = Vec::new();
    for which in [NEWEST, TWIN] {
        if let Some(signed) = known(cx, device, which)? {
            tails.push(match read.get(&device) {
                Some(fresh) if fresh.signed == signed => fresh.manifest.line.tail.clone(),
                _ => damaged(Manifest::verified_before(&signed))?.0.line.tail,
            });
        }
    }
    Ok(tails)
}

/// A device's manifest as it was kept when it was verified.
fn known(cx: &Shared, device: DeviceId, which: u8) -> Result<Option<Vec<u8>>, Error> {
    cx.read(|state| state.local.get(Table::Devices, &manifest_row(device, which))).map_err(local_error)
}
