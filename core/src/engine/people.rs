//! Slots that people open: which of them get the current keys, and which were replaced, so that nobody hands them keys again who
//! has not heard of it.

use super::head::{Bucket, Peer, Seats};
use super::retired;
use super::shared::Shared;
use super::slots::{is_of_people, records_within};
use super::state::{State, Tx};
use crate::crypto::{SlotName, SlotRecord, epoch_of, stretching_of};
use crate::{EpochId, Error};

/// So many replaced slots are looked after, the newest: an hourly read each.
const REPLACED_MAX: usize = 8;

/// What becomes of slots as the keys turn.
#[derive(Default)]
pub(super) struct SlotChange {
    /// Paths of those that get no new keys, and go.
    pub(super) gone: Vec<String>,
    /// People's that are replaced.
    pub(super) old: Vec<SlotName>,
    /// What stands for those from now on.
    pub(super) new: Option<SlotName>,
}

/// People's slots among these records.
pub(super) fn names(records: &[SlotRecord]) -> Vec<SlotName> {
    records.iter().map(|record| record.name).filter(is_of_people).collect()
}

/// The keys turn here: who has a record, as the step began, gets the new ones.
pub(super) fn turned(tx: &mut Tx<'_>, epoch: EpochId, change: SlotChange) -> Result<(), Error> {
    let mut names = names(&records_within(tx)?);
    names.retain(|name| !change.old.contains(name));
    names.extend(change.new);
    let bucket = &mut tx.head.bucket;
    replaced(bucket, change.old);
    bucket.slots_gone.extend(change.gone);
    bucket.seats = Seats { epoch: Some(epoch), names };
    Ok(())
}

fn replaced(bucket: &mut Bucket, names: Vec<SlotName>) {
    bucket.replaced.extend(names);
    let excess = bucket.replaced.len().saturating_sub(REPLACED_MAX);
    bucket.replaced.drain(..excess);
}

/// A person says that what is here is to be in the bucket: who has a record gets the current keys, whatever is gone there.
pub(super) fn seat_all(tx: &mut Tx<'_>) -> Result<(), Error> {
    let current = tx.head.identity()?.keys.current();
    for name in names(&records_within(tx)?) {
        take_seat(&mut tx.head.bucket, current, name);
    }
    Ok(())
}

/// What the poll told: a slot that has no record any more was replaced. If this device gave it the current keys, they turn.
pub(super) fn learn(cx: &Shared) -> Result<(), Error> {
    if cx.read(|state| state.head.bucket.seats.names.is_empty()) {
        return Ok(());
    }
    cx.step(|tx| {
        let stand = names(&records_within(tx)?);
        let current = tx.head.identity()?.keys.current();
        let bucket = &mut tx.head.bucket;
        let Seats { epoch, names } = std::mem::take(&mut bucket.seats);
        let is_current = epoch == Some(current);
        let (kept, gone): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| stand.contains(name));
        if !gone.is_empty() {
            if is_current && bucket.handed_on == epoch {
                bucket.must_turn_at_once();
            }
            replaced(bucket, gone);
        }
        if !is_current && bucket.hand_on && !kept.is_empty() {
            // Overtaken before all had the keys that it turned to: who was to get those gets newer ones.
            bucket.must_turn_at_once();
        }
        bucket.seats = if is_current { Seats { epoch, names: kept } } else { Seats::default() };
        Ok(())
    })
}

/// One stands under the current keys, or cannot have been replaced: it gets them from now on.
pub(super) fn seat(cx: &Shared, name: SlotName) -> Result<(), Error> {
    cx.step(|tx| {
        let current = tx.head.identity()?.keys.current();
        take_seat(&mut tx.head.bucket, current, name);
        Ok(())
    })
}

fn take_seat(bucket: &mut Bucket, current: EpochId, name: SlotName) {
    if !has_seat(bucket, current, &name) {
        bucket.seats.names.retain(|_| bucket.seats.epoch == Some(current));
        bucket.seats.names.push(name);
        bucket.seats.epoch = Some(current);
    }
}

/// Whether a slot gets the current keys where none stands. The first epoch's are known to whoever ever could open one.
pub(super) fn has_seat(bucket: &Bucket, current: EpochId, name: &SlotName) -> bool {
    current.number == 1 || (bucket.seats.epoch == Some(current) && bucket.seats.names.contains(name))
}

/// Whether a slot may have been replaced by who turned the keys, and what says so be late: a manifest is named, or an op stated,
/// that this device has not read.
pub(super) fn may_be_replaced(state: &State, current: EpochId, name: &SlotName) -> Result<bool, Error> {
    let head = &state.head;
    if has_seat(&head.bucket, current, name) {
        return Ok(false);
    }
    let retired = retired::all(state)?;
    let (own, awaited) = (head.identity()?.device, retired::awaited(head, &retired));
    let is_untold = |peer: &Peer| {
        let mut stated = peer.stated.iter().filter(|(of, _)| *of != own && !head.is_revoked(*of));
        peer.wanted.is_some() || stated.any(|(of, point)| !head.prefix_has(of, point))
    };
    Ok(awaited.into_iter().any(|(_, peer)| is_untold(peer)))
}

/// Whether what stands at a slot's path hands these keys to its holder.
pub(super) fn hands_on(name: &SlotName, sealed: &[u8], epoch: EpochId) -> bool {
    is_its_own(name, sealed) && epoch_of(sealed).is_ok_and(|of| of == epoch)
}

/// All passphrases have one place: salt and cost tell whose slot stands there.
pub(super) fn is_its_own(name: &SlotName, sealed: &[u8]) -> bool {
    match name {
        SlotName::Passphrase(stretching) => stretching_of(sealed).is_ok_and(|found| found == *stretching),
        SlotName::Recovery(_) | SlotName::Device(_) => true,
    }
}
