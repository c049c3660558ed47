//! What many users ask of one bucket: a day of one user with three devices is run by real engines in virtual time, its
//! requests are counted, and laid on for thousands of them.

use crate::cost::stored;
use crate::random::Random;
use crate::world::World;
use bytes::Bytes;
use std::fmt::Write as _;
use tidelock_core::cost::{PROVIDERS, month};
use tidelock_core::engine::Pace;
use tidelock_core::{Change, Collection, Meter, Operation, Outcome};

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// A person's day: the app is not opened in the other eight hours.
const AWAKE_MS: u64 = 16 * 60 * MINUTE_MS;
/// So many users are run; what follows is their mean.
const SAMPLE: u64 = 8;
/// Before it counts: the bucket has its first snapshots by then.
const BEFORE_DAYS: u64 = 1;
const COUNTED_DAYS: u64 = 3;
const CHANGE_BYTES: usize = 300;

/// How one device is used in a day.
struct Use {
    sessions: u64,
    session_ms: u64,
    /// Changes in a session.
    changes: u64,
}

/// A phone, a laptop, a tablet.
const USES: [Use; 3] = [
    Use { sessions: 12, session_ms: 3 * MINUTE_MS, changes: 2 },
    Use { sessions: 3, session_ms: 40 * MINUTE_MS, changes: 10 },
    Use { sessions: 1, session_ms: 20 * MINUTE_MS, changes: 3 },
];

const USERS: [u64; 3] = [1_000, 100_000, 1_000_000];
/// The busiest hour has so many times the mean.
const PEAK: u64 = 3;
/// What Amazon promises for one prefix, a second: "Best practices design patterns: optimizing Amazon S3 performance".
const WRITES_A_PREFIX: u64 = 3_500;
const READS_A_PREFIX: u64 = 5_500;

/// What the sample of users did in the days that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests and bytes of all devices of all users.
    pub meter: Meter,
    /// Bytes in the buckets at the end.
    pub stored_bytes: u64,
    /// Changes in that time.
    pub changes: u64,
    /// How often an app was opened in that time.
    pub sessions: u64,
}

/// Runs the sample and counts.
///
/// # Panics
/// If a sync fails: nothing is at fault here.
pub fn run() -> Counted {
    (0..SAMPLE).map(run_user).fold(Counted::default(), |sum, one| Counted {
        meter: sum.meter.plus(&one.meter),
        stored_bytes: sum.stored_bytes + one.stored_bytes,
        changes: sum.changes + one.changes,
        sessions: sum.sessions + one.sessions,
    })
}

fn run_user(user: u64) -> Counted {
    let mut random = Random::new(user);
    let mut world = World::new(user);
    world.create().expect("a sound world");
    for _ in 1..USES.len() {
        world.join().expect("a sound world");
    }
    let begin = world.now_ms;
    let mut before = world.bucket.meter;
    let (mut changes, mut sessions) = (0, 0);
    for day in 0..BEFORE_DAYS + COUNTED_DAYS {
        if day == BEFORE_DAYS {
            (before, changes, sessions) = (world.bucket.meter, 0, 0);
        }
        for session in sessions_of_a_day(&mut random) {
            pass_to(&mut world, begin + day * DAY_MS + session.at_ms);
            session.run(&mut world, &mut random);
            changes += USES[session.device].changes;
            sessions += 1;
        }
        pass_to(&mut world, begin + (day + 1) * DAY_MS);
    }
    Counted { meter: world.bucket.meter.since(&before), stored_bytes: stored(&world), changes, sessions }
}

/// One device's app is open, and watches.
struct Session {
    at_ms: u64,
    device: usize,
}

impl Session {
    fn run(&self, world: &mut World, random: &mut Random) {
        let used = &USES[self.device];
        let end_ms = world.now_ms + used.session_ms;
        let mut changes: Vec<u64> = (0..used.changes).map(|_| world.now_ms + random.below(used.session_ms)).collect();
        changes.sort_unstable();
        let (mut pace, mut due_ms) = (Pace::default(), world.now_ms);
        loop {
            let change_ms = changes.first().copied().unwrap_or(u64::MAX);
            if change_ms.min(due_ms) > end_ms {
                break;
            }
            if change_ms <= due_ms {
                pass_to(world, change_ms);
                write(world, self.device);
                changes.remove(0);
                due_ms = due_ms.min(change_ms + Pace::APART_MS + Pace::GATHER_MS);
            } else {
                pass_to(world, due_ms);
                let active = sync(world, self.device);
                due_ms = world.now_ms + pace.next_wait_ms(active, |bound| random.below(bound));
            }
        }
        pass_to(world, end_ms);
        // What was written last goes out as the app is closed.
        sync(world, self.device);
    }
}

