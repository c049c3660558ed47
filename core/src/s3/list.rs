//! ListObjectsV2, and its older form ListObjects for servers that have no other: one page of keys, read with bounds.
//!
//! Keys are asked for URL-encoded: XML can't hold all of them. Some servers say that they encode keys and write them as they
//! are. A key that no encoder writes gives such a server away; where each key could be either, [`Page::is_unproven`] says so.

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
    /// The server says that keys are URL-encoded, and they were decoded; none of them shows whether it is so.
    pub(super) is_unproven: bool,
}

/// Why a page can't be read, and the key that it is about, as the server wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) why: Refusal,
    pub(super) key: Option<String>,
}

impl From<Refusal> for Unreadable {
    fn from(why: Refusal) -> Self {
        Self { why, key: None }
    }
}

/// How the keys of a page are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Plain,
    Encoded { is_unproven: bool },
}

/// The parameters of every listing by prefix; `count` names the one for how much a page holds.
pub(super) fn parameters<'a>(
    store: &StoreUri,
    prefix: &str,
    count: &'a str,
    max: u32,
) -> Result<Vec<(&'a str, String)>, Error> {
    // Keys with characters that XML can't hold would make the listing unreadable.
    let mut parameters = plain_parameters(store, prefix, count, max)?;
    parameters.push(("encoding-type", "url".to_owned()));
    Ok(parameters)
}

/// The same, for keys as they are.
pub(super) fn plain_parameters<'a>(
    store: &StoreUri,
    prefix: &str,
    count: &'a str,
    max: u32,
) -> Result<Vec<(&'a str, String)>, Error> {
    if !(1..=KEYS_PER_LIST_MAX).contains(&max) {
        return Err(Error::new(ErrorKind::Invalid, "a listing asks for no or more than 1,000 keys"));
    }
    let prefix = store.full_prefix(prefix);
    if prefix.len() > KEY_BYTES_MAX {
        return Err(Error::new(ErrorKind::Invalid, "a listing's prefix is no beginning of a key"));
    }
    let mut parameters = vec![(count, max.to_string())];
    if !prefix.is_empty() {
        parameters.push(("prefix", prefix));
    }
    Ok(parameters)
}

/// What a page may have beside its keys: its own properties, with a token of 8 KiB.
const PAGE_BYTES: usize = 64 << 10;
/// What a page may have for each key: 1,024 bytes, each escaped, and the object's properties.
const BYTES_PER_KEY: usize = 4 << 10;

#[derive(Default)]
struct Contents {
    key: Option<String>,
    size: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// Reads the page that answers a listing of `prefix`.
pub(super) fn page(store: &StoreUri, prefix: &str, asked: After<'_>, body: &[u8]) -> Result<Page, Unreadable> {
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

    if body.len() > PAGE_BYTES + BYTES_PER_KEY * (all.len() + common.len()) && !weakened!(ListingUnbounded) {
        return Err(Unreadable::from("has more text than its keys account for"));
    }
    // It may come after the keys, so they are decoded only now.
    let names = all.iter().filter_map(|contents| contents.key.as_deref()).chain(common.iter().map(String::as_str));
    let written = written(encoding.as_deref(), names, &store.full_prefix(prefix))?;
    let mut entries = Vec::with_capacity(all.len());
    let mut last = None;
    for mut contents in all {
        let key = read_key(written, contents.key.take().ok_or("lacks a key")?)?;
        entries.extend(entry(store, prefix, &key, contents).map_err(|why| about(why, &key))?);
        last = Some(key);
    }
    let mut prefixes = Vec::with_capacity(common.len());
    for full in common {
        let full = read_key(written, full)?;
        let own = store.relative_key(&full).filter(|own| own.starts_with(prefix));
        prefixes.push(own.ok_or_else(|| about("names a foreign prefix", &full))?.to_owned());
        last = last.max(Some(full));
    }
    let next = match asked {
        After::Token(token_before) => next_token(token_before, truncated.as_deref(), token)?,
        After::Marker(before) => {
            let named = marker.filter(|marker| !marker.is_empty());
            let named = named.map(|marker| read_key(written, marker)).transpose()?;
            // Servers may leave it to the caller to take what the page ends with.
            next_marker(before, truncated.as_deref(), named.or(last))?
        }
    };
    Ok(Page { entries, prefixes, next, is_unproven: written == Written::Encoded { is_unproven: true } })
}

fn about(why: Refusal, key: &str) -> Unreadable {
    Unreadable { why, key: Some(key.chars().take(KEY_BYTES_MAX).collect()) }
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

/// How the keys of a page are written, by what the server says and by the keys themselves.
pub(super) fn written<'a>(
    said: Option<&str>,
    keys: impl Iterator<Item = &'a str>,
    full_prefix: &str,
) -> Result<Written, Refusal> {
    match said {
        None | Some("") => return Ok(Written::Plain),
        Some("url") => {}
        Some(_) => return Err("has an unknown encoding type"),
    }
    let (mut is_proven, mut is_unproven) = (false, false);
    for key in keys {
        match url_decoded(key) {
            // Every encoder escapes these.
            _ if !key.bytes().all(|byte| byte.is_ascii_graphic()) => return Ok(Written::Plain),
            Some(decoded) if decoded == key => {}
            // The prefix is known: one of the two readings may be no answer at all.
            Some(decoded) if decoded.starts_with(full_prefix) => match key.starts_with(full_prefix) {
                true => is_unproven = true,
                false => is_proven = true,
            },
            _ => return Ok(Written::Plain),
        }
    }
    Ok(Written::Encoded { is_unproven: is_unproven && !is_proven })
}

/// The key that a page's text stands for.
pub(super) fn read_key(written: Written, text: String) -> Result<String, Unreadable> {
    let key = match written {
        Written::Plain => text,
        Written::Encoded { .. } => {
            url_decoded(&text).ok_or_else(|| about("has a key with a malformed escape", &text))?
        }
    };
    match key.len() <= KEY_BYTES_MAX {
        true => Ok(key),
        false => Err(about("has a key longer than 1,024 bytes", &key)),
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

/// The form encoding of `encoding-type=url`: `+` is a space. `None` if no encoder writes such a text.
fn url_decoded(text: &str) -> Option<String> {
    let escapes_are_whole = text
        .split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    escapes_are_whole.then(|| decoded.into_owned())
}
