//! What stands at a key, whatever order writes and snapshots come in: against sets of who had seen whom.
//!
//! Devices write to one key and elsewhere, hear of each other's ops in any order (a device's later op may come before an
//! earlier one), and take each other's snapshots. What must stand is told by the history alone: of the writes a device has
//! applied, those that none of them had seen, however indirectly. The last writer is a copy of the one before, under one id.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::replica::{Action, Context, Dot, Slot, Stamp, Standing, Vector};
use tidelock_fuzz::input::Input;
use tidelock_fuzz::ops::{self, FORKS};

/// Who writes: a device and its line.
const WRITERS: [(usize, usize); 5] = [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1)];
/// The last one's lines share so many ops.
const FORK: usize = 3;
/// The copy, whose original is the one before it.
const COPY: usize = WRITERS.len() - 1;
/// Fewer than a line's tags that are known.
const OPS_MAX: usize = 16;
const STEPS_MAX: usize = 120;

/// An op of the history.
struct Written {
    dot: Dot,
    /// What its author had applied without a gap.
    vector: Vector,
    /// The write, if it was to the key.
    write: Option<Standing>,
    /// The writes to the key that it had seen, directly or through others.
    seen: BTreeSet<Dot>,
}

#[derive(Clone, Default)]
struct Device {
    applied: BTreeSet<Dot>,
    slot: Slot,
}

impl Device {
    /// Everybody's ops up to the first that is missing.
    fn prefix(&self) -> Vector {
        let has = |at, line, n| self.applied.contains(&ops::dot(at, line, n));
        let reached = |(at, line)| Some((at, line, (1..).take_while(|n| has(at, line, *n)).last()?));
        ops::vector_of(&WRITERS.into_iter().filter_map(reached).collect::<Vec<_>>())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let mut history: BTreeMap<Dot, Written> = BTreeMap::new();
    let mut devices = vec![Device::default(); WRITERS.len()];
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        let at = input.below(WRITERS.len());
        if is_no_copy_yet(at, &history) {
            continue;
        }
        match input.below(8) {
            0 | 1 if history.len() < OPS_MAX => write(at, true, &mut devices, &mut history, &mut input),
            2 if history.len() < OPS_MAX => write(at, false, &mut devices, &mut history, &mut input),
            3..=5 => hear(&mut devices[at], &history, &mut input),
            _ => take_snapshot(at, input.below(WRITERS.len()), &mut devices),
        }
        check(&devices[at], &history);
    }
    converge(devices, &history);
});

/// The copy is made when its original has written what both share; until then there is none.
fn is_no_copy_yet(at: usize, history: &BTreeMap<Dot, Written>) -> bool {
    at == COPY && history.keys().filter(|dot| dot.device == ops::device(WRITERS[at].0)).count() < FORK
}

fn write(
    at: usize,
    to_the_key: bool,
    devices: &mut [Device],
    history: &mut BTreeMap<Dot, Written>,
    input: &mut Input<'_>,
) {
    let (author, line) = WRITERS[at];
    let n = (1..).find(|n| !history.contains_key(&ops::dot(author, line, *n))).expect("few ops");
    let (dot, vector) = (ops::dot(author, line, n), devices[at].prefix());
    let mut seen = BTreeSet::new();
    let mut write = None;
    if to_the_key {
        for known in devices[at].applied.iter().map(|dot| &history[dot]).filter(|op| op.write.is_some()) {
            seen.insert(known.dot);
            seen.extend(&known.seen);
        }
        // As the design says: the dots and contexts of what it replaces, less what its vector covers.
        let mut context = Context::default();
        for replaced in &devices[at].slot.standing {
            context.dots.insert(replaced.dot);
            context.join(&replaced.context, &FORKS);
        }
        context.shrink(&vector, &FORKS);
        let action = if input.byte() % 3 == 0 { Action::Delete } else { Action::Put(vec![input.byte() % 3]) };
        let made = Standing { dot, stamp: Stamp { ms: u64::from(input.byte()), counter: 0 }, action, context };
        devices[at].slot.apply(made.clone(), &vector, &vector, &FORKS);
        write = Some(made);
    }
    devices[at].applied.insert(dot);
    history.insert(dot, Written { dot, vector, write, seen });
    if (at, n) == (COPY - 1, FORK as u64) {
        devices[COPY] = devices[at].clone();
    }
}

