//! The engine: calls go in, outputs come out; nothing blocks and nothing is hidden.

mod access;
mod adopt;
mod ahead;
mod anew;
mod api;
mod apply;
mod at_hand;
mod beacon;
mod carry;
mod collect;
mod devices;
mod documents;
mod epochs;
mod evidence;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
mod header;
mod inspect;
mod leave;
mod lines;
mod listed;
mod look;
mod manifests;
mod member;
mod merge;
mod objects;
mod own_log;
mod own_sequences;
mod pace;
mod people;
mod presign;
mod publish;
mod pull;
mod puts;
mod read;
mod repair;
mod retired;
mod revoked;
mod segments;
mod shared;
mod slots;
mod snapshot;
mod state;
mod stored;
mod sync;
mod tags;
#[cfg(test)]
mod vectors;
mod wait;
mod write;

pub use api::{
    Change, CommitId, Config, Conflict, DeviceState, DeviceStatus, Document, Entry, Event, KeyRange, Meter, Now, OpId,
    Operation, Outcome, Output, Phase, Position, PresignId, Progress, Recipient, RecipientKind, Record, Request,
    RequestId, Secret, Status, StretchId, SyncReport, TransportFailure, Version, Written,
};
pub(crate) use objects::HEADER;
pub use pace::Pace;
pub use presign::{SignedUrl, UnsignedRequest};
pub use shared::transport_failure;

use crate::Error;
use crate::crypto::{Entropy, StretchedKey};
use crate::local::{LocalError, LocalStore};
use crate::replica::Collection;
use crate::s3::{ConditionalWrites, Credentials, Response};
use head::{Head, local_error};
use shared::{Shared, cancelled};
use state::State;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>;

/// One vault on one device. `Send`; one owner calls it. Nothing with a lifetime or a future leaves it.
///
/// - *Local calls* answer at once: [`write`](Self::write), [`get`](Self::get), [`list`](Self::list),
///   [`conflicts`](Self::conflicts), [`status`](Self::status).
/// - *Long-running* operations are started by [`start`](Self::start), and each ends in one [`Event::Finished`], cancelled
///   ones too. They run one after the other; equal ones that have not begun are joined.
/// - *What the platform reports back* goes into the `handle_*` calls. They change tables only: unknown and late ids are
///   ignored, early time-outs are harmless.
/// - *What the platform must do next* comes out of [`poll_output`](Self::poll_output): drain it to `None` after every call
///   above. A forgotten drain delays, and loses nothing. Then wait for an answer, or until
///   [`poll_timeout`](Self::poll_timeout), and call [`handle_timeout`](Self::handle_timeout).
pub struct Engine {
    shared: Shared,
    running: Option<Running>,
    waiting: VecDeque<Waiting>,
    woken: Arc<Woken>,
}

struct Running {
    ops: Vec<OpId>,
    task: Task,
}

struct Waiting {
    ops: Vec<OpId>,
    operation: Operation,
}

