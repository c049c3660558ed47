//! Epochs of keys: turning to a new one and handing it on by the slots, and learning of another device's turn.

use super::collect;
use super::head::Identity;
use super::shared::Shared;
use super::slots::{get_slot, key_ring, put_keys, put_slots};
use super::state::Tx;
use crate::crypto::{KeyRing, Opener, RootSecret, SlotName, open_slot};
use crate::{EpochId, Error, ErrorKind};
use std::sync::Arc;

/// Who turned at the same time as another hands on its keys again no sooner than this: a forged epoch costs no more.
const HAND_ON_AGAIN_MS: u64 = 3_600_000;

/// One step: from here on everything is sealed under a new epoch. `change` says what becomes of the slots' records and
/// gives the paths of those that get no new key. Nothing is PUT before [`hand_on`] is through, now or after a crash.
pub(super) fn turn(cx: &Shared, change: impl Fn(&mut Tx<'_>) -> Result<Vec<String>, Error>) -> Result<(), Error> {
    cx.step(|tx| {
        let before = tx.head.identity()?.clone();
        let newest = before.keys.newest();
        let context = [&newest.number.to_le_bytes()[..], &newest.id].concat();
        let epoch = EpochId { number: newest.number + 1, id: before.secret.fresh("epoch id", tx.entropy, &[&context]) };
        let secret = RootSecret::generate(&before.secret, tx.entropy, &context);
        let mut identity = (*before).clone();
        identity.keys.add(epoch, secret)?;
        tx.head.identity = Some(Arc::new(identity));
        let gone = change(tx)?;
        let bucket = &mut tx.head.bucket;
        bucket.hand_on = true;
        bucket.slots_gone.extend(gone);
        bucket.beacon_dirty = true;
        Ok(())
    })
}

/// PUTs the earlier keys and everybody's slot, if a turn is under way; then the slots that get none go.
pub(super) async fn hand_on(cx: &Shared) -> Result<(), Error> {
    if !cx.read(|state| state.head.bucket.hand_on) {
        return Ok(());
    }
    let (identity, gone) =
        cx.read(|state| Ok::<_, Error>((state.head.identity()?.clone(), state.head.bucket.slots_gone.clone())))?;
    put_keys(cx, &identity).await?;
    put_slots(cx, &identity).await?;
    collect::delete(cx, &gone).await?;
    cx.step(|tx| {
        tx.head.bucket.hand_on = false;
        tx.head.bucket.handed_on_ms = tx.now.unix_ms;
        tx.head.bucket.slots_gone.clear();
        Ok(())
    })
}

/// Something was read that is sealed under an epoch unknown here: reads the own slot, once a poll. True if keys came of
/// it.
///
/// # Errors
/// `closed` if the slot has none: this device was revoked, or its slot lost.
pub(super) async fn learn(cx: &Shared, identity: &Identity, unknown: EpochId) -> Result<bool, Error> {
    let opener = Opener::device(&identity.secret);
    let path = SlotName::Device(identity.device).path();
    let locked_out = || {
        Error::new(ErrorKind::Closed, "the vault has new keys, and none of them for this device")
            .on(path.clone())
            .next_step("if it was not revoked, `join` again with the recovery code: nothing here is lost")
    };
    let Some(sealed) = get_slot(cx, &path).await? else { return Err(locked_out()) };
    let payload = open_slot(&opener, identity.vault, identity.header, &sealed).map_err(|_| locked_out())?;
    let told = key_ring(cx, identity.vault, payload.epoch, payload.root_secret).await?;
    let moved = take_keys(cx, &told)?;
    let newest = cx.read(|state| state.head.identity().map(|identity| identity.keys.newest()))?;
    if newest.number < unknown.number {
        return Err(locked_out());
    }
    if newest.number == unknown.number && !moved {
        // Of a turn at the same time: its author finds this one's keys in its slot, and hands on both.
        cx.step(|tx| {
            let bucket = &mut tx.head.bucket;
            bucket.hand_on |= tx.now.unix_ms >= bucket.handed_on_ms.saturating_add(HAND_ON_AGAIN_MS);
            Ok(())
        })?;
    }
    Ok(moved)
}

/// Adds what another ring has. Two devices that turned at once each made an epoch: who knows both hands on both.
pub(super) fn take_keys(cx: &Shared, told: &KeyRing) -> Result<bool, Error> {
    cx.step(|tx| {
        let before = tx.head.identity()?.clone();
        let mut identity = (*before).clone();
        identity.keys.join(told)?;
        tx.head.bucket.hand_on |= identity.keys != *told;
        let moved = identity.keys != before.keys;
        if moved {
            tx.head.identity = Some(Arc::new(identity));
        }
        Ok(moved)
    })
}
