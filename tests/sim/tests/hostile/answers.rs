//! Altered answers of every kind: a quick share of the million that the program `hostile` serves.

use std::thread;
use tidelock_sim::hostile::campaign::{Counts, serve};
use tidelock_sim::hostile::stage::Kind;

#[test]
fn no_altered_answer_counts() {
    const SHARE: u64 = 10_000;
    let workers = [7, 8].map(|seed| thread::spawn(move || serve(SHARE, seed)));
    let mut counts = Counts::default();
    for worker in workers {
        counts.add(&worker.join().expect("a worker that panics has said why").unwrap());
    }
    assert!(counts.total() >= 2 * SHARE && counts.healed > 100);
    let kinds: std::collections::BTreeSet<Kind> = counts.answers.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len(), 12, "every kind of answer: {kinds:?}");
}
