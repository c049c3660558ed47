//! What tasks see of the engine: steps on the state, requests with their retries, sleeps and flushes.

use super::api::{Event, Output, Phase, Progress, Request, RequestId, StretchId, TransportFailure};
use super::presign::SignedUrl;
use super::state::{State, Tx};
use crate::crypto::{StretchRequest, StretchedKey};
use crate::s3::{
    Action, Answer, Backoff, Call, Credentials, EtagQuoting, Failure, HttpRequest, KEYS_END_MS, RequestKind, Retry,
    StoreUri, corrected_skew_ms, deadline_ms, http_date_unix_ms,
};
use crate::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The one handle to the state; no borrow of it can live across an await.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The state, for a moment. One owner calls the engine, so nobody waits here.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads.
    pub(super) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.lock())
    }

    /// One step: one commit.
    pub(super) fn step<R>(&self, step: impl FnMut(&mut Tx<'_>) -> Result<R, Error>) -> Result<R, Error> {
        self.lock().step(step)
    }

    pub(super) fn event(&self, event: Event) {
        self.lock().waits.push(Output::Event(event));
    }

    pub(super) fn progress(&self, phase: Phase, done: u64, total: u64) {
        self.event(Event::Progress(Progress { phase, done, total }));
    }

    /// Lets the platform have its turn between two slices of work.
    pub(super) async fn yield_now(&self) {
        self.sleep(0).await;
    }

    pub(super) async fn sleep(&self, ms: u64) {
        let woken = {
            let mut state = self.lock();
            let wake_ms = state.now.monotonic_ms.saturating_add(ms);
            state.waits.sleep_until(wake_ms)
        };
        let _ = woken.await; // the engine is gone: so is this task
    }

    /// Waits until everything committed so far survives power loss: only durable state is published.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        let flushed = {
            let mut state = self.lock();
            if let Some(broken) = &state.broken {
                return Err(broken.clone());
            }
            if state.persisted >= state.committed {
                return Ok(());
            }
            let up_to = state.committed;
            state.waits.expect_flush(up_to)
        };
        flushed.await.unwrap_or_else(|_| Err(cancelled()))
    }

    pub(super) async fn stretch(&self, request: StretchRequest) -> Result<StretchedKey, Error> {
        let stretched = {
            let mut state = self.lock();
            let id = StretchId(state.waits.next_id());
            state.waits.push(Output::Stretch(id, request));
            state.waits.expect_stretch(id)
        };
        stretched.await.unwrap_or_else(|_| Err(cancelled()))
    }

    /// Makes one S3 call: signs, sends, waits, tries again within the budget. Each try is a new request.
    pub(super) async fn call(&self, call: &Call) -> Result<Answer, Failure> {
        self.call_counted(call, &mut 0).await
    }

    /// The same; `tries` counts the requests it took. A write of more than one is ambiguous: an earlier one may land late.
    pub(super) async fn call_counted(&self, call: &Call, tries: &mut u32) -> Result<Answer, Failure> {
        let (store, retries) = self.read(|state| (state.config.store.clone(), state.config.retries));
        let presigned = self.is_presigned(&store);
        let mut quoting = EtagQuoting::Quoted;
        let mut backoff = Backoff::default();
        let mut attempt = 0;
        let mut corrected = false;
        let mut redirected = false;
        let mut renewed = false;
        loop {
            let store = self.store(&store);
            let (failure, credentials) = match self.signed(&store, call, quoting).await {
                Ok((http, credentials)) => {
                    *tries += 1;
                    let failure = match self.send(http, call.billing_kind()).await {
                        Ok(response) => match call.interpret(&store, &response) {
                            Ok(answer) => {
                                self.lock().budget.answered(attempt > 0);
                                return Ok(answer);
                            }
                            Err(failure) if presigned && SignedUrl::is_refused(&failure) => {
                                self.lock().reused_url = None;
                                if renewed {
                                    return Err(SignedUrl::refused_again(failure));
                                }
                                renewed = true; // it may have expired on its way
                                continue;
                            }
                            Err(failure) => failure,
                        },
                        Err(Sent::Never(error)) => return Err(never(error)),
                        Err(Sent::Perhaps(failure)) => transport_failure(&store, &failure),
                    };
                    (failure, credentials)
                }
                Err(failure) => (failure, None),
            };
            let wait_ms = match &failure.retry {
                Retry::Backoff { retry_after_ms } | Retry::BackoffThenListV1 { retry_after_ms }
                    if attempt < times(&failure.retry, retries) || planted!(RetriesUnbounded) =>
                {
                    let mut state = self.lock();
                    if !state.budget.take() && !planted!(RetriesUnbounded) {
                        return Err(failure);
                    }
                    backoff.next_wait_ms(state.random(), retry_after_ms.filter(|_| !planted!(RetryAfterIgnored)))
                }
                Retry::Clock { server_unix_ms } if !corrected => {
                    corrected = true;
                    if !self.correct_clock(*server_unix_ms) {
                        return Err(failure);
                    }
                    0
                }
                Retry::Region(region) if !redirected => {
                    redirected = true;
                    let region = region.clone();
                    self.step(|tx| {
                        tx.head.bucket.region = Some(region.clone());
                        Ok(())
                    })
                    .map_err(never)?;
                    0
                }
                Retry::Credentials if !renewed => {
                    renewed = true;
                    self.forget_credentials(credentials.as_ref());
                    match self.credentials(&store).await {
                        Ok(newest) if newest != credentials => 0,
                        _ => return Err(failure),
                    }
                }
                Retry::Unquoted if quoting == EtagQuoting::Quoted => {
                    quoting = EtagQuoting::Unquoted;
                    0
                }
                _ => return Err(failure),
            };
            attempt += 1;
            self.sleep(wait_ms).await;
        }
    }

    /// The store, with what the server told about its region.
    fn store(&self, store: &StoreUri) -> StoreUri {
        self.read(|state| store.in_region(state.head.bucket.region.as_deref()))
    }

    /// The bucket's clock corrects signing alone, after a refusal that it may explain, by at most 7 days. False: it
    /// explains nothing, or too much.
    fn correct_clock(&self, server_unix_ms: u64) -> bool {
        let (unix_ms, known_ms) = self.read(|state| (state.now.unix_ms, state.head.bucket.skew_ms));
        let Some(skew_ms) = corrected_skew_ms(server_unix_ms, unix_ms, known_ms) else { return false };
        self.step(|tx| {
            tx.head.bucket.skew_ms = skew_ms;
            Ok(())
        })
        .is_ok()
    }

    /// Keys that hold good for a while yet, asked of the platform if the known ones don't; folders need none.
    async fn credentials(&self, store: &StoreUri) -> Result<Option<Credentials>, Failure> {
        if matches!(store, StoreUri::Folder(_)) {
            return Ok(None);
        }
        let (known, wanted) = {
            let mut state = self.lock();
            let known = state.credentials.clone().map(|known| {
                let left_ms = known.expires_unix_ms().map(|end_ms| end_ms.saturating_sub(state.signing_ms()));
                (known, left_ms.unwrap_or(u64::MAX))
            });
            match known {
                Some((known, KEYS_END_MS..)) => return Ok(Some(known)),
                known => (known, state.waits.want_credentials()),
            }
        };
        match (wanted.await, known) {
            (Ok(Ok(credentials)), _) => Ok(Some(credentials)),
            // Whoever hands them out is away for a moment: the old ones have not ended yet.
            (Ok(Err(_)), Some((known, 1..))) => Ok(Some(known)),
            // They have ended, but whoever gave them may only be out of reach: the next try asks again.
            (Ok(Err(failure)), Some(_)) => Err(never(transport_failure(store, &failure).error.retryable())),
            (Ok(Err(failure)), None) => Err(never(transport_failure(store, &failure).error)),
            (Err(_), _) => Err(never(cancelled())),
        }
    }

    /// The server refused these; others that came meanwhile stay.
    fn forget_credentials(&self, refused: Option<&Credentials>) {
        let mut state = self.lock();
        if state.credentials.as_ref() == refused {
            state.credentials = None;
        }
    }

    /// The call as a request that may be sent, and the keys that it is signed with here.
    async fn signed(
        &self,
        store: &StoreUri,
        call: &Call,
        quoting: EtagQuoting,
    ) -> Result<(HttpRequest, Option<Credentials>), Failure> {
        if self.is_presigned(store) {
            return Ok((self.presigned(store, call, quoting).await?, None));
        }
        let credentials = self.credentials(store).await?;
        let signed_ms = self.read(State::signing_ms);
        let http = call.request(store, credentials.as_ref(), signed_ms, quoting).map_err(never)?;
        Ok((http, credentials))
    }

    async fn send(&self, mut http: HttpRequest, kind: RequestKind) -> Result<crate::s3::Response, Sent> {
        let (id, answer) = {
            let mut state = self.lock();
            if planted!(NameInHeader) {
                http.headers.push(("x-amz-meta-device".to_owned(), state.config.device_name.clone()));
            }
            let id = RequestId(state.waits.next_id());
            let bytes = http.body.len() as u64 + http.max_response_bytes;
            let deadline_ms = state.now.monotonic_ms.saturating_add(deadline_ms(state.config.timeout_ms, bytes));
            state.count_sent(kind, http.body.len() as u64);
            let answer = state.waits.expect_answer(id, deadline_ms);
            state.waits.push(Output::Send(Request {
                id,
                method: http.method,
                url: http.url,
                headers: http.headers,
                body: http.body,
                max_response_bytes: http.max_response_bytes,
            }));
            (id, answer)
        };
        let guard = Abandon { shared: self, id };
        let answer = answer.await;
        std::mem::forget(guard);
        match answer {
            Ok(Ok(response)) => {
                let mut state = self.lock();
                state.count_received(response.body.len() as u64);
                state.server_ms = response.header("date").and_then(http_date_unix_ms).or(state.server_ms);
                drop(state);
                Ok(response)
            }
            Ok(Err(failure)) => Err(Sent::Perhaps(failure)),
            Err(_) => Err(Sent::Never(cancelled())),
        }
    }
}

