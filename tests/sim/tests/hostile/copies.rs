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

/// Both copies write and sync; what a sync said was published is never lost, and somebody says that there are two.
fn both_write(conditions: Conditions, copy_first: bool) -> Outcome {
    let mut world = World::with_devices(71, 3);
    world.bucket.conditions = conditions;
    let disk = world.devices[0].disk.copy();
    let copy = world.add_with(disk);
    let values = [(0, world.put(0, "the first's")), (copy, world.put(copy, "the copy's"))];
    let order = if copy_first { [copy, 0] } else { [0, copy] };
    let mut published = Vec::new();
    let mut seen = false;
    for at in order {
        match world.sync(at) {
            Ok(report) => {
                published.push(at);
                seen |= report.reports.iter().any(|error| error.kind() == ErrorKind::Forked);
            }
            Err(error) => {
                ensure!(error.kind() == ErrorKind::Forked, "a copy ended with {error}");
                seen = true;
            }
        }
        let _ = world.sync(1);
    }
    for _ in 0..3 {
        world.now_ms += 3_700_000;
        for at in [0, copy, 1, 2] {
            let result = world.full_check(at);
            seen |= result.as_ref().err().is_some_and(|error| error.kind() == ErrorKind::Forked);
            seen |= result.is_ok_and(|report| report.reports.iter().any(|error| error.kind() == ErrorKind::Forked));
        }
    }
    ensure!(!published.is_empty(), "neither copy published anything");
    for (at, value) in values.iter().filter(|(at, _)| published.contains(at)) {
        for reader in [1, 2] {
            let held = world.map_of(reader).into_values().any(|standing| standing.contains(value));
            ensure!(held, "device {reader} lost what {at} was told to be published");
        }
    }
    let status = |at: usize| world.devices[at].engine.status().expect("a sound disk");
    let left = status(0).device != status(copy).device;
    ensure!(seen || left, "nobody noticed that there are two copies");
    Ok(())
}
