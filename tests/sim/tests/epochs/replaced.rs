//! A code or passphrase that was replaced, and a device that was not told of it: nobody gives it the new keys, or the keys turn
//! once more.

use super::{current, epoch_number, join_with, slot_of};
use tidelock_core::crypto::{RecoveryCode, SlotName};
use tidelock_core::s3::Method;
use tidelock_core::{ErrorKind, OpId, Operation, Request, Secret};
use tidelock_sim::bucket::puts_manifest;
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;
use zeroize::Zeroizing;

fn has_slot(world: &World, code: &RecoveryCode) -> bool {
    world.bucket.object(&slot_of(code)).is_some()
}

fn set(passphrase: Option<&str>) -> Operation {
    Operation::SetPassphrase { passphrase: passphrase.map(|words| Zeroizing::new(words.to_owned())) }
}

fn puts(path: &str) -> impl Fn(&Request) -> bool {
    move |request| request.method == Method::Put && request.url.contains(path)
}

fn puts_slot_but(others: Vec<String>) -> impl Fn(&Request) -> bool {
    move |request| puts("slots/")(request) && others.iter().all(|path| !request.url.contains(path))
}

/// Runs an operation of device 2 to its end, or to where it puts a slot; that one is on its way then.
fn run_until_put(world: &mut World, operation: Operation, path: &str) -> (OpId, Option<Request>) {
    let op = world.start(2, operation);
    (op, world.run_until(2, op, puts(path)))
}

/// The keys have turned so often, all devices have the newest, and the code opens none of them.
fn opens_nothing_new(world: &World, code: &RecoveryCode, turns: u32) {
    let newest = current(world);
    assert!(newest.iter().all(|epoch| epoch.number == 1 + turns), "{newest:?}");
    assert_eq!(newest.len(), 1, "{newest:?}");
    assert!(!has_slot(world, code));
}

/// Device 0 replaces the code; device 2 hears of nothing before it goes on with what it does.
fn replaced_unheard(seed: u64, before: impl FnOnce(&mut World)) -> (World, RecoveryCode) {
    let mut world = World::with_devices(seed, 3);
    let old = world.code.clone().unwrap();
    before(&mut world);
    world.replace_code(0).unwrap();
    (world, old)
}

#[test]
fn who_publishes_all_anew_hears_first_which_code_was_replaced() {
    let (mut world, old) = replaced_unheard(82, |_| {});
    let (_, put) = run_until_put(&mut world, Operation::Republish, &slot_of(&old));
    assert!(put.is_none(), "it hands the new keys to the old code");
    world.sync_all();
    world.check_hourly(3);
    assert!(!has_slot(&world, &old));
    world.check().unwrap();
    world.join().unwrap();
}

#[test]
fn who_takes_up_its_turn_hears_first_which_code_was_replaced() {
    let (mut world, old) = replaced_unheard(83, |world| {
        let op = world.start(2, set(None));
        world.run_until(2, op, puts("keys/")).unwrap();
        world.restart(2);
    });
    let (_, put) = run_until_put(&mut world, Operation::Sync, &slot_of(&old));
    assert!(put.is_none(), "it hands the new keys to the old code");
    world.check_hourly(3);
    assert_eq!(current(&world).len(), 1);
    assert!(!has_slot(&world, &old));
    world.check().unwrap();
    world.join().unwrap();
}

