//! Multipart uploads and copies.

use super::*;
use futures::future::join_all;
use tidelock_core::s3::{
    AbortMultipartUpload, CompleteMultipartUpload, CopyObject, CreateMultipartUpload, ETag, ListMultipartUploads,
    ListParts, Part, PartsPage, Properties, Retry, UploadId, UploadMarker, UploadPart, Written,
};

const KEY: &str = "films/größe & +";
/// The least of every part but the last.
const MIB_5: usize = 5 << 20;

impl Server {
    async fn begin(&self, key: &str) -> UploadId {
        let create = CreateMultipartUpload { key: key.to_owned(), properties: Properties::default() };
        self.act(&create).await.unwrap()
    }

    async fn part(&self, upload: &UploadId, number: u32, body: Vec<u8>) -> Part {
        let part = UploadPart { key: KEY.to_owned(), upload: upload.clone(), number, body: body.into() };
        Part { number, etag: self.act(&part).await.unwrap().unwrap() }
    }

    async fn parts(&self, upload: &UploadId, marker: Option<u32>, max_parts: u32) -> Option<PartsPage> {
        self.act(&ListParts { key: KEY.to_owned(), upload: upload.clone(), marker, max_parts }).await.unwrap()
    }

    async fn complete(&self, upload: &UploadId, parts: &[Part], condition: Condition) -> Result<Written, Failure> {
        let (key, upload, parts) = (KEY.to_owned(), upload.clone(), parts.to_vec());
        self.act(&CompleteMultipartUpload { key, upload, parts, condition }).await
    }

    async fn abort(&self, upload: &UploadId) {
        self.act(&AbortMultipartUpload { key: KEY.to_owned(), upload: upload.clone() }).await.unwrap();
    }

    async fn uploads(&self, prefix: &str, max_uploads: u32) -> Vec<(String, UploadId)> {
        let (mut all, mut marker): (_, Option<UploadMarker>) = (Vec::new(), None);
        loop {
            let list = ListMultipartUploads { prefix: prefix.to_owned(), marker, max_uploads };
            let page = self.act(&list).await.unwrap();
            assert!(page.uploads.len() <= max_uploads as usize);
            assert!(page.uploads.iter().all(|upload| upload.initiated.is_some()));
            all.extend(page.uploads.into_iter().map(|upload| (upload.key, upload.id)));
            marker = page.next;
            if marker.is_none() {
                return all;
            }
        }
    }

    /// The hidden directory's entries: uploads and what they left.
    fn left(&self) -> usize {
        std::fs::read_dir(self.folder().root().join(".tidelock/uploads")).map_or(0, Iterator::count)
    }
}

#[tokio::test]
async fn parts_in_any_order_become_one_object_at_once() {
    let server = Server::start();
    let upload = server.begin(KEY).await;
    let last = server.part(&upload, 7, b"end".to_vec()).await;
    server.part(&upload, 2, vec![1; MIB_5]).await;
    let first = server.part(&upload, 2, vec![2; MIB_5]).await;
    // S3 gives a part the MD5 of its content; RFC 1321's own tool said this of `end`.
    assert_eq!(Some(&last.etag), ETag::new("\"7f021a1415b86f2d013b2618fb31ae53\"").as_ref());
    assert_eq!(server.call(&get(KEY)).await, Answer::Missing);
    assert_eq!(server.folder().list("", "", 9).unwrap().entries, []);

    let page = server.parts(&upload, None, 1).await.unwrap();
    assert_eq!((page.parts[0].number, page.parts[0].size, page.next), (2, MIB_5 as u64, Some(2)));
    assert_eq!(page.parts[0].etag, first.etag, "the part in its place is gone");
    let page = server.parts(&upload, page.next, 1).await.unwrap();
    assert_eq!((page.parts[0].number, page.parts[0].size, page.next), (7, 3, None));

    let Written::Stored { etag } = server.complete(&upload, &[first, last], Condition::Always).await.unwrap() else {
        panic!("it is not stored")
    };
    let whole = Call::GetObject { key: KEY.to_owned(), if_none_match: None, range: None, body_max: 8 << 20 };
    let Answer::Object { body, etag: read, .. } = server.call(&whole).await else { panic!("it is not there") };
    assert_eq!((body[..MIB_5].iter().all(|byte| *byte == 2), &body[MIB_5..], read), (true, &b"end"[..], etag));
    assert_eq!(server.parts(&upload, None, 9).await, None);
    assert_eq!(server.left(), 0);
}

