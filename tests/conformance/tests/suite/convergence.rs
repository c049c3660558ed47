//! Devices that write, delete, are away and come back all end with the same records.

use std::time::{SystemTime, UNIX_EPOCH};
use tidelock_conformance::device::records;
use tidelock_conformance::{Device, Open, Place};

on_every_store![
    ab1_two_devices_converge,
    ab2_pull_needs_no_listing,
    two_devices,
    five_devices,
    concurrent_edits_are_a_conflict_until_resolved,
    deletes,
    offline_spells,
    late_joiner,
];
on_dialect! { slow: Slow; two_devices, offline_spells }
on_dialect! { after_a_delete: CephSuspended; a_vault_is_made_where_one_was_deleted }
on_dialect! { after_a_plain_delete: Bare403; a_vault_is_made_where_one_was_deleted }
on_dialect! { one_write_a_second: OneWriteASecond; two_devices, five_devices, offline_spells }

/// The union, nothing twice, and what was deleted is gone for good.
fn ab1_two_devices_converge(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    one.import("shell", "history", &[(1_000, "ls"), (2_000, "make"), (3_000, "rm notes")]);
    two.import("shell", "history", &[(2_000, "make"), (3_000, "rm notes"), (4_000, "git push")]);
    one.put("todo", "milk", "two litres");
    two.put("todo", "bread", "one loaf");
    one.sync();
    two.sync();
    one.sync();
    for device in [&mut one, &mut two] {
        assert_eq!(device.log("shell"), ["ls", "make", "rm notes", "git push"]);
        assert_eq!(device.map("todo"), records(&[("bread", "one loaf"), ("milk", "two litres")]));
    }

    one.delete_line("shell", "rm notes");
    two.delete("todo", "milk");
    two.sync();
    one.sync();
    two.import("shell", "history", &[(3_000, "rm notes"), (4_000, "git push")]);
    two.sync();
    one.sync();
    for device in [&mut one, &mut two] {
        assert_eq!(device.log("shell"), ["ls", "make", "git push"]);
        assert_eq!(device.map("todo"), records(&[("bread", "one loaf")]));
        assert!(device.conflicts().unwrap().is_empty());
    }
}

/// A pull of news asks for what it needs by name; nothing is listed.
fn ab2_pull_needs_no_listing(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    let mut three = place.join("three", &secret);
    settle(&mut [&mut one, &mut two, &mut three]);

    one.put("todo", "milk", "two litres");
    two.put("todo", "bread", "one loaf");
    one.push();
    two.push();
    let before = three.status().meter;
    let wire_before = place.proxy().map(|proxy| proxy.meter());
    three.pull();
    let asked = three.status().meter.since(&before);
    if let Some((proxy, wire_before)) = place.proxy().zip(wire_before) {
        assert_eq!(asked, proxy.meter().since(&wire_before));
    }
    assert_eq!(three.map("todo"), records(&[("bread", "one loaf"), ("milk", "two litres")]));
    // The beacon, and a manifest of each.
    assert_eq!((asked.get, asked.requests()), (3, 3), "{asked:?}");
}

/// Syncs all until a round brings and publishes nothing.
fn settle(devices: &mut [&mut Open]) {
    for _ in 0..10 {
        let reports: Vec<_> = devices.iter_mut().map(|device| device.sync()).collect();
        if reports.iter().all(|report| report.ops_applied + report.ops_published == 0) {
            return;
        }
    }
    panic!("ten rounds, and still not in step");
}

