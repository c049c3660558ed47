//! Which requests meet which fault.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What befalls a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server refuses with this status and S3's code for it; nothing takes effect.
    Status(u16),
    /// The server asks for patience, for so many seconds; nothing takes effect.
    SlowDown {
        /// `Retry-After`.
        retry_after_s: u64,
    },
    /// The server's clock is too far from the request's, and it doesn't tell its own; nothing takes effect.
    ClockSkew,
    /// No answer comes.
    Silence {
        /// Whether the request took effect all the same.
        after_effect: bool,
    },
    /// The connection breaks in the middle of the answer's body, after the effect.
    Cut,
    /// The connection breaks.
    Reset {
        /// Whether the request took effect before.
        after_effect: bool,
    },
}

impl Fault {
    /// Whether the server carries the request out.
    pub fn has_effect(self) -> bool {
        matches!(self, Self::Silence { after_effect: true } | Self::Reset { after_effect: true } | Self::Cut)
    }

    /// The answer of a server that refuses: status, S3's code, `Retry-After`; `None`: no answer comes.
    pub fn refusal(self) -> Option<(u16, &'static str, Option<u64>)> {
        match self {
            Self::Status(500) => Some((500, "InternalError", None)),
            Self::Status(405) => Some((405, "MethodNotAllowed", None)),
            Self::Status(status) => Some((status, "ServiceUnavailable", None)),
            Self::SlowDown { retry_after_s } => Some((503, "SlowDown", Some(retry_after_s))),
            Self::ClockSkew => Some((403, "RequestTimeTooSkewed", None)),
            Self::Silence { .. } | Self::Reset { .. } | Self::Cut => None,
        }
    }
}

/// Decides by method and target (path and query).
type Plan = Box<dyn FnMut(&str, &str) -> Option<Fault> + Send>;

/// The faults to come, shared by all who inject them. At first there are none.
#[derive(Clone, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    plan: Option<Plan>,
    met: usize,
    are_web_pages: bool,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    /// From now on: the first try of each request whose method is among `methods` meets a fault, these in turn: every request that
    /// succeeds was tried again.
    pub fn set_for_first_tries(&self, methods: &'static [&'static str], faults: &[Fault]) {
        let mut seen = BTreeSet::new();
        let mut faults = Vec::from(faults).into_iter().cycle();
        self.set(move |method, target| {
            let first = methods.contains(&method) && seen.insert((method.to_owned(), target.to_owned()));
            if first { faults.next() } else { None }
        });
    }

    /// From now on: the first request of this method for such a path meets the fault.
    pub fn set_once(&self, method: &'static str, is_it: fn(path: &str) -> bool, fault: Fault) {
        let mut fault = Some(fault);
        self.set(move |asked, target| {
            let path = target.split('?').next().unwrap_or_default();
            if asked == method && is_it(path) { fault.take() } else { None }
        });
    }

    /// From now on all goes well.
    pub fn clear(&self) {
        self.lock().plan = None;
    }

    /// From now on refusals through the proxy are told by web pages, as a load balancer tells them.
    pub fn show_web_pages(&self) {
        self.lock().are_web_pages = true;
    }

    pub(crate) fn are_web_pages(&self) -> bool {
        self.lock().are_web_pages
    }

    /// How many requests met a fault so far.
    pub fn met(&self) -> usize {
        self.lock().met
    }

    /// What befalls this request.
    pub(crate) fn next(&self, method: &str, target: &str) -> Option<Fault> {
        let state = &mut *self.lock();
        let fault = state.plan.as_mut()?(method, target);
        state.met += usize::from(fault.is_some());
        fault
    }

    /// From now on: what befalls a request is decided by its method and target (path and query).
    pub fn set(&self, plan: impl FnMut(&str, &str) -> Option<Fault> + Send + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
