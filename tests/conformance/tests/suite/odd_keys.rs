//! Keys that S3 takes and file systems, XML and URLs don't: `tidelock s3` handles whatever a server lists.

use super::objects::{bucket, json, lines, run, succeeds, with_runtime};
use std::collections::BTreeSet;
use tidelock::bucket::{Properties, Source};
use tidelock_conformance::{Fault, Place};

/// Below `odd/`.
const NAMES: [&str; 14] = [
    "ends/",
    "two//slashes",
    "a/./dot",
    "a/../dots",
    ".",
    "..",
    "control\u{1}",
    "line\nfeed",
    "plus+and space",
    "percent%41",
    "trailing ",
    "ü",
    "<&>\"'",
    "://",
];

on_dialect! { odd_on_aws: Bare403; every_listed_key_can_be_handled }
on_dialect! { odd_without_batches: NoBatchDelete; every_listed_key_can_be_handled, what_stays_is_named_and_keeps_nothing_else }
on_dialect! { odd_not_encoded: EncodingOnlyClaimed; every_listed_key_can_be_handled }
on_dialect! { odd_by_version_1: ListV2GoesNowhere; every_listed_key_can_be_handled }

fn put_all(place: &Place) -> BTreeSet<String> {
    let bucket = bucket(place);
    let keys: BTreeSet<String> = NAMES.iter().map(|name| format!("odd/{name}")).collect();
    with_runtime(async {
        for key in &keys {
            bucket.put(key, Source::bytes(key.clone()), Properties::default(), |_| ()).await.unwrap();
        }
    });
    keys
}

fn every_listed_key_can_be_handled(place: &Place) {
    let keys = put_all(place);
    let listed = lines(&succeeds(place, &["ls", "odd/", "--recursive", "--json"]));
    let listed: BTreeSet<String> = listed.iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, keys, "raw in JSON");
    let shown = String::from_utf8(succeeds(place, &["ls", "odd/", "--recursive"]).stdout).unwrap();
    assert_eq!(shown.lines().count(), keys.len(), "{shown:?}");
    assert!(
        shown.contains("odd/control\\u{1}") && shown.contains("odd/line\\nfeed"),
        "escaped for a terminal: {shown:?}"
    );

    let file = place.local("got");
    for key in &keys {
        let stat = json(place, &["stat", key]);
        assert_eq!((stat["key"].as_str(), stat["size"].as_u64()), (Some(key.as_str()), Some(key.len() as u64)));
        json(place, &["get", key, file.to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), *key);
    }
    // Its own request each, then all that is left.
    for key in ["odd/a/../dots", "odd/control\u{1}"] {
        assert_eq!(json(place, &["rm", key])["deleted"], 1);
        assert_eq!(run(place, &["stat", key]).status.code(), Some(3), "{key:?}");
    }
    assert_eq!(json(place, &["rm", "--recursive", "odd/"])["deleted"], keys.len() - 2);
    assert!(succeeds(place, &["ls", "--recursive"]).stdout.is_empty());
}

fn what_stays_is_named_and_keeps_nothing_else(place: &Place) {
    let keys = put_all(place);
    place.faults().set(|method, target| {
        let is_it = method == "DELETE" && target.split('?').next().is_some_and(|path| path.ends_with("control%01"));
        is_it.then_some(Fault::Status(405))
    });
    let ran = run(place, &["rm", "--recursive", "odd/"]);
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(12), "{told}");
    assert!(told.contains("odd/control\\u{1}"), "{told}");
    assert!(told.contains(&format!("{} deleted.", keys.len() - 1)), "{told}");
    assert_eq!(lines(&succeeds(place, &["ls", "--recursive", "--json"])).len(), 1);
}
