//! What the command remembers of a device's folder: the store's address, and who signs for it. No secret is ever in it.

use super::replace;
use crate::exit::Result;
use crate::signer::Signer;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use tidelock::{Error, ErrorKind, StoreUri};

const FILE: &str = "config.toml";
/// A store's address has at most 4 KiB.
const BYTES_MAX: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    store: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<Signer>,
}

/// The remembered store, if there is one.
pub(crate) fn read_store(local: &Path) -> Result<Option<String>> {
    Ok(read(local)?.map(|config| config.store))
}

/// The remembered signer, if there is one.
pub(crate) fn read_signer(local: &Path) -> Result<Option<Signer>> {
    Ok(read(local)?.and_then(|config| config.signer))
}

fn read(local: &Path) -> Result<Option<Config>> {
    let file = local.join(FILE);
    let mut text = String::new();
    match fs::File::open(&file).and_then(|opened| opened.take(BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&file, &format!("can't be read: {error}")).into()),
    }
    let config: Config = toml_edit::de::from_str(&text)
        .map_err(|error| failed(&file, &format!("has another form: {}", error.message())))?;
    Ok(Some(config))
}

/// Remembers the store and its signer; a crash leaves the old file or the new one.
pub(crate) fn write_store(local: &Path, store: &StoreUri, signer: Option<Signer>) -> Result {
    let file = local.join(FILE);
    let text = toml_edit::ser::to_string(&Config { store: store.to_string(), signer })
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the configuration can't be written: {error}")))?;
    replace(&file, &text).map_err(|error| {
        let step = "make room on the disk, or the folder writable, or name another with --local";
        failed(&file, &format!("can't be written: {error}")).next_step(step).into()
    })
}

/// Forgets it.
pub(crate) fn remove(local: &Path) -> Result {
    let file = local.join(FILE);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(&file, &format!("can't be removed: {error}")).into())
        }
        _ => Ok(()),
    }
}

fn failed(file: &Path, what: &str) -> Error {
    Error::new(ErrorKind::LocalStore, format!("the configuration {what}"))
        .on(file.display().to_string())
        .next_step("mend or remove the file, then name the store in TIDELOCK_STORE or at `init` or `join`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_remembered_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("device");
        assert_eq!(read_store(&local).unwrap(), None);
        let store: StoreUri = "s3://my-bucket/a%20b?region=eu-west-1".parse().unwrap();
        let signer = Signer::new("https://sign.example/presign").with_token_file(Path::new("/token"));
        write_store(&local, &store, Some(signer.clone())).unwrap();
        assert_eq!(read_signer(&local).unwrap(), Some(signer));
        assert_eq!(read_store(&local).unwrap(), Some(store.to_string()));
        write_store(&local, &"file:///vault".parse().unwrap(), None).unwrap();
        assert_eq!(read_signer(&local).unwrap(), None);
        assert_eq!(read_store(&local).unwrap().as_deref(), Some("file:///vault"));
        assert_eq!(fs::read_dir(&local).unwrap().count(), 1, "no file is left over");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&local.join(FILE)), mode(&local)), (0o600, 0o700));
        }
    }

    #[test]
    fn a_damaged_configuration_is_an_error_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["store = ", "shop = 'x'", "\u{0}"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert!(matches!(read_store(folder.path()), Err(crate::exit::Stop::Error(_))), "{text}");
        }
    }
}
