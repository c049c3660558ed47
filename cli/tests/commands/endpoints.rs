//! Small servers that hand out keys as AWS's own do, and a gate before a bucket where keys end.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as these servers see it.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// As it came.
    bytes: Vec<u8>,
}

impl Asked {
    fn read(from: &mut impl std::io::BufRead) -> Option<Self> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ').map(str::to_owned);
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        from.read_exact(&mut body).ok()?;
        let bytes = [head.as_bytes(), &body].concat();
        let body = String::from_utf8_lossy(&body).into_owned();
        Some(Self { method: first.next()?, path: first.next()?, headers, body, bytes })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Answers each request by a function, with status and body.
pub(crate) fn serve(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, answer) = (client.unwrap(), answer.clone());
            thread::spawn(move || {
                let mut to_client = client.try_clone().unwrap();
                let mut from_client = BufReader::new(client);
                while let Some(asked) = Asked::read(&mut from_client) {
                    let (status, body) = answer(&asked);
                    reply(&mut to_client, status, &body);
                }
            });
        }
    });
    address
}

fn reply(to: &mut TcpStream, status: u16, body: &str) {
    // The life of an instance service's token; no other kind minds it.
    let ttl = "x-aws-ec2-metadata-token-ttl-seconds: 21600";
    // The client may be gone.
    let _ = write!(to, "HTTP/1.1 {status} X\r\n{ttl}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
}

/// Keys as a source of AWS's hands them out: container and instance roles and `credential_process` have one form. The
/// time is RFC 3339.
pub(crate) fn json(access_key: &str, secret_key: &str, token: &str, until: &str) -> String {
    serde_json::json!({
        "Version": 1, "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2020-01-01T00:00:00Z",
        "AccessKeyId": access_key, "SecretAccessKey": secret_key, "SessionToken": token, "Token": token,
        "Expiration": until,
    })
    .to_string()
}

/// A time some seconds from now, as RFC 3339 has it.
pub(crate) fn in_seconds(seconds: i64) -> String {
    let whole = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds);
    whole.unwrap().to_string()
}

/// Passes requests on to a server, if they are signed with the newest of the tokens `session-1`, `session-2`, … and that
/// one has not been used up; the others hear that it has expired.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<GateState>>,
}

struct GateState {
    newest: u64,
    uses_left: u64,
    uses: u64,
    refused: u64,
}

impl Gate {
    /// Each token serves for so many requests.
    pub(crate) fn before(server: SocketAddr, uses: u64) -> Self {
        let state = Arc::new(Mutex::new(GateState { newest: 0, uses_left: 0, uses, refused: 0 }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self { address: listener.local_addr().unwrap(), state: state.clone() };
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, state) = (client.unwrap(), state.clone());
                thread::spawn(move || pass_on(client, server, &state));
            }
        });
        gate
    }

    /// The next token.
    pub(crate) fn issue(state: &GateHandle) -> String {
        let mut state = state.0.lock().unwrap();
        state.newest += 1;
        state.uses_left = state.uses;
        format!("session-{}", state.newest)
    }

    pub(crate) fn handle(&self) -> GateHandle {
        GateHandle(self.state.clone())
    }

    /// Tokens given out, and requests refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap();
        (state.newest, state.refused)
    }
}

/// Issues tokens for a gate.
#[derive(Clone)]
pub(crate) struct GateHandle(Arc<Mutex<GateState>>);

fn pass_on(client: TcpStream, server: SocketAddr, state: &Mutex<GateState>) {
    let upstream = TcpStream::connect(server).unwrap();
    let mut to_client = client.try_clone().unwrap();
    let mut from_client = BufReader::new(client);
    let mut from_server = BufReader::new(upstream.try_clone().unwrap());
    let mut to_server = upstream;
    while let Some(asked) = Asked::read(&mut from_client) {
        if !admits(state, asked.header("x-amz-security-token")) {
            reply(&mut to_client, 400, "<Error><Code>ExpiredToken</Code></Error>");
            continue;
        }
        to_server.write_all(&asked.bytes).unwrap();
        let Some(answer) = read_answer(&mut from_server, &asked.method) else { return };
        to_client.write_all(&answer).unwrap();
    }
}

fn admits(state: &Mutex<GateState>, token: &str) -> bool {
    let mut state = state.lock().unwrap();
    let good = token == format!("session-{}", state.newest) && state.uses_left > 0;
    match good {
        true => state.uses_left -= 1,
        false => state.refused += 1,
    }
    good
}

/// An answer whole: the embedded server tells each body's length.
fn read_answer(from: &mut BufReader<TcpStream>, method: &str) -> Option<Vec<u8>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.to_ascii_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let bodiless = method == "HEAD" || head.starts_with("HTTP/1.1 304") || head.starts_with("HTTP/1.1 204");
    assert!(bodiless || length.is_some(), "{head}");
    let mut body = vec![0; if bodiless { 0 } else { length.unwrap() }];
    from.read_exact(&mut body).ok()?;
    Some([head.as_bytes(), &body].concat())
}

/// Counts up from zero.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
