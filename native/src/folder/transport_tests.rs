//! The transport as the engine meets it: requests built and answers read by the S3 dialect, and some that it would not build.

use super::tests::folder;
use super::*;
use tempfile::TempDir;
use tidelock_core::s3::{
    Action, Answer, Call, Condition, ETag, EtagQuoting, HttpRequest, Method, Response, Retry, StoreUri,
};

struct Store {
    _directory: TempDir,
    folder: Folder,
    uri: StoreUri,
}

fn store() -> Store {
    let (directory, folder) = folder();
    let uri = format!("file://{}", directory.path().display()).parse().unwrap();
    Store { _directory: directory, folder, uri }
}

impl Store {
    fn call(&self, call: &Call) -> Answer {
        call.interpret(&self.uri, &self.folder.answer(&self.request(call))).unwrap()
    }

    fn request(&self, call: &Call) -> HttpRequest {
        call.request(&self.uri, None, 0, EtagQuoting::Quoted).unwrap()
    }

    fn put(&self, key: &str, body: &'static [u8], condition: Condition) -> Answer {
        self.call(&Call::PutObject { key: key.to_owned(), body: Bytes::from_static(body), condition })
    }

    fn raw(&self, method: Method, url: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.folder.answer(&HttpRequest {
            method,
            url: url.to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            max_response_bytes: 1 << 20,
        })
    }
}

fn get(key: &str, if_none_match: Option<ETag>, range: Option<(u64, u64)>) -> Call {
    Call::GetObject { key: key.to_owned(), if_none_match, range, body_max: 1 << 20 }
}

fn etag_of(answer: Answer) -> ETag {
    match answer {
        Answer::Stored { etag: Some(etag) } => etag,
        other => panic!("not stored with an ETag: {other:?}"),
    }
}

#[test]
fn every_call_has_its_answer() {
    let store = store();
    assert_eq!(store.call(&Call::HeadBucket), Answer::Bucket);
    assert_eq!(store.call(&get("a/b", None, None)), Answer::Missing);
    let head = Call::HeadObject { key: "a/b".to_owned() };
    assert_eq!(store.call(&head), Answer::Missing);

    let first = etag_of(store.put("a/b", b"hello", Condition::IfAbsent));
    assert_eq!(store.put("a/b", b"other", Condition::IfAbsent), Answer::Refused);
    assert_eq!(store.put("none", b"other", Condition::IfMatch(first.clone())), Answer::Refused);
    let second = etag_of(store.put("a/b", b"hello", Condition::IfMatch(first.clone())));
    assert_ne!(first, second);
    assert_eq!(store.put("a/b", b"other", Condition::IfMatch(first.clone())), Answer::Refused);

    let Answer::Object { body, etag, date_unix_ms } = store.call(&get("a/b", Some(first), None)) else {
        panic!("the object changed, so it is sent");
    };
    assert_eq!((&body[..], etag.as_ref()), (&b"hello"[..], Some(&second)));
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(date_unix_ms.unwrap().abs_diff(now_ms) < 60_000);
    assert_eq!(store.call(&get("a/b", Some(second.clone()), None)), Answer::NotModified);
    let Answer::Object { body, .. } = store.call(&get("a/b", None, Some((1, 3)))) else {
        panic!("the range is there");
    };
    assert_eq!(body, "ell");
    let Answer::Head { len, etag, last_modified } = store.call(&head) else {
        panic!("the object is there");
    };
    assert_eq!((len, etag), (5, Some(second)));
    assert!(last_modified.unwrap().ends_with(" GMT"));

    let delete = Call::DeleteObject { key: "a/b".to_owned() };
    assert_eq!(store.call(&delete), Answer::Deleted);
    assert_eq!(store.call(&delete), Answer::Deleted);
    assert_eq!(store.call(&head), Answer::Missing);
}

