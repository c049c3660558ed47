//! What is known of a store so far.

use super::EtagForm;
use super::cors::Cors;
use crate::Error;
use crate::s3::{ConditionalWrites, ListVersion, StoreUri};
use std::collections::BTreeSet;

/// What is known so far.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) store: StoreUri,
    /// As it was given.
    pub(super) asked: StoreUri,
    pub(super) origin: Option<String>,
    /// A signer signs: no keys of one's own are looked at.
    pub(super) is_presigned: bool,
    pub(super) requests: u32,
    pub(super) server: Option<String>,
    /// What ended it before its time, and what that is about.
    pub(super) stopped: Option<(&'static str, Error)>,
    pub(super) list: Option<Result<(), Error>>,
    pub(super) get: Option<Result<(), Error>>,
    /// Whether an object that isn't there is said to be missing.
    pub(super) missing: Option<Result<(), Error>>,
    pub(super) put: Option<Result<(), Error>>,
    pub(super) delete: Option<Result<(), Error>>,
    pub(super) delete_many: Option<Result<(), Error>>,
    pub(super) content_md5: Option<Result<(), Error>>,
    /// What conditions did: refused as such, a second create, a wrong ETag, the right one, the right one without quotes.
    pub(super) conditions_refused: bool,
    pub(super) created_twice: Option<bool>,
    pub(super) wrong_got_in: Option<bool>,
    pub(super) right_got_in: Option<bool>,
    pub(super) bare_got_in: Option<bool>,
    pub(super) quotes_refused: bool,
    pub(super) listing: Option<ListVersion>,
    pub(super) shows_both: Option<bool>,
    pub(super) etags: Option<EtagForm>,
    pub(super) listed_etags: Option<EtagForm>,
    /// What was read is what was written last.
    pub(super) reads_back: Option<bool>,
    pub(super) throttled: bool,
    pub(super) broken: Option<Error>,
    pub(super) clock_offset_ms: Option<i64>,
    pub(super) clock_refused: bool,
    pub(super) cors: Cors,
    /// A step that the signer did not sign.
    pub(super) unsigned: Option<Error>,
    /// Its objects that may stand in the store.
    pub(super) left: BTreeSet<String>,
}

impl Facts {
    pub(super) fn new(store: StoreUri, origin: Option<&str>) -> Self {
        Self {
            asked: store.clone(),
            store,
            origin: origin.map(str::to_owned),
            is_presigned: false,
            requests: 0,
            server: None,
            stopped: None,
            list: None,
            get: None,
            missing: None,
            put: None,
            delete: None,
            delete_many: None,
            content_md5: None,
            conditions_refused: false,
            created_twice: None,
            wrong_got_in: None,
            right_got_in: None,
            bare_got_in: None,
            quotes_refused: false,
            listing: None,
            shows_both: None,
            etags: None,
            listed_etags: None,
            reads_back: None,
            throttled: false,
            broken: None,
            clock_offset_ms: None,
            clock_refused: false,
            cors: Cors::default(),
            unsigned: None,
            left: BTreeSet::new(),
        }
    }

    /// False: it is no region's name.
    pub(super) fn set_region(&mut self, region: &str) -> bool {
        match &mut self.store {
            StoreUri::S3(s3) => s3.set_region(region).is_ok(),
            StoreUri::Folder(_) => false,
        }
    }

    /// What the answers to conditional PUTs come to.
    pub(super) fn conditional_writes(&self) -> Option<ConditionalWrites> {
        // Of a store that takes no write at all this is not known.
        if self.conditions_refused {
            return matches!(self.put, Some(Ok(()))).then_some(ConditionalWrites::Refused);
        }
        // What says "refused" and wrote all the same keeps nothing out.
        if self.reads_back == Some(false) || self.created_twice? || self.wrong_got_in? {
            return Some(ConditionalWrites::Ignored);
        }
        match (self.right_got_in?, self.bare_got_in) {
            (true, _) if self.quotes_refused => Some(ConditionalWrites::QuoteSensitive),
            (true, _) => Some(ConditionalWrites::Enforced),
            (false, Some(true)) => Some(ConditionalWrites::QuoteSensitive),
            (false, _) => Some(ConditionalWrites::MatchesNone),
        }
    }
}
