//! The world: devices, a bucket and a scheduler that lets one thing happen at a time. *Safety* under faults, then the
//! world heals and *liveness* is demanded: everybody holds what the oracle says.

mod documents;
mod held;
mod writes;

use crate::bucket::{Bucket, Faults};
use crate::device::{Device, Disk, Moment};
use crate::hazards::Hazards;
use crate::oracle::{Fact, Oracle};
use crate::random::Random;
use crate::signer::{Signer, SignerFaults};
use crate::watch::Watch;
use bytes::Bytes;
use std::collections::BTreeSet;
use tidelock_core::s3::StoreUri;
use tidelock_core::{
    Collection, CommitId, Config, DeviceId, Error, ErrorKind, Hash, Now, OpId, Operation, Outcome, Request, RequestId,
    Secret, SyncReport, TransportFailure,
};

/// 2026-01-01.
const START_MS: u64 = 1_767_225_600_000;

/// What may go wrong on the way, in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// The request never arrives.
    pub lost: u64,
    /// It arrives, and its answer is lost.
    pub answer_lost: u64,
    /// The server answers 503.
    pub busy: u64,
    /// A PUT arrives once more, later.
    pub duplicate: u64,
}

/// Everything.
pub struct World {
    /// The devices; the first created the vault.
    pub devices: Vec<Device>,
    /// The bucket.
    pub bucket: Bucket,
    /// The history.
    pub oracle: Oracle,
    /// Chance.
    pub random: Random,
    /// Milliseconds since 1970, and monotonic.
    pub now_ms: u64,
    /// The network.
    pub network: Network,
    /// Where new devices look for their vault.
    pub store: StoreUri,
    /// New devices have no keys, and a signer each.
    pub presigned: bool,
    /// Devices that never come back: nobody waits for them to converge.
    pub gone: BTreeSet<usize>,
    /// The recovery code.
    pub code: Option<tidelock_core::crypto::RecoveryCode>,
    /// Every kind of fault, in random schedules.
    pub hazards: Hazards,
    /// Who looks at everything that goes on, in random schedules.
    pub watch: Option<Watch>,
    /// PUTs that will arrive once more.
    pub(crate) late: Vec<(u64, Request)>,
    /// What was written and would not survive power loss yet, by device.
    unsure: Vec<(usize, CommitId, Fact)>,
    /// How often a process was started again.
    pub restarts: u64,
    values: u64,
}

impl World {
    /// An empty bucket and no device.
    pub fn new(seed: u64) -> Self {
        Self {
            devices: Vec::new(),
            bucket: Bucket::new(),
            oracle: Oracle::default(),
            random: Random::new(seed),
            now_ms: START_MS,
            network: Network::default(),
            store: "file:///sim".parse().expect("a folder's URI"),
            presigned: false,
            gone: BTreeSet::new(),
            code: None,
            hazards: Hazards::default(),
            watch: None,
            late: Vec::new(),
            unsure: Vec::new(),
            restarts: 0,
            values: 0,
        }
    }

    /// The map that workloads write.
    pub fn map() -> Collection {
        Collection::map("notes")
    }

    /// The log that workloads write.
    pub fn log() -> Collection {
        Collection::log("history")
    }

    /// A device that has nothing yet.
    pub fn add(&mut self) -> usize {
        self.add_with(Disk::default())
    }

    /// A device that begins with a disk, such as a copy of another's.
    pub fn add_with(&mut self, disk: Disk) -> usize {
        let mut config = Config::new(self.store.clone(), format!("device {}", self.devices.len()));
        config.presigned = self.presigned;
        let now = Now { monotonic_ms: self.now_ms, unix_ms: self.now_ms };
        let mut device = Device::open(config, disk, self.random.bits(), now).expect("a sound disk opens");
        device.signer = self.presigned.then(|| Signer::new(self.random.bits(), SignerFaults::default()));
        self.devices.push(device);
        self.devices.len() - 1
    }

    /// A device that begins with a copy of another's disk, as it is now.
    pub fn copy_of(&mut self, at: usize) -> usize {
        let disk = self.devices[at].disk.copy();
        self.add_with(disk)
    }

    /// The id of a device.
    pub fn id(&self, at: usize) -> DeviceId {
        self.devices[at].engine.status().expect("the disk is sound").device.expect("a member")
    }

