//! One command that ran, and how others name it to have it deleted.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The most bytes of an entry in JSON: what a log of a vault takes, 256 KiB.
pub const ENTRY_BYTES_MAX: usize = 256 << 10;

/// A command that ran. In JSON it is hiSHtory's own form, so that nothing is lost between the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id, unique among all devices. Entries of older hiSHtory clients have none.
    #[serde(default)]
    pub entry_id: String,
    /// The device it ran on.
    #[serde(default)]
    pub device_id: String,
    /// Who ran it.
    #[serde(default)]
    pub local_username: String,
    /// The host's name.
    #[serde(default)]
    pub hostname: String,
    /// The command line, as it was typed.
    pub command: String,
    /// The folder it ran in.
    #[serde(default)]
    pub current_working_directory: String,
    /// The home of who ran it.
    #[serde(default)]
    pub home_directory: String,
    /// Its exit status.
    #[serde(default)]
    pub exit_code: i64,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// What else hiSHtory keeps of it, such as custom columns.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A wish that entries be deleted on every device. In JSON it is hiSHtory's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeletionRequest {
    /// Whose history.
    pub user_id: String,
    /// The device that is to delete; the server fills it in.
    pub destination_device_id: String,
    /// When it was asked for.
    pub send_time: Timestamp,
    /// Which entries.
    pub messages: EntryNames,
    /// How often the device was told.
    #[serde(default)]
    pub read_count: i64,
}

/// The names of entries. Nothing of the commands is in them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EntryNames {
    /// One for each entry.
    #[serde(rename = "message_ids", deserialize_with = "or_none")]
    pub names: Vec<EntryName>,
}

/// Names an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryName {
    /// The device it ran on.
    pub device_id: String,
    /// When it ended.
    #[serde(rename = "date")]
    pub end_time: Timestamp,
    /// Its id, where it has one.
    #[serde(default)]
    pub entry_id: String,
}

impl Entry {
    /// How a deletion request names it.
    pub fn name(&self) -> EntryName {
        EntryName { device_id: self.device_id.clone(), end_time: self.end_time, entry_id: self.entry_id.clone() }
    }

    /// When it ended, in ms since 1970; earlier is 0.
    pub fn unix_ms(&self) -> u64 {
        u64::try_from(self.end_time.as_millisecond()).unwrap_or(0)
    }
}

impl EntryName {
    /// Whether it names this entry: by its device, and by its time or its id, as old entries have no id.
    pub fn names(&self, entry: &Entry) -> bool {
        let has_id = !self.entry_id.is_empty() && self.entry_id == entry.entry_id;
        self.device_id == entry.device_id && (has_id || self.end_time == entry.end_time)
    }
}

/// A list; `null`, as Go writes an empty one, is none.
pub(crate) fn or_none<'de, T: Deserialize<'de>, D: Deserializer<'de>>(json: D) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(json).map(Option::unwrap_or_default)
}
