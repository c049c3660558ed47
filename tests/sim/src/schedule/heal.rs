//! Faults end, clocks are right, and everybody must come to hold what the oracle says: soon where nothing is owed, and after
//! some hours in any case.

use super::damage;
use super::run::Run;
use tidelock_core::{ErrorKind, Operation};

/// Polls after which a beacon that lacked something has been put right.
const SOON_ROUNDS: u32 = 12;
/// Polls after which a debt has been tried often enough.
const DEBT_ROUNDS: u32 = 140;
/// Polls in a row without a PUT, within so many, show that nobody has anything left to say.
const QUIET_ROUNDS: u32 = 8;
const QUIET_WITHIN: u32 = 30;
/// Full checks after which everything is right.
const ROUNDS: u32 = 12;
/// Full checks after which whoever lacks the newest keys is handed them by nobody.
const JOIN_AGAIN_AFTER: u32 = 4;

/// Heals the world and demands that everybody is in step.
///
/// # Errors
/// Who is not, or what else is wrong.
pub fn heal(run: &mut Run<'_>, newcomer: bool) -> Result<(), String> {
    run.world.hazards.end();
    for at in 0..run.world.devices.len() {
        let device = &mut run.world.devices[at];
        (device.skew_ms, device.frozen_ms, device.backwards_ms) = (0, None, None);
        device.kill_at(None);
        device.disk.fill(0);
        device.holds_pages = false;
        let unstored = device.unstored();
        device.store_pages(unstored, run.world.now_ms);
        run.world.devices[at].drain(run.world.now_ms);
    }
    run.world.bucket.clock_off_ms = 0;
    run.world.bucket.faults = Default::default();
    run.calm_down()?;
    join(run)?;
    run.world.bucket.show();
    join(run)?; // what was hidden may have been the keys
    if !run.shut_out.is_empty() {
        let mut rounds = 0;
        while !run.revoke_again()? {
            rounds += 1;
            if rounds > ROUNDS {
                return Err(format!("{ROUNDS} full checks after healing nobody can revoke who was to be revoked"));
            }
            republish(run)?;
            check_everybody(run)?;
            if rounds == JOIN_AGAIN_AFTER {
                join_again(run, false)?;
            }
        }
    }
    if run.world.random.permille(400) {
        run.all_at_once()?; // so that whatever is written last was written in a race
    }
    if run.world.random.permille(250) {
        unreadable_for_a_while(run)?;
    }
    // What was taken away or comes late is found by the next full check.
    if !run.world.is_late_expected()
        && !run.world.hazards.faults.took_something_away()
        && !has_stopped(run)
        && !run.forked
        && run.shut_out.is_empty()
    {
        let rounds = if owes(run) { DEBT_ROUNDS } else { SOON_ROUNDS };
        for _ in 0..rounds {
            everybody(run, &Operation::Sync, 1_000)?;
            if in_step(run).is_ok() {
                break;
            }
        }
        in_step(run).map_err(|why| format!("{rounds} polls after healing {why}"))?;
        if run.world.random.permille(200) {
            falls_quiet(run)?;
        }
    }
    run.world.now_ms += 3_600_000;
    run.world.deliver_late();
    let mut result = Ok(());
    for round in 0..ROUNDS {
        join(run)?;
        republish(run)?;
        check_everybody(run)?;
        if !run.shut_out.is_empty() && round % JOIN_AGAIN_AFTER == JOIN_AGAIN_AFTER - 1 {
            join_again(run, round > JOIN_AGAIN_AFTER)?;
        }
        result = in_step(run);
        if result.is_ok() && round >= 1 {
            break;
        }
    }
    result.map_err(|why| format!("{ROUNDS} full checks after healing {why}"))?;
    if newcomer {
        run.world.join().map_err(|error| format!("a newcomer's join ends in {error:?}"))?;
        if in_step(run).is_err() {
            // What only a snapshot held that is lost is mended by somebody.
            for _ in 0..ROUNDS {
                check_everybody(run)?;
            }
        }
        in_step(run).map_err(|why| format!("a newcomer later: {why}"))?;
    }
    run.shut_out_are_told()?;
    if run.plan.damaged {
        damage::then_republish(run)?;
    }
    Ok(())
}

