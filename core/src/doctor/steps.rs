//! The requests, one after the other, and what each answer tells.

mod requests;

pub use requests::{Ask, Signing};

use super::cors::is_origin;
use super::facts::Facts;
use super::{Access, Diagnosis, EtagForm, findings};
use crate::engine::{SignedUrl, TransportFailure, UnsignedRequest, transport_failure};
use crate::s3::{
    Action, Answer, ETag, EtagQuoting, Failure, HttpRequest, ListEntry, ListVersion, Profile, Response, Retry,
    SKEW_MS_MAX, SKEW_MS_MIN, StoreUri, error_code, http_date_unix_ms, server_by_request_id,
};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use requests::body;

/// The most requests of one run.
pub const REQUESTS_MAX: u32 = 12;
/// The most of a deep one.
pub const DEEP_REQUESTS_MAX: u32 = 24;
/// Creates of one key at the same time.
const RACERS: u32 = 8;
/// The doctor's keys that a run may leave after its deletes of many.
const OTHERS: [&str; 2] = ["other", "race"];
/// The longest wait for a server that asks for patience, in ms.
const WAIT_MS_MAX: u64 = 5_000;
/// A wait where the server doesn't say how long.
const WAIT_MS: u64 = 1_000;

/// Asks a store. Driven like this: after [`wait_ms`](Self::wait_ms), [`next_ask`](Self::next_ask) gives a request, or ends
/// it. What somebody else is to sign goes to [`signed`](Self::signed) first. The request is sent, and
/// [`handle`](Self::handle) is told how it ended. Then [`diagnosis`](Self::diagnosis). Its objects lie under `probes/` and
/// are deleted at the end.
#[derive(Debug)]
pub struct Doctor {
    signing: Signing,
    /// What the signer was asked for, and the request that it is to become.
    at_the_signer: Option<(UnsignedRequest, HttpRequest)>,
    folder: String,
    step: Step,
    /// The step's request was sent once more already, after a wait.
    again: bool,
    wait_ms: u64,
    /// Added to the device's clock for signing.
    skew_ms: i64,
    /// When the newest answer came.
    unix_ms: u64,
    was_corrected: bool,
    was_redirected: bool,
    quoting: EtagQuoting,
    /// The first key's newest ETag and content, as far as they are known.
    newest: Option<(Option<ETag>, Option<Bytes>)>,
    /// The key that the request at hand would be the first to write.
    creates: Option<String>,
    facts: Facts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Without keys nothing is asked but whether somebody is there.
    Knock,
    Create,
    CreatePlain,
    CreateAgain,
    MatchWrong,
    MatchRight,
    MatchBare,
    Read,
    ReadMissing,
    /// What a vault that stands here begins with.
    ReadHeader,
    PutChecked,
    List,
    ListV1,
    /// Several creates of one key at the same time.
    Race,
    DeleteMany,
    DeleteOne,
    DeleteOther(&'static str),
    /// The first key anew, once it is deleted.
    Recreate,
    Preflight,
    /// Not a right signature: what keys are worth, and what a page sees of a refusal.
    ReadUnsigned,
    Done,
}

impl Doctor {
    /// A doctor for a store, and for a page of this origin (`https://app.example`) if one is named. `fresh` are 16 fresh
    /// random bytes, for keys that nobody else has. Where nobody signs it only finds out whether somebody is there.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is no origin.
    pub fn new(store: StoreUri, signing: Signing, origin: Option<&str>, fresh: [u8; 16]) -> Result<Self, Error> {
        if !origin.is_none_or(is_origin) {
            return Err(Error::new(ErrorKind::Invalid, "this is no web page's origin")
                .next_step("write scheme and host alone, in lower case: https://app.example"));
        }
        let is_folder = matches!(store, StoreUri::Folder(_));
        let signing = if is_folder { Signing::Nobody } else { signing };
        let is_open = is_folder || !matches!(signing, Signing::Nobody);
        let mut facts = Facts::new(store, origin.filter(|_| !is_folder));
        facts.is_presigned = matches!(signing, Signing::Elsewhere);
        if let Some(region) = Profile::of(&facts.store, None).region_of_host(&facts.store) {
            facts.set_region(&region);
        }
        Ok(Self {
            signing,
            at_the_signer: None,
            folder: format!("probes/{:032x}", u128::from_be_bytes(fresh)),
            step: if is_open { Step::Create } else { Step::Knock },
            again: false,
            wait_ms: 0,
            skew_ms: 0,
            unix_ms: 0,
            was_corrected: false,
            was_redirected: false,
            quoting: EtagQuoting::Quoted,
            newest: None,
            creates: None,
            facts,
        })
    }

