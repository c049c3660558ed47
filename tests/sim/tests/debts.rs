//! Debts: what is named and cannot be had yet, or ever.

use tidelock_core::local::{ByteRange, LocalStore, Table};
use tidelock_core::s3::Response;
use tidelock_core::{ErrorKind, Operation, Outcome};
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;

/// Writes so much that it overflows the tail into segments of about 24 KiB, and publishes it.
fn write_segments(world: &mut World, at: usize, many: usize) {
    for page in 0..many {
        world.put_big(at, &format!("page {page} of {at}"), 24_000);
        world.sync(at).unwrap();
    }
}

fn segments_of(world: &World, at: usize) -> Vec<String> {
    world.bucket.keys_with(&format!("/segments/{}/", world.id(at)))
}

/// Segments that a device's newest manifest names: those superseded stay for an hour.
fn only_segment(world: &World, at: usize) -> String {
    let all = segments_of(world, at);
    assert_eq!(all.len(), 1, "the world wrote one");
    all[0].clone()
}

#[test]
fn an_archived_object_holds_up_nobody() {
    let mut world = World::with_devices(79, 3);
    write_segments(&mut world, 0, 1);
    world.put(2, "of another device");
    world.sync(2).unwrap();
    let path = only_segment(&world, 0);
    let now_ms = world.now_ms;
    let op = world.devices[1].start(Operation::Sync, now_ms);
    let asked = world.run_until(1, op, |request| request.url.contains(&path)).expect("it is new here");
    let body = "<Error><Code>InvalidObjectState</Code><Message>archived</Message></Error>".into();
    let now = world.devices[1].now(world.now_ms);
    world.devices[1].engine.handle_response(asked.id, Response { status: 403, headers: Vec::new(), body }, now);
    let Outcome::Synced(report) = world.finish(1, op).unwrap() else { panic!("a sync") };
    assert!(report.reports.iter().any(|error| error.message().contains("archived")), "{:?}", report.reports);
    assert_eq!(report.debts, 1);
    assert!(!world.standing(1, "of another device").is_empty());
    world.heal(2).unwrap(); // it was restored
    assert_eq!(world.sync(1).unwrap().debts, 0);
    world.check().unwrap();
}

#[test]
fn an_object_that_the_store_refuses_for_good_holds_up_nobody() {
    let objects: [fn(&World, usize) -> String; 2] = [World::manifest_of, only_segment];
    for refusal in [(403, "AccessDenied"), (500, "InternalError")] {
        for object in objects {
            let mut world = World::with_devices(84, 3);
            write_segments(&mut world, 0, 1);
            world.put(2, "of another device");
            world.sync(2).unwrap();
            let path = object(&world, 0);
            world.bucket.refused.insert(path.clone(), refusal);
            let report = world.sync(1).unwrap();
            assert!(report.reports.iter().any(|error| error.object() == Some(&path)), "{:?}", report.reports);
            assert_eq!(report.debts, 1);
            assert_eq!(world.standing(1, "of another device").len(), 1);
            world.put(1, "goes on");
            world.full_check(1).unwrap();
            world.sync(2).unwrap();
            assert_eq!(world.standing(2, "goes on").len(), 1);
            world.bucket.refused.clear();
            world.heal(2).unwrap();
            world.check().unwrap();
            assert_eq!(world.sync(1).unwrap().debts, 0);
        }
    }
}

#[test]
fn a_store_that_refuses_everything_ends_a_sync_after_one_request_more() {
    let mut world = World::with_devices(85, 2);
    write_segments(&mut world, 0, 1);
    let path = only_segment(&world, 0);
    let op = world.start(1, Operation::Sync);
    let asked = world.run_until(1, op, |request| request.url.contains(&path)).expect("it is new here");
    for key in world.bucket.keys() {
        world.bucket.refused.insert(key, (403, "AccessDenied"));
    }
    let before = world.bucket.meter;
    let body = "<Error><Code>AccessDenied</Code></Error>".into();
    let now = world.devices[1].now(world.now_ms);
    world.devices[1].engine.handle_response(asked.id, Response { status: 403, headers: Vec::new(), body }, now);
    assert_eq!(world.finish(1, op).unwrap_err().kind(), ErrorKind::Auth);
    assert_eq!(world.bucket.meter.since(&before).requests(), 1, "the beacon was asked for, and nothing else");
}

