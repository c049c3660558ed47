//! What a shell history needs of the place that keeps devices in step: ten operations, those of hiSHtory's sync backend.

use crate::entry::{DeletionRequest, Entry, or_none};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidelock::Error;

/// Keeps the histories of a person's devices in step. A backend belongs to one device of one person, and seals what it sends in
/// a way of its own: callers see entries in clear. Every call blocks.
///
/// All but [`kind`](Self::kind) fail with what the network, the store or the local store says.
pub trait HistoryBackend {
    /// Makes this device known to the others.
    ///
    /// # Errors
    /// As the trait says.
    fn register_device(&self) -> Result<(), Error>;

    /// Everything there is: for a new device.
    ///
    /// # Errors
    /// As the trait says.
    fn bootstrap(&self) -> Result<Received, Error>;

    /// Publishes commands that ran on this device. The answer says what else is to be done.
    ///
    /// # Errors
    /// As the trait says; [`Invalid`](tidelock::ErrorKind::Invalid) for an entry of more than
    /// [`ENTRY_BYTES_MAX`](crate::ENTRY_BYTES_MAX).
    fn submit_entries(&self, entries: &[Entry]) -> Result<SubmitResponse, Error>;

    /// Publishes entries that exist already, for a device that asked for them. Repeating it changes nothing.
    ///
    /// # Errors
    /// As [`submit_entries`](Self::submit_entries).
    fn submit_dump(&self, entries: &[Entry], requesting_device: &str) -> Result<(), Error>;

    /// What other devices published since the last call.
    ///
    /// # Errors
    /// As the trait says.
    fn query_entries(&self) -> Result<Received, Error>;

    /// What this device is to delete.
    ///
    /// # Errors
    /// As the trait says.
    fn deletion_requests(&self) -> Result<Vec<DeletionRequest>, Error>;

    /// Has entries deleted on every device.
    ///
    /// # Errors
    /// As the trait says.
    fn add_deletion_request(&self, request: &DeletionRequest) -> Result<(), Error>;

    /// Ends what the backend keeps for this device.
    ///
    /// # Errors
    /// As the trait says.
    fn uninstall(&self) -> Result<(), Error>;

    /// Whether the other side can be reached.
    ///
    /// # Errors
    /// Why not.
    fn ping(&self) -> Result<(), Error>;

    /// Which backend it is: `http` or `bucket`.
    fn kind(&self) -> &'static str;
}

/// Entries that came, and why others among them could not be read.
#[derive(Debug, Default)]
pub struct Received {
    /// In the order they came.
    pub entries: Vec<Entry>,
    /// One for each entry that is no entry of this person, or damaged.
    pub refused: Vec<Error>,
}

/// What a submit is answered with. In JSON it is hiSHtory's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubmitResponse {
    /// New devices that wait for somebody's history.
    #[serde(default, deserialize_with = "or_none")]
    pub dump_requests: Vec<DumpRequest>,
    /// What this device is to delete.
    #[serde(default, deserialize_with = "or_none")]
    pub deletion_requests: Vec<DeletionRequest>,
}

/// A new device that waits for somebody's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DumpRequest {
    /// Whose history.
    pub user_id: String,
    /// The new device.
    pub requesting_device_id: String,
    /// When it asked.
    pub request_time: Timestamp,
}
