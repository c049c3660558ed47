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
    /// Whether the doctor may ask more often than most people want to pay for.
    pub(super) is_deep: bool,
    /// Whether keys that are wrong were refused.
    pub(super) wrong_keys_refused: Option<bool>,
    /// Whether a read of what is known is answered 304.
    pub(super) not_modified: Option<bool>,
    /// Whether a key that was deleted can be made anew.
    pub(super) recreated: Option<bool>,
    /// How many of the creates of one key at the same time got in.
    pub(super) race_winners: Option<usize>,
    /// Whether the header of a vault that stands here can be read.
    pub(super) header: Option<Result<(), Error>>,
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
            is_deep: false,
            wrong_keys_refused: None,
            not_modified: None,
            recreated: None,
            race_winners: None,
            header: None,
        }
    }

    /// False: it is no region's name.
    pub(super) fn set_region(&mut self, region: &str) -> bool {
        match &mut self.store {
            StoreUri::S3(s3) => s3.set_region(region).is_ok(),
            StoreUri::Folder(_) => false,
        }
    }

    /// What was not found out for want of requests.
    pub(super) fn unchecked(&self) -> Vec<&'static str> {
        let is_s3 = matches!(self.store, StoreUri::S3(_));
        let may = |asked: &Option<Result<(), Error>>| matches!(asked, Some(Ok(())));
        if self.stopped.is_some() || !may(&self.put) || !may(&self.get) {
            return Vec::new();
        }
        let knows_conditions = self.created_twice == Some(false) && !self.conditions_refused;
        let has_etags = matches!(self.etags, Some(EtagForm::Quoted | EtagForm::Bare));
        let all = [
            ("whether a missing object is told from a refused one", self.missing.is_none()),
            ("whether a poll of what is known is short", has_etags && self.not_modified.is_none()),
            ("whether a deleted key can be made anew", knows_conditions && self.recreated.is_none()),
            ("whether wrong keys are refused", is_s3 && !self.is_presigned && self.wrong_keys_refused.is_none()),
            ("whether conditions hold in a race", is_s3 && knows_conditions && self.race_winners.is_none()),
            ("what a page sees of a refusal", self.origin.is_some() && self.cors.refusals_readable.is_none()),
        ];
        all.into_iter().filter_map(|(what, is_unchecked)| is_unchecked.then_some(what)).collect()
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
        if self.race_winners.is_some_and(|many| many > 1) {
            return Some(ConditionalWrites::Racy);
        }
        match (self.right_got_in?, self.bare_got_in) {
            (true, _) if self.quotes_refused => Some(ConditionalWrites::QuoteSensitive),
            (true, _) => Some(ConditionalWrites::Enforced),
            (false, Some(true)) => Some(ConditionalWrites::QuoteSensitive),
            (false, _) => Some(ConditionalWrites::MatchesNone),
        }
    }
}
