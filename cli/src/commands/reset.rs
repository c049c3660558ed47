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
pub(crate) struct Reset {}

impl Reset {
    pub(crate) fn run(self, context: &Context) -> Result {
        let removal = Removal::begin(&context.options()?)?;
        let looked = removal.last_look().and_then(|local| Ok((local.status()?, local)));
        let kept = match looked {
            Ok((status, local)) => {
                let kept = rescue(context, &local, &status)?;
                removal.finish(local)?;
                config::device::remove(&context.local)?;
                kept
            }
            Err(error) if error.kind() == ErrorKind::LocalStore && !error.is_retryable() => {
                context.output.warn(&error);
                // Windows moves no folder with an open file in it.
                drop(removal);
                Some(move_aside(&context.local)?)
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
            None => context.output.say("This device has forgotten its vault; everything in it was published."),
        }
        Ok(())
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
