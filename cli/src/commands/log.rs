//! `log`: entries that are added and removed, never changed.

use crate::commands::record;
use crate::context::Context;
use crate::exit::Result;
use crate::history::History;
use crate::input::{self, InputLines};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use tidelock::{Change, Collection, Importer, KeyRange, Local};

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
/// Returns at once, without a network: the next sync or push of any process publishes them. Made for shell hooks.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock log append shell -- 'ls -l'\n  make 2>&1 | tidelock log append builds")]
pub(crate) struct Append {
    /// The log
    name: String,
    /// The entries, each at most 256 KiB; none: the lines of stdin, without empty ones
    #[arg(value_name = "ENTRY")]
    entries: Vec<String>,
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
/// Importing again, or after the file lost lines, adds only what is new; deleted entries stay deleted. The times in bash's
/// and zsh's histories are kept.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock log import shell ~/.bash_history\n  tidelock log import shell ~/.zsh_history"
)]
pub(crate) struct Import {
    /// The log
    name: String,
    /// The file; its name, without its folder, tells its entries from other files'; `-` is stdin
    file: PathBuf,
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
        let log = Collection::log(self.name);
        let change = |value: Vec<u8>| Change::Append { collection: log.clone(), key: None, value: value.into() };
        let mut writer = Writer::new(context.open_local()?);
        if self.entries.is_empty() {
            for line in InputLines::new(std::io::stdin().lock(), "stdin") {
                writer.add(change(line?))?;
            }
        } else {
            for entry in self.entries {
                writer.add(change(entry.into_bytes()))?;
            }
        }
        let keys = writer.end()?;
        if context.output.json { context.output.object(&json!({ "keys": keys })) } else { Ok(()) }
    }
}

impl Import {
    fn run(self, context: &Context) -> Result {
        let source = self.file.file_name().unwrap_or(self.file.as_os_str()).to_string_lossy().into_owned();
        let mut importer = Importer::new(Collection::log(self.name), source.clone());
        let mut history = History::default();
        let mut writer = Writer::new(context.open_local()?);
        for line in InputLines::new(input::open(Path::new(&self.file))?, source) {
            if let Some(entry) = history.entry(line?) {
                writer.add(importer.change(entry))?;
            }
        }
        let entries = writer.end()?.len();
        if context.output.json {
            return context.output.object(&json!({ "entries": entries }));
        }
        context.output.say(&format!("{entries} entries read; those that were here already changed nothing."));
        Ok(())
    }
}

/// Writes changes in batches.
struct Writer {
    local: Local,
    batch: Vec<Change>,
    bytes: usize,
    keys: Vec<String>,
}

impl Writer {
    fn new(local: Local) -> Self {
        Self { local, batch: Vec::new(), bytes: 0, keys: Vec::new() }
    }

    fn add(&mut self, change: Change) -> Result {
        if let Change::Append { value, .. } | Change::Import { value, .. } = &change {
            self.bytes += value.len();
        }
        self.batch.push(change);
        if self.batch.len() >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            self.keys.extend(self.local.write(&batch)?.keys);
        }
        Ok(())
    }

    /// The keys of all, in order.
    fn end(mut self) -> Result<Vec<String>> {
        self.write()?;
        Ok(self.keys)
    }
}
