//! Requests signed in their URLs. The expected signatures were computed by botocore 1.44.5 (`S3SigV4QueryAuth`) for the
//! same requests.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use std::collections::BTreeMap;
use tidelock_core::ErrorKind;
use tidelock_core::s3::{
    Action, Call, Condition, Credentials, ETag, EtagQuoting, HttpRequest, ListBuckets, Method, PRESIGN_SECONDS_MAX,
    Properties, PutObject, Server, StoreUri, Terms, UploadId, UploadPart, presign,
};

/// 2024-02-29T23:59:59Z.
const UNIX_MS: u64 = 1_709_251_199_000;
const LOCAL: &str = "s3://my-bucket/a%20vault?region=eu-west-1&endpoint=127.0.0.1:9000";
const AWS: &str = "s3://my-bucket/a%20vault?region=eu-west-1";

fn keys(token: Option<&str>) -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned)).unwrap()
}

fn terms(expires_s: u32, signed_headers: &[&str]) -> Terms {
    Terms { expires_s, signed_headers: signed_headers.iter().map(|name| (*name).to_owned()).collect() }
}

fn get(if_none_match: Option<ETag>) -> Call {
    Call::GetObject { key: "spaces/x".into(), if_none_match, range: None, body_max: 10 }
}

fn put() -> PutObject {
    PutObject {
        key: "k".into(),
        body: Bytes::from_static(b"hello"),
        condition: Condition::IfAbsent,
        properties: Properties {
            content_type: Some("text/plain".into()),
            metadata: BTreeMap::from([("a".into(), "b".into())]),
            ..Properties::default()
        },
    }
}

fn signed(store: &str, action: &impl Action, token: Option<&str>, terms: &Terms) -> HttpRequest {
    action.presign(&store.parse().unwrap(), &keys(token), UNIX_MS, EtagQuoting::Quoted, terms).unwrap()
}

/// The URL before its signature, and the signature's parameters.
fn parts(url: &str) -> (&str, BTreeMap<&str, &str>) {
    let start = url.find("X-Amz-").unwrap();
    (&url[..start], url[start..].split('&').map(|pair| pair.split_once('=').unwrap()).collect())
}

fn check(request: &HttpRequest, url: &str, expires: &str, signed_headers: &str, signature: &str) {
    let (before, parameters) = parts(&request.url);
    assert_eq!(before, url);
    let mut expected = BTreeMap::from([
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AKIDEXAMPLE%2F20240229%2Feu-west-1%2Fs3%2Faws4_request"),
        ("X-Amz-Date", "20240229T235959Z"),
        ("X-Amz-Expires", expires),
        ("X-Amz-SignedHeaders", signed_headers),
        ("X-Amz-Signature", signature),
    ]);
    if let Some(token) = parameters.get("X-Amz-Security-Token") {
        expected.insert("X-Amz-Security-Token", token);
    }
    assert_eq!(parameters, expected);
}

#[test]
fn golden_urls() {
    let request = signed(AWS, &get(None), None, &terms(3600, &[]));
    let object = "https://my-bucket.s3.eu-west-1.amazonaws.com/a%20vault/spaces/x?";
    check(&request, object, "3600", "host", "a6c928c560f52ca666379433bd997c54295648de2a736485441f9212a03fa20a");

    // What is not signed stays the holder's to choose.
    let polled = signed(AWS, &get(ETag::new("\"e\"")), None, &terms(3600, &[]));
    assert_eq!(polled.url, request.url);
    assert_eq!(polled.headers, [("if-none-match".to_owned(), "\"e\"".to_owned())]);

    let request = signed(AWS, &get(None), Some("To/ken+=1"), &terms(PRESIGN_SECONDS_MAX, &[]));
    assert_eq!(parts(&request.url).1["X-Amz-Security-Token"], "To%2Fken%2B%3D1");
    check(&request, object, "604800", "host", "b291fb82ba7baaeaa1795ae15f52a15293eeaf8cf7b636ba253f7cdb8d134acc");

    let request = signed(LOCAL, &put(), None, &terms(60, &["content-length", "content-type", "if-none-match"]));
    check(
        &request,
        "http://127.0.0.1:9000/my-bucket/a%20vault/k?",
        "60",
        "content-length%3Bcontent-type%3Bhost%3Bif-none-match%3Bx-amz-meta-a",
        "c8b1bc5c7988b8c8be9458736d513ad0c6ca0b88c6097e97c43ec6822c28670f",
    );
    assert_eq!(request.method, Method::Put);
    assert_eq!(request.body, "hello");
    let headers = [("content-type", "text/plain"), ("x-amz-meta-a", "b"), ("if-none-match", "*")];
    assert_eq!(request.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));

    let upload = UploadId::new("up/load=").unwrap();
    let part = UploadPart { key: "k".into(), upload, number: 2, body: Bytes::from_static(b"any") };
    check(
        &signed(LOCAL, &part, None, &terms(60, &[])),
        "http://127.0.0.1:9000/my-bucket/a%20vault/k?partNumber=2&uploadId=up%2Fload%3D&",
        "60",
        "host",
        "9ecb2c7924a9c6bb33bc82d2b6d56d26ea76e830f52a63c07af2b34cf30ec195",
    );

    let list = Call::ListObjectsV2 { prefix: "s+é".into(), continuation: None, start_after: None, max_keys: 7 };
    check(
        &signed(AWS, &list, None, &terms(60, &[])),
        "https://my-bucket.s3.eu-west-1.amazonaws.com/?encoding-type=url&list-type=2&max-keys=7&prefix=a%20vault%2Fs%2B%C3%A9&",
        "60",
        "host",
        "50c25b4b327670671db2299681c64d88fa19534529aff8c80344ee1ace104d9b",
    );
}

