//! `config`: settings in the user's configuration file, and what is in force.

use crate::config::device;
use crate::config::setting::{SETTINGS, Setting};
use crate::context::Context;
use crate::exit::Result;
use crate::output::{Lines, one_line};
use clap::Subcommand;
use serde_json::json;
use tidelock::{Error, ErrorKind, Options, StoreUri};

const HELP: &str = "\
A setting is taken from the first place that has it:
  1. the command line: --timeout 60s
  2. the environment: TIDELOCK_STORE, TIDELOCK_LOCAL, TIDELOCK_TIMEOUT, TIDELOCK_RETRIES,
     TIDELOCK_CONCURRENCY, TIDELOCK_COMPRESSION; then HX_SYNC_TIMEOUT, HX_SYNC_MAX_RETRIES,
     HX_SYNC_CONCURRENT_UPLOADS, HX_SYNC_COMPRESSION
  3. the profile that --profile or TIDELOCK_PROFILE names
  4. the configuration file: tidelock/config.toml in the user's configuration folder, or
     TIDELOCK_CONFIG
  5. what this device remembers of `init` or `join`: the store
  6. the default

Secrets are never kept here.

Examples:
  tidelock config list
  tidelock config set timeout 60s
  tidelock --profile work config set local ~/.local/share/tidelock-work
  tidelock --profile work init --store s3://my-bucket/work";

/// Show and change settings
#[derive(Debug, Subcommand)]
#[command(after_help = HELP)]
pub(crate) enum Config {
    /// Print a setting's value
    Get {
        /// store, local, timeout, retries, concurrency or compression
        name: String,
    },
    /// Write a setting into the configuration file; with --profile, into that profile
    Set {
        /// store, local, timeout, retries, concurrency or compression
        name: String,
        /// Its value
        value: String,
    },
    /// Take a setting out of the configuration file; with --profile, out of that profile
    Unset {
        /// store, local, timeout, retries, concurrency or compression
        name: String,
    },
    /// Print all settings, and where each came from
    List,
}

impl Config {
    /// Whether it writes into a profile, which then need not be there yet.
    pub(crate) fn makes_profile(&self) -> bool {
        matches!(self, Self::Set { .. })
    }

    pub(crate) fn run(self, context: &mut Context) -> Result {
        let output = context.output;
        match self {
            Self::Get { name } => {
                let (value, source) = in_force(context, Setting::named(&name)?)?;
                let value = value.ok_or_else(|| {
                    Error::new(ErrorKind::NotFound, "nothing sets it")
                        .on(name.clone())
                        .next_step("`tidelock config set` does")
                })?;
                match output.json {
                    true => output.object(&json!({ "name": name, "value": value, "source": source })),
                    false => output.line(&one_line(value.as_bytes())),
                }
            }
            Self::Set { name, value } => {
                let setting = Setting::named(&name)?;
                setting.check(&value).map_err(|error| error.on(name))?;
                let value = match setting {
                    Setting::Local => std::path::absolute(&value)
                        .map_err(|error| {
                            Error::new(ErrorKind::Invalid, format!("the folder has no absolute path: {error}"))
                        })?
                        .to_string_lossy()
                        .into_owned(),
                    _ => value,
                };
                context.file.set(setting, context.profile.as_deref(), &value)
            }
            Self::Unset { name } => match context.file.unset(Setting::named(&name)?, context.profile.as_deref())? {
                true => Ok(()),
                false => Err(Error::new(ErrorKind::NotFound, "the configuration file does not set it")
                    .on(name)
                    .next_step("`tidelock config list` shows where it comes from")
                    .into()),
            },
            Self::List => {
                let mut lines = Lines::new();
                for setting in SETTINGS {
                    let (value, source) = in_force(context, setting)?;
                    let name = setting.name();
                    if output.json {
                        output.object(&json!({ "name": name, "value": value, "source": source }))?;
                    } else {
                        let value = value.map_or_else(|| "-".to_owned(), |value| one_line(value.as_bytes()));
                        lines.line(&format!("{name:<12} {value}  ({source})"))?;
                    }
                }
                lines.end()
            }
        }
    }
}

/// A setting's value, and where it came from.
fn in_force(context: &Context, setting: Setting) -> Result<(Option<String>, String)> {
    if let Some((value, source)) = context.settings.get(setting) {
        // As it is shown elsewhere, too.
        let value = match setting {
            Setting::Store => value.parse::<StoreUri>()?.to_string(),
            _ => value.to_owned(),
        };
        return Ok((Some(value), source.to_string()));
    }
    // Any store does: the limits do not depend on it.
    let defaults = Options::new("file:///any", &context.local)?;
    let default = match setting {
        Setting::Store => {
            let remembered = device::read_store(&context.local)?;
            let source = if remembered.is_some() { "this device" } else { "not set" };
            return Ok((remembered, source.to_owned()));
        }
        Setting::Local => context.local.display().to_string(),
        Setting::Timeout => format!("{}s", defaults.timeout.as_secs_f64()),
        Setting::Retries => defaults.retries.to_string(),
        Setting::Concurrency => defaults.concurrency.to_string(),
        Setting::Compression => defaults.compression.to_string(),
    };
    Ok((Some(default), "default".to_owned()))
}
