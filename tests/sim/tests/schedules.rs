//! Random schedules with big values, so that segments, snapshots, chunk merges and trims happen, and kills at any moment
//! of them.

use tidelock_core::{Error, ErrorKind, Hash, Operation};
use tidelock_sim::bucket::{Conditions, Faults};
use tidelock_sim::device::Moment;
use tidelock_sim::oracle::Oracle;
use tidelock_sim::witness::Witness;
use tidelock_sim::world::{Network, World};

/// A value's bytes: mostly small, some that make a segment, a few that make a chunk grow.
fn value(world: &mut World) -> String {
    let bytes = match world.random.below(10) {
        0 => 200 << 10,
        1..=3 => 20 << 10,
        _ => 0,
    };
    world.big_value(bytes)
}

/// Kills a device at some moment soon.
fn threaten(world: &mut World, at: usize) {
    let soon = world.random.below(25);
    let moment = match world.random.below(3) {
        0 => Moment::Commit(soon),
        1 => Moment::Request(soon),
        _ => Moment::Answer(soon),
    };
    world.devices[at].kill_at(Some(moment));
}

fn survives(result: Result<tidelock_core::Outcome, Error>) -> Result<(), String> {
    match result {
        Ok(_) => Ok(()),
        // Killed, or a fault outlasted the retries: both are ordinary.
        Err(error) if error.kind() == ErrorKind::Cancelled || error.is_retryable() => Ok(()),
        Err(error) => Err(format!("{error:?}")),
    }
}

fn join(world: &mut World, at: usize) -> Result<(), String> {
    let joined = world.join_on(at);
    world.devices[at].kill_at(None);
    match joined {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Cancelled || error.is_retryable() => Ok(()),
        Err(error) => Err(format!("join of {at}: {error:?}")),
    }
}

fn schedule(seed: u64) -> Result<Hash, String> {
    let mut world = World::new(seed);
    world.bucket.conditions = [Conditions::Kept, Conditions::Ignored, Conditions::Refused][(seed % 3) as usize];
    world.bucket.absent_is_404 = seed.is_multiple_of(2);
    world.create().map_err(|error| format!("create: {error}"))?;
    world.join().map_err(|error| format!("join: {error}"))?;
    world.network = Network { lost: 15, answer_lost: 15, busy: 15, duplicate: 20 };
    world.bucket.faults = Faults { hidden: 30, stale: 5 };
    for _ in 0..120 {
        let at = world.random.below(world.devices.len() as u64) as usize;
        if world.devices[at].engine.status().map_err(|error| error.to_string())?.vault.is_none() {
            join(&mut world, at)?; // killed in the middle of it, and others went on meanwhile
            continue;
        }
        match world.random.below(12) {
            0..=4 => {
                let (key, value) = (format!("key {}", world.random.below(30)), value(&mut world));
                world.put_value(at, &key, &value);
            }
            5 => {
                let key = format!("key {}", world.random.below(30));
                world.delete(at, &key);
            }
            6 => {
                world.append(at);
            }
            7 => world.delete_some_entry(at),
            8 if world.devices.len() < 4 && world.random.permille(150) => {
                let newcomer = world.add();
                if world.random.permille(500) {
                    threaten(&mut world, newcomer);
                }
                join(&mut world, newcomer)?;
            }
            _ => {
                if world.random.permille(200) {
                    threaten(&mut world, at);
                }
                let operation = if world.random.permille(250) { Operation::Check } else { Operation::Sync };
                survives(world.run(at, operation)).map_err(|why| format!("sync of {at}: {why}"))?;
                world.devices[at].kill_at(None);
            }
        }
        world.now_ms += world.random.below(20 * 60_000);
    }
    for at in 0..world.devices.len() {
        while world.devices[at].engine.status().map_err(|error| error.to_string())?.vault.is_none() {
            join(&mut world, at)?;
        }
    }
    world.heal(5).map_err(|error| format!("healing: {error:?}"))?;
    world.check()?;
    Witness::new(&world.bucket, world.code.as_ref().expect("created")).one_body_each(&world.bucket)?;
    let newcomer = world.join().map_err(|error| format!("join at last: {error}"))?;
    world.check_one(newcomer)?;
    Ok(world.trace())
}

