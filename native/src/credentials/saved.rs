//! Keys that were saved for one store: in the system's keyring, or where there is none in a file for this user alone.
//!
//! `credentials.json` in this device's folder says for which store keys were saved, and where; in the keyring they stand
//! under that store's name. Keys that were saved for one store are given to no other.

use super::CredentialOrigin;
use crate::{Credentials, Error, ErrorKind, Options, StoreUri};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use tidelock_sqlite::{create_folder, io_error};
use zeroize::Zeroizing;

const FILE: &str = "credentials.json";
/// A store's address has 4 KiB at most, a session token 16 KiB.
const BYTES_MAX: u64 = 64 << 10;
/// The name of all entries in the keyring; each has its store's address for a user.
const SERVICE: &str = "tidelock";
/// How long the keyring may take: it may ask a person to unlock it.
const KEYRING_LIMIT: Duration = Duration::from_secs(60);

/// Where saved keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedIn {
    /// The system's keyring.
    Keyring,
    /// A file that only its owner may read.
    File(PathBuf),
}

/// What the file has.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    /// The store's name.
    store: String,
    /// None: they are in the keyring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<Keys>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    access_key: Zeroizing<String>,
    secret_key: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_token: Option<Zeroizing<String>>,
}

/// Saves keys for the options' store, in place of those saved before: in the system's keyring, else in a file of this
/// device's folder. It blocks: a keyring may ask to be unlocked.
///
/// # Errors
/// [`ErrorKind::LocalStore`] if the folder or file can't be written; [`ErrorKind::Invalid`] for a folder store.
pub fn save_credentials(options: &Options, credentials: &Credentials) -> Result<SavedIn, Error> {
    let store = name(&options.store)?;
    let keys = Keys::of(credentials);
    create_folder(&options.local)?;
    forget_credentials(options)?;
    let text = json(&keys)?;
    let user = store.clone();
    let in_keyring = in_keyring(move || keyring::Entry::new(SERVICE, &user)?.set_secret(&text));
    let file = options.local.join(FILE);
    match in_keyring {
        Ok(()) => {
            write(&file, &Saved { store, keys: None })?;
            Ok(SavedIn::Keyring)
        }
        Err(_) => {
            write(&file, &Saved { store, keys: Some(keys) })?;
            Ok(SavedIn::File(file))
        }
    }
}

/// Where the keys of the options' store were saved; `None` if they were not. The keyring is not asked.
///
/// # Errors
/// [`ErrorKind::LocalStore`] if the file can't be read.
pub fn saved_credentials(options: &Options) -> Result<Option<SavedIn>, Error> {
    let file = options.local.join(FILE);
    Ok(read_file(&options.store, &file)?.map(|saved| match saved.keys {
        Some(_) => SavedIn::File(file),
        None => SavedIn::Keyring,
    }))
}

/// Removes what was saved for the options' store, wherever it is. False: there was nothing.
///
/// # Errors
/// [`ErrorKind::LocalStore`] if the file can't be removed, or the keyring does not let go of its entry.
pub fn forget_credentials(options: &Options) -> Result<bool, Error> {
    let file = options.local.join(FILE);
    let Some(saved) = read_file(&options.store, &file)? else { return Ok(false) };
    if saved.keys.is_none() {
        let removed = in_keyring(move || match keyring::Entry::new(SERVICE, &saved.store)?.delete_credential() {
            Err(keyring::Error::NoEntry) => Ok(()),
            other => other,
        });
        removed.map_err(|why| no_keyring(&why).next_step("unlock the keyring, then try again"))?;
    }
    fs::remove_file(&file).map_err(|error| io_error(&error, &file))?;
    Ok(true)
}

/// The keys that were saved for a store.
pub(super) fn read(store: &StoreUri, local: &Path) -> Result<Option<(Credentials, CredentialOrigin)>, Error> {
    let file = local.join(FILE);
    let Some(saved) = read_file(store, &file)? else { return Ok(None) };
    let (keys, origin) = match saved.keys {
        Some(keys) => (keys, CredentialOrigin::File(file)),
        None => (read_keyring(saved.store)?, CredentialOrigin::Keyring),
    };
    Ok(Some((keys.credentials()?, origin)))
}

fn read_keyring(store: String) -> Result<Keys, Error> {
    let read = in_keyring(move || match keyring::Entry::new(SERVICE, &store)?.get_secret() {
        Ok(secret) => Ok(Some(Zeroizing::new(secret))),
        Err(keyring::Error::NoEntry) => Ok(None),
        Err(error) => Err(error),
    });
    match read {
        Ok(Some(text)) => {
            serde_json::from_slice(&text).map_err(|_| no_keyring("its entry for this store has another form"))
        }
        Ok(None) => Err(no_keyring("its entry for this store is gone: save the keys again")),
        Err(why) => Err(no_keyring(&why)),
    }
}

