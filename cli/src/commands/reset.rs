//! `reset`: this device forgets its vault.

use crate::commands::archive::to_new_file;
use crate::config;
use crate::context::{Context, has_store};
use crate::exit::Result;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock::{Error, ErrorKind, remove_local};

/// Forget this device's side of the vault; the bucket is left alone
///
/// If something was not published yet, everything is exported first, into a file beside this device's folder that `import`
/// reads. A damaged local store is not removed but moved aside.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock reset && tidelock join --store s3://my-bucket")]
pub(crate) struct Reset {}

impl Reset {
    pub(crate) fn run(self, context: &Context) -> Result {
        let kept = match rescue(context) {
            Ok(kept) => {
                remove_local(&context.local)?;
                config::device::remove(&context.local)?;
                kept
            }
            Err(crate::exit::Stop::Error(error))
                if error.kind() == ErrorKind::LocalStore && has_store(&context.local) =>
            {
                context.output.warn(&error);
                Some(move_aside(&context.local)?)
            }
            Err(other) => return Err(other),
        };
        let kept = kept.map(|path| path.display().to_string());
        if context.output.json {
            return context.output.object(&json!({ "kept": kept }));
        }
        match kept {
            Some(kept) => {
                context.output.say(&format!("This device has forgotten its vault. What was not published is in {kept}"))
            }
            None => context.output.say("This device has forgotten its vault; everything in it was published."),
        }
        Ok(())
    }
}

/// Exports what was not published; `None` if all was.
fn rescue(context: &Context) -> Result<Option<PathBuf>> {
    let local = context.open_local()?;
    if local.status()?.pending == 0 {
        return Ok(None);
    }
    let file = beside(&context.local, "unpublished", ".jsonl");
    to_new_file(&local, &file)?;
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
