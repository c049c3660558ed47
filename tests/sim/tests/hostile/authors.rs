//! Writes by somebody who is no member or re-attributed to another device, and key material put in by the attacker.

use crate::Outcome;
use bytes::Bytes;
use tidelock_core::crypto::{DeviceSecret, KeyRing, ObjectKind, RootSecret, pad_to_power_of_two, unpad_padme};
use tidelock_core::local::{ByteRange, LocalStore, Table};
use tidelock_core::replica::{Logged, first_tag};
use tidelock_core::{Change, EpochId, Hash, Operation};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::hostile::host::{honest, run};
use tidelock_sim::hostile::insider::{Forged, Insider};
use tidelock_sim::hostile::stage::join_blind;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;

/// A vault where device 1 has published a manifest that device 0 has not read yet.
struct Scene {
    world: World,
    insider: Insider,
    path: String,
    /// Device 1's manifest before, and its newest.
    before: Forged,
    newest: Forged,
    sealed: Bytes,
    value: String,
    /// The tag of its newest op, and the one that the forged op would have.
    tags: [[u8; 8]; 2],
}

fn scene(seed: u64) -> Scene {
    let mut world = World::with_devices(seed, 3);
    let insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    let path = world.manifest_of(1);
    let before = insider.manifest(&path, &world.bucket.object(&path).expect("a manifest"));
    world.put_value(1, "milk", "genuine");
    world.sync(1).expect("a sound world");
    let sealed = world.bucket.object(&path).expect("a manifest");
    let newest = insider.manifest(&path, &sealed);
    let tags = tags(&world);
    Scene { world, insider, path, before, newest, sealed, value: "genuine".to_owned(), tags }
}

/// The tag of device 1's newest op, as it is and with the forged value: whoever reads its manifests can tell both.
fn tags(world: &World) -> [[u8; 8]; 2] {
    let rows = world.devices[1].disk.list(Table::Ops, &ByteRange::default(), u32::MAX).expect("a sound disk");
    let (last, earlier) = rows.split_last().expect("ops");
    let op = |row: &[u8]| borsh::from_slice::<Logged>(row).expect("an op");
    let before = earlier.iter().fold(first_tag(world.id(1)), |tag, (_, row)| op(row).tag(tag));
    let at = (0..last.1.len()).find(|at| last.1[*at..].starts_with(b"genuine")).expect("the value");
    let mut forged = last.1.clone();
    forged[at..at + 7].copy_from_slice(b"forgery");
    [op(&last.1).tag(before).0, op(&forged).tag(before).0]
}

impl Scene {
    /// The same manifest with another value in its newest op.
    fn altered(&self) -> Forged {
        let mut forged = self.newest.clone();
        forged.replace(self.value.as_bytes(), b"forgery");
        forged.replace(&self.tags[0], &self.tags[1]);
        forged
    }

    /// The bucket shows this at device 1's place, or at another's; device 0 must not take it.
    fn show(&mut self, path: &str, sealed: Bytes, what: &str) -> Outcome {
        let good = self.world.bucket.object(path).expect("a manifest");
        self.world.bucket.put(path, sealed);
        let held = self.world.map_of(0);
        for operation in [Operation::Sync, Operation::Check] {
            self.world.now_ms += 3_600_000;
            let run = run(&mut self.world, 0, operation, honest);
            run.result.map_err(|error| format!("{what}: it stops the sync: {error}"))?;
            let now = self.world.map_of(0);
            let forged = now.values().any(|standing| standing.contains("forgery"));
            ensure!(!forged, "{what}: a forged write counts");
            ensure!(now == held, "{what}: something counts: {now:?}");
        }
        self.world.bucket.put(path, good);
        Ok(())
    }

    /// The truth is shown again: nothing kept it out.
    fn end(mut self) -> Outcome {
        self.world.heal(2).map_err(|error| error.to_string())?;
        ensure!(self.world.standing(0, "milk").contains(&self.value), "the genuine write never came");
        self.world.check()
    }
}

pub(crate) fn foreign_writes() -> Outcome {
    let mut scene = scene(101);
    let (path, altered) = (scene.path.clone(), scene.altered());

    // Who may write to the bucket and has no key of the vault.
    let mut random = Random::new(102);
    let other = RootSecret::generate(&scene.insider.secret, &mut random, b"other");
    let epoch = scene.insider.keys.current();
    let keys = KeyRing::first(scene.insider.vault, epoch, other).expect("a first epoch");
    let signed = pad_to_power_of_two(&[&altered.body[..], &altered.signature].concat());
    let sealed = scene.insider.seal_under(&keys, epoch, &path, ObjectKind::Manifest, &signed);
    scene.show(&path, sealed, "sealed under another key")?;

    // Who has every key of the vault, but not this device's.
    let kept = scene.insider.seal_manifest(&path, &altered);
    scene.show(&path, kept, "another body under the old signature")?;
    let mut own = altered.clone();
    own.sign(&scene.insider.secret.clone());
    let sealed = scene.insider.seal_manifest(&path, &own);
    scene.show(&path, sealed, "signed by somebody else")?;
    let mut older = altered.clone();
    older.signature.clone_from(&scene.before.signature);
    let sealed = scene.insider.seal_manifest(&path, &older);
    scene.show(&path, sealed, "the signature of an older one")?;
    let mut next = altered.clone();
    next.follow(&scene.newest);
    let sealed = scene.insider.seal_manifest(&path, &next);
    scene.show(&path, sealed, "a successor without a signature")?;
    let mut bits = scene.newest.clone();
    bits.signature[63] ^= 0x80;
    let sealed = scene.insider.seal_manifest(&path, &bits);
    scene.show(&path, sealed, "the same signature written otherwise")?;

    // Good words of one device in another's place: as they are, and sealed for that place.
    let elsewhere = scene.world.manifest_of(2);
    let (newest, sealed) = (scene.newest.clone(), scene.sealed.clone());
    let hide = scene.before.clone();
    let back = scene.insider.seal_manifest(&path, &hide);
    scene.world.bucket.put(&path, back); // its own place shows the older one meanwhile
    scene.show(&elsewhere, sealed.clone(), "moved to another device's place")?;
    let moved = scene.insider.seal_manifest(&elsewhere, &newest);
    scene.show(&elsewhere, moved, "sealed again for another device's place")?;
    scene.world.bucket.put(&path, sealed);
    scene.end()?;
    forged_snapshot()
}

