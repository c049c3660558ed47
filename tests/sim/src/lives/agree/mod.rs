//! One schedule, played step by step by the model and by real engines: after each step both show the same.
//!
//! The bucket is calm and a sync looks at everything (the engine's `check`), so both must agree after every event, not only in
//! the end. Coarser than either world's own schedules; what is compared is what a store shows: the values that stand at each
//! key of the map, and the entries of the log. Which of two concurrent values wins is left out: the model has no clocks like
//! the engine's.

mod both;
mod documents;
mod shown;

use super::world::Had;
use crate::model::random::Random;
use both::Both;

/// The most stores, copies and dead ones included.
const STORES: usize = 7;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// A local write.
    Write,
    /// A whole sync that looks at everything.
    Sync,
    /// The store is copied.
    Copy,
    /// The store is lost.
    Die,
    /// A new device.
    Join,
    /// Retires another id.
    Retire,
    /// Revokes another id.
    Revoke,
    /// Takes what is held apart of revoked devices.
    Adopt,
    /// The manifest of a dead device is lost, which the store has read.
    Lose,
    /// Time goes by.
    Pass,
}

/// How often each happens.
const WEIGHTS: [(Doing, usize); 10] = [
    (Doing::Write, 40),
    (Doing::Sync, 36),
    (Doing::Copy, 5),
    (Doing::Die, 4),
    (Doing::Join, 4),
    (Doing::Retire, 1),
    (Doing::Revoke, 3),
    (Doing::Adopt, 4),
    (Doing::Lose, 5),
    (Doing::Pass, 6),
];

/// One event. Its choices depend on its own seed alone, so events can be left out.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Which store.
    pub store: usize,
    /// What.
    pub doing: Doing,
    /// How.
    pub seed: u64,
}

/// A schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of the engines' chance.
    pub seed: u64,
    /// Some values are so big that segments, snapshots and trims happen.
    pub big: bool,
    /// The keys of the map are a document's registers, and calls write several of them at once.
    pub documents: bool,
    /// What happens.
    pub events: Vec<Event>,
}

/// What a schedule had in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// In the model.
    pub model: Had,
    /// Ids left by engines.
    pub left: usize,
    /// Devices revoked by engines.
    pub revoked: usize,
    /// Devices retired by engines.
    pub retired: usize,
    /// Adoptions of something held apart.
    pub adopted: usize,
    /// Tombstones that full checks of engines collected.
    pub collected: usize,
    /// Snapshots that engines wrote.
    pub snapshots: usize,
    /// ... to carry what a lost manifest had covered.
    pub carried: usize,
    /// Comparisons that found the same.
    pub same: usize,
    /// Full checks done again because the first did not bring everything.
    pub again: usize,
    /// Comparisons put off because the engine said that it could not take something yet.
    pub later: usize,
    /// Schedules whose end is not compared: a store still can't take something (decision 5, what is open).
    pub open: usize,
    /// Schedules compared with the oracle.
    pub oracle: usize,
    /// Calls of documents.
    pub calls: usize,
    /// Comparisons that found a document which was deleted concurrently.
    pub deleted: usize,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            model: self.model.plus(other.model),
            left: self.left + other.left,
            revoked: self.revoked + other.revoked,
            retired: self.retired + other.retired,
            adopted: self.adopted + other.adopted,
            collected: self.collected + other.collected,
            snapshots: self.snapshots + other.snapshots,
            carried: self.carried + other.carried,
            same: self.same + other.same,
            again: self.again + other.again,
            later: self.later + other.later,
            open: self.open + other.open,
            oracle: self.oracle + other.oracle,
            calls: self.calls + other.calls,
            deleted: self.deleted + other.deleted,
        }
    }
}

/// The plan of a seed: up to 100 events.
pub fn plan(seed: u64) -> Plan {
    let random = &mut Random::new(seed);
    let length = 30 + random.below(70);
    let total = WEIGHTS.iter().map(|weight| weight.1).sum();
    let mut events = Vec::new();
    let mut store = 0;
    while events.len() < length {
        let mut at = random.below(total);
        let mut doing = Doing::Write;
        for (candidate, weight) in WEIGHTS {
            if at < weight {
                doing = candidate;
                break;
            }
            at -= weight;
        }
        if random.once_in(2) {
            store = random.below(STORES);
        }
        events.push(Event { store, doing, seed: random.bits() });
    }
    Plan { seed, big: seed % 4 == 1, documents: false, events }
}

/// The same events, with a document in place of the map.
pub fn plan_with_documents(seed: u64) -> Plan {
    Plan { documents: true, ..plan(seed) }
}

/// Plays a plan in both worlds.
///
/// # Errors
/// Where they part, and what each shows.
pub fn run(plan: &Plan) -> Result<Counts, String> {
    Both::new(plan, false).whole(plan)
}

/// Plays a plan and gives what happened in the model in words, too.
pub fn trace(plan: &Plan) -> (Vec<String>, Result<Counts, String>) {
    let mut both = Both::new(plan, true);
    let result = both.whole(plan);
    (both.model.trace.unwrap_or_default(), result)
}

/// Leaves out events as long as the plan still fails in the same way.
pub fn shrink(mut plan: Plan) -> Plan {
    let kind = |plan: &Plan| run(plan).err().and_then(|why| why.split(':').next().map(str::to_owned));
    let failure = kind(&plan);
    let mut size = plan.events.len() / 2;
    while size > 0 {
        let before = plan.events.len();
        let mut at = 0;
        while at < plan.events.len() {
            let mut shorter = plan.clone();
            shorter.events.drain(at..(at + size).min(plan.events.len()));
            if kind(&shorter) == failure {
                plan = shorter;
            } else {
                at += size;
            }
        }
        if size > 1 || plan.events.len() == before {
            size /= 2;
        }
    }
    plan
}
