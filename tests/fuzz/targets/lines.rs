//! What others tell of a forked device's lines: whatever is told, what comes of it can be told on; and what is true stays so.
#![no_main]

use std::collections::BTreeSet;
use tidelock_core::Tag;
use tidelock_core::engine::fuzzing::{self, Told};
use tidelock_core::replica::{Context, Dot, Forks, Further, Point, Vector};
use tidelock_fuzz::input::Input;
use tidelock_fuzz::ops::{self, N_MAX};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    match input.byte() % 2 {
        0 => anything(&mut input),
        _ => truth(&mut input),
    }
});

/// One of few tags; zeros stand for one that is not known.
fn tag(input: &mut Input<'_>) -> Tag {
    Tag([input.byte() % 4; 8])
}

fn told(input: &mut Input<'_>) -> Told {
    let line = |input: &mut Input<'_>| (0..input.below(8)).map(|_| tag(input)).collect();
    let trunk = if input.byte() < 0xf0 { u64::from(input.byte() % 6) } else { input.number() };
    Told { trunk, before: tag(input), lines: (0..input.below(5)).map(|_| line(input)).collect() }
}

/// Lines, vectors and contexts that nobody wrote.
fn anything(input: &mut Input<'_>) {
    let device = ops::device(0);
    let (known, told) = (told(input), told(input));
    if known.trunk.saturating_sub(told.trunk) > 1 << 20 {
        return; // the engine looks no further
    }
    let trunk = input.array::<8>().map(|byte| (byte < 0xc0).then_some(Tag([byte % 4; 8])));
    let Some(forks) = fuzzing::join_lines(device, known, told, |n| trunk[n as usize % 8]) else { return };
    let point = |input: &mut Input<'_>| Point { n: input.number().clamp(1, u64::MAX - 1), tag: tag(input) };
    let [mut a, mut b] = [Vector::default(), Vector::default()];
    for vector in [&mut a, &mut b] {
        (0..input.below(6)).for_each(|_| vector.raise(device, point(input), &forks));
        fuzzing::vector_round_trip(vector);
    }
    let mut joined = a.clone();
    joined.join(&b, &forks);
    fuzzing::vector_round_trip(&joined);
    assert_eq!(joined.n(device), a.n(device).max(b.n(device)), "the longest line is forgotten");
    let name = |Point { n, tag }| Dot { device, n, tag };
    let dots: BTreeSet<Dot> = (0..input.below(6)).map(|_| name(point(input))).collect();
    let mut context = Context { vector: b.clone(), dots };
    context.shrink(&a, &forks);
    context.join(&Context { vector: a.clone(), dots: BTreeSet::new() }, &forks);
    fuzzing::vector_round_trip(&context.vector);
    let _ = (a.covers_all(&b, &forks), b.beyond(&a, &forks));
}

/// Two who know parts of the lines there are: together they know what either did, and mix no lines up.
fn truth(input: &mut Input<'_>) {
    let at = 3 + input.below(2);
    let device = ops::device(at);
    // Each knows some of the lines, as far as they go, beyond an op that all it knows share.
    let parts: [Vec<(usize, u64)>; 2] = [(); 2].map(|()| {
        let known = (0..ops::lines(at)).map(|line| (line, u64::from(input.byte()) % (N_MAX + 1)));
        known.filter(|(_, n)| *n > 0).collect()
    });
    let tag_of = |line: usize, n: u64| ops::dot(at, line, n).tag;
    let tell = |known: &Vec<(usize, u64)>, input: &mut Input<'_>| {
        let ends = known.iter().map(|(_, n)| *n).min()?;
        let first = known.first()?.0;
        let shared = (1..=ends).take_while(|n| known.iter().all(|(line, _)| tag_of(*line, *n) == tag_of(first, *n)));
        let trunk = input.number().min(shared.last().unwrap_or_default());
        let before = if trunk == 0 { Tag::default() } else { tag_of(first, trunk) };
        let line = |(line, n): &(usize, u64)| (trunk + 1..=*n).map(|n| tag_of(*line, n)).collect();
        Some(Told { trunk, before, lines: known.iter().map(line).collect() })
    };
    let [Some(known), Some(told)] = parts.each_ref().map(|known| tell(known, input)) else { return };
    let mine = parts[0][0].0;
    let Some(forks) = fuzzing::join_lines(device, known, told, |n| Some(tag_of(mine, n))) else { return };
    let all: Vec<(usize, u64)> = parts.concat();
    for (line, end) in &all {
        let vector = raised(at, *line, *end, &forks);
        for (other, other_end) in &all {
            for n in 1..=*other_end {
                let dot = ops::dot(at, *other, n);
                let is_before = n <= *end && ops::dot(at, *line, n) == dot;
                assert_eq!(vector.covers(&dot, &forks), is_before, "line {line} to {end}, op {n} of line {other}");
            }
        }
    }
    // Of any two lines it is known how many ops they share.
    for (one, end) in &all {
        for (other, other_end) in &all {
            let mut both = raised(at, *one, *end, &forks);
            both.raise(device, ops::point(at, *other, *other_end), &forks);
            let shared = (1..=*end.min(other_end)).take_while(|n| tag_of(*one, *n) == tag_of(*other, *n)).last();
            let parts_at = both.further(device).first().map(|Further { fork, .. }| *fork);
            assert!(parts_at.is_none_or(|fork| fork == shared.unwrap_or_default()), "they part elsewhere");
        }
    }
}

fn raised(at: usize, line: usize, n: u64, forks: &Forks) -> Vector {
    let mut vector = Vector::default();
    vector.raise(ops::device(at), ops::point(at, line, n), forks);
    vector
}
