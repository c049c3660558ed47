//! What pages are handed out, and which damage a load refuses. What a store answers is `tests/conformance`'s.

use super::*;
use crate::local::{Batch, ByteRange, LocalStore, MemoryLocal, Write};

type Kept = BTreeMap<u64, Vec<u8>>;

/// Commits, and keeps the pages as a platform does; gives how many were written.
fn commit(
    local: &mut MemoryLocal,
    kept: &mut Kept,
    rows: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
) -> usize {
    let writes: Vec<Write> = rows.into_iter().map(|(key, value)| Write { table: Table::Records, key, value }).collect();
    local.commit(&Batch::from(writes), local.revision().unwrap()).unwrap();
    let pages = local.take_dirty_pages().unwrap();
    let written = pages.len();
    for Page { id, bytes } in pages {
        match bytes {
            Some(bytes) => drop(kept.insert(id, bytes)),
            None => assert!(kept.remove(&id).is_some(), "page {id} was never handed out"),
        }
    }
    written
}

fn load_kept(kept: &Kept) -> Result<MemoryLocal, LocalError> {
    MemoryLocal::load(kept.iter().map(|(id, bytes)| Page { id: *id, bytes: Some(bytes.clone()) }).collect())
}

fn key(n: u32) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

fn rows_of(local: &MemoryLocal) -> Vec<Row> {
    local.list(Table::Records, &ByteRange::default(), u32::MAX).unwrap()
}

/// 2,000 rows of 100 bytes: 216,000 bytes in pages.
fn filled() -> (MemoryLocal, Kept) {
    let (mut local, mut kept) = (MemoryLocal::paged(), Kept::new());
    commit(&mut local, &mut kept, (0..2000).map(|n| (key(n), Some(vec![n as u8; 96]))));
    (local, kept)
}

#[test]
fn pages_are_bounded_and_one_row_rewrites_one() {
    let (mut local, mut kept) = filled();
    let pages = kept.len() - 1;
    assert!((70..=73).contains(&pages), "216 KB in pages of up to 3 KiB, not {pages}");
    assert!(kept.values().all(|bytes| bytes.len() <= PAGE_BYTES_MAX));
    assert_eq!(commit(&mut local, &mut kept, [(key(700), Some(vec![1; 96]))]), 2, "its page and the head");
    assert_eq!(commit(&mut local, &mut kept, [(key(9999), None)]), 1, "nothing was there: the head");
    assert_eq!(local.take_dirty_pages(), Some(Vec::new()));
    assert_eq!(rows_of(&load_kept(&kept).unwrap()), rows_of(&local));
}

#[test]
fn growing_row_by_row_keeps_pages_bounded() {
    let (mut local, mut kept) = (MemoryLocal::paged(), Kept::new());
    for n in 0..300 {
        commit(&mut local, &mut kept, [(key(n * 7919 % 300), Some(vec![3; 1000]))]);
        assert!(kept.values().all(|bytes| bytes.len() <= PAGE_BYTES_MAX));
    }
    assert!(kept.len() <= 1 + 300_000 / PAGE_BYTES_SMALL, "{} pages", kept.len());
    assert_eq!(rows_of(&load_kept(&kept).unwrap()).len(), 300);
}

#[test]
fn emptied_pages_merge_and_go() {
    let (mut local, mut kept) = filled();
    for n in (0..2000).filter(|n| n % 20 != 0) {
        commit(&mut local, &mut kept, [(key(n), None)]);
    }
    assert!(kept.len() <= 1 + 10_800 / PAGE_BYTES_SMALL, "10,800 bytes in {} pages", kept.len());
    assert_eq!(rows_of(&load_kept(&kept).unwrap()).len(), 100);
    commit(&mut local, &mut kept, (0..2000).map(|n| (key(n), None)));
    assert_eq!(kept.keys().collect::<Vec<_>>(), [&HEAD_ID]);
    assert_eq!(load_kept(&kept).unwrap().revision(), local.revision());
}

