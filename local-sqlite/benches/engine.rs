//! A device's own calls with 10⁶ records in SQLite: opening, `write` of one put, `get`. Wall time, since the disk counts.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use std::path::Path;
use tidelock_core::{Change, Collection, Config, Engine, Event, Now, Operation, Output};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::random::Random;
use tidelock_sqlite::SqliteLocal;

const RECORDS: u64 = 1_000_000;
const BATCH: u64 = 5_000;
const START_MS: u64 = 1_767_225_600_000;

fn put(key: u64) -> Change {
    Change::Put {
        collection: Collection::map("notes"),
        key: format!("{key:08}"),
        value: Bytes::from_static(&[b'v'; 100]),
    }
}

fn open(path: &Path) -> (Engine, Now) {
    let config = Config::new("file:///bench".parse().expect("a folder's URI"), "bench");
    let now = Now { monotonic_ms: START_MS, unix_ms: START_MS };
    let local = SqliteLocal::open(path).expect("a sound store");
    (Engine::open(config, Box::new(local), Box::new(Random::new(1)), now).expect("a sound store"), now)
}

/// Makes a vault; every answer comes at once.
fn create(engine: &mut Engine, mut now: Now) {
    let (mut bucket, mut random) = (Bucket::new(), Random::new(2));
    let op = engine.start(Operation::Create { passphrase: None }, now);
    loop {
        while let Some(output) = engine.poll_output(now) {
            match output {
                Output::Send(request) => {
                    let response = bucket.answer(&request, now.unix_ms, &mut random);
                    engine.handle_response(request.id, response, now);
                }
                Output::Event(Event::Finished(ended, result)) if ended == op => {
                    result.expect("an empty bucket");
                    return;
                }
                _ => {}
            }
        }
        now.monotonic_ms = engine.poll_timeout().expect("it waits for time alone").max(now.monotonic_ms);
        engine.handle_timeout(now);
    }
}

fn local(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let (mut engine, now) = open(&path);
    create(&mut engine, now);
    for start in (0..RECORDS).step_by(BATCH as usize) {
        let changes: Vec<Change> = (start..start + BATCH).map(put).collect();
        engine.write(&changes, now).expect("valid changes");
        while engine.poll_output(now).is_some() {}
    }
    let mut group = criterion.benchmark_group("SQLite, 1,000,000 records");
    group.bench_function("open", |bench| bench.iter(|| open(&path)));
    let mut random = Random::new(3);
    group.bench_function("put", |bench| {
        bench.iter(|| {
            engine.write(&[put(random.below(RECORDS))], now).expect("a valid change");
            while engine.poll_output(now).is_some() {}
        });
    });
    let collection = Collection::map("notes");
    group.bench_function("get", |bench| {
        bench.iter(|| engine.get(&collection, &format!("{:08}", random.below(RECORDS))).expect("a sound store"));
    });
    group.finish();
}

criterion_group!(benches, local);
criterion_main!(benches);