    /// Looks at everything, in at most [`DEEP_REQUESTS_MAX`] requests.
    #[must_use]
    pub fn deeply(mut self) -> Self {
        self.facts.is_deep = true;
        self
    }

    #[cfg(test)]
    pub(super) fn is_deep(&self) -> bool {
        self.facts.is_deep
    }

    /// How long to wait before the next request, in ms: at most 5 s.
    pub fn wait_ms(&self) -> u64 {
        self.wait_ms
    }

    /// How the request ended, and when.
    pub fn handle(&mut self, outcome: Result<Response, TransportFailure>, unix_ms: u64) {
        self.wait_ms = 0;
        self.unix_ms = unix_ms;
        let response = match outcome {
            Ok(response) => response,
            Err(failure) => return self.no_answer(&failure),
        };
        self.look_at(&response);
        match self.step {
            Step::Knock => self.stop("credentials", no_keys()),
            Step::Preflight => {
                let origin = self.facts.origin.clone().unwrap_or_default();
                self.facts.cors.take_preflight(&origin, &response);
                self.step = Step::ReadUnsigned;
            }
            Step::ReadUnsigned => {
                if let Some(origin) = &self.facts.origin {
                    self.facts.cors.take_refusal(origin, &response);
                }
                if matches!(self.signing, Signing::Keys(_)) {
                    // 400: of keys in another form than the server's.
                    self.facts.wrong_keys_refused = Some(matches!(response.status, 400 | 401 | 403));
                }
                self.step = Step::Done;
            }
            Step::Done => {}
            _ => self.take(&response),
        }
    }

    /// How the requests of [`Ask::SendTogether`] ended.
    pub fn handle_together(&mut self, outcomes: Vec<Result<Response, TransportFailure>>, unix_ms: u64) {
        self.unix_ms = unix_ms;
        let call = self.call();
        let answers = outcomes.into_iter().flatten().map(|response| call.interpret(&self.facts.store, &response));
        let stored = answers.filter(|answer| matches!(answer, Ok(Answer::Stored { .. }))).count();
        self.facts.race_winners = Some(stored);
        self.go(self.first_delete());
    }

    /// What was found, once done.
    pub fn diagnosis(self) -> Diagnosis {
        let facts = &self.facts;
        let profile = Profile::of(&facts.store, facts.server.as_deref());
        let allowed = |asked: &Option<Result<(), Error>>| match asked {
            Some(Ok(())) => Some(true),
            Some(Err(error)) if matches!(error.kind(), ErrorKind::Auth | ErrorKind::Unsupported) => Some(false),
            _ => None,
        };
        Diagnosis {
            profile,
            requests: facts.requests,
            access: Access {
                list: allowed(&facts.list),
                get: allowed(&facts.get),
                put: allowed(&facts.put),
                delete: allowed(&facts.delete),
                delete_many: allowed(&facts.delete_many),
            },
            conditional_writes: facts.conditional_writes(),
            listing: facts.listing,
            etags: facts.etags,
            listed_etags: facts.listed_etags,
            content_md5: allowed(&facts.content_md5),
            clock_offset_ms: facts.clock_offset_ms,
            cors: facts.origin.is_some().then(|| facts.cors.clone()),
            unchecked: facts.unchecked(),
            findings: findings::all(facts, profile),
            store: self.facts.store,
        }
    }

    /// What every answer tells.
    fn look_at(&mut self, response: &Response) {
        if self.facts.server.is_none() {
            let by_id = || response.header("x-amz-request-id").and_then(server_by_request_id);
            let name = response.header("server").or_else(by_id);
            self.facts.server = name.map(|name| name.chars().take(100).collect());
        }
        if let (None, Some(date)) = (self.facts.clock_offset_ms, response.header("date").and_then(http_date_unix_ms)) {
            self.facts.clock_offset_ms = Some(self.offset_of(date));
        }
    }

    fn offset_of(&self, server_unix_ms: u64) -> i64 {
        let signed = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        signed(server_unix_ms).saturating_sub(signed(self.unix_ms))
    }