/// Who is not of the vault yet joins. What a bucket that went back has lost of the keys comes with the others' full checks.
fn join(run: &mut Run<'_>) -> Result<(), String> {
    let code = run.world.code.clone().ok_or("no vault")?;
    for at in run.staying() {
        run.world.settle();
        if run.world.devices[at].engine.status().map_err(|error| error.to_string())?.vault.is_none() {
            let secret = tidelock_core::Secret::Recovery(code.clone());
            operation(run, at, Operation::Join { secret })?;
        }
    }
    Ok(())
}

/// Who can have the newest keys in no other way joins again, and has time to say what it misses then.
fn join_again(run: &mut Run<'_>, known: bool) -> Result<(), String> {
    if run.join_again(known)? {
        for _ in 0..DEBT_ROUNDS {
            everybody(run, &Operation::Sync, 60_000)?;
        }
    }
    Ok(())
}

/// All logs are unreadable for some polls, so that debts are old when they can be paid at last.
fn unreadable_for_a_while(run: &mut Run<'_>) -> Result<(), String> {
    run.world.bucket.hide_all("/segments/");
    for _ in 0..6 {
        everybody(run, &Operation::Sync, 1_000)?;
    }
    run.world.bucket.show();
    Ok(())
}

/// Devices that are in step and write nothing come to write nothing to the bucket either.
fn falls_quiet(run: &mut Run<'_>) -> Result<(), String> {
    let mut quiet = 0;
    for _ in 0..QUIET_WITHIN {
        let puts = run.world.bucket.meter.put;
        everybody(run, &Operation::Sync, 1_000)?;
        quiet = if run.world.bucket.meter.put == puts { quiet + 1 } else { 0 };
        if quiet == QUIET_ROUNDS {
            return Ok(());
        }
    }
    Err(format!("of {QUIET_WITHIN} polls of everybody, after healing, no {QUIET_ROUNDS} in a row write nothing"))
}

fn owes(run: &Run<'_>) -> bool {
    run.world.devices.iter().any(|device| device.engine.status().is_ok_and(|status| status.debts > 0))
}

fn has_stopped(run: &Run<'_>) -> bool {
    run.world.devices.iter().any(|device| device.engine.status().is_ok_and(|status| status.stopped.is_some()))
}

pub(super) fn operation(run: &mut Run<'_>, at: usize, operation: Operation) -> Result<(), String> {
    if let Some(watch) = &mut run.world.watch {
        watch.operation(at);
    }
    let shown = format!("{operation:?}");
    let result = run.world.run(at, operation);
    run.watched(at)?;
    match result {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::RolledBack | ErrorKind::Wiped) => Ok(()), // `republish` follows
        Err(error) if run.lacks_keys(at, &error) => Ok(()), // others' full checks bring them
        Err(error) if error.kind() == ErrorKind::AlreadyExists && shown == "Join" => Ok(()),
        Err(error) if error.kind() == ErrorKind::Corrupt && shown == "Join" && !run.shut_out.is_empty() => Ok(()),
        Err(error) => Err(format!("{shown} of device {at} in a sound world ends in {error:?}")),
    }
}

fn everybody(run: &mut Run<'_>, what: &Operation, pause_ms: u64) -> Result<(), String> {
    for at in run.staying() {
        run.world.now_ms += pause_ms;
        operation(run, at, what.clone())?;
    }
    run.world.settle();
    Ok(())
}

/// Half of the worlds wait until the full check that is due hourly, give or take 20 %, comes by itself.
pub(super) fn check_everybody(run: &mut Run<'_>) -> Result<(), String> {
    let what = if run.plan.seed.is_multiple_of(2) { Operation::Sync } else { Operation::Check };
    everybody(run, &what, 4_400_000)
}

/// Who stopped because the bucket went back is told by its owner to go on.
fn republish(run: &mut Run<'_>) -> Result<(), String> {
    for at in run.staying() {
        let status = run.world.devices[at].engine.status().map_err(|error| error.to_string())?;
        if status.stopped.is_some() {
            run.tell(|| format!("device {at} republishes"));
            operation(run, at, Operation::Republish)?;
        }
    }
    Ok(())
}

/// Everybody holds what the oracle says. Once a store was put back, nobody knows what only it held: then all must agree. What a
/// revoked device wrote may count or not.
fn in_step(run: &Run<'_>) -> Result<(), String> {
    if run.restored {
        return run.world.check_alike();
    }
    if run.shut_out.is_empty() {
        return run.world.check();
    }
    run.world.check_without(&run.shut_out)?;
    run.nothing_opens_for_revoked()
}
