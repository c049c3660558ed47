//! The local-store suite on every implementation there is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use tidelock_conformance::local_store::{Subject, run};
use tidelock_core::local::{LocalStore, MemoryLocal, PAGE_BYTES_MAX, Page};
use tidelock_sqlite::SqliteLocal;

struct Unkept(MemoryLocal);

impl Subject for Unkept {
    fn store(&mut self) -> &mut dyn LocalStore {
        &mut self.0
    }

    fn reopen(&mut self) {
        assert_eq!(self.0.take_dirty_pages(), None);
    }
}

#[test]
fn in_memory() {
    run(|| Box::new(Unkept(MemoryLocal::new())));
}

/// Keeps pages as a browser's database does, by number.
struct Paged {
    local: MemoryLocal,
    kept: BTreeMap<u64, Vec<u8>>,
}

impl Subject for Paged {
    fn store(&mut self) -> &mut dyn LocalStore {
        &mut self.local
    }

    fn reopen(&mut self) {
        for Page { id, bytes } in self.local.take_dirty_pages().expect("the pages of a paged store") {
            match bytes {
                Some(bytes) => drop(self.kept.insert(id, bytes)),
                None => drop(self.kept.remove(&id).expect("a page that was handed out")),
            }
        }
        // Of a table's pages no two neighbours are both small: at most half of them, rounded up, and the head.
        let small = self.kept.values().filter(|bytes| bytes.len() < PAGE_BYTES_MAX / 4).count();
        assert!(small <= 6 + self.kept.len() / 2, "{small} of {} pages are small", self.kept.len());
        let pages = self.kept.iter().map(|(&id, bytes)| Page { id, bytes: Some(bytes.clone()) });
        self.local = MemoryLocal::load(pages.collect()).expect("the pages that were handed out");
    }
}

#[test]
fn in_memory_with_pages() {
    run(|| Box::new(Paged { local: MemoryLocal::paged(), kept: BTreeMap::new() }));
}

struct Sqlite {
    local: Option<SqliteLocal>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Subject for Sqlite {
    fn store(&mut self) -> &mut dyn LocalStore {
        self.local.as_mut().expect("it is open")
    }

    fn reopen(&mut self) {
        assert_eq!(self.store().take_dirty_pages(), None);
        // Closed first: the last to close writes the file and removes what is beside it.
        self.local = None;
        self.local = Some(SqliteLocal::open(&self.path).expect("the store that was closed"));
    }
}

#[test]
fn in_sqlite() {
    run(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        Box::new(Sqlite { local: Some(SqliteLocal::open(&path).unwrap()), path, _folder: folder })
    });
}