fn two_devices(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    one.put("todo", "milk", "two litres");
    one.put("todo", "bread", "one loaf");
    one.append("shell", "ls -l");
    one.sync();
    two.sync();
    assert_eq!(two.map("todo"), records(&[("bread", "one loaf"), ("milk", "two litres")]));
    assert_eq!(two.log("shell"), ["ls -l"]);

    two.put("todo", "milk", "three litres");
    two.append("shell", "make");
    two.sync();
    one.sync();
    assert_eq!(one.map("todo"), records(&[("bread", "one loaf"), ("milk", "three litres")]));
    assert_eq!(one.log("shell"), ["ls -l", "make"]);
    let mut names: Vec<_> = one.status().devices.into_iter().map(|device| device.name).collect();
    names.sort();
    assert_eq!(names, [Some("one".to_owned()), Some("two".to_owned())]);

    // What is there is there after opening again.
    two.close();
    let mut two = place.open("two");
    assert_eq!(two.map("todo"), records(&[("bread", "one loaf"), ("milk", "three litres")]));
    one.put("todo", "eggs", "six");
    one.sync();
    two.sync();
    assert_eq!(two.map("todo"), records(&[("bread", "one loaf"), ("eggs", "six"), ("milk", "three litres")]));
}

fn five_devices(place: &Place) {
    let (one, secret) = place.create("1");
    let mut devices = vec![one];
    devices.extend(["2", "3", "4", "5"].map(|name| place.join(name, &secret)));
    for (device, name) in devices.iter_mut().zip(["1", "2", "3", "4", "5"]) {
        device.put("fleet", &format!("ship {name}"), &format!("of device {name}"));
        device.put("fleet", &format!("lost {name}"), "soon");
    }
    // All at once: nobody waits for anybody.
    std::thread::scope(|scope| {
        devices.iter_mut().for_each(|device| drop(scope.spawn(|| device.sync())));
    });
    // Of beacons written at once one stands: who is missing there says so again.
    for _ in 0..2 {
        devices.iter_mut().for_each(|device| drop(device.sync()));
    }
    for (device, lost) in devices.iter_mut().zip(["lost 2", "lost 3", "lost 4", "lost 5", "lost 1"]) {
        device.delete("fleet", lost);
    }
    for _ in 0..2 {
        devices.iter_mut().for_each(|device| drop(device.sync()));
    }
    for device in &mut devices {
        assert_eq!(
            device.map("fleet"),
            records(&[
                ("ship 1", "of device 1"),
                ("ship 2", "of device 2"),
                ("ship 3", "of device 3"),
                ("ship 4", "of device 4"),
                ("ship 5", "of device 5"),
            ])
        );
        assert_eq!(device.status().devices.len(), 5);
    }
}

fn concurrent_edits_are_a_conflict_until_resolved(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    one.put("todo", "milk", "one litre");
    one.put("todo", "eggs", "six");
    one.sync();
    two.sync();

    one.put("todo", "milk", "two litres");
    two.put("todo", "milk", "three litres");
    one.put("todo", "eggs", "twelve");
    two.put("todo", "eggs", "twelve");
    one.sync();
    two.sync();
    one.sync();
    let both = [Some("three litres".to_owned()), Some("two litres".to_owned())];
    for device in [&mut one, &mut two] {
        assert_eq!(device.versions("todo", "milk"), both);
        // Equal values are no conflict.
        assert_eq!(device.versions("todo", "eggs"), []);
        assert_eq!(device.status().conflicts, 1);
    }
    assert_eq!(one.map("todo"), two.map("todo"));

    two.resolve("todo", "milk", "five litres");
    two.sync();
    one.sync();
    for device in [&mut one, &mut two] {
        assert_eq!(device.versions("todo", "milk"), []);
        assert_eq!(device.map("todo"), records(&[("eggs", "twelve"), ("milk", "five litres")]));
    }
}

fn deletes(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    for key in ["edited", "gone", "gone twice", "kept"] {
        one.put("todo", key, "first");
    }
    one.append("shell", "ls");
    one.append("shell", "secret");
    one.sync();
    two.sync();

    one.delete("todo", "gone");
    one.delete("todo", "gone twice");
    two.delete("todo", "gone twice");
    // A delete never hides an edit that it had not seen.
    one.delete("todo", "edited");
    two.put("todo", "edited", "second");
    two.delete_line("shell", "secret");
    one.sync();
    two.sync();
    one.sync();
    for device in [&mut one, &mut two] {
        assert_eq!(device.map("todo"), records(&[("edited", "second"), ("kept", "first")]));
        assert_eq!(device.log("shell"), ["ls"]);
    }

    one.put("todo", "gone", "again");
    one.sync();
    two.sync();
    for device in [&mut one, &mut two] {
        assert_eq!(device.map("todo"), records(&[("edited", "second"), ("gone", "again"), ("kept", "first")]));
    }
}

