//! The rules of the lives of devices hold in random schedules, and leaving one out shows.

use Shows::{Forbidden, Passing, Silent, Stays};
use tidelock_sim::lives::rules::Rule::{self, *};
use tidelock_sim::lives::rules::{ADDED, Rules, SPARED};
use tidelock_sim::lives::schedule::{Failure, plan, run};
use tidelock_sim::lives::world::Had;

/// Every store is compared with the judge after each of its events, and all are at the end.
#[test]
fn every_schedule_gives_what_its_writes_make() {
    let mut had = Had::default();
    for seed in 0..20_000 {
        let good = run(&plan(seed), Rules::without(&[])).unwrap_or_else(|failure| panic!("seed {seed}: {failure:?}"));
        had = had.plus(good);
    }
    let rare = [had.left / 10_000, had.carried / 2_000, had.closes / 5_000, had.lapses / 200, had.quarantined / 200];
    assert!(rare.iter().all(|&times| times > 0), "schedules have become empty: {had:?}");
    assert!(had.voids > 20_000 && had.deleted > 10_000 && had.collected > 20_000, "{had:?}");
}

/// What of the text is left out does no harm; it is only not needed.
#[test]
fn the_rules_that_are_spared_change_nothing() {
    let rules = Rules::without(&[]).with(SPARED);
    let marks = Rules::without(&[RetireMarks]).with(&SPARED[1..]);
    assert!(SPARED[0] == RetireMarks && !rules.has(CloseMarks) || marks.has(TombLive));
    for seed in 0..5_000 {
        run(&plan(seed), marks).unwrap_or_else(|failure| panic!("seed {seed}: {failure:?}"));
    }
}

/// The text as it was.
#[test]
fn the_text_alone_fails() {
    let rules = Rules::without(ADDED).with(SPARED);
    assert!((0..1_000).any(|seed| run(&plan(seed), rules).is_err()));
}
