//! Merging foreign ops: the rule alone, and whole pulls through an engine whose store and bucket are in memory.

mod cpu;

use bytes::Bytes;
use cpu::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tidelock_core::replica::{Action, Context, Dot, Forks, Point, Slot, Standing, Vector};
use tidelock_core::s3::StoreUri;
use tidelock_core::{Change, Config, DeviceId, Engine, Event, Now, Operation, Outcome, Output, Secret, Stamp, Tag};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::device::Disk;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;

/// As many ops as a log takes before it is cut by a snapshot.
const OPS: u64 = 200_000;
const ROWS: u64 = 1_000_000;
const BATCH: usize = 5_000;

/// Each key is written by two devices in turns, each having seen the other.
fn rule(criterion: &mut Criterion<CpuTime>) {
    let devices = [DeviceId([1; 16]), DeviceId([2; 16])];
    let writes: Vec<(Standing, Vector)> = (1..=OPS)
        .map(|n| {
            let dot = Dot { device: devices[n as usize % 2], n: n.div_ceil(2), tag: Tag([n as u8; 8]) };
            let seen = devices.iter().map(|id| (*id, Point { n: n.div_ceil(2), tag: Tag::default() })).collect();
            let action = Action::Put(vec![7; 8]);
            (Standing { dot, stamp: Stamp { ms: n, counter: 0 }, action, context: Context::default() }, seen)
        })
        .collect();
    let prefix = writes.last().expect("many").1.clone();
    let mut group = criterion.benchmark_group("rule");
    group.throughput(Throughput::Elements(OPS));
    group.bench_function("apply", |bench| {
        bench.iter_batched(
            || writes.clone(),
            |writes| {
                let mut slot = Slot::default();
                for (write, seen) in writes {
                    slot.apply(write, &seen, &prefix, &Forks::default());
                }
                black_box(slot)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// Writes at keys 0.. of one map, in the order of a shuffle that repeats no key.
fn write(world: &mut World, at: usize, records: u64, value: &'static [u8]) {
    let order: Vec<u64> = (0..records).map(|record| record * 7_919 % records).collect();
    for keys in order.chunks(BATCH) {
        let put = |key: &u64| Change::Put {
            collection: World::map(),
            key: format!("{key:08}"),
            value: Bytes::from_static(value),
        };
        let changes: Vec<Change> = keys.iter().map(put).collect();
        let now = world.devices[at].now(world.now_ms);
        world.devices[at].engine.write(&changes, now).expect("valid changes");
        world.devices[at].drain(world.now_ms);
    }
}

fn engine(store: &StoreUri, now_ms: u64, disk: Disk, seed: u64) -> (Engine, Now) {
    let config = Config::new(store.clone(), "bench");
    let now = Now { monotonic_ms: now_ms, unix_ms: now_ms };
    (Engine::open(config, Box::new(disk), Box::new(Random::new(seed)), now).expect("a sound disk"), now)
}

/// Runs an operation to its end; every answer comes at once.
fn run(engine: &mut Engine, operation: Operation, bucket: &mut Bucket, mut now: Now) -> Outcome {
    let mut random = Random::new(4);
    let op = engine.start(operation, now);
    loop {
        while let Some(output) = engine.poll_output(now) {
            match output {
                Output::Send(request) => {
                    let response = bucket.answer(&request, now.unix_ms, &mut random);
                    engine.handle_response(request.id, response, now);
                }
                Output::Event(Event::Finished(ended, result)) if ended == op => {
                    return result.expect("a sound bucket");
                }
                _ => {}
            }
        }
        now.monotonic_ms = engine.poll_timeout().expect("it waits for time alone").max(now.monotonic_ms);
        engine.handle_timeout(now);
    }
}

fn pull(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("pull");
    group.sample_size(10);
    group.throughput(Throughput::Elements(OPS));
    for (name, both) in [("new keys", false), ("keys written before", true)] {
        let mut world = World::new(1);
        world.create().expect("an empty bucket");
        world.join().expect("a vault");
        if both {
            write(&mut world, 1, OPS, b"earlier");
            for at in [1, 0, 1] {
                world.sync(at).expect("a sound bucket");
            }
        }
        write(&mut world, 0, OPS, b"a value of 20 bytes!");
        world.sync(0).expect("a sound bucket");
        let disk = world.devices[1].disk.clone();
        let World { mut bucket, store, now_ms, .. } = world;
        group.bench_function(name, |bench| {
            bench.iter_batched_ref(
                || engine(&store, now_ms, disk.copy(), 3),
                |(engine, now)| {
                    let Outcome::Synced(report) = run(engine, Operation::Pull, &mut bucket, *now) else {
                        panic!("no pull");
                    };
                    assert_eq!(report.ops_applied, OPS, "not as ops, but as a snapshot");
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn bootstrap(criterion: &mut Criterion<CpuTime>) {
    let mut world = World::new(2);
    world.create().expect("an empty bucket");
    write(&mut world, 0, ROWS, b"a value of 20 bytes!");
    world.sync(0).expect("a sound bucket");
    let World { mut bucket, store, now_ms, code, .. } = world;
    let code = code.expect("a vault was created");
    let mut seed = 100;
    let mut group = criterion.benchmark_group("join");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("a snapshot's rows", |bench| {
        bench.iter_batched_ref(
            || {
                seed += 1; // a device of its own each time
                engine(&store, now_ms, Disk::default(), seed)
            },
            |(engine, now)| {
                let secret = Secret::Recovery(code.clone());
                run(engine, Operation::Join { secret }, &mut bucket, *now)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(CpuTime); targets = rule, pull, bootstrap);
criterion_main!(benches);
