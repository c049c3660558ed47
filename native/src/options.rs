//! How a vault is reached: the bucket side, this device's side, and the limits of a request.

use crate::directory::check_apart;
use crate::{Credentials, CustomTransport, Error, Listener, Presign, StoreUri};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tidelock_core::engine::Config;
use zeroize::Zeroizing;

/// Where the two sides of a vault are, and how it is reached. Made by [`Options::new`], changed by its fields.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bucket side.
    pub store: StoreUri,
    /// This device's side: a folder with the local store and its lock. It belongs to one device; never sync or copy it.
    pub local: PathBuf,
    /// Where the keys for the bucket come from. A folder store needs none.
    pub credentials: CredentialSource,
    /// Who signs requests to a bucket, where this device has no keys for it: `credentials` are not looked at then.
    pub presign: Option<Presign>,
    /// Who sends requests to a bucket, in place of the built-in HTTP client.
    pub transport: Option<CustomTransport>,
    /// What people call this device; ≤ 256 bytes. By default the host's name. Used when it creates or joins.
    pub device: String,
    /// [`create`](crate::Vault::create) makes it a second way in, beside the recovery code.
    pub passphrase: Option<Passphrase>,
    /// A request's deadline; its body has a second more for each 16 KiB.
    pub timeout: Duration,
    /// How often one request is tried again.
    pub retries: u32,
    /// Requests in flight at once.
    pub concurrency: u32,
    /// Whether what is stored in bulk is compressed.
    pub compression: bool,
    /// Who is told what happens, also before there is a vault to ask: [`Vault::events`](crate::Vault::events) begins later.
    pub listener: Option<Listener>,
}

impl Options {
    /// Options with defaults for `store`, an address like `s3://bucket/prefix?region=eu-central-1` or
    /// `file:///folder`, and this device's folder `local`.
    ///
    /// An S3 address without a region takes it from the environment: `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `store` is no store's address, or a folder that `local` is in, or
    /// that is in `local`.
    pub fn new(store: &str, local: impl Into<PathBuf>) -> Result<Self, Error> {
        let store = store_in(store, |name| std::env::var(name).ok())?;
        let local = local.into();
        check_apart(&store, &local)?;
        let defaults = Config::new(store, "");
        Ok(Self {
            store: defaults.store,
            local,
            credentials: CredentialSource::Chain,
            presign: None,
            transport: None,
            device: gethostname::gethostname().to_string_lossy().into_owned(),
            passphrase: None,
            timeout: Duration::from_millis(defaults.timeout_ms),
            retries: defaults.retries,
            concurrency: defaults.concurrency,
            compression: defaults.compression,
            listener: None,
        })
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            store: self.store.clone(),
            device_name: self.device.clone(),
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            retries: self.retries,
            concurrency: self.concurrency,
            compression: self.compression,
            presigned: self.presign.is_some(),
        }
    }
}

/// Where the keys for the bucket come from.
#[derive(Clone, Debug, Default)]
pub enum CredentialSource {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary keys, `AWS_SESSION_TOKEN`; read when needed.
    ///
    /// Else what [`save_credentials`](crate::save_credentials) saved for this store; else what AWS's own tools know:
    /// profile files with `AWS_PROFILE` (and what they lead to: a process, a sign-in, a role), `AWS_ROLE_ARN` with
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`, the container's role, the instance's role. Temporary keys are fetched anew before
    /// they end.
    #[default]
    Chain,
    /// A profile of `~/.aws/config` or `~/.aws/credentials`.
    Profile(String),
    /// These.
    Fixed(Credentials),
    /// What the program answers, asked each time keys are needed: at the start, and before temporary ones end.
    Callback(CredentialCallback),
}

type LaterCredentials = Pin<Box<dyn Future<Output = Result<Credentials, Error>> + Send>>;

/// A program's own source of keys.
#[derive(Clone)]
pub struct CredentialCallback(Arc<dyn Fn() -> LaterCredentials + Send + Sync>);

impl CredentialCallback {
    /// It is called on the vault's own thread, which must not be kept busy, and has 60 s to answer.
    pub fn new<F>(find: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Credentials, Error>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(find())))
    }

    pub(crate) fn ask(&self) -> LaterCredentials {
        (self.0)()
    }
}

impl fmt::Debug for CredentialCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialCallback")
    }
}

/// A passphrase: wiped when dropped, printed redacted.
#[derive(Clone)]
pub struct Passphrase(pub(crate) Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase as it was typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

/// Reads a store's address; one of S3 without a region takes the environment's.
fn store_in(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<StoreUri, Error> {
    let mut store: StoreUri = text.parse().map_err(|error: Error| match error.hint() {
        Some(_) => error,
        None => error.next_step("write s3://BUCKET/PREFIX?region=REGION or file:///FOLDER"),
    })?;
    let StoreUri::S3(s3) = &mut store else { return Ok(store) };
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let names_region = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "region");
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .filter_map(|name| Some((name, environment(name).filter(|value| !value.is_empty())?)))
        .next();
    if let (false, Some((name, region))) = (names_region, region) {
        s3.set_region(&region).map_err(|error| error.on(name))?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_region<'a>(name: &'a str, value: &'a str) -> impl Fn(&str) -> Option<String> + use<'a> {
        move |asked| (asked == name).then(|| value.to_owned())
    }

    fn region(store: &StoreUri) -> &str {
        match store {
            StoreUri::S3(s3) => s3.region(),
            StoreUri::Folder(_) => "",
        }
    }

    #[test]
    fn the_environment_fills_a_missing_region_only() {
        let store = store_in("s3://my-bucket/notes", with_region("AWS_REGION", "eu-west-1")).unwrap();
        assert_eq!(region(&store), "eu-west-1");
        let store = store_in("s3://my-bucket/notes", with_region("AWS_DEFAULT_REGION", "eu-west-3")).unwrap();
        assert_eq!(region(&store), "eu-west-3");
        let store = store_in("s3://my-bucket?region=us-west-2", with_region("AWS_REGION", "eu-west-1")).unwrap();
        assert_eq!(region(&store), "us-west-2");
        let store = store_in("s3://my-bucket", with_region("AWS_REGION", "")).unwrap();
        assert_eq!(region(&store), "us-east-1");
    }

    #[test]
    fn a_bad_region_names_its_variable() {
        let error = store_in("s3://my-bucket", with_region("AWS_REGION", "a b")).unwrap_err();
        assert_eq!((error.kind(), error.object()), (crate::ErrorKind::Invalid, Some("AWS_REGION")));
    }

    #[test]
    fn a_folder_has_no_region() {
        store_in("file:///tmp/vault", with_region("AWS_REGION", "a b")).unwrap();
    }

    #[test]
    fn a_passphrase_is_not_printed() {
        let mut options = Options::new("file:///tmp/vault", "/tmp/device").unwrap();
        options.passphrase = Some(Passphrase::new("correct horse"));
        assert!(!format!("{options:?}").contains("horse"));
    }
}
