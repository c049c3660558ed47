//! Logs that a pull has read or is about to read: what others name of them by number is held against their tags, whoever
//! is read first.

use crate::replica::{Point, SegmentRef};
use crate::{DeviceId, Tag};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one pull has at hand; nothing of it outlives the pull.
#[derive(Default)]
pub(super) struct AtHand {
    /// Runs that were read and may wait.
    read: BTreeMap<DeviceId, Vec<Read>>,
    /// Segments on their way: their first and last op's numbers.
    awaited: BTreeMap<DeviceId, Vec<(u64, u64)>>,
}

struct Read {
    /// The first op's number.
    from: u64,
    tags: Arc<Vec<Tag>>,
    /// Its line is known.
    placed: bool,
}

/// What the logs at hand say of an op that another device names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is theirs, or beyond them.
    Nothing,
    /// They have another op of that number, or are on a line that can't be placed.
    Other,
    /// Soon: the segment that has its number is being read.
    Later,
}

impl AtHand {
    /// A run of a device was read, whose line is known, or not.
    pub(super) fn add(&mut self, device: DeviceId, from: u64, tags: &Arc<Vec<Tag>>, placed: bool) {
        self.read.entry(device).or_default().push(Read { from, tags: tags.clone(), placed });
    }

    /// A segment is going to be read.
    pub(super) fn await_segment(&mut self, device: DeviceId, segment: &SegmentRef) {
        self.awaited.entry(device).or_default().push((segment.from, segment.end.n));
    }

    /// It was, or could not be.
    pub(super) fn await_no_more(&mut self, device: DeviceId, segment: &SegmentRef) {
        if let Some(awaited) = self.awaited.get_mut(&device) {
            awaited.retain(|range| *range != (segment.from, segment.end.n));
        }
    }

    /// What is known of an op by its number and tag.
    pub(super) fn of(&self, device: DeviceId, op: Point) -> Told {
        let is_its = |read: &Read| {
            let at = op.n.checked_sub(read.from).and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| read.tags.get(at)).map(|tag| read.placed && *tag == op.tag)
        };
        let mut told = self.read.get(&device).into_iter().flatten().filter_map(is_its).peekable();
        if told.peek().is_some() {
            return if told.all(|is_its| is_its) { Told::Nothing } else { Told::Other };
        }
        let mut awaited = self.awaited.get(&device).into_iter().flatten();
        if awaited.any(|(from, to)| (*from..=*to).contains(&op.n)) { Told::Later } else { Told::Nothing }
    }
}
