//! The rules under test, by name, so that a run can leave some out.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A rule of design §3 or §5, or one added here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule { $($(#[$doc])* $name,)* }
        /// All of them.
        pub const RULES: &[Rule] = &[$(Rule::$name,)*];
    };
}

rules! {
    /// An op's name has its tag: two copies' ops of one number differ.
    Tags,
    /// All tags of what came by logs are kept; those that came by a snapshot are thinned.
    TagsKept,
    /// A line of which nobody can say where it forks waits until a live device says so.
    TagsWait,
    /// A line that waited in vain is taken for one that forks where its tags are not known.
    TagsTaken,
    /// A store that finds a manifest under its id that it never froze takes another id.
    LeaveForeign,
    /// A store that finds its id closed takes another id.
    LeaveClosed,
    /// Who has left writes a snapshot at once and names it.
    LeaveFresh,
    /// Who has left goes on publishing its old log, under its old names.
    LeaveLog,
    /// Who has left goes on naming its snapshot.
    LeaveSnapshot,
    /// An older own manifest is replaced by the newest.
    PutAgain,
    /// ... unless it was last seen standing long ago: then its objects may be swept, and a new one is made.
    AgainAnew,
    /// A manifest with a lower sequence than one read before is read, too: it may be a copy's.
    ReadLower,
    /// What is applied here and covered by no manifest is carried.
    Carry,
    /// ... only after two looks.
    CarryTwice,
    /// A snapshot says which ops beyond gaps it has.
    SnapshotIslands,
    /// What a revoked device published beyond its mark does not count.
    CloseMarks,
    /// ... not only a revoked one, also one that is retired or lapsed.
    RetireMarks,
    /// A close's marks join with what it has seen said before and what others say.
    CloseJoins,
    /// Before closing, the manifest is read again.
    CloseReadAgain,
    /// Who has applied more than a close says closes again with what it has applied.
    CloseRaise,
    /// What live devices state to have applied counts, whatever a close says.
    Vouch,
    /// Above the sequence of a close, vector and snapshot of a closed device count for nothing.
    CloseSequence,
    /// Of a closed device's manifest nothing counts but its ops up to the mark.
    ClosedShut,
    /// The last manifest read of a device before its close was known goes on counting whole.
    KnownBefore,
    /// What another says that it cannot have is carried, too.
    CarryLacking,
    /// Who revokes names a snapshot of its own beside it.
    RevokeSnapshot,
    /// A close counts though its author was closed before it.
    CloseBeyond,
    /// Who learns a close that way writes it again.
    CloseRewrite,
    /// Only what no manifest or snapshot held turns into a void.
    VoidUnpublished,
    /// A void counts as applied only with what replaced it.
    VoidWhole,
    /// A tombstone goes only when no context is left on its key.
    TombContext,
    /// A tombstone goes only when every device listed that is not closed states to have it.
    TombLive,
    /// ... in manifests whose ops are all applied.
    TombOps,
    /// A device that may have been closed does not collect.
    TombMember,
    /// A tombstone goes only when nothing else stands on its key.
    TombAlone,
    /// A log's deletions are kept for ever.
    LogDeletes,
    /// A frozen manifest that is old is not PUT any more.
    FrozenOld,
    /// Unnamed objects go only when an earlier sweep found them unnamed too.
    SweepTwice,
    /// Superseded objects go only some time after the manifest that supersedes them.
    DeleteGrace,
    /// Others' superseded objects go only while the own manifest stands that names what replaced them.
    DeleteStands,
    /// ... and another device says that it has all that.
    DeleteWitness,
    /// Damaged objects are mended.
    Mend,
    /// Manifests of the dead are read on, whatever is known of them.
    QuarantineShown,
    /// A manifest of a device that has seen its own lapse cancels it.
    LapseCancel,
    /// A lapse is not written by a wrong clock alone.
    LapseClocks,
    /// A newcomer PUTs an empty-vector manifest before it reads.
    JoinFirst,
}

/// Rules of the text that are not needed: a run obeys them only if asked to.
#[rustfmt::skip]
pub const SPARED: &[Rule] = &[
    Rule::RetireMarks, Rule::CloseRaise, Rule::CloseSequence, Rule::CloseBeyond, Rule::CloseRewrite,
    Rule::TombLive, Rule::TombOps, Rule::TombMember, Rule::TombAlone, Rule::DeleteWitness,
    Rule::LapseCancel, Rule::LapseClocks, Rule::JoinFirst, Rule::LeaveClosed, Rule::LeaveLog, Rule::LeaveSnapshot,
];

/// Rules that the text lacks.
#[rustfmt::skip]
pub const ADDED: &[Rule] = &[
    Rule::TagsKept, Rule::TagsWait, Rule::ReadLower, Rule::AgainAnew, Rule::SnapshotIslands, Rule::VoidWhole,
    Rule::Vouch, Rule::ClosedShut, Rule::KnownBefore, Rule::RevokeSnapshot, Rule::CarryLacking, Rule::DeleteStands, Rule::LeaveFresh,
];

/// The rules a run obeys.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    obeyed: u64,
}

impl Rules {
    /// Those that the engine is to obey, but these.
    pub fn without(left_out: &[Rule]) -> Self {
        Self { obeyed: !bits(SPARED) & !bits(left_out) }
    }

    /// These as well.
    #[must_use]
    pub fn with(self, more: &[Rule]) -> Self {
        Self { obeyed: self.obeyed | bits(more) }
    }

    /// Whether the rule holds in this run.
    pub fn has(&self, rule: Rule) -> bool {
        self.obeyed >> rule as u64 & 1 == 1
    }
}

fn bits(rules: &[Rule]) -> u64 {
    rules.iter().fold(0, |bits, &rule| bits | 1 << rule as u64)
}
