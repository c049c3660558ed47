//! Evidence: refusing to lose. Rollbacks, and copies of a store.

use tidelock_core::s3::Method;
use tidelock_core::{DeviceId, ErrorKind, Operation, Outcome, SyncReport};
use tidelock_sim::bucket::{Conditions, puts_manifest};
use tidelock_sim::hostile::host;
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;

fn reports(report: &SyncReport, kind: ErrorKind, device: DeviceId) -> bool {
    report.reports.iter().any(|error| error.kind() == kind && error.object() == Some(&*device.to_string()))
}

/// Puts a device's manifest back to what it was before its last write.
fn roll_back(world: &mut World, at: usize) {
    let path = world.manifest_of(at);
    let old = world.bucket.object(&path).unwrap();
    world.put(at, "milk");
    world.sync(at).unwrap();
    world.bucket.put(&path, old);
}

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
            let value = world.big_value(60_000);
            world.put_value(at, &format!("page {page} of {at}"), &value);
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

/// A world where device 2 is a copy of device 0's disk, and both have written since; the first has synced.
fn cloned(seed: u64) -> World {
    let mut world = World::with_devices(seed, 2);
    let disk = world.devices[0].disk.copy();
    let copy = world.add_with(disk);
    world.put(0, "the first's");
    world.put(0, "both's");
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    world.put(copy, "the copy's");
    world.put(copy, "both's");
    world
}

#[test]
fn a_copy_of_a_store_goes_on_as_a_device_of_its_own() {
    for full in [false, true] {
        let mut world = cloned(24);
        let (first, second) = (world.id(0), world.id(1));
        let operation = if full { Operation::Check } else { Operation::Sync };
        let Ok(Outcome::Synced(report)) = world.run(2, operation) else { panic!("the copy's sync ends in an error") };
        assert!(reports(&report, ErrorKind::Forked, first), "{:?}", report.reports);
        let copy = world.id(2);
        assert!(copy != first && copy != second);
        world.sync_all();
        world.check().unwrap();
        assert_eq!(world.standing(1, "both's").len(), 2, "what both wrote stands side by side");
        world.put(1, "the copy's");
        world.delete(1, "both's");
        world.sync_all();
        world.check().unwrap();
        world.heal(2).unwrap();
        world.check().unwrap();
        let newcomer = world.join().unwrap();
        world.check_one(newcomer).unwrap();
        assert!(world.id(0) != first, "nobody goes on under an id that two stores had");
    }
}

#[test]
fn a_copy_that_went_first_makes_the_original_leave() {
    let mut world = World::with_devices(25, 2);
    let first = world.id(0);
    let disk = world.devices[0].disk.copy();
    let copy = world.add_with(disk);
    world.put(copy, "the copy's");
    world.sync(copy).unwrap();
    world.sync(1).unwrap();
    world.put(0, "the first's");
    world.sync(0).unwrap();
    assert!(world.id(0) != first && world.id(copy) == first);
    world.sync_all();
    world.check().unwrap();
    world.heal(2).unwrap();
    world.check().unwrap();
}

/// The copy's manifest lands late, over the first's, as on a server that ignores conditions.
fn overwritten(seed: u64) -> (World, usize) {
    let mut world = World::with_devices(seed, 3);
    world.bucket.conditions = Conditions::Ignored;
    for at in 0..3 {
        world.restart(at);
    }
    let disk = world.devices[0].disk.copy();
    let copy = world.add_with(disk);
    world.put(copy, "the copy's");
    let now_ms = world.now_ms;
    let op = world.devices[copy].start(Operation::Sync, now_ms);
    let held = world.run_until(copy, op, puts_manifest).unwrap();
    world.put(0, "the first's");
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    world.arrive(&held);
    (world, copy)
}

#[test]
fn a_reader_that_meets_a_second_line_takes_both() {
    let (mut world, copy) = overwritten(26);
    let first = world.id(0);
    let report = world.full_check(1).unwrap();
    assert!(reports(&report, ErrorKind::Forked, first), "{:?}", report.reports);
    assert_eq!(world.standing(1, "the copy's").len(), 1);
    assert_eq!(world.standing(1, "the first's").len(), 1);
    // The first finds what it never froze: it leaves, and overwrites nothing.
    world.full_check(0).unwrap();
    assert!(world.id(0) != first);
    world.heal(3).unwrap();
    world.check().unwrap();
    let _ = copy;
}

