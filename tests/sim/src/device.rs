//! A simulated device: an engine, its local store, what it waits for, and the moment at which it is killed.

use crate::random::Random;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tidelock_core::crypto::stretch;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, MemoryLocal, Page, Revision, Row, Table};
use tidelock_core::s3::Credentials;
use tidelock_core::{Config, Engine, Error, Event, Now, OpId, Operation, Outcome, Output, Request};

/// When a process is killed; each kind counts from 0 since it was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Right before a commit, which is not done.
    Commit(u64),
    /// Before a request arrives.
    Request(u64),
    /// After a request arrived, before its answer.
    Answer(u64),
}

/// A store that outlives its engine, as a disk does; restarting opens it again.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Clone, Default)]
struct Platter {
    local: MemoryLocal,
    commits: u64,
    /// From this commit on the process is dead.
    cut_at: Option<u64>,
}

impl Disk {
    /// What a copy of the whole disk would hold.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.locked().clone())))
    }

    fn cut(&self, at: Option<u64>) {
        let mut platter = self.locked();
        (platter.commits, platter.cut_at) = (0, at);
    }

    fn is_cut(&self) -> bool {
        let platter = self.locked();
        platter.cut_at.is_some_and(|at| platter.commits > at)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Platter> {
        self.0.lock().expect("one thread")
    }
}

impl LocalStore for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LocalError> {
        self.locked().local.get(table, key)
    }
    fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, LocalError> {
        self.locked().local.list(table, range, limit)
    }
    fn revision(&self) -> Result<Revision, LocalError> {
        self.locked().local.revision()
    }
    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, LocalError> {
        let mut platter = self.locked();
        platter.commits += 1;
        if platter.cut_at.is_some_and(|at| platter.commits > at) {
            return Err(LocalError::Other("killed".to_owned()));
        }
        platter.local.commit(batch, expected)
    }
    fn take_dirty_pages(&mut self) -> Option<Vec<Page>> {
        self.locked().local.take_dirty_pages()
    }
}

/// One device.
pub struct Device {
    /// The engine.
    pub engine: Engine,
    /// Its disk.
    pub disk: Disk,
    config: Config,
    /// Requests on their way.
    pub sent: Vec<Request>,
    /// How operations ended.
    pub finished: BTreeMap<OpId, Result<Outcome, Error>>,
    /// What was reported.
    pub events: Vec<Event>,
    /// How far its clock is off, in ms.
    pub skew_ms: i64,
    /// Over every output so far: the same on every run and every target.
    pub trace: blake3::Hasher,
    kill: Option<Moment>,
    requests: u64,
    killed: bool,
}

impl Device {
    /// A device with an empty disk, or one that was on before.
    ///
    /// # Errors
    /// What the engine says of the disk.
    pub fn open(config: Config, disk: Disk, seed: u64, now: Now) -> Result<Self, Error> {
        let engine = Engine::open(config.clone(), Box::new(disk.clone()), Box::new(Random::new(seed)), now)?;
        Ok(Self {
            engine,
            disk,
            config,
            sent: Vec::new(),
            finished: BTreeMap::new(),
            events: Vec::new(),
            skew_ms: 0,
            trace: blake3::Hasher::new(),
            kill: None,
            requests: 0,
            killed: false,
        })
    }

    /// The process was killed and started again: what was in memory and on its way is gone.
    ///
    /// # Errors
    /// What the engine says of the disk.
    pub fn restart(&mut self, seed: u64, now: Now) -> Result<(), Error> {
        self.disk.cut(None);
        let again = Self::open(self.config.clone(), self.disk.clone(), seed, now)?;
        *self = Self { skew_ms: self.skew_ms, trace: self.trace.clone(), ..again };
        Ok(())
    }

    /// Sets when it will be killed, and counts from now on.
    pub fn kill_at(&mut self, moment: Option<Moment>) {
        self.kill = moment;
        self.requests = 0;
        let Some(Moment::Commit(at)) = moment else { return self.disk.cut(None) };
        self.disk.cut(Some(at));
    }

    /// Commits and requests since `kill_at`.
    pub fn moments(&self) -> (u64, u64) {
        (self.disk.locked().commits, self.requests)
    }

    /// Whether its moment has come.
    pub fn is_killed(&self) -> bool {
        self.killed || self.disk.is_cut()
    }

    /// Counts a request that is about to arrive; gives its number.
    pub fn count_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests - 1
    }

    /// Kills it if this is the moment.
    pub fn dies(&mut self, moment: Moment) -> bool {
        self.killed |= self.kill == Some(moment);
        self.killed
    }

    /// The clocks as this device sees them.
    pub fn now(&self, now_ms: u64) -> Now {
        Now { monotonic_ms: now_ms, unix_ms: now_ms.saturating_add_signed(self.skew_ms) }
    }

    /// Starts an operation.
    pub fn start(&mut self, operation: Operation, now_ms: u64) -> OpId {
        let now = self.now(now_ms);
        let op = self.engine.start(operation, now);
        self.drain(now_ms);
        op
    }

    /// Takes every output: requests wait to be delivered, the rest happens at once.
    pub fn drain(&mut self, now_ms: u64) {
        let now = self.now(now_ms);
        while let Some(output) = self.engine.poll_output(now) {
            self.trace_output(&output);
            match output {
                Output::Send(request) => self.sent.push(request),
                Output::Abort(id) => self.sent.retain(|request| request.id != id),
                Output::Event(Event::Finished(op, result)) => {
                    let twice = self.finished.insert(op, result).is_some();
                    assert!(!twice, "an operation ended twice");
                }
                Output::Event(event) => self.events.push(event),
                Output::Stretch(id, request) => {
                    self.engine.handle_stretched(id, stretch(&request), now);
                }
                Output::Persist(commit, _) => self.engine.handle_persisted(commit, Ok(()), now),
                Output::NeedCredentials => {
                    let keys = Credentials::new("SIMULATED", "simulated", None).expect("visible ASCII");
                    self.engine.handle_credentials(Ok(keys), now);
                }
            }
        }
    }

    fn trace_output(&mut self, output: &Output) {
        self.trace.update(format!("{output:?}\n").as_bytes());
        if let Output::Send(request) = output {
            self.trace.update(format!("{} {:?}\n", request.url, request.headers).as_bytes());
            self.trace.update(&request.body);
        }
    }
}
