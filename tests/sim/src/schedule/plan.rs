//! A schedule as data, from a seed: which faults, which devices, which steps. Steps carry their own chance, so that leaving
//! one out leaves the others as they were.

use crate::fault::{Family, Fault};
use crate::random::Random;

/// What a device does, or what is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Puts a new value of so many bytes (at least) at a key.
    Put(u8, u32),
    /// Deletes a key.
    Delete(u8),
    /// Ends a conflict at a key, if there is one: with a value, or with none.
    Resolve(u8, bool),
    /// Adds an entry to the log.
    Append,
    /// Deletes some entry of the log.
    DeleteEntry,
    /// Imports one of a file's lines.
    Import(u8),
    /// Puts a document with these fields, by bit, each of so many bytes at least.
    PutDocument(u8, u8, u32),
    /// Patches a document: these fields are set, those removed, by bit.
    PatchDocument(u8, u8, u8),
    /// Deletes a document.
    DeleteDocument(u8),
    /// Ends the conflict of a document's field, if there is one: with a value, or with none.
    ResolveField(u8, u8, bool),
    /// A sync, to its end.
    Sync,
    /// A full check, to its end.
    Check,
    /// Begins a sync, and leaves it on its way.
    Begin,
    /// So many things happen to the device: answers come, time passes.
    Go(u8),
    /// One more device joins, or takes up an interrupted join.
    Join,
    /// Retires another device.
    Retire(u8),
    /// Revokes another device.
    Revoke(u8),
    /// Adopts what a revoked device wrote.
    Adopt(u8),
    /// Nothing but time.
    Wait,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which device, modulo how many there are.
    pub device: u8,
    /// What.
    pub action: Action,
    /// Ms that pass before.
    pub wait_ms: u64,
    /// Its chance.
    pub seed: u64,
}

/// What becomes of devices, beside joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lives {
    /// Nothing.
    Stay,
    /// They are away for long, are retired, and come back.
    Retire,
    /// They are revoked, and what they wrote adopted or not.
    Revoke,
}

/// A whole schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where it came from.
    pub seed: u64,
    /// Devices at the start.
    pub devices: usize,
    /// Which of them keep their store as pages, by bit.
    pub paged: u8,
    /// Requests are signed, and the provider looks at its clock.
    pub signed: bool,
    /// A newcomer joins at the end.
    pub newcomer: bool,
    /// After that objects are deleted and truncated, and everybody republishes.
    pub damaged: bool,
    /// What becomes of devices.
    pub lives: Lives,
    /// The kinds of faults that happen.
    pub faults: Vec<Fault>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// Steps of a schedule.
pub const STEPS: usize = 300;
/// Steps for which one device is away, where devices are retired.
const SPELL: usize = 50;

/// Faults after which a store is there twice, or has been.
const COPIES: &[Fault] = &[Fault::ClonedStore, Fault::RestoredStore, Fault::SecondProcess];

