//! Scenes: a real vault, a device about to do something with it, and what the fuzzed answers may be made of.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use tidelock_core::crypto::{DeviceSecret, KeyRing};
use tidelock_core::local::{ByteRange, LocalStore, Table, Write};
use tidelock_core::s3::Method;
use tidelock_core::{Collection, Config, DeviceId, Engine, KeyRange, Kind, Operation, Request, Secret};
use tidelock_sim::bucket::{Bucket, Conditions};
use tidelock_sim::device::Disk;
use tidelock_sim::hostile::stage::join_blind;
use tidelock_sim::world::World;

/// A device about to do something, and the bucket it does it with.
pub struct Scene {
    pub(crate) disk: Disk,
    pub(crate) bucket: Bucket,
    pub(crate) config: Config,
    pub(crate) now_ms: u64,
    /// What it begins with.
    pub(crate) first: Operation,
    /// Every object there was, now or earlier, by path.
    pub(crate) objects: BTreeMap<String, Vec<Bytes>>,
    /// Whoever has these can seal what only a member could.
    pub(crate) keys: Option<KeyRing>,
    /// What the vault's devices wrote, also what they have replaced since.
    pub(crate) written: BTreeSet<Held>,
    /// The vault's devices. A hostile member signs what it likes.
    pub(crate) devices: BTreeMap<DeviceId, DeviceSecret>,
}

/// Collection, key and value.
pub(crate) type Held = (String, String, Bytes);

/// All of them.
pub static SCENES: LazyLock<Vec<Scene>> = LazyLock::new(|| {
    vec![behind(), blind(), newcomer(), busy(), founder(), copy(), reader_of_copies(), member_of_revoked(), revoked()]
});

impl Scene {
    fn new(history: History, disk: Disk, first: Operation) -> Self {
        let History { world, written, devices } = history;
        let keys = world.devices.first().and_then(|device| keys(&device.disk));
        let scene = Self {
            disk,
            bucket: world.bucket.clone(),
            config: Config::new(world.store.clone(), "fuzzed"),
            now_ms: world.now_ms,
            first,
            objects: BTreeMap::new(),
            keys,
            written,
            devices,
        };
        scene.remember(&world.bucket)
    }

    /// Objects that an answer may be made of.
    fn remember(mut self, bucket: &Bucket) -> Self {
        for (path, bytes) in bucket.copy() {
            self.objects.entry(path).or_default().push(bytes);
        }
        self
    }

    /// The rows of its disk.
    pub fn rows(&self) -> Vec<Write> {
        let all = |table| self.disk.list(table, &ByteRange::default(), u32::MAX).expect("a sound disk");
        let row = |table, (key, value)| Write { table, key, value: Some(value) };
        Table::ALL.into_iter().flat_map(|table| all(table).into_iter().map(move |kept| row(table, kept))).collect()
    }
}

/// The seed of a member: its identity's row is the vault's id, the seed, and more.
fn seed(disk: &Disk) -> Option<DeviceSecret> {
    let row = disk.get(Table::Head, b"identity").expect("a sound disk")?;
    Some(DeviceSecret::from_bytes(row[16..48].try_into().expect("32 bytes")))
}

/// The ring of a member: beside the seed, with its length before it.
fn keys(disk: &Disk) -> Option<KeyRing> {
    let row = disk.get(Table::Head, b"identity").expect("a sound disk")?;
    let (len, rest) = row[48..].split_first_chunk().expect("a length");
    Some(KeyRing::from_bytes(&rest[..u32::from_le_bytes(*len) as usize]).expect("a ring"))
}

/// A world whose history is noted: every value that any of its devices ever showed.
struct History {
    world: World,
    written: BTreeSet<Held>,
    /// Every id that a device had, also one that it has left.
    devices: BTreeMap<DeviceId, DeviceSecret>,
}

