//! How the engine's own state lies in the local store, one row a part: small, loaded whole, written only where it changed.

use super::head::{Frozen, Head, Identity, Known, damaged, local_error};
use crate::local::{ByteRange, LocalError, LocalStore, Row, Table, Write};
use crate::replica::{Fork, decode, encode};
use crate::{DeviceId, Error};
use borsh::{BorshDeserialize, BorshSerialize};
use std::sync::Arc;

/// What a sound store counts, and its times, are far below this; from beyond it, counting on would overflow.
const COUNT_MAX: u64 = u64::MAX >> 8;
/// Ends the key of a device's lines, beside its row; its manifests' are 1 and 2.
const FORK_ROW: u8 = 3;

impl Head {
    /// Loads everything.
    pub(super) fn load(local: &dyn LocalStore) -> Result<Self, Error> {
        let mut head = Self {
            identity: row::<Identity>(local, "identity")?.map(Arc::new),
            clock: row(local, "clock")?.unwrap_or_default(),
            published: Arc::new(row(local, "published")?.unwrap_or_default()),
            frozen: row::<Frozen>(local, "frozen")?.map(Arc::new),
            bucket: row(local, "bucket")?.unwrap_or_default(),
            snapshot: row::<Known>(local, "snapshot")?.map(Arc::new),
            left: row(local, "left")?.unwrap_or_default(),
            revoked: row(local, "revoked")?.unwrap_or_default(),
            shut_out_ms: row(local, "shut_out")?,
            passphrase_told: row(local, "passphrase_told")?,
            meter: row(local, "meter")?.unwrap_or_default(),
            metered_from_ms: row(local, "metered_from")?,
            ..Self::default()
        };
        let mut forks = Vec::new();
        for (key, value) in all(local, Table::Devices)? {
            // A device's manifest lies beside its row, under its id and one more byte.
            if let Ok(id) = <[u8; DeviceId::BYTES]>::try_from(key.as_slice()) {
                head.peers.insert(DeviceId(id), Arc::new(damaged(decode(&value, "a device's row"))?));
            } else if let Some(id) = key.strip_suffix(&[FORK_ROW]).and_then(|id| id.try_into().ok()) {
                forks.push((DeviceId(id), damaged(decode::<Fork>(&value, "a device's lines"))?));
            }
        }
        head.forks = Arc::new(forks.into_iter().collect());
        for (key, value) in all(local, Table::Collections)? {
            head.collections
                .insert(damaged(decode(&key, "a collection"))?, damaged(decode(&value, "a collection's number"))?);
        }
        let ended = head.counts().any(|count| count > COUNT_MAX) || head.collections.values().any(|n| *n == u32::MAX);
        match ended {
            true => Err(local_error(LocalError::Corrupt("a counter is at its end".to_owned()))),
            false => Ok(head),
        }
    }

    /// What this device counts on from. Others' numbers are not its own to bound: they are data.
    fn counts(&self) -> impl Iterator<Item = u64> {
        let (clock, published, bucket, meter) = (&self.clock, &self.published, &self.bucket, &self.meter);
        let own = [clock.n, published.sequence, published.held, published.n, published.tail.from];
        let polls = [bucket.polls, bucket.repair_due_poll, bucket.checked_ms, bucket.swept_ms, bucket.handed_on_ms];
        let requests = [meter.get, meter.put, meter.delete, meter.list, meter.head, meter.post];
        own.into_iter().chain(polls).chain(requests).chain([meter.bytes_sent, meter.bytes_received])
    }

    /// What has changed since `before`, as writes.
    pub(super) fn changes(&self, before: &Self) -> Vec<Write> {
        let mut writes = Vec::new();
        changed(&mut writes, "identity", self.identity.as_deref(), before.identity.as_deref());
        changed(&mut writes, "clock", Some(&self.clock), Some(&before.clock));
        changed(&mut writes, "published", Some(&*self.published), Some(&*before.published));
        changed(&mut writes, "frozen", self.frozen.as_deref(), before.frozen.as_deref());
        changed(&mut writes, "bucket", Some(&self.bucket), Some(&before.bucket));
        changed(&mut writes, "snapshot", self.snapshot.as_deref(), before.snapshot.as_deref());
        changed(&mut writes, "left", Some(&self.left), Some(&before.left));
        changed(&mut writes, "revoked", Some(&self.revoked), Some(&before.revoked));
        changed(&mut writes, "passphrase_told", self.passphrase_told.as_ref(), before.passphrase_told.as_ref());
        changed(&mut writes, "shut_out", self.shut_out_ms.as_ref(), before.shut_out_ms.as_ref());
        changed(&mut writes, "meter", Some(&self.meter), Some(&before.meter));
        changed(&mut writes, "metered_from", self.metered_from_ms.as_ref(), before.metered_from_ms.as_ref());
        for (id, peer) in &self.peers {
            if before.peers.get(id).is_none_or(|old| !Arc::ptr_eq(old, peer) && old != peer) {
                writes.push(Write { table: Table::Devices, key: id.0.to_vec(), value: Some(encode(&**peer)) });
            }
        }
        if !Arc::ptr_eq(&self.forks, &before.forks) {
            for (id, fork) in self.forks.iter().filter(|(id, fork)| before.forks.of(*id) != Some(fork)) {
                let key = [&id.0[..], &[FORK_ROW]].concat();
                writes.push(Write { table: Table::Devices, key, value: Some(encode(fork)) });
            }
        }
        for (collection, number) in &self.collections {
            if !before.collections.contains_key(collection) {
                writes.push(Write { table: Table::Collections, key: encode(collection), value: Some(encode(number)) });
            }
        }
        writes
    }
}

fn changed<T: BorshSerialize + PartialEq>(writes: &mut Vec<Write>, name: &str, now: Option<&T>, before: Option<&T>) {
    let same = match (now, before) {
        (Some(now), Some(before)) => std::ptr::eq(now, before) || now == before,
        (None, None) => true,
        _ => false,
    };
    if !same {
        writes.push(Write { table: Table::Head, key: name.as_bytes().to_vec(), value: now.map(encode) });
    }
}

fn row<T: BorshDeserialize>(local: &dyn LocalStore, name: &str) -> Result<Option<T>, Error> {
    match local.get(Table::Head, name.as_bytes()).map_err(local_error)? {
        Some(bytes) => damaged(decode(&bytes, name)).map(Some),
        None => Ok(None),
    }
}

fn all(local: &dyn LocalStore, table: Table) -> Result<Vec<Row>, Error> {
    local.list(table, &ByteRange::default(), u32::MAX).map_err(local_error)
}
