//! The two worlds, and what happens in both.

use super::documents::{Call, FIELDS, ID};
use super::shown::map_key;
use super::{Counts, Doing, Plan, STORES};
use crate::lives::bucket::Manifest;
use crate::lives::op::{Kind, MAP_KEYS, Op, Set, each, one};
use crate::lives::publishing::DAY;
use crate::lives::rules::Rules;
use crate::lives::schedule::push;
use crate::lives::store::{Slot, Store};
use crate::lives::world::World as Model;
use crate::model::random::Random;
use crate::oracle::{Fact, Oracle};
use crate::world::World as Real;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tidelock_core::{Change, DeviceId, DeviceStatus, Error, Operation};

/// The most ids in the model.
const DEVICES: u8 = 16;
/// Of the model's ops the last are left to closes.
const OPS: usize = 90;
/// Log keys that every store may import anew: the first ones after the map's.
const IMPORTED: usize = 2;
/// All keys, with those of the log that are appended once.
pub(super) const KEYS: usize = MAP_KEYS + IMPORTED + 12;
/// A tick of the model, less than its hour of 4 ticks.
const TICK_MS: u64 = 20 * 60_000;
const HOUR_MS: u64 = 3_600_000;
/// Full checks, an hour apart, of an engine that shows something else.
const AGAIN: usize = 2;
/// Full checks of everybody in the end.
const ROUNDS: usize = 6;

/// Store `s` of the model is device `s` of the engines.
pub(super) struct Both {
    pub(super) model: Model,
    pub(super) real: Real,
    big: bool,
    pub(super) documents: bool,
    /// Of each store, what only it may have: no sync has published it.
    unpublished: Vec<Set>,
    published: Set,
    /// Of each write, what the oracle is to know.
    facts: Vec<(Set, Fact)>,
    /// The engines' keys of the log.
    log_keys: BTreeMap<usize, String>,
    snapshots: BTreeSet<String>,
    /// Ids of engines' stores that were copied.
    copied: BTreeSet<DeviceId>,
    pub(super) counts: Counts,
    /// Stores whose engine said that it could not take something yet: until they agree again they only sync.
    pub(super) behind: BTreeSet<usize>,
}

impl Both {
    pub(super) fn new(plan: &Plan, traced: bool) -> Self {
        let mut model = Model::new(Rules::without(&[]), traced);
        model.bucket.moody = false;
        widen(&mut model.stores[0]);
        Self {
            model,
            real: Real::with_devices(plan.seed, 1),
            big: plan.big,
            documents: plan.documents,
            unpublished: vec![0],
            published: 0,
            facts: Vec::new(),
            log_keys: BTreeMap::new(),
            snapshots: BTreeSet::new(),
            copied: BTreeSet::new(),
            counts: Counts::default(),
            behind: BTreeSet::new(),
        }
    }

    pub(super) fn whole(&mut self, plan: &Plan) -> Result<Counts, String> {
        for event in &plan.events {
            self.pass(1, TICK_MS);
            let s = event.store % self.model.stores.len();
            let rests = self.behind.contains(&s) && !matches!(event.doing, Doing::Sync | Doing::Die | Doing::Pass);
            if self.is_used(s) && !rests {
                self.happen(s, event.doing, &mut Random::new(event.seed))?;
                self.note_snapshots();
                self.compare(s).map_err(|what| format!("after {:?}: {what}", event.doing))?;
            }
        }
        self.heal()?;
        self.counts.model = self.model.had;
        Ok(self.counts)
    }

