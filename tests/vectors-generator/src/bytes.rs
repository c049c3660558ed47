//! The encoding of docs/FORMAT.md, by hand: what is written is what is asked for, also where it is wrong.

pub(crate) type Id = [u8; 16];
pub(crate) type Tag = [u8; 8];
/// A device, a number and a tag: an entry of a vector, or a dot.
pub(crate) type Entry = (Id, u64, Tag);

/// Joins parts.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A list's or a text's length.
pub(crate) fn count(len: usize) -> Vec<u8> {
    u32::try_from(len).expect("no vector is that long").to_le_bytes().to_vec()
}

/// A list of encoded elements.
pub(crate) fn list(elements: &[Vec<u8>]) -> Vec<u8> {
    join(&[&count(elements.len()), &elements.concat()])
}

/// A list of bytes, or text.
pub(crate) fn blob(bytes: &[u8]) -> Vec<u8> {
    join(&[&count(bytes.len()), bytes])
}

/// A vector, its entries as they are given.
pub(crate) fn vector(entries: &[Entry]) -> Vec<u8> {
    list(&entries.iter().map(|entry| point_of(entry, 0)).collect::<Vec<_>>())
}

/// A vector's entry with its count of further lines.
pub(crate) fn point_of((device, n, tag): &Entry, further: u8) -> Vec<u8> {
    join(&[device, &point(*n, tag), &[further]])
}

/// A point without its last byte, as a dot has it behind its device.
fn point(n: u64, tag: &Tag) -> Vec<u8> {
    join(&[&n.to_le_bytes(), tag])
}

/// A point as a segment's end has it.
pub(crate) fn end(n: u64, tag: &Tag) -> Vec<u8> {
    join(&[&point(n, tag), &[0]])
}

/// A set of dots, as they are given.
pub(crate) fn dots(entries: &[Entry]) -> Vec<u8> {
    list(&entries.iter().map(dot).collect::<Vec<_>>())
}

/// A dot.
pub(crate) fn dot((device, n, tag): &Entry) -> Vec<u8> {
    join(&[device, &point(*n, tag)])
}

/// LEB128 in its shortest form.
pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A frame of bytes as they are.
pub(crate) fn stored(content: &[u8]) -> Vec<u8> {
    join(&[&[0], &blob(content)])
}

/// A frame that says it is one zstd frame of so many bytes.
pub(crate) fn squeezed(inflated: usize, zstd: &[u8]) -> Vec<u8> {
    join(&[&[1], &count(inflated), &blob(zstd)])
}
