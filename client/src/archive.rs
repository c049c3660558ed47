//! A whole vault as one text file: JSON Lines in clear, specified in `docs/ARCHIVE.md`.

#[cfg(fuzzing)]
pub mod fuzzing;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read as _, Write};
use tidelock_core::engine::{Change, Engine, KeyRange, Now, Position, Written};
use tidelock_core::json::canonical;
use tidelock_core::replica::{Collection, Kind, Stamp, split_document_key};
use tidelock_core::{Error, ErrorKind};

/// The version this reads and writes.
const VERSION: u32 = 1;
/// No line is longer: a value of 256 KiB in base64, a key of 512 bytes and a name of 128, each with every byte escaped.
const LINE_BYTES_MAX: u64 = 512 << 10;
/// Changes of one write: as many as one takes; and about how many bytes of values.
const BATCH_CHANGES: usize = 5_000;
const BATCH_BYTES: usize = 4 << 20;
/// Entries, or documents, read at once.
const PAGE: u32 = 256;
/// Conflicts read at once.
const CONFLICTS_PAGE: u32 = 100;

/// What an import did, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ArchiveImport {
    /// Taken in.
    pub added: u64,
    /// Here already, with the same value.
    pub unchanged: u64,
    /// Not taken: what stands here is newer.
    pub newer_here: u64,
    /// Not taken: entries of logs that were deleted here.
    pub deleted_here: u64,
    /// Not taken: versions that had lost a conflict in the vault that was exported.
    pub siblings: u64,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    tidelock_archive: u32,
    vault: Option<String>,
    exported_unix_ms: u64,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kind: LineKind,
    name: String,
    key: String,
    /// Of a document's version that had lost a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Base64 with padding.
    value: String,
    stamp: LineStamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sibling: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LineKind {
    Map,
    Log,
    Document,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineStamp {
    ms: u64,
    counter: u32,
}

impl Line {
    /// `None` for Tidelock's own records: they belong to their vault.
    fn new(collection: &Collection, key: &str, value: &[u8], stamp: Stamp, sibling: bool) -> Option<Self> {
        let kind = match collection.kind {
            Kind::Root | Kind::Places => return None,
            Kind::Map => LineKind::Map,
            Kind::Log => LineKind::Log,
            Kind::Documents => LineKind::Document,
        };
        let (key, field) = match kind {
            LineKind::Document => split_document_key(key),
            LineKind::Map | LineKind::Log => (key, None),
        };
        Some(Self {
            kind,
            name: collection.name.clone(),
            key: key.to_owned(),
            field: field.map(str::to_owned),
            value: STANDARD.encode(value),
            stamp: LineStamp { ms: stamp.ms, counter: stamp.counter },
            sibling,
        })
    }
}

/// Writes everything an engine has, in clear; gives how many records that is. `unix_ms` is now.
///
/// # Errors
/// `local-store`, also for the writer's own errors.
pub fn export(engine: &Engine, unix_ms: u64, out: &mut impl Write) -> Result<u64, Error> {
    let status = engine.status()?;
    let vault = status.vault.map(|id| id.to_string());
    write_line(out, &Header { tidelock_archive: VERSION, vault, exported_unix_ms: unix_ms })?;
    let mut records = 0;
    for collection in &status.collections {
        records += match collection.kind {
            Kind::Documents => export_documents(engine, collection, out)?,
            Kind::Root | Kind::Places | Kind::Map | Kind::Log => export_entries(engine, collection, out)?,
        };
    }
    export_siblings(engine, out)?;
    out.flush().map_err(|error| write_error(&error))?;
    Ok(records)
}

fn export_documents(engine: &Engine, collection: &Collection, out: &mut impl Write) -> Result<u64, Error> {
    let (mut range, mut records) = (KeyRange::default(), 0);
    loop {
        let page = engine.documents(collection, &range, PAGE)?;
        let Some(last) = page.last() else { return Ok(records) };
        range.start = format!("{}\0", last.id);
        for document in &page {
            if let Some(line) = Line::new(collection, &document.id, &document.value, document.stamp, false) {
                write_line(out, &line)?;
                records += 1;
            }
        }
    }
}

fn export_entries(engine: &Engine, collection: &Collection, out: &mut impl Write) -> Result<u64, Error> {
    let (mut range, mut records) = (KeyRange::default(), 0);
    loop {
        let page = engine.list(collection, &range, PAGE)?;
        let Some(last) = page.last() else { return Ok(records) };
        range.start = last.next_start(collection);
        for entry in &page {
            if let Some(line) = Line::new(collection, &entry.key, &entry.record.value, entry.record.stamp, false) {
                write_line(out, &line)?;
                records += 1;
            }
        }
    }
}

/// What lost a conflict goes last: an import can't make it stand beside the winner, but nobody loses it.
fn export_siblings(engine: &Engine, out: &mut impl Write) -> Result<(), Error> {
    let mut after = None;
    loop {
        let conflicts = engine.conflicts(after.as_ref(), CONFLICTS_PAGE)?;
        for conflict in &conflicts {
            for version in conflict.versions.iter().skip(1) {
                let Some(value) = &version.value else { continue };
                if let Some(line) = Line::new(&conflict.collection, &conflict.key, value, version.stamp, true) {
                    write_line(out, &line)?;
                }
            }
        }
        match conflicts.into_iter().last() {
            Some(last) => after = Some(Position { collection: last.collection, key: last.key }),
            None => return Ok(()),
        }
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, line)
        .map_err(io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .map_err(|error| write_error(&error))
}

fn write_error(error: &io::Error) -> Error {
    Error::new(ErrorKind::LocalStore, format!("the archive can't be written: {error}"))
        .next_step("check the disk's room and the file's folder, then export again")
}

/// Takes in what an archive holds and the engine has not; importing twice changes nothing. It takes the engine's outputs,
/// too: open one for the import alone.
///
/// # Errors
/// `invalid` with the line that is none of an archive: what came before it stays imported. `unsupported` for a newer version,
/// `local-store`.
pub fn import(engine: &mut Engine, now: &dyn Fn() -> Now, input: &mut impl BufRead) -> Result<ArchiveImport, Error> {
    let mut lines = Lines { input, number: 0, text: Vec::new() };
    let header: Header = lines.next()?.ok_or_else(|| lines.refuse("the file is empty"))?;
    if header.tidelock_archive != VERSION {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("this archive has version {}", header.tidelock_archive),
        )
        .next_step("import it with a newer Tidelock"));
    }
    let mut importing = Importing { engine, now, report: ArchiveImport::default(), lines: Vec::new(), bytes: 0 };
    let read = loop {
        let next = lines.next::<Line>().and_then(|line| {
            let Some(line) = line else { return Ok(None) };
            let mut value = STANDARD.decode(&line.value).map_err(|_| lines.refuse("its value is not base64"))?;
            if matches!(line.kind, LineKind::Document) {
                value = canonical(&value).map_err(|_| lines.refuse("its value is not JSON"))?;
            }
            Ok(Some((line, value)))
        });
        match next {
            Ok(Some((line, value))) => importing.take(line, value.into())?,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    importing.flush()?; // what came before a bad line stays imported
    read.map(|()| importing.report)
}

/// An import on its way: what was read, and is not written yet.
struct Importing<'a> {
    engine: &'a mut Engine,
    now: &'a dyn Fn() -> Now,
    report: ArchiveImport,
    lines: Vec<(Line, Bytes)>,
    bytes: usize,
}

impl Importing<'_> {
    fn take(&mut self, line: Line, value: Bytes) -> Result<(), Error> {
        if line.sibling {
            self.report.siblings += 1;
            return Ok(());
        }
        self.bytes += value.len();
        self.lines.push((line, value));
        if self.lines.len() >= BATCH_CHANGES || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Compares with what is here only now: it may have changed while more of the archive was waited for.
    fn flush(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        let mut changes = Vec::new();
        for (line, value) in std::mem::take(&mut self.lines) {
            let stamp = Stamp { ms: line.stamp.ms, counter: line.stamp.counter };
            match line.kind {
                // An entry that is here, or was deleted, is found by the write itself.
                LineKind::Log => {
                    changes.push(Change::Restore { collection: Collection::log(line.name), key: line.key, value });
                }
                LineKind::Map => {
                    let collection = Collection::map(line.name);
                    let here = self.engine.get(&collection, &line.key)?.map(|record| (record.value, record.stamp));
                    changes.extend(self.put(collection, line.key, value, stamp, here));
                }
                LineKind::Document => {
                    let collection = Collection::documents(line.name);
                    let here = self.engine.document(&collection, &line.key)?;
                    let here = here.map(|document| (document.value, document.stamp));
                    // Its fields are ops of their own, and a write has a bound of these.
                    if let Some(put) = self.put(collection, line.key, value, stamp, here) {
                        self.write(&[put])?;
                    }
                }
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let written = self.write(&changes)?;
        for (change, changed) in changes.into_iter().zip(written.changed) {
            let Change::Restore { collection, key, value } = change else { continue };
            let here = if changed { None } else { self.engine.get(&collection, &key)? };
            match here {
                _ if changed => self.report.added += 1,
                Some(record) if record.value == value => self.report.unchanged += 1,
                Some(_) => self.report.newer_here += 1,
                None => self.report.deleted_here += 1,
            }
        }
        Ok(())
    }

    fn write(&mut self, changes: &[Change]) -> Result<Written, Error> {
        let written = self.engine.write(changes, (self.now)())?;
        // What it would tell others about the write.
        while self.engine.poll_output((self.now)()).is_some() {}
        Ok(written)
    }

    /// The put of a map's record or a document, unless what is here is the same or newer.
    fn put(
        &mut self,
        collection: Collection,
        key: String,
        value: Bytes,
        stamp: Stamp,
        here: Option<(Bytes, Stamp)>,
    ) -> Option<Change> {
        match here {
            Some((here, _)) if here == value => self.report.unchanged += 1,
            Some((_, here)) if here > stamp => self.report.newer_here += 1,
            _ => {
                self.report.added += 1;
                return Some(Change::Put { collection, key, value });
            }
        }
        None
    }
}

/// The lines of an archive, bounded before they are read.
struct Lines<'a, R> {
    input: &'a mut R,
    number: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<'_, R> {
    /// The next line that is not empty.
    fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>, Error> {
        loop {
            self.text.clear();
            self.number += 1;
            let read = self.input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut self.text);
            let read = read.map_err(|error| self.refuse(&format!("it can't be read: {error}")))?;
            if read == 0 {
                return Ok(None);
            }
            if self.text.len() as u64 > LINE_BYTES_MAX {
                return Err(self.refuse("it is longer than any line of an archive"));
            }
            if !self.text.trim_ascii().is_empty() {
                return serde_json::from_slice(&self.text).map(Some).map_err(|_| self.refuse("it has another form"));
            }
        }
    }

    fn refuse(&self, why: &str) -> Error {
        Error::new(ErrorKind::Invalid, format!("line {} is none of a Tidelock archive: {why}", self.number))
            .next_step("import a file that `export` made; lines before this one stay imported")
    }
}
