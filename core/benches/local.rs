//! A device's own calls with 10⁶ records in its store: opening, `write` of one put, `get`.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tidelock_core::{Change, Collection, Config, Engine};
use tidelock_sim::random::Random;
use tidelock_sim::world::World;

const RECORDS: u64 = 1_000_000;
const BATCH: u64 = 5_000;

fn put(key: u64) -> Change {
    Change::Put {
        collection: Collection::map("notes"),
        key: format!("{key:08}"),
        value: Bytes::from_static(&[b'v'; 100]),
    }
}

fn local(criterion: &mut Criterion) {
    let mut world = World::new(1);
    world.create().expect("an empty bucket");
    let now = world.devices[0].now(world.now_ms);
    for start in (0..RECORDS).step_by(BATCH as usize) {
        let changes: Vec<Change> = (start..start + BATCH).map(put).collect();
        world.devices[0].engine.write(&changes, now).expect("valid changes");
        world.devices[0].drain(world.now_ms);
    }
    let disk = world.devices[0].disk.clone();
    let config = Config::new(world.store.clone(), "bench");
    let mut group = criterion.benchmark_group("memory, 1,000,000 records");
    group.bench_function("open", |bench| {
        bench.iter_batched(
            || (config.clone(), disk.clone()),
            |(config, disk)| Engine::open(config, Box::new(disk), Box::new(Random::new(1)), now).expect("a sound disk"),
            BatchSize::SmallInput,
        );
    });
    let mut random = Random::new(2);
    let engine = &mut world.devices[0].engine;
    group.bench_function("put", |bench| {
        bench.iter(|| {
            engine.write(&[put(random.below(RECORDS))], now).expect("a valid change");
            while engine.poll_output(now).is_some() {}
        });
    });
    let collection = Collection::map("notes");
    group.bench_function("get", |bench| {
        bench.iter(|| engine.get(&collection, &format!("{:08}", random.below(RECORDS))).expect("a sound disk"));
    });
    group.finish();
}

criterion_group!(benches, local);
criterion_main!(benches);
