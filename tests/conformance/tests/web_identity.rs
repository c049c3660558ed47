//! Keys for an identity: MinIO's own token service takes a token of an OpenID issuer, and gives keys that open the bucket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock_conformance::{Place, Store};

/// A token as issuers hand it out (RFC 7519, signed with HS256), for the policy that MinIO has for it.
fn token(secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "HS256", "typ": "JWT", "kid": "tidelock" }));
    let claims = part(json!({ "aud": "tidelock", "sub": "me", "policy": "readwrite", "iat": now, "exp": now + 3600 }));
    let signed = format!("{header}.{claims}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[test]
fn an_identity_opens_minio() {
    let place = Place::new(Store::Minio);
    let (_, secret) = place.keys().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |token: &str, arguments: &[&str]| -> Output {
        let file = folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock-under-test"));
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
            command.env_remove(name);
        }
        command.arg("--local").arg(folder.path().join("device")).args(arguments).env("HOME", folder.path());
        // MinIO takes any role here: the token names the policy.
        command.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/notes");
        command.env("AWS_WEB_IDENTITY_TOKEN_FILE", &file).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ENDPOINT_URL_STS", std::env::var("TIDELOCK_TEST_MINIO").unwrap());
        command.output().unwrap()
    };
    let stderr = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();

    let forged = token("another secret");
    let refused = run(&forged, &["init", "--store", &place.uri(), "-v"]);
    assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("web identity failed") && !stderr(&refused).contains(&forged),
        "{}",
        stderr(&refused)
    );

    let good = token(secret);
    for arguments in [&["init", "--store", &place.uri()][..], &["put", "m", "k", "v"], &["sync", "-v"]] {
        let ran = run(&good, arguments);
        assert!(ran.status.success(), "{arguments:?}: {}", stderr(&ran));
        assert!(!stderr(&ran).contains(&good));
    }
    let shown = run(&good, &["credentials", "show", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["source"], "web-identity");
    assert!(shown["expires"].is_string(), "{shown}");
}
