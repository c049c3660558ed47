//! Stages: a device that is about to read objects of one type, the bucket it reads from, and what it must hold afterwards if
//! none of them was any good: exactly what it would hold if they were not there.

use super::host::{Answerer, Host, Reply, Run, honest, is_list, missing, path, run};
use super::insider::Insider;
use crate::bucket::Bucket;
use crate::device::Disk;
use crate::random::Random;
use crate::world::World;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::crypto::{ObjectKind, Opener, RootSecret, SlotPayload, keys_path, seal_keys, seal_slot};
use tidelock_core::local::{ByteRange, LocalStore, Table};
use tidelock_core::s3::{Method, Response};
use tidelock_core::{Config, Engine, EpochId, Hash, KeyRange, Now, Operation, Request, Secret};

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The vault's header.
    Header,
    /// The slot of a recovery code.
    Slot,
    /// The earlier epochs' keys.
    Keys,
    /// The beacon.
    Beacon,
    /// Others' manifests.
    Manifest,
    /// Others' segments.
    Segment,
    /// A snapshot's index.
    Index,
    /// Its chunks.
    Chunk,
    /// Its deletions.
    Deletions,
    /// A listing of manifests.
    Listing,
    /// An error's document.
    Error,
    /// Status or headers of an answer.
    Head,
}

/// A device about to read, and what it reads from.
pub struct Stage {
    /// What is attacked.
    pub kind: Kind,
    /// The bucket as it really is.
    pub bucket: Bucket,
    /// The paths under attack; none: every request but the header's.
    pub targets: BTreeSet<String>,
    /// Every object of the vault.
    pub others: Vec<Bytes>,
    /// What stood at each path before.
    pub older: BTreeMap<String, Vec<Bytes>>,
    /// What the device holds afterwards if the targets are missing.
    pub without: Hash,
    /// What it shows in the end, once it got the truth.
    pub healed: Hash,
    disk: Disk,
    config: Config,
    now_ms: u64,
    operation: Operation,
}

/// How a stage went.
pub struct Played {
    /// What the device holds.
    pub holds: Hash,
    /// What it asked for, and how it ended.
    pub run: Run,
    after: After,
}

struct After {
    engine: Engine,
    disk: Disk,
    bucket: Bucket,
    now_ms: u64,
}

impl Stage {
    /// All stages, at least one of each kind.
    pub fn all(seed: u64) -> Vec<Self> {
        let mut stages = behind(seed);
        stages.extend(empty(seed));
        stages.extend(newcomer(seed));
        stages
    }

    /// Whether a request is under attack.
    pub fn is_target(&self, request: &Request) -> bool {
        if request.method != Method::Get {
            return false;
        }
        match self.kind {
            Kind::Listing => is_list(request),
            Kind::Error | Kind::Head => path(request) != "tidelock",
            _ => self.targets.contains(path(request)),
        }
    }

    /// Runs the stage; targets are answered by `lie`.
    pub fn play(&self, lie: &mut Answerer<'_>) -> Played {
        let disk = self.disk.copy();
        let (mut bucket, mut now_ms) = (self.bucket.clone(), self.now_ms);
        let now = Now { monotonic_ms: now_ms, unix_ms: now_ms };
        let entropy = Box::new(Random::new(self.now_ms));
        let mut engine =
            Engine::open(self.config.clone(), Box::new(disk.clone()), entropy, now).expect("a sound disk opens");
        let host = Host { engine: &mut engine, bucket: &mut bucket, random: &mut Random::new(0), now_ms: &mut now_ms };
        let mut answer = |request: &Request, truth: &mut dyn FnMut() -> Response| -> Reply {
            if self.is_target(request) { lie(request, truth) } else { honest(request, truth) }
        };
        let run = host.run(self.operation.clone(), &mut answer, &mut |_| ());
        let holds = holds(&disk, &engine);
        Played { holds, run, after: After { engine, disk, bucket, now_ms } }
    }

