//! Any answer to any call: read without a panic, and a refusal's words stay short and printable whatever the server wrote.
#![no_main]

use bytes::Bytes;
use tidelock_core::s3::{
    AbortMultipartUpload, Action, Answer, AssumeRole, AssumeRoleWithWebIdentity, Call, CompleteMultipartUpload,
    Condition, CopyObject, CreateMultipartUpload, ETag, EtagQuoting, Failure, GetBucketCors, GetBucketLocation,
    GetObject, HeadObject, KEY_BYTES_MAX, ListBuckets, ListMultipartUploads, ListParts, Part, Properties,
    PutBucketCors, PutObject, Read, Response, Retry, Role, Server, StoreUri, UploadId, UploadPart,
};
use tidelock_fuzz::input::Input;

const STATUSES: [u16; 24] = [
    200, 404, 206, 304, 403, 412, 409, 503, 400, 301, 500, 501, 416, 429, 408, 401, 204, 201, 307, 302, 505, 100, 0,
    999,
];
const HEADERS: [&str; 13] = [
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
    "x-amz-meta-a",
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let stores = ["s3://bucket/pre?region=eu-1&endpoint=localhost", "s3://bucket", "file:///store"];
    let store: StoreUri = input.pick(&stores).parse().expect("a store");
    let which = input.below(26);
    let call = (which < 12).then(|| call(which, &mut input));
    let status = *input.pick(&STATUSES);
    let headers = (0..input.below(4)).map(|_| ((*input.pick(&HEADERS)).to_owned(), input.text())).collect();
    let response = Response { status, headers, body: Bytes::copy_from_slice(input.rest()) };
    match call {
        Some(call) => act(&call, &store, &response, |answer| check(&call, &response, answer)),
        None => others(which, &store, &response),
    }
});

/// Reads the response; an answer is checked, a failure must be fit to be shown, and its call to be made again.
fn act<A: Action>(action: &A, store: &StoreUri, response: &Response, check: impl Fn(&A::Answer)) {
    match action.interpret(store, response) {
        Ok(answer) => check(&answer),
        Err(failure) => {
            shown(&failure);
            let again = match (failure.retry, store) {
                (Retry::Region(region), StoreUri::S3(s3)) => {
                    let mut elsewhere = s3.clone();
                    elsewhere.set_region(&region).expect("a region that may be set");
                    assert_ne!(elsewhere, *s3);
                    StoreUri::S3(elsewhere)
                }
                _ => store.clone(),
            };
            action.request(&again, None, 0, EtagQuoting::Unquoted).expect("the call can be made again");
        }
    }
}

fn shown(Failure { error, .. }: &Failure) {
    let said = format!("{error} {}", error.hint().unwrap_or_default());
    assert!(said.len() < 1000 && !said.contains(char::is_control), "a server's words go too far: {said:?}");
}

