//! A simulated device: an engine, its local store, what it waits for, and the moment at which it is killed.

use crate::random::Random;
use crate::signer::Signer;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tidelock_core::crypto::stretch;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, MemoryLocal, Page, Revision, Row, Table};
use tidelock_core::s3::Credentials;
use tidelock_core::{
    CommitId, Config, Engine, Error, Event, Now, OpId, Operation, Outcome, Output, Request, RequestId,
};

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
    /// So many commits find the disk full.
    full_for: u64,
    /// The last commit did.
    was_full: bool,
    /// Another process commits before the next commit.
    raced: bool,
    /// The state that another process's commits leave, from the next read of a record on.
    overtaken: Option<MemoryLocal>,
    /// The pages that are stored, of a store that keeps pages.
    kept: Option<BTreeMap<u64, Vec<u8>>>,
    work: Work,
}

/// What a disk was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Single rows that were read.
    pub gets: u64,
    /// The most single rows that one commit wrote or removed.
    pub writes_max: usize,
    /// Bytes of the pages that were handed out, of a store that keeps pages.
    pub page_bytes: usize,
}

impl Disk {
    /// A store whose pages the platform keeps, as in a browser: what was not stored is gone with its process.
    pub fn paged() -> Self {
        let platter = Platter { local: MemoryLocal::paged(), kept: Some(BTreeMap::new()), ..Platter::default() };
        Self(Arc::new(Mutex::new(platter)))
    }

    /// Whether it keeps pages.
    pub fn is_paged(&self) -> bool {
        self.locked().kept.is_some()
    }

    /// The next commits find it full.
    pub fn fill(&self, commits: u64) {
        self.locked().full_for = commits;
    }

    /// Another process's commit, of nothing that matters here, comes before the next one.
    pub fn race(&self) {
        self.locked().raced = true;
    }

    /// Another process's commits, those that `ahead` has more, come between a step's look at the revision and its first read of
    /// a record.
    pub fn overtake(&self, ahead: &Self) {
        self.locked().overtaken = Some(ahead.locked().local.clone());
    }

    /// Whether the last commit found it full.
    pub fn was_full(&self) -> bool {
        self.locked().was_full
    }

    /// What it was asked for since this was last asked.
    pub fn take_work(&self) -> Work {
        std::mem::take(&mut self.locked().work)
    }

    /// An old copy is put back in its place.
    pub fn put_back(&self, old: &Self) {
        let old = old.locked().clone();
        *self.locked() = old;
    }

    fn store(&self, pages: Vec<Page>) {
        let mut platter = self.locked();
        let Some(kept) = &mut platter.kept else { return };
        for page in pages {
            match page.bytes {
                Some(bytes) => kept.insert(page.id, bytes),
                None => kept.remove(&page.id),
            };
        }
    }

