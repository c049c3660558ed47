//! The rules of the lives of devices hold in random schedules, and leaving one out shows.

mod cases;

use Shows::{Forbidden, Passing, Silent, Stays};
use tidelock_sim::lives::rules::Rule::{self, *};
use tidelock_sim::lives::rules::{ADDED, RULES, Rules, SPARED};
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

/// What of the text is left out does no harm; it is only not needed. All but the marks of retired devices, which do.
#[test]
fn the_rules_that_are_spared_change_nothing() {
    let harmless: Vec<Rule> = SPARED.iter().copied().filter(|rule| *rule != RetireMarks).collect();
    for seed in 0..3_000 {
        let rules = Rules::without(&[]).with(&harmless);
        run(&plan(seed), rules).unwrap_or_else(|failure| panic!("seed {seed}: {failure:?}"));
    }
}

/// The text as it was.
#[test]
fn the_text_alone_fails() {
    let rules = Rules::without(ADDED).with(SPARED);
    assert!((0..1_000).any(|seed| run(&plan(seed), rules).is_err()));
}

/// What leaving a rule out leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shows {
    /// A wrong value in the end.
    Stays,
    /// A wrong value for a while at least.
    Passing,
    /// Ops that count for nobody and are shown to nobody.
    Silent,
    /// Ops of a revoked device that count.
    Forbidden,
}

/// The schedules in which each of these shows. Rare ones are looked for where they are known to be.
#[rustfmt::skip]
const ABLATIONS: &[(&[Rule], Shows, u64, u64)] = &[
    (&[Tags],            Stays,          0, 200),
    (&[TagsKept],        Stays,      1_000, 300),
    (&[LeaveForeign],    Stays,          0, 100),
    (&[ReadLower],       Stays,      3_904,   1),
    (&[AgainAnew],       Stays,     59_089,   1),
    (&[Carry],           Stays,         45,   1),
    (&[SnapshotIslands], Stays,      1_554,   1),
    (&[CloseMarks],      Forbidden,      0, 100),
    (&[ClosedShut],      Forbidden,      0, 100),
    (&[RevokeSnapshot],  Stays,     92_389,   1),
    (&[VoidUnpublished], Silent,     3_593,   1),
    (&[TombContext],     Passing,    1_115, 310),
    (&[LogDeletes],      Stays,          0, 500),
    (&[SweepTwice],      Stays,        438,   1),
    (&[DeleteStands],    Stays,     15_028,   1),
    (&[QuarantineShown], Silent,         0, 500),
];

#[test]
fn leaving_a_rule_out_shows() {
    for &(left_out, how, first, seeds) in ABLATIONS {
        let rules = Rules::without(left_out);
        let shows = |seed: u64| {
            let failure = run(&plan(seed), rules).err();
            match how {
                Stays => matches!(failure, Some(Failure::Wrong(_))),
                Passing => matches!(failure, Some(Failure::Inexact(_))),
                Silent => matches!(failure, Some(Failure::Silent(_))),
                Forbidden => matches!(failure, Some(Failure::Forbidden(_))),
            }
        };
        assert!((first..first + seeds).any(shows), "without {left_out:?} nothing shows in {seeds} seeds from {first}");
    }
}

/// By a seed, or by a case of its own.
#[test]
fn every_rule_is_left_out_somewhere() {
    let by_seed = |rule: &Rule| ABLATIONS.iter().any(|(left_out, ..)| *left_out == [*rule]);
    let by_case = |rule: &Rule| cases::CASES.iter().any(|case| case.0 == *rule);
    let needed = RULES.iter().filter(|rule| !SPARED.contains(rule));
    let silent: Vec<&Rule> = needed.filter(|rule| !by_seed(rule) && !by_case(rule)).collect();
    assert_eq!(silent, Vec::<&Rule>::new());
}