/// What says that the code was replaced is kept from it; the keys it has.
#[test]
fn a_slot_that_is_gone_is_put_again_by_who_knows_that_it_has_the_newest_keys() {
    let (mut world, old) = replaced_unheard(84, |world| {
        world.put_big(0, "page", 30_000);
    });
    world.bucket.hide_all("/segments/");
    for _ in 0..3 {
        world.now_ms += 3_660_000;
        let (_, put) = run_until_put(&mut world, Operation::Check, &slot_of(&old));
        assert!(put.is_none(), "it hands the new keys to the old code");
    }
    let new = slot_of(world.code.as_ref().unwrap());
    let lost = world.bucket.object(&new).unwrap();
    world.bucket.show();
    world.sync_all();
    world.check_hourly(1);
    opens_nothing_new(&world, &old, 1);
    // One that was seen under these keys is put again.
    world.bucket.lose(&new);
    world.gone.insert(0);
    world.check_hourly(1);
    assert_eq!(epoch_number(&world.bucket.object(&new).unwrap()), epoch_number(&lost));
    world.check().unwrap();
    world.join().unwrap();
}

/// It has the keys by the beacon, and the manifest that it names is withheld.
#[test]
fn who_could_not_read_a_manifest_puts_no_slot_again_that_is_gone() {
    let (mut world, old) = replaced_unheard(102, |_| {});
    let manifest = world.manifest_of(0);
    world.bucket.hide(&manifest);
    for _ in 0..2 {
        world.now_ms += 3_660_000;
        let (op, put) = run_until_put(&mut world, Operation::Check, &slot_of(&old));
        assert!(put.is_none(), "it hands the new keys to the old code");
        world.finish(2, op).unwrap();
    }
    world.bucket.show();
    world.check_hourly(2);
    opens_nothing_new(&world, &old, 1);
    world.check().unwrap();
}

/// Whoever may write to the bucket kept it from before; what says that the code was replaced is withheld.
#[test]
fn an_older_slot_that_is_put_back_gets_no_new_keys_from_who_owes_something() {
    let mut older = None;
    let (mut world, old) = replaced_unheard(93, |world| {
        older = world.bucket.object(&slot_of(world.code.as_ref().unwrap()));
        world.put_big(0, "page", 30_000);
    });
    world.bucket.hide_all("/segments/");
    world.bucket.put(&slot_of(&old), older.unwrap());
    world.check_alone(2, 3);
    assert_eq!(epoch_number(&world.bucket.object(&slot_of(&old)).unwrap()), 1);
    world.bucket.show();
    world.sync_all();
    world.check().unwrap();
}

/// Manifest and beacon of before are shown: nothing is missing, but that another states to have read more.
#[test]
fn who_could_have_read_more_puts_no_slot_again_that_is_gone() {
    let mut older = None;
    let (mut world, old) = replaced_unheard(94, |world| older = Some(world.bucket.older()));
    world.put(1, "after");
    world.sync(1).unwrap();
    let older = older.unwrap();
    for path in [world.manifest_of(0), world.bucket.keys_with("/beacon").remove(0)] {
        world.bucket.put(&path, older.object(&path).unwrap());
    }
    for _ in 0..2 {
        world.now_ms += 3_660_000;
        let (op, put) = run_until_put(&mut world, Operation::Check, &slot_of(&old));
        assert!(put.is_none(), "it hands the new keys to the old code");
        world.finish(2, op).unwrap();
    }
    world.check_hourly(2);
    opens_nothing_new(&world, &old, 1);
    world.check().unwrap();
}

/// Device 0 is about to take the old code's slot away, which device 2 finds there meanwhile; it has the new keys.
fn about_to_take_it_away(seed: u64) -> (World, RecoveryCode, OpId, Request) {
    let mut world = World::with_devices(seed, 3);
    let old = world.code.clone().unwrap();
    let op = world.start(0, Operation::ReplaceRecoveryCode);
    let slot = slot_of(&old);
    let takes = |request: &Request| request.method == Method::Delete && request.url.contains(&slot);
    let request = world.run_until(0, op, takes).unwrap();
    (world, old, op, request)
}

