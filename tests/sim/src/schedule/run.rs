//! Runs a plan: step by step, with everything watched, then the world heals.

use super::heal;
use super::plan::{Action, Plan, Step};
use crate::device::{Disk, Moment};
use crate::fault::{Counts, Fault, Faults};
use crate::random::Random;
use crate::watch::Watch;
use crate::witness::Witness;
use crate::world::World;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tidelock_core::{ErrorKind, Hash, OpId, Operation, Outcome, Secret};

/// The fields of documents.
const FIELDS: [&str; 4] = ["note", "place", "rating", "with"];

/// Fields by bit.
fn named(bits: u8) -> impl Iterator<Item = &'static str> {
    FIELDS.into_iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, field)| field)
}

fn visit(number: u8) -> String {
    format!("visit {number}")
}

/// A value without anything to escape, as JSON.
fn json(value: String) -> String {
    format!("\"{value}\"")
}

/// How a run ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good {
    /// Over every output of every device.
    pub trace: Hash,
    /// Faults that happened.
    pub counts: Counts,
}

/// A run and what it needs beside the world.
pub struct Run<'a> {
    pub(super) plan: &'a Plan,
    /// The world.
    pub world: World,
    /// What every device is doing.
    pub(super) running: BTreeMap<usize, OpId>,
    /// Older copies of stores.
    pub(super) old_disks: BTreeMap<usize, Disk>,
    /// Two copies of one store have written.
    pub forked: bool,
    /// A store was put back to an older state: what only it held is lost.
    pub restored: bool,
    /// Devices that somebody was told to revoke.
    pub shut_out: BTreeSet<usize>,
    tells: Option<Vec<String>>,
}

/// Runs a plan.
///
/// # Errors
/// What is wrong, and when it showed.
pub fn run(plan: &Plan) -> Result<Good, String> {
    Run::new(plan, false).and_then(|mut run| run.whole())
}

/// Runs a plan and tells what happened, line by line.
pub fn trace(plan: &Plan) -> (Vec<String>, Result<Good, String>) {
    match Run::new(plan, true) {
        Ok(mut run) => {
            let result = run.whole();
            (run.tells.take().unwrap_or_default(), result)
        }
        Err(why) => (Vec::new(), Err(why)),
    }
}

/// Runs something of the engine; a panic in it is a failure like any other.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(format!("panic: {}", words_of(&*panic))))
}

