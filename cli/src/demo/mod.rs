//! The demo: two devices, one bucket, and everything that happens told in words. It ends well only if every check passed.

mod stage;
mod story;

use crate::exit::Result;
use crate::output::Output;
use crate::serve::{ServeHandle, ServeKeys, ServeOptions};
use stage::Stage;
use std::path::Path;
use tidelock::{CredentialSource, Credentials, Error, ErrorKind};

/// Where the demo's bucket is.
const BUCKET: &str = "demo";

/// Runs it on a bucket of the embedded server, or at `store`.
pub(crate) async fn run(output: Output, store: Option<String>) -> Result {
    let folder = tempfile::tempdir().map_err(|error| no_folder(&error))?;
    // It serves until the story is told.
    let mut embedded = None;
    let (store, credentials) = match store {
        Some(store) => (store, CredentialSource::Chain),
        None => {
            let (handle, store, credentials) = serve(folder.path())?;
            embedded = Some(handle);
            (store, credentials)
        }
    };
    let mut stage = Stage::new(output, folder.path().to_owned(), store, credentials);
    stage.stays = embedded.is_none();
    story::tell(&mut stage).await?;
    drop(embedded);
    stage.end()
}

/// An S3 server on this machine, with an empty bucket.
fn serve(folder: &Path) -> Result<(ServeHandle, String, CredentialSource)> {
    let dir = folder.join("server");
    std::fs::create_dir_all(dir.join(BUCKET)).map_err(|error| no_folder(&error))?;
    let keys = ServeKeys::generate()?;
    let credentials = Credentials::new(keys.access_key.clone(), keys.secret_key.as_str(), None)?;
    let handle = ServeHandle::start(ServeOptions { dir, keys })?;
    let store = format!("s3://{BUCKET}/vault?endpoint=http://{}", handle.address());
    Ok((handle, store, CredentialSource::Fixed(credentials)))
}

fn no_folder(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::LocalStore, format!("no folder can be made for the demo: {error}"))
        .next_step("free some space in the folder for temporary files, or name another with TMPDIR")
}
