//! The command against S3 servers over HTTP: the embedded one, broken ones, and none.

use crate::device::{Device, Ran, write_secret};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tempfile::TempDir;
use tidelock_cli::serve::{ServeHandle, ServeKeys, ServeOptions};

/// The embedded server, with one bucket.
pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) keys: ServeKeys,
    pub(crate) server: ServeHandle,
}

impl Served {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("buckets/my-bucket")).unwrap();
        let keys = ServeKeys::generate().unwrap();
        let options = ServeOptions { dir: folder.path().join("buckets"), keys: keys.clone() };
        let server = ServeHandle::start(options).unwrap();
        Self { folder, keys, server }
    }

    pub(crate) fn device(&self, name: &str) -> Device {
        Device { local: self.folder.path().join(name) }
    }

    pub(crate) fn run(&self, device: &Device, arguments: &[&str]) -> Ran {
        self.run_with(device, arguments, &self.keys.secret_key)
    }

    pub(crate) fn secret_key(&self) -> String {
        self.keys.secret_key.to_string()
    }

    pub(crate) fn run_with(&self, device: &Device, arguments: &[&str], secret_key: &str) -> Ran {
        let mut command = device.command(arguments);
        command.env("AWS_ACCESS_KEY_ID", &self.keys.access_key).env("AWS_SECRET_ACCESS_KEY", secret_key);
        Ran::of(arguments, command.output().unwrap())
    }
}

/// The address of a bucket on a server.
pub(crate) fn store(bucket: &str, server: SocketAddr) -> String {
    format!("s3://{bucket}/notes?endpoint=http://{server}")
}

#[test]
fn two_devices_meet_on_a_server() {
    let served = Served::new();
    let (one, two) = (served.device("one"), served.device("two"));
    let address = store("my-bucket", served.server.address());
    let code = served.run(&one, &["init", "--store", &address]).ok();
    let code_file = served.folder.path().join("code");
    write_secret(&code_file, &code);
    one.run(&["put", "m", "k", "v"]).ok();
    served.run(&one, &["sync"]).ok();
    served.run(&two, &["join", "--store", &address, "--secret-file", code_file.to_str().unwrap()]).ok();
    assert_eq!(two.run(&["get", "m", "k"]).ok(), "v");
    assert!(served.folder.path().join("buckets/my-bucket/notes").exists(), "the prefix is kept");
}

#[test]
fn requests_and_bytes_are_counted_as_a_proxy_counts_them() {
    let served = Served::new();
    let one = served.device("one");
    let proxy = Proxy::start(served.server.address());
    served.run(&one, &["init", "--store", &store("my-bucket", proxy.address)]).ok();
    let status: Value = serde_json::from_str(&one.run(&["status", "--json"]).ok()).unwrap();
    assert_eq!(total(&status), proxy.requests.load(Ordering::SeqCst));
    for n in 0..3 {
        one.run(&["put", "m", &n.to_string(), "v"]).ok();
        let before = proxy.requests.load(Ordering::SeqCst);
        let synced: Value = serde_json::from_str(&served.run(&one, &["sync", "--json"]).ok()).unwrap();
        assert_eq!(total(&synced), proxy.requests.load(Ordering::SeqCst) - before);
    }
}

fn total(counted: &Value) -> u64 {
    counted["requests"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn what_a_server_refuses_has_its_exit_code() {
    let served = Served::new();
    let one = served.device("one");
    let address = store("my-bucket", served.server.address());
    refused(served.run(&one, &["init", "--store", &store("no-bucket", served.server.address())]), 3, "no-bucket");
    refused(served.run_with(&one, &["init", "--store", &address], "not the secret"), 4, "secret key");
    refused(served.run_with(&one, &["init", "--store", &address], "not-the-secret"), 4, "SignatureDoesNotMatch");
    refused(one.run(&["init", "--store", &address]), 4, "AWS_ACCESS_KEY_ID");
    served.run(&one, &["init", "--store", &address]).ok();
    one.run(&["put", "m", "k", "v"]).ok();
    refused(served.run_with(&one, &["sync"], "not-the-secret"), 4, "SignatureDoesNotMatch");
    assert_eq!(one.json(&["status"])["pending"], 1);
    served.run(&one, &["sync"]).ok();
}

#[track_caller]
fn refused(ran: Ran, code: i32, names: &str) {
    let text = ran.refused(code);
    assert!(text.contains(names), "`{names}` is not in: {text}");
    assert!(text.contains("\n\nhint: "), "{text}");
}

/// Passes requests on to a server, and counts them.
struct Proxy {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Proxy {
    fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let counter = requests.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, counter) = (client.unwrap(), counter.clone());
                thread::spawn(move || pass_on(client, server, &counter));
            }
        });
        Self { address, requests }
    }
}

/// Reads each request whole, so that its head is told from its body; answers pass as they come.
fn pass_on(client: std::net::TcpStream, server: SocketAddr, requests: &AtomicU64) {
    let upstream = std::net::TcpStream::connect(server).unwrap();
    let (mut from_server, mut to_client) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
    let answers = thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
    let (mut from_client, mut to_server) = (BufReader::new(client), upstream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from_client.read_line(&mut head).unwrap_or(0) == 0 {
                let _ = to_server.shutdown(std::net::Shutdown::Write);
                let _ = answers.join();
                return;
            }
        }
        requests.fetch_add(1, Ordering::SeqCst);
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        from_client.read_exact(&mut body).unwrap();
        to_server.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    }
}

#[test]
fn s3_rm_names_what_is_not_there() {
    let served = Served::new();
    let device = served.device("one");
    let bucket = format!("s3://my-bucket?endpoint=http://{}", served.server.address());
    let file = served.folder.path().join("file");
    std::fs::write(&file, "content").unwrap();
    for key in ["a", "b"] {
        served.run(&device, &["s3", "--store", &bucket, "put", file.to_str().unwrap(), key]).ok();
    }
    let ran = served.run(&device, &["s3", "--store", &bucket, "rm", "a", "none"]);
    assert!(ran.stderr.contains("there is no object none") && ran.stderr.contains("1 deleted"), "{}", ran.stderr);
    ran.ok();
    let told = served.run(&device, &["s3", "--store", &bucket, "rm", "a", "b", "--json"]).ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told, serde_json::json!({ "deleted": 1, "missing": ["a"] }));
}
