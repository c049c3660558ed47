//! Error oracles: whatever is wrong with an object, the same requests follow. And the server that lies about what it stored.

use crate::Outcome;
use bytes::Bytes;
use std::collections::BTreeSet;
use tidelock_core::crypto::ObjectKind;
use tidelock_core::s3::{Method, Response};
use tidelock_core::{Operation, Request};
use tidelock_sim::hostile::host::{answer, honest, missing, path, run};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::hostile::stage::{Kind, Stage};
use tidelock_sim::world::World;

pub(crate) fn one_trace() -> Outcome {
    let kinds = [
        Kind::Slot,
        Kind::Keys,
        Kind::Beacon,
        Kind::Manifest,
        Kind::Segment,
        Kind::Index,
        Kind::Chunk,
        Kind::Deletions,
    ];
    for stage in Stage::all(111).iter().filter(|stage| kinds.contains(&stage.kind)) {
        let (what, before) = same_trace(stage, CORRUPTIONS, |body| body.clone())?;
        // The epoch is in clear: one that is not known makes a reader look at its own slot, once. What follows in the
        // object, which only a key can tell good from bad, makes no difference then either.
        for at in [EPOCH_NUMBER_AT, EPOCH_ID_AT] {
            let (_, asked) = same_trace(stage, BEHIND_THE_HEADER, |body| flip(body, at))?;
            let slots = asked.iter().filter(|line| line.starts_with("GET slots/")).count();
            ensure!(slots <= 1, "{:?}: a forged epoch made {slots} requests for slots", stage.kind);
        }
        // What is named by its hash is as good as missing when it is bad.
        if matches!(stage.kind, Kind::Segment | Kind::Index | Kind::Chunk | Kind::Deletions) {
            let gone = stage.play(&mut |_, _| Ok(missing()));
            ensure!(gone.run.asked == before, "{:?}: {what} and a missing one can be told apart", stage.kind);
        }
    }
    bad_inside()
}