    fn take(&mut self, response: &Response) {
        let failure = match self.call().interpret(&self.facts.store, response) {
            Ok(answer) => return self.took(answer, response),
            Err(failure) => failure,
        };
        if self.tries_again(&failure) {
            return;
        }
        if (400..500).contains(&response.status) {
            self.wrote_nothing();
        }
        // A wrong region, too, is the signer's own.
        let is_the_signers = SignedUrl::is_refused(&failure) || failure.error.kind() == ErrorKind::Invalid;
        match self.facts.is_presigned && is_the_signers {
            true => self.failed(SignedUrl::refused_again(failure).error, response),
            false => self.failed(failure.error, response),
        }
    }

    fn took(&mut self, answer: Answer, response: &Response) {
        match &answer {
            Answer::Stored { etag } if !matches!(self.step, Step::PutChecked | Step::Recreate) => {
                self.newest = Some((etag.clone(), Some(body(self.facts.requests))));
            }
            // An earlier try of this very request arrived.
            Answer::Refused | Answer::Conflict if self.newest.is_none() => self.newest = Some((None, None)),
            _ => {}
        }
        let is_stored = matches!(answer, Answer::Stored { .. });
        let facts = &mut self.facts;
        match self.step {
            Step::Create | Step::CreatePlain => {
                facts.put = Some(Ok(()));
                facts.etags = self.newest.as_ref().map(|(etag, _)| form(etag.as_ref()));
                self.go(if self.step == Step::Create { Step::CreateAgain } else { Step::Read });
            }
            Step::CreateAgain => {
                facts.created_twice = Some(is_stored);
                self.go(Step::MatchWrong);
            }
            Step::MatchWrong => {
                // A conflict on a key of one's own proves nothing: the cautious answer.
                facts.wrong_got_in = Some(answer != Answer::Refused);
                let has_etag = matches!(&self.newest, Some((Some(_), _)));
                self.go(if is_stored || !has_etag { Step::Read } else { Step::MatchRight });
            }
            Step::MatchRight => {
                facts.right_got_in = Some(is_stored);
                let has_room = self.has_room();
                if !is_stored && has_room && self.quoting == EtagQuoting::Quoted {
                    self.quoting = EtagQuoting::Unquoted;
                    self.go(Step::MatchBare);
                } else {
                    self.go(Step::Read);
                }
            }
            Step::MatchBare => {
                facts.bare_got_in = Some(is_stored);
                self.go(Step::Read);
            }
            Step::Read => self.read(&answer, response),
            Step::ReadMissing => {
                facts.missing = Some(Ok(()));
                // Of a server that is no bucket of objects with owners this tells nothing new.
                let asks = facts.is_deep && self.has_room();
                self.go(if asks { Step::ReadHeader } else { Step::PutChecked });
            }
            Step::ReadHeader => {
                facts.header = (answer != Answer::Missing).then_some(Ok(()));
                self.go(Step::PutChecked);
            }
            Step::PutChecked => {
                facts.content_md5 = Some(Ok(()));
                self.go(Step::List);
            }
            Step::List | Step::ListV1 => {
                facts.list = Some(Ok(()));
                if let Answer::Listed { entries, next } = &answer {
                    self.listed(entries, next.is_some());
                }
                self.go(self.after_list());
            }
            Step::Race => {}
            Step::DeleteMany => {
                self.facts.delete_many = match &answer {
                    Answer::DeletedMany { failed } if !failed.is_empty() => {
                        let code = &failed[0].1;
                        Some(Err(Error::new(ErrorKind::Auth, format!("DeleteObjects leaves the key there: {code}"))))
                    }
                    _ => {
                        self.facts.left.clear();
                        Some(Ok(()))
                    }
                };
                self.go(self.recreate_or(Step::DeleteOne));
            }
            Step::DeleteOne => {
                facts.delete = Some(Ok(()));
                self.deleted("one");
                // A clean store comes before a page's questions.
                self.go(self.recreate_or(Step::Done));
                self.delete_others();
            }
            Step::DeleteOther(name) => {
                self.deleted(name);
                self.delete_others();
            }
            Step::Recreate => {
                facts.recreated = Some(is_stored);
                if !is_stored {
                    self.deleted("one");
                }
                self.go(Step::DeleteOne);
            }
            Step::Knock | Step::ReadUnsigned | Step::Preflight | Step::Done => {}
        }
    }

