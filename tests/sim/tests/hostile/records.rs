//! Root records of a member that lies: slots for devices that do not exist, with keys that are none, at others' places.

use crate::Outcome;
use tidelock_core::crypto::{DeviceSecret, ObjectKind, Opener, pad_to_power_of_two};
use tidelock_core::{DeviceId, ErrorKind, Operation};
use tidelock_sim::hostile::host::{Run, honest, run};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::keys::Keys;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;
use tidelock_vectors::manifest_with_root_records;

/// Records that sort before all others, in one manifest.
const MANY: usize = 60;

pub(crate) fn class() -> Outcome {
    let say = |error: tidelock_core::Error| error.to_string();
    let mut world = World::with_devices(171, 3);
    let mut insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    let liar = insider.secret.device_id();
    let other = Opener::device(&Keys::of(&world.devices[2].disk).secret).record();
    let stranger = DeviceSecret::generate(&mut Random::new(172), b"nobody");
    let (stranger, nobody) = (stranger.device_id(), Opener::device(&stranger).record());

    let record = |opener: u8, name: &[u8], public_key: &[u8; 32]| [&[opener], name, public_key, &[7; 32]].concat();
    let of = |device: DeviceId, key: &[u8; 32]| (format!("slots/{device}"), record(3, &device.0, key));
    let mut records = vec![
        (format!("devices/{liar}"), [&insider.secret.public_key()[..], &4u32.to_le_bytes(), b"liar", &[0; 8]].concat()),
        of(liar, &Opener::device(&insider.secret).record().public_key),
        // A door for later: a device that is listed nowhere.
        (nobody.name.path(), [&[3], &stranger.0[..], &nobody.public_key, &nobody.psk].concat()),
        // Another device's slot, sealed to the liar.
        of(world.id(2), &Opener::device(&insider.secret).record().public_key),
        // At another's place.
        ("slots/passphrase".to_owned(), record(3, &liar.0, &[9; 32])),
    ];
    // No public key: sealing to it fails.
    records.extend((0..MANY).map(|number| of(DeviceId((number as u128).to_be_bytes()), &[0; 32])));

    let seed = *insider.secret.to_bytes();
    let at_ms = world.now_ms;
    let manifest = manifest_with_root_records(seed, insider.vault.0, insider.space.0, at_ms, &records);
    let path = format!("spaces/{}/manifests/{liar}", insider.space);
    let sealed = insider.seal(&path, ObjectKind::Manifest, &pad_to_power_of_two(&manifest));
    world.bucket.put(&path, sealed);

    let told = told_by(&run(&mut world, 0, Operation::Check, honest));
    world
        .run(0, Operation::RevokeDevice { device: liar })
        .map_err(|error| format!("the lying member can't be revoked: {error}"))?;
    ensure!(told > 0, "nobody tells of the lying member's records");
    let slots = world.bucket.keys_with("slots/");
    let expected: Vec<String> = (0..3).map(|at| format!("slots/{}", world.id(at))).collect();
    let strange = slots.iter().filter(|path| !expected.contains(path)).count();
    // The recovery code's is the one beside the devices'.
    ensure!(strange <= 1, "keys were handed to devices that are listed nowhere: {slots:?}");

    // Device 2, whose record was replaced, puts it back, and gets the keys of the next rotation.
    for at in [2, 1, 0] {
        world.now_ms += 7_200_000;
        world.full_check(at).map_err(say)?;
    }
    world.replace_code(0).map_err(say)?;
    world.put(0, "after");
    world.sync(0).map_err(say)?;
    for at in [1, 2] {
        world.full_check(at).map_err(|error| format!("device {at} got no keys: {error}"))?;
        ensure!(!world.standing(at, "after").is_empty(), "device {at} can't read what is written after the rotation");
    }
    ensure!(world.bucket.object(&other.name.path()).is_some(), "device 2 has no slot");
    ensure!(world.bucket.object(&nobody.name.path()).is_none(), "the door stands open");
    Ok(())
}

/// How many bad records an operation tells of.
fn told_by(run: &Run) -> usize {
    run.errors()
        .iter()
        .filter(|error| error.kind() == ErrorKind::Corrupt && error.message().contains("forged or damaged"))
        .count()
}
