//! One place for all that changes, and the only way to change it: a step, a synchronous closure with one commit.

use super::api::{CommitId, Config, Event, Meter, Now, Output};
use super::at_hand::AtHand;
use super::head::{Head, damaged, local_error};
use super::presign::ReusedUrl;
use super::wait::Waits;
use crate::crypto::Entropy;
use crate::local::{Batch, ByteRange, LocalError, LocalStore, Revision, Row, Table, Write};
use crate::replica::{Collection, IMPORTED, Kind, Slot, decode, encode, place, split_document_key};
use crate::s3::{Credentials, RequestKind, RetryBudget};
use crate::{EpochId, Error, ErrorKind};
use std::collections::{BTreeMap, BTreeSet};

/// The most keys that one change event names.
const CHANGED_KEYS_MAX: usize = 256;
/// How often a step is run again when other processes commit first.
const STALE_RETRIES_MAX: u32 = 10_000;

/// Everything mutable.
pub(super) struct State {
    pub(super) config: Config,
    pub(super) now: Now,
    pub(super) entropy: Box<dyn Entropy + Send>,
    pub(super) local: Box<dyn LocalStore>,
    pub(super) revision: Revision,
    pub(super) head: Head,
    pub(super) waits: Waits,
    pub(super) committed: CommitId,
    pub(super) persisted: CommitId,
    /// Set when the platform could not store pages: nothing may be written any more.
    pub(super) broken: Option<Error>,
    /// All calls share one budget of retries.
    pub(super) budget: RetryBudget,
    pub(super) credentials: Option<Credentials>,
    /// The signed URL that is polled.
    pub(super) reused_url: Option<ReusedUrl>,
    /// Something sealed under an epoch that is not known here was read: the own slot may tell.
    pub(super) unknown_epoch: Option<EpochId>,
    /// The newest poll found that others have newer keys than this device.
    pub(super) locked_out: bool,
    /// The logs that the pull under way has at hand.
    pub(super) at_hand: AtHand,
    /// The store's clock at its newest answer that told it, unix ms.
    pub(super) server_ms: Option<u64>,
    /// Requests made since the last commit: the next one stores them.
    uncounted: Meter,
}

/// The keys of a collection that a step changed; `None`: more than [`CHANGED_KEYS_MAX`].
type ChangedKeys = Option<BTreeSet<String>>;

/// Rows' changes within a step, by table, over what the store holds.
type Overlay = [BTreeMap<Vec<u8>, Option<Vec<u8>>>; Table::ALL.len()];

/// A step's view: the head to change, and rows read through what the step has written.
pub(super) struct Tx<'a> {
    pub(super) head: &'a mut Head,
    pub(super) now: Now,
    pub(super) entropy: &'a mut (dyn Entropy + Send),
    /// As in [`State`].
    pub(super) server_ms: Option<u64>,
    /// As in [`State`].
    pub(super) at_hand: &'a AtHand,
    changed: BTreeMap<Collection, ChangedKeys>,
    local: &'a dyn LocalStore,
    emptied: Vec<(Table, ByteRange)>,
    overlay: Overlay,
    /// Whether the store has deletions of log entries, once that was looked at.
    has_deletions: Option<bool>,
}

impl State {
    /// The bucket's time, by which requests are signed and keys end.
    pub(super) fn signing_ms(&self) -> u64 {
        self.now.unix_ms.saturating_add_signed(self.head.bucket.skew_ms)
    }

    pub(super) fn new(
        config: Config,
        now: Now,
        entropy: Box<dyn Entropy + Send>,
        local: Box<dyn LocalStore>,
        revision: Revision,
        head: Head,
    ) -> Self {
        Self {
            config,
            now,
            entropy,
            local,
            revision,
            head,
            waits: Waits::default(),
            committed: CommitId::default(),
            persisted: CommitId::default(),
            broken: None,
            budget: RetryBudget::default(),
            credentials: None,
            reused_url: None,
            unknown_epoch: None,
            locked_out: false,
            at_hand: AtHand::default(),
            server_ms: None,
            uncounted: Meter::default(),
        }
    }

    /// Counts a request and its body.
    pub(super) fn count_sent(&mut self, kind: RequestKind, body_bytes: u64) {
        self.uncounted.count(kind, body_bytes);
    }

    /// Counts an answer's body.
    pub(super) fn count_received(&mut self, body_bytes: u64) {
        self.uncounted.bytes_received += body_bytes;
    }

    /// All requests since the store was made.
    pub(super) fn meter(&self) -> Meter {
        self.head.meter.plus(&self.uncounted)
    }

