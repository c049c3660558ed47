//! The rules under test, by name, so that a run can leave some out.

/// One rule of design §3 or §5. Leaving it out must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub enum Rule {
    /// §3: a stated vector is what was applied, never what was inferred from others' vectors.
    Applied,
    /// §3: only the prefix is stated as vector, islands are named in contexts.
    Prefix,
    /// §3: a write's context has the stored contexts of what it replaces, not only the dots.
    WriteContexts,
    /// §3: contexts of removed entries join the op that removes them.
    JoinRemoved,
    /// §3: an op that is already replaced gives its vector and context to the entries that have seen it.
    JoinLate,
    /// §3: an op that is already replaced still removes what it has seen.
    LateRemoves,
    /// §3: an entry's context shrinks by the holder's prefix, never by islands.
    ShrinkByPrefix,
    /// §3: merging, an entry that the other side has applied and does not hold is dropped.
    MergeDrops,
    /// §3: merging, an own island counts as applied.
    MergeIslands,
    /// §3: merging, the contexts of an entry held by both join.
    MergeJoins,
    /// §3: merging, contexts are applied at the end.
    MergeContexts,
    /// §5: until V is adopted, contexts shrink only by the old prefix.
    ShrinkOld,
    /// §5: an op whose entry a chunk already brought joins it.
    Brought,
    /// Added: in the key range of merged chunks all of V counts as applied, until the prefix covers V.
    RangeApplied,
    /// Added: a write in the key range of merged chunks names V in its context.
    RangeNamed,
    /// §5: V is adopted with the last chunk.
    AdoptLast,
    /// §5: a snapshot states the prefix as its V, never what lies beyond a gap.
    SnapshotPrefix,
    /// Added: a device with gaps may write one too.
    SnapshotGaps,
    /// Added: all chunks are had before the first is merged.
    Staged,
    /// Added: nobody writes a snapshot while one is half merged.
    SnapshotSettled,
    /// Added: a snapshot shows one moment, however many steps its writing takes.
    SnapshotWhole,
    /// §5: a device names another snapshot only if its V covers the old one's.
    NamedGrows,
    /// §5: a log is trimmed only under the V of the snapshot named beside it.
    TrimNamed,
    /// §3: only what no manifest or snapshot held turns into a void.
    VoidUnpublished,
    /// §3: damaged objects are mended by those who name them.
    Mend,
    /// §3: a tombstone goes only when no put stands on its key.
    TombAlone,
    /// §3: a tombstone goes only when no context is left on its key.
    TombContext,
    /// §3: a tombstone goes only when the own prefix covers it.
    TombOwn,
    /// §3: a tombstone goes only when every listed device has stated a vector that covers it.
    TombLive,
    /// §3: … in a manifest whose ops are all applied here.
    TombOps,
    /// §3: … at a full check, so that newcomers are listed.
    TombList,
    /// §5: a newcomer PUTs an empty-vector manifest before it reads.
    JoinFirst,
    /// §3: a log's deletions are kept for ever.
    LogDeletes,
    /// Added: a device whose clock was far ahead of what it is now counts on from its clock.
    StampFalls,
}

/// All rules, in the order of their declaration.
pub const RULES: [Rule; 34] = {
    use Rule::*;
    [
        Applied,
        Prefix,
        WriteContexts,
        JoinRemoved,
        JoinLate,
        LateRemoves,
        ShrinkByPrefix,
        MergeDrops,
        MergeIslands,
        MergeJoins,
        MergeContexts,
        ShrinkOld,
        Brought,
        RangeApplied,
        RangeNamed,
        AdoptLast,
        SnapshotPrefix,
        SnapshotGaps,
        Staged,
        SnapshotSettled,
        SnapshotWhole,
        NamedGrows,
        TrimNamed,
        VoidUnpublished,
        Mend,
        TombAlone,
        TombContext,
        TombOwn,
        TombLive,
        TombOps,
        TombList,
        JoinFirst,
        LogDeletes,
        StampFalls,
    ]
};

/// The rules a run obeys: all but those left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    left_out: u64,
    /// See [`Rules::held`].
    pub(super) held: bool,
}

impl Rules {
    /// Every rule but these.
    pub fn without(left_out: &[Rule]) -> Self {
        Self { left_out: left_out.iter().fold(0, |bits, &rule| bits | 1 << rule as u64), held: false }
    }

    /// Instead of [`Rule::RangeApplied`]: no op is applied while a snapshot is half merged, and only a snapshot whose V
    /// covers that one's is merged then.
    pub fn held(self, held: bool) -> Self {
        Self { held, ..self }
    }

    /// Whether the rule holds in this run.
    pub fn has(&self, rule: Rule) -> bool {
        self.left_out >> rule as u64 & 1 == 0
    }
}
