//! Everything the engine asks, and the same objects seen through the folder.

use super::*;
use std::sync::Arc;
use tidelock::folder;
use tidelock_core::ErrorKind;
use tidelock_core::s3::{Action, ETag, Retry};

fn etag_of(answer: Answer) -> ETag {
    match answer {
        Answer::Stored { etag: Some(etag) } => etag,
        other => panic!("not stored with an ETag: {other:?}"),
    }
}

#[tokio::test]
async fn every_call_has_its_answer() {
    let server = Server::start();
    assert_eq!(server.call(&Call::HeadBucket).await, Answer::Bucket);
    let key = "a/größe & +";
    let head = Call::HeadObject { key: key.to_owned() };
    assert_eq!(server.call(&get(key)).await, Answer::Missing);
    assert_eq!(server.call(&head).await, Answer::Missing);

    let first = etag_of(server.put(key, b"hello", Condition::IfAbsent).await);
    assert_eq!(server.put(key, b"other", Condition::IfAbsent).await, Answer::Refused);
    assert_eq!(server.put("none", b"other", Condition::IfMatch(first.clone())).await, Answer::Refused);
    let second = etag_of(server.put(key, b"hello", Condition::IfMatch(first.clone())).await);
    assert_ne!(first, second);
    assert_eq!(server.put(key, b"other", Condition::IfMatch(first.clone())).await, Answer::Refused);

    let conditional =
        |etag| Call::GetObject { key: key.to_owned(), if_none_match: Some(etag), range: None, body_max: 1 << 20 };
    let Answer::Object { body, etag, date_unix_ms } = server.call(&conditional(first)).await else {
        panic!("the object changed, so it is sent");
    };
    assert_eq!((&body[..], etag.as_ref()), (&b"hello"[..], Some(&second)));
    assert!(date_unix_ms.unwrap().abs_diff(now_ms()) < 60_000);
    assert_eq!(server.call(&conditional(second.clone())).await, Answer::NotModified);
    let range = Call::GetObject { key: key.to_owned(), if_none_match: None, range: Some((1, 3)), body_max: 1 << 20 };
    assert!(matches!(server.call(&range).await, Answer::Object { body, .. } if body == "ell"));
    let Answer::Head { len, etag, last_modified } = server.call(&head).await else {
        panic!("the object is there");
    };
    assert_eq!((len, etag), (5, Some(second)));
    assert!(last_modified.unwrap().ends_with(" GMT"));

    let delete = Call::DeleteObject { key: key.to_owned() };
    assert_eq!(server.call(&delete).await, Answer::Deleted);
    assert_eq!(server.call(&delete).await, Answer::Deleted);
    assert_eq!(server.call(&get(key)).await, Answer::Missing);
}

#[tokio::test]
async fn server_and_folder_show_the_same_objects() {
    let server = Server::start();
    let folder = server.folder();
    let keys = ["a b+c%20", "a/1", "a/2", "a/<&>\"'", "b", "größe/日本"];
    for (number, key) in keys.into_iter().enumerate() {
        if number % 2 == 0 {
            server.put(key, b"12", Condition::Always).await;
        } else {
            folder.put(key, b"12", folder::Condition::Always).unwrap();
        }
    }
    let (mut continuation, mut found) = (None, Vec::new());
    loop {
        let call = Call::ListObjectsV2 { prefix: String::new(), continuation, start_after: None, max_keys: 4 };
        let Answer::Listed { entries, next } = server.call(&call).await else {
            panic!("it lists");
        };
        found.extend(entries.into_iter().map(|entry| (entry.key, entry.size, entry.etag.unwrap().as_str().to_owned())));
        continuation = next;
        if continuation.is_none() {
            break;
        }
    }
    assert_eq!(found.iter().map(|(key, ..)| key.as_str()).collect::<Vec<_>>(), keys);
    let below: Vec<_> = folder.list("", "", 100).unwrap().entries;
    assert_eq!(
        found,
        below.into_iter().map(|entry| (entry.key, entry.meta.size, entry.meta.etag())).collect::<Vec<_>>()
    );
    for (key, _, etag) in found {
        let Answer::Object { etag: Some(seen), .. } = server.call(&get(&key)).await else {
            panic!("it is there");
        };
        assert_eq!(seen.as_str(), etag);
    }

    let many = Call::DeleteObjects { keys: vec!["a/1".to_owned(), "a/<&>\"'".to_owned(), "never".to_owned()] };
    assert_eq!(server.call(&many).await, Answer::DeletedMany { failed: vec![] });
    assert_eq!(folder.list("a/", "", 100).unwrap().entries.len(), 1);
}