#[test]
fn of_two_copies_one_dies_and_nothing_of_either_is_lost() {
    for dies in [false, true] {
        for checks in 0..3 {
            let (mut world, copy) = overwritten(27 + checks);
            let dead = if dies { copy } else { 0 };
            for _ in 0..checks {
                // Device 1 has read both, device 2 one of them.
                world.full_check(1).unwrap();
                world.now_ms += HOUR_MS;
            }
            world.gone.insert(dead);
            if dies && checks == 0 {
                world.full_check(1).unwrap(); // somebody reads what the dead one put before its twin overwrites it
            }
            for _ in 0..4 {
                for at in (0..4).filter(|at| *at != dead) {
                    world.now_ms += HOUR_MS;
                    world.full_check(at).unwrap();
                }
            }
            world.check().unwrap();
            let newcomer = world.join().unwrap();
            world.check_one(newcomer).unwrap();
        }
    }
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
        let value = world.big_value(30 << 10);
        world.put_value(0, "big", &value);
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

/// Device 4, a copy of device 1's store, leaves while the log of device 1 waits for what it can't have yet: the snapshot that it
/// names tells one line alone, which is shorter than the one all others know.
#[test]
fn a_line_that_only_a_snapshot_tells_is_no_other_line_because_it_is_shorter() {
    let mut world = World::with_devices(32, 2);
    let copy_of = |world: &mut World, at: usize| {
        let disk = world.devices[at].disk.copy();
        world.add_with(disk)
    };
    let second = copy_of(&mut world, 0);
    world.put(second, "of the second");
    let third = copy_of(&mut world, second);
    let fourth = copy_of(&mut world, 1);
    world.put(1, "milk");
    world.put(fourth, "of the fourth");
    world.put(1, "milk");
    for at in [1, 0, second, 1, fourth] {
        world.full_check(at).unwrap();
    }
    world.gone.extend([1, fourth]);
    for _ in 0..40 {
        for at in [third, 0, second] {
            world.full_check(at).unwrap();
            world.now_ms += 6 * HOUR_MS;
        }
    }
    world.check().unwrap();
}

/// What the bucket was seen to hold was the old id's.
#[test]
fn a_leaver_that_cannot_publish_takes_that_for_no_rollback() {
    let mut world = cloned(34);
    let first = world.id(0);
    for _ in 0..4 {
        let now_ms = world.now_ms;
        let op = world.devices[2].start(Operation::Check, now_ms);
        while let Some(put) = world.run_until(2, op, puts_manifest) {
            world.break_off(2, &put);
        }
        world.restart(2);
        assert!(world.id(2) != first);
        world.now_ms += HOUR_MS;
    }
    assert!(world.devices[2].engine.status().unwrap().stopped.is_none());
    world.sync_all();
    world.check().unwrap();
}

/// A copy's manifest of the same sequence comes late, over the first's, as on a server that ignores conditions; the beacon names
/// it, and the copy is never heard of again. Nobody has read it, and the first PUTs nothing over it.
#[test]
fn what_a_copy_published_under_the_same_sequence_is_not_written_over() {
    for seed in 35..39 {
        let mut world = World::with_devices(seed, 2);
        world.bucket.conditions = Conditions::Ignored;
        let first = world.id(0);
        let disk = world.devices[0].disk.copy();
        let copy = world.add_with(disk);
        world.put(copy, "the copy's");
        let op = world.devices[copy].start(Operation::Sync, world.now_ms);
        let late = world.run_until(copy, op, puts_manifest).unwrap();
        world.put(0, "the first's");
        world.sync(0).unwrap();
        world.sync(1).unwrap();
        let response = world.bucket.answer(&late, world.now_ms, &mut world.random);
        let now = world.devices[copy].now(world.now_ms);
        world.devices[copy].engine.handle_response(late.id, response, now);
        world.devices[copy].drain(world.now_ms);
        world.finish(copy, op).unwrap();
        world.gone.insert(copy);
        world.put(0, "later");
        world.sync(0).unwrap();
        assert!(world.id(0) != first, "{seed}: it leaves");
        world.check_hourly(3);
        world.check().unwrap_or_else(|why| panic!("{seed}: {why}"));
    }
}

/// The copy's line goes on from a segment that device 2 can't have: it knows other ops of those numbers than device 1, who has
/// read the copy's alone, and what device 1 replaced can't be told by them.
#[test]
fn who_has_seen_a_line_that_cant_be_placed_replaces_nothing_of_another() {
    let (mut world, copy, by_first) = parted_below_a_segment(40, 1);
    world.gone.insert(0);
    world.bucket.hide_all("/segments/");
    world.full_check(2).unwrap();
    assert!(world.standing(2, "both's").contains(&by_first), "nobody who saw it replaced it");
    world.bucket.show();
    world.put(2, "later"); // of which the copy hears that there are two, and leaves
    world.check_hourly(8);
    world.check().unwrap();
    for at in [1, 2, copy] {
        assert_eq!(world.standing(at, "both's").len(), 2, "device {at}");
    }
}

/// Two stores have published under device 0's id: the first so many notes more, which device 2 has read; the copy a page, which
/// fills a segment, and a tail, which device 1 has read. What the copy PUT arrives late, over the first's. Both lines have a
/// value of one key, the copy's by device 1; gives the first's.
fn parted_below_a_segment(seed: u64, notes: usize) -> (World, usize, String) {
    let mut world = World::with_devices(seed, 3);
    let older = world.bucket.older();
    let disk = world.devices[0].disk.copy();
    let copy = world.add_with(disk);
    let value = world.big_value(24_000);
    world.put_value(copy, "page", &value);
    world.sync(copy).unwrap();
    for at in 0..4 {
        world.put(copy, &format!("leaf {at}"));
    }
    world.sync(copy).unwrap();
    world.sync(1).unwrap();
    world.put(1, "both's");
    world.sync(1).unwrap();
    let late = world.bucket.copy();
    world.bucket.roll_back(&older);
    let by_first = world.put(0, "both's");
    for at in 0..notes {
        world.put(0, &format!("note {at}"));
    }
    world.sync(0).unwrap();
    world.sync(2).unwrap();
    let older = older.copy();
    for (path, sealed) in late.into_iter().filter(|(path, sealed)| older.get(path) != Some(sealed)) {
        world.bucket.put(&path, sealed);
    }
    (world, copy, by_first)
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

/// The bucket went back twice under the old id: the new one's manifest never did.
#[test]
fn what_went_back_of_an_id_that_was_left_is_not_held_against_the_new_one() {
    let mut world = World::with_devices(42, 2);
    for _ in 0..2 {
        roll_back(&mut world, 0);
        world.full_check(0).unwrap();
        world.now_ms += HOUR_MS;
    }
    let first = world.id(0);
    let disk = world.devices[0].disk.copy();
    let copy = world.add_with(disk);
    world.put(copy, "the copy's");
    world.sync(copy).unwrap();
    world.sync(0).unwrap();
    assert!(world.id(0) != first, "it leaves");
    roll_back(&mut world, 0);
    world.full_check(0).unwrap();
    world.sync_all();
    world.check().unwrap();
}

/// The copy's line is a segment, which ends below what device 2 has of the first's: by its numbers it is applied.
#[test]
fn a_segment_of_another_line_is_read_by_who_has_more_of_one() {
    let mut world = World::with_devices(43, 3);
    world.bucket.conditions = Conditions::Ignored;
    let disk = world.devices[0].disk.copy();
    let copy = world.add_with(disk);
    let value = world.big_value(24_000);
    world.put_value(copy, "page", &value);
    let op = world.devices[copy].start(Operation::Sync, world.now_ms);
    let late = world.run_until(copy, op, puts_manifest).unwrap();
    for at in 0..3 {
        world.put(0, &format!("note {at}"));
    }
    world.sync(0).unwrap();
    world.sync(2).unwrap();
    world.arrive(&late);
    world.gone.extend([0, copy]);
    world.check_hourly(6);
    world.put(1, "goes on");
    world.check_hourly(6);
    world.check().unwrap();
}

/// By its numbers a snapshot covers it; nobody could read it yet, and it is all that there is of the copy's.
#[test]
fn a_segment_of_a_line_that_nobody_has_read_is_deleted_by_nobody() {
    let (mut world, copy, _) = parted_below_a_segment(43, 3);
    let segment = world.bucket.keys_with(&format!("/segments/{}/", world.id(0))).remove(0);
    world.bucket.hide(&segment);
    let value = world.big_value(200_000);
    world.put_value(2, "leaf", &value);
    world.sync(2).unwrap(); // a snapshot is due
    world.gone.extend([0, copy]);
    world.check_alone(2, 4);
    assert!(world.bucket.object(&segment).is_some());
    world.bucket.show();
    world.check_hourly(6);
    world.check().unwrap();
}

/// Both stores are gone for good. Weeks later, too, nothing is lost that anybody had read.
#[test]
fn two_lines_that_part_below_a_segment_are_both_kept_where_nobody_is_left_to_tell() {
    for notes in [0, 1] {
        for weeks in [0, 5] {
            let (mut world, copy, _) = parted_below_a_segment(40, notes);
            world.gone.extend([0, copy]);
            world.check_hourly(8);
            for _ in 0..7 * weeks {
                world.now_ms += 24 * HOUR_MS;
                (1..3).for_each(|at| drop(world.full_check(at).unwrap()));
            }
            world.check().unwrap_or_else(|why| panic!("{notes} notes, {weeks} weeks: {why}"));
        }
    }
}
