//! Looks at every object that is named: what is missing or damaged, and which device can write it again. Writes nothing to the
//! store.

use super::api::{Phase, SyncReport};
use super::head::{Head, Identity, damaged};
use super::listed::Listed;
use super::manifests::{Read, read_manifests};
use super::objects::{Found, HEADER, Opened, beacon_path, manifest_path, segment_path, snapshot_path};
use super::shared::Shared;
use super::{header, look, member, merge, publish, pull, retired, slots, snapshot};
use crate::crypto::ObjectKind;
use crate::replica::{Dot, MANIFEST_SEALED_BYTES_MAX, Manifest, ObjectRef, SegmentRef, SnapshotRef};
use crate::{DeviceId, Error, ErrorKind, ObjectId};
use futures::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A named object that is missing or damaged.
pub(super) struct Damage {
    path: String,
    pub(super) role: Role,
    state: State,
    /// Who can write it again.
    writer: Writer,
}

/// What an object is for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    Header,
    /// A slot, or the earlier keys.
    Slot,
    Beacon,
    Manifest(DeviceId),
    Segment(DeviceId),
    /// A part of a snapshot that a device names.
    Snapshot(DeviceId),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Missing,
    /// It has another length, or does not open.
    Damaged,
    /// It is as long as it should be: only reading it tells.
    Altered,
    Older,
}

#[derive(Clone, Copy, PartialEq)]
enum Writer {
    This,
    Other(DeviceId),
}

impl Damage {
    /// Whether this device can write it again.
    pub(super) fn is_for_this_device(&self) -> bool {
        self.writer == Writer::This
    }

    /// Whether another look found the same object.
    pub(super) fn is_in(&self, damaged: &[Self]) -> bool {
        damaged.iter().any(|other| other.path == self.path)
    }

    /// What is wrong, and who can write it again.
    pub(super) fn error(&self, cx: &Shared) -> Error {
        let (kind, state) = match self.state {
            State::Missing => (ErrorKind::NotFound, "is missing"),
            State::Damaged => (ErrorKind::Corrupt, "is damaged"),
            State::Altered => (ErrorKind::HashMismatch, "is not what was written"),
            State::Older => (ErrorKind::RolledBack, "is older than one that was read before"),
        };
        let command = if self.state == State::Altered { "tidelock republish" } else { "tidelock sync --force" };
        let step = match self.writer {
            Writer::This => format!("run `{command}` on this device: it can write it again"),
            Writer::Other(device) => format!("run `{command}` on {}", name_of(cx, device)),
        };
        Error::new(kind, format!("{} {state}", self.what(cx))).on(&*self.path).next_step(step)
    }

    /// What was wrong, and is put right now.
    pub(super) fn was_put_right(&self, cx: &Shared) -> Error {
        let state = if self.state == State::Missing { "was missing" } else { "was damaged" };
        let kind = if self.state == State::Missing { ErrorKind::NotFound } else { ErrorKind::Corrupt };
        Error::new(kind, format!("{} {state}", self.what(cx)))
            .on(&*self.path)
            .next_step("none: this device wrote again what it held")
    }

    fn what(&self, cx: &Shared) -> String {
        match self.role {
            Role::Header => "the vault's header".to_owned(),
            Role::Slot => "a slot of the vault's keys".to_owned(),
            Role::Beacon => "the beacon".to_owned(),
            Role::Manifest(device) => format!("the manifest of {}", name_of(cx, device)),
            Role::Segment(device) => format!("a segment of {}", name_of(cx, device)),
            Role::Snapshot(device) => format!("a part of the snapshot that {} names", name_of(cx, device)),
        }
    }
}

fn name_of(cx: &Shared, device: DeviceId) -> String {
    match cx.read(|state| member::names(state, device)) {
        Ok(Some(name)) => format!("device {name} ({device})"),
        _ => format!("device {device}"),
    }
}

