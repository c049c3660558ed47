//! What a revoked device has published, and says, beside its ops: which of it counts for the others, and for whom.

use tidelock_core::crypto::{ObjectKind, pad_to_power_of_two};
use tidelock_core::{DeviceState, ErrorKind, Operation, Outcome, Secret};
use tidelock_sim::bucket::{Conditions, puts_manifest};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;

const HOUR_MS: u64 = 3_600_000;

/// Device 2 revokes device 1, and is revoked itself before its manifest arrives, which others can open all the same.
#[test]
fn what_a_revoked_device_says_later_revokes_nobody() {
    let mut world = World::with_devices(72, 3);
    let device = world.id(1);
    let op = world.start(2, Operation::RevokeDevice { device });
    let late = world.run_until(2, op, puts_manifest).unwrap();
    world.gone.insert(2);
    let slot = world.slot_of(0);
    let by_device_2 = world.bucket.object(&slot).unwrap();
    world.revoke(0, 2).unwrap();
    world.sync(1).unwrap();
    world.arrive(&late);
    world.bucket.put(&slot, by_device_2);
    world.check_alone(0, 3);
    let opens = Keys::of(&world.devices[0].disk).open(&world.bucket, &world.manifest_of(2));
    assert!(opens && world.is_revoked(0, 2) && !world.is_revoked(0, 1));

    let secret = Secret::Recovery(world.code.clone().unwrap());
    world.run(1, Operation::Join { secret }).unwrap(); // its slot may be gone; it is told no more than the others
    assert!(world.is_revoked(1, 2));
    world.put(1, "goes on");
    world.check_hourly(3);
    world.check().unwrap();
}

/// Who hears of both in one poll takes both.
#[test]
fn two_revocations_in_one_poll_count_both() {
    let mut world = World::with_devices(74, 3);
    let [of_zero, of_one] = [0, 1].map(|at| world.manifest_of(at));
    // Each revokes the other, and sees nothing of the other's doing.
    let before = world.bucket.older();
    world.revoke(0, 1).unwrap();
    let first = world.bucket.older();
    world.bucket.roll_back(&before);
    world.revoke(1, 0).unwrap();
    let second = world.bucket.copy();
    // Device 2 is told the keys of one, then those of the other, and reads no manifest meanwhile.
    world.bucket.roll_back(&first);
    world.bucket.hide(&of_zero);
    world.sync(2).unwrap();
    let now = world.bucket.copy();
    for (path, sealed) in second.into_iter().filter(|(path, sealed)| now.get(path) != Some(sealed) && *path != of_zero)
    {
        world.bucket.put(&path, sealed);
    }
    world.bucket.hide(&of_one);
    world.sync(2).unwrap();
    assert!(!world.is_revoked(2, 0) && !world.is_revoked(2, 1));
    world.bucket.show();
    world.full_check(2).unwrap();
    assert!(world.is_revoked(2, 0) && world.is_revoked(2, 1));
    world.sync(2).unwrap();
    for at in [0, 1] {
        let keys = Keys::of(&world.devices[at].disk);
        assert!(!keys.open(&world.bucket, &world.slot_of(2)));
        assert!(!keys.open(&world.bucket, &world.manifest_of(2)), "device {at} reads who left it out");
    }
}

#[test]
fn a_revoked_device_that_comes_back_with_the_code_is_told_so_and_gets_no_keys() {
    let mut world = World::with_devices(77, 3);
    world.put(1, "mine");
    world.sync_all();
    world.revoke(0, 1).unwrap();
    let code = world.code.clone().unwrap();
    let (puts, deletes) = (world.bucket.meter.put, world.bucket.meter.delete);
    let ring = Keys::of(&world.devices[1].disk).ring;
    for _ in 0..2 {
        let secret = Secret::Recovery(code.clone());
        let error = world.run(1, Operation::Join { secret }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Revoked, "{error}");
        for operation in [
            Operation::Sync,
            Operation::Pull,
            Operation::Check,
            Operation::Republish,
            Operation::ReplaceRecoveryCode,
            Operation::SetPassphrase { passphrase: None },
            Operation::RevokeDevice { device: world.id(0) },
            Operation::RetireDevice { device: world.id(0) },
        ] {
            let error = world.run(1, operation.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Revoked, "{operation:?}: {error}");
            assert!(error.hint().unwrap().contains("export"), "{error}");
        }
        world.restart(1);
    }
    assert_eq!((world.bucket.meter.put, world.bucket.meter.delete), (puts, deletes), "it writes nothing");
    assert_eq!(Keys::of(&world.devices[1].disk).ring, ring, "it keeps no new keys");
    assert_eq!(world.standing(1, "mine").len(), 1, "what it has stays with it");
    assert_eq!(world.status_of(1, 1).state, DeviceState::Revoked);
    world.gone.insert(1);
    world.join().unwrap();
    world.sync_all();
    world.check().unwrap();
}

