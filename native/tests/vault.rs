//! Two devices on one folder store, through the public API, on an executor that is not tokio's.

use futures::FutureExt as _;
use futures::executor::block_on;
use std::future::Future as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use tidelock::{
    Change, ChangedKeys, Collection, Error, ErrorKind, Event, Imported, KeyRange, Local, Options, Passphrase, Presign,
    Secret, Vault, parse_secret,
};
use tidelock_sqlite::SqliteLocal;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        Self { folder }
    }

    fn options(&self, device: &str) -> Options {
        let store = format!("file://{}", self.folder.path().join("bucket").display());
        let mut options = Options::new(&store, self.folder.path().join(device)).unwrap();
        options.device = device.to_owned();
        options
    }

    fn create(&self, device: &str) -> (Vault, Secret) {
        let (vault, code) = block_on(Vault::create(self.options(device))).unwrap();
        (vault, Secret::Recovery(code))
    }

    fn join(&self, device: &str, secret: &Secret) -> Vault {
        block_on(Vault::join(self.options(device), secret.clone())).unwrap()
    }
}

async fn text(vault: &Vault, map: &str, key: &str) -> Option<String> {
    let record = vault.map(map).get(key).await.unwrap()?;
    Some(String::from_utf8(record.value.to_vec()).unwrap())
}

#[test]
fn what_one_device_writes_the_other_reads() {
    let place = Place::new();
    let (one, secret) = place.create("one");
    block_on(async {
        one.map("todo").put("milk", "two litres").await.unwrap();
        one.log("shell").append("ls -l").await.unwrap();
        let report = one.sync().await.unwrap();
        assert!(report.ops_published >= 2, "{report:?}");
    });
    let two = place.join("two", &secret);
    block_on(async {
        assert_eq!(text(&two, "todo", "milk").await.as_deref(), Some("two litres"));
        two.map("todo").delete("milk").await.unwrap();
        two.push().await.unwrap();

        one.pull().await.unwrap();
        assert_eq!(text(&one, "todo", "milk").await, None);
        let entries = one.log("shell").list(KeyRange::default()).collect().await.unwrap();
        assert_eq!(entries.iter().map(|entry| &entry.record.value[..]).collect::<Vec<_>>(), [b"ls -l"]);
        let mut names: Vec<_> = one.devices().await.unwrap().into_iter().filter_map(|device| device.name).collect();
        names.sort();
        assert_eq!(names, ["one", "two"]);
        one.close().await;
        two.close().await;
    });
}