#[test]
fn an_emptied_first_page_leaves_its_range_to_the_next() {
    let (mut local, mut kept) = filled();
    commit(&mut local, &mut kept, (0..600).map(|n| (key(n), None)));
    commit(&mut local, &mut kept, [(Vec::new(), Some(vec![9]))]);
    assert_eq!(rows_of(&load_kept(&kept).unwrap()), rows_of(&local));
    let mut loaded = load_kept(&kept).unwrap();
    commit(&mut loaded, &mut kept, [(vec![0], Some(vec![8]))]);
    assert_eq!(rows_of(&load_kept(&kept).unwrap()), rows_of(&loaded));
}

#[test]
fn a_large_row_has_a_page_of_its_own() {
    let (mut local, mut kept) = filled();
    commit(&mut local, &mut kept, [(key(1000), Some(vec![5; 1 << 20]))]);
    let large: Vec<_> = kept.values().filter(|bytes| bytes.len() > PAGE_BYTES_MAX).map(Vec::len).collect();
    assert_eq!(large, [PAGE_BYTES_FIXED + row_bytes(&key(1000), &[5; 1 << 20])]);
    assert_eq!(commit(&mut local, &mut kept, [(key(999), Some(vec![6]))]), 2, "the large page is not rewritten");
    assert_eq!(rows_of(&load_kept(&kept).unwrap()), rows_of(&local));
}

#[test]
fn a_page_that_an_older_version_wrote_is_split_when_it_changes() {
    let rows: Vec<(Vec<u8>, [u8; 96])> = (0..400).map(|n| (key(n), [n as u8; 96])).collect();
    let rows: Vec<(&[u8], &[u8])> = rows.iter().map(|(key, value)| (key.as_slice(), &value[..])).collect();
    let mut local = forged(&[content(Table::Records as u8, &rows)], head()).unwrap();
    assert_eq!(rows_of(&local).len(), 400);
    let mut kept = Kept::from([(1, Vec::new())]);
    commit(&mut local, &mut kept, [(key(7), Some(vec![1]))]);
    assert!(kept.len() > 10 && kept.values().all(|bytes| bytes.len() <= PAGE_BYTES_MAX));
    assert_eq!(rows_of(&load_kept(&kept).unwrap()), rows_of(&local));
}

#[test]
fn every_changed_byte_and_every_length_is_refused() {
    let (mut local, mut kept) = (MemoryLocal::paged(), Kept::new());
    commit(&mut local, &mut kept, [(key(1), Some(b"one".to_vec())), (key(2), Some(Vec::new()))]);
    for (&id, bytes) in &kept {
        for at in 0..bytes.len() {
            for damage in [
                [&bytes[..at], &[bytes[at] ^ 0x10], &bytes[at + 1..]].concat(),
                bytes[..at].to_vec(),
                [bytes, &bytes[at..]].concat(),
            ] {
                let mut kept = kept.clone();
                kept.insert(id, damage);
                assert!(matches!(load_kept(&kept), Err(LocalError::Corrupt(_))), "page {id}, byte {at}");
            }
        }
    }
}

#[test]
fn missing_foreign_swapped_and_old_pages_are_refused() {
    let (mut local, mut kept) = filled();
    let before = kept.clone();
    commit(&mut local, &mut kept, [(key(5), Some(vec![1]))]);
    let refused = |kept: &Kept| matches!(load_kept(kept), Err(LocalError::Corrupt(_)));
    for &id in kept.keys() {
        let mut missing = kept.clone();
        missing.remove(&id);
        assert!(refused(&missing), "page {id} missing");
        if before[&id] != kept[&id] {
            let mut old = kept.clone();
            old.insert(id, before[&id].clone());
            assert!(refused(&old), "page {id} old");
        }
    }
    let mut swapped = kept.clone();
    swapped.insert(1, kept[&2].clone());
    swapped.insert(2, kept[&1].clone());
    assert!(refused(&swapped));
    let mut more = kept.clone();
    more.insert(77, seal(77, borsh::to_vec(&(1u8, vec![(key(9999), key(1))])).unwrap()));
    assert!(refused(&more));

    let all = || kept.iter().map(|(id, bytes)| Page { id: *id, bytes: Some(bytes.clone()) });
    assert!(MemoryLocal::load(all().collect()).is_ok());
    assert!(MemoryLocal::load(all().chain(all().take(1)).collect()).is_err());
    assert!(MemoryLocal::load(all().chain([Page { id: 3000, bytes: None }]).collect()).is_err());
    assert_eq!(MemoryLocal::load(Vec::new()).unwrap().revision(), Ok(Revision(0)));
}

