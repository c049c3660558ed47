//! What the parts of the replicated data refuse and choose, at their bounds.

use super::frame::{FRAME_BYTES_MAX, FRAMES_BYTES_MAX, Frame};
use super::*;
use crate::ErrorKind;

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