/// Any op that is not applied yet, also beyond a gap.
fn hear(device: &mut Device, history: &BTreeMap<Dot, Written>, input: &mut Input<'_>) {
    let news: Vec<&Written> = history.values().filter(|op| !device.applied.contains(&op.dot)).collect();
    if !news.is_empty() {
        let heard = news[input.below(news.len())];
        apply(device, heard);
    }
}

fn apply(device: &mut Device, op: &Written) {
    if let Some(write) = &op.write {
        device.slot.apply(write.clone(), &op.vector, &device.prefix(), &FORKS);
    }
    device.applied.insert(op.dot);
}

/// Who writes a snapshot has no gaps; whoever takes it may have.
fn take_snapshot(at: usize, from: usize, devices: &mut [Device]) {
    let theirs = devices[from].clone();
    let vector = theirs.prefix();
    if theirs.applied.iter().any(|dot| !vector.covers(dot, &FORKS)) {
        return;
    }
    let mine = &mut devices[at];
    let (prefix, had) = (mine.prefix(), mine.applied.clone());
    mine.slot.merge(theirs.slot, |dot| had.contains(dot), |dot| vector.covers(dot, &FORKS), &prefix, &FORKS);
    mine.applied.extend(theirs.applied);
    let once = mine.slot.clone();
    let (prefix, applied) = (mine.prefix(), mine.applied.clone());
    let mut twice = once.clone();
    twice.merge(once.clone(), |dot| applied.contains(dot), |dot| applied.contains(dot), &prefix, &FORKS);
    assert_eq!(dots(&twice), dots(&once), "merging with itself changes something");
}

fn dots(slot: &Slot) -> Vec<Dot> {
    slot.standing.iter().map(|write| write.dot).collect()
}

fn check(device: &Device, history: &BTreeMap<Dot, Written>) {
    let writes: Vec<&Written> =
        device.applied.iter().map(|dot| &history[dot]).filter(|op| op.write.is_some()).collect();
    let replaced: BTreeSet<Dot> = writes.iter().flat_map(|op| op.seen.iter().copied()).collect();
    let expected: Vec<&Standing> =
        writes.iter().filter(|op| !replaced.contains(&op.dot)).filter_map(|op| op.write.as_ref()).collect();
    let should_stand: Vec<Dot> = expected.iter().map(|write| write.dot).collect();
    assert_eq!(dots(&device.slot), should_stand, "what stands is not what the history says");

    let puts = expected.iter().filter(|write| write.action != Action::Delete);
    let winner = puts.clone().max_by_key(|write| (write.stamp, write.dot));
    assert_eq!(device.slot.winner().map(|write| write.dot), winner.map(|write| write.dot));
    let others = puts.filter(|write| winner.is_some_and(|winner| winner.action != write.action)).count();
    assert_eq!(device.slot.siblings(), others);
    if device.slot.is_tombstone() {
        assert!(!expected.is_empty() && winner.is_none());
    }
}

/// Everybody hears of everything, each in another order: the same stands everywhere.
fn converge(mut devices: Vec<Device>, history: &BTreeMap<Dot, Written>) {
    for (at, device) in devices.iter_mut().enumerate() {
        let mut news: Vec<&Written> = history.values().filter(|op| !device.applied.contains(&op.dot)).collect();
        let places = news.len();
        if places > 0 {
            news.rotate_left(at * 7 % places);
        }
        if at % 2 == 1 {
            news.reverse();
        }
        news.into_iter().for_each(|op| apply(device, op));
        check(device, history);
        // Nothing is left to be heard of, so nothing is left to be remembered.
        let prefix = device.prefix();
        for write in &mut device.slot.standing {
            write.context.shrink(&prefix, &FORKS);
            assert!(write.context.is_empty(), "a context names what nobody wrote");
        }
    }
    assert!(devices.windows(2).all(|pair| pair[0].slot == pair[1].slot));
}
