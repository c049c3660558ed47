//! Revoked devices: who says so, which of their ops count, and what is held apart until a person takes it.

use super::api::SyncReport;
use super::head::{Head, Identity, Peer, Revocation, Stopped};
use super::look;
use super::manifests::{self, Read, verify_manifest};
use super::objects::{Found, manifest_path, open};
use super::shared::Shared;
use super::state::{State, Tx};
use crate::crypto::{ObjectKind, SlotName};
use crate::local::{ByteRange, Table};
use crate::replica::{Kind, Logged, MANIFEST_SEALED_BYTES_MAX, Point, REVOKED_MAX, Revoked, Run, Vector, decode};
use crate::{DeviceId, Error, ErrorKind};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Own ops read at once.
const OPS_PER_PAGE: u32 = 5_000;

/// Takes the revocations that manifests state, all at once: two that revoke each other are both revoked. A manifest counts
/// for them if its author is listed and was not known to be revoked before.
pub(super) fn learn(tx: &mut Tx<'_>, read: &Read) -> Result<(), Error> {
    let own = tx.head.identity()?.device;
    let mut told: BTreeMap<DeviceId, Revocation> = BTreeMap::new();
    for (author, verified) in read {
        if tx.head.is_revoked(*author) || !manifests::is_listed(tx, *author, verified)? {
            continue;
        }
        let stated = if weakened!(RevocationUnheard) { &[] } else { verified.manifest.revoked.as_slice() };
        for Revoked { device, mark, at_ms } in stated {
            let new = Revocation { mark: *mark, at_ms: *at_ms };
            told.entry(*device).and_modify(|known| *known = joined(known, &new)).or_insert(new);
        }
    }
    for (device, new) in told {
        if device == own {
            tx.head.bucket.stopped = Some(Stopped::Revoked);
        } else {
            insert(tx.head, device, new);
        }
    }
    Ok(())
}

/// What is known of a revocation, together with what is told of it.
pub(super) fn insert(head: &mut Head, device: DeviceId, new: Revocation) {
    let known = head.revoked.get(&device);
    if known.is_none() && head.revoked.len() >= REVOKED_MAX {
        return; // no person has so many devices: whoever states so many fills a bucket
    }
    let is_new = known.is_none();
    let both = known.map_or(new.clone(), |known| joined(known, &new));
    head.revoked.insert(device, both);
    head.bucket.must_look |= is_new;
    let has_current = |identity: &Identity| head.bucket.handed_on == Some(identity.keys.current());
    if is_new && head.identity.as_deref().is_some_and(has_current) {
        // This device put the current keys into every slot it knew, and so perhaps into that one's.
        head.bucket.must_turn_at_once();
    }
}

/// The greater mark by number and tag, the earlier time: all come to know the same, in whatever order.
fn joined(one: &Revocation, other: &Revocation) -> Revocation {
    Revocation { mark: one.mark.max(other.mark), at_ms: one.at_ms.min(other.at_ms) }
}

/// What the own manifest says of revoked devices: all that is known.
pub(super) fn stated(head: &Head) -> Vec<Revoked> {
    let entries = head.revoked.iter();
    entries.map(|(device, known)| Revoked { device: *device, mark: known.mark, at_ms: known.at_ms }).collect()
}

/// Where a revoked device's ops are known to count: its mark, what counting devices state or their snapshots hold, and what
/// an op that is applied goes on from.
fn vouched(head: &Head, device: DeviceId) -> Vec<Point> {
    let mut points: Vec<Point> = head.revoked.get(&device).and_then(|known| known.mark).into_iter().collect();
    for (_, peer) in head.counting() {
        points.extend(peer.stated.points(device));
        if let Some(named) = &peer.snapshot {
            points.extend(named.vector.points(device));
            let beyond = named.beyond.iter().filter(|dot| dot.device == device);
            points.extend(beyond.map(|dot| Point { n: dot.n, tag: dot.tag }));
        }
    }
    if let Some(peer) = head.peers.get(&device) {
        points.extend(peer.islands.iter().map(|island| Point { n: island.from - 1, tag: island.before }));
    }
    points
}

