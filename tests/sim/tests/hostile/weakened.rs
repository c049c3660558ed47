//! Each class fails on an engine that lacks the check which it is about.

use crate::{CLASSES, Outcome};
use std::panic::catch_unwind;
use tidelock_core::planted::{self, Bug};
use tidelock_core::weakened::{self, Weakness};
use tidelock_sim::hostile::campaign::serve;

enum Without {
    Check(Weakness),
    Bug(Bug),
}
use Without::{Bug as B, Check as C};

/// A class, and what the engine lacks.
const WITHOUT: &[(&str, Without)] = &[
    ("object_swap_and_relocation", C(Weakness::PathNotBound)),
    ("metadata_tampering", C(Weakness::ClearHeaderUnchecked)),
    ("slot_and_key_replacement", C(Weakness::SlotPskIgnored)),
    ("downgrade_of_suite_or_cost", C(Weakness::StretchCostUnchecked)),
    ("chunks_dropped_doubled_reordered_cut_spliced", C(Weakness::ChunkNumberNotBound)),
    ("two_key_ciphertexts", C(Weakness::CommitmentUnchecked)),
    ("frozen_and_cloned_entropy", C(Weakness::SaltNotHedged)),
    ("rollback_withholding_split_views", B(Bug::LatePutTrusted)),
    ("forged_omitted_doubled_listings", C(Weakness::ListingUnbounded)),
    ("writes_by_others", C(Weakness::SignatureUnchecked)),
    ("writes_by_others", C(Weakness::NamedHashIgnored)),
    ("error_oracles", C(Weakness::DamageReadTwice)),
    ("lying_head", B(Bug::RefusedIsPublished)),
    ("length_bombs_and_endless_bodies", C(Weakness::FrameUnbounded)),
    ("secrets_in_logs", C(Weakness::SecretsPrinted)),
    ("wiped_bucket", C(Weakness::WipedTakenForLost)),
    ("cloned_identity", C(Weakness::ForkNotSeen)),
    ("injected_key_material", C(Weakness::PublicKeyNotBound)),
    ("injected_key_material", C(Weakness::GreatestKeysTaken)),
    ("revoked_device", C(Weakness::RevocationUnheard)),
];

#[test]
fn every_class_is_red_without_its_check() {
    let mut green = Vec::new();
    for (name, class) in CLASSES {
        let checks: Vec<&Without> =
            WITHOUT.iter().filter(|(other, _)| other == name).map(|(_, without)| without).collect();
        assert!(!checks.is_empty(), "no check for {name}");
        for without in checks {
            match red(*class, without) {
                Some(why) => println!("{name}: {why}"),
                None => green.push(*name),
            }
        }
    }
    assert!(green.is_empty(), "still green without the check: {green:?}");
}

#[test]
fn altered_answers_count_without_a_check() {
    let class = || serve(20_000, 9).map(|_| ());
    let found = red(class, &C(Weakness::ClearHeaderUnchecked));
    println!("{found:?}");
    assert!(found.is_some());
}

/// What a class finds on an engine that lacks something; a panic of the weakened engine is a finding too.
fn red(class: fn() -> Outcome, without: &Without) -> Option<String> {
    match without {
        C(weakness) => weakened::set(Some(*weakness)),
        B(bug) => planted::set(Some(*bug)),
    }
    let outcome = catch_unwind(class);
    weakened::set(None);
    planted::set(None);
    match outcome {
        Ok(outcome) => outcome.err(),
        Err(_) => Some("a panic".to_owned()),
    }
}
