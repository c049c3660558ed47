//! ListObjectsV2, and its older form ListObjects for servers that have no other: one page of keys, read with bounds.

use super::call::{KEYS_PER_LIST_MAX, LIST_BODY_BYTES_MAX};
use super::etag::ETag;
use super::uri::{KEY_BYTES_MAX, StoreUri};
use super::xml::{self, Refusal};
use crate::{Error, ErrorKind};
use percent_encoding::percent_decode_str;

/// More than any server puts in a page (S3: 1,000).
pub(super) const ENTRIES_MAX: usize = 10_000;
/// Continuation tokens come back as a URL parameter.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// A date and time with room to spare.
pub(super) const LAST_MODIFIED_BYTES_MAX: usize = 64;

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

/// A page that goes on, and doesn't say how in the form of version 2: the server knows the first only.
pub(super) const WITHOUT_TOKEN: Refusal = "goes on without a token";

/// Which page was asked for.
#[derive(Clone, Copy)]
pub(super) enum After<'a> {
    /// By version 2, with this token.
    Token(Option<&'a str>),
    /// By version 1, with this marker.
    Marker(Option<&'a str>),
}

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) entries: Vec<ListEntry>,
    /// What keys were rolled up into, relative to the store's prefix; none without a delimiter.
    pub(super) prefixes: Vec<String>,
    pub(super) next: Option<String>,
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

/// Reads the page that answers a listing of `prefix`.
pub(super) fn page(store: &StoreUri, prefix: &str, asked: After<'_>, body: &[u8]) -> Result<Page, Refusal> {
    check_len(body)?;
    let mut all: Vec<Contents> = Vec::new();
    let mut common: Vec<String> = Vec::new();
    let mut current = Contents::default();
    let (mut encoding, mut truncated, mut token, mut marker) = (None, None, None, None);
    xml::read(body, |path, text| match path {
        "ListBucketResult/Contents/Key" => xml::set(&mut current.key, text),
        "ListBucketResult/Contents/Size" => xml::set(&mut current.size, text),
        "ListBucketResult/Contents/ETag" => xml::set(&mut current.etag, text),
        "ListBucketResult/Contents/LastModified" => xml::set(&mut current.last_modified, text),
        "ListBucketResult/Contents" if all.len() == ENTRIES_MAX => Err("lists more than 10,000 keys"),
        "ListBucketResult/Contents" => {
            all.push(std::mem::take(&mut current));
            Ok(())
        }
        "ListBucketResult/CommonPrefixes/Prefix" if common.len() == ENTRIES_MAX => {
            Err("lists more than 10,000 prefixes")
        }
        "ListBucketResult/CommonPrefixes/Prefix" => {
            common.push(text);
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
    let mut entries = Vec::with_capacity(all.len());
    let mut last = None;
    for mut contents in all {
        let key = decoded_key(url_encoded, contents.key.take().ok_or("lacks a key")?)?;
        entries.extend(entry(store, prefix, &key, contents)?);
        last = Some(key);
    }
    let mut prefixes = Vec::with_capacity(common.len());
    for full in common {
        let full = decoded_key(url_encoded, full)?;
        let own = store.relative_key(&full).filter(|own| own.starts_with(prefix)).ok_or("names a foreign prefix")?;
        prefixes.push(own.to_owned());
        last = last.max(Some(full));
    }
    let next = match asked {
        After::Token(token_before) => next_token(token_before, truncated.as_deref(), token)?,
        After::Marker(before) => {
            let named = marker.filter(|marker| !marker.is_empty());
            let named = named.map(|marker| decoded_key(url_encoded, marker)).transpose()?;
            // Servers may leave it to the caller to take what the page ends with.
            next_marker(before, truncated.as_deref(), named.or(last))?
        }
    };
    Ok(Page { entries, prefixes, next })
}

/// The marker of the page after. `None` after the last page.
fn next_marker(
    before: Option<&str>,
    truncated: Option<&str>,
    marker: Option<String>,
) -> Result<Option<String>, Refusal> {
    match (is_truncated(truncated)?, marker) {
        (Some(false) | None, _) => Ok(None),
        // Keys come in order: whoever goes back never ends.
        (Some(true), Some(marker)) if before.is_some_and(|before| marker.as_str() <= before) => {
            Err("goes on with the same page again")
        }
        (Some(true), Some(marker)) => Ok(Some(marker)),
        (Some(true), None) => Err("goes on without a key"),
    }
}

/// Before a listing's document is read.
pub(super) fn check_len(body: &[u8]) -> Result<(), Refusal> {
    if body.len() as u64 > LIST_BODY_BYTES_MAX { Err("is larger than any listing") } else { Ok(()) }
}

/// A time in a listing, if it may be one.
pub(super) fn possible_time(time: Option<String>) -> Option<String> {
    time.filter(|time| !time.is_empty() && time.len() <= LAST_MODIFIED_BYTES_MAX)
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

fn entry(store: &StoreUri, prefix: &str, key: &str, contents: Contents) -> Result<Option<ListEntry>, Refusal> {
    let key = store.relative_key(key).filter(|key| key.starts_with(prefix)).ok_or("names a foreign key")?;
    if key.is_empty() {
        // Consoles mark a folder by an empty object named `prefix/`.
        return Ok(None);
    }
    let size = contents.size.ok_or("lacks a size")?.parse().map_err(|_| "has a malformed size")?;
    let last_modified = possible_time(contents.last_modified);
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
        (Some(true), None) => Err(WITHOUT_TOKEN),
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
