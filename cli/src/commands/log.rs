//! `log`: entries that are added and removed, never changed.

use crate::commands::record;
use crate::context::Context;
use crate::exit::{Result, Stop};
use crate::history::History;
use crate::input::{self, InputLines, Line};
use crate::spool::Spool;
use clap::{Args, Subcommand};
use serde_json::json;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use tidelock::{Change, Collection, Error, Imported, Importer, KeyRange, Local};
use tidelock_core::replica::RECORD_VALUE_BYTES_MAX;

/// Entries written at once: as many as one write takes.
const BATCH_ENTRIES: usize = 5000;
/// Bytes written at once, about.
const BATCH_BYTES: usize = 4 << 20;

/// Add, list and delete the entries of logs
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    Append(Append),
    List(List),
    Delete(Delete),
    Import(Import),
}

/// Add entries to a log
///
/// Returns at once, without a network: the next sync or push of any process publishes them. Made for shell hooks. All entries
/// are checked before the first is stored, and listed in the order given.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock log append shell -- 'ls -l'\n  make 2>&1 | tidelock log append builds")]
pub(crate) struct Append {
    /// The log
    name: String,
    /// The entries, each at most 256 KiB; one may begin with `-`, and stands behind `--` where it is the name of an option.
    /// None: the lines of stdin, without empty ones
    #[arg(value_name = "ENTRY")]
    entries: Vec<OsString>,
    /// Leave out what is longer than 256 KiB, and tell how much
    #[arg(long)]
    skip_invalid: bool,
}

/// List a log's entries, oldest first
///
/// One a line: key, tab, entry; control characters are escaped. --json gives exact entries.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock log list shell | cut -f 2-")]
pub(crate) struct List {
    /// The log
    name: String,
}

/// Delete an entry of a log, for ever and on every device
///
/// Also one that this device has not pulled yet. Exits with 3 where no entry can have that key.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock log delete shell 018bcfe56800a1b2c3d4e5f60718293a")]
pub(crate) struct Delete {
    /// The log
    name: String,
    /// The entry's key, as `log list` shows it
    key: String,
}

/// Add a file's lines to a log
///
/// Importing again, or after the file lost lines, adds only what is new; deleted entries stay deleted. Entries of one time, or
/// of none, are listed in the order of the file. The times in bash's and zsh's histories are kept, and a command of several
/// lines in zsh's is one entry.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock log import shell ~/.bash_history\n  tidelock log import shell ~/.zsh_history"
)]
pub(crate) struct Import {
    /// The log
    name: String,
    /// The file; its name, without its folder, tells its entries from other files'; `-` is stdin
    file: PathBuf,
    /// Leave out what is longer than 256 KiB, and tell how much
    #[arg(long)]
    skip_invalid: bool,
}

impl Log {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Append(command) => command.run(context),
            Self::List(command) => record::list(context, Collection::log(command.name), KeyRange::default()),
            Self::Delete(command) => {
                context.open_local()?.delete(Collection::log(command.name), &command.key)?;
                record::done(context, &command.key)
            }
            Self::Import(command) => command.run(context),
        }
    }
}

impl Append {
    fn run(self, context: &Context) -> Result {
        let local = context.open_local()?;
        let mut spool = Spool::new(&context.local);
        let mut skipped = Skipped::new(self.skip_invalid, "nothing was stored");
        let (what, source) = if self.entries.is_empty() { ("line", "stdin") } else { ("entry", "the command line") };
        for line in self.lines()? {
            let Line { number, text } = line?;
            match text {
                Some(text) => spool.add(number, &text)?,
                None => skipped.add(what, number, source)?,
            }
        }
        let log = Collection::log(self.name);
        let mut writer = Writer::new(local, context.output.json);
        for entry in spool.entries()? {
            let (number, entry) = entry?;
            let change = Change::Append { collection: log.clone(), key: None, value: entry.into() };
            writer.add(number, change).map_err(|stop| writer.broke_off(stop, what))?;
        }
        let keys = writer.end().map_err(|stop| writer.broke_off(stop, what))?;
        skipped.tell(context);
        if context.output.json {
            return context.output.object(&json!({ "keys": keys, "skipped": skipped.count }));
        }
        Ok(())
    }

    /// The entries, numbered.
    fn lines(&self) -> Result<Box<dyn Iterator<Item = Result<Line>> + '_>> {
        if self.entries.is_empty() {
            input::refuse_terminal()?;
            let lines = InputLines::new(io::stdin().lock(), "stdin");
            let is_empty = |line: &Result<Line>| matches!(line, Ok(Line { text: Some(text), .. }) if text.is_empty());
            return Ok(Box::new(lines.filter(move |line| !is_empty(line))));
        }
        let fits = |entry: &&[u8]| entry.len() <= RECORD_VALUE_BYTES_MAX;
        Ok(Box::new(self.entries.iter().zip(1..).map(move |(entry, number)| {
            Ok(Line { number, text: Some(entry.as_encoded_bytes()).filter(fits).map(<[u8]>::to_vec) })
        })))
    }
}

