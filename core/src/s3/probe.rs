//! Finds out, by three requests, whether a server enforces conditions on PUTs.
//!
//! 1. PUT a new key `If-None-Match: *`: must be carried out; a server that refuses the header says so here.
//! 2. PUT it again `If-Match` with an ETag that no object has: must not be carried out. Servers that ignore conditions do.
//! 3. DELETE it.
//!
//! A second `If-None-Match: *` in place of 2 would prove only that form. `If-Match` is what the beacon needs and what
//! servers learnt last (AWS too), so its enforcement stands for both; a server with `If-None-Match` alone is taken for
//! one that ignores conditions, which costs nothing: no protocol step depends on them.
//!
//! A server where no ETag ever matches, or none in quotes, passes for one that keeps conditions: it takes a fourth request,
//! with the right ETag, to know it. That request is not made. Every device of every vault would pay for it, and wait a
//! second where a key takes one write a second, to spare a few servers' devices five requests once: there the first
//! manifest that is refused over itself tells, and conditions are left out from then on (`engine/publish.rs`).
//! [`crate::doctor`], which people ask and devices don't, makes it, and what it says can be kept with the vault.

use super::answer::Answer;
use super::call::{Call, Condition};
use super::etag::ETag;
use super::failure::Failure;
use crate::ErrorKind;
use bytes::Bytes;

/// What a server does with conditional PUTs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// It keeps a wrong ETag out. Whether it lets the right one in shows with the first overwrite.
    Enforced,
    /// It writes whatever the condition.
    Ignored,
    /// It refuses requests that have one.
    Refused,
}

/// The probe's steps, driven like this: send [`Probe::next_call`], tell [`Probe::handle`] how it ended, until there is no
/// next call; then [`Probe::enforcement`] is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    key: String,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Overwrite,
    CleanUp(Enforcement),
    Done(Enforcement),
}

impl Probe {
    /// A probe on a key that nothing else has ever used, so that no other device's PUT is taken for an answer.
    pub fn new(unused_key: impl Into<String>) -> Self {
        Self { key: unused_key.into(), step: Step::Create }
    }

    /// The call to make now; `None` when done.
    pub fn next_call(&self) -> Option<Call> {
        let key = self.key.clone();
        let body = Bytes::from_static(b"tidelock probe");
        match self.step {
            Step::Create => Some(Call::PutObject { key, body, condition: Condition::IfAbsent }),
            Step::Overwrite => Some(Call::PutObject { key, body, condition: Condition::IfMatch(wrong_etag()) }),
            Step::CleanUp(_) => Some(Call::DeleteObject { key }),
            Step::Done(_) => None,
        }
    }

    /// How the call ended, after its own retries. A call told of twice, or too late, changes nothing once done.
    ///
    /// # Errors
    /// The failure itself where it says nothing about conditions (keys, network); [`Probe::next_call`] is the same then.
    pub fn handle(&mut self, outcome: Result<Answer, Failure>) -> Result<(), Failure> {
        let refuses = matches!(&outcome, Err(failure) if failure.error.kind() == ErrorKind::Unsupported);
        self.step = match (self.step, outcome) {
            // Refused: an earlier try of this very request arrived. The key is there either way.
            (Step::Create, Ok(Answer::Stored { .. } | Answer::Refused | Answer::Conflict)) => Step::Overwrite,
            (Step::Create, Err(_)) if refuses => Step::Done(Enforcement::Refused),
            (Step::Overwrite, Ok(Answer::Refused)) => Step::CleanUp(Enforcement::Enforced),
            // A conflict on a key of one's own proves nothing: the cautious answer.
            (Step::Overwrite, Ok(_)) => Step::CleanUp(Enforcement::Ignored),
            (Step::Overwrite, Err(_)) if refuses => Step::CleanUp(Enforcement::Refused),
            // What was found out stands, even where the keys may not delete.
            (Step::CleanUp(found), _) => Step::Done(found),
            (Step::Done(found), _) => Step::Done(found),
            (Step::Create, Ok(_)) => Step::Create,
            (Step::Create | Step::Overwrite, Err(failure)) => return Err(failure),
        };
        Ok(())
    }

    /// The result, once done.
    pub fn enforcement(&self) -> Option<Enforcement> {
        match self.step {
            Step::Done(found) => Some(found),
            Step::Create | Step::Overwrite | Step::CleanUp(_) => None,
        }
    }
}

/// An ETag that no object has, in the form of an MD5, which is what servers that look into ETags expect.
pub(crate) fn wrong_etag() -> ETag {
    ETag::new("\"00000000000000000000000000000000\"").expect("visible ASCII and short")
}
