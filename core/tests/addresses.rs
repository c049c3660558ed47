//! The shared vectors of store addresses: `tests/vectors/addresses.json`.

use serde_json::{Value, json};
use tidelock_core::ErrorKind;
use tidelock_core::s3::StoreUri;

#[test]
fn addresses() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/addresses.json")).unwrap();
    for case in file["cases"].as_array().unwrap() {
        assert_eq!(case["check"], "address");
        match case["given"]["text"].as_str().unwrap().parse::<StoreUri>() {
            Ok(store) => {
                assert_eq!(shown(&store), case["value"], "{}", case["name"]);
                assert_eq!(store.to_string().parse(), Ok(store), "{}", case["name"]);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{}", case["name"]);
                assert_eq!(case["refused"], error.kind().name(), "{}: {error}", case["name"]);
            }
        }
    }
}

fn shown(store: &StoreUri) -> Value {
    match store {
        StoreUri::Folder(folder) => json!({"form": store.to_string(), "folder": folder.path()}),
        StoreUri::S3(s3) => json!({
            "form": store.to_string(),
            "bucket": s3.bucket(),
            "prefix": s3.prefix(),
            "region": s3.region(),
            "endpoint": s3.endpoint().map(ToString::to_string),
            "path_style": s3.path_style(),
        }),
    }
}
