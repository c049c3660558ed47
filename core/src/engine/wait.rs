//! What the engine waits for: answers, sleeps, credentials, signed URLs, stretched keys, durable commits; and what it has
//! to say.

use super::api::{CommitId, Output, PresignId, RequestId, StretchId, TransportFailure};
use super::presign::{SignedUrl, UnsignedRequest};
use crate::Error;
use crate::crypto::StretchedKey;
use crate::s3::{Credentials, Response};
use futures::channel::oneshot;
use std::collections::{BTreeMap, VecDeque};

/// What came back for a request.
pub(super) type Answer = Result<Response, TransportFailure>;

/// What came of a request that somebody else was to sign.
pub(super) type Signed = Result<SignedUrl, TransportFailure>;

/// Tables of what is under way; `handle_*` calls change nothing else.
#[derive(Default)]
pub(super) struct Waits {
    /// Counts every id the engine gives out.
    last_id: u64,
    outbox: VecDeque<Output>,
    in_flight: BTreeMap<RequestId, InFlight>,
    presigns: BTreeMap<PresignId, Presign>,
    /// By wake-up time, monotonic ms.
    sleepers: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    stretches: BTreeMap<StretchId, oneshot::Sender<Result<StretchedKey, Error>>>,
    flushes: Vec<(CommitId, oneshot::Sender<Result<(), Error>>)>,
    credentials_wanted: Vec<oneshot::Sender<Result<Credentials, TransportFailure>>>,
}

struct InFlight {
    deadline_ms: u64,
    answer: oneshot::Sender<Answer>,
}

struct Presign {
    deadline_ms: u64,
    signed: oneshot::Sender<Signed>,
}

impl Waits {
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    pub(super) fn expect_answer(&mut self, id: RequestId, deadline_ms: u64) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        self.in_flight.insert(id, InFlight { deadline_ms, answer });
        receiver
    }

    /// Hands an answer to whoever waits; late and unknown ids are nobody's.
    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) -> bool {
        self.in_flight.remove(&id).is_some_and(|waiting| waiting.answer.send(answer).is_ok())
    }

    /// Nobody waits any more: withdraws an unsent request, or tells the platform to stop a sent one.
    pub(super) fn abandon(&mut self, id: RequestId) {
        if self.in_flight.remove(&id).is_some() {
            self.withdraw_or_abort(id);
        }
    }

    fn withdraw_or_abort(&mut self, id: RequestId) {
        let before = self.outbox.len();
        self.outbox.retain(|output| !matches!(output, Output::Send(request) if request.id == id));
        if self.outbox.len() == before {
            self.outbox.push_back(Output::Abort(id));
        }
    }

    /// Asks for a signature. The platform is not told when nobody waits for it any more: its answer is ignored then.
    pub(super) fn want_presigned(&mut self, unsigned: UnsignedRequest, deadline_ms: u64) -> oneshot::Receiver<Signed> {
        let (signed, receiver) = oneshot::channel();
        let id = PresignId(self.next_id());
        self.presigns.insert(id, Presign { deadline_ms, signed });
        self.push(Output::Presign(id, unsigned));
        receiver
    }

    pub(super) fn presigned(&mut self, id: PresignId, signed: Signed) {
        if let Some(waiting) = self.presigns.remove(&id) {
            let _ = waiting.signed.send(signed); // whoever wanted it was cancelled
        }
    }

    pub(super) fn sleep_until(&mut self, wake_ms: u64) -> oneshot::Receiver<()> {
        let (waker, receiver) = oneshot::channel();
        let id = self.next_id();
        self.sleepers.insert((wake_ms, id), waker);
        receiver
    }

    pub(super) fn expect_stretch(&mut self, id: StretchId) -> oneshot::Receiver<Result<StretchedKey, Error>> {
        let (sender, receiver) = oneshot::channel();
        self.stretches.insert(id, sender);
        receiver
    }

    pub(super) fn stretched(&mut self, id: StretchId, key: Result<StretchedKey, Error>) {
        if let Some(sender) = self.stretches.remove(&id) {
            let _ = sender.send(key); // whoever wanted it was cancelled
        }
    }

    /// The first to want credentials asks for them; all get the one answer.
    pub(super) fn want_credentials(&mut self) -> oneshot::Receiver<Result<Credentials, TransportFailure>> {
        let (sender, receiver) = oneshot::channel();
        if self.credentials_wanted.is_empty() {
            self.push(Output::NeedCredentials);
        }
        self.credentials_wanted.push(sender);
        receiver
    }

    pub(super) fn credentials(&mut self, credentials: &Result<Credentials, TransportFailure>) {
        for sender in self.credentials_wanted.drain(..) {
            let _ = sender.send(credentials.clone()); // whoever wanted them was cancelled
        }
    }

    pub(super) fn expect_flush(&mut self, up_to: CommitId) -> oneshot::Receiver<Result<(), Error>> {
        let (sender, receiver) = oneshot::channel();
        self.flushes.push((up_to, sender));
        receiver
    }

    pub(super) fn flushed(&mut self, up_to: CommitId, result: &Result<(), Error>) {
        let all = std::mem::take(&mut self.flushes);
        for (commit, sender) in all {
            if commit <= up_to || result.is_err() {
                let _ = sender.send(result.clone()); // whoever waited was cancelled
            } else {
                self.flushes.push((commit, sender));
            }
        }
    }

    /// Wakes sleepers, and ends requests and signings whose time has come.
    pub(super) fn time_is(&mut self, monotonic_ms: u64) {
        let late: Vec<PresignId> = self
            .presigns
            .iter()
            .filter(|(_, waiting)| waiting.deadline_ms <= monotonic_ms)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.presigned(id, Err(TransportFailure::Timeout));
        }
        let late: Vec<RequestId> = self
            .in_flight
            .iter()
            .filter(|(_, waiting)| waiting.deadline_ms <= monotonic_ms)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.withdraw_or_abort(id);
            self.answer(id, Err(TransportFailure::Timeout));
        }
        let still_asleep = self.sleepers.split_off(&(monotonic_ms.saturating_add(1), 0));
        for waker in std::mem::replace(&mut self.sleepers, still_asleep).into_values() {
            let _ = waker.send(()); // whoever slept was cancelled
        }
    }

    /// When `time_is` has something to do next.
    pub(super) fn next_wake_ms(&self) -> Option<u64> {
        let deadlines = self.in_flight.values().map(|waiting| waiting.deadline_ms);
        let wakes = self.sleepers.iter().filter(|(_, waker)| !waker.is_canceled()).map(|((wake_ms, _), _)| *wake_ms);
        let signed = self.presigns.values().filter(|waiting| !waiting.signed.is_canceled());
        deadlines.chain(wakes).chain(signed.map(|waiting| waiting.deadline_ms)).min()
    }
}
