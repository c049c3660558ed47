//! Which manifests to read: from the beacon's hints, from due debts, or from a listing.

use super::head::{Head, Identity};
use super::objects::manifests_prefix;
use super::shared::Shared;
use crate::replica::Sighting;
use crate::s3::{ETag, ListEntry};
use crate::{DeviceId, Error};
use std::collections::{BTreeMap, BTreeSet};

/// Devices never heard of whose manifests are asked for because a beacon names them: more are found by the next listing.
pub(super) const UNKNOWN_MAX: usize = 16;

/// Devices that the beacon shows to have moved, and those whose debts are due. The own id is among them where its entry
/// names what this store has not published.
pub(super) fn from_beacon(
    head: &Head,
    identity: &Identity,
    beacon: &BTreeMap<DeviceId, Sighting>,
    poll: u64,
    unix_ms: u64,
) -> BTreeSet<DeviceId> {
    let unknown = &head.bucket.unknown;
    let mut room = UNKNOWN_MAX.saturating_sub(unknown.len());
    let moved = beacon.iter().filter(|(id, said)| {
        if **id == identity.device {
            let own = (head.published.sequence, head.published.hash.short());
            return (said.sequence, said.hash) != own && said.sequence >= own.0 && head.frozen.is_none();
        }
        if let Some(peer) = head.peers.get(id) {
            // What a debt already waits for has its own turn.
            let is_news = (said.sequence, said.hash) > (peer.sequence, peer.hash.short());
            return is_news && ![peer.wanted, peer.expired].contains(&Some(**said));
        }
        if let Some(debt) = unknown.get(id) {
            return debt.is_due(poll, unix_ms);
        }
        let is_asked = room > 0 || weakened!(UnknownUnbounded);
        room = room.saturating_sub(1);
        is_asked
    });
    let due = head
        .peers
        .iter()
        .filter(|(_, peer)| !planted!(DebtForgotten) && peer.debt.is_some_and(|debt| debt.is_due(poll, unix_ms)));
    moved.map(|(id, _)| *id).chain(due.map(|(id, _)| *id)).collect()
}

/// Every manifest in the bucket, by device.
pub(super) async fn list(cx: &Shared, identity: &Identity) -> Result<BTreeMap<DeviceId, ListEntry>, Error> {
    let prefix = manifests_prefix(identity.space);
    let entries = cx.list_all(&prefix).await?;
    Ok(entries
        .into_iter()
        .filter_map(|entry| Some((DeviceId::from_hex(entry.key.strip_prefix(&prefix)?)?, entry)))
        .collect())
}

/// Devices never heard of that one listing may name: whoever lists more wants requests.
const NEWCOMERS_MAX: usize = 1_000;

/// Devices whose listed ETag is not the one read, or that are known and not listed: one stale listing is no alarm, but
/// worth a look.
pub(super) fn from_list(
    head: &Head,
    identity: &Identity,
    listed: &BTreeMap<DeviceId, ListEntry>,
) -> BTreeSet<DeviceId> {
    let same = |id: &DeviceId, entry: &ListEntry| {
        let read = head.peers.get(id).and_then(|peer| peer.etag.clone()).and_then(ETag::new);
        matches!((&entry.etag, read), (Some(listed), Some(read)) if listed.matches(&read))
    };
    let mut newcomers = 0;
    let moved = listed.iter().filter(|(id, entry)| !same(id, entry)).map(|(id, _)| *id).filter(|id| {
        newcomers += usize::from(!head.peers.contains_key(id));
        head.peers.contains_key(id) || newcomers <= NEWCOMERS_MAX || weakened!(ListingUnbounded)
    });
    let gone = head.peers.iter().filter(|(id, peer)| peer.sequence > 0 && !listed.contains_key(id)).map(|(id, _)| *id);
    moved.chain(gone).filter(|id| *id != identity.device).collect()
}
