//! What stands at a key, and the one place where writes meet: exact causality, no guess from clocks.

use super::{
    Attached, Context, Dot, Forks, Kind, Stamp, Vector, check_attached, check_place, check_register, check_value,
};
use crate::{Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Action {
    /// Set the value.
    Put(Vec<u8>) = 1,
    /// Removed what it had seen.
    Delete = 2,
    /// Set the value, with attachments: one at least, in the order of their names. In maps alone.
    PutWith {
        /// The value.
        value: Vec<u8>,
        /// The attachments.
        attached: Vec<Attached>,
    } = 3,
}

impl Action {
    /// A put with attachments, which may be none.
    pub(crate) fn put(value: Vec<u8>, attached: Vec<Attached>) -> Self {
        match attached.is_empty() {
            true => Self::Put(value),
            false => Self::PutWith { value, attached },
        }
    }

    /// The value, if it set one.
    pub fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Put(value) | Self::PutWith { value, .. } => Some(value),
            Self::Delete => None,
        }
    }

    /// The attachments that it set, in the order of their names.
    pub fn attached(&self) -> &[Attached] {
        match self {
            Self::PutWith { attached, .. } => attached,
            Self::Put(_) | Self::Delete => &[],
        }
    }

    /// Whether it may stand at a key of such a collection; the key itself is checked before.
    pub(crate) fn check(&self, kind: Kind, key: &str) -> Result<(), Error> {
        check_value(key, self.value().unwrap_or_default())?;
        if let Self::PutWith { attached, .. } = self {
            if kind != Kind::Map || attached.is_empty() {
                return Err(Error::new(ErrorKind::Invalid, "a put with attachments has none, or is in no map"));
            }
            check_attached(key, attached)?;
        }
        match kind {
            Kind::Documents => check_register(key, self.value()),
            Kind::Places => check_place(key, self.value()),
            Kind::Root | Kind::Map | Kind::Log => Ok(()),
        }
    }
}

/// A write that stands at a key: nothing known here has seen it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Standing {
    /// Its name.
    pub dot: Dot,
    /// Orders it among concurrent ones.
    pub stamp: Stamp,
    /// Put or delete (a tombstone).
    pub action: Action,
    /// What it had seen beyond the holder's prefix.
    pub context: Context,
}

/// All that stands at a key, sorted by dot; empty where nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Slot {
    /// The writes.
    pub standing: Vec<Standing>,
}

impl Slot {
    /// The put that counts: the greatest (stamp, dot).
    pub fn winner(&self) -> Option<&Standing> {
        self.puts().max_by_key(|write| (write.stamp, write.dot))
    }

    /// All puts.
    pub fn puts(&self) -> impl Iterator<Item = &Standing> {
        self.standing.iter().filter(|write| write.action != Action::Delete)
    }

    /// Puts beside the winner whose values or attachments differ from its own. Equal ones are no conflict.
    pub fn siblings(&self) -> usize {
        let Some(winner) = self.winner() else { return 0 };
        self.puts().filter(|write| write.action != winner.action).count()
    }

    /// The attachments of all puts, in the order of their names: the winner's, then those of the others whose names are free.
    pub(crate) fn attached(&self) -> Vec<Attached> {
        let mut puts: Vec<&Standing> = self.puts().collect();
        puts.sort_by_key(|write| Reverse((write.stamp, write.dot)));
        let mut by_name = BTreeMap::new();
        for attached in puts.into_iter().flat_map(|write| write.action.attached()) {
            by_name.entry(&attached.name).or_insert(attached);
        }
        by_name.into_values().cloned().collect()
    }

    /// Whether nothing but tombstones stands here.
    pub fn is_tombstone(&self) -> bool {
        !self.standing.is_empty() && self.standing.iter().all(|write| write.action == Action::Delete)
    }

    /// Applies one write. `vector` is what its author had applied, `prefix` what the holder has.
    ///
    /// Everything the write has seen goes, even if the write is itself already replaced; their contexts join its own.
    /// If anything here has seen the write, it is not kept and what it had seen joins theirs.
    pub fn apply(&mut self, mut write: Standing, vector: &Vector, prefix: &Vector, forks: &Forks) {
        let mut replaced = Vec::new();
        self.standing.retain_mut(|old| {
            let seen = vector.covers(&old.dot, forks)
                || write.context.covers(&old.dot, forks)
                || (planted!(LaterStampWins) && write.stamp > old.stamp)
                || (planted!(DeleteHidesPut) && write.action == Action::Delete);
            if seen {
                replaced.push(std::mem::take(&mut old.context));
            }
            !seen
        });
        replaced.iter().for_each(|context| write.context.join(context, forks));
        write.context.vector.join(&vector.beyond(prefix, forks), forks);
        write.context.shrink(prefix, forks);
        let mut already_replaced = false;
        for other in &mut self.standing {
            if other.context.covers(&write.dot, forks) {
                already_replaced = true;
                other.context.join(&write.context, forks);
                other.context.shrink(prefix, forks);
            }
        }
        if !already_replaced || planted!(ReplacedWriteKept) {
            self.insert(write, forks);
        }
    }

    /// Merges what another replica holds at this key: `mine_has` and `theirs_has` tell what each side has applied of it.
    ///
    /// What only one side holds survives iff the other has not applied it; of what both hold, the contexts join;
    /// then contexts are applied. Contexts shrink by `prefix`, the holder's vector before the merge, and no more.
    pub fn merge(
        &mut self,
        theirs: Slot,
        mine_has: impl Fn(&Dot) -> bool,
        theirs_has: impl Fn(&Dot) -> bool,
        prefix: &Vector,
        forks: &Forks,
    ) {
        let mine = std::mem::take(&mut self.standing);
        let mut merged: Vec<Standing> = Vec::with_capacity(mine.len().max(theirs.standing.len()));
        for mut write in mine {
            match theirs.standing.iter().find(|other| other.dot == write.dot) {
                Some(other) => write.context.join(&other.context, forks),
                None if theirs_has(&write.dot) && !planted!(MergeKeepsReplaced) => continue,
                None => {}
            }
            merged.push(write);
        }
        for write in theirs.standing {
            if (!mine_has(&write.dot) || planted!(MergeBringsBack)) && merged.iter().all(|other| other.dot != write.dot)
            {
                merged.push(write);
            }
        }
        while let Some(at) = merged
            .iter()
            .position(|old| merged.iter().any(|new| new.dot != old.dot && new.context.covers(&old.dot, forks)))
        {
            let old = merged.swap_remove(at);
            for new in merged.iter_mut().filter(|new| new.context.covers(&old.dot, forks)) {
                new.context.join(&old.context, forks);
            }
        }
        merged.iter_mut().for_each(|write| write.context.shrink(prefix, forks));
        merged.sort_by_key(|write| write.dot);
        self.standing = merged;
    }

    fn insert(&mut self, write: Standing, forks: &Forks) {
        match self.standing.binary_search_by_key(&write.dot, |old| old.dot) {
            Ok(at) => self.standing[at].context.join(&write.context, forks), // the same op again: idempotent
            Err(at) => self.standing.insert(at, write),
        }
    }
}
