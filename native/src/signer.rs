//! A signer over HTTP: one question a request, one URL in answer. The protocol is in `docs/PRESIGN.md`.

use crate::presign::{self, SignerToken, Source};
use crate::secret::is_open_to_others;
use crate::transport::{Begun, direct_http_client};
use crate::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use tidelock_core::engine::{SignedUrl, TransportFailure, UnsignedRequest};
use tidelock_core::s3::{HttpRequest, Method, Response};
use zeroize::Zeroizing;

const URL_BYTES_MAX: usize = 2048;
const TOKEN_BYTES_MAX: u64 = 16 << 10;
/// A signed URL of 16 KiB, and headers.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Of what a signer says to a person.
const MESSAGE_CHARS_MAX: usize = 200;

/// How long a signer may keep silent; the engine's deadline for signing may end it sooner.
const PAUSE: Duration = Duration::from_secs(30);

const TOKEN_VARIABLE: &str = "TIDELOCK_SIGNER_TOKEN";

/// A signer at a URL.
pub(crate) struct HttpSigner {
    url: reqwest::Url,
    token: SignerToken,
    /// For one on this machine; made with the first request, as it reads the system's certificates.
    direct: OnceLock<reqwest::Client>,
}

#[derive(Serialize)]
struct Question<'a> {
    method: &'static str,
    key: &'a str,
    query: BTreeMap<&'a str, &'a str>,
    headers: BTreeMap<&'a str, &'a str>,
    content_length: u64,
}

#[derive(Deserialize)]
struct Answer {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    expires_in: Option<u32>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl HttpSigner {
    pub(crate) fn new(url: &str, token: SignerToken) -> Result<Self, Error> {
        let invalid = |why: &str| {
            Error::new(ErrorKind::Invalid, format!("the signer's URL {why}"))
                .next_step("write https://HOST/PATH; http:// is for a signer on this machine alone")
        };
        if url.len() > URL_BYTES_MAX {
            return Err(invalid("is too long"));
        }
        let url: reqwest::Url = url.parse().map_err(|_| invalid("is malformed"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("has a user's name or password in it"));
        }
        // The token, and what the answer allows, would be anybody's on the way.
        match url.scheme() {
            "https" => {}
            "http" if is_here(&url) => {}
            _ => return Err(invalid("is not https")),
        }
        Ok(Self { url, token, direct: OnceLock::new() })
    }

    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The client to ask with: for a signer on this machine one of its own, as a proxy would see the token in clear.
    fn client(&self, shared: reqwest::Client) -> Result<reqwest::Client, TransportFailure> {
        if !is_here(&self.url) {
            return Ok(shared);
        }
        if let Some(client) = self.direct.get() {
            return Ok(client.clone());
        }
        let client = direct_http_client().map_err(|error| TransportFailure::Connect(error.message().to_owned()))?;
        Ok(self.direct.get_or_init(|| client).clone())
    }

    /// Has one request signed.
    pub(crate) async fn sign(
        &self,
        client: reqwest::Client,
        request: UnsignedRequest,
    ) -> Result<SignedUrl, TransportFailure> {
        let client = self.client(client)?;
        let token = token(&self.token).await.map_err(|error| presign::failure(&error))?;
        let body = serde_json::to_vec(&question(&request))
            .map_err(|error| TransportFailure::NoCredentials(format!("the question can't be written: {error}")))?;
        let headers = vec![
            ("authorization".to_owned(), format!("Bearer {}", token.as_str())),
            ("content-type".to_owned(), "application/json".to_owned()),
        ];
        let (method, url, body, max_response_bytes) =
            (Method::Post, self.url.to_string(), body.into(), ANSWER_BYTES_MAX);
        let asked = HttpRequest { method, url, headers, body, max_response_bytes };
        let Response { status, body, .. } = Begun::of(&client, asked, PAUSE).await?.whole(ANSWER_BYTES_MAX).await?;
        match status {
            200 => {
                let Answer { url, headers, expires_in } = serde_json::from_slice(&body)
                    .map_err(|_| TransportFailure::NoCredentials("what answers at its URL is no signer".to_owned()))?;
                Ok(SignedUrl { url, headers: headers.into_iter().collect(), expires_s: expires_in })
            }
            408 | 429 | 500..=599 => Err(TransportFailure::Connect(format!("it answered {status}"))),
            _ => Err(TransportFailure::NoCredentials(refused(status, &body))),
        }
    }
}

/// Whether a URL leads to this machine.
fn is_here(url: &reqwest::Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

fn question(request: &UnsignedRequest) -> Question<'_> {
    Question {
        method: request.method.as_str(),
        key: request.key.as_deref().unwrap_or_default(),
        query: request.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        headers: request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        content_length: request.body_bytes,
    }
}

/// A signer's no, in its own words where they can be shown.
fn refused(status: u16, body: &[u8]) -> String {
    let said = serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.error);
    match said.filter(|text| !text.is_empty() && !text.chars().any(char::is_control)) {
        Some(text) => format!("it answered {status}: {}", text.chars().take(MESSAGE_CHARS_MAX).collect::<String>()),
        None => format!("it answered {status}"),
    }
}

async fn token(source: &SignerToken) -> Result<Zeroizing<String>, Error> {
    let token = match &source.0 {
        Source::Environment => Zeroizing::new(std::env::var(TOKEN_VARIABLE).unwrap_or_default()),
        Source::File(file) => token_in(file)?,
        Source::Callback(token) => token().await?,
    };
    let is_good = (1..=TOKEN_BYTES_MAX as usize).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    match is_good {
        true => Ok(token),
        false => Err(Error::new(ErrorKind::Auth, "the signer's token is missing or malformed")
            .next_step(format!("set {TOKEN_VARIABLE}, or put the token into a file of mode 0600"))),
    }
}

