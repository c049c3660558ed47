//! Makes requests: signs or has them signed, sends, waits, and tries again by the core's rules.

use crate::clock::unix_ms;
use crate::transport::{Begun, http_client};
use crate::{CredentialSource, Credentials, Error, Options, Presign, StoreUri, credentials};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidelock_core::TransportFailure;
use tidelock_core::engine::{SignedUrl, UnsignedRequest, transport_failure};
use tidelock_core::s3::{
    Action, Backoff, EtagQuoting, Failure, GetObject, HttpRequest, KEYS_END_MS, ReadStart, Response, Retry,
    RetryBudget, corrected_skew_ms, deadline_ms,
};

/// One store's requests.
pub(super) struct Driver {
    store: StoreUri,
    credentials: CredentialSource,
    presign: Option<Presign>,
    local: PathBuf,
    client: reqwest::Client,
    timeout: Duration,
    retries: u32,
    known: Mutex<Known>,
}

/// What the server taught, and the keys until they end.
#[derive(Default)]
struct Known {
    keys: Option<Credentials>,
    region: Option<String>,
    skew_ms: i64,
    budget: RetryBudget,
}

/// The tries of one request.
#[derive(Default)]
pub(super) struct Tries {
    quoting: EtagQuoting,
    backoff: Backoff,
    attempt: u32,
    corrected: bool,
    renewed: bool,
    redirected: bool,
}