    /// The path of a device's manifest, which is in the bucket.
    pub fn manifest_of(&self, at: usize) -> String {
        self.bucket.keys_with(&format!("/manifests/{}", self.id(at))).remove(0)
    }

    /// The path of a device's slot.
    pub fn slot_of(&self, at: usize) -> String {
        format!("slots/{}", self.id(at))
    }

    /// Kills a device and starts it again.
    pub fn restart(&mut self, at: usize) {
        let seed = self.random.bits();
        self.restart_with(at, seed);
    }

    /// The same, with the seed of its random numbers.
    pub fn restart_with(&mut self, at: usize, seed: u64) {
        self.restarts += 1;
        self.settle();
        self.unsure.retain(|(device, ..)| *device != at); // nobody has seen it: it is no fact
        let now = self.devices[at].now(self.now_ms);
        self.devices[at].restart(seed, now).expect("what was committed opens again");
        if let Some(watch) = &mut self.watch {
            watch.restarted(at, &self.devices[at].engine.status().expect("the disk is sound"));
        }
    }

    /// The last device, a second process of another's store, is gone.
    pub fn forget_last(&mut self) {
        self.settle();
        self.devices.pop();
    }

    /// A device's clock is read: the watch knows how far it was.
    pub fn read_clock(&mut self, at: usize) {
        if let Some(watch) = &mut self.watch {
            watch.clock(at, self.devices[at].now(self.now_ms).unix_ms);
        }
    }

    /// Time has passed while devices were busy: deadlines end requests that nobody answered.
    pub fn pass_time(&mut self) {
        for at in 0..self.devices.len() {
            if self.devices[at].engine.poll_timeout().is_some_and(|due_ms| due_ms <= self.now_ms) {
                self.read_clock(at);
                let now = self.devices[at].now(self.now_ms);
                self.devices[at].engine.handle_timeout(now);
                self.devices[at].drain(self.now_ms);
            }
        }
    }

    /// Whether some PUT will arrive once more.
    pub fn is_late_expected(&self) -> bool {
        !self.late.is_empty()
    }

    /// Tells the oracle of a write, once it survives power loss.
    fn tell(&mut self, at: usize, commit: CommitId, fact: Fact) {
        self.unsure.push((at, commit, fact));
        self.settle();
    }

    /// What has become durable is told to the oracle.
    pub fn settle(&mut self) {
        for (at, commit, fact) in std::mem::take(&mut self.unsure) {
            let device = &self.devices[at];
            if device.disk.is_paged() && device.durable < commit {
                self.unsure.push((at, commit, fact));
            } else {
                self.oracle.tell(at, fact);
            }
        }
    }

    /// A first device with a vault.
    ///
    /// # Errors
    /// What `create` ends with.
    pub fn create(&mut self) -> Result<usize, Error> {
        let at = self.add();
        self.create_on(at)?;
        Ok(at)
    }

    /// Makes the vault on a device.
    ///
    /// # Errors
    /// What `create` ends with.
    pub fn create_on(&mut self, at: usize) -> Result<(), Error> {
        self.run(at, Operation::Create { passphrase: None }).map(|created| self.take_code(created))
    }

    /// One more device.
    ///
    /// # Errors
    /// What `join` ends with.
    pub fn join(&mut self) -> Result<usize, Error> {
        let at = self.add();
        self.join_on(at)?;
        Ok(at)
    }

    /// Makes a device one of the vault's.
    ///
    /// # Errors
    /// What `join` ends with.
    pub fn join_on(&mut self, at: usize) -> Result<(), Error> {
        let code = self.code.clone().expect("a vault was created");
        self.run(at, Operation::Join { secret: Secret::Recovery(code) }).map(|_| ())
    }

    /// One device replaces the recovery code.
    ///
    /// # Errors
    /// What `recovery-code` ends with.
    pub fn replace_code(&mut self, at: usize) -> Result<(), Error> {
        self.run(at, Operation::ReplaceRecoveryCode).map(|replaced| self.take_code(replaced))
    }