    fn happen(&mut self, s: usize, doing: Doing, random: &mut Random) -> Result<(), String> {
        match doing {
            Doing::Write => self.write(s, random),
            Doing::Sync => {
                self.sync(s)?;
                self.keep(s, random);
            }
            Doing::Copy => self.copy(s)?,
            Doing::Die => {
                if self.used().len() > 1 {
                    self.model.stores[s].alive = false;
                    self.real.gone.insert(s);
                    self.model.note(|_| format!("{s} dies"));
                }
            }
            Doing::Join => self.join(random)?,
            Doing::Retire => self.retire(s, random)?,
            Doing::Revoke => self.revoke(s, random)?,
            Doing::Adopt => self.adopt(s)?,
            Doing::Lose => self.lose(s, random)?,
            Doing::Pass => {
                let days = if random.once_in(8) { 190 } else { random.below(12) as u32 };
                self.pass(days * DAY, u64::from(days) * 24 * HOUR_MS);
            }
        }
        Ok(())
    }

    fn pass(&mut self, ticks: u32, ms: u64) {
        self.model.bucket.pass(ticks);
        self.real.now_ms += ms;
    }

    /// Stores that somebody uses who does not know better.
    fn used(&self) -> Vec<usize> {
        self.model.used().collect()
    }

    pub(super) fn is_used(&self, s: usize) -> bool {
        self.model.stores[s].alive && !self.model.stores[s].revoked
    }

    /// The same write in both.
    fn write(&mut self, s: usize, random: &mut Random) {
        let key = match random.below(10) {
            0 => MAP_KEYS + random.below(IMPORTED),
            1..3 => MAP_KEYS + IMPORTED + random.below(KEYS - MAP_KEYS - IMPORTED),
            3..7 => 0,
            _ => random.below(MAP_KEYS),
        };
        let delete = random.once_in(3);
        let is_big = self.big && random.once_in(3);
        if self.model.ops.len() >= OPS {
            return;
        }
        if self.documents && key < MAP_KEYS {
            self.call(s, is_big, random);
            return;
        }
        let (is_log, is_appended) = (key >= MAP_KEYS, key >= MAP_KEYS + IMPORTED);
        let slot = &self.model.stores[s].state.slots[key];
        let stands = slot.entries.iter().any(|entry| entry.put) || slot.line.is_some();
        // What was imported before, or deleted since, is not imported again; what was appended has a key of its own.
        let is_free = !is_log || !(stands || slot.deleted || is_appended && self.log_keys.contains_key(&key));
        let kind = match (is_log, delete && stands) {
            (false, true) => Kind::Delete,
            (false, false) => Kind::Put,
            (true, true) => Kind::LogDelete,
            (true, false) if is_free => Kind::Append,
            (true, false) => return,
        };
        let op = self.model.ops.len();
        self.model.write(s, kind, key, None);
        self.unpublished[s] |= one(op as u8);
        let fact = self.write_real(s, kind, key, op, is_big);
        self.facts.push((one(op as u8), fact));
    }

    /// The same call of a document in both. The model knows it as single writes.
    fn call(&mut self, s: usize, is_big: bool, random: &mut Random) {
        let call = Call::any(random);
        let writes = call.writes(&self.model.stores[s]);
        let first = self.model.ops.len();
        for (kind, key) in &writes {
            let op = self.model.ops.len();
            self.model.write(s, *kind, *key, None);
            self.unpublished[s] |= one(op as u8);
        }
        let before = self.real.registers(s, ID);
        let mut filler = String::new();
        while is_big && filler.len() < 30 << 10 {
            filler += &format!("{:016x}", self.real.random.bits());
        }
        let value = |key: &usize| {
            let at = writes.iter().position(|write| *write == (Kind::Put, *key)).expect("a field that is set");
            format!("\"{} {filler}\"", first + at)
        };
        match &call {
            Call::Put(fields) => {
                let fields: Vec<(&str, String)> = fields.iter().map(|key| (FIELDS[*key], value(key))).collect();
                self.real.put_document(s, ID, &fields);
            }
            Call::Patch(fields) => {
                let changes: Vec<(&str, Option<String>)> =
                    fields.iter().map(|(key, is_set)| (FIELDS[*key], is_set.then(|| value(key)))).collect();
                self.real.patch_document(s, ID, &changes);
            }
            Call::Delete => self.real.delete_document(s, ID),
        }
        let after = self.real.registers(s, ID);
        for (at, (kind, key)) in writes.iter().enumerate() {
            let register = if *key == 0 { ID.to_owned() } else { format!("{ID}\0{}", FIELDS[*key]) };
            let standing = before.get(&register).cloned().unwrap_or_default();
            let written = after.get(&register).and_then(|values| values.first()).cloned();
            let fact = match kind {
                Kind::Put => {
                    Fact::Put { key: register, value: written.expect("what was put just now stands"), standing }
                }
                _ => Fact::Delete { key: register, standing },
            };
            self.facts.push((one((first + at) as u8), fact));
        }
        self.counts.calls += 1;
    }

