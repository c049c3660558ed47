//! Slot and key replacement, and downgrades: somebody with a code or a passphrase at a bucket that offers other slots.

use crate::Outcome;
use bytes::Bytes;
use tidelock_core::crypto::{
    KeyRing, Opener, RootSecret, SlotName, SlotPayload, SlotRecord, keys_path, seal_keys, seal_slot,
};
use tidelock_core::{EpochId, Error, ErrorKind, Operation, Output, Secret};
use tidelock_sim::device::Disk;
use tidelock_sim::hostile::host::{Host, Run, honest};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::hostile::stage::second_epoch;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;
use zeroize::Zeroizing;

const PASSPHRASE: &str = "correct horse battery staple";

/// What a newcomer reaches at this bucket, and whether it was asked to stretch a passphrase.
fn join(world: &mut World, secret: Secret) -> (Run, bool) {
    let at = world.add_with(Disk::default());
    let mut stretches = false;
    let host = Host {
        engine: &mut world.devices[at].engine,
        bucket: &mut world.bucket,
        random: &mut world.random,
        now_ms: &mut world.now_ms,
    };
    let run = host.run(Operation::Join { secret }, &mut honest, &mut |output| {
        stretches |= matches!(output, Output::Stretch(..));
    });
    (run, stretches)
}

/// A join that is refused, that wrote nothing, and after which there is no vault.
fn refused(world: &mut World, secret: Secret, what: &str) -> Result<(Error, bool), String> {
    let (run, stretches) = join(world, secret);
    let puts = run.count("PUT");
    let vault = world.devices.pop().expect("the newcomer").engine.status().expect("a sound disk").vault;
    match run.result {
        Err(error) if puts == 0 && vault.is_none() => Ok((error, stretches)),
        other => Err(format!("{what}: the newcomer ended with {other:?} after {puts} PUTs")),
    }
}

pub(crate) fn replacement() -> Outcome {
    let mut world = World::with_devices(31, 2);
    let code = world.code.clone().expect("a vault");
    let secret = || Secret::Recovery(code.clone());
    let opener = Opener::recovery(&code);
    let insider = Insider::new(&world.bucket, &code);
    let path = opener.name().path();
    let good = world.bucket.object(&path).expect("a slot");
    let header = world.bucket.object("tidelock").expect("a header");
    let other = World::with_devices(32, 1);
    let other_code = other.code.clone().expect("a vault");
    let others_slot = other.bucket.object(&Opener::recovery(&other_code).name().path()).expect("a slot");

    // The attacker's own root secret for the victim's public key, which is taken to be known; the pre-shared key is not.
    let mut random = Random::new(33);
    let root_secret = RootSecret::generate(&insider.secret, &mut random, b"attacker");
    for psk in [[0; 32], [7; 32]] {
        let record = SlotRecord { name: opener.name(), public_key: opener.record().public_key, psk };
        let payload = SlotPayload { root_secret: root_secret.clone(), ..insider.payload.clone() };
        let slot = seal_slot(&record, &payload, &insider.secret, &mut random).expect("a good record");
        world.bucket.put(&path, Bytes::from(slot));
        let (error, _) = refused(&mut world, secret(), "a slot without the pre-shared key")?;
        ensure!(error.kind() == ErrorKind::Corrupt, "a slot without the pre-shared key: {error}");
    }

    // Slots that are good ones, of another vault, another opener, or for another header.
    let device_slot =
        world.bucket.keys_with("slots/").into_iter().find(|other| *other != path).expect("a device's slot");
    let device_slot = world.bucket.object(&device_slot).expect("a device's slot");
    let payload = SlotPayload { header_hash: tidelock_core::Hash::of(b"another header"), ..insider.payload.clone() };
    let other_header = seal_slot(&opener.record(), &payload, &insider.secret, &mut random).expect("a good record");
    for (slot, what) in [
        (others_slot.clone(), "another vault's slot"),
        (device_slot, "a device's slot"),
        (Bytes::from(other_header), "a slot for another header"),
    ] {
        world.bucket.put(&path, slot);
        refused(&mut world, secret(), what)?;
    }

    // All of another vault, with its slot where this code looks for its own.
    for (place, bytes) in other.bucket.copy() {
        world.bucket.put(&place, bytes);
    }
    world.bucket.put(&path, others_slot);
    refused(&mut world, secret(), "another vault's header and slot")?;
    world.bucket.put(&path, good.clone());
    refused(&mut world, secret(), "another vault's header")?;
    world.bucket.put("tidelock", header);

    replaced_keys(&mut world, &insider)?;
    Ok(())
}

