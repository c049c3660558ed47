//! Tidelock's engine, sans-IO: calls go in, outputs come out, and the platform does what they say.
//!
//! Here is a whole platform: clocks, random bytes, a bucket that is a map, and the loop. A real one sends the requests
//! with its HTTP client, several at once, and waits for answers and for [`Engine::poll_timeout`] together.
//!
//! ```
//! use std::{collections::BTreeMap, fs::File, io::Read, sync::LazyLock, thread::sleep, time::*};
//! use tidelock_core::crypto::{Entropy, stretch};
//! use tidelock_core::{local::MemoryLocal, s3::Method, s3::Response, *};
//!
//! static START: LazyLock<Instant> = LazyLock::new(Instant::now);
//!
//! fn now() -> Now {
//!     let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that was set");
//!     Now { monotonic_ms: START.elapsed().as_millis() as u64, unix_ms: since_1970.as_millis() as u64 }
//! }
//!
//! struct System;
//! impl Entropy for System {
//!     fn fill(&mut self, out: &mut [u8]) {
//!         File::open("/dev/urandom").and_then(|mut file| file.read_exact(out)).expect("a Unix");
//!     }
//! }
//!
//! type Bucket = BTreeMap<String, bytes::Bytes>;
//!
//! fn answer(bucket: &mut Bucket, request: &Request) -> Response {
//!     let (status, body) = match request.method {
//!         Method::Put => {
//!             bucket.insert(request.url.clone(), request.body.clone());
//!             (200, bytes::Bytes::new())
//!         }
//!         Method::Delete => {
//!             bucket.remove(&request.url);
//!             (204, bytes::Bytes::new())
//!         }
//!         _ if request.url.contains("list-type=2") => (200, "<ListBucketResult/>".into()), // as if listings lagged
//!         _ => match bucket.get(&request.url) {
//!             Some(found) => (200, found.clone()),
//!             None => (404, "<Error><Code>NoSuchKey</Code></Error>".into()),
//!         },
//!     };
//!     Response { status, headers: Vec::new(), body }
//! }
//!
//! fn run(engine: &mut Engine, bucket: &mut Bucket, operation: Operation) -> Result<Outcome, Error> {
//!     let op = engine.start(operation, now());
//!     loop {
//!         while let Some(output) = engine.poll_output(now()) {
//!             match output {
//!                 Output::Send(request) => engine.handle_response(request.id, answer(bucket, &request), now()),
//!                 Output::Abort(_) => {} // every request is answered at once: none is under way
//!                 Output::NeedCredentials => {
//!                     let failure = TransportFailure::NoCredentials("a map has no keys".into());
//!                     engine.handle_credentials(Err(failure), now());
//!                 }
//!                 Output::Presign(id, _) => {
//!                     let failure = TransportFailure::NoCredentials("a map signs nothing".into());
//!                     engine.handle_presigned(id, Err(failure), now());
//!                 }
//!                 Output::Persist(commit, _pages) => engine.handle_persisted(commit, Ok(()), now()),
//!                 Output::Stretch(id, request) => engine.handle_stretched(id, stretch(&request), now()),
//!                 Output::Event(Event::Finished(ended, result)) if ended == op => return result,
//!                 Output::Event(_) => {}
//!             }
//!         }
//!         let due = engine.poll_timeout().expect("what runs waits for something");
//!         sleep(Duration::from_millis(due.saturating_sub(now().monotonic_ms)));
//!         engine.handle_timeout(now());
//!     }
//! }
//!
//! let device = |name| {
//!     let config = Config::new("file:///map".parse()?, name);
//!     Engine::open(config, Box::new(MemoryLocal::new()), Box::new(System), now())
//! };
//! let (mut bucket, notes) = (Bucket::new(), Collection::map("notes"));
//!
//! let mut laptop = device("laptop")?;
//! let created = run(&mut laptop, &mut bucket, Operation::Create { passphrase: None })?;
//! let Outcome::Created { recovery_code } = created else { panic!("a create ends in a code") };
//! laptop.write(&[Change::Put { collection: notes.clone(), key: "tea".into(), value: "green".into() }], now())?;
//! run(&mut laptop, &mut bucket, Operation::Sync)?;
//!
//! let mut phone = device("phone")?;
//! run(&mut phone, &mut bucket, Operation::Join { secret: Secret::Recovery(recovery_code) })?;
//! run(&mut phone, &mut bucket, Operation::Sync)?;
//! assert_eq!(phone.get(&notes, "tea")?.expect("it is here").value, "green");
//! # Ok::<(), Error>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

/// Whether a planted bug is switched on: never, but in the simulator's own build.
#[cfg(tidelock_planted)]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is($crate::planted::Bug::$bug)
    };
}
#[cfg(not(tidelock_planted))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

/// Whether a check is left out: never, but in the hostile bucket's own build.
#[cfg(tidelock_planted)]
macro_rules! weakened {
    ($weakness:ident) => {
        $crate::weakened::is($crate::weakened::Weakness::$weakness)
    };
}
#[cfg(not(tidelock_planted))]
macro_rules! weakened {
    ($weakness:ident) => {
        false
    };
}

pub mod blob;
pub mod cost;
pub mod crypto;
pub mod doctor;
pub mod engine;
mod error;
mod ids;
pub mod json;
pub mod local;
#[cfg(tidelock_planted)]
pub mod planted;
pub mod replica;
pub mod s3;
#[cfg(test)]
mod vectors;
#[cfg(tidelock_planted)]
pub mod weakened;
mod zstd;

pub use engine::{
    Change, CommitId, Config, Conflict, DeviceState, DeviceStatus, Document, Engine, Entry, Event, KeyRange, Meter,
    Now, OpId, Operation, Outcome, Output, Phase, Position, PresignId, Progress, Recipient, RecipientKind, Record,
    Request, RequestId, Secret, SignedUrl, Status, StretchId, SyncReport, TransportFailure, UnsignedRequest, Version,
    Written,
};
pub use error::{Error, ErrorKind};
pub use ids::{BlobId, DeviceId, EpochId, Hash, MemberId, ObjectId, PersonId, PieceId, SpaceId, Tag, TermId, VaultId};
pub use replica::{Attached, Collection, Kind, Stamp};