    /// Random bits.
    pub(super) fn random(&mut self) -> u64 {
        let mut out = [0; 8];
        self.entropy.fill(&mut out);
        u64::from_le_bytes(out)
    }

    /// Runs a step: all of it is committed, or nothing. When another process committed first, the head is loaded again
    /// and the closure run again.
    pub(super) fn step<R>(&mut self, mut step: impl FnMut(&mut Tx<'_>) -> Result<R, Error>) -> Result<R, Error> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        for _ in 0..STALE_RETRIES_MAX {
            let before = self.head.clone();
            self.head.meter = self.meter();
            if self.head.meter.requests() > 0 {
                self.head.metered_from_ms.get_or_insert(self.now.unix_ms);
            }
            let mut tx = Tx {
                head: &mut self.head,
                now: self.now,
                entropy: &mut *self.entropy,
                server_ms: self.server_ms,
                at_hand: &self.at_hand,
                changed: BTreeMap::new(),
                local: &*self.local,
                emptied: Vec::new(),
                overlay: Overlay::default(),
                has_deletions: None,
            };
            let result = step(&mut tx);
            let (emptied, overlay, changed) = (tx.emptied, tx.overlay, tx.changed);
            let result = match result {
                Ok(result) => result,
                Err(error) => {
                    self.head = before; // with the meter as stored: what is uncounted stays so
                    // A step that met rows of another process's commit beside an older head proves nothing.
                    if self.local.revision().map_err(local_error)? == self.revision {
                        return Err(error);
                    }
                    self.refresh()?;
                    continue;
                }
            };
            let mut writes = self.head.changes(&before);
            for (table, rows) in Table::ALL.into_iter().zip(overlay) {
                writes.extend(rows.into_iter().map(|(key, value)| Write { table, key, value }));
            }
            if writes.is_empty() && emptied.is_empty() {
                self.head = before;
                return Ok(result);
            }
            match self.local.commit(&Batch { emptied, writes }, self.revision) {
                Ok(revision) => {
                    self.revision = revision;
                    self.committed.0 += 1;
                    self.uncounted = Meter::default();
                    match self.local.take_dirty_pages() {
                        Some(pages) => self.waits.push(Output::Persist(self.committed, pages)),
                        None => self.persisted = self.committed,
                    }
                    for (collection, keys) in changed {
                        let keys = keys.map(|keys| keys.into_iter().collect());
                        self.waits.push(Output::Event(Event::Changed { collection, keys }));
                    }
                    return Ok(result);
                }
                Err(LocalError::Stale) if planted!(StaleIgnored) => return Ok(result),
                Err(error) => {
                    self.head = before;
                    if error != LocalError::Stale {
                        return Err(local_error(error));
                    }
                    self.refresh()?;
                }
            }
        }
        Err(local_error(LocalError::Busy))
    }

    /// Loads the head again if another process committed.
    pub(super) fn refresh(&mut self) -> Result<(), Error> {
        let revision = self.local.revision().map_err(local_error)?;
        if revision != self.revision {
            // The revision is read first: a commit in between shows as stale at the next step.
            self.head = Head::load(&*self.local)?;
            self.revision = revision;
        }
        Ok(())
    }

    /// What stands at a key.
    pub(super) fn slot(&self, collection: &Collection, key: &str) -> Result<Slot, Error> {
        let Some(number) = self.head.collections.get(collection) else { return Ok(Slot::default()) };
        match self.local.get(Table::Records, &record_key(*number, key)).map_err(local_error)? {
            Some(bytes) => damaged(decode(&bytes, "a record")),
            None => Ok(Slot::default()),
        }
    }
}