impl History {
    fn new(world: World) -> Self {
        let mut history = Self { world, written: BTreeSet::new(), devices: BTreeMap::new() };
        history.note(|_| ());
        history
    }

    fn note<T>(&mut self, act: impl FnOnce(&mut World) -> T) {
        act(&mut self.world);
        let engines = self.world.devices.iter().map(|device| &device.engine);
        self.written.extend(engines.flat_map(held));
        let seeds = self.world.devices.iter().filter_map(|device| seed(&device.disk));
        self.devices.extend(seeds.map(|secret| (secret.device_id(), secret)));
    }

    fn put_big(&mut self, at: usize, key: &str) {
        let value = self.world.big_value(9_000);
        self.note(|world| world.put_value(at, key, &value));
    }

    /// A few writes of one device, published.
    fn work_of(&mut self, at: usize) {
        self.note(|world| world.put(at, "milk"));
        self.put_big(at, "news");
        self.note(|world| world.sync(at).expect("a sound world"));
    }

    /// Writes of all kinds by two devices, enough for segments; each has seen some of the other's.
    fn work(&mut self) {
        for at in 0..2 {
            self.note(|world| world.put(at, "tea"));
            self.note(|world| world.append(at));
            self.put_big(at, &format!("big {at}"));
            self.note(|world| world.sync(at).expect("a sound world"));
        }
        self.note(|world| world.delete(0, "tea"));
        self.note(|world| world.delete_some_entry(1));
        for at in 0..2 {
            self.put_big(at, &format!("bigger {at}"));
            self.note(|world| world.sync(at).expect("a sound world"));
        }
    }
}

/// A member of an S3 bucket that has seen only the beginning.
fn behind() -> Scene {
    let mut world = World::new(1);
    world.store = "s3://bucket?endpoint=http://127.0.0.1:9&region=eu-1".parse().expect("a store");
    world.create().expect("a sound world");
    world.join().expect("a sound world");
    let reader = world.join().expect("a sound world");
    world.sync_all();
    let (disk, before) = (world.devices[reader].disk.copy(), world.bucket.older());
    let mut history = History::new(world);
    history.work();
    Scene::new(history, disk, Operation::Sync).remember(&before)
}

/// A member that was shown nothing so far: it takes a snapshot.
fn blind() -> Scene {
    let mut history = History::new(World::with_devices(2, 2));
    for _ in 0..4 {
        history.work();
    }
    let reader = join_blind(&mut history.world);
    let disk = history.world.devices[reader].disk.copy();
    Scene::new(history, disk, Operation::Check)
}

/// Somebody with the recovery code alone.
fn newcomer() -> Scene {
    let mut history = History::new(World::with_devices(3, 2));
    history.work();
    let secret = Secret::Recovery(history.world.code.clone().expect("a vault was created"));
    Scene::new(history, Disk::default(), Operation::Join { secret })
}

/// A member with writes of its own that are not published, some beside others' of the same keys.
fn busy() -> Scene {
    let mut history = History::new(World::with_devices(4, 3));
    history.work();
    let before = history.world.bucket.older();
    history.note(|world| world.sync(2).expect("a sound world"));
    history.work();
    for key in ["tea", "milk", "big 0"] {
        history.note(|world| world.put(2, key));
    }
    history.note(|world| world.append(2));
    let disk = history.world.devices[2].disk.copy();
    Scene::new(history, disk, Operation::Push).remember(&before)
}

/// Nothing is there yet.
fn founder() -> Scene {
    let mut world = World::new(5);
    world.store = "s3://bucket?endpoint=http://127.0.0.1:9".parse().expect("a store");
    Scene::new(History::new(world), Disk::default(), Operation::Create { passphrase: None })
}

