//! Epochs of keys: turning to a new one and handing it on by the slots, and learning of another device's turn.

use super::api::SyncReport;
use super::collect;
use super::head::Identity;
use super::people::{self, SlotChange};
use super::revoked;
use super::shared::Shared;
use super::slots::{self, Standing, get_slot, key_ring, knows_slots, put_all, records};
use super::state::{State, Tx, internal};
use crate::crypto::{EPOCHS_MAX, KeyRing, Opener, RootSecret, SlotName, Told, epoch_of, open_slot};
use crate::{EpochId, Error, ErrorKind};
use std::sync::Arc;

/// Who turned at the same time as another hands on its keys, or turns them, again no sooner than this: a forged epoch costs
/// no more.
const AGAIN_MS: u64 = 3_600_000;
/// For the slot of one revoked device they turn so often and no more: nobody but its holder can tell a slot from what looks like
/// one, which whoever may write to the bucket can put there.
const TURNED_FOR_MAX: u32 = 8;

/// One step: from here on everything is sealed under a new epoch. `change` changes the slots' records, and says what becomes of
/// the slots. Nothing is PUT before [`hand_on`] is through, now or after a crash.
///
/// # Errors
/// `closed` if others have newer keys: slots with what comes after older ones would shut those others out. `corrupt` if this
/// device has not read yet who has slots.
pub(super) fn turn(cx: &Shared, change: impl Fn(&mut Tx<'_>) -> Result<SlotChange, Error>) -> Result<(), Error> {
    if let Some(hindrance) = cx.read(hindrance)? {
        return Err(hindrance);
    }
    cx.step(|tx| {
        let before = tx.head.identity()?.clone();
        let number = before.keys.greatest_number().checked_add(1).ok_or_else(|| internal("no epoch is left"))?;
        let current = before.keys.current();
        let context = [&current.number.to_le_bytes()[..], &current.id].concat();
        let epoch = EpochId { number, id: before.secret.fresh("epoch id", tx.entropy, &[&context]) };
        let secret = RootSecret::generate(&before.secret, tx.entropy, &context);
        let mut identity = (*before).clone();
        identity.keys.add(epoch, secret)?;
        tx.head.identity = Some(Arc::new(identity));
        let change = change(tx)?;
        people::turned(tx, epoch, change)?;
        let bucket = &mut tx.head.bucket;
        bucket.hand_on = true;
        bucket.must_turn = false;
        bucket.beacon_dirty = true;
        Ok(())
    })
}

/// Turns the keys where what was learnt asks for it: at once the first time, then no more than hourly. Of two that turned at
/// once and turn again at once, one is first the next time: polls come at random.
pub(super) fn turn_again(cx: &Shared) -> Result<(), Error> {
    let due = cx.read(|state| {
        let bucket = &state.head.bucket;
        let rests = bucket.turned_again_ms > 0 && !state.now.has_passed(bucket.turned_again_ms, AGAIN_MS);
        bucket.must_turn && !rests
    });
    if !due || cx.read(hindrance)?.is_some() {
        return Ok(());
    }
    turn(cx, |tx| {
        let revoked: Vec<_> = tx.head.revoked.keys().copied().map(SlotName::Device).collect();
        let bucket = &mut tx.head.bucket;
        bucket.turned_again_ms = tx.now.unix_ms;
        // So often and no more: anybody may put there what looks like a slot.
        let turns_for = std::mem::take(&mut bucket.turns_for);
        bucket.replaced.retain(|name| !turns_for.contains(name));
        for name in &turns_for {
            if let SlotName::Device(device) = name {
                *bucket.turned_for.entry(*device).or_default() += 1;
            }
        }
        let gone = revoked.iter().chain(&turns_for).map(SlotName::path).collect();
        Ok(SlotChange { gone, ..SlotChange::default() })
    })
}

/// Why this device turns no keys now.
fn hindrance(state: &State) -> Result<Option<Error>, Error> {
    if state.locked_out {
        return Ok(Some(without_keys(state)?));
    }
    if state.head.identity()?.keys.epochs().count() >= EPOCHS_MAX {
        let full = Error::new(ErrorKind::Unsupported, "the vault's keys have rotated as often as they can")
            .next_step("`export` what is here, and make another vault");
        return Ok(Some(full));
    }
    if knows_slots(state)? {
        return Ok(None);
    }
    let unread = Error::new(ErrorKind::Corrupt, "this device could not read yet who is to get new keys")
        .next_step("sync, and try again once this device holds what the others hold, or do it on another");
    Ok(Some(unread))
}

/// Before this device's keys go into everybody's slots: another device may have put newer ones there since, which perhaps
/// nobody else has any more. What the own slot has of them is taken.
pub(super) async fn look_at_slots(cx: &Shared, identity: &Identity) -> Result<Standing, Error> {
    learn_of_another_turn(cx, identity).await?;
    let identity = cx.read(|state| state.head.identity().cloned())?;
    slots::look(cx, &identity, |_| true).await
}

pub(super) async fn learn_of_another_turn(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    let slot = get_slot(cx, &SlotName::Device(identity.device).path()).await;
    let Ok(Some(sealed)) = had(cx, slot).await? else { return Ok(()) };
    let Some(unknown) = epoch_of(&sealed).ok().filter(|epoch| identity.keys.root_secret(*epoch).is_none()) else {
        return Ok(());
    };
    match learn(cx, identity, unknown).await {
        // The keys that it tells of are not to be had.
        Err(error) if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Revoked) => Ok(()),
        learnt => learnt.map(|_| ()),
    }?;
    turn_again(cx)
}

