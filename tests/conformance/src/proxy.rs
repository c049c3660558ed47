//! A proxy on loopback before an S3 server: it counts, keeps every byte, and makes faults. Plain HTTP/1.1.

use crate::http::{Message, Of};
use crate::{Fault, Faults};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tidelock::Meter;
use tidelock_core::s3::RequestKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A running proxy. Its connections end when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    // Dropped last: its tasks hold the rest.
    _runtime: Runtime,
}

struct Shared {
    server: SocketAddr,
    faults: Faults,
    seen: Mutex<Seen>,
}

/// What passed through.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Requests by kind and bytes of bodies, those that met a fault included.
    pub meter: Meter,
    /// Each request.
    pub requests: Vec<Asked>,
    /// Every byte, both ways, heads and bodies.
    pub bytes: Vec<u8>,
}

/// One request, in the order of their arrival.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What it counts as.
    pub kind: RequestKind,
    /// Path and query.
    pub target: String,
    /// When it was here whole.
    pub at: Instant,
    /// The server's status, if it was asked and answered; else the fault's.
    pub status: Option<u16>,
    /// What befell it.
    pub fault: Option<Fault>,
}

impl Proxy {
    /// A proxy before the server at an address.
    pub fn start(server: SocketAddr, faults: Faults) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let shared = Arc::new(Shared { server, faults, seen: Mutex::default() });
        runtime.spawn(accept(listener, shared.clone()));
        Self { address, shared, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed through so far. Nothing passes while this is held.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen()
    }

    /// The requests and bytes so far.
    pub fn meter(&self) -> Meter {
        self.seen().meter
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = shared.clone();
        // A connection that breaks is its client's to notice.
        tokio::spawn(async move { drop(relay(client, &shared).await) });
    }
}

/// Passes requests and answers of one connection until a side closes it, or a fault does.
async fn relay(client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    let mut server = None;
    while let Some(request) = Message::read(&mut client, Of::Request).await? {
        let (method, target) = request.asked()?;
        let fault = shared.faults.next(&method, &target);
        let index = {
            let mut seen = shared.seen();
            let kind = kind(&method, &target);
            seen.meter.count(kind, request.body_bytes as u64);
            seen.bytes.extend_from_slice(&request.raw);
            seen.requests.push(Asked { kind, target, at: Instant::now(), status: None, fault });
            seen.requests.len() - 1
        };
        let answer = match fault.and_then(Fault::refusal) {
            Some(told) => Some(refusal(told, &method, shared.faults.are_web_pages())),
            None if fault.is_none_or(Fault::has_effect) => Some(ask(&mut server, shared, &request, &method).await?),
            None => None,
        };
        let status = answer.as_ref().and_then(Message::status);
        shared.seen().requests[index].status = status;
        match fault {
            Some(Fault::Silence { .. }) => {
                // Until the client gives up.
                let _ = client.read_u8().await;
                return Ok(());
            }
            Some(Fault::Reset { .. }) => {
                // Closing at once, with nothing lingering, sends a reset.
                return client.get_ref().set_zero_linger();
            }
            Some(Fault::Status(_) | Fault::SlowDown { .. } | Fault::ClockSkew | Fault::Cut) | None => {}
        }
        let Some(answer) = answer else { return Ok(()) };
        {
            let mut seen = shared.seen();
            seen.meter.bytes_received += answer.body_bytes as u64;
            seen.bytes.extend_from_slice(&answer.raw);
        }
        if fault == Some(Fault::Cut) {
            let half = answer.raw.len() - answer.body_bytes.div_ceil(2);
            client.get_mut().write_all(&answer.raw[..half]).await?;
            // Closed with nothing lingering, what was written might not arrive.
            return client.get_mut().shutdown().await;
        }
        client.get_mut().write_all(&answer.raw).await?;
        if answer.closes {
            return client.get_mut().shutdown().await;
        }
    }
    Ok(())
}

/// Has the server carry out a request; its answer.
async fn ask(
    server: &mut Option<BufReader<TcpStream>>,
    shared: &Shared,
    request: &Message,
    method: &str,
) -> io::Result<Message> {
    // A server may have closed a connection that was idle for long; that costs the client one retry, as it would without
    // a proxy.
    let connection = match server {
        Some(connection) => connection,
        None => {
            let stream = TcpStream::connect(shared.server).await?;
            stream.set_nodelay(true)?;
            server.insert(BufReader::new(stream))
        }
    };
    connection.get_mut().write_all(&request.raw).await?;
    let of = if method == "HEAD" { Of::AnswerToHead } else { Of::Answer };
    let answer = Message::read(connection, of).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if answer.closes {
        *server = None;
    }
    Ok(answer)
}

/// A refusal as S3 writes it, or as load balancers do.
fn refusal((status, code, retry_after): (u16, &str, Option<u64>), method: &str, is_web_page: bool) -> Message {
    let (kind, body) = match is_web_page {
        true => ("text/html", format!("<html><body><h1>{status} {code}</h1></body></html>")),
        false => ("application/xml", format!("<Error><Code>{code}</Code></Error>")),
    };
    let mut headers = vec![("content-type", kind.to_owned())];
    headers.extend(retry_after.map(|s| ("retry-after", s.to_string())));
    Message::answer(method, status, &headers, body.as_bytes())
}

/// What a provider counts it as, read from the wire alone.
fn kind(method: &str, target: &str) -> RequestKind {
    match method {
        "GET" if target.contains("max-keys=") => RequestKind::List,
        "GET" => RequestKind::Get,
        "PUT" => RequestKind::Put,
        "DELETE" => RequestKind::Delete,
        "HEAD" => RequestKind::Head,
        _ => RequestKind::Post,
    }
}
