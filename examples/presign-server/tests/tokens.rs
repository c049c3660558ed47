//! Tokens that are good, expired, forged, or say of themselves what nobody should believe; against the running server.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock_core::s3::Credentials;
use tidelock_presign_server::{Algorithm, Settings, decoding_key, router};
use tokio::net::TcpListener;

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";
const RSA: &[u8] = include_bytes!("keys/rsa.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa.pub.pem");
const EC: &[u8] = include_bytes!("keys/ec.pem");
const EC_PUBLIC: &[u8] = include_bytes!("keys/ec.pub.pem");

/// A server whose tokens are signed like this; its URL.
async fn server(algorithm: Algorithm, key: &[u8]) -> String {
    let settings = Settings {
        store: "s3://bucket?endpoint=http://127.0.0.1:9000&path_style=true&region=us-east-1".parse().unwrap(),
        credentials: Credentials::new("AKIAEXAMPLE", "the-secret-key", None).unwrap(),
        write_credentials: None,
        algorithm,
        key: decoding_key(algorithm, key).unwrap(),
        audience: "tidelock".to_owned(),
        issuer: Some("https://login.example".to_owned()),
        expires_s: Settings::EXPIRES_S,
        body_bytes_max: Settings::BODY_BYTES_MAX,
        signs_parts: true,
        origins: vec![HeaderValue::from_static("https://app.example")],
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(settings)).await });
    url
}

fn in_seconds(seconds: i64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().saturating_add_signed(seconds)
}