/// The object that holds the earlier keys, of another ring or for another epoch.
fn replaced_keys(world: &mut World, insider: &Insider) -> Outcome {
    let code = world.code.clone().expect("a vault");
    let epoch = second_epoch(world);
    let mut random = Random::new(34);
    let mut ring = |last: EpochId| {
        let first = EpochId { number: 1, id: *b"attacker" };
        let secret = RootSecret::generate(&insider.secret, &mut random, b"first");
        let mut ring = KeyRing::first(insider.vault, first, secret).expect("a first epoch");
        let secret = RootSecret::generate(&insider.secret, &mut random, b"last");
        ring.add(last, secret).expect("a later epoch");
        Bytes::from(seal_keys(&ring, &insider.secret, &mut random))
    };
    let path = keys_path(epoch);
    let good = world.bucket.object(&path).expect("earlier keys");
    for keys in [ring(epoch), ring(EpochId { number: 3, id: epoch.id }), Bytes::new(), good.slice(..good.len() - 1)] {
        world.bucket.put(&path, keys);
        let (error, _) = refused(world, Secret::Recovery(code.clone()), "other earlier keys")?;
        ensure!(error.kind() == ErrorKind::Corrupt, "other earlier keys: {error}");
    }
    world.bucket.put(&path, good);
    let (run, _) = join(world, Secret::Recovery(code));
    run.result.map(|_| ()).map_err(|error| format!("with all as it was: {error}"))
}

/// A vault with a passphrase.
fn with_passphrase(seed: u64) -> World {
    let mut world = World::new(seed);
    let at = world.add();
    let passphrase = Some(Zeroizing::new(PASSPHRASE.to_owned()));
    world.run(at, Operation::Create { passphrase }).expect("a sound world");
    world
}

pub(crate) fn downgrade() -> Outcome {
    const HPKE_SUITE_AT: usize = 19;
    const KIB_AT: usize = 37;
    let mut world = with_passphrase(35);
    let good = world.bucket.object(SlotName::PASSPHRASE_PATH).expect("a passphrase's slot");
    let secret = || Secret::Passphrase(Zeroizing::new(PASSPHRASE.to_owned()));
    let with = |at: usize, bytes: &[u8]| {
        let mut slot = good.to_vec();
        slot[at..at + bytes.len()].copy_from_slice(bytes);
        Bytes::from(slot)
    };
    // KiB, passes, lanes: cheaper to guess than the floor, or too dear for a phone.
    let (kib, passes, lanes) = (65_536, 3, 1);
    let costs: [[u32; 3]; 9] = [
        [8, 1, 1],
        [0, passes, lanes],
        [19_455, passes, lanes],
        [kib, 1, lanes],
        [kib, 0, lanes],
        [kib, passes, 0],
        [kib, passes, 5],
        [kib, 17, lanes],
        [1_048_577, passes, lanes],
    ];
    for cost in costs {
        let bytes: Vec<u8> = cost.iter().flat_map(|number| number.to_le_bytes()).collect();
        world.bucket.put(SlotName::PASSPHRASE_PATH, with(KIB_AT, &bytes));
        let (error, stretches) = refused(&mut world, secret(), "a cost out of bounds")?;
        ensure!(!stretches, "{cost:?}: a passphrase was stretched at a cost that somebody else chose");
        ensure!(error.kind() == ErrorKind::Unsupported, "{cost:?}: {error}");
    }
    // Format, suites, opener: only what this version writes.
    for (at, value) in
        [(4, 0), (4, 2), (6, 0), (6, 2), (6, 255), (HPKE_SUITE_AT, 0), (HPKE_SUITE_AT, 2), (20, 1), (20, 3)]
    {
        world.bucket.put(SlotName::PASSPHRASE_PATH, with(at, &[value]));
        let (_, stretches) = refused(&mut world, secret(), "another suite")?;
        ensure!(!stretches, "byte {at} is {value}, and a passphrase was stretched");
    }
    // The floor itself is taken, and does not open: the cost is bound to the key.
    let floor: Vec<u8> = [19_456u32, 2, 1].iter().flat_map(|number| number.to_le_bytes()).collect();
    world.bucket.put(SlotName::PASSPHRASE_PATH, with(KIB_AT, &floor));
    let (error, _) = refused(&mut world, secret(), "the cheapest cost")?;
    ensure!(error.kind() == ErrorKind::WrongKey, "the cheapest cost: {error}");
    world.bucket.put(SlotName::PASSPHRASE_PATH, good.clone());
    let (run, _) = join(&mut world, secret());
    run.result.map(|_| ()).map_err(|error| format!("with all as it was: {error}"))
}
