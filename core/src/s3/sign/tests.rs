//! Signatures against AWS's published test suite, and against the examples of the S3 documentation.

use super::super::call::Method;
use super::super::uri::StoreUri;
use super::super::{Action, Call, EtagQuoting, Terms};
use super::*;
use aws_sigv4::http_request::SessionTokenMode;
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// `tests/vectors/sigv4/README.md`.
const SUITE_CASES: usize = 38;
/// 2015-08-30T12:36:00Z, the suite's one time.
const SUITE_UNIX_MS: u64 = 1_440_938_160_000;
/// 2013-05-24T00:00:00Z, the documentation's.
const DOCS_UNIX_MS: u64 = 1_369_353_600_000;
/// A client encodes a request line before it signs it; the suite has some in clear.
const IN_CLEAR: &AsciiSet = &CONTROLS.add(b' ');

#[test]
fn every_case_of_the_published_suite() {
    let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sigv4");
    let mut cases = 0;
    for entry in std::fs::read_dir(suite).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let context = read("context.json");
        assert!(context.contains(r#""timestamp": "2015-08-30T12:36:00Z""#), "{name}");
        assert!(context.contains(r#""region": "us-east-1""#) && context.contains(r#""service": "service""#), "{name}");

        let mut settings = s3_settings();
        if context.contains(r#""normalize": true"#) {
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
        }
        if !context.contains(r#""sign_body": true"#) {
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        }
        if context.contains(r#""omit_session_token": true"#) {
            settings.session_token_mode = SessionTokenMode::Exclude;
        }
        let keys = Credentials::new(
            text_field(&context, "access_key_id").unwrap(),
            text_field(&context, "secret_access_key").unwrap(),
            text_field(&context, "token"),
        )
        .unwrap();
        let scope = Scope { region: "us-east-1", service: "service", unix_ms: SUITE_UNIX_MS };
        let request = parse(&read("request.txt"));
        let headers = signature_headers(&request, &keys, &scope, settings.clone()).unwrap();

        let signed = parse(&read("header-signed-request.txt"));
        for wanted in ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"] {
            let of = |headers: &[(String, String)]| headers.iter().find(|(name, _)| name == wanted).cloned();
            assert_eq!(of(&headers), of(&signed.headers), "{name}");
        }

        assert!(context.contains(r#""expiration_in_seconds": 3600"#), "{name}");
        let body = SignableBody::Bytes(&request.body);
        let mut query = query_parameters(&request, body, &keys, &scope, settings, 3600).unwrap();
        query.sort();
        let signed = parse(&read("query-signed-request.txt"));
        let (_, parameters) = signed.url.split_once('?').unwrap();
        let mut expected: Vec<(String, String)> = form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
        expected.retain(|(name, _)| name.starts_with("X-Amz-"));
        expected.sort();
        let query: Vec<_> = query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(query, expected, "{name}");
        cases += 1;
    }
    assert_eq!(cases, SUITE_CASES);
}

/// "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk", Amazon S3 API Reference.
#[test]
fn the_examples_of_the_s3_documentation() {
    let store: StoreUri = "s3://examplebucket?endpoint=https://s3.amazonaws.com".parse().unwrap();
    let keys = docs_keys();

    let lifecycle = store.bucket_url(vec![("lifecycle", String::new())]);
    let mut lifecycle = unsigned(Method::Get, lifecycle, &[], "");
    sign(&mut lifecycle, &keys, "us-east-1", DOCS_UNIX_MS).unwrap();
    assert_eq!(
        authorization(&lifecycle),
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
         Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    );

    let range = Call::GetObject { key: "test.txt".into(), if_none_match: None, range: Some((0, 9)), body_max: 10 };
    let range = range.request(&store, Some(&keys), DOCS_UNIX_MS, EtagQuoting::Quoted).unwrap();
    assert_eq!(range.url, "https://examplebucket.s3.amazonaws.com/test.txt");
    assert_eq!(
        authorization(&range),
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
         Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );

    let put = unsigned(
        Method::Put,
        store.object_url("test$file.text").unwrap(),
        &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
        "Welcome to Amazon S3.",
    );
    let list = store.bucket_url(vec![("prefix", "J".into()), ("max-keys", "2".into())]);
    let list = unsigned(Method::Get, list, &[], "");
    for (mut request, signed_headers, signature) in [
        (
            put,
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            list,
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        sign(&mut request, &keys, "us-east-1", DOCS_UNIX_MS).unwrap();
        assert_eq!(
            authorization(&request),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                 SignedHeaders={signed_headers}, Signature={signature}"
            )
        );
    }
}

/// "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference.
#[test]
fn the_presigned_example_of_the_s3_documentation() {
    let store: StoreUri = "s3://examplebucket?endpoint=https://s3.amazonaws.com".parse().unwrap();
    let get = Call::GetObject { key: "test.txt".into(), if_none_match: None, range: None, body_max: 10 };
    let terms = Terms { expires_s: 86_400, signed_headers: vec![] };
    let signed = get.presign(&store, &docs_keys(), DOCS_UNIX_MS, EtagQuoting::Quoted, &terms).unwrap();
    let (url, query) = signed.url.split_once('?').unwrap();
    assert_eq!(url, "https://examplebucket.s3.amazonaws.com/test.txt");
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_unstable();
    assert_eq!(
        parameters,
        [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request",
            "X-Amz-Date=20130524T000000Z",
            "X-Amz-Expires=86400",
            "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
            "X-Amz-SignedHeaders=host",
        ]
    );
    assert!(signed.headers.is_empty());
}

#[test]
fn a_clock_beyond_four_digit_years_signs_nothing() {
    let request = unsigned(Method::Get, "https://h/".into(), &[], "");
    for (unix_ms, signs) in [(0, true), (UNIX_MS_MAX, true), (UNIX_MS_MAX + 1, false), (u64::MAX, false)] {
        let signed = sign(&mut request.clone(), &docs_keys(), "us-east-1", unix_ms);
        assert_eq!(signed.map_err(|error| error.kind()), if signs { Ok(()) } else { Err(ErrorKind::ClockSkew) });
    }
}

fn docs_keys() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None).unwrap()
}

fn unsigned(method: Method, url: String, headers: &[(&str, &str)], body: &'static str) -> HttpRequest {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    HttpRequest { method, url, headers, body: Bytes::from_static(body.as_bytes()), max_response_bytes: 0 }
}

fn authorization(request: &HttpRequest) -> &str {
    &request.headers.iter().find(|(name, _)| name == "authorization").unwrap().1
}

/// A string of the suite's flat JSON; none has an escape in it.
fn text_field(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\": \""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// One of the suite's requests: a request line, headers (a line that begins with a space goes on with the last), a body.
fn parse(text: &str) -> HttpRequest {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (line, rest) = head.split_once('\n').unwrap();
    let (method, target) = line.strip_suffix(" HTTP/1.1").unwrap().split_once(' ').unwrap();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in rest.lines() {
        match line.split_once(':') {
            Some((name, value)) if !line.starts_with(' ') => headers.push((name.to_lowercase(), value.to_owned())),
            _ => headers.last_mut().unwrap().1.push_str(line),
        }
    }
    HttpRequest {
        method: if method == "GET" { Method::Get } else { Method::Post },
        url: format!("https://example.amazonaws.com{}", utf8_percent_encode(target, IN_CLEAR)),
        headers: headers.into_iter().filter(|(name, _)| name != "host").collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        max_response_bytes: 0,
    }
}
