//! What is sent in each step, and who signs it.

use super::{Doctor, OTHERS, RACERS, Step};
use crate::doctor::cors::preflight;
use crate::engine::{HEADER, SignedUrl, TransportFailure, UnsignedRequest};
use crate::s3::{Action, Call, Condition, Credentials, EtagQuoting, HttpRequest, content_md5, wrong_etag};
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
    /// These are to be sent at the same time: [`Doctor::handle_together`].
    SendTogether(Vec<HttpRequest>),
}

impl Doctor {
    /// What is wanted now, by the device's clock; `None` when done.
    pub fn next_ask(&mut self, unix_ms: u64) -> Option<Ask> {
        if self.step == Step::Done || self.facts.requests == self.requests_max() {
            return None;
        }
        if self.step == Step::Race {
            let requests = (0..RACERS).map(|_| self.request(unix_ms)).collect::<Result<Vec<_>, _>>();
            return match requests {
                Ok(requests) => {
                    Some(Ask::SendTogether(requests.into_iter().map(|request| self.sends(request)).collect()))
                }
                Err(error) => {
                    self.stop("request", error);
                    None
                }
            };
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
            Step::DeleteOne | Step::DeleteOther(_) => facts.delete = Some(Err(error)),
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
        !matches!(self.step, Step::Knock | Step::ReadUnsigned | Step::Preflight)
    }

    fn request(&self, unix_ms: u64) -> Result<HttpRequest, Error> {
        let wrong;
        let keys = match &self.signing {
            Signing::Keys(keys) if self.is_signed() => Some(keys),
            Signing::Keys(keys) if self.step == Step::ReadUnsigned => {
                wrong = with_wrong_secret(keys)?;
                Some(&wrong)
            }
            _ => None,
        };
        let signed_ms = unix_ms.saturating_add_signed(self.skew_ms);
        // What is polled is polled in quotes, unless those are refused.
        let quoting = match self.step {
            Step::Read if !self.facts.quotes_refused => EtagQuoting::Quoted,
            _ => self.quoting,
        };
        self.call().request(&self.facts.store, keys, signed_ms, quoting)
    }

    /// With what is not signed: browsers set the one, and the other is no part of what SigV4 must cover.
    fn dressed(&self, mut request: HttpRequest) -> HttpRequest {
        match (self.step, &self.facts.origin) {
            (Step::Read | Step::ReadUnsigned, Some(origin)) => {
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
        let get = |key, if_none_match| Call::GetObject { key, if_none_match, range: None, body_max: BODY_BYTES_MAX };
        let right = || match &self.newest {
            Some((Some(etag), _)) => Condition::IfMatch(etag.clone()),
            _ => Condition::Always,
        };
        match self.step {
            Step::Create | Step::CreateAgain | Step::Recreate => put(&one, Condition::IfAbsent),
            Step::Race => put(&self.key("race"), Condition::IfAbsent),
            Step::CreatePlain => put(&one, Condition::Always),
            Step::MatchWrong => put(&one, Condition::IfMatch(wrong_etag())),
            Step::MatchRight | Step::MatchBare => put(&one, right()),
            Step::PutChecked => put(&other, Condition::Always),
            Step::Read => get(one, self.known_etag().cloned()),
            Step::ReadUnsigned | Step::Preflight => get(one, None),
            Step::ReadMissing => get(self.key("none"), None),
            Step::ReadHeader => get(HEADER.to_owned(), None),
            Step::ListV1 => Call::ListObjects { prefix: format!("{}/", self.folder), marker: None, max_keys: 1 },
            Step::DeleteMany => {
                let standing = ["one"].into_iter().chain(OTHERS).filter(|name| self.may_stand(name));
                let mut keys: Vec<String> = standing.map(|name| self.key(name)).collect();
                if keys.is_empty() {
                    keys.push(other);
                }
                Call::DeleteObjects { keys }
            }
            Step::DeleteOne => Call::DeleteObject { key: one },
            Step::DeleteOther(name) => Call::DeleteObject { key: self.key(name) },
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

/// Keys that the server must not know: the same with another secret.
fn with_wrong_secret(keys: &Credentials) -> Result<Credentials, Error> {
    let (access_key, _, token) = keys.reveal();
    Credentials::new(access_key, "tidelock-doctor-asks-with-a-wrong-secret", token.map(str::to_owned))
}

/// Each request's own content, so that a read shows whose write stands.
pub(super) fn body(request: u32) -> Bytes {
    format!("tidelock doctor, request {request}").into()
}