impl Import {
    fn run(self, context: &Context) -> Result {
        let source = self.file.file_name().unwrap_or(self.file.as_os_str()).to_string_lossy().into_owned();
        let mut importer = Importer::new(Collection::log(self.name), source.clone());
        let mut history = History::new(&source);
        let mut writer = Writer::new(context.open_local()?, false);
        let mut skipped = Skipped::new(self.skip_invalid, "importing again adds nothing twice");
        let mut last = 0;
        for line in InputLines::new(input::open(&self.file)?, source.clone()) {
            let Line { number, text } = line?;
            last = number;
            match text.map(|text| history.line(&text)) {
                None => skipped.add("line", number, &source)?,
                Some(None) => {}
                Some(Some(entry)) => take(&mut writer, &mut importer, &mut skipped, number, entry, &source)?,
            }
        }
        if let Some(entry) = history.end() {
            take(&mut writer, &mut importer, &mut skipped, last, entry, &source)?;
        }
        writer.end()?;
        skipped.tell(context);
        let entries = writer.stored;
        if context.output.json {
            return context.output.object(&json!({ "entries": entries, "skipped": skipped.count }));
        }
        context.output.say(&format!("{entries} entries read; those that were here already changed nothing."));
        Ok(())
    }
}

/// Adds a history's entry that ends at this line.
fn take(
    writer: &mut Writer,
    importer: &mut Importer,
    skipped: &mut Skipped,
    line: u64,
    entry: Imported,
    source: &str,
) -> Result {
    if entry.value.len() > RECORD_VALUE_BYTES_MAX {
        return skipped.add("the entry that ends at line", line, source);
    }
    writer.add(line, importer.change(entry))
}

/// What is too long to be an entry: an error, or left out and counted.
struct Skipped {
    allowed: bool,
    /// What the error says of the others.
    stored: &'static str,
    count: u64,
    first: String,
}

impl Skipped {
    fn new(allowed: bool, stored: &'static str) -> Self {
        Self { allowed, stored, count: 0, first: String::new() }
    }

    fn add(&mut self, what: &str, number: u64, source: &str) -> Result {
        let what = format!("{what} {number}");
        if !self.allowed {
            return Err(input::too_long(&what, source, self.stored).into());
        }
        if self.count == 0 {
            self.first = what;
        }
        self.count += 1;
        Ok(())
    }

    fn tell(&self, context: &Context) {
        match self.count {
            0 => {}
            1 => context.output.say(&format!("left out {}: it is longer than 256 KiB", self.first)),
            count => context.output.say(&format!("left out {count} longer than 256 KiB, {} first", self.first)),
        }
    }
}

/// Writes changes in batches.
struct Writer {
    local: Local,
    batch: Vec<Change>,
    bytes: usize,
    /// The keys of all, in order, if somebody wants them.
    keys: Option<Vec<String>>,
    stored: u64,
    /// The numbers of the last entry that was stored, and of the last in the batch.
    stored_to: u64,
    batch_to: u64,
}

impl Writer {
    fn new(local: Local, keys: bool) -> Self {
        let keys = keys.then(Vec::new);
        Self { local, batch: Vec::new(), bytes: 0, keys, stored: 0, stored_to: 0, batch_to: 0 }
    }

    fn add(&mut self, number: u64, change: Change) -> Result {
        if let Change::Append { value, .. } | Change::Import { value, .. } = &change {
            self.bytes += value.len();
        }
        self.batch.push(change);
        self.batch_to = number;
        if self.batch.len() >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            let written = self.local.write(&batch)?.keys;
            (self.stored, self.stored_to) = (self.stored + written.len() as u64, self.batch_to);
            self.keys.iter_mut().for_each(|keys| keys.extend(written.iter().cloned()));
        }
        Ok(())
    }

    /// Writes the rest; the keys of all, in order.
    fn end(&mut self) -> Result<Vec<String>> {
        self.write()?;
        Ok(self.keys.take().unwrap_or_default())
    }

    /// The error of a batch, with what was stored before it: who repeats the whole command would store that twice.
    fn broke_off(&self, stop: Stop, what: &str) -> Stop {
        let Stop::Error(error) = stop else { return stop };
        if self.stored == 0 {
            return error.into();
        }
        let (to, next) = (self.stored_to, self.stored_to + 1);
        let message = format!("{}; up to {what} {to} all is stored, and nothing behind it", error.message());
        let step = format!("{}; then append from {what} {next} on", error.hint().unwrap_or("find the cause"));
        let mut told = Error::new(error.kind(), message).next_step(step);
        if let Some(object) = error.object() {
            told = told.on(object);
        }
        if error.is_retryable() { told.retryable().into() } else { told.into() }
    }
}
