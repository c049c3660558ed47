//! Keys turn: a passphrase changed, a recovery code replaced, by one device and by two at once, killed at every step.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::crypto::{Opener, RecoveryCode};
use tidelock_core::s3::Method;
use tidelock_core::{EpochId, ErrorKind, OpId, Operation, Outcome, Request, Secret};
use tidelock_sim::device::Moment;
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;
use zeroize::Zeroizing;

fn new_code(outcome: Outcome) -> RecoveryCode {
    match outcome {
        Outcome::RecoveryCodeReplaced { recovery_code } => recovery_code,
        other => panic!("a replaced code, not {other:?}"),
    }
}

fn join_with(world: &mut World, secret: Secret) -> Result<usize, tidelock_core::Error> {
    let at = world.add();
    match world.run(at, Operation::Join { secret }) {
        Ok(_) => Ok(at),
        Err(error) => {
            world.devices.pop();
            Err(error)
        }
    }
}

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

/// All that hands keys on.
fn slots_and_keys(world: &World) -> BTreeMap<String, Bytes> {
    let objects = world.bucket.copy().into_iter();
    objects.filter(|(path, _)| path.starts_with("slots/") || path.starts_with("keys/")).collect()
}

/// The number of the epoch that an object is sealed under: FORMAT, "Envelope".
fn epoch_number(sealed: &[u8]) -> u32 {
    u32::from_le_bytes(sealed[7..11].try_into().unwrap())
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
    world.code = Some(new_code(world.run(1, Operation::ReplaceRecoveryCode).unwrap()));
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
    world.code = Some(new_code(code));
    world
}

/// Device 0 has made a new code that is in force with its next sync, and broke off before it could give it to anybody.
fn with_a_code_that_nobody_was_given(seed: u64) -> World {
    let mut world = World::with_devices(seed, 2);
    let op = world.devices[0].start(Operation::ReplaceRecoveryCode, world.now_ms);
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
    world.code = Some(new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap()));
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
    world.code = Some(new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap()));
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
        let ops = [0, 1].map(|at| {
            let now_ms = world.now_ms;
            (at, world.devices[at].start(Operation::ReplaceRecoveryCode, now_ms))
        });
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

/// The epochs that devices seal under.
fn current(world: &World) -> BTreeSet<EpochId> {
    world.devices.iter().map(|device| Keys::of(&device.disk).ring.current()).collect()
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
    let slot = format!("slots/{}", world.id(ops[1].0));
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
        let start = |world: &mut World, at: usize, operation: Operation| {
            let now_ms = world.now_ms;
            (at, world.devices[at].start(operation, now_ms))
        };
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

#[test]
fn lost_slots_and_keys_are_put_again_within_a_week() {
    let mut world = World::with_devices(63, 2);
    let code = new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap());
    world.code = Some(code);
    world.sync_all();
    for part in ["keys/", "slots/"] {
        world.bucket.lose_all(part);
        for _ in 0..9 {
            world.now_ms += 24 * 3_600_000;
            for at in 0..2 {
                world.full_check(at).unwrap();
            }
        }
        world.join().unwrap();
    }
    world.sync_all();
    world.check().unwrap();
}

/// Each of those that a device looks at, spoilt or from before the last turn; and none of them where nothing is wrong.
#[test]
fn a_slot_or_keys_that_do_not_stand_are_put_again_at_a_full_check() {
    let mut world = World::with_devices(72, 2);
    let older = slots_and_keys(&world);
    world.now_ms += 8 * 24 * 3_600_000;
    world.full_check(1).unwrap();
    assert_eq!(slots_and_keys(&world), older, "before any turn");
    world.run(0, Operation::SetPassphrase { passphrase: None }).unwrap();
    world.sync_all();
    let turned = slots_and_keys(&world);
    world.full_check(1).unwrap();
    assert_eq!(slots_and_keys(&world), turned, "after a turn");

    let own = format!("slots/{}", world.id(1));
    let recovery = Opener::recovery(world.code.as_ref().unwrap()).name().path();
    let keys = world.bucket.keys_with("keys/").remove(0);
    let before = |path: &str| older[path].clone();
    let spoilt = |world: &World, path: &str| {
        let mut bytes = world.bucket.object(path).unwrap().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        bytes.into()
    };
    let wrong = [
        (&own, before(&own)),
        (&recovery, before(&recovery)),
        (&own, spoilt(&world, &own)),
        (&keys, spoilt(&world, &keys)),
    ];
    for (path, wrong) in wrong {
        world.bucket.put(path, wrong.clone());
        world.full_check(1).unwrap();
        let now = world.bucket.object(path).unwrap();
        assert_ne!(now, wrong, "{path}");
        assert_eq!(epoch_number(&now), 2, "{path}");
    }
}