    fn write_real(&mut self, s: usize, kind: Kind, key: usize, op: usize, is_big: bool) -> Fact {
        let name = map_key(key);
        let standing = self.real.standing(s, &name);
        let logged = self.log_keys.get(&key).cloned().unwrap_or_default();
        let mut value = if kind == Kind::Put { format!("{op} ") } else { format!("{key} ") };
        while is_big && kind == Kind::Put && value.len() < 30 << 10 {
            value += &format!("{:016x}", self.real.random.bits());
        }
        let bytes = Bytes::from(value.clone());
        let (change, mut fact) = match kind {
            Kind::Put => (
                Change::Put { collection: Real::map(), key: name.clone(), value: bytes },
                Fact::Put { key: name, value, standing },
            ),
            Kind::Delete => {
                (Change::Delete { collection: Real::map(), key: name.clone() }, Fact::Delete { key: name, standing })
            }
            Kind::LogDelete => (
                Change::Delete { collection: Real::log(), key: logged.clone() },
                Fact::DeleteEntry { key: logged.clone() },
            ),
            _ => {
                let collection = Real::log();
                let change = if key < MAP_KEYS + IMPORTED {
                    Change::Import { collection, source: "a file".into(), unix_ms: key as u64, repeat: 0, value: bytes }
                } else {
                    Change::Append { collection, key: None, value: bytes }
                };
                (change, Fact::Append { key: logged.clone(), value })
            }
        };
        let device = &mut self.real.devices[s];
        let now = device.now(self.real.now_ms);
        let written = device.engine.write(&[change], now).expect("a valid change on a sound disk");
        device.drain(self.real.now_ms);
        if let (Fact::Append { key: of_fact, .. }, Some(new)) = (&mut fact, written.keys.into_iter().next()) {
            of_fact.clone_from(&new);
            self.log_keys.insert(key, new);
        }
        fact
    }

    /// A whole sync. Who finds that it is revoked is not used any more, in both.
    fn sync(&mut self, s: usize) -> Result<(), String> {
        let random = &mut Random::new(0); // a calm bucket asks for no chance
        self.model.check_own(s, random);
        self.learn_revoked(s, random);
        self.model.full_check(s, random);
        if self.model.check_own(s, random) {
            push(&mut self.model, s, random);
        }
        if !self.is_used(s) {
            return Err(format!("store {s} of the model learns of a revocation that nobody told it of"));
        }
        let published = std::mem::take(&mut self.unpublished[s]);
        self.published |= published;
        self.check(s)?;
        for _ in 0..AGAIN {
            if self.agrees(s) {
                break;
            }
            self.counts.again += 1;
            self.pass(4, HOUR_MS);
            self.check(s)?;
        }
        Ok(())
    }

    /// In the engine manifests tell who is revoked before any op is read. In the model that is an op: those are read first.
    fn learn_revoked(&mut self, s: usize, random: &mut Random) {
        let revokes = |op: u8| self.model.ops[op as usize].mark.is_some_and(|mark| mark.revoked);
        let known = self.model.stores[s].applied;
        let tells = |manifest: &&Rc<Manifest>| {
            let named = manifest.snapshot.as_ref().map_or(0, |named| named.v);
            let ops = manifest.lines.iter().fold(named, |all, line| all | line.ops());
            each(ops & !known).any(revokes)
        };
        let first: Vec<u8> = self.model.bucket.current().filter(tells).map(|manifest| manifest.device).collect();
        first.into_iter().for_each(|device| self.model.pull(s, device, random));
    }

