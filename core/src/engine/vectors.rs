//! The shared vectors of what is inside sealed objects, and of how writes meet: `tests/vectors`.

use super::apply::lowest;
use super::head::Identity;
use super::header::vault_in_header;
use super::manifests::verify_manifest;
use super::member::DeviceRecord;
use super::merge::{check_range, read_index};
use super::objects::open;
use super::pull::read_beacon;
use super::read::winner;
use crate::crypto::{
    DeviceSecret, KeyRing, ObjectKind, RootSecret, SlotName, SlotRecord, pad_padme, pad_to_power_of_two,
    private_space_id, unpad_padme, unpad_to_power_of_two,
};
use crate::replica::{
    Action, Attached, Beacon, Collection, Context, Dot, Fork, Forks, Further, Home, Index, Island, Kind, Logged,
    Manifest, ObjectRef, Op, Point, Row, RowKey, Run, Sighting, Slot, SnapshotRef, Stamp, Standing, Vector, append_key,
    decode, decode_chunk, decode_deletions, decode_segment, decode_tail, deletion_digest, import_key, place,
};
use crate::vectors::{Given, epoch, hex, run, tag, unhex, vectors};
use crate::{BlobId, DeviceId, Hash, ObjectId, Tag, VaultId};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who reads, with an epoch that opens nothing where a case has no ring.
fn identity(vault: VaultId, ring: Option<&Value>) -> Identity {
    let root = |bytes: [u8; 32]| borsh::from_slice::<RootSecret>(&bytes).unwrap();
    let entry = |value: &Value| {
        let secret = unhex(value["root_secret"].as_str().unwrap()).try_into().unwrap();
        (epoch(value["epoch"].as_str().unwrap()), root(secret))
    };
    let mut entries: Vec<_> = ring.map_or(Vec::new(), |ring| ring.as_array().unwrap().iter().map(entry).collect());
    if entries.is_empty() {
        entries.push((epoch("00000001-0000000000000000"), root([1; 32])));
    }
    let (first, secret) = entries.remove(0);
    let mut keys = KeyRing::first(vault, first, secret).unwrap();
    entries.into_iter().for_each(|(epoch, secret)| keys.add(epoch, secret).unwrap());
    let secret = DeviceSecret::from_bytes([0; 32]);
    Identity {
        vault,
        space: private_space_id(vault),
        device: secret.device_id(),
        secret,
        keys,
        header: Hash::default(),
        recovery: None,
        member: true,
    }
}

#[test]
fn objects() {
    run(vectors!("objects"), |check, given| {
        assert_eq!(check, "object");
        let identity = identity(given.vault(), Some(&given.0["ring"]));
        let kind = match given.text("kind") {
            "beacon" => ObjectKind::Beacon,
            "manifest" => ObjectKind::Manifest,
            "segment" => ObjectKind::Segment,
            "snapshot-index" => ObjectKind::SnapshotIndex,
            "snapshot-chunk" => ObjectKind::SnapshotChunk,
            other => panic!("{other}"),
        };
        let (padded, _) = open(&identity, given.text("path"), kind, &given.hex("sealed"), u64::MAX)?;
        match kind {
            ObjectKind::Beacon | ObjectKind::Manifest => unpad_to_power_of_two(&padded).map(hex),
            _ => unpad_padme(&padded).map(hex),
        }
    });
}

#[test]
fn headers() {
    run(vectors!("headers"), |check, given| {
        assert_eq!(check, "header");
        vault_in_header(&given.hex("bytes")).map(|vault| hex(vault.0))
    });
}

#[test]
fn json_forms() {
    run(vectors!("json"), |check, given| {
        assert_eq!(check, "json-form");
        crate::json::canonical(&given.hex("text")).map(hex)
    });
}

#[test]
fn tails() {
    run(vectors!("tails"), |check, given| {
        assert_eq!(check, "tail");
        decode_tail(given.device(), &given.hex("tail")).map(|run| run_value(given.device(), &run))
    });
}

