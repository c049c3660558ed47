//! A device that was revoked and still may write to the bucket: what it publishes afterwards, under its own name and rightly
//! signed.

use crate::Outcome;
use tidelock_core::{Operation, SyncReport};
use tidelock_sim::world::World;

pub(crate) fn class() -> Outcome {
    let say = |error: tidelock_core::Error| error.to_string();
    let mut world = World::with_devices(161, 4);
    world.put(1, "before");
    world.sync_all();
    let device = world.id(1);
    world.run(0, Operation::RevokeDevice { device }).map_err(say)?;
    world.gone.insert(1);
    world.untold(|world| {
        for round in 0..3 {
            world.put(1, &format!("later {round}"));
            world.put(1, "before");
            for _ in 0..200 * round {
                world.append(1);
            }
            // It is told that it has no keys, and publishes under those it has.
            let _: Result<SyncReport, _> = world.sync(1);
        }
    });
    world.now_ms += 7_200_000;
    // Device 3 was away all the time; device 2 hears of it first.
    for at in [2, 3, 0, 2] {
        world.full_check(at).map_err(say)?;
        ensure!(world.standing(at, "later 0").is_empty(), "device {at} takes what a revoked device writes");
    }
    world.check()
}
