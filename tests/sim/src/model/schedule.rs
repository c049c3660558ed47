//! Random schedules: planned from a seed, run, healed, judged; and shrunk when they fail.

use super::device::World;
use super::dots::{DEVICES, Dot, Dots, name};
use super::random::Random;
use super::replica::{KEYS, MAP_KEYS};
use super::rules::Rules;

/// What a device does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// See [`World::join`].
    Join,
    /// See [`World::write`].
    Write,
    /// See [`World::freeze`].
    Freeze,
    /// See [`World::put`].
    Put,
    /// See [`World::put`]: the answer does not arrive.
    PutUnsure,
    /// See [`World::check_own`].
    CheckOwn,
    /// See [`World::pull`].
    Pull,
    /// Pulls from everybody, then freezes and puts: a whole push.
    Sync,
    /// See [`World::catch_up`].
    CatchUp,
    /// See [`World::merge_chunk`].
    MergeChunk,
    /// See [`World::snapshot`].
    Snapshot,
    /// See [`World::name_others`].
    NameOthers,
    /// See [`World::mend`].
    Mend,
    /// See [`World::delete`].
    Delete,
    /// See [`World::collect`].
    Collect,
}

/// One event of a plan. Its choices depend on its own seed alone, so events can be left out.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Who.
    pub device: usize,
    /// What.
    pub doing: Doing,
    /// How.
    pub seed: u64,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// During the schedule a device held something else than the writes it knew make of it.
    Inexact(String),
    /// At the end a device holds something else than all writes make of it.
    Wrong(String),
    /// At the end a device still lacks ops.
    Stuck(String),
    /// At the end a tombstone stands that nothing needs.
    Kept(String),
    /// A device whose clock was set right gives stamps that are ahead of it.
    Dragged(String),
}

/// What a good schedule had in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Had {
    /// Writes.
    pub writes: usize,
    /// Tombstones collected before the end.
    pub collected: usize,
    /// Tombstones that stand beside a put at the end.
    pub beside: usize,
}

/// How often each happens: in an even schedule, in one with snapshots merged slowly, in one with many.
const WEIGHTS: [(Doing, [usize; 3]); 14] = [
    (Doing::Write, [22, 18, 16]),
    (Doing::Freeze, [10, 8, 8]),
    (Doing::Put, [10, 8, 8]),
    (Doing::PutUnsure, [1, 1, 1]),
    (Doing::CheckOwn, [2, 1, 1]),
    (Doing::Pull, [30, 36, 30]),
    (Doing::Sync, [12, 6, 3]),
    (Doing::CatchUp, [5, 14, 18]),
    (Doing::MergeChunk, [14, 8, 12]),
    (Doing::Snapshot, [7, 9, 12]),
    (Doing::NameOthers, [2, 2, 2]),
    (Doing::Mend, [3, 3, 3]),
    (Doing::Delete, [4, 3, 3]),
    (Doing::Collect, [14, 14, 10]),
];

/// The plan of a seed: 2 to 5 devices, up to 300 events. Device 0 is there from the start, the others join some time.
pub fn plan(seed: u64) -> Vec<Event> {
    let random = &mut Random::new(seed);
    let shape = random.below(4);
    if shape == 3 { story(random) } else { mixture(random, shape) }
}

/// Any event after any other, as often as the column of [`WEIGHTS`] says.
fn mixture(random: &mut Random, column: usize) -> Vec<Event> {
    let devices = 2 + random.below(DEVICES - 1);
    let length = 40 + random.below(260);
    let joins = 8 + random.below(60);
    let mut joined = 1;
    let mut events = vec![Event { device: 0, doing: Doing::Join, seed: random.bits() }];
    while events.len() < length {
        if joined < devices && random.once_in(joins) {
            events.push(Event { device: joined, doing: Doing::Join, seed: random.bits() });
            joined += 1;
        } else {
            let (device, doing) = (random.below(joined), draw(random, column));
            events.push(Event { device, doing, seed: random.bits() });
        }
    }
    events
}

