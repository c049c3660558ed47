//! Manifests, buckets and stores that go back to what they were.

use super::{HOUR_MS, reports, roll_back};
use tidelock_core::s3::Method;
use tidelock_core::{ErrorKind, Operation};
use tidelock_sim::bucket::{Conditions, puts_manifest};
use tidelock_sim::hostile::host;
use tidelock_sim::world::World;

#[test]
fn an_own_manifest_rolled_back_once_is_put_again() {
    let mut world = World::with_devices(20, 2);
    roll_back(&mut world, 0);
    let report = world.full_check(0).unwrap();
    assert!(report.reports.is_empty(), "one stale state is no alarm: {:?}", report.reports);
    world.sync(1).unwrap();
    world.check().unwrap();
}

#[test]
fn an_own_manifest_that_is_gone_is_put_again() {
    for absent_is_404 in [false, true] {
        let mut world = World::with_devices(21, 2);
        world.bucket.absent_is_404 = absent_is_404;
        let path = world.manifest_of(0);
        world.put(0, "milk");
        world.sync(0).unwrap();
        world.bucket.lose(&path);
        world.full_check(0).unwrap();
        assert!(world.bucket.object(&path).is_some());
        world.bucket.lose(&path);
        world.put(0, "bread"); // found by the PUT itself
        world.sync(0).unwrap();
        world.sync(1).unwrap();
        world.check().unwrap();
    }
}

#[test]
fn rolled_back_three_times_in_a_day_stops_publishing_until_republish() {
    let mut world = World::with_devices(22, 2);
    for _ in 0..2 {
        roll_back(&mut world, 0);
        world.full_check(0).unwrap();
        world.now_ms += HOUR_MS;
    }
    roll_back(&mut world, 0);
    assert_eq!(world.full_check(0).unwrap_err().kind(), ErrorKind::RolledBack);
    assert_eq!(world.sync(0).unwrap_err().kind(), ErrorKind::RolledBack);
    world.restart(0);
    let puts = world.bucket.meter.put;
    world.put(0, "written meanwhile");
    assert_eq!(world.sync(0).unwrap_err().kind(), ErrorKind::RolledBack, "across processes too");
    assert_eq!(world.bucket.meter.put, puts);
    let status = world.devices[0].engine.status().unwrap();
    assert_eq!(status.stopped.unwrap().kind(), ErrorKind::RolledBack);

    world.run(0, Operation::Republish).unwrap();
    world.heal(2).unwrap();
    world.check().unwrap();
    assert!(world.devices[0].engine.status().unwrap().stopped.is_none());
}

/// The store takes no writes for a while, and shows the same each time.
#[test]
fn one_rollback_that_cant_be_put_right_counts_once() {
    let mut world = World::with_devices(41, 2);
    roll_back(&mut world, 0);
    for _ in 0..4 {
        let looked = host::run(&mut world, 0, Operation::Check, |request, truth| {
            Ok(if request.method == Method::Put {
                host::answer(403, "<Error><Code>AccessDenied</Code></Error>")
            } else {
                truth()
            })
        });
        let error = looked.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        world.now_ms += 60_000;
    }
    world.full_check(0).unwrap();
    world.sync(1).unwrap();
    world.check().unwrap();
}

/// What was PUT since the backup is gone, too: the newest manifest alone would name nothing that is there.
#[test]
fn a_bucket_restored_from_a_backup_gets_back_what_the_newest_manifest_names() {
    for (conditions, writes) in [(Conditions::Kept, false), (Conditions::Kept, true), (Conditions::Ignored, true)] {
        let mut world = World::with_devices(42, 1);
        world.bucket.conditions = conditions;
        world.write_until_trimmed(0);
        let backup = world.bucket.older();
        world.write_until_trimmed(0);
        world.bucket.roll_back(&backup);
        if writes {
            world.put(0, "note");
            world.sync(0).unwrap();
        }
        let days = if conditions == Conditions::Ignored { 8 } else { 0 }; // then a sweep finds out
        for _ in 0..=days {
            world.now_ms += 24 * HOUR_MS;
            world.full_check(0).unwrap();
            world.sync(0).unwrap();
        }
        world.gone.insert(0);
        let newcomer = world.join().unwrap();
        world.check_one(newcomer).unwrap_or_else(|why| panic!("{conditions:?}, {writes}: {why}"));
    }
}

