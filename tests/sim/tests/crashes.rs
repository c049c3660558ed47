//! A device killed at every boundary of its effects (before a commit, before a request arrives, before its answer comes), in
//! fifty scenarios: what was written stays, and everybody comes to hold the same.

use tidelock_core::{DeviceId, ErrorKind, Operation, Outcome};
use tidelock_sim::bucket::Conditions;
use tidelock_sim::device::{Disk, Moment};
use tidelock_sim::world::World;
use zeroize::Zeroizing;

const HOUR_MS: u64 = 3_600_000;
/// Who is killed; device 0 made the vault and stays.
const VICTIM: usize = 1;
/// Two segments' worth.
const BIG: usize = 40_000;

/// What is so before the operation.
type Before = fn(&mut World);
/// The operation in which the victim is killed.
type Act = fn(&World) -> Operation;

fn sync(_: &World) -> Operation {
    Operation::Sync
}
fn check(_: &World) -> Operation {
    Operation::Check
}
fn push(_: &World) -> Operation {
    Operation::Push
}
fn pull(_: &World) -> Operation {
    Operation::Pull
}

fn quiet(_: &mut World) {}

fn small_writes(world: &mut World) {
    world.put(VICTIM, "milk");
    world.put(VICTIM, "bread");
    world.append(VICTIM);
}

fn voids(world: &mut World) {
    world.put(VICTIM, "milk");
    world.put(VICTIM, "milk"); // the one before becomes a void
    world.delete(VICTIM, "milk");
}

fn big_writes(world: &mut World) {
    for key in ["page", "leaf"] {
        world.put_big(VICTIM, key, BIG);
    }
}

fn deletes(world: &mut World) {
    for at in [0, VICTIM] {
        world.put(at, &format!("by {at}"));
        world.append(at);
    }
    world.sync_all();
    world.delete(VICTIM, "by 0");
    world.delete_some_entry(VICTIM);
}

fn conflict(world: &mut World) {
    world.put(0, "milk");
    world.put(VICTIM, "milk");
    world.sync_all();
    world.resolve(VICTIM, "milk", Some("value resolved"));
}

fn small_news(world: &mut World) {
    world.put(0, "milk");
    world.append(2);
    world.sync(0).unwrap();
    world.sync(2).unwrap();
}

fn big_news(world: &mut World) {
    for at in [0, 2] {
        for key in ["page", "leaf"] {
            world.put_big(at, &format!("{key} {at}"), BIG);
        }
        world.sync(at).unwrap();
    }
}

fn news_both_ways(world: &mut World) {
    big_news(world);
    big_writes(world);
    world.put(VICTIM, "page 0");
}

/// So much that snapshots are written, logs trimmed and superseded objects deleted.
fn long_history(world: &mut World) {
    for round in 0..6 {
        for at in [0, 2] {
            world.put_big(at, &format!("page {}", round % 3), BIG);
            world.append(at);
            world.sync(at).unwrap();
        }
        world.now_ms += HOUR_MS;
        world.full_check(round % 2 * 2).unwrap();
    }
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
}

/// The same, of the victim: its next check snapshots, trims and sweeps.
fn long_own_history(world: &mut World) {
    for round in 0..6 {
        world.put_big(VICTIM, &format!("page {}", round % 3), BIG);
        world.append(VICTIM);
        world.sync(VICTIM).unwrap();
    }
    world.delete(VICTIM, "page 0");
    world.sync_all();
    world.now_ms += 8 * 24 * HOUR_MS;
}

fn manifest_lost(world: &mut World) {
    small_writes(world);
    world.sync(VICTIM).unwrap();
    let path = world.manifest_of(VICTIM);
    world.bucket.lose(&path);
    world.now_ms += 2 * HOUR_MS;
}

/// Others miss a segment of the victim's, and have said so.
fn segment_lost(world: &mut World) {
    big_writes(world);
    world.sync(VICTIM).unwrap();
    for path in world.bucket.keys_with(&format!("/segments/{}", world.id(VICTIM))) {
        world.bucket.lose(&path);
    }
    for _ in 0..12 {
        for at in [0, 2] {
            world.now_ms += HOUR_MS;
            world.full_check(at).unwrap();
        }
    }
}

fn segments_late(world: &mut World) {
    big_news(world);
    for path in world.bucket.keys_with("/segments/") {
        world.bucket.hide_until(&path, world.now_ms + HOUR_MS);
    }
    let _ = world.sync(VICTIM);
    world.now_ms += 2 * HOUR_MS;
}

fn beacon_lost(world: &mut World) {
    small_news(world);
    small_writes(world);
    let path = world.bucket.keys_with("/beacon").remove(0);
    world.bucket.lose(&path);
}

/// A copy of the victim's store has published: the victim leaves its id.
fn copied(world: &mut World) {
    small_writes(world);
    let copy = world.devices[VICTIM].disk.copy();
    let twin = world.add_with(copy);
    world.put(twin, "twin");
    world.append(twin);
    world.sync(twin).unwrap();
    world.put(VICTIM, "milk");
}

