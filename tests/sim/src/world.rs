//! The world: devices, a bucket and a scheduler that lets one thing happen at a time. *Safety* under faults, then the
//! world heals and *liveness* is demanded: everybody holds what the oracle says.

use crate::bucket::{Bucket, Faults};
use crate::device::{Device, Disk};
use crate::oracle::Oracle;
use crate::random::Random;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::s3::StoreUri;
use tidelock_core::{
    Change, Collection, Config, Error, KeyRange, OpId, Operation, Outcome, RequestId, Secret, TransportFailure,
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
    /// The recovery code.
    pub code: Option<tidelock_core::crypto::RecoveryCode>,
    /// PUTs that will arrive once more.
    late: Vec<(u64, tidelock_core::Request)>,
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
            code: None,
            late: Vec::new(),
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
        let store: StoreUri = "file:///sim".parse().expect("a folder's URI");
        let config = Config::new(store, format!("device {}", self.devices.len()));
        let now = tidelock_core::Now { monotonic_ms: self.now_ms, unix_ms: self.now_ms };
        let device = Device::open(config, Disk::default(), self.random.bits(), now).expect("an empty disk opens");
        self.devices.push(device);
        self.devices.len() - 1
    }

    /// A first device with a vault.
    ///
    /// # Errors
    /// What `create` ends with.
    pub fn create(&mut self) -> Result<usize, Error> {
        let at = self.add();
        match self.run(at, Operation::Create { passphrase: None })? {
            Outcome::Created { recovery_code } => self.code = Some(recovery_code),
            other => panic!("create ended in {other:?}"),
        }
        Ok(at)
    }

    /// One more device.
    ///
    /// # Errors
    /// What `join` ends with.
    pub fn join(&mut self) -> Result<usize, Error> {
        let at = self.add();
        let code = self.code.clone().expect("a vault was created");
        self.run(at, Operation::Join { secret: Secret::Recovery(code) })?;
        Ok(at)
    }

    /// Runs one operation of one device to its end; others rest.
    ///
    /// # Errors
    /// What it ends with.
    pub fn run(&mut self, at: usize, operation: Operation) -> Result<Outcome, Error> {
        let op = self.devices[at].start(operation, self.now_ms);
        self.finish(at, op)
    }

    /// Lets a device go on until an operation ended.
    ///
    /// # Errors
    /// What it ends with.
    pub fn finish(&mut self, at: usize, op: OpId) -> Result<Outcome, Error> {
        for _ in 0..1_000_000 {
            if let Some(result) = self.devices[at].finished.remove(&op) {
                return result;
            }
            self.step(at);
        }
        panic!("device {at} makes no progress");
    }

    /// One thing happens to a device: an answer comes, or time passes.
    pub fn step(&mut self, at: usize) {
        let due = self.devices[at].engine.poll_timeout();
        let waits = self.devices[at].sent.len() as u64;
        if waits > 0 {
            let which = self.random.below(waits) as usize;
            let request = self.devices[at].sent.swap_remove(which);
            self.deliver(at, &request);
        } else if let Some(due) = due {
            self.now_ms = self.now_ms.max(due);
            let now = self.devices[at].now(self.now_ms);
            self.devices[at].engine.handle_timeout(now);
        }
        self.devices[at].drain(self.now_ms);
        self.deliver_late();
    }

    fn deliver(&mut self, at: usize, request: &tidelock_core::Request) {
        self.now_ms += self.random.below(200);
        let id: RequestId = request.id;
        let now = self.devices[at].now(self.now_ms);
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
        if request.method == tidelock_core::s3::Method::Put && self.random.permille(duplicate) {
            let copy = tidelock_core::Request { body: request.body.clone(), ..request.clone() };
            self.late.push((self.now_ms + self.random.below(120_000), copy));
        }
        if fate < lost + busy + answer_lost {
            let why = TransportFailure::Reset("simulated".to_owned());
            return self.devices[at].engine.handle_failure(id, why, now);
        }
        self.devices[at].engine.handle_response(id, response, now);
    }

    fn deliver_late(&mut self) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= self.now_ms);
        self.late = later;
        for (_, request) in due {
            let _ = self.bucket.answer(&request, self.now_ms, &mut self.random);
        }
    }

    /// A value nobody else writes.
    pub fn value(&mut self) -> String {
        self.values += 1;
        format!("value {}", self.values)
    }

    /// The values that stand at a key of the map on a device.
    pub fn standing(&self, at: usize, key: &str) -> BTreeSet<String> {
        let engine = &self.devices[at].engine;
        let mut values = BTreeSet::new();
        if let Some(record) = engine.get(&Self::map(), key).expect("the disk is sound") {
            values.insert(text(&record.value));
            if record.siblings > 0 {
                let all = engine.conflicts(None, 10_000).expect("the disk is sound");
                let here = all.into_iter().filter(|conflict| conflict.collection == Self::map() && conflict.key == key);
                values.extend(
                    here.flat_map(|conflict| conflict.versions).filter_map(|version| version.value).map(|v| text(&v)),
                );
            }
        }
        values
    }

    /// A put, told to the oracle.
    pub fn put(&mut self, at: usize, key: &str) -> String {
        let value = self.value();
        let standing = self.standing(at, key);
        let change = Change::Put { collection: Self::map(), key: key.to_owned(), value: Bytes::from(value.clone()) };
        self.write(at, change);
        self.oracle.put(key, &value, standing);
        value
    }

    /// A delete, told to the oracle.
    pub fn delete(&mut self, at: usize, key: &str) {
        let standing = self.standing(at, key);
        self.write(at, Change::Delete { collection: Self::map(), key: key.to_owned() });
        self.oracle.delete(key, standing);
    }

    /// An entry of the log, told to the oracle.
    pub fn append(&mut self, at: usize) -> String {
        let value = self.value();
        let key = self.write(at, Change::Append { collection: Self::log(), value: Bytes::from(value.clone()) });
        self.oracle.append(&key, &value);
        key
    }

    /// Deletes some entry that the device holds, if it holds one.
    pub fn delete_some_entry(&mut self, at: usize) {
        let keys: Vec<String> = self.log_of(at).into_keys().collect();
        if !keys.is_empty() {
            let key = keys[self.random.below(keys.len() as u64) as usize].clone();
            self.write(at, Change::Delete { collection: Self::log(), key: key.clone() });
            self.oracle.delete_entry(&key);
        }
    }

    fn write(&mut self, at: usize, change: Change) -> String {
        let now = self.devices[at].now(self.now_ms);
        let written = self.devices[at].engine.write(&[change], now).expect("a valid change on a sound disk");
        self.devices[at].drain(self.now_ms);
        written.keys.into_iter().next().expect("one change, one key")
    }

    /// What a device holds of the map.
    pub fn map_of(&self, at: usize) -> BTreeMap<String, BTreeSet<String>> {
        self.entries(at, &Self::map()).into_keys().map(|key| (key.clone(), self.standing(at, &key))).collect()
    }

    /// What a device holds of the log.
    pub fn log_of(&self, at: usize) -> BTreeMap<String, String> {
        self.entries(at, &Self::log())
    }

    fn entries(&self, at: usize, collection: &Collection) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut range = KeyRange::default();
        loop {
            let page = self.devices[at].engine.list(collection, &range, 500).expect("the disk is sound");
            let Some(last) = page.last() else { return all };
            range.start = format!("{}\0", last.key);
            all.extend(page.into_iter().map(|entry| (entry.key, text(&entry.record.value))));
        }
    }

    /// The world heals: nothing is lost, late or hidden any more, and everybody syncs until everybody is in step.
    ///
    /// # Errors
    /// What a sync ends with.
    pub fn heal(&mut self, rounds: u32) -> Result<(), Error> {
        self.network = Network::default();
        self.bucket.faults = Faults::default();
        self.now_ms += 3_600_000;
        self.deliver_late();
        for _ in 0..rounds {
            for at in 0..self.devices.len() {
                self.now_ms += 3_700_000;
                self.run(at, Operation::Check)?;
            }
        }
        Ok(())
    }

    /// Everybody holds what the oracle says.
    ///
    /// # Errors
    /// Who does not, and what.
    pub fn check(&self) -> Result<(), String> {
        let (map, log) = (self.oracle.map(), self.oracle.log());
        for at in 0..self.devices.len() {
            let held = self.map_of(at);
            if held != map {
                return Err(format!("device {at} holds the map {held:?}, the oracle says {map:?}"));
            }
            let held = self.log_of(at);
            if held != log {
                return Err(format!("device {at} holds the log {held:?}, the oracle says {log:?}"));
            }
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
