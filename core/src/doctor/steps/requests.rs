//! What is sent in each step, and who signs it.

use super::{Doctor, REQUESTS_MAX, Step};
use crate::doctor::cors::preflight;
use crate::engine::{SignedUrl, TransportFailure, UnsignedRequest};
use crate::s3::{Action, Call, Condition, Credentials, HttpRequest, content_md5, wrong_etag};
use crate::{Error, ErrorKind};
use bytes::Bytes;

/// The most bytes of its own objects.
const BODY_BYTES_MAX: u64 = 64;

/// Who signs the doctor's requests. A folder's need nobody.
#[derive(Clone, Debug)]
pub enum Signing {
    /// Nobody can.
    Nobody,
    /// The doctor, with these keys.
    Keys(Credentials),
    /// A signer, in the requests' URLs.
    Elsewhere,
}

/// What the doctor wants next.
#[derive(Clone, Debug)]
pub enum Ask {
    /// This request is to be sent.
    Send(HttpRequest),
    /// This one is to be signed first.
    Sign(UnsignedRequest),
}

impl Doctor {
    /// What is wanted now, by the device's clock; `None` when done.
    pub fn next_ask(&mut self, unix_ms: u64) -> Option<Ask> {
        if self.step == Step::Done || self.facts.requests == REQUESTS_MAX {
            return None;
        }
        let request = match self.request(unix_ms) {
            Ok(request) => request,
            Err(error) => {
                self.stop("request", error);
                return None;
            }
        };
        if self.facts.is_presigned && self.is_signed() {
            let unsigned = UnsignedRequest::of(&self.facts.store, &request);
            self.at_the_signer = Some((unsigned.clone(), request));
            return Some(Ask::Sign(unsigned));
        }
        Some(Ask::Send(self.sends(request)))
    }

    /// How the signer answered; the request to send is the result, if it did as it was asked.
    pub fn signed(&mut self, answer: Result<SignedUrl, TransportFailure>) -> Option<HttpRequest> {
        self.wait_ms = 0;
        let (unsigned, request) = self.at_the_signer.take()?;
        match unsigned.checked(answer) {
            Ok(signed) => Some(self.sends(signed.on(request))),
            Err(failure) => {
                if !self.tries_again(&failure) {
                    self.not_signed(failure.error);
                }
                None
            }
        }
    }

    fn not_signed(&mut self, error: Error) {
        let facts = &mut self.facts;
        match self.step {
            // Who doesn't answer is not asked again and again; who signs nothing at all is what has to be mended.
            _ if error.kind() != ErrorKind::Auth => return self.stop("signer", error),
            Step::Create | Step::CreatePlain => return self.stop("signer", error),
            Step::Read => facts.get = Some(Err(error)),
            Step::List | Step::ListV1 => facts.list = Some(Err(error)),
            Step::DeleteOne | Step::DeleteOther => facts.delete = Some(Err(error)),
            _ => facts.unsigned = Some(error),
        }
        self.pass();
    }

    /// Counts the request, and what it may leave in the store.
    fn sends(&mut self, request: HttpRequest) -> HttpRequest {
        self.facts.requests += 1;
        self.creates = match self.call() {
            Call::PutObject { key, .. } => self.facts.left.insert(key.clone()).then_some(key),
            _ => None,
        };
        self.dressed(request)
    }

    fn is_signed(&self) -> bool {
        !matches!(self.step, Step::Knock | Step::ReadWithoutKeys | Step::Preflight)
    }

    fn request(&self, unix_ms: u64) -> Result<HttpRequest, Error> {
        let keys = match &self.signing {
            Signing::Keys(keys) if self.is_signed() => Some(keys),
            _ => None,
        };
        let signed_ms = unix_ms.saturating_add_signed(self.skew_ms);
        self.call().request(&self.facts.store, keys, signed_ms, self.quoting)
    }

    /// With what is not signed: browsers set the one, and the other is no part of what SigV4 must cover.
    fn dressed(&self, mut request: HttpRequest) -> HttpRequest {
        match (self.step, &self.facts.origin) {
            (Step::Read | Step::ReadWithoutKeys, Some(origin)) => {
                request.headers.push(("origin".to_owned(), origin.clone()));
            }
            (Step::Preflight, Some(origin)) => request = preflight(request, origin),
            (Step::PutChecked, _) => {
                request.headers.push(("content-md5".to_owned(), content_md5(&request.body)));
            }
            _ => {}
        }
        request
    }

    pub(super) fn call(&self) -> Call {
        let (one, other) = (self.key("one"), self.key("other"));
        let put = |key: &str, condition| Call::PutObject {
            key: key.to_owned(),
            body: body(self.facts.requests + 1),
            condition,
        };
        let right = || match &self.newest {
            Some((Some(etag), _)) => Condition::IfMatch(etag.clone()),
            _ => Condition::Always,
        };
        match self.step {
            Step::Create | Step::CreateAgain => put(&one, Condition::IfAbsent),
            Step::CreatePlain => put(&one, Condition::Always),
            Step::MatchWrong => put(&one, Condition::IfMatch(wrong_etag())),
            Step::MatchRight | Step::MatchBare => put(&one, right()),
            Step::PutChecked => put(&other, Condition::Always),
            Step::Read | Step::ReadWithoutKeys | Step::Preflight => {
                Call::GetObject { key: one, if_none_match: None, range: None, body_max: BODY_BYTES_MAX }
            }
            Step::ReadMissing => {
                Call::GetObject { key: self.key("none"), if_none_match: None, range: None, body_max: BODY_BYTES_MAX }
            }
            Step::ListV1 => Call::ListObjects { prefix: format!("{}/", self.folder), marker: None, max_keys: 1 },
            Step::DeleteMany => Call::DeleteObjects { keys: vec![other] },
            Step::DeleteOne => Call::DeleteObject { key: one },
            Step::DeleteOther => Call::DeleteObject { key: other },
            Step::Knock | Step::List | Step::Done => Call::ListObjectsV2 {
                prefix: format!("{}/", self.folder),
                continuation: None,
                start_after: None,
                max_keys: 1,
            },
        }
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}

/// Each request's own content, so that a read shows whose write stands.
pub(super) fn body(request: u32) -> Bytes {
    format!("tidelock doctor, request {request}").into()
}
