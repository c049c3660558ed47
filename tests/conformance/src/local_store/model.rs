//! Random schedules of commits, stale commits, reads and reopenings, against one ordered map.

use super::{Subject, put, remove};
use std::collections::BTreeMap;
use tidelock_core::local::{Batch, ByteRange, LocalError, Revision, Row, Table, Write};

const SEEDS: u64 = 12;
const STEPS: u32 = 120;

pub(super) fn random_schedules_fit_the_model(subject: &mut dyn Subject) {
    // The schedules follow one another on one store: each begins with what the last one left.
    let mut model = Model::default();
    for seed in 0..SEEDS {
        println!("  seed {seed}");
        let mut random = Random(seed);
        for _ in 0..STEPS {
            model.step(subject, &mut random);
        }
        model.compare_all(subject);
    }
}

#[derive(Default)]
struct Model {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    revision: u64,
}

impl Model {
    fn step(&mut self, subject: &mut dyn Subject, random: &mut Random) {
        match random.below(10) {
            0..5 => {
                let emptied = (0..random.below(3) / 2).map(|_| (random.table(), random.range())).collect();
                let batch = Batch { emptied, writes: random.writes() };
                let revision = subject.store().commit(&batch, Revision(self.revision));
                self.revision += 1;
                assert_eq!(revision, Ok(Revision(self.revision)));
                for (table, range) in &batch.emptied {
                    self.rows.retain(|(of, key), _| of != table || !is_within(range, key));
                }
                for Write { table, key, value } in batch.writes {
                    match value {
                        Some(value) => self.rows.insert((table, key), value),
                        None => self.rows.remove(&(table, key)),
                    };
                }
            }
            5 => {
                let stale = Revision(self.revision.wrapping_sub(1 + random.below(3)));
                let batch = Batch::from(random.writes());
                assert_eq!(subject.store().commit(&batch, stale), Err(LocalError::Stale));
            }
            6 => subject.reopen(),
            7 => {
                let (table, key) = (random.table(), random.key());
                let expected = self.rows.get(&(table, key.clone())).cloned();
                assert_eq!(subject.store().get(table, &key), Ok(expected));
            }
            _ => {
                let (table, range, limit) = (random.table(), random.range(), random.below(40) as u32);
                let expected = self.list(table, &range, limit as usize);
                assert_eq!(subject.store().list(table, &range, limit), Ok(expected), "{table:?} {range:?} {limit}");
            }
        }
        assert_eq!(subject.store().revision(), Ok(Revision(self.revision)));
    }

    fn list(&self, table: Table, range: &ByteRange, limit: usize) -> Vec<Row> {
        let rows = self.rows.iter().filter(|((of, key), _)| *of == table && is_within(range, key));
        rows.map(|((_, key), value)| (key.clone(), value.clone())).take(limit).collect()
    }

    fn compare_all(&self, subject: &mut dyn Subject) {
        subject.reopen();
        for table in Table::ALL {
            let all = ByteRange::default();
            assert!(subject.store().list(table, &all, u32::MAX).unwrap() == self.list(table, &all, usize::MAX));
        }
    }
}

fn is_within(range: &ByteRange, key: &Vec<u8>) -> bool {
    *key >= range.start && range.end.as_ref().is_none_or(|end| key < end)
}

/// SplitMix64, by Steele, Lea and Flood (OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Mostly of three tables, so that they fill.
    fn table(&mut self) -> Table {
        let among = if self.below(8) == 0 { Table::ALL.len() as u64 } else { 3 };
        Table::ALL[self.below(among) as usize]
    }

    /// Up to five bytes out of four, so that keys meet again, are prefixes of others and lie at both ends.
    fn key(&mut self) -> Vec<u8> {
        (0..self.below(6)).map(|_| [0, 1, b'm', 0xff][self.below(4) as usize]).collect()
    }

    fn range(&mut self) -> ByteRange {
        match self.below(3) {
            0 => ByteRange::prefix(&self.key()),
            1 => ByteRange { start: self.key(), end: None },
            _ => ByteRange { start: self.key(), end: Some(self.key()) },
        }
    }

    /// Mostly small; some fill half a page, some are larger than one.
    fn value(&mut self) -> Vec<u8> {
        let (least, more) = match self.below(40) {
            0 => (60_000, 80_000),
            1..4 => (10_000, 40_000),
            4..10 => (0, 1),
            _ => (0, 300),
        };
        let bytes = least + self.below(more) as usize;
        vec![self.next() as u8; bytes]
    }

    /// A few writes, at times many, at times the end of most rows.
    fn writes(&mut self) -> Vec<Write> {
        let (count, removals) = match self.below(12) {
            0 => (2_000, 9),
            1 => (200, 2),
            _ => (self.below(6), 3),
        };
        let write = |random: &mut Self| {
            let (table, key) = (random.table(), random.key());
            if random.below(10) < removals { remove(table, &key) } else { put(table, &key, &random.value()) }
        };
        (0..count).map(|_| write(self)).collect()
    }
}
