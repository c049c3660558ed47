//! The command line: what every command knows, and the list of them.

use crate::commands::{
    access, archive, check, config, conflicts, credentials, demo, devices, doc, doctor, init, log, meta, mirror,
    record, reset, s3, serve, status, sync,
};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…
  tidelock init --store 's3://my-bucket/notes?region=eu-central-1'   on the first device
  tidelock join --store 's3://my-bucket/notes?region=eu-central-1'   on every other one
  tidelock put todo milk 'two litres'
  tidelock sync
  tidelock get todo milk

Exit codes:
    0  done
    1  internal: a defect of Tidelock
    2  invalid: the command line, or a limit of a key or value
    3  not-found: no such record, vault, bucket or conflict
    4  auth: the store refused the keys or the permission
    5  network, timeout, throttled: try again later
    6  wrong-key: the recovery code or passphrase does not open the vault
    7  corrupt, hash-mismatch: an object fails its checks
    8  rolled-back, wiped: the bucket shows what it should not; forked: a store was copied
    9  local-store, busy: this device's own store failed
   10  already-exists: what was to be made is there already
   11  clock-skew: this device's clock is too far off
   12  unsupported, closed: the store or this version can't
   13  revoked: this device was revoked; what is here can still be read and exported
  130  cancelled

A value is printed on stdout, everything else on stderr. With --json, stdout has one JSON object a
line, and an error is one on stderr: {\"error\":{\"kind\",\"message\",\"object\",\"retry\",\"hint\"}}. A warning is
{\"warning\":{…}} with the same fields.";

/// Keeps records in step between your devices, end-to-end encrypted, through nothing but an S3 bucket or a folder.
///
/// Writes are local and need no network; `sync` brings this device and the bucket together. The bucket's provider sees
/// sealed objects only.
#[derive(Debug, Parser)]
#[command(name = "tidelock", version, after_long_help = EXAMPLES, after_help = "See --help for examples and exit codes.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command knows.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// This device's folder, with its local store [default: tidelock in the user's data folder]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) local: Option<PathBuf>,
    /// Settings of this profile of the configuration file (see `tidelock config --help`)
    #[arg(long, global = true, value_name = "NAME", env = "TIDELOCK_PROFILE", hide_env_values = true)]
    pub(crate) profile: Option<String>,
    /// Ends the command after this long, such as 30s, and each request; in the environment or a file, each request alone,
    /// whose body has a second more for each 16 KiB
    #[arg(long, global = true, value_name = "TIME", hide_short_help = true)]
    pub(crate) timeout: Option<String>,
    /// How often a request is tried again
    #[arg(long, global = true, value_name = "NUMBER", hide_short_help = true)]
    pub(crate) retries: Option<String>,
    /// Requests in flight at once
    #[arg(long, global = true, value_name = "NUMBER", hide_short_help = true)]
    pub(crate) concurrency: Option<String>,
    /// Whether what is stored in bulk is compressed: true or false
    #[arg(long, global = true, value_name = "SWITCH", hide_short_help = true)]
    pub(crate) compression: Option<String>,
    /// Have requests signed by this server, where this device has no keys for the bucket; the token for it is in
    /// TIDELOCK_SIGNER_TOKEN [default: the one named at `init` or `join`]
    #[arg(long, global = true, value_name = "URL", env = "TIDELOCK_SIGNER", hide_env_values = true)]
    pub(crate) signer: Option<String>,
    /// Read the signer's token from the first line of a file, of mode 0600
    #[arg(long, global = true, value_name = "FILE", env = "TIDELOCK_SIGNER_TOKEN_FILE", hide_env_values = true)]
    pub(crate) signer_token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tell more: requests, and the paths of objects
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

/// The commands, in the order a newcomer meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Init),
    Join(init::Join),
    Put(record::Put),
    Get(record::Get),
    List(record::List),
    Delete(record::Delete),
    #[command(subcommand)]
    Log(log::Log),
    #[command(subcommand)]
    Doc(doc::Doc),
    Sync(sync::Sync),
    Push(sync::Push),
    Pull(sync::Pull),
    Watch(sync::Watch),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Devices(devices::Devices),
    Conflicts(conflicts::Conflicts),
    Resolve(conflicts::Resolve),
    Export(archive::Export),
    Import(archive::Import),
    Republish(sync::Republish),
    Check(check::Check),
    Passphrase(access::Passphrase),
    RecoveryCode(access::RecoveryCode),
    #[command(subcommand)]
    Config(config::Config),
    #[command(subcommand)]
    Credentials(credentials::Credentials),
    Reset(reset::Reset),
    S3(s3::S3),
    #[command(subcommand)]
    Mirror(mirror::Mirror),
    Serve(serve::Serve),
    Demo(demo::Demo),
    Completions(meta::Completions),
    Man(meta::Man),
}

/// How many words name what a command writes; the words behind them are values. `None`: its values need no care.
fn words_before_values(path: &[&str]) -> Option<usize> {
    match path {
        ["put" | "resolve"] => Some(2), // MAP KEY
        ["log", "append"] => Some(1),   // LOG
        _ => None,
    }
}

/// Puts values that begin with `-` behind `--`, where nothing is taken for an option: after the words that name a record, each
/// word is a value that is not the long name of an option. `put options curl -v` sets `-v`.
pub(crate) fn values_behind_options(root: &clap::Command, mut words: Vec<OsString>) -> Vec<OsString> {
    let (mut commands, mut path, mut named, mut at) = (vec![root], Vec::new(), 0, 1);
    while words_before_values(&path) != Some(named) {
        let Some(word) = words.get(at).and_then(|word| word.to_str()).filter(|word| *word != "--") else {
            return words;
        };
        at += 1;
        if word.starts_with('-') && word != "-" {
            at += usize::from(option(&commands, word) == Some(true));
        } else if let Some(command) = commands.last().and_then(|command| command.find_subcommand(word)) {
            path.push(command.get_name());
            commands.push(command);
        } else if words_before_values(&path).is_some() {
            named += 1;
        } else {
            return words;
        }
    }
    let (mut options, mut values) = (Vec::new(), Vec::new());
    let mut rest = words.drain(at.min(words.len())..);
    while let Some(word) = rest.next() {
        match word.to_str().and_then(|word| option(&commands, word)) {
            _ if word == "--" => values.extend(rest.by_ref()),
            Some(true) => options.extend([Some(word), rest.next()].into_iter().flatten()),
            Some(false) => options.push(word),
            None => values.push(word),
        }
    }
    drop(rest);
    words.extend(options);
    if !values.is_empty() {
        words.push("--".into());
    }
    words.extend(values);
    words
}

/// Whether a word is the long name of an option of these commands; and then whether the next word is its value.
fn option(commands: &[&clap::Command], word: &str) -> Option<bool> {
    let long = word.strip_prefix("--").filter(|long| !long.is_empty())?;
    let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
    if name == "help" {
        return Some(false);
    }
    let mut options = commands.iter().flat_map(|command| command.get_arguments());
    let option = options.find(|option| option.get_long() == Some(name))?;
    Some(option.get_action().takes_values() && value.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_exit_code_is_documented() {
        for code in crate::exit::CODES {
            assert!(EXAMPLES.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))), "{code}");
        }
    }

    #[test]
    fn no_argument_takes_a_secret() {
        for text in [
            &["tidelock", "join", "--secret", "x"][..],
            &["tidelock", "init", "--passphrase", "x"],
            &["tidelock", "join", "x"],
        ] {
            assert!(Cli::try_parse_from(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn values_stand_behind_options() {
        let root = Cli::command();
        for (typed, read) in [
            ("put m k -v", "put m k -- -v"),
            ("put m k v --json", "put m k --json -- v"),
            ("put m k --json", "put m k --json"),
            ("put m k --local /l -h", "put m k --local /l -- -h"),
            ("put --empty m k", "put --empty m k"),
            ("put m k -- --json", "put m k -- --json"),
            ("put m k --jso", "put m k -- --jso"),
            ("put m k -", "put m k -- -"),
            ("--local put put m k -v", "--local put put m k -- -v"),
            ("-v --timeout=3s put --json m k -v", "-v --timeout=3s put --json m k -- -v"),
            ("resolve m k --pick 2", "resolve m k --pick 2"),
            ("resolve m k -2", "resolve m k -- -2"),
            ("log append l -rf --skip-invalid --json x -v", "log append l --skip-invalid --json -- -rf x -v"),
            ("log append l", "log append l"),
            ("log append --help", "log append --help"),
            ("log append -- l -v", "log append -- l -v"),
            ("log list l -v", "log list l -v"),
            ("put m", "put m"),
            ("", ""),
        ] {
            let words =
                |line: &str| std::iter::once("tidelock").chain(line.split_whitespace()).map(OsString::from).collect();
            let expected: Vec<OsString> = words(read);
            assert_eq!(values_behind_options(&root, words(typed)), expected, "{typed}");
        }
    }

    #[test]
    fn globals_stand_before_or_after_the_command() {
        for text in [["tidelock", "--json", "status"], ["tidelock", "status", "--json"]] {
            assert!(Cli::try_parse_from(text).unwrap().global.json);
        }
    }
}
