//! What a revoked device has published, and says, beside its ops: which of it counts for the others, and for whom.

use tidelock_core::s3::Method;
use tidelock_core::{DeviceState, Operation, Request, Secret};
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;

fn is_revoked(world: &World, at: usize, of: usize) -> bool {
    let id = world.id(of);
    let devices = world.devices[at].engine.status().unwrap().devices;
    devices.iter().any(|device| device.id == id && device.state == DeviceState::Revoked)
}

fn puts_manifest(request: &Request) -> bool {
    request.method == Method::Put && request.url.contains("/manifests/")
}

/// Device 2 revokes device 1, and is revoked itself before its manifest arrives, which others can open all the same.
#[test]
fn what_a_revoked_device_says_later_revokes_nobody() {
    let mut world = World::with_devices(72, 3);
    let device = world.id(1);
    let op = world.devices[2].start(Operation::RevokeDevice { device }, world.now_ms);
    let late = world.run_until(2, op, puts_manifest).unwrap();
    world.gone.insert(2);
    let slot = format!("slots/{}", world.id(0));
    let by_device_2 = world.bucket.object(&slot).unwrap();
    world.revoke(0, 2).unwrap();
    world.sync(1).unwrap();
    world.arrive(&late);
    world.bucket.put(&slot, by_device_2);
    for _ in 0..3 {
        world.now_ms += 3_600_000;
        world.full_check(0).unwrap();
    }
    let opens = Keys::of(&world.devices[0].disk).open(&world.bucket, &world.manifest_of(2));
    assert!(opens && is_revoked(&world, 0, 2) && !is_revoked(&world, 0, 1));

    let secret = Secret::Recovery(world.code.clone().unwrap());
    world.run(1, Operation::Join { secret }).unwrap(); // its slot may be gone; it is told no more than the others
    assert!(is_revoked(&world, 1, 2));
    world.put(1, "goes on");
    world.check_hourly(3);
    world.check().unwrap();
}

/// It is told so by who it knew, though that one has not published since keys turned once more.
#[test]
fn who_comes_back_is_revoked_by_the_word_of_a_device_it_knew() {
    let mut world = World::with_devices(73, 3);
    world.revoke(0, 1).unwrap();
    world.sync(2).unwrap();
    world.run(2, Operation::SetPassphrase { passphrase: None }).unwrap();
    world.bucket.lose(&world.manifest_of(2));
    let secret = Secret::Recovery(world.code.clone().unwrap());
    let told = world.run(1, Operation::Join { secret }).unwrap_err();
    assert!(told.to_string().contains("revoked"), "{told}");
}

/// It is told so by a newcomer, too, that shows to have the current keys.
#[test]
fn who_comes_back_is_revoked_by_the_word_of_a_newcomer() {
    let mut world = World::with_devices(76, 2);
    world.revoke(0, 1).unwrap();
    world.gone.insert(1);
    let newcomer = world.join().unwrap();
    world.full_check(newcomer).unwrap();
    assert!(is_revoked(&world, newcomer, 1));
    world.bucket.lose(&world.manifest_of(0));
    let secret = Secret::Recovery(world.code.clone().unwrap());
    let told = world.run(1, Operation::Join { secret }).unwrap_err();
    assert!(told.to_string().contains("revoked"), "{told}");
}

fn write_page(world: &mut World, at: usize) {
    let value = world.big_value(90_000);
    world.put_value(at, &format!("page of {at}"), &value);
    world.sync(at).unwrap();
}

/// A page of device 2, and one of device 3, which has both in a snapshot.
fn with_pages(seed: u64) -> World {
    let mut world = World::with_devices(seed, 4);
    write_page(&mut world, 2);
    world.sync(3).unwrap();
    write_page(&mut world, 3);
    for _ in 0..3 {
        world.now_ms += 3_600_000;
        world.full_check(3).unwrap();
    }
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
    world
}

fn hide(world: &mut World, part: &str) {
    for key in world.bucket.keys_with(part) {
        world.bucket.hide(&key);
    }
}

fn lose_segments(world: &mut World) {
    for key in world.bucket.keys_with("/segments/") {
        world.bucket.lose(&key);
    }
}

/// Others know its snapshot from before it was revoked, and want it for what device 2 wrote. Nobody had read its own page.
#[test]
fn a_snapshot_with_what_does_not_count_is_not_taken() {
    let mut world = with_pages(74);
    hide(&mut world, "/snapshots/");
    hide(&mut world, "/segments/");
    world.sync(1).unwrap();
    world.revoke(0, 3).unwrap();
    world.gone.insert(3);
    world.bucket.show();
    lose_segments(&mut world);
    world.check_hourly(6);
    for at in world.here() {
        assert!(is_revoked(&world, at, 3));
        assert_eq!(world.map_of(at).into_keys().collect::<Vec<_>>(), ["page of 2"], "device {at}");
    }
}

/// Device 1 has read all of it in logs, and says so before it is gone.
#[test]
fn a_snapshot_of_which_all_counts_is_taken() {
    let mut world = with_pages(75);
    hide(&mut world, "/snapshots/");
    world.sync(1).unwrap();
    world.put(1, "read");
    world.sync(1).unwrap();
    hide(&mut world, "/segments/");
    world.revoke(0, 3).unwrap();
    world.gone.extend([1, 2, 3]);
    world.bucket.show();
    lose_segments(&mut world);
    world.check_hourly(4);
    world.check().unwrap();
    assert_eq!(world.map_of(0).len(), 3);
}
