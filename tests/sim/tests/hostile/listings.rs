//! Forged, omitted and duplicated listings.

use crate::Outcome;
use std::fmt::Write;
use tidelock_core::s3::{Method, Response};
use tidelock_core::{Operation, Request};
use tidelock_sim::hostile::host::{Run, answer, is_list, missing, path, run};
use tidelock_sim::hostile::stage::holds;
use tidelock_sim::world::World;

const DAY_MS: u64 = 24 * 3_600_000;

pub(crate) fn class() -> Outcome {
    forged_names()?;
    endless()?;
    doubled_and_foreign()?;
    omitted()?;
    absent()
}

/// A check whose every listing is answered by somebody; what is held stays as it was.
fn check(world: &mut World, mut list: impl FnMut(&Request, &Response) -> String) -> Result<Run, String> {
    let before = holds(&world.devices[0].disk, &world.devices[0].engine);
    let run = run(world, 0, Operation::Check, |request, truth| {
        let truth = truth();
        Ok(if is_list(request) { answer(200, list(request, &truth)) } else { truth })
    });
    ensure!(holds(&world.devices[0].disk, &world.devices[0].engine) == before, "a listing changed what is held");
    Ok(run)
}

fn page(entries: &str, next: Option<String>) -> String {
    let end = next.map_or("<IsTruncated>false</IsTruncated>".to_owned(), |token| {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
    });
    format!("<ListBucketResult>{entries}{end}</ListBucketResult>")
}

fn entry(key: &str, number: u64) -> String {
    format!("<Contents><Key>{key}</Key><Size>4187</Size><ETag>&quot;{number:x}&quot;</ETag></Contents>")
}

fn prefix(world: &World) -> String {
    let path = world.bucket.keys_with("/manifests/").remove(0);
    path[..path.rfind('/').expect("a folder") + 1].to_owned()
}

/// Thousands of devices that nobody has heard of: bounded requests, and nothing is kept of them.
fn forged_names() -> Outcome {
    const NAMES: u64 = 5_000;
    let mut world = World::with_devices(91, 3);
    let prefix = prefix(&world);
    let devices = world.devices[0].engine.status().expect("a sound disk").devices.len();
    let entries: String = (0..NAMES).map(|number| entry(&format!("{prefix}{number:032x}"), number)).collect();
    let run = check(&mut world, |_, _| page(&entries, None))?;
    ensure!(run.asked.len() < 1_100, "a forged listing cost {} requests", run.asked.len());
    let after = world.devices[0].engine.status().expect("a sound disk");
    ensure!(after.devices.len() == devices && after.debts == 0, "forged names are kept: {}", after.devices.len());
    world.heal(2).map_err(|error| error.to_string())?;
    world.check()
}

/// Pages without end, the same page again and again, a page that never says that it is the last.
fn endless() -> Outcome {
    let mut world = World::with_devices(92, 2);
    let prefix = prefix(&world);
    let mut number = 0u64;
    let run = check(&mut world, |_, _| {
        let mut entries = String::new();
        for _ in 0..1_000 {
            number += 1;
            write!(entries, "{}", entry(&format!("{prefix}{number:032x}"), number)).expect("memory");
        }
        page(&entries, Some(format!("after-{number}")))
    })?;
    ensure!(run.result.is_err() && run.count("LIST") < 200, "a listing without end took {} pages", run.count("LIST"));
    let run = check(&mut world, |_, _| page("", Some("again".to_owned())))?;
    ensure!(run.result.is_err() && run.count("LIST") <= 20, "the same page took {} requests", run.count("LIST"));
    let mut token = 0;
    let run = check(&mut world, |_, _| {
        token += 1;
        page("", Some(format!("empty-{token}")))
    })?;
    ensure!(run.result.is_err() && run.count("LIST") <= 1_000, "empty pages took {} requests", run.count("LIST"));
    world.heal(1).map_err(|error| error.to_string())?;
    world.check()
}

