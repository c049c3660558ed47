//! What the parts of the replicated data refuse and choose, at their bounds.

use super::frame::{FRAME_BYTES_MAX, FRAMES_BYTES_MAX, Frame};
use super::*;
use crate::crypto::DeviceSecret;
use crate::{DeviceId, ErrorKind, Hash, ObjectId, SpaceId, Tag, VaultId};

/// A zstd frame (RFC 8878 §3.1.1) of one raw block, with a window descriptor.
fn raw_zstd(window: u8, content: &[u8]) -> Frame {
    let header = (content.len() as u32) << 3 | 1;
    let bytes = [&[0x28, 0xb5, 0x2f, 0xfd, 0, window], &header.to_le_bytes()[..3], content].concat();
    Frame::Zstd { inflated: content.len() as u32, bytes }
}

#[test]
fn a_frame_is_compressed_where_that_is_shorter_and_only_there() {
    let repeated = b"all the same ".repeat(100);
    let packed = Frame::pack(repeated.clone(), true);
    assert!(matches!(&packed, Frame::Zstd { inflated: 1300, bytes } if bytes.len() < 100));
    assert_eq!(packed.unpack(&mut FRAMES_BYTES_MAX.clone()).unwrap(), repeated);
    assert_eq!(Frame::pack(repeated.clone(), false), Frame::Stored(repeated));
    // What is given must be longer than the compressed form and the length beside it, of four bytes.
    let shortest = (1..100).find(|bytes| matches!(Frame::pack(vec![7; *bytes], true), Frame::Zstd { .. })).unwrap();
    let Frame::Zstd { bytes, .. } = Frame::pack(vec![7; shortest], true) else { unreachable!() };
    assert_eq!(encode(&Frame::pack(vec![7; shortest], true)).len(), 1 + 4 + 4 + bytes.len());
    assert!(encode(&Frame::pack(vec![7; shortest], true)).len() < encode(&Frame::Stored(vec![7; shortest])).len());
    assert_eq!(bytes.len() + 4 + 1, shortest, "of this codec, one byte more is never longer");
}

/// A second implementation of RFC 8878 reads what the codec writes: random bytes, runs, words and repeats of any distance, in
/// lengths around those of blocks (128 KiB) and of a whole frame.
#[test]
fn another_decoder_reads_every_frame_that_is_written() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let lengths = [1, 20, 300, 4_000, 65_536, 131_071, 131_072, 131_073, 400_000];
    let lengths = lengths.into_iter().cycle().take(200).chain([FRAME_BYTES_MAX]);
    let mut compressed = 0;
    for (case, len) in lengths.enumerate() {
        let mut content = Vec::with_capacity(len + 600);
        while content.len() < len {
            match random(4) {
                0 => content.extend((0..random(64)).map(|_| random(256) as u8)),
                1 => content.resize(content.len() + random(500), random(256) as u8),
                2 => content.extend_from_slice(&b"tidelock log append builds; git commit --amend"[random(40)..]),
                _ => {
                    let from = random(content.len() + 1);
                    content.extend_from_within(from..(from + random(500)).min(content.len()));
                }
            }
        }
        content.truncate(len);
        if let Frame::Zstd { bytes, .. } = Frame::pack(content.clone(), true) {
            let mut again = Vec::with_capacity(len);
            ruzstd::decoding::FrameDecoder::new().decode_all_to_vec(&bytes, &mut again).unwrap();
            assert!(again == content, "case {case} of {len} bytes");
            compressed += 1;
        }
    }
    assert!(compressed > 100, "{compressed} frames");
}

