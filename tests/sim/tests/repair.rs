//! Objects that were deleted or damaged: who puts them right, and what everybody else is told meanwhile.

use tidelock_core::{Error, ErrorKind, Operation, Outcome, Secret};
use tidelock_sim::world::World;

const HEADER: &str = "tidelock";

type Damage = fn(&mut World);

/// A vault of two devices whose header is damaged in each way that `vault_in_header` refuses, or gone.
fn without_header() -> Vec<(String, World)> {
    let ways: [(&str, Damage); 5] = [
        ("gone", |world| world.bucket.lose(HEADER)),
        ("empty", |world| world.bucket.truncate(HEADER, 0)),
        ("cut in its first line", |world| world.bucket.truncate(HEADER, 5)),
        ("cut in its last line", |world| world.bucket.truncate(HEADER, 49)),
        ("longer than a header", |world| world.bucket.put(HEADER, vec![b'x'; 5_000].into())),
    ];
    let world = |(how, damage): (&str, Damage)| {
        let mut world = World::with_devices(70, 2);
        world.put(0, "milk");
        world.sync_all();
        damage(&mut world);
        (how.to_owned(), world)
    };
    ways.into_iter().map(world).collect()
}

#[test]
fn a_full_check_and_republish_put_a_damaged_header_right() {
    let header = World::with_devices(70, 2).bucket.object(HEADER).unwrap();
    for operation in [Operation::Check, Operation::Republish] {
        for (how, mut world) in without_header() {
            world.run(1, operation.clone()).unwrap_or_else(|error| panic!("{how}: {operation:?}: {error}"));
            assert_eq!(world.bucket.object(HEADER), Some(header.clone()), "{how}: {operation:?}");
            let newcomer = world.join().unwrap_or_else(|error| panic!("{how}: {operation:?}: {error}"));
            world.check_one(newcomer).unwrap();
        }
    }
}

#[test]
fn init_refuses_over_the_remains_of_a_vault_and_join_says_who_can_put_the_header_back() {
    for (how, mut world) in without_header() {
        let before = world.bucket.copy();
        let other = world.add();
        let refused = world.run(other, Operation::Create { passphrase: None }).unwrap_err();
        assert_eq!((refused.kind(), refused.object()), (ErrorKind::AlreadyExists, Some(HEADER)), "{how}: {refused}");
        let told = world.join_on(other).unwrap_err();
        assert_eq!((told.kind(), told.object()), (ErrorKind::Corrupt, Some(HEADER)), "{how}: {told}");
        for error in [refused, told] {
            let step = error.hint().unwrap();
            assert!(step.contains("run `tidelock republish` on a device that has the vault"), "{how}: {step}");
        }
        assert_eq!(world.bucket.copy(), before, "{how}: something was written");
    }
}

/// Objects of another program, or an empty prefix, are no vault's remains.
#[test]
fn init_goes_on_where_nothing_of_a_vault_stands() {
    let mut world = World::new(71);
    for path in ["slots/of a machine", "spaces/readme.txt", "tidelock.txt"] {
        world.bucket.put(path, bytes::Bytes::from_static(b"another program's"));
    }
    world.create().unwrap();
}

/// A newer format's header is nobody's to overwrite, and another vault's neither.
#[test]
fn a_header_of_another_vault_or_format_is_left_alone() {
    let other = World::with_devices(72, 1).bucket.object(HEADER).unwrap();
    let newer = bytes::Bytes::from_static(b"tidelock 2\nwhatever follows\n");
    for (header, kind) in [(other, ErrorKind::AlreadyExists), (newer, ErrorKind::Unsupported)] {
        for operation in [Operation::Check, Operation::Republish] {
            let mut world = World::with_devices(73, 2);
            world.bucket.put(HEADER, header.clone());
            assert_eq!(world.run(0, operation).unwrap_err().kind(), kind);
            assert_eq!(world.bucket.object(HEADER), Some(header.clone()));
        }
    }
}

/// Three devices that each wrote records and so many entries that each trimmed its log below a snapshot, all synced.
fn with_snapshots() -> World {
    let mut world = World::with_devices(74, 3);
    for round in 0..2 {
        for at in 0..3 {
            for key in 0..4 {
                world.put(at, &format!("record {key} of device {at}, round {round}"));
            }
            for _ in 0..4 {
                world.put_big(at, &format!("page of device {at}, round {round}"), 60_000);
            }
            world.append(at);
        }
        world.sync_all();
    }
    world.check().unwrap();
    world
}

/// Any one object is lost, or truncated: the old `republish` named a lost chunk again.
#[test]
fn after_everybody_republished_a_newcomer_is_whole_whichever_object_was_damaged() {
    let paths = with_snapshots().bucket.keys();
    assert!(paths.iter().filter(|path| path.contains("/snapshots/")).count() >= 3, "{paths:?}");
    for path in paths {
        for truncated in [false, true] {
            let mut world = with_snapshots();
            match truncated {
                true => world.bucket.truncate(&path, world.bucket.object(&path).unwrap().len() / 2),
                false => world.bucket.lose(&path),
            }
            for at in 0..3 {
                world.run(at, Operation::Republish).unwrap_or_else(|error| panic!("{path}: {error}"));
            }
            let newcomer = world.join().unwrap_or_else(|error| panic!("{path}: {error}"));
            world.check_one(newcomer).unwrap_or_else(|why| panic!("{path}: {why}"));
        }
    }
}

