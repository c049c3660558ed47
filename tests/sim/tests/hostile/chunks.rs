//! Chunks of sealed objects dropped, doubled, reordered, cut off and spliced.

use crate::Outcome;
use bytes::Bytes;
use tidelock_core::crypto::ObjectKind;
use tidelock_core::s3::Response;
use tidelock_core::{Change, Operation};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::hostile::stage::{Kind, Stage, config};
use tidelock_sim::world::World;

/// Clear header, salt and commitment, which the chunks follow.
const BEFORE_CHUNKS: usize = 19 + 24 + 32;
const CHUNK_BYTES: usize = 16 * 1024 + 16;
/// A segment of at least so many whole chunks.
const CHUNKS_MIN: usize = 4;

pub(crate) fn class() -> Outcome {
    let mut world = World::with_devices(41, 2);
    let disk = world.devices[1].disk.copy();
    let value = Bytes::from(world.big_value(190_000));
    let now = world.devices[0].now(world.now_ms);
    let change = Change::Put { collection: World::map(), key: "big".to_owned(), value };
    world.devices[0].engine.write(&[change], now).map_err(|error| error.to_string())?;
    world.sync(0).map_err(|error| error.to_string())?;
    let mut insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));

    let objects = world.bucket.copy();
    let segments = objects.iter().filter(|(path, _)| path.contains("/segments/"));
    let (path, sealed) = segments.max_by_key(|(_, bytes)| bytes.len()).ok_or("no segment")?;
    let kind = ObjectKind::Segment;
    let plaintext = insider.open(path, kind, sealed).ok_or("an object that does not open at its place")?;
    let again = insider.seal(path, kind, &plaintext);
    ensure!(again != *sealed && insider.open(path, kind, &again).as_ref() == Some(&plaintext), "no second sealing");
    let stage = Stage::new(Kind::Segment, &world, &disk, config(&world), Operation::Sync, [path.clone()].into());
    for (what, bytes) in variants(sealed, &again)? {
        ensure!(insider.open(path, kind, &bytes).is_none(), "a segment: {what}: it opens");
        shown(&stage, &what, &bytes)?;
    }
    for stage in Stage::all(42).iter().filter(|stage| stage.kind == Kind::Chunk) {
        let mut long: Vec<Bytes> = stage.targets.iter().filter_map(|path| stage.bucket.object(path)).collect();
        long.sort_by_key(Bytes::len);
        let sealed = long.last().ok_or("no chunk of a snapshot")?;
        let other =
            stage.others.iter().filter(|other| *other != sealed).max_by_key(|other| other.len()).ok_or("one object")?;
        variants(sealed, other)?.iter().try_for_each(|(what, bytes)| shown(stage, what, bytes))?;
    }
    Ok(())
}

/// The engine is shown this, and nothing of it counts.
fn shown(stage: &Stage, what: &str, bytes: &Bytes) -> Outcome {
    let played = stage.play(&mut |_, truth| Ok(Response { body: bytes.clone(), ..truth() }));
    ensure!(played.holds == stage.without, "{:?}: {what}: it counts", stage.kind);
    Ok(())
}

/// Everything that can be done with whole chunks; `again`: another object, such as the same plaintext sealed once more.
fn variants(sealed: &Bytes, again: &Bytes) -> Result<Vec<(String, Bytes)>, String> {
    let parts = |sealed: &Bytes| {
        let chunks: Vec<Bytes> = sealed[BEFORE_CHUNKS..].chunks(CHUNK_BYTES).map(Bytes::copy_from_slice).collect();
        (sealed.slice(..BEFORE_CHUNKS), chunks)
    };
    let (head, chunks) = parts(sealed);
    let (other_head, others) = parts(again);
    ensure!(chunks.len() >= CHUNKS_MIN, "only {} chunks", chunks.len());
    let join = |head: &Bytes, chunks: Vec<&Bytes>| {
        Bytes::from(
            [&head[..]].into_iter().chain(chunks.into_iter().map(|chunk| &chunk[..])).collect::<Vec<_>>().concat(),
        )
    };
    let mut all = Vec::new();
    for at in 0..chunks.len() {
        let mut order: Vec<&Bytes> = chunks.iter().collect();
        order.remove(at);
        all.push((format!("chunk {at} dropped"), join(&head, order.clone())));
        order.insert(at, &chunks[at]);
        order.insert(at, &chunks[at]);
        all.push((format!("chunk {at} twice"), join(&head, order)));
        all.push((format!("cut off before chunk {at}"), join(&head, chunks[..at].iter().collect())));
        let mut order: Vec<&Bytes> = chunks.iter().collect();
        order[at] = &others[at % others.len()];
        all.push((format!("chunk {at} of another sealing"), join(&head, order)));
        for to in at + 1..chunks.len() {
            let mut order: Vec<&Bytes> = chunks.iter().collect();
            order.swap(at, to);
            all.push((format!("chunks {at} and {to} exchanged"), join(&head, order)));
        }
    }
    all.push(("chunks under another head".to_owned(), join(&other_head, chunks.iter().collect())));
    all.push(("chunks of both".to_owned(), join(&head, chunks.iter().chain(&others).collect())));
    all.retain(|(_, bytes)| bytes != sealed);
    Ok(all)
}
