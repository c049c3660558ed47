//! What the fuzzers of `tests/fuzz` ask of types that only the core sees: each function takes bytes that anybody may have made,
//! and panics where a promise is broken. Only with `--cfg fuzzing`, which cargo-fuzz sets; no other build knows of it.

use super::apply::lowest;
use super::head::{Bucket, Clock, Frozen, Identity, Known, Peer, Published, Revocation};
use super::header::{header_bytes, vault_in_header};
use super::manifests::verify_manifest;
use super::member::DeviceRecord;
use super::merge::{check_range, read_index};
use super::pull::read_beacon;
use super::retired::Retired;
use crate::crypto::{DeviceSecret, KeyRing, SlotRecord, pad_padme, pad_to_power_of_two, private_space_id};
use crate::replica::{
    ChunkPart, Collection, Fork, Forks, Home, Index, Island, Logged, Row, RowKey, Run, Slot, Stamp, Standing, Vector,
    decode, decode_chunk, decode_deletions, decode_segment, decode_tail, encode, encode_chunk, encode_segment,
    encode_tail, first_tag,
};
use crate::{DeviceId, Hash, Meter, Tag, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// The reader in the vault of `tests/vectors`, with the first epoch alone.
fn identity() -> Identity {
    let vault = VaultId(std::array::from_fn(|at| at as u8 * 0x11));
    let first = [&1u32.to_le_bytes()[..], &[0x11; 8]].concat();
    let ring = [&vault.0[..], &1u32.to_le_bytes(), &first, &[0xa1; 32], &first].concat();
    let secret = DeviceSecret::from_bytes([0xd3; 32]);
    Identity {
        vault,
        space: private_space_id(vault),
        device: secret.device_id(),
        secret,
        keys: KeyRing::from_bytes(&ring).expect("a ring of one epoch"),
        header: Hash::default(),
        recovery: None,
        member: true,
    }
}

fn home() -> Home {
    let Identity { vault, space, device, .. } = identity();
    Home { vault, space, device }
}

/// A value has one encoding.
fn one_form<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes, "a value") {
        assert_eq!(encode(&value), bytes, "a second encoding was taken");
    }
}

/// A header.
pub fn header(bytes: &[u8]) {
    if let Ok(vault) = vault_in_header(bytes) {
        assert_eq!(header_bytes(vault), bytes, "a second form of a header was taken");
    }
}

/// The records of devices, those retired too, and slots.
pub fn records(bytes: &[u8]) {
    one_form::<DeviceRecord>(bytes);
    one_form::<Retired>(bytes);
    one_form::<SlotRecord>(bytes);
}

/// A manifest's body; it is signed here, so that what lies behind the signature is reached.
pub fn manifest(body: &[u8]) {
    let reader = identity();
    let signed = [body, &reader.secret.sign("manifest", body)].concat();
    let Ok((manifest, hash, kept)) = verify_manifest(&reader, reader.device, &pad_to_power_of_two(&signed), None)
    else {
        return;
    };
    assert_eq!(kept, signed);
    assert_eq!(manifest.sign(&reader.secret), (signed, hash), "a second encoding was taken");
    let end = manifest.line.tail.end();
    assert_eq!(manifest.vector.n(reader.device), end.n);
    assert!(manifest.line.from() <= end.n + 1);
    assert!(manifest.vector.further(reader.device).is_empty());
    assert!(manifest.revoked.windows(2).all(|pair| pair[0].device < pair[1].device));
    assert!(manifest.revoked.iter().all(|gone| gone.device != reader.device));
}

/// A beacon.
pub fn beacon(bytes: &[u8]) {
    let padded = pad_to_power_of_two(bytes);
    if let Ok(beacon) = read_beacon(&identity(), &padded) {
        assert_eq!(beacon.encode(), padded, "a second encoding was taken");
    }
}

/// A segment's plaintext.
pub fn segment(bytes: &[u8]) {
    let Ok(run) = decode_segment(home(), bytes) else { return };
    let stored = segment_round_trip(&run);
    let frames = bytes.get(SEGMENT_CLEAR_BYTES..).and_then(skip_stored);
    let payloads = frames.and_then(|rest| rest.split_first_chunk::<4>());
    if payloads.is_some_and(|(count, rest)| skip_all(rest, *count, skip_stored)) {
        assert_eq!(stored, bytes, "a second encoding was taken");
    }
}

/// Vault, space and device, the first number and the tag before it.
const SEGMENT_CLEAR_BYTES: usize = 3 * 16 + 8 + 8;