impl Tx<'_> {
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.overlay[table as usize].get(key) {
            Some(value) => Ok(value.clone()),
            None => self.local.get(table, key).map_err(local_error),
        }
    }

    pub(super) fn set(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.overlay[table as usize].insert(key, value);
    }

    /// Removes all rows of a range that the step neither reads nor writes.
    pub(super) fn empty(&mut self, table: Table, range: ByteRange) {
        self.emptied.push((table, range));
    }

    /// A record changed: one event a step and collection names the keys, of documents the ids.
    pub(super) fn note_change(&mut self, collection: &Collection, key: &str) {
        if !self.changed.contains_key(collection) {
            self.changed.insert(collection.clone(), Some(BTreeSet::new()));
        }
        let Some(noted) = self.changed.get_mut(collection) else { return };
        if let Some(keys) = noted {
            let is_document = collection.kind == Kind::Documents;
            keys.insert(if is_document { split_document_key(key).0 } else { key }.to_owned());
            if keys.len() > CHANGED_KEYS_MAX {
                *noted = None;
            }
        }
    }

    /// Rows as the store had them when the step began: for ranges that the step itself does not write before reading.
    pub(super) fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, Error> {
        self.local.list(table, range, limit).map_err(local_error)
    }

    /// Whether the log entry with this digest was deleted. A store without deletions is asked once a step.
    pub(super) fn is_deleted(&mut self, digest: &[u8]) -> Result<bool, Error> {
        if let Some(written) = self.overlay[Table::Deletions as usize].get(digest) {
            return Ok(written.is_some());
        }
        let has_any = match self.has_deletions {
            Some(has_any) => has_any,
            None => !self.list(Table::Deletions, &ByteRange::default(), 1)?.is_empty(),
        };
        self.has_deletions = Some(has_any);
        Ok(has_any && self.get(Table::Deletions, digest)?.is_some())
    }

    /// All rows of a small range, with what the step has written.
    pub(super) fn rows(&self, table: Table, range: &ByteRange) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        let mut rows: BTreeMap<_, _> = self.list(table, range, u32::MAX)?.into_iter().collect();
        let is_before_end = |key: &Vec<u8>| range.end.as_ref().is_none_or(|end| key < end);
        let written =
            self.overlay[table as usize].range(range.start.clone()..).take_while(|(key, _)| is_before_end(key));
        for (key, value) in written {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows)
    }

    /// The number of a collection, given at its first record.
    pub(super) fn collection(&mut self, collection: &Collection) -> u32 {
        if let Some(number) = self.head.collections.get(collection) {
            return *number;
        }
        let number = self.head.collections.values().max().map_or(0, |last| last + 1);
        self.head.collections.insert(collection.clone(), number);
        number
    }

    pub(super) fn slot(&self, number: u32, key: &str) -> Result<Slot, Error> {
        match self.get(Table::Records, &record_key(number, key))? {
            Some(bytes) => damaged(decode(&bytes, "a record")),
            None => Ok(Slot::default()),
        }
    }

    /// Stores what stands at a key, and keeps the lists of conflicts and tombstones with it.
    pub(super) fn set_slot(&mut self, number: u32, key: &str, slot: &Slot, before: &Slot) {
        let row = record_key(number, key);
        let (conflict, tombstone) = (slot.siblings() > 0, slot.is_tombstone());
        // Two devices may say the same of a third at once, or where a blob lies: no person is asked about these.
        let own = [Collection::root(), Collection::places()];
        let is_own = own.iter().any(|own| self.head.collections.get(own) == Some(&number));
        if !is_own && conflict != (before.siblings() > 0) && !planted!(ConflictNotListed) {
            self.set(Table::Conflicts, row.clone(), conflict.then(Vec::new));
        }
        if tombstone != before.is_tombstone() {
            self.set(Table::Tombstones, row.clone(), tombstone.then(Vec::new));
        }
        if key.starts_with(IMPORTED) && self.is_log(number) {
            let (old, new) = (listed_at(key, before), listed_at(key, slot));
            if old != new {
                let rows = [(old, None), (new, Some(Vec::new()))];
                for (place, value) in rows.into_iter().filter_map(|(place, value)| Some((place?, value))) {
                    self.set(Table::Places, record_key(number, &place), value);
                }
            }
        }
        self.set(Table::Records, row, (!slot.standing.is_empty()).then(|| encode(slot)));
    }

    fn is_log(&self, number: u32) -> bool {
        let mut collections = self.head.collections.iter();
        collections.any(|(collection, known)| *known == number && collection.kind == Kind::Log)
    }

    /// Random bytes.
    pub(super) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.entropy.fill(&mut out);
        out
    }
}

/// The place of a log's entry: the write that counts says when it was added.
pub(super) fn listed_at(key: &str, slot: &Slot) -> Option<String> {
    slot.puts().map(|write| write.stamp).min().map(|stamp| place(key, stamp))
}

/// A record's place in the table: its collection's number, then its key.
pub(super) fn record_key(number: u32, key: &str) -> Vec<u8> {
    let mut row = number.to_be_bytes().to_vec();
    row.extend_from_slice(key.as_bytes());
    row
}

/// The key in a record's place.
pub(super) fn key_of(row: &[u8]) -> Result<String, Error> {
    row.get(4..)
        .and_then(|key| String::from_utf8(key.to_vec()).ok())
        .ok_or_else(|| local_error(LocalError::Corrupt("a record's key is not text".to_owned())))
}

/// A defect of the engine, found by itself.
pub(super) fn internal(what: &str) -> Error {
    Error::new(ErrorKind::Internal, what.to_owned()).next_step("please report this; nothing was changed")
}
