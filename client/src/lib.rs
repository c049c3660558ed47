//! What every platform needs above the engine, once and still sans-IO: plain types for all that crosses a language boundary,
//! and a [`Driver`] that is opened, called, told and drained with them.
//!
//! The types mirror the core's, field by field. With the feature `serde` they are plain objects: camel-case names, bytes as
//! byte arrays, the variants of an enum told apart by `kind`. With the feature `uniffi` they are records and enums of Kotlin and
//! Swift. Times are Unix milliseconds, sizes are bytes, ids are lower-case hex.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

#[cfg(feature = "archive")]
pub mod archive;
mod data;
mod driver;
mod operation;
mod output;
mod problem;
mod status;
mod transport;

pub use data::{
    Change, Collection, CollectionKind, Conflict, Document, Entry, KeyRange, Position, Record, Version, Written,
};
pub use driver::{Drained, Driver, Input, Now, Options};
pub use operation::{Operation, Secret, Stretch};
pub use output::{Output, Phase, Progress, SyncReport};
pub use problem::{ErrorKind, Problem};
pub use status::{DeviceState, DeviceStatus, Meter, Recipient, RecipientKind, Status};
pub use transport::{Credentials, Header, Page, Request, Response, SignedUrl, TransportFailure, UnsignedRequest};

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!("tidelock_client");
