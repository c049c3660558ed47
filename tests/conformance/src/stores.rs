//! The stores under test: real servers, the embedded one, a folder, and the dialects. Each test has a place of its own on
//! one.

use crate::{Bucket, Dialect, DialectServer, Faults, Looped, Open, Proxy};
use futures::executor::block_on;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use tidelock::{CredentialSource, Credentials, Error, Options, Secret, Vault};
use tidelock_cli::serve::{ServeHandle, ServeKeys, ServeOptions};

/// The servers' bucket; `cargo xtask servers` makes one of this name.
const BUCKET: &str = "tidelock";

/// A store under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// `tidelock serve`, in this process.
    Embedded,
    /// versitygw, at `TIDELOCK_TEST_VERSITYGW`.
    Versitygw,
    /// MinIO, at `TIDELOCK_TEST_MINIO`.
    Minio,
    /// moto, at `TIDELOCK_TEST_MOTO`.
    Moto,
    /// rclone's `serve s3`, at `TIDELOCK_TEST_RCLONE`.
    Rclone,
    /// Garage, at `TIDELOCK_TEST_GARAGE`.
    Garage,
    /// Ceph's object gateway, at `TIDELOCK_TEST_CEPH`.
    Ceph,
    /// A folder, by `file://`.
    Folder,
    /// The dialect simulator, in this process.
    Dialect(Dialect),
}

/// An empty place on a store, for one test: a prefix or a folder that nobody else uses, and a folder for the devices.
/// Every request of its devices to a server goes through a proxy.
pub struct Place {
    store: Store,
    // The server goes before its folder.
    server: Option<Server>,
    faults: Faults,
    folder: TempDir,
}

struct Server {
    proxy: Proxy,
    address: SocketAddr,
    credentials: Credentials,
    access_key: String,
    secret_key: String,
    /// What ends with the place.
    _running: Running,
}

/// Who serves.
enum Running {
    /// Somebody else's process.
    Elsewhere,
    Embedded {
        _serves: ServeHandle,
    },
    Dialect {
        _serves: DialectServer,
    },
}

impl Place {
    /// A fresh place.
    ///
    /// # Panics
    /// If the server is not there: `cargo xtask test conformance` starts those that are needed.
    pub fn new(store: Store) -> Self {
        let folder = TempDir::with_prefix("tidelock-").expect("a folder for the test");
        let faults = Faults::default();
        let server = match store {
            Store::Embedded => Some(embedded(folder.path().join("served"), &faults)),
            Store::Versitygw => Some(Server::real("TIDELOCK_TEST_VERSITYGW", &faults)),
            Store::Minio => Some(Server::real("TIDELOCK_TEST_MINIO", &faults)),
            Store::Moto => Some(Server::real("TIDELOCK_TEST_MOTO", &faults)),
            Store::Rclone => Some(Server::real("TIDELOCK_TEST_RCLONE", &faults)),
            Store::Garage => Some(Server::real("TIDELOCK_TEST_GARAGE", &faults)),
            Store::Ceph => Some(Server::real("TIDELOCK_TEST_CEPH", &faults)),
            Store::Dialect(dialect) => Some(simulated(dialect, &faults)),
            Store::Folder => {
                std::fs::create_dir(folder.path().join("bucket")).expect("the store's folder");
                None
            }
        };
        Self { store, server, faults, folder }
    }

    /// What it is on.
    pub fn store(&self) -> Store {
        self.store
    }

    /// Another empty place on a store of this kind.
    pub fn another(&self) -> Self {
        Self::new(self.store)
    }

    /// The store's address, as devices use it.
    pub fn uri(&self) -> String {
        match &self.server {
            Some(server) => self.s3_uri(server.proxy.address()),
            None => format!("file://{}", self.store_folder().display()),
        }
    }

    /// The same, past the proxy.
    pub fn direct_uri(&self) -> String {
        self.server.as_ref().map_or_else(|| self.uri(), |server| self.s3_uri(server.address))
    }

    /// The back door to what stands at the store, past the proxy.
    pub fn bucket(&self) -> Bucket {
        match &self.server {
            Some(server) => Bucket::new(&self.s3_uri(server.address), Some(server.credentials.clone())),
            None => Bucket::new(&self.uri(), None),
        }
    }

    /// The folder of a `file://` store.
    pub fn store_folder(&self) -> PathBuf {
        self.folder.path().join("bucket")
    }