    /// The engine's part of a sync.
    fn check(&mut self, s: usize) -> Result<(), String> {
        let (before, rows, old) = (self.shown(s), self.real.tombstones(s), self.real.id(s));
        let report = self.real.full_check(s);
        let report = report.map_err(|error| format!("the full check of device {s} ends in {error:?}"))?;
        let new = self.real.id(s);
        self.model.note(|_| format!("device {s}, {new}, was {old}, syncs: {report:?}"));
        self.counts.left += usize::from(new != old);
        if before == self.shown(s) {
            self.counts.collected += rows.saturating_sub(self.real.tombstones(s));
        }
        let unplaced = |error: &Error| error.object().is_some_and(|object| object.contains("/snapshots/"));
        if report.debts > 0 || report.reports.iter().any(unplaced) {
            self.behind.insert(s);
        }
        Ok(())
    }

    /// What the engine does by itself in a full check, when it is due: the model is told when.
    fn keep(&mut self, s: usize, random: &mut Random) {
        let model = &mut self.model;
        match random.below(6) {
            0 => model.snapshot(s, random),
            1 => model.name_others(s, random),
            2 => model.delete(s, random),
            3 => model.sweep(s, random),
            _ => model.collect(s, random),
        }
    }

    fn copy(&mut self, s: usize) -> Result<(), String> {
        if self.model.stores.len() >= STORES {
            return Ok(());
        }
        let copy = self.model.stores.len();
        self.model.stores.push(self.model.stores[s].clone());
        self.model.had.copies += 1;
        self.model.note(|_| format!("{s} is copied as {copy}"));
        self.unpublished.push(self.unpublished[s]);
        self.copied.insert(self.real.id(s));
        let disk = self.real.devices[s].disk.copy();
        self.real.add_with(disk);
        self.compare(copy)
    }

    fn join(&mut self, random: &mut Random) -> Result<(), String> {
        if self.model.stores.len() >= STORES || self.model.devices >= DEVICES {
            return Ok(());
        }
        let s = self.model.stores.len();
        self.model.join(random);
        widen(&mut self.model.stores[s]);
        self.unpublished.push(0);
        self.real.join().map_err(|error| format!("a join ends in {error:?}"))?;
        self.sync(s)?;
        self.compare(s)
    }

    fn device_status(&self, s: usize, id: DeviceId) -> Option<DeviceStatus> {
        let devices = self.real.devices[s].engine.status().expect("the disk is sound").devices;
        devices.into_iter().find(|device| device.id == id)
    }

    /// Another store whose id this one knows, in both.
    fn target(&self, s: usize, random: &mut Random) -> Option<(usize, u8, DeviceId)> {
        self.known_target(s, random.below(self.model.stores.len()))
    }

    fn known_target(&self, s: usize, t: usize) -> Option<(usize, u8, DeviceId)> {
        let (device, id) = (self.model.stores[t].device(), self.real.id(t));
        let is_known = self.model.stores[s].known.contains_key(&device) && self.device_status(s, id).is_some();
        (t != s && is_known && id != self.real.id(s)).then_some((t, device, id))
    }

    fn retire(&mut self, s: usize, random: &mut Random) -> Result<(), String> {
        self.sync(s)?;
        if !self.agrees(s) {
            return Ok(());
        }
        let Some((_, device, id)) = self.target(s, random) else { return Ok(()) };
        self.model.close(s, device, false, random);
        self.operate(s, Operation::RetireDevice { device: id })?;
        self.counts.retired += 1;
        self.sync(s)
    }

