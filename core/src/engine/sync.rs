//! The long-running operations, as a caller knows them.

use super::api::{Operation, Outcome, SyncReport};
use super::head::{Identity, Stopped};
use super::shared::Shared;
use super::{
    access, beacon, carry, collect, devices, epochs, evidence, header, leave, look, member, people, publish, pull,
    repair, retired, revoked, slots,
};
use crate::{Error, ErrorKind};
use std::sync::Arc;

/// A full check this long after the last one, give or take 20 %.
const CHECK_MS: u64 = 3_600_000;
/// Superseded objects go this long after the manifest that dropped them was confirmed.
const GRACE_MS: u64 = 3_600_000;

/// Runs one operation to its end and keeps what `status` tells of it.
pub(super) async fn run(cx: Shared, operation: Operation) -> Result<Outcome, Error> {
    let result = match operation {
        Operation::Create { passphrase } => member::create(&cx, passphrase).await,
        Operation::Join { secret } => member::join(&cx, secret).await,
        Operation::Pull => sync(&cx, Scope { push: false, full: false }).await,
        Operation::Push | Operation::Sync => sync(&cx, Scope { push: true, full: false }).await,
        Operation::Check => sync(&cx, Scope { push: true, full: true }).await,
        Operation::Republish => republish(&cx).await,
        Operation::Repair => repair::repair(&cx).await,
        Operation::Inspect { read_data } => match identity_of_member(&cx) {
            Ok(identity) => repair::look(&cx, &identity, read_data).await,
            Err(error) => Err(error),
        },
        Operation::SetPassphrase { passphrase } => access::set_passphrase(&cx, passphrase).await,
        Operation::ReplaceRecoveryCode => access::replace_recovery_code(&cx).await,
        Operation::RetireDevice { device } => devices::retire(&cx, device).await,
        Operation::RevokeDevice { device } => devices::revoke(&cx, device).await,
        Operation::AdoptDevice { device } => devices::adopt(&cx, device).await,
    };
    let last_error = result.as_ref().err().map(ToString::to_string);
    let stored = cx.step(|tx| {
        tx.head.bucket.last_error.clone_from(&last_error);
        Ok(())
    });
    cx.flush().await?;
    result.and_then(|outcome| stored.map(|()| outcome))
}

#[derive(Clone, Copy)]
pub(super) struct Scope {
    pub(super) push: bool,
    pub(super) full: bool,
}

pub(super) async fn sync(cx: &Shared, scope: Scope) -> Result<Outcome, Error> {
    let identity = identity_of_member(cx)?;
    evidence::look_again(cx, &identity).await?;
    check_going(cx)?;
    // A new vault's code has been shown; one that replaces it stays until it is given.
    if identity.recovery.is_some() && !cx.read(|state| state.head.bucket.code_replaced) {
        member::erase_recovery_code(cx)?;
    }
    let synced = sync_as(cx, &identity, scope).await;
    // A copy that could not look at the bucket leaves when it can: it may have been wiped.
    if !synced.as_ref().is_err_and(|error| error.kind() == ErrorKind::Forked) {
        return synced;
    }
    let identity = cx.read(|state| state.head.identity().cloned())?; // new keys may have come
    let report = leave::leave(cx, &identity).await?;
    let identity = cx.read(|state| state.head.identity().cloned())?;
    let mut outcome = sync_as(cx, &identity, Scope { push: true, ..scope }).await?;
    if let Outcome::Synced(synced) = &mut outcome {
        synced.reports.push(report);
    }
    Ok(outcome)
}

/// Who this device is, if it is one of its vault already.
pub(super) fn identity_of_member(cx: &Shared) -> Result<Arc<Identity>, Error> {
    let identity = cx.read(|state| state.head.identity().cloned())?;
    if identity.member {
        return Ok(identity);
    }
    Err(Error::new(ErrorKind::NotFound, "creating or joining the vault was interrupted")
        .next_step("run `init` or `join` again: it goes on where it stopped"))
}

/// Publishes what an operation, which has synced before, has just changed for all.
pub(super) async fn publish(cx: &Shared) -> Result<Outcome, Error> {
    check_going(cx)?;
    let identity = cx.read(|state| state.head.identity().cloned())?;
    if cx.read(|state| state.locked_out && state.head.bucket.hand_on) {
        return Err(epochs::lacks_keys(cx)?); // a turn that broke off writes over nobody's newer keys
    }
    epochs::hand_on(cx).await?;
    exchange(cx, &identity, Scope { push: true, full: false }).await
}

/// Nothing stopped this device from publishing.
fn check_going(cx: &Shared) -> Result<(), Error> {
    cx.read(|state| state.head.bucket.stopped.clone())
        .map_or(Ok(()), |stopped| Err(cx.read(|state| stopped.error(state))))
}

async fn sync_as(cx: &Shared, identity: &Arc<Identity>, scope: Scope) -> Result<Outcome, Error> {
    check_going(cx)?;
    exchange(cx, identity, scope).await
}

