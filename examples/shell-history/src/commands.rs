//! The commands of `hist`.

use clap::{Parser, Subcommand, ValueEnum};
use futures::executor::block_on;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tidelock::{DeviceId, Error, ErrorKind, Options, Vault, names_a_key, parse_secret};
use tidelock_shell_history::{
    BucketBackend, ENTRY_BYTES_MAX, Entry, HishtoryConfig, HishtorySource, HistoryBackend as _, Home, HttpBackend,
    Migrated, Ran, Shell, literally, migrate, read_bucket, search,
};
use zeroize::Zeroizing;

/// A recovery code or a passphrase has less.
const SECRET_BYTES_MAX: usize = 4096;

/// Shell history on every device, end-to-end encrypted, through a bucket
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a vault for the history, with this as its first device; shows the recovery code
    Init {
        /// s3://BUCKET/PREFIX?region=&endpoint=&path_style= or file:///FOLDER; keys come from the AWS chain
        store: String,
    },
    /// Add this device to the history at a store; reads the recovery code from stdin
    Join {
        /// The store, as `init` was given it
        store: String,
    },
    /// Print what a shell is to evaluate when it starts
    Hook {
        /// The shell
        shell: ShellName,
    },
    /// Record the command line that stdin has; hooks do that
    Record {
        /// Its exit status
        #[arg(long, default_value_t = 0)]
        exit: i64,
        /// When it began, in µs since 1970; 0: not known
        #[arg(long, conflicts_with = "took_ms")]
        started_us: Option<i64>,
        /// How long it took
        #[arg(long)]
        took_ms: Option<i64>,
    },
    /// List commands that match, the best last: `gst` finds `git status`
    Search {
        /// Words; `'word` literally, `^word` at the beginning, `word$` at the end, `!word` not; `-`: read them from stdin
        words: Vec<String>,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Print the best match of the query that stdin has; Ctrl-R does that
    Pick {
        /// So many better ones are left out
        #[arg(long, default_value_t = 0)]
        skip: usize,
    },
    /// Delete commands that match, on every device and for ever; shows them only, without --yes
    Delete {
        /// Words as for `search`, but all of them literal; `-`: read them from stdin, where other users see no secret
        #[arg(required = true)]
        words: Vec<String>,
        /// Delete them
        #[arg(long)]
        yes: bool,
    },
    /// Publish what is pending and take what other devices published
    Sync {
        /// Only if no sync was begun in the last SECONDS, and none runs
        #[arg(long, value_name = "SECONDS")]
        after: Option<u64>,
    },
    /// Take over a hiSHtory history, from its server or its bucket, which are left as they are; repeating it adds nothing twice
    Migrate {
        /// hiSHtory's configuration, which has the secret and says where the history is [default: ~/.hishtory/.hishtory.config]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where everything is written to first, in clear, for you alone
        #[arg(long, value_name = "FILE", default_value = "hishtory-backup.jsonl")]
        backup: PathBuf,
    },
    /// Say how it stands; makes no request
    Status,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShellName {
    Bash,
    Zsh,
    Fish,
}

/// Why a command stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Error(Error),
    /// Its output can't be written.
    Output(io::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => {
                write!(f, "{error}")?;
                error.hint().map_or(Ok(()), |hint| write!(f, "\n{hint}"))
            }
            Self::Output(error) => write!(f, "the output can't be written: {error}"),
        }
    }
}

type Result<T = ExitCode> = std::result::Result<T, Stop>;

