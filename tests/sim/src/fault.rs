//! Every kind of fault the simulator knows, by family; how often each happens in a schedule, and how often it did.

use crate::random::Random;
use std::collections::BTreeMap;

macro_rules! faults {
    ($($family:ident = $family_name:literal {
        $($(#[$doc:meta])+ $fault:ident = $name:literal at $often:literal,)+
    })+) => {
        /// Where a fault comes from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Family {
            $(#[doc = $family_name] $family,)+
        }

        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($($(#[$doc])+ $fault,)+)+
        }

        impl Fault {
            /// All kinds.
            pub const ALL: &[Self] = &[$($(Self::$fault,)+)+];

            /// Where it comes from.
            pub fn family(self) -> Family {
                match self {
                    $($(Self::$fault)|+ => Family::$family,)+
                }
            }

            /// Its name, one word a dash.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$fault => $name,)+)+
                }
            }

            /// How often it happens at most in a schedule that has it: in a thousand chances.
            fn often(self) -> u64 {
                match self {
                    $($(Self::$fault => $often,)+)+
                }
            }
        }

        impl Family {
            /// All families.
            pub const ALL: &[Self] = &[$(Self::$family,)+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$family => $family_name,)+
                }
            }
        }
    };
}

faults! {
    Network = "network" {
        /// No connection.
        Refused = "refused" at 80,
        /// The device is offline for a while.
        Offline = "offline" at 40,
        /// The connection breaks before the request arrived.
        ResetBefore = "reset-before" at 80,
        /// The connection breaks after the request took effect.
        ResetAfter = "reset-after" at 80,
        /// Nothing arrives and nothing is answered.
        SilentBefore = "silent-before" at 40,
        /// The request takes effect and its answer stalls for ever.
        SilentAfter = "stalled" at 40,
        /// 400.
        BadRequest = "bad-request" at 30,
        /// 403 for a moment.
        Forbidden = "forbidden" at 30,
        /// 429.
        TooMany = "too-many" at 80,
        /// 500 instead of doing it.
        ServerError = "server-error" at 80,
        /// 500 after doing it.
        ServerErrorAfter = "server-error-after" at 80,
        /// 502 with a page for people.
        BadGateway = "bad-gateway" at 60,
        /// 503 SlowDown.
        SlowDown = "slow-down" at 100,
        /// 503 SlowDown with a Retry-After.
        SlowDownUntil = "slow-down-until" at 80,
        /// The answer takes a minute.
        Delay = "delay" at 80,
        /// Answers come in another order than requests went.
        Reorder = "reorder" at 500,
        /// A request arrives twice.
        Duplicate = "duplicate" at 100,
        /// An answer's body ends early, and nobody notices on the way.
        Truncated = "truncated" at 60,
        /// 301 to nowhere.
        Redirect = "redirect" at 30,
        /// 200 with a login page.
        HtmlPage = "html-page" at 40,
        /// An answer without end.
        Endless = "endless" at 30,
        /// TLS fails.
        Tls = "tls" at 30,
    }
    Storage = "storage" {
        /// A listing shows an older state.
        StaleList = "stale-list" at 300,
        /// One device does not find an object for a while that others read, or is refused it.
        HiddenFromOne = "hidden-from-one" at 120,
        /// A read shows the version before.
        StaleGet = "stale-get" at 80,
        /// A new object is unreadable for up to a minute.
        Unreadable = "unreadable" at 400,
        /// 304 though the object has changed.
        StaleNotModified = "stale-304" at 200,
        /// Conditions of PUTs are ignored.
        ConditionsIgnored = "conditions-ignored" at 1000,
        /// Requests with conditions are refused.
        ConditionsRefused = "conditions-refused" at 1000,
        /// A quoted ETag in a condition is refused.
        QuoteSensitive = "quote-sensitive" at 1000,
        /// 409: the PUT took effect, or it did not.
        Conflict = "conflict" at 150,
        /// 412 after the PUT took effect.
        RefusedAfter = "refused-after" at 150,
        /// `If-Match` where nothing stands is answered 404.
        AbsentIs404 = "absent-is-404" at 1000,
        /// ETags of strange forms.
        OddEtag = "odd-etag" at 1000,
        /// Answers and listings without ETags.
        NoEtag = "no-etag" at 1000,
        /// A listing that never ends.
        ListLoops = "list-loops" at 100,
        /// Listings of one or two keys a page.
        ShortPages = "short-pages" at 1000,
        /// A lifecycle rule removes an object.
        Lifecycle = "lifecycle" at 25,
        /// One write a second and key, else 503.
        OneWriteASecond = "one-write-a-second" at 1000,
        /// A PUT arrives once more, up to two minutes late.
        LatePut = "late-put" at 150,
        /// A DELETE is acknowledged and not done.
        DeleteIgnored = "delete-ignored" at 300,
        /// DeleteObjects is not offered.
        NoDeleteObjects = "no-delete-objects" at 1000,
    }
    Crash = "crash" {
        /// Killed right before a commit.
        KilledAtCommit = "killed-at-commit" at 60,
        /// Killed before a request arrives.
        KilledBeforeRequest = "killed-before-request" at 60,
        /// Killed before an answer comes.
        KilledBeforeAnswer = "killed-before-answer" at 60,
        /// Killed between steps, whatever runs.
        Killed = "killed" at 40,
        /// Commits that were not flushed are gone (a store of pages).
        LostCommits = "lost-commits" at 120,
        /// A commit's pages are half on disk (a store of pages).
        TornCommit = "torn-commit" at 120,
        /// The disk is full for some commits.
        DiskFull = "disk-full" at 40,
        /// Another process commits first.
        CommitRaced = "commit-raced" at 60,
        /// After a restart the random numbers are those of before.
        EntropyRepeats = "entropy-repeats" at 500,
        /// A second process has the store open, and dies.
        SecondProcess = "second-process" at 30,
        /// An old copy of the store is put back.
        RestoredStore = "restored-store" at 4,
        /// A copy of the store goes on beside it.
        ClonedStore = "cloned-store" at 4,
    }
    Time = "time" {
        /// The clock jumps ahead, by hours or days.
        JumpAhead = "jump-ahead" at 25,
        /// The clock jumps back, by hours or days.
        JumpBack = "jump-back" at 25,
        /// Ten years ahead for a while.
        TenYearsAhead = "ten-years-ahead" at 10,
        /// Ten years behind for a while.
        TenYearsBehind = "ten-years-behind" at 10,
        /// The clock stands still for a while.
        Frozen = "frozen" at 20,
        /// The clock runs backwards for a while.
        Backwards = "backwards" at 20,
        /// The provider's `Date` lies.
        DateLies = "date-lies" at 30,
        /// The device sleeps for days.
        LongSleep = "long-sleep" at 15,
    }
    Byzantine = "byzantine" {
        /// A bit of an answer is turned.
        FlippedBit = "flipped-bit" at 60,
        /// A bit of a stored object is turned.
        SpoiltObject = "spoilt-object" at 20,
        /// Another object of the same kind is answered.
        Swapped = "swapped" at 60,
        /// The whole bucket goes back to an older state.
        RolledBack = "rolled-back" at 5,
        /// A device's manifest is shown to nobody for a while.
        Withheld = "withheld" at 20,
        /// A listing names what is not there.
        ForgedList = "forged-list" at 200,
    }
}

