//! `init` and `join`: how a device gets a vault.

use crate::config::device;
use crate::config::setting::Setting;
use crate::context::{Context, has_store, no_store, until_interrupted};
use crate::exit::{Result, Stop, code_not_shown};
use crate::output::Output;
use crate::{input, keys};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use tidelock::{
    CredentialSource, Error, ErrorKind, Local, Options, Passphrase, Secret, Vault, parse_secret, saved_credentials,
};

const INIT_EXAMPLES: &str = "\
The recovery code is shown this once; until the first sync, the same command shows it again, without
a passphrase. Write it down: whoever has it can join, and without it and without a device there is no
way back in.

Examples:
  tidelock init --store 's3://my-bucket/notes?region=eu-central-1'
  tidelock init --store 's3://my-bucket?endpoint=http://127.0.0.1:9000' --name laptop
  tidelock init --store file:///mnt/share/vault
  tidelock init --store s3://my-bucket --passphrase-file ~/passphrase
  tidelock init --store s3://my-bucket/users/alice --signer https://sign.example/presign   without keys";

const JOIN_EXAMPLES: &str = "\
The recovery code or passphrase is asked for on the terminal, or read from a file or stdin; never
from the command line, where other users could see it.

Examples:
  tidelock join --store 's3://my-bucket/notes?region=eu-central-1'
  tidelock join --store file:///mnt/share/vault --name phone
  pass show tidelock | tidelock join --store s3://my-bucket --secret-stdin";

/// Where a new device's vault is, and what it is called.
#[derive(Args, Debug)]
struct Place {
    /// The store: s3://BUCKET/PREFIX?region=&endpoint=&path_style= or file:///FOLDER [env: TIDELOCK_STORE]
    #[arg(long, value_name = "URI")]
    store: Option<String>,
    /// What this device is called [default: the host's name]
    #[arg(long, value_name = "DEVICE")]
    name: Option<String>,
}

/// Make a vault, with this as its first device
#[derive(Args, Debug)]
#[command(after_help = INIT_EXAMPLES)]
pub(crate) struct Init {
    #[command(flatten)]
    place: Place,
    /// Add a passphrase as a second way in: the first line of stdin
    #[arg(long, conflicts_with = "passphrase_file")]
    passphrase_stdin: bool,
    /// Add a passphrase as a second way in: the first line of a file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Take a passphrase that is easy to guess, too
    #[arg(long)]
    weak: bool,
}

/// Add this device to a vault
#[derive(Args, Debug)]
#[command(after_help = JOIN_EXAMPLES)]
pub(crate) struct Join {
    #[command(flatten)]
    place: Place,
    /// Read the recovery code or passphrase from the first line of stdin
    #[arg(long, conflicts_with = "secret_file")]
    secret_stdin: bool,
    /// Read the recovery code or passphrase from the first line of a file
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// It is a passphrase, also if it looks like a recovery code
    #[arg(long)]
    passphrase: bool,
}

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result {
        let passphrase = match (self.passphrase_stdin, &self.passphrase_file) {
            (true, _) => Some(input::secret_from_stdin()?),
            (false, Some(file)) => Some(input::secret_from_file(file)?),
            (false, None) => None,
        };
        if let Some(text) = &passphrase {
            input::check_passphrase(text, self.weak)?;
        }
        let (mut options, vault_is_here) = self.place.options(context)?;
        // The engine gives the same code again, or refuses; but it sets no passphrase, and what is remembered must not come to
        // lead elsewhere.
        let store = options.store.to_string();
        let is_remembered = device::read_store(&context.local)?.is_some_and(|remembered| remembered == store);
        if vault_is_here && !is_remembered {
            return Err(already_here(context));
        }
        if vault_is_here && passphrase.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "the vault is made already; no passphrase was set now")
                .on(context.local.display().to_string())
                .next_step(
                    "`init` without a passphrase shows the recovery code until the first sync; `passphrase` sets one",
                )
                .into());
        }
        options.passphrase = passphrase.map(|text| Passphrase::new(text.as_str()));
        context.run(async {
            let making = context.progress.begin("making the vault");
            let (vault, code) = until_interrupted(async { Ok(Vault::create(options).await?) }).await?;
            drop(making);
            let output = context.output;
            if output.json {
                let mut told = about(&vault).await?;
                told["recovery_code"] = json!(code.reveal().as_str());
                output.object(&told).map_err(code_not_shown)?;
            } else {
                let made = if vault_is_here { "was made before" } else { "is made" };
                output.say(&format!(
                    "The vault {made}. This is its recovery code; it is shown only now, so write it down:\n"
                ));
                output.line(&code.reveal()).map_err(code_not_shown)?;
                output.say("\nOn another device, `tidelock join` with the same --store asks for it.");
            }
            vault.close().await;
            Ok(())
        })
    }
}

