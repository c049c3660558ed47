//! Entries that are read and checked before the first of them is stored: few in memory, many in a temporary file.

use crate::exit::Result;
use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::path::Path;
use tempfile::SpooledTempFile;
use tidelock::{Error, ErrorKind};

/// What is kept in memory before a file is made.
const MEMORY_BYTES_MAX: usize = 1 << 20;

/// Entries in order, each with the number of the line that it ends at. The file has no name and is this user's alone.
pub(crate) struct Spool {
    file: SpooledTempFile,
    folder: String,
}

impl Spool {
    /// A file of it would be in this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { file: tempfile::spooled_tempfile_in(MEMORY_BYTES_MAX, folder), folder: folder.display().to_string() }
    }

    /// Adds an entry.
    pub(crate) fn add(&mut self, line: u64, entry: &[u8]) -> Result {
        let head = [line.to_le_bytes(), (entry.len() as u64).to_le_bytes()].concat();
        let written = self.file.write_all(&head).and_then(|()| self.file.write_all(entry));
        written.map_err(|error| failed(&self.folder, &error).into())
    }

    /// All entries, in order.
    pub(crate) fn entries(mut self) -> Result<impl Iterator<Item = Result<(u64, Vec<u8>)>>> {
        let end = self.file.stream_position().map_err(|error| failed(&self.folder, &error))?;
        self.file.rewind().map_err(|error| failed(&self.folder, &error))?;
        let (mut input, folder) = (BufReader::new(self.file), self.folder);
        let mut at = 0;
        Ok(std::iter::from_fn(move || {
            if at == end {
                return None;
            }
            let mut next = || -> io::Result<(u64, Vec<u8>)> {
                let (mut line, mut length) = ([0; 8], [0; 8]);
                input.read_exact(&mut line)?;
                input.read_exact(&mut length)?;
                let mut entry = vec![0; u64::from_le_bytes(length) as usize];
                input.read_exact(&mut entry)?;
                Ok((u64::from_le_bytes(line), entry))
            };
            let entry = next();
            at = match &entry {
                Ok((_, entry)) => at + 16 + entry.len() as u64,
                Err(_) => end,
            };
            Some(entry.map_err(|error| failed(&folder, &error).into()))
        }))
    }
}

fn failed(folder: &str, error: &io::Error) -> Error {
    Error::new(
        ErrorKind::LocalStore,
        format!("the temporary file for what is read failed: {error}; nothing was stored"),
    )
    .on(folder)
    .next_step("free some space there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_order_from_memory_and_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0, 3, 30] {
            let mut spool = Spool::new(folder.path());
            let entry = |n: u64| vec![n as u8; n as usize * 10_000];
            (0..count).for_each(|n| spool.add(n + 5, &entry(n)).unwrap());
            let all: Vec<(u64, Vec<u8>)> = spool.entries().unwrap().map(|entry| entry.unwrap()).collect();
            assert!(all == (0..count).map(|n| (n + 5, entry(n))).collect::<Vec<_>>());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file is left");
    }
}
