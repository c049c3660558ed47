//! Revoking a device, by real engines: what it opens, what of it counts, and for whom; killed at every step, by two at once,
//! of each other, against forgeries, and taken back by hand.

use std::collections::BTreeMap;
use tidelock_core::s3::Method;
use tidelock_core::{Error, ErrorKind, Operation, Request, Secret};
use tidelock_sim::bucket::Bucket;
use tidelock_sim::device::Moment;
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;

/// Everybody in use syncs, hours apart, so that what is due hourly comes too.
fn settle(world: &mut World, rounds: u32) {
    for _ in 0..rounds {
        world.sync_all();
        world.now_ms += HOUR_MS + 60_000;
    }
}

/// A write that counts for nobody, published with the bucket credentials that a revoked device still has.
fn writes_on(world: &mut World, at: usize, key: &str) {
    world.untold(|world| world.put(at, key));
    let _ = world.sync(at); // it has no new keys, and is told so
}

/// What a store with these keys opens of what is in the bucket now and was not before.
fn opened(world: &World, keys: &Keys, before: &BTreeMap<String, bytes::Bytes>) -> Vec<String> {
    let new = world.bucket.copy().into_iter().filter(|(path, sealed)| before.get(path) != Some(sealed));
    new.map(|(path, _)| path).filter(|path| keys.open(&world.bucket, path)).collect()
}

#[test]
fn a_revoked_device_opens_nothing_that_is_written_afterwards() {
    let mut world = World::with_devices(70, 4);
    for _ in 0..30 {
        world.append(1);
    }
    world.sync_all();
    let (before, keys) = (world.bucket.copy(), Keys::of(&world.devices[1].disk));
    let all = world.bucket.keys_with("spaces/");
    assert!(all.iter().all(|path| keys.open(&world.bucket, path)), "until then it opens everything");
    world.revoke(0, 1).unwrap();
    world.gone.insert(1);
    let new = world.bucket.copy().iter().filter(|(path, sealed)| before.get(*path) != Some(sealed)).count();
    assert!(new >= 7, "keys, three slots, a snapshot, a manifest and a beacon, not {new}");
    assert_eq!(opened(&world, &keys, &before), [""; 0]);
    world.put(2, "afterwards");
    settle(&mut world, 2);
    assert_eq!(opened(&world, &keys, &before), [""; 0]);

    // And after a later turn, by a device that did not revoke it.
    world.run(2, Operation::SetPassphrase { passphrase: None }).unwrap();
    world.put(3, "after another turn");
    settle(&mut world, 2);
    assert_eq!(opened(&world, &keys, &before), [""; 0]);
    assert!(world.bucket.object(&world.slot_of(1)).is_none(), "it has no slot");
    world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
}

#[test]
fn what_it_wrote_before_counts_and_what_it_writes_later_does_not() {
    for seed in 0..12 {
        let mut world = World::with_devices(seed, 4);
        world.put(1, "shared");
        world.sync_all();
        // Device 3 is away: it has neither what was published before, nor what comes afterwards.
        world.put(1, "before");
        world.append(1);
        world.sync(1).unwrap();
        world.put(1, "not published in time");
        world.revoke(0, 1).unwrap();
        world.untold(|world| {
            world.gone.insert(1);
            writes_on(world, 1, "later");
            writes_on(world, 1, "shared");
            world.now_ms += if seed % 2 == 0 { 2 * HOUR_MS } else { 1_000 };
        });
        // What was not published when it was revoked counts for nobody either.
        let late = world.standing(1, "not published in time");
        assert_eq!(late.len(), 1);
        for round in 0..3 {
            for at in [3, 2, 0] {
                let report = if seed % 3 == 0 { world.sync(at).unwrap() } else { world.full_check(at).unwrap() };
                assert!(world.standing(at, "later").is_empty(), "seed {seed}, device {at}");
                assert!(world.standing(at, "not published in time").is_empty(), "seed {seed}, device {at}");
                assert!(!world.standing(at, "before").is_empty(), "seed {seed}, device {at}");
                if round > 0 && seed % 3 != 0 {
                    let held: Vec<_> = report.reports.iter().filter(|e| e.kind() == ErrorKind::Closed).collect();
                    assert_eq!(held.len(), 1, "seed {seed}: it is said once a sync: {held:?}");
                    assert!(held[0].hint().unwrap().contains("devices adopt"), "{held:?}");
                    assert_eq!(report.debts, 0, "seed {seed}: what does not count is no debt");
                }
            }
            world.now_ms += HOUR_MS + 60_000;
        }
        for at in [0, 2, 3] {
            assert!(world.is_revoked(at, 1));
            assert_eq!(world.map_of(at), world.map_of(0), "seed {seed}, device {at}");
            assert_eq!(world.log_of(at), world.log_of(0), "seed {seed}, device {at}");
        }
        let newcomer = world.join().unwrap();
        world.sync_all();
        assert_eq!(world.map_of(newcomer), world.map_of(0), "seed {seed}");
        assert!(world.is_revoked(newcomer, 1));
    }
}

