//! Beacons (docs/format/replica.md, "Beacon").

use crate::bytes::{Id, Tag, join, list};
use crate::case::{File, hex};
use crate::world::{OTHER_VAULT, VAULT, devices, space};
use serde_json::{Value, json};

type Sighting = (Id, u64, Tag);

fn bytes(vault: Id, space: Id, sightings: &[Sighting]) -> Vec<u8> {
    let entry = |(device, sequence, hash): &Sighting| join(&[device, &sequence.to_le_bytes(), hash]);
    join(&[&vault, &space, &list(&sightings.iter().map(entry).collect::<Vec<_>>())])
}

fn value(sightings: &[Sighting]) -> Value {
    let entry = |(device, sequence, hash): &Sighting| json!({"device": hex(device), "sequence": sequence.to_string(), "hash": hex(hash)});
    sightings.iter().map(entry).collect()
}

fn given(plaintext: &[u8]) -> Value {
    json!({"vault": hex(VAULT), "space": hex(space()), "plaintext": hex(plaintext)})
}

pub(crate) fn file() -> File {
    let mut file = File::new("beacons", "docs/format/replica.md: Beacon. The plaintext is without its padding");
    let ids: Vec<Id> = devices().into_iter().map(|(id, _)| id).collect();
    let here = |sightings: &[Sighting]| bytes(VAULT, space(), sightings);
    let all = [(ids[0], 3, [3; 8]), (ids[1], 1, [1; 8]), (ids[2], u64::MAX, [0xff; 8])];
    file.value("no device", "beacon", given(&here(&[])), value(&[]));
    file.value("three devices", "beacon", given(&here(&all)), value(&all));

    let mut refuse = |name: &str, plaintext: &[u8]| file.refused(name, "beacon", given(plaintext), "corrupt");
    refuse("of another vault", &bytes(OTHER_VAULT, space(), &all));
    refuse("of another space", &bytes(VAULT, [9; 16], &all));
    refuse("devices that fall", &here(&[all[1], all[0]]));
    refuse("a device twice", &here(&[all[0], all[0]]));
    refuse("a device twice with two sequences", &here(&[all[0], (ids[0], 4, [4; 8])]));
    refuse("sequence 0", &here(&[(ids[0], 0, [3; 8])]));
    refuse("nothing", &[]);
    refuse("a byte short", &here(&all)[..here(&all).len() - 1]);
    refuse("a byte behind", &join(&[&here(&all), &[0]]));
    refuse("more devices than bytes", &join(&[&VAULT, &space(), &[0xff; 4]]));
    file
}
