//! What happens to the bucket behind the devices' backs: nothing is lost, nothing foreign comes in, and it is told.

use tidelock::ErrorKind;
use tidelock_conformance::device::records;
use tidelock_conformance::{Device, Place};

on_every_store![
    ab3_corrupt_objects_block_nothing,
    ab4_objects_of_another_vault_are_rejected,
    wiped_bucket,
    one_manifest_rolled_back,
    corrupt_segment,
    header_of_a_foreign_vault,
];
on_dialect! { one_write_a_second: OneWriteASecond; one_manifest_rolled_back }

/// Half a kilobyte: what fills segments in a few dozen puts.
fn long(text: &str) -> String {
    text.repeat(512 / text.len())
}

fn ab3_corrupt_objects_block_nothing(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    let mut three = place.join("three", &secret);
    two.sync();
    three.sync();
    one.put("todo", "milk", "of one");
    one.sync();
    two.put("todo", "bread", "of two");
    two.sync();

    let bucket = place.bucket();
    let keys = bucket.keys();
    let manifest = one.manifest_key(&keys);
    let sound = bucket.get(&manifest);
    bucket.corrupt(&manifest);
    // Things that never were objects of a vault, where only those stand.
    let manifests = manifest.rsplit_once('/').unwrap().0;
    bucket.put(&format!("{manifests}/00112233445566778899aabbccddeeff"), "<html>It works!</html>");
    bucket.put(&format!("{manifests}/ffeeddccbbaa99887766554433221100"), "");
    bucket.put(&format!("{manifests}/notes.txt"), "none of ours");

    let report = three.try_check().unwrap();
    assert_eq!(three.map("todo"), records(&[("bread", "of two")]));
    assert!(report.debts > 0, "{report:?}");
    let mut names: Vec<_> = three.status().devices.into_iter().filter_map(|device| device.name).collect();
    names.sort();
    assert_eq!(names, ["one", "three", "two"]);

    bucket.put(&manifest, sound);
    three.try_check().unwrap();
    assert_eq!(three.map("todo"), records(&[("bread", "of two"), ("milk", "of one")]));
}

fn ab4_objects_of_another_vault_are_rejected(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    one.put("todo", "milk", "ours");
    one.sync();
    two.sync();

    // Another vault, of enough records for segments.
    let elsewhere = place.another();
    let (mut stranger, _) = elsewhere.create("stranger");
    for number in 0..60 {
        stranger.put("todo", &format!("foreign {number}"), &long("theirs "));
    }
    stranger.put("todo", "milk", "theirs");
    stranger.sync();

    let (ours, theirs) = (place.bucket(), elsewhere.bucket().objects());
    let space = space_of(&ours.keys());
    let mut copied = Vec::new();
    for (key, body) in theirs {
        // Under their own names, in the place of ours.
        let Some(rest) = key.strip_prefix("spaces/").and_then(|key| key.split_once('/')) else { continue };
        ours.put(&format!("spaces/{space}/{}", rest.1), body);
        copied.push(rest.1.split('/').next().unwrap().to_owned());
    }
    copied.dedup();
    assert_eq!(copied, ["beacon", "manifests", "segments"]);

    two.try_check().unwrap();
    assert_eq!(two.map("todo"), records(&[("milk", "ours")]));
    assert_eq!(two.status().devices.iter().filter(|device| device.name.is_some()).count(), 2);
    // Life goes on.
    one.put("todo", "bread", "ours");
    one.sync();
    two.sync();
    two.put("todo", "eggs", "ours");
    two.sync();
    one.sync();
    for device in [&mut one, &mut two] {
        assert_eq!(device.map("todo"), records(&[("bread", "ours"), ("eggs", "ours"), ("milk", "ours")]));
    }
    let mut late = place.join("late", &secret);
    assert_eq!(late.map("todo"), records(&[("bread", "ours"), ("eggs", "ours"), ("milk", "ours")]));
}

/// The id of the one space in a bucket.
fn space_of(keys: &[String]) -> String {
    let key = keys.iter().find_map(|key| key.strip_prefix("spaces/")).unwrap();
    key.split('/').next().unwrap().to_owned()
}

/// An emptied bucket deletes nothing here, and nothing is written to it before a person says so.
fn wiped_bucket(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    for number in 0..60 {
        one.put("todo", &format!("{number:02}"), &long("all of it "));
    }
    one.sync();
    two.sync();
    two.put("todo", "of two", "published");
    two.sync();
    one.sync();
    let (all, bucket) = (one.map("todo"), place.bucket());
    assert_eq!(all.len(), 61);

    bucket.wipe();
    one.put("todo", "while wiped", "kept");
    let before = one.status().meter;
    assert_eq!(one.try_sync().unwrap_err().kind(), ErrorKind::Wiped);
    assert_eq!(two.try_sync().unwrap_err().kind(), ErrorKind::Wiped);
    // It stays so.
    assert_eq!(one.try_sync().unwrap_err().kind(), ErrorKind::Wiped);
    let asked = one.status().meter.since(&before);
    assert_eq!((asked.put, asked.delete, asked.post), (0, 0, 0), "{asked:?}");
    assert!(bucket.keys().is_empty());
    assert_eq!(two.map("todo"), all);
    assert_eq!(one.map("todo").len(), 62);

    one.republish();
    two.republish();
    one.sync();
    let mut late = place.join("late", &secret);
    let mut expected = all;
    expected.push(("while wiped".to_owned(), "kept".to_owned()));
    for device in [&mut one, &mut two, &mut late] {
        assert_eq!(device.map("todo"), expected);
    }
}