/// Looks at every object that is needed and named. `read_data`: segments and snapshots are read whole; else their listed lengths
/// are enough, and only what the listing lacks is read.
///
/// # Errors
/// `already-exists` for another vault's header, `closed` where others have newer keys than this device.
pub(super) async fn look(cx: &Shared, identity: &Arc<Identity>, read_data: bool) -> Result<Vec<Damage>, Error> {
    cx.progress(Phase::Looking, 0, 1);
    let mut damaged = Vec::new();
    if !header::stands(cx, identity).await? {
        damaged.push(any(HEADER.to_owned(), Role::Header, State::Damaged));
    }
    for (path, is_missing) in slots::look_at_each(cx, identity).await? {
        damaged.push(any(path, Role::Slot, if is_missing { State::Missing } else { State::Damaged }));
    }
    damaged.extend(look_at_beacon(cx, identity).await?);
    let read = look_at_manifests(cx, identity, &mut damaged).await?;
    look_at_data(cx, identity, &read, read_data, &mut damaged).await?;
    Ok(damaged)
}

/// Any device can write it again.
fn any(path: String, role: Role, state: State) -> Damage {
    Damage { path, role, state, writer: Writer::This }
}

async fn look_at_beacon(cx: &Shared, identity: &Identity) -> Result<Option<Damage>, Error> {
    let path = beacon_path(identity.space);
    let state = match cx.get(&path, None, MANIFEST_SEALED_BYTES_MAX).await {
        Ok(Found::Bytes { bytes, .. }) if pull::open_beacon(cx, identity, &path, &bytes).is_ok() => return Ok(None),
        Ok(Found::Bytes { .. }) => State::Damaged,
        Ok(Found::Unchanged | Found::Nothing) => State::Missing,
        Err(failure) if failure.error.kind() == ErrorKind::Corrupt => State::Damaged,
        Err(failure) => return Err(failure.error),
    };
    Ok(Some(any(path, Role::Beacon, state)))
}

/// Reads the manifests that stand. Those of devices that others wait for must, as new as they were ever read here.
async fn look_at_manifests(
    cx: &Shared,
    identity: &Arc<Identity>,
    damaged_ones: &mut Vec<Damage>,
) -> Result<Read, Error> {
    let listed = look::list(cx, identity).await?;
    let retired = cx.read(retired::all)?;
    let mut expected: BTreeMap<DeviceId, u64> =
        cx.read(|state| retired::awaited(&state.head, &retired).map(|(id, peer)| (*id, peer.sequence)).collect());
    if let Some(confirmed) = publish::confirmed(cx)? {
        expected.insert(identity.device, damaged(Manifest::verified_before(&confirmed))?.0.sequence);
    }
    let counts = |id: &DeviceId| cx.read(|state| !state.head.is_revoked(*id) && !state.head.left.contains(id));
    expected.retain(|id, _| counts(id));
    let devices: BTreeSet<DeviceId> = listed.keys().chain(expected.keys()).copied().filter(counts).collect();
    cx.lock().unknown_epoch = None;
    let mut bad = SyncReport::default();
    let mut read = read_manifests(cx, identity, &devices, &mut bad).await?;
    if cx.read(|state| state.unknown_epoch.is_some()) {
        return Err(Error::new(ErrorKind::Closed, "others have newer keys than this device").next_step("sync first"));
    }
    for (id, sequence) in &expected {
        let path = manifest_path(identity.space, *id);
        let state = match read.get(id) {
            Some(verified) if verified.manifest.sequence >= *sequence => continue,
            Some(_) => State::Older,
            None if bad.reports.iter().any(|error| error.object() == Some(&path)) => State::Damaged,
            None => State::Missing,
        };
        let writer = if *id == identity.device { Writer::This } else { Writer::Other(*id) };
        damaged_ones.push(Damage { path, role: Role::Manifest(*id), state, writer });
    }
    let is_known = |id: &DeviceId| cx.read(|state| state.head.peers.contains_key(id)) || *id == identity.device;
    read.retain(|id, verified| verified.current_keys || is_known(id));
    Ok(read)
}

/// A segment or a part of a snapshot that some manifest names.
struct Named {
    path: String,
    kind: ObjectKind,
    object: ObjectRef,
    role: Role,
    writer: Writer,
}

