//! The keys for the bucket: where they come from, asked for each time the engine needs them.
//!
//! The order: the environment, what was saved for this store, profile files, web identity, container role, instance
//! role. `docs/CREDENTIALS.md` is the page for people.

mod aws;
mod http;
mod saved;
mod web_identity;

pub use saved::{SavedIn, forget_credentials, save_credentials, saved_credentials};

use crate::{CredentialSource, Credentials, Error, ErrorKind, Options, StoreUri};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidelock_core::engine::TransportFailure;
use tokio::sync::oneshot;

/// How long all sources may take together: a keyring may have to ask a person, a sign-in process its server.
const LIMIT: Duration = Duration::from_secs(60);

/// Where keys were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialOrigin {
    /// Given by the program: [`CredentialSource::Fixed`] or [`CredentialSource::Callback`].
    Given,
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// Saved for this store, in the system's keyring.
    Keyring,
    /// Saved for this store, in a file of this device's folder.
    File(PathBuf),
    /// A profile of `~/.aws/config` or `~/.aws/credentials`, whatever it leads to.
    Profile(String),
    /// `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`.
    WebIdentity,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI` or `…_RELATIVE_URI`.
    Container,
    /// The instance's metadata service.
    Instance,
}

impl fmt::Display for CredentialOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given by the program or in the store's address"),
            Self::Environment => f.write_str("the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
            Self::Keyring => f.write_str("saved for this store in the system's keyring"),
            Self::File(path) => write!(f, "saved for this store in the file {}", path.display()),
            Self::Profile(name) => write!(f, "profile `{name}` of the AWS profile files"),
            Self::WebIdentity => f.write_str("web identity: AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE"),
            Self::Container => f.write_str("the container's role"),
            Self::Instance => f.write_str("the instance's role"),
        }
    }
}

/// Finds the keys as a sync would, and where they come from. It blocks: it may ask servers, and start the process that a
/// profile names.
///
/// # Errors
/// [`ErrorKind::Auth`] with the sources that were asked.
pub fn find_credentials(options: &Options) -> Result<(Credentials, CredentialOrigin), Error> {
    // On a thread of its own, for the caller's may be one of an async runtime.
    let find = || -> Result<_, String> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        runtime.block_on(find(&options.credentials, &options.store, &options.local))
    };
    let found = std::thread::scope(|scope| scope.spawn(find).join());
    let found = found.unwrap_or_else(|_| Err("the thread that looked for them ended".to_owned()));
    found.map_err(|why| {
        Error::new(ErrorKind::Auth, format!("no credentials: {why}")).on(options.store.to_string()).next_step(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or save keys with \
             `tidelock credentials set`",
        )
    })
}

/// The same for the engine.
pub(crate) async fn load(
    source: CredentialSource,
    store: StoreUri,
    local: PathBuf,
) -> Result<Credentials, TransportFailure> {
    let found = find(&source, &store, &local).await;
    found.map(|(credentials, _)| credentials).map_err(TransportFailure::NoCredentials)
}

async fn find(
    source: &CredentialSource,
    store: &StoreUri,
    local: &Path,
) -> Result<(Credentials, CredentialOrigin), String> {
    let asked = async {
        match source {
            CredentialSource::Fixed(credentials) => Ok((credentials.clone(), CredentialOrigin::Given)),
            CredentialSource::Chain => chain(store, local).await,
            CredentialSource::Profile(name) => aws::named_profile(store, name).await,
            CredentialSource::Callback(callback) => match callback.ask().await {
                Ok(credentials) => Ok((credentials, CredentialOrigin::Given)),
                Err(error) => Err(error.message().to_owned()),
            },
        }
    };
    let late = || format!("whoever was asked for them did not answer within {} s", LIMIT.as_secs());
    tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(|_| Err(late()))
}

async fn chain(store: &StoreUri, local: &Path) -> Result<(Credentials, CredentialOrigin), String> {
    if let Some(credentials) = from_environment(|name| std::env::var(name).ok())? {
        return Ok((credentials, CredentialOrigin::Environment));
    }
    if let Some(found) = from_saved(store.clone(), local.to_owned()).await? {
        return Ok(found);
    }
    aws::chain(store).await
}

/// On a thread that nobody waits for where the vault closes first: a keyring may wait for a person.
async fn from_saved(store: StoreUri, local: PathBuf) -> Result<Option<(Credentials, CredentialOrigin)>, String> {
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("tidelock-keyring".into())
        .spawn(move || drop(reply.send(saved::read(&store, &local))))
        .map_err(|error| format!("no thread can be started: {error}"))?;
    let read = answer.await.map_err(|_| "the thread that read the saved ones ended".to_owned())?;
    read.map_err(|error| error.message().to_owned())
}

/// Both keys, neither, or an error: half of a pair is somebody's mistake, not a reason to look elsewhere.
fn from_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Option<Credentials>, String> {
    let get = |name| environment(name).filter(|value| !value.is_empty());
    let (access_key, secret_key) = match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key), Some(secret_key)) => (access_key, secret_key),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not".to_owned()),
        (None, Some(_)) => return Err("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not".to_owned()),
    };
    let credentials = Credentials::new(access_key, secret_key, get("AWS_SESSION_TOKEN"));
    credentials.map(Some).map_err(|error| format!("in the environment, {}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<Credentials>, String> {
        from_environment(|name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_has_both_keys_or_neither() {
        let both = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        assert_eq!(read(&both), Ok(Some(Credentials::new("AKIAEXAMPLE", "secret", None).unwrap())));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]), Ok(None));
        assert!(read(&both[..1]).unwrap_err().contains("AWS_SECRET_ACCESS_KEY is not"));
        assert!(read(&[("AWS_ACCESS_KEY_ID", ""), both[1]]).unwrap_err().contains("AWS_ACCESS_KEY_ID is not"));
    }

    #[test]
    fn a_session_token_is_taken_along() {
        let set = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
        assert_eq!(read(&set), Ok(Some(Credentials::new("A", "s", Some("t".into())).unwrap())));
    }

    #[test]
    fn a_malformed_secret_is_not_repeated() {
        let error = read(&[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "PLANTED secret")]).unwrap_err();
        assert!(error.contains("secret key") && !error.contains("PLANTED"), "{error}");
    }
}