fn draw(random: &mut Random, column: usize) -> Doing {
    let mut at = random.below(WEIGHTS.iter().map(|weight| weight.1[column]).sum());
    for (doing, weights) in WEIGHTS {
        if at < weights[column] {
            return doing;
        }
        at -= weights[column];
    }
    Doing::Pull
}

/// What random mixtures seldom reach: one writes, a second goes on from there, a third makes a snapshot of it, and a
/// fourth that lags or is new merges that snapshot while it reads the logs. With gaps and intrusions.
fn story(random: &mut Random) -> Vec<Event> {
    use Doing::*;
    let devices = 3 + random.below(DEVICES - 2);
    let chapters: [&[Doing]; 4] = [
        &[Pull, Write, Write, Freeze, Put],
        &[Pull, Pull, Write, Write, Freeze, Put, Collect],
        &[Sync, Snapshot, MergeChunk, Pull, MergeChunk, MergeChunk, Freeze, Put, Collect],
        &[Pull, Pull, CatchUp, CatchUp, MergeChunk, Pull, Write, MergeChunk, Pull, MergeChunk, MergeChunk, MergeChunk],
    ];
    let mut joined = 1;
    let mut events = vec![Event { device: 0, doing: Join, seed: random.bits() }];
    for _ in 0..2 + random.below(4) {
        for (at, chapter) in chapters.iter().enumerate() {
            if joined < devices && (at == 3 || random.once_in(3)) {
                events.push(Event { device: joined, doing: Join, seed: random.bits() });
                joined += 1;
            }
            let device = if at == 3 { joined - 1 } else { random.below(joined) };
            for &doing in *chapter {
                if !random.once_in(6) {
                    events.push(Event { device, doing, seed: random.bits() });
                }
                if random.once_in(5) {
                    let (device, doing) = (random.below(joined), draw(random, 1));
                    events.push(Event { device, doing, seed: random.bits() });
                }
            }
        }
    }
    events
}

/// Runs a plan under these rules, heals the bucket, and asks the oracle.
pub fn run(plan: &[Event], rules: Rules, strict: bool) -> Result<Had, Failure> {
    run_in(&mut World::new(rules, false), plan, strict)
}

/// Runs a plan and gives what happened in words, too.
pub fn trace(plan: &[Event], rules: Rules, strict: bool) -> (Vec<String>, Result<Had, Failure>) {
    let mut world = World::new(rules, true);
    let result = run_in(&mut world, plan, strict);
    (world.trace.unwrap_or_default(), result)
}

fn run_in(world: &mut World, plan: &[Event], strict: bool) -> Result<Had, Failure> {
    for event in plan {
        world.bucket.tick();
        happen(world, event);
        world.dragged.take().map_or(Ok(()), |what| Err(Failure::Dragged(what)))?;
        if strict {
            exact(world, event.device).map_err(Failure::Inexact)?;
        }
    }
    let mut had = Had { writes: world.history.len(), collected: world.collected, beside: 0 };
    world.note(|| "healing".into());
    heal(world).map_err(Failure::Stuck)?;
    judge(world).map_err(Failure::Wrong)?;
    for _ in 0..2 {
        round(world);
        (0..DEVICES).for_each(|d| world.collect(d, &mut Random::new(0)));
    }
    judge(world).map_err(Failure::Wrong)?;
    for (d, device) in world.devices.iter().enumerate() {
        for key in &device.replica.keys {
            let tombstones = key.entries.iter().filter(|entry| !entry.put);
            if tombstones.clone().count() == key.entries.len()
                && let Some(entry) = key.entries.first()
            {
                return Err(Failure::Kept(format!("{} keeps {} with {}", name(d), entry.dot, entry.context)));
            }
            had.beside += tombstones.count();
        }
    }
    Ok(had)
}

