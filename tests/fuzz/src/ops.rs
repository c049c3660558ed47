//! Arbitrary vectors, writes and runs of ops, within what a vault may hold.

use crate::input::Input;
use std::sync::LazyLock;
use tidelock_core::engine::fuzzing;
use tidelock_core::replica::{
    Action, Collection, Context, Dot, Forks, Logged, Op, Point, Run, Stamp, Standing, Vector,
};
use tidelock_core::{DeviceId, Tag};

/// Beyond this no line of a forked device is known.
pub const N_MAX: u64 = 17;

/// Of each of five devices its further lines: which earlier one each parts from, and after which op.
const FURTHER: [&[(usize, u64)]; 5] = [&[], &[], &[], &[(0, 3)], &[(0, 2), (1, 6)]];

/// The lines of those that have forked.
pub static FORKS: LazyLock<Forks> = LazyLock::new(|| {
    let tags = |at, line| (1..=N_MAX).map(|n| tag_on(at, line, n)).collect();
    let all = |at| (0..lines(at)).map(|line| tags(at, line)).collect();
    let forks = (0..5).filter(|at| lines(*at) > 1).map(|at| (device(at), all(at)));
    fuzzing::forks(forks.collect()).expect("lines that part")
});

/// One of five devices.
pub fn device(number: usize) -> DeviceId {
    DeviceId([number as u8 % 5 + 1; 16])
}

/// How many lines a device has.
pub fn lines(at: usize) -> usize {
    1 + FURTHER[at].len()
}

/// The tag of an op on a device's line; up to where it parts, that of the line it parts from.
fn tag_on(at: usize, line: usize, n: u64) -> Tag {
    match line.checked_sub(1).map(|further| FURTHER[at][further]) {
        Some((parent, fork)) if n <= fork => tag_on(at, parent, n),
        _ => Tag((n << 8 | (line as u64) << 4 | (at as u64 + 1)).to_be_bytes()),
    }
}

/// How far a device's line reaches.
pub fn point(at: usize, line: usize, n: u64) -> Point {
    Point { n, tag: tag_on(at, line, n) }
}

/// The name of an op on a device's line.
pub fn dot(at: usize, line: usize, n: u64) -> Dot {
    Dot { device: device(at), n, tag: tag_on(at, line, n) }
}

/// Where a line of one of the devices ends, or any op on it.
fn place(input: &mut Input<'_>) -> (usize, usize, u64) {
    let at = input.below(5);
    let line = if lines(at) > 1 { input.below(lines(at)) } else { 0 };
    (at, line, u64::from(input.byte()) % (N_MAX - 1) + 1)
}

/// The ends of up to five lines.
pub fn ends(input: &mut Input<'_>) -> Vec<(usize, usize, u64)> {
    (0..input.below(6)).map(|_| place(input)).collect()
}

/// The vector of these ends.
pub fn vector_of(ends: &[(usize, usize, u64)]) -> Vector {
    let mut vector = Vector::default();
    ends.iter().for_each(|(at, line, n)| vector.raise(device(*at), point(*at, *line, *n), &FORKS));
    vector
}

/// A vector of up to five devices.
pub fn vector(input: &mut Input<'_>) -> Vector {
    vector_of(&ends(input))
}

/// A few dots and a vector.
pub fn context(input: &mut Input<'_>) -> Context {
    let vector = vector(input);
    let dots = (0..input.below(5)).map(|_| place(input)).map(|(at, line, n)| dot(at, line, n)).collect();
    Context { vector, dots }
}

/// Any stamp.
pub fn stamp(input: &mut Input<'_>) -> Stamp {
    Stamp { ms: input.number(), counter: u32::from(input.byte()) }
}

/// A put of few bytes, or a delete.
pub fn action(input: &mut Input<'_>) -> Action {
    match input.byte() % 4 {
        0 => Action::Delete,
        _ => Action::Put(input.bytes().to_vec()),
    }
}

/// A key of 1 to 256 bytes.
pub fn key(input: &mut Input<'_>) -> String {
    format!("k{}", input.text().chars().take(60).collect::<String>())
}

/// A standing write of any device.
pub fn standing(input: &mut Input<'_>) -> Standing {
    let dot = dot(input.below(3), 0, u64::from(input.byte()) + 1);
    Standing { dot, stamp: stamp(input), action: action(input), context: context(input) }
}

/// A collection of few names.
pub fn collection(input: &mut Input<'_>) -> Collection {
    let name = ["a", "notes", "ä", "history"][input.below(4)];
    if input.byte() % 3 == 0 { Collection::log(name) } else { Collection::map(name) }
}

/// A run of a device that is none of the five.
pub fn run(author: DeviceId, input: &mut Input<'_>) -> Run {
    let from = input.number().clamp(1, u64::MAX - 300);
    let before = if from == 1 { tidelock_core::replica::first_tag(author) } else { Tag(input.array()) };
    let base = vector(input);
    let mut reached = base.clone();
    let mut ops = Vec::new();
    while !input.is_empty() && ops.len() < 200 {
        // What is seen goes forward.
        let before = reached.clone();
        reached.join(&vector(input), &FORKS);
        let seen = reached.beyond(&before, &FORKS);
        if input.byte() % 8 == 7 {
            ops.push(Logged::Void { seen, tag: Tag(input.array()), by: 1 + input.byte() as u64 % 8 });
            continue;
        }
        let collection = collection(input);
        let context = match collection.kind {
            tidelock_core::replica::Kind::Log => Context::default(),
            _ => context(input),
        };
        let (stamp, key, action) = (stamp(input), key(input), action(input));
        ops.push(Logged::Op(Op { seen, stamp, collection, key, action, context }));
    }
    Run { from, before, base, ops }
}
