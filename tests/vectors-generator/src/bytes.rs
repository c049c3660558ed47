//! The encoding of docs/FORMAT.md, by hand: what is written is what is asked for, also where it is wrong.

pub(crate) type Id = [u8; 16];
pub(crate) type Tag = [u8; 8];
/// A device, a number and a tag: a dot, or an entry of a vector with one line.
pub(crate) type Entry = (Id, u64, Tag);
/// A further line: its point's number and tag, and the fork.
pub(crate) type Further = (u64, Tag, u64);

/// An entry of a vector with all its lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lines {
    pub(crate) first: Entry,
    pub(crate) further: Vec<Further>,
}

impl From<Entry> for Lines {
    fn from(first: Entry) -> Self {
        Self { first, further: Vec::new() }
    }
}

impl Lines {
    /// As it stands behind its device.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (_, n, tag) = &self.first;
        let further = self.further.iter().map(|(n, tag, fork)| join(&[&point(*n, tag), &fork.to_le_bytes()]));
        let count = u8::try_from(self.further.len()).expect("at most 255");
        join(&[&point(*n, tag), &[count], &further.collect::<Vec<_>>().concat()])
    }
}

/// Entries of devices that have one line.
pub(crate) fn one_line(entries: &[Entry]) -> Vec<Lines> {
    entries.iter().copied().map(Lines::from).collect()
}

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
pub(crate) fn vector(entries: &[Lines]) -> Vec<u8> {
    list(&entries.iter().map(|entry| join(&[&entry.first.0, &entry.bytes()])).collect::<Vec<_>>())
}

/// A point.
pub(crate) fn point(n: u64, tag: &Tag) -> Vec<u8> {
    join(&[&n.to_le_bytes(), tag])
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
