//! The thread that owns an open vault: its engine, its connections, and the lock while something runs.
//!
//! Calls come over a channel and are answered over oneshots, so that callers may use any async runtime, or several.

use crate::clock::{Clock, random_below};
use crate::transport::Transport;
use crate::{Awaited, Credentials, Error, ErrorKind, Event, Options, Waiting, credentials, directory};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidelock_core::crypto::{StretchedKey, stretch};
use tidelock_core::engine::{
    self, Engine, Now, OpId, Operation, Outcome, Output, PresignId, Request, RequestId, SignedUrl, StretchId,
    SyncReport, TransportFailure, UnsignedRequest,
};
use tidelock_core::local::LocalError;
use tidelock_core::s3::Response;
use tidelock_sqlite::{SyncLock, create_folder};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::AbortHandle;

/// How often a taken lock is tried again, with as much again of jitter: a file lock wakes nobody.
const LOCK_RETRY_MS: u64 = 25;
/// What is waited for is told after this long, and then again and again.
const WAIT_TOLD_AFTER: Duration = Duration::from_secs(2);
const WAIT_TOLD_EVERY: Duration = Duration::from_secs(10);
/// Events that a slow listener may be behind before it loses the oldest.
const EVENTS_MAX: usize = 256;

/// Where a caller's operation answers.
pub(crate) type Reply = oneshot::Sender<Result<Outcome, Error>>;

/// A caller's work on the engine.
type Call = Box<dyn FnOnce(&mut Engine, Now) + Send>;

/// What callers and the owner's own tasks tell it.
pub(crate) enum Message {
    /// Runs on the engine at once.
    Call(Call),
    /// Starts an operation under the caller's ticket.
    Start(u64, Operation, Reply),
    /// The caller of this ticket no longer waits.
    Cancel(u64),
    /// Runs on the owner's runtime until it ends or the vault closes.
    Spawn(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// A request ended.
    Answered(RequestId, Result<Response, TransportFailure>),
    /// The keys for the bucket, or why there are none.
    Credentials(Result<Credentials, TransportFailure>),
    /// A request was signed elsewhere.
    Presigned(PresignId, Result<SignedUrl, TransportFailure>),
    /// A passphrase was stretched.
    Stretched(StretchId, Result<StretchedKey, Error>),
    /// Cancels what runs and ends the thread; dropped when all is closed.
    Close(Option<oneshot::Sender<()>>),
}

/// The callers' end of an owner.
pub(crate) struct Running {
    pub(crate) messages: mpsc::UnboundedSender<Message>,
    /// Weak: what listens ends with the owner, not with the last handle.
    pub(crate) events: broadcast::WeakSender<Event>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    /// Cancels what runs; ends when the thread has ended.
    pub(crate) async fn close(&self) {
        let (closer, closed) = oneshot::channel();
        if self.messages.send(Message::Close(Some(closer))).is_ok() {
            // It is dropped rather than sent, when all else is.
            let _ = closed.await;
        }
        // The thread has nothing left to do: this takes no time. What it panicked with, it has told.
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.messages.send(Message::Close(None));
    }
}

/// Starts the thread; ready when the local store is open.
pub(crate) async fn start(options: Options, new_store: bool) -> Result<Running, Error> {
    let (messages, inbox) = mpsc::unbounded_channel();
    let (events, _) = broadcast::channel(EVENTS_MAX);
    let (opened, ready) = oneshot::channel();
    let (sender, weak_events) = (messages.clone(), events.downgrade());
    let thread = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(opened.send(Err(no_thread(&error)))),
        };
        let owner = match Owner::open(options, new_store, messages, inbox, events) {
            Ok(owner) => owner,
            Err(error) => return drop(opened.send(Err(error))),
        };
        if opened.send(Ok(())).is_ok() {
            let closed = runtime.block_on(owner.run());
            // Everything of the vault is gone before its closer hears so.
            drop(runtime);
            drop(closed);
        }
    };
    let thread =
        std::thread::Builder::new().name("tidelock".into()).spawn(thread).map_err(|error| no_thread(&error))?;
    let running = Running { messages: sender, events: weak_events, thread: Mutex::new(Some(thread)) };
    ready.await.map_err(|_| Error::new(ErrorKind::Internal, "the vault's thread ended while it opened"))??;
    Ok(running)
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("no thread for the vault can be started: {error}"))
}

/// An operation that waits for the lock.
struct Queued {
    ticket: u64,
    operation: Operation,
    reply: Reply,
}

/// An operation that the engine runs.
struct Started {
    ticket: u64,
    reply: Reply,
}

struct Owner {
    options: Options,
    engine: Engine,
    clock: Clock,
    lock: SyncLock,
    transport: Option<Transport>,
    inbox: mpsc::UnboundedReceiver<Message>,
    /// For the owner's own tasks.
    messages: mpsc::UnboundedSender<Message>,
    events: broadcast::Sender<Event>,
    waiting: Vec<Queued>,
    started: BTreeMap<OpId, Started>,
    requests: BTreeMap<RequestId, AbortHandle>,
    wait: Option<Wait>,
}

