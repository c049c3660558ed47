//! Push: PUT a segment only when the tail overflows → freeze → PUT manifest → PUT beacon. Nothing is ever sealed twice
//! with another body under one sequence.

use super::api::{Phase, SyncReport};
use super::head::{Frozen, Head, Identity, Published, damaged};
use super::manifests::verify_manifest;
use super::objects::{Opened, manifest_path};
use super::own_log::{
    NextLine, SEGMENT_PLAIN_BYTES_MAX, beginning, drop_log_below, mend, pending_bytes, read_ops, start_of_tail, trim,
    write_segments,
};
use super::pull::Polled;
use super::shared::Shared;
use super::state::{Tx, internal};
use super::{adopt, beacon, collect, epochs, evidence, leave, own_log, own_sequences, revoked, snapshot};
use crate::crypto::{ObjectKind, pad_to_power_of_two};
use crate::local::Table;
use crate::replica::{Line, Manifest, Run, SEGMENTS_MAX, TAIL_BYTES_MAX};
use crate::s3::{Answer, Call, Condition, ETag};
use crate::{DeviceId, Error, ErrorKind, Hash, ObjectId};
use bytes::Bytes;
use std::sync::Arc;

/// The grace before superseded objects go: an hour after the manifest that dropped them was confirmed.
const GRACE_MS: u64 = 3_600_000;
/// A frozen sequence older than this that the bucket does not show is never PUT again; nor one that rests on a snapshot which
/// no manifest names any more.
const FROZEN_MS_MAX: u64 = 24 * 3600 * 1000;
/// What was PUT longer ago than this without being named may be swept before the manifest that names it stands.
const PREPARED_MS_MAX: u64 = collect::SWEEP_MS - FROZEN_MS_MAX;
/// The own manifest is read once more this long after an ambiguous PUT: a late duplicate may land.
const REREAD_MS: u64 = 20 * 60 * 1000;
/// Manifests published by one push: more only while other processes keep writing.
const ROUNDS_MAX: u32 = 64;

/// Publishes what is pending. `with_vector`: also a vector that moved or a snapshot to name, though no op is pending.
pub(super) async fn push(
    cx: &Shared,
    polled: &mut Polled,
    with_vector: bool,
    report: &mut SyncReport,
) -> Result<(), Error> {
    let identity = cx.read(|state| state.head.identity().cloned())?;
    if let Some(stopped) = cx.read(|state| state.head.bucket.stopped.clone()) {
        return Err(cx.read(|state| stopped.error(state)));
    }
    let mut goal = None;
    let mut in_beacon = false;
    if planted!(FrozenAgain) {
        cx.step(|tx| {
            tx.head.frozen = None;
            Ok(())
        })?;
    }
    for _ in 0..ROUNDS_MAX {
        if cx.read(|state| state.head.frozen.is_some()) {
            // Of a sequence that was given up nobody is told: the next one is frozen first.
            if publish_frozen(cx, &identity, report).await? {
                in_beacon = beacon::put(cx, &identity, polled).await?;
            }
        }
        let target = *goal.get_or_insert_with(|| cx.read(|state| state.head.clock.n));
        let pending = cx.read(|state| state.head.published.n < target);
        let first = cx.read(|state| state.head.published.sequence == 0);
        let vector_moved = with_vector && cx.read(|state| state.head.vector() != state.head.published.vector);
        let damage_moved = cx.read(|state| damage(&state.head) != state.head.published.damaged);
        let missed = cx.read(|state| own_log::is_missed(&state.head));
        let wanted = cx.read(|state| state.head.bucket.snapshot_wanted) && snapshot::may_write(cx);
        // Who left an id tells by a snapshot what only it had.
        let mut snapshot_due = snapshot::is_due(cx) || wanted || (first && has_left(cx));
        // Newcomers count who shows to have the current keys.
        let keys_moved = cx.read(|state| state.head.published.epoch != Some(identity.keys.current()));
        let revoked_moved = cx.read(|state| revoked::stated(&state.head) != state.head.published.revoked);
        let superseded = if with_vector { adopt::open_newest(cx, &identity).await? } else { Vec::new() };
        let newer = cx.read(|state| adopt::held(&state.head, state.head.published.snapshot.as_ref()).is_some());
        snapshot_due |= !newer && snapshot::may_write(cx) && cx.read(|state| names_revoked(&state.head));
        let asks = polled.locked_out && epochs::asks(cx);
        let said = pending || first || vector_moved || damage_moved || revoked_moved || keys_moved || asks;
        if !(said || missed || snapshot_due || newer) {
            break;
        }
        prepare(cx, &identity, if snapshot_due { Snapshot::Due } else { Snapshot::IfNeeded }, superseded).await?;
        if asks {
            cx.step(|tx| {
                tx.head.bucket.asked_ms = tx.now.unix_ms;
                Ok(())
            })?;
        }
    }
    // What this push has just PUT stays dirty until the next poll shows it, and is not PUT twice.
    if polled.repair || (!in_beacon && cx.read(|state| state.head.bucket.beacon_dirty)) {
        beacon::repair(cx, &identity, polled).await?;
    }
    cx.step(|tx| {
        tx.head.bucket.last_push_ms = Some(tx.now.unix_ms);
        Ok(())
    })
}

