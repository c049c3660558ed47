//! Kill −9 at any moment: what was acknowledged is there, and no commit is there in part.
//!
//! A program of its own, which starts itself as the child that commits; so it has `main` in place of test functions.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tidelock_core::local::{Batch, ByteRange, LocalStore, Table, Write};
use tidelock_sqlite::SqliteLocal;

const CHILD: &str = "TIDELOCK_TEST_COMMITS_TO";
const ROUNDS: u64 = 30;
const TABLES: [Table; 3] = [Table::Head, Table::Records, Table::Ops];

fn main() {
    match env::var_os(CHILD) {
        Some(path) => commit_for_ever(Path::new(&path)),
        None => nothing_acknowledged_is_lost(),
    }
}

/// Writes each revision in three tables, and says so when the commit has returned.
fn commit_for_ever(path: &Path) {
    let mut local = SqliteLocal::open(path).unwrap();
    loop {
        let revision = local.revision().unwrap();
        let next = (revision.0 + 1).to_be_bytes().to_vec();
        let value = vec![next[7]; 5_000];
        let write = |table| Write { table, key: next.clone(), value: Some(value.clone()) };
        let committed = local.commit(&Batch::from(TABLES.map(write).to_vec()), revision).unwrap();
        println!("{}", committed.0);
    }
}

fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for round in 0..ROUNDS {
        let program = env::current_exe().unwrap();
        let mut child = Command::new(program).env(CHILD, &path).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The child goes on while this reads, so it dies anywhere in a commit; later rounds die around a checkpoint too.
        let mut acknowledged = String::new();
        for _ in 0..1 + round * 7 % 40 {
            acknowledged = lines.next().expect("the child goes on until it is killed").unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Then what it still said; a line is written whole.
        acknowledged = lines.map_while(Result::ok).last().unwrap_or(acknowledged);
        check(&path, acknowledged.parse().unwrap());
    }
    println!("{ROUNDS} kills: nothing acknowledged was lost");
}

fn check(path: &Path, acknowledged: u64) {
    let local = SqliteLocal::open(path).unwrap();
    let revision = local.revision().unwrap();
    assert!(revision.0 >= acknowledged, "{acknowledged} was acknowledged, {revision:?} is there");
    for table in TABLES {
        let rows = local.list(table, &ByteRange::default(), u32::MAX).unwrap();
        assert_eq!(rows.len() as u64, revision.0);
        for ((key, value), n) in rows.into_iter().zip(1u64..) {
            assert_eq!(key, n.to_be_bytes());
            assert_eq!(value, [n as u8; 5_000]);
        }
    }
    drop(local);
    let database = rusqlite::Connection::open(path).unwrap();
    let verdict: String = database.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
