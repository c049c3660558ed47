//! What is done to a device, its disk, its clock and the bucket between requests.

use super::run::Run;
use crate::fault::Fault;
use crate::world::World;
use tidelock_core::Operation;

const DAY_MS: u64 = 24 * 3_600_000;
const YEAR_MS: i64 = 365 * DAY_MS as i64;

impl Run<'_> {
    /// What is done to a device, its disk, its clock and the bucket before a step.
    pub(super) fn mischief(&mut self, at: usize) -> Result<(), String> {
        let World { hazards, random, bucket, .. } = &mut self.world;
        if !hazards.on {
            return Ok(());
        }
        let tried: Vec<Fault> =
            MISCHIEF.iter().copied().filter(|fault| hazards.faults.strikes(*fault, random)).collect();
        if hazards.older.is_none() || random.permille(30) {
            hazards.older = Some(bucket.older());
        }
        if self.plan.faults.contains(&Fault::RestoredStore) && self.world.random.permille(50) {
            let disk = self.world.devices[at].disk.copy();
            self.old_disks.insert(at, disk);
        }
        for fault in tried {
            if self.do_mischief(at, fault)? {
                self.world.hazards.faults.count(fault);
            }
        }
        Ok(())
    }

    /// False if it came to nothing.
    fn do_mischief(&mut self, at: usize, fault: Fault) -> Result<bool, String> {
        let ms = 1_000 + self.world.random.below(3 * DAY_MS);
        let now_ms = self.world.now_ms;
        let device = &mut self.world.devices[at];
        match fault {
            Fault::Killed => self.restart(at),
            Fault::LostCommits | Fault::TornCommit if device.disk.is_paged() => {
                let loses = if fault == Fault::TornCommit { device.may_tear() } else { device.unstored() > 0 };
                self.restart(at);
                return Ok(loses);
            }
            Fault::DiskFull => device.disk.fill(1 + ms % 3),
            Fault::CommitRaced if !device.disk.is_paged() => device.disk.race(),
            Fault::JumpAhead => device.skew_ms += ms as i64,
            Fault::JumpBack => device.skew_ms -= ms as i64,
            Fault::TenYearsAhead => device.skew_ms = 10 * YEAR_MS,
            Fault::TenYearsBehind => device.skew_ms = -10 * YEAR_MS,
            Fault::Frozen => device.frozen_ms = device.frozen_ms.is_none().then_some(now_ms),
            Fault::Backwards => device.backwards_ms = device.backwards_ms.is_none().then_some(now_ms),
            Fault::DateLies => self.world.bucket.clock_off_ms = ms as i64 - DAY_MS as i64,
            Fault::LongSleep => self.world.now_ms += ms * 3,
            Fault::Lifecycle | Fault::SpoiltObject => {
                let keys = self.world.bucket.keys_with("spaces/");
                if keys.is_empty() {
                    return Ok(false); // all is lost already
                }
                let key = keys[self.world.random.below(keys.len() as u64) as usize].clone();
                self.tell(|| format!("    {} {key}", fault.name()));
                if fault == Fault::Lifecycle { self.world.bucket.lose(&key) } else { self.world.bucket.spoil(&key) }
            }
            Fault::RolledBack => {
                let Some(older) = &self.world.hazards.older else { return Ok(false) };
                self.world.bucket.roll_back(older);
            }
            Fault::Withheld => {
                let keys = self.world.bucket.keys_with("/manifests/");
                if keys.is_empty() {
                    return Ok(false);
                }
                let key = &keys[self.world.random.below(keys.len() as u64) as usize];
                self.world.bucket.hide_until(key, now_ms + ms / 20);
            }
            Fault::SecondProcess if self.is_member(at) && !device_is_paged(&self.world, at) => {
                self.second_process(at)?
            }
            Fault::RestoredStore => return Ok(self.restore(at)),
            // A paged store that was copied in the middle of a commit does not open: nothing of it is written by anybody.
            Fault::ClonedStore
                if self.is_member(at) && self.world.devices.len() < 6 && !device_is_paged(&self.world, at) =>
            {
                let disk = self.world.devices[at].disk.copy();
                self.becomes_forked(at);
                self.world.add_with(disk);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Another process opens the same store, writes, may begin to sync if nobody else does, and dies.
    fn second_process(&mut self, at: usize) -> Result<(), String> {
        let disk = self.world.devices[at].disk.clone();
        let second = self.world.add_with(disk);
        let (skew_ms, frozen_ms, backwards_ms) = {
            let first = &self.world.devices[at];
            (first.skew_ms, first.frozen_ms, first.backwards_ms)
        };
        let device = &mut self.world.devices[second];
        (device.skew_ms, device.frozen_ms, device.backwards_ms) = (skew_ms, frozen_ms, backwards_ms);
        self.world.read_clock(at); // both read the same
        self.world.put(second, "key number 0");
        if !self.running.contains_key(&at) {
            let op = self.world.start(second, Operation::Sync);
            for _ in 0..self.world.random.below(30) {
                if self.world.devices[second].finished.contains_key(&op) {
                    break;
                }
                self.world.step(second);
            }
        }
        self.world.forget_last();
        self.unbroken()
    }

    fn restore(&mut self, at: usize) -> bool {
        let Some(old) = self.old_disks.get(&at).cloned() else { return false };
        self.becomes_forked(at);
        self.world.devices[at].disk.put_back(&old);
        self.becomes_forked(at); // it may have had another id then
        self.restored = true;
        self.running.remove(&at);
        self.world.restart(at);
        true
    }

    fn becomes_forked(&mut self, at: usize) {
        self.forked = true;
        if let (Some(watch), Ok(status)) = (&mut self.world.watch, self.world.devices[at].engine.status()) {
            watch.twins.extend(status.device);
        }
    }
}

fn device_is_paged(world: &World, at: usize) -> bool {
    world.devices[at].disk.is_paged()
}

/// What is done between requests.
const MISCHIEF: &[Fault] = &[
    Fault::Killed,
    Fault::LostCommits,
    Fault::TornCommit,
    Fault::DiskFull,
    Fault::CommitRaced,
    Fault::SecondProcess,
    Fault::RestoredStore,
    Fault::ClonedStore,
    Fault::JumpAhead,
    Fault::JumpBack,
    Fault::TenYearsAhead,
    Fault::TenYearsBehind,
    Fault::Frozen,
    Fault::Backwards,
    Fault::DateLies,
    Fault::LongSleep,
    Fault::Lifecycle,
    Fault::SpoiltObject,
    Fault::RolledBack,
    Fault::Withheld,
];