#[test]
fn the_recovery_slot_alone_is_put_again_too() {
    let mut world = World::with_devices(65, 2);
    let slot = Opener::recovery(world.code.as_ref().unwrap()).name().path();
    world.bucket.lose(&slot);
    assert!(world.join().is_err());
    world.devices.pop();
    world.check_hourly(8 * 24);
    world.join().unwrap();
}

/// What can't be read may be of another's turn: it is reported, and no slot is written over.
#[test]
fn a_slot_that_the_store_refuses_for_good_ends_no_full_check() {
    let mut world = World::with_devices(69, 2);
    world.run(0, Operation::ReplaceRecoveryCode).unwrap();
    world.sync_all();
    let path = format!("slots/{}", world.id(1));
    let keys = world.bucket.keys_with("keys/").remove(0);
    world.bucket.lose(&keys);
    world.bucket.refused.insert(path.clone(), (403, "AccessDenied"));
    world.now_ms += 3_600_000;
    let puts = world.bucket.meter.put;
    let report = world.full_check(1).unwrap();
    assert!(report.reports.iter().any(|error| error.object() == Some(&path)), "{:?}", report.reports);
    assert_eq!(world.bucket.meter.put, puts);
    world.bucket.refused.clear();
    world.now_ms += 3_600_000;
    world.full_check(1).unwrap();
    assert_eq!(world.bucket.keys_with("keys/"), [keys]);
}

#[test]
fn a_bucket_that_goes_back_to_before_a_turn_gets_the_new_keys_again() {
    let mut world = World::with_devices(66, 3);
    let older = world.bucket.older();
    let code = new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap());
    world.code = Some(code);
    world.put(0, "after");
    world.sync(0).unwrap();
    world.bucket.roll_back(&older);
    world.put(1, "unheard");
    world.check_hourly(4);
    world.check().unwrap();
    assert_eq!(current(&world).len(), 1, "{:?}", current(&world));
    world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
}

/// A device whose slot alone is the one before the last turn, as by a PUT that came late.
fn with_an_old_slot() -> World {
    let mut world = World::with_devices(67, 3);
    let path = format!("slots/{}", world.id(2));
    let old = world.bucket.object(&path).unwrap();
    let code = new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap());
    world.code = Some(code);
    world.sync(1).unwrap();
    world.bucket.put(&path, old);
    world
}

#[test]
fn a_device_whose_slot_is_an_older_one_asks_and_is_handed_the_keys() {
    for writes in [true, false] {
        let mut world = with_an_old_slot();
        if writes {
            world.put(2, "unheard");
        }
        let report = world.sync(2).unwrap();
        assert!(report.reports.iter().any(|error| error.kind() == ErrorKind::Closed), "{:?}", report.reports);
        world.check_hourly(4);
        world.put(0, "after");
        world.sync_all();
        world.check().unwrap();
        assert_eq!(current(&world).len(), 1, "{:?}", current(&world));
    }
}

/// Who takes its turn up again writes over all slots that it knows. The newcomer's, who has newer keys, is not among them; and
/// the first, who doesn't know the newcomer, is not given them by anybody else.
#[test]
fn a_turn_that_is_taken_up_again_after_a_newcomer_turned_ends_with_one() {
    let mut world = World::with_devices(68, 2);
    let op = world.devices[0].start(Operation::SetPassphrase { passphrase: None }, world.now_ms);
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
        let op = world.devices[0].start(Operation::SetPassphrase { passphrase: None }, world.now_ms);
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
    let op = world.devices[0].start(Operation::ReplaceRecoveryCode, world.now_ms);
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
                    world.code = Some(new_code(world.run(1, Operation::ReplaceRecoveryCode).unwrap()));
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
        world.bucket.refused.insert(format!("slots/{}", world.id(0)), (403, "AccessDenied"));
        let ended = world.run(0, operation.clone());
        assert!(slots_and_keys(&world) == turned, "{operation:?}: {ended:?}");
        world.bucket.refused.clear();
        world.check_hourly(4);
        world.check().unwrap();
        world.code = Some(new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap()));
        world.join().unwrap();
    }
}

