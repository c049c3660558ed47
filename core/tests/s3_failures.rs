//! What each way of failing means: the error's kind, its words, and what to try.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use tidelock_core::ErrorKind;
use tidelock_core::s3::{Action, Call, Condition, ETag, Failure, Response, Retry, StoreUri};

const DATE: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
const DATE_UNIX_MS: u64 = 784_111_777_000;

fn get() -> Call {
    Call::GetObject { key: "k".into(), if_none_match: None, range: None, body_max: 10 }
}

fn get_changed() -> Call {
    Call::GetObject { key: "k".into(), if_none_match: ETag::new("\"e\""), range: None, body_max: 10 }
}

fn put(condition: Condition) -> Call {
    Call::PutObject { key: "k".into(), body: Bytes::new(), condition }
}

fn if_match() -> Call {
    put(Condition::IfMatch(ETag::new("\"e\"").unwrap()))
}

fn list() -> Call {
    Call::ListObjectsV2 { prefix: "".into(), continuation: None, start_after: None, max_keys: 1 }
}

fn delete_many() -> Call {
    Call::DeleteObjects { keys: vec!["k".into()] }
}

fn error(code: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Words.</Message></Error>")
}

fn fail(call: &Call, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Failure {
    let store: StoreUri = "s3://my-bucket/p?region=eu-west-1".parse().unwrap();
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    call.interpret(&store, &Response { status, headers, body: body.into() }).unwrap_err()
}

fn backoff(retry_after_ms: Option<u64>) -> Retry {
    Retry::Backoff { retry_after_ms }
}

#[test]
fn keys_that_do_not_open_the_bucket() {
    // Other keys may help where these are not known or have ended; where they may not, only their owner can.
    for (status, code, retry, hint) in [
        (403, "AccessDenied", Retry::Never, "may list, read, write and delete"),
        (403, "InvalidAccessKeyId", Retry::Credentials, "check the access key"),
        (404, "XAdminUserNotFound", Retry::Credentials, "check the access key"),
        (403, "SignatureDoesNotMatch", Retry::Credentials, "check the secret key"),
        (400, "ExpiredToken", Retry::Credentials, "fresh temporary keys"),
        (400, "InvalidToken", Retry::Credentials, "fresh temporary keys"),
        (403, "AccountProblem", Retry::Never, "may list, read, write and delete"),
        (401, "Unauthorized", Retry::Never, "may list, read, write and delete"),
        (400, "AuthorizationHeaderMalformed", Retry::Never, "may list, read, write and delete"),
    ] {
        for call in [get(), get_changed(), put(Condition::IfAbsent), if_match(), list(), delete_many()] {
            let failure = fail(&call, status, &[], error(code));
            assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Auth, retry.clone()), "{code}");
            assert_eq!(failure.error.message(), format!("bucket `my-bucket` is not open to these keys: {code}"));
            assert!(failure.error.hint().unwrap().contains(hint), "{code}");
        }
    }
    // What a code says of one object is no word on the keys.
    let of_object = |code| fail(&get(), 403, &[], error(code)).error;
    assert_eq!(of_object("InvalidObjectState").kind(), ErrorKind::NotFound);
    assert!(of_object("InvalidObjectState").hint().unwrap().starts_with("restore it"));
    assert_eq!(fail(&get(), 400, &[], error("EntityTooLarge")).error.kind(), ErrorKind::Corrupt);
    assert_eq!(fail(&put(Condition::IfAbsent), 400, &[], error("EntityTooLarge")).error.kind(), ErrorKind::Unsupported);
    // Answers to HEAD have no body.
    for call in [Call::HeadBucket, Call::HeadObject { key: "k".into() }, get()] {
        let failure = fail(&call, 403, &[], "");
        assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Auth, Retry::Credentials));
    }
}

#[test]
fn a_missing_bucket_is_named_and_no_missing_object() {
    for call in
        [get(), put(Condition::Always), if_match(), list(), delete_many(), Call::DeleteObject { key: "k".into() }]
    {
        let failure = fail(&call, 404, &[], error("NoSuchBucket"));
        assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::NotFound, Retry::Never));
        assert_eq!(failure.error.message(), "there is no bucket `my-bucket`");
        assert!(failure.error.hint().unwrap().contains("create the bucket"));
    }
    let failure = fail(&Call::HeadBucket, 404, &[], "");
    assert_eq!(
        (failure.error.kind(), failure.error.message()),
        (ErrorKind::NotFound, "there is no bucket `my-bucket`")
    );
}

