//! What long operations ask of a device's own store: counted, since that and not a time tells how the work grows.

use bytes::Bytes;
use tidelock_core::{Change, Collection, Operation};
use tidelock_sim::device::Disk;
use tidelock_sim::world::World;

const RECORDS: u64 = 20_000;
/// The most changes that one `write` takes.
const BATCH: u64 = 5_000;

/// Writes through the engine, batch by batch.
fn write(world: &mut World, at: usize, change: impl Fn(u64) -> Change) {
    for start in (0..RECORDS).step_by(BATCH as usize) {
        let changes: Vec<Change> = (start..start + BATCH).map(&change).collect();
        let now = world.devices[at].now(world.now_ms);
        world.devices[at].engine.write(&changes, now).unwrap();
        world.devices[at].drain(world.now_ms);
    }
}

fn put(number: u64) -> Change {
    let value = Bytes::from(vec![number as u8; 100]);
    Change::Put { collection: World::map(), key: format!("{number:08}"), value }
}

fn entry(number: u64) -> Change {
    let value = Bytes::from(number.to_be_bytes().to_vec());
    Change::Restore { collection: Collection::log("shell"), key: format!("{number:032x}"), value }
}

fn segments(world: &World) -> usize {
    world.bucket.keys().iter().filter(|key| key.contains("/segments/")).count()
}

#[test]
fn a_push_removes_what_it_published_by_range() {
    let mut world = World::new(1);
    world.create().unwrap();
    write(&mut world, 0, put);
    world.devices[0].disk.take_work();
    world.sync(0).unwrap();
    let work = world.devices[0].disk.take_work();
    assert!(work.writes_max <= 20, "one commit wrote {} rows", work.writes_max);
    assert!(work.gets <= 200, "{} rows were read one by one", work.gets);
}

#[test]
fn the_first_push_of_one_device_is_a_snapshot_alone() {
    let mut world = World::new(2);
    world.create().unwrap();
    write(&mut world, 0, put);
    world.sync(0).unwrap();
    assert_eq!(segments(&world), 0);
    world.join().unwrap();
    // Now somebody waits for the log.
    write(&mut world, 0, entry);
    world.sync(0).unwrap();
    assert!(segments(&world) > 0);
}

#[test]
fn a_join_reads_no_row_by_itself() {
    let mut world = World::new(3);
    world.create().unwrap();
    write(&mut world, 0, put);
    write(&mut world, 0, entry);
    world.sync(0).unwrap();
    let late = world.join().unwrap();
    let work = world.devices[late].disk.take_work();
    assert!(work.gets <= 200, "{} rows were read one by one", work.gets);
    let listed = world.devices[late].engine.list(&Collection::log("shell"), &Default::default(), 50_000).unwrap();
    assert_eq!(listed.len() as u64, RECORDS);
}

#[test]
fn a_put_reads_what_stands_there_once() {
    let mut world = World::new(5);
    world.create().unwrap();
    write(&mut world, 0, put);
    world.sync(0).unwrap();
    world.devices[0].disk.take_work();
    write(&mut world, 0, put);
    let work = world.devices[0].disk.take_work();
    assert!(work.gets <= RECORDS + RECORDS / 20, "{} rows were read for {RECORDS} puts", work.gets);
}

#[test]
fn an_import_looks_at_each_entry_once() {
    let mut world = World::new(4);
    world.create().unwrap();
    world.devices[0].disk.take_work();
    write(&mut world, 0, entry);
    let work = world.devices[0].disk.take_work();
    assert!(work.gets <= RECORDS + RECORDS / 20, "{} rows were read for {RECORDS} entries", work.gets);
}

#[test]
fn a_put_in_a_store_of_pages_rewrites_16_kib_at_most() {
    let mut world = World::new(6);
    let at = world.add_with(Disk::paged());
    world.create_on(at).unwrap();
    write(&mut world, at, put);
    world.sync(at).unwrap();
    for number in 0..100 {
        world.devices[at].disk.take_work();
        let now = world.devices[at].now(world.now_ms);
        world.devices[at].engine.write(&[put(number * 7_919 % RECORDS)], now).unwrap();
        world.devices[at].drain(world.now_ms);
        let bytes = world.devices[at].disk.take_work().page_bytes;
        assert!((1..=16 << 10).contains(&bytes), "put {number} rewrote {bytes} B");
    }
}

/// Several chunks are on their way at once, and the index and the manifest that name them only when all are there.
#[test]
fn objects_are_put_side_by_side_and_named_after_all_of_them() {
    let mut world = World::new(7);
    world.create().unwrap();
    // Pseudo-random values, so that the chunks are as large as they look.
    write(&mut world, 0, |number| {
        let mut value = vec![0; 1_000];
        blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut value);
        Change::Put { collection: World::map(), key: format!("{number:08}"), value: value.into() }
    });
    let op = world.start(0, Operation::Push);
    let (mut most, mut chunks) = (0, 0);
    while !world.devices[0].finished.contains_key(&op) {
        let device = &mut world.devices[0];
        device.drain(world.now_ms);
        let puts = |part: &str| device.sent.iter().filter(|sent| sent.url.contains(part)).count();
        most = most.max(puts("/snapshots/"));
        assert!(
            puts("/manifests/") == 0 || puts("/snapshots/") == 0,
            "the manifest left before what it names was there"
        );
        let now = device.now(world.now_ms);
        let due_ms = device.engine.poll_timeout();
        if due_ms.is_some_and(|due_ms| due_ms <= now.monotonic_ms) {
            device.engine.handle_timeout(now); // the next chunk is made while others are on their way
        } else if let Some(request) = device.sent.pop() {
            // The newest is answered first.
            chunks += usize::from(request.url.contains("/snapshots/"));
            let response = world.bucket.answer(&request, world.now_ms, &mut world.random);
            device.engine.handle_response(request.id, response, now);
        } else {
            world.now_ms += 1_000;
        }
    }
    world.devices[0].finished[&op].as_ref().unwrap();
    assert!(chunks >= 6, "{chunks} objects of a snapshot");
    assert!((3..=8).contains(&most), "{most} at once");
    let late = world.join().unwrap();
    assert_eq!(
        world.devices[late].engine.list(&World::map(), &Default::default(), 50_000).unwrap().len() as u64,
        RECORDS
    );
}

#[test]
fn a_write_tells_which_changes_changed_anything() {
    let mut world = World::new(5);
    world.create().unwrap();
    let now = world.devices[0].now(world.now_ms);
    let deleted = Change::Delete { collection: Collection::log("shell"), key: format!("{:032x}", 2) };
    world.devices[0].engine.write(&[entry(1), deleted], now).unwrap();
    let written = world.devices[0].engine.write(&[entry(1), entry(2), entry(3), put(1)], now).unwrap();
    assert_eq!(written.changed, [false, false, true, true]);
}
