//! Manifests by themselves (docs/format/replica.md, "Manifests").

use super::tails::rich;
use crate::bytes::{Entry, Id, Lines, join, one_line};
use crate::case::{File, hex};
use crate::manifest::{Manifest, ObjectRef, Revoked, SegmentRef};
use crate::ops::{Op, Run, map};
use crate::sealing::public_key;
use crate::world::{MS, OTHER_VAULT, VAULT, devices, space};
use serde_json::{Value, json};

fn given(device: Id, signed: &[u8]) -> Value {
    json!({"vault": hex(VAULT), "space": hex(space()), "device": hex(device), "signed": hex(signed)})
}

/// A manifest with everything: three segments, a tail, a snapshot, damage, two that are revoked.
fn full() -> Manifest {
    let [(one, _), (own, seed), (two, _)] = devices()[..] else { panic!("three devices") };
    let tail = rich();
    let object = |byte| ObjectRef([byte; 16], [byte; 32], 4_000);
    let segment = |byte, from, n, tag| SegmentRef { object: object(byte), from, end: (own, n, tag) };
    let mut vector = one_line(&[(one, 300, [7; 8]), tail.end(), (two, 2, [2; 8])]);
    vector.sort_unstable();
    Manifest {
        sequence: 7,
        previous: [0x77; 32],
        vector,
        segments: vec![segment(1, 11, 20, [0x20; 8]), segment(2, 21, 21, [0x21; 8]), segment(3, 22, 40, [0x41; 8])],
        snapshot: Some((object(4), 12_345, one_line(&[(one, 3, [3; 8]), (own, 10, [0x10; 8])]))),
        beyond: vec![(one, 5, [5; 8]), (one, 5, [6; 8]), (one, 300, [7; 8])],
        damaged: vec![(one, 1, 2), (one, 1, 3), (two, 9, 9)],
        revoked: revoked(&[one, two]),
        ..Manifest::first(seed, tail, &[])
    }
}

/// Devices that nobody else knows, by rising id.
fn many_revoked(count: u16) -> Vec<Revoked> {
    let id = |number: u16| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        id
    };
    (0..count).map(|number| (id(number), None, MS)).collect()
}

/// Two devices, by rising id, one of them with a mark.
fn revoked(devices: &[Id]) -> Vec<Revoked> {
    let mut devices = devices.to_vec();
    devices.sort_unstable();
    vec![(devices[0], Some((300, [7; 8])), MS), (devices[1], None, 0)]
}

