//! Ops and sets of them. A tag chains over all that a line wrote before, so here an op's place in the history is its tag.

/// A set of ops by their place in the history. A vector is one that has, with an op, all earlier ones of its line.
pub type Set = u128;

/// The most ops of a schedule.
pub const OPS_MAX: usize = 120;

/// Keys below this are of a map, the others of a log.
pub const MAP_KEYS: usize = 3;
/// All keys.
pub const KEYS: usize = MAP_KEYS + 2;

/// What an op does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value at a map key.
    Put,
    /// The end of what its writer saw at a map key.
    Delete,
    /// A line under a log key.
    Append,
    /// The end of a log key, for ever.
    LogDelete,
    /// A root record: no op of a device beyond a mark counts.
    Close,
    /// A root record: a device was not seen for long.
    Lapse,
}

/// What a close or a lapse says.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Of whom.
    pub target: u8,
    /// Up to this manifest its vector and its snapshot count.
    pub sequence: u32,
    /// Its ops that count: per line, all up to (n, tag).
    pub ops: Set,
    /// It may not come back under another id.
    pub revoked: bool,
}

/// An op as its writer made it.
#[derive(Clone, Debug)]
pub struct Op {
    /// The id it was written under.
    pub device: u8,
    /// Its number there.
    pub n: u8,
    /// The op before it on its line.
    pub parent: Option<u8>,
    /// What it does.
    pub kind: Kind,
    /// Where.
    pub key: usize,
    /// Its clock.
    pub stamp: u32,
    /// What its writer had applied.
    pub vector: Set,
    /// What it replaces beyond that.
    pub context: Set,
    /// Of a close or lapse.
    pub mark: Option<Mark>,
    /// The judge's: what its writer had truly seen of its key, and itself.
    pub seen: Set,
}

/// The set of one op.
pub fn one(op: u8) -> Set {
    1 << op
}

/// The ops of a set.
pub fn each(mut set: Set) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let op = set.trailing_zeros() as u8;
        set &= set.wrapping_sub(1);
        (op < 128).then_some(op)
    })
}
