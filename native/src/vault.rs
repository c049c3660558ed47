//! An open vault, the way Rust programs use it.

use crate::owner::{self, Message, Running};
use crate::{
    ArchiveImport, Change, Collection, Conflict, DeviceId, DeviceStatus, Documents, Entry, Error, ErrorKind, Events,
    KeyRange, Local, Log, Map, Operation, Options, Outcome, Passphrase, Position, Record, RecoveryCode, Secret, Status,
    SyncReport, Watch, Written,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidelock_core::engine::{Engine, Now};
use tidelock_sqlite::no_vault;
use tokio::sync::{oneshot, watch};

/// A vault on this device: its records, and what keeps them in step with the bucket.
///
/// Reads and writes are local and need no network; [`sync`](Self::sync) and its kin bring both sides together. Clones are
/// cheap and are the same vault; it closes with the last of them. Its methods work under any async runtime, and dropping
/// a future cancels what it began. Several processes may have one local store open at once.
///
/// ```no_run
/// # async fn example() -> Result<(), tidelock::Error> {
/// use tidelock::{Options, Vault};
///
/// let options = Options::new("s3://my-bucket/notes?region=eu-central-1", "/home/me/.local/share/notes")?;
/// let (vault, recovery_code) = Vault::create(options).await?;
/// println!("keep this code: {}", *recovery_code.reveal());
///
/// vault.map("todo").put("milk", "two litres").await?;
/// vault.sync().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Vault {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    running: Running,
    /// Changes whenever this handle's process wrote something.
    written: watch::Sender<()>,
    tickets: AtomicU64,
    closed: AtomicBool,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Vault {
    /// Makes a new vault at the store, with this as its first device. Whoever has the recovery code can join; it is kept
    /// here only until the first sync. A crashed or cancelled `create` is resumed by calling it again, and gives the same.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] if the store has a vault already; else what store and local store say.
    pub async fn create(options: Options) -> Result<(Self, RecoveryCode), Error> {
        let passphrase = options.passphrase.clone().map(|passphrase| passphrase.0);
        let vault = Self::start(options, true).await?;
        match vault.operate(Operation::Create { passphrase }).await? {
            Outcome::Created { recovery_code } => Ok((vault, recovery_code)),
            other => Err(unexpected(&other)),
        }
    }

    /// Adds this device to the vault at the store, and brings it up to date.
    ///
    /// # Errors
    /// [`ErrorKind::WrongKey`] if the secret does not open it, [`ErrorKind::NotFound`] if the store has no vault; else
    /// what store and local store say.
    pub async fn join(options: Options, secret: Secret) -> Result<Self, Error> {
        let vault = Self::start(options, true).await?;
        vault.operate(Operation::Join { secret }).await?;
        Ok(vault)
    }

    /// Opens what this device has. No request is made.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if this device has created or joined no vault here; else what the local store says.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let vault = Self::start(options, false).await?;
        if vault.status().await?.vault.is_none() {
            return Err(no_vault(&vault.shared.options.local));
        }
        Ok(vault)
    }

    async fn start(options: Options, new_store: bool) -> Result<Self, Error> {
        let running = owner::start(options.clone(), new_store).await?;
        let shared = Shared {
            options,
            running,
            written: watch::Sender::new(()),
            tickets: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A map: keys with values. It is made by its first write.
    pub fn map(&self, name: impl Into<String>) -> Map {
        Map::new(self.clone(), name.into())
    }

    /// A log: entries that are added and removed, never changed. It is made by its first entry.
    pub fn log(&self, name: impl Into<String>) -> Log {
        Log::new(self.clone(), name.into())
    }

    /// Documents: values of a type of yours whose fields merge one by one. They are made by their first write.
    pub fn documents<T: Serialize + DeserializeOwned>(&self, name: impl Into<String>) -> Documents<T> {
        Documents::new(self.clone(), name.into())
    }

    /// Writes to any number of collections: all or nothing, at most 5,000 changes. Durable on return.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for what breaks a limit; else what the local store says.
    pub async fn write(&self, changes: Vec<Change>) -> Result<Written, Error> {
        let written = self.call(move |engine, now| engine.write(&changes, now)).await?;
        self.shared.written.send_replace(());
        Ok(written)
    }

    /// Keys with versions that had not seen each other: the first `limit` after a position.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn conflicts(&self, after: Option<Position>, limit: u32) -> Result<Vec<Conflict>, Error> {
        self.call(move |engine, _| engine.conflicts(after.as_ref(), limit)).await
    }

    /// What is known without a request.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn status(&self) -> Result<Status, Error> {
        self.call(|engine, _| engine.status()).await
    }

    /// Every device known, this one included.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn devices(&self) -> Result<Vec<DeviceStatus>, Error> {
        Ok(self.status().await?.devices)
    }

    /// Pulls and pushes. While another process of this device syncs, it waits for its turn, like every operation here.
    ///
    /// # Errors
    /// [`ErrorKind::Revoked`] once this device can tell that it was revoked, as every operation here: what it had to publish is
    /// published for [`adopt_device`](Self::adopt_device), and counts nowhere until then. What the store says, after the retries.
    pub async fn sync(&self) -> Result<SyncReport, Error> {
        self.synced(Operation::Sync).await
    }

    /// Takes what other devices published.
    ///
    /// # Errors
    /// What the store says, after the retries.
    pub async fn pull(&self) -> Result<SyncReport, Error> {
        self.synced(Operation::Pull).await
    }

    /// Publishes what is pending. While another process of this device syncs, it waits until that one has published it.
    ///
    /// # Errors
    /// What the store says, after the retries.
    pub async fn push(&self) -> Result<SyncReport, Error> {
        self.synced(Operation::Push).await
    }

    /// A sync that looks at everything anew, instead of trusting hints.
    ///
    /// # Errors
    /// What the store says, after the retries.
    pub async fn check(&self) -> Result<SyncReport, Error> {
        self.synced(Operation::Check).await
    }

    /// A check that looks at every object which is named in the store. What is missing or has another length this device
    /// writes again; what it can't is in the report, with the device that can.
    ///
    /// # Errors
    /// What the store says, after the retries.
    pub async fn repair(&self) -> Result<SyncReport, Error> {
        self.synced(Operation::Repair).await
    }

    /// Looks at every object that is named in the store, and writes nothing there. Gives one error for each that is missing or
    /// damaged, with the device that can write it again. `read_data`: segments and snapshots are read whole; else their lengths
    /// are looked at.
    ///
    /// # Errors
    /// What the store says, after the retries.
    pub async fn inspect(&self, read_data: bool) -> Result<Vec<Error>, Error> {
        Ok(self.synced(Operation::Inspect { read_data }).await?.reports)
    }

    /// Publishes everything this device has, all of it written anew: after a rollback, a wiped bucket or lost objects.
    ///
    /// # Errors
    /// What the store says, after the retries.
    pub async fn republish(&self) -> Result<SyncReport, Error> {
        self.synced(Operation::Republish).await
    }

    /// Sets, changes or (with none) removes the passphrase. The keys turn: the old one opens nothing that is written from
    /// now on.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an empty one; else what the store says, after the retries.
    pub async fn set_passphrase(&self, passphrase: Option<Passphrase>) -> Result<(), Error> {
        let passphrase = passphrase.map(|passphrase| passphrase.0);
        match self.operate(Operation::SetPassphrase { passphrase }).await? {
            Outcome::PassphraseSet => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Replaces the recovery code. The keys turn: the old one opens nothing that is written from now on. One that
    /// failed after that, was cancelled or killed, is resumed by calling it again; until then each sync reports that the new
    /// code was given to nobody.
    ///
    /// # Errors
    /// What the store says, after the retries.
    pub async fn replace_recovery_code(&self) -> Result<RecoveryCode, Error> {
        match self.operate(Operation::ReplaceRecoveryCode).await? {
            Outcome::RecoveryCodeReplaced { recovery_code } => Ok(recovery_code),
            other => Err(unexpected(&other)),
        }
    }

    /// Says that another device is not expected any more: nobody waits for it. What it publishes counts whenever it comes, and
    /// it is expected again then.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for no device of the vault, [`ErrorKind::Invalid`] for this one; else what the store says,
    /// after the retries.
    pub async fn retire_device(&self, device: DeviceId) -> Result<SyncReport, Error> {
        self.synced(Operation::RetireDevice { device }).await
    }

    /// Shuts another device out: the keys turn, and of what it publishes from now on nothing counts. Withdraw its bucket
    /// credentials too. A crashed or cancelled one is finished by the next sync.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for no device of the vault, [`ErrorKind::Invalid`] for this one; else what the store says,
    /// after the retries.
    pub async fn revoke_device(&self, device: DeviceId) -> Result<SyncReport, Error> {
        self.synced(Operation::RevokeDevice { device }).await
    }

    /// Takes what a revoked device published after it was revoked.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a device that is not revoked; else what the store says, after the retries.
    pub async fn adopt_device(&self, device: DeviceId) -> Result<SyncReport, Error> {
        self.synced(Operation::AdoptDevice { device }).await
    }

    /// Keeps syncing: at once, after local writes, and every 30 to 60 s; every 5 min when nothing happens for long. It
    /// ends when it is dropped.
    pub fn watch(&self) -> Watch {
        Watch::start(self.clone())
    }

    /// What happens from now on: changes, progress, reports.
    pub fn events(&self) -> Events {
        Events::new(self.shared.running.events.upgrade())
    }

    /// Writes everything into an archive (`docs/ARCHIVE.md`), in clear; how many records it holds is the result. The
    /// vault stays usable meanwhile.
    ///
    /// # Errors
    /// What the local store says, and [`ErrorKind::LocalStore`] for the writer's own errors.
    pub async fn export_archive(&self, mut out: impl Write + Send + 'static) -> Result<u64, Error> {
        self.aside(move |local| local.export_archive(&mut out)).await
    }

    /// Takes in what an archive holds and this device has not; importing twice changes nothing. The vault stays usable
    /// meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the line that is none of an archive; what came before it stays imported.
    pub async fn import_archive(&self, mut input: impl BufRead + Send + 'static) -> Result<ArchiveImport, Error> {
        let report = self.aside(move |local| local.import_archive(&mut input)).await?;
        self.shared.written.send_replace(());
        Ok(report)
    }

    /// Cancels what runs, and ends when everything of the vault is closed: for every clone.
    pub async fn close(self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.shared.running.close().await;
    }

    /// The first `limit` entries of a range; a page of [`Map::list`] and [`Log::list`].
    pub(crate) async fn page(&self, collection: Collection, range: KeyRange, limit: u32) -> Result<Vec<Entry>, Error> {
        self.call(move |engine, _| engine.list(&collection, &range, limit)).await
    }

    /// One record.
    pub(crate) async fn record(&self, collection: Collection, key: String) -> Result<Option<Record>, Error> {
        self.call(move |engine, _| engine.get(&collection, &key)).await
    }

    /// Runs on the engine.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Engine, Now) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Call(Box::new(move |engine, now| {
            // Whoever stopped waiting before its turn came wants nothing done.
            if !reply.is_closed() {
                drop(reply.send(call(engine, now)));
            }
        })))?;
        answer.await.map_err(|_| self.gone())?
    }

    async fn synced(&self, operation: Operation) -> Result<SyncReport, Error> {
        match self.operate(operation).await? {
            Outcome::Synced(report) => Ok(report),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs an operation to its end; dropping the future cancels it.
    async fn operate(&self, operation: Operation) -> Result<Outcome, Error> {
        let ticket = self.shared.tickets.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        self.send(Message::Start(ticket, operation, reply))?;
        let _cancel = CancelOnDrop { vault: self, ticket };
        answer.await.map_err(|_| self.gone())?
    }

    /// Runs on a thread of its own, with a second handle to the local store: long work, beside the engine's.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Local) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let options = self.shared.options.clone();
        std::thread::Builder::new()
            .name("tidelock-archive".into())
            .spawn(move || drop(reply.send(Local::open(&options).and_then(|mut local| work(&mut local)))))
            .map_err(|error| Error::new(ErrorKind::Internal, format!("no thread can be started: {error}")))?;
        answer.await.map_err(|_| self.gone())?
    }

    /// Runs on the owner's runtime until the vault closes.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Of a closed vault the task is dropped, which ends what listens to it.
        let _ = self.send(Message::Spawn(Box::pin(task)));
    }

    /// Wakes at each write through this vault.
    pub(crate) fn writes(&self) -> watch::Receiver<()> {
        self.shared.written.subscribe()
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        self.shared.running.messages.send(message).map_err(|_| self.gone())
    }

    /// Why nobody answers.
    fn gone(&self) -> Error {
        match self.shared.closed.load(Ordering::Relaxed) {
            true => Error::new(ErrorKind::Closed, "the vault was closed").next_step("open it again"),
            false => {
                Error::new(ErrorKind::Internal, "the vault's thread ended").next_step("open it again, and report this")
            }
        }
    }
}

/// Cancels an operation whose caller stopped waiting; one that has ended is no longer known by its ticket.
struct CancelOnDrop<'a> {
    vault: &'a Vault,
    ticket: u64,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        let _ = self.vault.send(Message::Cancel(self.ticket));
    }
}

fn unexpected(outcome: &Outcome) -> Error {
    Error::new(ErrorKind::Internal, format!("the operation ended as another one: {outcome:?}"))
}