    /// Revokes an id that nobody else in use may still write under: of copies that have not noticed each other, the engine
    /// finds itself revoked where the model, which looks at its own manifest first, leaves.
    fn revoke(&mut self, s: usize, random: &mut Random) -> Result<(), String> {
        self.sync(s)?;
        if !self.agrees(s) {
            return Ok(());
        }
        let Some((t, device, id)) = self.target(s, random) else { return Ok(()) };
        let holders: Vec<usize> = (0..self.model.stores.len())
            .filter(|&u| self.model.stores[u].device() == device || self.real.id(u) == id)
            .collect();
        if holders.len() > 1 && holders.iter().any(|&u| self.is_used(u)) {
            return Ok(());
        }
        let is_late = self.is_used(t) && random.once_in(2);
        if is_late && !self.behind.contains(&t) {
            self.write(t, random); // not published in time
        }
        self.model.close(s, device, true, random);
        push(&mut self.model, s, random);
        self.operate(s, Operation::RevokeDevice { device: id })?;
        self.counts.revoked += 1;
        if is_late {
            // It has the bucket's credentials still, and none of the keys that would tell it.
            // One that was copied and has heard of it publishes nothing: it can't leave.
            let before = self.real.status_of(t, t).sequence;
            let late = self.real.sync(t);
            self.model.note(|_| format!("device {t}, revoked, syncs: {late:?}"));
            if self.real.status_of(t, t).sequence != before {
                self.model.stores[t].named = None; // one that is old would be put anew, and the late write be in it alone
                self.model.freeze(t, random);
                self.model.put(t, false, random);
            }
            if id != self.real.id(t) {
                return Err(format!("device {t} was revoked, and left"));
            }
        }
        self.model.stores[t].revoked = true;
        self.real.gone.insert(t);
        self.sync(s)
    }

    fn adopt(&mut self, s: usize) -> Result<(), String> {
        self.sync(s)?;
        if !self.agrees(s) {
            return Ok(());
        }
        let is_revoked = |device: u8| self.model.closed(s, device).is_some_and(|mark| mark.revoked);
        let store = &self.model.stores[s];
        let apart: Vec<&Op> = each(store.quarantine).map(|op| &self.model.ops[op as usize]).collect();
        let apart: Vec<&Op> = apart.into_iter().filter(|op| is_revoked(op.device)).collect();
        // Open: the engine tells what is held apart by numbers, and a number that counts on another line hides it.
        let is_copied = |u: usize| self.model.stores[u].revoked && self.copied.contains(&self.real.id(u));
        if !apart.is_empty() && (0..self.model.stores.len()).any(is_copied) {
            return Ok(());
        }
        let devices = self.real.devices[s].engine.status().expect("the disk is sound").devices;
        let held: Vec<_> = devices.into_iter().filter(|device| device.quarantined.is_some()).collect();
        // The engine writes root records of its own, such as that it is back after half a year: those may be apart, too.
        if held.is_empty() && !apart.is_empty() {
            return Err(format!(
                "held apart: store {s} of the model has [{}], the engine nothing",
                self.model.names(store.quarantine)
            ));
        }
        for device in held {
            self.operate(s, Operation::AdoptDevice { device: device.id })?;
            self.counts.adopted += 1;
        }
        self.model.adopt(s, &mut Random::new(0));
        self.sync(s)
    }

