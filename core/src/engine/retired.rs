//! Retired devices: a word that somebody says of a device, and that it takes back by coming again. Others do not wait for
//! it; what it publishes counts whenever it comes.

use super::head::{Head, Peer, damaged, local_error};
use super::shared::Shared;
use super::state::{State, Tx, key_of, record_key};
use super::write::put_or_delete;
use crate::local::{ByteRange, Table};
use crate::replica::{Action, Collection, Slot, decode, encode};
use crate::{DeviceId, Error};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where root records of retired devices lie.
const RETIRED_RECORD: &str = "retired/";
/// A device that published nothing for so long, by the own clock and the server's both, is retired by whoever notices.
const UNSEEN_MS: u64 = 180 * 24 * 3_600_000;
/// More records than any person has devices.
const RECORDS_MAX: u32 = 10_000;

/// Why a device is retired: the number in its record.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// A person said so.
    Person = 1,
    /// It was not seen for long.
    NotSeen = 2,
}

/// A root record.
#[derive(borsh::BorshSerialize, borsh::BorshDeserialize)]
pub(super) struct Retired {
    by: u8,
    at_ms: u64,
}

/// Every device that is retired.
pub(super) fn all(state: &State) -> Result<BTreeSet<DeviceId>, Error> {
    let Some(number) = state.head.collections.get(&Collection::root()) else { return Ok(BTreeSet::new()) };
    let range = ByteRange::prefix(&record_key(*number, RETIRED_RECORD));
    let mut retired = BTreeSet::new();
    for (row, slot) in state.local.list(Table::Records, &range, RECORDS_MAX).map_err(local_error)? {
        let slot: Slot = damaged(decode(&slot, "a record"))?;
        let stands = slot.winner().is_some_and(|winner| winner.action.value().is_some());
        let key = key_of(&row)?;
        let device = key.strip_prefix(RETIRED_RECORD).and_then(DeviceId::from_hex).filter(|_| stands);
        retired.extend(device);
    }
    Ok(retired)
}

/// The devices that others wait for: those with a manifest that are neither revoked nor retired.
pub(super) fn awaited<'a>(
    head: &'a Head,
    retired: &'a BTreeSet<DeviceId>,
) -> impl Iterator<Item = (&'a DeviceId, &'a Arc<Peer>)> {
    head.counting().filter(|(id, peer)| peer.sequence > 0 && !retired.contains(id))
}

/// Says that a device is retired, unless that stands already.
pub(super) fn retire(tx: &mut Tx<'_>, device: DeviceId, by: By) -> Result<(), Error> {
    if is_retired(tx, device)? {
        return Ok(());
    }
    let record = Retired { by: by as u8, at_ms: tx.now.unix_ms };
    put_or_delete(tx, &Collection::root(), &place(device), Action::Put(encode(&record)))
}

/// A device was there again: whoever sees it takes the word back.
pub(super) fn is_back(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), Error> {
    if is_retired(tx, device)? {
        put_or_delete(tx, &Collection::root(), &place(device), Action::Delete)?;
    }
    Ok(())
}

/// At a full check: devices that were not seen for long are retired. One whose last sign came when the server told no time is
/// counted from now on.
pub(super) fn lapse(cx: &Shared) -> Result<(), Error> {
    cx.step(|tx| {
        let Some(server_ms) = tx.server_ms else { return Ok(()) };
        let ids: Vec<DeviceId> = awaited(tx.head, &BTreeSet::new()).map(|(id, _)| *id).collect();
        for id in ids {
            let peer = &tx.head.peers[&id];
            let (Some(seen_ms), Some(seen_server_ms)) = (peer.seen_ms, peer.seen_server_ms) else {
                tx.head.peer_mut(id).seen_server_ms = Some(server_ms);
                continue;
            };
            let unseen = |now_ms: u64, seen_ms: u64| now_ms >= seen_ms.saturating_add(UNSEEN_MS);
            if unseen(tx.now.unix_ms, seen_ms) && unseen(server_ms, seen_server_ms) {
                retire(tx, id, By::NotSeen)?;
            }
        }
        Ok(())
    })
}

fn is_retired(tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, Error> {
    let number = tx.collection(&Collection::root());
    Ok(tx.slot(number, &place(device))?.winner().is_some())
}

fn place(device: DeviceId) -> String {
    format!("{RETIRED_RECORD}{device}")
}
