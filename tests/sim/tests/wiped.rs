//! A bucket that was wiped: nothing is PUT into it before a person says so, whatever was under way, and nothing is lost.

use tidelock_core::{Error, ErrorKind, Operation, Outcome};
use tidelock_sim::bucket::puts_manifest;
use tidelock_sim::device::Moment;
use tidelock_sim::hostile::host::{self, answer};
use tidelock_sim::world::World;

#[test]
fn a_wiped_bucket_is_not_filled_before_republish() {
    let mut world = World::with_devices(28, 3);
    world.put(0, "milk");
    world.put(1, "bread");
    world.append(2);
    world.sync_all();
    world.bucket.wipe();
    world.put(1, "written after");
    let puts = world.bucket.meter.put;
    for at in 0..3 {
        assert_eq!(world.sync(at).unwrap_err().kind(), ErrorKind::Wiped);
        assert_eq!(world.full_check(at).unwrap_err().kind(), ErrorKind::Wiped, "and stays so");
    }
    assert_eq!(world.bucket.meter.put, puts, "no PUT of any kind");

    // One republishes; the others find the vault again when they are told so too.
    for at in [1, 0, 2] {
        world.run(at, Operation::Republish).unwrap();
    }
    world.heal(3).unwrap();
    world.check().unwrap();
    world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
}

/// A folder that was not mounted, or a store named by mistake. Its last manifest may have landed unheard.
#[test]
fn who_looked_at_another_store_goes_on_with_its_own() {
    let mut world = World::with_devices(30, 2);
    world.put(0, "milk");
    world.sync_all();
    world.put(0, "bread");
    let op = world.start(0, Operation::Sync);
    let last = world.run_until(0, op, puts_manifest).unwrap();
    world.arrive(&last);
    world.restart(0);
    let own = world.bucket.older();
    world.bucket.wipe();
    assert_eq!(world.sync(0).unwrap_err().kind(), ErrorKind::Wiped);
    world.put(0, "written after");
    world.bucket.roll_back(&own);
    world.sync_all();
    world.check().unwrap();

    // One that went back is not its own as it was.
    world.bucket.wipe();
    assert_eq!(world.sync(0).unwrap_err().kind(), ErrorKind::Wiped);
    world.bucket.roll_back(&own);
    assert_eq!(world.sync(0).unwrap_err().kind(), ErrorKind::Wiped);
}

#[test]
fn republish_alone_restores_everything_for_a_newcomer() {
    let mut world = World::with_devices(29, 2);
    world.put(0, "milk");
    world.put(1, "bread");
    world.append(1);
    world.sync_all();
    world.bucket.wipe();
    assert_eq!(world.sync(0).unwrap_err().kind(), ErrorKind::Wiped);
    world.run(0, Operation::Republish).unwrap();
    world.gone.insert(1);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// Device 0 is killed at a moment of an operation, which goes as it goes without one.
fn kill_in(world: &mut World, operation: Operation, moment: Option<Moment>) {
    world.devices[0].kill_at(moment);
    let killed = world.run(0, operation).is_err_and(|error| error.kind() == ErrorKind::Cancelled);
    assert_eq!(killed, moment.is_some(), "{moment:?}");
}

/// A lone device, most of whose data is in a snapshot, puts it back after a wipe, killed at a moment.
fn republishing(moment: Option<Moment>) -> World {
    let mut world = World::with_devices(88, 1);
    world.write_until_trimmed(0);
    world.append(0);
    world.sync(0).unwrap();
    world.bucket.wipe();
    assert_eq!(world.sync(0).unwrap_err().kind(), ErrorKind::Wiped);
    kill_in(&mut world, Operation::Republish, moment);
    world
}

/// What ends well has brought all of it back, whether one does as the error says or goes on.
#[test]
fn a_republish_that_was_killed_is_not_taken_for_one_that_is_through() {
    for moment in republishing(None).devices[0].every_moment() {
        let mut world = republishing(Some(moment));
        match world.sync(0) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Wiped => {
                world.run(0, Operation::Republish).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
            }
            Err(error) => panic!("{moment:?}: {error}"),
        }
        world.gone.insert(0);
        let newcomer = world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.check_one(newcomer).unwrap_or_else(|why| panic!("{moment:?}: {why}"));
    }
}