#[test]
fn a_frame_needs_no_window_beyond_what_it_may_inflate_to() {
    let unpack = |window| raw_zstd(window, b"content").unpack(&mut FRAMES_BYTES_MAX.clone());
    // 2^(10 + exponent), and eighths of it: of 1 MiB and an eighth, of 8 MiB, of 8 MiB and an eighth, of more than can be.
    assert_eq!(FRAME_BYTES_MAX, 8 << 20);
    assert_eq!(unpack(10 << 3 | 1).unwrap(), b"content");
    assert_eq!(unpack(13 << 3).unwrap(), b"content");
    assert_eq!(unpack(13 << 3 | 1).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(unpack(31 << 3 | 7).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn values_have_a_bound_and_collections_a_name_for_people() {
    assert!(check_value("key", &vec![0; RECORD_VALUE_BYTES_MAX]).is_ok());
    let error = check_value("key", &vec![0; RECORD_VALUE_BYTES_MAX + 1]).unwrap_err();
    assert_eq!((error.kind(), error.object()), (ErrorKind::Invalid, Some("key")));
    let shown = [Collection::map("notes"), Collection::log("shell"), Collection::root()].map(|named| named.to_string());
    assert_eq!(shown, ["map notes", "log shell", "root"]);
}

fn point(n: u64) -> Point {
    Point { n, tag: Tag([n as u8; 8]) }
}

fn dot(device: u8, n: u64) -> Dot {
    Dot { device: DeviceId([device; 16]), n, tag: point(n).tag }
}

#[test]
fn a_snapshot_covers_another_by_its_vector_and_its_islands() {
    let named = |n: u64, beyond: &[Dot]| SnapshotRef {
        index: ObjectRef { id: ObjectId([1; 16]), hash: Hash::of(b""), len: 1 },
        bytes: 0,
        vector: [(DeviceId([1; 16]), point(n))].into_iter().collect(),
        beyond: beyond.iter().copied().collect(),
    };
    let covers = |one: SnapshotRef, other: SnapshotRef| one.covers_all(&other, &Forks::default());
    assert!(covers(named(5, &[]), named(5, &[])));
    assert!(!covers(named(4, &[]), named(5, &[])));
    assert!(covers(named(7, &[]), named(5, &[dot(1, 7)])), "what was an island there is its prefix");
    assert!(covers(named(5, &[dot(2, 9)]), named(5, &[dot(2, 9)])));
    assert!(!covers(named(5, &[]), named(5, &[dot(2, 9)])));
    assert!(!covers(named(4, &[dot(2, 9)]), named(5, &[dot(2, 9)])), "a vector too");
}

#[test]
fn a_context_is_empty_only_without_a_vector_and_without_dots() {
    let vector: Vector = [(DeviceId([1; 16]), point(3))].into_iter().collect();
    assert!(Vector::default().is_empty() && !vector.is_empty());
    let mut context = Context { vector: vector.clone(), dots: [dot(1, 2), dot(2, 2)].into() };
    context.shrink(&Vector::default(), &Forks::default());
    assert_eq!(
        context,
        Context { vector: vector.clone(), dots: [dot(2, 2)].into() },
        "the own vector has the first dot"
    );
    context.shrink(&vector, &Forks::default());
    assert_eq!(context, Context { vector: Vector::default(), dots: [dot(2, 2)].into() });
    context.dots.clear();
    assert!(context.is_empty() && !Context { vector, ..Context::default() }.is_empty());
}

#[test]
fn a_manifest_names_no_op_that_none_can_follow() {
    let secret = DeviceSecret::from_bytes([7; 32]);
    let device = secret.device_id();
    let object = ObjectRef { id: ObjectId([1; 16]), hash: Hash::of(b""), len: 1 };
    let read = |end: u64, tail_from: u64| {
        let segments = vec![SegmentRef { from: 1, end: point(end), object }];
        let tail = Run { from: tail_from, before: point(end).tag, base: Vector::default(), ops: Vec::new() };
        let manifest = Manifest {
            vault: VaultId([2; 16]),
            space: SpaceId([3; 16]),
            device,
            public_key: secret.public_key(),
            sequence: 1,
            previous: Hash::default(),
            vector: [(device, point(end))].into_iter().collect(),
            line: Line { segments, tail },
            snapshot: None,
            damaged: Vec::new(),
            revoked: Vec::new(),
        };
        Manifest::verify(&manifest.sign(&secret).0)
    };
    assert_eq!(read(5, 6).unwrap().0.line.segments[0].end, point(5));
    assert_eq!(read(u64::MAX, 2).unwrap_err().kind(), ErrorKind::Corrupt);
}

/// Rows of one collection whose encoding has so many bytes.
fn rows_of(bytes: usize, first_key: u32) -> Vec<Row> {
    let row = |at: u32, value: usize| {
        let action = Action::Put(vec![7; value]);
        let standing = Standing { dot: dot(1, 1), stamp: Stamp::default(), action, context: Context::default() };
        Row { key: format!("{:06}", first_key + at), slot: Slot { standing: vec![standing] } }
    };
    let few: Vec<Row> = (0..8).map(|at| row(at, 0)).collect();
    let values = bytes - encode(&few).len();
    let rows: Vec<Row> = (0..8).map(|at| row(at, values / 8 + if at == 0 { values % 8 } else { 0 })).collect();
    assert_eq!(encode(&rows).len(), bytes);
    rows
}

#[test]
fn a_collection_goes_on_in_another_frame_only_after_a_full_one() {
    let chunk = |bytes| {
        let pack = |rows: &Vec<Row>| ChunkPart::pack(Collection::map("notes"), rows, true);
        decode_chunk(&encode_chunk(vec![pack(&rows_of(bytes, 0)), pack(&rows_of(1_000, 100))]))
    };
    assert_eq!(chunk(FRAME_FULL_BYTES).unwrap().iter().map(|(_, rows)| rows.len()).sum::<usize>(), 16);
    assert_eq!(chunk(FRAME_FULL_BYTES - 1).unwrap_err().kind(), ErrorKind::Corrupt);
}
