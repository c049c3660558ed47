//! What a device had published that never comes back, and that the bucket lost: whoever holds it writes it again.

use tidelock_core::Operation;
use tidelock_core::s3::Method;
use tidelock_sim::bucket::Conditions;
use tidelock_sim::world::World;

#[test]
fn a_revoked_devices_manifest_that_went_back_is_carried_by_who_had_read_it() {
    let mut world = World::with_devices(83, 4);
    let older = world.bucket.older();
    world.put(3, "note");
    world.sync(3).unwrap();
    world.sync(1).unwrap();
    world.bucket.roll_back(&older);
    world.revoke(0, 3).unwrap();
    world.gone.insert(3);
    world.check_hourly(6);
    world.check().unwrap();
    assert_eq!(world.standing(2, "note").len(), 1);
}

#[test]
fn its_segment_lost_with_the_snapshot_that_held_it_is_written_anew() {
    for revoked in [true, false] {
        let mut world = World::with_devices(84, 4);
        world.put_big(3, "page", 70_000);
        world.sync(3).unwrap();
        world.sync(1).unwrap();
        if revoked {
            world.revoke(1, 3).unwrap();
            world.gone.insert(3);
        } else {
            let another = world.big_value(90_000);
            world.put_value(1, "page 2", &another);
            world.check_alone(1, 3); // it writes a snapshot
            world.gone.insert(3);
        }
        for part in ["/segments/", "/snapshots/"] {
            assert!(!world.bucket.keys_with(part).is_empty(), "{part}");
            world.bucket.lose_all(part);
        }
        world.check_hourly(8);
        world.check().unwrap();
        assert_eq!(world.standing(2, "page").len(), 1);
    }
}

/// Somebody read its log before it grew: what nobody has read of a segment that is lost holds back nothing of what one has.
#[test]
fn of_a_segment_that_nobody_read_who_has_its_beginning_writes_that() {
    for revoked in [true, false] {
        let mut world = World::with_devices(85, 4);
        world.put(3, "note");
        world.sync(3).unwrap();
        world.sync(1).unwrap();
        world.put_big(3, "page", 70_000);
        world.sync(3).unwrap();
        let segments = world.bucket.keys_with("/segments/");
        assert_eq!(segments.len(), 1, "its tail went into a segment");
        world.bucket.lose(&segments[0]);
        if revoked {
            world.revoke(0, 3).unwrap();
            world.gone.insert(3);
        } else {
            world.gone.insert(3);
        }
        world.check_hourly(8);
        world.check_alike().unwrap();
        assert_eq!(world.standing(2, "note").len(), 1, "revoked: {revoked}");
        let written = world.bucket.keys_with("/snapshots/");
        world.check_hourly(8);
        assert_eq!(world.bucket.keys_with("/snapshots/"), written, "once it is written nobody writes it again");
    }
}

/// Device 3 is gone; device 1 has what stands in its manifest, and lacks the segment below, which is lost.
fn hold_beyond_a_gap(world: &mut World) {
    world.put_big(3, "page", 70_000);
    world.sync(3).unwrap();
    world.put(3, "note");
    world.sync(3).unwrap();
    world.gone.insert(3);
    world.bucket.lose_all("/segments/");
    world.sync(1).unwrap();
    assert!(world.standing(1, "page").is_empty() && world.standing(1, "note").len() == 1);
}

/// One device has what stood in its manifest, and lacks the segment below: the bucket has lost both.
#[test]
fn what_is_held_beyond_a_gap_is_carried_too() {
    let mut world = World::with_devices(87, 4);
    hold_beyond_a_gap(&mut world);
    let manifest = world.manifest_of(3);
    world.bucket.lose(&manifest);
    world.check_hourly(6);
    world.check_alike().unwrap();
    assert_eq!(world.standing(2, "note").len(), 1);
}

