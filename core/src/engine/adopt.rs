//! Which snapshot a manifest names: the newest one held here. Once every device names the same, the older ones go.

use super::head::{Head, Identity, Known};
use super::shared::Shared;
use super::snapshot::{is_of_revoked, no_longer_named};
use super::{listed, merge};
use crate::Error;
use crate::replica::SnapshotRef;
use std::sync::Arc;

/// Another device's snapshot whose V covers that of the one named so far and is covered here, if it is held here. At equal
/// V the lower id stays, but for a revoked device's.
pub(super) fn held(head: &Head, named: Option<&SnapshotRef>) -> Option<SnapshotRef> {
    let held = &head.snapshot.as_ref()?.named;
    newer(head, named).find(|newer| newer.index.id == held.index.id).cloned()
}

fn newer<'a>(head: &'a Head, named: Option<&'a SnapshotRef>) -> impl Iterator<Item = &'a SnapshotRef> {
    let vector = head.vector();
    head.counting().filter_map(|(_, peer)| peer.snapshot.as_ref()).filter(move |newer| {
        let held = vector.covers_all(&newer.vector, &head.forks) && newer.beyond.iter().all(|dot| head.has(dot));
        let is_newer = |old: &SnapshotRef| {
            let same = (&newer.vector, &newer.beyond) == (&old.vector, &old.beyond);
            let stands_longer = is_of_revoked(head, old) && !is_of_revoked(head, newer);
            newer.covers_all(old, &head.forks) && (!same || newer.index.id < old.index.id || stands_longer)
        };
        held && named.is_none_or(is_newer)
    })
}

/// Opens the index of the newest such snapshot, so that it can be named here, and its chunks named again by the next one.
/// Gives what it supersedes of the one held before. One that cannot be had whole now is tried at the next full check.
pub(super) async fn open_newest(cx: &Shared, identity: &Arc<Identity>) -> Result<Vec<String>, Error> {
    let found = cx.read(|state| {
        let head = &state.head;
        let covered = |named: &SnapshotRef| named.vector.iter().map(|(_, point)| point.n).sum::<u64>();
        newer(head, head.published.snapshot.as_ref())
            .max_by_key(|named| (covered(named), std::cmp::Reverse(named.index.id)))
            .filter(|named| head.snapshot.as_ref().is_none_or(|known| known.named.index.id != named.index.id))
            .cloned()
    });
    let Some(named) = found else { return Ok(Vec::new()) };
    let Some(index) = merge::read_named_index(cx, identity, &named.index).await? else { return Ok(Vec::new()) };
    if index.vector != named.vector || index.beyond() != named.beyond {
        return Ok(Vec::new());
    }
    if !listed::is_whole(cx, identity, &index).await? {
        return Ok(Vec::new()); // whoever holds what it held writes it anew
    }
    cx.step(|tx| {
        let old = tx.head.snapshot.replace(Arc::new(Known { named: named.clone(), index: index.clone() }));
        Ok(old.map(|old| no_longer_named(identity, &old, &index)).unwrap_or_default())
    })
}
