//! The policy of docs/providers is enough for a vault, all of it is needed, and it opens nothing else. MinIO enforces it, as
//! the policy of temporary keys.

use futures::executor::block_on;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock::{CredentialSource, Credentials, Error, ErrorKind, Options, StoreUri, Vault, parse_secret};
use tidelock_conformance::wire::Wire;
use tidelock_conformance::{Bucket, Place, Store};
use tidelock_core::s3::{AssumeRole, Call, Condition, Role, STS_SECONDS_MIN};

const POLICY: &str = include_str!("../../../../docs/providers/policy.json");
const MULTIPART: &str = include_str!("../../../../docs/providers/policy-multipart.json");

#[test]
fn it_is_enough_and_all_of_it_is_needed() {
    let whole = || policy(POLICY, &Place::new(Store::Minio));
    let actions = actions(&whole());
    assert_eq!(actions, ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]);
    let place = Place::new(Store::Minio);
    two_devices_sync(&place, &keys(&place, &policy(POLICY, &place))).unwrap();
    assert_eq!(refused(&place), Vec::<String>::new(), "no other action is used");
    for left_out in actions {
        let place = Place::new(Store::Minio);
        let less = without(policy(POLICY, &place), &left_out);
        // Some end it at once; without DeleteObject only what is to go stays.
        let _ = two_devices_sync(&place, &keys(&place, &less));
        assert_ne!(refused(&place), Vec::<String>::new(), "{left_out} is not needed");
    }
}

#[test]
fn it_opens_nothing_else() {
    let (own, other) = (Place::new(Store::Minio), Place::new(Store::Minio));
    other.bucket().put("there", "another user's");
    for text in [POLICY, MULTIPART] {
        let keys = keys(&own, &policy(text, &own));
        let inside = Bucket::new(&own.uri(), Some(keys.clone()));
        inside.put("here", "mine");
        let outside = Bucket::new(&other.uri(), Some(keys));
        for call in [
            Call::GetObject { key: "there".into(), if_none_match: None, range: None, body_max: 100 },
            Call::HeadObject { key: "there".into() },
            Call::PutObject { key: "there".into(), body: "changed".into(), condition: Condition::Always },
            Call::PutObject { key: "new".into(), body: "changed".into(), condition: Condition::IfAbsent },
            Call::DeleteObject { key: "there".into() },
            Call::ListObjectsV2 { prefix: String::new(), continuation: None, start_after: None, max_keys: 10 },
            Call::ListObjects { prefix: String::new(), marker: None, max_keys: 10 },
            Call::HeadBucket,
        ] {
            let told = outside.try_call(&call).unwrap_err().error;
            assert_eq!(told.kind(), ErrorKind::Auth, "{call:?}: {told}");
        }
    }
    assert_eq!(other.bucket().objects(), [("there".to_owned(), "another user's".into())].into());
}

/// What a vault does in its first days: it is made, filled, joined, and both sides write and delete.
fn two_devices_sync(place: &Place, keys: &Credentials) -> Result<(), Error> {
    block_on(async {
        let (first, code) = Vault::create(options(place, "first", keys)).await?;
        let map = first.map("notes");
        for at in 0..40 {
            map.put(format!("note {at}"), vec![at; 4_000]).await?;
        }
        first.sync().await?;
        let second = Vault::join(options(place, "second", keys), parse_secret(&code.reveal())?).await?;
        second.map("notes").delete("note 7").await?;
        second.sync().await?;
        first.check().await?;
        assert_eq!(first.map("notes").get("note 7").await?, None);
        first.close().await;
        second.close().await;
        Ok(())
    })
}

fn options(place: &Place, device: &str, keys: &Credentials) -> Options {
    let mut options = place.options(device);
    options.credentials = CredentialSource::Fixed(keys.clone());
    options
}

/// The requests that were answered 403.
fn refused(place: &Place) -> Vec<String> {
    let seen = place.proxy().unwrap().seen();
    seen.requests.iter().filter(|asked| asked.status == Some(403)).map(|asked| asked.target.clone()).collect()
}

/// The policy for a place.
fn policy(text: &str, place: &Place) -> Value {
    let StoreUri::S3(store) = place.uri().parse().unwrap() else { panic!("a bucket") };
    serde_json::from_str(&text.replace("BUCKET", store.bucket()).replace("PREFIX", store.prefix())).unwrap()
}

fn actions(policy: &Value) -> Vec<String> {
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().flat_map(|statement| listed(&statement["Action"])).collect()
}

fn without(mut policy: Value, action: &str) -> Value {
    for statement in policy["Statement"].as_array_mut().unwrap() {
        let rest: Vec<_> = listed(&statement["Action"]).into_iter().filter(|other| other != action).collect();
        statement["Action"] = json!(rest);
    }
    let has_action = |statement: &Value| statement["Action"].as_array().is_some_and(|actions| !actions.is_empty());
    policy["Statement"].as_array_mut().unwrap().retain(has_action);
    policy
}

fn listed(action: &Value) -> Vec<String> {
    match action.as_str() {
        Some(one) => vec![one.to_owned()],
        None => action.as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()).collect(),
    }
}

/// Temporary keys that may what the policy says.
fn keys(place: &Place, policy: &Value) -> Credentials {
    let StoreUri::S3(store) = place.uri().parse().unwrap() else { panic!("a bucket") };
    let role = Role {
        arn: None,
        session_name: "conformance".into(),
        duration_s: STS_SECONDS_MIN,
        policy: Some(policy.to_string()),
    };
    let assume = AssumeRole { role };
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let request =
        assume.request(store.endpoint().unwrap(), store.region(), place.credentials().unwrap(), now_ms).unwrap();
    let response = Wire::new(&place.uri().parse().unwrap()).send(&request).unwrap();
    assume.interpret(response).unwrap().credentials
}
