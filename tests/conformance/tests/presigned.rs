//! Devices without keys, through the presign server of `examples/`, on real stores: everything runs on requests that it
//! signed, one user's token opens nothing of another's, and a poll costs no question.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::executor::block_on;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock::bucket::{Bucket, Properties, Source};
use tidelock::{
    ConditionalWrites, CredentialSource, Credentials, ErrorKind, Options, Presign, SignedUrl, SignerToken, StoreUri,
    UnsignedRequest, Vault, Verdict, doctor,
};
use tidelock_conformance::{Device, Dialect, Faults, Open, Place, Proxy, Store};
use tidelock_core::doctor::REQUESTS_MAX;
use tidelock_core::s3::{HttpRequest, Method, Terms, presign};
use tidelock_presign_server::{Algorithm, Hole, Settings, check, decoding_key, router};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

/// Cases on the stores that check signatures in URLs.
macro_rules! on_signed_stores {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use tidelock_conformance::{Place, Store};

            #[test]
            fn embedded() {
                super::$case(&Place::new(Store::Embedded));
            }

            #[test]
            fn versitygw() {
                super::$case(&Place::new(Store::Versitygw));
            }

            #[test]
            fn minio() {
                super::$case(&Place::new(Store::Minio));
            }
        }
    )*};
}

on_signed_stores! {
    two_devices_without_keys_create_join_and_sync,
    a_token_opens_nothing_of_another_user,
    an_idle_poll_asks_no_signer,
    a_presigned_put_is_that_put_and_no_other,
    a_presigned_put_copies_nothing_of_another_user,
    an_expired_url_is_refused_and_asked_for_anew,
    the_command_needs_a_token_and_no_keys,
    plain_objects_need_no_keys,
    the_doctor_needs_no_keys,
}

/// A presign server, and a proxy before it that counts.
struct Signer {
    proxy: Proxy,
    _runtime: Runtime,
}

impl Signer {
    /// For a place's bucket.
    fn start(place: &Place) -> Self {
        // The others refuse `x-amz-` headers that are not signed.
        Self::at(place, "tidelock", (place.store() == Store::Minio).then(|| write_only(place)))
    }

    fn at(place: &Place, bucket: &str, write_credentials: Option<Credentials>) -> Self {
        let settings = settings(place, &format!("s3://{bucket}?{}", uri(place).1), write_credentials);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router(settings)).await });
        Self { proxy: Proxy::start(address, Faults::default()), _runtime: runtime }
    }

    /// How often it was asked.
    fn asked(&self) -> u64 {
        self.proxy.meter().requests()
    }

    fn presign(&self, user: &str) -> Presign {
        let token = token(user);
        let source = SignerToken::callback(move || {
            let token = token.clone();
            async { Ok(Zeroizing::new(token)) }
        });
        Presign::signer(&format!("http://{}/presign", self.proxy.address()), source).unwrap()
    }

    /// A signed URL for a user, asked for by hand.
    fn url(&self, user: &str, question: &serde_json::Value) -> String {
        let runtime = runtime();
        let sent = reqwest::Client::new()
            .post(format!("http://{}/presign", self.proxy.address()))
            .bearer_auth(token(user))
            .body(question.to_string());
        let answer = runtime.block_on(async { sent.send().await.unwrap().text().await.unwrap() });
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Options of a device of a user: with this signer, and with keys that open nothing.
    fn options(&self, place: &Place, user: &str, device: &str) -> Options {
        self.options_in(place, "tidelock", user, device)
    }

    fn options_in(&self, place: &Place, bucket: &str, user: &str, device: &str) -> Options {
        let (_, query) = uri(place);
        let mut options = Options::new(&format!("s3://{bucket}/users/{user}?{query}"), place.local(device)).unwrap();
        options.device = device.to_owned();
        options.credentials = CredentialSource::Fixed(Credentials::new("NOBODY", "opens-nothing", None).unwrap());
        options.presign = Some(self.presign(user));
        options
    }
}

