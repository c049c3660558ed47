//! What an open vault tells while it works.

use crate::{Collection, Error, Progress};
use std::fmt;
use std::sync::Arc;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// Something that happened in an open vault.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Records changed, by a sync or by a write through this vault.
    Changed {
        /// The collection.
        collection: Collection,
        /// The keys, by ascending order; `None`: more than 256.
        keys: Option<Vec<String>>,
    },
    /// How far the running work is.
    Progress(Progress),
    /// Something a person should know, that ended nothing.
    Report(Error),
    /// Something is waited for, longer than usual: told after two seconds, then every ten.
    Waiting(Waiting),
    /// The listener was too slow: so many events were lost before the next.
    Missed(u64),
}

/// What an operation waits for, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What must happen before it goes on.
    pub awaited: Awaited,
    /// For how many seconds it has waited.
    pub seconds: u64,
}

/// What an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The sync of another process of this device.
    Process {
        /// Its id, where the lock tells.
        id: Option<u32>,
        /// For how many seconds it has synced, where the lock tells.
        busy_seconds: Option<u64>,
    },
    /// An answer of the store.
    Store,
}

/// Is called with each event of a vault, from `create`, `join` or `open` on. Made by [`Listener::new`].
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(&Event) + Send + Sync>);

impl Listener {
    /// Of a function that the vault's own thread calls: it must not block.
    pub fn new(listen: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listen))
    }

    pub(crate) fn tell(&self, event: &Event) {
        (self.0)(event);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// The events since it was made.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    /// Those of a closed vault have ended.
    pub(crate) fn new(sender: Option<Sender<Event>>) -> Self {
        let receiver = sender.map_or_else(|| broadcast::channel(1).1, |sender| sender.subscribe());
        Self { receiver }
    }

    /// Waits for the next event; `None` when the vault is closed. Dropping the future loses none.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(lost)) => Some(Event::Missed(lost)),
            Err(RecvError::Closed) => None,
        }
    }
}