    /// The attack is over: what the device shows after it has read the truth.
    pub fn heal(&self, played: Played) -> Hash {
        let After { mut engine, disk, mut bucket, mut now_ms } = played.after;
        let again = if engine.status().expect("a sound disk").vault.is_none() {
            self.operation.clone()
        } else {
            Operation::Check
        };
        for operation in [again, Operation::Check, Operation::Check] {
            now_ms += 2 * 3_600_000;
            let host =
                Host { engine: &mut engine, bucket: &mut bucket, random: &mut Random::new(0), now_ms: &mut now_ms };
            host.run(operation, &mut honest, &mut |_| ());
        }
        shows(&disk, &engine)
    }

    /// A stage of one kind: a device with this disk in this world.
    pub fn new(
        kind: Kind,
        world: &World,
        disk: &Disk,
        config: Config,
        operation: Operation,
        targets: BTreeSet<String>,
    ) -> Self {
        let mut bucket = world.bucket.clone();
        bucket.manifests.clear();
        let others = bucket.copy().into_values().collect();
        let mut stage = Self {
            kind,
            bucket,
            targets,
            others,
            older: BTreeMap::new(),
            without: Hash::default(),
            healed: Hash::default(),
            disk: disk.copy(),
            config,
            now_ms: world.now_ms,
            operation,
        };
        let nothing = matches!(kind, Kind::Listing | Kind::Head);
        let played = stage.play(&mut |request, truth| if nothing { honest(request, truth) } else { Ok(missing()) });
        stage.without = played.holds;
        let truth = stage.play(&mut honest);
        stage.healed = stage.heal(truth);
        stage
    }
}

/// What a device holds and takes for verified: records, deletions and conflicts, of each device how far its ops are applied and
/// its newest verified sequence, and whether publishing has stopped. Not what it owes, when, and what it counted.
pub fn holds(disk: &Disk, engine: &Engine) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for table in [Table::Records, Table::Tombstones, Table::Deletions, Table::Conflicts] {
        for (key, value) in disk.list(table, &ByteRange::default(), u32::MAX).expect("a sound disk") {
            hasher.update(&(key.len() as u64).to_le_bytes()).update(&key);
            hasher.update(&(value.len() as u64).to_le_bytes()).update(&value);
        }
    }
    let status = engine.status().expect("a sound disk");
    let own = status.device;
    for device in
        status.devices.iter().filter(|device| Some(device.id) != own && (device.sequence, device.applied) != (0, 0))
    {
        hasher.update(&device.id.0).update(&device.sequence.to_le_bytes()).update(&device.applied.to_le_bytes());
    }
    hasher.update(format!("{:?} {:?}", status.vault.is_some(), status.stopped).as_bytes());
    Hash(*hasher.finalize().as_bytes())
}

/// What a caller sees: records with their siblings, what was deleted, the devices and how far each is applied. Two ways to the
/// same state give the same, whatever order things came in.
fn shows(disk: &Disk, engine: &Engine) -> Hash {
    let status = engine.status().expect("a sound disk");
    let mut collections = status.collections.clone();
    collections.sort();
    let mut text = format!("{:?}\n", status.stopped);
    for collection in collections {
        let mut range = KeyRange::default();
        loop {
            let page = engine.list(&collection, &range, 500).expect("a sound disk");
            let Some(last) = page.last() else { break };
            range.start = last.next_start(&collection);
            page.iter().for_each(|entry| text += &format!("{collection:?} {entry:?}\n"));
        }
    }
    text += &format!("{:?}\n", engine.conflicts(None, 10_000).expect("a sound disk"));
    let others = status.devices.iter().filter(|device| Some(device.id) != status.device);
    others.for_each(|device| text += &format!("{} {} {}\n", device.id, device.sequence, device.applied));
    let deleted = disk.list(Table::Deletions, &ByteRange::default(), u32::MAX).expect("a sound disk");
    text += &format!("{deleted:?}");
    Hash::of(text.as_bytes())
}

