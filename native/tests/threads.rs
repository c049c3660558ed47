//! Eight threads on one open vault, while it is watched and synced: nothing lost, no errors.

use futures::executor::block_on;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;
use tidelock::{Change, Collection, KeyRange, Local, Options, Secret, SyncReport, Vault};

const THREADS: usize = 8;
const TURNS: usize = 40;

#[test]
fn eight_threads_on_one_vault_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, code) = block_on(Vault::create(options(&folder, "one"))).unwrap();
    let two = block_on(Vault::join(options(&folder, "two"), Secret::Recovery(code.clone()))).unwrap();
    let writing = AtomicBool::new(true);
    thread::scope(|scope| {
        let (one, two, writing) = (&one, &two, &writing);
        let end = End { vault: one, writing };
        // Subscribed before anything is written: it must hear of the last key.
        let mut changes = one.map("m").changes();
        let listener = scope.spawn(move || {
            block_on(async {
                while one.map("m").get("last").await.unwrap().is_none() {
                    changes.next().await.unwrap();
                }
            });
        });
        let mut watch = one.watch();
        let watcher = scope.spawn(move || {
            while let Some(result) = block_on(watch.next()) {
                calm(result.unwrap());
            }
        });
        let syncer = scope.spawn(move || {
            while writing.load(Ordering::Relaxed) {
                calm(block_on(one.sync()).unwrap());
                calm(block_on(two.sync()).unwrap());
            }
        });
        let beside = scope.spawn(|| append_beside(&options(&folder, "one")));
        let writers: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || block_on(write(one, thread)))).collect();
        for writer in writers.into_iter().chain([beside]) {
            writer.join().unwrap();
        }
        block_on(one.map("m").put("last", "of all")).unwrap();
        listener.join().unwrap();
        writing.store(false, Ordering::Relaxed);
        syncer.join().unwrap();

        calm(block_on(one.sync()).unwrap());
        calm(block_on(two.sync()).unwrap());
        assert_eq!(block_on(one.status()).unwrap().pending, 0);
        for vault in [one, two] {
            assert_eq!(block_on(map(vault)), expected_map());
            assert_eq!(block_on(log(vault)), expected_log());
            assert!(block_on(vault.conflicts(None, 1)).unwrap().is_empty());
        }
        drop(end);
        watcher.join().unwrap();
    });
}

/// Ends what the threads wait for, when the test fails too.
struct End<'a> {
    vault: &'a Vault,
    writing: &'a AtomicBool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.writing.store(false, Ordering::Relaxed);
        block_on(self.vault.clone().close());
    }
}

/// One thread's turns; what they leave is in [`expected_map`] and [`expected_log`].
async fn write(vault: &Vault, thread: usize) {
    let (map, log) = (vault.map("m"), vault.log("l"));
    for turn in 0..TURNS {
        let name = format!("{thread}-{turn}");
        match turn % 5 {
            0 => map.put(&*name, value(&name)).await.unwrap(),
            1 => drop(log.append(name).await.unwrap()),
            2 => {
                let put =
                    |key: String| Change::Put { collection: Collection::map("m"), value: value(&key).into(), key };
                let append = Change::Append { collection: Collection::log("l"), key: None, value: name.clone().into() };
                vault.write(vec![put(format!("{name}/a")), append, put(format!("{name}/b"))]).await.unwrap();
            }
            3 => {
                map.put(&*name, value(&name)).await.unwrap();
                assert_eq!(map.get(&*name).await.unwrap().unwrap().value, value(&name));
                map.delete(&*name).await.unwrap();
                assert_eq!(map.get(&*name).await.unwrap(), None);
            }
            _ => {
                // One that nobody waits for any more, and one that is waited for.
                drop(futures::poll!(std::pin::pin!(vault.sync())));
                calm(vault.push().await.unwrap());
                let own = KeyRange { start: format!("{thread}-"), end: Some(format!("{thread}.")) };
                assert_eq!(map.list(own).collect().await.unwrap().len(), (turn + 1) / 5 * 3);
            }
        }
    }
}

/// What a shell hook does meanwhile: the store is opened, written and closed again.
fn append_beside(options: &Options) {
    for turn in 0..TURNS {
        Local::open(options).unwrap().append(Collection::log("l"), format!("beside-{turn}")).unwrap();
    }
}

fn expected_map() -> BTreeSet<(String, String)> {
    let mut keys = vec![];
    for name in names() {
        match name.1 % 5 {
            0 => keys.push(name.0),
            2 => keys.extend([format!("{}/a", name.0), format!("{}/b", name.0)]),
            _ => {}
        }
    }
    let records = keys.into_iter().map(|key| (key.clone(), value(&key)));
    records.chain([("last".to_owned(), "of all".to_owned())]).collect()
}

fn expected_log() -> Vec<String> {
    let mut entries: Vec<_> = names().filter(|(_, turn)| [1, 2].contains(&(turn % 5))).map(|(name, _)| name).collect();
    entries.extend((0..TURNS).map(|turn| format!("beside-{turn}")));
    entries.sort();
    entries
}

fn names() -> impl Iterator<Item = (String, usize)> {
    (0..THREADS).flat_map(|thread| (0..TURNS).map(move |turn| (format!("{thread}-{turn}"), turn)))
}

/// Long enough that segments are written.
fn value(key: &str) -> String {
    format!("{key};").repeat(100)
}

async fn map(vault: &Vault) -> BTreeSet<(String, String)> {
    let entries = vault.map("m").list(KeyRange::default()).collect().await.unwrap();
    entries.into_iter().map(|entry| (entry.key, text(&entry.record.value))).collect()
}

/// In the order of the text: times of one millisecond are in any.
async fn log(vault: &Vault) -> Vec<String> {
    let entries = vault.log("l").list(KeyRange::default()).collect().await.unwrap();
    let mut entries: Vec<_> = entries.into_iter().map(|entry| text(&entry.record.value)).collect();
    entries.sort();
    entries
}

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).unwrap()
}

/// A sync with nothing that a person should know.
#[track_caller]
fn calm(report: SyncReport) {
    assert_eq!((report.reports, report.debts), (vec![], 0));
}

fn options(folder: &TempDir, device: &str) -> Options {
    let bucket = folder.path().join("bucket");
    std::fs::create_dir_all(&bucket).unwrap();
    Options::new(&format!("file://{}", bucket.display()), folder.path().join(device)).unwrap()
}
