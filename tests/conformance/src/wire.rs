//! Sends one request and waits for its answer: for the back door and the test's own loop.

use bytes::{Bytes, BytesMut};
use std::error::Error as _;
use tidelock::StoreUri;
use tidelock::folder::Folder;
use tidelock_core::TransportFailure;
use tidelock_core::s3::{HttpRequest, Method, Response};

/// A store, reached without the `tidelock` crate's transport.
pub enum Wire {
    /// A server.
    Http(reqwest::Client, tokio::runtime::Runtime),
    /// A folder.
    Folder(Folder),
}

impl Wire {
    /// The wire to a store.
    pub fn new(store: &StoreUri) -> Self {
        match store {
            StoreUri::S3(_) => {
                let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("an HTTP client");
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                Self::Http(client, runtime)
            }
            StoreUri::Folder(folder) => Self::Folder(Folder::open(folder.path()).expect("the store's folder")),
        }
    }

    /// Sends a request; the whole answer.
    ///
    /// # Errors
    /// The transport's.
    pub fn send(&self, request: &HttpRequest) -> Result<Response, TransportFailure> {
        match self {
            Self::Http(client, runtime) => runtime
                .block_on(send_http(client, request))
                .map_err(|error| TransportFailure::Reset(format!("{error}: {:?}", error.source()))),
            Self::Folder(folder) => Ok(folder.answer(request)),
        }
    }
}

async fn send_http(client: &reqwest::Client, request: &HttpRequest) -> reqwest::Result<Response> {
    let method = reqwest::Method::from_bytes(request.method.as_str().as_bytes()).expect("a method");
    let mut sent = client.request(method, &request.url);
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    if !request.body.is_empty() {
        sent = sent.body(request.body.clone());
    } else if matches!(request.method, Method::Put | Method::Post) {
        sent = sent.header("content-length", "0");
    }
    let mut answer = sent.send().await?;
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body: Bytes::from(body) })
}