/// Whoever dies right after its manifest stands has left a way in, though it never saw the code's slot and had not read all.
#[test]
fn after_a_wipe_the_codes_slot_stands_before_the_manifest_does() {
    for turns in [false, true] {
        let mut world = World::with_devices(89, 2);
        if turns {
            world.run(0, Operation::SetPassphrase { passphrase: None }).unwrap();
            world.sync_all();
        }
        world.untold(|world| world.put_big(0, "page", 30_000));
        world.sync(0).unwrap();
        world.bucket.hide_all("/segments/");
        world.sync(1).unwrap();
        world.bucket.wipe();
        let op = world.start(1, Operation::Republish);
        let manifest = world.run_until(1, op, puts_manifest).unwrap();
        world.arrive(&manifest);
        world.gone.extend([0, 1]);
        world.join().unwrap_or_else(|error| panic!("{turns}: {error}"));
    }
}

/// The bucket is empty, says the device, and stays so.
fn finds_it_wiped(world: &mut World, at: usize, operation: Operation, when: Moment) {
    let ended = world.run(at, operation.clone());
    assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::Wiped), "{when:?}: {operation:?}");
    assert!(world.bucket.keys().is_empty(), "{when:?}: {operation:?} PUT {:?}", world.bucket.keys());
}

/// Device 0 replaces the code, killed at a moment.
fn turning(moment: Option<Moment>) -> World {
    let mut world = World::with_devices(86, 2);
    world.put(0, "before");
    world.sync_all();
    world.put(0, "not yet published");
    kill_in(&mut world, Operation::ReplaceRecoveryCode, moment);
    world
}

#[test]
fn a_turn_of_keys_that_was_killed_puts_nothing_into_it() {
    for moment in turning(None).devices[0].every_moment() {
        for operation in [Operation::Sync, Operation::ReplaceRecoveryCode] {
            let mut world = turning(Some(moment));
            world.bucket.wipe();
            finds_it_wiped(&mut world, 0, operation, moment);
            world.run(0, Operation::Republish).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
            world.replace_code(0).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
            world.heal(3).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
            world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
            world.sync_all();
            world.check().unwrap_or_else(|why| panic!("{moment:?}: {why}"));
        }
    }
}

/// A copy of device 0's store, device 2, was quicker; device 0 finds it, killed at a moment.
fn copied(moment: Option<Moment>) -> World {
    let mut world = World::with_devices(87, 2);
    let copy = world.copy_of(0);
    world.put(copy, "the copy's");
    world.sync(copy).unwrap();
    world.put(0, "the first's");
    kill_in(&mut world, Operation::Sync, moment);
    world
}

#[test]
fn a_copy_that_was_killed_puts_nothing_into_it_and_leaves_its_id_once_it_is_filled() {
    for moment in copied(None).devices[0].every_moment() {
        let mut world = copied(Some(moment));
        world.bucket.wipe();
        // Once it can't even look.
        let refused = host::run(&mut world, 0, Operation::Sync, |request, truth| {
            let is_beacon = host::path(request).ends_with("/beacon");
            Ok(if is_beacon { answer(403, "<Error><Code>AccessDenied</Code></Error>") } else { truth() })
        });
        assert_eq!(refused.result.map_err(|error| error.kind()), Err(ErrorKind::Auth), "{moment:?}");
        assert!(world.bucket.keys().is_empty(), "{moment:?}: it PUT {:?}", world.bucket.keys());
        finds_it_wiped(&mut world, 0, Operation::Sync, moment);
        world.put(0, "meanwhile");
        let republished: Result<Vec<Outcome>, Error> =
            [0, 2, 1].into_iter().map(|at| world.run(at, Operation::Republish)).collect();
        republished.unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.heal(3).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.check().unwrap_or_else(|why| panic!("{moment:?}: {why}"));
        let newcomer = world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.check_one(newcomer).unwrap_or_else(|why| panic!("{moment:?}: {why}"));
    }
}

/// Somebody made another vault there meanwhile: nothing of this one is put beside it.
#[test]
fn republish_puts_nothing_beside_another_vaults_header() {
    let other = World::with_devices(88, 1);
    let mut world = World::with_devices(89, 2);
    world.put(0, "milk");
    world.sync_all();
    world.bucket.wipe();
    assert_eq!(world.sync(0).unwrap_err().kind(), ErrorKind::Wiped);
    world.bucket.put("tidelock", other.bucket.object("tidelock").unwrap());
    let refused = world.run(0, Operation::Republish).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
    assert_eq!(world.bucket.keys(), ["tidelock"]);
    assert_eq!(world.standing(0, "milk").len(), 1);
}
