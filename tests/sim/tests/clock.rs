//! Clocks: the provider's `Date` signs requests and nothing else; a device's clock orders its writes and nothing else.

use tidelock_core::{ErrorKind, Operation};
use tidelock_sim::bucket::puts_manifest;
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: i64 = 24 * 3_600_000;
const YEAR_MS: i64 = 365 * DAY_MS;

/// Two devices on a bucket that takes signed requests only.
fn signed_world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.store = "s3://sim?endpoint=http://127.0.0.1:9000".parse().unwrap();
    world.bucket.checks_clock = true;
    world.create().unwrap();
    world.join().unwrap();
    world.sync_all();
    world
}

fn stamp_ms(world: &World, at: usize, key: &str) -> u64 {
    world.devices[at].engine.get(&World::map(), key).unwrap().unwrap().stamp.ms
}

#[test]
fn a_provider_date_ten_years_off_moves_no_stamp() {
    // A server that says nonsense and takes every request.
    for off_ms in [10 * YEAR_MS, -10 * YEAR_MS] {
        let mut world = signed_world(90);
        world.bucket.checks_clock = false;
        world.bucket.clock_off_ms = off_ms;
        world.put(0, "milk");
        world.sync_all();
        world.put(1, "milk");
        world.sync_all();
        world.heal(2).unwrap();
        world.check().unwrap();
        let stamp_ms = stamp_ms(&world, 0, "milk");
        assert!(stamp_ms.abs_diff(world.now_ms) < YEAR_MS as u64 / 10, "the device's own time");
        let newcomer = world.join().unwrap();
        world.check_one(newcomer).unwrap();
    }
}

#[test]
fn a_provider_ten_years_off_that_insists_is_clock_skew() {
    for off_ms in [10 * YEAR_MS, -10 * YEAR_MS, 8 * DAY_MS, -8 * DAY_MS] {
        let mut world = signed_world(91);
        world.put(0, "milk");
        world.bucket.clock_off_ms = off_ms;
        let puts = world.bucket.copy();
        let error = world.sync(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ClockSkew, "{error}");
        assert!(error.hint().is_some());
        assert_eq!(world.bucket.copy(), puts);
        world.bucket.clock_off_ms = 0;
        world.sync_all();
        world.check().unwrap();
        assert!(stamp_ms(&world, 1, "milk").abs_diff(world.now_ms) < YEAR_MS as u64);
    }
}

#[test]
fn a_skew_refusal_corrects_signing_alone_by_a_week_at_most() {
    for off_ms in [20 * 60_000, -20 * 60_000, 6 * DAY_MS, -6 * DAY_MS] {
        let mut world = signed_world(92);
        world.bucket.clock_off_ms = off_ms;
        world.put(0, "milk");
        world.append(1);
        world.sync_all();
        world.check().unwrap();
        assert!(stamp_ms(&world, 1, "milk") <= world.now_ms, "stamps are the device's own");
        // Learnt once, it is known to the next process too: no refusal any more.
        world.restart(0);
        let before = world.bucket.meter;
        world.sync(0).unwrap();
        assert_eq!(world.bucket.meter.since(&before).requests(), 1);
        // The provider's clock is set right.
        world.bucket.clock_off_ms = 0;
        world.put(1, "bread");
        world.sync_all();
        world.check().unwrap();
    }
}

#[test]
fn a_device_with_a_wrong_clock_joins_and_syncs() {
    for skew_ms in [20 * 60_000, -2 * DAY_MS] {
        let mut world = signed_world(93);
        let at = world.add();
        world.devices[at].skew_ms = skew_ms;
        world.join_on(at).unwrap();
        world.put(at, "milk");
        world.sync_all();
        world.check().unwrap();
    }
}

#[test]
fn a_device_ten_years_ahead_is_reported_and_moves_nobodys_clock() {
    let mut world = World::with_devices(94, 2);
    world.devices[1].skew_ms = 10 * YEAR_MS;
    world.put(1, "milk");
    world.sync(1).unwrap();
    let report = world.sync(0).unwrap();
    let id = world.id(1).to_string();
    let said = report.reports.iter().any(|error| error.kind() == ErrorKind::ClockSkew && error.object() == Some(&*id));
    assert!(said, "{:?}", report.reports);
    world.put(0, "bread");
    assert!(stamp_ms(&world, 0, "bread") <= world.now_ms);
    world.put(0, "milk"); // it saw the other, so it replaces it whatever the stamps say
    world.devices[1].skew_ms = 0;
    world.sync_all();
    world.check().unwrap();
}

/// One put by a clock ten years ahead, then the clock is set right: what comes after has the right time, and wins or replaces
/// as if nothing had been.
#[test]
fn a_clock_that_was_ten_years_ahead_moves_no_later_stamp() {
    let mut world = World::with_devices(99, 2);
    world.devices[1].skew_ms = 10 * YEAR_MS;
    world.put(1, "milk");
    world.append(1);
    world.devices[1].skew_ms = 0;
    world.now_ms += HOUR_MS;
    world.put(1, "milk"); // it saw the one before: it replaces it, by its context
    world.put(1, "bread");
    for key in ["milk", "bread"] {
        assert_eq!(stamp_ms(&world, 1, key), world.now_ms);
    }
    let entry = world.append(1).unwrap();
    assert_eq!(entry[..12], format!("{:012x}", world.now_ms));
    world.sync_all();
    world.check().unwrap();
    world.now_ms += HOUR_MS;
    world.put(1, "tea");
    world.now_ms += 1;
    let later = world.put(0, "tea");
    world.sync_all();
    let winner = world.devices[1].engine.get(&World::map(), "tea").unwrap().unwrap();
    assert_eq!(winner.value, later.as_bytes(), "the later of two that had not seen each other counts");
}

