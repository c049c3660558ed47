//! The rules of the data model hold in random schedules, and leaving one out shows.

use Wrongly::{Dragged, Never, Passing, Stays};
use tidelock_sim::model::rules::Rule::{self, *};
use tidelock_sim::model::rules::Rules;
use tidelock_sim::model::schedule::{Failure, Had, plan, run};

/// Every device is compared with the oracle after each of its events, and all are at the end.
#[test]
fn every_schedule_gives_what_its_writes_make() {
    let rules = Rules::without(&[]);
    let mut had = Had::default();
    for seed in 0..40_000 {
        let good = run(&plan(seed), rules, true).unwrap_or_else(|failure| panic!("seed {seed}: {failure:?}"));
        had.writes += good.writes;
        had.collected += good.collected;
    }
    assert!(had.writes > 500_000 && had.collected > 10_000, "schedules have become empty: {had:?}");
}

/// The other way to merge a snapshot: nothing else is applied before its V is adopted.
#[test]
fn holding_ops_back_serves_as_well_as_key_ranges() {
    let rules = Rules::without(&[RangeApplied]).held(true);
    for seed in 0..20_000 {
        run(&plan(seed), rules, true).unwrap_or_else(|failure| panic!("seed {seed}: {failure:?}"));
    }
}

/// What leaving rules out leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrongly {
    /// A wrong value after everybody has everything.
    Stays,
    /// A wrong value for a while at least.
    Passing,
    /// A device never gets everything.
    Never,
    /// A device whose clock was set right gives stamps that are ahead of it.
    Dragged,
}

/// The schedules in which each of these shows. Rare ones are looked for where they are known to be.
#[rustfmt::skip]
const ABLATIONS: &[(&[Rule], Wrongly, u64, u64)] = &[
    (&[Applied],                       Stays,       0,  1_000),
    (&[Prefix],                        Stays,       0,  1_000),
    (&[WriteContexts],                 Stays,       0,  1_000),
    (&[ShrinkByPrefix],                Stays,       0,  1_000),
    (&[MergeDrops],                    Stays,       0,  1_000),
    (&[MergeContexts],                 Stays,       0,  1_000),
    (&[AdoptLast],                     Stays,       0,  1_000),
    (&[SnapshotPrefix],                Stays,       0,  1_000),
    (&[LogDeletes],                    Stays,       0,  1_000),
    (&[StampFalls],                    Dragged,     0,  1_000),
    (&[NamedGrows],                    Never,       0,  5_000),
    (&[TrimNamed],                     Never,       0,  1_000),
    (&[Mend],                          Never,       0,  1_000),
    (&[SnapshotGaps],                  Never,       0,  5_000),
    (&[Staged],                        Never,       0, 10_000),
    (&[RangeApplied],                  Stays,  16_000,  1_000),
    (&[RangeNamed],                    Passing, 9_000,  1_000),
    (&[SnapshotWhole],                 Stays,  82_000,  1_000),
    (&[SnapshotSettled, Staged],       Passing, 54_000, 1_000),
    (&[VoidUnpublished],               Passing, 36_000, 1_000),
    (&[ShrinkOld, RangeApplied],       Stays,       0,  2_000),
    (&[TombContext, TombLive],         Stays,   4_000,  1_000),
    (&[TombContext, TombOps],          Stays,       0,  1_000),
    (&[TombContext, TombList],         Passing,     0,  1_000),
    (&[RangeNamed, JoinRemoved],       Stays, 183_000,    100),
    (&[RangeNamed, LateRemoves],       Stays,   2_000,  1_000),
    (&[TombContext, TombLive, TombOwn], Stays,      0, 10_000),
];

#[test]
fn leaving_a_rule_out_shows() {
    for &(left_out, wrongly, first, seeds) in ABLATIONS {
        let rules = Rules::without(left_out);
        let strict = wrongly == Passing;
        let shows = |seed: u64| {
            let failure = run(&plan(seed), rules, strict).err();
            match wrongly {
                Stays => matches!(failure, Some(Failure::Wrong(_))),
                Passing => matches!(failure, Some(Failure::Inexact(_))),
                Never => matches!(failure, Some(Failure::Stuck(_))),
                Dragged => matches!(failure, Some(Failure::Dragged(_))),
            }
        };
        assert!((first..first + seeds).any(shows), "without {left_out:?} nothing shows in {seeds} seeds from {first}");
    }
}