#[test]
fn listings_go_on_and_keys_come_back_as_they_were() {
    let store = store();
    let keys = ["a b+c%20", "a/1", "a/2", "a/<&>\"'", "b", "größe/日本"];
    let mut etags = Vec::new();
    for key in keys {
        etags.push(etag_of(store.put(key, b"12", Condition::Always)));
    }
    let (mut continuation, mut found, mut pages) = (None, Vec::new(), 0);
    loop {
        let call = Call::ListObjectsV2 { prefix: String::new(), continuation, start_after: None, max_keys: 4 };
        let Answer::Listed { entries, next } = store.call(&call) else {
            panic!("it lists");
        };
        pages += 1;
        found.extend(entries);
        continuation = next;
        if continuation.is_none() {
            break;
        }
    }
    assert_eq!(pages, 2);
    assert_eq!(found.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), keys);
    assert_eq!(found.iter().map(|entry| entry.etag.clone().unwrap()).collect::<Vec<_>>(), etags);
    assert!(found.iter().all(|entry| entry.size == 2));
    let call = Call::ListObjectsV2 {
        prefix: "a/".to_owned(),
        continuation: None,
        start_after: Some("a/1".to_owned()),
        max_keys: 1000,
    };
    let Answer::Listed { entries, next: None } = store.call(&call) else {
        panic!("it lists on one page");
    };
    assert_eq!(entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), &keys[2..4]);
}

#[test]
fn many_are_deleted_at_once() {
    let store = store();
    for key in ["a/1", "a/2", "a&<>\"'b"] {
        store.put(key, b"", Condition::Always);
    }
    let too_long = "x".repeat(300);
    let keys = vec!["a/1".to_owned(), "a&<>\"'b".to_owned(), "never/there".to_owned(), too_long.clone()];
    let answer = store.call(&Call::DeleteObjects { keys });
    assert_eq!(answer, Answer::DeletedMany { failed: vec![(too_long, "KeyTooLongError".to_owned())] });
    assert_eq!(store.folder.list("", "", 9).unwrap().entries.len(), 1);
    let loud = store.raw(Method::Post, "file:///?delete", &[], "<Delete><Object><Key>a/2</Key></Object></Delete>");
    assert_eq!(loud.status, 200);
    assert!(std::str::from_utf8(&loud.body).unwrap().contains("<Deleted><Key>a/2</Key></Deleted>"));
    assert!(store.folder.list("", "", 9).unwrap().entries.is_empty());
}

#[test]
fn delete_documents_that_are_none_delete_nothing() {
    let store = store();
    store.put("k", b"", Condition::Always);
    let object = "<Object><Key>k</Key></Object>";
    for document in [
        String::new(),
        "<html></html>".to_owned(),
        object.to_owned(),
        "<Delete></Delete>".to_owned(),
        format!("<Delete>{object}"),
        format!("<Delete>{object}</Object>"),
        format!("<!DOCTYPE d [<!ENTITY k \"k\">]><Delete>{object}</Delete>"),
        "<Delete><Object><Key>&k;</Key></Object></Delete>".to_owned(),
        "<Delete><Object><Key>k</Key><VersionId>1</VersionId></Object></Delete>".to_owned(),
        "<Delete><Object><Key><k><k>k</k></k></Key></Object></Delete>".to_owned(),
        format!("<Delete>{}</Delete>", object.repeat(1001)),
        format!("<Delete><Object><Key>{}</Key></Object>{object}</Delete>", "x".repeat(1025)),
    ] {
        let answer = store.raw(Method::Post, "file:///?delete", &[], &document);
        assert_eq!(answer.status, 400, "{document}");
        assert!(std::str::from_utf8(&answer.body).unwrap().contains("<Code>MalformedXML</Code>"));
    }
    let whole = format!("<?xml version=\"1.0\"?><Delete><Quiet>true</Quiet>{object}</Delete>");
    for end in 0..whole.len() {
        store.raw(Method::Post, "file:///?delete", &[], &whole[..end]);
    }
    assert!(store.folder.head("k").unwrap().is_some());
    store.raw(Method::Post, "file:///?delete", &[], &whole);
    assert_eq!(store.folder.head("k").unwrap(), None);
}

