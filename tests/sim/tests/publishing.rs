//! Publishing: what goes out, once, whole, and nothing when there is nothing to say.

use tidelock_core::s3::{Method, Response};
use tidelock_core::{Operation, Request};
use tidelock_sim::bucket::puts_manifest;
use tidelock_sim::device::Moment;
use tidelock_sim::witness::Witness;
use tidelock_sim::world::World;

/// What a manifest names by itself.
const SEGMENTS_MAX: usize = 16;
/// Three of the longest values fill a segment: so many take more.
const VALUES: usize = 52;
const VALUE_BYTES_MAX: usize = 256 << 10;

#[test]
fn a_check_with_nothing_new_publishes_nothing() {
    let mut world = World::with_devices(40, 3);
    for round in 0..4 {
        for at in 0..3 {
            world.full_check(at).unwrap();
            if round >= 2 {
                let puts = world.bucket.meter.put;
                world.now_ms += 20 * 60_000; // longer than a snapshot waits
                world.full_check(at).unwrap();
                assert_eq!(world.bucket.meter.put, puts, "device {at}, round {round}");
            }
        }
    }
}

/// What a device's manifest holds, as text: tails are not compressed.
fn manifest_text(world: &World, at: usize) -> String {
    let path = world.manifest_of(at);
    let witness = Witness::new(&world.bucket, world.code.as_ref().unwrap());
    let body = witness.manifest(&path, &world.bucket.object(&path).unwrap()).unwrap();
    String::from_utf8_lossy(&body).into_owned()
}

#[test]
fn an_op_replaced_before_it_was_published_goes_out_as_a_void() {
    let mut world = World::with_devices(41, 2);
    world.put_value(0, "tea", "first thought");
    world.put_value(0, "tea", "second thought");
    let entry = world.append(0).unwrap();
    world.delete_entry(0, &entry);
    let written = world.devices[0].engine.status().unwrap().devices[0].applied;
    world.sync_all();
    let published = manifest_text(&world, 0);
    assert!(published.contains("second thought"));
    assert!(!published.contains("first thought"), "what was replaced in time never leaves the device");
    assert!(!published.contains("value 1"), "nor does a log's");
    assert_eq!(world.status_of(1, 0).applied, written, "every number is published, void or not");
    world.check().unwrap();
}

