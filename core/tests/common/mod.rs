//! What tests of answers share: a store, responses, and what no server should say.
// Each takes what it needs.
#![allow(dead_code)]

use bytes::Bytes;
use std::fmt::Debug;
use tidelock_core::ErrorKind;
use tidelock_core::s3::{Action, Failure, Response, Retry, StoreUri};

pub(crate) fn store() -> StoreUri {
    "s3://bucket/p%20x?region=eu-west-1".parse().unwrap()
}

pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.into() }
}

pub(crate) fn answer<A: Action>(action: &A, status: u16, body: impl Into<Bytes>) -> Result<A::Answer, Failure> {
    action.interpret(&store(), &response(status, &[], body))
}

/// An error's document.
pub(crate) fn error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>Words.</Message></Error>")
}

/// That it failed as no S3 server's answer, and says why and what to do.
pub(crate) fn not_s3<T: Debug>(result: Result<T, Failure>, why: &str) {
    let failure = result.expect_err(why);
    assert_eq!((failure.error.kind(), &failure.retry), (ErrorKind::Network, &Retry::Never), "{}", failure.error);
    assert_eq!(failure.error.message(), format!("this is not an S3 answer: it {why}"));
    assert!(failure.error.hint().unwrap().contains("endpoint"));
}
