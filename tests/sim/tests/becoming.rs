//! Becoming a device of a vault: `init` and `join` crashed at every step, two at once, and what stands in their way.

use std::collections::BTreeSet;
use tidelock_core::crypto::Opener;
use tidelock_core::s3::Method;
use tidelock_core::{DeviceId, ErrorKind, OpId, Operation, Outcome, Request, Secret};
use tidelock_sim::bucket::{Conditions, puts_manifest};
use tidelock_sim::device::Moment;
use tidelock_sim::witness::Witness;
use tidelock_sim::world::World;
use zeroize::Zeroizing;

/// Init, killed once at a moment and run again until it ends well.
fn init_killed_at(moment: Option<Moment>) -> World {
    let mut world = World::new(7);
    let at = world.add();
    world.devices[at].kill_at(moment);
    if let Err(error) = world.create_on(at) {
        assert_eq!((error.kind(), moment.is_some()), (ErrorKind::Cancelled, true), "{moment:?}: {error}");
        world.create_on(at).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
    }
    world
}

#[test]
fn init_crashed_at_every_step_ends_in_one_vault() {
    let whole = init_killed_at(None);
    let all = whole.devices[0].every_moment();
    assert!(all.len() > 30, "init has many steps: {}", all.len());
    for moment in all {
        let mut world = init_killed_at(Some(moment));
        // A crash before anything was stored begins anew, with a new code; every other goes on with the old one.
        assert_eq!(world.bucket.keys_with("tidelock").len(), 1, "{moment:?}");
        assert_eq!(world.bucket.keys_with("/manifests/").len(), 1, "{moment:?}");
        world.put(0, "milk");
        let other = world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.put(other, "bread");
        world.sync_all();
        world.check().unwrap_or_else(|why| panic!("{moment:?}: {why}"));
    }
}

#[test]
fn the_code_of_a_crashed_init_is_not_lost() {
    let mut world = init_killed_at(None);
    let code = world.code.clone().unwrap().reveal();
    // Through, and killed before anybody was told.
    world.restart(0);
    world.create_on(0).unwrap();
    assert_eq!(world.code.clone().unwrap().reveal(), code);
    // Whoever syncs has seen it: from here on it is nowhere on this device.
    world.sync(0).unwrap();
    let again = world.create_on(0).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{again}");
}

#[test]
fn an_init_that_resumes_leaves_one_recovery_slot() {
    for moment in init_killed_at(None).devices[0].every_moment() {
        let world = init_killed_at(Some(moment));
        let slots = world.bucket.keys_with("slots/");
        assert_eq!(slots.len(), 2, "{moment:?}: one for the code, one for the device, not {slots:?}");
    }
}

/// A world where a vault holds something, and a device joins it, killed once at a moment.
fn join_killed_at(moment: Option<Moment>) -> World {
    let mut world = World::new(8);
    world.create().unwrap();
    world.put(0, "milk");
    world.append(0);
    world.sync(0).unwrap();
    let at = world.add();
    world.devices[at].kill_at(moment);
    if let Err(error) = world.join_on(at) {
        assert_eq!((error.kind(), moment.is_some()), (ErrorKind::Cancelled, true), "{moment:?}: {error}");
        if let Err(error) = world.join_on(at) {
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{moment:?}: {error}");
        }
    }
    world
}

#[test]
fn join_crashed_at_every_step() {
    let all = join_killed_at(None).devices[1].every_moment();
    assert!(all.len() > 30, "join has many steps: {}", all.len());
    for moment in all {
        let mut world = join_killed_at(Some(moment));
        world.put(1, "bread");
        world.sync(1).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.sync_all();
        world.check().unwrap_or_else(|why| panic!("{moment:?}: {why}"));
        let slots = world.bucket.keys_with("slots/");
        assert!(slots.contains(&world.slot_of(1)), "{moment:?}: the newcomer has no slot");
        let status = world.devices[0].engine.status().unwrap();
        assert!(status.devices.iter().any(|device| device.name.as_deref() == Some("device 1")), "{moment:?}");
        let code = world.code.clone().unwrap();
        Witness::new(&world.bucket, &code).one_body_each(&world.bucket).unwrap_or_else(|why| panic!("{why}"));
    }
}

fn is_put_of_header(request: &Request) -> bool {
    request.method == Method::Put && request.url.ends_with("/tidelock")
}