/// Whoever turned them is gone with them: the others go on with what they have.
#[test]
fn keys_that_are_lost_end_no_sync() {
    let losses: [fn(&mut World, &str); 2] =
        [|world, keys| world.bucket.lose(keys), |world, keys| world.bucket.spoil(keys)];
    for lose in losses {
        let mut world = World::with_devices(75, 3);
        let before = world.oracle.clone();
        world.run(0, Operation::ReplaceRecoveryCode).unwrap();
        world.put(0, "after");
        world.sync(0).unwrap();
        world.oracle = before; // nobody ever reads it
        world.gone.insert(0);
        let keys = world.bucket.keys_with("keys/").remove(0);
        lose(&mut world, &keys);
        world.put(1, "goes on");
        world.check_hourly(3);
        assert_eq!(world.standing(2, "goes on").len(), 1);
        world.check().unwrap();
    }
}

#[test]
fn a_newcomer_that_could_read_nothing_yet_turns_no_keys() {
    let mut world = World::with_devices(69, 3);
    world.write_until_trimmed(0);
    world.bucket.hide_all("/snapshots/");
    world.bucket.hide_all("/segments/");
    let newcomer = world.join().unwrap();
    let slots = world.bucket.keys_with("slots/");
    let held: Vec<_> = slots.iter().map(|path| world.bucket.object(path)).collect();
    let device = world.id(1);
    let refused = world.run(newcomer, Operation::RevokeDevice { device }).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    assert_eq!(slots.iter().map(|path| world.bucket.object(path)).collect::<Vec<_>>(), held);
    world.bucket.show();
    world.gone.insert(1);
    world.check_hourly(2);
    world.run(newcomer, Operation::RevokeDevice { device }).unwrap();
    world.check_hourly(2);
    world.check().unwrap();
}

#[test]
fn who_lacks_the_newest_keys_asks_once_an_hour_and_turns_none() {
    let mut world = with_an_old_slot();
    let manifest = world.manifest_of(2);
    let before = world.bucket.object(&manifest);
    world.sync(2).unwrap();
    let asked = world.bucket.object(&manifest);
    assert_ne!(asked, before, "it has nothing else to say");
    world.sync(2).unwrap();
    assert_eq!(world.bucket.object(&manifest), asked, "once an hour is enough");
    world.now_ms += 3_600_000;
    world.sync(2).unwrap();
    assert_ne!(world.bucket.object(&manifest), asked, "and no more than it takes");
    let slots = world.bucket.keys_with("slots/");
    let held: Vec<_> = slots.iter().map(|path| world.bucket.object(path)).collect();
    let device = world.id(1);
    for operation in [
        Operation::ReplaceRecoveryCode,
        Operation::SetPassphrase { passphrase: Some(Zeroizing::new("correct horse".to_owned())) },
        Operation::RevokeDevice { device },
    ] {
        let refused = world.run(2, operation).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
    }
    assert_eq!(world.bucket.keys_with("slots/"), slots);
    assert_eq!(slots.iter().map(|path| world.bucket.object(path)).collect::<Vec<_>>(), held);
}

/// Who revokes it has PUT the slots and taken its own away, and dies: it can't know of that, and must not put older keys in the
/// place of those that nobody else has.
#[test]
fn who_is_shut_out_by_a_turn_that_broke_off_writes_over_no_slot() {
    let mut world = World::with_devices(71, 4);
    world.code = Some(new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap()));
    world.sync_all();
    let device = world.id(2);
    let op = world.devices[0].start(Operation::RevokeDevice { device }, world.now_ms);
    let snapshot = |request: &Request| request.method == Method::Put && request.url.contains("/snapshots/");
    let request = world.run_until(0, op, snapshot).unwrap();
    world.break_off(0, &request);
    world.gone.insert(0);
    let turned = slots_and_keys(&world);
    assert!(!turned.contains_key(&format!("slots/{device}")), "its slot is gone");
    world.now_ms += 3_600_000;
    world.full_check(2).unwrap();
    assert_eq!(slots_and_keys(&world), turned);
    let (first, code) = (world.id(0), world.code.clone().unwrap());
    for device in [first, device] {
        world.run(1, Operation::RevokeDevice { device }).unwrap();
    }
    world.gone.insert(2);
    join_with(&mut world, Secret::Recovery(code)).unwrap();
    world.check_hourly(4);
    world.check().unwrap();
}

