//! Zstd frames (RFC 8878), one at a time: what is written is opened again first, what is read is bounded before it inflates.

/// The level of the one codec: the fastest that still halves shell history.
const LEVEL: i32 = 1;
/// The largest window that a frame may ask for in its window descriptor.
const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// The bytes as one frame of at most `most` bytes, if the codec makes one; it is opened again before it counts, so that a
/// codec's defect loses nothing.
pub(crate) fn compress(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let packed = zrip::compress(bytes, LEVEL).ok().filter(|packed| packed.len() <= most)?;
    inflate(&packed, bytes.len()).filter(|again| again == bytes).map(|_| packed)
}

/// What one frame holds, if it is that and exactly `len` bytes.
pub(crate) fn inflate(frame: &[u8], len: usize) -> Option<Vec<u8>> {
    if is_one_frame(frame) != Some(true) {
        return None;
    }
    zrip::decompress_with_limit(frame, len).ok().filter(|out| out.len() == len)
}

/// Whether the bytes are one zstd frame without a dictionary and nothing else, by its header and its blocks' headers (RFC
/// 8878 §3.1.1): the codec itself also takes several frames, and skippable ones between them.
fn is_one_frame(bytes: &[u8]) -> Option<bool> {
    let (descriptor, mut rest) = bytes.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?.split_first()?;
    let (single_segment, checksum) = (descriptor & 0x20 != 0, descriptor & 0x04 != 0);
    let content_size_bytes = match descriptor >> 6 {
        0 => usize::from(single_segment),
        flag => 1 << flag,
    };
    if descriptor & 0x03 != 0 {
        return None; // a dictionary's id
    }
    if !single_segment {
        let (window, after) = rest.split_first()?;
        let base = 1u64 << (10 + (window >> 3));
        if base + base / 8 * u64::from(window & 7) > WINDOW_BYTES_MAX {
            return None;
        }
        rest = after;
    }
    rest = rest.get(content_size_bytes..)?;
    loop {
        let (header, after) = rest.split_first_chunk::<3>()?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let body = match header >> 1 & 3 {
            1 => 1, // one byte, repeated
            _ => usize::try_from(header >> 3).ok()?,
        };
        rest = after.get(body..)?;
        if header & 1 == 1 {
            return Some(rest.len() == if checksum { 4 } else { 0 });
        }
    }
}
