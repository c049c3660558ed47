//! One durable row in a store of a million: through the port, against the same statement on bare rusqlite.
//!
//! `open, put, close` is what one run of the command does, and what it costs beside process start.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rusqlite::{Connection, params};
use std::hint::black_box;
use std::path::Path;
use tidelock_core::local::{Batch, LocalStore, Table, Write};
use tidelock_sqlite::SqliteLocal;

const ROWS: u64 = 1_000_000;
const VALUE: [u8; 100] = [7; 100];

/// Spreads numbers over the keys: an odd factor, so none comes twice.
fn key(n: u64) -> [u8; 8] {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn put(n: u64) -> Batch {
    Batch::from(vec![Write { table: Table::Records, key: key(n).to_vec(), value: Some(VALUE.to_vec()) }])
}

fn fill_port(path: &Path) {
    let mut local = SqliteLocal::open(path).expect("a new store");
    let mut numbers = (0..ROWS).collect::<Vec<_>>();
    // By key, so that filling takes seconds.
    numbers.sort_by_key(|&n| key(n));
    for numbers in numbers.chunks(50_000) {
        let writes: Vec<Write> = numbers.iter().flat_map(|&n| put(n).writes).collect();
        let revision = local.revision().expect("a revision");
        local.commit(&Batch::from(writes), revision).expect("a commit");
    }
}

fn open_raw(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").expect("WAL");
    connection
}

fn fill_raw(path: &Path) {
    let mut connection = open_raw(path);
    connection.execute_batch("CREATE TABLE t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID").expect("a table");
    let transaction = connection.transaction().expect("a transaction");
    let mut keys = (0..ROWS).map(key).collect::<Vec<_>>();
    keys.sort_unstable();
    for key in keys {
        insert_raw(&transaction, key);
    }
    transaction.commit().expect("a commit");
}

fn insert_raw(connection: &Connection, key: [u8; 8]) {
    let mut insert = connection.prepare_cached("REPLACE INTO t VALUES (?1, ?2)").expect("the statement");
    insert.execute(params![key, VALUE]).expect("an insert");
}

fn put_at_a_million_rows(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, raw) = (folder.path().join("port"), folder.path().join("raw"));
    fill_port(&port);
    fill_raw(&raw);
    let mut group = criterion.benchmark_group("1,000,000 rows");
    let mut next = ROWS..;
    let mut new = || next.next().expect("endless");

    let mut local = SqliteLocal::open(&port).expect("the store");
    group.bench_function("port: put", |bench| {
        bench.iter_batched(
            || put(new()),
            |batch| {
                let revision = local.revision().expect("a revision");
                local.commit(&batch, revision).expect("a commit")
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("port: get", |bench| {
        bench.iter_batched(|| key(new() % ROWS), |key| local.get(Table::Records, &key), BatchSize::SmallInput);
    });
    drop(local);
    group.bench_function("port: open, put, close", |bench| {
        bench.iter_batched(
            || put(new()),
            |batch| {
                let mut local = SqliteLocal::open(&port).expect("the store");
                let revision = local.revision().expect("a revision");
                local.commit(&batch, revision).expect("a commit")
            },
            BatchSize::PerIteration,
        );
    });

    let connection = open_raw(&raw);
    group.bench_function("rusqlite: put", |bench| {
        bench.iter_batched(|| key(new()), |key| insert_raw(&connection, key), BatchSize::PerIteration);
    });
    drop(connection);
    group.bench_function("rusqlite: open, put, close", |bench| {
        bench.iter_batched(|| key(new()), |key| insert_raw(black_box(&open_raw(&raw)), key), BatchSize::PerIteration);
    });
}

criterion_group!(benches, put_at_a_million_rows);
criterion_main!(benches);
