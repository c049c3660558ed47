//! Faults on the way of a request: what the network does to it, and what the server is like.

use crate::bucket::{Bucket, Conditions, answer, error, header, split};
use crate::device::Moment;
use crate::fault::{Fault, Faults};
use crate::random::Random;
use crate::world::World;
use bytes::Bytes;
use std::collections::BTreeMap;
use tidelock_core::s3::{Method, Response};
use tidelock_core::{Request, TransportFailure};

/// Written in place of an ETag's last quote by a server of strange ETags.
const ODD_TAIL: &str = "-2~!\"";

/// Which faults happen, and what they need to remember.
#[derive(Default)]
pub struct Hazards {
    /// Whether any may happen: else requests take the short way.
    pub on: bool,
    /// Which, and how often they did.
    pub faults: Faults,
    /// An older state of the bucket.
    pub older: Option<Bucket>,
    /// Until when a device has no network.
    pub offline_until_ms: BTreeMap<usize, u64>,
    /// Until when a device does not find an object.
    hidden_until_ms: BTreeMap<(usize, String), u64>,
    /// When a key was last written.
    written_ms: BTreeMap<String, u64>,
    /// Until when listings do not end.
    looping_until_ms: u64,
}

/// What becomes of a request on its way.
enum Fate {
    Fails(TransportFailure),
    Answered(Response),
    Silence,
}

impl Hazards {
    /// A server's ways that last as long as the schedule.
    pub fn begin(&mut self, faults: Faults, bucket: &mut Bucket) {
        if faults.has(Fault::ConditionsIgnored) {
            bucket.conditions = Conditions::Ignored;
        }
        if faults.has(Fault::ConditionsRefused) {
            bucket.conditions = Conditions::Refused;
        }
        bucket.absent_is_404 = faults.has(Fault::AbsentIs404);
        self.faults = faults;
        self.on = true;
    }

    /// Which request is answered next: the first, but for this fault.
    pub(crate) fn reorder(&mut self, which: usize, random: &mut Random) -> usize {
        if which > 0 && self.faults.happens(Fault::Reorder, random) { which } else { 0 }
    }

    /// What passes passes: no fault from now on.
    pub fn end(&mut self) {
        self.faults.stop();
        self.offline_until_ms.clear();
        self.hidden_until_ms.clear();
        self.on = false;
    }

    fn before(&mut self, at: usize, request: &Request, now_ms: u64, random: &mut Random) -> Option<Fate> {
        use Fault::*;
        let faults = &mut self.faults;
        if faults.happens(Offline, random) {
            self.offline_until_ms.insert(at, now_ms + random.below(30 * 60_000));
        }
        let failure = |why: &str| Some(Fate::Fails(TransportFailure::Connect(why.to_owned())));
        if self.offline_until_ms.get(&at).is_some_and(|until_ms| now_ms < *until_ms) || faults.happens(Refused, random)
        {
            return failure("simulated");
        }
        if faults.happens(ResetBefore, random) {
            return Some(Fate::Fails(TransportFailure::Reset("simulated".to_owned())));
        }
        if faults.happens(Tls, random) {
            return Some(Fate::Fails(TransportFailure::Tls("simulated".to_owned())));
        }
        if faults.happens(SilentBefore, random) {
            return Some(Fate::Silence);
        }
        let page = || Bytes::from_static(b"<!DOCTYPE html><html><body>Sign in to the network</body></html>");
        let said = |response| Some(Fate::Answered(response));
        if faults.happens(BadRequest, random) {
            return said(error(400, "InvalidRequest"));
        }
        if faults.happens(Forbidden, random) {
            return said(error(403, "AccessDenied"));
        }
        if faults.happens(TooMany, random) {
            return said(error(429, "TooManyRequests"));
        }
        if faults.happens(ServerError, random) {
            return said(error(500, "InternalError"));
        }
        if faults.happens(BadGateway, random) {
            return said(answer(502, Vec::new(), page()));
        }
        if faults.happens(SlowDown, random) {
            return said(error(503, "SlowDown"));
        }
        if faults.happens(SlowDownUntil, random) {
            let mut response = error(503, "SlowDown");
            response.headers.push(("retry-after".to_owned(), (1 + random.below(40)).to_string()));
            return said(response);
        }
        if faults.happens(Redirect, random) {
            return said(answer(301, vec![("location".to_owned(), "http://elsewhere.invalid/".to_owned())], page()));
        }
        if faults.happens(HtmlPage, random) {
            return said(answer(200, vec![("content-type".to_owned(), "text/html".to_owned())], page()));
        }
        let (key, _) = split(&request.url);
        if request.method == Method::Get && (key.contains("/segments/") || key.contains("/snapshots/")) {
            let hidden = (at, key.clone());
            if !self.hidden_until_ms.contains_key(&hidden) {
                let most_ms = if faults.happens(HiddenFromOne, random) { 1_000 << random.below(20) } else { 1 };
                let for_ms = random.below(most_ms);
                self.hidden_until_ms.insert(hidden.clone(), now_ms + for_ms);
            }
            if now_ms < self.hidden_until_ms[&hidden] {
                return said(match key.bytes().last() {
                    Some(b'0'..=b'3') => error(403, "AccessDenied"),
                    Some(b'4'..=b'7') => error(500, "InternalError"),
                    _ => error(404, "NoSuchKey"),
                });
            }
        }
        if request.method == Method::Put && faults.has(OneWriteASecond) {
            let last_ms = self.written_ms.insert(key, now_ms);
            if last_ms.is_some_and(|last_ms| now_ms < last_ms + 1000) {
                faults.count(OneWriteASecond);
                return said(error(503, "SlowDown"));
            }
        }
        None
    }

