//! What callers read: records, pages, conflicts, status. No request is made for any of it.

use super::api::{Conflict, DeviceState, DeviceStatus, Entry, KeyRange, Position, Record, Status, Version};
use super::head::{damaged, local_error};
use super::member;
use super::pull;
use super::state::{State, key_of, listed_at, record_key};
use super::{retired, revoked, slots};
use crate::Error;
use crate::local::{ByteRange, Table};
use crate::replica::{Collection, IMPORTED, Kind, Slot, Standing, decode, is_entry_key, key_at, ms_of};
use bytes::Bytes;

/// The most conflicts that `status` counts.
const CONFLICTS_COUNTED_MAX: u32 = 1_000;

/// The record at a slot, if a put stands there.
pub(super) fn record(collection: &Collection, slot: &Slot) -> Option<Record> {
    let winner = winner(collection, slot)?;
    Some(Record {
        value: Bytes::copy_from_slice(winner.action.value().unwrap_or_default()),
        stamp: winner.stamp,
        device: winner.dot.device,
        siblings: u32::try_from(slot.siblings()).unwrap_or(u32::MAX),
        attached: winner.action.attached().to_vec(),
    })
}

/// In a map, and of a document's field, the greatest (stamp, dot) counts, in a log the lowest.
pub(super) fn winner<'a>(collection: &Collection, slot: &'a Slot) -> Option<&'a Standing> {
    match collection.kind {
        Kind::Log => slot.puts().min_by_key(|write| (write.stamp, write.dot)),
        Kind::Map | Kind::Root | Kind::Places | Kind::Documents => slot.winner(),
    }
}

pub(super) fn list(state: &State, collection: &Collection, range: &KeyRange, limit: u32) -> Result<Vec<Entry>, Error> {
    let Some(number) = state.head.collections.get(collection) else { return Ok(Vec::new()) };
    if collection.kind == Kind::Log {
        return list_log(state, collection, *number, range, limit);
    }
    let mut rows = ByteRange {
        start: record_key(*number, &range.start),
        end: match &range.end {
            Some(end) => Some(record_key(*number, end)),
            None => ByteRange::prefix(&number.to_be_bytes()).end,
        },
    };
    let mut entries = Vec::new();
    loop {
        let page = state.local.list(Table::Records, &rows, limit).map_err(local_error)?;
        let Some((last, _)) = page.last() else { return Ok(entries) };
        rows.start.clone_from(last);
        rows.start.push(0);
        for (row, value) in &page {
            let slot: Slot = damaged(decode(value, "a record"))?;
            if let Some(record) = record(collection, &slot) {
                entries.push(Entry { key: key_of(row)?, record });
            }
        }
        // A page of nothing but tombstones is not the end.
        if !entries.is_empty() {
            return Ok(entries);
        }
    }
}

/// A log's entries are in the order of their places: those of imported entries are in a table of their own.
fn list_log(
    state: &State,
    collection: &Collection,
    number: u32,
    range: &KeyRange,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let mut start = bound(state, collection, &range.start)?;
    let end = range.end.as_deref().map(|end| bound(state, collection, end)).transpose()?;
    let rows = |table, from: &str, to: Option<&str>| {
        let end = to.map(|to| record_key(number, to)).or_else(|| ByteRange::prefix(&number.to_be_bytes()).end);
        state.local.list(table, &ByteRange { start: record_key(number, from), end }, limit).map_err(local_error)
    };
    let (imported, after) = (IMPORTED.to_string(), char::from(IMPORTED as u8 + 1).to_string());
    loop {
        let before = end.as_ref().map_or(&imported, |end| end.min(&imported));
        let mut listed = Vec::new();
        for (row, value) in rows(Table::Records, &start, Some(before))? {
            listed.push((key_of(&row)?, Some(value)));
        }
        for (row, value) in rows(Table::Records, (&start).max(&after), end.as_deref())? {
            listed.push((key_of(&row)?, Some(value)));
        }
        for (row, _) in rows(Table::Places, &start, end.as_deref())? {
            listed.push((key_of(&row)?, None));
        }
        listed.sort_unstable();
        listed.truncate(limit as usize);
        let Some((last, _)) = listed.last() else { return Ok(Vec::new()) };
        start = format!("{last}\0");
        let mut entries = Vec::with_capacity(listed.len());
        for (place, value) in listed {
            let (key, slot) = match value {
                Some(value) => (place, damaged(decode(&value, "a record"))?),
                None => {
                    let key = key_at(&place);
                    let slot = state.slot(collection, &key)?;
                    (key, slot)
                }
            };
            if let Some(record) = record(collection, &slot) {
                entries.push(Entry { key, record });
            }
        }
        if !entries.is_empty() {
            return Ok(entries);
        }
    }
}

