//! The hostile bucket: one test a class of attack, against real engines; with `--cfg tidelock_planted` each is also shown to
//! fail on an engine that lacks the check in question.

/// Ends a class with what went wrong.
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

mod answers;
mod authors;
mod beacons;
mod bombs;
mod chunks;
mod copies;
mod entropy;
mod listings;
mod metadata;
mod naming;
mod oracles;
mod records;
mod relocation;
mod revoked;
mod rollback;
mod secrets;
mod slots;
mod turned;
mod two_keys;
#[cfg(tidelock_planted)]
mod weakened;

/// How a class went: `Err` says what the attacker reached.
type Outcome = Result<(), String>;

macro_rules! classes {
    ($($name:ident = $class:path,)+) => {
        $(#[test]
        fn $name() {
            $class().unwrap();
        })+

        /// Every class by its name.
        #[cfg(tidelock_planted)]
        const CLASSES: &[(&str, fn() -> Outcome)] = &[$((stringify!($name), $class),)+];
    };
}

classes! {
    object_swap_and_relocation = relocation::class,
    metadata_tampering = metadata::class,
    slot_and_key_replacement = slots::replacement,
    downgrade_of_suite_or_cost = slots::downgrade,
    chunks_dropped_doubled_reordered_cut_spliced = chunks::class,
    two_key_ciphertexts = two_keys::class,
    frozen_and_cloned_entropy = entropy::class,
    rollback_withholding_split_views = rollback::class,
    forged_omitted_doubled_listings = listings::class,
    writes_by_others = authors::foreign_writes,
    error_oracles = oracles::one_trace,
    lying_head = oracles::lying_head,
    length_bombs_and_endless_bodies = bombs::class,
    secrets_in_logs = secrets::class,
    wiped_bucket = rollback::wiped,
    cloned_identity = copies::class,
    injected_key_material = authors::injected_keys,
    revoked_device = revoked::class,
    root_records_of_a_lying_member = records::class,
    poisoned_beacon = beacons::class,
}
