//! What goes away: tombstones that nobody needs, superseded objects after their grace, and objects that nothing names.

use super::head::{Identity, Known, Peer, Published};
use super::listed::Listed;
use super::objects::{segment_path, snapshot_path};
use super::shared::Shared;
use super::snapshot::{is_of_revoked, objects};
use super::state::{State, Tx, key_of};
use super::{lines, merge, publish, retired};
use crate::local::{ByteRange, Table};
use crate::replica::{Dot, SegmentRef, Slot, SnapshotRef, Standing};
use crate::s3::{Answer, Call, KEYS_PER_DELETE_MAX, Retry};
use crate::{DeviceId, Error, ObjectId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Tombstones looked at in one step.
const TOMBSTONES_PER_STEP: u32 = 2_000;
/// A sweep this long after the last one.
pub(super) const SWEEP_MS: u64 = 7 * 24 * 3600 * 1000;

/// Drops tombstones that nothing else stands beside and in whose key no context is left: all that they had seen is applied
/// here, so whoever brings any of it again brings what is known. At a full check. Nobody else is asked: a device that never
/// comes back holds nothing up (docs/decisions/0003).
pub(super) async fn tombstones(cx: &Shared) -> Result<(), Error> {
    let mut range = ByteRange::default();
    loop {
        let next = cx.step(|tx| {
            let page = tx.list(Table::Tombstones, &range, TOMBSTONES_PER_STEP)?;
            for (row, _) in &page {
                drop_if_bare(tx, row)?;
            }
            Ok(page.last().map(|(last, _)| last.clone()))
        })?;
        let Some(last) = next else { return Ok(()) };
        range.start = last;
        range.start.push(0);
        cx.yield_now().await;
    }
}

fn drop_if_bare(tx: &mut Tx<'_>, row: &[u8]) -> Result<(), Error> {
    let Some(number) = row.first_chunk::<4>().map(|number| u32::from_be_bytes(*number)) else { return Ok(()) };
    let key = key_of(row)?;
    let slot = tx.slot(number, &key)?;
    let vector = tx.head.vector();
    let bare = |tombstone: &Standing| {
        let mut left = tombstone.context.clone();
        left.shrink(&vector, &tx.head.forks);
        left.is_empty() || planted!(TombstoneDroppedOnCover)
    };
    let covered = |tombstone: &Standing| vector.covers(&tombstone.dot, &tx.head.forks);
    if slot.is_tombstone() && slot.standing.iter().all(|tombstone| bare(tombstone) && covered(tombstone)) {
        tx.set_slot(number, &key, &Slot::default(), &slot);
    }
    Ok(())
}

/// Deletes superseded objects whose grace is over and that no snapshot named by a current manifest names.
pub(super) async fn garbage(cx: &Shared, identity: &Arc<Identity>) -> Result<(), Error> {
    let due: Vec<String> = cx.read(|state| {
        let bucket = &state.head.bucket;
        bucket
            .garbage
            .iter()
            .filter(|(_, after_ms)| state.now.unix_ms >= *after_ms)
            .map(|(path, _)| path.clone())
            .collect()
    });
    if due.is_empty() || cx.read(may_be_lent)? {
        return Ok(());
    }
    let Some(named) = named_objects(cx, identity).await? else { return Ok(()) };
    let (kept, gone): (Vec<String>, Vec<String>) = due.into_iter().partition(|path| named.contains(path));
    forget(cx, &kept)?; // once nothing names them any more, a sweep finds them
    for paths in gone.chunks(KEYS_PER_DELETE_MAX) {
        delete(cx, paths).await?;
        forget(cx, paths)?;
    }
    Ok(())
}

/// Whether a device that others wait for has a manifest that can't be read now: its snapshot may name what another one named. Of
/// one that is gone all that it named is known.
fn may_be_lent(state: &State) -> Result<bool, Error> {
    let retired = retired::all(state)?;
    let unread = |peer: &Peer| peer.wanted.is_some() || peer.behind.is_some_and(|behind| behind.shown_n > 0);
    Ok(retired::awaited(&state.head, &retired).any(|(_, peer)| unread(peer)))
}

fn forget(cx: &Shared, paths: &[String]) -> Result<(), Error> {
    cx.step(|tx| {
        tx.head.bucket.garbage.retain(|(path, _)| !paths.contains(path));
        Ok(())
    })
}

/// Deletes many objects in one request where the server takes that, else one by one. Deleting what is gone is no error.
pub(super) async fn delete(cx: &Shared, paths: &[String]) -> Result<(), Error> {
    // The keys of a DeleteObjects stand in its body, which a signer does not see: it could only allow all or none.
    if paths.len() <= 1 || cx.read(|state| state.config.presigned) {
        for path in paths {
            delete_one(cx, path).await?;
        }
        return Ok(());
    }
    match cx.call(&Call::DeleteObjects { keys: paths.to_vec() }).await {
        Ok(Answer::DeletedMany { failed }) if failed.is_empty() => Ok(()),
        Ok(_) => Ok(()), // what is left is found by the next sweep
        Err(failure) if matches!(failure.retry, Retry::SingleDeletes) => {
            for path in paths {
                delete_one(cx, path).await?;
            }
            Ok(())
        }
        Err(failure) => Err(failure.error),
    }
}

pub(super) async fn delete_one(cx: &Shared, path: &str) -> Result<(), Error> {
    cx.call(&Call::DeleteObject { key: path.to_owned() }).await.map(|_| ()).map_err(|failure| failure.error)
}

/// Whether all is listed that an own manifest names. A bucket that was restored from a backup lacks what was PUT since.
pub(super) async fn is_whole(cx: &Shared, identity: &Identity, manifest: &Published) -> Result<bool, Error> {
    let listed = Listed::of(cx, identity, &["segments", "snapshots"]).await?;
    Ok(lacks_nothing(cx, identity, manifest, &listed))
}

/// Whether what an own manifest names is listed, as far as this device holds the index of its snapshot, and but for segments that
/// others may have deleted, since a snapshot that stands covers them.
fn lacks_nothing(cx: &Shared, identity: &Identity, manifest: &Published, listed: &Listed) -> bool {
    cx.read(|state| {
        let head = &state.head;
        let named = head.counting().filter_map(|(_, peer)| peer.snapshot.as_ref()).chain(&manifest.snapshot);
        let stands = |named: &&SnapshotRef| listed.has_part(identity, &named.index);
        let covered = named.filter(stands).map(|named| named.vector.n(identity.device)).max().unwrap_or(0);
        let mut segments = manifest.segments.iter().filter(|own| own.named.end.n > covered);
        let index = manifest.snapshot.as_ref().map(|named| named.index);
        let known = head.snapshot.as_ref().filter(|known| Some(known.named.index) == index);
        let mut parts = known.into_iter().flat_map(|known| objects(&known.index)).chain(index);
        segments.all(|own| listed.has_segment(identity, identity.device, &own.named.object))
            && parts.all(|object| listed.has_part(identity, &object))
    })
}

/// Everything that a current manifest names, through the indexes of its snapshots; `None` if one cannot be read.
async fn named_objects(cx: &Shared, identity: &Arc<Identity>) -> Result<Option<BTreeSet<String>>, Error> {
    let (head_snapshot, mut named, indexes) = cx.step(|tx| {
        let theirs = others_segments(tx, false)?.into_iter();
        let theirs = theirs.map(|(segment, id)| segment_path(identity.space, id, segment));
        let head = &*tx.head;
        let (space, device) = (identity.space, identity.device);
        let own = head.published.segments.iter().map(|own| segment_path(space, device, own.named.object.id));
        let snapshots = head.peers.values().filter_map(|peer| peer.snapshot.as_ref()).chain(&head.published.snapshot);
        // A snapshot that the own one covers may be gone already, and so may a revoked device's: nobody needs them any more.
        let is_spare = |named: &SnapshotRef| {
            let is_covered = |known: &Arc<Known>| known.named.covers_all(named, &head.forks);
            head.snapshot.as_ref().is_some_and(is_covered) || is_of_revoked(head, named)
        };
        let indexes: BTreeMap<_, _> = snapshots.map(|named| (named.index, is_spare(named))).collect();
        Ok((head.snapshot.clone(), own.chain(theirs).collect::<BTreeSet<_>>(), indexes))
    })?;
    let path = |id: ObjectId| snapshot_path(identity.space, id);
    for (index, is_spare) in indexes {
        named.insert(path(index.id));
        match &head_snapshot {
            Some(known) if known.named.index.id == index.id => {
                named.extend(objects(&known.index).map(|object| path(object.id)));
            }
            _ => match merge::read_named_index(cx, identity, &index).await? {
                Some(other) => named.extend(objects(&other).map(|object| path(object.id))),
                None if is_spare => {}
                None => return Ok(None),
            },
        }
    }
    Ok(Some(named))
}

/// Whether this device holds a snapshot, named by its own manifest, that covers a segment: by its tag, too, which may be of a line
/// that nobody here has read yet.
fn is_covered(tx: &Tx<'_>, device: DeviceId, segment: &SegmentRef) -> Result<bool, Error> {
    let end = Dot { device, n: segment.end.n, tag: segment.end.tag };
    let head = &*tx.head;
    let covers = head.published.snapshot.as_ref().is_some_and(|named| {
        head.snapshot.as_ref().is_some_and(|known| known.named.index.id == named.index.id)
            && named.vector.covers(&end, &head.forks)
    });
    Ok(covers && !lines::parts_from_here(tx, device, segment.end)?)
}

/// Others' segments, by whether such a snapshot covers them.
fn others_segments(tx: &Tx<'_>, are_covered: bool) -> Result<BTreeMap<ObjectId, DeviceId>, Error> {
    let mut found = BTreeMap::new();
    for (id, peer) in &tx.head.peers {
        for segment in peer.logs().flat_map(|log| &log.segments) {
            if is_covered(tx, *id, segment)? == are_covered {
                found.insert(segment.object.id, *id);
            }
        }
    }
    Ok(found)
}

/// Others' segments wholly below the snapshot that the own manifest names: a dead device's log is compacted by whoever
/// wrote the snapshot.
pub(super) fn covered_segments(tx: &mut Tx<'_>, identity: &Identity, grace_ms: u64) -> Result<(), Error> {
    let after_ms = tx.now.unix_ms + grace_ms;
    let covered = others_segments(tx, true)?;
    // A dead device names its segments for ever: each is deleted once.
    let new = covered.iter().filter(|(id, _)| !tx.head.bucket.collected.contains(id));
    let garbage: Vec<_> = new.map(|(id, device)| (segment_path(identity.space, *device, *id), after_ms)).collect();
    if !garbage.is_empty() {
        tx.head.bucket.collected = covered.into_keys().collect();
        tx.head.bucket.garbage.extend(garbage);
    }
    Ok(())
}

/// Weekly: what no manifest names, and what an earlier sweep at least a week before also found unnamed, goes.
pub(super) async fn sweep(cx: &Shared, identity: &Arc<Identity>) -> Result<(), Error> {
    let unread = cx.read(|state| state.head.counting().any(|(_, peer)| peer.wanted.is_some() || peer.behind.is_some()));
    if unread {
        return Ok(());
    }
    let published = cx.read(|state| state.head.published.clone());
    let listed = Listed::of(cx, identity, &["segments", "snapshots"]).await?;
    if !lacks_nothing(cx, identity, &published, &listed) {
        publish::renew(cx, published.hash)?;
    }
    let Some(named) = named_objects(cx, identity).await? else { return Ok(()) };
    let unnamed: BTreeSet<String> = listed.into_paths().filter(|path| !named.contains(path)).collect();
    let doomed = cx.step(|tx| {
        let unix_ms = tx.now.unix_ms;
        let mut doomed = Vec::new();
        for (row, since) in tx.list(Table::Unnamed, &ByteRange::default(), u32::MAX)? {
            let path = String::from_utf8_lossy(&row).into_owned();
            let since = since.first_chunk::<8>().map_or(unix_ms, |ms| u64::from_be_bytes(*ms));
            // By a clock that went back nobody can tell how long it was: it counts from now on.
            if !unnamed.contains(&path) || since > unix_ms {
                tx.set(Table::Unnamed, row, None);
            } else if unix_ms >= since.saturating_add(SWEEP_MS) {
                doomed.push(path);
            }
        }
        for path in &unnamed {
            let row = path.as_bytes().to_vec();
            if tx.get(Table::Unnamed, &row)?.is_none() {
                tx.set(Table::Unnamed, row, Some(unix_ms.to_be_bytes().to_vec()));
            }
        }
        tx.head.bucket.swept_ms = unix_ms;
        Ok(doomed)
    })?;
    for paths in doomed.chunks(KEYS_PER_DELETE_MAX) {
        delete(cx, paths).await?;
    }
    Ok(())
}
