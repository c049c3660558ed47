//! A program's own transport and its own source of keys.

use bytes::Bytes;
use futures::executor::block_on;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tidelock::{
    CredentialCallback, CredentialSource, Credentials, CustomTransport, Error, ErrorKind, Options, Response,
    TransportFailure, Vault,
};

fn options(folder: &tempfile::TempDir) -> Options {
    // Nothing listens there: whatever is answered comes from the transport.
    let mut options = Options::new("s3://bucket/p?endpoint=http://127.0.0.1:9", folder.path().join("device")).unwrap();
    options.credentials = CredentialSource::Fixed(Credentials::new("KEY", "secret", None).unwrap());
    options.retries = 2;
    options
}

fn refused(options: Options) -> Error {
    block_on(Vault::create(options)).expect_err("no store answers")
}

#[test]
fn a_transport_of_the_programs_own_sends_every_request() {
    let folder = tempfile::tempdir().unwrap();
    let sent = Arc::new(AtomicU32::new(0));
    let mut options = options(&folder);
    let counter = sent.clone();
    options.transport = Some(CustomTransport::callback(move |request| {
        counter.fetch_add(1, Ordering::Relaxed);
        assert!(request.headers.iter().any(|(name, _)| name == "authorization"), "it is signed");
        async { Err(TransportFailure::Reset("unplugged".to_owned())) }
    }));
    let error = refused(options);
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.message().contains("unplugged"), "{error}");
    assert_eq!(sent.load(Ordering::Relaxed), 3, "one request, tried again twice");
}

#[test]
fn a_longer_answer_than_was_asked_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    options.transport = Some(CustomTransport::callback(|request| async move {
        let body = Bytes::from(vec![0; usize::try_from(request.max_response_bytes).unwrap() + 1]);
        Ok(Response { status: 200, headers: Vec::new(), body })
    }));
    // What can't be read whole is a damaged header: `create` refuses to write over it.
    assert_eq!(refused(options).kind(), ErrorKind::AlreadyExists);
}

#[test]
fn keys_come_from_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    options.credentials = CredentialSource::Callback(CredentialCallback::new(|| async {
        Err(Error::new(ErrorKind::Auth, "sign in again"))
    }));
    let error = refused(options);
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.message().contains("sign in again"), "{error}");
}
