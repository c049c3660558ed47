//! Chunks of a snapshot that wait until the last one is there: in memory up to a bound, the rest in the local store.

use super::head::local_error;
use super::shared::Shared;
use crate::Error;
use crate::local::{ByteRange, Table};
use std::collections::VecDeque;

/// The most bytes that wait in memory: the chunks of some 300,000 records. Values that hardly compress make far more.
const HELD_BYTES_MAX: usize = 32 << 20;

/// Chunks in the order in which they came, each with what its taker notes of it.
pub(super) struct Waiting<T> {
    chunks: VecDeque<(Chunk, T)>,
    held_bytes: usize,
}

enum Chunk {
    Held(Vec<u8>),
    /// A row of [`Table::Waiting`] under this number.
    Stored(u32),
}

impl<T> Waiting<T> {
    /// None. Rows that a crash has left are removed.
    pub(super) fn begin(cx: &Shared) -> Result<Self, Error> {
        remove_rows(cx)?;
        Ok(Self { chunks: VecDeque::new(), held_bytes: 0 })
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn push(&mut self, cx: &Shared, plaintext: Vec<u8>, note: T) -> Result<(), Error> {
        let chunk = match self.held_bytes + plaintext.len() <= HELD_BYTES_MAX {
            true => {
                self.held_bytes += plaintext.len();
                Chunk::Held(plaintext)
            }
            false => {
                let number = self.chunks.len() as u32;
                cx.step(|tx| {
                    tx.set(Table::Waiting, number.to_be_bytes().to_vec(), Some(plaintext.clone()));
                    Ok(())
                })?;
                Chunk::Stored(number)
            }
        };
        self.chunks.push_back((chunk, note));
        Ok(())
    }

    /// The chunk that has waited longest. The room of its row is free for the records that come of it.
    pub(super) fn pop(&mut self, cx: &Shared) -> Result<Option<(Vec<u8>, T)>, Error> {
        let Some((chunk, note)) = self.chunks.pop_front() else { return Ok(None) };
        let number = match chunk {
            Chunk::Held(plaintext) => return Ok(Some((plaintext, note))),
            Chunk::Stored(number) => number.to_be_bytes(),
        };
        let plaintext = cx.step(|tx| {
            let plaintext = tx.get(Table::Waiting, &number)?;
            tx.set(Table::Waiting, number.to_vec(), None);
            Ok(plaintext)
        })?;
        Ok(Some((plaintext.unwrap_or_default(), note)))
    }

    /// Gives up the chunks.
    pub(super) fn drop_all(self, cx: &Shared) -> Result<(), Error> {
        remove_rows(cx)
    }
}

fn remove_rows(cx: &Shared) -> Result<(), Error> {
    let all = ByteRange::default();
    if cx.read(|state| state.local.list(Table::Waiting, &all, 1)).map_err(local_error)?.is_empty() {
        return Ok(());
    }
    cx.step(|tx| {
        tx.empty(Table::Waiting, all.clone());
        Ok(())
    })
}
