//! What browsers, other S3 tools and the wire itself see.

use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;

#[tokio::test]
async fn a_preflight_is_answered_to_anyone() {
    let server = Server::start();
    let url = format!("http://{}/bucket/k", server.handle.address());
    let asked = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "authorization,if-match,x-amz-content-sha256"),
    ];
    let response = server.raw("OPTIONS", &url, &asked, Bytes::new()).await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert!(response.header("access-control-allow-methods").unwrap().contains("PUT"));
    assert_eq!(response.header("access-control-allow-headers"), Some(asked[2].1));
}

#[tokio::test]
async fn every_answer_can_be_read_by_a_page_of_any_origin() {
    let server = Server::start();
    server.put("k", b"1", Condition::Always).await;
    let stored = server.signed("GET", "/bucket/k", &[("origin", "https://app.example")], "").await;
    let refused = server.raw("GET", &format!("http://{}/bucket/k", server.handle.address()), &[], Bytes::new()).await;
    assert_eq!((stored.status, refused.status), (200, 403));
    for response in [&stored, &refused] {
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        let exposed = response.header("access-control-expose-headers").unwrap();
        for name in ["ETag", "Date", "x-amz-request-id", "Retry-After"] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name} is not exposed");
        }
        assert!(response.header("date").unwrap().ends_with(" GMT"));
    }
    assert_ne!(stored.header("x-amz-request-id").unwrap(), refused.header("x-amz-request-id").unwrap());
}

#[tokio::test]
async fn a_304_has_the_etag_and_no_body() {
    let server = Server::start();
    server.put("k", b"1", Condition::Always).await;
    let etag = server.folder().head("k").unwrap().unwrap().etag();
    for (method, known) in [("GET", etag.clone()), ("HEAD", etag.clone()), ("GET", format!("W/{etag}"))] {
        let response = server.signed(method, "/bucket/k", &[("if-none-match", &known)], "").await;
        assert_eq!(response.status, 304, "{method} {known}");
        assert_eq!(response.header("etag"), Some(etag.as_str()));
        assert!(response.body.is_empty());
    }
}

#[tokio::test]
async fn buckets_are_made_and_listed() {
    let server = Server::start();
    assert_eq!(server.signed("PUT", "/another", &[], "").await.status, 200);
    assert_eq!(server.signed("PUT", "/another", &[], "").await.status, 409);
    assert!(server.directory.path().join("another").is_dir());
    for name in [".tidelock", "Capital", "xx", "under_score"] {
        let response = server.signed("PUT", &format!("/{name}"), &[], "").await;
        assert!(text(&response).contains("<Code>InvalidBucketName</Code>"), "{name}: {}", text(&response));
        assert!(!server.directory.path().join(name).exists());
    }
    std::fs::create_dir(server.directory.path().join("Not-A-Bucket")).unwrap();
    std::fs::write(server.directory.path().join("a-file"), b"").unwrap();
    let listed = server.signed("GET", "/", &[], "").await;
    assert_eq!(listed.status, 200);
    let names: Vec<&str> = text(&listed).split("<Name>").skip(1).map(|rest| rest.split_once('<').unwrap().0).collect();
    assert_eq!(names, ["another", "bucket"]);
}

#[tokio::test]
async fn tools_list_by_folders() {
    let server = Server::start();
    let folder = server.folder();
    for key in ["a/1", "a/2", "a-b", "b/c/d", "e"] {
        folder.put(key, b"", tidelock::folder::Condition::Always).unwrap();
    }
    let names = |response: &Response, tag: &str| -> Vec<String> {
        let open = format!("<{tag}>");
        let body = text(response).to_owned();
        body.split(&open).skip(1).map(|rest| rest.split_once('<').unwrap().0.to_owned()).collect()
    };
    let whole = server.signed("GET", "/bucket?delimiter=%2F&list-type=2", &[], "").await;
    assert_eq!(names(&whole, "Key"), ["a-b", "e"]);
    assert_eq!(names(&whole, "CommonPrefixes><Prefix"), ["a/", "b/"]);
    assert_eq!(names(&whole, "KeyCount"), ["4"]);

    // One a page: the keys behind a common prefix are passed over, by the old listing too.
    let mut query = "/bucket?delimiter=%2F&max-keys=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = server.signed("GET", &query, &[], "").await;
        seen.extend(names(&page, "Key"));
        seen.extend(names(&page, "CommonPrefixes><Prefix"));
        match names(&page, "NextMarker").first() {
            Some(next) => query = format!("/bucket?delimiter=%2F&marker={}&max-keys=1", next.replace('/', "%2F")),
            None => break,
        }
    }
    assert_eq!(seen, ["a-b", "a/", "b/", "e"]);
}

