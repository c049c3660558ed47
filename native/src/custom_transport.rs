//! Requests sent by the program itself: through its own HTTP client, with its own proxy and certificates.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tidelock_core::engine::TransportFailure;
use tidelock_core::s3::{HttpRequest, Response};

type Later = Pin<Box<dyn Future<Output = Result<Response, TransportFailure>> + Send>>;
type Callback = dyn Fn(HttpRequest) -> Later + Send + Sync;

/// Sends a vault's requests to a bucket in place of the built-in HTTP client. A folder store never asks it.
#[derive(Clone)]
pub struct CustomTransport {
    send: Arc<Callback>,
    /// Signers are asked with the built-in client, which is made for the first of them.
    signer_client: Arc<OnceLock<reqwest::Client>>,
}

impl CustomTransport {
    /// Each call sends one request once, as it is: it adds `host` and `content-length`, follows no redirect, and tries
    /// nothing again. An answer longer than the request's `max_response_bytes` is refused. It is called on the vault's own
    /// thread, which must not be kept busy; a request that the vault no longer waits for is dropped.
    pub fn callback<F>(send: impl Fn(HttpRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Response, TransportFailure>> + Send + 'static,
    {
        Self { send: Arc::new(move |request| Box::pin(send(request))), signer_client: Arc::default() }
    }

    pub(crate) async fn send(self, request: HttpRequest) -> Result<Response, TransportFailure> {
        let bytes_max = request.max_response_bytes;
        let response = (self.send)(request).await?;
        if response.body.len() as u64 > bytes_max { Err(TransportFailure::TooLong) } else { Ok(response) }
    }

    pub(crate) fn signer_client(&self) -> Option<reqwest::Client> {
        if self.signer_client.get().is_none() {
            let _ = self.signer_client.set(crate::transport::http_client().ok()?);
        }
        self.signer_client.get().cloned()
    }
}

impl fmt::Debug for CustomTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomTransport(callback)")
    }
}
