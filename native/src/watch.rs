//! Keeps a vault in step: often while something happens, seldom while nothing does, at once after local writes.

use crate::clock::random_below;
use crate::{Error, SyncReport, Vault};
use std::time::Duration;
use tidelock_core::engine::Pace;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// How often the local store is asked for writes of other processes.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps a vault in step until it is dropped.
///
/// ```no_run
/// # async fn example(vault: tidelock::Vault) {
/// let mut watch = vault.watch();
/// while let Some(result) = watch.next().await {
///     match result {
///         Ok(report) => println!("{} changes came in", report.ops_applied),
///         Err(error) if error.is_retryable() => eprintln!("later: {error}"),
///         Err(error) => return eprintln!("{error}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Watch {
    reports: mpsc::Receiver<Result<SyncReport, Error>>,
}

impl Watch {
    pub(crate) fn start(vault: Vault) -> Self {
        // Of one: nobody who does not read causes requests.
        let (sender, reports) = mpsc::channel(1);
        let task = {
            let vault = vault.clone();
            async move {
                tokio::select! {
                    () = sender.closed() => {}
                    () = keep_syncing(vault, &sender) => {}
                }
            }
        };
        vault.spawn(task);
        Self { reports }
    }

    /// Waits for the end of the next sync; `None` when the vault is closed. A failed one is followed by others.
    pub async fn next(&mut self) -> Option<Result<SyncReport, Error>> {
        self.reports.recv().await
    }
}

async fn keep_syncing(vault: Vault, reports: &mpsc::Sender<Result<SyncReport, Error>>) {
    let mut pace = Pace::default();
    loop {
        let before = pending(&vault).await;
        let result = vault.sync().await;
        let published = result.as_ref().map_or(0, |report| report.ops_published);
        let left = left(before, published, pending(&vault).await);
        let active = result.as_ref().is_ok_and(|report| report.ops_applied + report.ops_published > 0);
        let due = Instant::now() + Duration::from_millis(pace.next_wait_ms(active, random_below));
        if reports.send(result).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep_until(due) => {}
            () = local_write(&vault, left) => {}
        }
    }
}

/// Ops that are no news after a sync: those that a failed push left, or that can't be pushed. What was written during the sync
/// is news.
fn left(before: u64, published: u64, now: u64) -> u64 {
    before.saturating_sub(published).min(now)
}

/// Waits for a write of this or another process beyond the ops that are `left`.
async fn local_write(vault: &Vault, left: u64) {
    let mut writes = vault.writes();
    sleep(Duration::from_millis(Pace::APART_MS)).await;
    while pending(vault).await <= left {
        tokio::select! {
            _ = writes.changed() => {}
            () = sleep(LOOK) => {}
        }
    }
    sleep(Duration::from_millis(Pace::GATHER_MS)).await;
}

/// Ops not yet published.
async fn pending(vault: &Vault) -> u64 {
    vault.status().await.map_or(0, |status| status.pending)
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn what_is_written_during_a_sync_is_news_and_what_it_left_is_not() {
        assert_eq!(left(0, 0, 1), 0, "one was written");
        assert_eq!(left(2, 2, 1), 0, "two went out, and one was written");
        assert_eq!(left(1, 3, 0), 0, "what was written went out, too");
        assert_eq!(left(3, 0, 3), 3, "none went out");
        assert_eq!(left(3, 0, 5), 3, "none went out, and two were written");
        assert_eq!(left(3, 0, 1), 1, "two went out, though the sync failed");
    }
}
