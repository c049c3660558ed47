//! Shell history on every device: what a history needs of the place that keeps devices in step ([`HistoryBackend`]), a vault and a hiSHtory
//! server as such places ([`BucketBackend`], [`HttpBackend`]), and what the program `hist` is made of.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod backend;
mod bucket;
mod entry;
mod hishtory;
mod hishtory_bucket;
mod hishtory_config;
mod home;
mod http;
mod migrate;
mod search;
mod shell;

pub use backend::{DumpRequest, HistoryBackend, Received, SubmitResponse};
pub use bucket::{BucketBackend, Keyed};
pub use entry::{DeletionRequest, ENTRY_BYTES_MAX, Entry, EntryName, EntryNames};
pub use hishtory::{HishtoryUser, SealedEntry};
pub use hishtory_bucket::read_bucket;
pub use hishtory_config::{HishtoryConfig, HishtorySource};
pub use home::Home;
pub use http::{HttpBackend, PUBLIC_SERVER};
pub use migrate::{Migrated, migrate};
pub use search::{literally, search};
pub use shell::{Ran, Shell};