    /// Once what is deleted may be made anew, unless it was tried already, or no request is left for it: to delete it, too.
    fn recreate_or(&self, step: Step) -> Step {
        let facts = &self.facts;
        let knows = facts.created_twice == Some(false) && facts.recreated.is_none() && !facts.conditions_refused;
        let others = OTHERS.iter().filter(|name| self.may_stand(name)).count() as u32;
        // What a page sees of a refusal comes first.
        let page = u32::from(facts.origin.is_some());
        match knows && !self.may_stand("one") && self.has_room_for(1, 1 + others + page) {
            true => Step::Recreate,
            false => step,
        }
    }

    /// Deletes what still stands of its own, unless there is something else to do before.
    fn delete_others(&mut self) {
        if matches!(self.step, Step::Recreate) {
            return;
        }
        let standing = OTHERS.into_iter().find(|name| self.may_stand(name) && self.step != Step::DeleteOther(name));
        match standing.filter(|_| self.facts.requests < self.requests_max()) {
            Some(name) => self.go(Step::DeleteOther(name)),
            None => self.end(),
        }
    }

    fn read(&mut self, answer: &Answer, response: &Response) {
        self.facts.get = Some(Ok(()));
        if let Some(origin) = &self.facts.origin {
            self.facts.cors.take_answer(origin, response);
        }
        match (answer, self.known_etag()) {
            (Answer::NotModified, _) => {
                // What has the ETag of the newest write is the newest write.
                self.facts.not_modified = Some(true);
                self.facts.reads_back = Some(true);
            }
            (Answer::Object { .. }, Some(_)) => self.facts.not_modified = Some(false),
            _ => {}
        }
        if let (Answer::Object { body, etag, .. }, Some((written, Some(expected)))) = (answer, &self.newest) {
            self.facts.reads_back = Some(body == expected);
            let differs = |(a, b): (&ETag, &ETag)| !a.matches(b);
            if body == expected && written.as_ref().zip(etag.as_ref()).is_some_and(differs) {
                self.facts.etags = Some(EtagForm::Random);
            }
        }
        // A missing object says nothing of reading to who may not list: AWS answers 403 then.
        if *answer == Answer::Missing && self.newest.is_some() {
            self.facts.reads_back = Some(false);
        }
        let asks = self.newest.is_some() && self.has_room();
        self.go(if asks { Step::ReadMissing } else { self.after_read() });
    }

    fn after_read(&self) -> Step {
        if self.newest.is_some() { Step::PutChecked } else { Step::List }
    }

    /// The ETag of the newest write, where a read may ask whether there is a newer one.
    fn known_etag(&self) -> Option<&ETag> {
        self.newest.as_ref()?.0.as_ref()
    }

    fn after_list(&self) -> Step {
        let facts = &self.facts;
        let races = facts.is_deep && !facts.is_presigned && facts.created_twice == Some(false);
        // The deletes, and a page's questions.
        match races && self.has_room_for(RACERS, 5) {
            true => Step::Race,
            false => self.first_delete(),
        }
    }

    /// What a DeleteObjects deletes is in its body, which no URL binds.
    fn first_delete(&self) -> Step {
        if self.facts.is_presigned { Step::DeleteOne } else { Step::DeleteMany }
    }

    fn listed(&mut self, entries: &[ListEntry], goes_on: bool) {
        let facts = &mut self.facts;
        facts.listing = match self.step {
            Step::ListV1 => Some(ListVersion::V1),
            _ => Some(ListVersion::V2),
        };
        if let Some(Ok(())) = facts.content_md5 {
            facts.shows_both = Some(goes_on || entries.len() == 2);
        }
        facts.listed_etags = entries.first().map(|entry| form(entry.etag.as_ref()));
        if facts.etags == Some(EtagForm::Random) && facts.listed_etags == Some(EtagForm::Quoted) {
            facts.listed_etags = Some(EtagForm::Random);
        }
    }

