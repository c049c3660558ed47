//! PUT beacon: what this device has verified of everyone, and nothing else: whatever a beacon says, nobody need have signed.

use super::head::Identity;
use super::objects::beacon_path;
use super::pull::Polled;
use super::shared::Shared;
use crate::Error;
use crate::crypto::ObjectKind;
use crate::replica::{Beacon, Sighting};
use crate::s3::{Answer, Condition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// PUTs the beacon because the bucket's lacks something: once a poll; one that does not show waits like a debt.
pub(super) async fn repair(cx: &Shared, identity: &Arc<Identity>, polled: &mut Polled) -> Result<(), Error> {
    let (due, dirty) = cx.read(|state| {
        let bucket = &state.head.bucket;
        (bucket.polls >= bucket.repair_due_poll, bucket.beacon_dirty)
    });
    if !due && !dirty {
        return Ok(());
    }
    put(cx, identity, polled).await?;
    cx.step(|tx| {
        let bucket = &mut tx.head.bucket;
        bucket.repairs = bucket.repairs.saturating_add(1);
        bucket.repair_due_poll = bucket.polls + (1 << bucket.repairs.min(7)) / 2;
        Ok(())
    })
}

/// PUTs what is verified here; the own entry is always set. False: another device was quicker.
pub(super) async fn put(cx: &Shared, identity: &Arc<Identity>, polled: &mut Polled) -> Result<bool, Error> {
    if polled.locked_out {
        return Ok(false);
    }
    cx.flush().await?;
    let mut beacon = Beacon { vault: identity.vault, space: identity.space, devices: BTreeMap::new() };
    let conditional = cx.read(|state| {
        let head = &state.head;
        beacon.devices.extend(
            head.peers
                .iter()
                .filter(|(_, peer)| peer.sequence > 0)
                .map(|(id, peer)| (*id, Sighting { sequence: peer.sequence, hash: peer.hash.short() })),
        );
        if planted!(BeaconNotMerged) {
            beacon.devices.clear();
        }
        let own = Sighting { sequence: head.published.sequence, hash: head.published.hash.short() };
        if own.sequence > 0 {
            beacon.devices.insert(identity.device, own);
        }
        head.bucket.conditional == Some(true)
    });
    let path = beacon_path(identity.space);
    let sealed = cx.seal(&path, ObjectKind::Beacon, &beacon.encode())?;
    let condition = match polled.beacon_etag.clone() {
        Some(etag) if conditional => Condition::IfMatch(etag),
        _ => Condition::Always,
    };
    match cx.put(&path, sealed, condition).await? {
        Answer::Stored { etag } => {
            polled.repair = false;
            polled.beacon_etag.clone_from(&etag);
            cx.step(|tx| {
                // The next poll confirms the own entry; a beacon that nobody overwrote in between answers 304 there.
                tx.head.bucket.beacon_etag = etag.as_ref().map(|etag| etag.as_str().to_owned());
                tx.head.bucket.beacon.clone_from(&beacon.devices);
                tx.head.bucket.beacon_epoch = Some(identity.keys.current());
                tx.head.bucket.unknown.clear();
                Ok(true)
            })
        }
        // What the other wrote is read at the next poll, which finds this entry missing.
        _ => {
            polled.beacon_etag = None;
            Ok(false)
        }
    }
}
