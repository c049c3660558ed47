//! New objects on their way into the bucket, several at once. Whoever names them waits for all of them first.

use super::shared::Shared;
use crate::Error;
use bytes::Bytes;
use futures::future::{BoxFuture, poll_immediate};
use futures::stream::{FuturesUnordered, StreamExt};

/// PUTs under way.
pub(super) struct Puts<'a> {
    cx: &'a Shared,
    running: FuturesUnordered<BoxFuture<'a, Result<(), Error>>>,
}

impl<'a> Puts<'a> {
    pub(super) fn new(cx: &'a Shared) -> Self {
        Self { cx, running: FuturesUnordered::new() }
    }

    /// Begins to PUT an object whose name is new; while as many run as may, waits for one of them first.
    pub(super) async fn begin(&mut self, path: String, sealed: Bytes) -> Result<(), Error> {
        let cx = self.cx;
        while self.running.len() >= cx.read(|state| state.config.concurrency.max(1)) as usize {
            self.running.next().await.transpose()?;
        }
        self.running.push(Box::pin(async move {
            cx.flush().await?; // only durable state is published
            cx.put_new(&path, sealed).await
        }));
        // It is sent now, not when something is waited for.
        poll_immediate(self.running.next()).await.flatten().transpose().map(drop)
    }

    /// All of them are in the bucket.
    pub(super) async fn end(&mut self) -> Result<(), Error> {
        while let Some(put) = self.running.next().await {
            put?;
        }
        Ok(())
    }
}