/// PUTs the earlier keys and everybody's slot, if a turn is under way; then the slots that get none go.
pub(super) async fn hand_on(cx: &Shared) -> Result<(), Error> {
    if cx.read(|state| state.head.bucket.hand_on) {
        let identity = cx.read(|state| state.head.identity().cloned())?;
        put_all(cx, &identity).await?;
        cx.step(|tx| {
            tx.head.bucket.hand_on = false;
            tx.head.bucket.handed_on_ms = tx.now.unix_ms;
            Ok(())
        })?;
    }
    take_away(cx).await
}

/// Deletes the slots that get none: no sweep would find one that was left.
async fn take_away(cx: &Shared) -> Result<(), Error> {
    let (mut gone, replaced) =
        cx.read(|state| (state.head.bucket.slots_gone.clone(), state.head.bucket.replaced.clone()));
    if gone.is_empty() {
        return Ok(());
    }
    // A passphrase may have been set since: its slot is where that of the one before was.
    let people = people::names(&cx.read(records)?);
    gone.retain(|path| people.iter().all(|name| name.path() != *path));
    let current = cx.read(|state| state.head.identity().map(|identity| identity.keys.current()))?;
    let mut handed = Vec::new();
    for path in &gone {
        // Who was not told yet may have put it back under these keys meanwhile.
        if let Some(name) = replaced.iter().find(|name| name.path() == *path)
            && has_keys(cx, name, current).await?.unwrap_or_default()
        {
            handed.push(*name);
        }
        match collect::delete_one(cx, path).await {
            Err(error) if error.kind() == ErrorKind::Auth => {} // who may delete nothing leaves it: it opens nothing new
            deleted => deleted?,
        }
    }
    cx.step(|tx| {
        note_handed(tx, &handed);
        tx.head.bucket.slots_gone.clear();
        Ok(())
    })
}

/// Somebody shows not to have these keys: they are handed on once more, unless that was lately.
pub(super) fn hand_on_again(cx: &Shared) -> Result<(), Error> {
    cx.step(|tx| {
        let bucket = &mut tx.head.bucket;
        bucket.hand_on |= tx.now.has_passed(bucket.handed_on_ms, AGAIN_MS);
        Ok(())
    })
}

/// Who has not the newest keys says something now and then, so that others see it and hand them on.
pub(super) fn asks(cx: &Shared) -> bool {
    cx.read(|state| state.now.has_passed(state.head.bucket.asked_ms, AGAIN_MS))
}

/// Something was read that is sealed under an epoch unknown here: reads the own slot, once a poll. True if keys came of
/// it.
///
/// # Errors
/// `revoked` if the slot is gone; `closed` if it has no newer keys.
pub(super) async fn learn(cx: &Shared, identity: &Identity, unknown: EpochId) -> Result<bool, Error> {
    let opener = Opener::device(&identity.secret);
    let path = SlotName::Device(identity.device).path();
    let slot = get_slot(cx, &path).await;
    let sealed = match had(cx, slot).await? {
        Ok(Some(sealed)) => sealed,
        Ok(None) if identity.member => {
            cx.step(|tx| {
                tx.head.shut_out_ms.get_or_insert(tx.now.unix_ms);
                Ok(())
            })?;
            return Err(lacks_keys(cx)?);
        }
        _ => return Err(locked_out(identity)),
    };
    has_slot(cx)?;
    let payload = open_slot(&opener, identity.vault, identity.header, &sealed).map_err(|_| locked_out(identity))?;
    let ring = key_ring(cx, identity.vault, payload.epoch, payload.root_secret).await;
    let Ok(told) = had(cx, ring).await? else { return Err(locked_out(identity)) };
    let moved = match take_keys(cx, &told) {
        // No ring of this vault, or too many epochs: whoever made it, nothing follows.
        Err(error) if error.kind() == ErrorKind::Corrupt => return Err(locked_out(identity)),
        moved => moved?,
    };
    let (current, known) = cx.read(|state| {
        let keys = &state.head.identity()?.keys;
        Ok::<_, Error>((keys.current(), keys.root_secret(unknown).is_some()))
    })?;
    if !known && current.number < unknown.number {
        return Err(locked_out(identity));
    }
    if !known && unknown.number <= current.number && !moved {
        // Of a turn at the same time, or of one taken up again later: its author finds this one's keys in its slot, and turns to
        // one that has both.
        hand_on_again(cx)?;
    }
    Ok(moved)
}

