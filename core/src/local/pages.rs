//! Pages of an in-memory store: which rows share one, when pages split and merge, and their bytes.
//!
//! Page 0 is the head; every other page holds the rows of one table from its first key up to the next page's. Every page
//! ends with the BLAKE3 hash of its number and its bytes, and the head holds the XOR of these: a page that is missing,
//! swapped, or left over from an older commit is found on load.

use super::memory::{Rows, Tables};
use super::{KEY_BYTES_MAX, LocalError, Page, Revision, Row, Table, VALUE_BYTES_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::iter;
use std::ops::Bound;

/// The most bytes of a page that holds more than one row.
pub const PAGE_BYTES_MAX: usize = 4 << 10;
/// What older versions wrote is read, and split when a row of it changes.
const PAGE_BYTES_READ_MAX: usize = 64 << 10;
/// A split fills pages up to here, and a merge never beyond: room to grow before the next split.
const PAGE_BYTES_SPLIT: usize = 3 << 10;
/// A page below this is merged with a neighbour, if both fit.
const PAGE_BYTES_SMALL: usize = 1 << 10;
/// What a page without rows has: the table's number, the count of rows, the hash.
const PAGE_BYTES_FIXED: usize = 1 + 4 + HASH_BYTES;
/// What a row has beside key and value: their lengths.
const ROW_BYTES_FIXED: usize = 4 + 4;
const HASH_BYTES: usize = 32;

const HEAD_ID: u64 = 0;
const FORMAT: [u8; 8] = *b"tidelock";
const VERSION: u32 = 1;
/// Counters read from a head are at most this, so that counting on never overflows.
const COUNT_MAX: u64 = i64::MAX as u64;

#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Head {
    format: [u8; 8],
    version: u32,
    revision: u64,
    id_next: u64,
    hashes: [u8; HASH_BYTES],
}

/// The bytes that a row takes in a page.
pub(super) fn row_bytes(key: &[u8], value: &[u8]) -> usize {
    ROW_BYTES_FIXED + key.len() + value.len()
}

/// How the rows of all tables are spread over pages.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    /// By first key; the first page of a table begins at the empty key. No pages: no rows.
    tables: [BTreeMap<Vec<u8>, Held>; Table::ALL.len()],
    id_next: u64,
    removed: Vec<u64>,
    hashes: [u8; HASH_BYTES],
    committed: bool,
}

#[derive(Clone, Debug)]
struct Held {
    id: u64,
    bytes: usize,
    dirty: bool,
    /// `None`: never handed out.
    hash: Option<[u8; HASH_BYTES]>,
}

impl Held {
    fn new(id: u64) -> Self {
        Self { id, bytes: PAGE_BYTES_FIXED, dirty: true, hash: None }
    }

    fn is_empty(&self) -> bool {
        self.bytes == PAGE_BYTES_FIXED
    }

    fn can_absorb(&self, next: &Self) -> bool {
        self.bytes.min(next.bytes) < PAGE_BYTES_SMALL && self.bytes + next.bytes - PAGE_BYTES_FIXED <= PAGE_BYTES_SPLIT
    }
}

impl Pages {
    /// No pages yet.
    pub(super) fn new() -> Self {
        Self {
            tables: Default::default(),
            id_next: HEAD_ID + 1,
            removed: Vec::new(),
            hashes: [0; HASH_BYTES],
            committed: false,
        }
    }

    /// Notes that the row at `key` took `before` bytes and takes `after` now; 0: it is not there.
    pub(super) fn note_write(&mut self, table: Table, key: &[u8], before: usize, after: usize) {
        if before == 0 && after == 0 {
            return;
        }
        let pages = &mut self.tables[table as usize];
        if pages.is_empty() {
            pages.insert(Vec::new(), Held::new(self.id_next));
            self.id_next += 1;
        }
        let (_, page) = pages
            .range_mut::<[u8], _>((Bound::Unbounded, Bound::Included(key)))
            .next_back()
            .expect("a table's first page begins at the empty key");
        page.bytes = page.bytes - before + after;
        page.dirty = true;
    }

    /// Notes a commit: the head changes even if no row did.
    pub(super) fn note_commit(&mut self) {
        self.committed = true;
    }

