//! Plain objects in a bucket: for programs that know nothing of vaults, and for people. Nothing here is sealed.
//!
//! ```no_run
//! # async fn example() -> Result<(), tidelock::Error> {
//! use tidelock::bucket::{Bucket, Properties, Source};
//! use tidelock::Options;
//!
//! let options = Options::new("s3://my-bucket/photos?region=eu-central-1", "/home/me/.local/share/tidelock")?;
//! let bucket = Bucket::new(options)?;
//!
//! bucket.put("2026/sea.jpg", Source::File("sea.jpg".into()), Properties::default(), |_| ()).await?;
//! let mut listing = bucket.list("2026/", None, u64::MAX);
//! while let Some(listed) = listing.next().await? {
//!     println!("{}", listed.name());
//! }
//! # Ok(()) }
//! ```

mod clean;
mod driver;
mod get;
mod list;
mod multipart;
mod put;
mod remembered;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use get::Download;
pub use list::{Listed, Listing};
pub(crate) use multipart::changed;
pub(crate) use put::{PART_BYTES, unreadable};
pub use put::{Put, Source};
pub use tidelock_core::s3::{Bucket as BucketEntry, ETag, Encryption, Head, ListEntry, Properties};

use crate::{Error, ErrorKind, Options, StoreUri};
use driver::Driver;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidelock_core::s3::{
    BucketsPage, CopyObject, DeleteObject, DeleteObjects, Failure, HeadObject, KEYS_PER_DELETE_MAX, ListBuckets, Retry,
    Server, Written,
};

/// A bucket's plain objects. Keys are relative to the store's prefix: any text that has 1 to 1,024 bytes with it.
///
/// Its futures need a tokio runtime with time and IO enabled. Every request is bounded, tried again by the rules of the
/// options, and dropped with its future.
#[derive(Clone)]
pub struct Bucket {
    driver: Arc<Driver>,
    /// This device's folder.
    local: PathBuf,
    /// Parts of an upload in flight at once, and files of a mirror.
    concurrency: u32,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("store", &self.driver.store().to_string()).finish_non_exhaustive()
    }
}

impl Bucket {
    /// The bucket of `options.store`; of the other options `local` (uploads that can be resumed are remembered in its
    /// folder `uploads`, mirrors in `mirrors`), `credentials` or `presign`, `timeout`, `retries` and `concurrency` count. Sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store is a folder.
    pub fn new(options: Options) -> Result<Self, Error> {
        if let StoreUri::Folder(folder) = &options.store {
            return Err(Error::new(ErrorKind::Unsupported, "a folder has no plain objects, only files")
                .on(folder.path())
                .next_step("use its files as they are, or have `tidelock serve` show the folder above it as S3"));
        }
        let driver = Arc::new(Driver::new(&options)?);
        Ok(Self { driver, local: options.local, concurrency: options.concurrency })
    }

    pub(crate) fn store(&self) -> StoreUri {
        self.driver.store()
    }

    pub(crate) fn local(&self) -> &Path {
        &self.local
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency.max(1) as usize
    }

    /// The buckets that belong to the keys' owner, on the server of this one.
    ///
    /// # Errors
    /// What the server says: keys that are good for one bucket alone may not list them.
    pub async fn buckets(&self) -> Result<Vec<BucketEntry>, Error> {
        let server = |store: &StoreUri| match store {
            StoreUri::S3(s3) => Ok(Server::of(s3)),
            StoreUri::Folder(_) => Err(Error::new(ErrorKind::Unsupported, "a folder has no buckets")),
        };
        if self.driver.is_presigned() {
            return Err(Error::new(ErrorKind::Unsupported, "a signer signs requests to one bucket")
                .next_step("list the buckets with keys of your own"));
        }
        let mut all = Vec::new();
        let mut list = ListBuckets::default();
        loop {
            let request = |store: &StoreUri, keys: Option<&_>, ms, _| list.request(&server(store)?, keys, ms);
            let interpret = |store: &StoreUri, response: &_| {
                let server = server(store).map_err(|error| Failure { error, retry: Retry::Never })?;
                list.interpret(&server, response)
            };
            let BucketsPage { buckets, next } =
                self.driver.drive(Duration::ZERO, request, interpret).await.map_err(|failure| failure.error)?;
            all.extend(buckets);
            if next.is_none() {
                return Ok(all);
            }
            if all.len() > BUCKETS_MAX {
                return Err(Error::new(ErrorKind::Corrupt, "the server lists more buckets than it can have"));
            }
            list.continuation = next;
        }
    }