#[test]
fn a_signer_without_the_body_binds_its_length() {
    let mut request = put().unsigned(&LOCAL.parse().unwrap(), EtagQuoting::Quoted).unwrap();
    let wanted = terms(60, &["content-length", "content-type", "if-none-match"]);
    let whole = presign(&request, "eu-west-1", &keys(None), UNIX_MS, &wanted).unwrap();
    request.body = Bytes::new();
    request.headers.push(("content-length".into(), "5".into()));
    let bodiless = presign(&request, "eu-west-1", &keys(None), UNIX_MS, &wanted).unwrap();
    assert_eq!((bodiless.url, bodiless.headers), (whole.url.clone(), whole.headers));

    request.headers.last_mut().unwrap().1 = "6".into();
    assert_ne!(presign(&request, "eu-west-1", &keys(None), UNIX_MS, &wanted).unwrap().url, whole.url);
}

#[test]
fn time_is_bounded() {
    let store: StoreUri = AWS.parse().unwrap();
    for (expires_s, unix_ms, kind) in [
        (0, UNIX_MS, Some(ErrorKind::Invalid)),
        (1, UNIX_MS, None),
        (604_800, UNIX_MS, None),
        (604_801, UNIX_MS, Some(ErrorKind::Invalid)),
        (u32::MAX, UNIX_MS, Some(ErrorKind::Invalid)),
        (1, 253_402_300_800_000, Some(ErrorKind::ClockSkew)),
    ] {
        let signed = get(None).presign(&store, &keys(None), unix_ms, EtagQuoting::Quoted, &terms(expires_s, &[]));
        assert_eq!(signed.err().map(|error| error.kind()), kind, "{expires_s} {unix_ms}");
    }
    let folder = "file:///vault".parse().unwrap();
    let error = get(None).presign(&folder, &keys(None), 0, EtagQuoting::Quoted, &terms(1, &[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let good = put().unsigned(&LOCAL.parse().unwrap(), EtagQuoting::Quoted).unwrap();
    let refused = |request: &HttpRequest, region: &str, terms: &Terms| {
        let error = presign(request, region, &keys(None), UNIX_MS, terms).expect_err(&request.url);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{}", request.url);
        assert_eq!(error.object(), None);
    };
    presign(&good, "eu-west-1", &keys(None), UNIX_MS, &terms(1, &[])).unwrap();
    refused(&good, "eu west", &terms(1, &[]));
    for name in ["if-match", "Content-Type", "", "authorization", "host", "user-agent"] {
        refused(&good, "eu-west-1", &terms(1, &[name]));
    }
    for url in [
        "",
        "/k",
        "k",
        "http:///k",
        "http://",
        "ftp://host/k",
        "file:///k",
        "http://user@host/k",
        "http://host/k#part",
        "http://host/a b",
        "http://host/k\r\nx: y",
        "http://host/k?X-Amz-Signature=0",
        "http://host/k?a=b&x-amz-expires=9",
        "http://host/k?%58-Amz-Date=9",
    ] {
        refused(&HttpRequest { url: url.into(), ..good.clone() }, "eu-west-1", &terms(1, &[]));
    }
    for (name, value) in
        [("Content-Type", "a"), ("a b", "c"), ("", "c"), ("x-a", "line\r\nbreak"), ("x-a", "é"), ("if-none-match", "*")]
    {
        let mut request = good.clone();
        request.headers.push((name.into(), value.into()));
        refused(&request, "eu-west-1", &terms(1, &[]));
    }
    let mut request = good.clone();
    request.headers = (0..101).map(|n| (format!("x-{n}"), String::new())).collect();
    refused(&request, "eu-west-1", &terms(1, &[]));
    request.headers.pop();
    presign(&request, "eu-west-1", &keys(None), UNIX_MS, &terms(1, &[])).unwrap();
}

#[test]
fn a_server_without_a_bucket_lists_by_url_too() {
    let server = Server::new(Some(&"127.0.0.1:9000".parse().unwrap()), "eu-west-1").unwrap();
    let list = ListBuckets { max_buckets: Some(5), ..ListBuckets::default() };
    let request = list.presign(&server, &keys(None), UNIX_MS, &terms(60, &[])).unwrap();
    let (before, parameters) = parts(&request.url);
    assert_eq!(before, "http://127.0.0.1:9000/?max-buckets=5&");
    assert_eq!(parameters["X-Amz-Signature"].len(), 64);
}

#[test]
fn a_printed_presigned_request_signs_nothing() {
    let request = signed(LOCAL, &get(None), Some("TOKENvalue"), &terms(60, &[]));
    let printed = format!("{request:?}");
    let (before, parameters) = parts(&request.url);
    assert!(printed.contains(before.trim_end_matches('?')));
    for secret in [parameters["X-Amz-Signature"], "TOKENvalue", "AKIDEXAMPLE"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
