//! Sends the engine's requests: to a bucket by HTTP, to a folder through the file system.

mod dots;

use crate::directory::folder_path;
use crate::folder::Folder;
use crate::{CustomTransport, Error, ErrorKind, Options};
use bytes::{Bytes, BytesMut};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tidelock_core::engine::{Request, TransportFailure};
use tidelock_core::s3::{HttpRequest, Method, Response, StoreUri, deadline_ms};

/// Servers close idle connections after a minute or so; a request on a dying one costs a retry.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
/// Name look-up, TCP and TLS; the engine's own deadline covers the rest.
const CONNECT: Duration = Duration::from_secs(20);

type Answer = Result<Response, TransportFailure>;

/// One store's transport. Made with the first request: an HTTP client for TLS reads the system's certificates, which takes longer
/// than all else that a poll does.
pub(crate) enum Transport {
    Http(reqwest::Client, Duration),
    Folder(Arc<Folder>),
    Custom(CustomTransport),
}

impl Transport {
    /// What these options reach the store by.
    pub(crate) fn of(options: &Options) -> Result<Self, Error> {
        match (&options.store, &options.transport) {
            (StoreUri::S3(_), Some(custom)) => Ok(Self::Custom(custom.clone())),
            // A signer may be reached by TLS where the store is not.
            (StoreUri::S3(s3), None) if options.presign.is_none() && !s3.uses_tls() && !proxy_uses_tls() => {
                Ok(Self::Http(built(reqwest::Client::builder().tls_certs_only([]))?, options.timeout))
            }
            (store, _) => Self::new(store, options.timeout),
        }
    }

    /// `timeout`: how long a server may keep silent.
    pub(crate) fn new(store: &StoreUri, timeout: Duration) -> Result<Self, Error> {
        match store {
            StoreUri::Folder(folder) => Ok(Self::Folder(Arc::new(Folder::open(folder_path(folder.path()))?))),
            StoreUri::S3(_) => Ok(Self::Http(http_client()?, timeout)),
        }
    }

    /// The HTTP client, where there is one: signers are asked with it.
    pub(crate) fn client(&self) -> Option<reqwest::Client> {
        match self {
            Self::Http(client, _) => Some(client.clone()),
            Self::Folder(_) => None,
            Self::Custom(custom) => custom.signer_client(),
        }
    }

    /// Sends one request; must run on a tokio runtime.
    pub(crate) fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        match self {
            Self::Http(client, timeout) => Box::pin(send_http(client.clone(), request, *timeout)),
            Self::Folder(folder) => Box::pin(send_to_folder(folder.clone(), request)),
            Self::Custom(custom) => Box::pin(custom.clone().send(http_request(request))),
        }
    }
}

pub(crate) fn http_client() -> Result<reqwest::Client, Error> {
    built(reqwest::Client::builder())
}

/// The same for what is on this machine, which is no proxy's business.
pub(crate) fn direct_http_client() -> Result<reqwest::Client, Error> {
    built(reqwest::Client::builder().no_proxy())
}

/// Whether a proxy for unencrypted requests is reached by TLS.
fn proxy_uses_tls() -> bool {
    let is_tls = |name| std::env::var(name).is_ok_and(|proxy| proxy.to_ascii_lowercase().starts_with("https:"));
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].into_iter().any(is_tls)
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    let client = builder
        .user_agent(concat!("tidelock/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry a signature made for another host; the engine reads it instead.
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .build();
    client.map_err(|error| {
        Error::new(ErrorKind::Network, format!("no HTTP client can be made: {}", causes(&error)))
            .next_step("check the system's certificates and the proxy variables")
    })
}

fn http_request(request: Request) -> HttpRequest {
    let Request { id: _, method, url, headers, body, max_response_bytes } = request;
    HttpRequest { method, url, headers, body, max_response_bytes }
}

async fn send_http(client: reqwest::Client, request: Request, timeout: Duration) -> Answer {
    let bytes_max = request.max_response_bytes;
    Begun::of(&client, http_request(request), timeout).await?.whole(bytes_max).await
}

/// An answer whose body is still to be read.
pub(crate) struct Begun {
    /// Status and headers; its body is empty until it was read whole.
    pub(crate) head: Response,
    body: reqwest::Response,
    timeout: Duration,
}

impl Begun {
    /// Sends one request. Its answer has to begin within `timeout` and the time its body is given, and may never pause for
    /// longer than `timeout`: the deadline of a whole answer, made for a slow line, would notice a dead one late.
    pub(crate) async fn of(
        client: &reqwest::Client,
        request: HttpRequest,
        timeout: Duration,
    ) -> Result<Self, TransportFailure> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let begin = Duration::from_millis(deadline_ms(timeout_ms, request.body.len() as u64));
        let body = match dots::has_any(&request.url) {
            true => tokio::time::timeout(begin, dots::send(request)).await.unwrap_or(Err(TransportFailure::Timeout))?,
            false => in_time(begin, built_for(client, request).send()).await?,
        };
        let headers = body
            .headers()
            .iter()
            // A header that is no text is none anybody reads.
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        Ok(Self { head: Response { status: body.status().as_u16(), headers, body: Bytes::new() }, body, timeout })
    }

    /// The body's next piece; `None` after the last.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportFailure> {
        in_time(self.timeout, self.body.chunk()).await
    }

    /// The answer with its whole body.
    pub(crate) async fn whole(mut self, bytes_max: u64) -> Answer {
        self.read_whole(bytes_max).await?;
        Ok(self.head)
    }

    /// Reads the whole body, unless it is longer than `bytes_max`: then nothing more of it is read.
    pub(crate) async fn read_whole(&mut self, bytes_max: u64) -> Result<(), TransportFailure> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > bytes_max {
                return Err(TransportFailure::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        self.head.body = body.freeze();
        Ok(())
    }
}

