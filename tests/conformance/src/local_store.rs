//! The suite of the local-store port: cases that every [`LocalStore`] passes, by name.
//!
//! A case works on a [`Subject`] and reopens it between its steps, so that what a store says and what it keeps are
//! tested as one.

mod model;

use tidelock_core::local::{
    Batch, ByteRange, KEY_BYTES_MAX, LocalError, LocalStore, Revision, Row, Table, VALUE_BYTES_MAX, Write,
};

/// A store under test.
pub trait Subject {
    /// The store, open.
    fn store(&mut self) -> &mut dyn LocalStore;

    /// Reports what was committed to the platform, closes the store and opens it again. What keeps nothing does nothing.
    fn reopen(&mut self);
}

/// A case: its name, and what it does with a new, empty store.
pub type Case = (&'static str, fn(&mut dyn Subject));

/// Every case.
pub const CASES: &[Case] = &[
    ("a new store is empty", a_new_store_is_empty),
    ("a row is kept", a_row_is_kept),
    ("a row is replaced and removed", a_row_is_replaced_and_removed),
    ("an absent row is removed", an_absent_row_is_removed),
    ("writes apply in order", writes_apply_in_order),
    ("tables are apart", tables_are_apart),
    ("any bytes are a key and a value", any_bytes_are_a_key_and_a_value),
    ("keys sort by bytes", keys_sort_by_bytes),
    ("a range has a start, an end and a limit", a_range_has_a_start_an_end_and_a_limit),
    ("a prefix is a range", a_prefix_is_a_range),
    ("a range is emptied before the writes", a_range_is_emptied_before_the_writes),
    ("the bytes of a range are its values'", the_bytes_of_a_range_are_its_values),
    ("each commit counts", each_commit_counts),
    ("a stale commit changes nothing", a_stale_commit_changes_nothing),
    ("the largest row is kept", the_largest_row_is_kept),
    ("a row too large changes nothing", a_row_too_large_changes_nothing),
    ("ten thousand rows in one commit", ten_thousand_rows_in_one_commit),
    ("a store may be emptied", a_store_may_be_emptied),
    ("random schedules fit the model", model::random_schedules_fit_the_model),
];

/// Runs every case on a new store from `make`.
pub fn run(mut make: impl FnMut() -> Box<dyn Subject>) {
    for (name, case) in CASES {
        println!("{name}");
        case(make().as_mut());
    }
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Write {
    Write { table, key: key.to_vec(), value: Some(value.to_vec()) }
}

fn remove(table: Table, key: &[u8]) -> Write {
    Write { table, key: key.to_vec(), value: None }
}

fn commit(subject: &mut dyn Subject, writes: Vec<Write>) -> Revision {
    let before = subject.store().revision().unwrap();
    let after = subject.store().commit(&Batch::from(writes), before).unwrap();
    assert_eq!(after, Revision(before.0 + 1));
    assert_eq!(subject.store().revision(), Ok(after));
    subject.reopen();
    assert_eq!(subject.store().revision(), Ok(after));
    after
}

fn get(subject: &mut dyn Subject, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    subject.store().get(table, key).unwrap()
}

fn list(subject: &mut dyn Subject, table: Table, start: &[u8], end: Option<&[u8]>, limit: u32) -> Vec<Row> {
    let range = ByteRange { start: start.to_vec(), end: end.map(<[u8]>::to_vec) };
    subject.store().list(table, &range, limit).unwrap()
}

fn keys(subject: &mut dyn Subject, table: Table, start: &[u8], end: Option<&[u8]>, limit: u32) -> Vec<Vec<u8>> {
    list(subject, table, start, end, limit).into_iter().map(|(key, _)| key).collect()
}

fn a_new_store_is_empty(subject: &mut dyn Subject) {
    for _ in 0..2 {
        assert_eq!(subject.store().revision(), Ok(Revision(0)));
        for table in Table::ALL {
            assert_eq!(get(subject, table, b"k"), None);
            assert_eq!(list(subject, table, b"", None, u32::MAX), []);
        }
        subject.reopen();
    }
}

fn a_row_is_kept(subject: &mut dyn Subject) {
    commit(subject, vec![put(Table::Records, b"k", b"v")]);
    assert_eq!(get(subject, Table::Records, b"k"), Some(b"v".to_vec()));
    assert_eq!(get(subject, Table::Records, b"k\0"), None);
    assert_eq!(get(subject, Table::Records, b""), None);
    assert_eq!(list(subject, Table::Records, b"", None, 9), [(b"k".to_vec(), b"v".to_vec())]);
}

fn a_row_is_replaced_and_removed(subject: &mut dyn Subject) {
    commit(subject, vec![put(Table::Head, b"a", b"1"), put(Table::Head, b"b", b"2")]);
    commit(subject, vec![put(Table::Head, b"a", b"a longer value")]);
    assert_eq!(get(subject, Table::Head, b"a"), Some(b"a longer value".to_vec()));
    commit(subject, vec![remove(Table::Head, b"a")]);
    assert_eq!(get(subject, Table::Head, b"a"), None);
    assert_eq!(get(subject, Table::Head, b"b"), Some(b"2".to_vec()));
}

fn an_absent_row_is_removed(subject: &mut dyn Subject) {
    commit(subject, vec![remove(Table::Ops, b"a")]);
    assert_eq!(list(subject, Table::Ops, b"", None, 9), []);
}

fn writes_apply_in_order(subject: &mut dyn Subject) {
    let (a, b) = (b"a", b"b");
    commit(
        subject,
        vec![put(Table::Tombstones, a, b"1"), remove(Table::Tombstones, a), put(Table::Tombstones, a, b"2")],
    );
    commit(subject, vec![remove(Table::Tombstones, b), put(Table::Tombstones, b, b"1"), remove(Table::Tombstones, b)]);
    assert_eq!(list(subject, Table::Tombstones, b"", None, 9), [(a.to_vec(), b"2".to_vec())]);
}

fn tables_are_apart(subject: &mut dyn Subject) {
    commit(subject, Table::ALL.map(|table| put(table, b"k", &[table as u8])).to_vec());
    for table in Table::ALL {
        assert_eq!(list(subject, table, b"", None, 9), [(b"k".to_vec(), vec![table as u8])]);
    }
    commit(subject, vec![remove(Table::Conflicts, b"k")]);
    for table in Table::ALL {
        assert_eq!(get(subject, table, b"k").is_some(), table != Table::Conflicts);
    }
}

fn any_bytes_are_a_key_and_a_value(subject: &mut dyn Subject) {
    let all: Vec<u8> = (0..=255).collect();
    let odd: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"\xff", b"'; DROP TABLE rows; --", &all];
    for (key, value) in odd.iter().zip(odd.iter().rev()) {
        commit(subject, vec![put(Table::Records, key, value)]);
    }
    for (key, value) in odd.iter().zip(odd.iter().rev()) {
        assert_eq!(get(subject, Table::Records, key).as_deref(), Some(*value));
    }
    assert_eq!(list(subject, Table::Records, b"", None, 9).len(), odd.len());
}

fn keys_sort_by_bytes(subject: &mut dyn Subject) {
    let sorted: [&[u8]; 8] = [b"", b"\0", b"\0\xff", b"A", b"AA", b"a", b"\x7f", b"\x80"];
    commit(subject, sorted.iter().rev().map(|key| put(Table::Unnamed, key, b"")).collect());
    assert_eq!(keys(subject, Table::Unnamed, b"", None, 99), sorted);
}

fn a_range_has_a_start_an_end_and_a_limit(subject: &mut dyn Subject) {
    commit(subject, [b"a", b"c", b"e", b"g"].map(|key| put(Table::Records, key, b"v")).to_vec());
    commit(subject, vec![put(Table::Collections, b"d", b"of another table")]);
    for (start, end, limit, expected) in [
        (&b"a"[..], None, 9, &[&b"a"[..], b"c", b"e", b"g"][..]),
        (b"b", None, 9, &[b"c", b"e", b"g"]),
        (b"c", Some(&b"g"[..]), 9, &[b"c", b"e"]),
        (b"b", Some(b"f"), 9, &[b"c", b"e"]),
        (b"", Some(b"z"), 2, &[b"a", b"c"]),
        (b"", None, 0, &[]),
        (b"h", None, 9, &[]),
        (b"c", Some(b"c"), 9, &[]),
        (b"g", Some(b"a"), 9, &[]),
        (b"", Some(b""), 9, &[]),
    ] {
        assert_eq!(keys(subject, Table::Records, start, end, limit), expected, "{start:?} {end:?} {limit}");
    }
}

fn a_prefix_is_a_range(subject: &mut dyn Subject) {
    let all: [&[u8]; 7] = [b"a", b"a\0", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff"];
    commit(subject, all.iter().map(|key| put(Table::Tombstones, key, b"")).collect());
    for prefix in [&b""[..], b"a", b"a\xff", b"b", b"c", b"\xff", b"\xff\xff", b"\xff\xff\xff"] {
        let found = subject.store().list(Table::Tombstones, &ByteRange::prefix(prefix), 99).unwrap();
        let expected: Vec<_> = all.iter().filter(|key| key.starts_with(prefix)).map(|key| key.to_vec()).collect();
        assert_eq!(found.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), expected, "{prefix:?}");
    }
}

fn a_range_is_emptied_before_the_writes(subject: &mut dyn Subject) {
    let all = [b"a", b"b", b"c", b"d"];
    for (start, end, left) in [
        (&b"b"[..], Some(&b"d"[..]), &[&b"a"[..], b"d"][..]),
        (b"b\0", None, &[b"a", b"b"]),
        (b"d", Some(b"b"), &[b"a", b"b", b"c", b"d"]),
        (b"", None, &[]),
    ] {
        commit(subject, all.map(|key| put(Table::Ops, key, b"v")).to_vec());
        commit(subject, vec![put(Table::Records, b"b", b"of another table")]);
        let range = ByteRange { start: start.to_vec(), end: end.map(<[u8]>::to_vec) };
        let batch = Batch { emptied: vec![(Table::Ops, range)], writes: vec![put(Table::Ops, b"bb", b"new")] };
        let revision = subject.store().revision().unwrap();
        assert_eq!(subject.store().commit(&batch, Revision(revision.0 + 1)), Err(LocalError::Stale));
        assert_eq!(subject.store().commit(&batch, revision), Ok(Revision(revision.0 + 1)));
        subject.reopen();
        let mut expected = [left, &[b"bb"]].concat();
        expected.sort_unstable();
        assert_eq!(keys(subject, Table::Ops, b"", None, 9), expected, "{start:?} {end:?}");
        assert_eq!(list(subject, Table::Records, b"", None, 9).len(), 1);
        commit(subject, vec![remove(Table::Ops, b"bb")]);
    }
}

fn the_bytes_of_a_range_are_its_values(subject: &mut dyn Subject) {
    assert_eq!(subject.store().value_bytes(Table::Ops, &ByteRange::default()), Ok(0));
    let large = vec![7; 100_000];
    let writes = vec![put(Table::Ops, b"a", b"four"), put(Table::Ops, b"b", &large), put(Table::Ops, b"c", b"")];
    commit(subject, [writes, vec![put(Table::Head, b"a", b"of another table")]].concat());
    let mut bytes = |start: &[u8], end: Option<&[u8]>| {
        let range = ByteRange { start: start.to_vec(), end: end.map(<[u8]>::to_vec) };
        subject.store().value_bytes(Table::Ops, &range).unwrap()
    };
    assert_eq!(bytes(b"", None), 100_004);
    assert_eq!(bytes(b"", Some(b"b")), 4);
    assert_eq!(bytes(b"a\0", Some(b"z")), 100_000);
    assert_eq!(bytes(b"z", Some(b"a")), 0);
}

fn each_commit_counts(subject: &mut dyn Subject) {
    assert_eq!(commit(subject, vec![put(Table::Head, b"k", b"v")]), Revision(1));
    assert_eq!(commit(subject, vec![put(Table::Head, b"k", b"v")]), Revision(2), "the same again");
    assert_eq!(commit(subject, vec![]), Revision(3), "nothing");
}

fn a_stale_commit_changes_nothing(subject: &mut dyn Subject) {
    commit(subject, vec![put(Table::Head, b"k", b"v")]);
    let batch = Batch::from(vec![put(Table::Head, b"k", b"w"), put(Table::Ops, b"o", b"p")]);
    for expected in [0, 2, u64::MAX] {
        assert_eq!(subject.store().commit(&batch, Revision(expected)), Err(LocalError::Stale));
        subject.reopen();
        assert_eq!(subject.store().revision(), Ok(Revision(1)));
        assert_eq!(get(subject, Table::Head, b"k"), Some(b"v".to_vec()));
        assert_eq!(get(subject, Table::Ops, b"o"), None);
    }
    assert_eq!(subject.store().commit(&batch, Revision(1)), Ok(Revision(2)));
}

fn the_largest_row_is_kept(subject: &mut dyn Subject) {
    let (key, mut value) = (vec![7; KEY_BYTES_MAX], vec![8; VALUE_BYTES_MAX]);
    value[VALUE_BYTES_MAX - 1] = 9;
    commit(subject, vec![put(Table::Records, &key, &value), put(Table::Records, b"small", b"1")]);
    assert!(get(subject, Table::Records, &key) == Some(value));
    assert_eq!(get(subject, Table::Records, b"small"), Some(b"1".to_vec()));
}

fn a_row_too_large_changes_nothing(subject: &mut dyn Subject) {
    commit(subject, vec![put(Table::Records, b"k", b"v")]);
    for large in [
        put(Table::Records, &[0; KEY_BYTES_MAX + 1], b"v"),
        put(Table::Records, b"k", &vec![0; VALUE_BYTES_MAX + 1]),
        remove(Table::Records, &[0; KEY_BYTES_MAX + 1]),
    ] {
        let batch = Batch::from(vec![put(Table::Records, b"k", b"w"), large]);
        assert!(matches!(subject.store().commit(&batch, Revision(1)), Err(LocalError::Other(_))));
        subject.reopen();
        assert_eq!(subject.store().revision(), Ok(Revision(1)));
        assert_eq!(list(subject, Table::Records, b"", None, 9), [(b"k".to_vec(), b"v".to_vec())]);
    }
}

fn ten_thousand_rows_in_one_commit(subject: &mut dyn Subject) {
    // 7,919 is prime to 10,000: every number once, in no order.
    let number = |n: u32| (n * 7_919 % 10_000).to_be_bytes();
    commit(subject, (0..10_000).map(|n| put(Table::Records, &number(n), &[n as u8; 100])).collect());
    let mut start = Vec::new();
    let mut count = 0u32;
    loop {
        let page = keys(subject, Table::Records, &start, None, 999);
        let Some(last) = page.last() else { break };
        start = [last, &[0][..]].concat();
        for key in page {
            assert_eq!(key, count.to_be_bytes());
            count += 1;
        }
    }
    assert_eq!(count, 10_000);
}

fn a_store_may_be_emptied(subject: &mut dyn Subject) {
    let rows = || (0..2_000u32).map(u32::to_be_bytes);
    commit(subject, rows().map(|key| put(Table::Ops, &key, &[1; 200])).collect());
    commit(subject, rows().map(|key| remove(Table::Ops, &key)).collect());
    assert_eq!(list(subject, Table::Ops, b"", None, 9), []);
    commit(subject, vec![put(Table::Ops, b"k", b"v")]);
    assert_eq!(list(subject, Table::Ops, b"", None, 9), [(b"k".to_vec(), b"v".to_vec())]);
}