/// Every entry twice with other ETags, names that are none, keys of other places, sizes that no object has.
fn doubled_and_foreign() -> Outcome {
    let mut world = World::with_devices(93, 3);
    let prefix = prefix(&world);
    let keys = world.bucket.keys_with("/manifests/");
    let doubled: String = keys.iter().chain(&keys).zip(1_000..).map(|(key, number)| entry(key, number)).collect();
    let names = ["", "x", "../../tidelock", "ZZ", "%2e%2e", &"0".repeat(31), &"A".repeat(32), &"0".repeat(900)];
    let foreign: String = names.iter().map(|name| entry(&format!("{prefix}{name}"), 1)).collect();
    let elsewhere = entry("tidelock", 1) + &entry("slots/passphrase", 2);
    let sizes = keys.iter().map(|key| entry(key, 1).replace("4187", "18446744073709551615")).collect::<String>();
    for entries in [doubled, foreign, elsewhere, sizes] {
        let run = check(&mut world, |_, _| page(&entries, None))?;
        let writes = run.count("DELETE") + run.count("POST");
        ensure!(writes == 0 && run.asked.len() < 50, "a listing cost {} requests, {writes} deletes", run.asked.len());
    }
    world.heal(2).map_err(|error| error.to_string())?;
    world.check()
}

/// Nothing is listed, for weeks, or what stands is listed among inventions: what is named stays.
fn omitted() -> Outcome {
    for invents in [false, true] {
        let mut world = World::with_devices(94, 3);
        for at in 0..3 {
            world.put_big(at, &format!("big {at}"), 20_000);
        }
        world.sync_all();
        let standing = world.bucket.keys();
        for _ in 0..4 {
            world.now_ms += 8 * DAY_MS;
            let run = run(&mut world, 0, Operation::Check, |request, truth| {
                let truth = truth();
                Ok(match (is_list(request), invents) {
                    (false, _) => truth,
                    (true, false) => answer(200, page("", None)),
                    (true, true) => {
                        let text = String::from_utf8_lossy(&truth.body).into_owned();
                        answer(200, text.replacen("<Contents>", &(inventions(request, &standing) + "<Contents>"), 1))
                    }
                })
            });
            run.result.map_err(|error| error.to_string())?;
        }
        let named = |path: &&String| !path.starts_with("probes/");
        let lost: Vec<&String> =
            standing.iter().filter(named).filter(|path| world.bucket.object(path).is_none()).collect();
        ensure!(lost.is_empty(), "a listing (inventions: {invents}) made a device delete {lost:?}");
        world.heal(2).map_err(|error| error.to_string())?;
        world.check()?;
    }
    Ok(())
}

/// Others' manifests are neither listed nor found where they were: absence deletes nothing, and who is known stays known,
/// as far as it was.
fn absent() -> Outcome {
    let mut world = World::with_devices(95, 3);
    world.put(1, "milk");
    world.sync_all();
    let own = world.id(0).to_string();
    let before = holds(&world.devices[0].disk, &world.devices[0].engine);
    let run = run(&mut world, 0, Operation::Check, |request, truth| {
        let others = path(request).contains("/manifests/") && !path(request).ends_with(&own);
        Ok(match request.method {
            _ if is_list(request) => answer(200, page("", None)),
            Method::Get if others => missing(),
            _ => truth(),
        })
    });
    run.result.map_err(|error| error.to_string())?;
    let after = holds(&world.devices[0].disk, &world.devices[0].engine);
    ensure!(after == before, "what a listing lacks was forgotten");
    world.heal(2).map_err(|error| error.to_string())?;
    world.check()
}

/// Objects that are named by manifests, listed once more beside ones that do not exist.
fn inventions(request: &Request, standing: &[String]) -> String {
    assert_eq!(request.method, Method::Get);
    assert_eq!(path(request), "");
    let of = |part: &str| request.url.contains(part);
    let part = if of("segments") {
        "/segments/"
    } else if of("snapshots") {
        "/snapshots/"
    } else {
        return String::new();
    };
    standing.iter().filter(|path| path.contains(part)).map(|path| entry(path, 7)).collect()
}
