//! The countable budgets of the design, §10: requests by kind, bytes at rest, objects, the size of a manifest.
//!
//! Everything is counted by the bucket. Requests of snapshots are told from the rest by the names that they left.

use bytes::Bytes;
use tidelock_core::{Change, Collection, Meter, Operation, Outcome};
use tidelock_sim::world::World;

const COLLECTIONS: u64 = 50;
/// The most changes one `write` takes.
const BATCH: usize = 5_000;
/// The grace after which superseded objects go, and the longest time between two full checks.
const GRACE_MS: u64 = 3_600_000;
const CHECK_MS: u64 = 3_600_000 * 12 / 10;
/// What sealing adds to a plaintext of 32 KiB: clear header, salt and commitment, and a tag for each chunk of 16 KiB and
/// the short last one.
const SEALED_BEYOND: u64 = 256;

/// A vault with this many devices, all in step.
fn vault(devices: usize, seed: u64) -> World {
    let mut world = World::new(seed);
    world.create().unwrap();
    for _ in 1..devices {
        world.join().unwrap();
    }
    settle(&mut world);
    world
}

/// Everybody syncs until nobody has news for anybody.
fn settle(world: &mut World) {
    for _ in 0..3 {
        for at in 0..world.devices.len() {
            world.run(at, Operation::Sync).unwrap();
        }
    }
}

/// Everybody rests until grace is over and has checked everything by then, several times.
fn rest(world: &mut World) {
    for _ in 0..6 {
        world.now_ms += GRACE_MS + CHECK_MS;
        for at in 0..world.devices.len() {
            world.run(at, Operation::Check).unwrap();
        }
    }
}

/// Writes `records` new records, spread over the collections, in as few commits as may be.
fn fill(world: &mut World, at: usize, records: u64, value_bytes: usize) {
    let mut changes = Vec::with_capacity(BATCH);
    for record in 0..records {
        let collection = Collection::map(format!("collection {}", record % COLLECTIONS));
        let key = format!("{at}/{record}");
        changes.push(Change::Put { collection, key, value: value(world, value_bytes) });
        if changes.len() == BATCH || record + 1 == records {
            let now = world.devices[at].now(world.now_ms);
            world.devices[at].engine.write(&changes, now).unwrap();
            world.devices[at].drain(world.now_ms);
            changes.clear();
        }
    }
}

