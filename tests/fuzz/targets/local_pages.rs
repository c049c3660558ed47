//! A browser's pages: any that have the right checksums, and any commits, against ordered maps.
#![no_main]

use std::collections::BTreeMap;
use tidelock_core::local::{Batch, ByteRange, LocalError, LocalStore, MemoryLocal, Page, Row, Table, Write};
use tidelock_fuzz::input::Input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    match input.byte() % 2 {
        0 => load(&mut input),
        _ => commit(&mut input),
    }
});

/// A page as it would be stored: with the hash of its number and content.
fn sealed(id: u64, content: &[u8]) -> (Page, [u8; 32]) {
    let hash = *blake3::Hasher::new().update(&id.to_le_bytes()).update(content).finalize().as_bytes();
    (Page { id, bytes: Some([content, &hash].concat()) }, hash)
}

fn load(input: &mut Input<'_>) {
    let head = input.take(28).to_vec();
    let mut pages = Vec::new();
    let mut sum = [0; 32];
    while !input.is_empty() && pages.len() < 16 {
        let (id, len) = (input.number(), input.number().min(1 << 17) as usize);
        let (page, hash) = sealed(id, input.take(len));
        sum.iter_mut().zip(hash).for_each(|(sum, byte)| *sum ^= byte);
        pages.push(page);
    }
    pages.push(sealed(0, &[head, sum.to_vec()].concat()).0);
    let Ok(mut local) = MemoryLocal::load(pages) else { return };
    for table in Table::ALL {
        let rows = all(&local, table);
        assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
    // It goes on: one more commit, and everything loads again.
    let write = Write { table: Table::Records, key: b"k".to_vec(), value: Some(vec![7; 10]) };
    let revision = local.revision().expect("memory");
    local.commit(&Batch::from(vec![write]), revision).expect("memory takes it");
    assert!(local.take_dirty_pages().is_some_and(|pages| !pages.is_empty()));
}

fn commit(input: &mut Input<'_>) {
    let mut local = MemoryLocal::paged();
    let mut kept: BTreeMap<u64, Page> = BTreeMap::new();
    let mut model: BTreeMap<(Table, Vec<u8>), Vec<u8>> = BTreeMap::new();
    while !input.is_empty() {
        let writes: Vec<Write> = (0..input.below(12)).map(|_| write(input)).collect();
        let revision = local.revision().expect("memory");
        let expected = if input.byte() == 0xff { tidelock_core::local::Revision(revision.0 + 1) } else { revision };
        let result = local.commit(&Batch::from(writes.clone()), expected);
        if expected != revision {
            assert_eq!(result, Err(LocalError::Stale));
            continue;
        }
        result.expect("small rows fit");
        for Write { table, key, value } in writes {
            match value {
                Some(value) => model.insert((table, key), value),
                None => model.remove(&(table, key)),
            };
        }
        for page in local.take_dirty_pages().expect("a store of pages") {
            match page.bytes {
                Some(_) => kept.insert(page.id, page),
                None => kept.remove(&page.id),
            };
        }
        if input.byte() % 4 == 0 {
            local = MemoryLocal::load(kept.values().cloned().collect()).expect("what was handed out loads");
        }
    }
    for table in Table::ALL {
        let of_model: Vec<Row> =
            model.iter().filter(|((t, _), _)| *t == table).map(|((_, k), v)| (k.clone(), v.clone())).collect();
        assert_eq!(all(&local, table), of_model);
    }
}

fn write(input: &mut Input<'_>) -> Write {
    let table = *input.pick(&Table::ALL);
    let key = vec![input.byte() % 32; input.below(4) + 1];
    // Small ones, and ones that fill and split pages.
    let len = [0, 5, 900, 20_000, 70_000][input.below(5)];
    let value = (input.byte() % 4 != 0).then(|| vec![input.byte(); len]);
    Write { table, key, value }
}

fn all(local: &MemoryLocal, table: Table) -> Vec<Row> {
    local.list(table, &ByteRange::default(), u32::MAX).expect("memory")
}
