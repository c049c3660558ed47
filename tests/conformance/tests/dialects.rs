//! The dialect simulator does what it says, asked by plain HTTP: AWS's own forms, and each dialect's one difference.

use bytes::Bytes;
use std::io::{Read, Write};
use std::net::TcpStream;
use tidelock::Credentials;
use tidelock_conformance::{Bucket, Dialect, DialectServer};
use tidelock_core::ErrorKind;
use tidelock_core::s3::{Answer, Call, Condition, ETag, Enforcement, Probe, Retry};

fn start(dialect: Dialect) -> (DialectServer, Bucket) {
    let server = DialectServer::start(dialect, "bucket", "access", "secret");
    let uri = format!("s3://bucket/p?endpoint=http://{}&path_style=true&region=us-east-1", server.address());
    let bucket = Bucket::new(&uri, Some(Credentials::new("access", "secret", None).unwrap()));
    (server, bucket)
}

fn put(key: &str, condition: Condition) -> Call {
    Call::PutObject { key: key.into(), body: Bytes::from_static(b"content"), condition }
}

fn verdict(dialect: Dialect) -> Enforcement {
    let (_server, bucket) = start(dialect);
    let mut probe = Probe::new("probe");
    while let Some(call) = probe.next_call() {
        probe.handle(bucket.try_call(&call)).unwrap();
    }
    probe.enforcement().unwrap()
}

#[test]
fn conditions_are_kept_ignored_or_refused() {
    assert_eq!(verdict(Dialect::Bare403), Enforcement::Enforced);
    assert_eq!(verdict(Dialect::QuotedRefused), Enforcement::Enforced);
    for dialect in [Dialect::ConditionsIgnored, Dialect::Garage, Dialect::Rclone] {
        assert_eq!(verdict(dialect), Enforcement::Ignored);
    }
    for dialect in [Dialect::ConditionsInvalid, Dialect::ConditionsNotImplemented] {
        assert_eq!(verdict(dialect), Enforcement::Refused);
    }
}

#[test]
fn an_etag_matches_in_the_forms_of_its_dialect() {
    // The MD5 of "content", by md5sum.
    let etag = ETag::new("\"9a0364b9e99bb480dd25e1f0284c8555\"").unwrap();
    for (dialect, expected) in [
        (Dialect::Bare403, Answer::Stored { etag: Some(etag.clone()) }),
        (Dialect::QuotedNeverMatches, Answer::Refused),
        (Dialect::QuotedRefused, Answer::Stored { etag: Some(etag.clone()) }),
        (Dialect::RandomEtags, Answer::Refused),
    ] {
        let (_server, bucket) = start(dialect);
        bucket.put("k", "content");
        assert_eq!(bucket.try_call(&put("k", Condition::IfMatch(etag.clone()))), Ok(expected), "{dialect:?}");
        assert_eq!(bucket.try_call(&put("k", Condition::IfAbsent)), Ok(Answer::Refused));
    }
}

#[test]
fn listings_have_pages_in_their_version() {
    let keys = ["a", "b", "c/d", "c/e", "f"];
    for dialect in [Dialect::Bare403, Dialect::ListV1Only, Dialect::ListV2Refused, Dialect::ListWithoutEtags] {
        let (_server, bucket) = start(dialect);
        keys.iter().for_each(|key| bucket.put(key, "content"));
        assert_eq!(bucket.keys(), keys, "{dialect:?}");
        let by_v2 = bucket.try_call(&Call::ListObjectsV2 {
            prefix: String::new(),
            continuation: None,
            start_after: None,
            max_keys: 1000,
        });
        let knows_v2 = !matches!(dialect, Dialect::ListV1Only | Dialect::ListV2Refused);
        assert_eq!(by_v2.err().map(|failure| failure.retry), (!knows_v2).then_some(Retry::ListV1));
    }
    let (_server, bucket) = start(Dialect::HidesChildren);
    ["c", "c/d", "f"].iter().for_each(|key| bucket.put(key, "content"));
    assert_eq!(bucket.keys(), ["c", "f"]);
    assert_eq!(bucket.get("c/d"), "content");
}

#[test]
fn many_are_deleted_where_that_is_known() {
    let call = Call::DeleteObjects { keys: vec!["a".into(), "b".into()] };
    for dialect in [Dialect::Bare403, Dialect::Md5Required] {
        let (_server, bucket) = start(dialect);
        ["a", "b", "c"].iter().for_each(|key| bucket.put(key, "content"));
        assert_eq!(bucket.try_call(&call), Ok(Answer::DeletedMany { failed: vec![] }));
        assert_eq!(bucket.keys(), ["c"]);
    }
    for dialect in [Dialect::NoBatchDelete, Dialect::Md5Refused] {
        assert_eq!(start(dialect).1.try_call(&call).unwrap_err().retry, Retry::SingleDeletes);
    }
}

#[test]
fn refusals_have_the_form_of_their_dialect() {
    let get = Call::GetObject { key: "k".into(), if_none_match: None, range: None, body_max: 9 };
    for (dialect, kind, code) in [
        (Dialect::Slow, ErrorKind::Auth, "SignatureDoesNotMatch"),
        (Dialect::Garage, ErrorKind::Auth, "AccessDenied"),
        (Dialect::HtmlErrors, ErrorKind::Network, "not an S3 answer"),
    ] {
        let server = DialectServer::start(dialect, "bucket", "access", "another secret");
        let uri = format!("s3://bucket/p?endpoint=http://{}&path_style=true", server.address());
        let bucket = Bucket::new(&uri, Some(Credentials::new("access", "secret", None).unwrap()));
        let error = bucket.try_call(&get).unwrap_err().error;
        assert_eq!(error.kind(), kind, "{dialect:?}");
        assert!(error.message().contains(code), "{error}");
    }
    assert!(raw(Dialect::Slow).contains("access-control-allow-origin: *"));
    assert!(!raw(Dialect::Bare403).contains("access-control-allow-origin"));
}

/// What an unsigned request of a web page is answered.
fn raw(dialect: Dialect) -> String {
    let (server, _bucket) = start(dialect);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET /bucket/k HTTP/1.1\r\nhost: x\r\norigin: https://page.example\r\n\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    answer
}
