//! What a client asks: one request to the bucket, described.

use crate::Refusal;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidelock_core::Error;
use tidelock_core::s3::{Action, Call, EtagQuoting, HttpRequest, Method, StoreUri};

/// All but the unreserved characters of RFC 3986, as a signature wants it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request to sign.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) method: String,
    /// The whole key in the bucket; empty for a listing.
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) query: BTreeMap<String, String>,
    /// To be bound by the signature.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The body's length in bytes.
    #[serde(default)]
    pub(crate) content_length: u64,
}

impl Question {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body).map_err(|error| Refusal::bad(format!("the question is malformed: {error}")))
    }

    /// The request, unsigned, once it is found good.
    pub(crate) fn request(&self, store: &StoreUri) -> Result<HttpRequest, Error> {
        let place = match self.key.as_str() {
            "" => Call::HeadBucket,
            key => Call::HeadObject { key: key.to_owned() },
        };
        let mut request = Action::unsigned(&place, store, EtagQuoting::Quoted)?;
        request.method = match self.method.as_str() {
            "HEAD" => Method::Head,
            "PUT" => Method::Put,
            "POST" => Method::Post,
            "DELETE" => Method::Delete,
            _ => Method::Get,
        };
        for (index, (name, value)) in self.query.iter().enumerate() {
            let (name, value) = (utf8_percent_encode(name, ENCODED), utf8_percent_encode(value, ENCODED));
            request.url.push_str(&format!("{}{name}={value}", if index == 0 { '?' } else { '&' }));
        }
        request.headers = self.headers.clone().into_iter().collect();
        if matches!(request.method, Method::Put | Method::Post) {
            request.headers.push(("content-length".to_owned(), self.content_length.to_string()));
        }
        Ok(request)
    }
}