/// Pulls, and pushes what `scope` says.
async fn exchange(cx: &Shared, identity: &Arc<Identity>, scope: Scope) -> Result<Outcome, Error> {
    let full = scope.full || check_is_due(cx);
    let mut report = SyncReport::default();
    // A turn that an earlier operation began goes on after the poll, which tells who is revoked, and which code was replaced.
    let takes_up = cx.read(|state| state.head.bucket.hand_on);
    let mut polled = pull::pull(cx, full, &mut report).await?;
    if cx.read(|state| state.head.bucket.copied) {
        if polled.locked_out {
            return Err(epochs::lacks_keys(cx)?); // a new id would be given no keys either
        }
        return Err(leave::copied(cx)?); // nothing more is PUT under an id that two stores use
    }
    if !polled.locked_out {
        epochs::look_for_lost_slot(cx, identity).await?;
        people::learn(cx)?;
        if takes_up {
            epochs::learn_of_another_turn(cx, identity).await?;
            people::learn(cx)?;
        }
        epochs::look_at_gone(cx, full || takes_up, &mut report).await?;
        epochs::turn_again(cx)?;
        if polled.lacks_keys {
            epochs::hand_on_again(cx)?;
        }
        epochs::hand_on(cx).await?;
    }
    let identity = &cx.read(|state| state.head.identity().cloned())?; // new keys may have come
    if full {
        slots::check_records(cx, identity, &mut report)?;
        cx.step(|tx| {
            carry::look(tx);
            Ok(())
        })?;
        collect::tombstones(cx).await?;
    }
    if scope.push {
        cx.step(|tx| retired::is_back(tx, identity.device))?;
        if full {
            retired::lapse(cx)?;
        }
        publish::push(cx, &mut polled, full, &mut report).await?;
        cx.step(|tx| collect::covered_segments(tx, identity, GRACE_MS))?;
        // Who lacks the newest keys sees less than what is named, and must not hand on the ones it has.
        if !polled.locked_out {
            collect::garbage(cx, identity).await?;
        }
        let sweep_due = cx.read(|state| state.now.has_passed(state.head.bucket.swept_ms, collect::SWEEP_MS));
        if full && !polled.locked_out {
            header::check(cx, identity).await?;
            // Once keys have turned, a bucket that goes back shuts out whoever has not got the newer ones yet.
            if sweep_due || identity.keys.current().number > 1 {
                slots::check(cx, identity, &mut report).await?;
            }
            if sweep_due {
                collect::sweep(cx, identity).await?;
            }
        }
    } else if polled.repair {
        beacon::repair(cx, identity, &mut polled).await?;
    }
    if !polled.locked_out {
        access::report_code_owed(cx, &mut report)?;
        access::report_lost_passphrase(cx, &mut report)?;
    }
    // Not before: what it published is there for `adopt`, and who was not revoked is handed keys for it.
    match cx.read(revoked::told) {
        Some(told) if !planted!(RevokedNotTold) => Err(told),
        _ => Ok(Outcome::Synced(report)),
    }
}

/// Hourly, give or take 20 %; soon after a beacon entry went backwards; at start, if the last is older than an hour.
fn check_is_due(cx: &Shared) -> bool {
    let mut state = cx.lock();
    let mut random = [0; 2];
    state.entropy.fill(&mut random);
    let jitter_ms = u64::from(u16::from_le_bytes(random)) * (CHECK_MS * 2 / 5) / 65_536;
    let bucket = &state.head.bucket;
    bucket.check_soon || state.now.has_passed(bucket.checked_ms, CHECK_MS * 4 / 5 + jitter_ms)
}

/// After a rollback or a wipe: this device's state goes to the bucket again, as a new sequence and a snapshot.
async fn republish(cx: &Shared) -> Result<Outcome, Error> {
    let mut identity = identity_of_member(cx)?;
    if let Some(Stopped::Revoked) = cx.read(|state| state.head.bucket.stopped.clone()) {
        return Err(cx.read(|state| Stopped::Revoked.error(state)));
    }
    header::put_right(cx, &identity).await?;
    cx.step(|tx| {
        let bucket = &mut tx.head.bucket;
        bucket.beacon_etag = None;
        bucket.beacon.clear();
        bucket.beacon_dirty = true;
        publish::begin_anew(tx);
        Ok(())
    })?;
    let locked_out = match epochs::look_at_slots(cx, &identity).await? {
        slots::Standing::Unreadable(error) => return Err(error),
        standing => matches!(standing, slots::Standing::OfAnotherTurn),
    };
    identity = cx.read(|state| state.head.identity().cloned())?; // new keys may have come
    let mut left = None;
    if cx.read(|state| state.head.bucket.copied) {
        if locked_out {
            return Err(epochs::lacks_keys(cx)?); // a new id would be given no keys
        }
        left = Some(leave::leave(cx, &identity).await?);
        identity = cx.read(|state| state.head.identity().cloned())?;
    }
    if !locked_out {
        // That people's slots are gone says nothing after a wipe. They come once the poll has told which were replaced.
        cx.step(|tx| {
            tx.head.bucket.hand_on = true;
            people::seat_all(tx)
        })?;
        // Where no manifest stands no poll tells of it.
        if look::list(cx, &identity).await?.is_empty() {
            slots::put_all(cx, &identity).await?;
        } else {
            slots::put_keys(cx, &identity).await?;
            slots::put_devices_slots(cx, &identity).await?;
        }
    }
    publish::republish(cx, &identity, locked_out).await?;
    // Not before: one that broke off is to be run again.
    cx.step(|tx| {
        tx.head.bucket.stopped = None;
        tx.head.bucket.rollbacks_ms.clear();
        Ok(())
    })?;
    let mut outcome = sync(cx, Scope { push: true, full: true }).await?;
    if let Outcome::Synced(synced) = &mut outcome {
        synced.reports.extend(left);
    }
    Ok(outcome)
}