pub(crate) fn file() -> File {
    let mut file = File::new(
        "manifests",
        "docs/format/replica.md: Manifests. `signed` is body and signature, without padding. Each but those of the \
         signature is signed by its device",
    );
    let full = full();
    let device = full.home[2];
    let seed = full.seed;
    let put = || Op::put(map("m"), "k", "v");
    let first = || Manifest::first(seed, Run::first(device, vec![put()]), &[]);
    let many = |count: u64| {
        let mut run = Run::first(device, vec![]);
        let mut segments = Vec::new();
        for n in 1..=count {
            run = run.then(vec![], vec![put()]);
            let object = ObjectRef([n as u8; 16], [n as u8; 32], 500);
            segments.push(SegmentRef { object, from: n, end: run.end() });
        }
        Manifest { segments, ..Manifest::first(seed, run.then(vec![], vec![]), &[]) }
    };

    let mut take = |name: &str, manifest: Manifest| {
        file.value(name, "manifest", given(device, &manifest.signed()), manifest.value());
    };
    take("a full one", full.clone());
    take("a first one", first());
    take("nothing written and nothing seen", Manifest::first(seed, Run::first(device, vec![]), &[]));
    take("nothing written and something seen", {
        Manifest::first(seed, Run::first(device, vec![]), &[(full.damaged[0].0, 4, [4; 8])])
    });
    take("a second one", Manifest { sequence: 2, previous: first().hash(), ..first() });
    take("the greatest sequence", Manifest { sequence: u64::MAX, previous: [1; 32], ..first() });
    take("an empty tail behind its segments", {
        let tail = full.tail.then(vec![], vec![]);
        let mut changed = full.clone();
        changed.segments[2].end = full.tail.end();
        Manifest { tail, ..changed }
    });
    take("64 segments", many(64));
    let one = full.vector[0].first.0;
    let forked = |first: Entry, further: Vec<(u64, [u8; 8], u64)>| Lines { first, further };
    take("a forked device in its vector", {
        let mut changed = full.clone();
        changed.vector[0].further = vec![(4, [4; 8], 0), (300, [6; 8], 299)];
        changed
    });
    take("a forked device in its snapshot's vector", {
        let mut changed = full.clone();
        let vector = vec![forked((one, 3, [3; 8]), vec![(3, [2; 8], 2)])];
        changed.snapshot.as_mut().expect("one").2 = vector;
        changed
    });
    take("a snapshot with two lines of its own device", {
        let mut changed = full.clone();
        let vector = vec![forked((device, 3, [3; 8]), vec![(3, [2; 8], 2)])];
        changed.snapshot.as_mut().expect("one").2 = vector;
        changed
    });
    take("a snapshot without islands", Manifest { beyond: vec![], ..full.clone() });
    take("damage of overlapping ranges", Manifest { damaged: vec![(device, 1, 5), (device, 3, 4)], ..first() });
    take("damage of an empty range", Manifest { damaged: vec![(device, 4, 3)], ..first() });
    take("damage from 0", Manifest { damaged: vec![(device, 0, 4)], ..first() });

    take("a thousand that are revoked", Manifest { revoked: many_revoked(1_000), ..first() });

    let mut refuse = |name: &str, signed: Vec<u8>| file.refused(name, "manifest", given(device, &signed), "corrupt");
    let mut spoil = |name: &str, change: &dyn Fn(&mut Manifest)| {
        let mut changed = full.clone();
        change(&mut changed);
        refuse(name, changed.signed());
    };
    // Place and author.
    spoil("of another vault", &|m| m.home[0] = OTHER_VAULT);
    spoil("of another space", &|m| m.home[1] = [9; 16]);
    spoil("another device's public key", &|m| m.public_key = public_key(&devices()[0].1));
    spoil("signed by another device", &|m| m.seed = devices()[0].1);
    spoil("signed for another domain", &|m| m.domain = "beacon");
    spoil("signed for a domain that names the program twice", &|m| m.domain = "tidelock/1/manifest");
    // Order.
    spoil("sequence 0", &|m| m.sequence = 0);
    spoil("sequence 0 and nothing before", &|m| (m.sequence, m.previous) = (0, [0; 32]));
    spoil("nothing before, and not the first", &|m| m.previous = [0; 32]);
    spoil("a first one with one before", &|m| m.sequence = 1);
    // Vector.
    let own = full.vector.iter().position(|lines| lines.first.0 == device).expect("its own entry");
    spoil("a vector short of its tail", &|m| m.vector[own].first.1 -= 1);
    spoil("a vector past its tail", &|m| m.vector[own].first.1 += 1);
    spoil("a vector of another tag", &|m| m.vector[own].first.2 = [0; 8]);
    spoil("a vector without its own device", &|m| {
        m.vector.remove(own);
    });
    spoil("a vector that falls", &|m| m.vector.reverse());
    spoil("a device twice in its vector", &|m| m.vector.insert(1, m.vector[0].clone()));
    spoil("a point of number 0", &|m| m.vector[(own + 1) % 3].first.1 = 0);
    spoil("a further line of its own device", &|m| m.vector[own].further = vec![(41, [1; 8], 40)]);
    spoil("a line that does not part", &|m| m.vector[0].further = vec![(299, [1; 8], 299)]);
    spoil("a further line above the first", &|m| m.vector[0].further = vec![(301, [1; 8], 299)]);
    // Segments.
    spoil("a gap between segments", &|m| m.segments[1].from += 1);
    spoil("segments that overlap", &|m| m.segments[1].from -= 1);
    spoil("an empty segment", &|m| m.segments[1].end.1 = 20);
    spoil("segments in falling order", &|m| m.segments.reverse());
    spoil("a segment twice", &|m| m.segments.insert(1, m.segments[0].clone()));
    spoil("a segment from 0", &|m| m.segments[0].from = 0);
    spoil("a segment's end of number 0", &|m| (m.segments[0].from, m.segments[0].end.1) = (0, 0));
    spoil("a gap before the tail", &|m| m.segments[2].end.1 -= 1);
    spoil("a tail over another tag than the last segment's", &|m| m.segments[2].end.2 = [0x40; 8]);
    spoil("an empty text for a tail", &|m| m.raw_tail = Some(vec![]));
    spoil("a byte behind the tail", &|m| m.raw_tail = Some(join(&[&m.tail.tail(), &[0]])));
    spoil("a tail that is not right itself", &|m| {
        let mut columns = m.tail.columns();
        columns.devices.push([0xaa; 16]);
        m.raw_tail = Some(columns.tail());
    });
    // Snapshot and damage.
    spoil("an option of 2", &|m| m.raw_snapshot = Some(vec![2]));
    spoil("a snapshot's vector that falls", &|m| {
        m.snapshot.as_mut().expect("one").2.reverse();
    });
    spoil("a snapshot's vector with a point of 0", &|m| {
        m.snapshot.as_mut().expect("one").2[0].first.1 = 0;
    });
    spoil("a snapshot's vector whose lines fall", &|m| {
        m.snapshot.as_mut().expect("one").2[0].further = vec![(3, [2; 8], 1), (2, [2; 8], 1)];
    });
    spoil("ends of islands that fall", &|m| m.beyond.reverse());
    spoil("an island's end twice", &|m| m.beyond[1] = m.beyond[0]);
    spoil("an island's end of number 0", &|m| m.beyond[0].1 = 0);
    spoil("damage that falls", &|m| m.damaged.reverse());
    spoil("damage twice", &|m| m.damaged[1] = m.damaged[0]);
    spoil("damage that falls by its end", &|m| m.damaged[1].2 = 1);
    // Revocations.
    spoil("revoked devices that fall", &|m| m.revoked.reverse());
    spoil("a device revoked twice", &|m| m.revoked[1].0 = m.revoked[0].0);
    spoil("its own device revoked", &|m| {
        m.revoked[1].0 = m.home[2];
        m.revoked.sort_unstable();
    });
    spoil("a mark of number 0", &|m| m.revoked[0].1 = Some((0, [7; 8])));
    spoil("1,001 that are revoked", &|m| m.revoked = many_revoked(1_001));
    // Bytes.
    spoil("a byte behind the body", &|m| m.after = vec![0]);
    let body = full.body();
    let resigned = |body: &[u8]| join(&[body, &crate::sealing::sign(&seed, "manifest", body)]);
    refuse("a body a byte short", resigned(&body[..body.len() - 1]));
    refuse("a vector of more entries than bytes", {
        let at = 16 * 3 + 32 + 8 + 32;
        resigned(&join(&[&body[..at], &[0xff; 4], &body[at + 4..]]))
    });
    refuse("an empty body", resigned(&[]));
    let signed = full.signed();
    refuse("nothing", vec![]);
    refuse("63 bytes", signed[..63].to_vec());
    refuse("a byte behind the signature", join(&[&signed, &[0]]));
    refuse("a signature a byte short", signed[..signed.len() - 1].to_vec());
    refuse("a body altered after it was signed", {
        let mut altered = signed.clone();
        altered[body.len() - 1] ^= 1;
        altered
    });
    refuse("65 segments", many(65).signed());
    let other = Manifest::first(devices()[0].1, Run::first(devices()[0].0, vec![put()]), &[]);
    refuse("another device's manifest", other.signed());
    file
}
