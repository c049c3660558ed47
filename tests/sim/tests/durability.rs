//! Local durability: killed between each pair of its steps, with ambiguous, late and repeated writes.

use bytes::Bytes;
use tidelock_core::local::LocalError;
use tidelock_core::s3::Method;
use tidelock_core::{Change, ErrorKind, Request};
use tidelock_sim::bucket::Conditions;
use tidelock_sim::device::{Disk, Moment};
use tidelock_sim::witness::Witness;
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;

fn is_put_of(request: &Request, part: &str) -> bool {
    request.method == Method::Put && request.url.contains(part)
}

/// Syncs, or checks everything; the device may be killed in it.
fn sync(world: &mut World, at: usize, full: bool) {
    let result = if full { world.full_check(at) } else { world.sync(at) };
    if let Err(error) = result {
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    }
}

/// Two devices write, sync and check for some hours, with segments, snapshots, trims and deletes; one is killed once.
fn hours_of_work(conditions: Conditions, victim: usize, moment: Option<Moment>) -> World {
    let mut world = World::with_devices(60, 2);
    world.bucket.conditions = conditions;
    world.devices[victim].kill_at(moment);
    for round in 0..5_usize {
        for at in 0..2 {
            world.put_big(at, &format!("page {}", (round + at) % 3), 30_000);
            world.put(at, "small");
            world.put(at, "small"); // the one before becomes a void
            world.append(at);
            if round == 3 {
                world.delete(at, "page 0");
                world.delete_some_entry(at);
            }
            sync(&mut world, at, false);
        }
        world.now_ms += HOUR_MS / 2;
        sync(&mut world, round % 2, true);
    }
    world
}

fn killed_at_every_moment(conditions: Conditions, victim: usize) {
    let whole = hours_of_work(conditions, victim, None);
    assert!(!whole.bucket.keys_with("/snapshots/").is_empty());
    assert!(whole.bucket.meter.post + whole.bucket.meter.delete > 1, "superseded objects went");
    for moment in whole.devices[victim].every_moment() {
        let mut world = hours_of_work(conditions, victim, Some(moment));
        world.heal(2).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.check().unwrap_or_else(|why| panic!("{moment:?}: {why}"));
        let witness = Witness::new(&world.bucket, world.code.as_ref().unwrap());
        witness.one_body_each(&world.bucket).unwrap_or_else(|why| panic!("{moment:?}: {why}"));
        let newcomer = world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.check_one(newcomer).unwrap_or_else(|why| panic!("{moment:?}: {why}"));
    }
}

#[test]
fn crash_between_each_pair_of_steps_of_local_durability() {
    killed_at_every_moment(Conditions::Kept, 0);
}

#[test]
fn crash_between_each_pair_of_steps_where_conditions_are_ignored() {
    killed_at_every_moment(Conditions::Ignored, 1);
}

#[test]
fn a_late_put_of_sequence_5_lands_after_6() {
    for conditions in [Conditions::Kept, Conditions::Ignored, Conditions::Refused] {
        let mut world = World::new(61);
        world.bucket.conditions = conditions;
        world.create().unwrap();
        world.join().unwrap();
        world.sync_all();
        let sequence = |world: &World| world.devices[0].engine.status().unwrap().sequence;
        while sequence(&world) < 4 {
            world.put(0, "milk");
            world.sync(0).unwrap();
        }
        // The connection breaks while sequence 5 is on its way; the retry arrives first.
        world.put(0, "five");
        let op = world.start(0, tidelock_core::Operation::Sync);
        let five = world.run_until(0, op, |request| is_put_of(request, "/manifests/")).unwrap();
        world.break_off(0, &five);
        world.finish(0, op).unwrap();
        assert_eq!(sequence(&world), 5);
        world.put(0, "six");
        world.sync(0).unwrap();
        assert_eq!(sequence(&world), 6);
        world.sync(1).unwrap();
        world.arrive(&five);

        world.full_check(1).unwrap(); // sees 5 where it had verified 6
        world.check_one(1).unwrap();
        let newcomer = world.join().unwrap();
        world.now_ms += HOUR_MS / 2;
        world.sync(0).unwrap(); // 20 min after an ambiguous PUT the own manifest is read
        world.put(newcomer, "new");
        world.sync_all();
        world.check().unwrap_or_else(|why| panic!("{conditions:?}: {why}"));
        for at in 0..3 {
            assert_eq!(world.sync(at).unwrap().debts, 0);
        }
        let witness = Witness::new(&world.bucket, world.code.as_ref().unwrap());
        witness.one_body_each(&world.bucket).unwrap();
    }
}

#[test]
fn an_ambiguous_put_is_settled_by_reading_back() {
    // It arrived, and the answer was lost; then the retry meets its own first try.
    for conditions in [Conditions::Kept, Conditions::Ignored] {
        let mut world = World::with_devices(62, 2);
        world.bucket.conditions = conditions;
        world.put(0, "milk");
        let op = world.start(0, tidelock_core::Operation::Sync);
        let put = world.run_until(0, op, |request| is_put_of(request, "/manifests/")).unwrap();
        world.arrive(&put);
        world.break_off(0, &put);
        world.finish(0, op).unwrap();
        world.sync(1).unwrap();
        world.check().unwrap();
        assert_eq!(world.devices[0].engine.status().unwrap().pending, 0);
    }
}