/// Hours ahead are within what people's clocks do: the order of a device's own writes holds.
#[test]
fn a_clock_that_was_a_day_ahead_keeps_the_order_of_its_devices_stamps() {
    let mut world = World::with_devices(100, 1);
    world.devices[0].skew_ms = DAY_MS;
    world.put(0, "milk");
    let first = world.append(0).unwrap();
    world.devices[0].skew_ms = 0;
    world.put(0, "bread");
    assert_eq!(stamp_ms(&world, 0, "milk"), stamp_ms(&world, 0, "bread"));
    assert!(world.append(0).unwrap() > first);
}

#[test]
fn a_clock_that_is_ahead_is_told_once_a_day_with_name_and_date() {
    let mut world = World::with_devices(101, 2);
    world.devices[1].skew_ms = 10 * YEAR_MS;
    let id = world.id(1).to_string();
    let mut told = Vec::new();
    for _ in 0..30 {
        world.put(1, "milk");
        world.sync(1).unwrap();
        world.restart(0);
        let reports = world.sync(0).unwrap().reports;
        told.extend(reports.into_iter().filter(|error| error.kind() == ErrorKind::ClockSkew));
        world.now_ms += 2 * HOUR_MS;
    }
    assert_eq!(told.len(), 3, "{told:?}");
    for error in told {
        let message = error.message();
        assert!(message.contains("`device 1`") && message.contains("3650 days"), "{message}");
        assert!(message.contains(" UTC") && !message.contains("since 1970"), "{message}");
        assert_eq!(error.object(), Some(&*id));
    }
}

/// What a device does hourly and weekly it goes on doing, though its clock was a year ahead once.
#[test]
fn a_clock_that_was_ahead_puts_off_no_check_and_no_sweep() {
    let mut world = World::with_devices(95, 2);
    let orphan = format!("{}/{}", world.manifest_of(1).replace("/manifests/", "/segments/"), "0".repeat(32));
    world.bucket.put(&orphan, "of a push that broke off".into());
    world.devices[1].skew_ms = YEAR_MS;
    world.full_check(1).unwrap(); // it notes the orphan
    world.devices[1].skew_ms = 0;
    world.now_ms += 2 * HOUR_MS;
    let before = world.bucket.meter;
    world.sync(1).unwrap();
    assert!(world.bucket.meter.since(&before).list > 0, "a full check was due");
    for _ in 0..28 {
        world.now_ms += DAY_MS as u64;
        world.full_check(1).unwrap();
    }
    assert!(world.bucket.object(&orphan).is_none(), "a sweep was due");
}

#[test]
fn a_clock_that_was_ahead_puts_off_no_answer_to_who_misses_something() {
    let mut world = World::with_devices(96, 3);
    world.put_big(0, "page", 24_000);
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    world.gone.insert(0);
    world.bucket.lose_all("/segments/");
    world.check_alone(2, 4); // it says so
    world.devices[1].skew_ms = YEAR_MS;
    world.sync(1).unwrap();
    world.devices[1].skew_ms = 0;
    world.check_hourly(3);
    world.check().unwrap();
}

/// By the wrong clock it is not old; what it names was swept for all that.
#[test]
fn a_manifest_that_a_clock_ahead_froze_is_not_published_weeks_later() {
    let mut world = World::with_devices(97, 2);
    world.put_big(1, "page", 24_000);
    world.devices[1].skew_ms = YEAR_MS;
    let op = world.start(1, Operation::Sync);
    world.run_until(1, op, puts_manifest).expect("a push");
    world.devices[1].skew_ms = 0;
    world.restart(1);
    for _ in 0..3 {
        world.now_ms += 8 * DAY_MS as u64;
        world.full_check(0).unwrap();
    }
    assert!(world.bucket.keys_with("/segments/").is_empty(), "swept");
    world.sync(1).unwrap();
    world.gone.insert(1);
    world.full_check(0).unwrap();
    world.check().unwrap();
}

/// A device's slot is an older one again: it asks for the keys, and is handed them, which both do no more than hourly.
#[test]
fn a_clock_that_was_ahead_puts_off_no_keys() {
    let mut world = World::with_devices(98, 2);
    let slot = world.slot_of(1);
    let old = world.bucket.object(&slot).unwrap();
    world.devices.iter_mut().for_each(|device| device.skew_ms = YEAR_MS);
    world.run(0, Operation::SetPassphrase { passphrase: None }).unwrap();
    world.bucket.put(&slot, old);
    world.sync(1).unwrap();
    world.devices.iter_mut().for_each(|device| device.skew_ms = 0);
    world.check_hourly(4);
    let [of_zero, of_one] = [0, 1].map(|at| Keys::of(&world.devices[at].disk).ring.current());
    assert_eq!(of_zero, of_one);
}