/// What a panic says.
pub fn words_of(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word")
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, tells: bool) -> Result<Self, String> {
        let mut world = World::new(plan.seed);
        if plan.signed {
            world.store = "s3://sim?endpoint=http://127.0.0.1:9000".parse().map_err(|error| format!("{error}"))?;
            world.bucket.checks_clock = true;
        }
        let mut chance = Random::new(plan.seed ^ 0x6661_756c_7473);
        let faults = Faults::of(&plan.faults, &mut chance);
        let mut run = Self {
            plan,
            world,
            running: BTreeMap::new(),
            old_disks: BTreeMap::new(),
            forked: false,
            restored: false,
            shut_out: BTreeSet::new(),
            tells: tells.then(Vec::new),
        };
        caught(|| run.found(faults))?;
        Ok(run)
    }

    /// The vault and its first devices, before anything goes wrong.
    fn found(&mut self, faults: Faults) -> Result<(), String> {
        let world = &mut self.world;
        let mut ways = faults.clone();
        world.hazards.begin(faults, &mut world.bucket);
        world.hazards.faults.stop();
        for at in 0..self.plan.devices {
            let paged = self.plan.paged >> at & 1 == 1;
            let added = world.add_with(if paged { Disk::paged() } else { Disk::default() });
            let result = if added == 0 { world.create_on(0) } else { world.join_on(added) };
            result.map_err(|error| format!("device {at} begins: {error}"))?;
        }
        let code = world.code.as_ref().ok_or("no vault")?;
        let words = ["value ", "device ", "history", "key number "].map(|word| word.as_bytes().to_vec());
        let witness = Witness::new(&world.bucket, code);
        let code = code.reveal().as_bytes().to_vec();
        let words = words.into_iter().chain([code]).collect();
        let mut watch = Watch::new(words, witness);
        watch.told = self.tells.is_some().then(Vec::new);
        for at in 0..self.plan.devices {
            watch.look(world, at); // what was published so far was not watched
        }
        world.watch = Some(watch);
        for at in 0..self.plan.devices {
            world.sync(at).map_err(|error| format!("device {at} begins: {error}"))?;
            world.devices[at].holds_pages = true;
        }
        std::mem::swap(&mut ways.counts, &mut world.hazards.faults.counts);
        world.hazards.faults = ways;
        Ok(())
    }

    fn whole(&mut self) -> Result<Good, String> {
        for (at, step) in self.plan.steps.iter().enumerate() {
            let result = caught(|| self.step(step));
            if let Err(why) = result {
                self.tell(|| format!("step {at}: {why}"));
                return Err(format!("step {at}: {why}"));
            }
        }
        self.tell(|| "the world heals".to_owned());
        let result = caught(|| heal::heal(self, self.plan.newcomer));
        self.tell_requests();
        if let Err(why) = &result {
            self.tell(|| format!("healing: {why}"));
        }
        result?;
        Ok(Good { trace: self.world.trace(), counts: self.world.hazards.faults.counts.clone() })
    }

    /// A line of the trace.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(tells) = &mut self.tells {
            tells.push(line());
        }
    }

    /// The requests since the last line.
    fn tell_requests(&mut self) {
        if let (Some(tells), Some(told)) =
            (&mut self.tells, self.world.watch.as_mut().and_then(|watch| watch.told.as_mut()))
        {
            tells.append(told);
        }
    }

    /// What the watch has seen.
    ///
    /// # Errors
    /// What is wrong.
    pub fn watched(&mut self, at: usize) -> Result<(), String> {
        if self.forked {
            return Ok(()); // who leaves its id begins to count anew
        }
        if let Some(mut watch) = self.world.watch.take() {
            watch.look(&self.world, at);
            self.world.watch = Some(watch);
        }
        self.unbroken()
    }

    pub(super) fn unbroken(&self) -> Result<(), String> {
        match self.world.watch.as_ref().and_then(|watch| watch.broken.clone()) {
            Some(wrong) => Err(wrong),
            None => Ok(()),
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        self.world.now_ms += step.wait_ms;
        self.world.random = Random::new(step.seed);
        let at = step.device as usize % self.world.devices.len();
        self.world.pass_time();
        for dead in (0..self.world.devices.len()).filter(|at| self.world.devices[*at].is_killed()).collect::<Vec<_>>() {
            self.restart(dead); // in the middle of another's step
        }
        let before = self.world.hazards.faults.counts.clone();
        self.world.deliver_late();
        self.mischief(at)?;
        let restarts = self.world.restarts;
        let told = self.act(at, step.action);
        if self.world.restarts != restarts {
            self.running.remove(&at); // killed by a write
        }
        self.tell_requests();
        let told = told?;
        self.tell(|| {
            let mut line = format!("device {at} {:?}", step.action);
            if let Some(told) = told {
                line += &format!(": {told}");
            }
            line
        });
        if self.tells.is_some() {
            let counts = &self.world.hazards.faults.counts;
            let new: Vec<&str> = Fault::ALL
                .iter()
                .filter(|fault| counts.of(**fault) > before.of(**fault))
                .map(|fault| fault.name())
                .collect();
            if !new.is_empty() {
                self.tell(|| format!("    faults: {}", new.join(", ")));
            }
        }
        self.unbroken()
    }

    pub(super) fn is_member(&self, at: usize) -> bool {
        self.world.devices[at].engine.status().is_ok_and(|status| status.vault.is_some())
    }

    fn act(&mut self, at: usize, action: Action) -> Result<Option<String>, String> {
        let member = self.is_member(at);
        let key = |key: u8| format!("key number {key}");
        let world = &mut self.world;
        match action {
            Action::Join => return self.join(at).map(Some),
            Action::Wait => {}
            Action::Go(many) => self.go(at, many)?,
            _ if !member => {}
            Action::Put(number, bytes) => {
                let value = world.big_value(bytes as usize);
                let held = self.write(at, &key(number), |world, key| world.put_value(at, key, &value));
                if held && let Some(mut watch) = self.world.watch.take() {
                    watch.wrote(&self.world, at, &key(number), &value);
                    self.world.watch = Some(watch);
                }
                return Ok(Some(format!("{} = {:.12}", key(number), value)));
            }
            Action::Delete(number) => {
                self.write(at, &key(number), |world, key| world.delete(at, key));
            }
            Action::Resolve(number, keep) => {
                let contested = world.standing(at, &key(number)).len() > 1;
                if contested {
                    let value = world.value();
                    let value = keep.then_some(value.as_str());
                    self.write(at, &key(number), |world, key| world.resolve(at, key, value));
                }
            }
            Action::PutDocument(number, fields, bytes) => {
                let fields: Vec<_> =
                    named(fields).map(|field| (field, json(world.big_value(bytes as usize)))).collect();
                world.put_document(at, &visit(number), &fields);
            }
            Action::PatchDocument(number, set, removed) => {
                let mut changes: Vec<_> = named(set).map(|field| (field, Some(json(world.value())))).collect();
                changes.extend(named(removed).map(|field| (field, None)));
                world.patch_document(at, &visit(number), &changes);
            }
            Action::DeleteDocument(number) => world.delete_document(at, &visit(number)),
            Action::ResolveField(number, field, keep) => {
                let value = keep.then(|| json(world.value()));
                world.resolve_field(at, &visit(number), FIELDS[usize::from(field)], value.as_deref());
            }
            Action::Append => {
                let restarts = world.restarts;
                if let Some(entry) = world.append(at)
                    && !self.forked
                    && self.world.restarts == restarts
                    && let Some(mut watch) = self.world.watch.take()
                {
                    watch.appended(&self.world, at, &entry);
                    self.world.watch = Some(watch);
                }
            }
            Action::DeleteEntry => world.delete_some_entry(at),
            Action::Import(line) => {
                world.import(at, 1_000_000 + u64::from(line), &format!("value of line {line}"));
            }
            Action::Sync => return self.operate(at, Operation::Sync).map(Some),
            Action::Check => return self.operate(at, Operation::Check).map(Some),
            Action::Begin => self.begin(at, Operation::Sync),
            Action::Retire(_) | Action::Revoke(_) | Action::Adopt(_) => return self.decide(at, action),
        }
        Ok(None)
    }

    /// A write at a key of the map, watched. False if it may not have been made.
    fn write(&mut self, at: usize, key: &str, write: impl FnOnce(&mut World, &str)) -> bool {
        let (standing, restarts) = (self.world.standing(at, key), self.world.restarts);
        write(&mut self.world, key);
        let made = !self.forked && self.world.restarts == restarts && !self.world.devices[at].disk.was_full();
        if made && let Some(mut watch) = self.world.watch.take() {
            watch.replaced(&self.world, at, key, standing);
            self.world.watch = Some(watch);
        }
        made
    }

    pub(super) fn begin(&mut self, at: usize, operation: Operation) {
        if self.running.contains_key(&at) {
            return;
        }
        self.threaten(at);
        if let Some(watch) = &mut self.world.watch {
            watch.operation(at);
        }
        let op = self.world.start(at, operation);
        self.running.insert(at, op);
    }

    /// Kills a device at some moment soon.
    fn threaten(&mut self, at: usize) {
        let World { hazards, random, .. } = &mut self.world;
        let soon = random.below(20);
        let moment = if hazards.faults.strikes(Fault::KilledAtCommit, random) {
            Moment::Commit(soon)
        } else if hazards.faults.strikes(Fault::KilledBeforeRequest, random) {
            Moment::Request(soon)
        } else if hazards.faults.strikes(Fault::KilledBeforeAnswer, random) {
            Moment::Answer(soon)
        } else {
            return;
        };
        self.world.devices[at].kill_at(Some(moment));
    }

    /// Runs an operation to its end, while others that are on their way go on too.
    pub(super) fn operate(&mut self, at: usize, operation: Operation) -> Result<String, String> {
        self.begin(at, operation);
        for _ in 0..200_000 {
            let Some(ended) = self.progress(at)? else { continue };
            return Ok(ended);
        }
        Err(format!("device {at} makes no progress"))
    }

    /// So many things happen to a device.
    fn go(&mut self, at: usize, many: u8) -> Result<(), String> {
        for _ in 0..many {
            if !self.running.contains_key(&at) || self.progress(at)?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// One thing happens to a device, or to another one that is busy too; says how its operation ended, if it did.
    fn progress(&mut self, at: usize) -> Result<Option<String>, String> {
        let busy: Vec<usize> = self.running.keys().copied().collect();
        let which = match busy.len() {
            0 => return Ok(Some("killed".to_owned())),
            many if many > 1 && self.world.random.permille(300) => busy[self.world.random.below(many as u64) as usize],
            _ => at,
        };
        if let Some(op) = self.running.get(&which).copied() {
            if self.world.devices[which].is_killed() {
                self.restart(which);
                return Ok((which == at).then(|| "killed".to_owned()));
            }
            if let Some(result) = self.world.devices[which].finished.remove(&op) {
                self.running.remove(&which);
                self.world.devices[which].kill_at(None);
                let told = self.ended(which, result)?;
                return Ok((which == at).then_some(told));
            }
            self.world.step(which);
        }
        self.unbroken().map(|()| None)
    }

    /// What an operation may end with when there are faults, and what never.
    fn ended(&mut self, at: usize, result: Result<Outcome, tidelock_core::Error>) -> Result<String, String> {
        self.watched(at)?;
        match result {
            Ok(_) => Ok("done".to_owned()),
            Err(error) => match error.kind() {
                ErrorKind::Forked if self.forked => Ok(format!("{error}")),
                ErrorKind::Closed | ErrorKind::Revoked
                    if self.shut_out.contains(&at) || self.lacks_keys(at, &error) =>
                {
                    Ok(format!("{error}"))
                }
                ErrorKind::Internal
                | ErrorKind::Invalid
                | ErrorKind::Forked
                | ErrorKind::Closed
                | ErrorKind::Revoked => Err(format!("an operation of device {at} ended in {error:?}")),
                _ if self.plan.faults.is_empty() && !error.is_retryable() => {
                    Err(format!("without a fault, device {at} ended in {error:?}"))
                }
                _ => Ok(format!("{error}")),
            },
        }
    }

    /// A device's process ended, and starts again.
    pub fn restart(&mut self, at: usize) {
        self.running.remove(&at);
        let faults = &mut self.world.hazards.faults;
        if let Some(moment) = self.world.devices[at].killed_at() {
            faults.count(match moment {
                Moment::Commit(_) => Fault::KilledAtCommit,
                Moment::Request(_) => Fault::KilledBeforeRequest,
                Moment::Answer(_) => Fault::KilledBeforeAnswer,
            });
        }
        if faults.happens(Fault::EntropyRepeats, &mut self.world.random) {
            self.world.restart_with(at, 7);
        } else {
            self.world.restart(at);
        }
    }

    fn join(&mut self, at: usize) -> Result<String, String> {
        let interrupted = (0..self.world.devices.len()).find(|at| !self.is_member(*at));
        let at = match interrupted {
            Some(other) => other,
            None if self.world.devices.len() < 5 => {
                let paged = self.plan.paged >> self.world.devices.len() & 1 == 1;
                let newcomer = self.world.add_with(if paged { Disk::paged() } else { Disk::default() });
                self.world.devices[newcomer].holds_pages = true;
                newcomer
            }
            None => return Ok(format!("device {at} has joined long ago")),
        };
        let code = self.world.code.clone().ok_or("no vault")?;
        self.operate(at, Operation::Join { secret: Secret::Recovery(code) })
    }

    /// Everybody syncs at once, in any order.
    ///
    /// # Errors
    /// What must never be.
    pub fn all_at_once(&mut self) -> Result<(), String> {
        for at in 0..self.world.devices.len() {
            self.begin(at, Operation::Sync);
        }
        for _ in 0..200_000 {
            let busy: Vec<usize> = self.running.keys().copied().collect();
            if busy.is_empty() {
                return Ok(());
            }
            let which = self.world.random.below(busy.len() as u64) as usize;
            self.progress(busy[which])?;
        }
        Err("devices that sync at once make no progress".to_owned())
    }

    /// Lets everything that is on its way end.
    ///
    /// # Errors
    /// What must never be.
    pub fn calm_down(&mut self) -> Result<(), String> {
        while let Some(at) = self.running.keys().next().copied() {
            for _ in 0..200_000 {
                if self.progress(at)?.is_some() {
                    break;
                }
            }
            if self.running.contains_key(&at) {
                return Err(format!("device {at} makes no progress"));
            }
        }
        Ok(())
    }
}