/// Works with the keyring, for a bounded time. The error says why not, and holds nothing of an entry.
fn in_keyring<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, keyring::Error> + Send + 'static,
) -> Result<T, String> {
    let (reply, answer) = mpsc::channel();
    std::thread::Builder::new()
        .name("tidelock-keyring".into())
        .spawn(move || drop(reply.send(work())))
        .map_err(|error| error.to_string())?;
    match answer.recv_timeout(KEYRING_LIMIT) {
        Ok(result) => result.map_err(|error| match error {
            keyring::Error::BadEncoding(_) | keyring::Error::BadDataFormat(..) => {
                "an entry has another form".to_owned()
            }
            // What the platform's own service said when it was looked for.
            keyring::Error::NoDefaultStore => match keyring::Entry::store_status() {
                Err(error) => error.to_string(),
                Ok(()) => error.to_string(),
            },
            other => other.to_string(),
        }),
        Err(_) => Err(format!("it did not answer within {} s", KEYRING_LIMIT.as_secs())),
    }
}

fn no_keyring(why: &str) -> Error {
    Error::new(ErrorKind::LocalStore, format!("the keys saved in the system's keyring can't be had: {why}"))
}

/// How a store is called where keys are kept: its address without the region, which may also come from the environment
/// or from the server, and belongs to no key.
fn name(store: &StoreUri) -> Result<String, Error> {
    let StoreUri::S3(s3) = store else {
        return Err(Error::new(ErrorKind::Invalid, "a store in a folder needs no keys").on(store.to_string()));
    };
    let mut s3 = s3.clone();
    s3.set_region("us-east-1")?;
    Ok(StoreUri::S3(s3).to_string())
}

impl Keys {
    fn of(credentials: &Credentials) -> Self {
        let (access_key, secret_key, session_token) = credentials.reveal();
        let kept = |text: &str| Zeroizing::new(text.to_owned());
        Self { access_key: kept(access_key), secret_key: kept(secret_key), session_token: session_token.map(kept) }
    }

    fn credentials(&self) -> Result<Credentials, Error> {
        let token = self.session_token.as_deref().cloned();
        Credentials::new(self.access_key.as_str(), self.secret_key.as_str(), token)
    }
}

/// In memory that is wiped, of its full size from the start: growing would leave copies behind.
fn json(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut text = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize));
    serde_json::to_writer(&mut *text, value)
        .map_err(|_| Error::new(ErrorKind::Internal, "the keys can't be written down"))?;
    Ok(text)
}

/// What was saved for this store; what was saved for another is not this one's.
fn read_file(store: &StoreUri, file: &Path) -> Result<Option<Saved>, Error> {
    let Ok(name) = name(store) else { return Ok(None) };
    let mut text = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize));
    match fs::File::open(file).and_then(|opened| opened.take(BYTES_MAX).read_to_end(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(&error, file)),
    }
    let saved: Saved = serde_json::from_slice(&text).map_err(|_| {
        // Its own words may repeat what it read.
        Error::new(ErrorKind::LocalStore, "the file of saved keys has another form")
            .on(file.display().to_string())
            .next_step("remove the file, then save the keys again with `tidelock credentials set`")
    })?;
    Ok((saved.store == name).then_some(saved))
}

/// For this user alone from its first byte on; a crash leaves the old file or the new one.
fn write(file: &Path, saved: &Saved) -> Result<(), Error> {
    let text = json(saved)?;
    let aside = file.with_extension(format!("json.{}", std::process::id()));
    let written = (|| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // Left by a process of the same number that was killed here.
        let _ = fs::remove_file(&aside);
        let mut out = options.open(&aside)?;
        out.write_all(&text)?;
        out.sync_all()?;
        fs::rename(&aside, file)
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&aside);
        io_error(&error, file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(store: &str, local: &Path) -> Options {
        Options::new(store, local).unwrap()
    }

    fn in_file(options: &Options, credentials: &Credentials) {
        let saved = Saved { store: name(&options.store).unwrap(), keys: Some(Keys::of(credentials)) };
        write(&options.local.join(FILE), &saved).unwrap();
    }

    #[test]
    fn a_file_keeps_them_for_one_store_and_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::new("A", "s/+=", Some("t".into())).unwrap();
        let here = options("s3://my-bucket/notes?region=eu-west-1", folder.path());
        in_file(&here, &credentials);
        in_file(&here, &credentials);
        let file = folder.path().join(FILE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no file is left over");
        assert_eq!(
            read(&here.store, folder.path()).unwrap(),
            Some((credentials.clone(), CredentialOrigin::File(file.clone())))
        );
        assert_eq!(saved_credentials(&here).unwrap(), Some(SavedIn::File(file.clone())));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // The region is no part of a store's name; all else is.
        let elsewhere = options("s3://my-bucket/notes?region=us-west-2", folder.path());
        assert!(read(&elsewhere.store, folder.path()).unwrap().is_some());
        for other in ["s3://my-bucket/notes?endpoint=http://127.0.0.1:9", "s3://other-bucket/notes", "file:///notes"] {
            assert!(read(&options(other, folder.path()).store, folder.path()).unwrap().is_none(), "{other}");
            assert!(!forget_credentials(&options(other, folder.path())).unwrap());
        }
        assert!(forget_credentials(&here).unwrap());
        assert!(!forget_credentials(&here).unwrap() && !file.exists());
    }

    #[test]
    fn a_damaged_file_is_named_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let here = options("s3://my-bucket/notes", folder.path());
        for text in ["PLANTED", "{\"store\":\"PLANTED\",\"key\":1}", ""] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let error = read(&here.store, folder.path()).unwrap_err();
            assert!(error.object().unwrap().ends_with(FILE) && !format!("{error:?}").contains("PLANTED"), "{error:?}");
        }
    }
}