#[test]
fn a_store_that_fails_at_two_objects_is_asked_for_the_beacon_once_at_a_time() {
    let mut world = World::with_devices(86, 3);
    for at in [0, 2] {
        world.put(at, "news");
        world.sync(at).unwrap();
    }
    // Not before: a device that can't read the other's manifest would not name it again.
    for at in [0, 2] {
        let path = world.manifest_of(at);
        world.bucket.refused.insert(path, (403, "AccessDenied"));
    }
    let (now_ms, before) = (world.now_ms, world.bucket.meter);
    let op = world.devices[1].start(Operation::Sync, now_ms);
    let asked = |world: &World| world.devices[1].sent.iter().filter(|sent| sent.url.ends_with("/beacon")).count();
    while !world.devices[1].finished.contains_key(&op) {
        world.step(1);
        assert!(asked(&world) <= 1, "what one is told, such as to wait, the other doesn't hear");
    }
    assert_eq!(world.bucket.meter.since(&before).get, 5, "the beacon, two manifests, and the beacon for each");
}

#[test]
fn a_debt_survives_a_304() {
    let mut world = World::with_devices(70, 2);
    write_segments(&mut world, 0, 1);
    let segment = only_segment(&world, 0);
    world.bucket.hide(&segment);
    assert_eq!(world.sync(1).unwrap().debts, 1);
    world.restart(1);
    // The beacon is what device 1 has read: the poll is answered 304, and what it owes is still known.
    let before = world.bucket.meter;
    assert_eq!(world.sync(1).unwrap().debts, 1);
    let since = world.bucket.meter.since(&before);
    assert_eq!((since.put, since.list), (0, 0), "nothing moved");
    world.bucket.show();
    let mut polls = 0;
    while world.sync(1).unwrap().debts > 0 {
        polls += 1;
        assert!(polls < 16, "retried after 1, 2, 4… polls");
    }
    world.check().unwrap();
    let before = world.bucket.meter;
    world.sync(1).unwrap();
    let since = world.bucket.meter.since(&before);
    assert_eq!((since.requests(), since.bytes_received), (1, 0), "the beacon was the same all along: 304");
}

/// The two share one debt: to have tried for the one is not to have tried for the other.
#[test]
fn a_manifest_that_is_lost_for_good_holds_up_no_segment_of_the_one_before() {
    let losses: [fn(&mut World, &str); 2] =
        [|world, manifest| world.bucket.spoil(manifest), |world, manifest| world.bucket.lose(manifest)];
    for lose in losses {
        let mut world = World::with_devices(77, 2);
        write_segments(&mut world, 0, 1);
        let segment = only_segment(&world, 0);
        world.bucket.hide(&segment);
        assert_eq!(world.sync(1).unwrap().debts, 1);
        world.untold(|world| {
            world.put(0, "after it");
            world.sync(0).unwrap();
        });
        let manifest = world.manifest_of(0);
        lose(&mut world, &manifest);
        world.gone.insert(0);
        world.bucket.show();
        world.check_alone(1, 3);
        assert_eq!(world.standing(1, "page 0 of 0").len(), 1);
        world.check().unwrap();
    }
}

#[test]
fn a_debt_is_retried_within_the_hour_however_often_it_failed() {
    let mut world = World::with_devices(71, 2);
    write_segments(&mut world, 0, 1);
    let segment = only_segment(&world, 0);
    world.bucket.hide(&segment);
    for _ in 0..200 {
        world.sync(1).unwrap();
        world.now_ms += 1_000;
    }
    world.bucket.show();
    world.now_ms += HOUR_MS;
    world.sync(1).unwrap();
    world.check().unwrap();
}

#[test]
fn a_corrupt_segment_blocks_nobody_and_is_mended_by_its_author() {
    let mut world = World::with_devices(72, 3);
    write_segments(&mut world, 0, 1);
    let segment = only_segment(&world, 0);
    world.bucket.spoil(&segment);
    world.put(0, "after it");
    world.sync(0).unwrap();
    write_segments(&mut world, 1, 1);
    let report = world.sync(2).unwrap();
    assert!(report.reports.iter().any(|error| error.object() == Some(&*segment)), "{:?}", report.reports);
    assert_eq!(world.standing(2, "after it").len(), 1, "its author's later ops are here");
    assert_eq!(world.standing(2, "page 0 of 1").len(), 1, "and everybody else's");
    world.put(2, "goes on");
    world.sync(2).unwrap();
    for _ in 0..12 {
        for at in [2, 1, 0] {
            world.sync(at).unwrap();
        }
    }
    assert!(!segments_of(&world, 0).is_empty());
    world.check().unwrap();
    assert_eq!(world.sync(2).unwrap().debts, 0);
}

