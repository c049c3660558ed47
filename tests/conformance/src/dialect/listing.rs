//! One page of a bucket's keys, in either version of the listing.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html> and `API_ListObjectsV2.html` there.

use super::objects::{self, Asked, Object, Reply};
use super::profiles::{ListedEtags, Listings, Rules};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

/// What `encoding-type=url` leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/');

/// Tokens mean nothing to clients: this one shows who takes it apart.
const TOKEN: &str = "after=";

pub(super) fn page(objects: &BTreeMap<String, Object>, rules: &Rules, asked: &Asked) -> Reply {
    let wants_v2 = asked.query("list-type").is_some_and(|version| version == "2");
    let is_v2 = match rules.listings {
        Listings::Both => wants_v2,
        Listings::V1Only => false,
        Listings::V2Refused if wants_v2 => return Reply::error(501, "NotImplemented"),
        Listings::V2Refused => false,
    };
    let prefix = asked.query("prefix").unwrap_or_default();
    let after = match is_v2 {
        true => match asked.query("continuation-token") {
            Some(token) => match token.strip_prefix(TOKEN) {
                Some(key) => key.to_owned(),
                None => return Reply::error(400, "InvalidArgument"),
            },
            None => asked.query("start-after").unwrap_or_default(),
        },
        false => asked.query("marker").unwrap_or_default(),
    };
    let wanted = asked.query("max-keys").and_then(|many| many.parse().ok()).unwrap_or(1000);
    let is_encoded = asked.query("encoding-type").is_some_and(|encoding| encoding == "url");
    let shown_key = |key: &str| match is_encoded && !rules.only_claims_encoding {
        true => utf8_percent_encode(key, ESCAPED).to_string(),
        false => quick_xml::escape::escape(key).into_owned(),
    };

    let mut shown = objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix) && **key > after)
        .filter(|(key, _)| !(rules.hides_children && objects::has_parent(objects, key)));
    let page: Vec<_> = shown.by_ref().take(rules.page_max.min(wanted)).collect();
    let is_truncated = shown.next().is_some();
    if is_v2 && is_truncated && rules.v2_goes_nowhere {
        return Reply::error(500, "InternalError");
    }

    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>");
    let mut element = |name: &str, text: &str| xml.push_str(&format!("<{name}>{text}</{name}>"));
    element("IsTruncated", if is_truncated { "true" } else { "false" });
    if is_encoded {
        element("EncodingType", "url");
    }
    if let (true, true, Some((last, _))) = (is_v2, is_truncated, page.last()) {
        element("NextContinuationToken", &format!("{TOKEN}{}", quick_xml::escape::escape(last.as_str())));
    }
    // Version 1 names the next marker only where a delimiter was asked for: it is the last key.
    for (key, object) in page {
        let etag = match rules.listed_etags {
            ListedEtags::Quoted => format!("<ETag>{}</ETag>", quick_xml::escape::escape(object.etag(rules))),
            ListedEtags::Bare => format!("<ETag>{}</ETag>", object.etag(rules).trim_matches('"')),
            ListedEtags::None => String::new(),
        };
        let time = &object.last_modified;
        let (key, size) = (shown_key(key), object.body.len());
        element("Contents", &format!("<Key>{key}</Key><LastModified>{time}</LastModified>{etag}<Size>{size}</Size>"));
    }
    xml.push_str("</ListBucketResult>");
    Reply::xml(200, xml)
}
