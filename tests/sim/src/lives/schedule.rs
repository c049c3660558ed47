//! Random schedules: planned from a seed, run, healed, judged; and shrunk when they fail.

use super::op::MAP_KEYS;
use super::publishing::DAY;
use super::rules::Rules;
use super::world::{Had, World};
use crate::model::random::Random;

/// The most stores, copies and dead ones included.
const STORES: usize = 7;
/// The most ids.
const DEVICES: u8 = 16;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// A local write.
    Write,
    /// A whole sync: look at the own manifest, pull, freeze, put.
    Sync,
    /// A sync that does not look first.
    Push,
    /// Freezes.
    Freeze,
    /// Puts what is frozen.
    Put,
    /// Puts, and gets no answer.
    PutUnsure,
    /// Reads one manifest.
    Pull,
    /// Reads the own manifest.
    CheckOwn,
    /// A full check.
    FullCheck,
    /// Writes a snapshot.
    Snapshot,
    /// Names another's snapshot.
    NameOthers,
    /// Deletes superseded objects.
    Delete,
    /// Sweeps.
    Sweep,
    /// Collects tombstones.
    Collect,
    /// The store is copied.
    Copy,
    /// The store is lost.
    Die,
    /// A new device.
    Join,
    /// Closes another id.
    Retire,
    /// Closes another id for good.
    Revoke,
    /// Looks who lapsed.
    Lapse,
    /// Takes what is quarantined.
    Adopt,
    /// Time goes by.
    Pass,
    /// The clock jumps.
    Jump,
}

/// One event. Its choices depend on its own seed alone, so events can be left out.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Which store.
    pub store: usize,
    /// What.
    pub doing: Doing,
    /// How.
    pub seed: u64,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// During the schedule a store held something else than the writes it knew make of it.
    Inexact(String),
    /// At the end a store holds something else than all writes make of it.
    Wrong(String),
    /// What a revoked device wrote later counts.
    Forbidden(String),
    /// Ops that do not count are shown nowhere.
    Silent(String),
}

/// How often each happens: evenly, with many copies, with many closes, with much time.
const WEIGHTS: [(Doing, [usize; 4]); 23] = [
    (Doing::Write, [24, 20, 18, 18]),
    (Doing::Sync, [24, 16, 16, 14]),
    (Doing::Push, [4, 6, 6, 5]),
    (Doing::Freeze, [3, 4, 4, 4]),
    (Doing::Put, [3, 4, 4, 4]),
    (Doing::PutUnsure, [2, 3, 2, 2]),
    (Doing::Pull, [14, 16, 16, 12]),
    (Doing::CheckOwn, [2, 4, 2, 2]),
    (Doing::FullCheck, [5, 6, 6, 8]),
    (Doing::Snapshot, [5, 6, 5, 6]),
    (Doing::NameOthers, [1, 2, 2, 2]),
    (Doing::Delete, [4, 4, 4, 6]),
    (Doing::Sweep, [2, 2, 2, 6]),
    (Doing::Collect, [6, 6, 6, 8]),
    (Doing::Copy, [1, 3, 2, 2]),
    (Doing::Die, [1, 2, 2, 2]),
    (Doing::Join, [2, 2, 2, 2]),
    (Doing::Retire, [1, 1, 4, 2]),
    (Doing::Revoke, [0, 1, 2, 1]),
    (Doing::Lapse, [1, 1, 3, 8]),
    (Doing::Adopt, [0, 0, 1, 1]),
    (Doing::Pass, [1, 2, 2, 8]),
    (Doing::Jump, [0, 1, 1, 2]),
];

/// The plan of a seed: up to 200 events.
pub fn plan(seed: u64) -> Vec<Event> {
    let random = &mut Random::new(seed);
    let column = random.below(4);
    let length = 40 + random.below(160);
    let total = WEIGHTS.iter().map(|weight| weight.1[column]).sum();
    let mut events = Vec::new();
    let mut store = 0;
    while events.len() < length {
        let mut at = random.below(total);
        let mut doing = Doing::Write;
        for (candidate, weights) in WEIGHTS {
            if at < weights[column] {
                doing = candidate;
                break;
            }
            at -= weights[column];
        }
        if random.once_in(2) {
            store = random.below(STORES);
        }
        events.push(Event { store, doing, seed: random.bits() });
    }
    events
}

/// Runs a plan under these rules, heals the bucket, and asks the judge.
pub fn run(plan: &[Event], rules: Rules) -> Result<Had, Failure> {
    run_in(&mut World::new(rules, false), plan)
}

/// Runs a plan and gives what happened in words, too.
pub fn trace(plan: &[Event], rules: Rules) -> (Vec<String>, Result<Had, Failure>) {
    let mut world = World::new(rules, true);
    let result = run_in(&mut world, plan);
    (world.trace.unwrap_or_default(), result)
}

fn run_in(world: &mut World, plan: &[Event]) -> Result<Had, Failure> {
    for event in plan {
        world.bucket.pass(1);
        let s = event.store % world.stores.len();
        if world.stores[s].alive {
            happen(world, s, event.doing, &mut Random::new(event.seed));
            exact(world, s).map_err(Failure::Inexact)?;
        }
    }
    end(world)
}

