//! The simulated bucket: an S3-shaped answer for each request, and the faults of real ones: objects that are unreadable
//! for a while, stale reads, writes that land late or twice, objects lost for good.

use crate::clock::{from_amz_date, http_date};
use crate::random::Random;
use crate::signer::is_allowed;
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use tidelock_core::s3::{Method, Response};
use tidelock_core::{Meter, Request};

/// An object, and what it was before.
#[derive(Clone, Debug)]
struct Stored {
    bytes: Bytes,
    etag: u64,
    /// What a stale read still shows.
    before: Option<(Bytes, u64)>,
    /// Reads find nothing before this time.
    hidden_until_ms: u64,
}

/// A bucket in memory.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    objects: BTreeMap<String, Stored>,
    next_etag: u64,
    /// What becomes of conditions of PUTs.
    pub conditions: Conditions,
    /// `If-Match` on an absent key is answered 404, as some servers do, instead of 412.
    pub absent_is_404: bool,
    /// The provider's clock less the world's, in ms.
    pub clock_off_ms: i64,
    /// Its answers have no `Date`, or one that the platform does not show.
    pub tells_no_time: bool,
    /// Requests signed more than 15 minutes off the provider's clock are refused.
    pub checks_clock: bool,
    /// Requests must be signed in their URLs by a [`Signer`](crate::signer::Signer).
    pub checks_urls: bool,
    /// Every body ever PUT as a manifest, and where.
    pub manifests: Vec<(String, Bytes)>,
    /// Reads of these keys are answered with this status, and a code.
    pub refused: BTreeMap<String, (u16, &'static str)>,
    /// Nobody may delete anything.
    pub keeps_all: bool,
    /// How often each key was deleted, standing or not.
    pub deletes: BTreeMap<String, u64>,
    /// What it was asked, by kind, and the bytes of bodies: counted apart from the engine's own count.
    pub meter: Meter,
    /// How often, in a thousand, a fault of each kind happens.
    pub faults: Faults,
}

/// What a server does with conditions of PUTs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conditions {
    /// It keeps them.
    #[default]
    Kept,
    /// It writes whatever they say.
    Ignored,
    /// It refuses requests that have one.
    Refused,
}

/// Rates in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A new object is unreadable for up to a minute.
    pub hidden: u64,
    /// A read shows the version before.
    pub stale: u64,
}

