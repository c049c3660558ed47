//! History in a vault: a log of entries. Devices find each other's entries in the bucket, without a server and without help.

use crate::backend::{HistoryBackend, Received, SubmitResponse};
use crate::entry::{DeletionRequest, ENTRY_BYTES_MAX, Entry};
use bytes::Bytes;
use futures::executor::block_on;
use std::collections::BTreeSet;
use tidelock::{
    Change, Collection, Error, ErrorKind, Imported, Importer, KeyRange, Local, Options, Removal, Status, SyncReport,
    Vault,
};

/// The log's name.
const LOG: &str = "history";
/// Entries written at once.
const BATCH_ENTRIES: usize = 1000;

/// An entry and its key.
pub type Keyed = (String, Entry);

/// A device of a vault.
#[derive(Clone, Debug)]
pub struct BucketBackend {
    options: Options,
}

impl BucketBackend {
    /// The vault of these options, which this device has created or joined.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Stores commands that ran on this device. Durable on return and without a network: the next sync publishes them.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an entry of more than [`ENTRY_BYTES_MAX`]; else what the local store says.
    pub fn record(&self, entries: &[Entry]) -> Result<(), Error> {
        let append = |value| Change::Append { collection: log(), key: None, value };
        let changes = entries.iter().map(|entry| to_value(entry).map(append)).collect::<Result<Vec<_>, _>>()?;
        self.write(&changes)
    }

    /// Every entry here with its key, oldest first, and why others could not be read. No request is made.
    ///
    /// # Errors
    /// What the local store says.
    pub fn entries(&self) -> Result<(Vec<Keyed>, Vec<Error>), Error> {
        let (mut entries, mut refused) = (Vec::new(), Vec::new());
        for listed in Local::open(&self.options)?.list(log(), KeyRange::default()) {
            let listed = listed?;
            match serde_json::from_slice(&listed.record.value) {
                Ok(entry) => entries.push((listed.key, entry)),
                Err(error) => refused.push(not_an_entry(&listed.key, &error)),
            }
        }
        Ok((entries, refused))
    }

    /// Removes entries by their keys, for ever and from every device. The next sync tells the others.
    ///
    /// # Errors
    /// What the local store says.
    pub fn delete(&self, keys: impl IntoIterator<Item = String>) -> Result<(), Error> {
        let delete = |key| Change::Delete { collection: log(), key };
        self.write(&keys.into_iter().map(delete).collect::<Vec<_>>())
    }

    /// Publishes what is pending here and takes what others published.
    ///
    /// # Errors
    /// What the store says, after the retries.
    pub fn sync(&self) -> Result<SyncReport, Error> {
        block_on(async {
            let vault = Vault::open(self.options.clone()).await?;
            let report = vault.sync().await;
            vault.close().await;
            report
        })
    }

    /// What is known without a request.
    ///
    /// # Errors
    /// What the local store says.
    pub fn status(&self) -> Result<Status, Error> {
        Local::open(&self.options)?.status()
    }

    fn write(&self, changes: &[Change]) -> Result<(), Error> {
        let mut local = Local::open(&self.options)?;
        for batch in changes.chunks(BATCH_ENTRIES) {
            local.write(batch)?;
        }
        Ok(())
    }
}

impl HistoryBackend for BucketBackend {
    /// The first sync publishes this device's manifest; nothing is sent to other devices.
    fn register_device(&self) -> Result<(), Error> {
        self.sync().map(drop)
    }

    fn bootstrap(&self) -> Result<Received, Error> {
        self.sync()?;
        let (entries, refused) = self.entries()?;
        Ok(Received { entries: entries.into_iter().map(|(_, entry)| entry).collect(), refused })
    }

    /// Nothing else is to be done: a new device has all from the bucket, and deletions come with a sync.
    fn submit_entries(&self, entries: &[Entry]) -> Result<SubmitResponse, Error> {
        self.record(entries)?;
        self.sync()?;
        Ok(SubmitResponse::default())
    }

    /// Every device gets them, whoever asked. An entry's key comes from its id and its time.
    fn submit_dump(&self, entries: &[Entry], _requesting_device: &str) -> Result<(), Error> {
        let mut changes = Vec::new();
        for entry in entries {
            let imported = Imported { unix_ms: entry.unix_ms(), value: to_value(entry)? };
            changes.push(Importer::new(log(), entry.entry_id.clone()).change(imported));
        }
        self.write(&changes)?;
        self.sync().map(drop)
    }

    /// What this sync brought.
    fn query_entries(&self) -> Result<Received, Error> {
        let known: BTreeSet<String> = self.entries()?.0.into_iter().map(|(key, _)| key).collect();
        self.sync()?;
        let (entries, refused) = self.entries()?;
        let new = entries.into_iter().filter(|(key, _)| !known.contains(key)).map(|(_, entry)| entry);
        Ok(Received { entries: new.collect(), refused })
    }

    /// None: a sync deletes what others deleted.
    fn deletion_requests(&self) -> Result<Vec<DeletionRequest>, Error> {
        self.sync()?;
        Ok(Vec::new())
    }

    fn add_deletion_request(&self, request: &DeletionRequest) -> Result<(), Error> {
        let names = &request.messages.names;
        let (entries, _) = self.entries()?;
        let meant = entries.into_iter().filter(|(_, entry)| names.iter().any(|name| name.names(entry)));
        self.delete(meant.map(|(key, _)| key))?;
        self.sync().map(drop)
    }

    /// Publishes what is pending, then removes this device's side. Another device retires it (`tidelock devices retire`).
    fn uninstall(&self) -> Result<(), Error> {
        self.sync()?;
        let mut removal = Removal::begin(&self.options)?;
        let last_look = removal.last_look()?;
        removal.finish(last_look)
    }

    fn ping(&self) -> Result<(), Error> {
        self.sync().map(drop)
    }

    fn kind(&self) -> &'static str {
        "bucket"
    }
}

fn log() -> Collection {
    Collection::log(LOG)
}

fn to_value(entry: &Entry) -> Result<Bytes, Error> {
    let value = serde_json::to_vec(entry)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("an entry is no JSON: {error}")))?;
    match value.len() <= ENTRY_BYTES_MAX {
        true => Ok(value.into()),
        false => Err(too_long(&entry.entry_id)),
    }
}

/// An entry that no log takes.
pub(crate) fn too_long(id: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("a command and what is known of it have more than {ENTRY_BYTES_MAX} bytes"))
        .on(id)
        .next_step("keep it in a file, and record the file's name")
}

fn not_an_entry(key: &str, error: &serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, format!("this is no entry of a shell history: {error}"))
        .on(key)
        .next_step("another program wrote to this vault's log `history`: give it a log of its own")
}