/// Whether `count` things follow and nothing else. Only stored frames have one form: zstd has many for the same bytes.
fn skip_all(mut rest: &[u8], count: [u8; 4], skip: fn(&[u8]) -> Option<&[u8]>) -> bool {
    for _ in 0..u32::from_le_bytes(count) {
        let Some(after) = skip(rest) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// What follows a frame that is stored, not compressed.
fn skip_stored(bytes: &[u8]) -> Option<&[u8]> {
    skip_bytes(bytes.strip_prefix(&[0])?)
}

/// What follows a string of bytes, whose length is before it.
fn skip_bytes(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.get(usize::try_from(u32::from_le_bytes(*len)).ok()?..)
}

/// A tail of the vectors' device.
pub fn tail(bytes: &[u8]) {
    let device = identity().device;
    if let Ok(run) = decode_tail(device, bytes) {
        assert_eq!(encode_tail(&run), bytes, "a second encoding was taken");
        round_trip(&run);
    }
}

/// A run of the vectors' device, as a tail and, stored or compressed, as a segment.
pub fn round_trip(run: &Run) {
    let device = identity().device;
    assert_eq!(decode_tail(device, &encode_tail(run)).as_ref(), Ok(run), "a tail reads back otherwise");
    if !run.ops.is_empty() {
        segment_round_trip(run);
    }
}

fn segment_round_trip(run: &Run) -> Vec<u8> {
    let [stored, packed] = [false, true].map(|compress| encode_segment(home(), run, compress));
    assert_eq!(decode_segment(home(), &stored).as_ref(), Ok(run), "a segment reads back otherwise");
    assert_eq!(decode_segment(home(), &packed).as_ref(), Ok(run), "a compressed segment reads back otherwise");
    stored
}

/// The device of [`round_trip`]'s runs.
pub fn run_device() -> DeviceId {
    identity().device
}

/// A snapshot's index, and the lines it tells of.
pub fn index(bytes: &[u8]) {
    let Ok(index) = read_index(&identity(), None, &pad_padme(bytes)) else { return };
    assert_eq!(encode(&index), bytes, "a second encoding was taken");
    assert!(index.islands.values().flatten().all(|island| {
        let end = island.end();
        island.has(end.n, end.tag) && island.from <= end.n
    }));
    assert!(index.beyond().len() <= index.islands.values().map(Vec::len).sum());
    let Index { vector, forks, .. } = index;
    let forks: Forks = forks.into_iter().collect();
    let mut joined = Vector::default();
    joined.join(&vector, &forks);
    for (device, _) in vector.iter() {
        vector.points(device).for_each(|point| joined.raise(device, point, &forks));
    }
    vector_round_trip(&joined);
}

/// A vector.
pub fn vector(bytes: &[u8]) {
    one_form::<Vector>(bytes);
}

/// A vector that is written reads back.
pub fn vector_round_trip(vector: &Vector) {
    assert_eq!(decode::<Vector>(&encode(vector), "a vector").as_ref(), Ok(vector), "a vector reads back otherwise");
}

/// Lines of devices from their first op on, each given by all its tags; `None` if a snapshot could not tell them so.
pub fn forks(told: Vec<(DeviceId, Vec<Vec<Tag>>)>) -> Option<Forks> {
    told.into_iter().map(|(device, lines)| Some((device, fork(device, 0, Tag::default(), lines)?))).collect()
}

/// The lines of a device beyond op `trunk`, as a snapshot tells them.
fn fork(device: DeviceId, trunk: u64, before: Tag, lines: Vec<Vec<Tag>>) -> Option<Fork> {
    let before = if trunk == 0 { first_tag(device) } else { before };
    decode(&encode(&(trunk, before, lines)), "a fork").ok()
}

/// What is known of a forked device's lines, here or by another.
pub struct Told {
    /// All lines share the ops up to this one.
    pub trunk: u64,
    /// The tag of that op.
    pub before: Tag,
    /// The tags of each line beyond.
    pub lines: Vec<Vec<Tag>>,
}

/// Joins what is known here of a device's lines with what another tells; `trunk` gives the tags of the ops that lines share.
/// What comes out can be told on. `None`: one of them is no such thing, or where they part can't be told.
pub fn join_lines(device: DeviceId, known: Told, told: Told, trunk: impl Fn(u64) -> Option<Tag>) -> Option<Forks> {
    let [known, told] = [known, told].map(|told| fork(device, told.trunk, told.before, told.lines));
    let joined = known?.join(&told?, trunk)?;
    assert_eq!(decode::<Fork>(&encode(&joined), "a fork").as_ref(), Ok(&joined), "lines that nobody can be told");
    Some([(device, joined)].into_iter().collect())
}

/// A chunk of a snapshot.
pub fn chunk(bytes: &[u8]) {
    let Ok(parts) = decode_chunk(bytes) else { return };
    let stored = chunk_round_trip(&parts);
    let is_stored = |(count, rest): (&[u8; 4], &[u8])| {
        // A part: the collection's kind and name, then the frame.
        skip_all(rest, *count, |part| skip_stored(skip_bytes(part.get(1..)?)?))
    };
    if bytes.split_first_chunk().is_some_and(is_stored) {
        assert_eq!(stored, bytes, "a second encoding was taken");
    }
}

/// Rows of a chunk, valid and in order, by collection.
pub fn chunk_of(parts: Vec<(Collection, Vec<(String, Slot)>)>) {
    let row = |(key, slot)| Row { key, slot };
    let parts: Vec<_> = parts.into_iter().map(|(name, rows)| (name, rows.into_iter().map(row).collect())).collect();
    chunk_round_trip(&parts);
}

fn chunk_round_trip(parts: &[(Collection, Vec<Row>)]) -> Vec<u8> {
    let [stored, packed] = [false, true].map(|compress| {
        encode_chunk(parts.iter().map(|(name, rows)| ChunkPart::pack(name.clone(), rows, compress)).collect())
    });
    assert_eq!(decode_chunk(&stored).as_deref(), Ok(parts), "a chunk reads back otherwise");
    assert_eq!(decode_chunk(&packed).as_deref(), Ok(parts), "a compressed chunk reads back otherwise");
    let place = |collection: &Collection, row: &Row| RowKey { collection: collection.clone(), key: row.key.clone() };
    let mut places = parts.iter().flat_map(|(name, rows)| rows.iter().map(|row| place(name, row)));
    let first = places.next().expect("a chunk has rows");
    let last = places.last().unwrap_or_else(|| first.clone());
    assert_eq!(check_range(parts, &first, None), Ok(()));
    assert!(check_range(parts, &first, Some(&last)).is_err(), "a chunk reaches into the next");
    stored
}

/// Digests of deleted log entries.
pub fn deletions(bytes: &[u8]) {
    if let Ok(digests) = decode_deletions(bytes) {
        assert_eq!(encode(&digests), bytes, "a second encoding was taken");
    }
}

/// A row of the local store; `which` chooses its type.
pub fn row(which: u8, bytes: &[u8]) {
    match which {
        0 => one_form::<Identity>(bytes),
        1 => one_form::<Clock>(bytes),
        2 => one_form::<Published>(bytes),
        3 => one_form::<Frozen>(bytes),
        4 => one_form::<Bucket>(bytes),
        5 => one_form::<Known>(bytes),
        6 => one_form::<Meter>(bytes),
        7 => one_form::<Peer>(bytes),
        8 => one_form::<Collection>(bytes),
        9 => one_form::<Logged>(bytes),
        10 => one_form::<Fork>(bytes),
        11 => one_form::<Island>(bytes),
        12 => one_form::<BTreeMap<DeviceId, Revocation>>(bytes),
        13 => one_form::<Vec<DeviceId>>(bytes),
        _ => one_form::<Slot>(bytes),
    }
}

/// Stamps rise, and a foreign one moves them by five minutes at most.
pub fn stamps(last: Stamp, foreign: Stamp, unix_ms: u64) {
    let next = last.next(unix_ms);
    let is_own_clock = next == Stamp { ms: unix_ms, counter: 0 } && last.ms.saturating_sub(unix_ms) > 24 * 3_600_000;
    assert!(next > last || is_own_clock || last.ms == u64::MAX, "a stamp does not rise");
    assert!(next.ms <= unix_ms.saturating_add(24 * 3_600_000 + 1), "a clock that was set right moves stamps");
    let after = last.after_seeing(foreign, unix_ms);
    assert!(after == last || (after == foreign && foreign > last));
    assert!(after == last || after.ms <= unix_ms.saturating_add(300_000), "a foreign clock moved ours");
    assert_eq!(after.after_seeing(foreign, unix_ms), after);
}

/// What stands at a log's key is the same whatever order entries come in: of each value the lowest (stamp, dot).
pub fn log_entries(entries: &[Standing]) {
    let fold = |slot, entry: &Standing| lowest(slot, entry.clone());
    let there = entries.iter().fold(Slot::default(), fold);
    assert_eq!(entries.iter().rev().fold(Slot::default(), fold), there);
    assert_eq!(entries.iter().fold(there.clone(), fold), there);
    let mut expected: BTreeMap<Vec<u8>, &Standing> = BTreeMap::new();
    for entry in entries {
        let value = entry.action.value().unwrap_or_default().to_vec();
        let stands = expected.entry(value).or_insert(entry);
        if (entry.stamp, entry.dot) < (stands.stamp, stands.dot) {
            *stands = entry;
        }
    }
    let mut expected: Vec<Standing> = expected.into_values().cloned().collect();
    expected.sort_by_key(|entry| entry.dot);
    assert_eq!(there.standing, expected);
}