#[test]
fn an_author_killed_while_it_mends_mends_all_the_same() {
    let mut world = complained_about();
    world.devices[0].kill_at(None);
    world.sync(0).unwrap();
    assert!(world.devices[0].moments().1 > 3, "the segment, the manifest, the beacon");
    for moment in world.devices[0].every_moment() {
        let mut world = complained_about();
        world.devices[0].kill_at(Some(moment));
        assert!(world.sync(0).is_err(), "{moment:?}");
        world.restart(0);
        world.gone.insert(1); // nobody else has what would mend it
        for _ in 0..12 {
            for at in [0, 2] {
                world.sync(at).unwrap();
            }
        }
        world.check_one(2).unwrap_or_else(|why| panic!("{moment:?}: {why}"));
    }
}

/// Device 0's segment is spoilt, and it is about to hear of that.
fn complained_about() -> World {
    let mut world = World::with_devices(76, 3);
    write_segments(&mut world, 0, 1);
    let segment = only_segment(&world, 0);
    world.bucket.spoil(&segment);
    for _ in 0..8 {
        world.sync(2).unwrap();
    }
    world
}

#[test]
fn a_corrupt_segment_of_a_device_that_is_gone_is_mended_by_whoever_holds_it() {
    let mut world = World::with_devices(73, 3);
    write_segments(&mut world, 0, 1);
    world.sync(1).unwrap();
    let segment = only_segment(&world, 0);
    world.bucket.spoil(&segment);
    world.gone.insert(0);
    for _ in 0..12 {
        world.now_ms += 5 * 60_000;
        world.sync(2).unwrap();
        world.sync(1).unwrap();
    }
    world.check().unwrap();
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

#[test]
fn a_dead_devices_segment_lost_for_good_while_all_go_on_writing() {
    let mut world = World::with_devices(74, 3);
    world.untold(|world| write_segments(world, 0, 1));
    world.put(0, "after it");
    world.sync(0).unwrap();
    let segment = only_segment(&world, 0);
    world.bucket.lose(&segment);
    world.gone.insert(0);
    // So much that the log must be folded again and again, with the gap there all the time.
    for round in 0..24_usize {
        for at in [1, 2] {
            world.put_big(at, &format!("page {}", (round + at) % 4), 60_000);
            world.sync(at).unwrap();
        }
        world.put(1, "after it");
        world.now_ms += HOUR_MS / 2;
    }
    world.sync_all();
    world.check().unwrap();
    let newcomer = world.join().unwrap();
    world.put(newcomer, "new");
    world.sync_all();
    world.check().unwrap();
    for manifest in world.bucket.keys_with("/manifests/") {
        assert!(world.bucket.object(&manifest).unwrap().len() <= 33 << 10, "a manifest stays small");
    }
    assert!(world.sync(1).unwrap().debts > 0, "the gap stays known");
    let report = world.full_check(newcomer).unwrap();
    assert!(report.debts > 0 && report.reports.iter().all(|error| error.kind() != ErrorKind::Internal));
}

#[test]
fn the_superseded_data_of_a_device_that_is_gone_is_compacted_by_another() {
    let mut world = World::with_devices(75, 3);
    write_segments(&mut world, 0, 3);
    world.sync_all();
    world.now_ms += 2 * HOUR_MS;
    world.full_check(0).unwrap(); // what it dropped itself is gone before it is
    let before = segments_of(&world, 0);
    write_segments(&mut world, 0, 1);
    let named: Vec<String> = segments_of(&world, 0).into_iter().filter(|path| !before.contains(path)).collect();
    assert!(!named.is_empty());
    world.gone.insert(0);
    for _ in 0..6 {
        world.sync(1).unwrap();
        write_segments(&mut world, 1, 2);
        world.sync(2).unwrap();
        world.now_ms += HOUR_MS;
        world.full_check(1).unwrap();
        world.full_check(2).unwrap();
    }
    let left = segments_of(&world, 0);
    assert!(named.iter().all(|path| !left.contains(path)), "all below the other's snapshot: {named:?}");
    // Its manifest names them for ever; nobody deletes them for ever.
    for path in &named {
        let deletes = world.bucket.deletes.get(path).copied().unwrap_or(0);
        assert!((1..=2).contains(&deletes), "{deletes} DELETEs of {path} by two devices");
    }
    // What it had dropped itself, and was gone before the grace was over, is the sweep's.
    for _ in 0..3 * 7 {
        world.now_ms += 24 * HOUR_MS;
        world.full_check(1).unwrap();
        world.full_check(2).unwrap();
    }
    assert_eq!(segments_of(&world, 0), [""; 0]);
    world.check().unwrap();
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
    // Should it come back after all, it is in step with one sync.
    world.gone.clear();
    world.put(0, "back");
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn a_gap_is_noted_once_however_often_it_is_seen() {
    let mut world = World::with_devices(78, 2);
    world.write_until_trimmed(0);
    // What is below the trimmed logs is nowhere.
    let snapshots = world.bucket.keys_with("/snapshots/");
    snapshots.iter().for_each(|path| world.bucket.lose(path));
    let newcomer = world.join().unwrap();
    for _ in 0..20 {
        world.sync(newcomer).unwrap();
    }
    assert!(world.sync(newcomer).unwrap().debts > 0, "nobody has mended it yet");
    let before = kept_of_devices(&world, newcomer);
    for _ in 0..20 {
        world.sync(newcomer).unwrap();
    }
    assert_eq!(kept_of_devices(&world, newcomer), before);
}

/// Bytes that a store keeps of other devices.
fn kept_of_devices(world: &World, at: usize) -> usize {
    let all = ByteRange::prefix(&[]);
    let rows = world.devices[at].disk.list(Table::Devices, &all, u32::MAX).unwrap();
    rows.iter().map(|(_, value)| value.len()).sum()
}

/// What is in its log an author writes anew at once, what is below it minutes later: until then it forgets no complaint of that.
#[test]
fn what_a_newcomer_misses_of_a_log_and_below_it_is_mended_both() {
    let mut world = World::with_devices(33, 1);
    world.put(0, "note");
    let entry = world.append(0).unwrap();
    world.sync(0).unwrap();
    world.delete_entry(0, &entry); // a snapshot has deletions beside its rows
    world.write_until_trimmed(0);
    write_segments(&mut world, 0, 2);
    for part in ["/segments/", "/snapshots/"] {
        assert!(!world.bucket.keys_with(part).is_empty(), "{part}");
        world.bucket.lose_all(part);
    }
    let newcomer = world.join().unwrap();
    assert!(world.standing(newcomer, "note").is_empty(), "it has neither the log nor what is below");
    world.check_alone(newcomer, 3); // it says so
    world.sync(0).unwrap();
    assert!(!world.bucket.keys_with("/segments/").is_empty(), "the log is mended");
    assert!(world.bucket.keys_with("/snapshots/").is_empty(), "what is below is still to come");
    world.check_alone(0, 3); // the newcomer is away and says nothing again
    world.gone.insert(0);
    world.check_hourly(3);
    world.check().unwrap();
    assert_eq!(world.standing(newcomer, "note").len(), 1);
}

/// Each of its polls finds something newer of that device.
#[test]
fn a_lost_segment_of_a_device_that_never_rests_is_mended() {
    let mut world = World::with_devices(35, 2);
    write_segments(&mut world, 0, 1);
    let segment = only_segment(&world, 0);
    world.bucket.lose(&segment);
    for round in 0..8 {
        world.put(0, &format!("round {round}"));
        world.sync(0).unwrap();
        world.sync(1).unwrap();
        world.now_ms += HOUR_MS;
    }
    assert_eq!(world.standing(1, "page 0 of 0").len(), 1);
    world.check().unwrap();
}

#[test]
fn a_lost_segment_of_one_change_is_mended() {
    let mut world = World::with_devices(34, 1);
    world.put_big(0, "page", 200_000);
    world.sync(0).unwrap(); // a snapshot holds it, and its log begins above
    world.bucket.lose_all("/segments/");
    world.put_big(0, "page 2", 40_000);
    world.sync(0).unwrap();
    let segment = only_segment(&world, 0);
    world.bucket.lose(&segment);
    let newcomer = world.join().unwrap();
    assert!(world.standing(newcomer, "page 2").is_empty());
    world.check_alone(newcomer, 3); // it says so
    world.sync(0).unwrap();
    world.gone.insert(0);
    world.check_hourly(3);
    world.check().unwrap();
}