/// Set by whatever a task waits for.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Engine {
    /// Opens what this device has; an empty local store is one that `Create` or `Join` will fill.
    ///
    /// # Errors
    /// `local-store` if the store cannot be read or is damaged.
    pub fn open(
        config: Config,
        mut local: Box<dyn LocalStore>,
        entropy: Box<dyn Entropy + Send>,
        now: Now,
    ) -> Result<Self, Error> {
        let revision = local.revision().map_err(local_error)?;
        let head = Head::load(&*local)?;
        let _ = local.take_dirty_pages(); // nothing was committed yet: none
        let state = State::new(config, now, entropy, local, revision, head);
        Ok(Self {
            shared: Shared::new(state),
            running: None,
            waiting: VecDeque::new(),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        })
    }

    /// Applies changes, all or none; at most 5,000. Committed on return (a killed process loses nothing); durable against
    /// power loss once [`Event::Durable`] names the commit.
    ///
    /// # Errors
    /// `invalid` for what breaks a limit, `not-found` before `Create` or `Join`, for a `Resolve` without a conflict and for a
    /// `Delete` of a log's key that no entry can have, `local-store` if the store refuses.
    pub fn write(&mut self, changes: &[Change], now: Now) -> Result<Written, Error> {
        let mut state = self.shared.lock();
        state.now = now;
        state.refresh()?;
        let (keys, changed) = state.step(|tx| {
            tx.head.identity()?;
            write::write(tx, changes)
        })?;
        let commit = state.committed;
        if state.persisted >= commit || planted!(DurableTooEarly) {
            state.waits.push(Output::Event(Event::Durable(commit)));
        }
        Ok(Written { keys, changed, commit })
    }

    /// Takes what [`crate::doctor`] found in place of what this device found out, or would by itself, of the store's
    /// conditional writes. Durable like a write.
    ///
    /// # Errors
    /// `local-store`.
    pub fn set_conditional_writes(&mut self, found: ConditionalWrites, now: Now) -> Result<(), Error> {
        let mut state = self.shared.lock();
        state.now = now;
        state.refresh()?;
        state.step(|tx| {
            tx.head.bucket.conditional = Some(found.are_used());
            Ok(())
        })
    }

    /// What stands at a key; `None` where nothing does.
    ///
    /// # Errors
    /// `local-store`.
    pub fn get(&self, collection: &Collection, key: &str) -> Result<Option<Record>, Error> {
        let mut state = self.shared.lock();
        state.refresh()?;
        Ok(read::record(collection, &state.slot(collection, key)?))
    }

    /// A page of records by ascending key, of a log's entries in the order of their time: at most `limit`, fewer where deleted
    /// keys lie between. The next page starts at [`Entry::next_start`] of the last one; an empty page is the end.
    ///
    /// # Errors
    /// `local-store`.
    pub fn list(&self, collection: &Collection, range: &KeyRange, limit: u32) -> Result<Vec<Entry>, Error> {
        let mut state = self.shared.lock();
        state.refresh()?;
        read::list(&state, collection, range, limit)
    }

    /// What stands of a document; `None` where nothing does.
    ///
    /// # Errors
    /// `local-store`.
    pub fn document(&self, collection: &Collection, id: &str) -> Result<Option<Document>, Error> {
        let mut state = self.shared.lock();
        state.refresh()?;
        documents::get(&state, collection, id)
    }

    /// A page of documents by ascending id: at most `limit`, fewer only at the end of the range. The next page starts right
    /// after the last id of this one.
    ///
    /// # Errors
    /// `local-store`.
    pub fn documents(&self, collection: &Collection, range: &KeyRange, limit: u32) -> Result<Vec<Document>, Error> {
        let mut state = self.shared.lock();
        state.refresh()?;
        documents::list(&state, collection, range, limit)
    }

    /// A page of conflicts, after an earlier page's last.
    ///
    /// # Errors
    /// `local-store`.
    pub fn conflicts(&self, after: Option<&Position>, limit: u32) -> Result<Vec<Conflict>, Error> {
        let mut state = self.shared.lock();
        state.refresh()?;
        read::conflicts(&state, after, limit)
    }

    /// What is known, without a request.
    ///
    /// # Errors
    /// `local-store`.
    pub fn status(&self) -> Result<Status, Error> {
        let mut state = self.shared.lock();
        state.refresh()?;
        read::status(&state)
    }

    /// What a device that was revoked is told; `None` while nothing says that it was. No request is made.
    ///
    /// # Errors
    /// `local-store`.
    pub fn revoked(&self) -> Result<Option<Error>, Error> {
        let mut state = self.shared.lock();
        state.refresh()?;
        Ok(revoked::told(&state))
    }

    /// Starts an operation. It makes progress in [`poll_output`](Self::poll_output).
    pub fn start(&mut self, operation: Operation, now: Now) -> OpId {
        let id = {
            let mut state = self.shared.lock();
            state.now = now;
            OpId(state.waits.next_id())
        };
        match self.waiting.back_mut() {
            Some(waiting) if is_same(&waiting.operation, &operation) => waiting.ops.push(id),
            _ => self.waiting.push_back(Waiting { ops: vec![id], operation }),
        }
        self.woken.0.store(true, Ordering::Relaxed);
        id
    }

    /// Cancels an operation; work that others joined goes on for them. Unknown and ended ones are ignored.
    pub fn cancel(&mut self, op: OpId, now: Now) {
        self.shared.lock().now = now;
        let mut found = false;
        if let Some(running) = &mut self.running {
            found |= remove(&mut running.ops, op);
            if running.ops.is_empty() {
                self.running = None; // its guards withdraw what it waited for
            }
        }
        for waiting in &mut self.waiting {
            found |= remove(&mut waiting.ops, op);
        }
        self.waiting.retain(|waiting| !waiting.ops.is_empty());
        if found {
            self.shared.event(Event::Finished(op, Err(cancelled())));
        }
        self.woken.0.store(true, Ordering::Relaxed);
    }

    /// A whole answer came, of at most `max_response_bytes`.
    pub fn handle_response(&mut self, id: RequestId, response: Response, now: Now) {
        let mut state = self.shared.lock();
        state.now = now;
        state.waits.answer(id, Ok(response));
    }

    /// No whole answer came.
    pub fn handle_failure(&mut self, id: RequestId, failure: TransportFailure, now: Now) {
        let mut state = self.shared.lock();
        state.now = now;
        state.waits.answer(id, Err(failure));
    }

    /// Credentials that are valid now, or why there are none. May also be called unasked, when they changed.
    pub fn handle_credentials(&mut self, credentials: Result<Credentials, TransportFailure>, now: Now) {
        let mut state = self.shared.lock();
        state.now = now;
        // Those known before stay where whoever hands them out is away.
        if let Ok(credentials) = &credentials {
            state.credentials = Some(credentials.clone());
        }
        state.waits.credentials(&credentials);
    }

    /// A request was signed, or why not. The URL may come from anybody: it is used only if it is the one that was asked for,
    /// with a signature. Where the platform's deadline is longer than [`Config::timeout_ms`], an answer after that is ignored.
    pub fn handle_presigned(&mut self, id: PresignId, signed: Result<SignedUrl, TransportFailure>, now: Now) {
        let mut state = self.shared.lock();
        state.now = now;
        state.waits.presigned(id, signed);
    }

    /// The pages of every commit up to `up_to` are stored, or could not be: then nothing more is written, since what is in
    /// memory could be lost.
    pub fn handle_persisted(&mut self, up_to: CommitId, result: Result<(), LocalError>, now: Now) {
        let mut state = self.shared.lock();
        state.now = now;
        let result = result.map_err(local_error);
        match &result {
            Ok(()) => {
                state.persisted = state.persisted.max(up_to);
                state.waits.push(Output::Event(Event::Durable(up_to)));
            }
            Err(error) => state.broken = Some(error.clone()),
        }
        state.waits.flushed(up_to, &result);
    }

    /// A passphrase is stretched, or could not be: the `Create` or `Join` that asked ends with that error.
    pub fn handle_stretched(&mut self, id: StretchId, key: Result<StretchedKey, Error>, now: Now) {
        let mut state = self.shared.lock();
        state.now = now;
        state.waits.stretched(id, key);
    }

    /// Time has passed: deadlines end requests, sleepers wake. Calling it early changes nothing.
    pub fn handle_timeout(&mut self, now: Now) {
        let mut state = self.shared.lock();
        state.now = now;
        state.waits.time_is(now.monotonic_ms);
    }

    /// What to do next. All progress happens in here; no call works longer than a slice.
    #[must_use]
    pub fn poll_output(&mut self, now: Now) -> Option<Output> {
        self.shared.lock().now = now;
        while self.woken.0.swap(false, Ordering::Relaxed) {
            self.advance();
        }
        self.shared.lock().waits.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, in monotonic ms; a time already past: at once, there is
    /// more to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.shared.lock().waits.next_wake_ms()
    }

    fn advance(&mut self) {
        if self.running.is_none() {
            let Some(next) = self.waiting.pop_front() else { return };
            if let Err(error) = self.shared.lock().refresh() {
                self.finish(&next.ops, &Err(error));
                self.woken.0.store(true, Ordering::Relaxed);
                return;
            }
            let task = Box::pin(sync::run(self.shared.clone(), next.operation));
            self.running = Some(Running { ops: next.ops, task });
        }
        let Some(running) = &mut self.running else { return };
        let waker = Waker::from(self.woken.clone());
        if let Poll::Ready(result) = running.task.as_mut().poll(&mut Context::from_waker(&waker)) {
            let ops = std::mem::take(&mut running.ops);
            self.running = None;
            self.finish(&ops, &result);
            self.woken.0.store(true, Ordering::Relaxed); // the next may begin
        }
    }

    fn finish(&self, ops: &[OpId], result: &Result<Outcome, Error>) {
        for op in ops {
            self.shared.event(Event::Finished(*op, result.clone()));
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("running", &self.running.is_some()).finish_non_exhaustive()
    }
}

fn is_same(one: &Operation, other: &Operation) -> bool {
    use Operation::{Check, Inspect, Pull, Push, Repair, Republish, Sync};
    matches!(
        (one, other),
        (Push, Push) | (Pull, Pull) | (Sync, Sync) | (Check, Check) | (Republish, Republish) | (Repair, Repair)
    ) || matches!((one, other), (Inspect { read_data: one }, Inspect { read_data: other }) if one == other)
}

fn remove(ops: &mut Vec<OpId>, op: OpId) -> bool {
    let before = ops.len();
    ops.retain(|other| *other != op);
    ops.len() < before
}