/// Heals the bucket, lets everybody come to rest, and asks the judge.
pub fn end(world: &mut World) -> Result<Had, Failure> {
    world.note(|_| "healing".into());
    heal(world);
    world.judge_all().map_err(Failure::Wrong)?;
    world.judge_quarantine().map_err(Failure::Silent)?;
    world.judge_revoked().map_err(Failure::Forbidden)?;
    for s in world.used().collect::<Vec<_>>() {
        world.collect(s, &mut Random::new(0));
    }
    round(world);
    round(world);
    world.judge_all().map_err(Failure::Wrong)?;
    let used: Vec<usize> = world.used().collect();
    for s in used {
        let store = &world.stores[s];
        world.had.quarantined += store.quarantine.count_ones() as usize;
        let alone =
            |slot: &&super::store::Slot| !slot.entries.is_empty() && slot.entries.iter().all(|entry| !entry.put);
        world.had.kept += store.state.slots[..MAP_KEYS].iter().filter(alone).count();
    }
    Ok(world.had)
}

/// A store does something.
pub fn happen(world: &mut World, s: usize, doing: Doing, random: &mut Random) {
    match doing {
        Doing::Write => world.write_something(s, random),
        Doing::Sync => {
            if world.check_own(s, random) {
                push(world, s, random);
            }
        }
        Doing::Push => push(world, s, random),
        Doing::Freeze => world.freeze(s, random),
        Doing::Put => world.put(s, false, random),
        Doing::PutUnsure => world.put(s, true, random),
        Doing::Pull => {
            let listed = world.bucket.list();
            if !listed.is_empty() {
                world.pull(s, listed[random.below(listed.len())], random);
            }
        }
        Doing::CheckOwn => {
            world.check_own(s, random);
        }
        Doing::FullCheck => world.full_check(s, random),
        Doing::Snapshot => world.snapshot(s, random),
        Doing::NameOthers => world.name_others(s, random),
        Doing::Delete => world.delete(s, random),
        Doing::Sweep => world.sweep(s, random),
        Doing::Collect => world.collect(s, random),
        Doing::Copy => {
            if world.stores.len() < STORES {
                let copy = world.stores[s].clone();
                world.stores.push(copy);
                world.had.copies += 1;
                world.note(|world| format!("{s} is copied as {}", world.stores.len() - 1));
            }
        }
        Doing::Die => {
            if world.used().count() > 1 {
                world.stores[s].alive = false;
                world.note(|_| format!("{s} dies"));
            }
        }
        Doing::Join => {
            if world.stores.len() < STORES && world.devices < DEVICES {
                world.join(random);
            }
        }
        Doing::Retire | Doing::Revoke | Doing::Lapse => {
            let target = random.below(world.devices as usize) as u8;
            match doing {
                Doing::Lapse => world.lapse(s, target, random),
                _ if world.stores[s].known.contains_key(&target) => {
                    world.close(s, target, doing == Doing::Revoke, random);
                }
                _ => {}
            }
        }
        Doing::Adopt => world.adopt(s, random),
        Doing::Pass => world.bucket.pass(random.below(8 * DAY as usize) as u32),
        Doing::Jump => world.stores[s].skew = random.below(300) as u32,
    }
}

pub(super) fn push(world: &mut World, s: usize, random: &mut Random) {
    world.pull_all(s, random);
    world.put(s, false, random);
    world.freeze(s, random);
    world.put(s, false, random);
}

/// Every store still used does all that it does in the long run, without faults.
fn round(world: &mut World) {
    world.bucket.pass(DAY / 2);
    for s in 0..world.stores.len() {
        if world.stores[s].alive {
            let random = &mut Random::new(u64::from(world.bucket.now) << 8 | s as u64);
            world.full_check(s, random);
            push(world, s, random);
        }
    }
}

/// Rounds until nothing moves any more.
fn heal(world: &mut World) {
    world.bucket.heal();
    let (mut before, mut still) = (Vec::new(), 0);
    for _ in 0..40 {
        round(world);
        let now: Vec<_> = world.stores.iter().map(|store| (store.applied, store.device(), store.revoked)).collect();
        still = if now == before { still + 1 } else { 0 };
        before = now;
        if still == 4 {
            return;
        }
    }
}

/// A store holds exactly what the writes it knows make of it.
pub fn exact(world: &World, s: usize) -> Result<(), String> {
    let slots = &world.stores[s].state.slots;
    for (key, held) in slots.iter().enumerate().take(MAP_KEYS) {
        world.judge(key, held.ghost, held).map_err(|what| format!("store {s}: {what}"))?;
    }
    Ok(())
}

/// Leaves out events as long as the plan still fails in the same way.
pub fn shrink(mut plan: Vec<Event>, rules: Rules) -> Vec<Event> {
    let kind = |plan: &[Event]| run(plan, rules).err().map(|failure| std::mem::discriminant(&failure));
    let failure = kind(&plan);
    let mut size = plan.len() / 2;
    while size > 0 {
        let before = plan.len();
        let mut at = 0;
        while at < plan.len() {
            let mut shorter = plan.clone();
            shorter.drain(at..(at + size).min(plan.len()));
            if kind(&shorter) == failure {
                plan = shorter;
            } else {
                at += size;
            }
        }
        if size > 1 || plan.len() == before {
            size /= 2;
        }
    }
    plan
}
