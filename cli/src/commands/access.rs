//! `passphrase` and `recovery-code`: the ways in, changed.

use crate::context::Context;
use crate::exit::{Result, code_not_shown};
use crate::input;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

const PASSPHRASE_EXAMPLES: &str = "\
The vault's keys rotate: the old passphrase opens nothing that is written from now on. The new one is
asked for on the terminal, or read from a file or stdin; never from the command line.

Examples:
  tidelock passphrase
  pass show tidelock | tidelock passphrase --passphrase-stdin
  tidelock passphrase --remove";

const RECOVERY_EXAMPLES: &str = "\
The vault's keys rotate: the old code opens nothing that is written from now on. The new one is shown
this once.

Example:
  tidelock recovery-code";

/// Set, change or remove the passphrase that joins devices
#[derive(Args, Debug)]
#[command(after_help = PASSPHRASE_EXAMPLES)]
pub(crate) struct Passphrase {
    /// Read it from the first line of stdin
    #[arg(long, conflicts_with_all = ["passphrase_file", "remove"])]
    passphrase_stdin: bool,
    /// Read it from the first line of a file
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    passphrase_file: Option<PathBuf>,
    /// Have none: the recovery code is the only way in
    #[arg(long)]
    remove: bool,
    /// Take one that is easy to guess, too
    #[arg(long, conflicts_with = "remove")]
    weak: bool,
}

/// Replace the recovery code by a new one
#[derive(Args, Debug)]
#[command(after_help = RECOVERY_EXAMPLES)]
pub(crate) struct RecoveryCode {}

impl Passphrase {
    pub(crate) fn run(self, context: &Context) -> Result {
        let text = match (self.remove, self.passphrase_stdin, &self.passphrase_file) {
            (true, ..) => None,
            (false, true, _) => Some(input::secret_from_stdin()?),
            (false, false, Some(file)) => Some(input::secret_from_file(file)?),
            (false, false, None) => {
                Some(input::secret_from_terminal("New passphrase: ", "--passphrase-stdin or --passphrase-file FILE")?)
            }
        };
        if let Some(text) = &text {
            input::check_passphrase(text, self.weak)?;
        }
        let is_set = text.is_some();
        let passphrase = text.map(|text| tidelock::Passphrase::new(text.as_str()));
        let output = context.output;
        context.with_vault(async |vault| {
            let rotating = context.progress.begin("rotating the keys");
            vault.set_passphrase(passphrase).await?;
            drop(rotating);
            if output.json {
                return output.object(&json!({ "passphrase": is_set }));
            }
            output.say(if is_set { "The passphrase is set." } else { "The passphrase is gone." });
            Ok(())
        })
    }
}

impl RecoveryCode {
    pub(crate) fn run(self, context: &Context) -> Result {
        let output = context.output;
        context.with_vault(async |vault| {
            let rotating = context.progress.begin("rotating the keys");
            let code = vault.replace_recovery_code().await?;
            drop(rotating);
            if output.json {
                let told = json!({ "recovery_code": code.reveal().as_str() });
                return output.object(&told).map_err(code_not_shown);
            }
            output.say("This is the vault's new recovery code; it is shown only now, so write it down:\n");
            output.line(&code.reveal()).map_err(code_not_shown)
        })
    }
}