    /// Whether the step is taken once more, in another way.
    fn tries_again(&mut self, failure: &Failure) -> bool {
        if !self.has_room() {
            return false;
        }
        match &failure.retry {
            // A signer has a region and a clock of its own.
            Retry::Region(_) | Retry::Clock { .. } if self.facts.is_presigned => false,
            Retry::Region(region) if !self.was_redirected => {
                self.was_redirected = true;
                self.facts.set_region(region)
            }
            Retry::Clock { server_unix_ms } if !self.was_corrected => {
                self.was_corrected = true;
                let offset_ms = self.offset_of(*server_unix_ms);
                let explains = offset_ms.unsigned_abs() >= SKEW_MS_MIN && offset_ms.abs() <= SKEW_MS_MAX;
                self.facts.clock_refused = explains;
                self.skew_ms = if explains { offset_ms } else { 0 };
                explains
            }
            // The first version of the listing is to have a request, too.
            Retry::BackoffThenListV1 { .. } if !self.has_room_for(2, 2) => false,
            Retry::Backoff { retry_after_ms } | Retry::BackoffThenListV1 { retry_after_ms } if !self.again => {
                self.again = true;
                self.facts.throttled |= failure.error.kind() == ErrorKind::Throttled;
                self.wait_ms = retry_after_ms.unwrap_or(WAIT_MS).min(WAIT_MS_MAX);
                true
            }
            Retry::Unquoted if self.quoting == EtagQuoting::Quoted => {
                self.facts.quotes_refused = true;
                self.quoting = EtagQuoting::Unquoted;
                true
            }
            _ => false,
        }
    }

    fn failed(&mut self, error: Error, response: &Response) {
        let code = error_code(&response.body).unwrap_or_default();
        let kind = error.kind();
        let has_room = self.has_room();
        let facts = &mut self.facts;
        match self.step {
            Step::Create if kind == ErrorKind::Unsupported && has_room => {
                facts.conditions_refused = true;
                self.go(Step::CreatePlain);
            }
            Step::Create | Step::CreatePlain => match kind {
                ErrorKind::Auth if facts.is_presigned && code.trim() != "AccessDenied" => self.stop("signer", error),
                ErrorKind::Auth if !is_about_keys(code.trim()) => {
                    facts.put = Some(Err(error));
                    self.go(Step::Read);
                }
                ErrorKind::Auth => self.stop("credentials", error),
                ErrorKind::NotFound => self.stop("bucket", error),
                ErrorKind::ClockSkew => self.stop("clock", error),
                ErrorKind::Invalid => self.stop("region", error),
                _ => self.stop("server", error),
            },
            Step::ReadHeader => {
                facts.header = Some(Err(error));
                self.pass();
            }
            // What it is about stays unknown.
            Step::Recreate => self.pass(),
            Step::CreateAgain | Step::MatchWrong | Step::MatchRight | Step::MatchBare => {
                if kind == ErrorKind::Unsupported {
                    facts.conditions_refused = true;
                } else {
                    facts.broken.get_or_insert(error);
                }
                self.pass();
            }
            Step::Read => {
                facts.get = Some(Err(error));
                if let Some(origin) = &facts.origin {
                    facts.cors.take_refusal(origin, response);
                }
                self.pass();
            }
            Step::ReadMissing => {
                facts.missing = Some(Err(error));
                self.pass();
            }
            Step::PutChecked => {
                facts.content_md5 = Some(Err(error));
                self.pass();
            }
            Step::List if matches!(kind, ErrorKind::Unsupported | ErrorKind::Network) => {
                facts.list = Some(Err(error));
                // Whatever of the second version it doesn't know, the first may do.
                facts.listing = Some(ListVersion::V1);
                self.go(if has_room { Step::ListV1 } else { self.after_list() });
            }
            Step::List | Step::ListV1 => {
                facts.list = Some(Err(error));
                self.pass();
            }
            Step::DeleteMany => {
                facts.delete_many = Some(Err(error));
                self.pass();
            }
            Step::DeleteOne | Step::DeleteOther(_) => {
                facts.delete = Some(Err(error));
                self.end();
            }
            Step::Knock | Step::Race | Step::ReadUnsigned | Step::Preflight | Step::Done => {}
        }
    }

    /// A request that brought no answer. The first one's failure is all there is to say; two of others, too.
    fn no_answer(&mut self, failure: &TransportFailure) {
        let error = transport_failure(&self.facts.store, failure).error;
        let what = match failure {
            TransportFailure::Tls(_) => "tls",
            _ => "server",
        };
        if matches!(failure, TransportFailure::Connect(_) | TransportFailure::Tls(_)) {
            self.wrote_nothing();
        }
        match self.step {
            Step::Preflight => {
                self.facts.cors.preflight = Some(false);
                return self.step = Step::Done;
            }
            Step::ReadUnsigned => return self.step = Step::Done,
            _ => {}
        }
        if self.facts.requests <= 1 || self.facts.broken.is_some() {
            return self.stop(what, error);
        }
        self.facts.broken = Some(error);
        self.pass();
    }