/// Something is waited for, and nothing has moved since.
struct Wait {
    for_lock: bool,
    since: Instant,
    told: u32,
}

impl Wait {
    fn due(&self) -> Instant {
        self.since + WAIT_TOLD_AFTER + WAIT_TOLD_EVERY * self.told
    }
}

impl Owner {
    fn open(
        options: Options,
        new_store: bool,
        messages: mpsc::UnboundedSender<Message>,
        inbox: mpsc::UnboundedReceiver<Message>,
        events: broadcast::Sender<Event>,
    ) -> Result<Self, Error> {
        let clock = Clock::new();
        let engine = if new_store {
            directory::check_apart(&options.store, &options.local)?;
            create_folder(&options.local)?;
            directory::open_or_create_engine(&options, &clock)?
        } else {
            directory::open_engine(&options, &clock)?
        };
        let lock = SyncLock::new(&options.local);
        let (waiting, started, requests) = Default::default();
        Ok(Self {
            options,
            engine,
            clock,
            lock,
            transport: None,
            inbox,
            messages,
            events,
            waiting,
            started,
            requests,
            wait: None,
        })
    }

    /// Runs until it is told to close; gives back whom to tell.
    async fn run(mut self) -> Option<oneshot::Sender<()>> {
        let closer = loop {
            self.admit();
            self.drain();
            if self.started.is_empty() {
                self.lock.release();
            }
            self.tell_wait();
            match self.next().await {
                Some(Message::Close(closer)) => break closer,
                Some(message) => self.take(message),
                // Early is harmless.
                None => self.engine.handle_timeout(self.clock.now()),
            }
        };
        for id in self.started.keys().copied().collect::<Vec<_>>() {
            self.engine.cancel(id, self.clock.now());
        }
        self.drain();
        closer
    }

    /// The next message, or `None` when something is due by time.
    async fn next(&mut self) -> Option<Message> {
        let now = Instant::now();
        let engine_due = self.engine.poll_timeout().map(|at| self.clock.instant(at));
        let lock_due = (!self.waiting.is_empty())
            .then(|| now + Duration::from_millis(LOCK_RETRY_MS + random_below(LOCK_RETRY_MS)));
        let wait_due = self.wait.as_ref().map(Wait::due);
        let Some(due) = engine_due.into_iter().chain(lock_due).chain(wait_due).min() else {
            // The owner holds a sender itself: the channel never ends.
            return self.inbox.recv().await;
        };
        if due <= now {
            // The engine has more to do at once; connections get their turn before it.
            tokio::task::yield_now().await;
        }
        tokio::select! {
            message = self.inbox.recv() => message,
            () = tokio::time::sleep_until(due.into()) => None,
        }
    }

    fn take(&mut self, message: Message) {
        let now = self.clock.now();
        match message {
            Message::Call(call) => call(&mut self.engine, now),
            Message::Start(ticket, operation, reply) => self.waiting.push(Queued { ticket, operation, reply }),
            Message::Cancel(ticket) => self.cancel(ticket),
            Message::Spawn(task) => drop(tokio::spawn(task)),
            Message::Answered(id, answer) => {
                self.requests.remove(&id);
                self.wait = None; // the store is there
                match answer {
                    Ok(response) => self.engine.handle_response(id, response, now),
                    Err(failure) => self.engine.handle_failure(id, failure, now),
                }
            }
            Message::Credentials(credentials) => self.engine.handle_credentials(credentials, now),
            Message::Presigned(id, signed) => self.engine.handle_presigned(id, signed, now),
            Message::Stretched(id, key) => self.engine.handle_stretched(id, key, now),
            Message::Close(_) => {}
        }
    }