fn call(which: usize, input: &mut Input<'_>) -> Call {
    let key = "spaces/x".to_owned();
    let etag = || ETag::new("\"1\"").expect("an ETag");
    match which {
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

/// The actions that are no vault's.
fn others(which: usize, store: &StoreUri, response: &Response) {
    let key = || "spaces/x".to_owned();
    let upload = || UploadId::new("u").expect("an upload's id");
    let condition = Condition::IfAbsent;
    let properties = Properties::default();
    let body = Bytes::new;
    // A folder copies nothing.
    let is_bucket = matches!(store, StoreUri::S3(_));
    let written_again = |properties: &Properties| {
        let put = PutObject { key: key(), body: body(), condition: Condition::Always, properties: properties.clone() };
        put.request(store, None, 0, EtagQuoting::Quoted).expect("what was read can be written");
    };
    match which {
        12 => act(&PutObject { key: key(), body: body(), condition, properties }, store, response, |_| {}),
        13 => act(&GetObject { key: key(), if_match: None, range: None, body_max: 100 }, store, response, |read| {
            if let Read::Object { body, head } = read {
                assert!(body.len() <= 100 && head.len == Some(body.len() as u64));
                written_again(&head.properties);
            }
        }),
        14 => act(&HeadObject { key: key() }, store, response, |head| {
            head.iter().for_each(|head| written_again(&head.properties));
        }),
        15 if is_bucket => {
            let copy = CopyObject { source: key(), if_source_matches: None, key: key(), properties: None };
            act(&copy, store, response, |_| {});
        }
        16 => act(&CreateMultipartUpload { key: key(), properties }, store, response, |id| {
            let part = UploadPart { key: key(), upload: id.clone(), number: 1, body: body() };
            part.request(store, None, 0, EtagQuoting::Quoted).expect("an upload takes parts");
        }),
        17 => act(&UploadPart { key: key(), upload: upload(), number: 1, body: body() }, store, response, |_| {}),
        18 => {
            let parts = vec![Part { number: 1, etag: ETag::new("e").expect("an ETag") }];
            let complete = CompleteMultipartUpload { key: key(), upload: upload(), parts, condition };
            act(&complete, store, response, |_| {});
        }
        19 => act(&AbortMultipartUpload { key: key(), upload: upload() }, store, response, |()| {}),
        20 => {
            let list = |marker| ListParts { key: key(), upload: upload(), marker, max_parts: 9 };
            act(&list(Some(5)), store, response, |page| {
                let Some(page) = page else { return };
                assert!(page.parts.iter().all(|part| (6..=10_000).contains(&part.number)));
                assert!(page.parts.windows(2).all(|pair| pair[0].number < pair[1].number));
                if page.next.is_some() {
                    assert!(page.next > Some(5));
                    list(page.next).request(store, None, 0, EtagQuoting::Quoted).expect("a page that goes on");
                }
            });
        }
        21 => {
            let list = |marker| ListMultipartUploads { prefix: "spaces/".into(), marker, max_uploads: 9 };
            act(&list(None), store, response, |page| {
                let good = |key: &String| key.starts_with("spaces/") && key.len() <= KEY_BYTES_MAX;
                assert!(page.uploads.len() <= 10_000 && page.uploads.iter().all(|upload| good(&upload.key)));
                list(page.next.clone()).request(store, None, 0, EtagQuoting::Quoted).expect("a page that goes on");
            });
        }
        22 => {
            let list = |marker| Call::ListObjects { prefix: "spaces/".into(), marker, max_keys: 9 };
            act(&list(None), store, response, |answer| {
                let Answer::Listed { entries, next } = answer else { panic!("{answer:?}") };
                assert!(entries.len() <= 10_000 && entries.iter().all(|entry| entry.key.starts_with("spaces/")));
                list(next.clone()).request(store, None, 0, EtagQuoting::Quoted).expect("a page that goes on");
            });
        }
        23 => act(&GetBucketLocation, store, response, |region| {
            Server::new(None, region).expect("a region");
        }),
        24 => act(&GetBucketCors, store, response, |rules| {
            assert!(rules.len() <= 100);
            // Others' rules may be none that Tidelock would write, and are then refused.
            let _ = PutBucketCors { rules: rules.clone() }.request(store, None, 0, EtagQuoting::Quoted);
        }),
        _ => without_a_bucket(response),
    }
}

fn without_a_bucket(response: &Response) {
    let server = Server::new(None, "eu-1").expect("a region");
    let list = |continuation| ListBuckets { continuation, max_buckets: None };
    match list(None).interpret(&server, response) {
        Ok(page) => {
            assert!(page.buckets.len() <= 10_000);
            list(page.next).request(&server, None, 0).expect("a page that goes on");
        }
        Err(failure) => shown(&failure),
    }
    let role = Role { arn: None, session_name: "me".into(), policy: None, duration_s: 900 };
    let identity = AssumeRoleWithWebIdentity::new(role.clone(), "token").expect("a token");
    for result in [AssumeRole { role }.interpret(response.clone()), identity.interpret(response.clone())] {
        match result {
            Ok(keys) => assert!(format!("{keys:?}").contains("redacted")),
            Err(failure) => shown(&failure),
        }
    }
}
