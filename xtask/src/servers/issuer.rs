//! An identity provider for MinIO's token service: the two documents that it asks for. Tokens are signed by whoever has the
//! client's secret (HS256), so there is no key to publish.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// Serves until this process ends.
pub(super) fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // Who hangs up early asks again.
            let _ = answer(client, address);
        }
    });
    Ok(address)
}

fn answer(mut client: TcpStream, address: SocketAddr) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    // OpenID Connect Discovery 1.0, and RFC 7517.
    let body = match first.contains("/keys ") {
        true => "{\"keys\":[]}".to_owned(),
        false => format!("{{\"issuer\":\"http://{address}\",\"jwks_uri\":\"http://{address}/keys\"}}"),
    };
    let length = body.len();
    write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
