//! What records have attached, through whole devices: edits, concurrent versions, snapshots. Where the content lies is no part of it.

use tidelock_core::replica::{ATTACHED_MAX, ATTACHMENT_BYTES_MAX};
use tidelock_core::{Attached, BlobId, Change, Collection, ErrorKind, Kind, Version};
use tidelock_sim::world::World;

/// An attachment that differs in name and content.
fn file(name: &str, content: u8) -> Attached {
    Attached { name: name.to_owned(), id: BlobId([content; 32]), len: u64::from(content) }
}

fn numbered(prefix: &str, count: usize) -> Vec<Attached> {
    (0..count).map(|n| file(&format!("{prefix}{n:02}"), 1)).collect()
}

fn put_with(key: &str, value: &str, attached: &[Attached]) -> Change {
    let value = value.to_owned().into();
    Change::PutWith { collection: World::map(), key: key.to_owned(), value, attached: attached.to_vec() }
}

fn put(key: &str, value: &str) -> Change {
    Change::Put { collection: World::map(), key: key.to_owned(), value: value.to_owned().into() }
}

fn resolve(key: &str, value: Option<&str>) -> Change {
    let value = value.map(|value| value.to_owned().into());
    Change::Resolve { collection: World::map(), key: key.to_owned(), value }
}

/// Writes; gives the kind of the refusal.
fn try_write(world: &mut World, at: usize, change: Change) -> Result<(), ErrorKind> {
    world.read_clock(at);
    let now = world.devices[at].now(world.now_ms);
    let written = world.devices[at].engine.write(&[change], now);
    world.devices[at].drain(world.now_ms);
    written.map(|_| ()).map_err(|error| error.kind())
}

fn write(world: &mut World, at: usize, change: Change) {
    try_write(world, at, change).unwrap();
}

/// The value that counts, and its attachments.
fn held(world: &World, at: usize, key: &str) -> Option<(String, Vec<Attached>)> {
    let record = world.devices[at].engine.get(&World::map(), key).unwrap()?;
    Some((String::from_utf8(record.value.to_vec()).unwrap(), record.attached))
}

fn some(value: &str, attached: &[Attached]) -> Option<(String, Vec<Attached>)> {
    Some((value.to_owned(), attached.to_vec()))
}

/// The versions of the one conflict.
fn versions(world: &World, at: usize) -> Vec<Version> {
    let mut conflicts = world.devices[at].engine.conflicts(None, 10).unwrap();
    assert_eq!(conflicts.len(), 1);
    conflicts.pop().unwrap().versions
}

#[test]
fn a_put_keeps_attachments_and_put_with_replaces_them() {
    let mut world = World::with_devices(60, 2);
    let (scan, note) = (file("scan.pdf", 1), file("note.txt", 2));
    write(&mut world, 0, put_with("emma", "42", &[scan.clone(), note.clone()]));
    world.sync_all();
    let both = [note.clone(), scan.clone()];
    assert_eq!(held(&world, 1, "emma"), some("42", &both), "in the order of their names");
    write(&mut world, 1, put("emma", "43"));
    write(&mut world, 1, put("emma", "44"));
    world.sync_all();
    assert_eq!(held(&world, 0, "emma"), some("44", &both));
    let rescanned = file("scan.pdf", 3);
    write(&mut world, 0, put_with("emma", "44", std::slice::from_ref(&rescanned)));
    world.sync_all();
    assert_eq!(held(&world, 1, "emma"), some("44", &[rescanned]));
    write(&mut world, 1, put_with("emma", "44", &[]));
    world.sync_all();
    assert_eq!(held(&world, 0, "emma"), some("44", &[]));

    write(&mut world, 0, put_with("emma", "45", std::slice::from_ref(&scan)));
    write(&mut world, 0, Change::Delete { collection: World::map(), key: "emma".to_owned() });
    world.sync_all();
    assert_eq!(held(&world, 1, "emma"), None);
    write(&mut world, 1, put("emma", "46"));
    world.sync_all();
    assert_eq!(held(&world, 0, "emma"), some("46", &[]), "a delete drops them");
    assert_eq!(world.devices[0].engine.status().unwrap().conflicts, 0);
}

#[test]
fn versions_show_their_own_attachments_and_a_resolve_keeps_all() {
    let mut world = World::with_devices(61, 3);
    let (red, blue, both_had) = (file("a", 1), file("a", 2), file("b", 3));
    write(&mut world, 0, put_with("k", "old", std::slice::from_ref(&red)));
    world.now_ms += 10;
    write(&mut world, 1, put_with("k", "new", std::slice::from_ref(&blue)));
    write(&mut world, 2, put("k", "none"));
    write(&mut world, 2, put_with("k", "none", std::slice::from_ref(&both_had)));
    world.sync_all();
    for at in 0..3 {
        let mut shown: Vec<_> =
            versions(&world, at).into_iter().map(|version| (version.value.unwrap(), version.attached)).collect();
        shown.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [("new", &blue), ("none", &both_had), ("old", &red)];
        assert_eq!(shown, expected.map(|(value, attached)| (value.into(), vec![attached.clone()])));
    }
    // Of the two under one name that of the later write, and the one whose name is free.
    let of_a =
        versions(&world, 0).into_iter().flat_map(|version| version.attached).find(|attached| attached.name == "a");
    write(&mut world, 0, resolve("k", Some("kept")));
    world.sync_all();
    assert_eq!(held(&world, 2, "k"), some("kept", &[of_a.unwrap(), both_had]));
    assert_eq!(world.devices[1].engine.status().unwrap().conflicts, 0);
}

