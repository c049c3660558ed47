//! Tidelock for Rust programs: records in step between a person's devices, end-to-end encrypted, through nothing but an
//! S3-compatible bucket or a shared folder.
//!
//! A [`Vault`] has any number of [`Map`]s, [`Log`]s and [`Documents`]. Reads and writes are local and need no network; a sync brings
//! this device and the bucket together:
//!
//! ```no_run
//! # async fn example() -> Result<(), tidelock::Error> {
//! use tidelock::{Options, Vault, parse_secret};
//!
//! let options = Options::new("s3://my-bucket/notes?region=eu-central-1", "/home/me/.local/share/notes")?;
//! let vault = Vault::join(options, parse_secret("the code that `create` gave")?).await?;
//!
//! let todo = vault.map("todo");
//! todo.put("milk", "two litres").await?;
//! vault.sync().await?;
//! if let Some(record) = todo.get("milk").await? {
//!     println!("{} bytes", record.value.len());
//! }
//! vault.close().await;
//! # Ok(()) }
//! ```
//!
//! One thread owns an open vault and drives `tidelock_core`'s engine on a small runtime of its own, so these futures work
//! under any async runtime. A program that only writes and is gone, such as a shell hook, takes [`Local`] instead: it
//! blocks, and opens neither runtime nor connection.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod bucket;
mod clock;
mod collections;
mod credentials;
mod custom_transport;
mod directory;
mod doctor;
mod documents;
mod events;
pub mod folder;
mod local;
pub mod mirror;
mod options;
mod owner;
mod presign;
mod secret;
mod signer;
mod transport;
mod vault;
mod watch;

pub use bucket::Bucket;
pub use bytes::Bytes;
pub use collections::{ChangedKeys, Changes, Entries, Imported, Importer, Log, Map};
pub use credentials::{
    CredentialOrigin, SavedIn, find_credentials, forget_credentials, save_credentials, saved_credentials,
};
pub use custom_transport::CustomTransport;
pub use directory::Removal;
pub use doctor::{deep_doctor, doctor};
pub use documents::{DocumentEntries, Documents, FieldConflict};
pub use events::{Awaited, Event, Events, Listener, Waiting};
pub use local::Local;
pub use options::{CredentialCallback, CredentialSource, Options, Passphrase};
pub use presign::{Presign, SignerToken};
pub use secret::{is_open_to_others, parse_secret};
pub use tidelock_client::archive::ArchiveImport;
#[cfg(fuzzing)]
pub use tidelock_client::archive::fuzzing;
pub use tidelock_core::crypto::RecoveryCode;
pub use tidelock_core::doctor::{Access, Cors, Diagnosis, EtagForm, Finding, Verdict};
pub use tidelock_core::engine::{
    Change, Conflict, DeviceState, DeviceStatus, Document, Entry, KeyRange, Meter, Phase, Position, Progress,
    Recipient, RecipientKind, Record, Secret, SignedUrl, Status, SyncReport, TransportFailure, UnsignedRequest,
    Version, Written,
};
pub use tidelock_core::replica::{Attached, Collection, Kind, Stamp};
pub use tidelock_core::s3::{
    ConditionalWrites, Credentials, HttpRequest, ListVersion, Method, Profile, Response, StoreUri, names_a_key,
    take_keys,
};
pub use tidelock_core::{BlobId, DeviceId, Error, ErrorKind, VaultId};
pub use tidelock_sqlite::Fork;
pub use vault::Vault;
pub use watch::Watch;

use tidelock_core::engine::{Operation, Outcome};