#[tokio::test]
async fn a_content_md5_is_checked() {
    let server = Server::start();
    // RFC 1321's digest of `abc`, in base64.
    let md5 = "kAFQmDzST7DWlj99KOF/cg==";
    assert_eq!(server.signed("PUT", "/bucket/k", &[("content-md5", md5)], "abd").await.status, 400);
    assert_eq!(server.call(&get("k")).await, Answer::Missing);
    assert_eq!(server.signed("PUT", "/bucket/k", &[("content-md5", md5)], "abc").await.status, 200);
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let deleted = server.signed("POST", "/bucket?delete=", &[], delete).await;
    assert_eq!(deleted.status, 200);
    assert!(text(&deleted).contains("<Deleted><Key>k</Key>"));
}

#[tokio::test]
async fn what_it_does_not_know_it_refuses() {
    let server = Server::start();
    server.put("k", b"0123456789", Condition::Always).await;
    let etag = server.folder().head("k").unwrap().unwrap().etag();
    for (method, path, headers, status) in [
        ("PUT", "/bucket/k", vec![("if-none-match", "\"no\"")], 501),
        ("PUT", "/bucket/k", vec![("if-match", "*")], 501),
        ("PUT", "/bucket/k", vec![("if-match", "\"no\"")], 412),
        ("PUT", "/bucket/k/x", vec![], 400),
        ("DELETE", "/bucket/k", vec![("if-match", etag.as_str())], 501),
        ("DELETE", "/bucket/k?versionId=1", vec![], 501),
        ("GET", "/bucket/k", vec![("if-match", "\"no\"")], 412),
        ("GET", "/bucket/k", vec![("range", "bytes=10-")], 416),
        ("GET", "/bucket?list-type=2&max-keys=-1", vec![], 400),
        ("GET", "/bucket?continuation-token=x&list-type=2", vec![], 400),
        ("GET", "/bucket/k?tagging=", vec![], 501),
        ("GET", "/bucket?delimiter=%2F&uploads=", vec![], 501),
        ("PUT", "/bucket/k?partNumber=0&uploadId=0", vec![], 404),
    ] {
        let response = server.signed(method, path, &headers, "").await;
        assert_eq!(response.status, status, "{method} {path} {headers:?}: {}", text(&response));
    }
    let range = server.signed("GET", "/bucket/k", &[("range", "bytes=-3"), ("if-match", &etag)], "").await;
    assert_eq!((range.status, text(&range)), (206, "789"));
    assert_eq!(range.header("content-range"), Some("bytes 7-9/10"));
}

/// On a bare socket, because HTTP clients resolve `..` before they send it.
#[test]
fn no_path_leads_out_of_the_bucket() {
    let server = Server::start();
    std::fs::write(server.directory.path().join("secret"), b"secret").unwrap();
    server.folder().put("k", b"", tidelock::folder::Condition::Always).unwrap();
    assert!(server.directory.path().join("bucket/.tidelock/lock").exists());
    let answer = |method: &str, path: &str| {
        let mut stream = TcpStream::connect(server.handle.address()).unwrap();
        let host = server.handle.address();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n")
            .unwrap();
        for (name, value) in server.signature(method, &format!("http://{host}{path}"), &[], "") {
            write!(stream, "{name}: {value}\r\n").unwrap();
        }
        write!(stream, "\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for path in ["/bucket/../secret", "/bucket/.tidelock/lock", "/bucket//etc/passwd", "/bucket/./k", "/bucket/k/"] {
        let answer = answer("GET", path);
        assert!(answer.contains("<Code>NoSuchKey</Code>"), "{path}: {answer}");
    }
    assert!(answer("GET", "/../secret").starts_with("HTTP/1.1 400 "));
    assert!(answer("PUT", "/bucket/../outside").starts_with("HTTP/1.1 200 "));
    assert!(!server.directory.path().join("outside").exists());
    assert_eq!(server.folder().list("", "", 9).unwrap().entries[0].key, "../outside");
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.handle.address()).unwrap();
    for _ in 0..3 {
        write!(stream, "OPTIONS /bucket/k HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 204 "));
    }
}
