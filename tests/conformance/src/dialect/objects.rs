//! What is asked of the simulator, what stands in its bucket, and the answers.

use super::listing;
use super::profiles::{ContentMd5, Etags, IfMatch, PutConditions, Rules};
use crate::http::Message;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Instant, SystemTime};

/// A request.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) raw_path: String,
    pub(super) raw_query: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Its condition was met a while ago.
    pub(super) is_judged: bool,
}

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

pub(super) struct Object {
    pub(super) body: Vec<u8>,
    etag: String,
    pub(super) last_modified: String,
    modified: SystemTime,
    /// By its ACL.
    is_public: bool,
}

/// A bucket.
pub(super) struct Objects {
    bucket: String,
    objects: BTreeMap<String, Object>,
    written: BTreeMap<String, Instant>,
    /// What was deleted, where that leaves something behind.
    ghosts: BTreeSet<String>,
}

impl Asked {
    pub(super) fn read(request: &Message) -> io::Result<Self> {
        let (method, target) = request.asked()?;
        let (raw_path, raw_query) = target.split_once('?').unwrap_or((&target, ""));
        let (raw_path, raw_query) = (raw_path.to_owned(), raw_query.to_owned());
        let (headers, body) = (request.headers(), request.body().to_vec());
        Ok(Self { method, raw_path, raw_query, headers, body, is_judged: false })
    }

