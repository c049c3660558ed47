//! Requests for keys with `.` or `..` between slashes, which S3 takes as they are. reqwest's URLs resolve them, as browsers do,
//! and would reach another object; so these few requests go through hyper, past the system's proxy.

use super::{CONNECT, TransportFailure, causes, is_about_tls};
use http::Request;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tidelock_core::s3::HttpRequest;

/// Whether the URL's path has such a part.
pub(super) fn has_any(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    path.split('/').any(|part| matches!(part, "." | ".."))
}

/// Sends the request as it is.
pub(super) async fn send(request: HttpRequest) -> Result<reqwest::Response, TransportFailure> {
    let malformed = |error: http::Error| TransportFailure::Reset(error.to_string());
    let mut whole = Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in &request.headers {
        whole = whole.header(name, value);
    }
    let whole = whole.body(reqwest::Body::from(request.body)).map_err(malformed)?;
    let tls = ClientConfig::builder()
        .try_with_platform_verifier()
        .map_err(|error| TransportFailure::Tls(error.to_string()))?
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT));
    // It may be TLS's.
    http.enforce_http(false);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
    let answer = Client::builder(TokioExecutor::new()).build(connector).request(whole).await;
    let answer = answer.map_err(|error| {
        let text = causes(&error);
        match error.is_connect() {
            _ if is_about_tls(&text) => TransportFailure::Tls(text),
            true => TransportFailure::Connect(text),
            false => TransportFailure::Reset(text),
        }
    })?;
    Ok(answer.map(reqwest::Body::wrap).into())
}