/// Chunks of a snapshot with other values in them, and an index that names these, all sealed again at their own places by who
/// has every key: what a manifest signs names another index.
fn forged_snapshot() -> Outcome {
    let mut world = World::with_devices(105, 2);
    for number in 0..6 {
        // Bytes that do not compress are stored as they are.
        let mut value = b"genuine ".to_vec();
        value.extend((0..20_000).map(|_| world.random.bits() as u8));
        let change = Change::Put { collection: World::map(), key: format!("key {number}"), value: Bytes::from(value) };
        let now = world.devices[0].now(world.now_ms);
        world.devices[0].engine.write(&[change], now).map_err(|error| error.to_string())?;
        world.sync(0).map_err(|error| error.to_string())?;
    }
    let reader = join_blind(&mut world);
    let mut insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    let mut contents = Vec::new();
    let paths = world.bucket.keys_with("/snapshots/");
    let padded = |insider: &Insider, bucket: &Bucket, path: &str, kind| insider.open(path, kind, &bucket.object(path)?);
    for path in &paths {
        let Some(mut plain) = padded(&insider, &world.bucket, path, ObjectKind::SnapshotChunk) else { continue };
        let content = |plain: &[u8]| Hash::of(unpad_padme(plain).expect("padded")).0;
        let before = content(&plain);
        if replace(&mut plain, b"genuine ", b"forgery ") > 0 {
            contents.push((before, content(&plain)));
            world.bucket.put(path, insider.seal(path, ObjectKind::SnapshotChunk, &plain));
        }
    }
    let mut forged = 0;
    for path in &paths {
        let Some(mut plain) = padded(&insider, &world.bucket, path, ObjectKind::SnapshotIndex) else { continue };
        forged += contents.iter().map(|(before, after)| replace(&mut plain, before, after)).sum::<usize>();
        world.bucket.put(path, insider.seal(path, ObjectKind::SnapshotIndex, &plain));
    }
    ensure!(forged > 0, "no chunk to forge");
    let run = run(&mut world, reader, Operation::Check, honest);
    ensure!(run.asked.iter().any(|asked| asked.contains("/snapshots/")), "no snapshot was read: {:?}", run.asked);
    let held = world.map_of(reader);
    let lies = held.values().flatten().filter(|value| value.starts_with("forgery")).count();
    ensure!(lies == 0, "{lies} forged values of a snapshot count");
    Ok(())
}

/// Replaces bytes wherever they stand; gives how often.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
    places.iter().for_each(|at| bytes[*at..at + old.len()].copy_from_slice(new));
    places.len()
}

pub(crate) fn injected_keys() -> Outcome {
    let mut scene = scene(103);
    let path = scene.path.clone();
    let mut random = Random::new(104);

    // The attacker's public key in the victim's manifest, rightly signed by it.
    let attacker = DeviceSecret::generate(&mut random, b"attacker");
    let mut forged = scene.altered();
    forged.inject_key(&attacker);
    forged.sign(&attacker);
    let sealed = scene.insider.seal_manifest(&path, &forged);
    scene.show(&path, sealed, "the attacker's public key")?;

    // Keys that make any signature good under lax rules: of small order.
    for key in [[0; 32], identity()] {
        let mut forged = scene.altered();
        forged.replace(&scene.newest.body[48..80], &key);
        forged.signature = [&key[..], &[0; 32]].concat();
        let sealed = scene.insider.seal_manifest(&path, &forged);
        scene.show(&path, sealed, "a public key of small order")?;
    }

    // An epoch that the attacker opened: one that nobody knows, and the vault's own with other bytes.
    let known = scene.insider.keys.current();
    let altered = scene.altered();
    let signed = pad_to_power_of_two(&[&altered.body[..], &altered.signature].concat());
    for epoch in [EpochId { number: 2, id: *b"injected" }, EpochId { number: 1, id: *b"injected" }, known] {
        let mut ring = match epoch.number {
            1 => {
                let secret = RootSecret::generate(&attacker, &mut random, b"first");
                KeyRing::first(scene.insider.vault, epoch, secret).expect("a first epoch")
            }
            _ => scene.insider.keys.clone(),
        };
        if epoch.number > 1 {
            ring.add(epoch, RootSecret::generate(&attacker, &mut random, b"second")).expect("a later epoch");
            let keys = tidelock_core::crypto::seal_keys(&ring, &attacker, &mut random);
            scene.world.bucket.put(&tidelock_core::crypto::keys_path(epoch), Bytes::from(keys));
        }
        let sealed = scene.insider.seal_under(&ring, epoch, &path, ObjectKind::Manifest, &signed);
        scene.show(&path, sealed, "an epoch of the attacker's")?;
    }
    scene.end()?;
    crate::turned::class()
}

/// The neutral point of Ed25519: y = 1.
fn identity() -> [u8; 32] {
    let mut key = [0; 32];
    key[0] = 1;
    key
}
