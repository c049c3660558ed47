//! The embedded server, asked by the S3 dialect's own requests and by others, signed by hand.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod dialect;
mod stop;
mod uploads;
mod wire;

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use std::time::SystemTime;
use tempfile::TempDir;
use tidelock::folder::Folder;
use tidelock_cli::serve::{ServeHandle, ServeKeys, ServeOptions};
use tidelock_core::s3::{
    Action, Answer, Call, Condition, Credentials, EtagQuoting, Failure, HttpRequest, Response, StoreUri,
};

/// A server on a fresh directory with one bucket, and what a client needs to know of it.
struct Server {
    directory: TempDir,
    keys: ServeKeys,
    handle: ServeHandle,
    client: reqwest::Client,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("bucket")).unwrap();
        let keys = ServeKeys::generate().unwrap();
        let handle = ServeHandle::start(options(&directory, &keys)).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { directory, keys, handle, client }
    }

    /// Another server on the same directory, with another address.
    fn restart(&mut self) {
        self.handle = ServeHandle::start(options(&self.directory, &self.keys)).unwrap();
    }

    fn folder(&self) -> Folder {
        Folder::open(self.directory.path().join("bucket")).unwrap()
    }

    fn uri(&self, bucket: &str) -> StoreUri {
        format!("s3://{bucket}?endpoint=http://{}", self.handle.address()).parse().unwrap()
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(self.keys.access_key.as_str(), self.keys.secret_key.as_str(), None).unwrap()
    }

    async fn act<A: Action>(&self, action: &A) -> Result<A::Answer, Failure> {
        self.act_on("bucket", action).await
    }

    async fn act_on<A: Action>(&self, bucket: &str, action: &A) -> Result<A::Answer, Failure> {
        let uri = self.uri(bucket);
        let request = action.request(&uri, Some(&self.credentials()), now_ms(), EtagQuoting::Quoted).unwrap();
        action.interpret(&uri, &self.send(request).await)
    }

    async fn call(&self, call: &Call) -> Answer {
        self.act_on("bucket", call).await.unwrap()
    }

    async fn put(&self, key: &str, body: &'static [u8], condition: Condition) -> Answer {
        self.call(&Call::PutObject { key: key.to_owned(), body: Bytes::from_static(body), condition }).await
    }

    async fn send(&self, request: HttpRequest) -> Response {
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.raw(request.method.as_str(), &request.url, &headers, request.body).await
    }

    /// Sends it as it is.
    async fn raw(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Bytes) -> Response {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let headers = response.headers().iter();
        Response {
            status: response.status().as_u16(),
            headers: headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect(),
            body: response.bytes().await.unwrap(),
        }
    }

    /// Sends it signed by the AWS library: for requests that the dialect does not build.
    async fn signed(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let url = format!("http://{}{path}", self.handle.address());
        let signature = self.signature(method, &url, headers, body);
        let mut all = headers.to_vec();
        all.extend(signature.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.raw(method, &url, &all, Bytes::copy_from_slice(body.as_bytes())).await
    }

    /// The headers that sign it, with the path as it stands.
    fn signature(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Vec<(String, String)> {
        let identity =
            AwsCredentials::new(&self.keys.access_key, self.keys.secret_key.as_str(), None, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new(method, url, headers.iter().copied(), body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let (signature, _) = instructions.into_parts();
        signature.iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect()
    }
}

fn options(directory: &TempDir, keys: &ServeKeys) -> ServeOptions {
    ServeOptions { dir: directory.path().to_owned(), keys: keys.clone() }
}

fn get(key: &str) -> Call {
    Call::GetObject { key: key.to_owned(), if_none_match: None, range: None, body_max: 1 << 20 }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}