    /// Lists objects whose keys begin with `prefix`, at most `limit`. With a delimiter, such as `/`, keys that have it
    /// after the prefix are rolled up into one [`Listed::Prefix`].
    pub fn list(&self, prefix: &str, delimiter: Option<&str>, limit: u64) -> Listing {
        Listing::new(self.driver.clone(), prefix, delimiter, limit)
    }

    /// What is known of an object, without its content; `None` if there is no such object.
    ///
    /// # Errors
    /// What the store says.
    pub async fn stat(&self, key: &str) -> Result<Option<Head>, Error> {
        self.driver.call(&HeadObject { key: key.to_owned() }).await.map_err(|failure| failure.error)
    }

    /// Begins to read an object of at most `bytes_max` bytes; `None` if there is no such object.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is larger; what the store says.
    pub async fn get(&self, key: &str, bytes_max: u64) -> Result<Option<Download>, Error> {
        Download::begin(self.driver.clone(), key, bytes_max).await
    }

    /// Copies an object within the store, by the server itself; `false` if there is no such object. Content type and
    /// metadata are copied, unless `properties` are given.
    ///
    /// # Errors
    /// What the store says: S3 copies no more than 5 GiB at once.
    pub async fn copy(&self, from: &str, to: &str, properties: Option<Properties>) -> Result<bool, Error> {
        let copy = CopyObject { source: from.to_owned(), if_source_matches: None, key: to.to_owned(), properties };
        match self.driver.call(&copy).await.map_err(|failure| failure.error)? {
            Written::Stored { .. } => Ok(true),
            Written::Gone => Ok(false),
            Written::Refused | Written::Conflict => Err(conflict(to)),
        }
    }

    /// Deletes an object, or finds it gone.
    ///
    /// # Errors
    /// What the store says.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.driver.call(&DeleteObject { key: key.to_owned() }).await.map_err(|failure| failure.error)
    }

    /// Deletes objects, a thousand a request where the server takes that and XML can hold the keys. The result is an error for
    /// each object that is still there.
    ///
    /// # Errors
    /// What the store says where trying again may help: the network, a server that is busy. Some may be deleted by then.
    pub async fn delete_many(&self, keys: &[String]) -> Result<Vec<Error>, Error> {
        // The keys that a DeleteObjects names are in its body, which no URL binds.
        let is_presigned = self.driver.is_presigned();
        let (named, mut single): (Vec<_>, Vec<_>) =
            keys.iter().cloned().partition(|key| !is_presigned && DeleteObjects::can_name(key));
        let mut left = Vec::new();
        for keys in named.chunks(KEYS_PER_DELETE_MAX) {
            match self.driver.call(&DeleteObjects { keys: keys.to_vec() }).await {
                Ok(failed) => left.extend(failed.iter().map(|(key, code)| kept(key, code))),
                Err(failure) if failure.error.is_retryable() => return Err(failure.error),
                // One key that the server can't read in a document, or may not delete, must not keep the others.
                Err(_) => single.extend_from_slice(keys),
            }
        }
        for key in single {
            match self.delete(&key).await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => left.push(error),
            }
        }
        Ok(left)
    }
}

/// The store kept an object, for a reason that it names by this code.
fn kept(key: &str, code: &str) -> Error {
    let kind = if code == "AccessDenied" { ErrorKind::Auth } else { ErrorKind::Network };
    Error::new(kind, format!("the object could not be deleted: {code}"))
        .on(key)
        .next_step("check that the keys may delete, and that no lock or retention rule holds the objects")
}

/// AWS's own limit is 10,000 by default; a listing that never ends must end.
const BUCKETS_MAX: usize = 100_000;

/// Another write was under way.
fn conflict(key: &str) -> Error {
    Error::new(ErrorKind::Busy, "another write of the object is under way").on(key).next_step("try again").retryable()
}
