//! A few hundred schedules: none loses with all rules, and each rule that is found quickly is missed at once.

use tidelock_model_blobs::rules::Rule;
use tidelock_model_blobs::schedule::{Play, run};

#[test]
fn nothing_is_lost_and_no_garbage_stays() {
    let mut deleted = 0;
    for seed in 0..300 {
        for wild in [false, true] {
            let end = run(seed, Play { wild, ..Play::default() });
            assert!(!end.full, "seed {seed}, wild {wild}: cut short");
            assert_eq!((end.lost, end.left), (0, 0), "seed {seed}, wild {wild}: lost, left");
            deleted += end.deleted;
        }
    }
    assert!(deleted > 2_000, "the schedules deleted only {deleted} packs");
}

/// A seed that loses without the rule, and not with it.
const LOSING: [(Rule, u64); 12] = [
    (Rule::Grace, 1_037_953),
    (Rule::Age, 3_161),
    (Rule::PullFirst, 147),
    (Rule::Fresh, 1_267),
    (Rule::CheckStanding, 95),
    (Rule::Keep, 105),
    (Rule::Ack, 753),
    (Rule::Touched, 1_010_933),
    (Rule::Siblings, 1),
    (Rule::OwnOrphans, 84),
    (Rule::Journal, 1_967),
    (Rule::Possess, 77),
];

#[test]
fn each_planted_omission_loses() {
    for (rule, seed) in LOSING {
        let lost = |out| run(seed, Play { out, ..Play::default() }).lost;
        assert!(lost(1 << rule as u32) > 0, "seed {seed} loses nothing without {rule:?}");
        assert_eq!(lost(0), 0, "seed {seed} loses with all rules");
    }
}
