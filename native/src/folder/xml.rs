//! The few XML documents of S3 that a folder writes and reads.

use super::{Entry, Fault, KEY_BYTES_MAX, Listing, PAGE_ENTRIES_MAX, token_of_key};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;
use std::fmt::Write;

/// What stays as it is under `encoding-type=url`, as S3 does it; a space becomes `%20`.
const URL_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The longest DeleteObjects document, in bytes: a thousand of the longest keys, each byte escaped as `&quot;` or `&#x7f;`.
const DELETE_BYTES_MAX: usize = 8 << 20;

/// What a listing was asked for, as far as the answer repeats it.
pub(super) struct Asked<'a> {
    pub(super) prefix: &'a str,
    pub(super) max_keys: u32,
    pub(super) url_encoded: bool,
}

/// The answer to ListObjectsV2.
pub(super) fn list_result(asked: &Asked<'_>, listing: &Listing) -> String {
    let mut xml = String::from("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    let name = |key: &str| {
        if asked.url_encoded { utf8_percent_encode(key, URL_ENCODED).to_string() } else { escape(key).into_owned() }
    };
    element(&mut xml, "Prefix", &name(asked.prefix));
    element(&mut xml, "KeyCount", &listing.entries.len().to_string());
    element(&mut xml, "MaxKeys", &asked.max_keys.to_string());
    if asked.url_encoded {
        element(&mut xml, "EncodingType", "url");
    }
    element(&mut xml, "IsTruncated", if listing.truncated { "true" } else { "false" });
    if let Some(last) = listing.entries.last().filter(|_| listing.truncated) {
        element(&mut xml, "NextContinuationToken", &token_of_key(&last.key));
    }
    for Entry { key, meta } in &listing.entries {
        xml.push_str("<Contents>");
        element(&mut xml, "Key", &name(key));
        element(&mut xml, "LastModified", &list_date(meta.modified_unix_ns));
        element(&mut xml, "ETag", &escape(meta.etag()));
        element(&mut xml, "Size", &meta.size.to_string());
        xml.push_str("<StorageClass>STANDARD</StorageClass></Contents>");
    }
    xml.push_str("</ListBucketResult>");
    xml
}

/// The answer to DeleteObjects: what failed and, unless asked to be quiet, what did not.
pub(super) fn delete_result(deleted: &[String], failed: &[(String, Fault)], quiet: bool) -> String {
    let mut xml = String::from("<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for key in deleted.iter().filter(|_| !quiet) {
        xml.push_str("<Deleted>");
        element(&mut xml, "Key", &escape(key.as_str()));
        xml.push_str("</Deleted>");
    }
    for (key, fault) in failed {
        xml.push_str("<Error>");
        element(&mut xml, "Key", &escape(key.as_str()));
        element(&mut xml, "Code", fault.code());
        element(&mut xml, "Message", &escape(fault.to_string()));
        xml.push_str("</Error>");
    }
    xml.push_str("</DeleteResult>");
    xml
}

/// An error document.
pub(super) fn error(code: &str, message: &str) -> String {
    let mut xml = String::from("<Error>");
    element(&mut xml, "Code", code);
    element(&mut xml, "Message", &escape(message));
    xml.push_str("</Error>");
    xml
}

/// The keys of a DeleteObjects document, at most a thousand, and whether it asks to be quiet.
pub(super) fn read_delete(body: &[u8]) -> Option<(Vec<String>, bool)> {
    if body.len() > DELETE_BYTES_MAX {
        return None;
    }
    let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let (mut keys, mut quiet) = (Vec::new(), false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                // Delete, Object, Key: nothing in it is deeper.
                if path.len() == 3 || (path.is_empty() && start.local_name().as_ref() != "Delete") {
                    return None;
                }
                path.push(start.local_name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => text.push(character),
                None => text.push_str(resolve_predefined_entity(&reference.xml10_content())?),
            },
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                match names.as_slice() {
                    ["Delete", "Quiet"] => quiet = text.trim() == "true",
                    ["Delete", "Object", "Key"] => {
                        if keys.len() == PAGE_ENTRIES_MAX as usize || text.len() > KEY_BYTES_MAX {
                            return None;
                        }
                        keys.push(std::mem::take(&mut text));
                    }
                    // There are no versions here, so a delete of one must not delete the object.
                    ["Delete", "Object", "VersionId"] => return None,
                    _ => {}
                }
                path.pop();
            }
            Event::DocType(_) => return None,
            Event::Eof => return (path.is_empty() && !keys.is_empty()).then_some((keys, quiet)),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// As listings have it, in ms.
fn list_date(unix_ns: i64) -> String {
    let time = Timestamp::from_millisecond(unix_ns.div_euclid(1_000_000)).unwrap_or_default();
    format!("{time:.3}")
}

fn element(xml: &mut String, name: &str, escaped: &str) {
    write!(xml, "<{name}>{escaped}</{name}>").expect("writing to a string can't fail");
}