/// A store with these contents, every hash right: what someone writes who knows the format.
fn forged(contents: &[Vec<u8>], head: Head) -> Result<MemoryLocal, LocalError> {
    let mut hashes = [0; HASH_BYTES];
    let mut kept = Kept::new();
    for (id, content) in (1..).zip(contents) {
        let page = seal(id, content.clone());
        xor(&mut hashes, &tail_hash(&page));
        kept.insert(id, page);
    }
    kept.insert(HEAD_ID, seal(HEAD_ID, borsh::to_vec(&Head { hashes, ..head }).unwrap()));
    load_kept(&kept)
}

fn head() -> Head {
    Head { format: FORMAT, version: VERSION, revision: 7, id_next: 100, hashes: [0; HASH_BYTES] }
}

fn content(table: u8, rows: &[(&[u8], &[u8])]) -> Vec<u8> {
    borsh::to_vec(&(table, rows)).unwrap()
}

#[test]
fn what_passes_the_checksum_is_still_checked() {
    assert!(forged(&[content(1, &[(b"a", b"1"), (b"b", b"2")]), content(1, &[(b"c", b"3")])], head()).is_ok());
    let endless = [&[1u8][..], &u32::MAX.to_le_bytes(), &[0; 8]].concat();
    let endless_key = [&[1u8][..], &1u32.to_le_bytes(), &u32::MAX.to_le_bytes()].concat();
    for (what, contents) in [
        ("no row", vec![content(1, &[])]),
        ("nothing", vec![vec![]]),
        ("a count beyond the page", vec![endless]),
        ("a length beyond the page", vec![endless_key]),
        ("trailing bytes", vec![[content(1, &[(b"a", b"1")]), vec![0]].concat()]),
        ("an unknown table", vec![content(Table::ALL.len() as u8, &[(b"a", b"1")])]),
        ("unsorted", vec![content(1, &[(b"b", b"1"), (b"a", b"2")])]),
        ("one key twice", vec![content(1, &[(b"a", b"1"), (b"a", b"2")])]),
        ("overlap", vec![content(1, &[(b"a", b"1"), (b"c", b"2")]), content(1, &[(b"b", b"3")])]),
        ("one key on two pages", vec![content(1, &[(b"a", b"1")]), content(1, &[(b"a", b"1")])]),
        ("too large", vec![content(1, &[(b"a", &[0; PAGE_BYTES_READ_MAX]), (b"b", b"")])]),
        ("a long key", vec![content(1, &[(&[0; KEY_BYTES_MAX + 1], b"1")])]),
    ] {
        assert!(matches!(forged(&contents, head()), Err(LocalError::Corrupt(_))), "{what}");
    }
    for (what, head) in [
        ("another format", Head { format: *b"tidal   ", ..head() }),
        ("a revision that overflows", Head { revision: u64::MAX, ..head() }),
        ("numbers that overflow", Head { id_next: u64::MAX, ..head() }),
        ("a page beyond the head", Head { id_next: 1, ..head() }),
    ] {
        assert!(matches!(forged(&[content(1, &[(b"a", b"1")])], head), Err(LocalError::Corrupt(_))), "{what}");
    }
    assert!(matches!(forged(&[], Head { version: 2, ..head() }), Err(LocalError::Other(_))));
}
