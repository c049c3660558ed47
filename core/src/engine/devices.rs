//! What a person does with devices of the vault: retire one, revoke one, adopt what a revoked one wrote.

use super::api::Outcome;
use super::head::Revocation;
use super::people::SlotChange;
use super::retired::{self, By};
use super::shared::Shared;
use super::slots::{delete_record, records};
use super::sync::{self, Scope};
use super::{epochs, revoked};
use crate::crypto::SlotName;
use crate::replica::Point;
use crate::{DeviceId, Error, ErrorKind};

/// Says that a device is not expected any more.
pub(super) async fn retire(cx: &Shared, device: DeviceId) -> Result<Outcome, Error> {
    check_other(cx, device, "a device that syncs is not retired")?;
    sync::sync(cx, Scope { push: false, full: false }).await?;
    check_known(cx, device)?;
    cx.step(|tx| retired::retire(tx, device, By::Person))?;
    sync::publish(cx).await
}

/// Shuts a device out: it is handed no keys any more, and what it writes from now on counts nowhere. A crashed one goes on
/// at the next sync.
pub(super) async fn revoke(cx: &Shared, device: DeviceId) -> Result<Outcome, Error> {
    check_other(cx, device, "a device does not revoke itself: `reset` forgets the vault here")?;
    look_anew(cx, device).await?;
    check_known(cx, device)?;
    if cx.read(|state| state.head.is_revoked(device)) {
        return sync::publish(cx).await;
    }
    let slots = cx.read(records)?;
    epochs::turn(cx, |tx| {
        let name = SlotName::Device(device);
        for record in slots.iter().filter(|record| record.name == name) {
            delete_record(tx, record)?;
        }
        let applied = tx.head.peers.get(&device).filter(|peer| peer.n > 0);
        let mark = applied.map(|peer| Point { n: peer.n, tag: peer.tag });
        revoked::insert(tx.head, device, Revocation { mark, at_ms: tx.now.unix_ms });
        // What it held for all may go with it: whoever revokes it holds that from now on.
        tx.head.bucket.snapshot_wanted = true;
        Ok(SlotChange { gone: vec![name.path()], ..SlotChange::default() })
    })?;
    sync::publish(cx).await
}

/// Takes by hand what a revoked device published beyond what counts.
pub(super) async fn adopt(cx: &Shared, device: DeviceId) -> Result<Outcome, Error> {
    look_anew(cx, device).await?;
    cx.step(|tx| {
        let Some(known) = tx.head.revoked.get(&device).cloned() else {
            return Err(Error::new(ErrorKind::Invalid, "this device is not revoked")
                .on(device.to_string())
                .next_step("what it publishes comes by itself, with a sync"));
        };
        let published = tx.head.peers.get(&device).filter(|peer| peer.log.end.n > 0);
        let mark = published.map(|peer| Point { n: peer.log.end.n, tag: peer.log.end.tag });
        revoked::insert(tx.head, device, Revocation { mark, ..known });
        Ok(())
    })?;
    sync::publish(cx).await
}

/// A full check that tries at once what is owed of a device.
async fn look_anew(cx: &Shared, device: DeviceId) -> Result<(), Error> {
    cx.step(|tx| {
        if tx.head.peers.contains_key(&device) {
            tx.head.peer_mut(device).debt = None;
        }
        Ok(())
    })?;
    sync::sync(cx, Scope { push: false, full: true }).await.map(|_| ())
}

fn check_other(cx: &Shared, device: DeviceId, why: &str) -> Result<(), Error> {
    if cx.read(|state| state.head.identity().map(|identity| identity.device))? == device {
        return Err(Error::new(ErrorKind::Invalid, why.to_owned())
            .on(device.to_string())
            .next_step("`devices` lists them; name another"));
    }
    Ok(())
}

fn check_known(cx: &Shared, device: DeviceId) -> Result<(), Error> {
    if cx.read(|state| state.head.peers.get(&device).is_some_and(|peer| peer.sequence > 0)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "no device of the vault has this id")
        .on(device.to_string())
        .next_step("`devices` lists those there are"))
}