#[test]
fn what_was_published_never_turns_into_a_void() {
    let mut world = World::with_devices(42, 2);
    world.put_value(0, "tea", "first thought");
    world.sync(0).unwrap();
    world.put_value(0, "tea", "second thought");
    world.sync(0).unwrap();
    assert!(manifest_text(&world, 0).contains("first thought"));

    // Frozen counts as published: its PUT may arrive at any time.
    world.put_value(0, "cup", "third thought");
    let op = world.start(0, Operation::Sync);
    let held = world.run_until(0, op, |request| request.method == Method::Put).unwrap();
    world.put_value(0, "cup", "fourth thought");
    world.break_off(0, &held);
    world.finish(0, op).unwrap();
    world.sync(0).unwrap();
    let published = manifest_text(&world, 0);
    assert!(published.contains("third thought") && published.contains("fourth thought"));
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn a_log_stays_above_its_snapshot_until_every_device_has_read_it() {
    let mut world = World::with_devices(43, 2);
    world.put_big(0, "page", 200_000);
    world.check_alone(0, 3);
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
    world.bucket.lose_all("/snapshots/");
    world.gone.insert(0);
    world.sync(1).unwrap();
    world.check_one(1).unwrap();
}

/// A world with a page, and a device that was killed while it took the snapshot with it: it may write none itself now.
fn half_taken() -> World {
    let killed_at = |commit| {
        let mut world = World::with_devices(44, 1);
        world.put_big(0, "page", 200_000);
        world.sync(0).unwrap();
        let newcomer = world.add();
        world.devices[newcomer].kill_at(Some(Moment::Commit(commit)));
        world.join_on(newcomer).unwrap_err();
        world
    };
    (0..).map(killed_at).find(|world| world.standing(1, "page").len() == 1).unwrap()
}

/// Device 1 writes so many values of the greatest length.
fn write_longest(world: &mut World, many: usize) {
    for at in 0..many {
        let mut value = world.value();
        value.extend(std::iter::repeat_n(' ', VALUE_BYTES_MAX - value.len()));
        world.put_value(1, &format!("value {at:02}"), &value);
    }
}

#[test]
fn a_log_of_more_segments_than_a_manifest_may_name_goes_out_whole_without_a_snapshot() {
    let mut world = half_taken();
    world.bucket.hide_all("/snapshots/");
    world.join_on(1).unwrap();
    write_longest(&mut world, VALUES);
    world.sync(1).unwrap();
    let of_one = format!("/segments/{}/", world.id(1));
    let written = world.bucket.keys_with(&of_one);
    assert!(written.len() > SEGMENTS_MAX, "{}", written.len());
    world.sync(0).unwrap();
    world.check_one(0).unwrap();
    world.bucket.lose_all(&of_one);
    let newcomer = world.join().unwrap();
    world.check_alone(newcomer, 3); // it says what it misses
    world.sync(1).unwrap();
    world.check_alone(newcomer, 1);
    assert_eq!(world.map_of(newcomer).len(), VALUES, "each is written again as it was");
}

/// Nor does it go into a tail that no reader takes, where a snapshot is wanted and can't be written.
#[test]
fn a_republished_log_goes_out_whole_without_a_snapshot() {
    let mut world = half_taken();
    world.bucket.hide_all("/snapshots/");
    world.join_on(1).unwrap();
    write_longest(&mut world, VALUES + 14);
    world.run(1, Operation::Republish).unwrap();
    world.sync(0).unwrap();
    world.check_one(0).unwrap();
}

/// A second process on one store finds the manifest in the bucket before the first is told so, freezes the next, and dies.
#[test]
fn a_late_answer_confirms_no_manifest_but_its_own() {
    let mut world = World::with_devices(59, 2);
    world.put(0, "of the first");
    let op = world.start(0, Operation::Sync);
    let answered_late = world.run_until(0, op, puts_manifest).unwrap();
    world.arrive(&answered_late);
    let second = world.add_with(world.devices[0].disk.clone());
    world.now_ms += 2 * 3_600_000; // so that it reads its own manifest
    world.run(second, Operation::Pull).unwrap();
    world.put(second, "of the second");
    let begun = world.start(second, Operation::Sync);
    world.run_until(second, begun, puts_manifest).expect("the next one, which never arrives");
    world.forget_last();
    let now = world.devices[0].now(world.now_ms);
    let stored = Response { status: 200, headers: vec![("ETag".into(), "\"late\"".into())], body: Default::default() };
    world.devices[0].engine.handle_response(answered_late.id, stored, now);
    world.finish(0, op).unwrap();
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    assert_eq!(world.standing(1, "of the second").len(), 1);
    world.check().unwrap();
}

/// Nobody knows what it has written so far, and others sweep it.
#[test]
fn a_push_that_slept_for_weeks_names_nothing_that_was_swept() {
    let mut world = World::with_devices(60, 2);
    for page in 0..3 {
        world.put_big(0, &format!("page {page}"), 90_000);
    }
    let op = world.start(0, Operation::Sync);
    let puts = |request: &Request, part: &str| request.method == Method::Put && request.url.contains(part);
    let segment = world.run_until(0, op, |request| puts(request, "/segments/")).unwrap();
    world.arrive(&segment);
    world.break_off(0, &segment);
    let snapshot = world.run_until(0, op, |request| puts(request, "/snapshots/")).unwrap();
    for _ in 0..17 {
        world.now_ms += 24 * 3_600_000;
        world.full_check(1).unwrap();
    }
    assert!(world.bucket.keys_with("/segments/").is_empty(), "they are swept");
    world.break_off(0, &snapshot);
    let ended = world.finish(0, op).unwrap_err();
    assert!(ended.is_retryable(), "{ended}");
    world.sync(0).unwrap();
    world.gone.insert(0);
    world.sync(1).unwrap();
    world.check().unwrap();
}
