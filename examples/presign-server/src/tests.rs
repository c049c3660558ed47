//! What is signed for whom.

use super::*;
use settings::decoding_key;
use std::collections::BTreeMap;
use tidelock_core::s3::Credentials;

fn settings() -> Settings {
    Settings {
        store: "s3://bucket?endpoint=http://127.0.0.1:9000&path_style=true&region=us-east-1".parse().unwrap(),
        credentials: Credentials::new("AKIAEXAMPLE", "the-secret-key", None).unwrap(),
        write_credentials: None,
        signs_parts: true,
        algorithm: Algorithm::Hs256,
        key: decoding_key(Algorithm::Hs256, &[7; 32]).unwrap(),
        audience: "tidelock".to_owned(),
        issuer: None,
        expires_s: Settings::EXPIRES_S,
        body_bytes_max: Settings::BODY_BYTES_MAX,
        origins: Vec::new(),
    }
}

fn question(
    method: &str,
    key: &str,
    query: &[(&str, &str)],
    headers: &[(&str, &str)],
    content_length: u64,
) -> Question {
    let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let (method, key) = (method.to_owned(), key.to_owned());
    Question { method, key, query: owned(query), headers: owned(headers), content_length }
}

/// A user whose token holds good for a day from the time at which the tests sign.
fn alice() -> Asker {
    Asker { subject: "alice".to_owned(), ends_s: 1_767_225_600 + 86_400 }
}

/// The status that it ends in for `alice`.
fn status(question: &Question) -> u16 {
    match sign(&settings(), &alice(), question, 1_767_225_600_000) {
        Ok(_) => 200,
        Err(Refusal(status, _)) => status.as_u16(),
    }
}

fn get(key: &str) -> u16 {
    status(&question("GET", key, &[], &[], 0))
}

fn list(prefix: &str) -> u16 {
    status(&question("GET", "", &[("list-type", "2"), ("prefix", prefix)], &[], 0))
}

#[test]
fn a_user_reaches_what_is_under_their_own_name() {
    for key in ["users/alice/tidelock", "users/alice/a/b c/ü", "users/alice/..a", "users/alice/.hidden"] {
        assert_eq!(get(key), 200, "{key}");
    }
    for prefix in ["users/alice/", "users/alice/spaces/01/manifests/", "users/alice/half-a-na"] {
        assert_eq!(list(prefix), 200, "{prefix}");
    }
}

#[test]
fn and_nothing_else_by_whatever_path() {
    for key in [
        "users/bob/tidelock",
        "users/alice2/tidelock",
        "users/alice",
        "users/alice/",
        "users/alice/../bob/tidelock",
        "users/alice/./tidelock",
        "users/alice//tidelock",
        "users/alice/x/..",
        "users/alice/%2e%2e/bob/tidelock",
        "users/alice/..\\bob",
        "users/alice/a\nb",
        "users/alice/a\0b",
        "/users/alice/tidelock",
        "Users/alice/tidelock",
        "users/Alice/tidelock",
        "tidelock",
    ] {
        assert_eq!(get(key), 403, "{key:?}");
    }
    for prefix in [
        "",
        "users/",
        "users/alice",
        "users/bob/",
        "users/alice/../bob/",
        "users/alice//",
        "users/alice/..",
        "users/alice/%2e%2e/",
    ] {
        assert_eq!(list(prefix), 403, "{prefix:?}");
    }
    assert_eq!(get(&format!("users/alice/{}", "a".repeat(1024))), 400);
}

