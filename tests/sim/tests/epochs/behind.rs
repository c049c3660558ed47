//! Who lacks the newest keys: it is told so, asks for them, disturbs nobody, and is handed them or comes back with the code.

use super::{current, epoch_number, join_with, new_code, slots_and_keys};
use tidelock_core::s3::Method;
use tidelock_core::{ErrorKind, Operation, Outcome, Request, Secret};
use tidelock_sim::world::World;
use zeroize::Zeroizing;

/// A device whose slot alone is the one before the last turn, as by a PUT that came late.
fn with_an_old_slot() -> World {
    let mut world = World::with_devices(67, 3);
    let path = world.slot_of(2);
    let old = world.bucket.object(&path).unwrap();
    world.replace_code(0).unwrap();
    world.sync(1).unwrap();
    world.bucket.put(&path, old);
    world
}

#[test]
fn a_device_whose_slot_is_an_older_one_asks_and_is_handed_the_keys() {
    for writes in [true, false] {
        let mut world = with_an_old_slot();
        if writes {
            world.put(2, "unheard");
        }
        let report = world.sync(2).unwrap();
        assert!(report.reports.iter().any(|error| error.kind() == ErrorKind::Closed), "{:?}", report.reports);
        world.check_hourly(4);
        world.put(0, "after");
        world.sync_all();
        world.check().unwrap();
        assert_eq!(current(&world).len(), 1, "{:?}", current(&world));
    }
}

#[test]
fn a_newcomer_that_could_read_nothing_yet_turns_no_keys() {
    let mut world = World::with_devices(69, 3);
    world.write_until_trimmed(0);
    world.bucket.hide_all("/snapshots/");
    world.bucket.hide_all("/segments/");
    let newcomer = world.join().unwrap();
    let slots = world.bucket.keys_with("slots/");
    let held: Vec<_> = slots.iter().map(|path| world.bucket.object(path)).collect();
    let device = world.id(1);
    let refused = world.run(newcomer, Operation::RevokeDevice { device }).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    assert_eq!(slots.iter().map(|path| world.bucket.object(path)).collect::<Vec<_>>(), held);
    world.bucket.show();
    world.gone.insert(1);
    world.check_hourly(2);
    world.run(newcomer, Operation::RevokeDevice { device }).unwrap();
    world.check_hourly(2);
    world.check().unwrap();
}

#[test]
fn who_lacks_the_newest_keys_asks_once_an_hour_and_turns_none() {
    let mut world = with_an_old_slot();
    let manifest = world.manifest_of(2);
    let before = world.bucket.object(&manifest);
    world.sync(2).unwrap();
    let asked = world.bucket.object(&manifest);
    assert_ne!(asked, before, "it has nothing else to say");
    world.sync(2).unwrap();
    assert_eq!(world.bucket.object(&manifest), asked, "once an hour is enough");
    world.now_ms += 3_600_000;
    world.sync(2).unwrap();
    assert_ne!(world.bucket.object(&manifest), asked, "and no more than it takes");
    let slots = world.bucket.keys_with("slots/");
    let held: Vec<_> = slots.iter().map(|path| world.bucket.object(path)).collect();
    let device = world.id(1);
    for operation in [
        Operation::ReplaceRecoveryCode,
        Operation::SetPassphrase { passphrase: Some(Zeroizing::new("correct horse".to_owned())) },
        Operation::RevokeDevice { device },
    ] {
        let refused = world.run(2, operation).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
    }
    assert_eq!(world.bucket.keys_with("slots/"), slots);
    assert_eq!(slots.iter().map(|path| world.bucket.object(path)).collect::<Vec<_>>(), held);
}