impl Bucket {
    /// An empty bucket that keeps conditions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every key.
    pub fn keys(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    /// The keys that have `part` in them.
    pub fn keys_with(&self, part: &str) -> Vec<String> {
        self.objects.keys().filter(|key| key.contains(part)).cloned().collect()
    }

    /// The bytes at a key.
    pub fn object(&self, key: &str) -> Option<Bytes> {
        self.objects.get(key).map(|stored| stored.bytes.clone())
    }

    /// Takes an object away, as a lifecycle rule or an attacker would.
    pub fn lose(&mut self, key: &str) {
        self.objects.remove(key);
    }

    /// Takes all away whose keys have `part` in them.
    pub fn lose_all(&mut self, part: &str) {
        self.objects.retain(|key, _| !key.contains(part));
    }

    /// Puts bytes at a key, as an attacker would.
    pub fn put(&mut self, key: &str, bytes: Bytes) {
        self.next_etag += 1;
        let before = self.objects.get(key).map(|old| (old.bytes.clone(), old.etag));
        let stored = Stored { bytes, etag: self.next_etag, before, hidden_until_ms: 0 };
        self.objects.insert(key.to_owned(), stored);
    }

    /// Makes an object unreadable for ever, or until `show`.
    pub fn hide(&mut self, key: &str) {
        self.objects.get_mut(key).expect("an object to hide").hidden_until_ms = u64::MAX;
    }

    /// Makes all unreadable, until `show`, whose keys have `part` in them.
    pub fn hide_all(&mut self, part: &str) {
        self.keys_with(part).iter().for_each(|key| self.hide(key));
    }

    /// Makes an object unreadable until a time.
    pub fn hide_until(&mut self, key: &str, until_ms: u64) {
        if let Some(stored) = self.objects.get_mut(key) {
            stored.hidden_until_ms = until_ms;
        }
    }

    /// Whether some object is unreadable at a time.
    pub fn hides(&self, now_ms: u64) -> bool {
        self.objects.values().any(|stored| now_ms < stored.hidden_until_ms)
    }

    /// Whether a stale read of a key would show something else.
    pub fn has_older(&self, key: &str) -> bool {
        self.objects.get(key).is_some_and(|stored| stored.before.is_some())
    }

    /// The bucket as it is now, to be shown or put back later.
    pub fn older(&self) -> Self {
        Self { objects: self.objects.clone(), next_etag: self.next_etag, ..Self::default() }
    }

    /// Puts an older state in the place of this one.
    pub fn roll_back(&mut self, older: &Self) {
        self.objects.clone_from(&older.objects);
    }

    /// Makes every object readable again.
    pub fn show(&mut self) {
        self.objects.values_mut().for_each(|stored| stored.hidden_until_ms = 0);
    }

    /// Turns one bit of an object.
    pub fn spoil(&mut self, key: &str) {
        let mut bytes = self.object(key).expect("an object to spoil").to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        self.put(key, Bytes::from(bytes));
    }

    /// Truncates an object.
    pub fn truncate(&mut self, key: &str, len: usize) {
        let bytes = self.object(key).expect("an object to truncate").slice(..len);
        self.put(key, bytes);
    }

    /// Everything is gone.
    pub fn wipe(&mut self) {
        self.objects.clear();
    }

    /// Takes a copy of every object, for a later rollback.
    pub fn copy(&self) -> BTreeMap<String, Bytes> {
        self.objects.iter().map(|(key, stored)| (key.clone(), stored.bytes.clone())).collect()
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request, now_ms: u64, random: &mut Random) -> Response {
        let (key, query) = split(&request.url);
        let mut response = match request.method {
            _ if self.checks_urls && !is_allowed(request, self.clock_ms(now_ms) as u64) => error(403, "AccessDenied"),
            _ if self.is_skewed(request, now_ms) => error(403, "RequestTimeTooSkewed"),
            Method::Get if query.contains_key("list-type") => self.list(&query),
            Method::Get => self.get(&key, request, now_ms, random),
            Method::Head => self.get(&key, request, now_ms, random),
            Method::Put => self.write(&key, request, now_ms, random),
            Method::Delete | Method::Post if self.keeps_all => error(403, "AccessDenied"),
            Method::Delete => {
                self.delete(&key);
                answer(204, Vec::new(), Bytes::new())
            }
            Method::Post => self.delete_many(&request.body),
            Method::Options => error(405, "MethodNotAllowed"),
        };
        if !self.tells_no_time {
            response.headers.push(("date".to_owned(), http_date(self.clock_ms(now_ms))));
        }
        self.meter.bytes_sent += request.body.len() as u64;
        self.meter.bytes_received += response.body.len() as u64;
        let count = match (request.method, query.contains_key("list-type")) {
            (Method::Get, true) => &mut self.meter.list,
            (Method::Get, false) => &mut self.meter.get,
            (Method::Put, _) => &mut self.meter.put,
            (Method::Delete, _) => &mut self.meter.delete,
            (Method::Head, _) => &mut self.meter.head,
            (Method::Post | Method::Options, _) => &mut self.meter.post,
        };
        *count += 1;
        response
    }

    fn clock_ms(&self, now_ms: u64) -> i64 {
        now_ms as i64 + self.clock_off_ms
    }

    fn is_skewed(&self, request: &Request, now_ms: u64) -> bool {
        const OFF_MS_MAX: u64 = 15 * 60 * 1000;
        let signed_ms = header(request, "x-amz-date").and_then(|text| from_amz_date(text));
        self.checks_clock && signed_ms.is_some_and(|signed_ms| signed_ms.abs_diff(self.clock_ms(now_ms)) > OFF_MS_MAX)
    }

    fn get(&self, key: &str, request: &Request, now_ms: u64, random: &mut Random) -> Response {
        if let Some((status, code)) = self.refused.get(key) {
            return error(*status, code);
        }
        let Some(stored) = self.objects.get(key).filter(|stored| now_ms >= stored.hidden_until_ms) else {
            return error(404, "NoSuchKey");
        };
        let (bytes, etag) = match &stored.before {
            Some((bytes, etag)) if random.permille(self.faults.stale) => (bytes.clone(), *etag),
            _ => (stored.bytes.clone(), stored.etag),
        };
        let etag = format!("\"{etag:x}\"");
        if header(request, "if-none-match") == Some(&etag) {
            return answer(304, vec![("etag".to_owned(), etag)], Bytes::new());
        }
        answer(200, vec![("etag".to_owned(), etag)], bytes)
    }

    fn write(&mut self, key: &str, request: &Request, now_ms: u64, random: &mut Random) -> Response {
        let standing = self.objects.get(key).map(|stored| format!("\"{:x}\"", stored.etag));
        let (if_absent, if_match) = (header(request, "if-none-match"), header(request, "if-match"));
        match self.conditions {
            Conditions::Refused if if_absent.is_some() || if_match.is_some() => return error(501, "NotImplemented"),
            Conditions::Kept if if_match.is_some() && standing.is_none() && self.absent_is_404 => {
                return error(404, "NoSuchKey");
            }
            Conditions::Kept if if_absent.is_some() && standing.is_some() => return error(412, "PreconditionFailed"),
            Conditions::Kept if if_match.is_some_and(|wanted| Some(wanted) != standing.as_ref()) => {
                return error(412, "PreconditionFailed");
            }
            _ => {}
        }
        if key.contains("/manifests/") {
            self.manifests.push((key.to_owned(), request.body.clone()));
        }
        self.put(key, request.body.clone());
        let hidden = random.permille(self.faults.hidden);
        let wait_ms = random.below(60_000);
        let Some(stored) = self.objects.get_mut(key) else { return error(500, "InternalError") };
        if hidden && stored.before.is_none() {
            stored.hidden_until_ms = now_ms + wait_ms;
        }
        answer(200, vec![("etag".to_owned(), format!("\"{:x}\"", stored.etag))], Bytes::new())
    }

    fn delete(&mut self, key: &str) {
        self.objects.remove(key);
        *self.deletes.entry(key.to_owned()).or_default() += 1;
    }

    fn delete_many(&mut self, body: &[u8]) -> Response {
        let text = String::from_utf8_lossy(body).into_owned();
        for part in text.split("<Key>").skip(1) {
            self.delete(part.split("</Key>").next().unwrap_or_default());
        }
        let xml = "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></DeleteResult>";
        answer(200, Vec::new(), Bytes::from_static(xml.as_bytes()))
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let prefix = query.get("prefix").cloned().unwrap_or_default();
        let after = query.get("continuation-token").or_else(|| query.get("start-after")).cloned().unwrap_or_default();
        let page: usize = query.get("max-keys").and_then(|text| text.parse().ok()).unwrap_or(1000);
        let mut keys = self.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
        let mut xml = String::from("<ListBucketResult><EncodingType>url</EncodingType>");
        let mut last = String::new();
        for (key, stored) in keys.by_ref().take(page) {
            xml += &format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><ETag>&quot;{:x}&quot;</ETag></Contents>",
                stored.bytes.len(),
                stored.etag
            );
            last.clone_from(key);
        }
        let truncated = keys.next().is_some();
        xml += &format!("<IsTruncated>{truncated}</IsTruncated>");
        if truncated {
            xml += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
        }
        xml += "</ListBucketResult>";
        answer(200, Vec::new(), Bytes::from(xml))
    }
}

/// Whether a request publishes something: a device's manifest.
pub fn puts_manifest(request: &Request) -> bool {
    request.method == Method::Put && request.url.contains("/manifests/")
}

pub(crate) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a String> {
    request.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub(crate) fn answer(status: u16, headers: Vec<(String, String)>, body: Bytes) -> Response {
    Response { status, headers, body }
}

pub(crate) fn error(status: u16, code: &str) -> Response {
    answer(status, Vec::new(), Bytes::from(format!("<Error><Code>{code}</Code><Message>simulated</Message></Error>")))
}

/// Key and parameters of a URL: `file:///key`, or `http://host/bucket/key`.
pub(crate) fn split(url: &str) -> (String, BTreeMap<String, String>) {
    let rest = match url.strip_prefix("file:///") {
        Some(rest) => rest,
        None => url.splitn(5, '/').nth(4).expect("a bucket's name in the path"),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    (decode(path), query)
}
