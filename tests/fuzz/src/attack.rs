//! An engine whose every request is answered as a fuzzer's bytes choose, in scenes of a real vault.

use crate::input::Input;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use tidelock_core::crypto::{DeviceSecret, KeyRing, ObjectKind, Place, epoch_of, open, private_space_id, seal, stretch};
use tidelock_core::local::{ByteRange, LocalStore, Table, Write};
use tidelock_core::s3::{Credentials, Method, Response};
use tidelock_core::{
    Change, Collection, Config, DeviceId, Engine, Error, Event, KeyRange, Kind, Now, Operation, Outcome, Output, Request,
    Secret, TransportFailure,
};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::device::Disk;
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::hostile::stage::join_blind;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;

/// After so many requests an operation has no end.
const REQUESTS_MAX: usize = 3_000;

/// A device about to do something, and the bucket it does it with.
pub struct Scene {
    disk: Disk,
    bucket: Bucket,
    config: Config,
    now_ms: u64,
    /// What it begins with, and then what it may be told to do.
    first: Operation,
    /// Every object there was, now or earlier, by path.
    objects: BTreeMap<String, Vec<Bytes>>,
    /// Whoever has these can seal what only a member could, but sign nothing.
    keys: Option<KeyRing>,
    /// What the vault's devices wrote.
    written: BTreeSet<Held>,
    devices: BTreeSet<DeviceId>,
}

/// Collection, key and value.
type Held = (String, String, Bytes);

/// All of them.
pub static SCENES: LazyLock<Vec<Scene>> = LazyLock::new(|| vec![behind(), blind(), newcomer(), busy(), founder()]);

