//! Which process of this device syncs: operations wait here until the lock beside the local store is theirs.

use std::collections::BTreeMap;
use tidelock_client::{Drained, Driver, Now, Operation, Output, SyncReport};
use tidelock_sqlite::SyncLock;

/// How often a taken lock is tried again, in ms: a file lock wakes nobody.
const LOCK_RETRY_MS: u64 = 40;

/// Operations by ticket: those that wait for the lock, and those that run while it is held.
pub(crate) struct Turns {
    lock: SyncLock,
    next: u64,
    waiting: Vec<(u64, Operation)>,
    /// By the driver's number of the operation.
    running: BTreeMap<u64, u64>,
}

impl Turns {
    pub(crate) fn new(lock: SyncLock) -> Self {
        Self { lock, next: 1, waiting: Vec::new(), running: BTreeMap::new() }
    }

    /// Puts an operation into the queue; gives its ticket.
    pub(crate) fn queue(&mut self, operation: Operation) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.waiting.push((ticket, operation));
        ticket
    }

    /// Cancels an operation. One that still waits ends without a word: nobody waits for it any more.
    pub(crate) fn cancel(&mut self, driver: &mut Driver, ticket: u64, now: Now) {
        self.waiting.retain(|(waiting, _)| *waiting != ticket);
        if let Some((op, _)) = self.running.iter().find(|(_, running)| **running == ticket) {
            driver.cancel(*op, now);
        }
    }

    /// Starts what may start, drains, and frees the lock once nothing runs.
    pub(crate) fn drain(&mut self, driver: &mut Driver, now: Now) -> Drained {
        let mut ended = self.admit(driver, now);
        let mut drained = driver.drain(now);
        for output in &mut drained.outputs {
            if let Output::Finished { op, .. } | Output::Failed { op, .. } = output {
                *op = self.running.remove(op).unwrap_or(*op);
            }
        }
        if self.running.is_empty() {
            self.lock.release();
        }
        if !self.waiting.is_empty() {
            let retry = now.monotonic_ms + LOCK_RETRY_MS;
            drained.wake_at_ms = Some(drained.wake_at_ms.map_or(retry, |due| due.min(retry)));
        }
        ended.append(&mut drained.outputs);
        drained.outputs = ended;
        drained
    }

    /// What ended at once: pushes that the lock's holder did, and operations that can't start.
    fn admit(&mut self, driver: &mut Driver, now: Now) -> Vec<Output> {
        let mut ended = Vec::new();
        if self.waiting.is_empty() {
            return ended;
        }
        let taken = self.lock.try_take();
        for (ticket, operation) in std::mem::take(&mut self.waiting) {
            let refused = match &taken {
                Ok(true) => match driver.start(operation, now) {
                    Ok(op) => {
                        self.running.insert(op, ticket);
                        continue;
                    }
                    Err(error) => error,
                },
                Ok(false) if was_pushed_by_another(driver, &operation) => {
                    let report = Some(SyncReport::default());
                    ended.push(Output::Finished { op: ticket, recovery_code: None, report });
                    continue;
                }
                Ok(false) => {
                    self.waiting.push((ticket, operation));
                    continue;
                }
                Err(error) => error.clone(),
            };
            ended.push(Output::Failed { op: ticket, problem: refused.into() });
        }
        ended
    }
}

/// A push that finds the lock taken is done when its holder published this device's ops too.
fn was_pushed_by_another(driver: &Driver, operation: &Operation) -> bool {
    matches!(operation, Operation::Push) && driver.status().is_ok_and(|status| status.pending == 0)
}
