//! A bucket's CORS rules: what a web page of another origin may ask of it.

use super::Action;
use super::answer::{Response, no_html};
use super::call::{HttpRequest, Method, RequestKind};
use super::etag::EtagQuoting;
use super::failure::{self, Asked, Failure, no_answer, not_s3};
use super::uri::{StoreUri, invalid};
use super::xml::{self, Refusal};
use crate::Error;
use bytes::Bytes;
use quick_xml::escape::escape;

/// The most rules of a bucket (S3's own limit).
pub const CORS_RULES_MAX: usize = 100;
/// The most bytes of the document that holds them (S3's own limit).
const DOCUMENT_BYTES_MAX: usize = 64 << 10;
/// The most origins, methods or headers of a rule.
const NAMES_MAX: usize = 100;
/// The longest origin, header or id, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// One rule. A browser is answered by the first that fits its origin, method and headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsRule {
    /// The rule's name, if it has one.
    pub id: Option<String>,
    /// Such as `https://app.example`; one `*` in each may stand for anything. At least one.
    pub allowed_origins: Vec<String>,
    /// At least one.
    pub allowed_methods: Vec<Method>,
    /// Headers a page may send; one `*` in each may stand for anything.
    pub allowed_headers: Vec<String>,
    /// Headers a page may read of the answer.
    pub expose_headers: Vec<String>,
    /// How long a browser remembers the rule, in seconds.
    pub max_age_s: Option<u32>,
}

/// Reads the bucket's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBucketCors;

/// Replaces the bucket's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutBucketCors {
    /// 1 to 100.
    pub rules: Vec<CorsRule>,
}

impl Action for GetBucketCors {
    /// Empty if the bucket has none.
    type Answer = Vec<CorsRule>;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Get
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let mut request = HttpRequest::new(Method::Get, store.bucket_url(vec![("cors", String::new())]));
        // Indented, it may be twice as long as what was put.
        request.max_response_bytes = 2 * DOCUMENT_BYTES_MAX as u64;
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Vec<CorsRule>, Failure> {
        let asked = Asked::bucket(store, Method::Get);
        let has_none = || failure::code(&response.body).is_some_and(|code| code.trim() == "NoSuchCORSConfiguration");
        match response.status {
            200 => rules(&response.body).map_err(|refusal| not_s3(&asked, refusal)),
            404 if has_none() => Ok(Vec::new()),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

impl Action for PutBucketCors {
    type Answer = ();

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Put
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let request = HttpRequest::new(Method::Put, store.bucket_url(vec![("cors", String::new())]));
        Ok(request.with_document(document(&self.rules)?))
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<(), Failure> {
        let asked = Asked::bucket(store, Method::Put);
        match response.status {
            200 | 204 => no_html(&asked, response),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

fn document(rules: &[CorsRule]) -> Result<Bytes, Error> {
    if !(1..=CORS_RULES_MAX).contains(&rules.len()) {
        return Err(invalid("a bucket has no or more than 100 CORS rules"));
    }
    let mut document = String::from("<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for rule in rules {
        check(rule)?;
        document.push_str("<CORSRule>");
        let mut add = |name: &str, text: &str| document.push_str(&format!("<{name}>{}</{name}>", escape(text)));
        rule.id.iter().for_each(|id| add("ID", id));
        rule.allowed_origins.iter().for_each(|origin| add("AllowedOrigin", origin));
        rule.allowed_methods.iter().for_each(|method| add("AllowedMethod", method.as_str()));
        rule.allowed_headers.iter().for_each(|header| add("AllowedHeader", header));
        rule.expose_headers.iter().for_each(|header| add("ExposeHeader", header));
        rule.max_age_s.iter().for_each(|seconds| add("MaxAgeSeconds", &seconds.to_string()));
        document.push_str("</CORSRule>");
    }
    document.push_str("</CORSConfiguration>");
    match document.len() <= DOCUMENT_BYTES_MAX {
        true => Ok(document.into()),
        false => Err(invalid("CORS rules have more than 64 KiB")),
    }
}

fn check(rule: &CorsRule) -> Result<(), Error> {
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(invalid("a CORS rule has no origin or no method"));
    }
    let lists = [&rule.allowed_origins, &rule.allowed_headers, &rule.expose_headers];
    let few = lists.iter().all(|list| list.len() <= NAMES_MAX) && rule.allowed_methods.len() <= NAMES_MAX;
    let is_name =
        |text: &String| (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !few || !lists.iter().all(|list| list.iter().all(is_name)) || !rule.id.iter().all(is_name) {
        return Err(invalid("a CORS rule has an entry that is not 1 to 255 bytes of visible ASCII, or more than 100"));
    }
    let with_wildcards = rule.allowed_origins.iter().chain(&rule.allowed_headers);
    if with_wildcards.clone().any(|text| text.matches('*').count() > 1) {
        return Err(invalid("a CORS rule has an origin or header with more than one `*`"));
    }
    Ok(())
}

fn rules(body: &[u8]) -> Result<Vec<CorsRule>, Refusal> {
    let mut rules: Vec<CorsRule> = Vec::new();
    let mut rule = CorsRule::default();
    let mut max_age = None;
    xml::read(body, |path, text| match path {
        "CORSConfiguration/CORSRule/ID" => xml::set(&mut rule.id, name(text)?),
        "CORSConfiguration/CORSRule/AllowedOrigin" => add(&mut rule.allowed_origins, name(text)?),
        "CORSConfiguration/CORSRule/AllowedMethod" => add(&mut rule.allowed_methods, method(text.trim())?),
        "CORSConfiguration/CORSRule/AllowedHeader" => add(&mut rule.allowed_headers, name(text)?),
        "CORSConfiguration/CORSRule/ExposeHeader" => add(&mut rule.expose_headers, name(text)?),
        "CORSConfiguration/CORSRule/MaxAgeSeconds" => xml::set(&mut max_age, text),
        "CORSConfiguration/CORSRule" if rules.len() == CORS_RULES_MAX => Err("has more than 100 CORS rules"),
        "CORSConfiguration/CORSRule" => {
            let seconds = max_age.take().map(|text: String| text.trim().parse().map_err(|_| "has a malformed age"));
            rule.max_age_s = seconds.transpose()?;
            rules.push(std::mem::take(&mut rule));
            Ok(())
        }
        "CORSConfiguration" => Ok(()),
        path if path.starts_with("CORSConfiguration/") => Ok(()),
        _ => Err("is no CORSConfiguration"),
    })?;
    Ok(rules)
}

fn add<T>(list: &mut Vec<T>, entry: T) -> Result<(), Refusal> {
    if list.len() == NAMES_MAX {
        return Err("has more than 100 entries in a CORS rule");
    }
    list.push(entry);
    Ok(())
}

fn name(text: String) -> Result<String, Refusal> {
    let good = text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    if good { Ok(text) } else { Err("has a malformed entry in a CORS rule") }
}

fn method(text: &str) -> Result<Method, Refusal> {
    let methods = [Method::Get, Method::Head, Method::Put, Method::Post, Method::Delete];
    methods.into_iter().find(|method| method.as_str() == text).ok_or("has an unknown method in a CORS rule")
}
