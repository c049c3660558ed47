//! A passphrase is changed and a recovery code replaced: by one device, by two at once, killed at every step.

use super::{current, epoch_number, join_with, new_code};
use tidelock_core::s3::Method;
use tidelock_core::{ErrorKind, OpId, Operation, Outcome, Request, Secret};
use tidelock_sim::device::Moment;
use tidelock_sim::world::World;
use zeroize::Zeroizing;

#[test]
fn the_code_of_a_new_vault_is_replaced_before_any_sync_too() {
    let mut world = World::new(59);
    world.create().unwrap();
    let old = world.code.clone().unwrap();
    let code = new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap());
    assert_ne!(*old.reveal(), *code.reveal());
    join_with(&mut world, Secret::Recovery(old)).unwrap_err();
    join_with(&mut world, Secret::Recovery(code)).unwrap();
}

#[test]
fn a_replaced_recovery_code_opens_nothing_new() {
    let mut world = World::with_devices(60, 3);
    world.put(0, "before");
    world.sync_all();
    let old = world.code.clone().unwrap();
    let objects = world.bucket.copy();
    let code = new_code(world.run(1, Operation::ReplaceRecoveryCode).unwrap());
    assert_ne!(*old.reveal(), *code.reveal());
    let refused = join_with(&mut world, Secret::Recovery(old)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongKey, "{refused}");
    // A provider that kept the old slot gives an epoch under which nothing new is sealed.
    world.put(1, "after");
    world.sync(1).unwrap();
    for (key, sealed) in world.bucket.copy() {
        if objects.get(&key) != Some(&sealed) && key.starts_with("s") {
            assert_eq!(epoch_number(&sealed), 2, "{key}");
        }
    }
    world.code = Some(code);
    world.sync_all();
    world.put(2, "by another");
    world.append(0);
    world.sync_all();
    let newcomer = world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
    world.check_one(newcomer).unwrap();
}

#[test]
fn a_passphrase_is_set_changed_and_removed() {
    let mut world = World::with_devices(61, 2);
    world.put(0, "tea");
    world.sync_all();
    let phrase = |text: &str| Zeroizing::new(text.to_owned());
    let set = |world: &mut World, at: usize, passphrase: Option<&str>| {
        let passphrase = passphrase.map(phrase);
        assert_eq!(world.run(at, Operation::SetPassphrase { passphrase }).unwrap(), Outcome::PassphraseSet);
    };
    set(&mut world, 0, Some("correct horse"));
    join_with(&mut world, Secret::Passphrase(phrase("correct horse"))).unwrap();
    set(&mut world, 1, Some("battery staple"));
    let old = join_with(&mut world, Secret::Passphrase(phrase("correct horse"))).unwrap_err();
    assert_eq!(old.kind(), ErrorKind::WrongKey, "{old}");
    join_with(&mut world, Secret::Passphrase(phrase("battery staple"))).unwrap();
    set(&mut world, 2, None);
    let none = join_with(&mut world, Secret::Passphrase(phrase("battery staple"))).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::WrongKey, "{none}");
    world.join().unwrap();
    world.sync_all();
    world.replace_code(1).unwrap();
    assert!(world.bucket.object("slots/passphrase").is_none(), "who turns later brings none back");
    world.put(3, "milk");
    world.sync_all();
    world.sync_all();
    world.check().unwrap();
}

/// Device 0 replaces the code, killed once at a moment, and goes on.
fn turned_killed_at(moment: Option<Moment>) -> World {
    let mut world = World::with_devices(62, 2);
    world.put(0, "before");
    world.sync_all();
    world.put(0, "not yet published");
    world.devices[0].kill_at(moment);
    let code = match world.run(0, Operation::ReplaceRecoveryCode) {
        Ok(outcome) => outcome,
        Err(error) => {
            assert_eq!((error.kind(), moment.is_some()), (ErrorKind::Cancelled, true), "{moment:?}: {error}");
            world.run(0, Operation::ReplaceRecoveryCode).unwrap_or_else(|error| panic!("{moment:?}: {error}"))
        }
    };
    world.take_code(code);
    world
}

/// Device 0 has made a new code that is in force with its next sync, and broke off before it could give it to anybody.
fn with_a_code_that_nobody_was_given(seed: u64) -> World {
    let mut world = World::with_devices(seed, 2);
    let op = world.start(0, Operation::ReplaceRecoveryCode);
    world.run_until(0, op, |request| request.method == Method::Put).expect("it hands the keys on");
    world.restart(0);
    world
}

fn tells_of_a_code(world: &mut World, at: usize) -> bool {
    let reports = world.sync(at).unwrap().reports;
    reports.iter().any(|report| report.to_string().contains("recovery code"))
}

