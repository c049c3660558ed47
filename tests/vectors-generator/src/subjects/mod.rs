//! One module a subject.

mod addresses;
mod archives;
mod beacons;
mod buckets;
mod codes;
mod copies;
mod cuts;
mod derivations;
mod envelope;
mod headers;
mod json;
mod keys;
mod lines;
mod logs;
mod manifests;
mod merges;
mod objects;
mod packs;
mod padding;
mod persons;
mod records;
mod rosters;
mod segments;
mod signatures;
mod slots;
mod snapshots;
mod stamps;
mod tails;

use crate::case::File;

pub(crate) fn all() -> Vec<File> {
    vec![
        derivations::file(),
        signatures::file(),
        envelope::file(),
        padding::file(),
        objects::file(),
        keys::file(),
        codes::file(),
        slots::file(),
        headers::file(),
        json::file(),
        tails::file(),
        segments::file(),
        manifests::file(),
        beacons::file(),
        snapshots::file(),
        records::file(),
        logs::file(),
        stamps::file(),
        lines::file(),
        merges::file(),
        packs::file(),
        cuts::file(),
        persons::file(),
        rosters::file(),
        buckets::file(),
        addresses::file(),
        archives::file(),
    ]
}