    /// The server, with its ways and its lies.
    fn serve(&mut self, bucket: &mut Bucket, request: &Request, now_ms: u64, random: &mut Random) -> Response {
        use Fault::*;
        let faults = &mut self.faults;
        let (key, query) = split(&request.url);
        let listing = request.method == Method::Get && query.contains_key("list-type");
        let mut request = request.clone();
        let conditional = header(&request, "if-match").is_some() || header(&request, "if-none-match").is_some();
        if request.method == Method::Put && conditional {
            for way in [ConditionsIgnored, ConditionsRefused, AbsentIs404] {
                faults.happens(way, random);
            }
        }
        if faults.has(QuoteSensitive) {
            for (name, value) in &mut request.headers {
                if (name == "if-match" || name == "if-none-match") && value != "*" {
                    if value.contains('"') {
                        faults.count(QuoteSensitive);
                        return error(400, "InvalidArgument");
                    }
                    *value = format!("\"{value}\"");
                }
            }
        }
        if faults.has(OddEtag) {
            for (_, value) in
                request.headers.iter_mut().filter(|(name, _)| name == "if-match" || name == "if-none-match")
            {
                *value = value.replace(ODD_TAIL, "\"");
            }
        }
        if request.method == Method::Delete && faults.happens(DeleteIgnored, random) {
            return answer(204, Vec::new(), Bytes::new());
        }
        if request.method == Method::Put
            && conditional
            && faults.has(Conflict)
            && random.permille(500)
            && faults.happens(Conflict, random)
        {
            return error(409, "ConditionalRequestConflict");
        }
        if request.method == Method::Post && faults.happens(NoDeleteObjects, random) {
            return error(501, "NotImplemented");
        }
        if listing && faults.happens(ShortPages, random) {
            request.url = request.url.replace("max-keys=1000", &format!("max-keys={}", 1 + random.below(2)));
        }
        bucket.faults = crate::bucket::Faults::default();
        if request.method == Method::Get && !listing && bucket.has_older(&key) && faults.happens(StaleGet, random) {
            bucket.faults.stale = 1000;
        }
        if request.method == Method::Put && bucket.object(&key).is_none() && faults.happens(Unreadable, random) {
            bucket.faults.hidden = 1000;
        }
        let mut response = match &mut self.older {
            Some(older) if listing && faults.happens(StaleList, random) => older.answer(&request, now_ms, random),
            _ => bucket.answer(&request, now_ms, random),
        };
        if listing && response.status == 200 {
            let xml = String::from_utf8_lossy(&response.body).into_owned();
            response.body = self.spoil_listing(xml, query.get("prefix"), now_ms, random).into();
        }
        let faults = &mut self.faults;
        let asked_etag = header(&request, "if-none-match").cloned();
        if let (200, Method::Get, Some(etag)) = (response.status, request.method, asked_etag)
            && !listing
            && faults.happens(StaleNotModified, random)
        {
            response = answer(304, vec![("etag".to_owned(), etag)], Bytes::new());
        }
        if request.method == Method::Put && conditional && response.status == 200 {
            if faults.happens(Conflict, random) {
                response = error(409, "ConditionalRequestConflict");
            } else if faults.happens(RefusedAfter, random) {
                response = error(412, "PreconditionFailed");
            }
        }
        if faults.has(NoEtag) && response.headers.iter().any(|(name, _)| name == "etag") {
            faults.count(NoEtag);
            response.headers.retain(|(name, _)| name != "etag");
        }
        if faults.has(OddEtag) {
            for (_, value) in response.headers.iter_mut().filter(|(name, _)| name == "etag") {
                faults.count(OddEtag);
                *value = format!("{}{ODD_TAIL}", value.trim_end_matches('"'));
            }
        }
        if response.status == 200 && request.method == Method::Get && !listing && !response.body.is_empty() {
            self.spoil_body(bucket, &key, &mut response, random);
        }
        response
    }

