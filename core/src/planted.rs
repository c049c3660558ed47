//! Bugs planted on purpose, one of them at a time, to show that the simulator finds them. Only in builds with
//! `--cfg tidelock_planted`: no other build knows of them.

use std::cell::Cell;

macro_rules! bugs {
    ($($(#[$doc:meta])+ $bug:ident = $name:literal,)+) => {
        /// A bug that one line of the engine has when it is switched on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $($(#[$doc])+ $bug,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug,)+];

            /// Its name in words.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }
        }
    };
}

bugs! {
    /// A beacon that did not change ends the poll: what is owed is not tried.
    NotModifiedEndsIt = "304 ends it",
    /// A write states its vector and no context.
    ObservedVectorOnly = "observed vector only",
    /// A tombstone goes once every device stated to have seen it, though what they published is not all applied here.
    TombstoneDroppedOnCover = "tombstone dropped on cover alone",
    /// A beacon that lacks something stays as it is.
    BeaconNotRepaired = "beacon not repaired",
    /// A segment's name comes from its first op, so that whatever it grows to is sealed under the same name.
    SegmentSealedAgain = "segment sealed again on retry",
    /// An older manifest of another device counts as its newest.
    LatePutTrusted = "late PUT trusted",
    /// A frozen sequence is dropped on the next try, and frozen again with what is there by then.
    FrozenAgain = "frozen again with another body",
    /// A manifest is PUT before what it says is durable here.
    NotFlushed = "published before it is durable",
    /// A refused manifest counts as published.
    RefusedIsPublished = "refused PUT taken for published",
    /// An op of one's own that was published turns into a void.
    PublishedTurnsVoid = "published op turned into a void",
    /// Debts are never tried again.
    DebtForgotten = "debt forgotten",
    /// Of puts that had not seen each other only the later one is kept.
    LaterStampWins = "later stamp wins",
    /// A delete removes what it has not seen.
    DeleteHidesPut = "delete hides a concurrent put",
    /// A log's entry that was deleted comes back when its op is met again.
    DeletionForgotten = "deletion in a log forgotten",
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Switches a bug on for all engines of this thread, or all off.
pub fn set(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether a bug is switched on.
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}