/// Who revokes it has PUT the slots and taken its own away, and dies: it can't know of that, and must not put older keys in the
/// place of those that nobody else has.
#[test]
fn who_is_shut_out_by_a_turn_that_broke_off_writes_over_no_slot() {
    let mut world = World::with_devices(71, 4);
    world.replace_code(0).unwrap();
    world.sync_all();
    let device = world.id(2);
    let op = world.start(0, Operation::RevokeDevice { device });
    let snapshot = |request: &Request| request.method == Method::Put && request.url.contains("/snapshots/");
    let request = world.run_until(0, op, snapshot).unwrap();
    world.break_off(0, &request);
    world.gone.insert(0);
    let turned = slots_and_keys(&world);
    assert!(!turned.contains_key(&format!("slots/{device}")), "its slot is gone");
    world.now_ms += 3_600_000;
    world.full_check(2).unwrap();
    assert_eq!(slots_and_keys(&world), turned);
    let (first, code) = (world.id(0), world.code.clone().unwrap());
    for device in [first, device] {
        world.run(1, Operation::RevokeDevice { device }).unwrap();
    }
    world.gone.insert(2);
    join_with(&mut world, Secret::Recovery(code)).unwrap();
    world.check_hourly(4);
    world.check().unwrap();
}

#[test]
fn a_device_without_a_slot_disturbs_nobody_and_comes_back_with_the_code() {
    let mut world = World::with_devices(64, 3);
    world.put(2, "before");
    world.sync_all();
    // The turn did not reach device 2: its slot and its record's place are an older epoch's.
    let path = world.slot_of(2);
    let old = world.bucket.object(&path).unwrap();
    let code = new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap());
    world.code = Some(code.clone());
    world.bucket.put(&path, old);
    world.put(0, "after");
    world.sync(0).unwrap();
    world.put(2, "unheard");
    let beacon = world.bucket.keys_with("/beacon").remove(0);
    let report = world.sync(2).unwrap();
    assert!(report.reports.iter().any(|error| error.kind() == ErrorKind::Closed), "{:?}", report.reports);
    assert_eq!(epoch_number(&world.bucket.object(&beacon).unwrap()), 2, "it overwrites nothing it cannot read");
    world.sync(1).unwrap();
    world.run(2, Operation::Join { secret: Secret::Recovery(code) }).unwrap();
    for _ in 0..3 {
        world.sync_all();
    }
    world.check().unwrap();
}

/// Nor can it read the beacon: one that is the same still is asked for again, whole.
#[test]
fn who_lacks_the_newest_keys_is_told_at_every_sync_and_writes_over_no_beacon() {
    let mut world = with_an_old_slot();
    let beacon = world.bucket.keys_with("/beacon").remove(0);
    let newest = world.bucket.object(&beacon);
    for _ in 0..8 {
        let report = world.sync(2).unwrap();
        assert!(report.reports.iter().any(|error| error.kind() == ErrorKind::Closed), "{:?}", report.reports);
        assert_eq!(world.bucket.object(&beacon), newest);
    }
}

/// One is away that published under the older keys alone: a newcomer holds what it had written, and what others wrote since.
#[test]
fn a_newcomer_after_a_turn_holds_what_a_device_wrote_that_is_away() {
    for away in [0, 2] {
        for operation in [Operation::SetPassphrase { passphrase: None }, Operation::ReplaceRecoveryCode] {
            let mut world = World::with_devices(77, 3);
            world.put(away, "before");
            world.sync_all();
            world.gone.insert(away);
            let turned = world.run(1, operation).unwrap();
            if let Outcome::RecoveryCodeReplaced { .. } = turned {
                world.take_code(turned);
            }
            world.put(1, "after");
            world.sync_all();
            world.join().unwrap();
            world.check_hourly(4);
            world.check().unwrap_or_else(|why| panic!("{away} is away: {why}"));
        }
    }
}

/// It can't read what others name by now.
#[test]
fn who_lacks_the_newest_keys_deletes_nothing() {
    let mut world = World::with_devices(103, 3);
    world.put_big(2, "page", 30_000);
    world.sync_all();
    let first = world.bucket.keys_with("/segments/").remove(0);
    world.put_big(2, "page", 30_000);
    world.sync_all();
    let path = world.slot_of(2);
    let old = world.bucket.object(&path).unwrap();
    world.replace_code(0).unwrap();
    world.bucket.put(&path, old);
    world.now_ms += 2 * 3_600_000;
    world.sync(2).unwrap();
    assert!(world.bucket.object(&first).is_some());
    world.check_hourly(5);
    assert!(world.bucket.object(&first).is_none());
}