#[test]
fn what_a_device_that_counts_had_taken_counts_for_all() {
    let mut world = World::with_devices(71, 4);
    world.sync_all();
    // Device 0 revokes without having seen what device 2 takes meanwhile.
    let device = world.id(1);
    let op = world.start(0, Operation::RevokeDevice { device });
    let put = world
        .run_until(0, op, |request| request.method == Method::Put && request.url.contains("keys/"))
        .expect("it puts its keys");
    world.put(1, "taken by one");
    world.sync(1).unwrap();
    world.sync(2).unwrap();
    assert_eq!(world.standing(2, "taken by one").len(), 1);
    world.put(2, "builds on it");
    world.sync(2).unwrap();
    world.break_off(0, &put);
    world.finish(0, op).unwrap();
    world.gone.insert(1);
    settle(&mut world, 4);
    world.check().unwrap();
    assert!((0..4).filter(|at| *at != 1).all(|at| world.is_revoked(at, 1)));
    assert_eq!(world.status_of(0, 1).quarantined, None);
}

#[test]
fn it_holds_nobody_up() {
    let mut world = World::with_devices(72, 3);
    world.put(1, "gone");
    world.sync_all();
    world.revoke(0, 1).unwrap();
    world.gone.insert(1);
    let mut held_apart = Vec::new();
    for round in 0..40 {
        world.untold(|world| held_apart.extend((0..20).filter_map(|_| world.append(1))));
        writes_on(&mut world, 1, "later");
        world.put(0, &format!("key {round}"));
        world.append(2);
        world.sync_all();
    }
    world.delete(0, "gone");
    assert!(!world.bucket.keys_with(&format!("segments/{}", world.id(1))).is_empty(), "some of it is in segments");
    for _ in 0..20 {
        world.now_ms += 24 * HOUR_MS;
        world.full_check(0).unwrap();
        world.full_check(2).unwrap();
    }
    world.check().unwrap();
    for at in [0, 2] {
        assert_eq!(world.tombstones(at), 0, "device {at} keeps a tombstone for it");
        assert_eq!(world.devices[at].engine.status().unwrap().debts, 0);
        assert!(world.status_of(at, 1).quarantined.is_some());
    }
    let device = world.id(1);
    world.run(2, Operation::AdoptDevice { device }).unwrap();
    let log = world.log_of(2);
    assert!(held_apart.iter().all(|key| log.contains_key(key)), "nothing of it was deleted meanwhile");
}

/// Device 0 revokes device 1, killed once at a moment; the next sync goes on.
fn revoked_killed_at(moment: Option<Moment>) -> World {
    let mut world = World::with_devices(73, 3);
    world.put(1, "before");
    world.sync(1).unwrap();
    world.put(0, "pending");
    world.devices[0].kill_at(moment);
    match world.revoke(0, 1) {
        Ok(()) => assert!(world.devices[0].moments().1 > 0),
        Err(error) => {
            assert_eq!((error.kind(), moment.is_some()), (ErrorKind::Cancelled, true), "{moment:?}: {error}");
            if world.is_revoked(0, 1) {
                world.sync(0).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
            } else {
                world.revoke(0, 1).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
            }
        }
    }
    world.gone.insert(1);
    world
}

