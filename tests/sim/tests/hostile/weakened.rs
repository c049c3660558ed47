//! Each class fails on an engine that lacks the check which it is about.

use crate::{CLASSES, Outcome};
use std::panic::catch_unwind;
use tidelock_core::planted::{self, Bug};
use tidelock_core::weakened::{self, Weakness};
use tidelock_sim::hostile::campaign::serve;
use tidelock_sim::schedule::run::words_of;

#[derive(Debug)]
enum Without {
    Check(Weakness),
    Bug(Bug),
}
use Without::{Bug as B, Check as C};

/// A class, what the engine lacks, and words of what the class must then find: red for another reason shows nothing.
const WITHOUT: &[(&str, Without, &str)] = &[
    ("object_swap_and_relocation", C(Weakness::PathNotBound), " opens at spaces/"),
    ("metadata_tampering", C(Weakness::ClearHeaderUnchecked), "of the clear header is not checked"),
    (
        "slot_and_key_replacement",
        C(Weakness::SlotPskIgnored),
        "a slot without the pre-shared key: the newcomer ended with Ok",
    ),
    (
        "downgrade_of_suite_or_cost",
        C(Weakness::StretchCostUnchecked),
        "a passphrase was stretched at a cost that somebody else chose",
    ),
    ("chunks_dropped_doubled_reordered_cut_spliced", C(Weakness::ChunkNumberNotBound), "chunk 0 dropped: it opens"),
    ("two_key_ciphertexts", C(Weakness::CommitmentUnchecked), "one object opens under two keys"),
    ("frozen_and_cloned_entropy", C(Weakness::SaltNotHedged), "one key and nonce sealed two things"),
    ("frozen_and_cloned_entropy", B(Bug::NameFromEntropyAlone), "was PUT with two contents"),
    (
        "rollback_withholding_split_views",
        B(Bug::LatePutTrusted),
        "a manifest went back for two hours and nobody said so",
    ),
    ("forged_omitted_doubled_listings", C(Weakness::ListingUnbounded), "a forged listing cost"),
    ("forged_omitted_doubled_listings", B(Bug::AbsentIsDeleted), "what a listing lacks was forgotten"),
    ("writes_by_others", C(Weakness::SignatureUnchecked), "under the old signature: a forged write counts"),
    ("writes_by_others", C(Weakness::NamedHashIgnored), "forged values of a snapshot count"),
    ("error_oracles", C(Weakness::DamageReadTwice), "can be told apart by the requests that follow"),
    ("lying_head", B(Bug::RefusedIsPublished), "what was never stored counts as published"),
    ("lying_head", B(Bug::MendForgotten), "damaged segments named: true, PUT again: false"),
    ("length_bombs_and_endless_bodies", C(Weakness::ListingUnbounded), "a listing of 0 keys a page took"),
    ("length_bombs_and_endless_bodies", C(Weakness::FrameUnbounded), "bytes were taken for a member's segment"),
    ("secrets_in_logs", C(Weakness::SecretsPrinted), " is printed"),
    ("wiped_bucket", C(Weakness::WipedTakenForLost), "at a wiped bucket ended with Ok"),
    ("cloned_identity", C(Weakness::ForkNotSeen), "the bucket shows an older state of this device"),
    ("injected_key_material", C(Weakness::PublicKeyNotBound), "the attacker's public key: a forged write counts"),
    (
        "injected_key_material",
        C(Weakness::GreatestKeysTaken),
        "what was written after the turn is sealed to who was left out of it",
    ),
    ("root_records_of_a_lying_member", C(Weakness::SlotRecordsBelieved), "the lying member can't be revoked"),
    ("revoked_device", C(Weakness::RevocationUnheard), "takes what a revoked device writes"),
    ("poisoned_beacon", C(Weakness::PastBeaconTaken), "a beacon of a past epoch counts"),
    ("poisoned_beacon", C(Weakness::UnknownUnbounded), "a beacon's unknown devices cost"),
    ("poisoned_beacon", C(Weakness::WantedForEver), "garbage waits for versions that nobody has verified"),
    (
        "rollback_withholding_split_views",
        C(Weakness::OldSequencesForgotten),
        "shown its own manifest of long ago abandons its id",
    ),
];

#[test]
fn every_class_is_red_without_its_check() {
    let mut green = Vec::new();
    for (name, class) in CLASSES {
        let checks: Vec<_> = WITHOUT.iter().filter(|(other, ..)| other == name).collect();
        assert!(!checks.is_empty(), "no check for {name}");
        for (_, without, words) in checks {
            let found = red(*class, without);
            println!("{name}, {without:?}: {found:?}");
            if !found.as_ref().is_some_and(|found| found.contains(words)) {
                green.push((name, without, found));
            }
        }
    }
    assert!(green.is_empty(), "without the check still green, or red for another reason: {green:#?}");
}

#[test]
fn altered_answers_count_without_a_check() {
    let class = || serve(20_000, 9).map(|_| ());
    let found = red(class, &C(Weakness::ClearHeaderUnchecked));
    println!("{found:?}");
    // Not the beacon: one whose header names another epoch counts for nothing.
    assert!(found.is_some_and(|found| found.contains("Keys changed what is held")));
}

/// What a class finds on an engine that lacks something; what a panic says is a finding too.
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
        Err(panic) => Some(words_of(&*panic).to_owned()),
    }
}