/// Shows each corruption of what `other` makes of an object: none counts, and all lead to the same requests.
fn same_trace(
    stage: &Stage,
    corruptions: &[(&'static str, Corruption)],
    other: impl Fn(&Bytes) -> Bytes,
) -> Result<(&'static str, Vec<String>), String> {
    let mut first: Option<(&str, Vec<String>)> = None;
    for (what, corrupt) in corruptions {
        let played = stage.play(&mut |_, truth| {
            let truth = truth();
            Ok(Response { body: corrupt(&other(&truth.body)), ..truth })
        });
        ensure!(played.holds == stage.without, "{:?}, {what}: it counts", stage.kind);
        let asked = played.run.asked;
        let (other, before) = first.get_or_insert_with(|| (*what, asked.clone()));
        ensure!(
            *before == asked,
            "{:?}: {what} and {other} can be told apart by the requests that follow:\n{asked:?}\n{before:?}",
            stage.kind
        );
    }
    first.ok_or_else(|| "no corruption was tried".to_owned())
}

type Corruption = fn(&Bytes) -> Bytes;

const EPOCH_NUMBER_AT: usize = 7;
const EPOCH_ID_AT: usize = 15;

/// Under a clear header that stays as it is.
const BEHIND_THE_HEADER: &[(&str, Corruption)] = &[
    ("as it was", Bytes::clone),
    ("salt", |body| flip(body, 19)),
    ("commitment", |body| flip(body, 19 + 24)),
    ("first byte", |body| flip(body, 19 + 24 + 32)),
    ("last tag", |body| flip(body, body.len() - 1)),
    ("last chunk's end", |body| body.slice(..body.len() - 1)),
];

/// All of the same length or shorter: a longer one is not read to its end, whatever it is.
const CORRUPTIONS: &[(&str, Corruption)] = &[
    ("magic", |body| flip(body, 0)),
    ("format", |body| flip(body, 4)),
    ("kind", |body| flip(body, 5)),
    ("suite", |body| flip(body, 6)),
    ("salt", |body| flip(body, 19)),
    ("commitment", |body| flip(body, 19 + 24)),
    ("first byte", |body| flip(body, 19 + 24 + 32)),
    ("middle", |body| flip(body, body.len() / 2)),
    ("last tag", |body| flip(body, body.len() - 1)),
    ("last chunk's end", |body| body.slice(..body.len() - 1)),
    ("half of it", |body| body.slice(..body.len() / 2)),
    ("clear header alone", |body| body.slice(..19)),
    ("one byte", |body| body.slice(..1)),
    ("nothing", |_| Bytes::new()),
    ("zeros", |body| Bytes::from(vec![0; body.len()])),
    ("noise", |body| body.iter().map(|byte| byte.wrapping_mul(167).wrapping_add(13)).collect()),
];

fn flip(body: &Bytes, at: usize) -> Bytes {
    let mut bytes = body.to_vec();
    bytes[at] ^= 0x10;
    Bytes::from(bytes)
}

/// Objects that open and whose inside is bad: padding, encoding, signature. Only who has the keys can make them.
fn bad_inside() -> Outcome {
    let mut world = World::with_devices(112, 2);
    let disk = world.devices[0].disk.copy();
    world.put(1, "milk");
    world.sync(1).map_err(|error| error.to_string())?;
    let mut insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    let id = world.id(1).to_string();
    for (kind, staged, part) in
        [(ObjectKind::Manifest, Kind::Manifest, id.as_str()), (ObjectKind::Beacon, Kind::Beacon, "beacon")]
    {
        let path = world.bucket.keys_with("spaces/").into_iter().find(|path| path.ends_with(part)).expect("an object");
        let sealed = world.bucket.object(&path).expect("an object");
        let plain = insider.open(&path, kind, &sealed).ok_or("an object that does not open at its place")?;
        let config = tidelock_sim::hostile::stage::config(&world);
        let stage = Stage::new(staged, &world, &disk, config, Operation::Sync, [path.clone()].into());
        let mut insides = vec![("outside", flip(&sealed, sealed.len() - 1))];
        for (what, at) in
            [("padding's length", 0), ("padding", plain.len() - 1), ("first field", 5), ("in the middle", 90)]
        {
            let mut bytes = plain.clone();
            bytes[at] ^= 0x10;
            insides.push((what, insider.seal(&path, kind, &bytes)));
        }
        insides.push(("no plaintext", insider.seal(&path, kind, &[])));
        let mut first: Option<Vec<String>> = None;
        for (what, bytes) in insides {
            let played = stage.play(&mut |_, truth| Ok(Response { body: bytes.clone(), ..truth() }));
            let asked = played.run.asked;
            if kind == ObjectKind::Beacon && what == "in the middle" {
                continue; // a beacon's entries are hints of whoever has the key: any are good
            }
            ensure!(played.holds == stage.without, "{staged:?}, {what} inside: it counts");
            let before = first.get_or_insert_with(|| asked.clone());
            ensure!(
                *before == asked,
                "{staged:?}: {what} inside can be told apart from outside:\n{asked:?}\n{before:?}"
            );
        }
    }
    Ok(())
}

/// A manifest's PUT is refused or swallowed; HEAD and ETags say that it is there. Only its own bytes, read back and verified,
/// prove it.
pub(crate) fn lying_head() -> Outcome {
    let refusals: [u16; 2] = [412, 409];
    for status in refusals {
        for shown in [Shown::Older, Shown::Nothing, Shown::Garbage, Shown::Others] {
            read_back(status, shown)?;
        }
    }
    swallowed()?;
    swallowed_segment()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    Older,
    Nothing,
    Garbage,
    Others,
}

/// Hourly checks within which a reader has tried often enough to name what it cannot have.
const READS_UNTIL_NAMED: u32 = 12;

fn is_own_manifest(request: &Request, id: &str) -> bool {
    path(request).contains("/manifests/") && path(request).ends_with(id)
}

fn read_back(status: u16, shown: Shown) -> Outcome {
    let mut world = World::with_devices(113, 2);
    world.put(0, "milk");
    let id = world.id(0).to_string();
    let others = world.bucket.object(&world.manifest_of(1)).expect("a manifest");
    let mut asked_back = false;
    let run = run(&mut world, 0, Operation::Sync, |request, truth| {
        let own = is_own_manifest(request, &id);
        Ok(match request.method {
            Method::Put if own => answer(status, "<Error><Code>PreconditionFailed</Code></Error>"),
            Method::Head => Response {
                status: 200,
                headers: vec![
                    ("content-length".to_owned(), "4187".to_owned()),
                    ("etag".to_owned(), "\"new\"".to_owned()),
                ],
                body: Bytes::new(),
            },
            Method::Get if own => {
                asked_back = true;
                match shown {
                    Shown::Older => truth(),
                    Shown::Nothing => missing(),
                    Shown::Garbage => answer(200, vec![0x17; 4187]),
                    Shown::Others => answer(200, others.clone()),
                }
            }
            _ => truth(),
        })
    });
    let pending = world.devices[0].engine.status().expect("a sound disk").pending;
    ensure!(run.result.is_err() && pending > 0, "{status}, {shown:?}: what was never stored counts as published");
    ensure!(asked_back, "{status}: nothing was read back");
    ensure!(run.count("HEAD") == 0, "a HEAD was asked for: its answer proves nothing");
    world.heal(2).map_err(|error| error.to_string())?;
    world.check()
}

/// The PUT is answered with 200 and an ETag, and nothing is stored: found at the next full check.
fn swallowed() -> Outcome {
    let mut world = World::with_devices(114, 2);
    world.put(0, "milk");
    run(&mut world, 0, Operation::Sync, |request, truth| match request.method {
        Method::Put => Ok(Response { headers: vec![("etag".to_owned(), "\"new\"".to_owned())], ..answer(200, "") }),
        _ => Ok(truth()),
    });
    world.heal(3).map_err(|error| error.to_string())?;
    world.check()
}

/// Segments are swallowed, and the manifest that names them is stored: a reader names them damaged, and their author, who
/// hears of it, PUTs them again.
fn swallowed_segment() -> Outcome {
    let mut world = World::with_devices(115, 2);
    for key in ["page", "leaf"] {
        world.put_big(0, key, 40_000);
    }
    let mut swallowed = BTreeSet::new();
    let pushed = run(&mut world, 0, Operation::Sync, |request, truth| match request.method {
        Method::Put if path(request).contains("/segments/") => {
            swallowed.insert(path(request).to_owned());
            Ok(Response { headers: vec![("etag".to_owned(), "\"new\"".to_owned())], ..answer(200, "") })
        }
        _ => Ok(truth()),
    });
    ensure!(pushed.result.is_ok() && !swallowed.is_empty(), "no segment was taken for stored: {:?}", pushed.asked);
    for named in [false, true] {
        let checked = run(&mut world, 0, Operation::Check, honest);
        let again = checked.asked.iter().any(|asked| asked.starts_with("PUT ") && asked.contains("/segments/"));
        ensure!(again == named, "damaged segments named: {named}, PUT again: {again}");
        for _ in 0..READS_UNTIL_NAMED {
            world.now_ms += 3_600_000;
            world.full_check(1).map_err(|error| error.to_string())?;
        }
    }
    let stored = |path: &String| world.bucket.object(path).is_some();
    ensure!(!swallowed.iter().any(stored), "a name of before means another object now");
    world.check()
}