    /// Goes on without an answer to the step.
    fn pass(&mut self) {
        match self.step {
            Step::Create
            | Step::CreatePlain
            | Step::CreateAgain
            | Step::MatchWrong
            | Step::MatchRight
            | Step::MatchBare => self.go(Step::Read),
            Step::Read | Step::ReadMissing | Step::ReadHeader => self.go(self.after_read()),
            Step::PutChecked => self.go(Step::List),
            Step::List | Step::ListV1 => self.go(self.after_list()),
            Step::DeleteMany => self.go(Step::DeleteOne),
            Step::Race => self.go(self.first_delete()),
            Step::Recreate => self.go(Step::DeleteOne),
            Step::DeleteOne | Step::DeleteOther(_) => self.delete_others(),
            Step::Knock | Step::Preflight | Step::ReadUnsigned | Step::Done => self.step = Step::Done,
        }
    }

    fn may_stand(&self, name: &str) -> bool {
        self.facts.left.contains(&self.key(name))
    }

    fn deleted(&mut self, name: &str) {
        let key = self.key(name);
        self.facts.left.remove(&key);
    }

    /// The request at hand did not arrive, or was refused: what it would have created isn't there.
    fn wrote_nothing(&mut self) {
        if let Some(key) = self.creates.take() {
            self.facts.left.remove(&key);
        }
    }

    fn go(&mut self, step: Step) {
        self.again = false;
        self.step = step;
    }

    fn stop(&mut self, what: &'static str, error: Error) {
        self.facts.stopped = Some((what, error));
        self.step = Step::Done;
    }

    /// After the last request with the right keys.
    fn end(&mut self) {
        let has_page = self.facts.origin.is_some();
        let next = match self.signing {
            _ if self.facts.requests >= self.requests_max() => Step::Done,
            _ if has_page => Step::Preflight,
            Signing::Keys(_) => Step::ReadUnsigned,
            Signing::Elsewhere | Signing::Nobody => Step::Done,
        };
        self.go(next);
    }

    pub(super) fn requests_max(&self) -> u32 {
        if self.facts.is_deep { DEEP_REQUESTS_MAX } else { REQUESTS_MAX }
    }

    /// Whether a request beside those that every run makes would leave enough for these.
    fn has_room(&self) -> bool {
        let then = match self.step {
            Step::Create => 8,
            Step::CreateAgain => 7,
            Step::MatchWrong => 6,
            Step::CreatePlain | Step::MatchRight | Step::MatchBare => 5,
            Step::Read | Step::ReadMissing | Step::ReadHeader => 4,
            Step::PutChecked => 3,
            Step::List | Step::ListV1 | Step::Race => 2,
            Step::DeleteMany | Step::Recreate => 1,
            Step::DeleteOne => OTHERS.iter().filter(|name| self.may_stand(name)).count() as u32,
            Step::DeleteOther(_) | Step::Preflight | Step::ReadUnsigned | Step::Knock | Step::Done => 0,
        };
        self.has_room_for(1, then)
    }

    /// Whether so many requests would leave enough for so many after them, and for a page's.
    fn has_room_for(&self, more: u32, then: u32) -> bool {
        let page = u32::from(self.facts.origin.is_some() && self.step != Step::Preflight);
        self.facts.requests + more + then + page <= self.requests_max()
    }
}

fn form(etag: Option<&ETag>) -> EtagForm {
    match etag.map(ETag::as_str) {
        None => EtagForm::None,
        Some(text) if text.ends_with('"') => EtagForm::Quoted,
        Some(_) => EtagForm::Bare,
    }
}

/// Codes that no permission mends.
fn is_about_keys(code: &str) -> bool {
    let codes = [
        "InvalidAccessKeyId",
        "XAdminUserNotFound",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "AuthorizationHeaderMalformed",
    ];
    codes.contains(&code)
}

fn no_keys() -> Error {
    Error::new(ErrorKind::Auth, "there are no keys for the bucket")
        .next_step("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN for temporary keys")
}
