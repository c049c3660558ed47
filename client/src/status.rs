//! What is known of the vault and its devices, without a request.

use crate::{Collection, Problem};
use tidelock_core as core;

/// What is known of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Status {
    /// Its id; none: nothing was created or joined here yet.
    pub vault: Option<String>,
    /// This device's id.
    pub device: Option<String>,
    /// Every device known, this one included.
    pub devices: Vec<DeviceStatus>,
    /// Those that can open the vault without being a device.
    pub recipients: Vec<Recipient>,
    /// Ids of devices that this store was before: it was copied or restored, and took a new id.
    pub left: Vec<String>,
    /// Every collection with a record.
    pub collections: Vec<Collection>,
    /// Own ops not yet published.
    pub pending: u64,
    /// The sequence of the newest own manifest.
    pub sequence: u64,
    /// Things named in the bucket that could not be had yet.
    pub debts: u64,
    /// Keys with conflicts, up to 1,000.
    pub conflicts: u64,
    /// When the last push ended well.
    pub last_push_ms: Option<u64>,
    /// When the last pull ended well.
    pub last_pull_ms: Option<u64>,
    /// What the last operation failed with; none once one ended well.
    pub last_error: Option<String>,
    /// Whether the store enforces conditional writes; none: not probed.
    pub conditional_writes: Option<bool>,
    /// Set while nothing may be published, with the reason.
    pub stopped: Option<Problem>,
    /// Set once this device can tell that it was revoked: why, what was not taken, and how to save it.
    pub revoked: Option<Problem>,
    /// Of a revoked device: own changes that no other device is known to have. Else 0.
    pub untaken: u64,
    /// Requests and bytes since this store was made.
    pub meter: Meter,
    /// When the first of them was counted.
    pub metered_from_ms: Option<u64>,
}

/// Requests by billing kind, and bytes of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Meter {
    /// Requests that read one object.
    pub get: u64,
    /// Requests that write one object.
    pub put: u64,
    /// Requests that remove one object.
    pub delete: u64,
    /// Listings.
    pub list: u64,
    /// Requests for headers alone.
    pub head: u64,
    /// Everything sent by POST.
    pub post: u64,
    /// Bytes of request bodies.
    pub bytes_sent: u64,
    /// Bytes of answer bodies.
    pub bytes_received: u64,
}

/// A recipient of the vault's keys that is no device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Recipient {
    /// What opens the vault.
    pub kind: RecipientKind,
    /// The id of the device that made or set it.
    pub added_by: String,
    /// When, by that device's clock.
    pub added_ms: u64,
}

/// What opens a vault, beside a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum RecipientKind {
    /// A recovery code.
    RecoveryCode,
    /// A passphrase.
    Passphrase,
}

/// What a device is to the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum DeviceState {
    /// This device.
    This,
    /// One that is expected to sync.
    Active,
    /// One that no device waits for.
    Retired,
    /// One that is shut out.
    Revoked,
}

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DeviceStatus {
    /// Its id.
    pub id: String,
    /// Its name, once its record is here.
    pub name: Option<String>,
    /// What it is to the vault.
    pub state: DeviceState,
    /// Of a revoked one: the number of its first op that does not count.
    pub quarantined_from: Option<u64>,
    /// Of a revoked one: the number of its last op that does not count.
    pub quarantined_to: Option<u64>,
    /// The sequence of its newest verified manifest.
    pub sequence: u64,
    /// Its ops applied here without a gap.
    pub applied: u64,
    /// When a new manifest of it was last seen, by this device's clock.
    pub seen_ms: Option<u64>,
}

impl From<core::Status> for Status {
    fn from(status: core::Status) -> Self {
        Self {
            vault: status.vault.map(|id| id.to_string()),
            device: status.device.map(|id| id.to_string()),
            devices: status.devices.into_iter().map(Into::into).collect(),
            recipients: status.recipients.into_iter().map(Into::into).collect(),
            left: status.left.iter().map(ToString::to_string).collect(),
            collections: status.collections.into_iter().map(Into::into).collect(),
            pending: status.pending,
            sequence: status.sequence,
            debts: status.debts,
            conflicts: status.conflicts,
            last_push_ms: status.last_push_ms,
            last_pull_ms: status.last_pull_ms,
            last_error: status.last_error,
            conditional_writes: status.conditional_writes,
            stopped: status.stopped.map(Into::into),
            revoked: status.revoked.map(Into::into),
            untaken: status.untaken,
            meter: status.meter.into(),
            metered_from_ms: status.metered_from_ms,
        }
    }
}

impl From<core::Meter> for Meter {
    fn from(meter: core::Meter) -> Self {
        let core::Meter { get, put, delete, list, head, post, bytes_sent, bytes_received } = meter;
        Self { get, put, delete, list, head, post, bytes_sent, bytes_received }
    }
}

impl From<core::Recipient> for Recipient {
    fn from(recipient: core::Recipient) -> Self {
        let kind = match recipient.kind {
            core::RecipientKind::RecoveryCode => RecipientKind::RecoveryCode,
            core::RecipientKind::Passphrase => RecipientKind::Passphrase,
        };
        Self { kind, added_by: recipient.added_by.to_string(), added_ms: recipient.added_ms }
    }
}

impl From<core::DeviceState> for DeviceState {
    fn from(state: core::DeviceState) -> Self {
        match state {
            core::DeviceState::This => Self::This,
            core::DeviceState::Active => Self::Active,
            core::DeviceState::Retired => Self::Retired,
            core::DeviceState::Revoked => Self::Revoked,
        }
    }
}

impl From<core::DeviceStatus> for DeviceStatus {
    fn from(device: core::DeviceStatus) -> Self {
        Self {
            id: device.id.to_string(),
            name: device.name,
            state: device.state.into(),
            quarantined_from: device.quarantined.map(|(from, _)| from),
            quarantined_to: device.quarantined.map(|(_, to)| to),
            sequence: device.sequence,
            applied: device.applied,
            seen_ms: device.seen_ms,
        }
    }
}
