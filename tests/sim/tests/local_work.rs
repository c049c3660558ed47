//! What long operations ask of a device's own store: counted, since that and not a time tells how the work grows.

use bytes::Bytes;
use tidelock_core::{Change, Collection};
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
fn an_import_looks_at_each_entry_once() {
    let mut world = World::new(4);
    world.create().unwrap();
    world.devices[0].disk.take_work();
    write(&mut world, 0, entry);
    let work = world.devices[0].disk.take_work();
    assert!(work.gets <= RECORDS + RECORDS / 20, "{} rows were read for {RECORDS} entries", work.gets);
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
