//! The tags of ops that are applied here, kept for ever: they tell on which line of a device an op is, should it turn out
//! that its store was copied.

use super::state::Tx;
use crate::local::{ByteRange, Table};
use crate::replica::{INDEX_TAGS_MAX, UNKNOWN, Vector};
use crate::{DeviceId, Error, Tag};
use std::collections::BTreeMap;

/// Tags in a row.
const TAGS_PER_ROW: u64 = 64;
const TAG_BYTES: usize = 8;

/// A row's key and the place in it of op `n`, which counts from 1.
fn place(device: DeviceId, n: u64) -> (Vec<u8>, usize) {
    let row = [&device.0[..], &((n - 1) / TAGS_PER_ROW).to_be_bytes()].concat();
    (row, ((n - 1) % TAGS_PER_ROW) as usize * TAG_BYTES)
}

/// Keeps the tags of ops of a device, by number. Beyond a fork they are kept with its lines instead.
pub(super) fn keep(tx: &mut Tx<'_>, device: DeviceId, tags: impl IntoIterator<Item = (u64, Tag)>) -> Result<(), Error> {
    let trunk = trunk(tx, device);
    let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (n, tag) in tags.into_iter().filter(|(n, _)| (1..=trunk).contains(n)) {
        let (key, at) = place(device, n);
        if !rows.contains_key(&key) {
            rows.insert(key.clone(), tx.get(Table::Tags, &key)?.unwrap_or_default());
        }
        let Some(row) = rows.get_mut(&key) else { continue };
        if row.len() < at + TAG_BYTES {
            row.resize(at + TAG_BYTES, 0);
        }
        row[at..at + TAG_BYTES].copy_from_slice(&tag.0);
    }
    for (key, row) in rows {
        tx.set(Table::Tags, key, Some(row));
    }
    Ok(())
}

/// For an index: of each device that has one line, the tags of the ops right before its point, as far back as all are kept.
pub(super) fn before_points(tx: &Tx<'_>, vector: &Vector) -> Result<BTreeMap<DeviceId, Vec<Tag>>, Error> {
    let mut all = BTreeMap::new();
    for (device, point) in vector.iter().filter(|(device, _)| tx.head.forks.of(*device).is_none()) {
        let mut tags = between(tx, device, point.n.saturating_sub(INDEX_TAGS_MAX).max(1), point.n - 1)?;
        let unknown = tags.iter().rposition(|tag| *tag == UNKNOWN).map_or(0, |at| at + 1);
        tags.drain(..unknown);
        if !tags.is_empty() {
            all.insert(device, tags);
        }
    }
    Ok(all)
}

/// The tags of a device's ops from one number to another, both included: [`UNKNOWN`] where it was not kept.
pub(super) fn between(tx: &Tx<'_>, device: DeviceId, from: u64, to: u64) -> Result<Vec<Tag>, Error> {
    let (from_kept, to_kept) = (from.max(1), to.min(trunk(tx, device)));
    let rows = match from_kept <= to_kept {
        true => {
            let ((start, _), (last, _)) = (place(device, from_kept), place(device, to_kept));
            tx.rows(Table::Tags, &ByteRange { start, end: Some([&last[..], &[0]].concat()) })?
        }
        false => BTreeMap::new(),
    };
    let kept = |n: u64| {
        let (key, at) = if (from_kept..=to_kept).contains(&n) { place(device, n) } else { return UNKNOWN };
        rows.get(&key).and_then(|row| tag_at(row, at)).unwrap_or(UNKNOWN)
    };
    Ok((from..=to).map(kept).collect())
}

/// The tag of a device's op, if it was kept. Of a forked device: of the ops that its lines share.
pub(super) fn of(tx: &Tx<'_>, device: DeviceId, n: u64) -> Result<Option<Tag>, Error> {
    if !(1..=trunk(tx, device)).contains(&n) {
        return Ok(None); // what was kept beyond, before the fork was known, is of one line alone
    }
    let (key, at) = place(device, n);
    let tag = tx.get(Table::Tags, &key)?.and_then(|row| tag_at(&row, at));
    Ok(tag.filter(|tag| *tag != UNKNOWN))
}

/// The last op that all lines of a device share.
fn trunk(tx: &Tx<'_>, device: DeviceId) -> u64 {
    tx.head.forks.of(device).map_or(u64::MAX, |fork| fork.before().n)
}

fn tag_at(row: &[u8], at: usize) -> Option<Tag> {
    row.get(at..)?.first_chunk().map(|bytes| Tag(*bytes))
}