/// A copy of another's store, with writes of its own; so has the first, and somebody has read those.
fn copy() -> Scene {
    let mut history = History::new(World::with_devices(6, 3));
    history.work();
    let copied = history.world.devices[0].disk.copy();
    let before = history.world.bucket.older();
    history.note(|world| world.put(0, "tea"));
    history.put_big(0, "the first's");
    history.note(World::sync_all);
    let copy = history.world.add_with(copied);
    history.note(|world| world.put(copy, "tea"));
    history.note(|world| world.append(copy));
    let disk = history.world.devices[copy].disk.copy();
    Scene::new(history, disk, Operation::Sync).remember(&before)
}

/// Both copies of a store have published under one id, one over the other, and have left it; who comes next has read one.
fn reader_of_copies() -> Scene {
    let mut world = World::with_devices(7, 4);
    world.bucket.conditions = Conditions::Ignored;
    (0..4).for_each(|at| world.restart(at));
    let mut history = History::new(world);
    history.work();
    history.note(World::sync_all);
    let copied = history.world.devices[0].disk.copy();
    let copy = history.world.add_with(copied);
    history.note(|world| world.put(copy, "tea"));
    history.note(|world| world.append(copy));
    let now_ms = history.world.now_ms;
    let sync = history.world.devices[copy].start(Operation::Sync, now_ms);
    let is_put = |request: &Request| request.method == Method::Put && request.url.contains("/manifests/");
    let late = history.world.run_until(copy, sync, is_put).expect("it has something to publish");
    history.work_of(0);
    history.note(|world| world.sync(2).expect("a sound world"));
    let disk = history.world.devices[2].disk.copy();
    history.world.arrive(&late);
    history.world.restart(copy);
    let before = history.world.bucket.older();
    for at in [3, 0, copy, 1, 3, 0] {
        history.world.now_ms += 2 * 3_600_000;
        history.note(|world| world.full_check(at).expect("a sound world"));
    }
    Scene::new(history, disk, Operation::Check).remember(&before)
}

/// One device was revoked, and goes on writing; another is retired. Who comes next has heard of neither.
fn with_revoked(seed: u64, reader: usize) -> Scene {
    let mut history = History::new(World::with_devices(seed, 4));
    history.work();
    history.note(World::sync_all);
    history.note(|world| world.put(1, "in time"));
    history.note(|world| world.sync(1).expect("a sound world"));
    history.note(|world| world.put(1, "too late"));
    history.put_big(1, "too late, too");
    let before = history.world.bucket.older();
    let disk = history.world.devices[reader].disk.copy();
    let ids = [1, 2].map(|at| history.world.id(at));
    for operation in [Operation::RetireDevice { device: ids[1] }, Operation::RevokeDevice { device: ids[0] }] {
        history.note(|world| world.run(0, operation).expect("a sound world"));
    }
    history.note(|world| world.sync(1)); // it is told so
    history.work_of(0);
    let scene = Scene::new(history, disk, Operation::Sync);
    scene.remember(&before)
}

fn member_of_revoked() -> Scene {
    with_revoked(8, 3)
}

/// The revoked device itself, which has not heard of it.
fn revoked() -> Scene {
    with_revoked(9, 1)
}

/// Everything that a caller sees, conflicts' other versions too.
pub(crate) fn held(engine: &Engine) -> Vec<Held> {
    let mut all = Vec::new();
    let all_but_root = |collection: &Collection| collection.kind != Kind::Root;
    for collection in engine.status().expect("a sound disk").collections.into_iter().filter(all_but_root) {
        let page = engine.list(&collection, &KeyRange::default(), 1000).expect("a sound disk");
        all.extend(page.into_iter().map(|entry| (collection.to_string(), entry.key, entry.record.value)));
    }
    for conflict in engine.conflicts(None, 1000).expect("a sound disk") {
        let name = conflict.collection.to_string();
        if !all_but_root(&conflict.collection) {
            continue;
        }
        let values = conflict.versions.into_iter().filter_map(|version| version.value);
        all.extend(values.map(|value| (name.clone(), conflict.key.clone(), value)));
    }
    all
}