/// The schedule of a seed, with faults out of `allowed`.
pub fn plan(seed: u64, allowed: &[Fault]) -> Plan {
    let mut random = Random::new(seed ^ 0x7469_6465_6c6f_636b);
    let big = [0, 0, 0, 0, 20, 60, 150, 300][random.below(8) as usize];
    // Some worlds are quick, so that a poll comes long before the next full check, some take days.
    let pace_ms = [200, 5_000, 60_000, 1_200_000, 8 * 3_600_000][random.below(5) as usize];
    let keys = [2, 4, 12][random.below(3) as usize];
    let syncs = [15, 25, 40][random.below(3) as usize];
    let mut faults = choose(allowed, &mut random);
    // Gaps need all of it at once: segments, little time, few keys, and objects that come late.
    let gaps = random.permille(250);
    let (big, pace_ms, keys) = if gaps { (200, pace_ms.min(5_000), 2) } else { (big, pace_ms, keys) };
    // A tombstone alone on its key, looked at by a full check while what it has seen is still to come, is rare elsewhere.
    let removals = seed % 10 == 9;
    let (big, pace_ms) = if removals { (350, pace_ms.min(60_000)) } else { (big, pace_ms) };
    let lives = match seed % 20 {
        6 => Lives::Retire,
        18 => Lives::Revoke,
        _ => Lives::Stay,
    };
    // Up to some hundred days, so that half a year passes within a spell or two.
    let pace_ms = if lives == Lives::Retire { pace_ms * [1, 1, 15][random.below(3) as usize] } else { pace_ms };
    if lives == Lives::Revoke {
        // Whose write it is that counts or not can't be told of two copies.
        faults.retain(|fault| !COPIES.contains(fault));
    }
    for fault in [Fault::Unreadable, Fault::HiddenFromOne] {
        if (gaps || removals) && allowed.contains(&fault) && !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    // The same random numbers again are something only where something was started again.
    if faults.contains(&Fault::EntropyRepeats) && !faults.contains(&Fault::Killed) && allowed.contains(&Fault::Killed) {
        faults.push(Fault::Killed);
    }
    let devices = 3 + random.below(2) as usize;
    let paged = if random.permille(400) { random.bits() as u8 } else { 0 };
    let steps = (0..STEPS)
        .map(|at| {
            let device = random.below(8) as u8;
            // A fourth device at least, whatever else.
            let action = match lives {
                _ if at == STEPS / 3 && devices < 4 => Action::Join,
                _ if removals => removal(big, &mut random),
                Lives::Retire => away_or_not(device, (seed as usize + at / SPELL) as u8 % 4, big, &mut random),
                Lives::Revoke => counting_or_not(big, syncs, &mut random),
                Lives::Stay if seed % 40 == 14 => with_documents(big, keys, syncs, &mut random),
                Lives::Stay => action(big, keys, syncs, &mut random),
            };
            Step { device, action, wait_ms: random.below(pace_ms), seed: random.bits() }
        })
        .collect();
    let (signed, newcomer, damaged) = (random.permille(200), random.permille(400), random.permille(250));
    Plan { seed, devices, paged, signed, newcomer, damaged, lives, faults, steps }
}

fn action(big: u64, keys: u64, syncs: u64, random: &mut Random) -> Action {
    let key = random.below(keys) as u8;
    match random.below(100) {
        at if at < syncs => match random.below(10) {
            0 => Action::Check,
            1..=3 => Action::Begin,
            _ => Action::Sync,
        },
        at if at < syncs + 8 => Action::Go(1 + random.below(12) as u8),
        at if at < syncs + 9 => Action::Join,
        at if at < syncs + 11 => Action::Wait,
        _ => match random.below(20) {
            0..=8 => Action::Put(key, bytes(big, random)),
            9..=11 => Action::Delete(key),
            12..=13 => Action::Resolve(key, random.permille(500)),
            14..=16 => Action::Append,
            17..=18 => Action::DeleteEntry,
            _ => Action::Import(random.below(6) as u8),
        },
    }
}

/// Bytes of a document's field: with four of them a document is within its bounds.
const FIELD_BYTES: u32 = 12 << 10;

/// Half of what is written is documents.
fn with_documents(big: u64, keys: u64, syncs: u64, random: &mut Random) -> Action {
    let action = action(big, keys, syncs, random);
    if !matches!(action, Action::Put(..) | Action::Delete(_) | Action::Resolve(..)) || random.permille(300) {
        return action;
    }
    let (document, fields) = (random.below(2) as u8, random.below(16) as u8);
    match random.below(20) {
        0..=4 => Action::PutDocument(document, fields, bytes(big, random).min(FIELD_BYTES)),
        5..=7 => Action::DeleteDocument(document),
        8..=9 => Action::ResolveField(document, random.below(4) as u8, random.permille(500)),
        _ => Action::PatchDocument(document, fields, random.below(16) as u8 & !fields),
    }
}

fn removal(big: u64, random: &mut Random) -> Action {
    let key = random.below(6) as u8;
    match random.below(20) {
        0..=5 => Action::Sync,
        6..=8 => Action::Check,
        9 => Action::Begin,
        10 => Action::Go(1 + random.below(12) as u8),
        11..=15 => Action::Put(key, bytes(big, random)),
        _ => Action::Delete(key),
    }
}

/// One device writes and does not sync, so that others may retire it and wait for it no longer.
fn away_or_not(device: u8, away: u8, big: u64, random: &mut Random) -> Action {
    let key = random.below(4) as u8;
    let write = if device % 4 == away { 0 } else { random.below(100) };
    match write {
        0..=44 => match random.below(20) {
            0..=6 => Action::Put(key, bytes(big, random)),
            7..=11 => Action::Delete(key),
            12 => Action::Resolve(key, random.permille(500)),
            13..=15 => Action::Append,
            16..=17 => Action::DeleteEntry,
            _ => Action::Wait,
        },
        45..=64 => Action::Sync,
        65..=86 => Action::Check,
        87..=90 => Action::Begin,
        91..=94 => Action::Go(1 + random.below(12) as u8),
        95..=97 => Action::Retire(away),
        _ => Action::Retire(random.below(8) as u8),
    }
}

fn counting_or_not(big: u64, syncs: u64, random: &mut Random) -> Action {
    match random.below(40) {
        0 => Action::Revoke(random.below(8) as u8),
        1 => Action::Adopt(random.below(8) as u8),
        _ => action(big, 4, syncs, random),
    }
}

fn bytes(big: u64, random: &mut Random) -> u32 {
    if !random.permille(big) {
        return 0;
    }
    match random.below(8) {
        0 => 200 << 10,
        1..=2 => 70 << 10,
        _ => 12 << 10,
    }
}

/// A few kinds: mostly of one or two families, now and then none, now and then many.
fn choose(allowed: &[Fault], random: &mut Random) -> Vec<Fault> {
    let families: Vec<Family> =
        Family::ALL.iter().copied().filter(|family| allowed.iter().any(|fault| fault.family() == *family)).collect();
    if families.is_empty() || random.permille(60) {
        return Vec::new();
    }
    let mut chosen: Vec<Fault> = Vec::new();
    let many = 1 + random.below(3) as usize;
    for _ in 0..many {
        let family = families[random.below(families.len() as u64) as usize];
        let kinds: Vec<Fault> = allowed.iter().copied().filter(|fault| fault.family() == family).collect();
        for _ in 0..1 + random.below(4) {
            chosen.push(kinds[random.below(kinds.len() as u64) as usize]);
        }
    }
    // A server has one way with conditions, and one form of ETag.
    for others in [
        &[Fault::ConditionsIgnored, Fault::ConditionsRefused, Fault::QuoteSensitive][..],
        &[Fault::OddEtag, Fault::NoEtag],
    ] {
        if let Some(first) = chosen.iter().copied().find(|fault| others.contains(fault)) {
            chosen.retain(|fault| *fault == first || !others.contains(fault));
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}
