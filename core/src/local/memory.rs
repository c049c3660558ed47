//! The local store of browsers and tests: ordered maps, split into pages for a platform that keeps them.

use super::{Batch, ByteRange, LocalError, LocalStore, Page, Revision, Row, Table};
use std::collections::BTreeMap;

/// Tables in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryLocal {
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>,
    revision: Revision,
}

impl MemoryLocal {
    /// An empty store that nobody persists.
    pub fn new() -> Self {
        Self::default()
    }
}

impl LocalStore for MemoryLocal {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LocalError> {
        Ok(self.tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn list(&self, table: Table, range: &ByteRange, limit: u32) -> Result<Vec<Row>, LocalError> {
        let Some(rows) = self.tables.get(&table) else { return Ok(Vec::new()) };
        Ok(rows
            .range(range.start.clone()..)
            .take_while(|(key, _)| range.end.as_ref().is_none_or(|end| *key < end))
            .take(limit as usize)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn revision(&self) -> Result<Revision, LocalError> {
        Ok(self.revision)
    }

    fn commit(&mut self, batch: &Batch, expected: Revision) -> Result<Revision, LocalError> {
        if self.revision != expected {
            return Err(LocalError::Stale);
        }
        for write in &batch.writes {
            let rows = self.tables.entry(write.table).or_default();
            match &write.value {
                Some(value) => rows.insert(write.key.clone(), value.clone()),
                None => rows.remove(&write.key),
            };
        }
        self.revision.0 += 1;
        Ok(self.revision)
    }

    fn take_dirty_pages(&mut self) -> Option<Vec<Page>> {
        None
    }
}
