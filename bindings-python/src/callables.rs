//! The caller's Python functions as the library's callbacks: credentials, signed URLs, a transport. Each call runs on a
//! thread of the vault's own pool, so that the vault's thread never waits for Python.

use crate::errors;
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, PoisonError};
use tidelock::{
    CredentialCallback, Credentials, CustomTransport, Error, ErrorKind, HttpRequest, Presign, Response, SignedUrl,
    SignerToken, TransportFailure, UnsignedRequest,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

type Pairs = Vec<(String, String)>;
/// Access key, secret key, session token, end in unix ms.
pub(crate) type Keys = (String, String, Option<String>, Option<u64>);

pub(crate) fn credentials(callable: Py<PyAny>) -> CredentialCallback {
    let callable = Arc::new(callable);
    CredentialCallback::new(move || {
        let callable = callable.clone();
        async move {
            let keys = call("credentials", move |py| callable.call0(py), |keys| keys.extract::<Keys>());
            fixed_credentials(keys.await?)
        }
    })
}

pub(crate) fn fixed_credentials((access_key, secret_key, session_token, ends): Keys) -> Result<Credentials, Error> {
    let credentials = Credentials::new(access_key, secret_key, session_token)?;
    Ok(match ends {
        Some(unix_ms) => credentials.expiring(unix_ms),
        None => credentials,
    })
}

pub(crate) fn presign(callable: Py<PyAny>) -> Presign {
    let callable = Arc::new(callable);
    Presign::callback(move |request: UnsignedRequest| {
        let callable = callable.clone();
        async move {
            let ask = move |py: Python<'_>| {
                let UnsignedRequest { method, url, key, query, headers, body_bytes } = request;
                callable.call1(py, (method.as_str(), url, key, query, headers, body_bytes))
            };
            let signed = call("presign", ask, |signed| signed.extract::<(String, Pairs, Option<u32>)>());
            let (url, headers, expires_s) = signed.await?;
            Ok(SignedUrl { url, headers, expires_s })
        }
    })
}

pub(crate) fn signer_token(callable: Py<PyAny>) -> SignerToken {
    let callable = Arc::new(callable);
    SignerToken::callback(move || {
        let callable = callable.clone();
        async move {
            let token = call("token", move |py| callable.call0(py), |token| token.extract::<String>());
            Ok(Zeroizing::new(token.await?))
        }
    })
}

/// `timeout_s` is what the callable is told a request may take.
pub(crate) fn transport(callable: Py<PyAny>, timeout_s: f64) -> CustomTransport {
    let callable = Arc::new(callable);
    CustomTransport::callback(move |request: HttpRequest| {
        let callable = callable.clone();
        async move {
            let ask = move |py: Python<'_>| {
                let HttpRequest { method, url, headers, body, max_response_bytes } = request;
                let body = PyBytes::new(py, &body);
                callable.call1(py, (method.as_str(), url, headers, body, max_response_bytes, timeout_s))
            };
            let answer = call("transport", ask, |answer| {
                let (status, headers, body) = answer.extract::<(u16, Pairs, PyBackedBytes)>()?;
                Ok(Response { status, headers, body: Bytes::copy_from_slice(&body) })
            });
            answer.await.map_err(|error| match error.kind() {
                ErrorKind::Timeout => TransportFailure::Timeout,
                _ => TransportFailure::Reset(error.message().to_owned()),
            })
        }
    })
}

/// Calls Python on a thread that may wait; must run on the vault's runtime. An answer that is a `concurrent.futures.Future`,
/// as a coroutine's is, is waited for without a thread, and cancelled where nobody waits any more.
async fn call<T: Send + 'static>(
    what: &'static str,
    ask: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static,
    extract: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T> + Send + 'static,
) -> Result<T, Error> {
    let asked = tokio::task::spawn_blocking(move || {
        in_python(what, |py| {
            let answer = ask(py)?.into_bound(py);
            if !answer.hasattr("add_done_callback")? {
                return Ok(Answer::Now(extract(&answer)?));
            }
            let (sender, done) = oneshot::channel();
            answer.call_method1("add_done_callback", (Done(Mutex::new(Some(sender))),))?;
            Ok(Answer::Later(CancelOnDrop(answer.unbind()), done, extract))
        })
    });
    match asked.await.map_err(|_| Error::new(ErrorKind::Internal, "the callable's thread ended"))?? {
        Answer::Now(value) => Ok(value),
        Answer::Later(future, done, extract) => {
            // Dropped without a word it is done, too.
            let _ = done.await;
            in_python(what, |py| extract(&future.0.bind(py).call_method1("result", (0,))?))
        }
    }
}

enum Answer<T, E> {
    Now(T),
    Later(CancelOnDrop, oneshot::Receiver<()>, E),
}

fn in_python<T>(what: &str, work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T, Error> {
    Python::try_attach(|py| work(py).map_err(|raised| errors::of_callable(py, what, &raised)))
        .unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "the interpreter ends")))
}

/// What a future calls when it is done.
#[pyclass(frozen)]
struct Done(Mutex<Option<oneshot::Sender<()>>>);

#[pymethods]
impl Done {
    fn __call__(&self, _future: &Bound<'_, PyAny>) {
        // The sender is dropped, which the receiver hears.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A future that nobody waits for once this is dropped.
struct CancelOnDrop(Py<PyAny>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        Python::try_attach(|py| {
            // Its loop may be closed; then nothing of it runs any more.
            let _ = self.0.call_method0(py, "cancel");
        });
    }
}
