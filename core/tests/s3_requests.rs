//! Requests byte for byte: URLs, headers, bodies and signatures. The expected signatures were computed by botocore
//! 1.44.5 (`S3SigV4Auth`) for the same requests.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use tidelock_core::ErrorKind;
use tidelock_core::s3::{
    Action, Call, Condition, Credentials, ETag, EtagQuoting, HttpRequest, Method, RequestKind, StoreUri,
};

/// 2024-02-29T23:59:59Z.
const UNIX_MS: u64 = 1_709_251_199_000;
const LOCAL: &str = "s3://my-bucket/a%20vault?region=eu-west-1&endpoint=127.0.0.1:9000";
const AWS: &str = "s3://my-bucket/a%20vault?region=eu-west-1";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn keys(token: Option<&str>) -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned)).unwrap()
}

fn etag(text: &str) -> ETag {
    ETag::new(text).unwrap()
}

fn get(key: &str) -> Call {
    Call::GetObject { key: key.into(), if_none_match: None, range: None, body_max: 10 }
}

fn put(key: &str, body: &'static str, condition: Condition) -> Call {
    Call::PutObject { key: key.into(), body: Bytes::from_static(body.as_bytes()), condition }
}

fn list(prefix: &str) -> Call {
    Call::ListObjectsV2 { prefix: prefix.into(), continuation: None, start_after: None, max_keys: 1000 }
}

fn unsigned(store: &str, call: &Call, quoting: EtagQuoting) -> HttpRequest {
    call.request(&store.parse().unwrap(), None, UNIX_MS, quoting).unwrap()
}

struct Golden {
    store: &'static str,
    token: Option<&'static str>,
    call: Call,
    url: &'static str,
    /// Headers beside those that every signature brings.
    headers: &'static [(&'static str, &'static str)],
    sha256: &'static str,
    signed_headers: &'static str,
    signature: &'static str,
}

