//! Snapshots that were begun and not ended: written for a manifest that never stood, or merged half.

use tidelock_core::Operation;
use tidelock_sim::bucket::puts_manifest;
use tidelock_sim::device::Moment;
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// All that an operation brings is PUT but for the manifest; then the device is off.
fn all_but_the_manifest(world: &mut World, at: usize, operation: Operation) {
    let op = world.start(at, operation);
    world.run_until(at, op, puts_manifest).expect("it has something to say");
    world.restart(at);
}

#[test]
fn a_snapshot_that_no_manifest_named_lends_nothing_to_the_next() {
    let mut world = World::with_devices(91, 2);
    world.put_big(0, "page", 200_000);
    all_but_the_manifest(&mut world, 0, Operation::Sync);
    let written = world.bucket.keys_with("/snapshots/");
    assert!(!written.is_empty());
    for _ in 0..3 {
        world.now_ms += 8 * DAY_MS;
        world.full_check(1).unwrap();
    }
    assert!(written.iter().all(|path| world.bucket.object(path).is_none()), "swept");
    world.sync(0).unwrap();
    world.check_hourly(5);
    world.gone.extend([0, 1]);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// The lender's author wrote another one meanwhile, and did away with it.
#[test]
fn a_manifest_whose_snapshot_names_what_went_meanwhile_is_never_published() {
    let mut world = World::with_devices(92, 2);
    let entry = world.append(0).unwrap();
    world.delete_entry(0, &entry);
    world.put_big(0, "page", 200_000);
    world.sync(0).unwrap();
    let lender = world.bucket.keys_with("/snapshots/");
    assert!(!lender.is_empty());
    for at in 0..30 {
        world.put(1, &format!("note {at}"));
    }
    world.put_big(1, "leaf", 200_000);
    all_but_the_manifest(&mut world, 1, Operation::Sync);

    let entry = world.append(0).unwrap();
    world.delete_entry(0, &entry);
    world.put_big(0, "page", 200_000);
    for _ in 0..2 {
        world.sync(0).unwrap();
        world.now_ms += 2 * HOUR_MS;
    }
    assert!(lender.iter().all(|path| world.bucket.object(path).is_none()), "nobody names it: {lender:?}");
    world.sync(1).unwrap();
    world.gone.extend([0, 1]);
    world.bucket.hide_all("/segments/");
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// A device misses what only another holds, which answers by a snapshot. Nobody says it twice.
#[test]
fn an_answer_whose_manifest_was_given_up_is_given_again() {
    let mut world = World::with_devices(93, 3);
    world.put_big(0, "page", 24_000);
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    world.gone.insert(0);
    world.bucket.lose_all("/segments/");
    world.check_alone(2, 4);
    world.sync(1).unwrap();
    world.now_ms += HOUR_MS;
    all_but_the_manifest(&mut world, 1, Operation::Sync);
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
    world.now_ms += 25 * HOUR_MS;
    world.check_alone(1, 3);
    world.gone.insert(1);
    world.check_alone(2, 3);
    world.check_one(2).unwrap();
}

/// Who revokes a device holds for all what was held by that one; the first manifest that says so names it.
#[test]
fn a_revocation_that_was_given_up_is_said_with_a_snapshot_too() {
    let mut world = World::with_devices(94, 3);
    world.put_big(2, "page", 24_000);
    world.sync(2).unwrap();
    let device = world.id(2);
    all_but_the_manifest(&mut world, 0, Operation::RevokeDevice { device });
    world.gone.insert(2);
    world.now_ms += 25 * HOUR_MS;
    world.sync(0).unwrap();
    world.sync(0).unwrap();
    world.gone.insert(0);
    world.bucket.lose_all("/segments/");
    world.check_alone(1, 3);
    assert!(world.is_revoked(1, 2));
    world.check_one(1).unwrap();
}

/// A snapshot that is half merged goes, and the logs that were missing come: its device goes on as if it had never begun.
#[test]
fn a_half_merged_snapshot_that_logs_overtook_is_forgotten() {
    let begun = || {
        let mut world = World::with_devices(102, 2);
        for page in 0..28 {
            world.put_big(0, &format!("page {page}"), 200 << 10);
        }
        world.sync(0).unwrap();
        world.bucket.hide_all("/segments/");
        world
    };
    let mut world = begun();
    world.devices[1].kill_at(None);
    world.sync(1).unwrap();
    let (commits, _) = world.devices[1].moments();
    for commit in 0..commits {
        let mut world = begun();
        world.devices[1].kill_at(Some(Moment::Commit(commit)));
        world.sync(1).unwrap_err();
        world.bucket.lose_all("/snapshots/");
        world.bucket.show();
        world.check_alone(1, 4);
        world.check_one(1).unwrap_or_else(|why| panic!("{commit}: {why}"));
        world.gone.insert(0);
        world.bucket.wipe();
        world.sync(1).unwrap_err();
        world.run(1, Operation::Republish).unwrap();
        let newcomer = world.join().unwrap();
        world.check_one(newcomer).unwrap_or_else(|why| panic!("{commit}: {why}"));
    }
}

/// Its author is revoked by who could read half of it: what is deleted there counts for nobody.
#[test]
fn of_a_snapshot_that_cant_be_had_whole_no_deletion_counts() {
    let mut world = World::with_devices(95, 3);
    let entry = world.append(0).unwrap();
    world.sync_all();
    world.untold(|world| {
        world.delete_entry(2, &entry);
        world.put_big(2, "page", 200_000);
        world.sync(2).unwrap();
    });
    world.bucket.lose_all("/segments/");
    let objects = world.bucket.keys_with("/snapshots/").into_iter();
    let chunk = objects.max_by_key(|path| world.bucket.object(path).unwrap().len()).unwrap();
    world.bucket.spoil(&chunk);
    world.sync(1).unwrap();
    world.revoke(1, 2).unwrap();
    world.gone.insert(2);
    world.check_hourly(3);
    let newcomer = world.join().unwrap();
    world.check_hourly(2);
    for at in [0, 1, newcomer] {
        assert!(world.log_of(at).contains_key(&entry), "device {at}");
    }
    world.check().unwrap();
}

/// It was being merged when its device was killed, and is gone for good.
#[test]
fn a_half_merged_snapshot_that_is_gone_is_asked_for_now_and_then() {
    let begun = |commit| {
        let mut world = World::with_devices(103, 1);
        world.put_big(0, "page", 200_000);
        world.sync(0).unwrap();
        let newcomer = world.add();
        world.devices[newcomer].kill_at(Some(Moment::Commit(commit)));
        world.join_on(newcomer).unwrap_err();
        world
    };
    let mut world = (0..).map(begun).find(|world| world.standing(1, "page").len() == 1).unwrap();
    world.bucket.lose_all("/snapshots/");
    world.gone.insert(0);
    world.join_on(1).unwrap();
    let before = world.bucket.meter;
    for _ in 0..100 {
        world.now_ms += 30_000;
        world.sync(1).unwrap();
    }
    let gets = world.bucket.meter.since(&before).get;
    assert!(gets < 150, "the beacon 100 times, and an object or two whenever it is due: {gets}");
}
