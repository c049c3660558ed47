//! Any answer to any call: read without a panic, and a refusal's words stay short and printable whatever the server wrote.
#![no_main]

use bytes::Bytes;
use tidelock_core::s3::{Answer, Call, Condition, ETag, EtagQuoting, Failure, Response, Retry, StoreUri};
use tidelock_fuzz::input::Input;

const STATUSES: [u16; 24] = [
    200, 404, 206, 304, 403, 412, 409, 503, 400, 301, 500, 501, 416, 429, 408, 401, 204, 201, 307, 302, 505, 100, 0,
    999,
];
const HEADERS: [&str; 10] = [
    "etag",
    "date",
    "content-length",
    "content-type",
    "content-range",
    "retry-after",
    "last-modified",
    "location",
    "x-amz-bucket-region",
    "ETag",
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let stores = ["s3://bucket/pre?region=eu-1&endpoint=localhost", "s3://bucket", "file:///store"];
    let store: StoreUri = input.pick(&stores).parse().expect("a store");
    let call = call(&mut input);
    let status = *input.pick(&STATUSES);
    let headers = (0..input.below(4)).map(|_| ((*input.pick(&HEADERS)).to_owned(), input.text())).collect();
    let response = Response { status, headers, body: Bytes::copy_from_slice(input.rest()) };
    match call.interpret(&store, &response) {
        Ok(answer) => check(&call, &response, &answer),
        Err(Failure { error, retry }) => {
            let said = format!("{error} {}", error.hint().unwrap_or_default());
            assert!(said.len() < 1000 && !said.contains(char::is_control), "a server's words go too far: {said:?}");
            let again = match (retry, &store) {
                (Retry::Region(region), StoreUri::S3(s3)) => {
                    let mut elsewhere = s3.clone();
                    elsewhere.set_region(&region).expect("a region that may be set");
                    assert_ne!(elsewhere, *s3);
                    StoreUri::S3(elsewhere)
                }
                _ => store,
            };
            call.request(&again, None, 0, EtagQuoting::Unquoted).expect("the call can be made again");
        }
    }
});

fn call(input: &mut Input<'_>) -> Call {
    let key = "spaces/x".to_owned();
    let etag = || ETag::new("\"1\"").expect("an ETag");
    match input.below(12) {
        0 => Call::GetObject { key, if_none_match: None, range: None, body_max: 100 },
        1 => Call::GetObject { key, if_none_match: Some(etag()), range: None, body_max: 100 },
        2 => {
            let (first, more) = (input.number(), input.number());
            let last = first.saturating_add(more);
            Call::GetObject { key, if_none_match: None, range: Some((first, last)), body_max: 100 }
        }
        3 => Call::HeadObject { key },
        4 => Call::PutObject { key, body: Bytes::new(), condition: Condition::Always },
        5 => Call::PutObject { key, body: Bytes::new(), condition: Condition::IfAbsent },
        6 => Call::PutObject { key, body: Bytes::new(), condition: Condition::IfMatch(etag()) },
        7 => Call::DeleteObject { key },
        8 => Call::DeleteObjects { keys: vec![key, "spaces/y".to_owned()] },
        9 => Call::HeadBucket,
        _ => Call::ListObjectsV2 { prefix: "spaces/".into(), continuation: None, start_after: None, max_keys: 9 },
    }
}

/// What an answer may never say.
fn check(call: &Call, response: &Response, answer: &Answer) {
    match (call, answer) {
        (Call::GetObject { range, body_max, .. }, Answer::Object { body, .. }) => {
            assert!(body.len() as u64 <= *body_max && body.len() <= response.body.len());
            assert!(range.is_none_or(|(first, last)| body.len() as u64 <= (last - first).saturating_add(1)));
        }
        (Call::GetObject { if_none_match: Some(_), .. }, Answer::NotModified)
        | (Call::GetObject { .. } | Call::HeadObject { .. }, Answer::Missing)
        | (Call::HeadObject { .. }, Answer::Head { .. })
        | (Call::PutObject { .. }, Answer::Stored { .. } | Answer::Conflict)
        | (Call::PutObject { condition: Condition::IfAbsent | Condition::IfMatch(_), .. }, Answer::Refused)
        | (Call::DeleteObject { .. }, Answer::Deleted)
        | (Call::ListObjectsV2 { .. }, Answer::Listed { .. })
        | (Call::HeadBucket, Answer::Bucket) => {}
        (Call::DeleteObjects { keys }, Answer::DeletedMany { failed }) => {
            assert!(
                failed.len() <= keys.len() && failed.iter().all(|(key, code)| keys.contains(key) && code.len() <= 64)
            );
        }
        _ => panic!("{call:?} was answered by {answer:?}"),
    }
}