/// The snapshot that the own manifest names is a revoked device's.
fn names_revoked(head: &Head) -> bool {
    head.published.snapshot.as_ref().is_some_and(|named| snapshot::is_of_revoked(head, named))
}

fn has_left(cx: &Shared) -> bool {
    !planted!(LeftWithoutCarry) && cx.read(|state| !state.head.left.is_empty())
}

/// Publishes the manifest of a device that joins, before it reads any state: its vector is empty, its beacon entry waits.
pub(super) async fn publish_manifest(
    cx: &Shared,
    identity: &Arc<Identity>,
    report: &mut SyncReport,
) -> Result<(), Error> {
    if cx.read(|state| state.head.published.sequence == 0 && state.head.frozen.is_none()) {
        prepare(cx, identity, Snapshot::IfNeeded, Vec::new()).await?;
    }
    publish_frozen(cx, identity, report).await.map(|_| ())
}

fn damage(head: &Head) -> Vec<crate::replica::Damaged> {
    if planted!(DamageNotNamed) {
        return Vec::new();
    }
    head.peers.values().flat_map(|peer| peer.damaged.iter().copied()).collect()
}

/// Which snapshot the next manifest needs.
#[derive(Clone, Copy, PartialEq)]
enum Snapshot {
    /// None, unless the log has grown too long.
    IfNeeded,
    /// A new one.
    Due,
    /// One that names nothing again which another one names.
    Anew,
}

/// PUTs what the next manifest names, then freezes it.
async fn prepare(
    cx: &Shared,
    identity: &Arc<Identity>,
    snapshot: Snapshot,
    superseded: Vec<String>,
) -> Result<(), Error> {
    let mut snapshot_due = snapshot != Snapshot::IfNeeded && snapshot::may_write(cx);
    let begun_ms = cx.read(|state| state.now.unix_ms);
    let mut goal = hold(cx)?;
    let published = cx.read(|state| state.head.published.clone());
    let mut line = NextLine {
        segments: published.segments.clone(),
        tail: start_of_tail(&published, identity),
        superseded,
        snapshot: published.snapshot.clone(),
        mended: false,
        written: None,
    };
    if let Some(newer) = cx.read(|state| adopt::held(&state.head, line.snapshot.as_ref())) {
        line.snapshot = Some(newer);
    }
    trim(cx, identity, &mut line)?;
    mend(cx, identity, &mut line).await?;
    let overflow = read_ops(cx, &line.tail, goal, TAIL_BYTES_MAX)?;
    if overflow.is_none() {
        let pending_bytes = pending_bytes(cx, &line.tail, goal)?;
        let segments_needed = pending_bytes / SEGMENT_PLAIN_BYTES_MAX as u64 + 1 + line.segments.len() as u64;
        let in_snapshot_alone = segments_needed > SEGMENTS_MAX as u64
            || (pending_bytes > SEGMENT_PLAIN_BYTES_MAX as u64 && snapshot::is_first_and_alone(cx)?);
        snapshot_due |= in_snapshot_alone && snapshot::may_write(cx);
        if !(snapshot_due && in_snapshot_alone) {
            write_segments(cx, identity, &mut line, goal).await?;
            snapshot_due |= snapshot::is_crossed(cx, &line.segments);
        }
    }
    if snapshot_due && snapshot::may_write(cx) {
        if snapshot != Snapshot::Anew || planted!(LostNamedAgain) {
            line.superseded.extend(adopt::open_newest(cx, identity).await?);
        }
        let written = snapshot::write(cx, identity, goal).await?;
        line.snapshot = Some(written.named.clone());
        line.superseded.extend_from_slice(&written.superseded);
        line.written = Some(written);
        trim(cx, identity, &mut line)?;
        if read_ops(cx, &line.tail, goal, TAIL_BYTES_MAX)?.is_none() {
            // The snapshot holds them: the log begins above it.
            drop_log_below(cx, identity, &mut line, goal)?;
        }
        // Its rows may have what was written meanwhile: who takes them holds no op that only the next manifest names.
        goal = hold(cx)?;
        if read_ops(cx, &line.tail, goal, TAIL_BYTES_MAX)?.is_none() {
            write_segments(cx, identity, &mut line, goal).await?;
        }
    }
    if cx.read(|state| state.now.has_passed(begun_ms, PREPARED_MS_MAX)) {
        return Err(Error::new(
            ErrorKind::Timeout,
            "this push took so long that others may have swept what it wrote first",
        )
        .next_step("try again")
        .retryable());
    }
    cx.step(|tx| freeze(tx, identity, &line, goal))
}