#[test]
fn what_s3_would_refuse_is_refused_in_its_words() {
    let store = store();
    store.put("k", b"0123456789", Condition::Always);
    for (method, url, headers, status, code) in [
        (Method::Get, "file:///none", vec![], 404, "NoSuchKey"),
        (Method::Get, "file:///k", vec![("range", "bytes=10-11")], 416, "InvalidRange"),
        (Method::Get, "file:///k", vec![("range", "bytes=3-2")], 400, "InvalidArgument"),
        (Method::Get, "file:///k", vec![("range", "lines=1-2")], 400, "InvalidArgument"),
        (Method::Get, "file:///%ff", vec![], 400, "InvalidURI"),
        (Method::Get, "http://host/k", vec![], 400, "InvalidURI"),
        (Method::Get, "file:///", vec![], 501, "NotImplemented"),
        (Method::Get, "file:///?list-type=2&max-keys=x", vec![], 400, "InvalidArgument"),
        (Method::Get, "file:///?list-type=2&continuation-token=x", vec![], 400, "InvalidArgument"),
        (Method::Get, "file:///?list-type=2&delimiter=/", vec![], 501, "NotImplemented"),
        (Method::Put, "file:///k", vec![("if-none-match", "*")], 412, "PreconditionFailed"),
        (Method::Put, "file:///k", vec![("If-Match", "\"no\"")], 412, "PreconditionFailed"),
        (Method::Put, "file:///none", vec![("if-match", "\"no\"")], 404, "NoSuchKey"),
        (Method::Put, "file:///k", vec![("if-none-match", "\"no\"")], 501, "NotImplemented"),
        (Method::Put, "file:///k", vec![("if-match", "*")], 501, "NotImplemented"),
        (Method::Put, "file:///k", vec![("if-match", "\"a\""), ("if-none-match", "*")], 501, "NotImplemented"),
        (Method::Put, "file:///k/x", vec![], 400, "InvalidRequest"),
        (Method::Put, "file:///", vec![], 501, "NotImplemented"),
        (Method::Delete, "file:///", vec![], 501, "NotImplemented"),
        (Method::Post, "file:///k", vec![], 501, "NotImplemented"),
    ] {
        let answer = store.raw(method, url, &headers, "x");
        assert_eq!(answer.status, status, "{method:?} {url} {headers:?}");
        let body = std::str::from_utf8(&answer.body).unwrap();
        assert!(body.starts_with(&format!("<Error><Code>{code}</Code>")), "{body}");
    }
    assert_eq!(store.raw(Method::Head, "file:///none", &[], "").body, "");
    assert!(matches!(store.call(&get("k", None, None)), Answer::Object { body, .. } if body == "0123456789"));
}

#[test]
fn an_unquoted_etag_counts_as_the_quoted_one() {
    let store = store();
    let etag = etag_of(store.put("k", b"1", Condition::Always));
    let bare = etag.as_str().trim_matches('"').to_owned();
    assert_eq!(store.raw(Method::Get, "file:///k", &[("if-none-match", &bare)], "").status, 304);
    assert_eq!(store.raw(Method::Put, "file:///k", &[("if-match", &bare)], "2").status, 200);
}

#[test]
fn an_answer_over_its_bound_is_not_given() {
    let store = store();
    store.put("k", b"0123456789", Condition::Always);
    let mut request = store.request(&get("k", None, None));
    request.max_response_bytes = 9;
    let answer = store.folder.answer(&request);
    assert_eq!(answer.status, 400);
    assert!(std::str::from_utf8(&answer.body).unwrap().contains("EntityTooLarge"));
}

#[test]
fn a_folder_that_went_away_is_a_missing_bucket() {
    let store = store();
    std::fs::remove_dir_all(store.folder.root()).unwrap();
    for call in [get("k", None, None), Call::HeadBucket, Call::DeleteObjects { keys: vec!["k".to_owned()] }] {
        let failure = call.interpret(&store.uri, &store.folder.answer(&store.request(&call))).unwrap_err();
        assert_eq!(failure.error.kind(), ErrorKind::NotFound);
        assert_eq!(failure.retry, Retry::Never);
    }
}
