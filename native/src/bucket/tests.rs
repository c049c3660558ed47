//! How requests are tried again, against a server that answers by script; and what is remembered of uploads.

use super::remembered::{Remembered, SourceFile, State};
use super::{Bucket, Properties, Source};
use crate::{CredentialSource, Credentials, ErrorKind, Options};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tidelock_core::s3::UploadId;

/// Answers one connection after the other with these; the heads of the requests, in lower case, are the result.
fn server(answers: Vec<String>) -> (Bucket, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("s3://my-bucket?endpoint=http://{}", listener.local_addr().unwrap());
    let serve = move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                seen.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            heads.push(String::from_utf8(seen).unwrap().to_lowercase());
        }
        heads
    };
    let mut options = Options::new(&uri, "/nowhere").unwrap();
    options.credentials = CredentialSource::Fixed(Credentials::new("key", "secret", None).unwrap());
    options.retries = 2;
    (Bucket::new(options).unwrap(), std::thread::spawn(serve))
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let len = body.len();
    format!("HTTP/1.1 {status} Words\r\nconnection: close\r\ncontent-length: {len}\r\n{headers}\r\n{body}")
}

fn error(status: u16, code: &str, more: &str, headers: &str) -> String {
    answer(status, headers, &format!("<Error><Code>{code}</Code>{more}</Error>"))
}

/// The rest of a header's line.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[tokio::test]
async fn a_store_that_asks_for_patience_gets_it_within_bounds() {
    let slow = || error(503, "SlowDown", "", "");
    let (bucket, served) = server(vec![slow(), slow(), answer(200, "", "hello")]);
    let mut out = Vec::new();
    bucket.get("k", 5).await.unwrap().unwrap().write_to(&mut out, |_| ()).await.unwrap();
    assert_eq!(out, b"hello");
    assert_eq!(served.join().unwrap().len(), 3);

    let (bucket, served) = server(vec![slow(), slow(), slow()]);
    assert_eq!(bucket.delete("k").await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!(served.join().unwrap().len(), 3);
}

#[tokio::test]
async fn the_region_that_a_server_names_is_kept() {
    let elsewhere = error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>", "");
    let (bucket, served) = server(vec![elsewhere, answer(204, "", ""), answer(204, "", "")]);
    bucket.delete("k").await.unwrap();
    bucket.delete("l").await.unwrap();
    let heads = served.join().unwrap();
    let regions: Vec<bool> =
        heads.iter().map(|head| header(head, "authorization").contains("/eu-west-3/s3/")).collect();
    assert_eq!(regions, [false, true, true]);
}

#[tokio::test]
async fn the_servers_clock_signs_after_a_refusal() {
    let date = |ahead_s| {
        let time = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(ahead_s)).unwrap();
        let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap();
        format!("date: {text}\r\n")
    };
    let hour = |head: &String| header(head, "x-amz-date").get(..11).unwrap().to_owned();
    let skewed = error(403, "RequestTimeTooSkewed", "", &date(7200));
    let (bucket, served) = server(vec![skewed, answer(204, "", "")]);
    bucket.delete("k").await.unwrap();
    let heads = served.join().unwrap();
    assert_ne!(hour(&heads[0]), hour(&heads[1]));

    // Eight days are no clock that is merely off.
    let (bucket, served) = server(vec![error(403, "RequestTimeTooSkewed", "", &date(8 * 86_400))]);
    assert_eq!(bucket.delete("k").await.unwrap_err().kind(), ErrorKind::ClockSkew);
    assert_eq!(served.join().unwrap().len(), 1);
}