#[test]
fn equal_values_with_other_attachments_are_a_conflict() {
    let mut world = World::with_devices(62, 2);
    write(&mut world, 0, put_with("same", "v", &[file("a", 1)]));
    write(&mut world, 1, put_with("same", "v", &[file("a", 1)]));
    write(&mut world, 0, put_with("other", "v", &[file("a", 1)]));
    write(&mut world, 1, put("other", "v"));
    world.sync_all();
    let conflicts = world.devices[0].engine.conflicts(None, 10).unwrap();
    assert_eq!(conflicts.iter().map(|conflict| &*conflict.key).collect::<Vec<_>>(), ["other"]);
    write(&mut world, 0, resolve("other", None));
    world.sync_all();
    assert_eq!(held(&world, 1, "other"), None);
}

#[test]
fn a_newcomer_has_the_attachments_of_a_trimmed_log() {
    let mut world = World::with_devices(63, 2);
    let scan = file("scan.pdf", 1);
    write(&mut world, 0, put_with("emma", "42", std::slice::from_ref(&scan)));
    write(&mut world, 1, put_with("both", "x", &[file("x", 1)]));
    write(&mut world, 0, put_with("both", "x", &[file("y", 2)]));
    world.write_until_trimmed(0);
    let newcomer = world.join().unwrap();
    world.sync_all();
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
    assert_eq!(held(&world, newcomer, "emma"), some("42", &[scan]));
    assert_eq!(versions(&world, newcomer), versions(&world, 0));
}

#[test]
fn attachments_have_bounds_and_are_in_maps_alone() {
    let mut world = World::with_devices(64, 2);
    let most = [file(&"n".repeat(255), 1), Attached { len: ATTACHMENT_BYTES_MAX, ..file("film", 1) }];
    write(&mut world, 0, put_with("k", "v", &most));
    write(&mut world, 0, put_with("k", "v", &numbered("n", ATTACHED_MAX)));
    for (what, attached) in [
        ("65", numbered("n", ATTACHED_MAX + 1)),
        ("no name", vec![file("", 1)]),
        ("256 bytes of name", vec![file(&"n".repeat(256), 1)]),
        ("one name twice", vec![file("a", 1), file("b", 1), file("a", 2)]),
        ("more than its packs hold", vec![Attached { len: ATTACHMENT_BYTES_MAX + 1, ..file("film", 1) }]),
    ] {
        assert_eq!(try_write(&mut world, 0, put_with("k", "v", &attached)), Err(ErrorKind::Invalid), "{what}");
    }
    let places = Collection { kind: Kind::Places, name: String::new() };
    for collection in [World::log(), World::documents(), places.clone()] {
        let (key, value, attached) = ("k".to_owned(), "{}".into(), vec![file("a", 1)]);
        let change = Change::PutWith { collection, key, value, attached };
        assert_eq!(try_write(&mut world, 0, change), Err(ErrorKind::Invalid));
    }
    for change in [
        Change::Put { collection: places.clone(), key: "0f".repeat(32), value: "x".into() },
        Change::Delete { collection: places, key: "0f".repeat(32) },
    ] {
        assert_eq!(try_write(&mut world, 0, change), Err(ErrorKind::Invalid), "no caller writes places");
    }
    assert_eq!(held(&world, 0, "k"), some("v", &numbered("n", ATTACHED_MAX)));
}

#[test]
fn more_attachments_than_a_record_has_are_dropped_by_name_alone() {
    let mut world = World::with_devices(65, 2);
    write(&mut world, 0, put_with("k", "one", &numbered("a", ATTACHED_MAX)));
    write(&mut world, 1, put_with("k", "two", &numbered("b", 1)));
    world.sync_all();
    assert_eq!(try_write(&mut world, 0, put("k", "three")), Err(ErrorKind::Invalid));
    assert_eq!(try_write(&mut world, 0, resolve("k", Some("three"))), Err(ErrorKind::Invalid));
    write(&mut world, 0, put_with("k", "three", &numbered("b", 1)));
    world.sync_all();
    assert_eq!(held(&world, 1, "k"), some("three", &numbered("b", 1)));
    assert_eq!(world.devices[1].engine.status().unwrap().conflicts, 0);
}