/// How many kinds there are.
const KINDS: usize = Fault::ALL.len();

/// How often each fault happens, in a thousand, and how often it did.
#[derive(Clone, Debug)]
pub struct Faults {
    rates: [u64; KINDS],
    /// How often each happened.
    pub counts: Counts,
}

/// How often each fault happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts([u64; KINDS]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; KINDS])
    }
}

impl Counts {
    /// How often one happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Adds up.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// By family and name.
    pub fn by_family(&self) -> BTreeMap<Family, Vec<(&'static str, u64)>> {
        let mut all: BTreeMap<Family, Vec<(&'static str, u64)>> = BTreeMap::new();
        for fault in Fault::ALL {
            all.entry(fault.family()).or_default().push((fault.name(), self.of(*fault)));
        }
        all
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// No fault ever.
    pub fn none() -> Self {
        Self { rates: [0; KINDS], counts: Counts::default() }
    }

    /// These kinds, each at a rate of its own.
    pub fn of(kinds: &[Fault], random: &mut Random) -> Self {
        let mut faults = Self::none();
        for kind in kinds {
            let most = kind.often();
            // What is a server's way of being is always so.
            faults.rates[*kind as usize] = if most == 1000 { 1000 } else { most / 4 + random.below(most * 3 / 4 + 1) };
        }
        faults
    }

    /// Whether this schedule has the fault at all.
    pub fn has(&self, fault: Fault) -> bool {
        self.rates[fault as usize] > 0
    }

    /// Whether it is tried now: who tries it counts what came of it.
    pub fn strikes(&mut self, fault: Fault, random: &mut Random) -> bool {
        let rate = self.rates[fault as usize];
        rate > 0 && random.permille(rate)
    }

    /// Whether it happens now; counted.
    pub fn happens(&mut self, fault: Fault, random: &mut Random) -> bool {
        let now = self.strikes(fault, random);
        if now {
            self.count(fault);
        }
        now
    }

    /// It happened.
    pub fn count(&mut self, fault: Fault) {
        self.counts.0[fault as usize] += 1;
    }

    /// Whether objects were lost, spoilt or put back to what they were before.
    pub fn took_something_away(&self) -> bool {
        use Fault::{Duplicate, LatePut, Lifecycle, RolledBack, SpoiltObject};
        [Duplicate, LatePut, Lifecycle, RolledBack, SpoiltObject].into_iter().any(|fault| self.counts.of(fault) > 0)
    }

    /// From now on none happens.
    pub fn stop(&mut self) {
        self.rates = [0; KINDS];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_forty_kinds_in_five_families_and_no_name_twice() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert!(names.len() == Fault::ALL.len() && names.len() >= 40);
        assert_eq!(Family::ALL.len(), 5);
        assert!(Family::ALL.iter().all(|family| Fault::ALL.iter().any(|fault| fault.family() == *family)));
    }
}
