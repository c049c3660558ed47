//! An engine whose every request is answered as a fuzzer's bytes choose.

use crate::answers::reply;
use crate::input::Input;
use crate::scenes::{SCENES, Scene, held};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::crypto::stretch;
use tidelock_core::local::LocalStore;
use tidelock_core::s3::{Credentials, Method};
use tidelock_core::{
    Change, DeviceId, Engine, Error, Event, Now, Operation, Outcome, Output, Request, TransportFailure,
};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::device::Disk;
use tidelock_sim::random::Random;
use tidelock_sim::world::World;

/// After so many requests an operation has no end.
const REQUESTS_MAX: usize = 3_000;

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
    /// Ids that it had: it leaves one that another store has, too.
    ids: BTreeSet<DeviceId>,
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
            ids: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
        })
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now { monotonic_ms: self.now_ms, unix_ms: self.now_ms }
    }

    /// Runs one operation to its end, answered as `choices` say; where they end, by the truth. `None`: its process was killed.
    fn operate(
        &mut self,
        operation: Operation,
        choices: &mut Input<'_>,
        disk: Option<&Disk>,
    ) -> Option<Result<Outcome, Error>> {
        let op = self.engine.start(operation, self.now());
        self.asked = 0;
        loop {
            while let Some(output) = self.engine.poll_output(self.now()) {
                self.ids.extend(self.engine.status().ok().and_then(|status| status.device));
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
                    Output::Presign(..) => panic!("it has keys"),
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
        let fate = fate % 16;
        if fate == 15 && request.method == Method::Put {
            self.late.push(request.clone());
        }
        let truth = || self.bucket.answer(&request, self.now_ms, &mut Random::new(0));
        let Some(reply) = reply(self.scene, &request, fate, choices, truth) else {
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

    /// Acknowledged writes are there, and nothing that nobody wrote.
    fn check(&self) {
        for (key, value) in &self.acknowledged {
            let found = self.engine.get(&World::map(), key).expect("a sound disk");
            assert_eq!(found.map(|record| record.value).as_ref(), Some(value), "an acknowledged write is gone: {key}");
        }
        let status = self.engine.status().expect("a sound disk");
        for held in held(&self.engine) {
            let is_mine = self.acknowledged.get(&held.1) == Some(&held.2);
            assert!(is_mine || self.scene.written.contains(&held), "nobody wrote this: {held:?}");
        }
        for device in status.devices {
            let is_known = self.ids.contains(&device.id) || self.scene.devices.contains_key(&device.id);
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
    match choices.byte() % 12 {
        8..=10 if !scene.devices.is_empty() => {
            let (which, of) = (choices.byte() % 3, choices.below(scene.devices.len()));
            let device = *scene.devices.keys().nth(of).expect("it is below their number");
            match which {
                0 => Operation::RetireDevice { device },
                1 => Operation::RevokeDevice { device },
                _ => Operation::AdoptDevice { device },
            }
        }
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