/// Up to where a revoked device's ops count, by number.
fn counts_to(head: &Head, device: DeviceId) -> u64 {
    let applied = head.peers.get(&device).map_or(0, |peer| peer.n);
    vouched(head, device).iter().map(|point| point.n).max().unwrap_or(0).max(applied)
}

/// Up to where ops of a device are to be had: all that it publishes, or of a revoked one all that counts.
pub(super) fn wanted(head: &Head, device: DeviceId) -> u64 {
    if head.is_revoked(device) { counts_to(head, device) } else { u64::MAX }
}

/// Whether something that a device publishes, and that counts, is not applied here.
pub(super) fn is_behind(head: &Head, device: DeviceId, peer: &Peer) -> bool {
    match head.is_revoked(device) {
        true => peer.n < counts_to(head, device),
        false => peer.logs().any(|log| !head.has_log(device, log)),
    }
}

/// The part of a run that counts. Of a revoked device it ends at the last op that somebody vouches for by its tag: another
/// history below the mark, however old its manifest looks, has none.
pub(super) fn counted<'a>(head: &Head, device: DeviceId, run: &'a Run) -> Cow<'a, Run> {
    if !head.is_revoked(device) {
        return Cow::Borrowed(run);
    }
    let points = vouched(head, device);
    let mut tag = run.before;
    let mut counted = 0;
    for (at, logged) in run.ops.iter().enumerate() {
        tag = logged.tag(tag);
        let n = run.from + at as u64;
        if points.iter().any(|point| (point.n, point.tag) == (n, tag)) {
            counted = at + 1;
        }
    }
    Cow::Owned(Run { ops: run.ops[..counted].to_vec(), ..run.clone() })
}

/// Whether a snapshot may be taken: a revoked device's, only if it holds nothing of revoked ones that does not count.
pub(super) fn may_take(head: &Head, author: DeviceId, vector: &Vector) -> bool {
    !head.is_revoked(author) || head.revoked.keys().all(|device| vector.n(*device) <= counts_to(head, *device))
}

/// The ops, first and last, that a revoked device's manifest publishes and that do not count.
pub(super) fn quarantined(head: &Head, device: DeviceId) -> Option<(u64, u64)> {
    let end = head.peers.get(&device).filter(|_| head.is_revoked(device))?.log.end.n;
    let from = counts_to(head, device) + 1;
    (from <= end).then_some((from, end))
}

/// Says once a sync what is held apart.
pub(super) fn report(cx: &Shared, report: &mut SyncReport) {
    let held = cx.read(|state| {
        let peers = state.head.peers.iter();
        peers.filter_map(|(id, peer)| Some((*id, peer.quarantined?))).collect::<Vec<_>>()
    });
    report.reports.extend(held.into_iter().map(|(id, (from, to))| {
        let what = format!("a revoked device wrote on: its changes {from} to {to} are held apart");
        Error::new(ErrorKind::Closed, what)
            .on(id.to_string())
            .next_step("`devices adopt` takes them; if that device was lost or stolen, withdraw its bucket credentials")
    }));
}

/// What this device is told in each operation, if it was revoked: a manifest says so, or its slot is gone while the vault has
/// newer keys.
pub(super) fn told(state: &State) -> Option<Error> {
    if state.head.bucket.stopped == Some(Stopped::Revoked) {
        return Some(Stopped::Revoked.error(state));
    }
    state.head.shut_out_ms?;
    let own = state.head.identity.as_ref().map(|identity| SlotName::Device(identity.device).path());
    let why =
        "this device was revoked, or its key slot was lost: the vault has new keys, and none of them for this device";
    Some(error(state, why).on(own.unwrap_or_default()))
}