#[test]
fn a_skewed_clock_is_told_the_time() {
    let clock = Retry::Clock { server_unix_ms: DATE_UNIX_MS };
    let failure = fail(&list(), 403, &[DATE], error("RequestTimeTooSkewed"));
    assert_eq!((failure.error.kind(), &failure.retry), (ErrorKind::ClockSkew, &clock));
    // AWS and versitygw say it in the document too, where a browser can read it.
    let document = "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>1994-11-06T08:49:37Z</ServerTime></Error>";
    assert_eq!(fail(&list(), 403, &[], document).retry, clock);
    // rclone 1.75 gives no other cause to a clock that is twenty minutes behind.
    let failure = fail(&list(), 400, &[DATE], error("AccessDenied"));
    assert_eq!((failure.error.kind(), &failure.retry), (ErrorKind::Auth, &clock));
    let failure = fail(&list(), 403, &[("date", "now")], error("RequestTimeTooSkewed"));
    assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::ClockSkew, Retry::Never));
}

#[test]
fn another_region_is_named() {
    let document = |code: &str, region: &str| format!("<Error><Code>{code}</Code><Region>{region}</Region></Error>");
    let header = [("x-amz-bucket-region", "us-west-2")];
    let west = Retry::Region("us-west-2".into());
    for failure in [
        fail(&get(), 400, &[], document("AuthorizationHeaderMalformed", "us-west-2")),
        fail(&if_match(), 400, &[], document("AuthorizationHeaderMalformed", "us-west-2")),
        fail(&list(), 403, &[], document("AuthorizationHeaderMalformed", "us-west-2")),
        fail(&get(), 301, &[], document("PermanentRedirect", "us-west-2")),
        fail(&get(), 301, &header, error("PermanentRedirect")),
        fail(&get(), 307, &header, error("TemporaryRedirect")),
        fail(&Call::HeadBucket, 301, &header, ""),
        fail(&Call::HeadBucket, 400, &header, ""),
        fail(&Call::HeadObject { key: "k".into() }, 400, &header, ""),
    ] {
        assert_eq!((failure.error.kind(), &failure.retry), (ErrorKind::Invalid, &west));
        assert_eq!(failure.error.message(), "the bucket is in region `us-west-2`");
        assert_eq!(failure.error.hint(), Some("write region=us-west-2 in the store's address"));
    }
    // The region it was signed for, or no region: no second try.
    for region in ["eu-west-1", "", "not a region", &"x".repeat(65)] {
        let failure = fail(&get(), 400, &[], document("AuthorizationHeaderMalformed", region));
        assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Auth, Retry::Never), "{region}");
        let failure = fail(&get(), 301, &[], document("PermanentRedirect", region));
        assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Network, Retry::Never), "{region}");
    }
    // Said with every refusal by some servers.
    let failure = fail(&get(), 403, &header, error("AccessDenied"));
    assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Auth, Retry::Never));
}

#[test]
fn a_busy_or_broken_server_is_tried_again() {
    const HTML: &str = "<html><body><h1>503 Service Unavailable</h1></body></html>";
    for call in [get(), put(Condition::IfAbsent), if_match(), list(), delete_many(), Call::HeadBucket] {
        for (status, body, kind) in [
            (503, error("SlowDown"), ErrorKind::Throttled),
            (503, error("ServiceUnavailable"), ErrorKind::Throttled),
            (503, HTML.into(), ErrorKind::Throttled),
            (503, String::new(), ErrorKind::Throttled),
            (429, error("TooManyRequests"), ErrorKind::Throttled),
            (429, String::new(), ErrorKind::Throttled),
            (400, error("RequestLimitExceeded"), ErrorKind::Throttled),
            (400, error("RequestRateLimitExceeded"), ErrorKind::Throttled),
            (500, error("InternalError"), ErrorKind::Network),
            (500, String::new(), ErrorKind::Network),
            (502, HTML.into(), ErrorKind::Network),
            (504, HTML.into(), ErrorKind::Network),
            (507, error("XMinioStorageFull"), ErrorKind::Network),
            (400, error("RequestTimeout"), ErrorKind::Timeout),
            (408, String::new(), ErrorKind::Timeout),
        ] {
            let failure = fail(&call, status, &[], body);
            // A server that knows no continuation tokens may fail inside.
            let retry = match (&call, status) {
                (Call::ListObjectsV2 { .. }, 500) => Retry::BackoffThenListV1 { retry_after_ms: None },
                _ => backoff(None),
            };
            assert_eq!((failure.error.kind(), failure.retry), (kind, retry), "{status} {}", failure.error);
            assert!(failure.error.is_retryable() && failure.error.hint().is_some());
        }
    }
    for code in ["BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"] {
        assert_eq!(fail(&put(Condition::Always), 400, &[], error(code)).retry, backoff(None));
    }
    assert_eq!(fail(&Call::DeleteObject { key: "k".into() }, 409, &[], error("OperationAborted")).retry, backoff(None));
}

#[test]
fn a_full_store_asks_for_room() {
    for code in ["XMinioStorageFull", "StorageFull"] {
        let error = fail(&put(Condition::Always), 507, &[], error(code)).error;
        assert!(error.message().contains(code) && error.hint().unwrap().contains("make room"), "{error}");
    }
}