fn token_in(file: &Path) -> Result<Zeroizing<String>, Error> {
    let failed = |why: String, step: &str| {
        let message = format!("the signer's token in {} {why}", file.display());
        Error::new(ErrorKind::Auth, message).next_step(step)
    };
    let unreadable = |error: io::Error| failed(format!("can't be read: {error}"), "check the file");
    let opened = File::open(file).map_err(unreadable)?;
    if is_open_to_others(&opened).map_err(unreadable)? {
        return Err(failed("is open to other users".to_owned(), "`chmod 600` it, and get a new token"));
    }
    // Of its full size from the start: growing would leave copies behind.
    let mut line = Zeroizing::new(String::with_capacity(TOKEN_BYTES_MAX as usize + 1));
    let mut input = BufReader::new(opened.take(TOKEN_BYTES_MAX));
    input.read_line(&mut line).map_err(unreadable)?;
    while line.ends_with(['\n', '\r']) {
        line.pop();
    }
    Ok(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tidelock_core::s3::Method;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn unsigned() -> UnsignedRequest {
        UnsignedRequest {
            method: Method::Put,
            url: "http://127.0.0.1:9000/b/users/alice/tidelock".to_owned(),
            key: Some("users/alice/tidelock".to_owned()),
            query: Vec::new(),
            headers: vec![("if-none-match".to_owned(), "*".to_owned())],
            body_bytes: 40,
        }
    }

    #[test]
    fn a_token_goes_to_https_or_stays_here() {
        let is_taken = |url| HttpSigner::new(url, SignerToken::environment()).is_ok();
        for url in
            ["https://sign.example/presign", "http://localhost:8080/presign", "http://127.0.0.1/", "http://[::1]/"]
        {
            assert!(is_taken(url), "{url}");
        }
        for url in [
            "http://sign.example/",
            "ftp://localhost/",
            "https://a:b@sign.example/",
            "sign.example",
            "http://127.0.0.1.evil/",
        ] {
            assert!(!is_taken(url), "{url}");
        }
    }

    #[test]
    fn a_question_is_written_as_the_protocol_says() {
        // docs/PRESIGN.md, "A question".
        let put = r#"{"method":"PUT","key":"users/alice/tidelock","query":{},"headers":{"if-none-match":"*"},"content_length":40}"#;
        assert_eq!(serde_json::to_string(&question(&unsigned())).unwrap(), put);
        let list = UnsignedRequest {
            method: Method::Get,
            key: None,
            query: vec![("list-type".to_owned(), "2".to_owned()), ("prefix".to_owned(), "users/alice/".to_owned())],
            headers: Vec::new(),
            body_bytes: 0,
            ..unsigned()
        };
        let text = r#"{"method":"GET","key":"","query":{"list-type":"2","prefix":"users/alice/"},"headers":{},"content_length":0}"#;
        assert_eq!(serde_json::to_string(&question(&list)).unwrap(), text);
    }

    /// What becomes of a signer's answer, and what it was asked.
    async fn signed(answer: &'static str) -> (Result<SignedUrl, TransportFailure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/presign", listener.local_addr().unwrap());
        let token = SignerToken::callback(|| async { Ok(Zeroizing::new("the-token".to_owned())) });
        let signer = HttpSigner::new(&url, token).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"}") {
                assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(seen).unwrap()
        };
        let client = crate::transport::http_client().unwrap();
        tokio::join!(signer.sign(client, unsigned()), serve)
    }

    #[tokio::test]
    async fn a_good_answer_is_a_url() {
        let (answer, asked) = signed(concat!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
            r#"{"url":"http://127.0.0.1:9000/b/k?X-Amz-Signature=0","headers":{"x-amz-a":"1"},"expires_in":900}"#
        ))
        .await;
        let expected = SignedUrl {
            url: "http://127.0.0.1:9000/b/k?X-Amz-Signature=0".to_owned(),
            headers: vec![("x-amz-a".to_owned(), "1".to_owned())],
            expires_s: Some(900),
        };
        assert_eq!(answer, Ok(expected));
        assert!(asked.to_lowercase().contains("\r\nauthorization: bearer the-token\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_and_a_failure_is_tried_again() {
        let no = |text: &str| Err(TransportFailure::NoCredentials(text.to_owned()));
        let (answer, _) = signed("HTTP/1.1 403 No\r\nconnection: close\r\n\r\n{\"error\":\"not yours\"}").await;
        assert_eq!(answer, no("it answered 403: not yours"));
        let (answer, _) = signed("HTTP/1.1 302 No\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n").await;
        assert_eq!(answer, no("it answered 302"));
        let (answer, _) = signed("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>").await;
        assert_eq!(answer, no("what answers at its URL is no signer"));
        let (answer, _) = signed("HTTP/1.1 503 No\r\nconnection: close\r\n\r\n").await;
        assert_eq!(answer, Err(TransportFailure::Connect("it answered 503".to_owned())));
    }

    #[tokio::test]
    async fn a_token_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "the-token\nmore\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
            let error = token(&SignerToken::file(&file)).await.unwrap_err();
            assert_eq!((error.kind(), error.hint().unwrap().contains("chmod")), (ErrorKind::Auth, true));
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(token(&SignerToken::file(&file)).await.unwrap().as_str(), "the-token");
        std::fs::write(&file, "\n").unwrap();
        assert_eq!(token(&SignerToken::file(&file)).await.unwrap_err().kind(), ErrorKind::Auth);
    }
}