/// Snapshots that are whole cover others' parts and segments: nobody needs those.
async fn look_at_data(
    cx: &Shared,
    identity: &Arc<Identity>,
    read: &Read,
    read_data: bool,
    damaged: &mut Vec<Damage>,
) -> Result<(), Error> {
    let listed = Listed::of(cx, identity, &["segments", "snapshots"]).await?;
    let mut snapshots: BTreeMap<ObjectId, (DeviceId, &SnapshotRef)> = BTreeMap::new();
    for (device, verified) in read {
        if let Some(named) = &verified.manifest.snapshot {
            let first = snapshots.entry(named.index.id).or_insert((*device, named));
            if *device == identity.device {
                first.0 = *device;
            }
        }
    }
    let (mut whole, mut broken) = (Vec::new(), Vec::new());
    for (device, named) in snapshots.values() {
        let writer = cx.read(|state| writer_of_snapshot(&state.head, identity, *device, named));
        let part = |kind: ObjectKind, object: ObjectRef| Named {
            path: snapshot_path(identity.space, object.id),
            kind,
            object,
            role: Role::Snapshot(*device),
            writer,
        };
        let mut parts = vec![part(ObjectKind::SnapshotIndex, named.index)];
        if let Some(index) = merge::read_named_index(cx, identity, &named.index).await? {
            parts.extend(snapshot::objects(&index).map(|object| part(ObjectKind::SnapshotChunk, object)));
        }
        let lost = look_at_each(cx, &listed, parts, read_data).await?;
        if lost.is_empty() { whole.push(*named) } else { broken.push((*named, lost)) }
    }
    let forks = cx.read(|state| state.head.forks.clone());
    for (named, lost) in broken {
        if !whole.iter().any(|whole| whole.covers_all(named, &forks)) {
            damaged.extend(lost);
        }
    }
    let mut segments = Vec::new();
    for (device, verified) in read {
        for segment in &verified.manifest.line.segments {
            let end = Dot { device: *device, n: segment.end.n, tag: segment.end.tag };
            if whole.iter().any(|named| named.vector.covers(&end, &forks)) {
                continue;
            }
            segments.push(Named {
                path: segment_path(identity.space, *device, segment.object.id),
                kind: ObjectKind::Segment,
                object: segment.object,
                role: Role::Segment(*device),
                writer: cx.read(|state| writer_of_segment(&state.head, identity, *device, segment)),
            });
        }
    }
    damaged.extend(look_at_each(cx, &listed, segments, read_data).await?);
    Ok(())
}

/// Who has all that a snapshot holds can write another one.
fn writer_of_snapshot(head: &Head, identity: &Identity, device: DeviceId, named: &SnapshotRef) -> Writer {
    let is_here = head.vector().covers_all(&named.vector, &head.forks) && named.beyond.iter().all(|dot| head.has(dot));
    if is_here || device == identity.device { Writer::This } else { Writer::Other(device) }
}

/// Who has the ops of a segment can write them into a snapshot; its author writes it anew.
fn writer_of_segment(head: &Head, identity: &Identity, device: DeviceId, segment: &SegmentRef) -> Writer {
    let is_here = device == identity.device || head.has_segment(device, segment);
    if is_here { Writer::This } else { Writer::Other(device) }
}

/// Which of these do not stand as they are named.
async fn look_at_each(cx: &Shared, listed: &Listed, named: Vec<Named>, read_data: bool) -> Result<Vec<Damage>, Error> {
    let width = cx.read(|state| state.config.concurrency.max(1)) as usize;
    let total = named.len() as u64;
    let mut looks = stream::iter(named)
        .map(|named| async move {
            let has_its_length = listed.has(&named.path, &named.object);
            if has_its_length && !read_data {
                return (named, has_its_length, Ok(None));
            }
            // The listing may be older than the object.
            let opened = cx.get_named(&named.path, named.kind, &named.object).await;
            (named, has_its_length, opened.map(Some))
        })
        .buffered(width);
    let (mut damaged, mut done) = (Vec::new(), 0);
    while let Some((Named { path, role, writer, .. }, has_its_length, opened)) = looks.next().await {
        done += 1;
        cx.progress(Phase::Looking, done, total);
        let state = match cx.spare(opened.map(Ok)).await? {
            Ok(None | Some(Opened::Plain { .. })) => continue,
            Ok(Some(Opened::Missing)) => State::Missing,
            Ok(Some(Opened::Bad(_))) if has_its_length => State::Altered,
            Ok(Some(Opened::Bad(_))) | Err(_) => State::Damaged,
        };
        damaged.push(Damage { path, role, state, writer });
    }
    Ok(damaged)
}
