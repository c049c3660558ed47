//! The clocks and the randomness that the engine is given.

use crate::{Error, ErrorKind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidelock_core::crypto::Entropy;
use tidelock_core::engine::Now;

/// Milliseconds since it was made, and the device's own time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { monotonic_ms: ms(self.start.elapsed()), unix_ms: unix_ms() }
    }

    /// The instant of one of the engine's monotonic times.
    pub(crate) fn instant(&self, monotonic_ms: u64) -> Instant {
        self.start + Duration::from_millis(monotonic_ms)
    }
}

/// Milliseconds since 1970; a clock set before that is at 0.
pub(crate) fn unix_ms() -> u64 {
    ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The operating system's random bytes.
pub(crate) struct SystemEntropy(());

impl SystemEntropy {
    /// Draws once, so that a system without randomness is found before anything depends on it.
    pub(crate) fn new() -> Result<Self, Error> {
        getrandom::fill(&mut [0; 32])
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the system gives no random bytes: {error}")))?;
        Ok(Self(()))
    }
}

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the system gave random bytes when the vault was opened, and never stops");
    }
}

/// A random number below `bound`, for jitter.
pub(crate) fn random_below(bound: u64) -> u64 {
    // The modulo's bias is far below what spreading polls could notice.
    getrandom::u64().map_or(0, |random| random % bound.max(1))
}