/// Lets an `init` go on until it has found nothing of a vault, and its first PUT is on its way.
fn finds_nothing(world: &mut World, at: usize) -> OpId {
    let op = world.start(at, Operation::Create { passphrase: None });
    put_is_on_its_way(world, at, op);
    op
}

fn put_is_on_its_way(world: &mut World, at: usize, op: OpId) {
    let put = world.run_until(at, op, |request| request.method == Method::Put).unwrap();
    world.devices[at].sent.push(put);
}

/// Two devices that both found no vault and are about to PUT their headers, in every order of what follows.
fn two_inits(conditions: Conditions, first: usize, late: bool) {
    let mut world = World::new(9);
    world.bucket.conditions = conditions;
    let (a, b) = (world.add(), world.add());
    let ops = [a, b].map(|at| finds_nothing(&mut world, at));
    let headers = [a, b].map(|at| world.run_until(at, ops[at], is_put_of_header).unwrap());
    let second = 1 - first;
    let answer = |world: &mut World, at: usize| {
        let now_ms = world.now_ms;
        let response = world.bucket.answer(&headers[at], now_ms, &mut world.random);
        let now = world.devices[at].now(now_ms);
        world.devices[at].engine.handle_response(headers[at].id, response, now);
        world.devices[at].drain(now_ms);
    };
    answer(&mut world, first);
    if !late {
        answer(&mut world, second); // both within the two seconds before they read back
    }
    let first_result = world.finish(first, ops[first]);
    if late {
        answer(&mut world, second);
    }
    let second_result = world.finish(second, ops[second]);

    let won: Vec<usize> = [(first, &first_result), (second, &second_result)]
        .iter()
        .filter(|(_, result)| result.is_ok())
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(won.len(), 1, "{conditions:?}: exactly one wins: {first_result:?}, {second_result:?}");
    let lost = if won[0] == first { &second_result } else { &first_result };
    assert_eq!(lost.as_ref().unwrap_err().kind(), ErrorKind::AlreadyExists);
    let winner = world.devices[won[0]].engine.status().unwrap().vault.unwrap();
    let header = String::from_utf8(world.bucket.object("tidelock").unwrap().to_vec()).unwrap();
    assert!(header.contains(&winner.to_string()), "the winner's header stands");
}

#[test]
fn two_init_at_once() {
    for first in [0, 1] {
        two_inits(Conditions::Kept, first, false);
        two_inits(Conditions::Kept, first, true);
        two_inits(Conditions::Ignored, first, false);
        two_inits(Conditions::Refused, first, false);
    }
}

