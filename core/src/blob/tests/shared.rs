//! The shared vectors of packs and cuts: `tests/vectors`. The Python decoder reads the same.

use super::*;
use crate::blob::builder::CODEC_VERSION;
use crate::blob::directory::read_directory;
use crate::crypto::pad_padme;
use crate::vectors::{Given, epoch, hex, run, unhex, vectors};
use crate::{BlobId, Hash, PieceId};
use serde_json::{Value, json};
use std::sync::Arc;

fn class(name: &str) -> Class {
    [Class::Attachments, Class::Data, Class::Tree].into_iter().find(|class| class.name() == name).unwrap()
}

fn given_ring(given: &Given<'_>) -> KeyRing {
    let mut entries = given.0["ring"].as_array().unwrap().iter().map(|entry| {
        let secret = unhex(entry["root_secret"].as_str().unwrap());
        (epoch(entry["epoch"].as_str().unwrap()), borsh::from_slice::<RootSecret>(&secret).unwrap())
    });
    let (first, secret) = entries.next().unwrap();
    let mut ring = KeyRing::first(given.vault(), first, secret).unwrap();
    entries.for_each(|(epoch, secret)| ring.add(epoch, secret).unwrap());
    ring
}

/// The pack that a case is about, and the keys of its pieces.
fn given_pack(given: &Given<'_>) -> (PackAt, Keys) {
    let ring = given_ring(given);
    let (space, id) = (given.space(), ObjectId(given.fixed("pack")));
    let at = PackAt::new(&ring, space, class(given.text("class")), given.device(), id, given.epoch("epoch")).unwrap();
    (at, Keys::new(&ring, space))
}

fn given_keys(given: &Given<'_>) -> Keys {
    let first = EpochId { number: 1, id: [0x11; 8] };
    let root = borsh::from_slice::<RootSecret>(&given.hex("first_root_secret")).unwrap();
    Keys::new(&KeyRing::first(given.vault(), first, root).unwrap(), given.space())
}

fn given_content(given: &Given<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in given.0["content"].as_array().unwrap() {
        let from = out.len();
        let to = from + usize::try_from(part["length"].as_u64().unwrap()).unwrap();
        match part["stream_of"].as_str() {
            Some(text) => {
                out.resize(to, 0);
                blake3::Hasher::new().update(text.as_bytes()).finalize_xof().fill(&mut out[from..]);
            }
            None => out.resize(to, u8::try_from(part["byte"].as_u64().unwrap()).unwrap()),
        }
    }
    out
}

fn number<T: TryFrom<u64, Error: std::fmt::Debug>>(given: &Given<'_>, field: &str) -> T {
    T::try_from(given.small(field)).unwrap()
}

fn held_value(kind: PieceKind, id: PieceId, spot: Spot) -> Value {
    json!({
        "kind": kind as u8,
        "id": hex(id.0),
        "at": spot.at,
        "stored": spot.stored,
        "inflated": spot.inflated,
    })
}

fn plaintext_value(plaintext: &[u8]) -> Value {
    json!({"length": plaintext.len(), "blake3": hex(Hash::of(plaintext).0)})
}

fn id_of(wanted: &Wanted) -> PieceId {
    let Name::Piece(id) = wanted.name else { panic!("a directory names pieces") };
    id
}

#[test]
fn packs() {
    run(vectors!("packs"), |check, given| {
        Ok(match check {
            "directory" => {
                let body = given.hex("body");
                read_directory(&body)?;
                let pack = Pack::read(pad_padme(&body))?;
                pack.pieces().map(|wanted| held_value(wanted.kind, id_of(&wanted), wanted.spot)).collect()
            }
            "pack" => {
                let (at, keys) = given_pack(given);
                let pack = at.open(&given.hex("sealed"))?;
                let mut pieces = Vec::new();
                for wanted in pack.pieces() {
                    let mut value = held_value(wanted.kind, id_of(&wanted), wanted.spot);
                    value["plaintext"] = plaintext_value(&pack.piece(&wanted, &keys)?);
                    pieces.push(value);
                }
                json!({"path": at.path(), "pieces": pieces})
            }
            "piece" => {
                let (at, keys) = given_pack(given);
                let name = &given.0["name"];
                let bytes = |field: &str| -> [u8; 32] { unhex(name[field].as_str().unwrap()).try_into().unwrap() };
                let name = match name["len"].as_str() {
                    Some(len) => Name::List(BlobId(bytes("blob")), len.parse().unwrap()),
                    None => Name::Piece(PieceId(bytes("piece"))),
                };
                let spot = Spot {
                    no: number(given, "no"),
                    at: number(given, "at"),
                    stored: number(given, "stored"),
                    inflated: number(given, "inflated"),
                };
                let kind = borsh::from_slice(&[number(given, "kind")]).unwrap();
                let wanted = Wanted { spot, kind, name };
                let (first, last) = wanted.sealed_range()?;
                let plaintext = at.open_piece(&wanted, &keys, &given.hex("answer"))?;
                json!({"first": first, "last": last, "plaintext": plaintext_value(&plaintext)})
            }
            "pack-id" => {
                assert_eq!(number::<u8>(given, "codec"), CODEC_VERSION);
                let full = FullPack {
                    class: class(given.text("class")),
                    directory: Hash::of(&given.hex("directory")),
                    padded: Vec::new(),
                };
                let device = DeviceSecret::from_bytes(given.fixed("seed"));
                let mut drawn = Frozen(given.hex("drawn")[0]);
                hex(full.draw_id(&device, &mut drawn, given.epoch("epoch")).0)
            }
            other => panic!("{other}"),
        })
    });
}

#[test]
fn cuts() {
    run(vectors!("cuts"), |check, given| {
        let keys = given_keys(given);
        Ok(match check {
            "gear" => {
                let gear = keys.gear();
                let number = |number: u64| format!("{number:016x}");
                let [early, late] = gear.masks;
                json!({
                    "first": number(gear.table[0]),
                    "last": number(gear.table[255]),
                    "early": number(early),
                    "late": number(late),
                })
            }
            "cuts" => json!(super::cuts::lengths(Arc::new(keys.gear()), &given_content(given), usize::MAX)),
            "blob-id" => {
                let content = given_content(given);
                let pieces = content.chunks(usize::try_from(PIECE_BYTES).unwrap());
                let ids: Vec<PieceId> = pieces.map(|piece| keys.piece_id(piece)).collect();
                let id = match &ids[..] {
                    [one] => one.0,
                    many => {
                        let list: Vec<u8> = many.iter().flat_map(|id| id.0).collect();
                        keys.blob_id(content.len() as u64, &list).0
                    }
                };
                json!({"id": hex(id), "pieces": ids.len()})
            }
            other => panic!("{other}"),
        })
    });
}
