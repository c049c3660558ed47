//! What a signer's answer may be.

use super::*;

const URL: &str = "https://s3.example/bucket/users/alice/spaces/01/beacon";
const SIGNATURE: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20260101%2Fus-east-1%2Fs3%2Faws4_request\
                         &X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=00";

fn put() -> UnsignedRequest {
    UnsignedRequest {
        method: Method::Put,
        url: URL.to_owned(),
        key: Some("users/alice/spaces/01/beacon".to_owned()),
        query: Vec::new(),
        headers: vec![("if-none-match".to_owned(), "*".to_owned())],
        body_bytes: 3,
    }
}

fn signed(url: impl Into<String>) -> SignedUrl {
    SignedUrl { url: url.into(), headers: Vec::new(), expires_s: None }
}

fn with_header(name: &str, value: &str) -> SignedUrl {
    SignedUrl { headers: vec![(name.to_owned(), value.to_owned())], ..signed(format!("{URL}?{SIGNATURE}")) }
}

#[test]
fn the_url_that_was_asked_for_with_a_signature_is_taken() {
    for signature in [SIGNATURE, "AWSAccessKeyId=A&Expires=1&Signature=s", "x-id=PutObject&x-amz-signature=00", ""] {
        let answer = signed(format!("{URL}?{signature}"));
        assert_eq!(checked(&put(), answer.clone()).unwrap(), answer);
    }
}

#[test]
fn any_other_place_is_refused() {
    for other in [
        "http://s3.example/bucket/users/alice/spaces/01/beacon",
        "https://s3.example.evil/bucket/users/alice/spaces/01/beacon",
        "https://user@s3.example/bucket/users/alice/spaces/01/beacon",
        "https://s3.example:444/bucket/users/alice/spaces/01/beacon",
        "https://s3.example/bucket/users/alice/spaces/01/beacon/",
        "https://s3.example/bucket/users/mallory/spaces/01/beacon",
        "https://s3.example/bucket/users/alice/spaces/01/../01/beacon",
        "",
    ] {
        assert!(checked(&put(), signed(format!("{other}?{SIGNATURE}"))).is_err(), "{other}");
    }
    for odd in ["#x", "&a b=c", "\n", "ä"] {
        assert!(checked(&put(), signed(format!("{URL}?{SIGNATURE}{odd}"))).is_err(), "{odd:?}");
    }
    let long = "a".repeat(URL_BYTES_MAX);
    assert!(checked(&put(), signed(format!("{URL}?X-Amz-Signature={long}"))).is_err());
}

/// boto3 1.43 signs `https://HOST/BUCKET?…`.
#[test]
fn a_listings_url_may_leave_the_last_slash_out() {
    let url = "https://s3.example/bucket/";
    let list = UnsignedRequest {
        url: url.to_owned(),
        key: None,
        method: Method::Get,
        headers: Vec::new(),
        body_bytes: 0,
        ..put()
    };
    for place in [url, "https://s3.example/bucket"] {
        let answer = signed(format!("{place}?{SIGNATURE}"));
        assert_eq!(checked(&list, answer.clone()), Ok(answer));
    }
    for other in ["https://s3.example/", "https://s3.example/bucke", "https://s3.example/bucket2", "https://s3.example"]
    {
        assert!(checked(&list, signed(format!("{other}?{SIGNATURE}"))).is_err(), "{other}");
    }
    let on_object = UnsignedRequest { url: format!("{URL}/"), ..put() };
    assert!(checked(&on_object, signed(format!("{URL}?{SIGNATURE}"))).is_err(), "an object of another name");
}

#[test]
fn parameters_are_those_asked_for_in_any_order_and_a_signatures() {
    let list = UnsignedRequest {
        method: Method::Get,
        url: "https://s3.example/bucket?list-type=2&prefix=users%2Falice%2F".to_owned(),
        key: None,
        query: vec![("list-type".to_owned(), "2".to_owned()), ("prefix".to_owned(), "users/alice/".to_owned())],
        headers: Vec::new(),
        body_bytes: 0,
    };
    let taken = |query: &str| checked(&list, signed(format!("https://s3.example/bucket?{query}"))).is_ok();
    assert!(taken(&format!("{SIGNATURE}&prefix=users/alice/&list-type=2")));
    for query in [
        "list-type=2",
        "list-type=2&prefix=users/mallory/",
        "list-type=2&prefix=users/alice/&prefix=users/alice/",
        "list-type=2&prefix=users/alice/&versions",
        "list-type=2&prefix=users/alice/&uploads=",
    ] {
        assert!(!taken(&format!("{query}&{SIGNATURE}")), "{query}");
    }
}

#[test]
fn headers_are_amazons_own_or_those_asked_for() {
    let headers = |answer| checked(&put(), answer).map(|signed| signed.headers);
    let owned = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let kms = ("X-Amz-Server-Side-Encryption", "aws:kms");
    assert_eq!(headers(with_header(kms.0, kms.1)), Ok(owned("x-amz-server-side-encryption", "aws:kms")));
    for known in [("Host", "s3.example"), ("content-length", "3"), ("If-None-Match", "*")] {
        assert_eq!(headers(with_header(known.0, known.1)), Ok(Vec::new()), "{known:?}");
    }
    for other in
        [("if-none-match", "x"), ("authorization", "x"), ("x-amz-a b", "x"), ("x-amz-a", "x\r\ny"), ("cookie", "x")]
    {
        assert!(headers(with_header(other.0, other.1)).is_err(), "{other:?}");
    }
    let twice = vec![("x-amz-a".to_owned(), "1".to_owned()), ("X-Amz-A".to_owned(), "2".to_owned())];
    assert!(headers(SignedUrl { headers: twice, ..signed(format!("{URL}?{SIGNATURE}")) }).is_err());
    let many = (0..=HEADERS_MAX).map(|n| (format!("x-amz-{n}"), "1".to_owned())).collect();
    assert!(headers(SignedUrl { headers: many, ..signed(format!("{URL}?{SIGNATURE}")) }).is_err());
}

#[test]
fn a_url_lives_as_long_as_it_says_or_the_signer_if_that_is_less() {
    let life = |url: &str, expires_s| SignedUrl { expires_s, ..signed(url) }.life_ms();
    assert_eq!(life(&format!("{URL}?{SIGNATURE}"), None), 900_000);
    assert_eq!(life(&format!("{URL}?{SIGNATURE}"), Some(60)), 60_000);
    assert_eq!(life(&format!("{URL}?{SIGNATURE}"), Some(1_000)), 900_000);
    assert_eq!(life(URL, Some(60)), 60_000);
    assert_eq!(life(URL, None), 0);
    assert_eq!(life(&format!("{URL}?X-Amz-Expires=x"), None), 0);
    // S3's own limit is seven days.
    assert_eq!(life(&format!("{URL}?X-Amz-Expires=4294967295"), None), 604_800_000);
}

#[test]
fn a_signed_url_is_not_printed() {
    let printed = format!("{:?}", signed(format!("{URL}?{SIGNATURE}")));
    assert!(printed.contains("/beacon") && !printed.contains("X-Amz"), "{printed}");
}