/// From here on the ops written so far may be in the bucket: none of them turns into a void any more. Gives the last one.
fn hold(cx: &Shared) -> Result<u64, Error> {
    cx.step(|tx| {
        let goal = tx.head.clock.n;
        if tx.head.published.held < goal {
            Arc::make_mut(&mut tx.head.published).held = goal;
        }
        Ok(goal)
    })
}

/// A name for `content` that nobody else gives, even where entropy is frozen or cloned: hedged like a salt. Two copies of a
/// running device name other contents otherwise, even in the same millisecond.
pub(super) fn new_id(cx: &Shared, identity: &Identity, content: &[u8]) -> ObjectId {
    let mut state = cx.lock();
    if planted!(NameFromEntropyAlone) {
        let mut name = ObjectId([0; 16]);
        state.entropy.fill(&mut name.0);
        return name;
    }
    let context = state.waits.next_id().to_le_bytes();
    let n = state.head.clock.n.to_le_bytes();
    let sequence = state.head.published.sequence.to_le_bytes();
    let unix_ms = state.now.unix_ms.to_le_bytes();
    let content = Hash::of(content).0;
    ObjectId(identity.secret.fresh("object id", &mut *state.entropy, &[&context, &n, &sequence, &unix_ms, &content]))
}

/// One step: signs the next manifest and stores it before anything of it is PUT.
fn freeze(tx: &mut Tx<'_>, identity: &Identity, line: &NextLine, goal: u64) -> Result<(), Error> {
    let published = tx.head.published.clone();
    let rows = { tx.list(Table::Ops, &own_log::rows(line.tail.from, goal), u32::MAX)? };
    let ops = own_log::decode_ops(&rows, line.tail.from)?;
    let tail = Run { from: line.tail.from, before: line.tail.before, base: line.tail.base.clone(), ops };
    if tail.to() != goal {
        return Err(own_log::hole());
    }
    let end = tail.end();
    let mut vector = tx.head.vector();
    if end.n > 0 {
        // Own ops written since are not in this manifest, and not in the vector that it states.
        vector = vector.without(identity.device);
        vector.raise(identity.device, end, &tx.head.forks);
    }
    if planted!(VectorAhead) {
        for (id, peer) in &tx.head.peers {
            let end = crate::replica::Point { n: peer.log.end.n, tag: peer.log.end.tag };
            vector.raise(*id, end, &tx.head.forks);
        }
    }
    let damaged = damage(tx.head);
    let revoked = revoked::stated(tx.head);
    let manifest = Manifest {
        vault: identity.vault,
        space: identity.space,
        device: identity.device,
        public_key: identity.secret.public_key(),
        sequence: published.sequence + 1,
        previous: published.hash,
        vector: vector.clone(),
        line: Line { segments: line.segments.iter().map(|own| own.named).collect(), tail },
        snapshot: line.snapshot.clone(),
        damaged: damaged.clone(),
        revoked: revoked.clone(),
    };
    let (signed, hash) = manifest.sign(&identity.secret);
    let next = Published {
        sequence: manifest.sequence,
        hash,
        n: end.n,
        segments: line.segments.clone(),
        tail: line.tail.clone(),
        snapshot: line.snapshot.clone(),
        vector,
        damaged,
        revoked,
        epoch: Some(identity.keys.current()),
        ..(*published).clone()
    };
    own_sequences::remember(tx, manifest.sequence, hash);
    tx.head.bucket.beacon_dirty = true;
    if let Some(written) = &line.written {
        let bucket = &mut tx.head.bucket;
        (bucket.snapshot_wanted, bucket.snapshot_due_ms) = (false, None);
        bucket.answered.clone_from(&written.answers);
    }
    if line.mended {
        // Not before: a crash on the way here leaves the complaints standing. What is below the log a snapshot answers.
        let from = beginning(&line.segments, &line.tail);
        let devices: Vec<DeviceId> =
            tx.head.peers.iter().filter(|(_, peer)| !peer.misses.is_empty()).map(|(id, _)| *id).collect();
        for id in devices {
            let misses = &mut tx.head.peer_mut(id).misses;
            misses.retain(|missed| missed.from < from);
            misses.iter_mut().for_each(|missed| missed.to = missed.to.min(from - 1));
        }
    }
    tx.head.frozen = Some(Arc::new(Frozen {
        signed,
        frozen_ms: tx.now.unix_ms,
        next,
        superseded: line.superseded.clone(),
        wrote_snapshot: line.written.is_some(),
        rests_on: match &line.written {
            Some(written) => written.lender,
            None => line.snapshot.as_ref().map(|named| named.index.id),
        },
    }));
    Ok(())
}

