//! Several handles on one store: each revision has one winner, nothing acknowledged is lost, all is seen at once.

use std::sync::Barrier;
use std::thread;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, Revision, Table, Write};
use tidelock_sqlite::SqliteLocal;

fn one(key: &[u8], value: &[u8]) -> Batch {
    Batch::from(vec![Write { table: Table::Ops, key: key.to_vec(), value: Some(value.to_vec()) }])
}

/// Commits as the engine does: on a stale revision, again on the new one. Gives the revision it won.
fn commit_again_until_won(local: &mut SqliteLocal, batch: &Batch) -> Revision {
    loop {
        let revision = local.revision().unwrap();
        match local.commit(batch, revision) {
            Ok(won) => return won,
            Err(LocalError::Stale) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_commit_is_seen_by_others_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut first = SqliteLocal::open(&path).unwrap();
    let mut second = SqliteLocal::open(&path).unwrap();
    for n in 0..20u8 {
        first.commit(&one(b"k", &[n]), Revision(2 * u64::from(n))).unwrap();
        assert_eq!(second.get(Table::Ops, b"k"), Ok(Some(vec![n])));
        second.commit(&one(b"l", &[n]), Revision(2 * u64::from(n) + 1)).unwrap();
        assert_eq!(first.get(Table::Ops, b"l"), Ok(Some(vec![n])));
    }
}

#[test]
fn of_two_commits_on_one_revision_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for n in 0..50 {
        let open = || SqliteLocal::open(&path).unwrap();
        let mut handles = [open(), open()];
        let outcomes = thread::scope(|scope| {
            let racers = handles.each_mut().map(|local| scope.spawn(|| local.commit(&one(b"k", b"v"), Revision(n))));
            racers.map(|racer| racer.join().unwrap())
        });
        let won = outcomes.iter().filter(|outcome| **outcome == Ok(Revision(n + 1))).count();
        let stale = outcomes.iter().filter(|outcome| **outcome == Err(LocalError::Stale)).count();
        assert_eq!((won, stale), (1, 1), "{outcomes:?}");
    }
}

#[test]
fn eight_threads_make_one_store_and_lose_nothing() {
    const COMMITS: u8 = 25;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let work = |thread: u8| -> Vec<Revision> {
        // Opened for each commit: the first ones race to make the store, later ones open and close beside others.
        let commit = |n| commit_again_until_won(&mut SqliteLocal::open(&path).unwrap(), &one(&[thread, n], b"v"));
        (0..COMMITS).map(commit).collect()
    };
    let mut won: Vec<Revision> = thread::scope(|scope| {
        let threads = [0, 1, 2, 3, 4, 5, 6, 7].map(|thread| scope.spawn(move || work(thread)));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    won.sort();
    let total = 8 * u64::from(COMMITS);
    assert_eq!(won, (1..=total).map(Revision).collect::<Vec<_>>(), "each revision won once");
    let local = SqliteLocal::open(&path).unwrap();
    let rows = local.list(Table::Ops, &ByteRange::default(), u32::MAX).unwrap();
    assert_eq!(rows.len() as u64, total);
}

#[test]
fn eight_threads_make_a_store_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let start = Barrier::new(8);
        thread::scope(|scope| {
            let opened = [(); 8].map(|()| {
                scope.spawn(|| {
                    start.wait();
                    SqliteLocal::open(folder.path().join("store")).and_then(|local| local.revision())
                })
            });
            for opened in opened {
                assert_eq!(opened.join().unwrap(), Ok(Revision(0)));
            }
        });
    }
}

#[test]
fn a_store_moves_between_threads() {
    let folder = tempfile::tempdir().unwrap();
    let mut local: Box<dyn LocalStore> = Box::new(SqliteLocal::open(folder.path().join("store")).unwrap());
    let local = thread::spawn(move || {
        local.commit(&one(b"k", b"v"), Revision(0)).unwrap();
        local
    });
    assert_eq!(local.join().unwrap().revision(), Ok(Revision(1)));
}

#[test]
fn who_holds_the_store_for_too_long_makes_others_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut local = SqliteLocal::open(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(local.commit(&one(b"k", b"v"), Revision(0)), Err(LocalError::Busy));
    assert_eq!(local.revision(), Ok(Revision(0)), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(local.commit(&one(b"k", b"v"), Revision(0)), Ok(Revision(1)));
}

#[test]
fn a_store_is_opened_alone_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut other = SqliteLocal::open(&path).unwrap();
    other.commit(&one(b"k", b"v"), Revision(0)).unwrap();
    assert_eq!(SqliteLocal::open_alone(&path).map(drop), Err(LocalError::Busy));
    other.commit(&one(b"k", b"w"), Revision(1)).unwrap();
    drop(other);
    // A second time, too: the first leaves the file as it is then.
    for _ in 0..2 {
        let alone = SqliteLocal::open_alone(&path).unwrap();
        assert_eq!(alone.get(Table::Ops, b"k"), Ok(Some(b"w".to_vec())));
        assert_eq!(SqliteLocal::open(&path).map(drop), Err(LocalError::Busy));
    }
    let mut after = SqliteLocal::open(&path).unwrap();
    assert_eq!(after.commit(&one(b"k", b"x"), Revision(2)), Ok(Revision(3)));
}
