//! Rollback, withholding, split views; and the bucket that is wiped.

use crate::Outcome;
use tidelock_core::{ErrorKind, Operation};
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;

pub(crate) fn class() -> Outcome {
    rolled_back_manifest()?;
    rolled_back_bucket()?;
    withheld()?;
    split_views()?;
    own_manifest_of_long_ago()
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Another's manifest goes back: what is held stays, nobody else is held up, and after an hour it is said.
fn rolled_back_manifest() -> Outcome {
    let mut world = World::with_devices(81, 3);
    let path = world.manifest_of(1);
    let old = world.bucket.object(&path).expect("a manifest");
    let value = world.put(1, "milk");
    world.sync(1).map_err(say)?;
    world.sync(0).map_err(say)?;
    world.bucket.put(&path, old);
    let sequence = |world: &World| world.status_of(0, 1).sequence;
    let verified = sequence(&world);
    world.full_check(0).map_err(say)?;
    let others = world.put(2, "bread");
    world.sync(2).map_err(say)?;
    world.now_ms += 2 * HOUR_MS;
    let report = world.full_check(0).map_err(say)?;
    let id = world.id(1).to_string();
    let said = report.reports.iter().any(|error| error.kind() == ErrorKind::RolledBack && error.object() == Some(&*id));
    ensure!(said, "a manifest went back for two hours and nobody said so");
    ensure!(sequence(&world) == verified, "a verified sequence went back");
    ensure!(world.standing(0, "milk").contains(&value), "what was held is gone");
    ensure!(world.standing(0, "bread").contains(&others), "a rollback held up the others");
    world.heal(2).map_err(say)?; // its author puts it right
    world.check()
}

/// All of the bucket goes back: every member puts its own right again.
fn rolled_back_bucket() -> Outcome {
    let mut world = World::with_devices(82, 3);
    let old = world.bucket.copy();
    for at in 0..3 {
        world.put(at, "milk");
        world.append(at);
    }
    world.sync_all();
    for path in world.bucket.keys() {
        world.bucket.lose(&path);
    }
    old.into_iter().for_each(|(path, bytes)| world.bucket.put(&path, bytes));
    world.heal(3).map_err(say)?;
    world.check()
}

/// One manifest, or one segment, is never shown to one device: the rest goes on, and it is taken once it is shown.
fn withheld() -> Outcome {
    for part in ["/manifests/", "/segments/"] {
        let mut world = World::with_devices(83, 3);
        world.put_big(1, "big", 20_000);
        world.sync(1).map_err(say)?;
        let id = world.id(1).to_string();
        let paths: Vec<String> = world.bucket.keys_with(part).into_iter().filter(|path| path.contains(&id)).collect();
        ensure!(!paths.is_empty(), "nothing to withhold");
        paths.iter().for_each(|path| world.bucket.hide(path));
        for _ in 0..6 {
            let others = world.put(2, "milk");
            world.sync(2).map_err(say)?;
            world.now_ms += HOUR_MS;
            let report = world.full_check(0).map_err(say)?;
            ensure!(world.standing(0, "milk").contains(&others), "{part}: what is withheld holds up the rest");
            ensure!(report.debts > 0, "{part}: what is withheld is not owed");
        }
        let held = world.map_of(0);
        ensure!(!held.contains_key("big"), "{part}: out of nowhere");
        world.heal(3).map_err(say)?;
        world.check()?;
    }
    Ok(())
}

/// Two devices are shown two buckets that part, and later each what the other wrote.
fn split_views() -> Outcome {
    let mut world = World::with_devices(84, 3);
    world.put(0, "shared");
    world.sync_all();
    let mut views = [world.bucket.clone(), world.bucket.clone()];
    for _ in 0..3 {
        for (at, view) in views.iter_mut().enumerate() {
            std::mem::swap(&mut world.bucket, view);
            world.put(at, "shared");
            world.put(at, &format!("of {at}"));
            let report = world.sync(at).map_err(say)?;
            ensure!(report.reports.is_empty(), "a view that only lags is no alarm: {:?}", report.reports);
            std::mem::swap(&mut world.bucket, view);
        }
    }
    // The provider ends it: what device 1 wrote goes over what device 0 was shown.
    let theirs = world.id(1).to_string();
    for (path, bytes) in
        views[1].copy().into_iter().filter(|(path, _)| path.contains(&theirs) || path.ends_with("/beacon"))
    {
        views[0].put(&path, bytes);
    }
    world.bucket = views[0].clone();
    world.heal(3).map_err(say)?;
    world.check()
}

/// A device is shown a manifest of its own from long ago: it is a rollback, not a copy of its store.
fn own_manifest_of_long_ago() -> Outcome {
    let mut world = World::with_devices(86, 2);
    let (id, path) = (world.id(0), world.manifest_of(0));
    let old = world.bucket.object(&path).ok_or("a manifest stands")?;
    for round in 0..70 {
        world.put(0, &format!("note {round}"));
        world.sync(0).map_err(say)?;
    }
    world.bucket.put(&path, old);
    world.now_ms += HOUR_MS;
    world.full_check(0).map_err(say)?;
    ensure!(world.id(0) == id, "a device that is shown its own manifest of long ago abandons its id");
    world.heal(2).map_err(say)?;
    world.check()
}

/// Everything is gone: no PUT of any kind, nothing is lost here, and a person's word puts it back.
pub(crate) fn wiped() -> Outcome {
    let mut world = World::with_devices(85, 2);
    world.put(0, "milk");
    world.append(0);
    world.sync_all();
    let held = (world.map_of(0), world.log_of(0));
    world.bucket.wipe();
    for _ in 0..3 {
        world.now_ms += 2 * HOUR_MS;
        for operation in [Operation::Sync, Operation::Check, Operation::Push] {
            match world.run(0, operation.clone()) {
                Err(error) if error.kind() == ErrorKind::Wiped => {}
                other => return Err(format!("{operation:?} at a wiped bucket ended with {other:?}")),
            }
            ensure!(world.bucket.keys().is_empty(), "{operation:?} PUT something into a wiped bucket");
        }
        world.restart(0);
    }
    world.put(0, "written meanwhile");
    ensure!(world.map_of(0).len() == held.0.len() + 1 && world.log_of(0) == held.1, "something is lost here");
    world.run(0, Operation::Republish).map_err(say)?;
    world.run(1, Operation::Sync).map_err(say)?;
    world.heal(2).map_err(say)?;
    world.check()
}
