//! The dialect simulator: an S3 server on loopback, in memory, that does one thing otherwise than AWS: as some servers do.

mod listing;
mod objects;
mod profiles;
mod signature;

pub use profiles::Dialect;

use crate::http::{Message, Of};
use objects::{Asked, Objects, Reply};
use profiles::{Errors, Rules};
use signature::Keys;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A running simulator with one empty bucket. Its connections end when it is dropped.
pub struct DialectServer {
    address: SocketAddr,
    _runtime: Runtime,
}

struct Shared {
    rules: Rules,
    keys: Keys,
    objects: Mutex<Objects>,
}

impl DialectServer {
    /// Serves `bucket` to whoever signs with these keys.
    pub fn start(dialect: Dialect, bucket: &str, access_key: &str, secret_key: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let shared = Arc::new(Shared {
            rules: dialect.rules(),
            keys: Keys { access_key: access_key.to_owned(), secret_key: secret_key.to_owned() },
            objects: Mutex::new(Objects::new(bucket)),
        });
        runtime.spawn(accept(listener, shared));
        Self { address, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = shared.clone();
        // A connection that breaks is its client's to notice.
        tokio::spawn(async move { drop(serve(client, &shared).await) });
    }
}

async fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    while let Some(request) = Message::read(&mut client, Of::Request).await? {
        let mut asked = Asked::read(&request)?;
        if !shared.rules.write_delay.is_zero() && shared.objects().meets_condition(&shared.rules, &asked) {
            tokio::time::sleep(shared.rules.write_delay).await;
            asked.is_judged = true;
        }
        let answer = shared.answer(&asked);
        let (first, rest) = answer.raw.split_at(answer.raw.len() / 2);
        // A slow server is late with its head, and again in the middle of its body.
        tokio::time::sleep(shared.rules.delay).await;
        client.get_mut().write_all(first).await?;
        tokio::time::sleep(shared.rules.delay).await;
        client.get_mut().write_all(rest).await?;
    }
    Ok(())
}

impl Shared {
    fn answer(&self, asked: &Asked) -> Message {
        let now = SystemTime::now();
        let mut reply = self.reply(asked, now);
        reply.headers.push(("date", httpdate::fmt_http_date(now)));
        reply.headers.extend(self.rules.request_id.map(|id| ("x-amz-request-id", id.to_owned())));
        if asked.header("origin").is_some() && !(reply.status == 403 && self.rules.bare_403) {
            reply.headers.push(("access-control-allow-origin", "*".to_owned()));
            reply.headers.push(("access-control-expose-headers", "ETag, Date, Retry-After".to_owned()));
        }
        // What a front end shows in place of an S3 server's own words. What S3 says by status alone stays readable.
        if self.rules.errors == Errors::Html && reply.status >= 400 && !matches!(reply.status, 404 | 412) {
            reply.body = format!("<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>", reply.status)
                .into_bytes();
            reply.headers.retain(|(name, _)| *name != "content-type");
            reply.headers.push(("content-type", "text/html".to_owned()));
        }
        Message::answer(&asked.method, reply.status, &reply.headers, &reply.body)
    }

    fn reply(&self, asked: &Asked, now: SystemTime) -> Reply {
        if asked.method == "OPTIONS" {
            let allowed = |name, value: &str| (name, value.to_owned());
            let headers = vec![
                allowed("access-control-allow-methods", "GET, HEAD, PUT, POST, DELETE"),
                allowed("access-control-allow-headers", "*"),
            ];
            return Reply { status: 200, headers, body: Vec::new() };
        }
        let checked = match self.rules.takes_any_keys || self.objects().is_public(asked) {
            true => Ok(()),
            false => signature::check(&self.rules, asked, &self.keys, now),
        };
        match checked {
            Ok(()) => self.objects().answer(&self.rules, asked, now, Instant::now()),
            Err(refusal) => refusal,
        }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