/// Why a request brought no answer.
enum Sent {
    /// It never left.
    Never(Error),
    /// It may have taken effect.
    Perhaps(TransportFailure),
}

/// Dropped before its answer came, a request is withdrawn or aborted.
struct Abandon<'a> {
    shared: &'a Shared,
    id: RequestId,
}

/// How often a call is made again: where it has another form, once.
fn times(retry: &Retry, retries: u32) -> u32 {
    if matches!(retry, Retry::BackoffThenListV1 { .. }) { retries.min(1) } else { retries }
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.shared.lock().waits.abandon(self.id);
    }
}

/// What a transport's failure means: the error, and whether trying again may help.
pub fn transport_failure(store: &StoreUri, failure: &TransportFailure) -> Failure {
    let again = Retry::Backoff { retry_after_ms: None };
    let (kind, message, step, retry) = match failure {
        TransportFailure::Timeout => (
            ErrorKind::Timeout,
            "the store did not answer in time".to_owned(),
            "check the network, or raise the timeout",
            again,
        ),
        TransportFailure::Connect(why) => (
            ErrorKind::Network,
            format!("the store cannot be reached: {why}"),
            match store {
                StoreUri::S3(_) => "check the endpoint and the network",
                StoreUri::Folder(_) => "check the folder's path, and that its disk is there",
            },
            again,
        ),
        TransportFailure::Tls(why) => (
            ErrorKind::Network,
            format!("TLS failed: {why}"),
            "check the endpoint's certificate and the device's clock",
            Retry::Never,
        ),
        TransportFailure::Reset(why) => {
            (ErrorKind::Network, format!("the connection broke: {why}"), "check the network, then try again", again)
        }
        TransportFailure::TooLong => (
            ErrorKind::Corrupt,
            "the answer is longer than any valid one".to_owned(),
            "check that the endpoint is an S3 server",
            Retry::Never,
        ),
        TransportFailure::NoCredentials(why) => (
            ErrorKind::Auth,
            format!("no credentials: {why}"),
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or save keys with \
             `tidelock credentials set`",
            Retry::Never,
        ),
    };
    let mut error = Error::new(kind, message).on(store.to_string()).next_step(step);
    if !matches!(retry, Retry::Never) {
        error = error.retryable();
    }
    Failure { error, retry }
}

/// Nothing helps.
pub(super) fn never(error: Error) -> Failure {
    Failure { error, retry: Retry::Never }
}

/// The caller's own wish.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled by the caller")
}
