//! Tidelock's engine, sans-IO.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod crypto;
pub mod engine;
mod error;
mod ids;
pub mod local;
pub mod replica;
pub mod s3;

pub use engine::{
    Change, CommitId, Config, Conflict, DeviceStatus, Engine, Entry, Event, KeyRange, Meter, Now, OpId, Operation,
    Outcome, Output, Phase, Position, Progress, Record, Request, RequestId, Secret, Status, StretchId, SyncReport,
    TransportFailure, Version, Written,
};
pub use error::{Error, ErrorKind};
pub use ids::{DeviceId, EpochId, Hash, ObjectId, SpaceId, Tag, VaultId};
pub use replica::{Collection, Kind, Stamp};
