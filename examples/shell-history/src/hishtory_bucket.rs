//! What hiSHtory's own S3 backend left in a bucket: below `USER_ID/`, entries in `entries/` and `inbox/DEVICE/`, wishes to delete in
//! `deletions/DEVICE/`, one JSON object each.

use crate::backend::Received;
use crate::entry::{DeletionRequest, ENTRY_BYTES_MAX};
use crate::hishtory::{HishtoryUser, SealedEntry};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::DeserializeOwned;
use tidelock::bucket::{Bucket, Listed};
use tidelock::{Error, ErrorKind, Options};
use tokio::runtime::Builder;

/// The most bytes of one object: a sealed entry in base64, and as much again.
const OBJECT_BYTES_MAX: u64 = 4 * ENTRY_BYTES_MAX as u64;
/// Objects read at once.
const READS: usize = 16;

/// Reads a user's history. `options` lead to the bucket and the prefix that hiSHtory was given. Nothing is changed there.
///
/// # Errors
/// What the store says. Objects that are damaged or another user's are among what is refused.
pub fn read_bucket(options: Options, user: &HishtoryUser) -> Result<(Received, Vec<DeletionRequest>), Error> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let bucket = Bucket::new(options)?;
        let (mut sealed, mut refused) = (Vec::new(), Vec::new());
        // The main copies first: of entries with one id the first counts.
        for part in ["entries", "inbox"] {
            read_all::<SealedEntry>(&bucket, &format!("{}/{part}/", user.id()), &mut sealed, &mut refused).await?;
        }
        let mut deletions = Vec::new();
        read_all(&bucket, &format!("{}/deletions/", user.id()), &mut deletions, &mut refused).await?;
        let mut received = user.open_all(sealed);
        received.refused.append(&mut refused);
        Ok((received, deletions))
    })
}

/// Reads every object below a prefix, in the order of their keys.
async fn read_all<T: DeserializeOwned>(
    bucket: &Bucket,
    prefix: &str,
    all: &mut Vec<T>,
    refused: &mut Vec<Error>,
) -> Result<(), Error> {
    let mut keys = Vec::new();
    let mut listing = bucket.list(prefix, None, u64::MAX);
    while let Some(listed) = listing.next().await? {
        if let Listed::Object(object) = listed {
            keys.push(object.key);
        }
    }
    let mut read = stream::iter(keys.iter().map(|key| read_object(bucket, key))).buffered(READS);
    while let Some(object) = read.try_next().await? {
        match object {
            Some(Ok(object)) => all.push(object),
            Some(Err(error)) => refused.push(error),
            None => {}
        }
    }
    Ok(())
}

/// An object, or why it is none that counts; `None`: a device took it meanwhile.
async fn read_object<T: DeserializeOwned>(bucket: &Bucket, key: &str) -> Result<Option<Result<T, Error>>, Error> {
    let Some(mut download) = bucket.get(key, OBJECT_BYTES_MAX).await? else { return Ok(None) };
    let mut bytes = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("this is nothing that hiSHtory wrote: {error}"))
            .on(key)
            .next_step("it is left out")
    })))
}
