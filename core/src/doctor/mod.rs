//! Finds out, in at most twelve requests, whether a vault can live at a store, what the server is like, and what to do
//! where it isn't as it should be. Sans-IO, like the engine: [`Doctor`] gives requests and takes answers.
//!
//! What it asks, in this order; what is in brackets only where it must, or where there are requests left for it:
//!
//! 1. PUT a new key `If-None-Match: *` (again in another region, at another time, later, or without the condition): can
//!    the store be reached, are the keys good for it, may they write.
//! 2. PUT it `If-None-Match: *` once more, 3. `If-Match` with a wrong ETag, 4. with the right one (without quotes): what
//!    conditions are worth. A server where no ETag ever matches looks like one that keeps them until the right one is tried.
//! 5. GET it `If-None-Match` with the newest ETag, as a web page would: a poll (and a key that isn't there: missing is not
//!    refused).
//! 6. PUT a second key with `Content-MD5`.
//! 7. List one of the two keys, so that there is a next page to ask for (by the first version of the request).
//! 8. Delete both by DeleteObjects (PUT the first `If-None-Match: *` anew), 9. the first by DeleteObject (and the second, if the
//!    server has no DeleteObjects).
//! 10. A page's preflight, if there is a page (and a GET signed with a wrong secret: what keys are worth, and what a page sees
//!     of a refusal).
//!
//! A deep run asks in at most 24 requests for all of that, lets eight creates of one key race, and reads the header of a vault that
//! stands there.
//!
//! Where a signer signs there is no DeleteObjects: both are deleted one by one.
//!
//! HeadBucket is not among them: keys for a prefix get 403 for it, and are good for a vault.

mod cors;
mod facts;
mod findings;
mod paste;
mod steps;

pub use cors::Cors;
pub use steps::{Ask, DEEP_REQUESTS_MAX, Doctor, REQUESTS_MAX, Signing};

use crate::s3::{ConditionalWrites, ListVersion, Profile, StoreUri};
use crate::{Error, ErrorKind};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// The store's address, mended as far as the server told: its region.
    pub store: StoreUri,
    /// The provider that fits.
    pub profile: &'static Profile,
    /// Requests made.
    pub requests: u32,
    /// What the keys may do.
    pub access: Access,
    /// What conditions on PUTs are worth.
    pub conditional_writes: Option<ConditionalWrites>,
    /// Which requests list keys.
    pub listing: Option<ListVersion>,
    /// ETags of writes and reads.
    pub etags: Option<EtagForm>,
    /// ETags of listings.
    pub listed_etags: Option<EtagForm>,
    /// Whether a PUT may have `Content-MD5`.
    pub content_md5: Option<bool>,
    /// The store's clock less the device's, in ms, as far as whole seconds and the way of the answer tell.
    pub clock_offset_ms: Option<i64>,
    /// What a web page may do; `None` without one.
    pub cors: Option<Cors>,
    /// What was not found out for want of requests, in words.
    pub unchecked: Vec<&'static str>,
    /// Everything in words, in the order to look at it.
    pub findings: Vec<Finding>,
}

/// What the keys may do; `None`: not found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// List keys.
    pub list: Option<bool>,
    /// Read objects.
    pub get: Option<bool>,
    /// Write objects.
    pub put: Option<bool>,
    /// Delete an object.
    pub delete: Option<bool>,
    /// Delete many at once, for which the server must know how, too.
    pub delete_many: Option<bool>,
}

/// How a server writes ETags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtagForm {
    /// In quotes, as HTTP has it.
    Quoted,
    /// Without quotes.
    Bare,
    /// Another one in each answer: they name no content.
    Random,
    /// Not at all.
    None,
}

impl EtagForm {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quoted => "quoted",
            Self::Bare => "bare",
            Self::Random => "random",
            Self::None => "none",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What: two or three words.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// Why.
    pub cause: String,
    /// What a person does about it.
    pub next_step: Option<String>,
    /// A command, a policy or an address for that, ready to paste.
    pub paste: Option<String>,
}

impl Finding {
    /// Whether it is about web pages alone.
    pub fn is_of_pages(&self) -> bool {
        self.what.starts_with("page ")
    }
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// A vault works, and something is lost by it.
    Warning,
    /// No vault works, or no web page; the kind that commands fail with.
    Problem(ErrorKind),
}

impl Verdict {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem(_) => "problem",
        }
    }
}

impl Diagnosis {
    /// The first problem, if there is one: else a vault can live here.
    pub fn problem(&self) -> Option<Error> {
        self.findings.iter().find_map(|finding| {
            let Verdict::Problem(kind) = finding.verdict else { return None };
            let error = Error::new(kind, finding.cause.clone()).on(self.store.to_string());
            Some(match &finding.next_step {
                Some(step) => error.next_step(step.clone()),
                None => error,
            })
        })
    }

    /// Whether all that is wrong is wrong for web pages: a vault can live here for others.
    pub fn is_shut_to_pages_only(&self) -> bool {
        let mut problems = self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Problem(_)));
        problems.next().is_some_and(Finding::is_of_pages) && problems.all(Finding::is_of_pages)
    }

    /// What was found of one thing.
    pub fn finding(&self, what: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.what == what)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