fn rolled_back(world: &mut World) {
    let older = world.bucket.older();
    small_writes(world);
    world.sync_all();
    world.bucket.roll_back(&older);
    world.now_ms += 2 * HOUR_MS;
}

fn retired(world: &mut World) {
    small_writes(world);
    let device = world.id(2);
    world.run(VICTIM, Operation::RetireDevice { device }).unwrap();
    world.put(2, "back");
    world.sync(2).unwrap();
}

fn keys_turned(world: &mut World) {
    small_writes(world);
    world.replace_code(0).unwrap();
}

fn newcomer(world: &mut World) {
    world.join().unwrap();
    small_writes(world);
}

fn out_of_use(world: &mut World) {
    small_news(world);
    world.sync_all();
    world.gone.insert(2);
}

fn retire(world: &World) -> Operation {
    Operation::RetireDevice { device: world.id(2) }
}
fn revoke(world: &World) -> Operation {
    Operation::RevokeDevice { device: world.id(2) }
}
fn replace_code(_: &World) -> Operation {
    Operation::ReplaceRecoveryCode
}
fn set_passphrase(_: &World) -> Operation {
    Operation::SetPassphrase { passphrase: Some(Zeroizing::new("correct horse battery".to_owned())) }
}
fn republish(_: &World) -> Operation {
    Operation::Republish
}

const SCENARIOS: &[(&str, Conditions, Before, Act)] = &[
    ("nothing to do, sync", Conditions::Kept, quiet, sync),
    ("nothing to do, check", Conditions::Kept, quiet, check),
    ("small writes, push", Conditions::Kept, small_writes, push),
    ("small writes, sync", Conditions::Kept, small_writes, sync),
    ("small writes, check", Conditions::Kept, small_writes, check),
    ("small writes, conditions ignored", Conditions::Ignored, small_writes, sync),
    ("small writes, conditions refused", Conditions::Refused, small_writes, sync),
    ("voids, sync", Conditions::Kept, voids, sync),
    ("voids, push", Conditions::Kept, voids, push),
    ("big writes, push", Conditions::Kept, big_writes, push),
    ("big writes, check", Conditions::Kept, big_writes, check),
    ("big writes, conditions ignored", Conditions::Ignored, big_writes, sync),
    ("big writes, conditions refused", Conditions::Refused, big_writes, sync),
    ("deletes, sync", Conditions::Kept, deletes, sync),
    ("deletes, check", Conditions::Kept, deletes, check),
    ("a conflict resolved, sync", Conditions::Kept, conflict, sync),
    ("a conflict resolved, conditions ignored", Conditions::Ignored, conflict, check),
    ("small news, pull", Conditions::Kept, small_news, pull),
    ("small news, sync", Conditions::Kept, small_news, sync),
    ("small news, conditions refused", Conditions::Refused, small_news, check),
    ("big news, pull", Conditions::Kept, big_news, pull),
    ("big news, check", Conditions::Kept, big_news, check),
    ("news both ways, sync", Conditions::Kept, news_both_ways, sync),
    ("news both ways, check", Conditions::Kept, news_both_ways, check),
    ("news both ways, conditions ignored", Conditions::Ignored, news_both_ways, sync),
    ("a long history, pull", Conditions::Kept, long_history, pull),
    ("a long history, sync", Conditions::Kept, long_history, sync),
    ("a long history, check", Conditions::Kept, long_history, check),
    ("a long history of its own, sync", Conditions::Kept, long_own_history, sync),
    ("a long history of its own, check", Conditions::Kept, long_own_history, check),
    ("a long history of its own, conditions ignored", Conditions::Ignored, long_own_history, check),
    ("its manifest lost, sync", Conditions::Kept, manifest_lost, sync),
    ("its manifest lost, check", Conditions::Kept, manifest_lost, check),
    ("its segment lost, sync", Conditions::Kept, segment_lost, sync),
    ("its segment lost, check", Conditions::Kept, segment_lost, check),
    ("others' segments late, sync", Conditions::Kept, segments_late, sync),
    ("others' segments late, check", Conditions::Kept, segments_late, check),
    ("the beacon lost, sync", Conditions::Kept, beacon_lost, sync),
    ("its store copied, sync", Conditions::Kept, copied, sync),
    ("its store copied, check", Conditions::Kept, copied, check),
    ("its store copied, conditions ignored", Conditions::Ignored, copied, check),
    ("the bucket rolled back, check", Conditions::Kept, rolled_back, check),
    ("the bucket rolled back, republish", Conditions::Kept, rolled_back, republish),
    ("a retired device is back, check", Conditions::Kept, retired, check),
    ("the keys turned, sync", Conditions::Kept, keys_turned, sync),
    ("a newcomer, check", Conditions::Kept, newcomer, check),
    ("retire", Conditions::Kept, out_of_use, retire),
    ("revoke", Conditions::Kept, out_of_use, revoke),
    ("revoke, conditions ignored", Conditions::Ignored, out_of_use, revoke),
    ("replace the recovery code", Conditions::Kept, small_writes, replace_code),
    ("set a passphrase", Conditions::Kept, small_writes, set_passphrase),
];