#[test]
fn servers_that_ignore_or_refuse_conditions_lose_nothing() {
    for conditions in [Conditions::Ignored, Conditions::Refused] {
        let mut world = World::new(63);
        world.bucket.conditions = conditions;
        world.create().unwrap();
        world.join().unwrap();
        world.join().unwrap();
        for round in 0..6 {
            for at in 0..3 {
                world.put(at, &format!("key {round}"));
            }
            world.sync_all();
        }
        world.check().unwrap();
        let enforced = world.devices[0].engine.status().unwrap().conditional_writes;
        assert_eq!(enforced, Some(false), "{conditions:?}");
    }
}

#[test]
fn a_sequence_frozen_for_more_than_a_day_is_never_put_again() {
    let mut world = World::with_devices(64, 2);
    world.put_big(0, "page", 40_000);
    let op = world.start(0, tidelock_core::Operation::Sync);
    let held = world.run_until(0, op, |request| is_put_of(request, "/manifests/")).unwrap();
    world.restart(0);
    // The sweep of another device may have taken its segment meanwhile.
    for orphan in world.bucket.keys_with(&format!("/segments/{}", world.id(0))) {
        world.bucket.lose(&orphan);
    }
    world.now_ms += 25 * HOUR_MS;
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    world.check().unwrap();
    let sequence = world.devices[0].engine.status().unwrap().sequence;
    // Where it lands after all, it is an older one of mine.
    world.bucket.conditions = Conditions::Ignored;
    world.arrive(&held);
    world.full_check(0).unwrap();
    assert!(world.devices[0].engine.status().unwrap().sequence >= sequence);
    world.heal(2).unwrap();
    world.check().unwrap();
    let witness = Witness::new(&world.bucket, world.code.as_ref().unwrap());
    witness.one_body_each(&world.bucket).unwrap();
}

#[test]
fn the_beacon_never_names_a_sequence_that_was_given_up() {
    let mut world = World::with_devices(66, 2);
    world.put(0, "page");
    let op = world.start(0, tidelock_core::Operation::Sync);
    world.run_until(0, op, |request| is_put_of(request, "/manifests/")).unwrap();
    world.restart(0);
    world.now_ms += 25 * HOUR_MS;
    let op = world.start(0, tidelock_core::Operation::Sync);
    let is_named_or_naming = |request: &_| is_put_of(request, "/manifests/") || is_put_of(request, "/beacon");
    let first = world.run_until(0, op, is_named_or_naming).unwrap();
    assert!(is_put_of(&first, "/manifests/"), "others would look for what never was: {}", first.url);
}

#[test]
fn what_stands_after_a_sequence_was_given_up_is_no_rollback() {
    let mut world = World::with_devices(65, 2);
    let sequence = world.devices[0].engine.status().unwrap().sequence;
    world.put(0, "page");
    // No PUT of a manifest arrives for days: sequence after sequence is frozen and given up.
    for _ in 0..4 {
        let op = world.start(0, tidelock_core::Operation::Check);
        while let Some(held) = world.run_until(0, op, |request| is_put_of(request, "/manifests/")) {
            let put = Witness::new(&world.bucket, world.code.as_ref().unwrap());
            let path = held.url.trim_start_matches("file:///");
            let body = put.manifest(path, &held.body).unwrap();
            assert!(Witness::sequence(&body) > sequence, "an older one was PUT again");
            world.break_off(0, &held);
        }
        world.restart(0);
        world.now_ms += 25 * HOUR_MS;
        for _ in 0..3 {
            let op = world.start(0, tidelock_core::Operation::Check);
            while let Some(held) = world.run_until(0, op, |request| is_put_of(request, "/manifests/")) {
                world.break_off(0, &held);
            }
            world.devices[0].finished.remove(&op);
        }
        assert_eq!(world.devices[0].engine.status().unwrap().stopped, None, "nobody rolled anything back");
    }
    world.heal(2).unwrap();
    world.check().unwrap();
}

/// Pages that can't be written are lost with their process: nothing is built upon them, and nothing of them is published.
#[test]
fn a_store_whose_pages_cant_be_written_takes_and_publishes_nothing_more() {
    let mut world = World::with_devices(64, 1);
    let at = world.add_with(Disk::paged());
    world.join_on(at).unwrap();
    world.put(at, "stored");
    world.sync_all();
    world.devices[at].holds_pages = true;
    let change = |key: &str| Change::Put { collection: World::map(), key: key.to_owned(), value: Bytes::new() };
    let now = world.devices[at].now(world.now_ms);
    let device = &mut world.devices[at];
    let written = device.engine.write(&[change("not stored")], now).unwrap();
    device.drain(world.now_ms);
    device.engine.handle_persisted(written.commit, Err(LocalError::Full), now);
    let refused = device.engine.write(&[change("after it")], now).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::LocalStore, "{refused}");
    let puts = world.bucket.meter.put;
    let ended = world.sync(at).unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::LocalStore, "{ended}");
    assert_eq!(world.bucket.meter.put, puts);
    world.restart(at);
    world.devices[at].holds_pages = false;
    world.put(at, "since");
    world.sync_all();
    world.check().unwrap();
}
