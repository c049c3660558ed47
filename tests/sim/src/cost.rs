//! What a month of hiSHtory's own example costs: 1,000 commands a day on five devices. Real engines run it in virtual time,
//! their requests are counted, and list prices are laid on.

use crate::random::Random;
use crate::world::World;
use bytes::Bytes;
use std::fmt::Write as _;
use tidelock_core::cost::{PROVIDERS, month};
use tidelock_core::engine::Pace;
use tidelock_core::{Change, Collection, Meter, Operation, Outcome};

const DEVICES: usize = 5;
const COMMANDS_A_DAY: u64 = 1_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// A person's day: nothing is typed in the other eight hours.
const AWAKE_MS: u64 = 16 * 3_600_000;
/// People type in sessions, on one device each.
const SESSION: u64 = 20;
const GAP_MS_MAX: u64 = 30_000;
/// In a hundred sessions, so many are on each device.
const SHARES: [u64; DEVICES] = [50, 25, 15, 8, 2];
/// A command with its folder, host, time and exit code; random letters, so that nothing is won by compressing them.
const COMMAND_BYTES: usize = 200;
/// Before it counts: the bucket has its first snapshots by then.
const BEFORE_DAYS: u64 = 1;
const COUNTED_DAYS: u64 = 3;

/// When devices sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// `tidelock watch` runs on all five, day and night.
    Watch,
    /// A timer runs `tidelock sync` on all five every quarter of an hour, day and night.
    Timer,
    /// The shell's hook runs `tidelock sync` after each command; idle devices do nothing.
    Hook,
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Requests and bytes of all devices.
    pub meter: Meter,
    /// Over this time.
    pub elapsed_ms: u64,
    /// Bytes in the bucket at its end.
    pub stored_bytes: u64,
    /// Commands in that time.
    pub commands: u64,
}

/// Runs the example and counts.
///
/// # Panics
/// If a sync fails: nothing is at fault here.
pub fn run(habit: Habit) -> Counted {
    let mut world = World::new(5);
    world.create().expect("a sound world");
    for _ in 1..DEVICES {
        world.join().expect("a sound world");
    }
    let mut devices: Vec<_> = (0..DEVICES).map(|at| Device::new(world.now_ms, at)).collect();
    let begin = world.now_ms;
    let mut random = Random::new(11);
    let mut before = None;
    for day in 0..BEFORE_DAYS + COUNTED_DAYS {
        if day == BEFORE_DAYS {
            before = Some((world.bucket.meter, world.now_ms));
        }
        let start = begin + day * DAY_MS;
        for (when, at) in commands_of_a_day(&mut random) {
            pass_to(&mut world, &mut devices, habit, start + when);
            type_command(&mut world, at);
            devices[at].typed(habit, world.now_ms);
        }
        pass_to(&mut world, &mut devices, habit, start + DAY_MS);
    }
    let (meter, since) = before.expect("days are counted");
    Counted {
        meter: world.bucket.meter.since(&meter),
        elapsed_ms: world.now_ms - since,
        stored_bytes: stored(&world),
        commands: COUNTED_DAYS * COMMANDS_A_DAY,
    }
}

/// Every habit, with what was counted.
pub fn run_all() -> Vec<(Habit, Counted)> {
    [Habit::Watch, Habit::Timer, Habit::Hook].into_iter().map(|habit| (habit, run(habit))).collect()
}