    /// Who joins from now on has the code that an operation gave.
    ///
    /// # Panics
    /// If it gave none.
    pub fn take_code(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created { recovery_code } | Outcome::RecoveryCodeReplaced { recovery_code } => {
                self.code = Some(recovery_code);
            }
            other => panic!("an outcome with a code, not {other:?}"),
        }
    }

    /// A first device with a vault, and more that joined: `many` in all, each of which has seen the others.
    pub fn with_devices(seed: u64, many: usize) -> Self {
        let mut world = Self::new(seed);
        world.create().expect("a sound world");
        for _ in 1..many {
            world.join().expect("a sound world");
        }
        world.sync_all();
        world
    }

    /// Starts an operation of one device.
    pub fn start(&mut self, at: usize, operation: Operation) -> OpId {
        self.devices[at].start(operation, self.now_ms)
    }

    /// Runs one operation of one device to its end; others rest.
    ///
    /// # Errors
    /// What it ends with.
    pub fn run(&mut self, at: usize, operation: Operation) -> Result<Outcome, Error> {
        let op = self.start(at, operation);
        self.finish(at, op)
    }

    /// Syncs one device; gives its report.
    ///
    /// # Errors
    /// What the sync ends with.
    pub fn sync(&mut self, at: usize) -> Result<SyncReport, Error> {
        self.run(at, Operation::Sync).map(report)
    }

    /// Runs a full check of one device; gives its report.
    ///
    /// # Errors
    /// What the check ends with.
    pub fn full_check(&mut self, at: usize) -> Result<SyncReport, Error> {
        self.run(at, Operation::Check).map(report)
    }

    /// Everybody syncs twice: what one has, all have.
    pub fn sync_all(&mut self) {
        for _ in 0..2 {
            for at in self.here() {
                self.sync(at).expect("a sound world");
            }
        }
    }

    /// All that are not gone check everything once an hour, for so many hours.
    ///
    /// # Panics
    /// If a check fails: nothing is at fault here.
    pub fn check_hourly(&mut self, hours: u32) {
        for _ in 0..hours {
            self.now_ms += 3_660_000; // nothing that is due hourly is missed by a moment
            for at in self.here() {
                self.full_check(at).expect("a sound world");
            }
        }
    }

    /// One device checks everything once an hour, for so many hours; the others are away.
    ///
    /// # Panics
    /// If a check fails: nothing is at fault here.
    pub fn check_alone(&mut self, at: usize, hours: u32) {
        for _ in 0..hours {
            self.now_ms += 3_660_000;
            self.full_check(at).expect("a sound world");
        }
    }

    /// The devices that are not gone.
    pub fn here(&self) -> Vec<usize> {
        (0..self.devices.len()).filter(|at| !self.gone.contains(at)).collect()
    }

    /// One device revokes another.
    ///
    /// # Errors
    /// What `devices revoke` ends with.
    pub fn revoke(&mut self, at: usize, whom: usize) -> Result<(), Error> {
        let device = self.id(whom);
        self.run(at, Operation::RevokeDevice { device }).map(|_| ())
    }

    /// Lets a device go on until an operation ended. A device that is killed on the way is started again.
    ///
    /// # Errors
    /// What it ends with; `cancelled` if the device was killed.
    pub fn finish(&mut self, at: usize, op: OpId) -> Result<Outcome, Error> {
        for _ in 0..1_000_000 {
            if self.devices[at].is_killed() {
                self.restart(at);
                return Err(Error::new(ErrorKind::Cancelled, "killed"));
            }
            if let Some(result) = self.devices[at].finished.remove(&op) {
                return result;
            }
            self.step(at);
        }
        panic!("device {at} makes no progress");
    }

    /// Lets a device go on until a request like this is on its way, and takes it away unanswered; `None` if the operation
    /// ended without one.
    pub fn run_until(&mut self, at: usize, op: OpId, wanted: impl Fn(&Request) -> bool) -> Option<Request> {
        for _ in 0..1_000_000 {
            let sent = &mut self.devices[at].sent;
            if let Some(which) = sent.iter().position(&wanted) {
                return Some(sent.remove(which));
            }
            if self.devices[at].finished.contains_key(&op) {
                return None;
            }
            self.step(at);
        }
        panic!("device {at} makes no progress");
    }

    /// A request arrives, whoever sent it and however late, and nobody hears the answer.
    pub fn arrive(&mut self, request: &Request) {
        let _ = self.bucket.answer(request, self.now_ms, &mut self.random);
    }

    /// A request's connection broke, as its sender sees it.
    pub fn break_off(&mut self, at: usize, request: &Request) {
        let now = self.devices[at].now(self.now_ms);
        self.devices[at].engine.handle_failure(request.id, TransportFailure::Reset("simulated".to_owned()), now);
        self.devices[at].drain(self.now_ms);
    }

    /// One thing happens to a device: an answer comes, or time passes.
    pub fn step(&mut self, at: usize) {
        self.read_clock(at);
        let signer_due = self.devices[at].signer.as_ref().and_then(Signer::due_ms);
        let due = self.devices[at].engine.poll_timeout().into_iter().chain(signer_due).min();
        let unstored = self.devices[at].unstored() as u64;
        if unstored > 0 && (self.devices[at].sent.is_empty() || self.random.permille(300)) {
            let commits = 1 + self.random.below(unstored) as usize;
            self.devices[at].store_pages(commits, self.now_ms);
            return self.devices[at].drain(self.now_ms);
        }
        let waits = self.devices[at].sent.len() as u64;
        if waits > 0 {
            let which = self.random.below(waits) as usize;
            // Outside of random schedules answers come in any order as well.
            let which = if self.hazards.on { self.hazards.reorder(which, &mut self.random) } else { which };
            let request = self.devices[at].sent.remove(which);
            if let Some(watch) = &mut self.watch {
                let device = &self.devices[at];
                watch.request(at, &request, device.sent_ms[&request.id], &device.disk);
            }
            match self.hazards.on {
                true => self.deliver_in_danger(at, &request),
                false => self.deliver(at, &request),
            }
        } else if let Some(due) = due {
            self.now_ms = self.now_ms.max(due);
            let now = self.devices[at].now(self.now_ms);
            self.devices[at].engine.handle_timeout(now);
        }
        if !self.devices[at].is_killed() {
            self.devices[at].drain(self.now_ms);
        }
        self.deliver_late();
    }

    fn deliver(&mut self, at: usize, request: &Request) {
        self.now_ms += self.random.below(200);
        let id: RequestId = request.id;
        let now = self.devices[at].now(self.now_ms);
        let number = self.devices[at].count_request();
        if self.devices[at].dies(Moment::Request(number)) {
            return;
        }
        let fate = self.random.below(1000);
        let Network { lost, answer_lost, busy, duplicate } = self.network;
        if fate < lost {
            let why = TransportFailure::Connect("simulated".to_owned());
            return self.devices[at].engine.handle_failure(id, why, now);
        }
        if fate < lost + busy {
            let body = Bytes::from_static(b"<Error><Code>SlowDown</Code></Error>");
            let response = tidelock_core::s3::Response { status: 503, headers: Vec::new(), body };
            return self.devices[at].engine.handle_response(id, response, now);
        }
        let response = self.bucket.answer(request, self.now_ms, &mut self.random);
        if self.devices[at].dies(Moment::Answer(number)) {
            return;
        }
        if request.method == tidelock_core::s3::Method::Put && self.random.permille(duplicate) {
            self.late.push((self.now_ms + self.random.below(120_000), request.clone()));
        }
        if fate < lost + busy + answer_lost {
            let why = TransportFailure::Reset("simulated".to_owned());
            return self.devices[at].engine.handle_failure(id, why, now);
        }
        self.devices[at].engine.handle_response(id, response, now);
    }

    pub(crate) fn deliver_late(&mut self) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= self.now_ms);
        self.late = later;
        for (_, request) in due {
            self.arrive(&request);
        }
    }

    /// The world heals: nothing is lost, late or hidden any more, and everybody checks everything, for so many rounds.
    ///
    /// # Errors
    /// What a check ends with.
    pub fn heal(&mut self, rounds: u32) -> Result<(), Error> {
        self.network = Network::default();
        self.bucket.faults = Faults::default();
        self.now_ms += 3_600_000;
        self.deliver_late();
        self.bucket.show();
        for _ in 0..rounds {
            for at in self.here() {
                self.now_ms += 3_700_000;
                self.full_check(at)?;
            }
        }
        Ok(())
    }

    /// Over every output of every device: the same on every run and every target.
    pub fn trace(&self) -> Hash {
        let all: Vec<u8> = self.devices.iter().flat_map(|device| *device.trace.finalize().as_bytes()).collect();
        Hash::of(&all)
    }
}

fn report(outcome: Outcome) -> SyncReport {
    match outcome {
        Outcome::Synced(report) => report,
        other => panic!("a sync ended in {other:?}"),
    }
}
