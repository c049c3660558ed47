//! A turn that broke off: who takes it up again writes over no newer keys, and who never does shuts nobody out.

use super::{epoch_number, slot_of, slots_and_keys};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::s3::Method;
use tidelock_core::{ErrorKind, Operation, Secret};
use tidelock_sim::bucket::puts_manifest;
use tidelock_sim::device::Moment;
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;

/// Who takes its turn up again writes over all slots that it knows. The newcomer's, who has newer keys, is not among them; and
/// the first, who doesn't know the newcomer, is not given them by anybody else.
#[test]
fn a_turn_that_is_taken_up_again_after_a_newcomer_turned_ends_with_one() {
    let mut world = World::with_devices(68, 2);
    let op = world.start(0, Operation::SetPassphrase { passphrase: None });
    world.run_until(0, op, |request| request.method == Method::Put && request.url.contains("/slots/")).unwrap();
    world.restart(0);
    let newcomer = world.join().unwrap();
    let device = world.id(1);
    world.run(newcomer, Operation::RevokeDevice { device }).unwrap();
    world.gone.insert(1);
    world.run(newcomer, Operation::SetPassphrase { passphrase: None }).unwrap();
    world.put(newcomer, "after");
    world.sync(newcomer).unwrap();
    world.put(0, "meanwhile");
    world.check_hourly(4);
    let (rings, own) = ([0, newcomer].map(|at| Keys::of(&world.devices[at].disk).ring), world.id(newcomer));
    let all: BTreeSet<_> = rings[1].epochs().collect();
    assert!(all.len() == 3 && all.iter().all(|epoch| rings[0].root_secret(*epoch).is_some()), "{all:?}");
    let told = world.full_check(newcomer).unwrap().reports;
    let lacks = format!("slots/{own}");
    assert!(told.iter().any(|error| error.object() == Some(&lacks)), "it counts for nobody yet, and is told: {told:?}");
    let secret = Secret::Recovery(world.code.clone().unwrap());
    world.run(newcomer, Operation::Join { secret }).unwrap();
    world.check_hourly(3);
    world.check().unwrap();
    world.join().unwrap();
}

/// Of two that turned the second is lost for good, and the slots alone have its keys: the first takes them from its own before it
/// writes over any, whether it goes on with its turn or publishes all that it holds.
#[test]
fn nobody_writes_over_keys_that_nobody_else_has() {
    for republishes in [false, true] {
        let mut world = World::with_devices(74, 3);
        let op = world.start(0, Operation::SetPassphrase { passphrase: None });
        if !republishes {
            world.run_until(0, op, |request| request.url.contains("keys/")).unwrap();
        }
        world.restart(0);
        world.run(1, Operation::SetPassphrase { passphrase: None }).unwrap();
        world.put(1, "after");
        world.sync(1).unwrap();
        world.gone.insert(1);
        if republishes {
            world.run(0, Operation::Republish).unwrap();
        }
        world.check_hourly(4);
        world.check().unwrap();
        world.join().unwrap();
    }
}

/// Device 0's turn was killed before anybody heard of it. Device 1 turned meanwhile, and what it wrote is read by nobody else yet.
fn turned_meanwhile(seed: u64, turn: impl Fn(&mut World)) -> (World, BTreeMap<String, Bytes>) {
    let mut world = World::with_devices(seed, 3);
    let op = world.start(0, Operation::ReplaceRecoveryCode);
    world.run_until(0, op, |request| request.url.contains("keys/")).unwrap();
    world.restart(0);
    turn(&mut world);
    world.put(1, "after");
    world.sync(1).unwrap();
    world.gone.insert(1);
    let turned = slots_and_keys(&world);
    (world, turned)
}

/// Device 1 has revoked it: it has no slot that would tell.
#[test]
fn a_revoked_device_that_takes_up_its_turn_writes_over_no_newer_keys() {
    for begun in 0..4 {
        for replaces_the_code in [false, true] {
            let (mut world, turned) = turned_meanwhile(77, |world| {
                world.revoke(1, 0).unwrap();
                if replaces_the_code {
                    world.replace_code(1).unwrap();
                }
            });
            let device = world.id(2);
            let operations = [Operation::Sync, Operation::Republish, Operation::ReplaceRecoveryCode];
            let operation = operations.into_iter().nth(begun).unwrap_or(Operation::RetireDevice { device });
            let ended = world.run(0, operation.clone());
            assert!(slots_and_keys(&world) == turned, "{operation:?}, {replaces_the_code}: {ended:?}");
            world.gone.insert(0);
            world.check_hourly(3);
            world.check().unwrap();
            world.join().unwrap();
        }
    }
}

