//! Nonce reuse under frozen or cloned entropy: a virtual machine that was copied while running, a platform whose random bytes
//! are always the same.

use crate::Outcome;
use bytes::Bytes;
use std::collections::BTreeMap;
use tidelock_core::crypto::Entropy;
use tidelock_core::s3::Method;
use tidelock_core::{Change, Engine, Now, Operation, Output};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::device::Disk;
use tidelock_sim::hostile::host::{Host, honest, path};
use tidelock_sim::hostile::stage::config;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;

/// Always the same bytes.
struct Frozen;

impl Entropy for Frozen {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0x42);
    }
}

/// Everything sealed: at each path, by what comes before the commitment (kind, epoch, salt), the rest.
#[derive(Default)]
struct Sealed(BTreeMap<(String, Vec<u8>), Vec<u8>>);

impl Sealed {
    /// A key is the content key of an epoch with a salt at a place: it may seal one thing.
    fn put(&mut self, path: &str, body: &[u8]) -> Outcome {
        const SALT_END: usize = 19 + 24;
        if body.len() < SALT_END || !body.starts_with(b"TDLK") || path.starts_with("slots/") {
            return Ok(()); // a slot's content key is new each time: HPKE's
        }
        let key = (path.to_owned(), body[..SALT_END].to_vec());
        let rest = self.0.entry(key).or_insert_with(|| body[SALT_END..].to_vec());
        ensure!(*rest == body[SALT_END..], "one key and nonce sealed two things at {path}");
        Ok(())
    }
}

pub(crate) fn class() -> Outcome {
    frozen_for_life()?;
    (0..4).try_for_each(cloned_in_the_same_millisecond)
}

/// One device whose entropy is frozen from the first byte on.
fn frozen_for_life() -> Outcome {
    let mut world = World::new(61);
    let disk = Disk::default();
    let now = Now { monotonic_ms: world.now_ms, unix_ms: world.now_ms };
    let mut engine = Engine::open(config(&world), Box::new(disk), Box::new(Frozen), now).expect("an empty disk");
    let (mut sealed, mut names) = (Sealed::default(), BTreeMap::new());
    drive(&mut world, &mut engine, Operation::Create { passphrase: None }, &mut sealed, &mut names)?;
    for round in 0..30 {
        let bytes = if round % 5 == 0 { 20_000 } else { 10 };
        let value = Bytes::from(world.big_value(bytes));
        let change = Change::Put { collection: World::map(), key: format!("key {}", round % 3), value };
        let now = Now { monotonic_ms: world.now_ms, unix_ms: world.now_ms };
        engine.write(&[change], now).map_err(|error| error.to_string())?;
        drive(&mut world, &mut engine, Operation::Sync, &mut sealed, &mut names)?;
    }
    ensure!(sealed.0.len() > 60, "only {} objects were sealed", sealed.0.len());
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
        let disk = world.devices[0].disk.copy();
        let now = Now { monotonic_ms: now_ms, unix_ms: now_ms };
        let entropy: Box<dyn Entropy + Send> = if seed < 2 { Box::new(Frozen) } else { Box::new(Random::new(63)) };
        let mut engine = Engine::open(config(&world), Box::new(disk), entropy, now).expect("a sound disk");
        let mut chance = Random::new(64 + copy.len() as u64 + u64::from(copy.as_bytes()[0]));
        let value: String = (0..bytes / 16).map(|_| format!("{:016x}", chance.bits())).collect();
        let change = Change::Put { collection: World::map(), key: "key".to_owned(), value: Bytes::from(value) };
        engine.write(&[change], now).map_err(|error| error.to_string())?;
        drive(&mut world, &mut engine, Operation::Sync, &mut sealed, &mut names)?;
    }
    Ok(())
}

/// Runs an operation and takes in what was PUT. What has a name of its own is never PUT with other bytes.
fn drive(
    world: &mut World,
    engine: &mut Engine,
    operation: Operation,
    sealed: &mut Sealed,
    names: &mut BTreeMap<String, Bytes>,
) -> Outcome {
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
    run.result.map_err(|error| error.to_string())?;
    for (path, body) in puts {
        sealed.put(&path, &body)?;
        if path.contains("/segments/") || path.contains("/snapshots/") {
            let first = names.entry(path.clone()).or_insert_with(|| body.clone());
            ensure!(*first == body, "{path} was PUT with two contents");
        }
    }
    Ok(())
}
