//! The data model through whole devices: collections made apart, siblings, logs, tombstones, a year away.

use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::replica::split_document_key;
use tidelock_core::{Change, Collection, ErrorKind, KeyRange};
use tidelock_sim::world::World;

const DAY_MS: u64 = 24 * 3_600_000;

fn values(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn two_devices_create_the_same_collection_offline() {
    let mut world = World::with_devices(50, 2);
    world.put(0, "milk");
    world.put(1, "bread");
    world.append(1);
    world.append(0);
    world.sync_all();
    world.check().unwrap();
    for at in 0..2 {
        let known: BTreeSet<Collection> = world.devices[at].engine.status().unwrap().collections.into_iter().collect();
        assert_eq!(known, BTreeSet::from([World::map(), World::log()]), "one of each, not two");
    }
}

#[test]
fn siblings_stand_until_a_write_that_saw_them_or_a_resolve() {
    let mut world = World::with_devices(51, 3);
    world.put_value(0, "tea", "green");
    world.put_value(1, "tea", "black");
    world.put_value(2, "tea", "white");
    world.put_value(0, "cup", "small");
    world.put_value(1, "cup", "large");
    world.sync_all();
    for at in 0..3 {
        assert_eq!(world.standing(at, "tea"), values(&["green", "black", "white"]));
        assert_eq!(world.devices[at].engine.status().unwrap().conflicts, 2);
    }
    world.resolve(1, "tea", Some("mint"));
    world.put_value(2, "cup", "glass");
    world.sync_all();
    world.check().unwrap();
    for at in 0..3 {
        assert_eq!(world.standing(at, "tea"), values(&["mint"]));
        assert_eq!(world.devices[at].engine.status().unwrap().conflicts, 0);
    }
    // Two resolves that had not seen each other are siblings again; a resolve to nothing ends them.
    world.put_value(0, "tea", "a");
    world.put_value(1, "tea", "b");
    world.sync_all();
    world.resolve(0, "tea", Some("a again"));
    world.resolve(2, "tea", Some("b again"));
    world.sync_all();
    assert_eq!(world.standing(1, "tea"), values(&["a again", "b again"]));
    world.resolve(1, "tea", None);
    world.sync_all();
    world.check().unwrap();
    assert!(world.standing(0, "tea").is_empty());
}

#[test]
fn what_a_device_had_seen_before_its_last_segment_it_has_seen_after_it() {
    let mut world = World::with_devices(58, 3);
    world.put_value(0, "tea", "green");
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    // More than a tail holds: it becomes a segment, and the next write stands in a tail that has nothing new to tell.
    let big = world.big_value(70_000);
    world.put_value(1, "book", &big);
    world.sync(1).unwrap();
    assert_eq!(world.bucket.keys_with("/segments/").len(), 1);
    world.put_value(1, "tea", "black");
    world.sync(1).unwrap();
    world.sync(2).unwrap();
    assert_eq!(world.standing(2, "tea"), values(&["black"]));
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn equal_values_are_no_conflict() {
    let mut world = World::with_devices(52, 2);
    world.put_value(0, "tea", "green");
    world.put_value(1, "tea", "green");
    world.sync_all();
    for at in 0..2 {
        assert_eq!(world.standing(at, "tea"), values(&["green"]));
        assert_eq!(world.devices[at].engine.status().unwrap().conflicts, 0);
    }
    world.delete(1, "tea"); // it saw both
    world.sync_all();
    world.check().unwrap();
    assert!(world.standing(0, "tea").is_empty());
}

#[test]
fn a_delete_removes_only_what_it_has_seen() {
    let mut world = World::with_devices(53, 2);
    world.put(0, "tea");
    world.sync_all();
    world.delete(0, "tea");
    world.put_value(1, "tea", "black");
    world.sync_all();
    world.check().unwrap();
    assert_eq!(world.standing(0, "tea"), values(&["black"]));
}

#[test]
fn a_log_entry_deleted_everywhere_and_imported_again() {
    let mut world = World::with_devices(54, 2);
    let file: Vec<(u64, String)> =
        (0..40).map(|line| (1_000_000 + line * 60_000, format!("ls {}", line % 7))).collect();
    let keys: Vec<String> = file.iter().map(|(ms, line)| world.import(0, *ms, line).unwrap()).collect();
    world.sync_all();
    let entries = world.log_of(1).len();
    assert_eq!(entries, 40);
    for key in &keys[5..10] {
        world.delete_entry(1, key);
    }
    world.sync_all();
    world.heal(2).unwrap();
    // Again on the other device, from a file trimmed at its beginning, and on a newcomer from the whole.
    for (ms, line) in &file[3..] {
        world.import(0, *ms, line);
    }
    let newcomer = world.join().unwrap();
    for (ms, line) in &file {
        world.import(newcomer, *ms, line);
    }
    let pending = world.devices[newcomer].engine.status().unwrap().pending;
    assert_eq!(pending, 0, "importing what is there, or was deleted, writes nothing");
    world.sync_all();
    world.check().unwrap();
    assert_eq!(world.log_of(0).len(), 35);
}

#[test]
fn a_log_entry_deleted_by_one_and_imported_unseen_by_another_stays_deleted() {
    let mut world = World::with_devices(55, 3);
    let key = world.import(0, 1_000, "ls").unwrap();
    world.delete_entry(0, &key);
    assert_eq!(world.import(1, 1_000, "ls").unwrap(), key, "the same line has the same key everywhere");
    world.sync_all();
    world.check().unwrap();
    assert!(world.log_of(1).is_empty());
    assert_eq!(world.import(2, 1_000, "ls").unwrap(), key);
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn a_tombstone_goes_though_a_device_is_away_and_nothing_comes_back() {
    let mut world = World::with_devices(56, 3);
    world.put(0, "tea");
    world.put(0, "cup");
    world.sync_all();
    world.put(2, "cup"); // unseen by those who delete it
    world.delete(0, "tea");
    world.delete(0, "cup");
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    assert_eq!((world.tombstones(0), world.tombstones(1)), (2, 2));
    for _ in 0..3 {
        world.full_check(0).unwrap();
        world.full_check(1).unwrap();
    }
    assert_eq!((world.tombstones(0), world.tombstones(1)), (0, 0), "nobody waits for device 2");
    world.now_ms += 400 * DAY_MS;
    for _ in 0..2 {
        for at in [2, 0, 1] {
            world.full_check(at).unwrap();
        }
    }
    assert_eq!([0, 1, 2].map(|at| world.tombstones(at)), [0, 0, 0]);
    world.check().unwrap();
}

#[test]
fn a_device_off_for_a_year_loses_nothing_and_brings_nothing_back() {
    let mut world = World::with_devices(57, 3);
    for key in ["tea", "cup", "milk"] {
        world.put(0, key);
    }
    let entry = world.append(0).unwrap();
    world.sync_all();
    // Device 2 goes off with edits of its own that nobody saw.
    world.put(2, "cup");
    world.put(2, "unseen");
    world.append(2);
    // The others go on for a year: deletes, snapshots, trims, collections, sweeps.
    world.delete(0, "tea");
    world.put(1, "cup");
    world.delete_entry(1, &entry);
    for week in 0..52 {
        world.put_big(week % 2, &format!("page {}", week % 5), 20_000);
        world.now_ms += 7 * DAY_MS;
        world.full_check(week % 2).unwrap();
        world.full_check(1 - week % 2).unwrap();
    }
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
    world.put(2, "later");
    world.sync_all();
    world.check().unwrap();
    world.heal(3).unwrap();
    world.check().unwrap();
    assert!(world.standing(2, "tea").is_empty());
    assert!(!world.log_of(2).contains_key(&entry));
    assert_eq!(world.standing(0, "cup").len(), 2, "edits that had not seen each other stand side by side");
}

/// A machine that is started again from an image draws the same random bytes, and its clock may stand still: seed 15,347.
#[test]
fn entries_have_keys_of_their_own_though_random_bytes_and_clock_repeat() {
    let mut world = World::with_devices(58, 2);
    for _ in 0..3 {
        world.restart_with(0, 7);
        world.append(0).unwrap();
        world.append(0).unwrap();
    }
    assert_eq!(world.log_of(0).len(), 6);
    world.sync_all();
    world.check().unwrap();
}

/// Documents that are more than a segment holds: of each a reader has all fields or none, whichever segment is missing.
#[test]
fn a_segment_that_is_missing_takes_whole_documents_with_it() {
    let mut world = World::with_devices(60, 4);
    let names: Vec<String> = (0..90).map(|field| format!("field {field:02}")).collect();
    for visit in 0..30 {
        let fields: Vec<(&str, String)> =
            names.iter().map(|name| (name.as_str(), format!("\"{}\"", world.big_value(1_000)))).collect();
        world.put_document(0, &format!("visit {visit:02}"), &fields);
    }
    world.sync(0).unwrap();
    let whole = world.bucket.clone();
    let segments = whole.keys_with("/segments/");
    assert_eq!(segments.len(), 3);
    for (reader, missing) in (1..).zip(&segments) {
        world.bucket = whole.clone();
        world.bucket.lose(missing);
        world.bucket.lose_all("/snapshots/"); // it would make up for the segment
        let _ = world.sync(reader); // it may tell of what is missing
        let mut fields = BTreeMap::new();
        for key in world.documents_of(reader).keys() {
            *fields.entry(split_document_key(key).0.to_owned()).or_insert(0) += 1;
        }
        assert!(!fields.is_empty() && fields.len() < 30, "{} documents are here", fields.len());
        assert!(fields.values().all(|fields| *fields == 91), "{fields:?}");
    }
}

/// A log's values as a device lists them.
fn listed(world: &World, at: usize) -> Vec<String> {
    let (mut values, mut range) = (Vec::new(), KeyRange::default());
    loop {
        let page = world.devices[at].engine.list(&World::log(), &range, 7).unwrap();
        let Some(last) = page.last() else { return values };
        range.start = last.next_start(&World::log());
        values.extend(page.iter().map(|entry| String::from_utf8(entry.record.value.to_vec()).unwrap()));
    }
}

fn lines(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|line| format!("line {line}")).collect()
}

/// A file without times: on every device in the file's order, whoever imports what of it, and whoever reads it from a snapshot.
#[test]
fn imported_entries_of_one_time_keep_the_order_of_their_import() {
    let mut world = World::with_devices(59, 2);
    for line in lines(0..40) {
        world.import(0, 0, &line);
    }
    world.now_ms += 1_000;
    // Before it has these, another device imports the file as it became: trimmed, and with more.
    for line in lines(20..60) {
        world.import(1, 0, &line);
    }
    world.append(0);
    world.now_ms += 1_000;
    world.import(0, 5, "of a later time");
    world.sync_all();
    world.check().unwrap();
    let mut expected = lines(0..60);
    expected.extend(["of a later time".to_owned(), "value 1".to_owned()]);
    assert_eq!(listed(&world, 0), expected);
    assert_eq!(listed(&world, 1), expected);
    for line in lines(30..60) {
        world.import(0, 0, &line);
    }
    assert_eq!(listed(&world, 0), expected, "importing again changes nothing");
    world.write_until_trimmed(0);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
    assert_eq!(listed(&world, newcomer), expected);
}

/// Who pages through a log and deletes what it lists misses none, also with the last key and a NUL as the next start.
#[test]
fn a_page_that_ends_at_a_deleted_entry_is_followed_by_the_next() {
    let mut world = World::with_devices(60, 1);
    for line in lines(0..30) {
        world.import(0, 0, &line);
    }
    let mut range = KeyRange::default();
    let mut seen = Vec::new();
    loop {
        let page = world.devices[0].engine.list(&World::log(), &range, 7).unwrap();
        let Some(last) = page.last() else { break };
        range.start = format!("{}\0", last.key);
        for entry in page {
            seen.push(String::from_utf8(entry.record.value.to_vec()).unwrap());
            world.delete_entry(0, &entry.key);
        }
    }
    assert_eq!(seen, lines(0..30));
    for line in lines(0..30) {
        world.import(0, 0, &line);
    }
    assert_eq!(listed(&world, 0), [""; 0], "deleted is deleted");
}

/// Somebody reads a key out to somebody whose device does not have the entry yet.
#[test]
fn a_deletion_wins_though_the_entry_was_not_there_yet() {
    let mut world = World::with_devices(61, 2);
    let appended = world.append(0).unwrap();
    let imported = world.import(0, 7, "line").unwrap();
    assert!(world.log_of(1).is_empty());
    world.delete_entry(1, &appended);
    world.delete_entry(1, &imported);
    world.sync(1).unwrap();
    world.sync_all();
    world.check().unwrap();
    assert!(world.log_of(0).is_empty() && world.log_of(1).is_empty());
    world.import(0, 7, "line");
    world.import(1, 7, "line");
    assert!(world.log_of(0).is_empty() && world.log_of(1).is_empty());
}

#[test]
fn a_key_that_no_entry_can_have_is_not_found() {
    let mut world = World::with_devices(62, 1);
    let key = world.append(0).unwrap();
    let now = world.devices[0].now(world.now_ms);
    for wrong in [&key[..31], &format!("{key}0"), &key.replace(|digit: char| digit.is_ascii_digit(), "A"), "milk"] {
        let delete = Change::Delete { collection: World::log(), key: wrong.to_owned() };
        let error = world.devices[0].engine.write(&[delete], now).unwrap_err();
        assert_eq!((error.kind(), error.object()), (ErrorKind::NotFound, Some(wrong)));
    }
    assert_eq!(world.log_of(0).len(), 1);
}

/// A step that meets records of another process's commit beside an older head is run again: it is neither a panic nor an error.
#[test]
fn a_write_between_another_processs_commits_is_written_once_more() {
    let mut world = World::with_devices(1, 1);
    world.put(0, "milk");
    let ahead = world.devices[0].disk.copy();
    let second = world.add_with(ahead.clone());
    for _ in 0..3 {
        world.put(second, "milk");
    }
    world.forget_last();
    let device = &mut world.devices[0];
    device.disk.overtake(&ahead);
    let put = Change::Put { collection: World::map(), key: "milk".to_owned(), value: "last".into() };
    device.engine.write(&[put], device.now(world.now_ms)).unwrap();
    assert_eq!(world.standing(0, "milk"), values(&["last"]));
    world.sync(0).unwrap();
}