    /// The pages that changed since the last call, split and merged to size, the head last.
    pub(super) fn take_dirty(&mut self, tables: &Tables, revision: Revision) -> Vec<Page> {
        let mut out = Vec::new();
        if !std::mem::take(&mut self.committed) {
            return out;
        }
        for table in Table::ALL {
            let rows = &tables[table as usize];
            self.fit(table, rows);
            let mut pages = self.tables[table as usize].iter_mut().peekable();
            while let Some((first, page)) = pages.next() {
                if page.dirty {
                    let bytes = encode(page, table, between(rows, first, pages.peek().map(|(next, _)| *next)));
                    let hash = tail_hash(&bytes);
                    xor(&mut self.hashes, &hash);
                    if let Some(old) = page.hash.replace(hash) {
                        xor(&mut self.hashes, &old);
                    }
                    page.dirty = false;
                    out.push(Page { id: page.id, bytes: Some(bytes) });
                }
            }
        }
        out.extend(self.removed.drain(..).map(|id| Page { id, bytes: None }));
        out.push(Page { id: HEAD_ID, bytes: Some(self.encode_head(revision)) });
        out
    }

    /// Drops the empty pages of a table, merges the small and splits the large. Looks at all its pages, but only after a
    /// change of such a page, and moves no row.
    fn fit(&mut self, table: Table, rows: &Rows) {
        let misfit = |page: &Held| page.bytes < PAGE_BYTES_SMALL || page.bytes > PAGE_BYTES_MAX;
        if !self.tables[table as usize].values().any(|page| page.dirty && misfit(page)) {
            return;
        }
        let mut fitted: Vec<(Vec<u8>, Held)> = Vec::new();
        let mut pages = std::mem::take(&mut self.tables[table as usize]).into_iter().peekable();
        while let Some((first, page)) = pages.next() {
            if page.is_empty() {
                self.remove(page);
                continue;
            }
            match fitted.last_mut() {
                Some((_, last)) if last.can_absorb(&page) => {
                    last.bytes += page.bytes - PAGE_BYTES_FIXED;
                    last.dirty = true;
                    self.remove(page);
                }
                _ if page.bytes > PAGE_BYTES_MAX => {
                    let rows = between(rows, &first, pages.peek().map(|(next, _)| next));
                    self.split(first.clone(), page, rows, &mut fitted);
                }
                _ => fitted.push((first, page)),
            }
        }
        if let Some((first, _)) = fitted.first_mut() {
            first.clear();
        }
        self.tables[table as usize] = fitted.into_iter().collect();
    }

    /// Cuts a page before each row that would bring its piece beyond [`PAGE_BYTES_SPLIT`]; the first piece keeps the number.
    fn split<'a>(
        &mut self,
        first: Vec<u8>,
        page: Held,
        rows: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>,
        out: &mut Vec<(Vec<u8>, Held)>,
    ) {
        let mut piece = (first, Held { bytes: PAGE_BYTES_FIXED, ..page });
        for (key, value) in rows {
            let bytes = row_bytes(key, value);
            if !piece.1.is_empty() && piece.1.bytes + bytes > PAGE_BYTES_SPLIT {
                out.push(std::mem::replace(&mut piece, (key.clone(), Held::new(self.id_next))));
                self.id_next += 1;
            }
            piece.1.bytes += bytes;
        }
        out.push(piece);
    }

    fn remove(&mut self, page: Held) {
        if let Some(hash) = page.hash {
            xor(&mut self.hashes, &hash);
            self.removed.push(page.id);
        }
    }

    fn encode_head(&self, revision: Revision) -> Vec<u8> {
        let head =
            Head { format: FORMAT, version: VERSION, revision: revision.0, id_next: self.id_next, hashes: self.hashes };
        seal(HEAD_ID, borsh::to_vec(&head).expect("writing to memory does not fail"))
    }
}

/// The pages of a store, read one by one.
#[derive(Debug, Default)]
pub(super) struct Loader {
    head: Option<Head>,
    contents: BTreeMap<u64, Content>,
}

/// A page of rows, checked by itself.
#[derive(Debug)]
struct Content {
    table: Table,
    rows: Vec<Row>,
    bytes: usize,
    hash: [u8; HASH_BYTES],
}

impl Loader {
    /// Checks a page and keeps its rows.
    pub(super) fn add(&mut self, page: Page) -> Result<(), LocalError> {
        let id = page.id;
        let bytes = page.bytes.ok_or_else(|| damaged(id, "has no content"))?;
        let is_twice = match id {
            HEAD_ID => self.head.replace(decode_head(&bytes)?).is_some(),
            _ => {
                let (table, rows) = decode(id, &bytes)?;
                let content = Content { table, rows, bytes: bytes.len(), hash: tail_hash(&bytes) };
                self.contents.insert(id, content).is_some()
            }
        };
        if is_twice { Err(damaged(id, "is there twice")) } else { Ok(()) }
    }