#[test]
fn a_folder_has_permissions_in_place_of_keys() {
    let store: StoreUri = "file:///home/me/vault".parse().unwrap();
    let response = Response { status: 403, headers: vec![], body: error("AccessDenied").into() };
    let error = get().interpret(&store, &response).unwrap_err().error;
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.message().contains("/home/me/vault") && !error.message().contains("keys"), "{error}");
    assert!(error.hint().unwrap().contains("permissions"), "{error}");
}

#[test]
fn retry_after_is_passed_on() {
    for (text, retry_after_ms) in [
        ("7", Some(7000)),
        ("0", Some(0)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60_000)),
        ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
        ("4294967296", None),
        ("-1", None),
        ("soon", None),
    ] {
        for body in [error("SlowDown"), String::new()] {
            let failure = fail(&list(), 503, &[DATE, ("Retry-After", text)], body);
            assert_eq!(failure.retry, backoff(retry_after_ms), "{text}");
        }
    }
    // A date says nothing without the server's clock.
    let alone = [("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT")];
    assert_eq!(fail(&list(), 503, &alone, error("SlowDown")).retry, backoff(None));
}

#[test]
fn what_a_server_cannot_do_is_asked_another_way_once() {
    for (call, status, code, retry) in [
        (if_match(), 400, "InvalidArgument", Retry::Unquoted),
        (get_changed(), 400, "InvalidRequest", Retry::Unquoted),
        (if_match(), 501, "NotImplemented", Retry::Never),
        (put(Condition::IfAbsent), 501, "NotImplemented", Retry::Never),
        (put(Condition::IfAbsent), 400, "InvalidArgument", Retry::Never),
        (put(Condition::Always), 400, "InvalidArgument", Retry::Never),
        (get(), 405, "MethodNotAllowed", Retry::Never),
        (delete_many(), 400, "MissingContentMD5", Retry::SingleDeletes),
        (delete_many(), 400, "BadDigest", Retry::SingleDeletes),
        (delete_many(), 400, "InvalidRequest", Retry::SingleDeletes),
        (delete_many(), 405, "MethodNotAllowed", Retry::SingleDeletes),
        (delete_many(), 501, "NotImplemented", Retry::SingleDeletes),
        (list(), 400, "InvalidArgument", Retry::ListV1),
        (list(), 501, "NotImplemented", Retry::ListV1),
    ] {
        let failure = fail(&call, status, &[], error(code));
        assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Unsupported, retry), "{status} {code}");
        assert_eq!(failure.error.message(), format!("the store refuses the request: status {status}, {code}"));
    }
}

#[test]
fn error_documents_are_read_with_bounds() {
    let bytes = "41 57 53 34 ".repeat(2000);
    let long = format!(
        "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequestBytes>{bytes}</CanonicalRequestBytes></Error>"
    );
    assert_eq!(fail(&get(), 403, &[], long).error.kind(), ErrorKind::Auth);
    for document in [
        format!("<Error><Code>AccessDenied</Code>{}</Error>", " ".repeat(64 << 10)),
        "<Error><Message>no code</Message></Error>".into(),
        "<Error><Code>AccessDenied</Code><Code>NoSuchKey</Code></Error>".into(),
        "<Error><Code>AccessDenied</Code>".into(),
        "<Response><Error><Code>AccessDenied</Code></Error></Response>".into(),
        "AccessDenied".into(),
    ] {
        let failure = fail(&get(), 403, &[], document);
        assert_eq!((failure.error.kind(), failure.retry), (ErrorKind::Network, Retry::Never));
    }
}

#[test]
fn messages_repeat_neither_secrets_nor_what_a_server_made_up() {
    let signed = "https://my-bucket.s3.amazonaws.com/k?X-Amz-Signature=SECRETvalue";
    let header = [("location", signed), ("x-amz-bucket-region", "SECRETvalue/"), ("retry-after", "SECRETvalue")];
    for status in [301, 400, 403, 404, 405, 416, 429, 500, 501, 503] {
        for code in ["AccessDenied", "SECRETvalue\u{7}", "", "RequestTimeTooSkewed"] {
            let document = format!(
                "<Error><Code>{code}</Code><Message>{signed}</Message><Region>SECRETvalue/</Region>\
                 <ServerTime>SECRETvalue</ServerTime><StringToSign>SECRETvalue</StringToSign></Error>",
                signed = signed.replace('&', "&amp;")
            );
            for call in [get(), if_match(), list(), delete_many(), Call::HeadBucket] {
                let failure = fail(&call, status, &header, document.clone());
                let said = format!("{failure:?} {}", failure.error);
                assert!(!said.contains("SECRETvalue") && !said.contains('\u{7}'), "{said}");
            }
        }
    }
}

#[test]
fn errors_name_the_object() {
    assert_eq!(fail(&get(), 500, &[], "").error.object(), Some("k"));
    assert_eq!(fail(&get(), 403, &[], error("AccessDenied")).error.object(), Some("k"));
    assert_eq!(fail(&get(), 404, &[], "").error.object(), Some("k"));
    assert_eq!(fail(&list(), 500, &[], "").error.object(), None);
}