fn seeds(many: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let from = number("SEED").unwrap_or(0);
    from..from + number("SEEDS").unwrap_or(many)
}

#[test]
fn random_schedules_with_big_values_and_kills_converge() {
    let seeds = seeds(40);
    let many = seeds.end - seeds.start;
    let failed: Vec<String> =
        seeds.filter_map(|seed| schedule(seed).err().map(|why| format!("seed {seed}: {why}"))).collect();
    assert!(failed.is_empty(), "{} of {many} failed, first: {}", failed.len(), failed[0]);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3] {
        assert_eq!(schedule(seed), schedule(seed), "seed {seed}");
    }
    assert_ne!(schedule(1), schedule(2));
}

/// A bucket with a snapshot of several chunks, what everybody must hold, and the first device.
fn several_chunks() -> World {
    let mut world = World::new(100);
    world.create().unwrap();
    for page in 0..28 {
        world.put_big(0, &format!("page {page:02}"), 200 << 10);
        world.put(0, &format!("small {page:02}"));
    }
    for _ in 0..40 {
        world.append(0);
    }
    world.delete_some_entry(0);
    world.sync(0).unwrap();
    world.delete(0, "page 03");
    world.sync(0).unwrap();
    assert!(world.bucket.keys_with("/snapshots/").len() >= 3, "an index and several chunks");
    world
}

#[test]
fn a_newcomer_killed_at_every_moment_of_a_merge_of_several_chunks() {
    let base = several_chunks();
    let joined = |moment: Option<Moment>| {
        let mut world = World::new(101);
        world.bucket = base.bucket.clone();
        (world.code, world.oracle, world.now_ms) = (base.code.clone(), base.oracle.clone(), base.now_ms);
        let at = world.add();
        world.devices[at].kill_at(moment);
        let result = world.join_on(at);
        (world, result)
    };
    let (whole, result) = joined(None);
    result.unwrap();
    whole.check_one(0).unwrap();
    let (commits, requests) = whole.devices[0].moments();
    let moments = (0..commits).map(Moment::Commit).chain((0..requests).map(Moment::Answer));
    for moment in moments {
        let (mut world, result) = joined(Some(moment));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled, "{moment:?}");
        if let Err(error) = world.join_on(0) {
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{moment:?}: {error}");
        }
        world.check_one(0).unwrap_or_else(|why| panic!("{moment:?}: {why}"));
    }
}

#[test]
fn a_snapshot_that_is_gone_when_its_merge_is_taken_up_again() {
    // The newcomer dies in the middle; meanwhile the others replace what it had and had not yet merged, the snapshot is
    // superseded, and its objects are deleted.
    let mut counted = several_chunks();
    let at = counted.add();
    counted.devices[at].kill_at(None);
    counted.join_on(at).unwrap();
    let (commits, _) = counted.devices[at].moments();
    for commit in 0..commits {
        let mut world = several_chunks();
        let at = world.add();
        world.devices[at].kill_at(Some(Moment::Commit(commit)));
        assert_eq!(world.join_on(at).unwrap_err().kind(), ErrorKind::Cancelled);
        let before: Oracle = world.oracle.clone();
        for page in [0, 5, 12, 20, 27] {
            world.put_big(0, &format!("page {page:02}"), 100 << 10);
            world.delete(0, &format!("small {page:02}"));
        }
        world.delete_some_entry(0);
        for _ in 0..3 {
            world.put_big(0, "page 28", 250 << 10);
            world.sync(0).unwrap();
            world.now_ms += 3_700_000;
            world.full_check(0).unwrap();
        }
        assert_ne!(before.held().map, world.oracle.held().map);
        if let Err(error) = world.join_on(at) {
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "commit {commit}: {error}");
        }
        world.heal(2).unwrap_or_else(|error| panic!("commit {commit}: {error}"));
        world.check().unwrap_or_else(|why| panic!("commit {commit}: {why}"));
    }
}