#[test]
fn segments() {
    run(vectors!("segments"), |check, given| {
        assert_eq!(check, "segment");
        let home = Home { vault: given.vault(), space: given.space(), device: given.device() };
        decode_segment(home, &given.hex("plaintext")).map(|run| run_value(home.device, &run))
    });
}

#[test]
fn manifests() {
    run(vectors!("manifests"), |check, given| {
        assert_eq!(check, "manifest");
        let identity = identity(given.vault(), None);
        assert_eq!(identity.space, given.space());
        let padded = pad_to_power_of_two(&given.hex("signed"));
        let (manifest, hash, _) = verify_manifest(&identity, given.device(), &padded, None)?;
        Ok(manifest_value(&manifest, hash))
    });
}

#[test]
fn beacons() {
    run(vectors!("beacons"), |check, given| match check {
        "beacon" => {
            let identity = identity(given.vault(), None);
            read_beacon(&identity, &pad_to_power_of_two(&given.hex("plaintext"))).map(|beacon| beacon_value(&beacon))
        }
        other => panic!("{other}"),
    });
}

#[test]
fn snapshots() {
    run(vectors!("snapshots"), |check, given| {
        let plaintext = given.hex("plaintext");
        match check {
            "index" => {
                let identity = identity(given.vault(), None);
                read_index(&identity, None, &pad_padme(&plaintext)).map(|index| index_value(&index))
            }
            "index-as-named" => {
                let object = ObjectRef { id: ObjectId([0; 16]), hash: Hash::default(), len: 0 };
                let (vector, beyond) = (vector(&given.0["vector"]), dots(&given.0["beyond"]));
                let named = SnapshotRef { index: object, bytes: 0, vector, beyond };
                read_index(&identity(given.vault(), None), Some(&named), &pad_padme(&plaintext)).map(|_| json!(true))
            }
            "chunk" => decode_chunk(&plaintext).map(|parts| chunk_value(&parts)),
            "chunk-range" => {
                let next = Some(&given.0["next"]).filter(|next| !next.is_null()).map(row_key);
                check_range(&decode_chunk(&plaintext)?, &row_key(&given.0["first"]), next.as_ref())
                    .map(|()| json!(true))
            }
            "deletions" => decode_deletions(&plaintext).map(|digests| digests.iter().map(hex).collect()),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn records() {
    run(vectors!("records"), |check, given| {
        let value = given.hex("value");
        match check {
            "device-record" => decode::<DeviceRecord>(&value, "a record").map(|record| {
                json!({
                    "public_key": hex(record.public_key),
                    "name": record.name,
                    "since_ms": record.since_ms.to_string(),
                })
            }),
            "slot-record" => decode::<SlotRecord>(&value, "a record").map(|record| {
                assert_eq!(record.name.path(), given.text("key"));
                let (opener, name) = match record.name {
                    SlotName::Recovery(name) => ("recovery", name.to_vec()),
                    SlotName::Passphrase(stretching) => ("passphrase", borsh::to_vec(&stretching).unwrap()),
                    SlotName::Device(device) => ("device", device.0.to_vec()),
                };
                json!({
                    "opener": opener,
                    "name": hex(name),
                    "public_key": hex(record.public_key),
                    "psk": hex(record.psk),
                })
            }),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn logs() {
    run(vectors!("logs"), |check, given| {
        let ring = || {
            let ring = json!([{"epoch": "00000001-0000000000000000", "root_secret": given.text("first_root_secret")}]);
            identity(given.vault(), Some(&ring)).keys
        };
        let collection = || Collection::log(given.text("collection"));
        Ok(match check {
            "append-key" => json!(append_key(stamp(&given.0["stamp"]), given.fixed("random"))),
            "place" => json!(place(given.text("key"), stamp(&given.0["stamp"]))),
            "import-key" => {
                let (source, value) = (given.text("source"), given.hex("value"));
                let repeat = u32::try_from(given.small("repeat")).unwrap();
                json!(import_key(ring().import_key(), &collection(), source, given.number("ms"), &value, repeat))
            }
            "deletion-digest" => hex(deletion_digest(ring().digest_key(), &collection(), given.text("key"))),
            other => panic!("{other}"),
        })
    });
}

#[test]
fn stamps() {
    run(vectors!("stamps"), |check, given| {
        let last = stamp(&given.0["last"]);
        Ok(match check {
            "next-stamp" => stamp_value(last.next(given.number("now_ms"))),
            "stamp-after-seeing" => stamp_value(last.after_seeing(stamp(&given.0["foreign"]), given.number("now_ms"))),
            other => panic!("{other}"),
        })
    });
}

#[test]
fn lines() {
    run(vectors!("lines"), |check, given| {
        let forks = forks(&given.0["forks"]);
        Ok(match check {
            "vector" => vector_value(&decode(&given.hex("bytes"), "a vector")?),
            "covers" => {
                let vector = vector(&given.0["vector"]);
                given.0["dots"].as_array().unwrap().iter().map(|op| vector.covers(&dot(op), &forks)).collect()
            }
            "join-vectors" => {
                let mut joined = vector(&given.0["mine"]);
                joined.join(&vector(&given.0["theirs"]), &forks);
                vector_value(&joined)
            }
            "apply" => applied(given),
            "merge" => merged(given),
            other => panic!("{other}"),
        })
    });
}

/// A slot after one write more.
fn applied(given: &Given<'_>) -> Value {
    let forks = forks(&given.0["forks"]);
    let (mut slot, holder) = (slot(&given.0["slot"]), vector(&given.0["holder"]));
    slot.apply(standing(&given.0["write"]), &vector(&given.0["seen"]), &holder, &forks);
    shrunk(slot, &[&holder], &forks)
}

/// What two sides hold together.
fn merged(given: &Given<'_>) -> Value {
    let forks = forks(&given.0["forks"]);
    let (mine, theirs) = (vector(&given.0["my_vector"]), vector(&given.0["their_vector"]));
    let (my_islands, their_islands) = (dots(&given.0["my_islands"]), dots(&given.0["their_islands"]));
    let mut merged = slot(&given.0["mine"]);
    let mine_has = |dot: &Dot| mine.covers(dot, &forks) || my_islands.contains(dot);
    let theirs_has = |dot: &Dot| theirs.covers(dot, &forks) || their_islands.contains(dot);
    merged.merge(slot(&given.0["theirs"]), mine_has, theirs_has, &mine, &forks);
    shrunk(merged, &[&mine, &theirs], &forks)
}

#[test]
fn merges() {
    run(vectors!("merges"), |check, given| {
        Ok(match check {
            "apply" => applied(given),
            "merge" => merged(given),
            "log-entry" => slot_value(&lowest(slot(&given.0["slot"]), standing(&given.0["entry"]))),
            "versions" => versions(given),
            other => panic!("{other}"),
        })
    });
}

fn versions(given: &Given<'_>) -> Value {
    let slot = slot(&given.0["slot"]);
    let is_log = given.text("kind") == "log";
    let collection = if is_log { Collection::log("c") } else { Collection::map("c") };
    let counts = winner(&collection, &slot);
    let mut siblings: Vec<&Standing> =
        slot.puts().filter(|put| counts.is_some_and(|c| c.action != put.action)).collect();
    assert_eq!(siblings.len(), slot.siblings());
    siblings.sort_by_key(|write| (write.stamp, write.dot));
    if !is_log {
        siblings.reverse();
    }
    json!({
        "counts": counts.map(|write| dot_value(&write.dot)),
        "siblings": siblings.iter().map(|write| dot_value(&write.dot)).collect::<Value>(),
    })
}

/// A slot without what says nothing: the part of contexts that a holder's vector covers, line by line.
fn shrunk(mut slot: Slot, holders: &[&Vector], forks: &Forks) -> Value {
    let covered = |dot: &Dot| holders.iter().any(|vector| vector.covers(dot, forks));
    for context in slot.standing.iter_mut().map(|write| &mut write.context) {
        let mut vector = Vector::default();
        for (device, _) in context.vector.iter() {
            let beyond =
                context.vector.points(device).filter(|point| !covered(&Dot { device, n: point.n, tag: point.tag }));
            beyond.for_each(|point| vector.raise(device, point, forks));
        }
        context.dots.retain(|dot| !covered(dot) && !vector.covers(dot, forks));
        context.vector = vector;
    }
    slot_value(&slot)
}

// From JSON

fn device(value: &Value) -> DeviceId {
    DeviceId(unhex(value["device"].as_str().unwrap()).try_into().unwrap())
}

fn entry(value: &Value) -> (DeviceId, u64, Tag) {
    (device(value), value["n"].as_str().unwrap().parse().unwrap(), tag(&value["tag"]))
}

fn dot(value: &Value) -> Dot {
    let (device, n, tag) = entry(value);
    Dot { device, n, tag }
}

fn dots(value: &Value) -> BTreeSet<Dot> {
    value.as_array().into_iter().flatten().map(dot).collect()
}

/// By way of its encoding: further lines are nobody's to set.
fn vector(value: &Value) -> Vector {
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap().to_le_bytes();
    let entries = value.as_array().unwrap();
    let mut bytes = u32::try_from(entries.len()).unwrap().to_le_bytes().to_vec();
    for value in entries {
        let (device, n, tag) = entry(value);
        let further = value["further"].as_array().map_or(&[][..], Vec::as_slice);
        bytes.extend([&device.0[..], &n.to_le_bytes(), &tag.0, &[u8::try_from(further.len()).unwrap()]].concat());
        for line in further {
            bytes.extend([&number(&line["n"])[..], &tag_of(line).0, &number(&line["fork"])].concat());
        }
    }
    borsh::from_slice(&bytes).unwrap()
}

fn tag_of(value: &Value) -> Tag {
    tag(&value["tag"])
}

fn forks(value: &Value) -> Forks {
    let tags = |line: &Value| line.as_array().unwrap().iter().map(tag).collect::<Vec<Tag>>();
    let fork = |value: &Value| {
        let trunk: u64 = value["trunk"].as_str().unwrap().parse().unwrap();
        let lines: Vec<Vec<Tag>> = value["lines"].as_array().unwrap().iter().map(tags).collect();
        let bytes = borsh::to_vec(&(trunk, tag(&value["before"]), lines)).unwrap();
        (device(value), borsh::from_slice::<Fork>(&bytes).unwrap())
    };
    value.as_array().into_iter().flatten().map(fork).collect()
}

fn stamp(value: &Value) -> Stamp {
    let counter = u32::try_from(value["counter"].as_u64().unwrap()).unwrap();
    Stamp { ms: value["ms"].as_str().unwrap().parse().unwrap(), counter }
}

fn standing(value: &Value) -> Standing {
    let action = match value["action"]["put"].as_str() {
        Some(put) => Action::put(unhex(put), attached(&value["action"]["attached"])),
        None => Action::Delete,
    };
    let context = &value["context"];
    let context = Context { vector: vector(&context["vector"]), dots: dots(&context["dots"]) };
    Standing { dot: dot(&value["dot"]), stamp: stamp(&value["stamp"]), action, context }
}

fn attached(value: &Value) -> Vec<Attached> {
    let one = |value: &Value| Attached {
        name: value["name"].as_str().unwrap().to_owned(),
        id: BlobId::from_hex(value["id"].as_str().unwrap()).unwrap(),
        len: value["len"].as_str().unwrap().parse().unwrap(),
    };
    value.as_array().into_iter().flatten().map(one).collect()
}

fn slot(value: &Value) -> Slot {
    Slot { standing: value.as_array().unwrap().iter().map(standing).collect() }
}

fn row_key(value: &Value) -> RowKey {
    let name = value["collection"]["name"].as_str().unwrap();
    let collection = match value["collection"]["kind"].as_str().unwrap() {
        "root" => Collection::root(),
        "places" => Collection::places(),
        "map" => Collection::map(name),
        "documents" => Collection::documents(name),
        _ => Collection::log(name),
    };
    RowKey { collection, key: value["key"].as_str().unwrap().to_owned() }
}

// To JSON

fn dot_value(dot: &Dot) -> Value {
    json!({"device": hex(dot.device.0), "n": dot.n.to_string(), "tag": hex(dot.tag.0)})
}

fn vector_value(vector: &Vector) -> Value {
    let entry = |(device, Point { n, tag })| {
        let mut value = dot_value(&Dot { device, n, tag });
        let further = vector.further(device);
        if !further.is_empty() {
            let line = |line: &Further| json!({"n": line.point.n.to_string(), "tag": hex(line.point.tag.0), "fork": line.fork.to_string()});
            value["further"] = further.iter().map(line).collect();
        }
        value
    };
    vector.iter().map(entry).collect()
}

fn stamp_value(stamp: Stamp) -> Value {
    json!({"ms": stamp.ms.to_string(), "counter": stamp.counter})
}

fn collection_value(collection: &Collection) -> Value {
    let kind = match collection.kind {
        Kind::Root => "root",
        Kind::Places => "places",
        Kind::Map => "map",
        Kind::Log => "log",
        Kind::Documents => "documents",
    };
    json!({"kind": kind, "name": collection.name})
}

fn action_value(action: &Action) -> Value {
    let Some(value) = action.value() else { return json!("delete") };
    let one = |one: &Attached| json!({"name": one.name, "id": hex(one.id.0), "len": one.len.to_string()});
    match action.attached() {
        [] => json!({"put": hex(value)}),
        attached => json!({"put": hex(value), "attached": attached.iter().map(one).collect::<Value>()}),
    }
}

fn context_value(context: &Context) -> Value {
    json!({"vector": vector_value(&context.vector), "dots": context.dots.iter().map(dot_value).collect::<Value>()})
}

fn slot_value(slot: &Slot) -> Value {
    let write = |write: &Standing| {
        json!({
            "dot": dot_value(&write.dot),
            "stamp": stamp_value(write.stamp),
            "action": action_value(&write.action),
            "context": context_value(&write.context),
        })
    };
    slot.standing.iter().map(write).collect()
}

fn op_value(op: &Op) -> Value {
    json!({
        "stamp": stamp_value(op.stamp),
        "collection": collection_value(&op.collection),
        "key": op.key,
        "action": action_value(&op.action),
        "context": context_value(&op.context),
    })
}

fn run_value(device: DeviceId, run: &Run) -> Value {
    let mut tag = run.before;
    let ops = (run.from..).zip(&run.ops).map(|(n, logged)| {
        tag = logged.tag(tag);
        let mut value = match logged {
            Logged::Op(op) => op_value(op),
            Logged::Void { by, .. } => json!({"void": by.to_string()}),
        };
        value["n"] = json!(n.to_string());
        value["tag"] = hex(tag.0);
        value["seen"] = vector_value(logged.seen());
        value
    });
    let ops: Value = ops.collect();
    let Point { n, tag } = run.end();
    json!({
        "from": run.from.to_string(),
        "before": hex(run.before.0),
        "base": vector_value(&run.base),
        "ops": ops,
        "end": dot_value(&Dot { device, n, tag }),
    })
}

fn object_value(object: &ObjectRef) -> Value {
    json!({"id": hex(object.id.0), "hash": hex(object.hash.0), "len": object.len.to_string()})
}

fn manifest_value(manifest: &Manifest, hash: Hash) -> Value {
    let segments: Value = manifest
        .line
        .segments
        .iter()
        .map(|segment| {
            json!({
                "object": object_value(&segment.object),
                "from": segment.from.to_string(),
                "end": {"n": segment.end.n.to_string(), "tag": hex(segment.end.tag.0)},
            })
        })
        .collect();
    let damaged: Value = manifest.damaged.iter().map(|damaged| {
        json!({"device": hex(damaged.device.0), "from": damaged.from.to_string(), "to": damaged.to.to_string()})
    }).collect();
    let snapshot = manifest.snapshot.as_ref().map(|named| {
        json!({
            "index": object_value(&named.index),
            "bytes": named.bytes.to_string(),
            "vector": vector_value(&named.vector),
            "beyond": named.beyond.iter().map(dot_value).collect::<Value>(),
        })
    });
    json!({
        "device": hex(manifest.device.0),
        "public_key": hex(manifest.public_key),
        "sequence": manifest.sequence.to_string(),
        "previous": hex(manifest.previous.0),
        "hash": hex(hash.0),
        "vector": vector_value(&manifest.vector),
        "segments": segments,
        "tail": run_value(manifest.device, &manifest.line.tail),
        "snapshot": snapshot,
        "damaged": damaged,
        "revoked": manifest.revoked.iter().map(|gone| json!({
            "device": hex(gone.device.0),
            "mark": gone.mark.map(|mark| json!({"n": mark.n.to_string(), "tag": hex(mark.tag.0)})),
            "at_ms": gone.at_ms.to_string(),
        })).collect::<Value>(),
    })
}

fn beacon_value(beacon: &Beacon) -> Value {
    let entry = |(device, sighting): (&DeviceId, &Sighting)| json!({"device": hex(device.0), "sequence": sighting.sequence.to_string(), "hash": hex(sighting.hash)});
    beacon.devices.iter().map(entry).collect()
}

fn index_value(index: &Index) -> Value {
    let chunks: Value = index
        .chunks
        .iter()
        .map(|chunk| {
            let first = json!({"collection": collection_value(&chunk.first.collection), "key": chunk.first.key});
            json!({"object": object_value(&chunk.object), "first": first, "content": hex(chunk.content.0)})
        })
        .collect();
    let deletions: Value = index
        .deletions
        .iter()
        .map(|deletions| json!({"object": object_value(&deletions.object), "content": hex(deletions.content.0)}))
        .collect();
    let tags = |tags: &[Tag]| tags.iter().map(|tag| hex(tag.0)).collect::<Value>();
    let island = |island: &Island| json!({"from": island.from.to_string(), "before": hex(island.before.0), "tags": tags(&island.tags)});
    let islands: Value = index
        .islands
        .iter()
        .map(|(device, islands)| json!({"device": hex(device.0), "islands": islands.iter().map(island).collect::<Value>()}))
        .collect();
    let fork = |(device, fork): (&DeviceId, &Fork)| {
        let (trunk, before, lines): (u64, Tag, Vec<Vec<Tag>>) =
            borsh::from_slice(&borsh::to_vec(fork).unwrap()).unwrap();
        json!({
            "device": hex(device.0),
            "trunk": trunk.to_string(),
            "before": hex(before.0),
            "lines": lines.iter().map(|line| tags(line)).collect::<Value>(),
        })
    };
    json!({
        "device": hex(index.device.0),
        "vector": vector_value(&index.vector),
        "islands": islands,
        "forks": index.forks.iter().map(fork).collect::<Value>(),
        "tags": index.tags.iter().map(|(device, told)| json!({"device": hex(device.0), "tags": tags(told)})).collect::<Value>(),
        "chunks": chunks,
        "deletions": deletions,
    })
}

fn chunk_value(parts: &[(Collection, Vec<Row>)]) -> Value {
    let row = |row: &Row| json!({"key": row.key, "slot": slot_value(&row.slot)});
    parts.iter().map(|(collection, rows)| {
        json!({"collection": collection_value(collection), "rows": rows.iter().map(row).collect::<Value>()})
    }).collect()
}
