//! How often who keeps a vault in step syncs: often while something happens, seldom while nothing does.

/// The shortest wait while something happens, in ms; the longest is twice that, so that polls of many devices spread.
const BUSY_MS: u64 = 30_000;
/// The longest wait, in ms.
const IDLE_MS_MAX: u64 = 300_000;
/// So many syncs that brought nothing double the wait.
const ROUNDS_A_STEP: u32 = 5;

/// When a watching device syncs next. Every platform's `watch` waits as this says, so that all cost the same.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Syncs in a row that brought nothing.
    idle_rounds: u32,
}

impl Pace {
    /// A local write waits this long, in ms, for others to share its push.
    pub const GATHER_MS: u64 = 1_000;
    /// Local writes start no sync sooner than this after the last, in ms.
    pub const APART_MS: u64 = 5_000;

    /// The wait after a sync, in ms: 30 to 60 s, twice that after each five that brought nothing, up to 2.5 to 5 min.
    /// `active`: it took or published something. `random_below` gives a number below its argument.
    pub fn next_wait_ms(&mut self, active: bool, random_below: impl FnOnce(u64) -> u64) -> u64 {
        self.idle_rounds = if active { 0 } else { self.idle_rounds.saturating_add(1) };
        let doublings = (self.idle_rounds / ROUNDS_A_STEP).min(8);
        let shortest = (BUSY_MS << doublings).min(IDLE_MS_MAX / 2);
        shortest + random_below(shortest + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(pace: &mut Pace, active: bool) -> (u64, u64) {
        let least = pace.clone().next_wait_ms(active, |_| 0);
        (least, pace.next_wait_ms(active, |bound| bound - 1))
    }

    #[test]
    fn waits_grow_from_half_a_minute_to_five_minutes_and_fall_back() {
        let mut pace = Pace::default();
        assert_eq!(bounds(&mut pace, true), (30_000, 60_000));
        for _ in 0..4 {
            assert_eq!(bounds(&mut pace, false), (30_000, 60_000));
        }
        assert_eq!(bounds(&mut pace, false), (60_000, 120_000));
        for _ in 0..100 {
            bounds(&mut pace, false);
        }
        assert_eq!(bounds(&mut pace, false), (150_000, 300_000));
        assert_eq!(bounds(&mut pace, true), (30_000, 60_000));
    }
}
