//! Any request to a folder store, which is also what the embedded server stands on: an S3 answer, and never a file elsewhere.
#![no_main]

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;
use tidelock::folder::{Folder, KEY_BYTES_MAX};
use tidelock_core::s3::{HttpRequest, Method, Response};
use tidelock_fuzz::input::Input;

/// A folder, and the one around it that nothing may be written to.
static AROUND: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder for files that go"));

const METHODS: [Method; 5] = [Method::Put, Method::Get, Method::Head, Method::Delete, Method::Post];
const URLS: [&str; 8] = [
    "file:///",
    "file:///a",
    "file:///a/b",
    "file:///%2e%2e/c",
    "file:///?list-type=2&max-keys=3&prefix=",
    "file:///?delete",
    "file:///..%2f",
    "",
];
const HEADERS: [&str; 5] = ["if-match", "if-none-match", "range", "content-md5", "x"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let root: PathBuf = AROUND.path().join("bucket");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir(&root).expect("the temporary folder can be written");
    let folder = Folder::open(&root).expect("a folder");
    let mut input = Input::new(bytes);
    let mut stored: BTreeMap<String, Bytes> = BTreeMap::new();
    for _ in 0..8 {
        if input.is_empty() {
            break;
        }
        let request = request(&mut input);
        let response = folder.answer(&request);
        check(&request, &response);
        let is_plain = request.url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/".contains(&byte));
        if is_plain && request.headers.is_empty() {
            follow(&request, &response, &mut stored);
        }
    }
    let beside: Vec<_> = fs::read_dir(AROUND.path()).expect("it is there").flatten().map(|e| e.file_name()).collect();
    assert_eq!(beside, ["bucket"], "something was written beside the folder");
});

fn request(input: &mut Input<'_>) -> HttpRequest {
    let method = *input.pick(&METHODS);
    let url = format!("{}{}", input.pick(&URLS), input.text());
    let headers = (0..input.below(3)).map(|_| ((*input.pick(&HEADERS)).to_owned(), input.text())).collect();
    let body = Bytes::copy_from_slice(input.bytes());
    HttpRequest { method, url, headers, body, max_response_bytes: 1 << 16 }
}

fn check(request: &HttpRequest, response: &Response) {
    assert!((200..=599).contains(&response.status), "status {}", response.status);
    assert!(response.body.len() as u64 <= request.max_response_bytes);
    if response.status >= 400 && request.method != Method::Head {
        let text = std::str::from_utf8(&response.body).expect("an error's document is text");
        assert!(text.starts_with("<Error><Code>") && text.ends_with("</Error>"), "{text}");
    }
}

/// Requests of the plainest form do what they say.
fn follow(request: &HttpRequest, response: &Response, stored: &mut BTreeMap<String, Bytes>) {
    let key = request.url.strip_prefix("file:///").unwrap_or_default();
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.split('/').any(str::is_empty) {
        return;
    }
    match request.method {
        Method::Put if response.status == 200 => {
            stored.insert(key.to_owned(), request.body.clone());
        }
        Method::Get => match stored.get(key) {
            Some(body) => assert_eq!((response.status, &response.body), (200, body), "{key} reads otherwise"),
            None if response.status == 200 => panic!("{key} was never written"),
            None => {}
        },
        Method::Delete if response.status == 204 => {
            stored.remove(key);
        }
        _ => {}
    }
}