#[test]
fn a_revocation_killed_at_every_step_is_finished_by_the_next_sync() {
    let before = Keys::of(&World::with_devices(73, 3).devices[1].disk);
    for moment in revoked_killed_at(None).devices[0].every_moment() {
        let mut world = revoked_killed_at(Some(moment));
        for path in world.bucket.keys_with(&format!("manifests/{}", world.id(0))) {
            assert!(!before.open(&world.bucket, &path), "{moment:?}: the manifest that revokes is read by the revoked");
        }
        writes_on(&mut world, 1, "later");
        settle(&mut world, 2);
        world.join().unwrap_or_else(|error| panic!("{moment:?}: {error}"));
        world.sync_all();
        world.check().unwrap_or_else(|why| panic!("{moment:?}: {why}"));
        assert!(world.is_revoked(2, 1) && world.is_revoked(3, 1), "{moment:?}");
        let slots = world.bucket.keys_with("slots/");
        assert_eq!(slots.len(), 4, "{moment:?}: three devices and one code, not {slots:?}");
        let named = world.bucket.keys_with("/snapshots/");
        assert!(!named.is_empty(), "{moment:?}: no snapshot of whoever revoked");
    }
}

/// Starts revocations at once and lets the devices take turns, request by request.
fn at_once(world: &mut World, pairs: &[(usize, usize)]) -> Vec<Result<(), Error>> {
    let now_ms = world.now_ms;
    let ops: Vec<_> = pairs
        .iter()
        .map(|(at, whom)| {
            let device = world.id(*whom);
            (*at, world.devices[*at].start(Operation::RevokeDevice { device }, now_ms))
        })
        .collect();
    for _ in 0..400 {
        let at = pairs[world.random.below(pairs.len() as u64) as usize].0;
        world.step(at);
    }
    ops.into_iter().map(|(at, op)| world.finish(at, op).map(|_| ())).collect()
}

#[test]
fn two_devices_revoke_a_third_at_once() {
    for seed in 0..20 {
        let mut world = World::with_devices(seed, 4);
        world.put(2, "before");
        world.sync_all();
        let keys = Keys::of(&world.devices[2].disk);
        for result in at_once(&mut world, &[(0, 2), (1, 2)]) {
            result.unwrap_or_else(|error| panic!("{seed}: {error}"));
        }
        world.gone.insert(2);
        writes_on(&mut world, 2, "later");
        for at in [0, 1, 3] {
            world.put(at, &format!("after {at}"));
        }
        settle(&mut world, 6);
        world.check().unwrap_or_else(|why| panic!("{seed}: {why}"));
        let current = [0, 1, 3].map(|at| Keys::of(&world.devices[at].disk).ring.current());
        assert!(current.iter().all(|epoch| *epoch == current[0]), "{seed}: {current:?}");
        assert!([0, 1, 3].iter().all(|at| world.is_revoked(*at, 2)), "{seed}");
        let before = world.bucket.copy();
        world.put(3, "and nothing of it is opened");
        world.sync_all();
        assert_eq!(opened(&world, &keys, &before), [""; 0], "{seed}");
        let newcomer = world.join().unwrap();
        world.sync_all();
        world.check_one(newcomer).unwrap_or_else(|why| panic!("{seed}: {why}"));
    }
}

#[test]
fn of_two_that_revoke_each_other_all_others_agree() {
    let mut both = 0;
    for seed in 0..20 {
        let mut world = World::with_devices(seed, 4);
        world.put(0, "of 0");
        world.put(1, "of 1");
        world.sync_all();
        let _ = at_once(&mut world, &[(0, 1), (1, 0)]); // one may be told that it is revoked
        world.gone.extend([0, 1]);
        for round in 0..8 {
            for at in 0..4 {
                let _ = world.sync(at);
            }
            if round == 0 {
                world.put(2, "of 2");
                world.put(3, "of 3");
            }
            world.now_ms += HOUR_MS + 60_000;
        }
        settle(&mut world, 2);
        let revoked = [0, 1].map(|of| [2, 3].map(|at| world.is_revoked(at, of)));
        assert!(revoked.iter().all(|told| told[0] == told[1]), "{seed}: {revoked:?}");
        assert!(revoked.iter().any(|told| told[0]), "{seed}: neither is revoked");
        both += usize::from(revoked.iter().all(|told| told[0]));
        assert_eq!(world.map_of(2), world.map_of(3), "{seed}");
        assert!(!world.standing(3, "of 2").is_empty() && !world.standing(2, "of 3").is_empty(), "{seed}");
        for key in ["of 0", "of 1"] {
            assert_eq!(world.standing(2, key).len(), 1, "{seed}: what was there before is there");
        }
    }
    println!("both revoked in {both} of 20");
}

