//! A simulated device: an engine, its local store, and what it waits for.

use crate::random::Random;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tidelock_core::crypto::stretch;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, MemoryLocal, Page, Revision, Row, Table};
use tidelock_core::{Config, Engine, Error, Event, Now, OpId, Operation, Outcome, Output, Request};

/// A store that outlives its engine, as a disk does; restarting opens it again.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<MemoryLocal>>);

impl Disk {
    /// What a copy of the whole disk would hold.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.locked().clone())))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, MemoryLocal> {
        self.0.lock().expect("one thread")
    }
}

impl LocalStore for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LocalError> {
        self.locked().get(table, key)
    }
    fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, LocalError> {
        self.locked().list(table, range, limit)
    }
    fn revision(&self) -> Result<Revision, LocalError> {
        self.locked().revision()
    }
    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, LocalError> {
        self.locked().commit(batch, expected)
    }
    fn take_dirty_pages(&mut self) -> Option<Vec<Page>> {
        self.locked().take_dirty_pages()
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
}

impl Device {
    /// A device with an empty disk, or one that was on before.
    ///
    /// # Errors
    /// What the engine says of the disk.
    pub fn open(config: Config, disk: Disk, seed: u64, now: Now) -> Result<Self, Error> {
        let engine = Engine::open(config.clone(), Box::new(disk.clone()), Box::new(Random::new(seed)), now)?;
        let (sent, finished, events) = (Vec::new(), BTreeMap::new(), Vec::new());
        Ok(Self { engine, disk, config, sent, finished, events, skew_ms: 0 })
    }

    /// The process was killed and started again: what was in memory and on its way is gone.
    ///
    /// # Errors
    /// What the engine says of the disk.
    pub fn restart(&mut self, seed: u64, now: Now) -> Result<(), Error> {
        let again = Self::open(self.config.clone(), self.disk.clone(), seed, now)?;
        *self = Self { skew_ms: self.skew_ms, ..again };
        Ok(())
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
            match output {
                Output::Send(request) => self.sent.push(request),
                Output::Abort(id) => self.sent.retain(|request| request.id != id),
                Output::Event(Event::Finished(op, result)) => {
                    let twice = self.finished.insert(op, result).is_some();
                    assert!(!twice, "an operation ended twice");
                }
                Output::Event(event) => self.events.push(event),
                Output::Stretch(id, request) => {
                    let key = stretch(&request).expect("a passphrase of the simulator's own");
                    self.engine.handle_stretched(id, key, now);
                }
                Output::Persist(commit, _) => self.engine.handle_persisted(commit, Ok(()), now),
                Output::NeedCredentials => panic!("a folder store needs no credentials"),
            }
        }
    }
}