#[test]
fn concurrent_puts_are_a_conflict_until_resolved() {
    let place = Place::new();
    let (one, secret) = place.create("one");
    let two = place.join("two", &secret);
    block_on(async {
        one.map("m").put("k", "a").await.unwrap();
        two.map("m").put("k", "b").await.unwrap();
        one.sync().await.unwrap();
        two.sync().await.unwrap();
        let conflicts = two.conflicts(None, 10).await.unwrap();
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].versions.len(), 2);
        two.map("m").resolve("k", Some("both".into())).await.unwrap();
        two.sync().await.unwrap();
        one.sync().await.unwrap();
        assert_eq!(text(&one, "m", "k").await.as_deref(), Some("both"));
        assert!(one.conflicts(None, 10).await.unwrap().is_empty());
        let error = one.map("m").resolve("k", None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_passphrase_opens_the_vault_and_a_wrong_one_does_not() {
    let place = Place::new();
    let mut options = place.options("one");
    options.passphrase = Some(Passphrase::new("correct horse battery staple"));
    let (_one, _) = block_on(Vault::create(options)).unwrap();
    place.join("two", &parse_secret("correct horse battery staple\n").unwrap());
    let error = block_on(Vault::join(place.options("three"), parse_secret("wrong").unwrap())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongKey);
}

#[test]
fn an_empty_passphrase_is_refused_and_the_vault_can_still_be_made() {
    let place = Place::new();
    let mut options = place.options("one");
    options.passphrase = Some(Passphrase::new(""));
    assert_eq!(block_on(Vault::create(options)).unwrap_err().kind(), ErrorKind::Invalid);
    place.create("one");
}

#[test]
fn a_local_handle_writes_beside_an_open_vault() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let mut local = Local::open(&place.options("one")).unwrap();
    let key = local.append(Collection::log("shell"), "make").unwrap();
    block_on(async {
        let entry = vault.log("shell").get(&key).await.unwrap().unwrap();
        assert_eq!(&entry.value[..], b"make");
        assert!(vault.status().await.unwrap().pending > 0);
        vault.push().await.unwrap();
    });
    assert_eq!(local.status().unwrap().pending, 0);
}

#[test]
fn opening_nothing_says_so_and_makes_nothing() {
    let place = Place::new();
    assert_eq!(block_on(Vault::open(place.options("one"))).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Local::open(&place.options("one")).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!place.folder.path().join("one").exists());
}

#[test]
fn a_second_vault_at_one_store_is_refused() {
    let place = Place::new();
    let (_one, _) = place.create("one");
    let error = block_on(Vault::create(place.options("two"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[test]
fn a_closed_vault_says_so() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let clone = vault.clone();
    let mut events = clone.events();
    block_on(async {
        vault.close().await;
        assert_eq!(clone.sync().await.unwrap_err().kind(), ErrorKind::Closed);
    });
    drop(clone);
    assert_eq!(block_on(async { while events.next().await.is_some() {} }), ());
}

#[test]
fn closing_ends_what_listens_though_another_handle_is_alive() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let clone = vault.clone();
    let mut changes = clone.map("m").changes();
    let mut watch = clone.watch();
    block_on(async {
        watch.next().await.unwrap().unwrap();
        vault.close().await;
        assert_eq!(changes.next().now_or_never(), Some(None));
        assert!(matches!(watch.next().now_or_never(), Some(None)));
        assert_eq!(clone.events().next().now_or_never(), Some(None), "nor does one begin");
    });
}

/// Tells when a future may go on.
struct Woken(mpsc::Sender<()>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn dropping_an_open_that_is_through_closes_the_vault() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    block_on(vault.close());
    // The owner has the options, and they have the one end of this.
    let (alive, gone) = mpsc::channel::<()>();
    let mut options = place.options("one");
    options.presign = Some(Presign::callback(move |_| {
        let _ = &alive;
        async { Err(Error::new(ErrorKind::Auth, "nothing is signed for a folder")) }
    }));
    let (woken, wakes) = mpsc::channel();
    let waker = Waker::from(Arc::new(Woken(woken)));
    let held = SqliteLocal::open_alone(place.folder.path().join("one/store.db")).unwrap();
    let mut open = Box::pin(Vault::open(options));
    assert!(open.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(held);
    // It is open, and whoever asked for it wants it no more.
    wakes.recv().unwrap();
    drop(open);
    assert_eq!(gone.recv_timeout(Duration::from_secs(60)), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn dropping_a_sync_cancels_it() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let lock = std::fs::File::open(place.folder.path().join("one/lock")).unwrap();
    block_on(async {
        vault.map("m").put("k", "v").await.unwrap();
        lock.lock().unwrap();
        {
            let sync = vault.sync();
            futures::pin_mut!(sync);
            assert!(futures::poll!(&mut sync).is_pending());
        }
        lock.unlock().unwrap();
        // Operations run in order: a sync that was still there would publish before this pull ends.
        vault.pull().await.unwrap();
        assert_eq!(vault.status().await.unwrap().pending, 1);
        vault.sync().await.unwrap();
        assert_eq!(vault.status().await.unwrap().pending, 0);
    });
}

#[test]
fn syncs_wait_while_another_process_holds_the_lock() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let lock = std::fs::File::open(place.folder.path().join("one/lock")).unwrap();
    lock.lock().unwrap();
    block_on(async {
        // Nothing is pending: whoever holds the lock has nothing left to publish for this device.
        vault.push().await.unwrap();
        vault.map("m").put("k", "v").await.unwrap();
        let push = vault.push();
        futures::pin_mut!(push);
        assert!(futures::poll!(&mut push).is_pending());
        // The thread answers in order: it has looked at the lock before it told the status.
        assert_eq!(vault.status().await.unwrap().pending, 1);
        assert!(futures::poll!(&mut push).is_pending());
        lock.unlock().unwrap();
        push.await.unwrap();
        assert_eq!(vault.status().await.unwrap().pending, 0);
    });
}

#[test]
fn a_watch_takes_up_what_another_process_wrote() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let mut watch = vault.watch();
    block_on(async {
        watch.next().await.unwrap().unwrap();
        drop(vault);
        let mut local = Local::open(&place.options("one")).unwrap();
        local.append(Collection::log("shell"), "make").unwrap();
        let report = watch.next().await.unwrap().unwrap();
        assert_eq!(report.ops_published, 1);
    });
}

#[test]
fn changes_of_other_devices_wake_a_listener() {
    let place = Place::new();
    let (one, secret) = place.create("one");
    let two = place.join("two", &secret);
    block_on(async {
        let mut changes = two.map("m").changes();
        let mut events = two.events();
        one.map("m").put("k", "v").await.unwrap();
        one.push().await.unwrap();
        two.pull().await.unwrap();
        let keys = vec!["k".to_owned()];
        assert_eq!(changes.next().await, Some(ChangedKeys::These(keys.clone())));
        let changed = Event::Changed { collection: Collection::map("m"), keys: Some(keys) };
        while events.next().await.unwrap() != changed {}
    });
}

#[test]
fn importing_twice_or_a_trimmed_file_changes_nothing() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let lines = |text: &str| {
        text.lines().map(|line| Imported { unix_ms: 0, value: line.to_owned().into() }).collect::<Vec<_>>()
    };
    block_on(async {
        let log = vault.log("shell");
        log.import("history", lines("ls\ncd\nls")).await.unwrap();
        let before = log.list(KeyRange::default()).collect().await.unwrap();
        assert_eq!(before.len(), 3);
        log.import("history", lines("ls\ncd\nls")).await.unwrap();
        log.import("history", lines("cd\nls")).await.unwrap();
        assert_eq!(log.list(KeyRange::default()).collect().await.unwrap(), before);
    });
}

#[test]
fn lists_go_on_over_pages_and_deleted_keys() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let collection = Collection::map("m");
    let put = |n: u32| Change::Put { collection: collection.clone(), key: format!("{n:04}"), value: vec![1].into() };
    let delete = |n: u32| Change::Delete { collection: collection.clone(), key: format!("{n:04}") };
    block_on(async {
        vault.write((0..1000).map(put).collect()).await.unwrap();
        vault.write((200..800).map(delete).collect()).await.unwrap();
        let keys: Vec<String> = vault
            .map("m")
            .list(KeyRange::default())
            .collect()
            .await
            .unwrap()
            .into_iter()
            .map(|entry| entry.key)
            .collect();
        let expected: Vec<String> = (0..200).chain(800..1000).map(|n| format!("{n:04}")).collect();
        assert_eq!(keys, expected);
    });
}

fn archive(vault: &Vault, file: &Path) -> Result<u64, Error> {
    block_on(vault.export_archive(std::fs::File::create(file).unwrap()))
}

#[test]
fn an_archive_brings_everything_to_another_vault_once() {
    let place = Place::new();
    let (one, _) = place.create("one");
    let file = place.folder.path().join("archive");
    block_on(async {
        one.map("m").put("k", "v").await.unwrap();
        one.map("m").put("bytes", vec![0, 255, 10]).await.unwrap();
        one.log("l").append("first").await.unwrap();
        one.log("l").append("second").await.unwrap();
    });
    assert_eq!(archive(&one, &file).unwrap(), 4);

    let other = Place::new();
    let (two, _) = other.create("two");
    let read = || std::io::BufReader::new(std::fs::File::open(&file).unwrap());
    block_on(async {
        two.map("m").put("k", "newer").await.unwrap();
        let report = two.import_archive(read()).await.unwrap();
        assert_eq!((report.added, report.newer_here), (3, 1));
        assert_eq!(text(&two, "m", "k").await.as_deref(), Some("newer"));
        let keys = |vault: &Vault| vault.log("l").list(KeyRange::default()).collect();
        let (here, there) = (keys(&two).await.unwrap(), keys(&one).await.unwrap());
        let pairs = |entries: &[tidelock::Entry]| {
            entries.iter().map(|entry| (entry.key.clone(), entry.record.value.clone())).collect::<Vec<_>>()
        };
        assert_eq!(pairs(&here), pairs(&there));

        two.log("l").delete(&here[0].key).await.unwrap();
        let report = two.import_archive(read()).await.unwrap();
        assert_eq!((report.added, report.unchanged, report.deleted_here, report.newer_here), (0, 2, 1, 1));
        assert_eq!(keys(&two).await.unwrap().len(), 1);
    });
}

#[test]
fn what_is_no_archive_is_refused_by_line() {
    let place = Place::new();
    let (vault, _) = place.create("one");
    let header = r#"{"tidelock_archive":1,"vault":null,"exported_unix_ms":0}"#;
    let good = r#"{"kind":"map","name":"m","key":"k","value":"dg==","stamp":{"ms":1,"counter":0}}"#;
    for (text, line) in [
        (String::new(), "line 1"),
        ("hello\n".to_owned(), "line 1"),
        (format!("{header}\n{good}\n{{}}\n"), "line 3"),
        (format!("{header}\n{}\n", good.replace("dg==", "d")), "line 2"),
        (format!("{header}\n{}\n", good.replace("map", "root")), "line 2"),
        (format!("{header}\n\"{}\"\n", "x".repeat(600 << 10)), "line 2"),
    ] {
        let error = block_on(vault.import_archive(std::io::Cursor::new(text.into_bytes()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().starts_with(line), "{error}");
    }
    let newer = header.replace(":1,", ":2,");
    let error = block_on(vault.import_archive(std::io::Cursor::new(newer.into_bytes()))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
