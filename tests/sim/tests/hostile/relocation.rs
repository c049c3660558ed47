//! Object swap and relocation: every object of a vault of 200 at every other's place.

use crate::Outcome;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::Operation;
use tidelock_core::crypto::ObjectKind;
use tidelock_core::s3::Response;
use tidelock_sim::device::Disk;
use tidelock_sim::hostile::host::path;
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::hostile::stage::{Kind, Stage, config};
use tidelock_sim::world::World;

const OBJECTS: usize = 200;

pub(crate) fn class() -> Outcome {
    let (world, disk) = vault();
    let objects = world.bucket.copy();
    ensure!(objects.len() >= OBJECTS, "only {} objects", objects.len());
    every_pair_of_the_envelope(&world, &objects)?;
    let wanted = |part: &str| objects.keys().filter(|path| path.contains(part)).cloned().collect::<BTreeSet<_>>();
    for (kind, part) in [(Kind::Beacon, "/beacon"), (Kind::Manifest, "/manifests/"), (Kind::Segment, "/segments/")] {
        every_place_read(&Stage::new(kind, &world, &disk, config(&world), Operation::Sync, wanted(part)))?;
    }
    let read_alone = [Kind::Header, Kind::Slot, Kind::Keys, Kind::Index, Kind::Chunk, Kind::Deletions];
    Stage::all(11).iter().filter(|stage| read_alone.contains(&stage.kind)).try_for_each(every_place_read)
}

/// A vault of many objects, and the disk of a device that has seen nothing but the beginning.
fn vault() -> (World, Disk) {
    const WRITERS: usize = 24;
    let mut world = World::with_devices(12, WRITERS + 1);
    let disk = world.devices[WRITERS].disk.copy();
    for round in 0.. {
        if world.bucket.keys().len() >= OBJECTS {
            break;
        }
        let at = round % WRITERS;
        world.put_big(at, &format!("big {round}"), 17_000);
        world.sync(at).expect("a sound world");
    }
    (world, disk)
}

/// Nothing opens at a place that is not its own, whoever holds the keys.
fn every_pair_of_the_envelope(world: &World, objects: &BTreeMap<String, Bytes>) -> Outcome {
    let insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    let sealed: Vec<(&String, &Bytes, ObjectKind)> =
        objects.iter().filter_map(|(path, bytes)| Some((path, bytes, kind_of(path, bytes)?))).collect();
    let mut own = 0;
    for (place, here, kind) in &sealed {
        own += usize::from(insider.open(place, *kind, here).is_some());
        for (from, bytes, other) in sealed.iter().filter(|(from, ..)| from != place) {
            for kind in [kind, other] {
                ensure!(insider.open(place, *kind, bytes).is_none(), "{from} opens at {place}");
            }
        }
    }
    ensure!(own == sealed.len(), "{own} of {} open at their own place: the test proves nothing", sealed.len());
    Ok(())
}

/// What an object says it is; slots are sealed to others and have no content key.
fn kind_of(path: &str, sealed: &[u8]) -> Option<ObjectKind> {
    let kinds = [
        ObjectKind::Beacon,
        ObjectKind::Manifest,
        ObjectKind::Segment,
        ObjectKind::SnapshotIndex,
        ObjectKind::SnapshotChunk,
    ];
    kinds.into_iter().find(|kind| path.starts_with("spaces/") && sealed.get(5) == Some(&(*kind as u8)))
}

/// Each place that the engine reads shows every other object in turn: nothing of it counts.
fn every_place_read(stage: &Stage) -> Outcome {
    let mut served = BTreeSet::new();
    for turn in 0..stage.others.len() {
        let played = stage.play(&mut |request, truth| {
            let (truth, at) =
                (truth(), turn + stage.targets.iter().position(|target| target == path(request)).unwrap_or(0));
            let other = &stage.others[at % stage.others.len()];
            let body = if *other == truth.body { Bytes::new() } else { other.clone() };
            served.insert((path(request).to_owned(), body.len(), body.slice(..body.len().min(64))));
            Ok(Response { body, ..truth })
        });
        ensure!(played.holds == stage.without, "{:?}: an object out of its place counted, turn {turn}", stage.kind);
    }
    let places: BTreeSet<&String> = served.iter().map(|(place, ..)| place).collect();
    ensure!(
        served.len() >= places.len() * (stage.others.len() - 1) && !places.is_empty(),
        "{:?}: not every pair",
        stage.kind
    );
    Ok(())
}