/// PUTs the frozen manifest until it is there, or found to be. False: it was given up.
async fn publish_frozen(cx: &Shared, identity: &Arc<Identity>, report: &mut SyncReport) -> Result<bool, Error> {
    let Some(frozen) = cx.read(|state| state.head.frozen.clone()) else { return Ok(true) };
    let is_stale = cx.read(|state| {
        let is_gone = |snapshot: ObjectId| !snapshot::is_named(&state.head, snapshot);
        frozen.rests_on.is_some_and(is_gone) || state.now.has_passed(frozen.frozen_ms, FROZEN_MS_MAX)
    });
    if is_stale {
        evidence::check_own(cx, identity, true, report).await?;
        abandon(cx, frozen.next.hash)?;
        return Ok(confirmed(cx)?.as_ref() == Some(&frozen.signed));
    }
    cx.progress(Phase::Pushing, 0, 1);
    let before = cx.read(|state| state.head.published.n);
    if !put_manifest(cx, identity, &frozen).await? {
        return Ok(false);
    }
    report.ops_published += frozen.next.n.saturating_sub(before);
    Ok(true)
}

/// Seals a signed body once more and PUTs it. An ambiguous answer is settled by reading back, never by deleting. False: it was
/// given up, for the bucket lacks what it names.
async fn put_manifest(cx: &Shared, identity: &Arc<Identity>, frozen: &Frozen) -> Result<bool, Error> {
    let (signed, hash) = (&frozen.signed[..], frozen.next.hash);
    if !planted!(NotFlushed) {
        cx.flush().await?;
    }
    let path = manifest_path(identity.space, identity.device);
    let (conditional, published) = cx.read(|state| (state.head.bucket.conditional, state.head.published.clone()));
    let condition = match (conditional, published.etag.clone().and_then(ETag::new)) {
        (Some(true), Some(etag)) => Condition::IfMatch(etag),
        (Some(true), None) if published.sequence == 0 => Condition::IfAbsent,
        _ => Condition::Always,
    };
    let sealed = cx.seal(&path, ObjectKind::Manifest, &pad_to_power_of_two(signed))?;
    let mut tries = 0;
    let put = Call::PutObject { key: path.clone(), body: sealed.clone(), condition };
    let answer = cx.call_counted(&put, &mut tries).await.map_err(|failure| failure.error);
    let stored = matches!(answer, Ok(Answer::Stored { .. }));
    if tries > 1 || !stored {
        // Ambiguous: an earlier try may still land.
        cx.step(|tx| {
            tx.head.bucket.reread_own = true;
            tx.head.bucket.reread_own_ms = Some(tx.now.unix_ms + REREAD_MS);
            Ok(())
        })?;
    }
    if let Answer::Stored { etag } = answer? {
        return confirm(cx, hash, etag).map(|()| true);
    }
    if planted!(RefusedIsPublished) {
        return confirm(cx, hash, None).map(|()| true);
    }
    // Refused or in conflict: by an earlier try of this very body, by a late one, or by a twin.
    let mut went_back = published.sequence > 0 && !cx.read(|state| state.head.bucket.renewed);
    let over = match cx.get_sealed(&path, ObjectKind::Manifest).await? {
        Opened::Plain { plaintext, etag, .. } => {
            match verify_manifest(identity, identity.device, &plaintext, Some(signed)) {
                Ok((_, found, _)) if found == hash => return confirm(cx, hash, etag).map(|()| true),
                Ok((manifest, found, _)) if !own_sequences::has(cx, &manifest, found)? && !weakened!(ForkNotSeen) => {
                    return Err(leave::copied(cx)?);
                }
                Ok((_, found, _)) => went_back &= found != published.hash,
                Err(_) => {}
            }
            etag.map(|etag| (etag, plaintext))
        }
        Opened::Missing | Opened::Bad(_) => None,
    };
    if went_back && !collect::is_whole(cx, identity, &frozen.next).await? {
        return renew(cx, published.hash).map(|()| false);
    }
    overwrite(cx, &path, sealed, hash, over).await.map(|()| true)
}

