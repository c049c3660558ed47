//! ListObjectsV2 and ListObjects for plain objects: pages of keys, rolled up at a delimiter where one is given.

use super::Action;
use super::answer::Response;
use super::call::{HttpRequest, LIST_BODY_BYTES_MAX, Method, RequestKind};
use super::etag::EtagQuoting;
use super::failure::{Asked, Failure, OtherForm, Retry, no_answer, unreadable};
use super::list::{self, After, ListEntry};
use super::uri::StoreUri;
use crate::{Error, ErrorKind};

/// Lists one page of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjectsV2 {
    /// What the keys begin with; may be empty or end within a part.
    pub prefix: String,
    /// Keys that have it after `prefix` are rolled up into one entry, up to and with it: 1 to 16 bytes.
    pub delimiter: Option<String>,
    /// The `next` of the page before.
    pub continuation: Option<String>,
    /// Entries a page, 1 to 1,000.
    pub max_keys: u32,
    /// Whether to ask for URL-encoded keys: XML can't hold all others. Without, a server that only says it encodes shows
    /// itself: [`ObjectsPage::is_unproven`].
    pub encoded: bool,
}

/// The same by the first version of the request: after [`Retry::ListV1`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjects {
    /// As in [`ListObjectsV2`].
    pub prefix: String,
    /// As in [`ListObjectsV2`].
    pub delimiter: Option<String>,
    /// The `next` of the page before.
    pub marker: Option<String>,
    /// Entries a page, 1 to 1,000.
    pub max_keys: u32,
    /// As in [`ListObjectsV2`].
    pub encoded: bool,
}

/// A page of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsPage {
    /// The objects, in the server's order.
    pub objects: Vec<ListEntry>,
    /// What other keys were rolled up into, each ending with the delimiter; relative to the store's prefix.
    pub prefixes: Vec<String>,
    /// The `continuation` or `marker` of the next page, if there is one.
    pub next: Option<String>,
    /// The server says that keys are URL-encoded, and they were decoded; but none of them shows whether it is so. The same page
    /// without [`encoded`](ListObjectsV2::encoded) tells.
    pub is_unproven: bool,
}

impl Action for ListObjectsV2 {
    type Answer = ObjectsPage;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::List
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let further = [("list-type", Some("2")), ("continuation-token", self.continuation.as_deref())];
        let parameters = parameters(store, &self.prefix, self.max_keys, self.encoded)?;
        request(store, parameters, self.delimiter.as_deref(), further)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<ObjectsPage, Failure> {
        let asked = Asked { other_form: OtherForm::ListV1, ..asked(store, &self.prefix) };
        page(&asked, store, &self.prefix, After::Token(self.continuation.as_deref()), response)
    }
}

impl Action for ListObjects {
    type Answer = ObjectsPage;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::List
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let further = [("marker", self.marker.as_deref()), ("", None)];
        let parameters = parameters(store, &self.prefix, self.max_keys, self.encoded)?;
        request(store, parameters, self.delimiter.as_deref(), further)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<ObjectsPage, Failure> {
        page(&asked(store, &self.prefix), store, &self.prefix, After::Marker(self.marker.as_deref()), response)
    }
}

fn parameters(
    store: &StoreUri,
    prefix: &str,
    max_keys: u32,
    encoded: bool,
) -> Result<Vec<(&'static str, String)>, Error> {
    match encoded {
        true => list::parameters(store, prefix, "max-keys", max_keys),
        false => list::plain_parameters(store, prefix, "max-keys", max_keys),
    }
}

fn request<'a>(
    store: &StoreUri,
    mut parameters: Vec<(&'a str, String)>,
    delimiter: Option<&str>,
    further: [(&'a str, Option<&str>); 2],
) -> Result<HttpRequest, Error> {
    if let Some(delimiter) = delimiter {
        if !(1..=16).contains(&delimiter.len()) || delimiter.chars().any(char::is_control) {
            return Err(Error::new(ErrorKind::Invalid, "a listing's delimiter is not 1 to 16 bytes of text"));
        }
        parameters.push(("delimiter", delimiter.to_owned()));
    }
    parameters.extend(further.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))));
    let mut request = HttpRequest::new(Method::Get, store.bucket_url(parameters));
    request.max_response_bytes = LIST_BODY_BYTES_MAX;
    Ok(request)
}

fn asked<'a>(store: &'a StoreUri, prefix: &'a str) -> Asked<'a> {
    Asked { object: Some(prefix).filter(|prefix| !prefix.is_empty()), ..Asked::bucket(store, Method::Get) }
}

fn page(
    asked: &Asked<'_>,
    store: &StoreUri,
    prefix: &str,
    after: After<'_>,
    response: &Response,
) -> Result<ObjectsPage, Failure> {
    if response.status != 200 {
        return Err(no_answer(asked, response));
    }
    match list::page(store, prefix, after, &response.body) {
        Ok(list::Page { entries: objects, prefixes, next, is_unproven }) => {
            Ok(ObjectsPage { objects, prefixes, next, is_unproven })
        }
        Err(page) if page.why == list::WITHOUT_TOKEN && asked.other_form == OtherForm::ListV1 => {
            Err(Failure { retry: Retry::ListV1, ..unreadable(asked, page) })
        }
        Err(page) => Err(unreadable(asked, page)),
    }
}