fn settings(place: &Place, store: &str, write_credentials: Option<Credentials>) -> Settings {
    Settings {
        store: store.parse().unwrap(),
        credentials: place.credentials().unwrap().clone(),
        write_credentials,
        signs_parts: true,
        algorithm: Algorithm::Hs256,
        key: decoding_key(Algorithm::Hs256, SECRET).unwrap(),
        audience: "tidelock".to_owned(),
        issuer: None,
        expires_s: Settings::EXPIRES_S,
        body_bytes_max: Settings::BODY_BYTES_MAX,
        origins: Vec::new(),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A user that no other test has, and the parameters of the place's address.
fn uri(place: &Place) -> (String, String) {
    let uri = place.uri();
    let (path, query) = uri.split_once('?').unwrap();
    let name = path.rsplit('/').next().unwrap();
    (name.replace('.', "-"), query.to_owned())
}

fn user(place: &Place) -> String {
    uri(place).0
}

/// A JWT for a user (RFC 7519), for ten minutes.
fn token(user: &str) -> String {
    let exp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let claims = json!({ "sub": user, "aud": "tidelock", "exp": exp });
    let signed = format!("{}.{}", part(br#"{"alg":"HS256","typ":"JWT"}"#), part(claims.to_string().as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", part(&mac.finalize().into_bytes()))
}

fn two_devices_without_keys_create_join_and_sync(place: &Place) {
    let signer = Signer::start(place);
    let user = user(place);
    let (before, bytes_before) = {
        let seen = place.proxy().unwrap().seen();
        (seen.requests.len(), seen.bytes.len())
    };
    let (mut laptop, secret) = Open::create(signer.options(place, &user, "laptop"));
    let mut phone = Open::join(signer.options(place, &user, "phone"), &secret);
    laptop.put("notes", "tea", "green");
    // More than a manifest holds: a segment is written.
    laptop.put_bytes("notes", "big", &vec![7; 100 << 10]);
    phone.append("history", "ls");
    laptop.sync();
    phone.sync();
    laptop.sync();
    assert_eq!(phone.map_bytes("notes"), laptop.map_bytes("notes"));
    assert_eq!(laptop.map_bytes("notes").len(), 2);
    assert_eq!((laptop.log("history"), phone.log("history")), (vec!["ls".to_owned()], vec!["ls".to_owned()]));
    phone.try_check().unwrap();

    // What reached the bucket was signed in its URL, each request of it, and nothing was signed by a device.
    let seen = place.proxy().unwrap().seen();
    assert!(seen.requests[before..].iter().all(|asked| asked.target.contains("X-Amz-Signature=")));
    let text = String::from_utf8_lossy(&seen.bytes[bytes_before..]).to_lowercase();
    assert!(!text.contains("\r\nauthorization:") && !text.contains("nobody"));
    // And the signer saw no content: its questions are a line each.
    let asked = signer.proxy.seen();
    assert!(asked.meter.bytes_sent / asked.requests.len() as u64 <= 512, "{:?}", asked.meter);
}

fn a_token_opens_nothing_of_another_user(place: &Place) {
    let signer = Signer::start(place);
    let alice = user(place);
    let (mut device, secret) = Open::create(signer.options(place, &alice, "alices"));
    device.put("notes", "tea", "green");
    device.sync();

    // The same place, with the token of somebody else.
    let mut options = signer.options(place, &alice, "mallorys");
    options.presign = Some(signer.presign(&format!("{alice}-mallory")));
    let before = place.proxy().unwrap().meter();
    let error = block_on(Vault::join(options, secret.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.message().contains("outside of what this token may reach"), "{error}");
    assert_eq!(place.proxy().unwrap().meter(), before, "nothing reached the bucket");

    // A name that begins as another's.
    let mut options = signer.options(place, &alice, "shorts");
    options.presign = Some(signer.presign(&alice[..alice.len() - 1]));
    assert_eq!(block_on(Vault::join(options, secret)).unwrap_err().kind(), ErrorKind::Auth);
}

fn plain_objects_need_no_keys(place: &Place) {
    let signer = Signer::start(place);
    let user = user(place);
    let bucket = Bucket::new(signer.options(place, &user, "laptop")).unwrap();
    let (before, bytes_before) = {
        let seen = place.proxy().unwrap().seen();
        (seen.requests.len(), seen.bytes.len())
    };
    let runtime = runtime();
    // In one request, and in two parts.
    let contents = [
        ("photos/sea ü.bin", vec![7; 100_000]),
        ("photos/big", (0..9 << 20).map(|n| (n / 1000) as u8).collect::<Vec<u8>>()),
    ];
    runtime.block_on(async {
        for (key, content) in &contents {
            let properties = Properties { content_type: Some("image/x-sea".to_owned()), ..Properties::default() };
            let put = bucket.put(key, Source::bytes(content.clone()), properties, |_| ()).await.unwrap();
            assert_eq!((put.len, put.parts), (content.len() as u64, if content.len() > 8 << 20 { 2 } else { 0 }));
            assert_eq!(bucket.stat(key).await.unwrap().unwrap().len, Some(content.len() as u64));
            let mut read = Vec::new();
            let mut download = bucket.get(key, u64::MAX).await.unwrap().unwrap();
            while let Some(chunk) = download.chunk().await.unwrap() {
                read.extend_from_slice(&chunk);
            }
            assert!(read == *content, "{key}");
        }
        let mut listing = bucket.list("photos/", None, u64::MAX);
        let mut listed = Vec::new();
        while let Some(object) = listing.next().await.unwrap() {
            listed.push(object.name().to_owned());
        }
        let mut keys: Vec<String> = contents.iter().map(|(key, _)| (*key).to_owned()).collect();
        keys.sort();
        assert_eq!(listed, keys);
        // With keys of one's own this is one DeleteObjects, whose body no URL binds.
        assert_eq!(bucket.delete_many(&keys).await.unwrap(), []);
        assert_eq!(bucket.stat(&keys[0]).await.unwrap(), None);
        assert_eq!(bucket.buckets().await.unwrap_err().kind(), ErrorKind::Unsupported);

        let mut options = signer.options(place, &user, "mallorys");
        options.presign = Some(signer.presign(&format!("{user}-mallory")));
        let error = Bucket::new(options).unwrap().stat("photos/big").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(error.message().contains("outside of what this token may reach"), "{error}");
    });
    let seen = place.proxy().unwrap().seen();
    assert!(seen.requests[before..].iter().all(|asked| asked.target.contains("X-Amz-Signature=")));
    let text = String::from_utf8_lossy(&seen.bytes[bytes_before..]).to_lowercase();
    assert!(!text.contains("\r\nauthorization:") && !text.contains("nobody"));
}

fn the_doctor_needs_no_keys(place: &Place) {
    let signer = Signer::start(place);
    let user = user(place);
    let before = place.proxy().unwrap().seen().requests.len();
    let diagnosis = block_on(doctor(&signer.options(place, &user, "laptop"), None)).unwrap();
    assert_eq!(diagnosis.problem(), None, "{:#?}", diagnosis.findings);
    assert_eq!(diagnosis.conditional_writes, Some(ConditionalWrites::Enforced));
    assert!(diagnosis.finding("signer").is_some_and(|finding| finding.verdict == Verdict::Ok));
    let requests = place.proxy().unwrap().seen().requests.split_off(before);
    assert_eq!((requests.len(), signer.asked()), (diagnosis.requests as usize, u64::from(diagnosis.requests)));
    assert!(diagnosis.requests <= REQUESTS_MAX);
    assert!(requests.iter().all(|asked| asked.target.contains("X-Amz-Signature=")));
    let bucket = Bucket::new(signer.options(place, &user, "laptop")).unwrap();
    let runtime = runtime();
    let left = runtime.block_on(async { bucket.list("", None, 1).next().await.unwrap() });
    assert_eq!(left, None, "nothing stays behind");

    let mut options = signer.options(place, &user, "mallorys");
    options.presign = Some(signer.presign(&format!("{user}-mallory")));
    let problem = block_on(doctor(&options, None)).unwrap().problem().unwrap();
    assert_eq!(problem.kind(), ErrorKind::Auth);
    assert!(problem.message().contains("outside of what this token may reach"), "{problem}");
}

fn an_idle_poll_asks_no_signer(place: &Place) {
    let signer = Signer::start(place);
    let (mut device, _) = Open::create(signer.options(place, &user(place), "one"));
    device.put("notes", "tea", "green");
    device.sync();
    device.sync();
    let (asked, polled) = (signer.asked(), place.proxy().unwrap().meter().get);
    for _ in 0..20 {
        device.sync();
    }
    assert_eq!(place.proxy().unwrap().meter().get - polled, 20);
    assert!(signer.asked() - asked <= 1, "{}", signer.asked() - asked);
}

/// What a URL fixes, as the store enforces it: method, key, length and condition.
fn a_presigned_put_is_that_put_and_no_other(place: &Place) {
    let user = user(place);
    let (_, query) = uri(place);
    let store: StoreUri = format!("s3://tidelock?{query}").parse().unwrap();
    let url = |key: &str| match &store {
        StoreUri::S3(s3) => format!("{}/tidelock/{key}", s3.endpoint().unwrap()),
        StoreUri::Folder(_) => unreachable!("a server's place"),
    };
    let request = |method: Method, key: &str, headers: &[(&str, &str)]| HttpRequest {
        method,
        url: url(key),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Default::default(),
        max_response_bytes: 64 << 10,
    };
    let sign = |request: &HttpRequest| {
        let signed_headers = request.headers.iter().map(|(name, _)| name.clone()).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let terms = Terms { expires_s: 60, signed_headers };
        presign(request, "us-east-1", place.credentials().unwrap(), now, &terms).unwrap()
    };
    let client = reqwest::Client::new();
    let runtime = runtime();
    let send = |method: reqwest::Method, url: &str, headers: &[(&str, &str)], body: &'static str| {
        let mut sent = client.request(method, url).body(body);
        for (name, value) in headers {
            sent = sent.header(*name, *value);
        }
        runtime.block_on(async { sent.send().await.unwrap().status().as_u16() })
    };
    let key = format!("users/{user}/k");
    let put = sign(&request(Method::Put, &key, &[("content-length", "4"), ("if-none-match", "*")]));
    let condition = ("if-none-match", "*");
    assert!(send(reqwest::Method::PUT, &put.url, &[condition], "longer") >= 400, "another length");
    assert!(send(reqwest::Method::PUT, &put.url, &[], "four") >= 400, "without its condition");
    assert!(send(reqwest::Method::GET, &put.url, &[condition], "") >= 400, "another method");
    assert!(send(reqwest::Method::PUT, &put.url.replace("/k?", "/other?"), &[condition], "four") >= 400, "another key");
    assert_eq!(send(reqwest::Method::PUT, &put.url, &[condition], "four"), 200);
}

/// Unsigned headers can turn a PUT into a copy on servers that take them. What the presign server signs is safe even there.
fn a_presigned_put_copies_nothing_of_another_user(place: &Place) {
    let signer = Signer::start(place);
    let (alice, bob) = (user(place), format!("{}-bob", user(place)));
    let client = reqwest::Client::new();
    let runtime = runtime();
    let put = |user: &str, key: &str, body: &'static str, source: Option<&str>| {
        let url = signer.url(user, &json!({ "method": "PUT", "key": key, "content_length": body.len() }));
        let mut sent = client.put(url).body(body).header("content-length", body.len());
        if let Some(source) = source {
            sent = sent.header("x-amz-copy-source", source);
        }
        runtime.block_on(async { sent.send().await.unwrap().status().as_u16() })
    };
    let read = |user: &str, key: &str| {
        let url = signer.url(user, &json!({ "method": "GET", "key": key }));
        runtime.block_on(async { client.get(url).send().await.unwrap().text().await.unwrap() })
    };
    let secret = format!("users/{bob}/secret");
    assert_eq!(put(&bob, &secret, "secret", None), 200);
    assert_eq!(read(&bob, &secret), "secret");
    for body in ["", "four"] {
        let copy = format!("users/{alice}/copy-{}", body.len());
        put(&alice, &copy, body, Some(&format!("tidelock/{secret}")));
        assert_ne!(read(&alice, &copy), "secret", "a presigned PUT of {} bytes was turned into a copy", body.len());
    }
}

/// What the self-test finds, with one pair of keys and with two.
fn holes(settings: &Settings) -> Vec<Hole> {
    runtime().block_on(check(settings)).unwrap()
}

#[test]
fn the_self_test_finds_what_a_store_allows_beyond_a_signature() {
    let store = |place: &Place| format!("s3://tidelock?{}", uri(place).1);
    for keeps in [Store::Embedded, Store::Versitygw, Store::Dialect(Dialect::Bare403)] {
        let place = Place::new(keeps);
        assert_eq!(holes(&settings(&place, &store(&place), None)), [], "{keeps:?}");
        assert_eq!(place.bucket().keys(), [""; 0], "nothing stays behind");
    }
    let place = Place::new(Store::Dialect(Dialect::Ceph));
    assert_eq!(holes(&settings(&place, &store(&place), None)), [Hole::Copy, Hole::Publish]);
    let place = Place::new(Store::Minio);
    assert_eq!(holes(&settings(&place, &store(&place), None)), [Hole::Copy, Hole::CopyInParts]);
    assert_eq!(holes(&settings(&place, &store(&place), Some(write_only(&place)))), []);
}

/// The second bucket has examples/presign-server/ceph-policy.json.
#[test]
#[ignore = "Ceph's programs are large: cargo xtask test ceph"]
fn ceph_is_safe_with_two_pairs_of_keys_its_policy_and_no_parts() {
    let place = Place::new(Store::Ceph);
    let (_, query) = uri(&place);
    let all = [Hole::Copy, Hole::CopyInParts, Hole::Publish, Hole::PublishInParts];
    assert_eq!(holes(&settings(&place, &format!("s3://tidelock?{query}"), None)), all);
    let write = Credentials::new("tidelock-writer", place.keys().unwrap().1, None).unwrap();
    let mut defended = settings(&place, &format!("s3://tidelock-defended?{query}"), Some(write.clone()));
    // No policy is looked at where a part copies what its own user wrote.
    assert_eq!(holes(&defended), [Hole::CopyInParts]);
    defended.signs_parts = false;
    assert_eq!(holes(&defended), []);

    // And a vault lives there.
    let signer = Signer::at(&place, "tidelock-defended", Some(write));
    let (mut laptop, secret) = Open::create(signer.options_in(&place, "tidelock-defended", &user(&place), "laptop"));
    laptop.put("notes", "tea", "green");
    laptop.sync();
    let mut phone = Open::join(signer.options_in(&place, "tidelock-defended", &user(&place), "phone"), &secret);
    phone.sync();
    assert_eq!(phone.map_bytes("notes"), laptop.map_bytes("notes"));
}

/// Keys for MinIO that may write and not read, by AssumeRole with a policy (AWS's API reference; signed after "Create a
/// signed AWS API request").
fn write_only(place: &Place) -> Credentials {
    let (access_key, secret_key) = place.keys().unwrap();
    let host = place.proxy().unwrap().address().to_string();
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], "Resource": ["arn:aws:s3:::tidelock/users/*"],
    }] });
    let policy =
        percent_encoding::utf8_percent_encode(&policy.to_string(), percent_encoding::NON_ALPHANUMERIC).to_string();
    let body = format!("Action=AssumeRole&DurationSeconds=900&Policy={policy}&Version=2011-06-15");
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &now[..8];
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let names = "content-type;host;x-amz-date";
    let hash = hex(&Sha256::digest(&body));
    let canonical = format!(
        "POST\n/\n\ncontent-type:application/x-www-form-urlencoded\nhost:{host}\nx-amz-date:{now}\n\n{names}\n{hash}"
    );
    let scope = format!("{day}/us-east-1/sts/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let hmac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let key = [day, "us-east-1", "sts", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret_key}").into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &to_sign));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}");
    let runtime = runtime();
    let answer = runtime.block_on(async {
        let sent = reqwest::Client::new()
            .post(format!("http://{host}/"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-amz-date", &now)
            .header("authorization", authorization);
        sent.body(body).send().await.unwrap().text().await.unwrap()
    });
    let field = |name: &str| {
        let rest = answer.split(&format!("<{name}>")).nth(1).unwrap_or_else(|| panic!("{answer}"));
        rest.split('<').next().unwrap().to_owned()
    };
    Credentials::new(field("AccessKeyId"), field("SecretAccessKey"), Some(field("SessionToken"))).unwrap()
}

fn an_expired_url_is_refused_and_asked_for_anew(place: &Place) {
    let (_, query) = uri(place);
    let credentials = place.credentials().unwrap().clone();
    let late = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let asked = late.clone();
    // A signer in the program, whose every second answer is from an hour ago.
    let sign = move |request: UnsignedRequest| {
        let number = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let signed_ms = if number.is_multiple_of(2) { now - 3_600_000 } else { now };
        let mut whole = HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: Default::default(),
            max_response_bytes: 0,
        };
        let mut signed_headers: Vec<_> = whole.headers.iter().map(|(name, _)| name.clone()).collect();
        if request.body_bytes > 0 {
            whole.headers.push(("content-length".to_owned(), request.body_bytes.to_string()));
            signed_headers.push("content-length".to_owned());
        }
        let terms = Terms { expires_s: 900, signed_headers };
        let signed = presign(&whole, "us-east-1", &credentials, signed_ms, &terms);
        async move { signed.map(|signed| SignedUrl { url: signed.url, headers: signed.headers, expires_s: None }) }
    };
    let mut options =
        Options::new(&format!("s3://tidelock/users/{}?{query}", user(place)), place.local("one")).unwrap();
    options.credentials = CredentialSource::Fixed(Credentials::new("NOBODY", "opens-nothing", None).unwrap());
    options.presign = Some(Presign::callback(sign));
    let (mut device, _) = Open::create(options);
    device.put("notes", "tea", "green");
    device.sync();
    let refused =
        place.proxy().unwrap().seen().requests.iter().filter(|asked| asked.status == Some(403)).count() as u64;
    assert!(refused > 0 && refused <= late.load(std::sync::atomic::Ordering::Relaxed) / 2 + 1, "{refused}");
}

