//! ListObjectsV2, and its older form ListObjects for servers that have no other: one page of keys, read with bounds.

use super::call::{HttpRequest, KEYS_PER_LIST_MAX, LIST_BODY_BYTES_MAX, Method, RequestKind};
use super::etag::{ETag, EtagQuoting};
use super::failure::{Asked, Failure, no_answer, not_s3};
use super::uri::{KEY_BYTES_MAX, StoreUri};
use super::xml::{self, Refusal};
use super::{Action, Response};
use crate::{Error, ErrorKind};
use percent_encoding::percent_decode_str;

/// More than any server puts in a page (S3: 1,000).
pub(super) const ENTRIES_MAX: usize = 10_000;
/// Continuation tokens come back as a URL parameter.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// A date and time with room to spare.
pub(super) const LAST_MODIFIED_BYTES_MAX: usize = 64;

/// Lists one page of keys in the older form, which goes on after a key in place of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjects {
    /// What the keys begin with; may be empty or end within a part.
    pub prefix: String,
    /// The `next` of the page before: list only keys after it.
    pub marker: Option<String>,
    /// Keys a page, 1 to 1,000.
    pub max_keys: u32,
}

/// A page of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// The objects, in the server's order.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins, if there is one: only good for asking for it.
    pub next: Option<String>,
}

/// An object in a listing. Whoever may write to the bucket chose its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// The key, relative to the store's prefix: 1 to 1,024 bytes.
    pub key: String,
    /// Length in bytes.
    pub size: u64,
    /// Some servers leave it out, or its quotes.
    pub etag: Option<ETag>,
    /// As the server wrote it, in whole seconds or finer: only good for comparing with an earlier listing's.
    pub last_modified: Option<String>,
}

