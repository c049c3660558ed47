//! Store URIs: what is read is written in one form that reads as the same store, and every URL built on it is plain.
#![no_main]

use tidelock_core::s3::{Action, Call, Condition, Credentials, EtagQuoting, StoreUri};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(store) = text.parse::<StoreUri>() else { return };
    let shown = store.to_string();
    let again: StoreUri = shown.parse().expect("what is written reads back");
    assert_eq!(again, store);
    assert_eq!(again.to_string(), shown);

    let keys = Credentials::new("AKID", "secret", Some("token".to_owned())).expect("visible ASCII");
    let key = "spaces/00/manifests/ff".to_owned();
    let calls = [
        Call::GetObject { key: key.clone(), if_none_match: None, range: Some((0, 9)), body_max: 10 },
        Call::PutObject { key: key.clone(), body: "x".into(), condition: Condition::IfAbsent },
        Call::DeleteObjects { keys: vec![key] },
        Call::ListObjectsV2 { prefix: "spaces/".into(), continuation: None, start_after: None, max_keys: 1000 },
        Call::HeadBucket,
    ];
    for call in calls {
        let request =
            call.request(&store, Some(&keys), 1_700_000_000_000, EtagQuoting::Quoted).expect("short keys fit");
        let plain = request.url.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(plain && ["http://", "https://", "file:///"].iter().any(|scheme| request.url.starts_with(scheme)));
        let is_s3 = matches!(store, StoreUri::S3(_));
        assert_eq!(request.headers.iter().any(|(name, _)| name == "authorization"), is_s3);
        assert!(request.headers.iter().all(|(_, value)| value.bytes().all(|byte| (b' '..=b'~').contains(&byte))));
    }
});