/// Why, what was not taken, and how to save it.
pub(super) fn error(state: &State, why: &str) -> Error {
    let untaken = match untaken(state) {
        0 => "everything that was written here was taken by other devices".to_owned(),
        1 => "1 change that was made here is not known to be on any other device".to_owned(),
        many => format!("{many} changes that were made here are not known to be on any other device"),
    };
    Error::new(ErrorKind::Revoked, format!("{why}; what is here can still be read; {untaken}"))
        .next_step("`export FILE` saves everything that is here; then `reset`, and `join` with the recovery code")
}

/// The callers' own ops that no other device is known to have: those above what the others' manifests state.
pub(super) fn untaken(state: &State) -> u64 {
    let head = &state.head;
    let Some(own) = head.identity.as_ref().map(|identity| identity.device) else { return 0 };
    let stated = head.counting().flat_map(|(_, peer)| {
        let snapshot = peer.snapshot.as_ref().map(|named| named.vector.n(own));
        snapshot.into_iter().chain([peer.stated.n(own)])
    });
    let taken = stated.max().unwrap_or(0);
    let mut range = ByteRange { start: (taken + 1).to_be_bytes().to_vec(), end: None };
    let mut no_edits = 0;
    // A row that can't be read counts as an edit.
    while let Ok(rows) = state.local.list(Table::Ops, &range, OPS_PER_PAGE) {
        let Some((last, _)) = rows.last() else { break };
        range.start = [last, &[0][..]].concat();
        let is_edit = |logged: &Logged| matches!(logged, Logged::Op(op) if op.collection.kind != Kind::Root);
        no_edits += rows.iter().filter(|(_, op)| decode(op, "an own op").is_ok_and(|op| !is_edit(&op))).count() as u64;
    }
    head.clock.n.saturating_sub(taken).saturating_sub(no_edits)
}

/// Before keys from another way in are kept: whether a manifest that counts, read with them, says that this device is
/// revoked. All of them are read: a device that has no keys cannot tell which have moved.
pub(super) async fn is_revoked_by(cx: &Shared, identity: &Identity) -> Result<bool, Error> {
    for device in look::list(cx, identity).await?.into_keys().filter(|device| *device != identity.device) {
        let path = manifest_path(identity.space, device);
        let found = cx.get(&path, None, MANIFEST_SEALED_BYTES_MAX).await.map_err(|failure| failure.error)?;
        let Found::Bytes { bytes, .. } = found else { continue };
        let Ok((plaintext, epoch)) = open(identity, &path, ObjectKind::Manifest, &bytes, MANIFEST_SEALED_BYTES_MAX)
        else {
            continue;
        };
        let Ok((manifest, ..)) = verify_manifest(identity, device, &plaintext, None) else { continue };
        let counts = cx.read(|state| {
            let known = state.head.peers.get(&device).is_some_and(|peer| peer.sequence > 0);
            !state.head.is_revoked(device) && (known || epoch == identity.keys.current())
        });
        if counts && manifest.revoked.iter().any(|gone| gone.device == identity.device) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tag;

    /// docs/format/replica.md, "Revoked devices": the greater by (n, tag), the earlier time, told in whatever order.
    #[test]
    fn marks_join_alike_in_any_order() {
        let told = |mark: Option<(u64, u8)>, at_ms| Revocation {
            mark: mark.map(|(n, tag)| Point { n, tag: Tag([tag; 8]) }),
            at_ms,
        };
        for (one, other, both) in [
            (told(Some((3, 1)), 9), told(Some((3, 2)), 8), told(Some((3, 2)), 8)),
            (told(Some((4, 1)), 7), told(Some((3, 2)), 8), told(Some((4, 1)), 7)),
            (told(None, 7), told(Some((1, 0)), 8), told(Some((1, 0)), 7)),
        ] {
            assert_eq!(joined(&one, &other), both);
            assert_eq!(joined(&other, &one), both);
        }
    }
}
