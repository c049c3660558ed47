//! A folder store whose objects are deleted and truncated at random, a thousand times: every holder republishes, and a newcomer
//! holds what any of them held.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tidelock::folder::Folder;
use tidelock::{Change, Collection, Secret};
use tidelock_core::crypto::Entropy;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, MemoryLocal, Page, Revision, Row, Table};
use tidelock_core::s3::HttpRequest;
use tidelock_core::{Config, Engine, Event, KeyRange, Now, Operation, Outcome, Output};

const CASES: u64 = 1_000;
const START_MS: u64 = 1_767_225_600_000;

/// Random numbers that are the same in every run.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    fn permille(&mut self, often: u64) -> bool {
        self.below(1_000) < often
    }
}

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.below(256) as u8);
    }
}

/// A local store in memory that can be copied while an engine has it.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<MemoryLocal>>);

impl Disk {
    fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
}

impl LocalStore for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LocalError> {
        self.0.lock().unwrap().get(table, key)
    }
    fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, LocalError> {
        self.0.lock().unwrap().list(table, range, limit)
    }
    fn value_bytes(&self, table: Table, range: &ByteRange) -> Result<u64, LocalError> {
        self.0.lock().unwrap().value_bytes(table, range)
    }
    fn revision(&self) -> Result<Revision, LocalError> {
        self.0.lock().unwrap().revision()
    }
    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, LocalError> {
        self.0.lock().unwrap().commit(batch, expected)
    }
    fn take_dirty_pages(&mut self) -> Option<Vec<Page>> {
        self.0.lock().unwrap().take_dirty_pages()
    }
}

/// An engine on a folder. Waiting costs nothing: its clock jumps.
struct Device {
    engine: Engine,
    folder: Folder,
    now_ms: u64,
}

impl Device {
    fn open(bucket: &Path, disk: Disk, name: &str, seed: u64, now_ms: u64) -> Self {
        let store = format!("file://{}", bucket.display()).parse().unwrap();
        let now = Now { monotonic_ms: now_ms, unix_ms: now_ms };
        let engine = Engine::open(Config::new(store, name), Box::new(disk), Box::new(Random(seed)), now).unwrap();
        Self { engine, folder: Folder::open(bucket).unwrap(), now_ms }
    }

    fn now(&self) -> Now {
        Now { monotonic_ms: self.now_ms, unix_ms: self.now_ms }
    }