    /// The process is gone: of a store of pages only what was stored is left. `torn`: pages of a commit that was being
    /// stored when it went; a store that is loaded with half of them must say so.
    fn lose_unstored(&self, torn: &[Page]) {
        let mut platter = self.locked();
        let Some(kept) = &platter.kept else { return };
        let page = |(id, bytes): (&u64, &Vec<u8>)| Page { id: *id, bytes: Some(bytes.clone()) };
        if torn.len() > 1 {
            let half = &torn[..torn.len() / 2];
            let whole = kept.iter().filter(|(id, _)| half.iter().all(|page| page.id != **id)).map(page);
            let pages = whole.chain(half.iter().filter(|page| page.bytes.is_some()).cloned()).collect();
            assert!(MemoryLocal::load(pages).is_err(), "a torn commit was taken for a whole one");
        }
        platter.local = MemoryLocal::load(kept.iter().map(page).collect()).expect("what was stored loads again");
    }

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
        let mut platter = self.locked();
        platter.work.gets += 1;
        if table == Table::Records
            && let Some(ahead) = platter.overtaken.take()
        {
            platter.local = ahead;
        }
        platter.local.get(table, key)
    }
    fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, LocalError> {
        self.locked().local.list(table, range, limit)
    }
    fn value_bytes(&self, table: Table, range: &ByteRange) -> Result<u64, LocalError> {
        self.locked().local.value_bytes(table, range)
    }
    fn revision(&self) -> Result<Revision, LocalError> {
        self.locked().local.revision()
    }
    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, LocalError> {
        let mut platter = self.locked();
        platter.commits += 1;
        platter.work.writes_max = platter.work.writes_max.max(batch.writes.len());
        if platter.cut_at.is_some_and(|at| platter.commits > at) {
            return Err(LocalError::Other("killed".to_owned()));
        }
        if std::mem::take(&mut platter.raced) {
            platter.local.commit(&Batch::default(), expected)?;
        }
        platter.was_full = platter.full_for > 0;
        if platter.was_full {
            platter.full_for -= 1;
            return Err(LocalError::Full);
        }
        platter.local.commit(batch, expected)
    }
    fn take_dirty_pages(&mut self) -> Option<Vec<Page>> {
        let mut platter = self.locked();
        let pages = platter.local.take_dirty_pages();
        let bytes = |page: &Page| page.bytes.as_ref().map_or(0, Vec::len);
        platter.work.page_bytes += pages.iter().flatten().map(bytes).sum::<usize>();
        pages
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
    /// Its clock stands still at this time, ms since 1970.
    pub frozen_ms: Option<u64>,
    /// Its clock runs backwards since this time, ms since 1970.
    pub backwards_ms: Option<u64>,
    /// Pages are stored only when `store_pages` says so.
    pub holds_pages: bool,
    /// Up to here commits survive power loss.
    pub durable: CommitId,
    /// Commits that were gone with a process, since their pages were not stored.
    pub lost_commits: usize,
    /// The most requests that were on their way at once.
    pub most_in_flight: usize,
    /// When requests on their way were sent, by the world's clock.
    pub sent_ms: BTreeMap<RequestId, u64>,
    /// Who signs its requests, if it has no keys.
    pub signer: Option<Signer>,
    unstored: VecDeque<(CommitId, Vec<Page>)>,
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
            frozen_ms: None,
            backwards_ms: None,
            holds_pages: false,
            durable: CommitId::default(),
            lost_commits: 0,
            most_in_flight: 0,
            sent_ms: BTreeMap::new(),
            signer: None,
            unstored: VecDeque::new(),
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
        let torn = self.unstored.front().map(|(_, pages)| pages.as_slice()).unwrap_or_default();
        self.disk.lose_unstored(torn);
        let again = Self::open(self.config.clone(), self.disk.clone(), seed, now)?;
        let trace = std::mem::take(&mut self.trace);
        let mut signer = self.signer.take();
        signer.iter_mut().for_each(Signer::forget);
        *self = Self {
            skew_ms: self.skew_ms,
            frozen_ms: self.frozen_ms,
            backwards_ms: self.backwards_ms,
            holds_pages: self.holds_pages,
            lost_commits: self.lost_commits + self.unstored.len(),
            trace,
            signer,
            ..again
        };
        Ok(())
    }

    /// Commits that are not stored yet.
    pub fn unstored(&self) -> usize {
        self.unstored.len()
    }

    /// Stores the pages of the oldest commits.
    pub fn store_pages(&mut self, commits: usize, now_ms: u64) {
        let now = self.now(now_ms);
        for (commit, pages) in self.unstored.drain(..commits.min(self.unstored.len())) {
            self.disk.store(pages);
            self.engine.handle_persisted(commit, Ok(()), now);
        }
    }

    /// Of the oldest commit that is not stored there are several pages: some of them may be lost.
    pub fn may_tear(&self) -> bool {
        self.unstored.front().is_some_and(|(_, pages)| pages.len() > 1)
    }

    /// The moment at which it was killed, if it was.
    pub fn killed_at(&self) -> Option<Moment> {
        self.kill.filter(|_| self.is_killed())
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

    /// Each of them, as one to be killed at.
    pub fn every_moment(&self) -> Vec<Moment> {
        let (commits, requests) = self.moments();
        let answers = (0..requests).flat_map(|at| [Moment::Request(at), Moment::Answer(at)]);
        (0..commits).map(Moment::Commit).chain(answers).collect()
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
        let unix_ms = match (self.frozen_ms, self.backwards_ms) {
            (Some(frozen_ms), _) => frozen_ms,
            (None, Some(since_ms)) => (2 * since_ms).saturating_sub(now_ms),
            (None, None) => now_ms,
        };
        Now { monotonic_ms: now_ms, unix_ms: unix_ms.saturating_add_signed(self.skew_ms) }
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
        self.take_signatures(now_ms);
        while let Some(output) = self.engine.poll_output(now) {
            self.trace_output(&output);
            match output {
                Output::Send(request) => {
                    self.sent_ms.insert(request.id, now_ms);
                    self.sent.push(request);
                    self.most_in_flight = self.most_in_flight.max(self.sent.len());
                }
                Output::Abort(id) => self.sent.retain(|request| request.id != id),
                Output::Event(Event::Finished(op, result)) => {
                    let twice = self.finished.insert(op, result).is_some();
                    assert!(!twice, "an operation ended twice");
                }
                Output::Event(event) => {
                    if let Event::Durable(commit) = event {
                        self.durable = self.durable.max(commit);
                    }
                    self.events.push(event);
                }
                Output::Stretch(id, request) => {
                    self.engine.handle_stretched(id, stretch(&request), now);
                }
                Output::Persist(commit, pages) => {
                    self.unstored.push_back((commit, pages));
                    if !self.holds_pages {
                        self.store_pages(1, now_ms);
                    }
                }
                Output::Presign(id, request) => {
                    self.signer.as_mut().expect("a device without keys").ask(id, request, now_ms);
                    self.take_signatures(now_ms);
                }
                Output::NeedCredentials => {
                    let keys = Credentials::new("SIMULATED", "simulated", None).expect("visible ASCII");
                    self.engine.handle_credentials(Ok(keys), now);
                }
            }
        }
    }

    /// What its signer has answered by now.
    fn take_signatures(&mut self, now_ms: u64) {
        let now = self.now(now_ms);
        for (id, signed) in self.signer.iter_mut().flat_map(|signer| signer.answers(now_ms)) {
            self.engine.handle_presigned(id, signed, now);
        }
    }

    fn trace_output(&mut self, output: &Output) {
        if let Output::Persist(commit, pages) = output {
            self.trace.update(format!("{commit:?}\n").as_bytes());
            for page in pages {
                self.trace.update(&page.id.to_le_bytes());
                // A page ends in the hash of what it holds.
                let tail = page.bytes.as_deref().and_then(|bytes| bytes.last_chunk::<32>());
                self.trace.update(tail.map_or(&[], |hash| hash));
            }
            return;
        }
        self.trace.update(format!("{output:?}\n").as_bytes());
        if let Output::Send(request) = output {
            self.trace.update(format!("{} {:?}\n", request.url, request.headers).as_bytes());
            self.trace.update(&request.body);
        }
    }
}