impl Scene {
    fn new(history: History, disk: Disk, first: Operation) -> Self {
        let History { world, written } = history;
        let keys = world.code.as_ref().map(|code| Insider::new(&world.bucket, code).keys);
        Self {
            disk,
            bucket: world.bucket.clone(),
            config: Config::new(world.store.clone(), "fuzzed"),
            now_ms: world.now_ms,
            first,
            objects: BTreeMap::new(),
            keys,
            written,
            devices: world.devices.iter().filter_map(|device| status_id(&device.engine)).collect(),
        }
        .remember(&world.bucket)
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

fn status_id(engine: &Engine) -> Option<DeviceId> {
    engine.status().expect("a sound disk").device
}

/// A world whose history is noted: every value that any of its devices ever showed.
struct History {
    world: World,
    written: BTreeSet<Held>,
}

impl History {
    fn new(world: World) -> Self {
        Self { world, written: BTreeSet::new() }
    }

    fn note<T>(&mut self, act: impl FnOnce(&mut World) -> T) {
        act(&mut self.world);
        let engines = self.world.devices.iter().map(|device| &device.engine);
        self.written.extend(engines.flat_map(held));
    }

    fn put_big(&mut self, at: usize, key: &str) {
        let value = self.world.big_value(9_000);
        self.note(|world| world.put_value(at, key, &value));
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

/// An engine at work.
pub struct Device<'s> {
    /// The engine.
    pub engine: Engine,
    scene: &'s Scene,
    bucket: Bucket,
    now_ms: u64,
    waiting: Vec<Request>,
    /// PUTs that arrive once more.
    late: Vec<Request>,
    asked: usize,
    /// Writes that were acknowledged, by key.
    acknowledged: BTreeMap<String, Bytes>,
}

impl<'s> Device<'s> {
    /// Opens a store in a scene.
    ///
    /// # Errors
    /// What the engine says of the store.
    pub fn open(scene: &'s Scene, local: Box<dyn LocalStore>) -> Result<Self, Error> {
        let now_ms = scene.now_ms;
        let engine = open_engine(scene, local, now_ms)?;
        Ok(Self {
            engine,
            scene,
            bucket: scene.bucket.clone(),
            now_ms,
            waiting: Vec::new(),
            late: Vec::new(),
            asked: 0,
            acknowledged: BTreeMap::new(),
        })
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now { monotonic_ms: self.now_ms, unix_ms: self.now_ms }
    }

    /// Runs one operation to its end, answered as `choices` say; where they end, by the truth. `None`: its process was killed.
    fn operate(&mut self, operation: Operation, choices: &mut Input<'_>, disk: Option<&Disk>) -> Option<Result<Outcome, Error>> {
        let op = self.engine.start(operation, self.now());
        self.asked = 0;
        loop {
            while let Some(output) = self.engine.poll_output(self.now()) {
                match output {
                    Output::Send(request) => {
                        self.asked += 1;
                        assert!(self.asked < REQUESTS_MAX, "an operation asks for ever: {}", request.url);
                        self.waiting.push(request);
                    }
                    Output::Abort(id) => self.waiting.retain(|request| request.id != id),
                    Output::Event(Event::Finished(ended, result)) if ended == op => return Some(result),
                    Output::Event(_) => {}
                    Output::Stretch(id, request) => {
                        self.engine.handle_stretched(id, stretch(&request), self.now());
                    }
                    Output::Persist(commit, _) => self.engine.handle_persisted(commit, Ok(()), self.now()),
                    Output::NeedCredentials => self.give_credentials(choices),
                }
            }
            match choices.byte() {
                0xff => {
                    let disk = disk?;
                    self.waiting.clear();
                    self.engine = open_engine(self.scene, Box::new(disk.clone()), self.now_ms).expect("it opens again");
                    return None;
                }
                0xfe => self.write(choices),
                0xfd => self.engine.cancel(op, self.now()),
                0xfc => self.now_ms += choices.number() % (48 * 3_600_000),
                0xfb => self.arrive_late(),
                fate => self.go_on(usize::from(fate), choices),
            }
        }
    }

    /// The same, by the truth alone.
    pub fn run(&mut self, operation: Operation) -> Option<Result<Outcome, Error>> {
        self.operate(operation, &mut Input::new(&[]), None)
    }

    fn give_credentials(&mut self, choices: &mut Input<'_>) {
        let credentials = match choices.byte() {
            0xff => Err(TransportFailure::NoCredentials("none".to_owned())),
            _ => Ok(Credentials::new("FUZZED", "fuzzed", None).expect("visible ASCII")),
        };
        self.engine.handle_credentials(credentials, self.now());
    }

    /// A write in the middle of it all; before there is a vault it is refused.
    fn write(&mut self, choices: &mut Input<'_>) {
        let (key, value) = (format!("mine {}", choices.byte() % 8), Bytes::copy_from_slice(choices.bytes()));
        let change = Change::Put { collection: World::map(), key: key.clone(), value: value.clone() };
        if self.engine.write(&[change], self.now()).is_ok() {
            self.acknowledged.insert(key, value);
        }
    }

    fn arrive_late(&mut self) {
        for request in std::mem::take(&mut self.late) {
            let _ = self.bucket.answer(&request, self.now_ms, &mut Random::new(0));
        }
    }

    /// A request is answered, any of those that wait; with none, time passes.
    fn go_on(&mut self, fate: usize, choices: &mut Input<'_>) {
        if self.waiting.is_empty() {
            let due = self.engine.poll_timeout().expect("what runs waits for something");
            self.now_ms = self.now_ms.max(due);
            return self.engine.handle_timeout(self.now());
        }
        let which = if self.waiting.len() > 1 { choices.below(self.waiting.len()) } else { 0 };
        let request = self.waiting.remove(which);
        self.now_ms += 1;
        let Some(reply) = self.reply(fate, &request, choices) else {
            // Nobody answers: it waits for its deadline, unless another request comes first.
            self.waiting.push(request);
            self.now_ms = self.now_ms.max(self.engine.poll_timeout().unwrap_or_default());
            return self.engine.handle_timeout(self.now());
        };
        match reply {
            Ok(response) if response.body.len() as u64 > request.max_response_bytes => {
                self.engine.handle_failure(request.id, TransportFailure::TooLong, self.now());
            }
            Ok(response) => self.engine.handle_response(request.id, response, self.now()),
            Err(failure) => self.engine.handle_failure(request.id, failure, self.now()),
        }
    }

    /// What comes back; `None`: nothing.
    fn reply(
        &mut self,
        fate: usize,
        request: &Request,
        choices: &mut Input<'_>,
    ) -> Option<Result<Response, TransportFailure>> {
        let fate = fate % 16;
        if fate == 4 && choices.byte() % 2 == 0 {
            return Some(Err(failure(choices))); // it never arrived
        }
        if fate == 15 && request.method == Method::Put {
            self.late.push(request.clone());
        }
        let truth = self.bucket.answer(request, self.now_ms, &mut Random::new(0));
        let path = path(request);
        Some(Ok(match fate {
            4 => return Some(Err(failure(choices))),
            5 => Response { status: status(choices), ..truth },
            6 => other_headers(truth, choices),
            7 => with_body(&truth, |body| flip(body, choices)),
            8 => with_body(&truth, |body| cut_or_extend(body, choices)),
            9 => {
                let all: Vec<&Bytes> = self.scene.objects.values().flatten().collect();
                match all.is_empty() {
                    true => truth,
                    false => Response { status: 200, body: (*choices.pick(&all)).clone(), ..truth },
                }
            }
            10 => match self.scene.objects.get(&path) {
                Some(versions) => Response { status: 200, body: choices.pick(versions).clone(), ..truth },
                None => Response { status: 404, body: "<Error><Code>NoSuchKey</Code></Error>".into(), ..truth },
            },
            11 => self.resealed(&path, truth, choices),
            12 => error(truth, choices),
            13 => return None,
            14 => Response { status: status(choices), headers: truth.headers, body: raw(choices) },
            _ => truth,
        }))
    }

    /// The object with another plaintext, sealed by somebody who has the vault's keys.
    fn resealed(&self, path: &str, truth: Response, choices: &mut Input<'_>) -> Response {
        const KINDS: [ObjectKind; 5] = [
            ObjectKind::Beacon,
            ObjectKind::Manifest,
            ObjectKind::Segment,
            ObjectKind::SnapshotIndex,
            ObjectKind::SnapshotChunk,
        ];
        let (Some(keys), Ok(epoch)) = (&self.scene.keys, epoch_of(&truth.body)) else { return truth };
        let Some(key) = keys.content_key(epoch, private_space_id(keys.vault())) else { return truth };
        let place = |kind| Place { vault: keys.vault(), kind, epoch, path };
        let opens = |kind: &ObjectKind| Some((*kind, open(&key, &place(*kind), &truth.body, 16 << 20).ok()?));
        let Some((kind, mut plaintext)) = KINDS.iter().find_map(opens) else { return truth };
        flip(&mut plaintext, choices);
        let salt = DeviceSecret::from_bytes([1; 32]).salt(&mut Random::new(0), &place(kind), &plaintext);
        let body = Bytes::from(seal(&key, &place(kind), &salt, &plaintext));
        if choices.byte() % 2 == 0 {
            return Response { body, ..truth };
        }
        Response { body, headers: Vec::new(), ..truth }
    }

    /// Acknowledged writes are there, and nothing that nobody wrote.
    fn check(&self) {
        for (key, value) in &self.acknowledged {
            let found = self.engine.get(&World::map(), key).expect("a sound disk");
            assert_eq!(found.map(|record| record.value).as_ref(), Some(value), "an acknowledged write is gone: {key}");
        }
        let own = status_id(&self.engine);
        for held in held(&self.engine) {
            let is_mine = self.acknowledged.get(&held.1) == Some(&held.2);
            assert!(is_mine || self.scene.written.contains(&held), "nobody wrote this: {held:?}");
        }
        for device in self.engine.status().expect("a sound disk").devices {
            let is_known = Some(device.id) == own || self.scene.devices.contains(&device.id);
            assert!(is_known || (device.sequence, device.applied) == (0, 0), "no such device: {device:?}");
        }
    }
}

/// One device's life under attack: three operations, killed or not, and a look at what it holds after each and in the end.
pub fn live(bytes: &[u8]) {
    let mut choices = Input::new(bytes);
    let scene = choices.pick(&SCENES);
    let disk = scene.disk.copy();
    let mut device = Device::open(scene, Box::new(disk.clone())).expect("a sound disk opens");
    for round in 0..3 {
        let operation = if round == 0 { scene.first.clone() } else { operation(scene, &mut choices) };
        device.write(&mut choices);
        device.operate(operation, &mut choices, Some(&disk));
        device.check();
    }
    device.engine = open_engine(scene, Box::new(disk.clone()), device.now_ms).expect("it opens again");
    device.waiting.clear();
    device.check();
    // The attack is over.
    device.now_ms += 2 * 3_600_000;
    device.run(Operation::Check);
    device.check();
}

fn operation(scene: &Scene, choices: &mut Input<'_>) -> Operation {
    match choices.byte() % 8 {
        0 | 1 => Operation::Sync,
        2 => Operation::Pull,
        3 => Operation::Push,
        4 => Operation::Republish,
        5 => Operation::ReplaceRecoveryCode,
        6 => scene.first.clone(),
        _ => Operation::Check,
    }
}

fn open_engine(scene: &Scene, local: Box<dyn LocalStore>, now_ms: u64) -> Result<Engine, Error> {
    let now = Now { monotonic_ms: now_ms, unix_ms: now_ms };
    Engine::open(scene.config.clone(), local, Box::new(Random::new(now_ms)), now)
}

/// Everything that a caller sees, conflicts' other versions too.
fn held(engine: &Engine) -> Vec<Held> {
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

fn path(request: &Request) -> String {
    let path = request.url.split('?').next().unwrap_or_default();
    let path = path.strip_prefix("file:///").or_else(|| path.splitn(5, '/').nth(4)).unwrap_or_default();
    path.to_owned()
}

fn failure(choices: &mut Input<'_>) -> TransportFailure {
    match choices.byte() % 6 {
        0 => TransportFailure::Timeout,
        1 => TransportFailure::Connect(choices.text()),
        2 => TransportFailure::Tls(choices.text()),
        3 => TransportFailure::Reset(choices.text()),
        4 => TransportFailure::TooLong,
        _ => TransportFailure::NoCredentials(choices.text()),
    }
}

fn status(choices: &mut Input<'_>) -> u16 {
    const STATUSES: [u16; 16] = [200, 404, 304, 412, 409, 403, 503, 206, 301, 400, 204, 500, 429, 501, 0, 999];
    *choices.pick(&STATUSES)
}

fn other_headers(truth: Response, choices: &mut Input<'_>) -> Response {
    const NAMES: [&str; 8] = [
        "etag", "date", "content-length", "content-type", "content-range", "retry-after", "x-amz-bucket-region",
        "location",
    ];
    let name = *choices.pick(&NAMES);
    let mut headers = truth.headers;
    headers.retain(|(other, _)| other != name);
    let value = choices.text();
    if !value.is_empty() {
        headers.push((name.to_owned(), value));
    }
    Response { headers, ..truth }
}

fn error(truth: Response, choices: &mut Input<'_>) -> Response {
    const CODES: [(u16, &str); 12] = [
        (404, "NoSuchKey"),
        (503, "SlowDown"),
        (500, "InternalError"),
        (403, "AccessDenied"),
        (412, "PreconditionFailed"),
        (403, "RequestTimeTooSkewed"),
        (400, "AuthorizationHeaderMalformed"),
        (404, "NoSuchBucket"),
        (409, "ConditionalRequestConflict"),
        (501, "NotImplemented"),
        (403, "ExpiredToken"),
        (400, "EntityTooLarge"),
    ];
    let (status, code) = *choices.pick(&CODES);
    let region = ["eu-1", "us-west-2", ""][choices.below(3)];
    let body = format!("<Error><Code>{code}</Code><Region>{region}</Region></Error>");
    Response { status, headers: truth.headers, body: body.into() }
}

fn with_body(truth: &Response, change: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut body = truth.body.to_vec();
    change(&mut body);
    Response { body: body.into(), ..truth.clone() }
}

/// Up to four bytes become others.
fn flip(body: &mut [u8], choices: &mut Input<'_>) {
    for _ in 0..=choices.below(4) {
        let (at, new) = (u16::from_le_bytes(choices.array()), choices.byte());
        if let Some(at) = usize::from(at).checked_rem(body.len()) {
            body[at] ^= new;
        }
    }
}

fn cut_or_extend(body: &mut Vec<u8>, choices: &mut Input<'_>) {
    match choices.byte() % 3 {
        0 => body.truncate(usize::from(u16::from_le_bytes(choices.array()))),
        1 => body.extend_from_slice(choices.bytes()),
        _ => body.resize(body.len() + (choices.below(64) << 14), choices.byte()),
    }
}

fn raw(choices: &mut Input<'_>) -> Bytes {
    let len = usize::from(u16::from_le_bytes(choices.array()));
    Bytes::copy_from_slice(choices.take(len))
}