#[tokio::test]
async fn what_is_no_whole_upload_becomes_nothing() {
    let server = Server::start();
    server.put(KEY, b"before", Condition::Always).await;
    let upload = server.begin(KEY).await;
    let (short, last) =
        (server.part(&upload, 1, b"short".to_vec()).await, server.part(&upload, 2, b"x".to_vec()).await);
    let other = Part { number: 1, etag: last.etag.clone() };
    for (parts, code) in [
        (vec![short.clone(), last.clone()], "EntityTooSmall"),
        (vec![other], "InvalidPart"),
        (vec![Part { number: 3, etag: short.etag.clone() }], "InvalidPart"),
    ] {
        let failure = server.complete(&upload, &parts, Condition::Always).await.unwrap_err();
        assert_eq!((failure.retry, failure.error.message().contains(code)), (Retry::Never, true), "{}", failure.error);
    }
    let refused = server.complete(&upload, std::slice::from_ref(&short), Condition::IfAbsent).await.unwrap();
    assert_eq!(refused, Written::Refused);

    // A part that the disk spoilt.
    let directory = server.folder().root().join(".tidelock/uploads").join(upload.as_str());
    let file = directory.join("00001");
    let mut stored = std::fs::read(&file).unwrap();
    *stored.last_mut().unwrap() ^= 1;
    std::fs::write(&file, stored).unwrap();
    let spoilt = server.complete(&upload, &[short], Condition::Always).await.unwrap_err();
    assert!(spoilt.error.message().contains("InvalidPart"), "{}", spoilt.error);
    assert!(matches!(server.call(&get(KEY)).await, Answer::Object { body, .. } if body == "before"));
}

/// Nothing but the disk bounds an object: it is never in memory whole.
#[tokio::test]
async fn an_object_over_64_mib_goes_in_at_once_and_by_parts_is_copied_and_comes_out() {
    const MIB: usize = 1 << 20;
    let server = Server::start();
    let body: Vec<u8> = (0..65 * MIB).map(|at| (at / 1000) as u8).collect();
    let whole = Call::PutObject { key: "whole".to_owned(), body: body.clone().into(), condition: Condition::IfAbsent };
    assert!(matches!(server.call(&whole).await, Answer::Stored { .. }));
    let upload = server.begin(KEY).await;
    let mut parts = Vec::new();
    for (number, content) in (1..).zip(body.chunks(33 * MIB)) {
        parts.push(server.part(&upload, number, content.to_vec()).await);
    }
    assert!(matches!(server.complete(&upload, &parts, Condition::Always).await.unwrap(), Written::Stored { .. }));
    let copy = CopyObject { source: KEY.to_owned(), if_source_matches: None, key: "copy".to_owned(), properties: None };
    assert!(matches!(server.act(&copy).await.unwrap(), Written::Stored { .. }));
    for key in ["whole", KEY, "copy"] {
        let get = Call::GetObject { key: key.to_owned(), if_none_match: None, range: None, body_max: 80 << 20 };
        let Answer::Object { body: came, .. } = server.call(&get).await else { panic!("{key} is not there") };
        assert!(came == body, "{key}");
    }
    // More than S3 takes in one PUT is refused before any of it is sent.
    let mut wire = std::net::TcpStream::connect(server.handle.address()).unwrap();
    let url = format!("http://{}/bucket/huge", server.handle.address());
    let length = ("content-length", "5368709121");
    let mut request = format!("PUT /bucket/huge HTTP/1.1\r\nhost: {}\r\n", server.handle.address());
    for (name, value) in
        server.signature("PUT", &url, &[], "").iter().map(|(n, v)| (n.as_str(), v.as_str())).chain([length])
    {
        request += &format!("{name}: {value}\r\n");
    }
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        wire.write_all((request + "\r\n").as_bytes()).unwrap();
        let mut answer = vec![0; 4096];
        let read = wire.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("EntityTooLarge"), "{answer}");
}

