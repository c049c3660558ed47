//! Uploads that nobody completes: given up, so that their parts cost nothing any more.

use super::Bucket;
use crate::Error;
use crate::clock::unix_ms;
use std::time::Duration;
use tidelock_core::s3::{AbortMultipartUpload, KEYS_PER_LIST_MAX, ListMultipartUploads, Upload};

/// An upload of the key that was just written is left, not slow, after this long.
const LEFT: Duration = Duration::from_secs(24 * 3600);

impl Bucket {
    /// Gives up the uploads in parts to keys that begin with `prefix` and were begun longer ago than `age`, whoever began
    /// them; their keys are the result. (MinIO lists them by whole keys alone.)
    ///
    /// # Errors
    /// What the store says; some may be given up by then.
    pub async fn abort_uploads(&self, prefix: &str, age: Duration) -> Result<Vec<String>, Error> {
        self.abort_where(prefix, |upload| is_older(upload, age)).await
    }

    /// After an upload to a key: what was left of others. Nothing depends on it, so it may fail.
    pub(super) async fn abort_leftovers_of(&self, key: &str) {
        let _ = self.abort_where(key, |upload| upload.key == key && is_older(upload, LEFT)).await;
    }

    async fn abort_where(&self, prefix: &str, is_left: impl Fn(&Upload) -> bool) -> Result<Vec<String>, Error> {
        let mut aborted = Vec::new();
        let mut list = ListMultipartUploads { prefix: prefix.to_owned(), marker: None, max_uploads: KEYS_PER_LIST_MAX };
        loop {
            let page = self.driver.call(&list).await.map_err(|failure| failure.error)?;
            for upload in page.uploads.into_iter().filter(&is_left) {
                let abort = AbortMultipartUpload { key: upload.key.clone(), upload: upload.id };
                self.driver.call(&abort).await.map_err(|failure| failure.error)?;
                aborted.push(upload.key);
            }
            if page.next.is_none() {
                return Ok(aborted);
            }
            list.marker = page.next;
        }
    }
}

/// An upload whose time the store doesn't tell is only as old as nothing.
fn is_older(upload: &Upload, age: Duration) -> bool {
    let begun: Option<jiff::Timestamp> = upload.initiated.as_deref().and_then(|time| time.parse().ok());
    let begun_ms = begun.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    match begun_ms {
        Some(begun_ms) => u128::from(unix_ms().saturating_sub(begun_ms)) >= age.as_millis(),
        None => age.is_zero(),
    }
}