#[test]
fn a_device_without_a_slot_disturbs_nobody_and_comes_back_with_the_code() {
    let mut world = World::with_devices(64, 3);
    world.put(2, "before");
    world.sync_all();
    // The turn did not reach device 2: its slot and its record's place are an older epoch's.
    let path = format!("slots/{}", world.id(2));
    let old = world.bucket.object(&path).unwrap();
    let code = new_code(world.run(0, Operation::ReplaceRecoveryCode).unwrap());
    world.code = Some(code.clone());
    world.bucket.put(&path, old);
    world.put(0, "after");
    world.sync(0).unwrap();
    world.put(2, "unheard");
    let beacon = world.bucket.keys_with("/beacon").remove(0);
    let report = world.sync(2).unwrap();
    assert!(report.reports.iter().any(|error| error.kind() == ErrorKind::Closed), "{:?}", report.reports);
    assert_eq!(epoch_number(&world.bucket.object(&beacon).unwrap()), 2, "it overwrites nothing it cannot read");
    world.sync(1).unwrap();
    world.run(2, Operation::Join { secret: Secret::Recovery(code) }).unwrap();
    for _ in 0..3 {
        world.sync_all();
    }
    world.check().unwrap();
}

/// Nor can it read the beacon: one that is the same still is asked for again, whole.
#[test]
fn who_lacks_the_newest_keys_is_told_at_every_sync_and_writes_over_no_beacon() {
    let mut world = with_an_old_slot();
    let beacon = world.bucket.keys_with("/beacon").remove(0);
    let newest = world.bucket.object(&beacon);
    for _ in 0..8 {
        let report = world.sync(2).unwrap();
        assert!(report.reports.iter().any(|error| error.kind() == ErrorKind::Closed), "{:?}", report.reports);
        assert_eq!(world.bucket.object(&beacon), newest);
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

/// The new code was not shown to anybody yet, and the old one is not to be: one of them has its slot all the time.
#[test]
fn a_code_goes_after_the_one_that_replaces_it_is_there() {
    let turn = || Operation::ReplaceRecoveryCode;
    for moment in turned_by_who_is_gone(76, turn(), None).devices[0].every_moment() {
        let world = turned_by_who_is_gone(76, turn(), Some(moment));
        let of_devices: BTreeSet<_> = (0..3).map(|at| format!("slots/{}", world.id(at))).collect();
        let slots = world.bucket.keys_with("slots/");
        assert!(slots.iter().any(|slot| !of_devices.contains(slot)), "{moment:?}: {slots:?}");
    }
}

/// One is away that published under the older keys alone: a newcomer holds what it had written, and what others wrote since.
#[test]
fn a_newcomer_after_a_turn_holds_what_a_device_wrote_that_is_away() {
    for away in [0, 2] {
        for operation in [Operation::SetPassphrase { passphrase: None }, Operation::ReplaceRecoveryCode] {
            let mut world = World::with_devices(77, 3);
            world.put(away, "before");
            world.sync_all();
            world.gone.insert(away);
            if let Outcome::RecoveryCodeReplaced { recovery_code } = world.run(1, operation).unwrap() {
                world.code = Some(recovery_code);
            }
            world.put(1, "after");
            world.sync_all();
            world.join().unwrap();
            world.check_hourly(4);
            world.check().unwrap_or_else(|why| panic!("{away} is away: {why}"));
        }
    }
}

/// The slot of the code has the lowest id of all here. Who joins by it has keys that all others' slots have.
#[test]
fn who_dies_between_two_slots_shuts_nobody_out() {
    let turn = || Operation::SetPassphrase { passphrase: None };
    for moment in turned_by_who_is_gone(81, turn(), None).devices[0].every_moment() {
        let mut world = turned_by_who_is_gone(81, turn(), Some(moment));
        let slot = Opener::recovery(world.code.as_ref().unwrap()).name().path();
        assert_eq!(world.bucket.keys_with("slots/")[0], slot, "as this seed has it");
        let newcomer = world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.check_hourly(4);
        for at in [1, 2, newcomer] {
            let told = world.full_check(at).unwrap().reports;
            assert!(told.iter().all(|error| error.kind() != ErrorKind::Closed), "{moment:?}: device {at}: {told:?}");
        }
    }
}