    pub(super) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// The bucket and the key; one without the other is of the bucket.
    fn place(&self) -> (String, String) {
        let path = decoded(self.raw_path.strip_prefix('/').unwrap_or(&self.raw_path));
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        (bucket.to_owned(), key.to_owned())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.raw_query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(other, _)| *other == name).map(|(_, value)| decoded(value))
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Reply {
    pub(super) fn xml(status: u16, body: String) -> Self {
        Self { status, headers: vec![("content-type", "application/xml".to_owned())], body: body.into_bytes() }
    }

    pub(super) fn error(status: u16, code: &str) -> Self {
        let message = "The simulator does so on purpose.";
        Self::xml(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

impl Object {
    fn new(body: Vec<u8>, now: SystemTime) -> Self {
        let etag = Md5::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        let timestamp = jiff::Timestamp::try_from(now).expect("a year of four digits");
        let last_modified = format!("{:.3}", timestamp);
        Self { body, etag, last_modified, modified: now, is_public: false }
    }

    /// With its quotes.
    pub(super) fn etag(&self, rules: &Rules) -> String {
        match rules.etags {
            Etags::Md5 => format!("\"{}\"", self.etag),
            Etags::Random => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).expect("random bytes");
                format!("\"{:032x}\"", u128::from_le_bytes(bytes))
            }
        }
    }

    fn headers(&self, rules: &Rules) -> Vec<(&'static str, String)> {
        vec![
            ("content-type", "application/octet-stream".to_owned()),
            ("etag", self.etag(rules)),
            ("last-modified", httpdate::fmt_http_date(self.modified)),
        ]
    }
}

impl Objects {
    pub(super) fn new(bucket: &str) -> Self {
        Self { bucket: bucket.to_owned(), objects: BTreeMap::new(), written: BTreeMap::new(), ghosts: BTreeSet::new() }
    }

    pub(super) fn answer(&mut self, rules: &Rules, asked: &Asked, now: SystemTime, instant: Instant) -> Reply {
        let (bucket, key) = asked.place();
        if bucket != self.bucket {
            return Reply::error(404, "NoSuchBucket");
        }
        match (asked.method.as_str(), key.as_str()) {
            ("GET", "") => listing::page(&self.objects, rules, asked),
            ("HEAD", "") => Reply::empty(200),
            ("POST", "") if asked.query("delete").is_some() => self.delete_many(rules, asked),
            ("GET" | "HEAD", key) => self.get(rules, asked, key),
            ("PUT", key) => self.put(rules, asked, key, now, instant),
            ("DELETE", key) => {
                self.delete(rules, key);
                Reply::empty(204)
            }
            _ => Reply::error(405, "MethodNotAllowed"),
        }
    }

    /// Whether anybody may read what this asks for.
    pub(super) fn is_public(&self, asked: &Asked) -> bool {
        let (bucket, key) = asked.place();
        asked.method == "GET" && bucket == self.bucket && self.objects.get(&key).is_some_and(|object| object.is_public)
    }

    /// Whether the condition of a PUT is met by now.
    pub(super) fn meets_condition(&self, rules: &Rules, asked: &Asked) -> bool {
        asked.method == "PUT" && self.condition(rules, asked, &asked.place().1).is_none()
    }

    fn delete(&mut self, rules: &Rules, key: &str) {
        if self.objects.remove(key).is_some() && rules.keeps_ghosts {
            self.ghosts.insert(key.to_owned());
        }
    }

    fn get(&self, rules: &Rules, asked: &Asked, key: &str) -> Reply {
        let Some(object) = self.objects.get(key) else { return Reply::error(404, "NoSuchKey") };
        let mut headers = object.headers(rules);
        let known = asked.header("if-none-match");
        if rules.knows_not_modified
            && rules.etags == Etags::Md5
            && known.is_some_and(|known| known.trim_matches('"') == object.etag)
        {
            return Reply { status: 304, headers, body: Vec::new() };
        }
        if asked.method == "HEAD" {
            headers.push(("content-length", object.body.len().to_string()));
        }
        Reply { status: 200, headers, body: object.body.clone() }
    }

    fn put(&mut self, rules: &Rules, asked: &Asked, key: &str, now: SystemTime, instant: Instant) -> Reply {
        if asked.header("content-length").is_none() {
            return Reply::error(411, "MissingContentLength");
        }
        if let Some(refusal) = rules.content_md5.refusal(asked) {
            return refusal;
        }
        if let Some(refusal) = self.condition(rules, asked, key) {
            return refusal;
        }
        if rules.refuses_children && has_parent(&self.objects, key) {
            return Reply::error(500, "InternalError");
        }
        let before = self.written.get(key).map(|before| instant.duration_since(*before));
        if before.is_some_and(|before| before < rules.writes_apart) {
            let mut refusal = Reply::error(429, "ServiceUnavailable");
            refusal.headers.push(("retry-after", rules.writes_apart.as_secs().to_string()));
            return refusal;
        }
        self.written.insert(key.to_owned(), instant);
        let content = match asked.header("x-amz-copy-source") {
            Some(source) => match self.objects.get(&decoded(source.trim_start_matches('/'))[self.bucket.len() + 1..]) {
                Some(source) => source.body.clone(),
                None => return Reply::error(404, "NoSuchKey"),
            },
            None => asked.body.clone(),
        };
        let mut object = Object::new(content, now);
        object.is_public = asked.header("x-amz-acl") == Some("public-read");
        let etag = object.etag(rules);
        self.objects.insert(key.to_owned(), object);
        self.ghosts.remove(key);
        if asked.header("x-amz-copy-source").is_some() {
            return Reply::xml(200, format!("<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>"));
        }
        Reply { status: 200, headers: vec![("etag", etag)], body: Vec::new() }
    }

    /// The refusal, where a condition isn't met, or isn't taken.
    fn condition(&self, rules: &Rules, asked: &Asked, key: &str) -> Option<Reply> {
        let (if_match, if_none_match) = (asked.header("if-match"), asked.header("if-none-match"));
        if asked.is_judged || (if_match.is_none() && if_none_match.is_none()) {
            return None;
        }
        match rules.put_conditions {
            PutConditions::Kept => {}
            PutConditions::Ignored => return None,
            PutConditions::Refused { status, code } => return Some(Reply::error(status, code)),
        }
        let object = self.objects.get(key);
        let failed = || Some(Reply::error(412, "PreconditionFailed"));
        if if_none_match == Some("*") && (object.is_some() || self.ghosts.contains(key)) {
            return failed();
        }
        let wanted = if_match?;
        let Some(object) = object else { return Some(Reply::error(404, "NoSuchKey")) };
        let is_quoted = wanted.starts_with('"');
        match (rules.if_match, is_quoted) {
            (IfMatch::QuotedRefused, true) => return Some(Reply::error(400, "InvalidArgument")),
            (IfMatch::QuotedNeverMatches, true) => return failed(),
            _ => {}
        }
        let matches = rules.etags == Etags::Md5 && wanted.trim_matches('"') == object.etag;
        if matches { None } else { failed() }
    }

    fn delete_many(&mut self, rules: &Rules, asked: &Asked) -> Reply {
        if !rules.batch_delete {
            return Reply::error(501, "NotImplemented");
        }
        if rules.content_md5 == ContentMd5::Required && asked.header("content-md5").is_none() {
            return Reply::error(400, "InvalidRequest");
        }
        if let Some(refusal) = rules.content_md5.refusal(asked) {
            return refusal;
        }
        let document = String::from_utf8_lossy(&asked.body);
        for key in document.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
            let key = quick_xml::escape::unescape(key).expect("a key in XML").into_owned();
            self.delete(rules, &key);
        }
        Reply::xml(200, "<DeleteResult></DeleteResult>".to_owned())
    }
}

impl ContentMd5 {
    fn refusal(self, asked: &Asked) -> Option<Reply> {
        let told = asked.header("content-md5")?;
        match self {
            Self::Refused => Some(Reply::error(400, "InvalidDigest")),
            Self::Optional | Self::Required if told != BASE64_STANDARD.encode(Md5::digest(&asked.body)) => {
                Some(Reply::error(400, "BadDigest"))
            }
            Self::Optional | Self::Required => None,
        }
    }
}

/// Whether an object stands where this key has a slash.
pub(super) fn has_parent(objects: &BTreeMap<String, Object>, key: &str) -> bool {
    key.match_indices('/').any(|(at, _)| objects.contains_key(&key[..at]))
}