fn claims() -> Value {
    json!({ "sub": "alice", "aud": "tidelock", "iss": "https://login.example", "exp": in_seconds(600) })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn hs256(claims: &Value) -> String {
    encode(&Header::new(Alg::HS256), claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// A token put together by hand.
fn raw(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    format!("{}.{}.{}", part(header.to_string().as_bytes()), part(claims.to_string().as_bytes()), part(signature))
}

/// The status of a question with this `Authorization`, and the answer.
async fn ask(url: &str, authorization: Option<String>, question: &Value) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(format!("{url}/presign")).body(question.to_string());
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
}

async fn status(url: &str, token: &str) -> u16 {
    let question = json!({ "method": "GET", "key": "users/alice/tidelock" });
    ask(url, Some(format!("Bearer {token}")), &question).await.0
}

#[tokio::test]
async fn a_good_token_has_its_own_keys_signed_and_no_others() {
    let url = server(Algorithm::Hs256, SECRET).await;
    let bearer = || Some(format!("Bearer {}", hs256(&claims())));
    let (status, answer) = ask(&url, bearer(), &json!({ "method": "GET", "key": "users/alice/tidelock" })).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["url"].as_str().unwrap().starts_with("http://127.0.0.1:9000/bucket/users/alice/tidelock?"));
    let (status, answer) = ask(&url, bearer(), &json!({ "method": "GET", "key": "users/bob/tidelock" })).await;
    assert_eq!((status, answer["url"].is_null(), answer["error"].is_string()), (403, true, true), "{answer}");
    let long = json!({ "method": "GET", "key": "users/alice/k", "query": { "uploadId": "a".repeat(20_000) } });
    assert_eq!(ask(&url, bearer(), &long).await.0, 413);
}

#[tokio::test]
async fn a_url_ends_when_its_token_does() {
    let url = server(Algorithm::Hs256, SECRET).await;
    let question = json!({ "method": "GET", "key": "users/alice/tidelock" });
    // A token is taken for 30 s after its end, for clocks that are off.
    for (token_s, least, most) in [(3_600, 900, 900), (100, 120, 130), (-20, 1, 10)] {
        let token = hs256(&with("exp", json!(in_seconds(token_s))));
        let (status, answer) = ask(&url, Some(format!("Bearer {token}")), &question).await;
        let expires = answer["expires_in"].as_u64().unwrap();
        assert!(status == 200 && (least..=most).contains(&expires), "{token_s}: {answer}");
        assert!(answer["url"].as_str().unwrap().contains(&format!("X-Amz-Expires={expires}&")), "{answer}");
    }
    let token = hs256(&with("exp", json!(in_seconds(100) as f64 + 0.5)));
    assert_eq!(status(&url, &token).await, 200);
}

#[tokio::test]
async fn a_token_that_is_not_valid_has_nothing_signed() {
    let url = server(Algorithm::Hs256, SECRET).await;
    assert_eq!(status(&url, &hs256(&claims())).await, 200);
    for (why, claims) in [
        ("expired", with("exp", json!(in_seconds(-60)))),
        ("without an end", without("exp")),
        ("for another", with("aud", json!("other"))),
        ("for nobody", without("aud")),
        ("from another", with("iss", json!("https://evil.example"))),
        ("from nobody", without("iss")),
        ("of nobody", without("sub")),
        ("not yet", with("nbf", json!(in_seconds(600)))),
        ("a number", with("sub", json!(1))),
    ] {
        assert_eq!(status(&url, &hs256(&claims)).await, 401, "{why}");
    }
    for subject in ["", "..", ".", "a/b", "alice/../bob", "a.b", "%2e%2e", "a b", "ü", "a\u{0}", &"a".repeat(129)] {
        assert_eq!(status(&url, &hs256(&with("sub", json!(subject)))).await, 403, "{subject:?}");
    }
    let question = json!({ "method": "GET", "key": "users/alice/tidelock" });
    let token = hs256(&claims());
    for authorization in [None, Some(token.clone()), Some(format!("Basic {token}")), Some("Bearer ".to_owned())] {
        assert_eq!(ask(&url, authorization.clone(), &question).await.0, 401, "{authorization:?}");
    }
    assert_eq!(status(&url, &"a".repeat(9_000)).await, 401);
}

#[tokio::test]
async fn a_forged_token_has_nothing_signed_whatever_it_says_of_itself() {
    let url = server(Algorithm::Hs256, SECRET).await;
    let forged = encode(&Header::new(Alg::HS256), &claims(), &EncodingKey::from_secret(&[7; 32])).unwrap();
    assert_eq!(status(&url, &forged).await, 401);
    for alg in ["none", "None", "NONE", "", "HS256"] {
        assert_eq!(status(&url, &raw(&json!({ "alg": alg, "typ": "JWT" }), &claims(), b"")).await, 401, "{alg}");
    }
    // Another algorithm of the same key.
    let longer = encode(&Header::new(Alg::HS512), &claims(), &EncodingKey::from_secret(SECRET)).unwrap();
    assert_eq!(status(&url, &longer).await, 401);
    // Claims changed after signing.
    let (good, other) = (hs256(&claims()), hs256(&with("sub", json!("bob"))));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let mixed = format!("{}.{}.{}", parts(&good)[0], parts(&other)[1], parts(&good)[2]);
    assert_eq!(status(&url, &mixed).await, 401);
}

#[tokio::test]
async fn public_keys_check_tokens_and_make_none() {
    let rsa = server(Algorithm::Rs256, RSA_PUBLIC).await;
    let token = encode(&Header::new(Alg::RS256), &claims(), &EncodingKey::from_rsa_pem(RSA).unwrap()).unwrap();
    assert_eq!(status(&rsa, &token).await, 200);
    // The public key, known to anybody, used as an HMAC's secret.
    let confused = encode(&Header::new(Alg::HS256), &claims(), &EncodingKey::from_secret(RSA_PUBLIC)).unwrap();
    assert_eq!(status(&rsa, &confused).await, 401);

    let ec = server(Algorithm::Es256, EC_PUBLIC).await;
    let token = encode(&Header::new(Alg::ES256), &claims(), &EncodingKey::from_ec_pem(EC).unwrap()).unwrap();
    assert_eq!(status(&ec, &token).await, 200);
    assert_eq!(status(&rsa, &token).await, 401);
    let confused = encode(&Header::new(Alg::HS256), &claims(), &EncodingKey::from_secret(EC_PUBLIC)).unwrap();
    assert_eq!(status(&ec, &confused).await, 401);
}

#[tokio::test]
async fn there_is_nothing_else() {
    let url = server(Algorithm::Hs256, SECRET).await;
    let client = reqwest::Client::new();
    assert_eq!(client.get(format!("{url}/health")).send().await.unwrap().status(), 200);
    assert_eq!(client.get(format!("{url}/presign")).send().await.unwrap().status(), 405);
    assert_eq!(client.get(format!("{url}/")).send().await.unwrap().status(), 404);
}

/// What a browser asks first (the Fetch standard, "CORS-preflight fetch"), and what it looks for in the answers.
#[tokio::test]
async fn pages_of_known_origins_may_ask() {
    let url = server(Algorithm::Hs256, SECRET).await;
    let allowed = async |origin: &'static str| {
        let preflight = reqwest::Client::new()
            .request(reqwest::Method::OPTIONS, format!("{url}/presign"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let asked = reqwest::Client::new()
            .post(format!("{url}/presign"))
            .header("origin", origin)
            .header("authorization", format!("Bearer {}", hs256(&claims())))
            .body(json!({ "method": "GET", "key": "users/alice/tidelock" }).to_string());
        let (preflight, asked) = (preflight.send().await.unwrap(), asked.send().await.unwrap());
        assert!(preflight.status().is_success() && asked.status().is_success());
        let of = |answer: &reqwest::Response, name: &str| {
            answer.headers().get(name).map(|value| value.to_str().unwrap().to_lowercase())
        };
        let origins = ["access-control-allow-origin"].map(|name| (of(&preflight, name), of(&asked, name)));
        let [methods, headers] =
            ["access-control-allow-methods", "access-control-allow-headers"].map(|name| of(&preflight, name).unwrap());
        assert!(methods.contains("post") && headers.contains("authorization") && headers.contains("content-type"));
        origins == [(Some(origin.to_owned()), Some(origin.to_owned()))]
    };
    assert!(allowed("https://app.example").await);
    assert!(!allowed("https://evil.example").await);
}