/// One session after the other: one person uses one device at a time.
fn sessions_of_a_day(random: &mut Random) -> Vec<Session> {
    let devices = USES.iter().enumerate().flat_map(|(device, used)| (0..used.sessions).map(move |_| device));
    let mut sessions: Vec<_> = devices.map(|device| Session { at_ms: random.below(AWAKE_MS), device }).collect();
    sessions.sort_by_key(|session| session.at_ms);
    sessions
}

fn pass_to(world: &mut World, now_ms: u64) {
    world.now_ms = world.now_ms.max(now_ms);
}

fn write(world: &mut World, at: usize) {
    let value: Bytes = (0..CHANGE_BYTES).map(|_| world.random.below(256) as u8).collect();
    let key = format!("note {}", world.random.below(100));
    let now = world.devices[at].now(world.now_ms);
    let change = Change::Put { collection: Collection::map("notes"), key, value };
    world.devices[at].engine.write(&[change], now).expect("a small record");
    world.devices[at].drain(world.now_ms);
}

/// Whether there was news.
fn sync(world: &mut World, at: usize) -> bool {
    let Ok(Outcome::Synced(report)) = world.run(at, Operation::Sync) else { panic!("a sync failed") };
    report.ops_applied + report.ops_published > 0
}

/// The tables in docs/SCALE.md.
pub fn tables(counted: &Counted) -> String {
    let Counted { meter, stored_bytes, changes, .. } = *counted;
    let user_days = SAMPLE * COUNTED_DAYS;
    let tenths = |count: u64| {
        let tenths = (count * 10).div_ceil(user_days);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    let kb = |bytes: u64| bytes.div_ceil(user_days) / 1_000;
    let other = meter.delete + meter.head + meter.post;
    let mut text = format!(
        "| changes | GET | PUT | LIST | other | sent | received | stored |\n|{}\n| {} | {} | {} | {} | {} | {} KB | {} KB | {} KB |\n",
        "--:|".repeat(8),
        tenths(changes),
        tenths(meter.get),
        tenths(meter.put),
        tenths(meter.list),
        tenths(other),
        kb(meter.bytes_sent),
        kb(meter.bytes_received),
        stored_bytes / SAMPLE / 1_000,
    );
    text.push_str("\n| users | requests a second | in the busiest hour | prefixes at S3's limits |");
    for provider in &PROVIDERS {
        let _ = write!(text, " {} |", provider.name);
    }
    let _ = write!(text, "\n|{}", "--:|".repeat(4 + PROVIDERS.len()));
    for users in USERS {
        let a_second = |count: u64| (count * users).div_ceil(user_days * DAY_MS / SECOND_MS);
        let (writes, reads) = (meter.put + meter.post + meter.delete, meter.get + meter.head + meter.list);
        let peak = a_second(meter.requests()) * PEAK;
        let prefixes =
            (a_second(writes) * PEAK).div_ceil(WRITES_A_PREFIX).max((a_second(reads) * PEAK).div_ceil(READS_A_PREFIX));
        let _ = write!(text, "\n| {users} | {} | {peak} | {prefixes} |", a_second(meter.requests()),);
        for provider in &PROVIDERS {
            let bill =
                month(&times(&meter, users), user_days * DAY_MS, stored_bytes * users / SAMPLE, &provider.prices);
            let _ = write!(text, " ${} |", bill.expect("time has passed").total.div_ceil(1_000_000));
        }
    }
    text.push('\n');
    text
}

/// The meter of so many users, of whom each did the same in turn: the days of the sample are a user's.
fn times(meter: &Meter, users: u64) -> Meter {
    Meter {
        get: meter.get * users,
        put: meter.put * users,
        delete: meter.delete * users,
        list: meter.list * users,
        head: meter.head * users,
        post: meter.post * users,
        bytes_sent: meter.bytes_sent * users,
        bytes_received: meter.bytes_received * users,
    }
}