    /// The folder of a device.
    pub fn local(&self, device: &str) -> PathBuf {
        self.folder.path().join(format!("device-{device}"))
    }

    /// The proxy before a server; a folder has none.
    pub fn proxy(&self) -> Option<&Proxy> {
        Some(&self.server.as_ref()?.proxy)
    }

    /// Where faults are planned: those of the proxy, and for a folder those of [`Looped`] devices.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The keys for the bucket.
    pub fn credentials(&self) -> Option<&Credentials> {
        Some(&self.server.as_ref()?.credentials)
    }

    /// The same, access key and secret key in clear.
    pub fn keys(&self) -> Option<(&str, &str)> {
        let server = self.server.as_ref()?;
        Some((&server.access_key, &server.secret_key))
    }

    /// What a device of this name is opened with.
    pub fn options(&self, device: &str) -> Options {
        let mut options = Options::new(&self.uri(), self.local(device)).expect("the place's address");
        options.device = device.to_owned();
        if let Some(credentials) = self.credentials() {
            options.credentials = CredentialSource::Fixed(credentials.clone());
        }
        options
    }

    /// Makes the vault, with this device.
    pub fn create(&self, device: &str) -> (Open, Secret) {
        Open::create(self.options(device))
    }

    /// Adds a device.
    pub fn join(&self, device: &str, secret: &Secret) -> Open {
        Open::join(self.options(device), secret)
    }

    /// Opens a device that was closed.
    pub fn open(&self, device: &str) -> Open {
        Open { vault: block_on(Vault::open(self.options(device))).expect("a vault that was there") }
    }

    /// As [`create`](Self::create), with a loop of the test's own in the crate's stead.
    pub fn create_looped(&self, device: &str, clock_shift_ms: i64) -> (Looped, Secret) {
        self.try_create_looped(device, clock_shift_ms).expect("a new vault")
    }

    /// The same, which may fail.
    pub fn try_create_looped(&self, device: &str, clock_shift_ms: i64) -> Result<(Looped, Secret), Error> {
        let mut looped = Looped::new(self, device, clock_shift_ms);
        let secret = looped.create()?;
        Ok((looped, secret))
    }

    /// As [`join`](Self::join), with a loop of the test's own in the crate's stead.
    pub fn join_looped(&self, device: &str, clock_shift_ms: i64, secret: &Secret) -> Looped {
        let mut looped = Looped::new(self, device, clock_shift_ms);
        looped.join(secret);
        looped
    }

    fn s3_uri(&self, address: SocketAddr) -> String {
        // The folder's name is random, so nobody else has this prefix.
        let prefix = self.folder.path().file_name().expect("a temporary folder's name").to_string_lossy();
        format!("s3://{BUCKET}/{prefix}?endpoint=http://{address}&path_style=true&region=us-east-1")
    }
}

fn embedded(dir: PathBuf, faults: &Faults) -> Server {
    std::fs::create_dir_all(dir.join(BUCKET)).expect("the bucket's folder");
    let (access_key, secret_key) = ("conformance".to_owned(), "the-embedded-servers-secret-key".to_owned());
    let keys = ServeKeys { access_key: access_key.clone(), secret_key: secret_key.clone().into() };
    let running = ServeHandle::start(ServeOptions { dir, keys }).expect("the embedded server");
    Server::new(running.address(), access_key, secret_key, faults, Running::Embedded { _serves: running })
}

fn simulated(dialect: Dialect, faults: &Faults) -> Server {
    let (access_key, secret_key) = ("conformance".to_owned(), "the-simulators-secret-key".to_owned());
    if dialect == Dialect::HtmlErrors {
        faults.show_web_pages();
    }
    let running = DialectServer::start(dialect, BUCKET, &access_key, &secret_key);
    Server::new(running.address(), access_key, secret_key, faults, Running::Dialect { _serves: running })
}

impl Server {
    fn real(variable: &str, faults: &Faults) -> Self {
        let address = set(variable);
        let address = address.strip_prefix("http://").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{variable} is not http://ADDRESS:PORT"));
        Self::new(address, set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"), faults, Running::Elsewhere)
    }

    fn new(address: SocketAddr, access_key: String, secret_key: String, faults: &Faults, running: Running) -> Self {
        let credentials = Credentials::new(access_key.clone(), secret_key.clone(), None).expect("keys");
        let proxy = Proxy::start(address, faults.clone());
        Self { proxy, address, credentials, access_key, secret_key, _running: running }
    }
}

fn set(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run this by `cargo xtask test conformance`"))
}
