//! Nonce reuse under frozen or cloned entropy: a virtual machine that was copied while running, a platform whose random bytes
//! are always the same.

use crate::Outcome;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::crypto::Entropy;
use tidelock_core::s3::Method;
use tidelock_core::{Change, DeviceId, Engine, Now, Operation, Outcome as Ended, Output};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::device::Disk;
use tidelock_sim::hostile::host::{Host, honest, path};
use tidelock_sim::hostile::stage::config;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;
use zeroize::Zeroizing;

/// Always the same bytes.
struct Frozen;

impl Entropy for Frozen {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0x42);
    }
}

const CLEAR_HEADER_BYTES: usize = 19;
const SALT_BYTES: usize = 24;
/// In a slot, after the clear header: the HPKE suite, the opener, and of a passphrase its stretching.
const OPENER_AT: usize = CLEAR_HEADER_BYTES + 1;
const OPENER_PASSPHRASE: u8 = 2;
const STRETCHING_BYTES: usize = 28;
const ENC_BYTES: usize = 32;

const STRETCHING_SALT_BYTES: usize = 16;

/// Everything sealed: at each path, by what its key and nonce come from, the whole of it; and what passphrases were salted with.
#[derive(Default)]
struct Sealed {
    objects: BTreeMap<(String, Vec<u8>), Vec<u8>>,
    passphrase_salts: BTreeSet<Vec<u8>>,
}

impl Sealed {
    /// A key is the content key of an epoch with a salt at a place, or what a slot's `enc` gives: it may seal one thing.
    fn put(&mut self, path: &str, body: &[u8]) -> Outcome {
        if !body.starts_with(b"TDLK") {
            return Ok(()); // in clear
        }
        let from = if path.starts_with("slots/") {
            let is_of_passphrase = body[OPENER_AT] == OPENER_PASSPHRASE;
            if is_of_passphrase {
                self.passphrase_salts.insert(body[OPENER_AT + 1..][..STRETCHING_SALT_BYTES].to_vec());
            }
            let enc_at = OPENER_AT + 1 + if is_of_passphrase { STRETCHING_BYTES } else { 0 };
            &body[enc_at..enc_at + ENC_BYTES]
        } else {
            &body[..CLEAR_HEADER_BYTES + SALT_BYTES]
        };
        let whole = self.objects.entry((path.to_owned(), from.to_vec())).or_insert_with(|| body.to_vec());
        ensure!(whole == body, "one key and nonce sealed two things at {path}");
        Ok(())
    }

    fn count(&self, beginning: &str) -> usize {
        self.objects.keys().filter(|(path, _)| path.starts_with(beginning)).count()
    }
}

pub(crate) fn class() -> Outcome {
    frozen_for_life()?;
    (0..4).try_for_each(cloned_in_the_same_millisecond)?;
    [true, false].into_iter().try_for_each(clones_turn_the_keys)
}

/// Replaces the passphrase and the recovery code and revokes a device: each turns the keys.
fn turns(passphrase: &str, device: DeviceId) -> [Operation; 3] {
    let passphrase = Some(Zeroizing::new(passphrase.to_owned()));
    [Operation::SetPassphrase { passphrase }, Operation::ReplaceRecoveryCode, Operation::RevokeDevice { device }]
}

/// One device whose entropy is frozen from the first byte on.
fn frozen_for_life() -> Outcome {
    let mut world = World::new(61);
    let disk = Disk::default();
    let now = Now { monotonic_ms: world.now_ms, unix_ms: world.now_ms };
    let mut engine = Engine::open(config(&world), Box::new(disk), Box::new(Frozen), now).expect("an empty disk");
    let (mut sealed, mut names) = (Sealed::default(), BTreeMap::new());
    let create = Operation::Create { passphrase: Some(Zeroizing::new("the first".to_owned())) };
    match drive(&mut world, &mut engine, create, &mut sealed, &mut names)? {
        Ended::Created { recovery_code } => world.code = Some(recovery_code),
        other => return Err(format!("create ended in {other:?}")),
    }
    for round in 0..30 {
        let bytes = if round % 5 == 0 { 20_000 } else { 10 };
        let value = Bytes::from(world.big_value(bytes));
        let change = Change::Put { collection: World::map(), key: format!("key {}", round % 3), value };
        let now = Now { monotonic_ms: world.now_ms, unix_ms: world.now_ms };
        engine.write(&[change], now).map_err(|error| error.to_string())?;
        drive(&mut world, &mut engine, Operation::Sync, &mut sealed, &mut names)?;
    }
    ensure!(sealed.objects.len() > 60, "only {} objects were sealed", sealed.objects.len());
    for passphrase in ["the second", "the third"] {
        let other = world.join().map_err(|error| error.to_string())?;
        drive(&mut world, &mut engine, Operation::Sync, &mut sealed, &mut names)?;
        for turn in turns(passphrase, world.id(other)) {
            if let Ended::RecoveryCodeReplaced { recovery_code } =
                drive(&mut world, &mut engine, turn, &mut sealed, &mut names)?
            {
                ensure!(world.code.as_ref() != Some(&recovery_code), "the code that replaces is the one it replaced");
                world.code = Some(recovery_code);
            }
        }
    }
    // Each of the six turns PUTs the earlier keys, and slots for the device, the code and the passphrase at least.
    let (keys, slots) = (sealed.count("keys/"), sealed.count("slots/"));
    ensure!(keys >= 6 && slots >= 6 * 3, "only {keys} objects of keys and {slots} slots were sealed");
    let salts = sealed.passphrase_salts.len();
    ensure!(salts == 3, "three passphrases were stretched with {salts} salts");
    Ok(())
}

