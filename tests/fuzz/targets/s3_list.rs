//! Listings: every entry within its bounds and below the prefix, and the same page again when it is written anew.
#![no_main]

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tidelock_core::s3::{Action, Answer, Call, EtagQuoting, KEY_BYTES_MAX, ListEntry, Response, StoreUri};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((form, body)) = bytes.split_first() else { return };
    let stores = ["file:///store", "s3://bucket", "s3://bucket/pre?endpoint=localhost"];
    let store: StoreUri = stores[usize::from(form % 3)].parse().expect("a store");
    let prefix = if form & 0x40 == 0 { "spaces/" } else { "" };
    let call = |continuation: Option<String>| Call::ListObjectsV2 {
        prefix: prefix.to_owned(),
        continuation,
        start_after: None,
        max_keys: 1000,
    };
    let asked = call((form & 0x80 != 0).then(|| "a token".to_owned()));
    let page = |body: Vec<u8>| {
        let response = Response { status: 200, headers: Vec::new(), body: body.into() };
        match asked.interpret(&store, &response) {
            Ok(Answer::Listed { entries, next }) => Some((entries, next)),
            Ok(other) => panic!("a listing was read as {other:?}"),
            Err(_) => None,
        }
    };
    let Some((entries, next)) = page(body.to_vec()) else { return };
    assert!(entries.len() <= 10_000);
    for ListEntry { key, etag, last_modified, .. } in &entries {
        assert!((1..=KEY_BYTES_MAX).contains(&key.len()) && key.starts_with(prefix));
        assert!(etag.as_ref().is_none_or(|etag| etag.as_str().bytes().all(|byte| byte.is_ascii_graphic())));
        assert!(last_modified.as_ref().is_none_or(|time| (1..=64).contains(&time.len())));
    }
    if let Some(token) = &next {
        assert!((1..=8192).contains(&token.len()) && (form & 0x80 == 0 || token != "a token"));
        call(next.clone()).request(&store, None, 0, EtagQuoting::Quoted).expect("a token goes into a URL");
    }
    let full = if form % 3 == 2 { "pre/" } else { "" };
    assert_eq!(page(written(full, &entries, next.as_deref()).into_bytes()), Some((entries, next)));
});

/// The page as a server writes it that encodes keys.
fn written(full: &str, entries: &[ListEntry], next: Option<&str>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut xml = "<ListBucketResult><EncodingType>url</EncodingType>".to_owned();
    for entry in entries {
        let key = encoded(&format!("{full}{}", entry.key));
        xml += &format!("<Contents><Key>{key}</Key><Size>{}</Size>", entry.size);
        if let Some(etag) = &entry.etag {
            xml += &format!("<ETag>{}</ETag>", escaped(etag.as_str()));
        }
        if let Some(time) = &entry.last_modified {
            xml += &format!("<LastModified>{}</LastModified>", escaped(time));
        }
        xml += "</Contents>";
    }
    xml += &format!("<IsTruncated>{}</IsTruncated>", next.is_some());
    if let Some(token) = next {
        xml += &format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(token));
    }
    xml + "</ListBucketResult>"
}

/// Every character by number, so that white space stays what it is; but those that XML has no number for.
fn escaped(text: &str) -> String {
    let has_none =
        |character: char| character < ' ' && !"\t\n\r".contains(character) || "\u{fffe}\u{ffff}".contains(character);
    let written =
        |character| if has_none(character) { character.to_string() } else { format!("&#{};", u32::from(character)) };
    text.chars().map(written).collect()
}
