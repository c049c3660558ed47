//! Sends the engine's requests: to a bucket by HTTP, to a folder through the file system.

use crate::directory::folder_path;
use crate::folder::Folder;
use crate::{Error, ErrorKind};
use bytes::{Bytes, BytesMut};
use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tidelock_core::engine::{Request, TransportFailure};
use tidelock_core::s3::{HttpRequest, Method, Response, StoreUri};

/// Servers close idle connections after a minute or so; a request on a dying one costs a retry.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
/// Name look-up, TCP and TLS; the engine's own deadline covers the rest.
const CONNECT: Duration = Duration::from_secs(20);

type Answer = Result<Response, TransportFailure>;

/// One store's transport. Made with the first request: an HTTP client reads the system's certificates.
pub(crate) enum Transport {
    Http(reqwest::Client),
    Folder(Arc<Folder>),
}

impl Transport {
    pub(crate) fn new(store: &StoreUri) -> Result<Self, Error> {
        match store {
            StoreUri::Folder(folder) => Ok(Self::Folder(Arc::new(Folder::open(folder_path(folder.path()))?))),
            StoreUri::S3(_) => http_client().map(Self::Http).map_err(|error| {
                Error::new(ErrorKind::Network, format!("no HTTP client can be made: {}", causes(&error)))
                    .next_step("check the system's certificates and the proxy variables")
            }),
        }
    }

    /// Sends one request; must run on a tokio runtime.
    pub(crate) fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        match self {
            Self::Http(client) => Box::pin(send_http(client.clone(), request)),
            Self::Folder(folder) => Box::pin(send_to_folder(folder.clone(), request)),
        }
    }
}

fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("tidelock/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry a signature made for another host; the engine reads it instead.
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .build()
}

async fn send_http(client: reqwest::Client, request: Request) -> Answer {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Put => reqwest::Method::PUT,
        Method::Post => reqwest::Method::POST,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut sent = client.request(method, &request.url);
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    if !request.body.is_empty() {
        sent = sent.body(request.body);
    } else if matches!(request.method, Method::Put | Method::Post) {
        // The client leaves it out; AWS and others want it (411).
        sent = sent.header("content-length", "0");
    }
    let mut answer = sent.send().await.map_err(failure)?;
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        // A header that is no text is none the engine reads.
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let body = read_body(&mut answer, request.max_response_bytes).await?;
    Ok(Response { status, headers, body })
}

/// The whole body, unless it is longer than `bytes_max`: then nothing more of it is read.
async fn read_body(answer: &mut reqwest::Response, bytes_max: u64) -> Result<Bytes, TransportFailure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if (body.len() + chunk.len()) as u64 > bytes_max {
            return Err(TransportFailure::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

async fn send_to_folder(folder: Arc<Folder>, request: Request) -> Answer {
    let Request { id: _, method, url, headers, body, max_response_bytes } = request;
    let request = HttpRequest { method, url, headers, body, max_response_bytes };
    tokio::task::spawn_blocking(move || folder.answer(&request))
        .await
        .map_err(|error| TransportFailure::Reset(error.to_string()))
}

/// What went wrong, without the URL: it may hold a signature.
fn failure(error: reqwest::Error) -> TransportFailure {
    let error = error.without_url();
    let text = causes(&error);
    if error.is_timeout() {
        TransportFailure::Timeout
    } else if has_tls_cause(&error) {
        TransportFailure::Tls(text)
    } else if error.is_connect() {
        TransportFailure::Connect(text)
    } else {
        TransportFailure::Reset(text)
    }
}

/// The error and what it came from, outermost first.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Whether TLS refused: rustls names itself in no type that reqwest shows, so its own words have to do.
fn has_tls_cause(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if text.contains("certificate") || text.contains("received fatal alert") || text.contains("corrupt message") {
            return true;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tidelock_core::engine::RequestId;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// The head of a request as a server sees it, in lower case.
    async fn head(method: Method, body: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request = Request {
            id: RequestId(1),
            method,
            url: format!("http://{}/key", listener.local_addr().unwrap()),
            headers: Vec::new(),
            body: Bytes::from_static(body),
            max_response_bytes: 10,
        };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
                assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(seen).unwrap().to_lowercase()
        };
        let (answer, seen) = tokio::join!(send_http(http_client().unwrap(), request), serve);
        assert_eq!(answer.unwrap().status, 200);
        seen
    }

    #[tokio::test]
    async fn what_is_written_has_a_length_even_if_empty() {
        assert!(head(Method::Put, b"").await.contains("\r\ncontent-length: 0\r\n"));
        assert!(head(Method::Put, b"four").await.contains("\r\ncontent-length: 4\r\n"));
        assert!(!head(Method::Get, b"").await.contains("content-length"));
    }
}
