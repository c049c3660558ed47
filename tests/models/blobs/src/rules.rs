//! The rules, each of which a run can leave out.

/// A rule of the collection of blobs that a run can leave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// A pack goes no sooner than 7 days after its condemnation was published.
    Grace,
    /// The 7 days are counted by own clock and by the server's Date.
    Both,
    /// A manifest frozen 24 h ago is given up.
    Age,
    /// A push pulls first.
    PullFirst,
    /// What is frozen was checked against a pull of the last hour.
    Fresh,
    /// A condemned pack is never newly referenced: its content is put again.
    CheckCondemned,
    /// Dedup only against packs that something standing references, at the push.
    CheckStanding,
    /// Dedup only after a pull that left nothing out.
    Complete,
    /// Bytes are kept until the reference is published, deduplicated or not.
    Keep,
    /// Attachments: every expected device has stated the condemnation.
    Ack,
    /// Attachments: and all that its author had applied when it condemned.
    AckSeen,
    /// An op beyond what the condemnation had seen that names the pack spares it, even if it is gone again.
    Touched,
    /// References of all that stands count, not of the winner alone.
    Siblings,
    /// Nobody condemns or deletes while anything listed is unread.
    Gaps,
    /// Between looking again and deleting an hour passes at most, by either clock.
    Recheck,
    /// What was never referenced is condemned by its own device alone, unless that is retired.
    OwnOrphans,
    /// Own unpublished references count.
    OwnPending,
    /// Who finds itself retired forgets what it uploaded and did not publish.
    Journal,
    /// Who joins PUTs a manifest before it reads.
    Announce,
    /// A backup's pieces are re-read and put again (no acks are waited for).
    Possess,
    /// Attachments: what is deduplicated against is opened first, unless put by this run.
    Verify,
    /// Who joins carries no attachment over before a pull left nothing out.
    Whole,
}

/// Each rule and its name for `--out`.
pub const RULES: [(Rule, &str); 22] = [
    (Rule::Grace, "grace"),
    (Rule::Both, "both-clocks"),
    (Rule::Age, "age"),
    (Rule::PullFirst, "pull-first"),
    (Rule::Fresh, "fresh"),
    (Rule::CheckCondemned, "condemned"),
    (Rule::CheckStanding, "standing"),
    (Rule::Complete, "complete"),
    (Rule::Keep, "keep"),
    (Rule::Ack, "ack"),
    (Rule::AckSeen, "ack-seen"),
    (Rule::Touched, "touched"),
    (Rule::Siblings, "siblings"),
    (Rule::Gaps, "gaps"),
    (Rule::Recheck, "recheck"),
    (Rule::OwnOrphans, "own-orphans"),
    (Rule::OwnPending, "own-pending"),
    (Rule::Journal, "journal"),
    (Rule::Announce, "announce"),
    (Rule::Verify, "verify"),
    (Rule::Whole, "whole"),
    (Rule::Possess, "possess"),
];
