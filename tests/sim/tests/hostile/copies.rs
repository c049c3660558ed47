//! Cloned identity: two copies of one store, both in use.

use crate::Outcome;
use tidelock_core::ErrorKind;
use tidelock_sim::bucket::Conditions;
use tidelock_sim::world::World;

pub(crate) fn class() -> Outcome {
    for conditions in [Conditions::Kept, Conditions::Ignored] {
        for copy_first in [false, true] {
            both_write(conditions, copy_first)?;
        }
    }
    Ok(())
}

/// Both copies write and sync: nothing of either is lost, everybody holds both, one goes on under an id of its own, and
/// somebody says that there were two.
fn both_write(conditions: Conditions, copy_first: bool) -> Outcome {
    let mut world = World::with_devices(71, 3);
    world.bucket.conditions = conditions;
    let copy = world.copy_of(0);
    let values = [world.put(0, "the first's"), world.put(copy, "the copy's")];
    let mut seen = false;
    let mut sync = |world: &mut World, at: usize, whole: bool| -> Outcome {
        let result = if whole { world.full_check(at) } else { world.sync(at) };
        let report = result.map_err(|error| format!("device {at}: {error}"))?;
        seen |= report.reports.iter().any(|error| error.kind() == ErrorKind::Forked);
        Ok(())
    };
    for at in if copy_first { [copy, 0] } else { [0, copy] } {
        sync(&mut world, at, false)?;
        sync(&mut world, 1, false)?;
    }
    for _ in 0..3 {
        world.now_ms += 3_700_000;
        for at in [0, copy, 1, 2] {
            sync(&mut world, at, true)?;
        }
    }
    for at in [0, copy, 1, 2] {
        for value in &values {
            let held = world.map_of(at).into_values().any(|standing| standing.contains(value));
            ensure!(held, "device {at} does not hold {value}");
        }
    }
    let id = |at: usize| world.devices[at].engine.status().expect("a sound disk").device;
    ensure!(id(0) != id(copy), "both copies go on under one id");
    ensure!(seen, "nobody said that there were two copies");
    Ok(())
}