/// Two copies of a running device, with the same entropy to come, write other things and publish in the same millisecond;
/// neither sees the other's.
fn cloned_in_the_same_millisecond(seed: u64) -> Outcome {
    let mut world = World::with_devices(62 + seed, 2);
    world.put(0, "before");
    world.sync_all();
    let (mut sealed, mut names) = (Sealed::default(), BTreeMap::new());
    let (bucket, now_ms) = (world.bucket.clone(), world.now_ms);
    let bytes = if seed.is_multiple_of(2) { 100 } else { 100_000 }; // a tail; a segment and a snapshot
    for copy in ["one", "two"] {
        (world.bucket, world.now_ms) = (bucket.clone(), now_ms);
        let mut engine = copied(&world, seed < 2);
        let now = Now { monotonic_ms: now_ms, unix_ms: now_ms };
        let mut chance = Random::new(64 + copy.len() as u64 + u64::from(copy.as_bytes()[0]));
        let value: String = (0..bytes / 16).map(|_| format!("{:016x}", chance.bits())).collect();
        let change = Change::Put { collection: World::map(), key: "key".to_owned(), value: Bytes::from(value) };
        engine.write(&[change], now).map_err(|error| error.to_string())?;
        drive(&mut world, &mut engine, Operation::Sync, &mut sealed, &mut names)?;
    }
    Ok(())
}

/// Two copies of a running device, with the same entropy to come, turn the keys from the same millisecond on: each sets a
/// passphrase of its own, replaces the code and revokes another device; neither sees the other's.
fn clones_turn_the_keys(frozen: bool) -> Outcome {
    let mut world = World::with_devices(66, 4);
    let (mut sealed, mut names) = (Sealed::default(), BTreeMap::new());
    let (bucket, now_ms) = (world.bucket.clone(), world.now_ms);
    for (copy, revoked) in [("one", 1), ("two", 2)] {
        (world.bucket, world.now_ms) = (bucket.clone(), now_ms);
        let mut engine = copied(&world, frozen);
        let now = Now { monotonic_ms: now_ms, unix_ms: now_ms };
        for turn in turns(copy, world.id(revoked)) {
            let value = Bytes::from(format!("of {copy}, before {turn:?}"));
            let change = Change::Put { collection: World::map(), key: "key".to_owned(), value };
            engine.write(&[change], now).map_err(|error| error.to_string())?;
            drive(&mut world, &mut engine, turn, &mut sealed, &mut names)?;
        }
    }
    // The copies draw the same epochs: they seal under the same keys.
    let keys: BTreeSet<&str> =
        sealed.objects.keys().map(|(path, _)| path.as_str()).filter(|path| path.starts_with("keys/")).collect();
    ensure!(keys.len() == 3, "the copies turned to other keys: {keys:?}");
    Ok(())
}

/// A copy of device 0 while it runs.
fn copied(world: &World, frozen: bool) -> Engine {
    let disk = world.devices[0].disk.copy();
    let now = Now { monotonic_ms: world.now_ms, unix_ms: world.now_ms };
    let entropy: Box<dyn Entropy + Send> = if frozen { Box::new(Frozen) } else { Box::new(Random::new(63)) };
    Engine::open(config(world), Box::new(disk), entropy, now).expect("a sound disk")
}

/// Runs an operation and takes in what was PUT. What has a name of its own is never PUT with other bytes.
fn drive(
    world: &mut World,
    engine: &mut Engine,
    operation: Operation,
    sealed: &mut Sealed,
    names: &mut BTreeMap<String, Bytes>,
) -> Result<Ended, String> {
    let bucket: &mut Bucket = &mut world.bucket;
    let host = Host { engine, bucket, random: &mut world.random, now_ms: &mut world.now_ms };
    let mut puts = Vec::new();
    let run = host.run(operation, &mut honest, &mut |output| {
        if let Output::Send(request) = output
            && request.method == Method::Put
        {
            puts.push((path(request).to_owned(), request.body.clone()));
        }
    });
    let ended = run.result.map_err(|error| error.to_string())?;
    for (path, body) in puts {
        sealed.put(&path, &body)?;
        if path.contains("/segments/") || path.contains("/snapshots/") {
            let first = names.entry(path.clone()).or_insert_with(|| body.clone());
            ensure!(*first == body, "{path} was PUT with two contents");
        }
    }
    Ok(ended)
}
