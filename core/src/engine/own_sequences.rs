//! The own sequences: of each, the first 8 bytes of the hash that was frozen under it. They tell an own manifest of any age from
//! one that another copy of this store has written.

use super::head::local_error;
use super::shared::Shared;
use super::state::Tx;
use crate::local::Table;
use crate::replica::Manifest;
use crate::{Error, Hash};

/// Remembers what is frozen under a sequence.
pub(super) fn remember(tx: &mut Tx<'_>, sequence: u64, hash: Hash) {
    tx.set(Table::Head, row(sequence), Some(hash.short().to_vec()));
}

/// Whether a manifest of this device's id was frozen by this store.
pub(super) fn has(cx: &Shared, manifest: &Manifest, hash: Hash) -> Result<bool, Error> {
    let newest = cx.read(|state| state.head.published.sequence);
    if weakened!(OldSequencesForgotten) && manifest.sequence + 64 <= newest {
        return Ok(false);
    }
    let frozen = cx.read(|state| state.local.get(Table::Head, &row(manifest.sequence))).map_err(local_error)?;
    Ok(frozen.as_deref() == Some(&hash.short()[..]))
}

fn row(sequence: u64) -> Vec<u8> {
    [&b"sequence "[..], &sequence.to_be_bytes()].concat()
}
