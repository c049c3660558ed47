//! Arbitrary vectors, writes and runs of ops, within what a vault may hold.

use crate::input::Input;
use tidelock_core::replica::{Action, Collection, Context, Dot, Logged, Op, Point, Run, Stamp, Standing, Vector};
use tidelock_core::{DeviceId, Tag};

/// One of five devices.
pub fn device(number: usize) -> DeviceId {
    DeviceId([number as u8 % 5 + 1; 16])
}

/// The tag of a device's op: the same for everybody, as long as nobody copies a store.
pub fn tag(device: DeviceId, n: u64) -> Tag {
    Tag((n << 8 | u64::from(device.0[0])).to_be_bytes())
}

/// How far a device's ops reach.
pub fn point(device: DeviceId, n: u64) -> Point {
    Point { n, tag: tag(device, n) }
}

/// The name of a device's op.
pub fn dot(device: DeviceId, n: u64) -> Dot {
    Dot { device, n, tag: tag(device, n) }
}

/// A vector of up to five devices.
pub fn vector(input: &mut Input<'_>) -> Vector {
    (0..input.below(6))
        .map(|_| {
            let device = device(input.below(5));
            (device, point(device, u64::from(input.byte() % 16) + 1))
        })
        .collect()
}

/// A few dots and a vector.
pub fn context(input: &mut Input<'_>) -> Context {
    let vector = vector(input);
    let dots = (0..input.below(5)).map(|_| dot(device(input.below(5)), u64::from(input.byte() % 16) + 1)).collect();
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
    let dot = dot(device(input.below(5)), u64::from(input.byte()) + 1);
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
        let seen = vector(input).beyond(&reached);
        reached.join(&seen);
        if input.byte() % 8 == 7 {
            ops.push(Logged::Void { seen, tag: Tag(input.array()) });
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
