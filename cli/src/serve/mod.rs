//! An S3 server on loopback over a directory: for development, for tests, and for people without a bucket.

mod bodies;
mod forms;
mod http;
mod list;
mod store;
mod uploads;

use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use tidelock_core::{Error, ErrorKind};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// What is served, and to whom.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Each directory in it whose name a bucket may have is a bucket: `DIR/bucket` here and `file://DIR/bucket` show the
    /// same objects, also at the same time. Made if it is not there.
    pub dir: PathBuf,
    /// Every request must be signed with these.
    pub keys: ServeKeys,
}

/// The one pair of keys that a server takes.
#[derive(Clone)]
pub struct ServeKeys {
    /// Not secret.
    pub access_key: String,
    /// Secret.
    pub secret_key: Zeroizing<String>,
}

impl ServeKeys {
    /// New keys from the system's random source: 80 bits for the name, 160 bits of secret.
    ///
    /// # Errors
    /// `Internal` where the system has no random bytes.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 30]);
        getrandom::fill(bytes.as_mut_slice())
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the system gives no random bytes: {error}")))?;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Ok(Self { access_key: hex(&bytes[..10]), secret_key: Zeroizing::new(hex(&bytes[10..])) })
    }
}

impl fmt::Debug for ServeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeKeys").field("access_key", &self.access_key).field("secret_key", &"redacted").finish()
    }
}

/// Listens on this machine only. Port 0 takes a free one.
///
/// # Errors
/// `Busy` where the port is taken, `Invalid` where it is not allowed.
pub fn bind(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::new(ErrorKind::Busy, "another program listens on the port")
            .on(port.to_string())
            .next_step("choose another port, or stop the other program"),
        _ => Error::new(ErrorKind::Invalid, format!("the port can't be listened on: {error}"))
            .on(port.to_string())
            .next_step("choose a port above 1023"),
    })
}

/// Serves until `stop` is ready, then lets requests under way end (for at most ten seconds).
///
/// # Errors
/// `LocalStore` where the directory can't be made.
pub async fn serve(
    options: &ServeOptions,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let dir = prepare(&options.dir)?;
    let service = store::service(dir, &options.keys);
    http::run(listener, service, stop)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the server can't listen: {error}")))
}

/// Makes the directory, and gives its absolute path.
fn prepare(dir: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(dir).and_then(|()| std::path::absolute(dir)).map_err(|error| {
        Error::new(ErrorKind::LocalStore, format!("the directory to serve can't be used: {error}"))
            .on(dir.display().to_string())
    })
}

/// A server on a free port of this machine, in threads of its own: for the demo and for tests. Stops when dropped.
#[derive(Debug)]
pub struct ServeHandle {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ServeHandle {
    /// Starts it; requests are answered from now on.
    ///
    /// # Errors
    /// Those of [`bind`] and [`serve`], and `Internal` where no thread can be started.
    pub fn start(options: ServeOptions) -> Result<Self, Error> {
        prepare(&options.dir)?;
        let listener = bind(0)?;
        let failed = |error| Error::new(ErrorKind::Internal, format!("the server can't be started: {error}"));
        let address = listener.local_addr().map_err(failed)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            // What could fail was tried above; a server that ends early shows itself to its first client.
            let _ = runtime.block_on(serve(&options, listener, async {
                let _ = stopped.await;
            }));
        };
        let thread = thread::Builder::new().name("tidelock-serve".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ServeHandle {
    fn drop(&mut self) {
        // The other end hears that this one is gone.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