impl Golden {
    fn check(&self) {
        let store: StoreUri = self.store.parse().unwrap();
        let request = self.call.request(&store, Some(&keys(self.token)), UNIX_MS, EtagQuoting::Quoted).unwrap();
        assert_eq!(request.method, self.call.method());
        assert_eq!(request.url, self.url);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240229/eu-west-1/s3/aws4_request, SignedHeaders={}, Signature={}",
            self.signed_headers, self.signature
        );
        let always = [
            ("x-amz-date", "20240229T235959Z"),
            ("authorization", &authorization),
            ("x-amz-content-sha256", self.sha256),
        ];
        let mut expected: Vec<(String, String)> = (self.headers.iter().copied().chain(always))
            .chain(self.token.map(|token| ("x-amz-security-token", token)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut headers = request.headers;
        headers.sort();
        expected.sort();
        assert_eq!(headers, expected, "{}", self.url);
    }
}

const PLAIN: &str = "host;x-amz-content-sha256;x-amz-date";

#[test]
fn golden_puts() {
    Golden {
        store: LOCAL,
        token: None,
        call: put("tidelock", "header", Condition::IfAbsent),
        url: "http://127.0.0.1:9000/my-bucket/a%20vault/tidelock",
        headers: &[("if-none-match", "*")],
        sha256: "1e0584a25d9f43bf5cbd0aec01eb1af2220ed085b4e7f1837b0d89958cae353a",
        signed_headers: "host;if-none-match;x-amz-content-sha256;x-amz-date",
        signature: "e78ec05b9a455fc81e61d8ea431d72557e7871e63582995938328e4736689ec0",
    }
    .check();
    Golden {
        store: AWS,
        token: Some("TOKEN/+="),
        call: put("beacon", "beacon", Condition::IfMatch(etag("\"abc-1\""))),
        url: "https://my-bucket.s3.eu-west-1.amazonaws.com/a%20vault/beacon",
        headers: &[("if-match", "\"abc-1\"")],
        sha256: "8a62e967fcd6dfa5d75308c37808b4668a7faf1cdb06e09ac0a7161827603887",
        signed_headers: "host;if-match;x-amz-content-sha256;x-amz-date;x-amz-security-token",
        signature: "974bd7aaf8be6118c5b84d65ca7b513c3f6d83828940c6de11391482ce87e65a",
    }
    .check();
}

#[test]
fn golden_reads() {
    Golden {
        store: AWS,
        token: None,
        call: Call::GetObject {
            key: "beacon".into(),
            if_none_match: Some(etag("\"abc-1\"")),
            range: None,
            body_max: 10,
        },
        url: "https://my-bucket.s3.eu-west-1.amazonaws.com/a%20vault/beacon",
        headers: &[("if-none-match", "\"abc-1\"")],
        sha256: EMPTY,
        signed_headers: "host;if-none-match;x-amz-content-sha256;x-amz-date",
        signature: "a97198d44defff7bb6a9788f2e72a5cec4d0231c179bafadabb6ae8a77d96ee9",
    }
    .check();
    let list = Call::ListObjectsV2 {
        prefix: "spaces/".into(),
        continuation: Some("t/+=& ".into()),
        start_after: Some("spaces/00".into()),
        max_keys: 1000,
    };
    for (call, url, signature) in [
        (
            Call::HeadObject { key: "beacon".into() },
            "http://127.0.0.1:9000/my-bucket/a%20vault/beacon",
            "81ab9a9db131437291eeefdae8387313f93a567024addde243322d26ddae696d",
        ),
        (
            Call::HeadBucket,
            "http://127.0.0.1:9000/my-bucket/",
            "b448682cd6f5f5f982c50232adb0f04492556968f83a845f579aad3a68c87571",
        ),
        (
            Call::ListObjects { prefix: "spaces/".into(), marker: Some("a vault/spaces/00+".into()), max_keys: 1000 },
            "http://127.0.0.1:9000/my-bucket/?encoding-type=url&marker=a%20vault%2Fspaces%2F00%2B&max-keys=1000\
             &prefix=a%20vault%2Fspaces%2F",
            "ecce5d8dd17427a8cc6c0612aff0ade12a3598c3d1343b7a57eb56900d2e51e5",
        ),
        (
            list,
            "http://127.0.0.1:9000/my-bucket/?continuation-token=t%2F%2B%3D%26%20&encoding-type=url&list-type=2\
             &max-keys=1000&prefix=a%20vault%2Fspaces%2F&start-after=a%20vault%2Fspaces%2F00",
            "ad5c818260f23c372420fe8f1886d071417d6ad14dce8ad994c2efb1b6aa4709",
        ),
    ] {
        let golden = Golden {
            store: LOCAL,
            token: None,
            call,
            url,
            headers: &[],
            sha256: EMPTY,
            signed_headers: PLAIN,
            signature,
        };
        golden.check();
    }
}

#[test]
fn golden_deletes() {
    Golden {
        store: LOCAL,
        token: None,
        call: Call::DeleteObject { key: "beacon".into() },
        url: "http://127.0.0.1:9000/my-bucket/a%20vault/beacon",
        headers: &[],
        sha256: EMPTY,
        signed_headers: PLAIN,
        signature: "207c2ddda4a572dba4c8083582e26101a604679956da6c79eb3f9d184929a138",
    }
    .check();
    Golden {
        store: LOCAL,
        token: None,
        call: Call::DeleteObjects { keys: vec!["x".into(), "<&>".into()] },
        url: "http://127.0.0.1:9000/my-bucket/?delete=",
        headers: &[("content-type", "application/xml"), ("content-md5", "TPZunJ9iV6Uzb5s9eU2VUQ==")],
        sha256: "d2d42d038ab21025ac85f4b77ee397cec2763c2e2aab07ac09b6c303e8bf6f36",
        signed_headers: "content-md5;content-type;host;x-amz-content-sha256;x-amz-date",
        signature: "2316f8e13eb86d5160798bc5f2016ee4387f8d0a0cfcd1ec87e34f7371ca34cc",
    }
    .check();
}

#[test]
fn folder_requests_are_unsigned_and_relative() {
    let store: StoreUri = "file:///home/me/vault".parse().unwrap();
    for (call, url) in [
        (get("a/b c+é"), "file:///a/b%20c%2B%C3%A9"),
        (Call::HeadBucket, "file:///"),
        (Call::DeleteObjects { keys: vec!["a".into()] }, "file:///?delete="),
        (list(""), "file:///?encoding-type=url&list-type=2&max-keys=1000"),
        (list("spaces/"), "file:///?encoding-type=url&list-type=2&max-keys=1000&prefix=spaces%2F"),
    ] {
        let request = call.request(&store, Some(&keys(None)), UNIX_MS, EtagQuoting::Quoted).unwrap();
        assert_eq!(request.url, url);
        assert!(!request.headers.iter().any(|(name, _)| name == "authorization" || name.starts_with("x-amz-")));
    }
}

#[test]
fn a_whole_bucket_has_no_prefix() {
    assert_eq!(
        unsigned("s3://bucket", &list(""), EtagQuoting::Quoted).url,
        "https://bucket.s3.us-east-1.amazonaws.com/?encoding-type=url&list-type=2&max-keys=1000"
    );
    assert_eq!(
        unsigned("s3://bucket/p", &list(""), EtagQuoting::Quoted).url,
        "https://bucket.s3.us-east-1.amazonaws.com/?encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F"
    );
}

#[test]
fn conditions_and_ranges_are_one_header_each() {
    let conditional = |text: &str| Call::GetObject {
        key: "k".into(),
        if_none_match: Some(etag(text)),
        range: Some((5, u64::MAX)),
        body_max: 0,
    };
    for (call, quoting, expected) in [
        (put("k", "", Condition::Always), EtagQuoting::Quoted, vec![]),
        (put("k", "", Condition::IfAbsent), EtagQuoting::Unquoted, vec![("if-none-match", "*")]),
        (put("k", "", Condition::IfMatch(etag("e"))), EtagQuoting::Quoted, vec![("if-match", "\"e\"")]),
        (put("k", "", Condition::IfMatch(etag("W/\"e\""))), EtagQuoting::Quoted, vec![("if-match", "\"e\"")]),
        (put("k", "", Condition::IfMatch(etag("\"e\""))), EtagQuoting::Unquoted, vec![("if-match", "e")]),
        (
            conditional("W/\"e\""),
            EtagQuoting::Quoted,
            vec![("if-none-match", "W/\"e\""), ("range", "bytes=5-18446744073709551615")],
        ),
        (
            conditional("\"e\""),
            EtagQuoting::Unquoted,
            vec![("if-none-match", "e"), ("range", "bytes=5-18446744073709551615")],
        ),
    ] {
        let headers = unsigned("s3://bucket", &call, quoting).headers;
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(headers, expected);
    }
}

#[test]
fn what_breaks_a_limit_is_never_sent() {
    // 1,024 bytes with `p/` before them.
    let longest = "x".repeat(1022);
    let too_long = "x".repeat(1023);
    assert!(get(&longest).request(&"s3://bucket/p".parse().unwrap(), None, 0, EtagQuoting::Quoted).is_ok());
    let many = |count: usize| Call::DeleteObjects { keys: (0..count).map(|n| n.to_string()).collect() };
    assert!(many(1000).request(&"s3://bucket/p".parse().unwrap(), None, 0, EtagQuoting::Quoted).is_ok());
    let page = |prefix: &str, start_after: Option<&str>, max_keys: u32| Call::ListObjectsV2 {
        prefix: prefix.into(),
        continuation: None,
        start_after: start_after.map(str::to_owned),
        max_keys,
    };
    let range = Call::GetObject { key: "k".into(), if_none_match: None, range: Some((2, 1)), body_max: 1 };
    let mut calls = vec![range, many(0), many(1001), page("", None, 0), page("", None, 1001), page(&too_long, None, 1)];
    for key in ["", "/", "/a", "a/", "a//b", ".", "a/../b", "a\nb", &too_long] {
        calls.push(get(key));
        calls.push(put(key, "", Condition::Always));
        calls.push(Call::HeadObject { key: key.into() });
        calls.push(Call::DeleteObject { key: key.into() });
        calls.push(Call::DeleteObjects { keys: vec!["good".into(), key.into()] });
        calls.push(page("", Some(key), 1));
    }
    for call in calls {
        let error =
            call.request(&"s3://bucket/p".parse().unwrap(), Some(&keys(None)), 0, EtagQuoting::Quoted).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{call:?}");
    }
}

#[test]
fn every_call_says_how_it_is_sent_counted_and_bounded() {
    let large = Call::GetObject { key: "k".into(), if_none_match: None, range: None, body_max: 1 << 20 };
    for (call, method, kind, name, max_response_bytes) in [
        (get("k"), Method::Get, RequestKind::Get, "GET", 64 << 10),
        (large, Method::Get, RequestKind::Get, "GET", 1 << 20),
        (Call::HeadObject { key: "k".into() }, Method::Head, RequestKind::Head, "HEAD", 64 << 10),
        (put("k", "", Condition::Always), Method::Put, RequestKind::Put, "PUT", 64 << 10),
        (Call::DeleteObject { key: "k".into() }, Method::Delete, RequestKind::Delete, "DELETE", 64 << 10),
        (Call::DeleteObjects { keys: vec!["k".into()] }, Method::Post, RequestKind::Post, "POST", 8 << 20),
        (list(""), Method::Get, RequestKind::List, "LIST", 8 << 20),
        (
            Call::ListObjects { prefix: String::new(), marker: None, max_keys: 9 },
            Method::Get,
            RequestKind::List,
            "LIST",
            8 << 20,
        ),
        (Call::HeadBucket, Method::Head, RequestKind::Head, "HEAD", 64 << 10),
    ] {
        let request = unsigned("s3://bucket", &call, EtagQuoting::Quoted);
        assert_eq!((call.method(), call.billing_kind(), kind.name()), (method, kind, name));
        assert_eq!(request.method.as_str(), if name == "LIST" { "GET" } else { name });
        assert_eq!(request.max_response_bytes, max_response_bytes, "{call:?}");
    }
}

#[test]
fn a_printed_request_signs_nothing() {
    let store: StoreUri = AWS.parse().unwrap();
    let request = put("k", "SECRETbody", Condition::Always)
        .request(&store, Some(&keys(Some("TOKENvalue"))), UNIX_MS, EtagQuoting::Quoted)
        .unwrap();
    let signature = request.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    let signature = signature.rsplit('=').next().unwrap();
    let printed = format!("{request:?}");
    for secret in ["SECRETbody", "TOKENvalue", signature, "wJalrXUtnFEMI"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(!request.url.contains('?'));
}
