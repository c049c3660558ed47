//! Shell history on every device: what a history needs of the place that keeps devices in step ([`HistoryBackend`]), a vault as such a
//! place ([`BucketBackend`]), and what the program `hist` is made of.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod backend;
mod bucket;
mod entry;
mod home;
mod search;
mod shell;

pub use backend::{DumpRequest, HistoryBackend, Received, SubmitResponse};
pub use bucket::{BucketBackend, Keyed};
pub use entry::{DeletionRequest, ENTRY_BYTES_MAX, Entry, EntryName, EntryNames};
pub use home::Home;
pub use search::{literally, search};
pub use shell::{Ran, Shell};