#[tokio::test]
async fn of_sixteen_clients_and_a_folder_one_creates_and_none_loses_an_update() {
    let server = Arc::new(Server::start());
    let racers: Vec<_> = (0..16)
        .map(|me| {
            let server = server.clone();
            tokio::spawn(async move {
                let body = Bytes::from(format!("{me}"));
                let put = Call::PutObject { key: "race".to_owned(), body, condition: Condition::IfAbsent };
                matches!(server.call(&put).await, Answer::Stored { .. })
            })
        })
        .collect();
    let mut won =
        vec![matches!(server.folder().put("race", b"16", folder::Condition::IfAbsent), Ok(folder::Put::Stored(_)))];
    for racer in racers {
        won.push(racer.await.unwrap());
    }
    assert_eq!(won.iter().filter(|won| **won).count(), 1);

    server.put("counter", b"0", Condition::IfAbsent).await;
    let counters: Vec<_> = (0..8)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    count_up(&server).await;
                }
            })
        })
        .collect();
    for counter in counters {
        counter.await.unwrap();
    }
    assert!(matches!(server.call(&get("counter")).await, Answer::Object { body, .. } if body == "40"));
}

async fn count_up(server: &Server) {
    loop {
        let Answer::Object { body, etag: Some(etag), .. } = server.call(&get("counter")).await else {
            panic!("the counter was gone");
        };
        let next: usize = std::str::from_utf8(&body).unwrap().parse::<usize>().unwrap() + 1;
        let body = Bytes::from(next.to_string());
        let put = Call::PutObject { key: "counter".to_owned(), body, condition: Condition::IfMatch(etag) };
        if matches!(server.call(&put).await, Answer::Stored { .. }) {
            return;
        }
    }
}

#[tokio::test]
async fn a_missing_bucket_is_told_from_a_missing_object() {
    let server = Server::start();
    for call in [get("k"), Call::DeleteObject { key: "k".to_owned() }, Call::HeadBucket] {
        let failure = server.act_on("no-such-bucket", &call).await.unwrap_err();
        assert_eq!(failure.error.kind(), ErrorKind::NotFound, "{call:?}");
    }
}

#[tokio::test]
async fn only_the_right_keys_open_it() {
    let server = Server::start();
    server.put("k", b"1", Condition::Always).await;
    let uri = server.uri("bucket");
    let wrong_secret = Credentials::new(server.keys.access_key.as_str(), "wrong", None).unwrap();
    let unknown = Credentials::new("unknown", server.keys.secret_key.as_str(), None).unwrap();
    for (credentials, code) in
        [(Some(&wrong_secret), "SignatureDoesNotMatch"), (Some(&unknown), "InvalidAccessKeyId"), (None, "AccessDenied")]
    {
        for call in [get("k"), Call::DeleteObject { key: "k".to_owned() }] {
            let response = server.send(call.request(&uri, credentials, now_ms(), EtagQuoting::Quoted).unwrap()).await;
            assert_eq!(response.status, 403);
            assert!(text(&response).contains(&format!("<Code>{code}</Code>")), "{}", text(&response));
            assert_eq!(call.interpret(&uri, &response).unwrap_err().error.kind(), ErrorKind::Auth);
        }
    }
    assert!(matches!(server.call(&get("k")).await, Answer::Object { .. }));
}

#[tokio::test]
async fn a_request_of_another_hour_is_refused_with_the_server_s_time() {
    let server = Server::start();
    let uri = server.uri("bucket");
    for signed_ms in [now_ms() - 20 * 60_000, now_ms() + 20 * 60_000] {
        let request = get("k").request(&uri, Some(&server.credentials()), signed_ms, EtagQuoting::Quoted).unwrap();
        let failure = get("k").interpret(&uri, &server.send(request).await).unwrap_err();
        let Retry::Clock { server_unix_ms } = failure.retry else {
            panic!("{failure:?}");
        };
        assert!(server_unix_ms.abs_diff(now_ms()) < 60_000);
    }
}

#[tokio::test]
async fn a_body_other_than_the_signed_one_is_not_stored() {
    let server = Server::start();
    let uri = server.uri("bucket");
    let put =
        Call::PutObject { key: "k".to_owned(), body: Bytes::from_static(b"signed"), condition: Condition::Always };
    let mut request = put.request(&uri, Some(&server.credentials()), now_ms(), EtagQuoting::Quoted).unwrap();
    request.body = Bytes::from_static(b"other!");
    assert_eq!(server.send(request).await.status, 400);
    assert_eq!(server.call(&get("k")).await, Answer::Missing);
}