#[test]
fn only_known_kinds_of_requests_are_signed() {
    let key = "users/alice/k";
    let prefix = ("prefix", "users/alice/");
    for (method, key, query) in [
        ("HEAD", key, &[][..]),
        ("PUT", key, &[]),
        ("DELETE", key, &[]),
        ("POST", key, &[("uploads", "")]),
        ("PUT", key, &[("partNumber", "1"), ("uploadId", "u")]),
        ("GET", key, &[("uploadId", "u")]),
        ("POST", key, &[("uploadId", "u")]),
        ("DELETE", key, &[("uploadId", "u")]),
        ("GET", "", &[prefix, ("marker", "users/alice/a"), ("max-keys", "1000")]),
        ("GET", "", &[prefix, ("uploads", "")]),
    ] {
        assert_eq!(status(&question(method, key, query, &[], 0)), 200, "{method} {key} {query:?}");
    }
    for (method, key, query) in [
        // Its body would name the keys.
        ("POST", "", &[("delete", "")][..]),
        ("POST", "", &[("delete", ""), prefix]),
        ("GET", "", &[]),
        ("GET", "", &[("list-type", "2")]),
        ("GET", "", &[("list-type", "1"), prefix]),
        ("GET", "", &[prefix, ("versions", "")]),
        ("GET", "", &[("location", "")]),
        ("PUT", "", &[("cors", "")]),
        ("PUT", "", &[]),
        ("DELETE", "", &[]),
        ("HEAD", "", &[]),
        ("GET", key, &[("acl", "")]),
        ("PUT", key, &[("acl", "")]),
        ("PUT", key, &[("uploadId", "u")]),
        ("GET", key, &[("versionId", "v")]),
        ("GET", key, &[("X-Amz-Expires", "604800")]),
        ("POST", key, &[]),
        ("PATCH", key, &[]),
        ("get", key, &[]),
        ("OPTIONS", key, &[]),
    ] {
        assert_eq!(status(&question(method, key, query, &[], 0)), 403, "{method} {key} {query:?}");
    }
}

#[test]
fn uploads_in_parts_are_signed_unless_that_is_off() {
    let settings = Settings { signs_parts: false, ..settings() };
    let key = "users/alice/k";
    for (method, key, query) in [
        ("POST", key, &[("uploads", "")][..]),
        ("PUT", key, &[("partNumber", "1"), ("uploadId", "u")]),
        ("POST", key, &[("uploadId", "u")]),
    ] {
        let asked = question(method, key, query, &[], 0);
        assert_eq!(status(&asked), 200);
        assert!(sign(&settings, &alice(), &asked, 1_767_225_600_000).is_err(), "{query:?}");
    }
    assert!(sign(&settings, &alice(), &question("PUT", key, &[], &[], 0), 1_767_225_600_000).is_ok());
}

#[test]
fn headers_are_conditions_and_types_and_lengths_are_bounded() {
    let put = |headers: &[(&str, &str)], bytes| status(&question("PUT", "users/alice/k", &[], headers, bytes));
    assert_eq!(put(&[("if-none-match", "*"), ("content-type", "text/plain")], 64 << 20), 200);
    assert_eq!(put(&[], (64 << 20) + 1), 413);
    for name in ["x-amz-copy-source", "x-amz-acl", "host", "If-Match", "content-length", "authorization", ""] {
        assert_eq!(put(&[(name, "users/bob/k")], 1), 400, "{name}");
    }
    assert_eq!(put(&[("if-match", "a\r\nx-amz-acl: public-read")], 1), 400);
    assert_eq!(put(&[("if-match", &"a".repeat(257))], 1), 400);
    assert_eq!(status(&question("GET", "users/alice/k", &[], &[], 1)), 400);
}

#[test]
fn a_signed_put_binds_its_length_and_its_condition() {
    let put = question("PUT", "users/alice/a b", &[], &[("if-none-match", "*")], 42);
    let signed = sign(&settings(), &alice(), &put, 1_767_225_600_000).unwrap();
    let signed: serde_json::Value = serde_json::from_str(&signed).unwrap();
    let url = signed["url"].as_str().unwrap();
    assert!(
        url.starts_with("http://127.0.0.1:9000/bucket/users/alice/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&"),
        "{url}"
    );
    assert!(url.contains("X-Amz-SignedHeaders=content-length%3Bhost%3Bif-none-match"), "{url}");
    assert!(url.contains("X-Amz-Date=20260101T000000Z") && url.contains("X-Amz-Expires=900"), "{url}");
    assert!(!url.contains("the-secret-key"));
    assert_eq!(signed["headers"], json!({ "if-none-match": "*" }));
    assert_eq!(signed["expires_in"], 900);
}