    /// Whether no page was added.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none() && self.contents.is_empty()
    }

    /// Checks that the pages are one commit's, all of them, and puts their rows together.
    pub(super) fn finish(self) -> Result<(Tables, Pages, Revision), LocalError> {
        let head = self.head.ok_or_else(|| damaged(HEAD_ID, "is missing"))?;
        let mut loaded = Pages { id_next: head.id_next, ..Pages::new() };
        for (id, content) in &self.contents {
            if *id >= head.id_next {
                return Err(damaged(*id, "is newer than the head"));
            }
            xor(&mut loaded.hashes, &content.hash);
        }
        if loaded.hashes != head.hashes {
            return Err(LocalError::Corrupt("a page is missing or of another commit".into()));
        }

        let mut contents: Vec<_> = self.contents.into_iter().collect();
        contents.sort_by(|(_, a), (_, b)| (a.table, &a.rows[0].0).cmp(&(b.table, &b.rows[0].0)));
        let mut rows_by_table: [Vec<Row>; Table::ALL.len()] = Default::default();
        for (id, Content { table, rows, bytes, hash }) in contents {
            let all = &mut rows_by_table[table as usize];
            if all.last().is_some_and(|last| last.0 >= rows[0].0) {
                return Err(damaged(id, "overlaps another"));
            }
            let first = if all.is_empty() { Vec::new() } else { rows[0].0.clone() };
            loaded.tables[table as usize].insert(first, Held { id, bytes, dirty: false, hash: Some(hash) });
            all.extend(rows);
        }
        Ok((rows_by_table.map(Rows::from_iter), loaded, Revision(head.revision)))
    }
}

fn decode_head(bytes: &[u8]) -> Result<Head, LocalError> {
    let head: Head = borsh::from_slice(unseal(HEAD_ID, bytes)?).map_err(|_| damaged(HEAD_ID, "is malformed"))?;
    if head.format != FORMAT || head.revision > COUNT_MAX || head.id_next > COUNT_MAX {
        return Err(damaged(HEAD_ID, "is malformed"));
    }
    if head.version != VERSION {
        return Err(LocalError::Other(format!("the store has format {}, this version reads {VERSION}", head.version)));
    }
    Ok(head)
}

/// At least one row, by ascending key, each within its limits.
fn decode(id: u64, bytes: &[u8]) -> Result<(Table, Vec<Row>), LocalError> {
    let (table, rows): (u8, Vec<Row>) =
        borsh::from_slice(unseal(id, bytes)?).map_err(|_| damaged(id, "is malformed"))?;
    let table = *Table::ALL.get(usize::from(table)).ok_or_else(|| damaged(id, "is of no known table"))?;
    if rows.is_empty() || (rows.len() > 1 && bytes.len() > PAGE_BYTES_READ_MAX) {
        return Err(damaged(id, "has the wrong size"));
    }
    if rows.iter().any(|(key, value)| key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX) {
        return Err(damaged(id, "has too large a row"));
    }
    if rows.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(damaged(id, "is not sorted"));
    }
    Ok((table, rows))
}

fn encode<'a>(page: &Held, table: Table, rows: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> Vec<u8> {
    let rows: Vec<_> = rows.collect();
    let mut bytes = Vec::with_capacity(page.bytes);
    borsh::to_writer(&mut bytes, &(table as u8, rows)).expect("rows are within their limits, and memory takes them");
    let bytes = seal(page.id, bytes);
    debug_assert_eq!(bytes.len(), page.bytes, "every write was noted");
    bytes
}

fn between<'a>(
    rows: &'a Rows,
    first: &[u8],
    next: Option<&Vec<u8>>,
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> {
    let end = next.map_or(Bound::Unbounded, |next| Bound::Excluded(next.as_slice()));
    rows.range::<[u8], _>((Bound::Included(first), end))
}

fn seal(id: u64, mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = hash(id, &bytes);
    bytes.extend_from_slice(&hash);
    bytes
}

fn unseal(id: u64, bytes: &[u8]) -> Result<&[u8], LocalError> {
    match bytes.split_last_chunk::<HASH_BYTES>() {
        Some((content, tail)) if hash(id, content) == *tail => Ok(content),
        _ => Err(damaged(id, "fails its checksum")),
    }
}

fn hash(id: u64, content: &[u8]) -> [u8; HASH_BYTES] {
    *blake3::Hasher::new().update(&id.to_le_bytes()).update(content).finalize().as_bytes()
}

fn tail_hash(sealed: &[u8]) -> [u8; HASH_BYTES] {
    *sealed.last_chunk().expect("a sealed page ends with its hash")
}

fn xor(sum: &mut [u8; HASH_BYTES], hash: &[u8; HASH_BYTES]) {
    iter::zip(sum, hash).for_each(|(sum, byte)| *sum ^= byte);
}

fn damaged(id: u64, what: &str) -> LocalError {
    LocalError::Corrupt(format!("page {id} {what}"))
}

#[cfg(test)]
mod tests;