impl Action for ListObjects {
    type Answer = ListPage;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::List
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let mut parameters = parameters(store, &self.prefix, "max-keys", self.max_keys)?;
        if let Some(marker) = &self.marker {
            // A key of anybody's: it need not be one that could be written here.
            let marker = store.full_prefix(marker);
            if marker.len() > KEY_BYTES_MAX {
                return Err(Error::new(ErrorKind::Invalid, "a listing's marker is longer than a key"));
            }
            parameters.push(("marker", marker));
        }
        let mut request = HttpRequest::new(Method::Get, store.bucket_url(parameters));
        request.max_response_bytes = LIST_BODY_BYTES_MAX;
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<ListPage, Failure> {
        let asked = Asked {
            object: Some(self.prefix.as_str()).filter(|it| !it.is_empty()),
            ..Asked::bucket(store, Method::Get)
        };
        match response.status {
            200 => marked_page(store, &self.prefix, self.marker.as_deref(), &response.body)
                .map_err(|refusal| not_s3(&asked, refusal)),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

/// The parameters of every listing by prefix; `count` names the one for how much a page holds.
pub(super) fn parameters<'a>(
    store: &StoreUri,
    prefix: &str,
    count: &'a str,
    max: u32,
) -> Result<Vec<(&'a str, String)>, Error> {
    if !(1..=KEYS_PER_LIST_MAX).contains(&max) {
        return Err(Error::new(ErrorKind::Invalid, "a listing asks for no or more than 1,000 keys"));
    }
    let prefix = store.full_prefix(prefix);
    if prefix.len() > KEY_BYTES_MAX || prefix.chars().any(char::is_control) {
        return Err(Error::new(ErrorKind::Invalid, "a listing's prefix is no beginning of a key"));
    }
    // Keys with characters that XML can't hold would make the listing unreadable.
    let mut parameters = vec![("encoding-type", "url".to_owned()), (count, max.to_string())];
    if !prefix.is_empty() {
        parameters.push(("prefix", prefix));
    }
    Ok(parameters)
}

#[derive(Default)]
struct Contents {
    key: Option<String>,
    size: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What both forms of listing have.
struct Listing {
    /// Each with the key as it stands, decoded.
    contents: Vec<Contents>,
    url_encoded: bool,
    truncated: Option<String>,
    token: Option<String>,
    marker: Option<String>,
}

/// Reads the page that answers a ListObjectsV2 of `prefix`, asked for with the token `continuation`.
pub(super) fn page(
    store: &StoreUri,
    prefix: &str,
    continuation: Option<&str>,
    body: &[u8],
) -> Result<ListPage, Refusal> {
    let listing = read(body)?;
    let next = next_token(continuation, listing.truncated.as_deref(), listing.token)?;
    Ok(ListPage { entries: entries(store, prefix, listing.contents)?, next })
}

/// Reads the page that answers a ListObjects of `prefix`, asked for with `marker`.
fn marked_page(store: &StoreUri, prefix: &str, marker: Option<&str>, body: &[u8]) -> Result<ListPage, Refusal> {
    let mut listing = read(body)?;
    let next = match listing.marker.take().filter(|next| !next.is_empty()) {
        Some(next) => Some(decoded_key(listing.url_encoded, next)?),
        // Without a delimiter, servers leave it to the caller to take the last key.
        None => listing.contents.last().and_then(|last| last.key.clone()),
    };
    let entries = entries(store, prefix, listing.contents)?;
    let next = match is_truncated(listing.truncated.as_deref())? {
        None | Some(false) => None,
        Some(true) => {
            let next = next.ok_or("goes on without a marker")?;
            let next =
                store.relative_key(&next).filter(|key| key.starts_with(prefix)).ok_or("goes on with a foreign key")?;
            if marker == Some(next) {
                return Err("goes on with the same page again");
            }
            Some(next.to_owned())
        }
    };
    Ok(ListPage { entries, next })
}

fn read(body: &[u8]) -> Result<Listing, Refusal> {
    if body.len() as u64 > LIST_BODY_BYTES_MAX {
        return Err("is larger than any listing");
    }
    let mut contents: Vec<Contents> = Vec::new();
    let mut current = Contents::default();
    let (mut encoding, mut truncated, mut token, mut marker) = (None, None, None, None);
    xml::read(body, |path, text| match path {
        "ListBucketResult/Contents/Key" => xml::set(&mut current.key, text),
        "ListBucketResult/Contents/Size" => xml::set(&mut current.size, text),
        "ListBucketResult/Contents/ETag" => xml::set(&mut current.etag, text),
        "ListBucketResult/Contents/LastModified" => xml::set(&mut current.last_modified, text),
        "ListBucketResult/Contents" if contents.len() == ENTRIES_MAX => Err("lists more than 10,000 keys"),
        "ListBucketResult/Contents" => {
            contents.push(std::mem::take(&mut current));
            Ok(())
        }
        "ListBucketResult/EncodingType" => xml::set(&mut encoding, text),
        "ListBucketResult/IsTruncated" => xml::set(&mut truncated, text),
        "ListBucketResult/NextContinuationToken" => xml::set(&mut token, text),
        "ListBucketResult/NextMarker" => xml::set(&mut marker, text),
        "ListBucketResult" => Ok(()),
        path if path.starts_with("ListBucketResult/") => Ok(()),
        _ => Err("is no ListBucketResult"),
    })?;

    // It may come after the keys, so they are decoded only now.
    let url_encoded = is_url_encoded(encoding.as_deref())?;
    for contents in &mut contents {
        let key = contents.key.take().ok_or("lacks a key")?;
        contents.key = Some(decoded_key(url_encoded, key)?);
    }
    Ok(Listing { contents, url_encoded, truncated, token, marker })
}

/// What a listing says of how its keys are written.
pub(super) fn is_url_encoded(encoding: Option<&str>) -> Result<bool, Refusal> {
    match encoding {
        None | Some("") => Ok(false),
        Some("url") => Ok(true),
        Some(_) => Err("has an unknown encoding type"),
    }
}

pub(super) fn decoded_key(url_encoded: bool, key: String) -> Result<String, Refusal> {
    let key = if url_encoded { url_decoded(&key)? } else { key };
    match key.len() <= KEY_BYTES_MAX {
        true => Ok(key),
        false => Err("has a key longer than 1,024 bytes"),
    }
}

/// `None` where it isn't said: some servers leave `IsTruncated` out where nothing follows.
pub(super) fn is_truncated(truncated: Option<&str>) -> Result<Option<bool>, Refusal> {
    match truncated {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err("says neither `true` nor `false` for IsTruncated"),
    }
}

fn entries(store: &StoreUri, prefix: &str, all: Vec<Contents>) -> Result<Vec<ListEntry>, Refusal> {
    let mut entries = Vec::with_capacity(all.len());
    for contents in all {
        entries.extend(entry(store, prefix, contents)?);
    }
    Ok(entries)
}

fn entry(store: &StoreUri, prefix: &str, contents: Contents) -> Result<Option<ListEntry>, Refusal> {
    let key = contents.key.ok_or("lacks a key")?;
    let key = store.relative_key(&key).filter(|key| key.starts_with(prefix)).ok_or("names a foreign key")?;
    if key.is_empty() {
        // Consoles mark a folder by an empty object named `prefix/`.
        return Ok(None);
    }
    let size = contents.size.ok_or("lacks a size")?.parse().map_err(|_| "has a malformed size")?;
    let last_modified = contents.last_modified.filter(|time| !time.is_empty() && time.len() <= LAST_MODIFIED_BYTES_MAX);
    Ok(Some(ListEntry { key: key.to_owned(), size, etag: contents.etag.and_then(ETag::new), last_modified }))
}

/// `None` after the last page.
pub(super) fn next_token(
    continuation: Option<&str>,
    truncated: Option<&str>,
    token: Option<String>,
) -> Result<Option<String>, Refusal> {
    let token = token.filter(|token| !token.is_empty());
    match (is_truncated(truncated)?, token) {
        (Some(false), _) | (None, None) => Ok(None),
        (Some(true), None) => Err("goes on without a token"),
        (Some(true) | None, Some(token)) => {
            if token.len() > TOKEN_BYTES_MAX {
                return Err("has a token longer than 8 KiB");
            }
            if continuation == Some(token.as_str()) {
                return Err("goes on with the same page again");
            }
            Ok(Some(token))
        }
    }
}

/// The form encoding of `encoding-type=url`: `+` is a space.
fn url_decoded(text: &str) -> Result<String, Refusal> {
    let escapes_are_whole = text
        .split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    if !escapes_are_whole {
        return Err("has a key with a malformed escape");
    }
    let spaced = text.replace('+', " ");
    Ok(percent_decode_str(&spaced).decode_utf8().map_err(|_| "has a key that is not UTF-8")?.into_owned())
}
