//! A proxy on loopback before an S3 server: it counts, keeps every byte, and makes faults. Plain HTTP/1.1.

use crate::{Fault, Faults};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tidelock::Meter;
use tidelock_core::s3::RequestKind;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// The longest head of a message. S3 allows 8 KiB.
const HEAD_BYTES_MAX: usize = 64 << 10;

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
            Some(refusal) => Some(Message::refusal(refusal, &method)),
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
            Some(Fault::Status(_) | Fault::SlowDown { .. }) | None => {}
        }
        let Some(answer) = answer else { return Ok(()) };
        {
            let mut seen = shared.seen();
            seen.meter.bytes_received += answer.body_bytes as u64;
            seen.bytes.extend_from_slice(&answer.raw);
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

/// What a provider counts it as, read from the wire alone.
fn kind(method: &str, target: &str) -> RequestKind {
    match method {
        "GET" if target.contains("list-type=") => RequestKind::List,
        "GET" => RequestKind::Get,
        "PUT" => RequestKind::Put,
        "DELETE" => RequestKind::Delete,
        "HEAD" => RequestKind::Head,
        _ => RequestKind::Post,
    }
}

/// Which rules give a message its length.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Request,
    Answer,
    AnswerToHead,
}

/// A whole HTTP message, as it came.
struct Message {
    raw: Vec<u8>,
    /// Bytes of the body, without its chunks' frames.
    body_bytes: usize,
    /// Whether the sender closes the connection after it.
    closes: bool,
}

impl Message {
    /// The next message; `None`: the connection was closed before it began.
    async fn read(from: &mut BufReader<TcpStream>, of: Of) -> io::Result<Option<Self>> {
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n\r\n") {
            if from.read_until(b'\n', &mut raw).await? == 0 {
                return if raw.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            if raw.len() > HEAD_BYTES_MAX {
                return Err(malformed("head too long"));
            }
        }
        let head = String::from_utf8_lossy(&raw).to_ascii_lowercase();
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.filter(|(other, _)| *other == name).map(|(_, value)| value.trim().to_owned()).next()
        };
        let mut message = Self { raw, body_bytes: 0, closes: header("connection").as_deref() == Some("close") };
        let status = message.status();
        let has_no_body = of == Of::AnswerToHead || (of == Of::Answer && matches!(status, Some(204 | 304)));
        if has_no_body {
            return Ok(Some(message));
        }
        if header("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
            message.read_chunks(from).await?;
        } else if let Some(length) = header("content-length") {
            message.take(from, length.parse().map_err(|_| malformed("content-length"))?).await?;
        } else if of == Of::Answer {
            message.closes = true;
            message.body_bytes = from.read_to_end(&mut message.raw).await?;
        }
        Ok(Some(message))
    }

    /// The body is in chunks, each after its length in hex; an empty one and trailers end it.
    async fn read_chunks(&mut self, from: &mut BufReader<TcpStream>) -> io::Result<()> {
        loop {
            let mut line = Vec::new();
            from.read_until(b'\n', &mut line).await?;
            self.raw.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line);
            let length = text.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(length, 16).map_err(|_| malformed("a chunk's length"))?;
            if length == 0 {
                break;
            }
            self.take(from, length).await?;
            from.read_until(b'\n', &mut self.raw).await?;
        }
        let mut line = Vec::new();
        while line != b"\r\n" {
            line.clear();
            if from.read_until(b'\n', &mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.raw.extend_from_slice(&line);
        }
        Ok(())
    }

    async fn take(&mut self, from: &mut BufReader<TcpStream>, body_bytes: usize) -> io::Result<()> {
        let start = self.raw.len();
        self.raw.resize(start + body_bytes, 0);
        from.read_exact(&mut self.raw[start..]).await?;
        self.body_bytes += body_bytes;
        Ok(())
    }

    /// A refusal as S3 writes it.
    fn refusal((status, code, retry_after): (u16, &str, Option<u64>), method: &str) -> Self {
        let body = if method == "HEAD" { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
        let retry_after = retry_after.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} {code}\r\ncontent-type: application/xml\r\n{retry_after}content-length: {}\r\n\r\n",
            body.len()
        );
        Self { raw: (head + &body).into_bytes(), body_bytes: body.len(), closes: false }
    }

    /// A request's method and target.
    fn asked(&self) -> io::Result<(String, String)> {
        let line = self.raw.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|_| malformed("request line"))?;
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some(method), Some(target)) => Ok((method.to_owned(), target.to_owned())),
            _ => Err(malformed("request line")),
        }
    }

    /// An answer's status.
    fn status(&self) -> Option<u16> {
        let line = self.raw.split(|byte| *byte == b'\r').next()?;
        std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}
