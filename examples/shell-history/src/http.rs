//! History on a hiSHtory server, by its HTTP API. Entries are sealed before they are sent and opened when they come.

use crate::backend::{HistoryBackend, Received, SubmitResponse};
use crate::entry::{DeletionRequest, Entry};
use crate::hishtory::{HishtoryUser, SealedEntry};
use reqwest::{Client, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tidelock::{Error, ErrorKind};
use tokio::runtime::{Builder, Runtime};

/// The server that hiSHtory's author runs.
pub const PUBLIC_SERVER: &str = "https://api.hishtory.dev";
/// How long a connection may take, and a server may say nothing.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of an answer: 1 GiB, about a million entries.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// A device of a hiSHtory user.
#[derive(Debug)]
pub struct HttpBackend {
    server: Url,
    user: HishtoryUser,
    device: String,
    client: Client,
    runtime: Runtime,
}

impl HttpBackend {
    /// The device of this id at a server such as [`PUBLIC_SERVER`]. Makes no request.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if that is no `http` or `https` address.
    pub fn new(server: &str, user: HishtoryUser, device: impl Into<String>) -> Result<Self, Error> {
        let url = Url::parse(server).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let server = url.ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "this is no address of a server")
                .on(server)
                .next_step("give one such as https://api.hishtory.dev")
        })?;
        let internal = |what: String| Error::new(ErrorKind::Internal, what);
        let client = Client::builder()
            .connect_timeout(TIMEOUT)
            .read_timeout(TIMEOUT)
            .build()
            .map_err(|error| internal(format!("no HTTP client: {error}")))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| internal(format!("no runtime: {error}")))?;
        Ok(Self { server, user, device: device.into(), client, runtime })
    }

    fn get(&self, endpoint: &str, query: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
        self.send(self.client.get(self.url(endpoint, query)), endpoint)
    }

    fn post(&self, endpoint: &str, query: &[(&str, &str)], body: Vec<u8>) -> Result<Vec<u8>, Error> {
        let request = self.client.post(self.url(endpoint, query)).header("Content-Type", "application/json");
        self.send(request.body(body), endpoint)
    }

    fn url(&self, endpoint: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.server.clone();
        url.set_path(&format!("{}/api/v1/{endpoint}", self.server.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// This user and this device, as most endpoints ask for them.
    fn ids(&self) -> [(&str, &str); 2] {
        [("user_id", self.user.id()), ("device_id", &self.device)]
    }

    fn send(&self, request: reqwest::RequestBuilder, endpoint: &str) -> Result<Vec<u8>, Error> {
        self.runtime.block_on(async {
            let failed = |error: reqwest::Error| {
                let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Network };
                Error::new(kind, format!("the server can't be reached: {}", innermost(&error)))
                    .on(endpoint)
                    .next_step("check its address and your network, then try again")
                    .retryable()
            };
            let mut response = request.send().await.map_err(failed)?;
            if response.status() != StatusCode::OK {
                return Err(refused(response.status(), endpoint));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                    return Err(Error::new(ErrorKind::Corrupt, "the answer has more than 1 GiB")
                        .on(endpoint)
                        .next_step("check that this is a hiSHtory server"));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        })
    }

    fn sealed(&self, entries: &[Entry]) -> Result<Vec<u8>, Error> {
        let sealed = entries.iter().map(|entry| self.user.seal(entry)).collect::<Result<Vec<_>, _>>()?;
        to_json(&sealed)
    }

    fn received(&self, body: &[u8], endpoint: &str) -> Result<Received, Error> {
        let sealed: Option<Vec<SealedEntry>> = from_json(body, endpoint)?;
        Ok(self.user.open_all(sealed.unwrap_or_default()))
    }
}

impl HistoryBackend for HttpBackend {
    fn register_device(&self) -> Result<(), Error> {
        self.get("register", &self.ids()).map(drop)
    }

    fn bootstrap(&self) -> Result<Received, Error> {
        self.received(&self.get("bootstrap", &self.ids())?, "bootstrap")
    }

    fn submit_entries(&self, entries: &[Entry]) -> Result<SubmitResponse, Error> {
        let answer = self.post("submit", &[("source_device_id", &self.device)], self.sealed(entries)?)?;
        from_json(&answer, "submit")
    }

    fn submit_dump(&self, entries: &[Entry], requesting_device: &str) -> Result<(), Error> {
        let query = [
            ("user_id", self.user.id()),
            ("requesting_device_id", requesting_device),
            ("source_device_id", &self.device),
        ];
        self.post("submit-dump", &query, self.sealed(entries)?).map(drop)
    }

    fn query_entries(&self) -> Result<Received, Error> {
        self.received(&self.get("query", &self.ids())?, "query")
    }

    fn deletion_requests(&self) -> Result<Vec<DeletionRequest>, Error> {
        let answer = self.get("get-deletion-requests", &self.ids())?;
        Ok(from_json::<Option<_>>(&answer, "get-deletion-requests")?.unwrap_or_default())
    }

    fn add_deletion_request(&self, request: &DeletionRequest) -> Result<(), Error> {
        self.post("add-deletion-request", &[], to_json(request)?).map(drop)
    }

    fn uninstall(&self) -> Result<(), Error> {
        self.post("uninstall", &self.ids(), Vec::new()).map(drop)
    }

    fn ping(&self) -> Result<(), Error> {
        self.get("ping", &[]).map(drop)
    }

    fn kind(&self) -> &'static str {
        "http"
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::new(ErrorKind::Internal, format!("no JSON: {error}")))
}

fn from_json<T: DeserializeOwned>(body: &[u8], endpoint: &str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("the answer is not what a hiSHtory server says: {error}"))
            .on(endpoint)
            .next_step("check the server's address")
    })
}

fn refused(status: StatusCode, endpoint: &str) -> Error {
    let error = Error::new(
        match status {
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Auth,
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::Throttled,
            _ => ErrorKind::Network,
        },
        format!("the server answers {status}"),
    )
    .on(endpoint)
    .next_step("check that this is a hiSHtory server, and try again later");
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS { error.retryable() } else { error }
}

/// What went wrong in the end; the errors around it only repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
