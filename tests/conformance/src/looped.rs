//! A device driven by a small loop of the tests' own: with a clock that may be off, one request at a time, and waits that
//! cost nothing.

use crate::wire::Wire;
use crate::{Device, Fault, Faults, Place};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tidelock::{
    Change, Collection, Conflict, Credentials, Entry, Error, KeyRange, Secret, Status, StoreUri, SyncReport, Written,
};
use tidelock_core::crypto::{Entropy, stretch};
use tidelock_core::local::MemoryLocal;
use tidelock_core::s3::{HttpRequest, Response};
use tidelock_core::{Config, Engine, Event, Now, Operation, Outcome, Output, Request, TransportFailure};

/// A device that this loop runs. Its local store is in memory.
pub struct Looped {
    engine: Engine,
    wire: Wire,
    credentials: Option<Credentials>,
    /// Faults of a folder store are made here: it has no proxy before it.
    faults: Option<Faults>,
    start: Instant,
    /// What waiting would have taken.
    skipped_ms: u64,
    clock_shift_ms: i64,
}

impl Looped {
    /// A device that is no member yet, and whose clock is `clock_shift_ms` ahead.
    pub(crate) fn new(place: &Place, device: &str, clock_shift_ms: i64) -> Self {
        let store: StoreUri = place.uri().parse().expect("the place's address");
        let wire = Wire::new(&store);
        let (start, skipped_ms) = (Instant::now(), 0);
        let local = Box::new(MemoryLocal::new());
        let now = now(start, skipped_ms, clock_shift_ms);
        let engine = Engine::open(Config::new(store, device), local, Box::new(SystemEntropy), now).expect("an engine");
        let faults = place.proxy().is_none().then(|| place.faults().clone());
        Self { engine, wire, credentials: place.credentials().cloned(), faults, start, skipped_ms, clock_shift_ms }
    }

    pub(crate) fn create(&mut self) -> Result<Secret, Error> {
        match self.run(Operation::Create { passphrase: None })? {
            Outcome::Created { recovery_code } => Ok(Secret::Recovery(recovery_code)),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn join(&mut self, secret: &Secret) {
        self.run(Operation::Join { secret: secret.clone() }).expect("a joined vault");
    }

    /// Lets time pass, in ms.
    pub fn skip(&mut self, ms: u64) {
        self.skipped_ms += ms;
        self.clock_shift_ms += ms as i64;
    }

    /// What it would have waited for so far, in ms.
    pub fn waited_ms(&self) -> u64 {
        self.skipped_ms
    }

    /// Runs an operation to its end.
    fn run(&mut self, operation: Operation) -> Result<Outcome, Error> {
        let id = self.engine.start(operation, self.now());
        loop {
            while let Some(output) = self.engine.poll_output(self.now()) {
                match output {
                    Output::Send(request) => self.send(request),
                    Output::Abort(_) => {}
                    Output::Presign(..) => panic!("it has keys"),
                    Output::NeedCredentials => {
                        let none = || TransportFailure::NoCredentials("a folder needs none".into());
                        let credentials = self.credentials.clone().ok_or_else(none);
                        self.engine.handle_credentials(credentials, self.now());
                    }
                    Output::Persist(commit, _) => self.engine.handle_persisted(commit, Ok(()), self.now()),
                    Output::Stretch(id, request) => {
                        self.engine.handle_stretched(id, stretch(&request), self.now());
                    }
                    Output::Event(Event::Finished(done, result)) if done == id => return result,
                    Output::Event(_) => {}
                }
            }
            let due_ms = self.engine.poll_timeout().expect("something to wait for: nothing is in flight");
            self.skipped_ms += due_ms.saturating_sub(self.now().monotonic_ms);
            self.engine.handle_timeout(self.now());
        }
    }

    fn send(&mut self, request: Request) {
        let Request { id, method, url, headers, body, max_response_bytes } = request;
        let request = HttpRequest { method, url, headers, body, max_response_bytes };
        match self.answer(&request) {
            Ok(response) => self.engine.handle_response(id, response, self.now()),
            Err(failure) => self.engine.handle_failure(id, failure, self.now()),
        }
    }

    fn answer(&self, request: &HttpRequest) -> Result<Response, TransportFailure> {
        let fault = self.faults.as_ref().and_then(|faults| faults.next(request.method.as_str(), &request.url));
        let Some(fault) = fault else { return self.wire.send(request) };
        if fault.has_effect() {
            self.wire.send(request)?;
        }
        if let Some((status, code, retry_after)) = fault.refusal() {
            let headers = retry_after.map(|s| ("retry-after".to_owned(), s.to_string())).into_iter().collect();
            return Ok(Response { status, headers, body: format!("<Error><Code>{code}</Code></Error>").into() });
        }
        Err(match fault {
            Fault::Silence { .. } => TransportFailure::Timeout,
            _ => TransportFailure::Reset("by the test".into()),
        })
    }

    fn now(&self) -> Now {
        now(self.start, self.skipped_ms, self.clock_shift_ms)
    }
}

fn now(start: Instant, skipped_ms: u64, clock_shift_ms: i64) -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Now {
        monotonic_ms: start.elapsed().as_millis() as u64 + skipped_ms,
        unix_ms: (unix.as_millis() as u64).saturating_add_signed(clock_shift_ms),
    }
}

impl Device for Looped {
    fn write(&mut self, changes: Vec<Change>) -> Result<Written, Error> {
        self.engine.write(&changes, self.now())
    }

    fn try_sync(&mut self) -> Result<SyncReport, Error> {
        match self.run(Operation::Sync)? {
            Outcome::Synced(report) => Ok(report),
            other => panic!("{other:?}"),
        }
    }

    fn entries(&mut self, collection: &Collection) -> Result<Vec<Entry>, Error> {
        self.engine.list(collection, &KeyRange::default(), u32::MAX)
    }

    fn conflicts(&mut self) -> Result<Vec<Conflict>, Error> {
        self.engine.conflicts(None, u32::MAX)
    }

    fn status(&mut self) -> Status {
        self.engine.status().expect("the status")
    }
}

/// The operating system's random bytes.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("random bytes");
    }
}