    fn run(&mut self, operation: Operation) -> Result<Outcome, tidelock::Error> {
        let id = self.engine.start(operation, self.now());
        loop {
            while let Some(output) = self.engine.poll_output(self.now()) {
                match output {
                    Output::Send(request) => {
                        let id = request.id;
                        let response = self.folder.answer(&HttpRequest {
                            method: request.method,
                            url: request.url,
                            headers: request.headers,
                            body: request.body,
                            max_response_bytes: request.max_response_bytes,
                        });
                        self.engine.handle_response(id, response, self.now());
                    }
                    Output::Event(Event::Finished(done, result)) if done == id => return result,
                    Output::Event(_) | Output::Abort(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            self.now_ms = self.now_ms.max(self.engine.poll_timeout().expect("something to wait for"));
            self.engine.handle_timeout(self.now());
        }
    }

    fn put(&mut self, key: &str, bytes: usize, random: &mut Random) {
        let value: Vec<u8> = (0..bytes).map(|_| random.below(256) as u8).collect();
        let change = Change::Put { collection: Collection::map("notes"), key: key.to_owned(), value: value.into() };
        self.engine.write(&[change], self.now()).unwrap();
    }

    fn append(&mut self, entries: u64) {
        let collection = Collection::log("history");
        let entry =
            |at| Change::Append { collection: collection.clone(), key: None, value: format!("entry {at}").into() };
        let changes: Vec<Change> = (0..entries).map(entry).collect();
        self.engine.write(&changes, self.now()).unwrap();
    }

    fn held(&self) -> BTreeMap<(bool, String), Vec<u8>> {
        let mut held = BTreeMap::new();
        for (is_log, collection) in [(false, Collection::map("notes")), (true, Collection::log("history"))] {
            for entry in self.engine.list(&collection, &KeyRange::default(), u32::MAX).unwrap() {
                held.insert((is_log, entry.key), entry.record.value.to_vec());
            }
        }
        held
    }
}

/// A vault in a bucket's folder, the stores of its devices, and what any of them holds.
struct Vault {
    objects: Vec<(String, Vec<u8>)>,
    disks: Vec<Disk>,
    secret: Secret,
    held: BTreeMap<(bool, String), Vec<u8>>,
    now_ms: u64,
}

impl Vault {
    /// `devices` that each wrote `rounds` of records and entries, all synced, and one record more that is not.
    fn with(devices: usize, rounds: u64, bytes: usize, turns: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random(devices as u64 * 1_000 + rounds);
        let mut disks = vec![Disk::default()];
        let mut first = Device::open(folder.path(), disks[0].clone(), "device 0", 1, START_MS);
        let Outcome::Created { mut recovery_code } = first.run(Operation::Create { passphrase: None }).unwrap() else {
            panic!("no code")
        };
        let mut all = vec![first];
        for at in 1..devices {
            let now_ms = all.iter().map(|device| device.now_ms).max().unwrap();
            disks.push(Disk::default());
            let name = format!("device {at}");
            let mut joined = Device::open(folder.path(), disks[at].clone(), &name, at as u64 + 1, now_ms);
            joined.run(Operation::Join { secret: Secret::Recovery(recovery_code.clone()) }).unwrap();
            all.push(joined);
        }
        for round in 0..rounds {
            for (at, device) in all.iter_mut().enumerate() {
                device.now_ms += 60_000;
                device.put(&format!("round {round} of {at}"), bytes, &mut random);
                device.put("contested", 20, &mut random);
                device.append(rounds * 20);
                device.run(Operation::Sync).unwrap();
            }
        }
        if turns
            && let Outcome::RecoveryCodeReplaced { recovery_code: new } =
                all[0].run(Operation::ReplaceRecoveryCode).unwrap()
        {
            recovery_code = new;
        }
        for _ in 0..2 {
            all.iter_mut().for_each(|device| drop(device.run(Operation::Sync).unwrap()));
        }
        let before = all[0].held();
        let mut held = before.clone();
        for (at, device) in all.iter_mut().enumerate() {
            assert_eq!(device.held(), before, "device {at} is in step");
            device.put(&format!("unpublished of {at}"), 100, &mut random);
        }
        all.iter().for_each(|device| held.extend(device.held()));
        let now_ms = all.iter().map(|device| device.now_ms).max().unwrap();
        drop(all);
        let mut objects = Vec::new();
        read_all(folder.path(), folder.path(), &mut objects);
        objects.sort();
        Self { objects, disks, secret: Secret::Recovery(recovery_code), held, now_ms }
    }
}

/// Every object of a folder store: relative path and bytes.
fn read_all(root: &Path, folder: &Path, objects: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with(".tidelock") {
            continue; // the folder's own
        }
        if path.is_dir() {
            read_all(root, &path, objects);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            objects.push((name, std::fs::read(&path).unwrap()));
        }
    }
}

/// Puts the objects into a folder, but for those that are deleted, and truncated ones as they are; says which are what.
fn damaged_copy(vault: &Vault, bucket: &Path, random: &mut Random) -> Vec<String> {
    let alone = random.below(vault.objects.len() as u64) as usize;
    let share = [0, 50, 200, 500, 1_000][random.below(5) as usize];
    let (deletes, of_data) = (random.below(1_001), random.permille(300));
    let mut damaged = Vec::new();
    for (at, (path, bytes)) in vault.objects.iter().enumerate() {
        let is_data = path.contains("/snapshots/") || path.contains("/segments/");
        let hit = if share == 0 { at == alone } else { random.permille(share) && (is_data || !of_data) };
        let mut left = bytes.len();
        if hit && random.permille(deletes) {
            damaged.push(format!("{path} deleted"));
            continue;
        }
        if hit {
            left = random.below(bytes.len() as u64) as usize;
            damaged.push(format!("{path} truncated to {left}"));
        }
        let file = bucket.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, &bytes[..left]).unwrap();
    }
    damaged
}

fn republished_is_whole(vault: &Vault, case: u64) {
    let mut random = Random(case);
    let bucket = tempfile::tempdir().unwrap();
    let damaged = damaged_copy(vault, bucket.path(), &mut random);
    let mut holders: Vec<usize> = (0..vault.disks.len()).collect();
    let mut now_ms = vault.now_ms;
    while !holders.is_empty() {
        let at = holders.swap_remove(random.below(holders.len() as u64) as usize);
        let disk = vault.disks[at].copy();
        let mut device = Device::open(bucket.path(), disk, &format!("device {at}"), case * 10 + at as u64, now_ms);
        let republished = device.run(Operation::Republish);
        republished.unwrap_or_else(|error| panic!("case {case}: device {at}: {error}\n{damaged:#?}"));
        now_ms = device.now_ms;
    }
    let mut newcomer = Device::open(bucket.path(), Disk::default(), "newcomer", case * 10 + 9, now_ms);
    let joined = newcomer.run(Operation::Join { secret: vault.secret.clone() });
    joined.unwrap_or_else(|error| panic!("case {case}: the newcomer: {error}\n{damaged:#?}"));
    let held = newcomer.held();
    let lacks = vault.held.iter().filter(|(key, value)| held.get(key) != Some(value)).count();
    assert!(
        lacks == 0 && held.len() == vault.held.len(),
        "case {case}: the newcomer lacks {lacks} records\n{damaged:#?}"
    );
}

/// Any subset of objects of every kind: header, slots, keys, beacon, manifests, segments, snapshots.
#[test]
fn a_thousand_damaged_folders_are_whole_for_a_newcomer_after_everybody_republished() {
    let vaults = [
        Vault::with(3, 3, 30_000, false),
        Vault::with(2, 1, 200, false),
        Vault::with(3, 2, 60_000, true),
        Vault::with(4, 6, 12_000, true),
    ];
    for kind in ["tidelock", "slots/", "keys/", "/beacon", "/manifests/", "/segments/", "/snapshots/"] {
        let has_it = |vault: &Vault| vault.objects.iter().any(|(path, _)| path.contains(kind));
        assert!(vaults.iter().any(has_it), "no vault has {kind}");
    }
    let next = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let case = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if case >= CASES {
                        return;
                    }
                    republished_is_whole(&vaults[(case % 4) as usize], case);
                }
            });
        }
    });
}