#[test]
fn adopting_takes_what_was_held_apart() {
    let mut world = World::with_devices(75, 3);
    world.put(1, "before");
    world.sync_all();
    world.revoke(0, 1).unwrap();
    world.put(1, "wanted after all");
    for _ in 0..400 {
        world.append(1);
    }
    let _ = world.sync(1);
    world.gone.insert(1);
    for at in [0, 2] {
        world.full_check(at).unwrap();
        assert!(world.standing(at, "wanted after all").is_empty());
        let (from, to) = world.status_of(at, 1).quarantined.unwrap();
        assert_eq!(to - from, 400, "a put and 400 entries");
    }
    let device = world.id(1);
    world.run(2, Operation::AdoptDevice { device }).unwrap();
    assert_eq!(world.status_of(2, 1).quarantined, None);
    world.run(2, Operation::AdoptDevice { device }).unwrap();
    settle(&mut world, 2);
    world.check().unwrap();
    assert!(world.is_revoked(0, 1), "it stays revoked");
    writes_on(&mut world, 1, "and later");
    for at in [0, 2] {
        world.full_check(at).unwrap();
    }
    world.check().unwrap();
    let own = world.id(0);
    let error = world.run(2, Operation::AdoptDevice { device: own }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

/// Manifests and segments of device 1 as another history of it would have made them from an earlier state of its store.
fn forged(
    world: &mut World,
    disk: tidelock_sim::device::Disk,
    bucket: &Bucket,
    pushes: u32,
) -> Vec<(String, bytes::Bytes)> {
    let now = world.bucket.older();
    let oracle = world.oracle.clone();
    world.bucket.roll_back(bucket);
    let copy = world.add_with(disk);
    for _ in 0..pushes {
        world.put(copy, "forged");
        for _ in 0..60 {
            world.append(copy);
        }
        world.sync(copy).unwrap();
    }
    let id = world.id(1).to_string();
    let made = world.bucket.copy().into_iter().filter(|(path, _)| path.contains(&id) && path.starts_with("spaces/"));
    let made = made.collect();
    world.bucket.roll_back(&now);
    world.oracle = oracle;
    world.forget_last();
    made
}

#[test]
fn a_history_forged_below_the_mark_counts_nowhere() {
    let shorter_and_longer = [(200, 1), (200, 3), (200, 20)];
    let as_long = (60, 1);
    let cases = shorter_and_longer.into_iter().chain([as_long]);
    for (entries, pushes, hidden) in
        cases.flat_map(|(entries, pushes)| [false, true].map(|hidden| (entries, pushes, hidden)))
    {
        let mut world = World::with_devices(76, 4);
        world.put(1, "shared");
        world.sync_all();
        let (disk, bucket) = (world.devices[1].disk.copy(), world.bucket.older());
        for _ in 0..entries {
            world.append(1);
        }
        world.put(1, "genuine");
        world.sync(1).unwrap(); // device 3 is away, and has none of it
        let lies = forged(&mut world, disk, &bucket, pushes);
        world.revoke(0, 1).unwrap();
        world.gone.insert(1);
        for (path, sealed) in lies {
            world.bucket.put(&path, sealed);
        }
        // The snapshot that has the truth may be unreadable for a while.
        for path in world.bucket.keys_with("/snapshots/") {
            world.bucket.hide_until(&path, if hidden { world.now_ms + 4 * HOUR_MS } else { 0 });
        }
        world.now_ms += 2 * HOUR_MS;
        for _ in 0..3 {
            for at in [3, 2, 0] {
                world.full_check(at).unwrap();
                assert!(world.standing(at, "forged").is_empty(), "{pushes}: device {at}");
            }
            world.now_ms += 2 * HOUR_MS;
        }
        world.check().unwrap_or_else(|why| panic!("{pushes}, hidden {hidden}: {why}"));
        let newcomer = world.join().unwrap();
        world.check_one(newcomer).unwrap_or_else(|why| panic!("{pushes}: {why}"));
    }
}

#[test]
fn what_cannot_be_revoked_is_refused() {
    let mut world = World::with_devices(78, 2);
    let own = world.id(0);
    let before = world.bucket.copy();
    let unknown = tidelock_core::DeviceId([7; 16]);
    for (device, kind) in [(own, ErrorKind::Invalid), (unknown, ErrorKind::NotFound)] {
        for operation in [Operation::RevokeDevice { device }, Operation::RetireDevice { device }] {
            let error = world.run(0, operation.clone()).unwrap_err();
            assert_eq!(error.kind(), kind, "{operation:?}: {error}");
        }
    }
    assert_eq!(world.bucket.copy(), before, "nothing was written");
    world.revoke(0, 1).unwrap();
    let epoch = Keys::of(&world.devices[0].disk).ring.current();
    world.revoke(0, 1).unwrap();
    assert_eq!(Keys::of(&world.devices[0].disk).ring.current(), epoch, "once is enough");
}

/// Device 0 revokes device 1 while a manifest frozen before is on its way: this one shows the new keys, and says nothing.
/// Then device 2 turns the keys, not knowing. `heard`: what device 0 says comes before device 2 hands its keys on.
fn turned_by_who_had_not_heard(heard: bool) -> World {
    let mut world = World::with_devices(79, 3);
    let is_put =
        |part: &'static str| move |request: &Request| request.method == Method::Put && request.url.contains(part);
    world.put(0, "frozen");
    let now_ms = world.now_ms;
    let op = world.devices[0].start(Operation::Sync, now_ms);
    world.run_until(0, op, is_put("/manifests/")).expect("its manifest");
    world.restart(0);
    let (device, now_ms, puts) = (world.id(1), world.now_ms, world.bucket.manifests.len());
    let op = world.devices[0].start(Operation::RevokeDevice { device }, now_ms);
    while world.bucket.manifests.len() == puts {
        world.step(0);
    }
    world.full_check(2).unwrap();
    assert!(!world.is_revoked(2, 1));
    assert_eq!(Keys::of(&world.devices[2].disk).ring.current().number, 2);
    let turn = world.start(2, Operation::SetPassphrase { passphrase: None });
    let keys = world.run_until(2, turn, is_put("keys/")).expect("it turns the keys");
    if heard {
        world.finish(0, op).unwrap();
    }
    world.break_off(2, &keys);
    world.finish(2, turn).unwrap();
    let _ = world.sync(1);
    world.gone.insert(1);
    assert_eq!(Keys::of(&world.devices[1].disk).ring.current().number, if heard { 1 } else { 3 });
    if !heard {
        world.gone.insert(2); // it is never heard of again
        world.finish(0, op).unwrap();
    }
    world
}

#[test]
fn keys_handed_to_it_by_who_had_not_heard_turn_again() {
    for heard in [true, false] {
        let mut world = turned_by_who_had_not_heard(heard);
        settle(&mut world, 3);
        let (before, keys) = (world.bucket.copy(), Keys::of(&world.devices[1].disk));
        world.put(0, "afterwards");
        settle(&mut world, 2);
        assert_eq!(opened(&world, &keys, &before), [""; 0], "heard: {heard}");
        let slot = world.slot_of(1);
        assert!(world.bucket.object(&slot).is_none_or(|_| !keys.open(&world.bucket, &slot)), "heard: {heard}");
        assert!(Keys::of(&world.devices[0].disk).ring.current().number > 3, "heard: {heard}");
        world.check().unwrap();
    }
}

#[test]
fn every_member_says_who_is_revoked() {
    let mut world = World::with_devices(83, 3);
    world.put(1, "before");
    world.sync_all();
    world.revoke(0, 1).unwrap();
    world.gone.extend([0, 1]);
    world.sync(2).unwrap();
    let manifest = world.manifest_of(0);
    world.bucket.lose(&manifest);
    writes_on(&mut world, 1, "later");
    let newcomer = world.join().unwrap();
    settle(&mut world, 2);
    assert!(world.is_revoked(newcomer, 1));
    assert!(world.standing(newcomer, "later").is_empty());
}

/// A copy of device 0's store, which has read nothing since.
fn copied(seed: u64) -> (World, usize) {
    let mut world = World::with_devices(seed, 3);
    let copy = world.copy_of(0);
    (world, copy)
}

#[test]
fn a_copy_does_not_write_over_what_its_twin_sealed_under_new_keys() {
    for full in [true, false] {
        let (mut world, copy) = copied(84);
        world.gone.extend([1, 2]);
        world.revoke(0, 1).unwrap();
        world.put(0, "the first's");
        world.sync(0).unwrap();
        world.gone.insert(0); // it is never heard of again, and nobody else has read it
        for _ in 0..3 {
            world.now_ms += HOUR_MS;
            let report = if full { world.full_check(copy).unwrap() } else { world.sync(copy).unwrap() };
            assert!(report.reports.iter().all(|e| e.kind() != ErrorKind::Corrupt), "{:?}", report.reports);
        }
        assert_eq!(world.standing(copy, "the first's").len(), 1, "full: {full}");
        world.check().unwrap();
    }
}

#[test]
fn a_copy_takes_the_new_keys_before_it_leaves() {
    for full in [true, false] {
        let (mut world, copy) = copied(85);
        world.put(0, "the first's");
        world.sync(0).unwrap();
        world.revoke(1, 2).unwrap();
        world.gone.insert(2);
        world.put(copy, "the copy's");
        let (old, operation) = (world.id(0), if full { Operation::Check } else { Operation::Sync });
        world.run(copy, operation).unwrap();
        assert_ne!(world.id(copy), old, "it leaves");
        settle(&mut world, 2);
        world.check().unwrap();
        let ring = Keys::of(&world.devices[copy].disk).ring;
        assert_eq!(ring.current(), Keys::of(&world.devices[1].disk).ring.current());
    }
}

#[test]
fn a_revoked_device_that_hears_of_its_copy_cannot_leave() {
    let (mut world, copy) = copied(86);
    world.put(0, "the first's");
    world.sync(0).unwrap();
    world.put(copy, "the copy's");
    world.full_check(copy).unwrap(); // it leaves
    world.full_check(1).unwrap();
    world.revoke(1, 0).unwrap();
    world.untold(|world| world.put(0, "late"));
    world.gone.insert(0);
    let (id, puts) = (world.id(0), world.bucket.meter.put);
    for _ in 0..3 {
        let error = world.full_check(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Revoked, "{error}");
        world.now_ms += HOUR_MS;
    }
    assert_eq!((world.id(0), world.bucket.meter.put), (id, puts), "it PUTs nothing");
    settle(&mut world, 2);
    world.check().unwrap();
}

/// Whoever takes keys looks whether somebody revoked was handed them too: also after a crash in between, and whichever way
/// they came.
#[test]
fn keys_handed_to_it_turn_again_whatever_comes_between() {
    for rejoins in [false, true] {
        let mut world = turned_by_who_had_not_heard(false);
        if rejoins {
            let secret = Secret::Recovery(world.code.clone().unwrap());
            world.run(0, Operation::Join { secret }).unwrap();
        } else {
            let slot = format!("/slots/{}", world.id(1));
            let op = world.start(0, Operation::Check);
            world
                .run_until(0, op, |request| request.method == Method::Get && request.url.ends_with(&slot))
                .expect("it looks");
            world.restart(0);
        }
        settle(&mut world, 3);
        let (before, keys) = (world.bucket.copy(), Keys::of(&world.devices[1].disk));
        world.put(0, "afterwards");
        settle(&mut world, 2);
        assert_eq!(opened(&world, &keys, &before), [""; 0], "rejoins: {rejoins}");
    }
}

/// Device 0, not having heard, hands its keys to each of two that are revoked, minutes apart. It turns them again at once each
/// time: what it writes then neither opens.
#[test]
fn keys_handed_to_a_second_one_within_the_hour_turn_again_at_once() {
    let mut world = World::with_devices(87, 4);
    let by_one = world.manifest_of(1);
    for whom in [2, 3] {
        world.revoke(1, whom).unwrap();
        world.bucket.hide(&by_one);
        world.run(0, Operation::SetPassphrase { passphrase: None }).unwrap();
        let _ = world.sync(whom);
        world.gone.insert(whom);
        let (ring, handed) = (Keys::of(&world.devices[whom].disk).ring, Keys::of(&world.devices[0].disk).ring);
        assert_eq!(ring.current(), handed.current(), "it was handed those");
        world.bucket.show();
        world.sync(0).unwrap();
        let before = world.bucket.copy();
        world.put(0, &format!("after {whom}"));
        world.sync(0).unwrap();
        let keys = Keys::of(&world.devices[whom].disk);
        assert_eq!(opened(&world, &keys, &before), [""; 0], "device {whom}");
        world.sync(1).unwrap();
    }
    settle(&mut world, 2);
    world.check().unwrap();
}