#[test]
fn who_learns_that_it_gave_new_keys_to_a_replaced_code_turns_them_again() {
    let (mut world, old, op, request) = about_to_take_it_away(85);
    let (republish, put) = run_until_put(&mut world, Operation::Republish, &slot_of(&old));
    world.arrive(&put.expect("nobody has told it"));
    world.finish(2, republish).unwrap();
    world.break_off(0, &request);
    let replaced = world.finish(0, op).unwrap();
    world.take_code(replaced);
    world.sync_all();
    world.check_hourly(2);
    opens_nothing_new(&world, &old, 2);
    world.check().unwrap();
    world.join().unwrap();
}

/// It dies as it gives them: who replaced the code looks whether that has keys again.
#[test]
fn who_replaced_a_code_sees_that_somebody_gave_it_new_keys() {
    let (mut world, old, op, request) = about_to_take_it_away(86);
    let (_, put) = run_until_put(&mut world, Operation::Republish, &slot_of(&old));
    world.break_off(0, &request);
    let replaced = world.finish(0, op).unwrap();
    world.take_code(replaced);
    world.arrive(&put.expect("nobody has told it"));
    world.gone.insert(2);
    world.restart(2);
    assert_eq!(epoch_number(&world.bucket.object(&slot_of(&old)).unwrap()), 2);
    world.check_hourly(2);
    assert!(!has_slot(&world, &old));
    world.put(0, "after");
    world.sync(0).unwrap();
    let manifest = world.bucket.object(&world.manifest_of(0)).unwrap();
    assert_eq!(epoch_number(&manifest), 3, "what it wrote is sealed under keys that the old code had");
    world.check_hourly(2);
    world.check().unwrap();
    world.join().unwrap();
}

/// It was put back while device 0 was killed, or still about to take it away: it looks before it does.
#[test]
fn who_takes_a_slot_away_looks_whether_it_has_the_new_keys() {
    for is_killed in [false, true] {
        let mut world = World::with_devices(95, 3);
        let old = world.code.clone().unwrap();
        let new_ones = puts_slot_but(vec![world.slot_of(0), world.slot_of(1), world.slot_of(2), slot_of(&old)]);
        let op = world.start(0, Operation::ReplaceRecoveryCode);
        let request = world.run_until(0, op, new_ones).unwrap();
        let (_, put) = run_until_put(&mut world, Operation::Republish, &slot_of(&old));
        world.arrive(&put.expect("nobody has told it"));
        world.gone.insert(2);
        world.restart(2);
        match is_killed {
            true => world.restart(0),
            false => world.break_off(0, &request),
        }
        let replaced = match is_killed {
            true => world.run(0, Operation::ReplaceRecoveryCode),
            false => world.finish(0, op),
        };
        world.take_code(replaced.unwrap());
        assert!(!has_slot(&world, &old), "{is_killed}");
        let manifest = world.bucket.object(&world.manifest_of(0)).unwrap();
        assert_eq!(
            epoch_number(&manifest),
            3,
            "{is_killed}: what it writes is sealed under keys that the old code had"
        );
        world.check_hourly(2);
        world.check().unwrap();
        world.join().unwrap();
    }
}

/// Two replace the code: the first is killed before it has PUT anything, the second before its new code's slot.
fn two_turns_broken_off(seed: u64) -> (World, impl Fn(&Request) -> bool) {
    let mut world = World::with_devices(seed, 2);
    let op = world.start(0, Operation::ReplaceRecoveryCode);
    world.run_until(0, op, puts("keys/")).unwrap();
    world.restart(0);
    let of_people = puts_slot_but(vec![world.slot_of(0), world.slot_of(1)]);
    let op = world.start(1, Operation::ReplaceRecoveryCode);
    world.run_until(1, op, &of_people).unwrap();
    world.restart(1);
    (world, of_people)
}

