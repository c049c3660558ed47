//! Checks left out on purpose, one at a time, to show that each class of the hostile bucket's attacks is stopped by the check
//! that is said to stop it. Only in builds with `--cfg tidelock_planted`: no other build knows of them.

use std::cell::Cell;

/// A check that is left out while it is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// What an object's keys are bound to lacks its path.
    PathNotBound,
    /// An object need not be the one that was named.
    NamedHashIgnored,
    /// An object's clear header may say anything.
    ClearHeaderUnchecked,
    /// Slots have no pre-shared key: whoever knows a public key can make one.
    SlotPskIgnored,
    /// A slot may ask for any cost of stretching.
    StretchCostUnchecked,
    /// Every chunk of an object has the same nonce.
    ChunkNumberNotBound,
    /// A key is not compared with the commitment.
    CommitmentUnchecked,
    /// Salts are what the platform's entropy gives.
    SaltNotHedged,
    /// A listing may name any number of things.
    ListingUnbounded,
    /// A manifest's signature is not verified.
    SignatureUnchecked,
    /// A manifest's public key need not be its device's.
    PublicKeyNotBound,
    /// An object that has a good beginning and does not open is read once more.
    DamageReadTwice,
    /// Frames may inflate to any length.
    FrameUnbounded,
    /// Secrets print as they are.
    SecretsPrinted,
    /// A bucket without header and manifests is put right like one without a header.
    WipedTakenForLost,
    /// A second line of a device goes for its first, and a copy's manifest for an own one.
    ForkNotSeen,
    /// Of two rings of keys that are apart, the greatest epoch is sealed under, whoever made it.
    GreatestKeysTaken,
    /// Keys are handed out by every record of a slot, whoever wrote it.
    SlotRecordsBelieved,
    /// What manifests say of revoked devices is not heard.
    RevocationUnheard,
    /// A beacon of any epoch counts.
    PastBeaconTaken,
    /// Every unknown device that a beacon names is asked for.
    UnknownUnbounded,
    /// What a beacon names is waited for without end.
    WantedForEver,
    /// Of the own sequences only the newest 64 are known.
    OldSequencesForgotten,
}

thread_local! {
    static LEFT_OUT: Cell<Option<Weakness>> = const { Cell::new(None) };
}

/// Leaves a check out in all engines of this thread, or none.
pub fn set(weakness: Option<Weakness>) {
    LEFT_OUT.set(weakness);
}

/// Whether a check is left out.
pub fn is(weakness: Weakness) -> bool {
    LEFT_OUT.get() == Some(weakness)
}