/// A bound of a log's range: an imported entry's key, also with NULs behind it, stands for its place; if the entry was deleted,
/// for the beginning of its ms, so that no entry is left out.
fn bound(state: &State, collection: &Collection, bound: &str) -> Result<String, Error> {
    let key = bound.trim_end_matches('\0');
    if !key.starts_with(IMPORTED) || !is_entry_key(key) {
        return Ok(bound.to_owned());
    }
    Ok(match listed_at(key, &state.slot(collection, key)?) {
        Some(place) => place + &bound[key.len()..],
        None => ms_of(key).to_owned(),
    })
}

pub(super) fn conflicts(state: &State, after: Option<&Position>, limit: u32) -> Result<Vec<Conflict>, Error> {
    let mut range = ByteRange::default();
    if let Some(after) = after {
        let Some(number) = state.head.collections.get(&after.collection) else { return Ok(Vec::new()) };
        range.start = record_key(*number, &after.key);
        range.start.push(0);
    }
    let rows = state.local.list(Table::Conflicts, &range, limit).map_err(local_error)?;
    let mut conflicts = Vec::with_capacity(rows.len());
    for (row, _) in rows {
        let number = row.first_chunk::<4>().map(|number| u32::from_be_bytes(*number));
        let collection =
            state.head.collections.iter().find(|(_, known)| Some(**known) == number).map(|(name, _)| name.clone());
        let Some(collection) = collection else { continue };
        let key = key_of(&row)?;
        let slot = state.slot(&collection, &key)?;
        let Some(winner) = winner(&collection, &slot) else { continue };
        let mut others: Vec<&Standing> = slot.standing.iter().filter(|write| write.dot != winner.dot).collect();
        others.sort_by_key(|write| std::cmp::Reverse((write.stamp, write.dot)));
        let versions = std::iter::once(winner).chain(others).map(version).collect();
        conflicts.push(Conflict { collection, key, versions });
    }
    Ok(conflicts)
}

fn version(write: &Standing) -> Version {
    Version {
        value: write.action.value().map(Bytes::copy_from_slice),
        stamp: write.stamp,
        device: write.dot.device,
        attached: write.action.attached().to_vec(),
    }
}

pub(super) fn status(state: &State) -> Result<Status, Error> {
    let head = &state.head;
    let own = head.identity.as_deref().filter(|identity| identity.member);
    let revoked = revoked::told(state);
    let mut devices = Vec::new();
    if let Some(own) = own {
        devices.push(DeviceStatus {
            id: own.device,
            name: member::names(state, own.device)?,
            state: if revoked.is_some() { DeviceState::Revoked } else { DeviceState::This },
            quarantined: None,
            sequence: head.published.sequence,
            applied: head.clock.n,
            seen_ms: Some(state.now.unix_ms),
        });
    }
    let retired = retired::all(state)?;
    for (id, peer) in &head.peers {
        devices.push(DeviceStatus {
            id: *id,
            name: member::names(state, *id)?,
            state: match (head.is_revoked(*id), retired.contains(id)) {
                (true, _) => DeviceState::Revoked,
                (false, true) => DeviceState::Retired,
                (false, false) => DeviceState::Active,
            },
            quarantined: peer.quarantined,
            sequence: peer.sequence,
            applied: peer.n,
            seen_ms: peer.seen_ms,
        });
    }
    let conflicts =
        state.local.list(Table::Conflicts, &ByteRange::default(), CONFLICTS_COUNTED_MAX).map_err(local_error)?;
    Ok(Status {
        vault: own.map(|own| own.vault),
        device: own.map(|own| own.device),
        devices,
        recipients: slots::recipients(state)?,
        left: head.left.iter().copied().collect(),
        collections: head.collections.keys().filter(|collection| !collection.kind.is_own()).cloned().collect(),
        pending: head.clock.n.saturating_sub(head.published.n),
        sequence: head.published.sequence,
        debts: pull::debts(head),
        conflicts: conflicts.len() as u64,
        last_push_ms: head.bucket.last_push_ms,
        last_pull_ms: head.bucket.last_pull_ms,
        last_error: head.bucket.last_error.clone(),
        conditional_writes: head.bucket.conditional,
        stopped: head.bucket.stopped.as_ref().map(|stopped| stopped.error(state)),
        untaken: if revoked.is_some() { revoked::untaken(state) } else { 0 },
        revoked,
        meter: state.meter(),
        metered_from_ms: head.metered_from_ms,
    })
}
