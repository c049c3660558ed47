//! Room in the bucket: logs are trimmed, superseded objects go after their grace, orphans after a week.

use tidelock_core::Operation;
use tidelock_core::crypto::ObjectKind;
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Where a sealed object says what it is.
const KIND_AT: usize = 5;

/// All that are not gone check everything once a day, for four weeks and more: a sweep comes weekly.
fn check_daily(world: &mut World) {
    for _ in 0..30 {
        world.now_ms += DAY_MS;
        for at in world.here() {
            world.full_check(at).unwrap();
        }
    }
}

#[test]
fn a_log_is_trimmed_once_every_device_has_seen_it() {
    let mut world = World::with_devices(80, 3);
    world.write_until_trimmed(0);
    world.heal(2).unwrap();
    world.check().unwrap();
    // At rest: one snapshot (an index and its chunk, and what waits for its grace) and no long logs.
    let objects = world.bucket.keys_with("/segments/").len() + world.bucket.keys_with("/snapshots/").len();
    assert!(objects <= 8, "{:?}", world.bucket.keys());
    let bytes: usize = world.bucket.copy().values().map(bytes::Bytes::len).sum();
    assert!(bytes < 4 * 60_000 + (64 << 10) + 3 * (32 << 10), "{bytes} bytes for two pages of 30 kB");
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

#[test]
fn superseded_objects_stay_for_an_hour() {
    let mut world = World::with_devices(81, 2);
    world.put_big(0, "page", 30_000);
    world.sync(0).unwrap();
    let first = world.bucket.keys_with("/segments/");
    world.put_big(0, "page", 30_000);
    world.sync(0).unwrap(); // the segment grew, under a new name
    world.now_ms += HOUR_MS / 2;
    world.sync(0).unwrap();
    assert!(world.bucket.object(&first[0]).is_some(), "a slow reader may still want it");
    world.now_ms += HOUR_MS;
    world.sync(0).unwrap();
    assert!(world.bucket.object(&first[0]).is_none());
    world.sync_all();
    world.check().unwrap();
}

/// A snapshot that nobody has read yet may name them.
#[test]
fn superseded_objects_stay_while_a_manifest_is_unread() {
    let mut world = World::with_devices(81, 2);
    world.put_big(0, "page", 30_000);
    world.sync_all();
    let first = world.bucket.keys_with("/segments/");
    world.put_big(0, "page", 30_000);
    world.sync(0).unwrap(); // the segment grew, under a new name
    world.put(1, "note");
    world.sync(1).unwrap();
    let unread = world.manifest_of(1);
    world.bucket.hide(&unread);
    for _ in 0..3 {
        world.now_ms += HOUR_MS;
        world.sync(0).unwrap();
        assert!(world.bucket.object(&first[0]).is_some(), "nobody knows what that manifest names");
    }
    world.bucket.show();
    world.check_hourly(1);
    assert!(world.bucket.object(&first[0]).is_none());
    world.check().unwrap();
}

/// Nobody waits for a manifest that is gone, nor for one of a device that is not expected any more.
#[test]
fn superseded_objects_go_though_a_device_is_gone() {
    for retires in [false, true] {
        let mut world = World::with_devices(83, 3);
        world.put_big(0, "page", 30_000);
        world.sync_all();
        let path = world.manifest_of(2);
        if retires {
            world.put(2, "unread");
            world.sync(2).unwrap();
            world.bucket.hide(&path);
            let device = world.id(2);
            world.untold(|world| world.run(0, Operation::RetireDevice { device }).unwrap());
        } else {
            world.bucket.lose(&path);
        }
        world.gone.insert(2);
        let first = world.bucket.keys_with("/segments/");
        world.put_big(0, "page", 30_000);
        for _ in 0..3 {
            world.now_ms += HOUR_MS;
            world.full_check(0).unwrap();
        }
        assert!(world.bucket.object(&first[0]).is_none(), "{retires}");
    }
}

#[test]
fn a_sweep_removes_orphans_only_after_a_week() {
    let mut world = World::with_devices(82, 2);
    world.put_big(0, "page", 30_000);
    world.sync_all();
    // What a crash between segment and manifest leaves, and a segment that somebody else's manifest may name soon.
    let named = world.bucket.keys_with("/segments/")[0].clone();
    let orphan = format!("{}/{}", named.rsplit_once('/').unwrap().0, "0".repeat(32));
    let bytes = world.bucket.object(&named).unwrap();
    world.bucket.put(&orphan, bytes);
    let mut weeks = 0;
    let start_ms = world.now_ms;
    while world.bucket.object(&orphan).is_some() {
        world.now_ms += DAY_MS;
        for at in 0..2 {
            world.full_check(at).unwrap();
        }
        weeks = (world.now_ms - start_ms) / (7 * DAY_MS);
        assert!(weeks < 4, "an orphan for ever");
    }
    assert!(weeks >= 2, "found unnamed by two sweeps a week apart, not after {weeks} weeks");
    assert!(world.bucket.object(&named).is_some(), "what a manifest names stays");
    world.check().unwrap();
}

#[test]
fn no_sweep_while_a_listed_manifest_is_unread() {
    let mut world = World::with_devices(83, 3);
    world.put_big(2, "page", 30_000);
    world.sync(2).unwrap();
    // Nobody can read device 2's manifest: its segment looks like an orphan, and is none.
    let manifest = world.manifest_of(2);
    let segment = world.bucket.keys_with("/segments/")[0].clone();
    world.bucket.hide(&manifest);
    world.gone.insert(2);
    check_daily(&mut world);
    assert!(world.bucket.object(&segment).is_some());
    world.gone.clear();
    world.heal(2).unwrap();
    world.check().unwrap();
}

/// An older manifest, and beacon, stand for weeks in place of the newest ones, and others sweep what only that named. Its author finds
/// that, pushes once, and is gone.
#[test]
fn what_was_swept_under_an_older_manifest_is_written_anew() {
    for with_snapshot in [false, true] {
        let mut world = World::with_devices(84, 2);
        let path = world.manifest_of(0);
        if with_snapshot {
            world.write_until_trimmed(0);
        }
        let beacon = world.bucket.keys_with("/beacon").remove(0);
        let older = [path, beacon].map(|path| (world.bucket.object(&path).unwrap(), path));
        let before = world.bucket.keys();
        if with_snapshot {
            for _ in 0..12 {
                world.put_big(0, "page 0", 30_000);
            }
        }
        world.put_big(0, "late", 30_000);
        world.sync(0).unwrap();
        let only_named_there: Vec<String> = {
            let new = world.bucket.keys().into_iter().filter(|key| !before.contains(key));
            new.filter(|key| key.contains("/segments/") || key.contains("/snapshots/")).collect()
        };
        assert!(!only_named_there.is_empty());
        older.into_iter().for_each(|(bytes, path)| world.bucket.put(&path, bytes));
        for _ in 0..3 {
            world.now_ms += 8 * DAY_MS;
            world.full_check(1).unwrap();
        }
        assert!(only_named_there.iter().all(|key| world.bucket.object(key).is_none()), "swept");
        world.sync(0).unwrap();
        world.gone.insert(0);
        world.heal(2).unwrap();
        assert!(!world.standing(1, "late").is_empty());
        world.check().unwrap();
        let newcomer = world.join().unwrap();
        world.check_one(newcomer).unwrap();
    }
}

#[test]
fn no_sweep_takes_the_snapshot_that_only_the_own_manifest_names() {
    let mut world = World::with_devices(86, 1);
    world.write_until_trimmed(0);
    check_daily(&mut world);
    world.gone.insert(0);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// It may come back at any time, and what it names a newcomer takes.
#[test]
fn a_superseded_snapshot_stays_while_the_manifest_of_a_device_that_is_away_names_it() {
    let mut world = World::with_devices(87, 3);
    world.write_until_trimmed(0);
    world.check_hourly(3); // all name one
    let named = world.bucket.keys_with("/snapshots/");
    world.gone.insert(1);
    world.write_until_trimmed(2);
    world.check_hourly(3);
    let stand = world.bucket.keys_with("/snapshots/");
    assert!(stand.len() > named.len(), "there is another");
    assert!(named.iter().all(|path| stand.contains(path)), "{named:?} of {stand:?}");
}

/// What a snapshot's index names nobody can tell while it can't be read.
#[test]
fn no_sweep_while_a_named_index_is_unread() {
    let mut world = World::with_devices(88, 3);
    world.put_big(2, "page", 200_000);
    world.sync(2).unwrap();
    world.gone.insert(2);
    let kind = |path: &String| world.bucket.object(path).unwrap()[KIND_AT];
    let (indexes, chunks): (Vec<_>, Vec<_>) = world
        .bucket
        .keys_with("/snapshots/")
        .into_iter()
        .partition(|path| kind(path) == ObjectKind::SnapshotIndex as u8);
    assert_eq!((indexes.len(), chunks.len()), (1, 1));
    world.bucket.hide(&indexes[0]);
    check_daily(&mut world);
    assert!(world.bucket.object(&chunks[0]).is_some());
    world.bucket.show();
    world.bucket.lose_all("/segments/");
    world.gone.extend([0, 1]);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// What a manifest names that nobody has read yet, in whose place an older one stands.
#[test]
fn no_sweep_while_the_bucket_shows_an_older_manifest_than_was_verified() {
    let mut world = World::with_devices(89, 2);
    let both = [world.manifest_of(0), world.bucket.keys_with("/beacon").remove(0)];
    let stand = |world: &World| both.clone().map(|path| (world.bucket.object(&path).unwrap(), path));
    let older = stand(&world);
    world.put(0, "verified");
    world.sync_all();
    world.put_big(0, "page", 30_000);
    world.sync(0).unwrap();
    let newest = stand(&world);
    assert_eq!(world.bucket.keys_with("/segments/").len(), 1);
    older.into_iter().for_each(|(bytes, path)| world.bucket.put(&path, bytes));
    world.gone.insert(0);
    check_daily(&mut world);
    newest.into_iter().for_each(|(bytes, path)| world.bucket.put(&path, bytes));
    world.check_hourly(2);
    world.check().unwrap();
}