impl Join {
    pub(crate) fn run(self, context: &Context) -> Result {
        let (options, vault_is_here) = self.place.options(context)?;
        if vault_is_here {
            return Err(already_here(context));
        }
        let text = match (self.secret_stdin, &self.secret_file) {
            (true, _) => input::secret_from_stdin()?,
            (false, Some(file)) => input::secret_from_file(file)?,
            (false, None) => {
                input::secret_from_terminal("Recovery code or passphrase: ", "--secret-stdin or --secret-file FILE")?
            }
        };
        let secret = match self.passphrase {
            true => Secret::Passphrase(text),
            false => parse_secret(&text).map_err(|error| match error.hint() {
                Some(hint) => error.clone().next_step(format!("{hint}; if it is a passphrase, add --passphrase")),
                None => error.next_step("if it is a passphrase, add --passphrase"),
            })?,
        };
        context.run(async {
            let joining = context.progress.begin("joining the vault");
            let vault = until_interrupted(async { Ok(Vault::join(options, secret).await?) }).await?;
            drop(joining);
            tell_joined(context.output, &vault).await?;
            vault.close().await;
            Ok(())
        })
    }
}

async fn tell_joined(output: Output, vault: &Vault) -> Result {
    if output.json {
        return output.object(&about(vault).await?);
    }
    let devices = vault.devices().await?.len();
    output.say(&format!("This device has joined; the vault has {devices} devices now."));
    Ok(())
}

async fn about(vault: &Vault) -> Result<serde_json::Value> {
    let status = vault.status().await?;
    Ok(json!({
        "vault": status.vault.map(|id| id.to_string()),
        "device": status.device.map(|id| id.to_string()),
    }))
}

impl Place {
    /// The options, and whether a vault is here. If none is, its store is remembered: a crashed `init` or `join` is resumed
    /// without naming it again.
    fn options(self, context: &Context) -> Result<(Options, bool)> {
        let is_remembered = self.store.is_none() && context.settings.text(Setting::Store).is_none();
        let mut options = match self.store {
            Some(store) => context.options_at(&store)?,
            None => keys::named_options(context)?.ok_or_else(no_store)?,
        };
        let signer = match is_remembered {
            true => context.signer()?,
            false => context.named_signer(),
        };
        if let Some(name) = self.name {
            options.device = name;
        }
        if has_vault(&context.local, &options)? {
            return Ok((options, true));
        }
        device::write_store(&context.local, &options.store, signer)?;
        if let CredentialSource::Fixed(keys) = &options.credentials
            && saved_credentials(&options)?.is_none()
        {
            keys::save(context, &options, keys)?;
            context.output.say("TIDELOCK_STORE may do without them from now on.");
        }
        Ok((options, false))
    }
}

/// Whether a vault is here. A store without content is what an `init` or `join` left that was killed at its first moment.
fn has_vault(local: &Path, options: &Options) -> Result<bool> {
    let is_empty = || std::fs::metadata(local.join("store.db")).is_ok_and(|metadata| metadata.len() == 0);
    match has_store(local)?.then(|| Local::open(options)) {
        None => Ok(false),
        Some(Err(error)) if error.kind() == ErrorKind::LocalStore && is_empty() => Ok(false),
        Some(opened) => Ok(opened?.status()?.vault.is_some()),
    }
}

fn already_here(context: &Context) -> Stop {
    Error::new(ErrorKind::AlreadyExists, "this device has a vault here already")
        .on(context.local.display().to_string())
        .next_step("use it, name another folder with --local, or `tidelock reset` it first")
        .into()
}