/// An older one of mine stands there, or nothing: PUT over exactly that.
async fn overwrite(
    cx: &Shared,
    path: &str,
    sealed: Bytes,
    hash: Hash,
    over: Option<(ETag, Vec<u8>)>,
) -> Result<(), Error> {
    let under_way = || {
        Error::new(ErrorKind::Busy, "another write to this device's manifest is under way")
            .on(path)
            .next_step("try again in a minute")
            .retryable()
    };
    if let Some((etag, stood)) = over {
        match cx.put(path, sealed.clone(), Condition::IfMatch(etag)).await? {
            Answer::Stored { etag } => return confirm(cx, hash, etag),
            Answer::Refused => {}
            _ => return Err(under_way()),
        }
        match cx.get_sealed(path, ObjectKind::Manifest).await? {
            Opened::Plain { plaintext, .. } if plaintext == stood => {}
            _ => return Err(under_way()),
        }
        // What stands was not matched by its own ETag. Some servers match none in quotes (Ceph), others none at all, and
        // all of them keep a wrong one out, which is what the probe sees. Conditions are no use there.
        cx.step(|tx| {
            tx.head.bucket.conditional = Some(false);
            Ok(())
        })?;
    }
    match cx.put(path, sealed, Condition::Always).await? {
        Answer::Stored { etag } => confirm(cx, hash, etag),
        _ => Err(under_way()),
    }
}

/// Commits *published*: the manifest of this hash is in the bucket. Another process may have confirmed it, and frozen the next.
pub(super) fn confirm(cx: &Shared, hash: Hash, etag: Option<ETag>) -> Result<(), Error> {
    cx.step(|tx| {
        let etag = etag.as_ref().map(|etag| etag.as_str().to_owned());
        tx.head.bucket.own_stands(tx.now.unix_ms);
        let Some(frozen) = tx.head.frozen.take_if(|frozen| frozen.next.hash == hash) else {
            if tx.head.published.hash == hash {
                Arc::make_mut(&mut tx.head.published).etag = etag;
            }
            return Ok(());
        };
        let before = tx.head.published.clone();
        let mut next = frozen.next.clone();
        next.etag = etag;
        next.held = next.held.max(before.held);
        let after_ms = tx.now.unix_ms + GRACE_MS;
        tx.head.bucket.garbage.extend(frozen.superseded.iter().map(|path| (path.clone(), after_ms)));
        let log_from = next.segments.first().map_or(next.tail.from, |first| first.start.from);
        let was_from = before.segments.first().map_or(before.tail.from, |first| first.start.from).max(1);
        if was_from < log_from {
            tx.empty(Table::Ops, own_log::rows(was_from, log_from - 1));
        }
        tx.head.published = Arc::new(next);
        tx.set(Table::Head, b"manifest".to_vec(), Some(frozen.signed.clone()));
        Ok(())
    })
}

/// s was frozen a day ago and the bucket does not show it: s + 1 is frozen instead, and its objects get new names.
fn abandon(cx: &Shared, hash: Hash) -> Result<(), Error> {
    cx.step(|tx| {
        if tx.head.frozen.as_ref().is_some_and(|frozen| frozen.next.hash == hash) {
            name_anew(tx);
        }
        Ok(())
    })
}