/// Letters that do not compress well.
fn value(world: &mut World, bytes: usize) -> Bytes {
    (0..bytes)
        .map(|_| b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-"[world.random.below(64) as usize])
        .collect()
}

/// One change of 32 bytes at a key of its own or an old one.
fn small_change(world: &mut World, at: usize) {
    let key = format!("small {}", world.random.below(1_000));
    let collection = Collection::map(format!("collection {}", world.random.below(COLLECTIONS)));
    let change = Change::Put { collection, key, value: value(world, 32) };
    let now = world.devices[at].now(world.now_ms);
    world.devices[at].engine.write(&[change], now).unwrap();
    world.devices[at].drain(world.now_ms);
}

/// What an operation costs, snapshots apart.
struct Cost {
    all: Meter,
    /// PUTs of chunks and indexes.
    snapshot_puts: u64,
}

impl Cost {
    fn puts(&self) -> u64 {
        self.all.put - self.snapshot_puts
    }
}

fn cost(world: &mut World, at: usize, operation: Operation) -> Cost {
    let before = world.bucket.meter;
    let snapshots = count(world, "/snapshots/");
    let Outcome::Synced(_) = world.run(at, operation).unwrap() else { panic!("no sync") };
    let snapshot_puts = count(world, "/snapshots/").saturating_sub(snapshots);
    Cost { all: world.bucket.meter.since(&before), snapshot_puts }
}

fn count(world: &World, part: &str) -> u64 {
    world.bucket.keys().iter().filter(|key| key.contains(part)).count() as u64
}

fn bytes(world: &World, part: &str) -> u64 {
    let keys = world.bucket.keys();
    keys.iter().filter(|key| key.contains(part)).map(|key| world.bucket.object(key).unwrap().len() as u64).sum()
}

/// Nothing new: one GET, answered 304.
fn idle_poll_is_one_get(world: &mut World, at: usize) {
    for operation in [Operation::Pull, Operation::Sync, Operation::Push] {
        let idle = cost(world, at, operation.clone()).all;
        assert_eq!(idle, Meter { get: 1, ..Meter::default() }, "{operation:?} of device {at}");
    }
}

/// A full check with nothing new: one LIST, the beacon, the header and the own manifest read, nothing written.
fn full_check_writes_nothing(world: &mut World, at: usize) {
    let check = cost(world, at, Operation::Check).all;
    assert_eq!(
        check,
        Meter { get: 3, list: 1, bytes_received: check.bytes_received, ..Meter::default() },
        "device {at}"
    );
}

/// Small changes pushed by one device and pulled by another, one by one.
fn small_changes(world: &mut World, from: usize, to: usize, many: u64) {
    let mut overflows = 0;
    for _ in 0..many {
        small_change(world, from);
        let push = cost(world, from, Operation::Push);
        assert_eq!((push.all.get, push.all.list, push.all.head, push.all.post), (1, 0, 0, 0), "{:?}", push.all);
        assert!(push.puts() <= 3, "{:?}", push.all);
        overflows += u64::from(push.puts() == 3);

        let pull = cost(world, to, Operation::Pull).all;
        assert!(pull.get <= 3, "{pull:?}");
        assert_eq!(pull, Meter { get: pull.get, bytes_received: pull.bytes_received, ..Meter::default() });
    }
    assert!(overflows <= many.div_ceil(100), "{overflows} of {many} pushes wrote a segment");
}

fn manifests_are_small(world: &World) {
    for key in world.bucket.keys().iter().filter(|key| key.contains("/manifests/")) {
        let sealed = world.bucket.object(key).unwrap().len() as u64;
        assert!(sealed <= (32 << 10) + SEALED_BEYOND, "{key} has {sealed} B");
    }
}

/// The devices' own counts, together, are the bucket's.
fn meters_agree(world: &World) {
    let own = world
        .devices
        .iter()
        .map(|device| device.engine.status().unwrap().meter)
        .fold(Meter::default(), |sum, meter| sum.plus(&meter));
    assert_eq!(own, world.bucket.meter);
}

fn requests(devices: usize) {
    let mut world = vault(devices, devices as u64);
    for at in 0..devices {
        idle_poll_is_one_get(&mut world, at);
    }
    fill(&mut world, 0, 10_000, 32);
    settle(&mut world);
    for at in 0..devices {
        idle_poll_is_one_get(&mut world, at);
    }
    small_changes(&mut world, 0, 1, 300);
    settle(&mut world);
    for at in 0..devices {
        idle_poll_is_one_get(&mut world, at);
    }
    for at in 0..devices {
        world.run(at, Operation::Check).unwrap(); // states the vectors
    }
    settle(&mut world);
    for at in 0..devices {
        full_check_writes_nothing(&mut world, at);
    }
    manifests_are_small(&world);
    meters_agree(&world);
}

#[test]
fn requests_of_two_devices() {
    requests(2);
}

#[test]
fn requests_of_ten_devices() {
    requests(10);
}

/// All devices write in turns: each has seen all others' newest writes when it makes its own, and each op says so with
/// nine points of 33 B. Such an op of 32 B takes about 400 B of the tail's 16 KiB: a segment is due once in 40 pushes, not
/// in 100 as where one device writes.
#[test]
fn ten_devices_that_all_write_fill_their_tails_sooner() {
    let mut world = vault(10, 7);
    let (mut pushes, mut overflows) = (0, 0);
    for _ in 0..60 {
        for at in 0..10 {
            small_change(&mut world, at);
            let push = cost(&mut world, at, Operation::Push);
            assert_eq!(push.all.list, 0);
            assert!(push.puts() <= 3, "{:?}", push.all);
            pushes += 1;
            overflows += u64::from(push.puts() == 3);
        }
    }
    manifests_are_small(&world);
    meters_agree(&world);
    assert!(overflows * 40 <= pushes, "{overflows} of {pushes} pushes wrote a segment");
}

#[test]
fn a_million_records_of_ten_devices() {
    let mut world = vault(10, 10);
    fill(&mut world, 0, 1_000_000, 4);
    world.run(0, Operation::Sync).unwrap();
    world.run(1, Operation::Sync).unwrap();
    world.run(0, Operation::Sync).unwrap();
    world.run(1, Operation::Sync).unwrap();
    for at in 0..2 {
        idle_poll_is_one_get(&mut world, at);
    }
    small_changes(&mut world, 0, 1, 100);
    small_changes(&mut world, 1, 0, 100);
    manifests_are_small(&world);
    meters_agree(&world);
}

/// 100,000 records of 100 B by ten devices: bootstrap, then what lies in the bucket at rest.
#[test]
fn a_hundred_thousand_records_of_ten_devices() {
    let mut world = vault(10, 100);
    for round in 0..10 {
        for at in 0..10 {
            fill_more(&mut world, at, round, 1_000);
            world.now_ms += 30_000;
            world.run(at, Operation::Sync).unwrap();
        }
    }
    let before = world.bucket.meter;
    world.join().unwrap();
    let joined = world.bucket.meter.since(&before);
    assert!(joined.requests() <= 40, "{joined:?}");
    let in_use = world.bucket.keys().len();
    assert!(in_use <= 200, "{in_use} objects in use");

    rest(&mut world);
    let (objects, at_rest) = (world.bucket.keys().len() as u64, bytes(&world, ""));
    manifests_are_small(&world);
    meters_agree(&world);
    let before = world.bucket.meter;
    world.join().unwrap();
    let joined = world.bucket.meter.since(&before);
    assert!(joined.requests() <= 40, "{joined:?}");

    let fresh = fresh_snapshot(&mut world);
    let devices = world.devices.len() as u64 - 1;
    assert!(objects <= 200, "{objects} objects at rest");
    let budget = fresh * 13 / 10 + (64 << 10) + devices * (32 << 10);
    assert!(at_rest <= budget, "{at_rest} B at rest, {fresh} B fresh, budget {budget}");
}

fn fill_more(world: &mut World, at: usize, round: u64, records: u64) {
    let changes: Vec<Change> = (0..records)
        .map(|record| Change::Put {
            collection: Collection::map(format!("collection {}", record % COLLECTIONS)),
            key: format!("{at}/{round}/{record}"),
            value: value(world, 100),
        })
        .collect();
    let now = world.devices[at].now(world.now_ms);
    world.devices[at].engine.write(&changes, now).unwrap();
    world.devices[at].drain(world.now_ms);
}

/// The bytes of a snapshot written anew: `republish` names no old chunk again.
fn fresh_snapshot(world: &mut World) -> u64 {
    let old = world.bucket.copy();
    world.run(0, Operation::Republish).unwrap();
    let new = world.bucket.copy();
    new.iter()
        .filter(|(key, _)| key.contains("/snapshots/") && !old.contains_key(*key))
        .map(|(_, object)| object.len() as u64)
        .sum()
}