/// Three devices; then the scenario, with the victim killed at a moment. Gives its id from before as well.
fn played(scenario: usize, paged: bool, moment: Option<Moment>) -> (World, DeviceId) {
    let (name, conditions, before, act) = SCENARIOS[scenario];
    let mut world = World::new(90 + scenario as u64);
    world.bucket.conditions = conditions;
    world.create().unwrap();
    let disk = if paged { Disk::paged() } else { Disk::default() };
    let victim = world.add_with(disk);
    world.join_on(victim).unwrap();
    assert_eq!(victim, VICTIM);
    let id = world.id(VICTIM);
    world.join().unwrap();
    world.put(VICTIM, "from the start");
    world.sync_all();
    world.devices[VICTIM].holds_pages = paged; // from here on a kill may come between a commit and its flush
    before(&mut world);
    world.devices[VICTIM].kill_at(moment);
    let operation = act(&world);
    match world.run(VICTIM, operation.clone()) {
        Err(error) if error.kind() == ErrorKind::Cancelled && moment.is_some() => {
            // A person tries again what was killed; others sync anyway.
            if matches!(operation, Operation::ReplaceRecoveryCode | Operation::RetireDevice { .. }) {
                let again = world.run(VICTIM, operation).unwrap_or_else(|error| panic!("{name}, {moment:?}: {error}"));
                took(&mut world, again);
            }
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Forked, "{name}, {moment:?}: {error}"),
        Ok(outcome) => took(&mut world, outcome),
    }
    (world, id)
}

/// Few operations give a code.
fn took(world: &mut World, outcome: Outcome) {
    if let Outcome::RecoveryCodeReplaced { .. } = outcome {
        world.take_code(outcome);
    }
}

/// Gives how many commits were gone with the victim's process.
fn converges(scenario: usize, paged: bool, moment: Option<Moment>) -> usize {
    let (mut world, id) = played(scenario, paged, moment);
    let victim = &mut world.devices[VICTIM];
    let lost_commits = victim.lost_commits;
    victim.holds_pages = false;
    victim.store_pages(victim.unstored(), world.now_ms);
    victim.drain(world.now_ms);
    world.settle();
    let healed = world.heal(4).map_err(|error| error.to_string()).and_then(|()| world.check());
    let result = healed.and_then(|()| {
        let newcomer = world.join().map_err(|error| format!("a newcomer: {error}"))?;
        world.full_check(newcomer).map_err(|error| format!("a newcomer: {error}"))?;
        world.check_one(newcomer)?;
        // Who has PUT what was not durable, and forgot it, takes its own manifest for a copy's, and leaves its id.
        if paged && world.id(VICTIM) != id { Err("the victim left its id".to_owned()) } else { Ok(()) }
    });
    result.unwrap_or_else(|why| panic!("{}, paged: {paged}, {moment:?}: {why}", SCENARIOS[scenario].0));
    lost_commits
}

fn killed_at_every_boundary(scenarios: impl Iterator<Item = usize>, paged: bool) {
    let (mut boundaries, mut unflushed) = (0, 0);
    for scenario in scenarios {
        let moments = played(scenario, paged, None).0.devices[VICTIM].every_moment();
        boundaries += moments.len();
        assert!(!moments.is_empty(), "{} does nothing", SCENARIOS[scenario].0);
        converges(scenario, paged, None);
        for moment in moments {
            unflushed += usize::from(converges(scenario, paged, Some(moment)) > 0);
        }
    }
    println!("{boundaries} boundaries, {unflushed} of them between a commit and its flush");
    assert_eq!(unflushed > 0, paged);
}

#[test]
fn there_are_fifty_scenarios() {
    let names: std::collections::BTreeSet<_> = SCENARIOS.iter().map(|(name, ..)| name).collect();
    assert!(names.len() == SCENARIOS.len() && names.len() >= 50);
}

#[test]
fn killed_at_every_boundary_of_the_first_half() {
    killed_at_every_boundary(0..SCENARIOS.len() / 2, false);
}

#[test]
fn killed_at_every_boundary_of_the_second_half() {
    killed_at_every_boundary(SCENARIOS.len() / 2..SCENARIOS.len(), false);
}

#[test]
fn killed_at_every_boundary_on_a_store_of_pages() {
    // The copy of a store of pages is what was stored: the scenarios with copies are played above.
    let copies = |scenario: &usize| SCENARIOS[*scenario].2 as usize == copied as Before as usize;
    killed_at_every_boundary((0..SCENARIOS.len()).filter(|scenario| !copies(scenario)), true);
}