/// How a reader reaches the vault.
pub fn config(world: &World) -> Config {
    Config::new(world.store.clone(), "reader")
}

/// A member that has not seen what four others wrote lately, each a segment and a tail.
fn behind(seed: u64) -> Vec<Stage> {
    let mut world = World::with_devices(seed, 5);
    let before = world.bucket.copy();
    let reader = 4;
    world.put(0, "tea");
    world.sync_all();
    let (disk, between) = (world.devices[reader].disk.copy(), world.bucket.copy());
    let up_to_date = (world.bucket.clone(), world.now_ms);
    for at in 0..4 {
        world.put_big(at, &format!("big {at}"), 20_000);
        world.sync(at).expect("a sound world");
        world.put(at, &format!("small {at}"));
        world.sync(at).expect("a sound world");
    }
    let older = |stage: &mut Stage| {
        for path in &stage.targets {
            let versions = [&before, &between].into_iter().filter_map(|copy| copy.get(path).cloned());
            stage.older.insert(path.clone(), versions.collect());
        }
    };
    let asked = asked(&world, &disk, Operation::Sync);
    let with = |part: &str| asked.iter().filter(|path| path.contains(part)).cloned().collect::<BTreeSet<_>>();
    let mut stages: Vec<Stage> =
        [(Kind::Beacon, "/beacon"), (Kind::Manifest, "/manifests/"), (Kind::Segment, "/segments/")]
            .map(|(kind, part)| {
                let mut stage = Stage::new(kind, &world, &disk, config(&world), Operation::Sync, with(part));
                older(&mut stage);
                stage
            })
            .into();
    stages.push(Stage::new(Kind::Error, &world, &disk, config(&world), Operation::Sync, BTreeSet::new()));

    // Nothing is new: listings, statuses and headers can only mislead.
    (world.bucket, world.now_ms) = up_to_date;
    for kind in [Kind::Listing, Kind::Head] {
        let mut stage = Stage::new(kind, &world, &disk, config(&world), Operation::Check, BTreeSet::new());
        stage.older.insert(String::new(), vec![Bytes::from_static(b"<ListBucketResult></ListBucketResult>")]);
        stages.push(stage);
    }
    stages
}

/// A member that has seen nothing of anybody yet: it takes a snapshot.
fn empty(seed: u64) -> Vec<Stage> {
    let mut world = World::with_devices(seed ^ 1, 3);
    for _ in 0..6 {
        world.append(0);
    }
    for _ in 0..3 {
        world.delete_some_entry(0);
    }
    for at in 0..12 {
        world.put_big(at % 3, &format!("big {at}"), 16_000);
        world.sync_all();
    }
    let reader = join_blind(&mut world);
    let code = world.code.clone().expect("a vault was created");
    let disk = world.devices[reader].disk.copy();
    let insider = Insider::new(&world.bucket, &code);
    let asked = asked(&world, &disk, Operation::Sync);
    let is = |path: &String, kind: ObjectKind| {
        let sealed = world.bucket.object(path);
        path.contains("/snapshots/") && sealed.is_some_and(|sealed| insider.open(path, kind, &sealed).is_some())
    };
    let digests_alone = |path: &String| {
        let plaintext =
            world.bucket.object(path).and_then(|sealed| insider.plaintext(path, ObjectKind::SnapshotChunk, &sealed));
        plaintext.is_some_and(|bytes| bytes.len() == 4 + 16 * 3 && bytes[..4] == 3u32.to_le_bytes())
    };
    let (deletions, chunks): (BTreeSet<String>, BTreeSet<String>) =
        asked.iter().filter(|path| is(path, ObjectKind::SnapshotChunk)).cloned().partition(digests_alone);
    let indexes: BTreeSet<String> = asked.iter().filter(|path| is(path, ObjectKind::SnapshotIndex)).cloned().collect();
    assert!(!indexes.is_empty() && !chunks.is_empty() && !deletions.is_empty(), "a snapshot of every part");
    [(Kind::Index, indexes), (Kind::Chunk, chunks), (Kind::Deletions, deletions)]
        .map(|(kind, targets)| Stage::new(kind, &world, &disk, config(&world), Operation::Sync, targets))
        .into()
}

