//! Keeps a vault in step: often while something happens, seldom while nothing does, at once after local writes.

use crate::clock::random_below;
use crate::{Error, SyncReport, Vault};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// The shortest and longest wait while something happens; polls of many devices spread over it.
const BUSY_MS: u64 = 30_000;
/// The longest wait.
const IDLE_MS_MAX: u64 = 300_000;
/// So many syncs that brought nothing double the wait.
const ROUNDS_A_STEP: u32 = 5;
/// A local write waits this long for others to share its push.
const GATHER: Duration = Duration::from_secs(1);
/// Local writes start no sync sooner after the last.
const APART: Duration = Duration::from_secs(5);
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
        let result = vault.sync().await;
        let active = result.as_ref().is_ok_and(|report| report.ops_applied + report.ops_published > 0);
        let due = Instant::now() + pace.next_wait(active, random_below);
        if reports.send(result).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep_until(due) => {}
            () = local_write(&vault) => {}
        }
    }
}

/// Waits for a write of this or another process since now.
async fn local_write(vault: &Vault) {
    let mut writes = vault.writes();
    let before = pending(vault).await;
    sleep(APART).await;
    while pending(vault).await <= before {
        tokio::select! {
            _ = writes.changed() => {}
            () = sleep(LOOK) => {}
        }
    }
    sleep(GATHER).await;
}

/// Ops not yet published. Those of a failed push stay: only more of them are news.
async fn pending(vault: &Vault) -> u64 {
    vault.status().await.map_or(0, |status| status.pending)
}

/// How long to wait between syncs.
#[derive(Debug, Default)]
struct Pace {
    /// Syncs in a row that brought nothing.
    idle_rounds: u32,
}

impl Pace {
    /// The wait after a sync: 30 to 60 s, twice that after each five that brought nothing, up to 2.5 to 5 min.
    fn next_wait(&mut self, active: bool, random_below: impl Fn(u64) -> u64) -> Duration {
        self.idle_rounds = if active { 0 } else { self.idle_rounds.saturating_add(1) };
        let doublings = (self.idle_rounds / ROUNDS_A_STEP).min(8);
        let shortest = (BUSY_MS << doublings).min(IDLE_MS_MAX / 2);
        Duration::from_millis(shortest + random_below(shortest + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(pace: &mut Pace, active: bool) -> (u64, u64) {
        let mut twin = Pace { idle_rounds: pace.idle_rounds };
        let least = twin.next_wait(active, |_| 0).as_secs();
        (least, pace.next_wait(active, |bound| bound - 1).as_secs())
    }

    #[test]
    fn waits_grow_from_half_a_minute_to_five_minutes_and_fall_back() {
        let mut pace = Pace::default();
        assert_eq!(bounds(&mut pace, true), (30, 60));
        for _ in 0..4 {
            assert_eq!(bounds(&mut pace, false), (30, 60));
        }
        assert_eq!(bounds(&mut pace, false), (60, 120));
        for _ in 0..100 {
            bounds(&mut pace, false);
        }
        assert_eq!(bounds(&mut pace, false), (150, 300));
        assert_eq!(bounds(&mut pace, true), (30, 60));
    }
}