/// The provider shows one device's manifest as it was before: nobody forgets anything, and its author mends it.
fn one_manifest_rolled_back(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    let bucket = place.bucket();
    one.put("todo", "milk", "first");
    one.sync();
    let manifest = one.manifest_key(&bucket.keys());
    let old = bucket.get(&manifest);
    one.put("todo", "milk", "second");
    one.put("todo", "bread", "second");
    one.sync();
    two.sync();

    bucket.put(&manifest, old.clone());
    let report = two.try_check().unwrap();
    assert!(report.debts > 0, "{report:?}");
    assert_eq!(two.map("todo"), records(&[("bread", "second"), ("milk", "second")]));

    one.put("todo", "eggs", "third");
    one.try_check().unwrap();
    assert_ne!(bucket.get(&manifest), old);
    two.try_check().unwrap();
    let expected = records(&[("bread", "second"), ("eggs", "third"), ("milk", "second")]);
    assert_eq!(two.map("todo"), expected);
    assert_eq!(two.status().debts, 0);

    // A bucket that does so again and again is told to a person, who may publish anew.
    bucket.put(&manifest, old.clone());
    one.try_check().unwrap();
    bucket.put(&manifest, old.clone());
    assert_eq!(one.try_check().unwrap_err().kind(), ErrorKind::RolledBack);
    assert_eq!(bucket.get(&manifest), old);
    one.republish();
    two.try_check().unwrap();
    let mut late = place.join("late", &secret);
    for device in [&mut one, &mut two, &mut late] {
        assert_eq!(device.map("todo"), expected);
    }
}

/// One bad segment stops neither its author's other writes nor anyone else's, and is mended without a person.
fn corrupt_segment(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    two.sync();
    for number in 0..80 {
        one.put("todo", &format!("long {number:02}"), &long("in a segment "));
    }
    one.sync();
    one.put("todo", "short", "in the tail");
    one.sync();
    let bucket = place.bucket();
    let segments = bucket.keys_of("segments");
    assert!(!segments.is_empty());
    // With a snapshot nobody would need the segments.
    assert!(bucket.keys_of("snapshots").is_empty());
    segments.iter().for_each(|key| bucket.corrupt(key));

    let mut three = place.join("three", &secret);
    three.put("todo", "of three", "sound");
    three.sync();
    let report = two.sync();
    assert!(report.debts > 0, "{report:?}");
    assert_eq!(two.map("todo").last(), Some(&("short".to_owned(), "in the tail".to_owned())));
    assert!(two.map("todo").contains(&("of three".to_owned(), "sound".to_owned())));

    // Tries come after 1, 2 and 4 polls; then the reader names what it misses, and the author writes it again.
    for _ in 0..12 {
        two.sync();
        one.sync();
        three.sync();
    }
    let mut expected: Vec<_> = (0..80).map(|n| (format!("long {n:02}"), long("in a segment "))).collect();
    expected.push(("of three".to_owned(), "sound".to_owned()));
    expected.push(("short".to_owned(), "in the tail".to_owned()));
    for device in [&mut one, &mut two, &mut three] {
        assert!(device.map("todo") == expected, "not mended");
        assert_eq!(device.status().debts, 0);
    }
}

/// A store that shows another vault's header is refused, and nothing is written there.
fn header_of_a_foreign_vault(place: &Place) {
    let (mut one, _) = place.create("one");
    one.put("todo", "milk", "ours");
    one.sync();
    let bucket = place.bucket();
    let ours = bucket.objects();

    bucket.wipe();
    let (mut stranger, _) = place.create("stranger");
    stranger.put("todo", "milk", "theirs");
    stranger.sync();
    let theirs = bucket.objects();
    one.put("todo", "bread", "ours");
    assert_eq!(one.try_sync().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(one.try_check().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(bucket.objects(), theirs);
    assert_eq!(one.map("todo"), records(&[("bread", "ours"), ("milk", "ours")]));
    assert_eq!(stranger.map("todo"), records(&[("milk", "theirs")]));

    bucket.wipe();
    ours.into_iter().for_each(|(key, body)| bucket.put(&key, body));
    one.sync();
    assert_eq!(one.status().pending, 0);
}
