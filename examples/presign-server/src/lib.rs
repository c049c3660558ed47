//! Signs requests to a bucket for users who have a token and no keys. Each may reach what is under `users/{sub}/`, where
//! `sub` is the subject of their JWT, and nothing else. Stateless: run as many as you like.
//!
//! The protocol is in `docs/PRESIGN.md`. [`router`] is the whole server; the binary reads [`Settings`] from its environment.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod check;
mod question;
mod scope;
mod settings;
mod token;

pub use check::{Hole, check};
pub use settings::{Algorithm, Settings, SettingsError, decoding_key};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use question::Question;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidelock_core::Error;
use tidelock_core::s3::{self, StoreUri, Terms, presign};
use token::Asker;
use tower_http::cors::CorsLayer;

/// A key has at most 1,024 bytes, and a condition's ETag some more.
const QUESTION_BYTES_MAX: usize = 16 << 10;

/// For how long a browser need not ask again whether it may ask: Chromium's own limit.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7200);

/// The server: `POST /presign`, and `GET /health` for load balancers.
pub fn router(settings: Settings) -> Router {
    // The token comes in a header, so no page needs cookies to be sent along.
    let cors = CorsLayer::new()
        .allow_origin(settings.origins.clone())
        .allow_methods([Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .max_age(PREFLIGHT_AGE);
    Router::new()
        .route("/presign", post(answer))
        .route("/health", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(QUESTION_BYTES_MAX))
        .layer(cors)
        .with_state(Arc::new(settings))
}

/// Why nothing was signed: a status, and a sentence that may be shown to anybody.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(StatusCode, String);

impl Refusal {
    pub(crate) fn unauthorized(why: &str) -> Self {
        Self(StatusCode::UNAUTHORIZED, why.to_owned())
    }

    pub(crate) fn forbidden(why: &str) -> Self {
        Self(StatusCode::FORBIDDEN, why.to_owned())
    }

    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }

    pub(crate) fn too_large(bytes_max: u64) -> Self {
        Self(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {bytes_max} bytes"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.1 }).to_string();
        let mut response = (self.0, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if self.0 == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

async fn answer(State(settings): State<Arc<Settings>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let asker = token::asker(&settings, authorization)?;
    let question = Question::read(&body)?;
    let signed = sign(&settings, &asker, &question, unix_ms())?;
    // The URL is a key to the object.
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, signed).into_response())
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// The answer's JSON. The URL ends when the token does, if that is sooner: a longer one would outlive the access it came from.
fn sign(settings: &Settings, asker: &Asker, question: &Question, unix_ms: u64) -> Result<String, Refusal> {
    let left_s = asker.ends_s.saturating_sub(unix_ms / 1000).max(1);
    let expires_s = u32::try_from(left_s).unwrap_or(u32::MAX).min(settings.expires_s);
    let signed = signed_url(settings, &asker.subject, question, expires_s, unix_ms)?;
    let headers: serde_json::Map<_, _> = signed.headers.into_iter().map(|(name, value)| (name, json!(value))).collect();
    Ok(json!({ "url": signed.url, "headers": headers, "expires_in": expires_s }).to_string())
}

/// The request, signed, if this user may have it.
fn signed_url(
    settings: &Settings,
    subject: &str,
    question: &Question,
    expires_s: u32,
    unix_ms: u64,
) -> Result<s3::HttpRequest, Refusal> {
    scope::check(subject, question, settings.body_bytes_max)?;
    if !settings.signs_parts && ["uploads", "uploadId"].iter().any(|name| question.query.contains_key(*name)) {
        return Err(Refusal::forbidden("uploads in parts are not signed here"));
    }
    let StoreUri::S3(s3) = &settings.store else { return Err(Refusal::bad("a folder has no URLs to sign")) };
    let request = question.request(&settings.store).map_err(refused)?;
    let terms = Terms { expires_s, signed_headers: request.headers.iter().map(|(name, _)| name.clone()).collect() };
    let credentials = match &settings.write_credentials {
        Some(credentials) if !matches!(request.method, s3::Method::Get | s3::Method::Head) => credentials,
        _ => &settings.credentials,
    };
    presign(&request, s3.region(), credentials, unix_ms, &terms).map_err(refused)
}

fn refused(error: Error) -> Refusal {
    Refusal::bad(error.message())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