impl Cli {
    pub(crate) fn run(self) -> Result {
        let home = Home::find()?;
        let mut out = io::stdout().lock();
        match self.command {
            Command::Init { store } => {
                let options = new_options(&home, &store)?;
                let (vault, code) = block_on(Vault::create(options.clone()))?;
                home.remember(&options)?;
                writeln!(out, "Write this recovery code down; other devices join with it:\n\n  {}\n", *code.reveal())?;
                out.flush()?;
                let synced = block_on(vault.sync());
                block_on(vault.close());
                synced?;
            }
            Command::Join { store } => {
                let options = new_options(&home, &store)?;
                let secret = parse_secret(&read_stdin("the recovery code", SECRET_BYTES_MAX)?)?;
                let vault = block_on(Vault::join(options.clone(), secret))?;
                home.remember(&options)?;
                block_on(vault.close());
            }
            Command::Hook { shell } => {
                let shell = match shell {
                    ShellName::Bash => Shell::Bash,
                    ShellName::Zsh => Shell::Zsh,
                    ShellName::Fish => Shell::Fish,
                };
                out.write_all(shell.hook().as_bytes())?;
            }
            Command::Record { exit, started_us, took_ms } => {
                let command = read_stdin("the command", ENTRY_BYTES_MAX)?;
                if !command.trim().is_empty() {
                    let started_us = started_us.filter(|us| *us > 0).or_else(|| began_us(took_ms?));
                    let backend = backend(&home)?;
                    let ran = Ran { command: command.trim_end_matches('\n').to_owned(), exit_code: exit, started_us };
                    let entry = ran.entry(device(&backend)?)?;
                    backend.record(&[entry])?;
                }
            }
            Command::Search { words, limit } => {
                let (entries, refused) = backend(&home)?.entries()?;
                warn(&refused);
                let found = search(&entries, &query(words)?);
                for entry in found.into_iter().take(limit).rev() {
                    list(&mut out, entry)?;
                }
            }
            Command::Pick { skip } => {
                let (entries, _) = backend(&home)?.entries()?;
                let query = read_stdin("a query", ENTRY_BYTES_MAX)?;
                let found = search(&entries, &query);
                match found.get(skip) {
                    Some(entry) => out.write_all(entry.command.as_bytes())?,
                    None => return Ok(ExitCode::FAILURE),
                }
            }
            Command::Delete { words, yes } => {
                let backend = backend(&home)?;
                let (entries, refused) = backend.entries()?;
                warn(&refused);
                let meant = literally(&entries, &query(words)?);
                for (_, entry) in &meant {
                    list(&mut out, entry)?;
                }
                let count = meant.len();
                if yes {
                    backend.delete(meant.into_iter().map(|(key, _)| key.clone()))?;
                    writeln!(out, "{count} deleted; the next sync deletes them on the other devices.")?;
                } else {
                    writeln!(out, "{count} match. --yes deletes them on every device, for ever.")?;
                }
            }
            Command::Sync { after } => {
                let due = match after {
                    Some(seconds) => home.sync_due(Duration::from_secs(seconds))?.map(Some),
                    None => Some(None),
                };
                // Held until the sync has ended.
                if let Some(_lock) = due {
                    let report = backend(&home)?.sync()?;
                    warn(&report.reports);
                    writeln!(out, "{} published, {} received.", report.ops_published, report.ops_applied)?;
                }
            }
            Command::Migrate { config, backup } => {
                let to = self::backend(&home)?;
                let config = config.unwrap_or_else(|| {
                    PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".hishtory/.hishtory.config")
                });
                let HishtoryConfig { user, device, source } =
                    HishtoryConfig::read(&config, &home.options()?.local, |name| std::env::var(name).ok())?;
                let (received, deletions) = match source {
                    HishtorySource::Bucket(options) => read_bucket(*options, &user)?,
                    HishtorySource::Server(server) => {
                        let from = HttpBackend::new(&server, user, device)?;
                        (from.bootstrap()?, from.deletion_requests()?)
                    }
                };
                let migrated = migrate(received, &deletions, &to, &backup)?;
                warn(&migrated.refused);
                let Migrated { entries, deleted, refused } = migrated;
                let refused = refused.len();
                writeln!(
                    out,
                    "{entries} entries migrated, {deleted} left out because somebody deleted them, {refused} not readable."
                )?;
            }
            Command::Status => {
                let backend = backend(&home)?;
                let (status, (entries, _)) = (backend.status()?, backend.entries()?);
                writeln!(out, "{} commands of {} devices", entries.len(), status.devices.len())?;
                writeln!(out, "{} changes to publish", status.pending)?;
                if let Some(error) = status.last_error {
                    writeln!(out, "the last sync failed: {error}")?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Options for a device that has no vault yet.
fn new_options(home: &Home, store: &str) -> Result<Options> {
    if names_a_key(store) {
        return Err(Error::new(ErrorKind::Invalid, "keys on a command line can be seen by other users")
            .next_step("put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, and change them: they were seen")
            .into());
    }
    Ok(home.options_at(store)?)
}

fn backend(home: &Home) -> Result<BucketBackend> {
    Ok(BucketBackend::new(home.options()?))
}

fn device(backend: &BucketBackend) -> Result<DeviceId> {
    let device = backend.status()?.device;
    Ok(device
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "this device has no vault").next_step("run `hist init`"))?)
}

/// When something began that took so long and has just ended, in µs since 1970.
fn began_us(took_ms: i64) -> Option<i64> {
    jiff::Timestamp::now().as_microsecond().checked_sub(took_ms.checked_mul(1000)?)
}

/// The query of these words, or of stdin.
fn query(words: Vec<String>) -> Result<Zeroizing<String>> {
    match words == ["-"] {
        true => read_stdin("a query", ENTRY_BYTES_MAX),
        false => Ok(Zeroizing::new(words.join(" "))),
    }
}

/// What stdin has, bytes that are not UTF-8 replaced.
fn read_stdin(what: &str, bytes_max: usize) -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    io::stdin().lock().take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("{what} can't be read from stdin: {error}"))
            .next_step("pipe it into `hist`")
    })?;
    if bytes.len() > bytes_max {
        return Err(Error::new(ErrorKind::Invalid, format!("{what} has more than {bytes_max} bytes"))
            .next_step("give a shorter one")
            .into());
    }
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

/// A line of a listing. Whoever wrote the entry chose its characters: none of them may steer the terminal.
fn list(out: &mut impl io::Write, entry: &Entry) -> io::Result<()> {
    let time = jiff::fmt::strtime::format("%F %T", &entry.end_time.to_zoned(jiff::tz::TimeZone::system()));
    let shown: String = entry
        .command
        .chars()
        .map(|c| match c {
            '\n' => '⏎',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    writeln!(out, "{}  {shown}", time.unwrap_or_default())
}

fn warn(reports: &[Error]) {
    for report in reports {
        eprintln!("hist: {report}");
    }
}
