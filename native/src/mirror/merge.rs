//! A folder and a listing side by side, path by path, in the order of their keys' bytes.

use super::Object;
use super::walk::{LocalFile, Walked};
use crate::bucket::{Bucket, Listed};
use crate::{Error, ErrorKind};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Objects that are listed ahead.
const AHEAD: usize = 2000;

/// What is next.
pub(super) enum Found {
    Local(LocalFile),
    Remote(Object),
    Both(LocalFile, Object),
    /// Of the folder alone.
    Skipped(String),
    Failed(Error),
}

/// Both sides.
pub(super) struct Sides {
    walked: mpsc::Receiver<Walked>,
    listed: mpsc::Receiver<Result<Object, Error>>,
    local: Next<LocalFile>,
    remote: Next<Object>,
    lister: AbortHandle,
}

enum Next<T> {
    Unknown,
    There(T),
    End,
}

impl Sides {
    pub(super) fn new(walked: mpsc::Receiver<Walked>, bucket: &Bucket, prefix: &str) -> Self {
        let (found, listed) = mpsc::channel(AHEAD);
        let lister = tokio::spawn(list(bucket.clone(), prefix.to_owned(), found)).abort_handle();
        Self { walked, listed, local: Next::Unknown, remote: Next::Unknown, lister }
    }

    /// The next path; `None` after the last. Dropping the future loses none.
    ///
    /// # Errors
    /// What the store says of the listing. None comes after that.
    pub(super) async fn next(&mut self) -> Result<Option<Found>, Error> {
        if matches!(self.local, Next::Unknown) {
            self.local = match self.walked.recv().await {
                Some(Walked::File(file)) => Next::There(file),
                Some(Walked::Skipped(path)) => return Ok(Some(Found::Skipped(path))),
                Some(Walked::Failed(error)) => return Ok(Some(Found::Failed(error))),
                None => Next::End,
            };
        }
        if matches!(self.remote, Next::Unknown) {
            self.remote = match self.listed.recv().await {
                Some(listed) => Next::There(listed?),
                None => Next::End,
            };
        }
        let order = match (&self.local, &self.remote) {
            (Next::There(local), Next::There(remote)) => local.path.cmp(&remote.path),
            (Next::There(_), _) => std::cmp::Ordering::Less,
            (_, Next::There(_)) => std::cmp::Ordering::Greater,
            _ => return Ok(None),
        };
        let local = if order.is_le() { self.local.take() } else { None };
        let remote = if order.is_ge() { self.remote.take() } else { None };
        Ok(match (local, remote) {
            (Some(local), Some(remote)) => Some(Found::Both(local, remote)),
            (Some(local), None) => Some(Found::Local(local)),
            (None, remote) => remote.map(Found::Remote),
        })
    }
}

impl Drop for Sides {
    fn drop(&mut self) {
        self.lister.abort();
    }
}

impl<T> Next<T> {
    fn take(&mut self) -> Option<T> {
        match std::mem::replace(self, Self::Unknown) {
            Self::There(next) => Some(next),
            other => {
                *self = other;
                None
            }
        }
    }
}

async fn list(bucket: Bucket, prefix: String, found: mpsc::Sender<Result<Object, Error>>) {
    let mut listing = bucket.list(&prefix, None, u64::MAX);
    let mut last: Option<String> = None;
    loop {
        let object = match listing.next().await {
            Ok(Some(Listed::Object(entry))) => entry,
            Ok(Some(Listed::Prefix(_))) => continue,
            Ok(None) => return,
            Err(error) => {
                // Who listens no more needs no error.
                let _ = found.send(Err(error)).await;
                return;
            }
        };
        let Some(path) = object.key.strip_prefix(&prefix).map(str::to_owned) else { continue };
        if last.as_ref().is_some_and(|last| *last >= path) {
            let error =
                Error::new(ErrorKind::Unsupported, "the store lists keys out of order, so no mirror can be made")
                    .on(object.key)
                    .next_step("use a store that lists keys by their bytes, as S3 does");
            let _ = found.send(Err(error)).await;
            return;
        }
        last = Some(path.clone());
        let object = Object { path, size: object.size, etag: object.etag, last_modified: object.last_modified };
        if found.send(Ok(object)).await.is_err() {
            return;
        }
    }
}
