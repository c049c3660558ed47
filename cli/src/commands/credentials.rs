//! `credentials`: the bucket's keys saved, looked for, and forgotten. None is ever printed.

use crate::config::device;
use crate::context::{Context, no_store};
use crate::exit::Result;
use crate::input;
use crate::keys::{self, place};
use crate::output::{Lines, time};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io;
use std::path::PathBuf;
use tidelock::{
    CredentialOrigin, Credentials as Keys, Error, ErrorKind, Options, SavedIn, find_credentials, forget_credentials,
    saved_credentials,
};

const SET_EXAMPLES: &str = "\
The keys are asked for on the terminal, or read from stdin or a file; never from the command line,
where other users could see them. They are saved in the system's keyring, or where there is none in
a file that only you may read. What stdin or the file holds is one of:
  the access key, the secret key and, for temporary keys, the session token, a line each
  lines like AWS_ACCESS_KEY_ID=… or aws_access_key_id = …
  the store's address, with &access_key=…&secret_key=… in it

Examples:
  tidelock credentials set
  tidelock credentials set --store 's3://my-bucket/notes?region=eu-central-1'
  pass show bucket | tidelock credentials set --stdin
  tidelock credentials set --file old-config.ini && rm old-config.ini

Exit codes: 0 done, 2 no keys or no store, 9 the file or keyring can't be written.";

const SHOW_EXAMPLES: &str = "\
It looks where a sync would: in the environment, among the saved ones, in AWS's profile files, then
for web identity, a container's role and an instance's role.

Examples:
  tidelock credentials show
  tidelock credentials show --json | jq -r .source

Exit codes: 0 found, 2 no store, 4 none found.";

const FORGET_EXAMPLES: &str = "\
Example:
  tidelock credentials forget

Exit codes: 0 forgotten, 2 no store, 3 none were saved, 9 the keyring does not let go of them.";

/// Save, look for or forget the keys of the bucket
#[derive(Debug, Subcommand)]
pub(crate) enum Credentials {
    Set(Set),
    Show(Show),
    Forget(Forget),
}

/// Save the bucket's keys for this device
#[derive(Args, Debug)]
#[command(after_help = SET_EXAMPLES)]
pub(crate) struct Set {
    #[command(flatten)]
    of: Of,
    /// Read them from stdin
    #[arg(long, conflicts_with = "file")]
    stdin: bool,
    /// Read them from a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Show where the keys come from; never the keys
#[derive(Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    #[command(flatten)]
    of: Of,
}

/// Remove the keys that were saved
#[derive(Args, Debug)]
#[command(after_help = FORGET_EXAMPLES)]
pub(crate) struct Forget {
    #[command(flatten)]
    of: Of,
}

/// Which store's keys.
#[derive(Args, Debug)]
struct Of {
    /// The store they belong to [default: TIDELOCK_STORE, else the one of the vault here]
    #[arg(long, value_name = "URI")]
    store: Option<String>,
}

impl Credentials {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Set(set) => set.run(context),
            Self::Show(show) => show.run(context),
            Self::Forget(forget) => forget.run(context),
        }
    }
}

impl Set {
    fn run(self, context: &Context) -> Result {
        let (address, found) = match (self.stdin, &self.file) {
            (true, _) => keys::read_keys(io::stdin().lock(), "stdin")?,
            (false, Some(file)) => keys::read_keys(input::open(file)?, &file.display().to_string())?,
            (false, None) => (None, typed()?),
        };
        let options = match (address, &self.of.store) {
            (Some(address), None) => context.options_at(&address)?,
            _ => self.of.options(context)?,
        };
        let saved = keys::save(context, &options, &found)?;
        if device::read_store(&context.local)?.is_none() {
            // So that `init` and `join` need not be told again.
            device::write_store(&context.local, &options.store, context.signer()?)?;
        }
        if let Some(file) = &self.file {
            context.output.say(&format!("They also still stand in {}: remove them there.", file.display()));
        }
        match context.output.json {
            true => {
                context.output.object(&json!({ "store": options.store.to_string(), "saved": place_json(Some(&saved)) }))
            }
            false => Ok(()),
        }
    }
}

fn typed() -> Result<Keys> {
    let otherwise = "--stdin or --file FILE";
    let access_key = input::secret_from_terminal("Access key: ", otherwise)?;
    let secret_key = input::secret_from_terminal("Secret key: ", otherwise)?;
    Ok(Keys::new(access_key.as_str(), secret_key.as_str(), None)?)
}

impl Show {
    fn run(self, context: &Context) -> Result {
        let options = self.of.options(context)?;
        let (found, origin) = find_credentials(&options)?;
        let saved = saved_credentials(&options)?;
        let store = options.store.to_string();
        let expires = found.expires_unix_ms().map(time);
        if context.output.json {
            return context.output.object(&json!({
                "store": store, "source": source(&origin), "detail": origin.to_string(),
                "saved": place_json(saved.as_ref()), "expires": expires,
            }));
        }
        let mut lines = Lines::new();
        lines.line(&format!("{:<12} {store}", "store"))?;
        lines.line(&format!("{:<12} {origin}", "source"))?;
        if let Some(expires) = expires {
            lines.line(&format!("{:<12} {expires}; others are fetched before", "until"))?;
        }
        if let Some(saved) = saved {
            lines.line(&format!("{:<12} in {}", "saved", place(&saved)))?;
        }
        lines.end()
    }
}

impl Forget {
    fn run(self, context: &Context) -> Result {
        let options = self.of.options(context)?;
        if !forget_credentials(&options)? {
            return Err(Error::new(ErrorKind::NotFound, "no keys were saved for this store")
                .on(options.store.to_string())
                .next_step("`tidelock credentials show` tells where its keys come from")
                .into());
        }
        if context.output.json {
            return context.output.object(&json!({ "store": options.store.to_string(), "forgotten": true }));
        }
        context.output.say("The saved keys are forgotten. They still work for whoever has them: withdraw them there.");
        Ok(())
    }
}

impl Of {
    fn options(&self, context: &Context) -> Result<Options> {
        match &self.store {
            Some(store) => context.options_at(store),
            None => Ok(keys::named_options(context)?.ok_or_else(no_store)?),
        }
    }
}

fn source(origin: &CredentialOrigin) -> &'static str {
    match origin {
        CredentialOrigin::Given => "given",
        CredentialOrigin::Environment => "environment",
        CredentialOrigin::Keyring => "keyring",
        CredentialOrigin::File(_) => "file",
        CredentialOrigin::Profile(_) => "profile",
        CredentialOrigin::WebIdentity => "web-identity",
        CredentialOrigin::Container => "container",
        CredentialOrigin::Instance => "instance",
    }
}

/// `null`, `{"keyring":true}` or `{"file":PATH}`.
fn place_json(saved: Option<&SavedIn>) -> serde_json::Value {
    match saved {
        None => serde_json::Value::Null,
        Some(SavedIn::Keyring) => json!({ "keyring": true }),
        Some(SavedIn::File(path)) => json!({ "file": path.display().to_string() }),
    }
}
