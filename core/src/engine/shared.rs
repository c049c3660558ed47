//! What tasks see of the engine: steps on the state, requests with their retries, sleeps and flushes.

use super::api::{Event, Output, Phase, Progress, Request, RequestId, StretchId, TransportFailure};
use super::state::{State, Tx};
use crate::crypto::{StretchRequest, StretchedKey};
use crate::s3::{Answer, Backoff, Call, Credentials, EtagQuoting, Failure, Retry, StoreUri, http_date_unix_ms};
use crate::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A body's deadline grows by a millisecond for each 16 bytes: 16 KiB/s.
const DEADLINE_BYTES_PER_MS: u64 = 16;
/// A device's clock is corrected by this much at most, for signing.
const SKEW_MS_MAX: i64 = 7 * 24 * 3600 * 1000;
/// No server minds a clock that is off by less; most take 15 minutes.
const SKEW_MS_MIN: u64 = 60 * 1000;

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
        let mut quoting = EtagQuoting::Quoted;
        let mut backoff = Backoff::default();
        let mut attempt = 0;
        let mut corrected = false;
        let mut redirected = false;
        loop {
            let store = self.store(&store);
            *tries += 1;
            let response = match self.send(&store, call, quoting).await {
                Ok(response) => Ok(response),
                Err(Sent::Never(error)) => return Err(Failure { error, retry: Retry::Never }),
                Err(Sent::Perhaps(failure)) => Err(failure),
            };
            let failure = match response {
                Ok(response) => match call.interpret(&store, &response) {
                    Ok(answer) => {
                        self.lock().budget.answered(attempt > 0);
                        return Ok(answer);
                    }
                    Err(failure) => failure,
                },
                Err(failure) => transport_failure(&store, &failure),
            };
            let wait_ms = match &failure.retry {
                Retry::Backoff { retry_after_ms } if attempt < retries || planted!(RetriesUnbounded) => {
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
                    .map_err(|error| Failure { error, retry: Retry::Never })?;
                    0
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
        match (store, self.read(|state| state.head.bucket.region.clone())) {
            (StoreUri::S3(s3), Some(region)) => {
                let mut s3 = s3.clone();
                match s3.set_region(&region) {
                    Ok(()) => StoreUri::S3(s3),
                    Err(_) => store.clone(), // no region's name: the server keeps refusing, and says so
                }
            }
            _ => store.clone(),
        }
    }

    /// The bucket's clock corrects signing alone, after a refusal that it may explain, by at most 7 days. False: it
    /// explains nothing, or too much.
    fn correct_clock(&self, server_unix_ms: u64) -> bool {
        let (unix_ms, known_ms) = self.read(|state| (state.now.unix_ms, state.head.bucket.skew_ms));
        let (Ok(server), Ok(own)) = (i64::try_from(server_unix_ms), i64::try_from(unix_ms)) else { return false };
        let skew_ms = server.saturating_sub(own);
        let fits = skew_ms.abs() <= SKEW_MS_MAX && skew_ms.abs_diff(known_ms) >= SKEW_MS_MIN;
        fits && self
            .step(|tx| {
                tx.head.bucket.skew_ms = skew_ms;
                Ok(())
            })
            .is_ok()
    }

    async fn credentials(&self, store: &StoreUri) -> Result<Option<Credentials>, Sent> {
        if matches!(store, StoreUri::Folder(_)) {
            return Ok(None);
        }
        let wanted = {
            let mut state = self.lock();
            if let Some(known) = &state.credentials {
                return Ok(Some(known.clone()));
            }
            state.waits.want_credentials()
        };
        match wanted.await {
            Ok(Ok(credentials)) => Ok(Some(credentials)),
            Ok(Err(failure)) => Err(Sent::Never(transport_failure(store, &failure).error)),
            Err(_) => Err(Sent::Never(cancelled())),
        }
    }

    async fn send(&self, store: &StoreUri, call: &Call, quoting: EtagQuoting) -> Result<crate::s3::Response, Sent> {
        let credentials = self.credentials(store).await?;
        let (id, answer) = {
            let mut state = self.lock();
            let signed_ms = state.now.unix_ms.saturating_add_signed(state.head.bucket.skew_ms);
            let mut http = call.request(store, credentials.as_ref(), signed_ms, quoting).map_err(Sent::Never)?;
            if planted!(NameInHeader) {
                http.headers.push(("x-amz-meta-device".to_owned(), state.config.device_name.clone()));
            }
            let id = RequestId(state.waits.next_id());
            let bytes = http.body.len() as u64 + http.max_response_bytes;
            let deadline_ms = state
                .now
                .monotonic_ms
                .saturating_add(state.config.timeout_ms)
                .saturating_add(bytes / DEADLINE_BYTES_PER_MS);
            state.count_sent(call.billing_kind(), http.body.len() as u64);
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

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.shared.lock().waits.abandon(self.id);
    }
}

fn transport_failure(store: &StoreUri, failure: &TransportFailure) -> Failure {
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
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            Retry::Never,
        ),
    };
    let mut error = Error::new(kind, message).on(store.to_string()).next_step(step);
    if !matches!(retry, Retry::Never) {
        error = error.retryable();
    }
    Failure { error, retry }
}

/// The caller's own wish.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled by the caller")
}
