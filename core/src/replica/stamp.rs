//! Stamps: a hybrid logical clock that only orders concurrent writes.

use borsh::{BorshDeserialize, BorshSerialize};

/// A foreign stamp moves the own clock only if it is at most this far ahead of it.
const FOREIGN_AHEAD_MS_MAX: u64 = 5 * 60 * 1000;
/// A foreign stamp further ahead than this is reported; a last own one is of a clock that was set right since.
pub(crate) const SUSPICIOUS_AHEAD_MS: u64 = 24 * 3600 * 1000;

/// Milliseconds since 1970 by the writer's clock, then a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Stamp {
    /// Milliseconds since 1970.
    pub ms: u64,
    /// Orders writes of one millisecond.
    pub counter: u32,
}

impl Stamp {
    /// The stamp after `self`, the last one seen or given, at `unix_ms` by the own clock. It falls where `self` is of a clock
    /// that was far ahead: contexts say what a write had seen, whatever the stamps.
    #[must_use]
    pub(crate) fn next(self, unix_ms: u64) -> Self {
        let was_wrong = self.ms > unix_ms.saturating_add(SUSPICIOUS_AHEAD_MS) && !planted!(WrongClockKept);
        if unix_ms > self.ms || was_wrong {
            return Self { ms: unix_ms, counter: 0 };
        }
        match self.counter.checked_add(1) {
            Some(counter) => Self { ms: self.ms, counter },
            None => Self { ms: self.ms.saturating_add(1), counter: 0 },
        }
    }

    /// The last stamp after seeing a foreign one: too far ahead of the own clock, it is data and moves nothing.
    #[must_use]
    pub(crate) fn after_seeing(self, foreign: Self, unix_ms: u64) -> Self {
        if planted!(AnyStampTaken) || foreign.ms <= unix_ms.saturating_add(FOREIGN_AHEAD_MS_MAX) {
            self.max(foreign)
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(ms: u64, counter: u32) -> Stamp {
        Stamp { ms, counter }
    }

    #[test]
    fn stamps_rise_while_the_clock_stands_or_goes_back() {
        assert_eq!(stamp(10, 3).next(11), stamp(11, 0));
        assert_eq!(stamp(10, 3).next(10), stamp(10, 4));
        assert_eq!(stamp(10, 3).next(2), stamp(10, 4));
        assert!(stamp(10, u32::MAX).next(2) > stamp(10, u32::MAX));
    }

    #[test]
    fn a_clock_that_was_more_than_a_day_ahead_is_forgotten() {
        assert_eq!(stamp(SUSPICIOUS_AHEAD_MS + 10, 3).next(10), stamp(SUSPICIOUS_AHEAD_MS + 10, 4));
        assert_eq!(stamp(SUSPICIOUS_AHEAD_MS + 11, 3).next(10), stamp(10, 0));
        assert_eq!(stamp(u64::MAX, u32::MAX).next(10), stamp(10, 0));
    }

    #[test]
    fn a_foreign_clock_moves_ours_by_five_minutes_at_most() {
        assert_eq!(stamp(10, 0).after_seeing(stamp(300_010, 7), 10), stamp(300_010, 7));
        assert_eq!(stamp(10, 0).after_seeing(stamp(300_011, 0), 10), stamp(10, 0));
        assert_eq!(stamp(10, 0).after_seeing(stamp(9, 9), 10), stamp(10, 0));
    }
}
