//! Retiring a device: a word, of which no data hangs; said by a person or by half a year of silence, taken back by a sign of life.

use tidelock_core::{DeviceState, Operation};
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The days go by for devices 0 and 1, and both write now and then.
fn days(world: &mut World, many: u64) {
    for day in 0..many {
        world.now_ms += DAY_MS;
        if day % 20 == 0 {
            world.put(0, &format!("day {day}"));
            world.append(1);
        }
        for at in [0, 1] {
            world.full_check(at).unwrap();
        }
    }
}

#[test]
fn nobody_waits_for_a_retired_device_and_it_is_back_when_it_comes() {
    let mut world = World::with_devices(80, 3);
    world.put(0, "gone");
    world.sync_all();
    world.delete(0, "gone");
    for _ in 0..6 {
        world.now_ms += 2 * HOUR_MS;
        world.full_check(0).unwrap();
        world.full_check(1).unwrap();
    }
    assert_eq!(world.tombstones(0), 0, "tombstones wait for nobody");
    let device = world.id(2);
    world.run(1, Operation::RetireDevice { device }).unwrap();
    for _ in 0..3 {
        world.now_ms += 2 * HOUR_MS;
        world.full_check(0).unwrap();
        world.full_check(1).unwrap();
    }
    assert_eq!(
        (world.status_of(0, 2).state, world.status_of(1, 2).state),
        (DeviceState::Retired, DeviceState::Retired)
    );
    world.put(2, "back");
    world.sync_all();
    for at in 0..3 {
        assert_ne!(world.status_of(at, 2).state, DeviceState::Retired, "device {at}");
    }
    world.check().unwrap();
}

#[test]
fn away_for_a_year_it_lapses_and_loses_nothing() {
    for both_clocks in [true, false] {
        let mut world = World::with_devices(81, 3);
        let held = world.append(2).unwrap();
        world.put(2, "kept");
        world.put(2, "deleted meanwhile");
        world.sync_all();
        world.put(2, "unpublished");
        world.put(2, "kept");
        let entry = world.append(2).unwrap();
        assert_ne!(held, entry);
        world.delete(0, "deleted meanwhile");
        world.delete_entry(0, &held);
        if !both_clocks {
            world.bucket.clock_off_ms = -(200 * DAY_MS as i64); // the server's clock stays half a year behind from now on
        }
        days(&mut world, 179);
        assert_eq!(world.status_of(0, 2).state, DeviceState::Active);
        days(&mut world, 5);
        let lapsed = if both_clocks { DeviceState::Retired } else { DeviceState::Active };
        assert_eq!((world.status_of(0, 2).state, world.status_of(1, 2).state), (lapsed, lapsed));
        days(&mut world, 181);
        for _ in 0..3 {
            world.sync_all();
            world.now_ms += HOUR_MS;
        }
        assert_eq!(world.standing(0, "unpublished").len(), 1, "its edits come with it");
        assert!(world.standing(2, "deleted meanwhile").is_empty(), "nothing comes back");
        assert!(!world.log_of(2).contains_key(&held) && world.log_of(0).contains_key(&entry));
        world.check().unwrap();
        assert!((0..3).all(|at| world.status_of(at, 2).state != DeviceState::Retired));
        assert_eq!(world.devices[0].engine.status().unwrap().conflicts, 0, "two that say the same are no conflict");
    }
}

#[test]
fn a_server_that_tells_no_time_retires_nobody() {
    let mut world = World::with_devices(82, 3);
    world.bucket.tells_no_time = true;
    world.restart(0);
    world.restart(1);
    for at in 0..2 {
        world.put(at, "note");
    }
    world.sync_all();
    world.gone.insert(2);
    days(&mut world, 370);
    assert_eq!((world.status_of(0, 2).state, world.status_of(1, 2).state), (DeviceState::Active, DeviceState::Active));
}