#[tokio::test]
async fn no_more_is_read_than_an_object_may_have() {
    let (bucket, _served) = server(vec![answer(200, "", "hello")]);
    assert_eq!(bucket.get("k", 4).await.err().unwrap().kind(), ErrorKind::Invalid);

    // Its length is not said beforehand.
    let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello".to_owned();
    let (bucket, _served) = server(vec![endless]);
    let mut download = bucket.get("k", 4).await.unwrap().unwrap();
    assert_eq!(download.chunk().await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    // A body that the transport reads whole, as all that an engine asks for are: 64 KiB here, and its length is not said.
    let beginning = "HTTP/1.1 409 Words\r\nconnection: close\r\n\r\n<Error><Code>C</Code><Message>";
    let endless = |bytes: usize| format!("{beginning}{}", "x".repeat(bytes - "<Error><Code>C</Code><Message>".len()));
    for (bytes, cut) in [(64 << 10, false), ((64 << 10) + 1, true)] {
        let (bucket, _served) = server(vec![endless(bytes), endless(bytes), endless(bytes)]);
        let error = bucket.delete("k").await.unwrap_err();
        assert_eq!(error.message().contains("longer than"), cut, "{bytes}: {error}");
    }
}

#[tokio::test]
async fn content_without_an_etag_is_not_pieced_together() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_owned();
    let (bucket, served) = server(vec![cut]);
    let download = bucket.get("k", 10).await.unwrap().unwrap();
    let error = download.write_to(&mut Vec::new(), |_| ()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Network, true));
    assert_eq!(served.join().unwrap().len(), 1);
}

#[test]
fn futures_can_be_spawned() {
    fn spawnable<T: Send>(_: T) {}
    let bucket = Bucket::new(Options::new("s3://my-bucket", "/nowhere").unwrap()).unwrap();
    spawnable(bucket.put("k", Source::bytes("v"), Properties::default(), |_| ()));
    spawnable(bucket.get("k", 1));
    spawnable(bucket.list("", None, 1).next());
    spawnable(bucket.buckets());
    let options = crate::mirror::MirrorOptions::default();
    spawnable(bucket.mirror_up(Path::new("/nowhere"), "", &options, |_| ()));
    spawnable(bucket.mirror_down("", Path::new("/nowhere"), &options, |_| ()));
}

fn state(store: &str, source: &SourceFile, properties: &Properties) -> State {
    let upload = UploadId::new("u").unwrap();
    State::new(store.parse().unwrap(), "k", source, properties, &upload, 8 << 20, None)
}

fn source(path: &Path) -> SourceFile {
    SourceFile::of(path, &std::fs::metadata(path).unwrap()).unwrap()
}

#[test]
fn an_upload_is_remembered_for_the_same_file_and_properties_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "content").unwrap();
    let (properties, store) = (Properties::default(), "s3://my-bucket");
    let uploads = folder.path().join("uploads");
    let open = || Remembered::open(&uploads, &store.parse().unwrap(), "k");

    let mut memory = open().unwrap();
    assert_eq!(memory.state(), None);
    memory.remember(&state(store, &source(&file), &properties)).unwrap();
    // Whoever else uploads to this key waits; to another one doesn't.
    assert_eq!(open().err().unwrap().kind(), ErrorKind::Busy);
    Remembered::open(&uploads, &store.parse().unwrap(), "l").unwrap();
    drop(memory);

    let mut memory = open().unwrap();
    let known = memory.state().unwrap();
    assert!(known.is_of(&source(&file), &properties));
    let other = Properties { content_type: Some("text/plain".into()), ..Properties::default() };
    assert!(!known.is_of(&source(&file), &other));
    std::fs::write(&file, "contents").unwrap();
    assert!(!known.is_of(&source(&file), &properties), "another length");

    memory.forget().unwrap();
    assert_eq!(memory.state(), None);
    drop(memory);
    assert_eq!(open().unwrap().state(), None);
}

#[test]
fn a_torn_memory_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = "s3://my-bucket".parse().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "content").unwrap();
    let whole = {
        let mut memory = Remembered::open(folder.path(), &store, "k").unwrap();
        memory.remember(&state("s3://my-bucket", &source(&file), &Properties::default())).unwrap();
        let name =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).find(|path| *path != file);
        name.unwrap()
    };
    let text = std::fs::read(&whole).unwrap();
    for damaged in [&text[..text.len() - 1], b"", b"\xff", b"{}"] {
        std::fs::write(&whole, damaged).unwrap();
        assert_eq!(Remembered::open(folder.path(), &store, "k").unwrap().state(), None);
    }
}