/// A snapshot's rows have what its author wrote while it was being written, beyond the vector that it states.
#[test]
fn what_a_device_writes_while_it_writes_a_snapshot_is_published_with_it() {
    for bytes in [10, 90_000] {
        let mut world = World::with_devices(86, 4);
        let many: Vec<String> = (0..50).map(|_| world.big_value(90_000)).collect();
        for (at, value) in many.iter().enumerate() {
            world.put_value(3, &format!("page {at:02}"), value);
        }
        let op = world.start(3, Operation::Sync);
        let chunk = world.run_until(3, op, |request| request.url.contains("/snapshots/")).expect("a snapshot is due");
        world.put_big(3, "written meanwhile", bytes);
        world.break_off(3, &chunk);
        world.finish(3, op).unwrap();
        world.join().unwrap(); // it takes the snapshot
        world.revoke(0, 3).unwrap();
        world.gone.insert(3);
        world.check_hourly(4);
        world.check().unwrap();
        for at in world.here() {
            assert_eq!(world.standing(at, "written meanwhile").len(), 1, "device {at}, {bytes} bytes");
        }
    }
}

/// Who hears first that its author is revoked takes nothing of that snapshot.
#[test]
fn what_a_revoked_devices_snapshot_alone_had_is_carried_by_who_took_it() {
    let mut world = World::with_devices(88, 4);
    let older = world.bucket.older();
    world.put(3, "note");
    world.sync(3).unwrap();
    world.sync(2).unwrap(); // device 2 alone reads it
    world.bucket.roll_back(&older);
    world.gone.insert(3);
    world.check_alone(2, 4); // and writes a snapshot
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
    world.run(1, Operation::Pull).unwrap(); // device 1 takes that, and names nothing
    assert_eq!(world.standing(1, "note").len(), 1);
    let manifest = world.manifest_of(2);
    world.bucket.hide(&manifest);
    world.revoke(0, 2).unwrap();
    world.gone.insert(2);
    world.bucket.show();
    world.check_hourly(6);
    world.put(1, "later");
    world.check_hourly(4);
    world.check().unwrap();
}

/// Device 1 had read the one copy's write and revokes the id; device 2 had read the other's by then: both count.
#[test]
fn of_a_revoked_id_that_two_stores_had_both_lines_that_count_are_everywhere() {
    for seed in 90..98 {
        let mut world = World::with_devices(seed, 3);
        world.bucket.conditions = Conditions::Ignored;
        (0..3).for_each(|at| world.restart(at));
        let copy = world.copy_of(0);
        world.put(copy, "the copy's");
        let op = world.start(copy, Operation::Sync);
        let manifest = world.manifest_of(0);
        let late = world
            .run_until(copy, op, |request| request.method == Method::Put && request.url.ends_with(&manifest))
            .unwrap();
        world.put(0, "the first's");
        world.sync(0).unwrap();
        world.sync(1).unwrap();
        world.revoke(1, 0).unwrap();
        world.gone.extend([0, copy]);
        world.arrive(&late);
        let by_one = world.manifest_of(1);
        world.bucket.hide(&by_one);
        world.sync(2).unwrap();
        assert_eq!(world.standing(2, "the copy's").len(), 1, "{seed}");
        world.bucket.show();
        world.check_hourly(6);
        world.put(2, "later");
        world.check_hourly(4);
        world.check().unwrap_or_else(|why| panic!("{seed}: {why}"));
    }
}

/// Two have read what it published last, and nobody what comes before, which the bucket lost. Then it is revoked.
#[test]
fn what_is_held_of_a_revoked_device_beyond_a_gap_counts_for_all() {
    for by in [1, 2] {
        let mut world = World::with_devices(89, 4);
        world.untold(|world| {
            world.put_big(3, "page", 70_000);
            world.sync(3).unwrap();
        });
        world.put(3, "note");
        world.sync(3).unwrap();
        world.bucket.lose_all("/segments/");
        world.sync(1).unwrap();
        assert_eq!(world.standing(1, "note").len(), 1);
        world.revoke(by, 3).unwrap();
        world.gone.insert(3);
        world.check_hourly(6);
        let newcomer = world.join().unwrap();
        world.check_hourly(3);
        for at in [0, 1, 2, newcomer] {
            assert_eq!(world.standing(at, "note").len(), 1, "revoked by {by}: device {at}");
        }
        world.check().unwrap();
    }
}

/// Nor has the log of an older manifest it, which stands there again.
#[test]
fn what_is_held_beyond_a_gap_is_carried_where_an_older_manifest_stands() {
    let mut world = World::with_devices(90, 4);
    let manifest = world.manifest_of(3);
    let older = world.bucket.object(&manifest).unwrap();
    hold_beyond_a_gap(&mut world);
    world.bucket.put(&manifest, older);
    world.check_hourly(6);
    world.check_alike().unwrap();
    assert_eq!(world.standing(2, "note").len(), 1);
}
