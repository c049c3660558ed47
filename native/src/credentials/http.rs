//! Carries `aws-config`'s requests over the HTTP client that this crate has anyway: one TLS stack, one list of
//! certificates.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use std::net::IpAddr;
use std::time::Duration;

/// The most bytes of an answer: keys and tokens have a few KiB.
const BODY_BYTES_MAX: usize = 1 << 20;
/// A call's deadline where the library sets none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The client for all providers.
pub(super) fn client() -> Result<SharedHttpClient, String> {
    let build = |builder: reqwest::ClientBuilder| {
        // A redirect would carry tokens to another host.
        let builder = builder.redirect(reqwest::redirect::Policy::none()).tcp_nodelay(true);
        builder.build().map_err(|error| format!("no HTTP client can be made: {error}"))
    };
    let direct = build(reqwest::Client::builder().no_proxy())?;
    let proxied = build(reqwest::Client::builder())?;
    Ok(http_client_fn(move |settings, _| {
        let timeouts = [settings.connect_timeout(), settings.read_timeout()];
        let timeout = timeouts.into_iter().flatten().reduce(|connect, read| connect + read).unwrap_or(TIMEOUT);
        SharedHttpConnector::new(Connector { direct: direct.clone(), proxied: proxied.clone(), timeout })
    }))
}

#[derive(Debug)]
struct Connector {
    /// For what is on this machine: metadata services answer no proxy, and what they say is no proxy's business.
    direct: reqwest::Client,
    proxied: reqwest::Client,
    timeout: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = if is_near(request.uri()) { &self.direct } else { &self.proxied };
        HttpConnectorFuture::new(send(client.clone(), request, self.timeout))
    }
}

async fn send(
    client: reqwest::Client,
    request: HttpRequest,
    timeout: Duration,
) -> Result<HttpResponse, ConnectorError> {
    let method: reqwest::Method = request.method().parse().map_err(|_| user("a method that HTTP does not know"))?;
    let body = request.body().bytes().ok_or_else(|| user("a body that is not at hand"))?.to_vec();
    let mut sent = client.request(method, request.uri()).timeout(timeout);
    for (name, value) in request.headers() {
        sent = sent.header(name, value);
    }
    let mut answer = sent.body(body).send().await.map_err(failure)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(user("an answer longer than any with keys"));
        }
        body.extend_from_slice(&chunk);
    }
    let status = answer.status().as_u16().try_into().map_err(|_| user("a status that HTTP does not know"))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in answer.headers() {
        // A header that is no text is none that is read.
        if let Ok(value) = value.to_str() {
            response.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}

fn user(what: &'static str) -> ConnectorError {
    ConnectorError::user(what.into())
}

/// Without the URL, which may hold a role's name and more.
fn failure(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_timeout() { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}

/// Whether a URL leads to this machine or its network's metadata service: a loopback or link-local address.
fn is_near(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => match host.parse() {
            Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
            // The instance service's address in IPv6 is a unique local one: fd00:ec2::254.
            Ok(IpAddr::V6(address)) => {
                address.is_loopback() || address.is_unicast_link_local() || address.is_unique_local()
            }
            Err(_) => false,
        },
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_near_and_token_services_are_not() {
        for near in
            ["http://169.254.169.254/x", "http://127.0.0.1:1/", "http://localhost:1/", "http://[fd00:ec2::254]/"]
        {
            assert!(is_near(near), "{near}");
        }
        for far in ["https://sts.amazonaws.com/", "http://10.0.0.1/", "https://169.254.example.org/", "no URL"] {
            assert!(!is_near(far), "{far}");
        }
    }
}