/// The store serves its slot to nobody for a while.
#[test]
fn who_cannot_read_its_slot_writes_over_no_newer_keys() {
    for operation in [Operation::Sync, Operation::Republish] {
        let turn = |world: &mut World| {
            world.run(1, Operation::SetPassphrase { passphrase: None }).unwrap();
        };
        let (mut world, turned) = turned_meanwhile(78, turn);
        world.bucket.refused.insert(world.slot_of(0), (403, "AccessDenied"));
        let ended = world.run(0, operation.clone());
        assert!(slots_and_keys(&world) == turned, "{operation:?}: {ended:?}");
        world.bucket.refused.clear();
        world.check_hourly(4);
        world.check().unwrap();
        world.replace_code(0).unwrap();
        world.join().unwrap();
    }
}

/// Device 0 turns the keys, is killed at a moment, and never comes back.
fn turned_by_who_is_gone(seed: u64, operation: Operation, moment: Option<Moment>) -> World {
    let mut world = World::with_devices(seed, 3);
    world.put(0, "before");
    world.sync_all();
    world.devices[0].kill_at(moment);
    let ended = world.run(0, operation);
    assert_eq!(ended.is_err(), moment.is_some(), "{moment:?}: {ended:?}");
    world.gone.insert(0);
    world
}

#[test]
fn who_turns_the_keys_and_dies_shuts_nobody_out() {
    let turn = || Operation::SetPassphrase { passphrase: None };
    for moment in turned_by_who_is_gone(76, turn(), None).devices[0].every_moment() {
        let mut world = turned_by_who_is_gone(76, turn(), Some(moment));
        let newcomer = world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        for at in [1, 2, newcomer] {
            world.put(at, &format!("of {at}"));
        }
        world.check_hourly(4);
        for at in [1, 2] {
            world.check_one(at).unwrap_or_else(|why| panic!("{moment:?}: {why}"));
        }
        for at in [1, 2, newcomer] {
            let told = world.full_check(at).unwrap().reports;
            assert!(told.iter().all(|error| error.kind() != ErrorKind::Closed), "{moment:?}: device {at}: {told:?}");
        }
    }
}

/// The slot of the code has the lowest id of all here. Who joins by it has keys that all others' slots have.
#[test]
fn who_dies_between_two_slots_shuts_nobody_out() {
    let turn = || Operation::SetPassphrase { passphrase: None };
    for moment in turned_by_who_is_gone(81, turn(), None).devices[0].every_moment() {
        let mut world = turned_by_who_is_gone(81, turn(), Some(moment));
        let slot = slot_of(world.code.as_ref().unwrap());
        assert_eq!(world.bucket.keys_with("slots/")[0], slot, "as this seed has it");
        let newcomer = world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.check_hourly(4);
        for at in [1, 2, newcomer] {
            let told = world.full_check(at).unwrap().reports;
            assert!(told.iter().all(|error| error.kind() != ErrorKind::Closed), "{moment:?}: device {at}: {told:?}");
        }
    }
}

/// The new code was not shown to anybody yet, and the old one is not to be: one of them has its slot all the time.
#[test]
fn a_code_goes_after_the_one_that_replaces_it_is_there() {
    let turn = || Operation::ReplaceRecoveryCode;
    for moment in turned_by_who_is_gone(76, turn(), None).devices[0].every_moment() {
        let world = turned_by_who_is_gone(76, turn(), Some(moment));
        let of_devices: BTreeSet<_> = (0..3).map(|at| world.slot_of(at)).collect();
        let slots = world.bucket.keys_with("slots/");
        assert!(slots.iter().any(|slot| !of_devices.contains(slot)), "{moment:?}: {slots:?}");
    }
}

/// The bucket shows an older manifest of its own meanwhile: the newest is PUT again once all can read it.
#[test]
fn who_takes_up_its_turn_puts_nothing_under_keys_that_nobody_has() {
    let mut world = World::with_devices(104, 2);
    let manifest = world.manifest_of(0);
    let older = world.bucket.object(&manifest).unwrap();
    world.put(0, "newer");
    world.sync_all();
    let op = world.start(0, Operation::SetPassphrase { passphrase: None });
    world.run_until(0, op, |request| request.url.contains("keys/")).unwrap();
    world.restart(0);
    world.bucket.put(&manifest, older);
    let op = world.start(0, Operation::Check);
    world.run_until(0, op, puts_manifest).unwrap();
    assert_eq!(epoch_number(&world.bucket.object(&world.slot_of(1)).unwrap()), 2);
}
