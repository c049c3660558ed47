//! What the disk allows: the mode of the files, a full disk, a read-only mount. Needs root, as in CI: it mounts.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, Revision, Table, Write};
use tidelock_sqlite::SqliteLocal;

fn one(key: &[u8], value: &[u8]) -> Batch {
    Batch::from(vec![Write { table: Table::Ops, key: key.to_vec(), value: Some(value.to_vec()) }])
}

/// A mount on a folder of its own, gone when dropped.
struct Mount(TempDir);

impl Mount {
    fn tmpfs(size: &str) -> Self {
        let target = tempfile::tempdir().unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], target.path());
        Self(target)
    }

    /// The folder `source`, read-only.
    fn read_only(source: &Path) -> Self {
        let target = tempfile::tempdir().unwrap();
        mount(&["--bind", source.to_str().unwrap()], target.path());
        let mounted = Self(target);
        mount(&["-o", "remount,bind,ro"], mounted.0.path());
        mounted
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn mount(arguments: &[&str], target: &Path) {
    let status = Command::new("mount").args(arguments).arg(target).status().expect("`mount` is there");
    assert!(status.success(), "mounting needs root");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

const FILES: [&str; 3] = ["store", "store-wal", "store-shm"];

#[test]
fn every_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let mut local = SqliteLocal::open(folder.path().join("store")).unwrap();
    local.commit(&one(b"k", b"v"), Revision(0)).unwrap();
    let found = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(found, FILES.len());
    for file in FILES {
        assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_copied_store_becomes_private_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = SqliteLocal::open(folder.path().join("store")).unwrap();
    for file in FILES {
        fs::set_permissions(folder.path().join(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let second = SqliteLocal::open(folder.path().join("store")).unwrap();
    assert_eq!(first.revision(), second.revision());
    for file in FILES {
        assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let disk = Mount::tmpfs("1m");
    let mut local = SqliteLocal::open(disk.store()).unwrap();
    let mut kept = Revision(0);
    let error = loop {
        match local.commit(&one(&kept.0.to_be_bytes(), &[1; 20_000]), kept) {
            Ok(revision) => kept = revision,
            Err(error) => break error,
        }
    };
    assert_eq!(error, LocalError::Full);
    assert!(kept.0 > 5, "some commits fit");
    let check = |local: &SqliteLocal| {
        assert_eq!(local.revision(), Ok(kept));
        let rows = local.list(Table::Ops, &ByteRange::default(), u32::MAX).unwrap();
        assert_eq!(rows.len() as u64, kept.0);
    };
    check(&local);
    drop(local);
    mount(&["-o", "remount,size=8m"], disk.0.path());
    let mut local = SqliteLocal::open(disk.store()).unwrap();
    check(&local);
    assert_eq!(local.commit(&one(b"more", b"v"), kept), Ok(Revision(kept.0 + 1)));
}

#[test]
fn a_store_cannot_be_made_on_a_full_disk() {
    let disk = Mount::tmpfs("64k");
    fs::write(disk.0.path().join("other"), [0; 64 << 10]).unwrap();
    assert_eq!(SqliteLocal::open(disk.store()).unwrap_err(), LocalError::Full);
    fs::remove_file(disk.0.path().join("other")).unwrap();
    mount(&["-o", "remount,size=8m"], disk.0.path());
    assert_eq!(SqliteLocal::open(disk.store()).unwrap().revision(), Ok(Revision(0)));
}

/// Reads `k` = `value` at revision 1, and cannot write.
fn reads_only(path: &Path, value: &[u8]) {
    let mut local = SqliteLocal::open(path).unwrap();
    assert_eq!(local.revision(), Ok(Revision(1)));
    assert_eq!(local.get(Table::Ops, b"k"), Ok(Some(value.to_vec())));
    assert_eq!(local.commit(&one(b"k", b"w"), Revision(1)), Err(LocalError::ReadOnly));
    assert_eq!(local.commit(&Batch::default(), Revision(1)), Err(LocalError::ReadOnly));
    assert_eq!(local.commit(&one(b"k", b"w"), Revision(0)), Err(LocalError::Stale));
    assert_eq!(local.get(Table::Ops, b"k"), Ok(Some(value.to_vec())));
}

#[test]
fn a_closed_store_on_a_read_only_mount_is_read() {
    // The folder's name has what a URI must escape.
    let folder = tempfile::tempdir().unwrap();
    let name = "a b?c#d%41&é";
    fs::create_dir(folder.path().join(name)).unwrap();
    let mut local = SqliteLocal::open(folder.path().join(name).join("store")).unwrap();
    local.commit(&one(b"k", b"v"), Revision(0)).unwrap();
    drop(local);
    let mounted = Mount::read_only(folder.path());
    reads_only(&mounted.0.path().join(name).join("store"), b"v");
}

/// The files of a store that was never closed: the commit is in `-wal` alone.
fn crashed_store(files: &[&str]) -> TempDir {
    let live = tempfile::tempdir().unwrap();
    let mut local = SqliteLocal::open(live.path().join("store")).unwrap();
    local.commit(&one(b"k", b"from the log"), Revision(0)).unwrap();
    let crashed = tempfile::tempdir().unwrap();
    for file in files {
        fs::copy(live.path().join(file), crashed.path().join(file)).unwrap();
    }
    crashed
}

#[test]
fn a_crashed_store_on_a_read_only_mount_is_read_with_its_log() {
    let crashed = crashed_store(&FILES);
    reads_only(&Mount::read_only(crashed.path()).store(), b"from the log");
}

#[test]
fn an_older_state_is_never_shown() {
    let crashed = crashed_store(&["store", "store-wal"]);
    assert_eq!(SqliteLocal::open(Mount::read_only(crashed.path()).store()).unwrap_err(), LocalError::ReadOnly);
    let local = SqliteLocal::open(crashed.path().join("store")).unwrap();
    assert_eq!(local.get(Table::Ops, b"k"), Ok(Some(b"from the log".to_vec())), "where it can be written, it is read");
}

#[test]
fn no_store_is_made_on_a_read_only_mount() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(SqliteLocal::open(Mount::read_only(folder.path()).store()).unwrap_err(), LocalError::ReadOnly);
}
