//! `s3 get`: an object into a file, whole or not at all, or to stdout.

use super::{At, Moved, last_part, missing};
use crate::context::until_interrupted;
use crate::exit::{Result, Stop};
use crate::output::stdout_error;
use clap::Args;
use serde_json::json;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tidelock::bucket::Download;
use tidelock::{Error, ErrorKind};

/// Fetch an object into a file
///
/// The file appears when it is whole, over what is there. A broken connection is taken up where it broke, if the object is
/// still the same.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock s3 get s3://my-bucket/photos/sea.jpg\n  tidelock s3 get photos/sea.jpg ~/pictures/\n  \
    tidelock s3 get backup/notes.sql - | psql notes"
)]
pub(super) struct Get {
    /// The object: a key, or an address
    object: String,
    /// The file, or a folder to put it in; `-` is stdout [default: the key's last part, here]
    file: Option<PathBuf>,
}

impl Get {
    pub(super) fn run(self, at: &At<'_>) -> Result {
        let (bucket, key) = at.object(&self.object)?;
        let file = match &self.file {
            Some(file) if file == Path::new("-") => None,
            Some(folder) if folder.is_dir() => Some(folder.join(name(&key)?)),
            Some(file) => Some(file.clone()),
            None => Some(PathBuf::from(name(&key)?)),
        };
        at.context.run(until_interrupted(async {
            let download = bucket.get(&key, u64::MAX).await?.ok_or_else(|| missing(&key))?;
            let Some(file) = &file else { return to_stdout(download).await };
            let bar = Moved::new(at.context, download.head().len);
            let etag = download.head().etag.clone();
            let bytes = to_file(download, file, |bytes| bar.inc(bytes)).await?;
            bar.end();
            if at.output().json {
                let file = file.display().to_string();
                let etag = super::etag(etag.as_ref());
                return at.output().object(&json!({ "key": key, "file": file, "size": bytes, "etag": etag }));
            }
            at.output().say(&format!("{bytes} bytes in {}.", file.display()));
            Ok(())
        }))
    }
}

/// The file's name, from the key. Whoever named the object must not choose the folder too.
fn name(key: &str) -> Result<&str> {
    let name = last_part(key).filter(|name| *name != "." && *name != ".." && !name.contains(['\\', '\0']));
    Ok(name.ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "the key names no file").on(key).next_step("name the file after the object")
    })?)
}

async fn to_file(download: Download, file: &Path, moved: impl FnMut(u64)) -> Result<u64> {
    let failed = |error: io::Error| {
        let step = "check that its folder is there, may be written, and has room";
        Error::new(ErrorKind::LocalStore, format!("the file can't be written: {error}"))
            .on(file.display().to_string())
            .next_step(step)
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = temporary(folder).map_err(failed)?;
    let bytes = download.write_to(new.as_file_mut(), moved).await?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(file).map_err(|error| failed(error.error))?;
    Ok(bytes)
}

/// A file beside the one to be, gone if it isn't renamed; with the permissions that any new file has.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tidelock-").suffix(".part");
    #[cfg(unix)]
    let builder = builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.tempfile_in(folder)
}

async fn to_stdout(mut download: Download) -> Result {
    let mut out = io::stdout();
    while let Some(chunk) = download.chunk().await.map_err(Stop::Error)? {
        out.write_all(&chunk).map_err(stdout_error)?;
    }
    out.flush().map_err(stdout_error)
}
