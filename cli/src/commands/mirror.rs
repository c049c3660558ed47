//! `mirror`: one-way copies of a folder and a bucket's plain objects.

use super::s3::At;
use crate::context::{Context, until_interrupted};
use crate::exit::Result;
use crate::output::one_line;
use crate::progress::Running;
use clap::{ArgAction, Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use tidelock::bucket::Encryption;
use tidelock::mirror::{Compare, MirrorEvent, MirrorOptions, MirrorReport, MirrorStep, Rules, Why};

const EXAMPLES: &str = "\
An address is s3://BUCKET/PREFIX?endpoint=…&region=…, or the prefix alone within the store that
TIDELOCK_STORE names. Keys for the bucket come from the environment, as for a vault. Nothing is sealed.

Examples:
  tidelock mirror up ~/photos 's3://my-bucket/photos?region=eu-central-1'
  tidelock mirror up ~/photos s3://my-bucket/photos --delete --dry-run
  tidelock mirror up ~/work s3://my-bucket/work --exclude '*.tmp' --exclude /build/ --include keep.tmp
  tidelock mirror up ~/work s3://my-bucket/work --explain build/report.pdf
  tidelock mirror down s3://my-bucket/photos ~/photos";

/// Copy a folder to plain objects of a bucket, or back
///
/// One way: the source is never written. Any S3 tool reads the objects. Files that are the same already are left alone.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Mirror {
    Up(Up),
    Down(Down),
}

/// Copy a folder's files to objects
///
/// New files and changed ones, several at once; from 8 MiB on in parts, which an interrupted run goes on with. Times are kept as
/// rclone keeps them. Links are skipped.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Up {
    /// The folder
    folder: PathBuf,
    /// Where its files go: an address, or a prefix
    to: String,
    /// What is done with links: skip them, or follow them, also out of the folder
    #[arg(long, value_enum, default_value_t = Links::Skip)]
    links: Links,
    /// Such as STANDARD_IA; the provider says which there are
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
    /// Have the store encrypt it at rest under keys of its own (SSE-S3)
    #[arg(long, conflicts_with = "sse_kms")]
    sse: bool,
    /// Have the store encrypt it at rest by its key service (SSE-KMS), under this key or the default one
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true)]
    sse_kms: Option<Option<String>>,
    #[command(flatten)]
    common: Common,
}

/// Copy objects to a folder's files
///
/// New objects and changed ones, over what is there. A file appears when it is whole, with the time it had. Links in the folder
/// are not followed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Down {
    /// Where the objects are: an address, or a prefix
    from: String,
    /// The folder; it is made if it is missing
    folder: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
struct Common {
    /// Delete what the source has not, after all else went well
    #[arg(long)]
    delete: bool,
    /// Delete nothing if more than this part of the target would go
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u8).range(0..=100))]
    max_delete: u8,
    /// Write nothing, and print what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Leave out what this line fits, written as in a .gitignore; may be given again
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    exclude: Vec<String>,
    /// Take it nevertheless; counts after every --exclude
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    include: Vec<String>,
    /// Leave out what the lines of this file fit; may be given again
    #[arg(long, value_name = "FILE")]
    exclude_from: Vec<PathBuf>,
    /// Whether files and folders with a dot before their name are taken
    #[arg(long, value_name = "SWITCH", action = ArgAction::Set, default_value_t = true)]
    hidden: bool,
    /// Take files for the same if their sizes are
    #[arg(long, conflicts_with = "checksum")]
    size_only: bool,
    /// Take files for the same if their BLAKE3 is, which Tidelock keeps beside each object; fetched ones must match it
    #[arg(long)]
    checksum: bool,
    /// Print why this path, in the folder, is taken or left out, and do nothing
    #[arg(long, value_name = "PATH")]
    explain: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Links {
    Skip,
    Follow,
}

impl Mirror {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Up(up) => up.run(context),
            Self::Down(down) => down.run(context),
        }
    }
}

impl Up {
    fn run(self, context: &Context) -> Result {
        let encryption = match self.sse_kms {
            Some(key_id) => Some(Encryption::Kms { key_id }),
            None if self.sse => Some(Encryption::Store),
            None => None,
        };
        let options = MirrorOptions {
            follow_links: self.links == Links::Follow,
            storage_class: self.storage_class,
            encryption,
            ..self.common.options()
        };
        let (bucket, prefix) = At::of_settings(context).object(&self.to)?;
        if let Some(path) = &self.common.explain {
            return explain(context, &bucket.explain_mirror(&self.folder, path, &options)?);
        }
        let shown = Shown::new(context, self.common.dry_run);
        let report = context.run(until_interrupted(async {
            Ok(bucket.mirror_up(&self.folder, &prefix, &options, |event| shown.see(event)).await?)
        }));
        shown.end(report?)
    }
}

