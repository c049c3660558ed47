//! HTTP/1.1 messages, whole: read off a connection as they came, and written.

use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

/// The longest head of a message. S3 allows 8 KiB.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Which rules give a message its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Request,
    Answer,
    AnswerToHead,
}

/// A whole HTTP message, as it came.
pub(crate) struct Message {
    pub(crate) raw: Vec<u8>,
    /// Bytes of the body, without its chunks' frames.
    pub(crate) body_bytes: usize,
    /// Whether the sender closes the connection after it.
    pub(crate) closes: bool,
}

impl Message {
    /// The next message; `None`: the connection was closed before it began.
    pub(crate) async fn read(from: &mut BufReader<TcpStream>, of: Of) -> io::Result<Option<Self>> {
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n\r\n") {
            if from.read_until(b'\n', &mut raw).await? == 0 {
                return if raw.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            if raw.len() > HEAD_BYTES_MAX {
                return Err(malformed("head too long"));
            }
        }
        let mut message = Self { raw, body_bytes: 0, closes: false };
        let headers = message.headers();
        let header = |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        message.closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let status = message.status();
        let has_no_body = of == Of::AnswerToHead || (of == Of::Answer && matches!(status, Some(204 | 304)));
        if has_no_body {
            return Ok(Some(message));
        }
        if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
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

    /// An answer to a request of this method, of which HEAD gets the head alone.
    pub(crate) fn answer(method: &str, status: u16, headers: &[(&str, String)], body: &[u8]) -> Self {
        let mut raw = format!("HTTP/1.1 {status} -\r\n").into_bytes();
        let has_length = headers.iter().any(|(name, _)| *name == "content-length");
        for (name, value) in headers {
            raw.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        // RFC 9110, 8.6: none with 204.
        if !has_length && status != 204 {
            raw.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        raw.extend_from_slice(b"\r\n");
        let body = if method == "HEAD" || matches!(status, 204 | 304) { &[] } else { body };
        raw.extend_from_slice(body);
        Self { raw, body_bytes: body.len(), closes: false }
    }

    /// A request's method and target.
    pub(crate) fn asked(&self) -> io::Result<(String, String)> {
        let line = self.raw.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|_| malformed("request line"))?;
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some(method), Some(target)) => Ok((method.to_owned(), target.to_owned())),
            _ => Err(malformed("request line")),
        }
    }

    /// All headers, names in lower case.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let head = String::from_utf8_lossy(&self.raw[..self.head_bytes()]);
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
    }

    /// The body of a message that has a length.
    pub(crate) fn body(&self) -> &[u8] {
        &self.raw[self.head_bytes()..]
    }

    fn head_bytes(&self) -> usize {
        self.raw.windows(4).position(|four| four == b"\r\n\r\n").map_or(self.raw.len(), |at| at + 4)
    }

    /// An answer's status.
    pub(crate) fn status(&self) -> Option<u16> {
        let line = self.raw.split(|byte| *byte == b'\r').next()?;
        std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}
