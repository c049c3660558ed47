//! Signatures a second of one core: the token is checked, the question read, the request signed, the answer written. Without
//! sockets, which a server has too.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock_core::s3::Credentials;
use tidelock_presign_server::{Algorithm, Settings, decoding_key, router};
use tower::ServiceExt as _;

const SECRET: &[u8; 32] = &[7; 32];

fn signatures(criterion: &mut Criterion) {
    let settings = Settings {
        store: "s3://bucket?region=eu-central-1".parse().expect("an address"),
        credentials: Credentials::new("AKIAEXAMPLE", "the-secret-key", None).expect("keys"),
        write_credentials: None,
        signs_parts: true,
        algorithm: Algorithm::Hs256,
        key: decoding_key(Algorithm::Hs256, SECRET).expect("a key"),
        audience: "tidelock".to_owned(),
        issuer: None,
        expires_s: Settings::EXPIRES_S,
        body_bytes_max: Settings::BODY_BYTES_MAX,
        origins: Vec::new(),
    };
    let ends_s = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + 86_400;
    let claims = json!({ "sub": "alice", "aud": "tidelock", "exp": ends_s });
    let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).expect("claims");
    let question = json!({
        "method": "GET", "key": "users/alice/spaces/0123456789abcdef/beacon", "query": {},
        "headers": { "if-none-match": "\"0123456789abcdef0123456789abcdef\"" }, "content_length": 0,
    })
    .to_string();
    let router = router(settings);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = criterion.benchmark_group("presign server");
    group.throughput(Throughput::Elements(1));
    group.bench_function("signature", |bench| {
        bench.iter(|| {
            let request = Request::post("/presign")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(question.clone()))
                .expect("a request");
            let response = runtime.block_on(router.clone().oneshot(request)).expect("an answer");
            assert_eq!(response.status(), StatusCode::OK);
        });
    });
    group.finish();
}

criterion_group!(benches, signatures);
criterion_main!(benches);