/// The first goes on with newer keys before the second does; or it is killed once more, and its slots alone tell of them.
#[test]
fn a_code_whose_turn_was_overtaken_has_a_slot_when_it_is_given() {
    for unheard in [false, true] {
        let (mut world, of_people) = two_turns_broken_off(96);
        match unheard {
            false => drop(world.sync(0).unwrap()),
            true => {
                let op = world.start(0, Operation::Sync);
                world.run_until(0, op, of_people).unwrap();
                world.restart(0);
            }
        }
        world.replace_code(1).unwrap();
        world.join().unwrap_or_else(|error| panic!("{unheard}: {error}"));
        world.check_hourly(2);
        world.check().unwrap_or_else(|why| panic!("{unheard}: {why}"));
    }
}

/// Two that may delete nothing replace the code at once, and again: the keys do not turn for ever, and what is left opens nothing
/// new.
#[test]
fn who_may_delete_nothing_turns_keys_no_oftener() {
    let mut world = World::with_devices(100, 3);
    world.bucket.keeps_all = true;
    let old = world.code.clone().unwrap();
    let ops = [0, 1].map(|at| (at, world.start(at, Operation::ReplaceRecoveryCode)));
    for (at, op) in ops {
        let request = world.run_until(at, op, puts("keys/")).unwrap();
        world.break_off(at, &request);
    }
    for (at, op) in ops {
        let replaced = world.finish(at, op).unwrap();
        world.take_code(replaced);
    }
    for _ in 0..20 {
        world.sync_all();
        world.now_ms += 600_000;
    }
    let newest = current(&world);
    assert!(newest.len() == 1 && newest.iter().all(|epoch| epoch.number <= 5), "{newest:?}");
    let left = epoch_number(&world.bucket.object(&slot_of(&old)).unwrap());
    assert!(newest.iter().all(|epoch| epoch.number > left), "{newest:?}, {left}");
    world.check().unwrap();
    world.join().unwrap();
}

/// Whoever may write to the bucket put it there: it is no slot.
#[test]
fn an_endless_object_in_a_replaced_codes_place_ends_no_sync() {
    let (mut world, old) = replaced_unheard(101, |_| {});
    world.bucket.put(&slot_of(&old), vec![0; 100 << 10].into());
    world.check_hourly(2);
    world.replace_code(0).unwrap();
    world.check_hourly(2);
    assert!(current(&world).iter().all(|epoch| epoch.number == 3), "{:?}", current(&world));
    world.revoke(1, 2).unwrap(); // device 0 is told newer keys, and looks
    world.gone.insert(2);
    world.check_hourly(1);
    world.sync_all();
    let before = world.bucket.meter.get;
    world.sync(0).unwrap();
    assert_eq!(world.bucket.meter.get - before, 1, "it is not looked at in every poll");
    world.check().unwrap();
    world.join().unwrap();
}

/// A slot that can't be looked at hides no other.
#[test]
fn a_replaced_codes_slot_is_seen_beside_one_that_the_store_refuses() {
    let mut world = World::with_devices(97, 3);
    let old = world.code.clone().unwrap();
    world.replace_code(0).unwrap();
    let refused = world.slot_of(2);
    world.bucket.refused.insert(refused.clone(), (403, "AccessDenied"));
    world.revoke(0, 2).unwrap();
    world.gone.insert(2);
    let forged = world.bucket.object(&slot_of(world.code.as_ref().unwrap())).unwrap();
    world.bucket.put(&slot_of(&old), forged);
    let told = world.sync(0).unwrap().reports;
    assert!(told.iter().any(|error| error.object() == Some(&refused)), "{told:?}");
    assert!(!has_slot(&world, &old));
    world.check_hourly(1);
    let newest = world.bucket.object(&world.manifest_of(0)).unwrap();
    assert_eq!(epoch_number(&newest), 4, "replaced, revoked, and turned once more");
}