/// One more device, which was shown nobody else while it joined: it takes the newest snapshot next.
pub fn join_blind(world: &mut World) -> usize {
    let reader = world.add();
    let secret = Secret::Recovery(world.code.clone().expect("a vault was created"));
    let blind = run(world, reader, Operation::Join { secret }, |request, truth| {
        let hides = request.method == Method::Get && path(request).starts_with("spaces/");
        match (is_list(request), hides) {
            (true, _) => Ok(super::host::answer(200, "<ListBucketResult></ListBucketResult>")),
            (_, true) => Ok(missing()),
            _ => Ok(truth()),
        }
    });
    blind.result.expect("a join that sees nobody");
    world.sync(0).expect("a sound world"); // the beacon names everybody again
    reader
}

/// Somebody with a recovery code and nothing else, at a vault of two epochs.
fn newcomer(seed: u64) -> Vec<Stage> {
    let mut world = World::with_devices(seed ^ 2, 2);
    let code = world.code.clone().expect("a vault was created");
    second_epoch(&mut world);
    let opener = Opener::recovery(&code);
    let join = Operation::Join { secret: Secret::Recovery(code) };
    let asked = asked(&world, &Disk::default(), join.clone());
    let keys = asked.iter().filter(|path| path.starts_with("keys/")).cloned().collect();
    [
        (Kind::Header, BTreeSet::from(["tidelock".to_owned()])),
        (Kind::Slot, BTreeSet::from([opener.name().path()])),
        (Kind::Keys, keys),
    ]
    .map(|(kind, targets)| Stage::new(kind, &world, &Disk::default(), config(&world), join.clone(), targets))
    .into()
}

/// Opens a second epoch as a revocation would: its `keys` object, and the recovery slot sealed again.
pub fn second_epoch(world: &mut World) -> EpochId {
    let code = world.code.clone().expect("a vault was created");
    let mut insider = Insider::new(&world.bucket, &code);
    let epoch = EpochId { number: 2, id: *b"epoch 02" };
    let mut random = Random::new(2);
    let root_secret = RootSecret::generate(&insider.secret, &mut random, b"second epoch");
    insider.keys.add(epoch, root_secret.clone()).expect("a second epoch");
    world.bucket.put(&keys_path(epoch), Bytes::from(seal_keys(&insider.keys, &insider.secret, &mut random)));
    let opener = Opener::recovery(&code);
    let payload = SlotPayload { epoch, root_secret, ..insider.payload.clone() };
    let slot = seal_slot(&opener.record(), &payload, &insider.secret, &mut random).expect("a good record");
    world.bucket.put(&opener.name().path(), Bytes::from(slot));
    epoch
}

/// What a device asks for by GET in an honest run.
fn asked(world: &World, disk: &Disk, operation: Operation) -> BTreeSet<String> {
    let disk = disk.copy();
    let now = Now { monotonic_ms: world.now_ms, unix_ms: world.now_ms };
    let mut engine = Engine::open(config(world), Box::new(disk), Box::new(Random::new(1)), now).expect("a sound disk");
    let (mut bucket, mut now_ms) = (world.bucket.clone(), world.now_ms);
    let mut paths = BTreeSet::new();
    let host = Host { engine: &mut engine, bucket: &mut bucket, random: &mut Random::new(0), now_ms: &mut now_ms };
    let mut note = |request: &Request, truth: &mut dyn FnMut() -> Response| -> Reply {
        if request.method == Method::Get && !is_list(request) {
            paths.insert(path(request).to_owned());
        }
        Ok(truth())
    };
    host.run(operation, &mut note, &mut |_| ()).result.expect("a sound world");
    paths
}