/// It is told so by who it knew, though that one has not published since keys turned once more.
#[test]
fn who_comes_back_is_revoked_by_the_word_of_a_device_it_knew() {
    let mut world = World::with_devices(73, 3);
    world.revoke(0, 1).unwrap();
    world.sync(2).unwrap();
    world.run(2, Operation::SetPassphrase { passphrase: None }).unwrap();
    world.bucket.lose(&world.manifest_of(2));
    let secret = Secret::Recovery(world.code.clone().unwrap());
    let told = world.run(1, Operation::Join { secret }).unwrap_err();
    assert!(told.to_string().contains("revoked"), "{told}");
}

/// It is told so by a newcomer, too, that shows to have the current keys.
#[test]
fn who_comes_back_is_revoked_by_the_word_of_a_newcomer() {
    let mut world = World::with_devices(76, 2);
    world.revoke(0, 1).unwrap();
    world.gone.insert(1);
    let newcomer = world.join().unwrap();
    world.full_check(newcomer).unwrap();
    assert!(world.is_revoked(newcomer, 1));
    world.bucket.lose(&world.manifest_of(0));
    let secret = Secret::Recovery(world.code.clone().unwrap());
    let told = world.run(1, Operation::Join { secret }).unwrap_err();
    assert!(told.to_string().contains("revoked"), "{told}");
}

fn write_page(world: &mut World, at: usize) {
    world.put_big(at, &format!("page of {at}"), 90_000);
    world.sync(at).unwrap();
}

/// A page of device 2, and one of device 3, which has both in a snapshot.
fn with_pages(seed: u64) -> World {
    let mut world = World::with_devices(seed, 4);
    write_page(&mut world, 2);
    world.sync(3).unwrap();
    write_page(&mut world, 3);
    world.check_alone(3, 3);
    assert!(!world.bucket.keys_with("/snapshots/").is_empty());
    world
}

/// Others know its snapshot from before it was revoked, and want it for what device 2 wrote. Nobody had read its own page.
#[test]
fn a_snapshot_with_what_does_not_count_is_not_taken() {
    let mut world = with_pages(74);
    world.bucket.hide_all("/snapshots/");
    world.bucket.hide_all("/segments/");
    world.sync(1).unwrap();
    world.revoke(0, 3).unwrap();
    world.gone.insert(3);
    world.bucket.show();
    world.bucket.lose_all("/segments/");
    world.check_hourly(6);
    for at in world.here() {
        assert!(world.is_revoked(at, 3));
        assert_eq!(world.map_of(at).into_keys().collect::<Vec<_>>(), ["page of 2"], "device {at}");
    }
}

/// Device 1 has read all of it in logs, and says so before it is gone.
#[test]
fn a_snapshot_of_which_all_counts_is_taken() {
    let mut world = with_pages(75);
    world.bucket.hide_all("/snapshots/");
    world.sync(1).unwrap();
    world.put(1, "read");
    world.sync(1).unwrap();
    world.bucket.hide_all("/segments/");
    world.revoke(0, 3).unwrap();
    world.gone.extend([1, 2, 3]);
    world.bucket.show();
    world.bucket.lose_all("/segments/");
    world.check_hourly(4);
    world.check().unwrap();
    assert_eq!(world.map_of(0).len(), 3);
}