impl Driver {
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        Ok(Self {
            store: options.store.clone(),
            credentials: options.credentials.clone(),
            presign: options.presign.clone(),
            local: options.local.clone(),
            client: http_client()?,
            timeout: options.timeout,
            retries: options.retries,
            known: Mutex::default(),
        })
    }

    /// Carries an action out.
    pub(super) async fn call<A: Action>(&self, action: &A) -> Result<A::Answer, Failure> {
        self.call_patiently(action, Duration::ZERO).await
    }

    /// The same, with so much more time for the server.
    pub(super) async fn call_patiently<A: Action>(&self, action: &A, more: Duration) -> Result<A::Answer, Failure> {
        self.drive(
            more,
            |store, credentials, ms, quoting| action.request(store, credentials, ms, quoting),
            |store, response| action.interpret(store, response),
        )
        .await
    }

    /// The same, for what is no action on a store.
    pub(super) async fn drive<T>(
        &self,
        more: Duration,
        request: impl Fn(&StoreUri, Option<&Credentials>, u64, EtagQuoting) -> Result<HttpRequest, Error>,
        interpret: impl Fn(&StoreUri, &Response) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut tries = Tries::default();
        loop {
            let store = self.store();
            let request = self.signed(&store, &mut tries, &request).await?;
            let bytes_max = request.max_response_bytes;
            let deadline = self.deadline(request.body.len() as u64 + bytes_max) + more;
            let begun = Begun::of(&self.client, request, self.timeout + more);
            let whole = async { begun.await?.whole(bytes_max).await };
            let failure = match in_time(deadline, whole).await {
                Ok(response) => match interpret(&store, &response) {
                    Ok(answer) => {
                        self.known().budget.answered(tries.attempt > 0);
                        return Ok(answer);
                    }
                    Err(failure) => self.refusal(&tries, failure),
                },
                Err(failure) => transport_failure(&store, &failure),
            };
            self.again(&mut tries, failure).await?;
        }
    }

    /// Begins to read an object; its content follows, if it is there.
    pub(super) async fn begin(&self, get: &GetObject, tries: &mut Tries) -> Result<(ReadStart, Begun), Failure> {
        let request = |store: &StoreUri, credentials: Option<&Credentials>, ms, quoting| {
            get.request(store, credentials, ms, quoting)
        };
        loop {
            let store = self.store();
            let request = self.signed(&store, tries, request).await?;
            let bytes_max = request.max_response_bytes;
            let begun = async {
                let mut begun = Begun::of(&self.client, request, self.timeout).await?;
                if !matches!(begun.head.status, 200 | 206) {
                    begun.read_whole(bytes_max).await?;
                }
                Ok(begun)
            };
            let failure = match in_time(self.deadline(bytes_max), begun).await {
                Ok(begun) => match get.begin(&store, &begun.head) {
                    // Servers that compare bare texts say so of every ETag in quotes.
                    Ok(ReadStart::Changed) if tries.quoting == EtagQuoting::Quoted => {
                        tries.quoting = EtagQuoting::Unquoted;
                        continue;
                    }
                    Ok(start) => {
                        self.known().budget.answered(tries.attempt > 0);
                        return Ok((start, begun));
                    }
                    Err(failure) => self.refusal(tries, failure),
                },
                Err(failure) => transport_failure(&store, &failure),
            };
            self.again(tries, failure).await?;
        }
    }

    /// The next piece of a body that was begun.
    pub(super) async fn chunk(&self, body: &mut Begun) -> Result<Option<bytes::Bytes>, Failure> {
        body.chunk().await.map_err(|failure| transport_failure(&self.store, &failure))
    }

    /// Waits for the next try, or gives the failure back if there is none.
    pub(super) async fn again(&self, tries: &mut Tries, failure: Failure) -> Result<(), Failure> {
        let wait_ms = match &failure.retry {
            Retry::BackoffThenListV1 { .. } if tries.attempt > 0 => return Err(failure),
            Retry::Backoff { retry_after_ms } | Retry::BackoffThenListV1 { retry_after_ms }
                if tries.attempt < self.retries =>
            {
                if !self.known().budget.take() {
                    return Err(failure);
                }
                tries.backoff.next_wait_ms(getrandom::u64().unwrap_or(u64::MAX), *retry_after_ms)
            }
            Retry::Clock { server_unix_ms } if !tries.corrected => {
                tries.corrected = true;
                let mut known = self.known();
                match corrected_skew_ms(*server_unix_ms, unix_ms(), known.skew_ms) {
                    Some(skew_ms) => known.skew_ms = skew_ms,
                    None => return Err(failure),
                }
                0
            }
            Retry::Region(region) if !tries.redirected => {
                tries.redirected = true;
                self.known().region = Some(region.clone());
                0
            }
            Retry::Unquoted if tries.quoting == EtagQuoting::Quoted => {
                tries.quoting = EtagQuoting::Unquoted;
                0
            }
            Retry::Credentials if !tries.renewed => {
                tries.renewed = true;
                let refused = self.known().keys.take();
                if self.presign.is_none() && refused.as_ref() == Some(&self.keys(&self.store()).await?) {
                    return Err(failure);
                }
                0
            }
            _ => return Err(failure),
        };
        tries.attempt += 1;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        Ok(())
    }

    /// The store, with what the server told about its region.
    pub(super) fn store(&self) -> StoreUri {
        self.store.in_region(self.known().region.as_deref())
    }

    /// Whether requests are signed elsewhere, in their URLs.
    pub(super) fn is_presigned(&self) -> bool {
        self.presign.is_some()
    }

    /// The request, signed; a signer, or who has the keys, may be asked more than once.
    async fn signed(
        &self,
        store: &StoreUri,
        tries: &mut Tries,
        request: impl Fn(&StoreUri, Option<&Credentials>, u64, EtagQuoting) -> Result<HttpRequest, Error>,
    ) -> Result<HttpRequest, Failure> {
        loop {
            match self.signed_once(store, tries, &request).await {
                Ok(signed) => return Ok(signed),
                Err(failure) => self.again(tries, failure).await?,
            }
        }
    }

    async fn signed_once(
        &self,
        store: &StoreUri,
        tries: &Tries,
        request: impl Fn(&StoreUri, Option<&Credentials>, u64, EtagQuoting) -> Result<HttpRequest, Error>,
    ) -> Result<HttpRequest, Failure> {
        let signed_ms = unix_ms().saturating_add_signed(self.known().skew_ms);
        let built = |keys: Option<&Credentials>| {
            let request = request(store, keys, signed_ms, tries.quoting);
            request.map_err(|error| Failure { error, retry: Retry::Never })
        };
        let Some(presign) = &self.presign else { return built(Some(&self.keys(store).await?)) };
        let request = built(None)?;
        let asked = UnsignedRequest::of(store, &request);
        let answer = in_time(self.timeout, presign.sign(self.client.clone(), asked.clone())).await;
        Ok(asked.checked(answer)?.on(request))
    }

    /// What a store's refusal means: of what a signer signed, the first time, that it may have expired on its way.
    fn refusal(&self, tries: &Tries, failure: Failure) -> Failure {
        match self.is_presigned() && SignedUrl::is_refused(&failure) {
            false => failure,
            true if tries.renewed => SignedUrl::refused_again(failure),
            true => Failure { retry: Retry::Credentials, ..failure },
        }
    }

    /// Keys that hold good for a while yet: a source may be a server, and is not asked for each request.
    async fn keys(&self, store: &StoreUri) -> Result<Credentials, Failure> {
        let known = self.known().keys.clone();
        let until_ms = unix_ms().saturating_add(KEYS_END_MS);
        if let Some(keys) = known.filter(|keys| keys.expires_unix_ms().is_none_or(|end_ms| end_ms > until_ms)) {
            return Ok(keys);
        }
        let loaded = credentials::load(self.credentials.clone(), self.store.clone(), self.local.clone()).await;
        let keys = loaded.map_err(|failure| transport_failure(store, &failure))?;
        self.known().keys = Some(keys.clone());
        Ok(keys)
    }

    fn deadline(&self, body_bytes: u64) -> Duration {
        let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(deadline_ms(timeout_ms, body_bytes))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tries {
    /// What was read since shows that the store is there.
    pub(super) fn went_on(&mut self) {
        self.attempt = 0;
        self.backoff = Backoff::default();
    }
}

async fn in_time<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, TransportFailure>>,
) -> Result<T, TransportFailure> {
    tokio::time::timeout(deadline, work).await.unwrap_or(Err(TransportFailure::Timeout))
}
