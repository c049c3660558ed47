//! Publishing: what goes out, once, whole, and nothing when there is nothing to say.

use tidelock_core::Operation;
use tidelock_core::s3::Method;
use tidelock_sim::witness::Witness;
use tidelock_sim::world::World;

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
    let id = world.id(at).to_string();
    let path = world.bucket.keys_with("/manifests/").into_iter().find(|path| path.ends_with(&id)).unwrap();
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
    let status = world.devices[1].engine.status().unwrap();
    let seen = status.devices.iter().find(|device| device.id == world.id(0)).unwrap();
    assert_eq!(seen.applied, written, "every number is published, void or not");
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
    let now_ms = world.now_ms;
    let op = world.devices[0].start(Operation::Sync, now_ms);
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