/// Device 1 alone has read its log, which stays where it is. Whoever wrote the snapshot may do away with it.
#[test]
fn a_revoked_devices_snapshot_is_named_by_nobody_else() {
    let mut world = World::with_devices(78, 3);
    for at in 0..10 {
        world.put_big(2, &format!("page {at}"), 20_000); // so many changes that its snapshot is the newest
    }
    world.sync(2).unwrap();
    world.sync(1).unwrap();
    world.check_one(1).unwrap();
    let by_device_2 = world.bucket.keys_with("/snapshots/");
    assert!(!by_device_2.is_empty());
    world.bucket.hide_all("/segments/");
    world.bucket.hide_all("/snapshots/");
    world.revoke(0, 2).unwrap();
    world.gone.insert(2);
    world.bucket.show();
    world.check_alone(1, 5);
    by_device_2.iter().for_each(|path| world.bucket.lose(path));
    world.gone.extend([0, 1]);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// Device 1 named its snapshot before it was revoked. It comes back, knows of nothing, and does away with that.
#[test]
fn a_revoked_devices_snapshot_is_named_no_longer_than_it_counts() {
    let mut world = World::with_devices(79, 3);
    for at in 0..10 {
        world.put_big(2, &format!("page {at}"), 80_000);
    }
    world.sync(2).unwrap();
    world.check_alone(1, 1); // names it
    world.bucket.hide_all("/segments/");
    world.bucket.hide_all("/snapshots/");
    world.revoke(0, 2).unwrap(); // it can't read any of it
    world.bucket.show();
    world.check_alone(1, 5);
    assert!(world.is_revoked(1, 2));
    world.untold(|world| {
        for at in 0..10 {
            world.put_big(2, &format!("page {at}"), 120_000);
            let _ = world.sync(2); // it is told that it is revoked
            world.now_ms += HOUR_MS / 2;
        }
    });
    world.gone.extend([0, 1, 2]);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// Nor does the snapshot of who revokes it name objects of that one.
#[test]
fn who_revokes_names_nothing_that_the_revoked_device_wrote() {
    let mut world = World::with_devices(80, 2);
    let delete_an_entry = |world: &mut World| {
        let entry = world.append(1).unwrap();
        world.delete_entry(1, &entry);
        world.put_big(1, "page", 200_000);
        let _ = world.sync(1); // once it is revoked, it is told so
    };
    delete_an_entry(&mut world);
    world.check_alone(0, 1); // it names device 1's snapshot
    world.revoke(0, 1).unwrap();
    world.check_alone(0, 5);
    world.untold(|world| {
        delete_an_entry(world);
        world.now_ms += HOUR_MS + 60_000;
        let _ = world.sync(1); // it is told that it is revoked
    });
    world.bucket.lose_all("/segments/");
    world.gone.extend([0, 1]);
    let newcomer = world.join().unwrap();
    world.check_one(newcomer).unwrap();
}

/// What its client did away with nobody can read any more, nor needs.
#[test]
fn a_revoked_devices_snapshot_that_is_gone_holds_up_no_deleting() {
    let mut world = with_pages(81);
    let its = world.bucket.keys_with("/snapshots/");
    world.bucket.hide_all("/snapshots/");
    world.bucket.hide_all("/segments/");
    world.revoke(0, 3).unwrap(); // it knows that snapshot, and holds nothing of it
    world.gone.extend([1, 2, 3]);
    world.bucket.show();
    its.iter().for_each(|path| world.bucket.lose(path));
    write_page(&mut world, 0);
    world.check_alone(0, 3);
    let superseded = world.bucket.keys_with("/snapshots/");
    assert!(!superseded.is_empty());
    write_page(&mut world, 0);
    world.check_alone(0, 3);
    let left = superseded.iter().filter(|path| world.bucket.object(path).is_some()).count();
    assert_eq!(left, 0, "of {superseded:?}");
}

/// Who does not know of a newer snapshot yet has one that a revoked device names, too; so does another that has not synced since.
#[test]
fn a_snapshot_that_a_revoked_device_names_is_not_named_over_and_over() {
    let mut world = World::with_devices(85, 4);
    world.write_until_trimmed(0);
    world.check_hourly(3);
    world.revoke(0, 3).unwrap();
    world.gone.insert(3);
    world.put(1, "goes on");
    let before = world.bucket.meter;
    world.sync(1).unwrap();
    let puts = world.bucket.meter.since(&before).put;
    assert!(puts <= 10, "a snapshot's objects, two manifests and the beacon: {puts} PUTs");
    world.check_hourly(3);
    world.check().unwrap();
}

/// Device 3 alone has read both lines of device 0, and is revoked by who knows one. Device 2 has read what device 3 states, and
/// can't have the op that device 1 had seen of device 0: it waits for no more than where nobody had two lines.
#[test]
fn what_a_revoked_device_states_of_lines_holds_nobody_up() {
    let mut world = World::with_devices(82, 4);
    world.bucket.conditions = Conditions::Ignored;
    let copy = world.copy_of(0);
    world.untold(|world| world.put(copy, "the copy's")); // nobody who counts ever reads it
    let op = world.start(copy, Operation::Sync);
    let late = world.run_until(copy, op, puts_manifest).unwrap();
    world.put_big(0, "page", 24_000);
    world.sync(0).unwrap();
    world.sync(1).unwrap();
    world.put(1, "note");
    world.sync(1).unwrap();
    world.sync(3).unwrap();
    let (manifest, by_one) = (world.manifest_of(0), world.manifest_of(1));
    let by_first = world.bucket.object(&manifest).unwrap();
    world.arrive(&late);
    world.full_check(3).unwrap();
    assert_eq!(world.standing(3, "the copy's").len(), 1);
    world.bucket.put(&manifest, by_first); // it arrives once more
    world.gone.extend([0, 3, copy]);
    world.bucket.hide_all("/segments/");
    world.bucket.hide(&by_one);
    world.full_check(2).unwrap();
    assert!(world.standing(2, "note").is_empty());
    world.bucket.show();
    world.revoke(1, 3).unwrap();
    world.bucket.hide_all("/segments/");
    world.bucket.hide_all("/snapshots/");
    world.check_alone(2, 1);
    assert!(world.is_revoked(2, 3));
    assert_eq!(world.standing(2, "note").len(), 1);
    world.bucket.show();
    world.check_hourly(3);
    world.check().unwrap();
}

/// Device 2's manifest went back, and what it had published stands in device 3's snapshot alone, which is gone with that one.
#[test]
fn what_a_revoked_devices_lost_snapshot_alone_had_is_no_damage() {
    let mut world = World::with_devices(83, 4);
    let mut reader = Insider::new(&world.bucket, world.code.as_ref().unwrap());
    let by_two = world.manifest_of(2);
    let older = world.bucket.object(&by_two).unwrap();
    world.untold(|world| write_page(world, 2)); // nobody who counts ever reads it
    write_page(&mut world, 3);
    world.check_alone(3, 3);
    let to = world.status_of(3, 2).applied;
    // Device 1 has read device 3's page, which counts, and no other.
    world.bucket.hide(&by_two);
    world.bucket.hide_all("/snapshots/");
    world.sync(1).unwrap();
    world.put(1, "read");
    world.sync(1).unwrap();
    assert!(world.standing(1, "page of 2").is_empty() && world.standing(1, "page of 3").len() == 1);
    world.bucket.show();
    world.bucket.put(&by_two, older);
    world.bucket.lose_all("/segments/");
    world.bucket.lose_all("/snapshots/");
    world.full_check(0).unwrap(); // knows of that snapshot
    world.revoke(0, 3).unwrap();
    world.gone.extend([2, 3]);
    world.check_hourly(6);
    world.check().unwrap();
    reader.keys = Keys::of(&world.devices[0].disk).ring;
    for at in [0, 1] {
        let path = world.manifest_of(at);
        let body = reader.manifest(&path, &world.bucket.object(&path).unwrap()).body;
        // docs/format/replica.md, "Manifests": Damaged is device, from and to.
        let damaged = body.windows(32).find(|at| at[..16] == world.id(2).0 && at[24..] == to.to_le_bytes());
        assert_eq!(damaged, None, "device {at} names what nobody can have");
    }
}

/// Device 2 is revoked, and lists itself under the keys that it has left. Device 1, who was away and comes back with the code,
/// has heard its name, and never read it.
#[test]
fn who_comes_back_is_not_revoked_by_the_word_of_who_was_left_out() {
    let mut world = World::with_devices(84, 2);
    let mut insider = Insider::new(&world.bucket, world.code.as_ref().unwrap());
    let thief = world.join().unwrap();
    let (path, slot) = (world.manifest_of(thief), world.slot_of(1));
    let sealed_before = world.bucket.object(&slot).unwrap();
    world.bucket.hide(&path);
    world.sync(1).unwrap();
    world.bucket.show();
    // What it signs to say: as where it is the quicker one.
    let now = world.bucket.older();
    world.revoke(thief, 1).unwrap();
    insider.keys = Keys::of(&world.devices[thief].disk).ring;
    let said = insider.manifest(&path, &world.bucket.object(&path).unwrap());
    world.bucket.roll_back(&now);

    world.revoke(0, thief).unwrap();
    world.gone.insert(thief);
    world.bucket.put(&slot, sealed_before);
    let (keys, signed) = (insider.keys.clone(), [said.body, said.signature].concat());
    let first = insider.payload.epoch;
    let sealed = insider.seal_under(&keys, first, &path, ObjectKind::Manifest, &pad_to_power_of_two(&signed));
    world.bucket.put(&path, sealed);
    let secret = Secret::Recovery(world.code.clone().unwrap());
    assert_eq!(world.run(1, Operation::Join { secret }).unwrap(), Outcome::Joined);
    world.put(1, "goes on");
    world.check_hourly(3);
    world.check().unwrap();
    assert!(world.is_revoked(1, thief));
}

/// Its slot is gone, and what others write is under keys that it can't get: nothing but that can tell it.
#[test]
fn a_revoked_device_is_told_at_its_next_sync_and_keeps_what_was_not_taken() {
    let mut world = World::with_devices(88, 3);
    world.put(1, "taken");
    world.sync_all();
    world.check_hourly(2); // others say what they have taken
    assert_eq!(world.devices[1].engine.revoked().unwrap(), None);
    world.untold(|world| {
        world.put(1, "never taken");
        world.append(1);
    });
    world.revoke(0, 1).unwrap();
    world.gone.insert(1);
    world.put(0, "afterwards");
    world.sync(0).unwrap();
    for operation in [
        Operation::Sync,
        Operation::Pull,
        Operation::Push,
        Operation::Check,
        Operation::Republish,
        Operation::ReplaceRecoveryCode,
        Operation::SetPassphrase { passphrase: None },
        Operation::RevokeDevice { device: world.id(0) },
        Operation::RetireDevice { device: world.id(0) },
        Operation::AdoptDevice { device: world.id(0) },
    ] {
        let told = world.run(1, operation.clone()).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Revoked, "{operation:?}: {told}");
        assert!(told.message().contains("2 changes that were made here"), "{operation:?}: {told}");
        assert!(told.hint().unwrap().contains("export"), "{operation:?}: {told}");
        world.restart(1);
        let status = world.devices[1].engine.status().unwrap();
        assert_eq!((status.untaken, status.revoked.unwrap().kind()), (2, ErrorKind::Revoked), "{operation:?}");
        assert_eq!(world.status_of(1, 1).state, DeviceState::Revoked, "{operation:?}");
    }
    assert_eq!(world.standing(1, "never taken").len(), 1, "it can be read still");
    let status = world.devices[0].engine.status().unwrap();
    assert_eq!((status.untaken, status.revoked), (0, None));
    let device = world.id(1);
    world.run(2, Operation::AdoptDevice { device }).unwrap();
    assert_eq!(world.standing(2, "never taken").len(), 1, "it was published for `adopt`");
}

/// A slot that was lost by mistake looks the same, until another device puts it back.
#[test]
fn a_device_whose_slot_comes_back_is_told_nothing_any_more() {
    let mut world = World::with_devices(89, 3);
    world.sync_all();
    world.replace_code(0).unwrap();
    world.bucket.lose(&world.slot_of(2));
    let told = world.sync(2).unwrap_err();
    assert_eq!((told.kind(), told.object()), (ErrorKind::Revoked, Some(&*world.slot_of(2))), "{told}");
    assert!(told.message().contains("everything that was written here was taken"), "{told}");
    // It has asked for keys by that sync.
    world.now_ms += HOUR_MS + 60_000;
    world.full_check(0).unwrap();
    world.sync(2).unwrap();
    assert_eq!(world.devices[2].engine.revoked().unwrap(), None);
    world.put(0, "after");
    world.sync_all();
    world.check().unwrap();
}