impl Down {
    fn run(self, context: &Context) -> Result {
        let options = self.common.options();
        let (bucket, prefix) = At::of_settings(context).object(&self.from)?;
        if let Some(path) = &self.common.explain {
            return explain(context, &bucket.explain_mirror(&self.folder, path, &options)?);
        }
        let shown = Shown::new(context, self.common.dry_run);
        let report = context.run(until_interrupted(async {
            Ok(bucket.mirror_down(&prefix, &self.folder, &options, |event| shown.see(event)).await?)
        }));
        shown.end(report?)
    }
}

impl Common {
    fn options(&self) -> MirrorOptions {
        MirrorOptions {
            rules: Rules {
                exclude: self.exclude.clone(),
                include: self.include.clone(),
                exclude_from: self.exclude_from.clone(),
                hidden: self.hidden,
            },
            compare: match (self.checksum, self.size_only) {
                (true, _) => Compare::Checksum,
                (_, true) => Compare::Size,
                _ => Compare::Time,
            },
            delete: self.delete,
            max_delete_percent: self.max_delete,
            dry_run: self.dry_run,
            ..MirrorOptions::default()
        }
    }
}

/// What is told while it runs, and at its end.
struct Shown<'a> {
    context: &'a Context,
    dry_run: bool,
    files: AtomicU64,
    _running: Running,
}

impl<'a> Shown<'a> {
    fn new(context: &'a Context, dry_run: bool) -> Self {
        let running = context.progress.begin("mirroring files");
        Self { context, dry_run, files: AtomicU64::new(0), _running: running }
    }

    fn see(&self, event: MirrorEvent<'_>) {
        let MirrorEvent::Done { path, step } = event else { return };
        let files = self.files.fetch_add(1, Ordering::Relaxed) + 1;
        self.context.progress.at("mirroring files", files, None);
        if !(self.dry_run || self.context.output.verbose) || step == MirrorStep::Skip {
            return;
        }
        let word = match step {
            MirrorStep::Upload => "upload",
            MirrorStep::Download => "download",
            MirrorStep::Delete => "delete",
            MirrorStep::Skip => "skip",
        };
        let line = match self.context.output.json {
            true => json!({ "path": path, "step": word }).to_string(),
            false => format!("{word:<9} {}", one_line(path.as_bytes())),
        };
        // A reader who is gone stops no mirror.
        let _ = self.context.output.line(&line);
    }

    /// Prints the report; what failed is the command's error.
    fn end(self, report: MirrorReport) -> Result {
        let output = self.context.output;
        self.context.progress.end();
        if output.json {
            output.object(&as_json(&report, self.dry_run))?;
        }
        output.say(&summary(&report, self.dry_run));
        let mut errors = report.not_deleted.into_iter().chain(report.errors);
        let first = errors.next();
        if !output.json {
            errors.by_ref().take(SHOWN_MAX).for_each(|error| output.warn(&error));
            match errors.count() {
                0 => {}
                more => output.say(&format!("warning: {more} more failed; --json names them")),
            }
        }
        first.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Errors that a person is shown.
const SHOWN_MAX: usize = 20;

fn as_json(report: &MirrorReport, dry_run: bool) -> Value {
    let errors = report.errors.iter().chain(&report.not_deleted);
    let errors = errors.map(|error| {
        json!({ "path": error.object(), "kind": error.kind().name(), "message": error.message(), "hint": error.hint() })
    });
    json!({
        "uploaded": report.uploaded,
        "downloaded": report.downloaded,
        "deleted": report.deleted,
        "skipped": report.skipped,
        "bytes_transferred": report.bytes_transferred,
        "duration_ms": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        "failed": report.failed,
        "errors": errors.collect::<Vec<_>>(),
        "dry_run": dry_run,
    })
}

fn summary(report: &MirrorReport, dry_run: bool) -> String {
    let copied = report.uploaded + report.downloaded;
    let MirrorReport { deleted, skipped, bytes_transferred, failed, .. } = report;
    let copies = match dry_run {
        true => format!("would copy {copied} and delete {deleted}"),
        false => format!("{copied} copied ({bytes_transferred} bytes), {deleted} deleted"),
    };
    format!("{copies}; {skipped} left as they are, {failed} failed.")
}

fn explain(context: &Context, why: &Why) -> Result {
    let output = context.output;
    if output.json {
        let fields = json!({ "taken": why.taken, "path": why.path, "line": why.line, "source": why.source });
        return output.object(&fields);
    }
    let path = one_line(why.path.as_bytes());
    let reason = match (&why.line, &why.source) {
        (Some(line), Some(source)) => {
            format!("by the line `{}` of {}", one_line(line.as_bytes()), one_line(source.as_bytes()))
        }
        (_, Some(source)) => format!("by {source}"),
        _ => "by no line".to_owned(),
    };
    output.line(&format!("{path} is {} {reason}", if why.taken { "taken" } else { "left out" }))
}
