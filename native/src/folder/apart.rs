//! A device's own folder and a folder that others read: neither may be inside the other.

use std::io;
use std::path::{Path, PathBuf};
use tidelock_core::{Error, ErrorKind};

/// Refuses a device's folder inside a shared one, or the shared one inside it: its keys would lie among what is shared.
/// Links are followed as far as the paths are there.
///
/// # Errors
/// `Invalid` if one is inside the other, `LocalStore` if a path can't be followed.
pub fn check_apart(shared: &Path, local: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| {
        Error::new(ErrorKind::LocalStore, format!("the folder can't be looked at: {error}"))
            .on(local.display().to_string())
            .next_step("check its path, or name another with --local PATH")
    };
    let (shared, real_local) = (real(shared).map_err(failed)?, real(local).map_err(failed)?);
    let why = if real_local.starts_with(&shared) {
        "this device's folder is inside the store's folder: its keys would be published with it"
    } else if shared.starts_with(&real_local) {
        "the store's folder is inside this device's folder, which holds its keys"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Invalid, why)
        .on(local.display().to_string())
        .next_step("move this device's folder out of the store's, or name another with --local PATH"))
}

/// A path without links, as far as it is there.
fn real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for ancestor in path.ancestors() {
        match ancestor.canonicalize() {
            Ok(real) => return Ok(real.join(path.strip_prefix(ancestor).unwrap_or(Path::new("")))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}
