//! Two stores of one device: both lines count, and one goes on under an id of its own.

use super::{HOUR_MS, reports, roll_back};
use tidelock_core::{ErrorKind, OpId, Operation, Outcome, Request};
use tidelock_sim::bucket::{Conditions, puts_manifest};
use tidelock_sim::world::World;

/// A world where device 2 is a copy of device 0's disk, and both have written since; the first has synced.
fn cloned(seed: u64) -> World {
    let mut world = World::with_devices(seed, 2);
    let copy = world.copy_of(0);
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
    let copy = world.copy_of(0);
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

/// Device 0's copy has written and its manifest is on its way, when the first writes and device 1 reads that.
fn with_a_late_copy(world: &mut World) -> (usize, OpId, Request) {
    let copy = world.copy_of(0);
    world.put(copy, "the copy's");
    let op = world.start(copy, Operation::Sync);
    let late = world.run_until(copy, op, puts_manifest).unwrap();
    world.put(0, "the first's");
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    (copy, op, late)
}

/// The copy's manifest lands late, over the first's, as on a server that ignores conditions.
fn overwritten(seed: u64) -> (World, usize) {
    let mut world = World::with_devices(seed, 3);
    world.bucket.conditions = Conditions::Ignored;
    for at in 0..3 {
        world.restart(at);
    }
    let (copy, _, late) = with_a_late_copy(&mut world);
    world.arrive(&late);
    (world, copy)
}

#[test]
fn a_reader_that_meets_a_second_line_takes_both() {
    let (mut world, _) = overwritten(26);
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

/// Device 4, a copy of device 1's store, leaves while the log of device 1 waits for what it can't have yet: the snapshot that it
/// names tells one line alone, which is shorter than the one all others know.
#[test]
fn a_line_that_only_a_snapshot_tells_is_no_other_line_because_it_is_shorter() {
    let mut world = World::with_devices(32, 2);
    let second = world.copy_of(0);
    world.put(second, "of the second");
    let third = world.copy_of(second);
    let fourth = world.copy_of(1);
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
        let op = world.start(2, Operation::Check);
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
        let (copy, op, late) = with_a_late_copy(&mut world);
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
    let copy = world.copy_of(0);
    world.put_big(copy, "page", 24_000);
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
    let copy = world.copy_of(0);
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
    let copy = world.copy_of(0);
    world.put_big(copy, "page", 24_000);
    let op = world.start(copy, Operation::Sync);
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
    world.put_big(2, "leaf", 200_000);
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
