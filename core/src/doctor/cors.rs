//! What a web page may do: a preflight, and the answers to requests with an origin, as the Fetch Standard reads them
//! (<https://fetch.spec.whatwg.org/#http-cors-protocol>). Pages send their keys in headers, so never "with credentials".

use crate::s3::{HttpRequest, Method, Response};

/// The methods a vault uses; DeleteObjects is the POST.
pub(super) const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];
/// The headers of its requests that a page must be allowed to set.
pub(super) const HEADERS: [&str; 9] = [
    "authorization",
    "content-md5",
    "content-type",
    "if-match",
    "if-none-match",
    "range",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];
/// The headers of answers that it must be able to read. Polls cost a whole GET without the first, a wrong clock can't be
/// corrected without the second, the third is obeyed, and support asks for the last.
pub(super) const EXPOSED: [&str; 4] = ["etag", "date", "retry-after", "x-amz-request-id"];

/// The method that the preflight asks for: some servers name no other in their answer.
const ASKED: &str = "PUT";
/// Longer lists of names are read no further.
const NAMES_MAX: usize = 200;

/// What a web page may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Whether a preflight lets the page send requests at all.
    pub preflight: Option<bool>,
    /// Whether the page may read answers.
    pub readable: Option<bool>,
    /// Whether it may read refusals; else it takes them for a broken network.
    pub refusals_readable: Option<bool>,
    /// Methods that the preflight leaves out.
    pub missing_methods: Vec<&'static str>,
    /// Request headers that it leaves out.
    pub missing_headers: Vec<&'static str>,
    /// Headers of answers that are hidden from the page.
    pub hidden_headers: Vec<&'static str>,
    /// For how many seconds a browser remembers the preflight.
    pub max_age_s: Option<u32>,
}

impl Cors {
    /// Whether a page can run a vault.
    pub fn is_usable(&self) -> bool {
        let is_open = self.preflight != Some(false) && self.readable != Some(false);
        is_open && self.missing_methods.is_empty() && self.missing_headers.is_empty()
    }

    /// The answer to the preflight.
    pub(super) fn take_preflight(&mut self, origin: &str, response: &Response) {
        let is_ok = (200..=299).contains(&response.status) && lets_in(origin, response);
        self.preflight = Some(is_ok);
        if !is_ok {
            return;
        }
        let methods = names(response, "access-control-allow-methods");
        // A server that names only the method it was asked for says nothing of the others.
        let names_others = methods.iter().any(|name| !name.eq_ignore_ascii_case(ASKED));
        let asked = METHODS.iter().filter(|method| names_others || **method == ASKED);
        self.missing_methods = asked.filter(|method| !has(&methods, method)).copied().collect();
        let headers = names(response, "access-control-allow-headers");
        self.missing_headers = HEADERS
            .iter()
            // `*` never stands for this one.
            .filter(|name| match **name {
                "authorization" => !headers.iter().any(|header| header.eq_ignore_ascii_case("authorization")),
                name => !has(&headers, name),
            })
            .copied()
            .collect();
        self.max_age_s = response.header("access-control-max-age").and_then(|seconds| seconds.trim().parse().ok());
    }

    /// The answer to a GET with keys.
    pub(super) fn take_answer(&mut self, origin: &str, response: &Response) {
        self.readable = Some(lets_in(origin, response));
        let exposed = names(response, "access-control-expose-headers");
        self.hidden_headers = EXPOSED.iter().filter(|name| !has(&exposed, name)).copied().collect();
    }

    /// The answer to one without keys.
    pub(super) fn take_refusal(&mut self, origin: &str, response: &Response) {
        if response.status >= 400 {
            self.refusals_readable = Some(lets_in(origin, response));
        }
    }
}

/// The question a browser asks before it sends a page's PUT.
pub(super) fn preflight(mut request: HttpRequest, origin: &str) -> HttpRequest {
    request.method = Method::Options;
    request.headers = vec![
        ("origin".to_owned(), origin.to_owned()),
        ("access-control-request-method".to_owned(), ASKED.to_owned()),
        ("access-control-request-headers".to_owned(), HEADERS.join(",")),
    ];
    request
}

/// An origin as browsers write it: `https://host` or `https://host:port`.
pub(super) fn is_origin(text: &str) -> bool {
    let Some((scheme @ ("http" | "https"), authority)) = text.split_once("://") else { return false };
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]_".contains(&b);
    let has_port_of_scheme = authority.ends_with(if scheme == "https" { ":443" } else { ":80" });
    (1..=255).contains(&authority.len()) && authority.bytes().all(is_plain) && !has_port_of_scheme
}

fn lets_in(origin: &str, response: &Response) -> bool {
    matches!(response.header("access-control-allow-origin").map(str::trim), Some(allowed) if allowed == "*" || allowed == origin)
}

/// The names in a header, which may come more than once.
fn names(response: &Response, header: &str) -> Vec<String> {
    let lines = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(header));
    lines.flat_map(|(_, value)| value.split(',')).take(NAMES_MAX).map(|name| name.trim().to_owned()).collect()
}

fn has(names: &[String], wanted: &str) -> bool {
    names.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(wanted))
}
