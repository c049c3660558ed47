//! Rows of a local store that decode and that no device ever wrote: refused as the store's damage, found by the fuzzers.
#![allow(clippy::unwrap_used)]

use tidelock_core::local::{Batch, LocalStore, MemoryLocal, Table, Write};
use tidelock_core::{Config, Engine, Error, ErrorKind, Now};
use tidelock_sim::random::Random;
use tidelock_sim::world::World;

fn open(table: Table, key: &[u8], value: &[u8]) -> Result<Engine, Error> {
    let mut local = MemoryLocal::new();
    let write = Write { table, key: key.to_vec(), value: Some(value.to_vec()) };
    local.commit(&Batch::from(vec![write]), local.revision().unwrap()).unwrap();
    let config = Config::new("file:///store".parse().unwrap(), "device");
    Engine::open(config, Box::new(local), Box::new(Random::new(1)), Now::default())
}

/// Eight counters of a request each: at their end, counting on would overflow.
#[test]
fn counters_at_their_end_are_damage() {
    for counter in 0..8 {
        let mut meter = [0; 64];
        meter[8 * counter..8 * counter + 8].fill(0xff);
        let refused = open(Table::Head, b"meter", &meter).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LocalStore, "{refused}");
        meter[8 * counter + 7] = 0;
        let engine = open(Table::Head, b"meter", &meter).unwrap();
        assert!(engine.status().unwrap().meter.requests() < u64::MAX);
    }
}

/// The next collection would get the number after the last.
#[test]
fn a_collection_with_the_last_number_is_damage() {
    let notes = [&[1, 5, 0, 0, 0][..], b"notes"].concat();
    assert_eq!(open(Table::Collections, &notes, &[0xff; 4]).unwrap_err().kind(), ErrorKind::LocalStore);
    assert!(open(Table::Collections, &notes, &[7, 0, 0, 0]).is_ok());
}

/// More than a tail holds is pending, and beyond it lies a row under a number that no op has: counting what is pending ends.
#[test]
fn an_op_far_beyond_the_others_keeps_no_sync_from_its_end() {
    let mut world = World::with_devices(1, 1);
    for key in ["a", "b", "c"] {
        let value = world.big_value(9_000);
        world.put_value(0, key, &value);
    }
    let mut disk = world.devices[0].disk.clone();
    let far = Write { table: Table::Ops, key: vec![0xff; 8], value: Some(b"no op".to_vec()) };
    let revision = disk.revision().unwrap();
    disk.commit(&Batch::from(vec![far]), revision).unwrap();
    world.restart(0);
    world.sync(0).unwrap();
}

/// The ops after a lost one would go out under the numbers before their own, in a tail or in segments.
#[test]
fn a_lost_op_stops_publishing() {
    for bytes in [9_000, 10] {
        let mut world = World::with_devices(2, 1);
        for key in ["a", "b", "c", "d"] {
            let value = world.big_value(bytes);
            world.put_value(0, key, &value);
        }
        let mut disk = world.devices[0].disk.clone();
        let rows = disk.list(Table::Ops, &Default::default(), 100).unwrap();
        let lost = Write { table: Table::Ops, key: rows[rows.len() - 2].0.clone(), value: None };
        let revision = disk.revision().unwrap();
        disk.commit(&Batch::from(vec![lost]), revision).unwrap();
        world.restart(0);
        let before = world.bucket.copy();
        assert_eq!(world.sync(0).map_err(|error| error.kind()), Err(ErrorKind::LocalStore), "ops of {bytes} bytes");
        assert_eq!(world.bucket.copy(), before);
    }
}