/// What is gone, bad or refused by itself leaves this device with the keys that it has, and ends no sync.
async fn had<T>(cx: &Shared, read: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match read {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Err(error)),
        read => cx.spare(read.map(Ok)).await,
    }
}

/// The own slot stands: this device is not shut out.
pub(super) fn has_slot(cx: &Shared) -> Result<(), Error> {
    cx.step(|tx| {
        tx.head.shut_out_ms = None;
        Ok(())
    })
}

/// Whether the own slot is there again, where it was gone. A poll alone does not tell: a listing or a beacon may be old.
pub(super) async fn look_for_lost_slot(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    if cx.read(|state| state.head.shut_out_ms.is_none()) {
        return Ok(());
    }
    let slot = get_slot(cx, &SlotName::Device(identity.device).path()).await;
    match had(cx, slot).await? {
        Ok(Some(_)) => has_slot(cx),
        _ => Ok(()),
    }
}

/// Why this device can't read what others write: it was revoked, or it was not handed the newest keys.
pub(super) fn lacks_keys(cx: &Shared) -> Result<Error, Error> {
    cx.read(without_keys)
}

fn without_keys(state: &State) -> Result<Error, Error> {
    match revoked::told(state) {
        Some(told) => Ok(told),
        None => Ok(locked_out(state.head.identity()?)),
    }
}

/// Objects are sealed under keys that this device lacks, so they say in clear: whoever may write to the bucket can make them
/// say so, and nothing here may cost this device its vault.
fn locked_out(identity: &Identity) -> Error {
    let what = "objects at the store name keys of the vault that this device was not given: keys rotated on a device that did \
                not know this one, or those objects were altered";
    Error::new(ErrorKind::Closed, what).on(SlotName::Device(identity.device).path()).next_step(
        "run `tidelock sync` on a device that has those keys: it hands them on; if no device has, `tidelock check` names the altered objects",
    )
}

/// Whoever turned the keys, or handed them on, may not have heard yet that some device is revoked, or a code replaced: then that
/// one has a slot with the current keys, and they turn once more. `anyway`: who was replaced is looked at in any case.
pub(super) async fn look_at_gone(cx: &Shared, anyway: bool, report: &mut SyncReport) -> Result<(), Error> {
    let (gone, current) = cx.read(|state| {
        let bucket = &state.head.bucket;
        let current = state.head.identity()?.keys.current();
        let turned_for = |device| bucket.turned_for.get(device).is_some_and(|times| *times >= TURNED_FOR_MAX);
        let revoked = state.head.revoked.keys().filter(|device| bucket.must_look && !turned_for(device));
        let looks = bucket.must_look || (anyway && current.number > 1);
        let replaced = bucket.replaced.iter().filter(|_| looks).copied();
        let gone: Vec<_> = revoked.map(|device| SlotName::Device(*device)).chain(replaced).collect();
        Ok::<_, Error>((gone, current))
    })?;
    if gone.is_empty() {
        return Ok(());
    }
    let (mut handed, mut all_read) = (Vec::new(), true);
    for name in gone {
        match has_keys(cx, &name, current).await? {
            Ok(true) => handed.push(name),
            Ok(false) => {}
            Err(error) => {
                report.reports.push(error);
                all_read = false; // it is looked at by the next sync
            }
        }
    }
    cx.step(|tx| {
        tx.head.bucket.must_look &= !all_read;
        note_handed(tx, &handed);
        Ok(())
    })
}

/// Whether there is a slot that hands these keys to who is not to have them.
async fn has_keys(cx: &Shared, name: &SlotName, epoch: EpochId) -> Result<Result<bool, Error>, Error> {
    let slot = get_slot(cx, &name.path()).await;
    Ok(match had(cx, slot).await? {
        Ok(slot) => Ok(slot.is_some_and(|sealed| people::hands_on(name, &sealed, epoch))),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false), // no slot is so long
        Err(error) => Err(error),
    })
}

fn note_handed(tx: &mut Tx<'_>, handed: &[SlotName]) {
    let bucket = &mut tx.head.bucket;
    bucket.must_turn |= !handed.is_empty();
    bucket.turns_for.extend(handed);
}

/// Takes what a ring tells; true if something of it was new. One that is apart from the own, of a turn at the same time or
/// forged, opens objects; nothing is sealed under it, and the keys turn to an epoch that only who has the own ones is told.
pub(super) fn take_keys(cx: &Shared, told: &KeyRing) -> Result<bool, Error> {
    cx.step(|tx| {
        let before = tx.head.identity()?.clone();
        let mut identity = (*before).clone();
        let took = identity.keys.take(told)?;
        if identity.keys == before.keys {
            return Ok(false);
        }
        tx.head.bucket.must_turn = took == Told::Apart;
        tx.head.bucket.turns_for.clear();
        tx.head.bucket.must_look |= !tx.head.revoked.is_empty() || !tx.head.bucket.replaced.is_empty();
        tx.head.identity = Some(Arc::new(identity));
        Ok(true)
    })
}
