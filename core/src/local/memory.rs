//! The local store of browsers and tests: ordered maps, split into pages for a platform that keeps them.

use super::pages::{Loader, Pages, row_bytes};
use super::{Batch, ByteRange, LocalError, LocalStore, Page, Revision, Row, Table};
use std::collections::BTreeMap;
use std::ops::Bound;

pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
pub(super) type Tables = [Rows; Table::ALL.len()];

/// Tables in memory: all rows, for some hundred thousand of them.
#[derive(Clone, Debug, Default)]
pub struct MemoryLocal {
    tables: Tables,
    revision: Revision,
    pages: Option<Pages>,
}

impl MemoryLocal {
    /// An empty store that nobody persists.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store whose pages the platform keeps.
    pub fn paged() -> Self {
        Self { pages: Some(Pages::new()), ..Self::default() }
    }

    /// The store whose pages the platform has kept, all of them, in any order; no pages at all: a new store.
    ///
    /// # Errors
    /// [`LocalError::Corrupt`] when a page is damaged, missing, or from another commit than the rest;
    /// [`LocalError::Other`] when a newer version wrote them.
    pub fn load(pages: Vec<Page>) -> Result<Self, LocalError> {
        let mut loader = MemoryLoader::default();
        pages.into_iter().try_for_each(|page| loader.add(page))?;
        loader.finish()
    }

    fn rows(&self, table: Table, range: &ByteRange) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        let start = range.start.as_slice();
        let end = match &range.end {
            // A BTreeMap panics on a range that ends before it starts.
            Some(end) => Bound::Excluded(end.as_slice().max(start)),
            None => Bound::Unbounded,
        };
        self.tables[table as usize].range::<[u8], _>((Bound::Included(start), end))
    }

    fn set(&mut self, table: Table, key: &[u8], value: Option<&Vec<u8>>) {
        let rows = &mut self.tables[table as usize];
        let old = match value {
            Some(value) => rows.insert(key.to_vec(), value.clone()),
            None => rows.remove(key),
        };
        if let Some(pages) = &mut self.pages {
            let bytes = |value: Option<&Vec<u8>>| value.map_or(0, |value| row_bytes(key, value));
            pages.note_write(table, key, bytes(old.as_ref()), bytes(value));
        }
    }
}

/// [`MemoryLocal::load`] page by page, for a platform with one thread: it decodes a page, and does other work before the next.
#[derive(Debug, Default)]
pub struct MemoryLoader(Loader);

impl MemoryLoader {
    /// Takes the next page; they come in any order.
    ///
    /// # Errors
    /// As [`MemoryLocal::load`]: what is wrong with this page alone.
    pub fn add(&mut self, page: Page) -> Result<(), LocalError> {
        self.0.add(page)
    }

    /// The store, after the last page; without any page: a new store.
    ///
    /// # Errors
    /// As [`MemoryLocal::load`]: what is wrong with the pages together.
    pub fn finish(self) -> Result<MemoryLocal, LocalError> {
        if self.0.is_empty() {
            return Ok(MemoryLocal::paged());
        }
        let (tables, pages, revision) = self.0.finish()?;
        Ok(MemoryLocal { tables, revision, pages: Some(pages) })
    }
}

impl LocalStore for MemoryLocal {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LocalError> {
        Ok(self.tables[table as usize].get(key).cloned())
    }

    fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, LocalError> {
        let rows = self.rows(table, range).take(limit as usize);
        Ok(rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn value_bytes(&self, table: Table, range: &ByteRange) -> Result<u64, LocalError> {
        Ok(self.rows(table, range).map(|(_, value)| value.len() as u64).sum())
    }

    fn revision(&self) -> Result<Revision, LocalError> {
        Ok(self.revision)
    }

    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, LocalError> {
        batch.check_limits()?;
        if self.revision != expected {
            return Err(LocalError::Stale);
        }
        for (table, range) in &batch.emptied {
            let keys: Vec<Vec<u8>> = self.rows(*table, range).map(|(key, _)| key.clone()).collect();
            keys.iter().for_each(|key| self.set(*table, key, None));
        }
        batch.writes.iter().for_each(|write| self.set(write.table, &write.key, write.value.as_ref()));
        if let Some(pages) = &mut self.pages {
            pages.note_commit();
        }
        self.revision.0 += 1;
        Ok(self.revision)
    }

    /// The pages of all commits since the last call; none when nothing was committed.
    fn take_dirty_pages(&mut self) -> Option<Vec<Page>> {
        let pages = self.pages.as_mut()?;
        Some(pages.take_dirty(&self.tables, self.revision))
    }
}