#[tokio::test]
async fn uploads_are_listed_until_they_are_given_up() {
    let server = Server::start();
    assert_eq!(server.uploads("", 9).await, []);
    let mut begun = Vec::new();
    for key in ["films/b", KEY, "films/b", "music"] {
        begun.push((key.to_owned(), server.begin(key).await));
    }
    begun.sort();
    assert_eq!(server.uploads("", 1).await, begun);
    assert_eq!(server.uploads("mu", 9).await, begun[3..]);
    let of_key = begun.iter().find(|(key, _)| key == KEY).unwrap().1.clone();
    // Under another key it is none.
    let elsewhere = AbortMultipartUpload { key: "music".to_owned(), upload: of_key.clone() };
    server.act(&elsewhere).await.unwrap();
    // Nor is a name that leads to the bucket itself, whose object `key` looks like an upload's.
    server.call(&Call::PutObject { key: "key".to_owned(), body: KEY.into(), condition: Condition::Always }).await;
    for id in ["../..", "0", "00000000000000000000000000000000"] {
        let id = UploadId::new(id).unwrap();
        assert_eq!(server.parts(&id, None, 9).await, None);
        server.abort(&id).await;
    }
    assert!(server.folder().head("key").unwrap().is_some());
    server.part(&of_key, 1, b"x".to_vec()).await;
    server.abort(&of_key).await;
    server.abort(&of_key).await;
    assert_eq!(server.parts(&of_key, None, 9).await, None);
    let late = UploadPart { key: KEY.to_owned(), upload: of_key, number: 1, body: Bytes::from_static(b"x") };
    assert_eq!(server.act(&late).await.unwrap(), None);
    assert_eq!((server.uploads("", 9).await.len(), server.left()), (3, 3));
}

/// Each of its answers is one that a client can go on from, and one of the parts that were acknowledged is there.
#[tokio::test]
async fn parts_of_one_number_at_once_leave_one() {
    let server = Server::start();
    let upload = server.begin(KEY).await;
    let bodies: Vec<Vec<u8>> = (0..16).map(|number| vec![number; 1000 + usize::from(number)]).collect();
    let parts = join_all(bodies.iter().map(|body| server.part(&upload, 1, body.clone()))).await;
    let there = server.parts(&upload, None, 9).await.unwrap().parts;
    assert_eq!(there.len(), 1);
    let part = parts.into_iter().find(|part| part.etag == there[0].etag).unwrap();
    let ends = join_all((0..8).map(|_| server.complete(&upload, std::slice::from_ref(&part), Condition::Always))).await;
    for end in &ends {
        assert!(matches!(end, Ok(Written::Stored { .. } | Written::Gone)), "{end:?}");
    }
    assert!(ends.iter().any(|end| matches!(end, Ok(Written::Stored { .. }))));
    let Answer::Object { body, .. } = server.call(&get(KEY)).await else { panic!("it is not there") };
    assert!(bodies.iter().any(|sent| *sent == body));
    assert_eq!(server.left(), 0);
}

#[tokio::test]
async fn uploads_outlive_the_server() {
    let mut server = Server::start();
    let upload = server.begin(KEY).await;
    let part = server.part(&upload, 1, b"content".to_vec()).await;
    server.restart();
    assert!(matches!(server.complete(&upload, &[part], Condition::IfAbsent).await.unwrap(), Written::Stored { .. }));
    assert!(matches!(server.call(&get(KEY)).await, Answer::Object { body, .. } if body == "content"));
}

#[tokio::test]
async fn copies() {
    let server = Server::start();
    server.put("from", b"content", Condition::Always).await;
    let etag = server.folder().head("from").unwrap().unwrap().etag();
    let copy = |source: &str, etag: Option<&str>| CopyObject {
        source: source.to_owned(),
        if_source_matches: etag.and_then(ETag::new),
        key: KEY.to_owned(),
        properties: None,
    };
    assert_eq!(server.act(&copy("none", None)).await.unwrap(), Written::Gone);
    assert_eq!(server.act(&copy("from", Some("\"other\""))).await.unwrap(), Written::Refused);
    assert_eq!(server.call(&get(KEY)).await, Answer::Missing);
    assert!(matches!(server.act(&copy("from", Some(&etag))).await.unwrap(), Written::Stored { etag: Some(_) }));
    assert!(matches!(server.call(&get(KEY)).await, Answer::Object { body, .. } if body == "content"));
    let source = [("x-amz-copy-source", "/bucket/from"), ("if-none-match", "*")];
    assert_eq!(server.signed("PUT", "/bucket/to", &source, "").await.status, 501);
}