fn the_command_needs_a_token_and_no_keys(place: &Place) {
    let signer = Signer::start(place);
    let user = user(place);
    let (_, query) = uri(place);
    let (store, url) =
        (format!("s3://tidelock/users/{user}?{query}"), format!("http://{}/presign", signer.proxy.address()));
    // An environment with nothing in it but this device's folder, and the token where there is one.
    let run = |device: &str, arguments: &[&str], token: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock-under-test"));
        command.env_clear().env("TIDELOCK_LOCAL", place.local(device)).args(arguments);
        command.envs(token.map(|token| ("TIDELOCK_SIGNER_TOKEN", token)));
        let out = command.output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    let token = token(&user);
    let made = run("laptop", &["init", "--store", &store, "--signer", &url], Some(&token));
    assert_eq!(made.0, Some(0), "{made:?}");
    assert_eq!(run("laptop", &["put", "notes", "tea", "green"], None).0, Some(0), "a put needs no token");
    // The signer is remembered.
    let synced = run("laptop", &["sync"], Some(&token));
    assert_eq!(synced.0, Some(0), "{synced:?}");

    // The token from a file, which the device remembers by its name.
    let (code, token_file) = (place.local("code"), place.local("token"));
    std::fs::write(&code, &made.1).unwrap();
    std::fs::write(&token_file, &token).unwrap();
    let path = |file: &Path| file.to_str().unwrap().to_owned();
    let join = [
        "join",
        "--store",
        &store,
        "--signer",
        &url,
        "--secret-file",
        &path(&code),
        "--signer-token-file",
        &path(&token_file),
    ];
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&code, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let open = run("phone", &join, None);
        assert!(open.0 == Some(4) && open.2.contains("chmod 600"), "{open:?}");
        std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let joined = run("phone", &join, None);
    assert_eq!(joined.0, Some(0), "{joined:?}");
    assert_eq!(run("phone", &["get", "notes", "tea"], None).1.trim(), "green");
    assert_eq!(run("phone", &["sync"], None).0, Some(0));

    let none = run("laptop", &["sync", "--json"], None);
    assert!(none.0 == Some(4) && none.2.contains("TIDELOCK_SIGNER_TOKEN"), "{none:?}");
    for device in ["laptop", "phone"] {
        let config = std::fs::read_to_string(place.local(device).join("config.toml")).unwrap();
        assert!(config.contains(&url) && !config.contains(&token), "{config}");
    }
}

#[test]
fn a_signer_for_another_endpoint_is_refused_by_name() {
    let place = Place::new(Store::Embedded);
    let elsewhere = Place::new(Store::Embedded);
    let signer = Signer::start(&elsewhere);
    let error = block_on(Vault::create(signer.options(&place, &user(&place), "one"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.message().contains("a URL of another place"), "{error}");
    assert_eq!(place.proxy().unwrap().meter().requests(), 0);
    assert_eq!(elsewhere.proxy().unwrap().meter().requests(), 0);
}