fn built_for(client: &reqwest::Client, request: HttpRequest) -> reqwest::RequestBuilder {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Put => reqwest::Method::PUT,
        Method::Post => reqwest::Method::POST,
        Method::Delete => reqwest::Method::DELETE,
        Method::Options => reqwest::Method::OPTIONS,
    };
    let mut built = client.request(method, &request.url);
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    if !request.body.is_empty() {
        built = built.body(request.body);
    } else if matches!(request.method, Method::Put | Method::Post) {
        // The client leaves it out; AWS and others want it (411).
        built = built.header("content-length", "0");
    }
    built
}

async fn send_to_folder(folder: Arc<Folder>, request: Request) -> Answer {
    let request = http_request(request);
    tokio::task::spawn_blocking(move || folder.answer(&request))
        .await
        .map_err(|error| TransportFailure::Reset(error.to_string()))
}

async fn in_time<T>(time: Duration, step: impl Future<Output = reqwest::Result<T>>) -> Result<T, TransportFailure> {
    match tokio::time::timeout(time, step).await {
        Ok(done) => done.map_err(failure),
        Err(_) => Err(TransportFailure::Timeout),
    }
}

/// What went wrong, without the URL: it may hold a signature.
pub(crate) fn failure(error: reqwest::Error) -> TransportFailure {
    let error = error.without_url();
    let text = causes(&error);
    if error.is_timeout() {
        TransportFailure::Timeout
    } else if is_about_tls(&text) {
        TransportFailure::Tls(text)
    } else if error.is_connect() {
        TransportFailure::Connect(text)
    } else {
        TransportFailure::Reset(text)
    }
}

/// The error and what it came from, outermost first.
fn causes(error: &dyn std::error::Error) -> String {
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

/// Whether TLS refused: rustls names itself in no type that HTTP clients show, so its own words have to do.
fn is_about_tls(text: &str) -> bool {
    ["certificate", "received fatal alert", "corrupt message"].iter().any(|words| text.contains(words))
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
        let (answer, seen) = tokio::join!(send_http(http_client().unwrap(), request, CONNECT), serve);
        assert_eq!(answer.unwrap().status, 200);
        seen
    }

    /// What comes of a GET if the server does this, and then keeps silent.
    async fn silence_after(said: &'static [u8]) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request = Request {
            id: RequestId(1),
            method: Method::Get,
            url: format!("http://{}/key", listener.local_addr().unwrap()),
            headers: Vec::new(),
            body: Bytes::new(),
            // By its deadline alone it would have nine hours.
            max_response_bytes: 1 << 29,
        };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read_buf(&mut Vec::new()).await.unwrap() > 0);
            stream.write_all(said).await.unwrap();
            std::future::pending().await
        };
        tokio::select! {
            answer = send_http(http_client().unwrap(), request, Duration::from_millis(50)) => answer,
            () = serve => unreachable!("it never ends"),
        }
    }

    #[tokio::test]
    async fn silence_is_noticed_before_the_deadline() {
        for said in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nthe first bytes"] {
            let answer = silence_after(said).await;
            assert!(matches!(answer, Err(TransportFailure::Timeout)), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn what_is_written_has_a_length_even_if_empty() {
        assert!(head(Method::Put, b"").await.contains("\r\ncontent-length: 0\r\n"));
        assert!(head(Method::Put, b"four").await.contains("\r\ncontent-length: 4\r\n"));
        assert!(!head(Method::Get, b"").await.contains("content-length"));
    }
}