/// What is frozen is given up, and the next sequence names everything that it needs by new names.
fn name_anew(tx: &mut Tx<'_>) {
    let frozen = tx.head.frozen.take();
    let published = Arc::make_mut(&mut tx.head.published);
    if let Some(frozen) = frozen {
        published.sequence = frozen.next.sequence;
        published.hash = frozen.next.hash;
        if frozen.wrote_snapshot {
            // Nobody was told of it: whatever it was written for, the next manifest needs one.
            tx.head.bucket.snapshot_wanted = true;
            tx.head.bucket.answered.clear();
        }
    }
    // What the bucket shows of this device may be older still: whoever wants its segments finds them by the new names.
    published.n = 0;
    if let Some(first) = published.segments.first() {
        published.tail = first.start.clone();
    }
    published.segments.clear();
}

/// An older own manifest stands, perhaps for long, and others may have swept what only the newest one named; or that is gone with
/// a restored bucket. The next sequence names all of it under new names. That is done once, until it stands.
pub(super) fn renew(cx: &Shared, newest: Hash) -> Result<(), Error> {
    cx.step(|tx| {
        if tx.head.bucket.renewed || tx.head.published.hash != newest {
            return Ok(());
        }
        name_anew(tx);
        tx.head.bucket.renewed = true;
        tx.head.snapshot = None; // every chunk is written anew
        tx.head.bucket.snapshot_wanted |= tx.head.published.snapshot.is_some();
        Ok(())
    })
}

/// Nothing that the bucket held is relied on: the next manifest names a snapshot of everything here, and a log of new segments.
pub(super) fn begin_anew(tx: &mut Tx<'_>) {
    name_anew(tx);
    tx.head.snapshot = None;
    tx.head.bucket.snapshot_wanted = true;
    let published = Arc::make_mut(&mut tx.head.published);
    (published.snapshot, published.etag) = (None, None);
}

/// Whether the bucket was ever seen to hold a manifest of this device.
pub(super) fn was_confirmed(cx: &Shared) -> Result<bool, Error> {
    confirmed(cx).map(|stored| stored.is_some())
}

/// The newest own manifest that the bucket was seen to hold, as signed.
pub(super) fn confirmed(cx: &Shared) -> Result<Option<Vec<u8>>, Error> {
    cx.read(|state| state.local.get(Table::Head, b"manifest")).map_err(super::head::local_error)
}

/// Rolled back once: the newest manifest is PUT again, as signed.
pub(super) async fn put_again(cx: &Shared, identity: &Arc<Identity>) -> Result<(), Error> {
    let Some(signed) = confirmed(cx)? else { return Ok(()) };
    // Under keys that are still to be handed on nobody could read it.
    let (waits, newest) =
        cx.read(|state| (state.head.frozen.is_some() || state.head.bucket.hand_on, state.head.published.hash));
    if waits || damaged(Manifest::verified_before(&signed))?.1 != newest {
        return Ok(()); // a later sequence is frozen, or was given up: the next push brings a newer one
    }
    let path = manifest_path(identity.space, identity.device);
    let sealed = cx.seal(&path, ObjectKind::Manifest, &pad_to_power_of_two(&signed))?;
    match cx.put(&path, sealed, Condition::Always).await? {
        Answer::Stored { etag } => confirm(cx, newest, etag),
        _ => Ok(()),
    }
}

/// Everything this device holds, as a new snapshot under a new sequence, whatever the bucket shows.
pub(super) async fn republish(cx: &Shared, identity: &Arc<Identity>, locked_out: bool) -> Result<(), Error> {
    prepare(cx, identity, Snapshot::Anew, Vec::new()).await?;
    let Some(frozen) = cx.read(|state| state.head.frozen.clone()) else { return Ok(()) };
    cx.flush().await?;
    let path = manifest_path(identity.space, identity.device);
    let sealed = cx.seal(&path, ObjectKind::Manifest, &pad_to_power_of_two(&frozen.signed))?;
    match cx.put(&path, sealed, Condition::Always).await? {
        Answer::Stored { etag } => confirm(cx, frozen.next.hash, etag),
        _ => Err(internal("an unconditional PUT was refused")),
    }?;
    let mut polled = Polled { repair: true, locked_out, ..Default::default() };
    beacon::put(cx, identity, &mut polled).await.map(|_| ())
}