/// The tables in docs/COST.md.
pub fn tables(all: &[(Habit, Counted)]) -> String {
    let mut text = String::from("| devices sync | GET | PUT | LIST | other | sent | received | stored |");
    let mut bills = String::from("| devices sync |");
    for provider in &PROVIDERS {
        let _ = write!(bills, " {} |", provider.name);
    }
    let _ = write!(text, "\n|---|{}", "--:|".repeat(7));
    let _ = write!(bills, "\n|---|{}", "--:|".repeat(PROVIDERS.len()));
    for (habit, Counted { meter, elapsed_ms, stored_bytes, .. }) in all {
        let words = match habit {
            Habit::Watch => "`watch`, day and night",
            Habit::Timer => "every 15 minutes, day and night",
            Habit::Hook => "after each command",
        };
        let a_day = |count: u64| (count * DAY_MS).div_ceil(*elapsed_ms);
        let other = meter.delete + meter.head + meter.post;
        let _ = write!(
            text,
            "\n| {words} | {} | {} | {} | {} | {} KB | {} KB | {} KB |",
            a_day(meter.get),
            a_day(meter.put),
            a_day(meter.list),
            a_day(other),
            a_day(meter.bytes_sent) / 1_000,
            a_day(meter.bytes_received) / 1_000,
            stored_bytes / 1_000,
        );
        let _ = write!(bills, "\n| {words} |");
        for provider in &PROVIDERS {
            let bill = month(meter, *elapsed_ms, *stored_bytes, &provider.prices).expect("time has passed");
            let _ = write!(bills, " ${}.{:03} |", bill.total / 1_000_000, bill.total % 1_000_000 / 1_000);
        }
    }
    format!("Requests and bytes a day, of all five devices together:\n\n{text}\n\nA month at list prices:\n\n{bills}\n")
}

/// One device's turn to sync.
struct Device {
    at: usize,
    due_ms: u64,
    synced_ms: u64,
    pace: Pace,
    random: Random,
}

impl Device {
    fn new(now_ms: u64, at: usize) -> Self {
        Self { at, due_ms: now_ms, synced_ms: now_ms, pace: Pace::default(), random: Random::new(at as u64) }
    }

    fn typed(&mut self, habit: Habit, now_ms: u64) {
        let due = match habit {
            Habit::Watch => now_ms.max(self.synced_ms + Pace::APART_MS) + Pace::GATHER_MS,
            Habit::Timer => self.due_ms,
            Habit::Hook => now_ms,
        };
        self.due_ms = self.due_ms.min(due);
    }

    fn sync(&mut self, world: &mut World, habit: Habit) {
        let Ok(Outcome::Synced(report)) = world.run(self.at, Operation::Sync) else { panic!("a sync failed") };
        self.synced_ms = world.now_ms;
        let active = report.ops_applied + report.ops_published > 0;
        let wait = match habit {
            Habit::Watch => self.pace.next_wait_ms(active, |bound| self.random.below(bound)),
            Habit::Timer => DAY_MS / 96,
            Habit::Hook => u64::MAX / 2,
        };
        self.due_ms = self.synced_ms + wait;
    }
}

/// Lets everybody sync whose turn comes before `until_ms`.
fn pass_to(world: &mut World, devices: &mut [Device], habit: Habit, until_ms: u64) {
    loop {
        let next = devices.iter_mut().min_by_key(|device| device.due_ms).expect("five devices");
        if next.due_ms > until_ms {
            break;
        }
        world.now_ms = world.now_ms.max(next.due_ms);
        next.sync(world, habit);
    }
    world.now_ms = world.now_ms.max(until_ms);
}

/// Times within a day, and the device of each.
fn commands_of_a_day(random: &mut Random) -> Vec<(u64, usize)> {
    let mut commands = Vec::new();
    for _ in 0..COMMANDS_A_DAY / SESSION {
        let mut when = random.below(AWAKE_MS);
        let mut left = random.below(100);
        let at = SHARES.iter().position(|share| left.checked_sub(*share).map(|rest| left = rest).is_none());
        for _ in 0..SESSION {
            commands.push((when.min(DAY_MS - 1), at.expect("shares of a hundred")));
            when += random.below(GAP_MS_MAX);
        }
    }
    commands.sort_unstable();
    commands
}

fn type_command(world: &mut World, at: usize) {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-";
    let value: Bytes = (0..COMMAND_BYTES).map(|_| letters[world.random.below(64) as usize]).collect();
    let now = world.devices[at].now(world.now_ms);
    let change = Change::Append { collection: Collection::log("history"), key: None, value };
    world.devices[at].engine.write(&[change], now).expect("a small entry");
    world.devices[at].drain(world.now_ms);
}

/// Bytes in the bucket.
pub(crate) fn stored(world: &World) -> u64 {
    world.bucket.keys().iter().filter_map(|key| Some(world.bucket.object(key)?.len() as u64)).sum()
}