/// Nor does what looks like a revoked device's slot turn them for ever.
#[test]
fn what_looks_like_a_revoked_devices_slot_turns_the_keys_so_often_and_no_more() {
    let mut world = World::with_devices(98, 3);
    let slot = world.slot_of(2);
    world.revoke(0, 2).unwrap();
    world.gone.insert(2);
    let mut numbers = Vec::new();
    for _ in 0..40 {
        for at in [0, 1] {
            let forged = world.bucket.object(&slot_of(world.code.as_ref().unwrap())).unwrap();
            world.bucket.put(&slot, forged);
            world.check_alone(at, 1);
        }
        numbers.push(Keys::of(&world.devices[0].disk).ring.current().number);
    }
    assert!(numbers[5] > 5, "each of them is looked into at first: {numbers:?}");
    assert!(numbers[29..].iter().all(|number| *number == numbers[29]), "{numbers:?}");
    world.sync_all();
    world.check().unwrap();
}

/// It turns keys itself, for it had begun to, and gives them to the old code; the next sync of who replaced that one sees it.
#[test]
fn who_is_told_newer_keys_looks_whether_a_replaced_code_has_them() {
    let (mut world, old) = replaced_unheard(89, |world| {
        let op = world.start(2, set(None));
        world.run_until(2, op, puts("keys/")).unwrap();
        world.restart(2);
        world.put_big(0, "page", 30_000);
    });
    world.bucket.hide_all("/segments/");
    world.sync(2).unwrap();
    assert_eq!(epoch_number(&world.bucket.object(&slot_of(&old)).unwrap()), 3);
    world.bucket.show();
    world.gone.insert(2);
    world.sync(0).unwrap();
    assert!(!has_slot(&world, &old));
    let manifest = world.bucket.object(&world.manifest_of(0)).unwrap();
    assert_eq!(epoch_number(&manifest), 4, "what it writes is sealed under keys that the old code had");
    world.check_hourly(2);
    world.check().unwrap();
    world.join().unwrap();
}

#[test]
fn who_gave_a_replaced_code_nothing_turns_nothing() {
    let mut world = World::with_devices(90, 3);
    let first = world.code.clone().unwrap();
    for turns in 1..4 {
        world.replace_code(0).unwrap();
        world.sync_all();
        world.check_hourly(2);
        opens_nothing_new(&world, &first, turns);
    }
}

/// Whoever may write to the bucket can put there what looks like a slot: it turns the keys once, not every hour. One from before
/// the turn hands on nothing.
#[test]
fn what_looks_like_a_replaced_codes_slot_turns_the_keys_once() {
    let mut world = World::with_devices(87, 3);
    let old = world.code.clone().unwrap();
    let older = world.bucket.object(&slot_of(&old)).unwrap();
    world.replace_code(0).unwrap();
    world.sync_all();
    world.bucket.put(&slot_of(&old), older);
    world.check_hourly(2);
    assert!(current(&world).iter().all(|epoch| epoch.number == 2), "{:?}", current(&world));
    for hours in 0..6 {
        let forged = world.bucket.object(&slot_of(world.code.as_ref().unwrap())).unwrap();
        world.bucket.put(&slot_of(&old), forged);
        world.check_hourly(1);
        let newest = current(&world);
        assert!(newest.iter().all(|epoch| epoch.number <= 3), "{hours}: {newest:?}");
    }
    assert!(current(&world).iter().all(|epoch| epoch.number == 3), "{:?}", current(&world));
    world.check().unwrap();
}

/// Each replaced one is a read at every full check: no more than eight.
#[test]
fn so_many_replaced_codes_are_looked_after_and_no_more() {
    let mut world = World::with_devices(92, 1);
    let mut reads = Vec::new();
    for _ in 0..12 {
        world.replace_code(0).unwrap();
        world.now_ms += 3_660_000;
        let before = world.bucket.meter.get;
        world.full_check(0).unwrap();
        reads.push(world.bucket.meter.get - before);
    }
    assert_eq!(reads[7] - reads[0], 7, "{reads:?}");
    assert!(reads[8..].iter().all(|after| *after == reads[7]), "{reads:?}");
}