#[test]
fn the_loser_of_two_init_keeps_its_local_data_and_may_join() {
    let mut world = World::new(10);
    let (a, b) = (world.add(), world.add());
    let won = finds_nothing(&mut world, a);
    let op = world.start(b, Operation::Create { passphrase: None });
    let header = world.run_until(b, op, is_put_of_header).unwrap();
    // Its keys are there: it may write.
    world.put(b, "written before anybody knew");
    world.put(b, "deleted in time");
    world.delete(b, "deleted in time");
    let entry = world.append(b).unwrap();
    let gone = world.append(b).unwrap();
    world.delete_entry(b, &gone);
    let created = world.finish(a, won).unwrap();
    world.take_code(created);
    world.break_off(b, &header);
    assert_eq!(world.finish(b, op).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(world.standing(b, "written before anybody knew").len(), 1, "local data stays");
    world.restart(b);
    assert!(world.log_of(b).contains_key(&entry));
    world.join_on(b).unwrap();
    world.put(a, "milk");
    world.sync_all();
    world.check().unwrap();
    // What it wrote then is its own like everything else: others' writes replace it, and it is known by its name.
    world.put(a, "written before anybody knew");
    world.delete_entry(a, &entry);
    world.sync_all();
    world.check().unwrap();
    let names: Vec<_> =
        world.devices[a].engine.status().unwrap().devices.into_iter().map(|device| device.name).collect();
    assert!(names.contains(&Some("device 1".to_owned())), "{names:?}");
    assert_eq!(world.bucket.keys_with(&world.slot_of(b)).len(), 1);
}

/// Somebody puts the bucket back whenever a newcomer has published itself. It stops, and goes on when a person joins again:
/// there is nothing yet that it could republish.
#[test]
fn a_join_that_was_rolled_back_goes_on_when_it_is_run_again() {
    let mut world = World::new(16);
    world.create().unwrap();
    let others = world.manifest_of(0);
    let newcomer = world.add();
    let mut ends = Vec::new();
    while !ends.contains(&ErrorKind::RolledBack) {
        assert!(ends.len() < 5, "{ends:?}");
        let (secret, now_ms) = (Secret::Recovery(world.code.clone().unwrap()), world.now_ms);
        let op = world.devices[newcomer].start(Operation::Join { secret }, now_ms);
        let slot = |request: &Request| request.method == Method::Put && request.url.contains("/slots/");
        if world.run_until(newcomer, op, slot).is_some() {
            world.restart(newcomer);
            ends.push(ErrorKind::Cancelled);
        } else {
            ends.push(world.finish(newcomer, op).unwrap_err().kind());
        }
        for manifest in world.bucket.keys_with("/manifests/").into_iter().filter(|key| *key != others) {
            world.bucket.lose(&manifest);
        }
    }
    let puts = world.bucket.meter.put;
    let refused = world.run(newcomer, Operation::Republish).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(refused.hint().unwrap().contains("join"), "{refused:?}");
    assert_eq!(world.bucket.meter.put, puts, "it publishes nothing");
    world.join_on(newcomer).unwrap();
    world.put(newcomer, "bread");
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn what_is_written_while_init_or_join_is_under_way_goes_with_it() {
    let mut world = World::new(15);
    let a = world.add();
    let op = world.start(a, Operation::Create { passphrase: None });
    let held = world.run_until(a, op, |request| request.url.contains("/slots/")).unwrap();
    world.put(a, "early");
    world.break_off(a, &held);
    let created = world.finish(a, op).unwrap();
    world.take_code(created);
    let b = world.add();
    let secret = Secret::Recovery(world.code.clone().unwrap());
    let op = world.start(b, Operation::Join { secret });
    let held = world.run_until(b, op, |request| request.url.contains("/probes/")).unwrap();
    world.put(b, "early too");
    world.break_off(b, &held);
    world.finish(b, op).unwrap();
    world.sync_all();
    world.check().unwrap();
    for at in [a, b] {
        let devices = world.devices[at].engine.status().unwrap().devices;
        let names: BTreeSet<_> = devices.into_iter().filter_map(|device| device.name).collect();
        assert_eq!(names.len(), 2, "both have listed themselves: {names:?}");
    }
}

#[test]
fn a_device_joining_while_anothers_delete_is_collected() {
    // The newcomer's empty vector is there before it reads any state: whatever point of its join the others collect at,
    // no deleted value comes back and none stays with the newcomer.
    let whole = {
        let mut world = World::with_devices(11, 2);
        let at = world.add();
        world.devices[at].kill_at(None);
        world.join_on(at).unwrap();
        world.devices[at].moments().1
    };
    for stop in 0..whole {
        let mut world = World::with_devices(11, 2);
        world.put(0, "gone");
        world.put(1, "kept");
        world.sync_all();
        world.delete(0, "gone");
        world.sync(0).unwrap();
        let at = world.add();
        let code = world.code.clone().unwrap();
        let op = world.start(at, Operation::Join { secret: Secret::Recovery(code) });
        for _ in 0..stop {
            world.step(at);
        }
        for _ in 0..3 {
            world.full_check(1).unwrap();
            world.full_check(0).unwrap();
        }
        world.finish(at, op).unwrap_or_else(|error| panic!("stopped at {stop}: {error}"));
        world.put(at, "new");
        world.sync_all();
        world.check().unwrap_or_else(|why| panic!("stopped at {stop}: {why}"));
        world.heal(3).unwrap();
        world.check().unwrap_or_else(|why| panic!("stopped at {stop}, later: {why}"));
    }
}

#[test]
fn a_lost_header_is_put_again() {
    let mut world = World::with_devices(12, 2);
    world.bucket.lose("tidelock");
    world.now_ms += 8 * 24 * 3600 * 1000; // looked for weekly
    world.full_check(1).unwrap();
    assert!(world.bucket.object("tidelock").is_some());
    world.join().unwrap();
    world.put(2, "milk");
    world.sync_all();
    world.check().unwrap();
}

/// The header is looked at before anything goes.
#[test]
fn nothing_is_swept_beside_another_vaults_header() {
    let other = World::with_devices(13, 1);
    let mut world = World::with_devices(18, 2);
    let unnamed = world.manifest_of(0).replace("/manifests/", "/segments/") + "/00112233445566778899aabbccddeeff";
    world.bucket.put(&unnamed, bytes::Bytes::new());
    let week = |world: &mut World| {
        world.now_ms += 8 * 24 * 3600 * 1000;
        world.full_check(1)
    };
    week(&mut world).unwrap(); // finds it for the first time
    let header = world.bucket.object("tidelock").unwrap();
    world.bucket.put("tidelock", other.bucket.object("tidelock").unwrap());
    let error = week(&mut world).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert!(world.bucket.object(&unnamed).is_some());
    world.bucket.put("tidelock", header);
    week(&mut world).unwrap();
    assert!(world.bucket.object(&unnamed).is_none(), "by then it goes");
}

/// Others know it from its first manifest on. Who was told stays so, whatever else it is shown, and PUTs nothing.
#[test]
fn who_is_revoked_half_way_through_a_join_joins_no_more() {
    let mut world = World::with_devices(19, 2);
    let others = world.bucket.keys_with("/manifests/");
    let newcomer = world.add();
    let join = |world: &World| Operation::Join { secret: Secret::Recovery(world.code.clone().unwrap()) };
    let (operation, now_ms) = (join(&world), world.now_ms);
    let op = world.devices[newcomer].start(operation, now_ms);
    let slot = |request: &Request| request.method == Method::Put && request.url.contains("/slots/");
    world.run_until(newcomer, op, slot).unwrap();
    world.restart(newcomer);
    let manifest = world.bucket.keys_with("/manifests/").into_iter().find(|path| !others.contains(path)).unwrap();
    let device = DeviceId::from_hex(manifest.rsplit('/').next().unwrap()).unwrap();
    world.run(0, Operation::RevokeDevice { device }).unwrap();
    world.gone.insert(newcomer);
    let puts = world.bucket.meter.put;
    for hidden in [false, true] {
        if hidden {
            world.bucket.hide_all("/manifests/");
        }
        let operation = join(&world);
        let refused = world.run(newcomer, operation).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Revoked, "hidden {hidden}: {refused}");
        assert_eq!(world.bucket.meter.put, puts, "hidden {hidden}");
    }
    world.bucket.show();
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn objects_of_another_vault_are_refused() {
    let mut other = World::with_devices(13, 2);
    let mut world = World::with_devices(14, 2);
    other.put(0, "theirs");
    world.put(0, "ours");
    other.sync_all();
    world.sync_all();
    // Theirs stand under our names: manifest, beacon, and a manifest of a device that we never heard of.
    let ours = world.bucket.keys_with("/manifests/");
    let theirs = other.bucket.keys_with("/manifests/");
    let beacons = (world.bucket.keys_with("/beacon"), other.bucket.keys_with("/beacon"));
    let stranger = format!("{}/{}", ours[0].rsplit_once('/').unwrap().0, other.id(0));
    let own = world.manifest_of(0);
    world.bucket.put(&own, other.bucket.object(&theirs[0]).unwrap());
    world.bucket.put(&stranger, other.bucket.object(&theirs[1]).unwrap());
    world.bucket.put(&beacons.0[0], other.bucket.object(&beacons.1[0]).unwrap());
    let report = world.full_check(1).unwrap();
    assert!(report.reports.iter().any(|error| error.kind() == ErrorKind::Corrupt), "{:?}", report.reports);
    world.put(1, "more");
    world.heal(3).unwrap();
    world.check().unwrap();

    // Their header: nothing more is written.
    world.bucket.put("tidelock", other.bucket.object("tidelock").unwrap());
    for beacon in &beacons.0 {
        world.bucket.lose(beacon);
    }
    let puts = world.bucket.meter.put;
    let error = world.sync(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert_eq!(world.bucket.meter.put, puts, "a vault of others gets nothing of ours");
}

#[test]
fn the_loser_of_two_init_brings_no_slot_of_its_lost_vault() {
    let mut world = World::new(17);
    let (winner, loser) = (world.add(), world.add());
    let won = finds_nothing(&mut world, winner);
    let op = world.start(loser, Operation::Create { passphrase: None });
    let header = world.run_until(loser, op, is_put_of_header).unwrap();
    let created = world.finish(winner, won).unwrap();
    world.take_code(created);
    world.break_off(loser, &header);
    world.finish(loser, op).unwrap_err();
    world.join_on(loser).unwrap();
    world.bucket.lose_all("slots/"); // the lost vault's are there for ever
    let Outcome::RecoveryCodeReplaced { recovery_code } = world.run(winner, Operation::ReplaceRecoveryCode).unwrap()
    else {
        panic!("another outcome")
    };
    let devices = [winner, loser].map(|at| world.slot_of(at));
    let wanted = devices.into_iter().chain([Opener::recovery(&recovery_code).name().path()]);
    assert_eq!(world.bucket.keys_with("slots/").into_iter().collect::<BTreeSet<_>>(), wanted.collect());
}

#[test]
fn a_store_that_was_joining_another_vault_brings_nothing_of_it() {
    let mut other = World::with_devices(18, 1);
    other.put(0, "theirs");
    other.append(0);
    other.sync(0).unwrap();
    let at = other.add();
    let (secret, now_ms) = (Secret::Recovery(other.code.clone().unwrap()), other.now_ms);
    let op = other.devices[at].start(Operation::Join { secret }, now_ms);
    other.run_until(at, op, |request| request.method == Method::Put && request.url.contains("/slots/")).unwrap();
    other.check_one(at).unwrap(); // it has pulled
    let mut world = World::with_devices(19, 1);
    let newcomer = world.add_with(other.devices[at].disk.copy());
    world.join_on(newcomer).unwrap();
    world.sync_all();
    world.check().unwrap();
    let known: Vec<_> = world.devices[0].engine.status().unwrap().devices.into_iter().map(|device| device.id).collect();
    assert_eq!(known.len(), 2, "{known:?}");
}

/// Both go on with the id that they had begun to join with.
#[test]
fn a_store_copied_in_the_middle_of_join_becomes_a_device_of_its_own() {
    let mut world = World::with_devices(20, 1);
    let first = world.add();
    let (secret, now_ms) = (Secret::Recovery(world.code.clone().unwrap()), world.now_ms);
    let op = world.devices[first].start(Operation::Join { secret }, now_ms);
    let held = world.run_until(first, op, puts_manifest).unwrap();
    let copied = world.devices[first].disk.copy();
    let copy = world.add_with(copied);
    world.break_off(first, &held);
    world.finish(first, op).unwrap();
    world.put(first, "of the first");
    world.sync(first).unwrap();
    world.gone.insert(first);
    world.join_on(copy).unwrap();
    assert_ne!(world.id(first), world.id(copy));
    world.put(copy, "of the copy");
    world.sync_all();
    world.check().unwrap();
}

/// A newcomer that has opened its code's slot, and is about to publish itself.
fn joining(world: &mut World) -> (usize, OpId, Request) {
    let at = world.add();
    let secret = Secret::Recovery(world.code.clone().unwrap());
    let op = world.start(at, Operation::Join { secret });
    let held = world.run_until(at, op, puts_manifest).expect("it publishes itself");
    (at, op, held)
}

/// The keys turned while it was off: it is given the new ones, and goes on with those.
#[test]
fn a_join_that_was_broken_off_goes_on_with_the_keys_of_the_new_code() {
    let mut world = World::with_devices(21, 1);
    world.put(0, "milk");
    world.sync(0).unwrap();
    let (at, ..) = joining(&mut world);
    world.restart(at);
    world.replace_code(0).unwrap();
    world.join_on(at).unwrap();
    world.put(at, "bread");
    world.check_hourly(3);
    world.check().unwrap();
}

/// Its header comes last: that there is none yet says nothing.
#[test]
fn an_init_that_broke_off_goes_on_a_day_later() {
    let mut world = World::new(25);
    let at = world.add();
    let op = world.start(at, Operation::Create { passphrase: None });
    world.run_until(at, op, puts_manifest).expect("it publishes itself");
    world.restart(at);
    world.now_ms += 25 * 3_600_000;
    world.create_on(at).unwrap();
    world.put(at, "milk");
    world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
}

/// The code opened the keys of before; whoever turned them could not know yet of a device to hand them to.
#[test]
fn a_join_takes_the_keys_that_turned_while_it_was_at_it() {
    let mut world = World::with_devices(23, 1);
    world.put(0, "milk");
    world.sync(0).unwrap();
    let (at, op, held) = joining(&mut world);
    let passphrase = Some(Zeroizing::new("correct horse".to_owned()));
    world.run(0, Operation::SetPassphrase { passphrase }).unwrap();
    world.put(0, "after the turn");
    world.sync(0).unwrap();
    world.break_off(at, &held);
    world.finish(at, op).unwrap();
    let report = world.sync(at).unwrap();
    assert_eq!(report.reports, []);
    world.put(at, "bread");
    world.sync_all();
    world.check().unwrap();
}

/// The code was replaced since it opened its slot: it opens nothing any more.
#[test]
fn a_join_ends_where_its_code_was_replaced_while_it_was_at_it() {
    let mut world = World::with_devices(24, 1);
    let (at, op, held) = joining(&mut world);
    world.replace_code(0).unwrap();
    world.break_off(at, &held);
    let ended = world.finish(at, op).unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::WrongKey, "{ended}");
    world.join_on(at).unwrap();
    world.put(at, "bread");
    world.sync_all();
    world.check().unwrap();
}

/// What `init` was told last opens the vault, before and after the keys turn; what it was told before opens nothing.
#[test]
fn an_init_that_is_run_again_forgets_the_passphrase_of_before() {
    let phrase = |text: Option<&str>| text.map(|text| Zeroizing::new(text.to_owned()));
    for (first, second) in [(Some("abandoned"), Some("chosen")), (Some("abandoned"), None), (None, Some("chosen"))] {
        let mut world = World::new(22);
        let at = world.add();
        let create = Operation::Create { passphrase: phrase(first) };
        let op = world.start(at, create);
        world.run_until(at, op, is_put_of_header).expect("its header comes last");
        world.restart(at);
        let created = world.run(at, Operation::Create { passphrase: phrase(second) }).unwrap();
        world.take_code(created);
        for turned in [false, true] {
            if turned {
                world.sync(at).unwrap();
                world.run(at, Operation::ReplaceRecoveryCode).unwrap();
            }
            for (tried, opens) in [(second, true), (first, false)] {
                let Some(passphrase) = phrase(tried) else { continue };
                let newcomer = world.add();
                let joined = world.run(newcomer, Operation::Join { secret: Secret::Passphrase(passphrase) });
                assert_eq!(joined.is_ok(), opens, "{first:?} {second:?} turned {turned}: {joined:?}");
            }
        }
    }
}

/// The one that loses has its passphrase's slot on its way when the winner has put its own; or that comes days later.
#[test]
fn the_passphrase_of_an_init_that_lost_does_not_stay() {
    let secret = |words: &str| Some(Zeroizing::new(words.to_owned()));
    for late in [false, true] {
        let mut world = World::new(31);
        let [winner, loser] = [world.add(), world.add()];
        let slot = |request: &Request| request.method == Method::Put && request.url.contains("slots/passphrase");
        let won = world.start(winner, Operation::Create { passphrase: secret("correct horse") });
        put_is_on_its_way(&mut world, winner, won);
        let lost = world.start(loser, Operation::Create { passphrase: secret("battery staple") });
        let losers = world.run_until(loser, lost, slot).unwrap();
        let header = |request: &Request| request.method == Method::Put && request.url.ends_with("/tidelock");
        let winners = world.run_until(winner, won, header).unwrap();
        let put = |world: &mut World| world.bucket.answer(&losers, world.now_ms, &mut world.random);
        let early = (!late).then(|| put(&mut world));
        world.break_off(winner, &winners);
        world.finish(winner, won).unwrap();
        let answer = early.unwrap_or_else(|| {
            let answer = put(&mut world);
            world.check_alone(winner, 8 * 24);
            answer
        });
        let now = world.devices[loser].now(world.now_ms);
        world.devices[loser].engine.handle_response(losers.id, answer, now);
        let refused = world.finish(loser, lost).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
        world.gone.insert(loser);
        let newcomer = world.add();
        world.run(newcomer, Operation::Join { secret: Secret::Passphrase(secret("correct horse").unwrap()) }).unwrap();
        world.put(newcomer, "in");
        world.sync_all();
        world.check().unwrap();
    }
}