    /// The manifest of somebody dead is lost. This store has all that it covered, and carries it once it has looked twice.
    fn lose(&mut self, s: usize, random: &mut Random) -> Result<(), String> {
        self.sync(s)?;
        if !self.agrees(s) {
            return Ok(());
        }
        let dead: Vec<usize> = (0..self.model.stores.len()).filter(|&t| !self.model.stores[t].alive).collect();
        if dead.is_empty() {
            return Ok(());
        }
        let target = self.known_target(s, dead[random.below(dead.len())]);
        let Some((_, device, id)) = target else { return Ok(()) };
        let is_shared = (0..self.model.stores.len())
            .any(|u| self.model.stores[u].alive && (self.model.stores[u].device() == device || self.real.id(u) == id));
        let manifest = self.model.bucket.current().find(|manifest| manifest.device == device).cloned();
        let Some(manifest) = manifest.filter(|_| !is_shared) else { return Ok(()) };
        let named = manifest.snapshot.as_ref().map_or(0, |named| named.v);
        let covered = manifest.lines.iter().fold(named, |all, line| all | line.ops());
        if covered & !self.model.stores[s].applied != 0 {
            return Ok(());
        }
        self.model.note(|_| format!("the manifest of {} is lost", (b'A' + device) as char));
        self.model.bucket.lose_manifest(device);
        for path in self.real.bucket.keys_with("/manifests/").iter().filter(|path| path.ends_with(&id.to_string())) {
            self.real.bucket.lose(path);
        }
        let before = self.snapshots.len();
        for _ in 0..3 {
            self.pass(4, HOUR_MS);
            self.sync(s)?;
            self.note_snapshots();
        }
        self.counts.carried += self.snapshots.len() - before;
        self.newcomer_finds_all(s)
    }

    /// Who joins now shows what this store does: nobody is there to answer it. Afterwards it was never there.
    fn newcomer_finds_all(&mut self, s: usize) -> Result<(), String> {
        if !self.agrees(s) {
            return Ok(());
        }
        let bucket = self.real.bucket.older();
        let newcomer = self.real.join().map_err(|error| format!("a newcomer's join ends in {error:?}"))?;
        self.real.full_check(newcomer).map_err(|error| format!("a newcomer's check ends in {error:?}"))?;
        let (here, there) = (self.shown(s), self.shown(newcomer));
        self.real.forget_last();
        self.real.bucket.roll_back(&bucket);
        if here == there { Ok(()) } else { Err(format!("a newcomer: device {s} shows {here:?}, it {there:?}")) }
    }

    fn operate(&mut self, s: usize, operation: Operation) -> Result<(), String> {
        let shown = format!("{operation:?}");
        self.real.run(s, operation).map(|_| ()).map_err(|error| format!("{shown} of device {s} ends in {error:?}"))
    }

    fn note_snapshots(&mut self) {
        self.snapshots.extend(self.real.bucket.keys_with("/snapshots/"));
        self.counts.snapshots = self.snapshots.len();
    }

    /// Everybody in use syncs until nothing moves; then all show the same, and what the writes make.
    fn heal(&mut self) -> Result<(), String> {
        self.model.note(|_| "healing".into());
        for _ in 0..ROUNDS {
            for s in self.used() {
                self.pass(4, HOUR_MS);
                self.sync(s)?;
                self.model.collect(s, &mut Random::new(0));
                self.compare(s).map_err(|what| format!("healing: {what}"))?;
            }
        }
        self.note_snapshots();
        if self.used().iter().any(|s| self.behind.contains(s)) {
            self.counts.open += 1;
            return Ok(());
        }
        for s in self.used() {
            self.compare(s).map_err(|what| format!("healed: {what}"))?;
        }
        self.model.judge_all().map_err(|what| format!("the model is wrong: {what}"))?;
        self.real.check_alike().map_err(|what| format!("the engines differ: {what}"))?;
        if self.counts.revoked == 0 {
            let mut oracle = Oracle::default();
            for (_, fact) in self.facts.iter().filter(|(op, _)| self.published & op != 0) {
                oracle.tell(0, fact.clone()); // nobody was revoked: who wrote it is all one
            }
            self.real.oracle = oracle;
            self.real.check().map_err(|what| format!("the oracle differs: {what}"))?;
            self.counts.oracle += 1;
        }
        Ok(())
    }
}

/// Room for the keys of the log that are appended once.
fn widen(store: &mut Store) {
    store.state.slots.resize(KEYS, Slot::default());
}