fn happen(world: &mut World, event: &Event) {
    let (d, random) = (event.device, &mut Random::new(event.seed));
    if !world.devices[d].joined && event.doing != Doing::Join {
        return;
    }
    match event.doing {
        Doing::Join => world.join(d, random),
        Doing::Write => world.write(d, random),
        Doing::Freeze => world.freeze(d, random),
        Doing::Put => world.put(d, false, random),
        Doing::PutUnsure => world.put(d, true, random),
        Doing::CheckOwn => world.check_own(d, random),
        Doing::Pull => {
            let mut others = world.bucket.list();
            others.retain(|&other| other != d);
            if !others.is_empty() {
                world.pull(d, others[random.below(others.len())], random);
            }
        }
        Doing::Sync => {
            (0..DEVICES).for_each(|from| world.pull(d, from, random));
            world.put(d, false, random);
            world.freeze(d, random);
            world.put(d, false, random);
        }
        Doing::CatchUp => world.catch_up(d, random),
        Doing::MergeChunk if world.devices[d].torn.is_some() => world.snapshot(d, random),
        Doing::MergeChunk => world.merge_chunk(d, random),
        Doing::Snapshot => world.snapshot(d, random),
        Doing::NameOthers => world.name_others(d, random),
        Doing::Mend => world.mend(d, random),
        Doing::Delete => world.delete(d, random),
        Doing::Collect => world.collect(d, random),
    }
}

/// Every device that joined puts, reads and mends, without faults.
fn round(world: &mut World) {
    world.bucket.tick();
    for d in (0..DEVICES).filter(|&d| world.devices[d].joined).collect::<Vec<_>>() {
        let random = &mut Random::new(u64::from(world.bucket.now) << 8 | d as u64);
        world.put(d, false, random);
        world.check_own(d, random);
        for from in 0..DEVICES {
            world.pull(d, from, random);
        }
        for _ in 0..=KEYS {
            world.merge_chunk(d, random);
        }
        world.mend(d, random);
        world.freeze(d, random);
        world.put(d, false, random);
    }
}

/// Rounds until everybody has everything.
fn heal(world: &mut World) -> Result<(), String> {
    world.bucket.moody = false;
    for _ in 0..30 {
        round(world);
        if missing(world).is_none() {
            return Ok(());
        }
    }
    missing(world).map_or(Ok(()), Err)
}

fn missing(world: &World) -> Option<String> {
    let mut all = Dots::default();
    for (device, of) in world.devices.iter().enumerate() {
        (1..=of.log.len() as u8).for_each(|n| all.add(Dot { device, n }));
    }
    let lacks = |device: &&super::device::Device| {
        device.joined && (device.replica.applied != all || !device.replica.merged.is_empty())
    };
    let device = world.devices.iter().position(|device| lacks(&device))?;
    let held = &world.devices[device].replica;
    Some(format!("{} lacks {}, {} half merged", name(device), all.less(&held.applied), held.merged.len()))
}

/// A device holds exactly what the writes it knows make of it.
fn exact(world: &World, d: usize) -> Result<(), String> {
    let keys = &world.devices[d].replica.keys;
    for (key, held) in keys.iter().enumerate().take(MAP_KEYS) {
        world.history.judge_map(key, held.ghost, held).map_err(|what| format!("{}: {what}", name(d)))?;
    }
    Ok(())
}

/// Every device holds exactly what all writes make of it.
fn judge(world: &World) -> Result<(), String> {
    for (d, device) in world.devices.iter().enumerate().filter(|device| device.1.joined) {
        for (key, held) in device.replica.keys.iter().enumerate() {
            let judged = if key < MAP_KEYS {
                world.history.judge_map(key, u128::MAX, held)
            } else {
                world.history.judge_log(key, held)
            };
            judged.map_err(|what| format!("{}: {what}", name(d)))?;
        }
    }
    Ok(())
}

/// Leaves out events as long as the plan still fails in the same way.
pub fn shrink(mut plan: Vec<Event>, rules: Rules, strict: bool) -> Vec<Event> {
    let kind = |plan: &[Event]| run(plan, rules, strict).err().map(|failure| std::mem::discriminant(&failure));
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
