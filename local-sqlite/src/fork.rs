//! A fork of the process. SQLite notes, once for the whole process, which locks it has on a file; POSIX gives a forked child
//! the note but not the locks. A store that the child opened would go without: another process's last close would then remove
//! the `-wal` that the child writes to, with its commits. So a fork waits until no call is under way, and the child closes the
//! connections it inherited, which clears the note.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use tidelock_core::local::LocalError;

/// Calls share it; a fork has it alone.
static CALLS: RwLock<()> = RwLock::new(());
/// The connections of this process.
static OPEN: Mutex<Vec<Weak<Mutex<Option<Connection>>>>> = Mutex::new(Vec::new());

/// A fork of this process that is about to happen. Made by the thread that forks, and dropped by it in the parent.
#[must_use = "calls wait until it is dropped"]
pub struct Fork {
    _alone: RwLockWriteGuard<'static, ()>,
}

impl Fork {
    /// Waits until no call on a store of this process is under way. New ones wait until this is dropped.
    pub fn prepare() -> Self {
        Self { _alone: CALLS.write().unwrap_or_else(PoisonError::into_inner) }
    }

    /// In the child: closes the stores that it inherited, without a change to their files. Calls on them fail; the child may
    /// open its own.
    pub fn in_child(self) {
        for connection in locked(&OPEN).drain(..).filter_map(|connection| connection.upgrade()) {
            if let Some(connection) = locked(&connection).take() {
                // What the parent has not checkpointed is the parent's to checkpoint. Where this fails SQLite finds that
                // the parent holds the file.
                let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            }
        }
    }
}

/// A connection that a forked child can close.
pub(crate) struct Forkable(Arc<Mutex<Option<Connection>>>);

impl Forkable {
    pub(crate) fn open(open: impl FnOnce() -> Result<Connection, LocalError>) -> Result<Self, LocalError> {
        let _call = call();
        let connection = Arc::new(Mutex::new(Some(open()?)));
        let mut all = locked(&OPEN);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&connection));
        Ok(Self(connection))
    }

    pub(crate) fn call<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, LocalError>) -> Result<T, LocalError> {
        let _call = call();
        match &mut *locked(&self.0) {
            Some(connection) => work(connection),
            None => Err(LocalError::Other("the process that forked this one opened it; open it again here".into())),
        }
    }
}

impl Drop for Forkable {
    fn drop(&mut self) {
        let _call = call();
        drop(locked(&self.0).take());
    }
}

fn call() -> RwLockReadGuard<'static, ()> {
    CALLS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Never waited for: of a connection only its owner's calls and a fork use it, and of these one at a time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