    fn cancel(&mut self, ticket: u64) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        let id = self.started.iter().find(|(_, started)| started.ticket == ticket).map(|(id, _)| *id);
        if let Some(id) = id {
            self.engine.cancel(id, self.clock.now());
        }
    }

    /// Tells what is waited for, once that has lasted.
    fn tell_wait(&mut self) {
        let for_lock = !self.waiting.is_empty();
        if !for_lock && self.requests.is_empty() {
            self.wait = None;
            return;
        }
        let begun = Wait { for_lock, since: Instant::now(), told: 0 };
        let wait = match &mut self.wait {
            Some(wait) if wait.for_lock == for_lock => wait,
            wait => wait.insert(begun),
        };
        if wait.due() > Instant::now() {
            return;
        }
        wait.told += 1;
        let seconds = wait.since.elapsed().as_secs();
        let awaited = match (for_lock, self.lock.holder()) {
            (false, _) => Awaited::Store,
            (true, Some((id, busy))) => Awaited::Process { id: Some(id), busy_seconds: Some(busy.as_secs()) },
            (true, None) => Awaited::Process { id: None, busy_seconds: None },
        };
        self.say(Event::Waiting(Waiting { awaited, seconds }));
    }

    /// Starts what waits, if the lock can be had.
    fn admit(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let taken = self.lock.try_take();
        for waiting in std::mem::take(&mut self.waiting) {
            match &taken {
                Ok(true) => {
                    let id = self.engine.start(waiting.operation, self.clock.now());
                    self.started.insert(id, Started { ticket: waiting.ticket, reply: waiting.reply });
                }
                Ok(false) if self.was_pushed_by_another(&waiting.operation) => {
                    drop(waiting.reply.send(Ok(Outcome::Synced(SyncReport::default()))));
                }
                Ok(false) => self.waiting.push(waiting),
                Err(error) => drop(waiting.reply.send(Err(error.clone()))),
            }
        }
    }

    /// A push that finds the lock taken is done when its holder published this device's ops too.
    fn was_pushed_by_another(&self, operation: &Operation) -> bool {
        matches!(operation, Operation::Push) && self.engine.status().is_ok_and(|status| status.pending == 0)
    }

    /// Does what the engine asks for, until it asks for nothing more.
    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output(self.clock.now()) {
            let now = self.clock.now();
            match output {
                Output::Send(request) => self.send(request),
                Output::Abort(id) => {
                    if let Some(task) = self.requests.remove(&id) {
                        task.abort();
                    }
                }
                Output::NeedCredentials => {
                    let Options { credentials, store, local, .. } = &self.options;
                    let load = credentials::load(credentials.clone(), store.clone(), local.clone());
                    let messages = self.messages.clone();
                    // Aside: a metadata service may be slow, and a keyring wait for a person.
                    tokio::spawn(async move {
                        // Nobody listens any more: the vault is closed.
                        let _ = messages.send(Message::Credentials(load.await));
                    });
                }
                Output::Presign(id, request) => self.presign(id, request),
                Output::Persist(commit, _) => {
                    // SQLite commits durably and has no pages to give.
                    let refused = LocalError::Other("this store keeps its pages itself".into());
                    self.engine.handle_persisted(commit, Err(refused), now);
                }
                Output::Stretch(id, request) => {
                    let messages = self.messages.clone();
                    tokio::task::spawn_blocking(move || messages.send(Message::Stretched(id, stretch(&request))));
                }
                Output::Event(event) => self.tell(event),
            }
        }
    }

    fn send(&mut self, request: Request) {
        let id = request.id;
        let transport = match self.transport() {
            Ok(transport) => transport,
            Err(failure) => return self.engine.handle_failure(id, failure, self.clock.now()),
        };
        let (answer, messages) = (transport.send(request), self.messages.clone());
        let task = tokio::spawn(async move {
            // Nobody listens any more: the vault is closed.
            let _ = messages.send(Message::Answered(id, answer.await));
        });
        self.requests.insert(id, task.abort_handle());
    }

    /// Has a request signed; the engine itself ends what takes too long.
    fn presign(&mut self, id: PresignId, request: UnsignedRequest) {
        let (who, messages) = (self.options.presign.clone(), self.messages.clone());
        let client = self.transport().map(Transport::client);
        let signed = async move {
            match (who, client?) {
                (Some(presign), Some(client)) => presign.sign(client, request).await,
                _ => Err(TransportFailure::NoCredentials("nobody signs".to_owned())),
            }
        };
        let deadline = self.options.timeout;
        tokio::spawn(async move {
            let signed = tokio::time::timeout(deadline, signed).await.unwrap_or(Err(TransportFailure::Timeout));
            // Nobody listens any more: the vault is closed.
            let _ = messages.send(Message::Presigned(id, signed));
        });
    }

    fn transport(&mut self) -> Result<&Transport, TransportFailure> {
        match &mut self.transport {
            Some(transport) => Ok(transport),
            none => {
                let transport = Transport::of(&self.options)
                    .map_err(|error| TransportFailure::Connect(error.message().to_owned()))?;
                Ok(none.insert(transport))
            }
        }
    }

    fn tell(&mut self, event: engine::Event) {
        let event = match event {
            engine::Event::Finished(id, result) => {
                if let Some(started) = self.started.remove(&id) {
                    // Its caller may have stopped waiting.
                    let _ = started.reply.send(result);
                }
                return;
            }
            engine::Event::Durable(_) => return,
            engine::Event::Changed { collection, keys } => Event::Changed { collection, keys },
            engine::Event::Progress(progress) => Event::Progress(progress),
            engine::Event::Report(error) => Event::Report(error),
        };
        self.say(event);
    }

    fn say(&self, event: Event) {
        if let Some(listener) = &self.options.listener {
            listener.tell(&event);
        }
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}