#[test]
fn a_new_code_that_nobody_was_given_is_told_of_until_it_is() {
    let mut world = with_a_code_that_nobody_was_given(72);
    for _ in 0..2 {
        assert!(tells_of_a_code(&mut world, 0));
        world.restart(0);
    }
    let old = world.code.clone().unwrap();
    assert_eq!(join_with(&mut world, Secret::Recovery(old)).unwrap_err().kind(), ErrorKind::WrongKey);
    world.replace_code(0).unwrap();
    assert!(current(&world).iter().all(|epoch| epoch.number <= 2), "the keys turned once: {:?}", current(&world));
    assert!(!tells_of_a_code(&mut world, 0));
    world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn a_code_that_another_device_has_replaced_is_not_given() {
    let mut world = with_a_code_that_nobody_was_given(73);
    assert!(tells_of_a_code(&mut world, 0));
    world.sync(1).unwrap();
    let theirs = new_code(world.run(1, Operation::ReplaceRecoveryCode).unwrap());
    assert!(!tells_of_a_code(&mut world, 0));
    join_with(&mut world, Secret::Recovery(theirs)).unwrap();
    world.replace_code(0).unwrap();
    world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn a_turn_killed_at_every_step_is_finished() {
    for moment in turned_killed_at(None).devices[0].every_moment() {
        let mut world = turned_killed_at(Some(moment));
        world.put(1, "goes on");
        for _ in 0..3 {
            world.sync_all();
        }
        world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.sync_all();
        world.check().unwrap_or_else(|why| panic!("{moment:?}: {why}"));
        let slots = world.bucket.keys_with("slots/");
        assert_eq!(slots.len(), 4, "{moment:?}: three devices and one code, not {slots:?}");
    }
}

#[test]
fn two_devices_turn_at_once() {
    for seed in 0..40 {
        let mut world = World::with_devices(seed, 4);
        world.put(0, "before");
        world.sync_all();
        let ops = [0, 1].map(|at| (at, world.start(at, Operation::ReplaceRecoveryCode)));
        // The two take turns, request by request.
        for _ in 0..400 {
            let at = world.random.below(2) as usize;
            world.step(at);
        }
        let codes = ops.map(|(at, op)| new_code(world.finish(at, op).unwrap()));
        for at in 0..4 {
            world.put(at, &format!("after {at}"));
        }
        for _ in 0..6 {
            world.sync_all();
            world.now_ms += 30 * 60_000;
        }
        world.check().unwrap_or_else(|why| panic!("{seed}: {why}"));
        assert_eq!(current(&world).len(), 1, "{seed}: they seal under several epochs");
        // Of two codes made at once both may stand, and at least one does.
        let joined = codes.into_iter().filter(|code| join_with(&mut world, Secret::Recovery(code.clone())).is_ok());
        assert!(joined.count() >= 1, "{seed}: nobody can join any more");
        world.sync_all();
        world.check().unwrap_or_else(|why| panic!("{seed}: {why}"));
    }
}

/// Lets two operations run until each is about to PUT keys; gives those requests.
fn both_turn(world: &mut World, ops: [(usize, OpId); 2]) -> [Request; 2] {
    ops.map(|(at, op)| {
        world
            .run_until(at, op, |request| request.method == Method::Put && request.url.contains("keys/"))
            .expect("it turns the keys")
    })
}

/// The one that is through first is overwritten by the other; the other's own slot tells it the first's keys.
fn finish_turns(world: &mut World, ops: [(usize, OpId); 2], puts: &[Request; 2]) {
    let slot = world.slot_of(ops[1].0);
    world.break_off(ops[0].0, &puts[0]);
    world.finish(ops[0].0, ops[0].1).unwrap();
    let of_first = world.bucket.object(&slot).unwrap();
    world.break_off(ops[1].0, &puts[1]);
    world.finish(ops[1].0, ops[1].1).unwrap();
    world.bucket.put(&slot, of_first);
}

#[test]
fn two_that_turned_at_once_and_turn_again_at_once_agree_in_the_end() {
    for order in [[0, 1], [1, 0]] {
        let mut world = World::with_devices(65, 3);
        let start = |world: &mut World, at: usize, operation: Operation| (at, world.start(at, operation));
        let ops = order.map(|at| start(&mut world, at, Operation::ReplaceRecoveryCode));
        let puts = both_turn(&mut world, ops);
        assert_eq!(current(&world).len(), 3, "each has an epoch of its own, and the third the old one");
        finish_turns(&mut world, ops, &puts);

        // Each meets the other's keys, and both turn again at once.
        let ops = order.map(|at| start(&mut world, at, Operation::Check));
        let puts = both_turn(&mut world, ops);
        let epochs = current(&world);
        assert_eq!(epochs.iter().filter(|epoch| epoch.number == 3).count(), 2, "{epochs:?}");
        finish_turns(&mut world, ops, &puts);
        for _ in 0..3 {
            world.sync_all();
        }
        let epochs = current(&world);
        assert!(epochs.iter().all(|epoch| epoch.number <= 3), "within the hour neither turns: {epochs:?}");
        for at in 0..3 {
            world.put(at, &format!("of {at}"));
        }
        for _ in 0..6 {
            world.sync_all();
            world.now_ms += 61 * 60_000;
        }
        world.check().unwrap();
        assert_eq!(current(&world).len(), 1, "{order:?}: {:?}", current(&world));
        assert!(current(&world).iter().all(|epoch| epoch.number <= 5), "no more turns than it takes");
    }
}
