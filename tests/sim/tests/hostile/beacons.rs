//! Beacons sealed by somebody who has keys and no device of the vault: a device that was revoked has those of past epochs, whoever
//! has the recovery code the current ones.

use crate::Outcome;
use std::collections::BTreeSet;
use tidelock_core::crypto::{KeyRing, ObjectKind, pad_to_power_of_two};
use tidelock_core::{DeviceId, EpochId, Operation};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;

/// Devices that a forged beacon names.
const UNKNOWN: u64 = 2_000;
/// Manifests of unknown devices that one poll may ask for.
const ASKED_MAX: u64 = 16;
const HOUR_MS: u64 = 3_600_000;

pub(crate) fn class() -> Outcome {
    of_a_past_epoch()?;
    unknown_devices()?;
    versions_that_never_come()
}

/// A device that was revoked overwrites the beacon, under the keys that it still has.
fn of_a_past_epoch() -> Outcome {
    let mut world = World::with_devices(191, 4);
    let mut insider = Insider::new(&world.bucket, &world.code.clone().expect("a code"));
    world.revoke(0, 3).map_err(|error| error.to_string())?;
    world.gone.insert(3);
    world.sync_all();
    let keys = insider.keys.clone();
    let forged: Vec<_> = (0..UNKNOWN).map(|number| (unknown(number), 1)).collect();
    put(&mut world, &mut insider, &keys, keys.current(), &forged);
    for at in 0..3 {
        let before = world.bucket.meter;
        sync(&mut world, at)?;
        let cost = world.bucket.meter.since(&before);
        ensure!(cost.get <= 3 && cost.list == 0, "a beacon of a past epoch counts: device {at} asked {cost:?}");
    }
    let named = named(&world)?;
    ensure!(named.len() == 3 || named.len() == 4, "a beacon of a past epoch stays: it names {} devices", named.len());
    ensure!(!named.contains(&unknown(0)), "what a beacon of a past epoch names is named again");
    world.check()
}

/// A beacon under the current keys names devices that are nowhere.
fn unknown_devices() -> Outcome {
    let mut world = World::with_devices(192, 3);
    let mut insider = Insider::new(&world.bucket, &world.code.clone().expect("a code"));
    let keys = insider.keys.clone();
    let known = (0..3).map(|at| (world.id(at), world.status_of(0, at).sequence));
    let mut forged: Vec<_> = known.collect();
    forged.extend((0..UNKNOWN).map(|number| (unknown(number), 1)));
    put(&mut world, &mut insider, &keys, keys.current(), &forged);
    for poll in 0..4 {
        let before = world.bucket.meter;
        world.run(1, Operation::Pull).map_err(|error| error.to_string())?;
        let asked = world.bucket.meter.since(&before).get;
        ensure!(asked <= ASKED_MAX + 4, "a beacon's unknown devices cost {asked} GETs at poll {poll}");
    }
    world.put(2, "news");
    sync(&mut world, 2)?;
    let named = named(&world)?;
    ensure!(
        named.iter().all(|id| (0..3).any(|at| world.id(at) == *id)),
        "nobody has verified all that is published again"
    );
    sync(&mut world, 1)?;
    ensure!(!world.standing(1, "news").is_empty(), "a forged beacon hides what is real");
    world.heal(1).map_err(|error| error.to_string())?;
    world.check()
}

/// A beacon under the current keys names versions of real devices that are nowhere, a higher one each hour.
fn versions_that_never_come() -> Outcome {
    let mut world = World::with_devices(193, 3);
    let mut insider = Insider::new(&world.bucket, &world.code.clone().expect("a code"));
    let keys = insider.keys.clone();
    for round in 0..3 {
        world.put_big(1, &format!("page {round}"), 24_000);
        sync(&mut world, 1)?;
    }
    let objects = |world: &World| world.bucket.keys_with(&format!("/segments/{}/", world.id(1))).len();
    ensure!(objects(&world) > 1, "the world has superseded nothing");
    for hour in 0..30 {
        world.now_ms += HOUR_MS;
        let forged = [(world.id(0), 1_000_000 + hour), (world.id(2), 1_000_000 + hour)];
        put(&mut world, &mut insider, &keys, keys.current(), &forged);
        sync(&mut world, 1)?;
    }
    let left = objects(&world);
    ensure!(left == 1, "garbage waits for versions that nobody has verified: {left} segments");
    world.heal(1).map_err(|error| error.to_string())?;
    world.check()
}

fn sync(world: &mut World, at: usize) -> Outcome {
    world.sync(at).map(|_| ()).map_err(|error| error.to_string())
}

fn unknown(number: u64) -> DeviceId {
    DeviceId([&[0x11; 8][..], &number.to_be_bytes()].concat().try_into().expect("16 bytes"))
}

fn path(insider: &Insider) -> String {
    format!("spaces/{}/beacon", insider.space)
}

/// Seals a beacon that names these devices and sequences, and puts it in the bucket's place.
fn put(world: &mut World, insider: &mut Insider, keys: &KeyRing, epoch: EpochId, devices: &[(DeviceId, u64)]) {
    let mut devices = devices.to_vec();
    devices.sort();
    let mut beacon = [&insider.vault.0[..], &insider.space.0, &(devices.len() as u32).to_le_bytes()].concat();
    for (device, sequence) in devices {
        beacon.extend([&device.0[..], &sequence.to_le_bytes(), &[0xee; 8]].concat());
    }
    let path = path(insider);
    let sealed = insider.seal_under(keys, epoch, &path, ObjectKind::Beacon, &pad_to_power_of_two(&beacon));
    world.bucket.put(&path, sealed);
}

/// The devices that the bucket's beacon names, opened with device 0's keys.
fn named(world: &World) -> Result<BTreeSet<DeviceId>, String> {
    let ring = Keys::of(&world.devices[0].disk).ring;
    let beacon = tidelock_sim::keys::beacon(&world.bucket, &ring).ok_or("the beacon does not open")?;
    Ok(beacon[36..].chunks_exact(32).map(|entry| DeviceId(entry[..16].try_into().expect("16 bytes"))).collect())
}
