//! What an open vault tells while it works.

use crate::{Collection, Error, Progress};
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
    /// The listener was too slow: so many events were lost before the next.
    Missed(u64),
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