/// What a look at the store reports: object, kind and next step.
fn looked(world: &mut World, at: usize, read_data: bool) -> Vec<(String, ErrorKind, String)> {
    let before = world.bucket.copy();
    let Outcome::Synced(report) = world.run(at, Operation::Inspect { read_data }).unwrap() else { panic!("no report") };
    assert_eq!(world.bucket.copy(), before, "a look wrote something");
    let shown = |error: Error| {
        (error.object().unwrap_or_default().to_owned(), error.kind(), error.hint().unwrap_or_default().to_owned())
    };
    report.reports.into_iter().map(shown).collect()
}

#[test]
fn a_look_at_a_sound_vault_finds_nothing() {
    let mut world = with_snapshots();
    for at in 0..3 {
        assert_eq!(looked(&mut world, at, true), []);
    }
}

/// Whichever object is deleted or truncated, a look names it unless nobody needs it; and a repair leaves nothing to name that its
/// own device can write, and a newcomer whole.
#[test]
fn a_look_names_what_is_damaged_and_a_repair_writes_it_again() {
    let mut named = 0;
    for path in with_snapshots().bucket.keys() {
        for truncated in [false, true] {
            let mut world = with_snapshots();
            match truncated {
                true => world.bucket.truncate(&path, world.bucket.object(&path).unwrap().len() / 2),
                false => world.bucket.lose(&path),
            }
            let found = looked(&mut world, 0, false);
            let is_needed = !path.contains("/snapshots/") && !path.contains("/segments/");
            assert!(!is_needed || found.iter().any(|(object, ..)| *object == path), "{path}: {found:?}");
            assert!(
                found.iter().all(|(object, ..)| *object == path || object.contains("/snapshots/")),
                "{path}: {found:?}"
            );
            named += usize::from(!found.is_empty());
            let Outcome::Synced(report) = world.run(0, Operation::Repair).unwrap() else { panic!("no report") };
            let left = looked(&mut world, 0, false);
            assert!(
                left.iter().all(|(object, _, step)| *object == path && step.contains(" on device ")),
                "{path}: {left:?}"
            );
            let told = |object: &String| report.reports.iter().any(|error| error.object() == Some(object));
            assert!(left.iter().all(|(object, ..)| told(object)), "{path}: {left:?}, {report:?}");
            let newcomer = world.join().unwrap_or_else(|error| panic!("{path}: {error}"));
            world.check_one(newcomer).unwrap_or_else(|why| panic!("{path}: {why}"));
        }
    }
    assert!(named > 8, "{named} of all objects are needed");
}

/// A bit that was turned leaves the length as it was: only reading tells, and what is read is written anew by `republish`.
#[test]
fn reading_tells_of_data_that_is_as_long_as_it_should_be() {
    let mut found_some = false;
    for path in with_snapshots().bucket.keys_with("/snapshots/") {
        let mut world = with_snapshots();
        world.bucket.spoil(&path);
        let found = looked(&mut world, 0, true);
        found_some |= !found.is_empty();
        for (object, kind, step) in found {
            assert!(object == path && step.contains("tidelock republish"), "{object}: {kind:?}, {step}");
        }
        world.run(0, Operation::Republish).unwrap();
        assert_eq!(looked(&mut world, 0, true), [], "{path}");
    }
    assert!(found_some);
}

/// A newcomer whose code is right is told of the lost slot; one whose code is wrong is told to check it.
#[test]
fn join_tells_a_lost_slot_from_a_wrong_code() {
    let mut world = World::with_devices(75, 2);
    let newcomer = world.add();
    let is_of_code = |world: &World, path: &String| *path != world.slot_of(0) && *path != world.slot_of(1);
    let slot = world.bucket.keys_with("slots/").into_iter().find(|path| is_of_code(&world, path)).unwrap();
    let sound = world.bucket.object(&slot).unwrap();
    let damages: [fn(&mut World, &str); 3] = [
        |world, slot| world.bucket.lose(slot),
        |world, slot| world.bucket.truncate(slot, 40),
        |world, slot| world.bucket.spoil(slot),
    ];
    for damage in damages {
        world.bucket.put(&slot, sound.clone());
        damage(&mut world, &slot);
        let told = world.join_on(newcomer).unwrap_err();
        assert_eq!((told.kind(), told.object()), (ErrorKind::Corrupt, Some(&*slot)), "{told}");
        assert_eq!(told.hint(), Some("run `tidelock republish` on a device that has the vault"));
    }
    world.run(1, Operation::Republish).unwrap();
    world.join_on(newcomer).unwrap();

    let other = World::with_devices(76, 1).code.unwrap();
    let stranger = world.add();
    let told = world.run(stranger, Operation::Join { secret: Secret::Recovery(other) }).unwrap_err();
    assert_eq!(told.kind(), ErrorKind::WrongKey);
    assert!(told.hint().unwrap().starts_with("check the recovery code"), "{told}");
}
