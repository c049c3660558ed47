//! Tidelock's engine, sans-IO.
#![forbid(unsafe_code)]

pub mod crypto;
mod error;
mod ids;
pub mod local;
pub mod s3;

pub use error::{Error, ErrorKind};
pub use ids::{DeviceId, EpochId, Hash, ObjectId, SpaceId, Tag, VaultId};
