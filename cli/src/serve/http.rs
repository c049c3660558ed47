//! Connections: HTTP/1.1 with keep-alive, CORS for any origin, and a graceful end.

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::service::S3Service;
use s3s::{Body, HttpError};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// More wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// From a connection's start, or its last answer, to the end of the next request's headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(120);
/// What requests under way have left when the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// Before accepting again after that failed, which it does while the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// Answers connections until `stop` is ready.
pub(super) async fn run(
    listener: std::net::TcpListener,
    service: S3Service,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Dropped at the end, which ends what is left of them.
    let mut connections = JoinSet::new();
    let accept = async {
        loop {
            let place = places.clone().acquire_owned().await;
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let connection = connection(stream, service.clone(), &graceful);
            connections.spawn(async move {
                connection.await;
                drop(place);
            });
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        biased;
        () = stop => {}
        never = accept => never,
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    Ok(())
}

fn connection(
    stream: TcpStream,
    service: S3Service,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    // An answer in two segments would wait 40 ms for the client's acknowledgement of the first.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| answer(service.clone(), request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    let connection = graceful.watch(connection);
    async move {
        // A client that goes away is no fault of the server.
        let _ = connection.await;
    }
}

async fn answer(service: S3Service, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let mut response = if request.method() == Method::OPTIONS {
        preflight(request.headers())
    } else {
        service.call(request.map(Body::from)).await?
    };
    let id = format!("{:016X}", COUNT.fetch_add(1, Ordering::Relaxed));
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, HeaderValue::try_from(id).expect("hex digits are visible ASCII"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("ETag, Date, x-amz-request-id, Retry-After, Content-Range, Last-Modified"),
    );
    Ok(response)
}

/// Any page may ask: without the keys it learns nothing. The headers asked for are named one by one, because `*` does not
/// stand for `Authorization`.
fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE, OPTIONS"),
    );
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
