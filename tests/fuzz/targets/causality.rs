//! The algebra of vectors and contexts, against sets of dots, some of devices that have forked; stamps; entries of logs.
#![no_main]

use std::collections::BTreeSet;
use tidelock_core::engine::fuzzing;
use tidelock_core::replica::{Context, Dot, Standing, Vector};
use tidelock_fuzz::input::Input;
use tidelock_fuzz::ops::{self, FORKS, N_MAX};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    match input.byte() % 4 {
        0 => vectors(&mut input),
        1 => contexts(&mut input),
        2 => fuzzing::stamps(ops::stamp(&mut input), ops::stamp(&mut input), input.number()),
        _ => log_entries(&mut input),
    }
});

fn joined(one: &Vector, other: &Vector) -> Vector {
    let mut vector = one.clone();
    vector.join(other, &FORKS);
    vector
}

/// What a vector or context covers of all the dots there are.
fn covered(covers: impl Fn(&Dot) -> bool) -> BTreeSet<Dot> {
    let lines = (0..5).flat_map(|at| (0..ops::lines(at)).map(move |line| (at, line)));
    let all = lines.flat_map(|(at, line)| (1..=N_MAX).map(move |n| ops::dot(at, line, n)));
    all.filter(|dot| covers(dot)).collect()
}

fn set(vector: &Vector) -> BTreeSet<Dot> {
    covered(|dot| vector.covers(dot, &FORKS))
}

fn vectors(input: &mut Input<'_>) {
    let ends = [(); 3].map(|()| ops::ends(input));
    let [a, b, c] = ends.each_ref().map(|ends| ops::vector_of(ends));
    let on_line = |(at, line, n): &(usize, usize, u64)| (1..=*n).map(|n| ops::dot(*at, *line, n)).collect::<Vec<_>>();
    assert_eq!(set(&a), ends[0].iter().flat_map(on_line).collect());
    assert_eq!(joined(&a, &a), a);
    assert_eq!(joined(&a, &b), joined(&b, &a));
    assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
    assert_eq!(set(&joined(&a, &b)), &set(&a) | &set(&b));
    assert_eq!(a.covers_all(&b, &FORKS), set(&a).is_superset(&set(&b)));
    assert!(a.covers_all(&b, &FORKS) || b.beyond(&a, &FORKS) != Vector::default());
    assert_eq!(joined(&b, &a.beyond(&b, &FORKS)), joined(&a, &b));
    assert!(a.beyond(&a, &FORKS).is_empty());
    fuzzing::vector_round_trip(&joined(&a, &b));
    assert_eq!((a.is_empty(), a.len()), (set(&a).is_empty(), a.iter().count()));
    for (device, point) in a.iter() {
        assert_eq!((a.n(device), a.point(device)), (point.n, Some(point)));
        assert!(a.further(device).iter().all(|further| further.point < point && further.fork < further.point.n));
    }
}

fn contexts(input: &mut Input<'_>) {
    let [a, b] = [(); 2].map(|()| ops::context(input));
    let prefix = ops::vector(input);
    let set_of = |context: &Context| covered(|dot| context.covers(dot, &FORKS));
    let mut both = a.clone();
    both.join(&b, &FORKS);
    assert_eq!(set_of(&both), &set_of(&a) | &set_of(&b));
    let mut shrunk = both.clone();
    shrunk.shrink(&prefix, &FORKS);
    assert_eq!(&set_of(&shrunk) | &set(&prefix), &set_of(&both) | &set(&prefix), "shrinking lost something");
    assert!(set_of(&shrunk).is_subset(&set_of(&both)));
    assert!(shrunk.dots.iter().all(|dot| !prefix.covers(dot, &FORKS) && !shrunk.vector.covers(dot, &FORKS)));
    let once = shrunk.clone();
    shrunk.shrink(&prefix, &FORKS);
    assert_eq!(shrunk, once);
    assert_eq!(once.is_empty(), set_of(&once).is_empty());
}

fn log_entries(input: &mut Input<'_>) {
    let mut named = BTreeSet::new();
    let mut entries: Vec<Standing> = Vec::new();
    while !input.is_empty() {
        let mut entry = ops::standing(input);
        entry.context = Context::default();
        entry.action = tidelock_core::replica::Action::Put(vec![input.byte() % 4]);
        if named.insert(entry.dot) {
            entries.push(entry);
        }
    }
    fuzzing::log_entries(&entries);
}