    fn spoil_listing(&mut self, mut xml: String, prefix: Option<&String>, now_ms: u64, random: &mut Random) -> String {
        use Fault::*;
        let faults = &mut self.faults;
        if faults.happens(NoEtag, random) {
            while let (Some(from), Some(to)) = (xml.find("<ETag>"), xml.find("</ETag>")) {
                xml.replace_range(from..to + "</ETag>".len(), "");
            }
        }
        if faults.happens(OddEtag, random) {
            xml = xml.replace("&quot;</ETag>", &format!("{}</ETag>", ODD_TAIL.replace('"', "&quot;")));
        }
        if faults.happens(ForgedList, random) {
            let name = format!("{:016x}{:016x}", random.bits(), random.bits());
            let key = format!("{}{name}", prefix.map_or("", String::as_str));
            let entry = format!("<Contents><Key>{key}</Key><Size>4096</Size><ETag>&quot;1&quot;</ETag></Contents>");
            xml = xml.replace("<IsTruncated>", &format!("{entry}<IsTruncated>"));
        }
        if faults.happens(ListLoops, random) {
            self.looping_until_ms = now_ms + 600_000;
        }
        if now_ms < self.looping_until_ms {
            let end = xml.find("<IsTruncated>").unwrap_or(xml.len());
            xml.truncate(end);
            xml += "<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken></ListBucketResult>";
        }
        xml
    }

    fn spoil_body(&mut self, bucket: &Bucket, key: &str, response: &mut Response, random: &mut Random) {
        let faults = &mut self.faults;
        if faults.happens(Fault::FlippedBit, random) {
            let mut bytes = response.body.to_vec();
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
            response.body = bytes.into();
        }
        if faults.happens(Fault::Truncated, random) {
            response.body = response.body.slice(..random.below(response.body.len() as u64) as usize);
        }
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !folder.is_empty() && faults.happens(Fault::Swapped, random) {
            let others: Vec<String> = bucket.keys_with(folder).into_iter().filter(|other| other != key).collect();
            if let Some(other) = others.get(random.below(others.len().max(1) as u64) as usize) {
                response.body = bucket.object(other).unwrap_or_default();
            }
        }
    }
}

impl World {
    /// A request goes its way with everything that may happen to it there.
    pub(crate) fn deliver_in_danger(&mut self, at: usize, request: &Request) {
        self.now_ms += self.random.below(200);
        let delayed = self.hazards.faults.happens(Fault::Delay, &mut self.random);
        if delayed {
            self.now_ms += 1_000 + self.random.below(90_000);
        }
        let number = self.devices[at].count_request();
        if self.devices[at].dies(Moment::Request(number)) {
            return;
        }
        let now_ms = self.now_ms;
        let now = self.devices[at].now(now_ms);
        match self.hazards.before(at, request, now_ms, &mut self.random) {
            Some(Fate::Fails(failure)) => return self.devices[at].engine.handle_failure(request.id, failure, now),
            Some(Fate::Answered(response)) => {
                if let (Some(watch), Some(seconds)) = (&mut self.watch, retry_after(&response)) {
                    watch.told_to_wait(at, request, now_ms + seconds * 1000);
                }
                return self.devices[at].engine.handle_response(request.id, response, now);
            }
            Some(Fate::Silence) => return, // its deadline ends it
            None => {}
        }
        let response = self.hazards.serve(&mut self.bucket, request, now_ms, &mut self.random);
        let faults = &mut self.hazards.faults;
        if faults.happens(Fault::Duplicate, &mut self.random) {
            self.hazards.serve(&mut self.bucket, request, now_ms, &mut self.random);
        }
        if self.devices[at].dies(Moment::Answer(number)) {
            return;
        }
        let faults = &mut self.hazards.faults;
        if request.method == Method::Put && faults.happens(Fault::LatePut, &mut self.random) {
            self.late.push((now_ms + self.random.below(120_000), request.clone()));
        }
        if faults.happens(Fault::SilentAfter, &mut self.random) {
            return;
        }
        let engine = &mut self.devices[at].engine;
        if delayed {
            engine.handle_timeout(now); // its deadline may have passed: then the answer is nobody's
        }
        if faults.happens(Fault::ResetAfter, &mut self.random) {
            engine.handle_failure(request.id, TransportFailure::Reset("simulated".to_owned()), now);
        } else if faults.happens(Fault::ServerErrorAfter, &mut self.random) {
            engine.handle_response(request.id, error(500, "InternalError"), now);
        } else if faults.happens(Fault::Endless, &mut self.random)
            || response.body.len() as u64 > request.max_response_bytes
        {
            engine.handle_failure(request.id, TransportFailure::TooLong, now);
        } else {
            engine.handle_response(request.id, response, now);
        }
    }
}

fn retry_after(response: &Response) -> Option<u64> {
    response.headers.iter().find(|(name, _)| name == "retry-after").and_then(|(_, value)| value.parse().ok())
}
