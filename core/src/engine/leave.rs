//! Leaving an id: a store that was copied, or restored from a backup, goes on as a device of its own. What it wrote keeps its
//! names; nothing is issued again.

use super::head::{Bucket, Clock, Identity, Peer};
use super::lines::{forked, of_left};
use super::member::{introduce, names};
use super::shared::Shared;
use super::slots::put_slot;
use crate::crypto::{DeviceSecret, Opener};
use crate::local::{ByteRange, Table};
use crate::{Error, Hash};
use std::sync::Arc;

/// The store is not the only one under its id: it leaves, before anything else is PUT. Gives the error that ends what is
/// under way.
pub(super) fn copied(cx: &Shared) -> Result<Error, Error> {
    let device = cx.step(|tx| {
        tx.head.bucket.copied = true;
        Ok(tx.head.identity()?.device)
    })?;
    Ok(forked(device))
}

/// Takes a new id. State, vector and the names of all ops stay; the old log does not go with it: the first manifest names a
/// snapshot, which holds what was not published yet.
pub(super) async fn leave(cx: &Shared, old: &Arc<Identity>) -> Result<Error, Error> {
    let name = cx.read(|state| names(state, old.device))?.unwrap_or(cx.read(|state| state.config.device_name.clone()));
    let record = {
        // Two copies that leave in the same millisecond with the same entropy still differ in what they froze.
        let mut state = cx.lock();
        let published = &state.head.published;
        let frozen = state.head.frozen.as_ref().map_or(Hash::default(), |frozen| frozen.next.hash);
        let context = [&published.hash.0[..], &frozen.0, &state.head.clock.tag.0, &old.device.0].concat();
        let secret = DeviceSecret::generate(&mut *state.entropy, &[&old.secret.to_bytes()[..], &context].concat());
        let record = Opener::device(&secret).record();
        state.step(|tx| {
            for (row, _) in tx.list(Table::Ops, &ByteRange::default(), u32::MAX)? {
                tx.set(Table::Ops, row, None);
            }
            tx.set(Table::Head, b"manifest".to_vec(), None);
            let lines = of_left(tx, old.device)?;
            let head = &mut *tx.head;
            Arc::make_mut(&mut head.forks).insert(old.device, lines);
            let Clock { n, tag, stamp, .. } = head.clock;
            head.peers.insert(old.device, Arc::new(Peer { n, tag, ..Peer::default() }));
            head.left.insert(old.device);
            head.clock = Clock { stamp, ..Clock::default() };
            (head.published, head.frozen, head.snapshot) = Default::default();
            head.bucket = Bucket {
                copied: false,
                went_back: false,
                renewed: false,
                check_soon: true,
                beacon_dirty: true,
                reread_own: false,
                ..head.bucket.clone()
            };
            head.bucket.rollbacks_ms.clear();
            let identity = Identity { device: secret.device_id(), secret: secret.clone(), ..(**old).clone() };
            head.identity = Some(Arc::new(identity.clone()));
            head.shut_out_ms = None;
            introduce(tx, &identity, &name, std::slice::from_ref(&record))
        })?;
        record
    };
    let identity = cx.read(|state| state.head.identity().cloned())?;
    put_slot(cx, &identity, &record).await?;
    Ok(forked(old.device).next_step(format!("none: it goes on as device {}; nothing is lost", identity.device)))
}
