//! `reset`: this device forgets its vault.

use crate::commands::archive::to_new_file;
use crate::config;
use crate::context::Context;
use crate::exit::Result;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock::{Error, ErrorKind, Local, Removal, Status};

/// Forget this device's side of the vault; the bucket is left alone
///
/// Everything is exported first, in clear, into a file beside this device's folder that `import` reads; unless all of it was
/// published and the last sync ended well. A damaged local store is not removed but moved aside.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock reset && tidelock join --store s3://my-bucket")]
pub(crate) struct Reset {
    /// Keep no copy, whatever was not published, or was written on a device that is revoked
    #[arg(long)]
    discard: bool,
}

impl Reset {
    pub(crate) fn run(self, context: &Context) -> Result {
        let mut removal = Removal::begin(&context.options()?)?;
        let mut was_vault = true;
        let looked = removal.last_look().and_then(|local| Ok((local.status()?, local)));
        let kept = match looked {
            Ok((status, local)) => {
                was_vault = status.vault.is_some();
                refuse_untaken(&status, self.discard)?;
                let kept = if self.discard { None } else { rescue(context, &local, &status)? };
                match removal.damage().cloned().filter(|_| kept.is_none() && !self.discard) {
                    // It says that all was published, and may be wrong.
                    Some(damage) => {
                        drop(local);
                        Some(keep_damaged(context, removal, &damage)?)
                    }
                    None => {
                        removal.finish(local)?;
                        config::device::remove(&context.local)?;
                        kept
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::LocalStore && !error.is_retryable() => {
                Some(keep_damaged(context, removal, &error)?)
            }
            Err(error) => return Err(error.into()),
        };
        let kept = kept.map(|path| path.display().to_string());
        if context.output.json {
            return context.output.object(&json!({ "kept": kept }));
        }
        match kept {
            Some(kept) => {
                context.output.say(&format!("This device has forgotten its vault. What was here is in {kept}"))
            }
            None if !was_vault => context.output.say("No vault was here: `init` or `join` did not end."),
            None if self.discard => context.output.say("This device has forgotten its vault."),
            None => context.output.say("This device has forgotten its vault; everything in it was published."),
        }
        Ok(())
    }
}

/// What a revoked device wrote and no other device took is on no other device: whoever resets has to say so.
fn refuse_untaken(status: &Status, discard: bool) -> Result {
    match &status.revoked {
        Some(revoked) if status.untaken > 0 && !discard => Err(Error::new(ErrorKind::Revoked, revoked.message())
            .next_step("`export FILE` saves everything that is here; then `reset --discard` forgets it")
            .into()),
        _ => Ok(()),
    }
}

/// Exports everything; `None` if all was published and nothing is known to be wrong: what was published may be gone from the
/// bucket, and then the last sync failed.
fn rescue(context: &Context, local: &Local, status: &Status) -> Result<Option<PathBuf>> {
    if status.pending == 0 && status.stopped.is_none() && status.last_error.is_none() {
        return Ok(None);
    }
    let file = beside(&context.local, "kept", ".jsonl");
    to_new_file(local, &file).map_err(|error| {
        error.next_step(
            "make room beside this device's folder, then try again; if the store is damaged, move the folder away and \
             `join` again",
        )
    })?;
    Ok(Some(file))
}

fn keep_damaged(context: &Context, removal: Removal, damage: &Error) -> Result<PathBuf> {
    context.output.warn(damage);
    // Windows moves no folder with an open file in it.
    drop(removal);
    move_aside(&context.local)
}

/// Keeps a damaged store out of the way.
fn move_aside(local: &Path) -> Result<PathBuf> {
    let aside = beside(local, "damaged", "");
    std::fs::rename(local, &aside).map_err(|error| {
        Error::new(ErrorKind::LocalStore, format!("the damaged store can't be moved aside: {error}"))
            .on(local.display().to_string())
            .next_step("move this folder away yourself")
    })?;
    Ok(aside)
}

/// A new name beside this device's folder.
fn beside(local: &Path, what: &str, end: &str) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut name = local.as_os_str().to_owned();
    name.push(format!(".{what}-{now}{end}"));
    name.into()
}