/// Entries of one millisecond stand in no order.
fn next_millisecond() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let before = now();
    while now() == before {
        std::thread::yield_now();
    }
}

/// A device that is away works on, and misses nothing.
fn offline_spells(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    let mut three = place.join("three", &secret);
    one.put("todo", "milk", "one litre");
    one.sync();
    two.sync();
    three.sync();

    // Two and three are away.
    two.put("todo", "bread", "written away");
    two.delete("todo", "milk");
    three.append("shell", "written away");
    for round in ["first", "second", "third"] {
        next_millisecond();
        one.put("todo", "tea", round);
        one.append("shell", round);
        one.sync();
    }
    one.delete("todo", "tea");
    one.sync();

    // Two is back; three is not.
    two.sync();
    one.sync();
    for device in [&mut one, &mut two] {
        assert_eq!(device.map("todo"), records(&[("bread", "written away")]));
        assert_eq!(device.log("shell"), ["first", "second", "third"]);
    }
    two.put("todo", "milk", "two litres");
    two.sync();

    three.sync();
    two.sync();
    one.sync();
    for device in [&mut one, &mut two, &mut three] {
        assert_eq!(device.map("todo"), records(&[("bread", "written away"), ("milk", "two litres")]));
        assert_eq!(device.log("shell"), ["written away", "first", "second", "third"]);
        assert!(device.conflicts().unwrap().is_empty());
        assert_eq!(device.status().pending, 0);
    }
}

/// Who comes late gets what stands, and nothing of what is gone.
fn late_joiner(place: &Place) {
    let (mut one, secret) = place.create("one");
    let mut two = place.join("two", &secret);
    for key in ["a", "b", "c", "d"] {
        one.put("todo", key, "of one");
    }
    one.sync();
    two.sync();
    two.put("todo", "b", "of two");
    two.delete("todo", "c");
    two.append("shell", "ls");
    two.append("shell", "secret");
    two.delete_line("shell", "secret");
    two.sync();
    one.sync();
    one.put("todo", "d", "of one again");
    two.put("todo", "d", "of two again");
    one.sync();
    two.sync();

    let mut late = place.join("late", &secret);
    one.sync();
    for device in [&mut one, &mut two, &mut late] {
        assert_eq!(
            device.versions("todo", "d"),
            [Some("of one again".to_owned()), Some("of two again".to_owned())],
            "both versions of what is in conflict are there"
        );
        assert_eq!(device.log("shell"), ["ls"]);
        let rest: Vec<_> = device.map("todo").into_iter().filter(|(key, _)| key != "d").collect();
        assert_eq!(rest, records(&[("a", "of one"), ("b", "of two")]));
    }
    late.resolve("todo", "d", "of the late");
    late.sync();
    one.sync();
    assert_eq!(one.map("todo"), records(&[("a", "of one"), ("b", "of two"), ("d", "of the late")]));
}

/// In a bucket of Ceph whose versioning was suspended, what was deleted is missing, and `If-None-Match: *` finds it there.
fn a_vault_is_made_where_one_was_deleted(place: &Place) {
    let (mut before, _) = place.create("before");
    before.put("todo", "milk", "two litres");
    before.sync();
    for key in place.bucket().keys() {
        place.bucket().delete(&key);
    }
    let (mut one, secret) = place.create("one");
    one.put("todo", "bread", "one loaf");
    one.sync();
    let mut two = place.join("two", &secret);
    two.sync();
    assert_eq!(two.map("todo"), records(&[("bread", "one loaf")]));
}
