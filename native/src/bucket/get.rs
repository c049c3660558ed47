//! Reads an object piece by piece, and goes on where a connection broke.

use super::driver::{Driver, Tries};
use crate::transport::Begun;
use crate::{Bytes, Error, ErrorKind};
use std::io::Write;
use std::sync::Arc;
use tidelock_core::s3::{ETag, Failure, GetObject, Head, ReadStart, Retry};

/// An object that is being read. What is read is of one content, or an error.
pub struct Download {
    driver: Arc<Driver>,
    key: String,
    head: Head,
    bytes_max: u64,
    /// `None` after its last piece.
    body: Option<Begun>,
    /// Bytes handed out.
    at: u64,
    /// Bytes that come a second time, from a server that knows no ranges.
    skip: u64,
    tries: Tries,
}

impl Download {
    pub(super) async fn begin(driver: Arc<Driver>, key: &str, bytes_max: u64) -> Result<Option<Self>, Error> {
        let get = GetObject { key: key.to_owned(), if_match: None, range: None, body_max: 0 };
        let mut tries = Tries::default();
        let (start, body) = driver.begin(&get, &mut tries).await.map_err(|failure| failure.error)?;
        let head = match start {
            ReadStart::Object { head, .. } => head,
            ReadStart::Missing | ReadStart::Changed => return Ok(None),
        };
        if head.len.is_some_and(|len| len > bytes_max) {
            return Err(too_large(key, bytes_max));
        }
        let key = key.to_owned();
        Ok(Some(Self { driver, key, head, bytes_max, body: Some(body), at: 0, skip: 0, tries }))
    }

    /// What else is known of the object.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next piece; `None` after the last. A piece is at most what was received at once: less than 1 MiB.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] if the object was replaced meanwhile, [`ErrorKind::Invalid`] if it turns out to be larger than
    /// it may be, what the store says. No piece comes after an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            let failure = match self.driver.chunk(body).await {
                Ok(Some(mut chunk)) => {
                    let skipped = self.skip.min(chunk.len() as u64);
                    self.skip -= skipped;
                    let chunk = chunk.split_off(skipped as usize);
                    if chunk.is_empty() {
                        continue;
                    }
                    self.at += chunk.len() as u64;
                    self.check_len()?;
                    self.tries.went_on();
                    return Ok(Some(chunk));
                }
                Ok(None) if self.head.len.is_none() => {
                    self.body = None;
                    return Ok(None);
                }
                // All is here, however the connection ended.
                Ok(None) | Err(_) if self.head.len == Some(self.at) => {
                    self.body = None;
                    return Ok(None);
                }
                Ok(None) => ended_early(&self.key),
                Err(failure) => failure,
            };
            self.body = None;
            self.go_on(failure).await?;
        }
    }

    /// Writes all that follows; how many bytes that were is the result. `moved` is told of each piece.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); [`ErrorKind::LocalStore`] if `out` fails.
    pub async fn write_to(mut self, out: &mut impl Write, mut moved: impl FnMut(u64)) -> Result<u64, Error> {
        let mut bytes = 0;
        while let Some(chunk) = self.chunk().await? {
            out.write_all(&chunk).map_err(|error| {
                Error::new(ErrorKind::LocalStore, format!("the content can't be written: {error}"))
                    .on(&self.key)
                    .next_step("check the disk's room, and where the output goes")
            })?;
            bytes += chunk.len() as u64;
            moved(chunk.len() as u64);
        }
        Ok(bytes)
    }

    /// Asks for the rest, after a failure that may pass.
    async fn go_on(&mut self, failure: Failure) -> Result<(), Error> {
        let (Some(len), Some(etag)) = (self.head.len, self.head.etag.clone()) else {
            // Without both nobody knows whether the rest is of the same content.
            return Err(failure.error);
        };
        self.driver.again(&mut self.tries, failure).await.map_err(|failure| failure.error)?;
        let get = GetObject {
            key: self.key.clone(),
            if_match: Some(etag.clone()),
            range: Some((self.at, len - 1)),
            body_max: 0,
        };
        let (start, body) = self.driver.begin(&get, &mut self.tries).await.map_err(|failure| failure.error)?;
        match start {
            // A server may ignore the condition.
            ReadStart::Object { head, first } if is_same(&head, len, &etag) => {
                self.skip = self.at - first;
                self.body = Some(body);
                Ok(())
            }
            ReadStart::Object { .. } | ReadStart::Missing | ReadStart::Changed => {
                Err(Error::new(ErrorKind::Busy, "the object was replaced while it was read")
                    .on(&self.key)
                    .next_step("read it again")
                    .retryable())
            }
        }
    }

    fn check_len(&mut self) -> Result<(), Error> {
        if self.head.len.is_some_and(|len| self.at > len) {
            self.body = None;
            return Err(Error::new(ErrorKind::Corrupt, "the store sends more than the object's length").on(&self.key));
        }
        if self.at > self.bytes_max {
            self.body = None;
            return Err(too_large(&self.key, self.bytes_max));
        }
        Ok(())
    }
}

fn is_same(head: &Head, len: u64, etag: &ETag) -> bool {
    head.len.is_none_or(|other| other == len) && head.etag.as_ref().is_none_or(|other| other.matches(etag))
}

fn ended_early(key: &str) -> Failure {
    let error = Error::new(ErrorKind::Network, "the content ended early").on(key).next_step("try again").retryable();
    Failure { error, retry: Retry::Backoff { retry_after_ms: None } }
}

fn too_large(key: &str, bytes_max: u64) -> Error {
    Error::new(ErrorKind::Invalid, format!("the object has more than {bytes_max} bytes"))
        .on(key)
        .next_step("read it with a higher limit")
}
