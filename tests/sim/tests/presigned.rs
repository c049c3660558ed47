//! Devices without keys for the bucket: every request is signed elsewhere, by somebody who may be wrong.

use tidelock_core::s3::Method;
use tidelock_core::{Error, ErrorKind, Operation, Outcome};
use tidelock_sim::bucket::{Conditions, Faults};
use tidelock_sim::signer::{LIFE_S, SignerFaults};
use tidelock_sim::world::{Network, World};

/// A world whose bucket takes presigned requests alone.
fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.store = "s3://sim?endpoint=http://127.0.0.1:9000".parse().unwrap();
    world.bucket.checks_urls = true;
    world.presigned = true;
    world
}

/// How often a device's signer was asked.
fn asked(world: &World, at: usize) -> usize {
    world.devices[at].signer.as_ref().unwrap().asked.len()
}

fn set_faults(world: &mut World, faults: SignerFaults) {
    for device in &mut world.devices {
        device.signer.as_mut().unwrap().faults = faults;
    }
}

#[test]
fn two_devices_keep_records_in_step_without_keys() {
    let mut world = world(1);
    let a = world.create().unwrap();
    let b = world.join().unwrap();
    world.put(a, "milk");
    world.append(b);
    world.sync_all();
    world.check().unwrap();
    for device in &world.devices {
        for request in &device.signer.as_ref().unwrap().asked {
            // What may differ from poll to poll is bound by no signature, and what a PUT depends on is.
            let is_conditional = request.headers.iter().any(|(name, _)| name == "if-none-match" || name == "if-match");
            assert!(request.method == Method::Put || !is_conditional, "{request:?}");
            assert!(request.key.is_some() != request.query.iter().any(|(name, _)| name == "list-type"), "{request:?}");
        }
    }
    assert!(world.devices[a].signer.as_ref().unwrap().asked.iter().any(|request| !request.headers.is_empty()));
}

#[test]
fn one_beacon_url_serves_for_half_its_life() {
    let mut world = world(2);
    let at = world.create().unwrap();
    world.put(at, "milk");
    world.sync(at).unwrap();
    world.sync(at).unwrap();
    // Halves of 900 s, and polls 21 s apart: 450 s have 21 of them.
    let before = asked(&world, at);
    let polls = world.bucket.meter.get;
    for _ in 0..100 {
        world.now_ms += 21_000;
        world.sync(at).unwrap();
    }
    assert_eq!(world.bucket.meter.get - polls, 100);
    let signed = asked(&world, at) - before;
    let time_s = 100 * 21_u32;
    assert!((1..=(time_s / (LIFE_S / 2) + 1) as usize).contains(&signed), "{signed}");
}

#[test]
fn a_url_that_expired_on_its_way_is_asked_for_anew_once() {
    let mut world = world(3);
    let at = world.create().unwrap();
    world.put(at, "milk");
    let before = (asked(&world, at), world.bucket.meter);
    set_faults(&mut world, SignerFaults { expired: 1000, ..SignerFaults::default() });
    world.now_ms += 1000 * u64::from(LIFE_S);
    let error = world.sync(at).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.message().contains("signer") && error.hint().is_some(), "{error}");
    assert_eq!(asked(&world, at) - before.0, 2);
    assert_eq!(world.bucket.meter.requests() - before.1.requests(), 2);

    set_faults(&mut world, SignerFaults::default());
    world.sync(at).unwrap();
    // The device slept longer than its monotonic clock tells: the URL that it keeps is refused, and the next one not.
    let before = asked(&world, at);
    world.bucket.clock_off_ms = 2 * 1000 * i64::from(LIFE_S);
    let error = world.sync(at).unwrap_err();
    assert_eq!((error.kind(), asked(&world, at) - before), (ErrorKind::Auth, 1), "{error}");
}

