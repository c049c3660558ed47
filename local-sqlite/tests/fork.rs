//! A process that forks with stores open, and goes on with stores of its own in the child.

#![cfg(unix)]

use std::io::{Read, Write as _, pipe};
use tidelock_core::local::{Batch, LocalStore, Table, Write};
use tidelock_sqlite::{Fork, SqliteLocal};

// One test in this program: while it forks, no other thread of it may be within SQLite or the allocator.

#[test]
fn a_child_keeps_its_commits_when_the_parent_closes_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut inherited = SqliteLocal::open(&path).unwrap();
    put(&mut inherited, b"before the fork");
    let (mut ready, mut tell_ready) = pipe().unwrap();
    let (mut closed, mut tell_closed) = pipe().unwrap();

    let fork = Fork::prepare();
    // SAFETY: this program has no other thread that works, and the child ends by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        fork.in_child();
        let refused = inherited.revision().is_err();
        let mut own = SqliteLocal::open(&path).unwrap();
        tell_ready.write_all(b"r").unwrap();
        closed.read_exact(&mut [0]).unwrap();
        put(&mut own, b"in the child");
        std::mem::forget(own);
        // SAFETY: it ends this process.
        unsafe { libc::_exit(i32::from(!refused)) }
    }
    drop(fork);
    ready.read_exact(&mut [0]).unwrap();
    // Of what it knows the child may have the store open: `-wal` must stay.
    drop(inherited);
    let mut again = SqliteLocal::open(&path).unwrap();
    put(&mut again, b"in the parent");
    tell_closed.write_all(b"c").unwrap();
    let mut status = 0;
    // SAFETY: `status` is there to be written.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    for key in [&b"before the fork"[..], b"in the child", b"in the parent"] {
        assert!(again.get(Table::Records, key).unwrap().is_some(), "{}", String::from_utf8_lossy(key));
    }
    drop(again);
    SqliteLocal::open(&path).unwrap().check_pages().unwrap();
}

fn put(store: &mut SqliteLocal, key: &[u8]) {
    let write = Write { table: Table::Records, key: key.to_vec(), value: Some(b"value".to_vec()) };
    let revision = store.revision().unwrap();
    store.commit(&Batch::from(vec![write]), revision).unwrap();
}