/// Its own slot is bad, so it PUTs all again; what says that the passphrase was changed is kept from it.
#[test]
fn who_was_not_told_of_a_new_passphrase_writes_over_no_slot_of_it() {
    let mut world = World::with_devices(91, 3);
    world.run(0, set(Some("correct horse"))).unwrap();
    world.sync_all();
    world.put_big(0, "page", 30_000);
    world.run(0, set(Some("battery staple"))).unwrap();
    world.bucket.hide_all("/segments/");
    world.sync(2).unwrap();
    let (own, new) = (world.slot_of(2), world.bucket.object(SlotName::PASSPHRASE_PATH).unwrap());
    world.bucket.spoil(&own);
    let spoilt = world.bucket.object(&own).unwrap();
    world.check_alone(2, 2);
    assert_ne!(world.bucket.object(&own).unwrap(), spoilt, "it PUTs its own again");
    assert!(world.bucket.object(SlotName::PASSPHRASE_PATH).unwrap() == new);
    world.bucket.show();
    world.sync_all();
    world.check().unwrap();
}

/// All passphrases have one place: by its salt is told whose slot stands there.
#[test]
fn a_replaced_passphrase_that_is_given_new_keys_is_seen() {
    let mut world = World::with_devices(88, 3);
    world.run(0, set(Some("correct horse"))).unwrap();
    world.sync_all();
    let op = world.start(0, set(Some("battery staple")));
    let request = world.run_until(0, op, puts(SlotName::PASSPHRASE_PATH)).unwrap();
    let (_, put) = run_until_put(&mut world, Operation::Republish, SlotName::PASSPHRASE_PATH);
    world.break_off(0, &request);
    world.finish(0, op).unwrap();
    world.arrive(&put.expect("nobody has told it"));
    world.gone.insert(2);
    world.restart(2);
    world.put(1, "after");
    world.now_ms += 3_660_000;
    let op = world.start(0, Operation::Check);
    let manifest = world.run_until(0, op, puts_manifest).unwrap();
    let slot = world.bucket.object(SlotName::PASSPHRASE_PATH).unwrap();
    assert_eq!(epoch_number(&slot), 4, "set, replaced, and turned once more");
    world.break_off(0, &manifest);
    world.finish(0, op).unwrap();
    let secret = |words: &str| Secret::Passphrase(Zeroizing::new(words.to_owned()));
    let refused = join_with(&mut world, secret("correct horse")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongKey, "{refused}");
    join_with(&mut world, secret("battery staple")).unwrap();
    world.check_hourly(2);
    world.check().unwrap();
}

/// Both keep what they were given, and one of them opens nothing.
#[test]
fn of_two_passphrases_set_at_once_the_one_that_did_not_stay_is_told_once() {
    for seed in 90..94 {
        let mut world = World::with_devices(seed, 3);
        let words = ["one horse", "two horses"].map(|words| Zeroizing::new(words.to_owned()));
        let set = |at: usize| Operation::SetPassphrase { passphrase: Some(words[at].clone()) };
        let op = world.start(0, set(0));
        let keys = |request: &Request| request.method == Method::Put && request.url.contains("keys/");
        let put = world.run_until(0, op, keys).unwrap();
        world.run(1, set(1)).unwrap();
        world.break_off(0, &put);
        world.finish(0, op).unwrap();
        let mut told = [0; 3];
        for _ in 0..6 {
            world.now_ms += 3_660_000;
            for (at, told) in told.iter_mut().enumerate() {
                let reports = world.full_check(at).unwrap().reports;
                *told += reports.iter().filter(|error| error.kind() == ErrorKind::WrongKey).count();
            }
        }
        let opens = [0, 1].map(|at| join_with(&mut world, Secret::Passphrase(words[at].clone())).is_ok());
        assert_ne!(opens[0], opens[1], "seed {seed}: one stays");
        assert_eq!(told, [usize::from(!opens[0]), usize::from(!opens[1]), 0], "seed {seed}: {opens:?}");
    }
}
