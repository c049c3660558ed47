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
    /// A tombstone goes as soon as it is covered, though something that it had seen is not applied here.
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
    /// A commit on a store that another process changed counts as done.
    StaleIgnored = "stale commit taken for done",
    /// Ops beyond a gap count as if there were none.
    IslandTakenForPrefix = "island taken for prefix",
    /// An unreadable segment ends the pull.
    BadObjectStops = "bad object stops the pull",
    /// Nobody is told of what is unreadable.
    DamageNotNamed = "damage not named",
    /// What others could not read is not written again.
    MendForgotten = "mend forgotten",
    /// The own log is trimmed up to what others have seen, whatever the snapshot holds.
    TrimmedBeyondSnapshot = "trimmed beyond the snapshot",
    /// A snapshot's vector counts as applied before its rows are here.
    AdoptedBeforeRows = "vector adopted before the rows",
    /// Of an own row that a snapshot's vector covers and the snapshot lacks, the row stays.
    MergeKeepsReplaced = "merge keeps what was replaced",
    /// A snapshot's row that was replaced here comes back.
    MergeBringsBack = "merge brings back what was replaced",
    /// A write that is already replaced is kept.
    ReplacedWriteKept = "replaced write kept",
    /// Snapshots lack the log's deletions.
    SnapshotWithoutDeletions = "snapshot without deletions",
    /// A device whose manifest a listing lacks is forgotten.
    AbsentIsDeleted = "absent taken for deleted",
    /// Stamps follow the clock alone.
    StampGoesBack = "stamp goes back with the clock",
    /// A clock that was far ahead once moves its device's stamps for ever.
    WrongClockKept = "wrong clock kept for ever",
    /// The keys of log entries are random within a millisecond.
    EntriesShuffled = "entries of one millisecond in any order",
    /// An op does not say what its author had applied.
    SeenNotStated = "vector inferred, not stated",
    /// A foreign stamp moves the clock however far ahead it is.
    AnyStampTaken = "any foreign stamp taken",
    /// A request is tried again for ever.
    RetriesUnbounded = "retries without end",
    /// A server's Retry-After is not waited out.
    RetryAfterIgnored = "Retry-After ignored",
    /// The device's name goes out in a header.
    NameInHeader = "device name in a header",
    /// All objects have one salt.
    SaltRepeated = "salt repeated",
    /// Objects are named by random bytes and nothing else.
    NameFromEntropyAlone = "name from entropy alone",
    /// Conflicts are not listed.
    ConflictNotListed = "conflict not listed",
    /// A device PUTs a beacon with its own entry alone.
    BeaconNotMerged = "beacon not merged",
    /// A write is called durable before it is.
    DurableTooEarly = "durable too early",
    /// A manifest states ops that are published and not applied.
    VectorAhead = "vector ahead of what is applied",
    /// What only one copy of a store has applied stays with it.
    LeftWithoutCarry = "leave without carry",
    /// A snapshot names chunks of an older one again, and a manifest another's snapshot, whether they stand or not.
    LostNamedAgain = "lost chunk named again",
    /// A patch removes the fields that it does not name.
    PatchReplaces = "patch replaces the whole document",
    /// A device whose slot is gone while the vault has new keys ends its syncs as if nothing were wrong.
    RevokedNotTold = "revoked device not told",
    /// An op's number alone says whether it is covered.
    PlainDots = "plain dots without tags",
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
