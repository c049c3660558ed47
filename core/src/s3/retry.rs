//! How long to wait for an answer and before a retry, how many retries a store is worth, and what its clock corrects.

/// The most a first retry waits, in ms.
const BASE_MS: u64 = 200;
/// The most any retry waits of its own accord, in ms.
const CAP_MS: u64 = 20_000;
/// The most that a server's `Retry-After` is obeyed, in ms.
const RETRY_AFTER_MS_MAX: u64 = 300_000;

/// Tokens of a full budget: twenty retries in a row.
const TOKENS_MAX: u32 = 100;
/// Tokens a retry takes.
const TOKENS_PER_RETRY: u32 = 5;
/// Tokens an answer without a retry gives back: in the long run a retry for five good answers.
const TOKENS_PER_ANSWER: u32 = 1;

/// A body's deadline grows by a millisecond for each 16 bytes: 16 KiB/s.
const DEADLINE_BYTES_PER_MS: u64 = 16;
/// A device's clock is corrected by this much at most, for signing.
pub(crate) const SKEW_MS_MAX: i64 = 7 * 24 * 3600 * 1000;
/// Temporary keys are asked for anew this long before they end, in ms: a request may wait on its way.
pub const KEYS_END_MS: u64 = 60 * 1000;
/// No server minds a clock that is off by less; most take 15 minutes.
pub(crate) const SKEW_MS_MIN: u64 = 60 * 1000;

const _: () = assert!(BASE_MS < CAP_MS && CAP_MS < RETRY_AFTER_MS_MAX && TOKENS_PER_RETRY < TOKENS_MAX);

/// How long a request may take, in ms: `timeout_ms`, and a second more for each 16 KiB of its bodies.
pub fn deadline_ms(timeout_ms: u64, body_bytes: u64) -> u64 {
    timeout_ms.saturating_add(body_bytes / DEADLINE_BYTES_PER_MS)
}

/// By how much to sign ahead of a device's clock, in ms, after a refusal that the server's clock may explain; `known_ms`
/// was tried. `None`: it explains nothing, or the clocks are more than 7 days apart.
pub fn corrected_skew_ms(server_unix_ms: u64, own_unix_ms: u64, known_ms: i64) -> Option<i64> {
    let (server, own) = (i64::try_from(server_unix_ms).ok()?, i64::try_from(own_unix_ms).ok()?);
    let skew_ms = server.saturating_sub(own);
    (skew_ms.abs() <= SKEW_MS_MAX && skew_ms.abs_diff(known_ms) >= SKEW_MS_MIN).then_some(skew_ms)
}

/// Exponential backoff with full jitter, for the retries of one call: a wait drawn evenly from zero to a bound that
/// doubles from 200 ms to 20 s. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// How long to wait, in ms, before the next retry. `random` is 64 fresh random bits.
    ///
    /// A server's `Retry-After` is waited out, up to five minutes, with the jitter on top: many devices may have been
    /// told the same.
    pub fn next_wait_ms(&mut self, random: u64, retry_after_ms: Option<u64>) -> u64 {
        let bound_ms = BASE_MS.checked_shl(self.attempt).map_or(CAP_MS, |bound_ms| bound_ms.min(CAP_MS));
        // 20 s is reached long before; more doublings would shift the bits out.
        self.attempt = (self.attempt + 1).min(16);
        let jitter_ms = (u128::from(random) * u128::from(bound_ms + 1)) >> 64;
        retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MS_MAX) + jitter_ms as u64
    }
}

/// A token bucket shared by all calls to one store, so that retries fade out while it is down instead of multiplying.
/// It needs no clock: answers fill it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    tokens: u32,
}

impl Default for RetryBudget {
    /// A full one.
    fn default() -> Self {
        Self { tokens: TOKENS_MAX }
    }
}

impl RetryBudget {
    /// Takes what a retry costs; `false`: none is left, give up.
    #[must_use]
    pub fn take(&mut self) -> bool {
        match self.tokens.checked_sub(TOKENS_PER_RETRY) {
            Some(tokens) => {
                self.tokens = tokens;
                true
            }
            None => false,
        }
    }

    /// A call was answered: gives back the last retry's cost if there was one, else a little.
    pub fn answered(&mut self, after_retry: bool) {
        let tokens = if after_retry { TOKENS_PER_RETRY } else { TOKENS_PER_ANSWER };
        self.tokens = (self.tokens + tokens).min(TOKENS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_to_twenty_seconds_and_stays() {
        let mut backoff = Backoff::default();
        let longest: Vec<u64> = (0..100).map(|_| backoff.next_wait_ms(u64::MAX, None)).collect();
        assert_eq!(longest[..9], [200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000]);
        assert!(longest[9..].iter().all(|wait_ms| *wait_ms == 20_000));
        assert_eq!(Backoff::default().next_wait_ms(0, None), 0);
        assert_eq!(Backoff::default().next_wait_ms(1 << 63, None), 100);
    }

    #[test]
    fn retry_after_is_waited_out_up_to_five_minutes() {
        assert_eq!(Backoff::default().next_wait_ms(0, Some(7000)), 7000);
        assert_eq!(Backoff::default().next_wait_ms(u64::MAX, Some(7000)), 7200);
        assert_eq!(Backoff::default().next_wait_ms(0, Some(u64::MAX)), 300_000);
    }

    #[test]
    fn a_dead_store_gets_twenty_retries_and_a_living_one_a_fifth_more() {
        let mut budget = RetryBudget::default();
        assert_eq!((0..1000).filter(|_| budget.take()).count(), 20);
        let retries = (0..1000)
            .filter(|_| {
                budget.answered(false);
                budget.take()
            })
            .count();
        assert_eq!(retries, 200);
        for _ in 0..1000 {
            budget.answered(true);
        }
        assert_eq!(budget, RetryBudget::default());
    }
}