#[test]
fn keys_that_may_not_read_sign_what_writes() {
    let write = Credentials::new("AKIAWRITES", "another-secret", None).unwrap();
    let settings = Settings { write_credentials: Some(write), ..settings() };
    for (method, key_id) in
        [("GET", "AKIAEXAMPLE"), ("HEAD", "AKIAEXAMPLE"), ("PUT", "AKIAWRITES"), ("DELETE", "AKIAWRITES")]
    {
        let signed = sign(&settings, &alice(), &question(method, "users/alice/k", &[], &[], 0), 1_767_225_600_000);
        assert!(signed.unwrap().contains(&format!("X-Amz-Credential={key_id}%2F")), "{method}");
    }
}

#[test]
fn a_question_has_known_fields_only() {
    assert!(Question::read(br#"{"method":"GET","key":"users/alice/k"}"#).is_ok());
    for text in [
        &br#"{"method":"GET","key":"k","bucket":"other"}"#[..],
        br#"{"method":"GET"}"#,
        br#"{"method":"GET","key":"k","content_length":-1}"#,
        br#"{"method":"GET","key":"k","query":{"prefix":["a","b"]}}"#,
        b"[]",
        b"",
        b"\xff",
    ] {
        assert!(Question::read(text).is_err(), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    let good = |name: &str| {
        let value = match name {
            "PRESIGN_STORE" => "s3://bucket?region=eu-central-1",
            "AWS_ACCESS_KEY_ID" => "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY" => "the-secret-key",
            "PRESIGN_WRITE_ACCESS_KEY_ID" => "AKIAWRITES",
            "PRESIGN_WRITE_SECRET_ACCESS_KEY" => "another-secret",
            "PRESIGN_JWT_ALGORITHM" => "ES256",
            "PRESIGN_JWT_KEY_FILE" => concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/ec.pub.pem"),
            "PRESIGN_JWT_AUDIENCE" => "tidelock",
            "PRESIGN_JWT_ISSUER" => "https://login.example",
            "PRESIGN_ORIGINS" => "https://app.example  http://localhost:5173",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let settings = Settings::from_variables(good).unwrap();
    assert_eq!((settings.expires_s, settings.body_bytes_max), (900, 67_108_864));
    assert_eq!(settings.origins, ["https://app.example", "http://localhost:5173"]);
    assert!(settings.write_credentials.is_some() && !format!("{settings:?}").contains("secret"));
    for (name, wrong) in [
        ("PRESIGN_STORE", "s3://bucket/users?region=eu-central-1"),
        ("PRESIGN_STORE", "file:///bucket"),
        ("PRESIGN_STORE", "bucket"),
        ("AWS_ACCESS_KEY_ID", ""),
        ("PRESIGN_WRITE_SECRET_ACCESS_KEY", ""),
        ("PRESIGN_JWT_ALGORITHM", "none"),
        ("PRESIGN_JWT_KEY_FILE", "/nowhere"),
        ("PRESIGN_JWT_KEY_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/rsa.pub.pem")),
        ("PRESIGN_JWT_AUDIENCE", ""),
        ("PRESIGN_JWT_ISSUER", ""),
        ("PRESIGN_EXPIRES_S", "604800"),
        ("PRESIGN_BODY_MAX", "0"),
        ("PRESIGN_ORIGINS", "*"),
        ("PRESIGN_ORIGINS", "app.example"),
        ("PRESIGN_ORIGINS", "https://app.example/"),
        ("PRESIGN_ORIGINS", "https://app.example,https://b.example"),
        ("PRESIGN_ORIGINS", "https://alice@app.example"),
    ] {
        let error = Settings::from_variables(|asked| if asked == name { Some(wrong.to_owned()) } else { good(asked) })
            .unwrap_err();
        assert_eq!(error.0, name, "{wrong}");
    }
    assert!(decoding_key(Algorithm::Hs256, &[7; 31]).is_err());
}
