//! `export` and `import`: a whole vault as one text file.

use crate::context::Context;
use crate::exit::Result;
use crate::input;
use crate::output::stdout_error;
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tidelock::{Error, ErrorKind, Local};

/// Write everything into an archive, in clear
///
/// JSON Lines, specified in docs/ARCHIVE.md: a header, then a record a line. Nothing is sealed: keep it safe.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock export notes.jsonl\n  tidelock export | gpg --encrypt -r me > notes.gpg")]
pub(crate) struct Export {
    /// A new file, readable by its owner alone; `-` or none: stdout
    #[arg(default_value = "-", hide_default_value = true)]
    file: PathBuf,
}

/// Take in an archive
///
/// What is here already, or newer here, stays; deleted log entries stay deleted. Importing twice changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock import notes.jsonl\n  gpg --decrypt notes.gpg | tidelock import -")]
pub(crate) struct Import {
    /// The archive; `-` is stdin
    file: PathBuf,
}

impl Export {
    pub(crate) fn run(self, context: &Context) -> Result {
        let local = context.open_local()?;
        let _exporting = context.progress.begin("exporting");
        if self.file == Path::new("-") {
            return to_stdout(&local);
        }
        let records = to_new_file(&local, &self.file)?;
        if context.output.json {
            let file = self.file.display().to_string();
            return context.output.object(&json!({ "file": file, "records": records }));
        }
        context.output.say(&format!("{records} records written; they are in clear, keep the file safe."));
        Ok(())
    }
}

impl Import {
    pub(crate) fn run(self, context: &Context) -> Result {
        let mut local = context.open_local()?;
        let importing = context.progress.begin("importing");
        let report = local.import_archive(&mut input::open(&self.file)?)?;
        drop(importing);
        if context.output.json {
            return context.output.object(&json!({
                "added": report.added,
                "unchanged": report.unchanged,
                "newer_here": report.newer_here,
                "deleted_here": report.deleted_here,
                "siblings": report.siblings,
            }));
        }
        context.output.say(&format!(
            "{} records added, {} were here already, {} are newer here, {} were deleted here.",
            report.added, report.unchanged, report.newer_here, report.deleted_here
        ));
        if report.siblings > 0 {
            context.output.say(&format!("{} versions that had lost a conflict were left out.", report.siblings));
        }
        Ok(())
    }
}

/// Exports to stdout; a reader that has had enough is no error.
fn to_stdout(local: &Local) -> Result {
    let mut out = Watched { out: io::stdout().lock(), broken: false };
    let result = local.export_archive(&mut BufWriter::new(&mut out));
    if out.broken {
        return Err(stdout_error(io::ErrorKind::BrokenPipe.into()));
    }
    result?;
    Ok(())
}

/// A writer that remembers why it failed.
struct Watched<W> {
    out: W,
    broken: bool,
}

impl<W: Write> Watched<W> {
    fn watch<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.broken |= result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        result
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.out.write(bytes);
        self.watch(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.watch(result)
    }
}

/// Exports to a file that was not there, durably; how many records it has is the result.
pub(crate) fn to_new_file(local: &Local, file: &Path) -> std::result::Result<u64, Error> {
    let created = private_file(file).map_err(|error| {
        let failed = match error.kind() {
            io::ErrorKind::AlreadyExists => Error::new(ErrorKind::AlreadyExists, "the file is there already")
                .next_step("name another, or remove it"),
            _ => Error::new(ErrorKind::LocalStore, format!("the file can't be made: {error}"))
                .next_step("check its folder and the disk's room"),
        };
        failed.on(file.display().to_string())
    })?;
    let mut out = BufWriter::new(created);
    let written = local.export_archive(&mut out).and_then(|records| {
        let synced = out.get_ref().sync_all().map_err(|error| {
            Error::new(ErrorKind::LocalStore, format!("the archive can't be written: {error}"))
                .on(file.display().to_string())
                .next_step("check the disk's room, then export again")
        });
        synced.map(|()| records)
    });
    if written.is_err() {
        // Half an archive is none; nothing is lost if it can't be removed.
        let _ = std::fs::remove_file(file);
    }
    written
}

/// Makes a file for its owner alone; nothing that is there is replaced.
fn private_file(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