/// Its manifest alone can't be PUT for a while: what it names waits for that, and is not written over and over.
#[test]
fn what_a_restored_bucket_lacks_is_written_once() {
    let mut world = World::with_devices(44, 1);
    world.write_until_trimmed(0);
    let backup = world.bucket.older();
    world.write_until_trimmed(0);
    world.bucket.roll_back(&backup);
    let mut written = Vec::new();
    for _ in 0..4 {
        let mut objects = 0;
        let looked = host::run(&mut world, 0, Operation::Check, |request, truth| {
            objects += usize::from(request.method == Method::Put && request.url.contains("/snapshots/"));
            Ok(if puts_manifest(request) {
                host::answer(403, "<Error><Code>AccessDenied</Code></Error>")
            } else {
                truth()
            })
        });
        assert_eq!(looked.result.unwrap_err().kind(), ErrorKind::Auth);
        written.push(objects);
        world.now_ms += 60_000;
    }
    assert!(written[0] > 0 && written[1..] == [0; 3], "{written:?}");
    world.full_check(0).unwrap();
    world.gone.insert(0);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// Device 2 is away and may still need the logs, so their manifests name segments that a snapshot covers and others do away with.
#[test]
fn segments_that_others_did_away_with_are_not_missed() {
    let mut world = World::with_devices(45, 3);
    world.gone.insert(2);
    for at in 0..2 {
        for page in 0..3 {
            world.put_big(at, &format!("page {page} of {at}"), 60_000);
            world.sync(at).unwrap();
        }
    }
    world.check_hourly(6);
    let before = world.bucket.keys_with("/snapshots/");
    assert!(!before.is_empty());
    for _ in 0..17 {
        world.now_ms += 24 * HOUR_MS;
        (0..2).for_each(|at| drop(world.full_check(at).unwrap()));
    }
    assert_eq!(world.bucket.keys_with("/snapshots/"), before);
    world.check().unwrap();
}

#[test]
fn three_rollbacks_over_more_than_a_day_are_no_attack() {
    let mut world = World::with_devices(23, 2);
    for _ in 0..6 {
        roll_back(&mut world, 0);
        world.full_check(0).unwrap();
        world.now_ms += 13 * HOUR_MS;
    }
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn a_restored_store_leaves_and_loses_nothing_that_was_published() {
    let mut world = World::with_devices(33, 2);
    let first = world.id(0);
    world.put(0, "before");
    world.sync(0).unwrap();
    let backup = world.devices[0].disk.copy();
    world.put(0, "after");
    world.delete(0, "before");
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    world.devices[0].disk.put_back(&backup);
    world.restart(0);
    world.put(0, "since");
    world.sync(0).unwrap();
    assert!(world.id(0) != first);
    world.heal(3).unwrap();
    world.check().unwrap();
}

#[test]
fn anothers_manifest_lower_than_verified_is_a_debt_and_reported_after_an_hour() {
    let mut world = World::with_devices(30, 2);
    let path = world.manifest_of(0);
    let old = world.bucket.object(&path).unwrap();
    world.put(0, "milk");
    world.sync_all();
    world.bucket.put(&path, old);
    world.gone.insert(0);
    let report = world.full_check(1).unwrap();
    assert!(!reports(&report, ErrorKind::RolledBack, world.id(0)), "a stale read is no alarm");
    assert!(report.debts > 0);
    world.put(1, "nothing blocks");
    world.sync(1).unwrap();
    assert_eq!(world.standing(1, "milk").len(), 1, "the own state is kept");
    world.now_ms += HOUR_MS;
    let report = world.full_check(1).unwrap();
    assert!(reports(&report, ErrorKind::RolledBack, world.id(0)), "{:?}", report.reports);
    world.check().unwrap();
    // The device comes back, finds it, and PUTs its newest again.
    world.gone.clear();
    world.heal(2).unwrap();
    world.check().unwrap();
    assert_eq!(world.sync(1).unwrap().debts, 0);
}

#[test]
fn a_rollback_with_a_witness_is_reported_at_once() {
    let mut world = World::with_devices(31, 3);
    let path = world.manifest_of(0);
    let old = world.bucket.object(&path).unwrap();
    world.put(0, "milk");
    world.sync_all();
    world.full_check(1).unwrap(); // device 1 states what it has seen of device 0
    // Device 2 was off; device 0's manifest goes back under its eyes.
    world.full_check(2).unwrap();
    world.bucket.put(&path, old);
    let report = world.full_check(2).unwrap();
    let found = report.reports.iter().find(|error| error.kind() == ErrorKind::RolledBack);
    let witness = world.id(1).to_string();
    assert!(found.is_some_and(|error| error.message().contains(&witness)), "{:?}", report.reports);
}

#[test]
fn a_store_put_back_to_before_its_newest_snapshot_finds_all_that_it_published() {
    let mut world = World::with_devices(31, 1);
    world.put(0, "before");
    world.sync(0).unwrap();
    let backup = world.devices[0].disk.copy();
    for _ in 0..30 {
        world.put_big(0, "big", 30 << 10);
        world.put(0, "small");
        world.sync(0).unwrap();
        world.now_ms += HOUR_MS;
    }
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
    world.gone.insert(0); // its disk broke
    let restored = world.add_with(backup);
    for _ in 0..40 {
        world.full_check(restored).unwrap();
        world.now_ms += 24 * HOUR_MS;
    }
    world.check().unwrap();
}

/// A device's manifest goes back, others read that, and its newest is PUT again: nobody writes a snapshot for what is in it.
#[test]
fn what_is_in_a_manifest_that_stands_again_is_carried_by_nobody() {
    let mut world = World::with_devices(41, 2);
    let path = world.manifest_of(0);
    let old = world.bucket.object(&path).unwrap();
    world.put(0, "milk");
    world.sync_all();
    let newest = world.bucket.object(&path).unwrap();
    world.bucket.put(&path, old);
    world.full_check(1).unwrap();
    world.bucket.put(&path, newest);
    world.check_hourly(5);
    assert_eq!(world.bucket.keys_with("/snapshots/"), [""; 0]);
    world.check().unwrap();
}