#[test]
fn a_url_of_another_object_is_never_used() {
    let mut world = world(4);
    let at = world.create().unwrap();
    world.put(at, "milk");
    set_faults(&mut world, SignerFaults { other: 1000, ..SignerFaults::default() });
    world.now_ms += 1000 * u64::from(LIFE_S);
    let before = world.bucket.meter;
    let error = world.sync(at).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("endpoint")), "{error}");
    assert_eq!(world.bucket.meter, before);
}

#[test]
fn a_signer_that_cannot_be_reached_is_tried_again_and_named() {
    let mut world = world(5);
    let at = world.create().unwrap();
    set_faults(&mut world, SignerFaults { fails: 1000, ..SignerFaults::default() });
    world.now_ms += 1000 * u64::from(LIFE_S);
    let before = (asked(&world, at), world.bucket.meter);
    let error = world.sync(at).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(error.is_retryable() && error.message().contains("signer"), "{error}");
    // One try and five more.
    assert_eq!((asked(&world, at) - before.0, world.bucket.meter), (6, before.1));
}

#[test]
fn many_objects_are_deleted_one_by_one() {
    let mut world = world(6);
    let a = world.create().unwrap();
    let b = world.join().unwrap();
    for round in 0..12 {
        for _ in 0..4 {
            world.put_big(a, &format!("page {}", round % 3), 100 << 10);
        }
        world.sync_all();
        world.now_ms += 3_700_000;
        world.full_check(a).unwrap();
        world.full_check(b).unwrap();
    }
    assert!(world.bucket.meter.delete > 1, "{:?}", world.bucket.meter);
    assert_eq!(world.bucket.meter.post, 0);
    world.check().unwrap();
}

fn survives(result: Result<Outcome, Error>) -> Result<(), String> {
    match result {
        Ok(_) => Ok(()),
        // A fault outlasted the retries, or the signer was wrong.
        Err(error) if error.is_retryable() || error.kind() == ErrorKind::Auth => Ok(()),
        Err(error) => Err(format!("{error:?}")),
    }
}

fn schedule(seed: u64) -> Result<tidelock_core::Hash, String> {
    let mut world = world(seed);
    world.bucket.conditions = [Conditions::Kept, Conditions::Ignored, Conditions::Refused][(seed % 3) as usize];
    world.create().map_err(|error| format!("create: {error}"))?;
    world.join().map_err(|error| format!("join: {error}"))?;
    world.join().map_err(|error| format!("join: {error}"))?;
    world.network = Network { lost: 15, answer_lost: 15, busy: 15, duplicate: 20 };
    world.bucket.faults = Faults { hidden: 30, stale: 5 };
    set_faults(&mut world, SignerFaults { fails: 40, slow: 40, expired: 30, other: 15 });
    for _ in 0..80 {
        let at = world.random.below(world.devices.len() as u64) as usize;
        match world.random.below(10) {
            0..=3 => {
                let key = format!("key {}", world.random.below(8));
                let bytes = if world.random.permille(200) { 40 << 10 } else { 0 };
                world.put_big(at, &key, bytes);
            }
            4 => drop(world.append(at)),
            5 if world.random.permille(300) => world.restart(at),
            _ => {
                let operation = if world.random.permille(250) { Operation::Check } else { Operation::Sync };
                survives(world.run(at, operation)).map_err(|why| format!("sync of {at}: {why}"))?;
            }
        }
        world.now_ms += world.random.below(20 * 60_000);
    }
    set_faults(&mut world, SignerFaults::default());
    world.heal(4).map_err(|error| format!("healing: {error:?}"))?;
    world.check()?;
    Ok(world.trace())
}

#[test]
fn random_schedules_converge_whatever_the_signer_does() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (from, many) = (number("SEED").unwrap_or(0), number("SEEDS").unwrap_or(60));
    let failed: Vec<String> =
        (from..from + many).filter_map(|seed| schedule(seed).err().map(|why| format!("seed {seed}: {why}"))).collect();
    assert!(failed.is_empty(), "{} of {many} failed, first: {}", failed.len(), failed[0]);
    assert_eq!(schedule(from), schedule(from));
}
