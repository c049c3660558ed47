//! The end: nothing under way is cut off, nothing new is taken, and the port is free again.

use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use tidelock_cli::serve::{bind, serve};
use tidelock_core::ErrorKind;
use tokio::sync::oneshot;

#[test]
fn a_dropped_handle_frees_the_port() {
    let server = Server::start();
    let address = server.handle.address();
    assert!(address.ip().is_loopback());
    let idle = TcpStream::connect(address).unwrap();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    drop(idle);
    bind(address.port()).unwrap();
}

#[test]
fn a_port_in_use_is_named() {
    let listener = bind(0).unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = bind(port).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(error.object(), Some(port.to_string().as_str()));
}

/// The client waits for `100 Continue`, which comes once the server reads the body: so the request is under way.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_under_way_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("bucket")).unwrap();
    let keys = ServeKeys::generate().unwrap();
    let listener = bind(0).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = options(&directory, &keys);
    let server = tokio::spawn(async move {
        serve(&options, listener, async {
            let _ = stopped.await;
        })
        .await
    });

    let client = tokio::task::spawn_blocking(move || {
        let uri: StoreUri = format!("s3://bucket?endpoint=http://{address}").parse().unwrap();
        let credentials = Credentials::new(keys.access_key.as_str(), keys.secret_key.as_str(), None).unwrap();
        let body = Bytes::from_static(b"first half, second half");
        let put = Call::PutObject { key: "k".to_owned(), body: body.clone(), condition: Condition::Always };
        let request = put.request(&uri, Some(&credentials), now_ms(), EtagQuoting::Quoted).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "PUT /bucket/k HTTP/1.1\r\nhost: {address}\r\nexpect: 100-continue\r\n").unwrap();
        write!(stream, "content-length: {}\r\n", body.len()).unwrap();
        for (name, value) in request.headers {
            write!(stream, "{name}: {value}\r\n").unwrap();
        }
        write!(stream, "\r\n").unwrap();
        assert!(head(&mut stream).starts_with("HTTP/1.1 100 "));
        stream.write_all(&body[..10]).unwrap();

        stop.send(()).unwrap();
        while TcpStream::connect(address).is_ok() {}
        stream.write_all(&body[10..]).unwrap();
        assert!(head(&mut stream).starts_with("HTTP/1.1 200 "));
    });
    client.await.unwrap();
    server.await.unwrap().unwrap();
    assert_eq!(std::fs::read(directory.path().join("bucket/k")).unwrap(), b"first half, second half");
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
