//! A store whose vault lost its place (of two `init` at once, the other won) becomes a device of another vault: what was
//! written here is written again under the new id, and nothing else of the old one stays.

use super::head::{Bucket, Clock, Identity, damaged};
use super::state::{Tx, key_of};
use super::write::{append, put_or_delete};
use crate::Error;
use crate::local::{ByteRange, Table};
use crate::replica::{Action, Collection, Kind, Slot, decode};
use std::sync::Arc;

/// Everything that belongs to a device's id. Collections keep their numbers.
const TABLES: [Table; 9] = [
    Table::Records,
    Table::Ops,
    Table::Tombstones,
    Table::Devices,
    Table::Deletions,
    Table::Conflicts,
    Table::Unnamed,
    Table::Tags,
    Table::Places,
];

/// Takes on an identity. In an empty store that is all; else own writes that stand are written again, in the same step.
pub(super) fn begin(tx: &mut Tx<'_>, identity: &Arc<Identity>) -> Result<(), Error> {
    let written = written_here(tx)?;
    for table in TABLES {
        for (row, _) in tx.list(table, &ByteRange::default(), u32::MAX)? {
            tx.set(table, row, None);
        }
    }
    tx.set(Table::Head, b"manifest".to_vec(), None);
    let head = &mut *tx.head;
    head.clock = Clock { stamp: head.clock.stamp, ..Clock::default() };
    (head.published, head.frozen, head.snapshot) = Default::default();
    // What was learnt of the server stands, whatever the vault: its clock and its region.
    head.bucket = Bucket { skew_ms: head.bucket.skew_ms, region: head.bucket.region.take(), ..Bucket::default() };
    head.peers.clear();
    head.forks = Arc::default();
    head.revoked.clear();
    head.shut_out_ms = None;
    head.identity = Some(identity.clone());
    for (collection, key, value) in written {
        match collection.kind {
            Kind::Log => append(tx, &collection, &key, &value).map(|_| ())?,
            Kind::Map | Kind::Root | Kind::Places | Kind::Documents => {
                put_or_delete(tx, &collection, &key, Action::Put(value))?;
            }
        }
    }
    Ok(())
}

/// The callers' own values that stand, in the order they were written: imported entries keep theirs. Others' are of another
/// vault: they stay there, and so do attachments, which are named by its keys.
fn written_here(tx: &Tx<'_>) -> Result<Vec<(Collection, String, Vec<u8>)>, Error> {
    let own = tx.head.identity.as_ref().map(|identity| identity.device);
    let mut written = Vec::new();
    for (collection, number) in tx.head.collections.iter().filter(|(collection, _)| !collection.kind.is_own()) {
        for (row, slot) in tx.list(Table::Records, &ByteRange::prefix(&number.to_be_bytes()), u32::MAX)? {
            let slot: Slot = damaged(decode(&slot, "a record"))?;
            let mine = slot.puts().filter(|write| own.is_none_or(|own| write.dot.device == own));
            if let Some(write) = mine.max_by_key(|write| write.stamp)
                && let Some(value) = write.action.value()
            {
                written.push((write.stamp, (collection.clone(), key_of(&row)?, value.to_vec())));
            }
        }
    }
    written.sort_by_key(|(stamp, _)| *stamp);
    Ok(written.into_iter().map(|(_, write)| write).collect())
}
