//! A member that names another's snapshot otherwise than it is: nobody asks for it without end, and nobody goes without it.

use std::collections::BTreeSet;
use tidelock_core::crypto::ObjectKind;
use tidelock_core::{ObjectId, Operation};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::hostile::host::{honest, run};
use tidelock_sim::hostile::insider::{Forged, Insider};
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;

/// A manifest's end where it names no snapshot, no damage and nobody revoked; with a snapshot, what stands behind that.
const NO_SNAPSHOT: [u8; 9] = [0; 9];
const BEHIND_SNAPSHOT: usize = 8;

/// Three devices that know of each other; device 0's manifest names a snapshot, device 1's does not.
fn vault(seed: u64) -> (World, Insider) {
    let mut world = World::with_devices(seed, 3);
    world.put_big(0, "page", 200_000);
    world.put(2, "milk");
    world.sync_all();
    let insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    (world, insider)
}

fn manifest(world: &World, insider: &Insider, at: usize) -> (String, Forged) {
    let path = world.manifest_of(at);
    let sealed = world.bucket.object(&path).expect("a manifest");
    let manifest = insider.manifest(&path, &sealed);
    (path, manifest)
}

/// Where a manifest's snapshot stands in it: from the id of its index on.
fn place_of_snapshot(insider: &Insider, bucket: &Bucket, body: &[u8]) -> Option<usize> {
    let is_index = |path: &String| {
        let sealed = bucket.object(path).expect("an object");
        insider.open(path, ObjectKind::SnapshotIndex, &sealed).is_some()
    };
    let indexes = bucket.keys_with("/snapshots/").into_iter().filter(is_index);
    let mut ids = indexes.filter_map(|path| ObjectId::from_hex(path.rsplit('/').next()?));
    ids.find_map(|id| body.windows(id.0.len()).position(|bytes| bytes == id.0))
}

/// Device 1 names device 0's snapshot in its next manifest, as if it held another op of device 2: `alter` gets the number and
/// tag that it names.
fn name_otherwise(world: &mut World, insider: &mut Insider, alter: impl FnOnce(&mut [u8])) {
    let (_, honest) = manifest(world, insider, 0);
    let at = place_of_snapshot(insider, &world.bucket, &honest.body).expect("device 0 names a snapshot");
    let mut named = honest.body[at..honest.body.len() - BEHIND_SNAPSHOT].to_vec();
    let device = world.id(2).0;
    let entry = named.windows(device.len()).position(|bytes| bytes == device).expect("it holds ops of device 2");
    alter(&mut named[entry + device.len()..][..16]);

    let (path, before) = manifest(world, insider, 1);
    let mut forged = before.clone();
    assert!(forged.body.ends_with(&NO_SNAPSHOT), "device 1 names a snapshot of its own");
    forged.body.truncate(forged.body.len() - NO_SNAPSHOT.len());
    forged.body.push(1);
    forged.body.extend(named);
    forged.body.extend([0; BEHIND_SNAPSHOT]);
    forged.follow(&before);
    forged.sign(&Keys::of(&world.devices[1].disk).secret);
    let sealed = insider.seal_manifest(&path, &forged);
    world.bucket.put(&path, sealed);
    world.gone.insert(1);
}

/// Found by the fuzzer of the engine: of the two namings the true one was taken, again and again, for the other still named a
/// line that is not here. Which of them comes first is up to their devices' ids.
#[test]
fn a_snapshot_named_with_another_line_is_not_taken_again_and_again() {
    let mut orders = BTreeSet::new();
    for seed in 161..167 {
        let (mut world, mut insider) = vault(seed);
        orders.insert(world.id(0) < world.id(1));
        name_otherwise(&mut world, &mut insider, |point| point[15] ^= 1);
        let snapshots = format!("GET spaces/{}/snapshots/", insider.space);
        let check = run(&mut world, 2, Operation::Check, honest);
        check.result.as_ref().unwrap();
        let mut all = check.count(&snapshots);
        assert!(all > 0, "it looks whether that line is there: {:?}", check.asked);
        for _ in 0..100 {
            world.now_ms += 30_000;
            let poll = run(&mut world, 2, Operation::Sync, honest);
            poll.result.as_ref().unwrap();
            all += poll.count(&snapshots);
        }
        assert!(all < 20, "an object or two now and then, and no more: {all}");
        world.check_one(2).unwrap();
    }
    assert_eq!(orders.len(), 2);
}

/// The naming that promises most is a lie; the object is good.
#[test]
fn a_snapshot_that_somebody_names_otherwise_is_taken_as_its_author_names_it() {
    let (mut world, mut insider) = vault(162);
    name_otherwise(&mut world, &mut insider, |point| point[0] += 100);
    world.bucket.hide_all("/segments/");
    let newcomer = world.join().unwrap();
    assert_eq!(world.standing(newcomer, "page").len(), 1, "what its author's snapshot holds");
}
