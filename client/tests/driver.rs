//! Two drivers and a bucket that is a map: everything crosses in plain types.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use tidelock_client::{
    Change, Collection, CollectionKind, Conflict, Driver, Input, KeyRange, Now, Operation, Options, Output, Position,
    Request, Response, Secret, TransportFailure,
};
use tidelock_core::ErrorKind;
use tidelock_core::crypto::{Entropy, stretch};
use tidelock_core::local::MemoryLocal;

struct System;

impl Entropy for System {
    fn fill(&mut self, out: &mut [u8]) {
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(out)).unwrap();
    }
}

#[derive(Default)]
struct Bucket(BTreeMap<String, Vec<u8>>);

impl Bucket {
    fn answer(&mut self, request: &Request) -> Response {
        let found = self.0.get(&request.url).cloned();
        let (status, body) = match request.method.as_str() {
            "PUT" => {
                self.0.insert(request.url.clone(), request.body.clone());
                (200, Vec::new())
            }
            "DELETE" => {
                self.0.remove(&request.url);
                (204, Vec::new())
            }
            _ if request.url.contains("list-type=2") => (200, b"<ListBucketResult/>".to_vec()),
            _ => found.map_or((404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()), |body| (200, body)),
        };
        Response { status, headers: Vec::new(), body }
    }
}

/// A device whose clock moves only when it waits.
struct Device {
    driver: Driver,
    now: Now,
    events: Vec<Output>,
}

impl Device {
    fn new(name: &str) -> Self {
        let options = Options { store: "file:///map".into(), device: name.into(), ..Options::default() };
        let now = Now { monotonic_ms: 0, unix_ms: 1_700_000_000_000 };
        let driver = Driver::open(options, Box::new(MemoryLocal::paged()), Box::new(System), now).unwrap();
        Self { driver, now, events: Vec::new() }
    }

    /// Drains until the driver wants to sleep; gives until when.
    fn drain(&mut self, bucket: &mut Bucket) -> Option<u64> {
        loop {
            let drained = self.driver.drain(self.now);
            if drained.outputs.is_empty() {
                return drained.wake_at_ms;
            }
            for output in drained.outputs {
                let input = match output {
                    Output::Send { request } => Input::Answered { id: request.id, response: bucket.answer(&request) },
                    Output::Persist { commit, .. } => Input::Persisted { commit },
                    Output::Stretch { id } => {
                        let request = self.driver.take_stretch(id).unwrap();
                        assert!(self.driver.take_stretch(id).is_none(), "it is handed out once");
                        self.driver.handle_stretched(id, stretch(&request), self.now);
                        continue;
                    }
                    Output::NeedCredentials => {
                        Input::NoCredentials { failure: TransportFailure::NoCredentials { text: "a map".into() } }
                    }
                    Output::Abort { .. } | Output::Presign { .. } => {
                        panic!("all is answered at once, and nothing signed")
                    }
                    event => {
                        self.events.push(event);
                        continue;
                    }
                };
                self.driver.handle(input, self.now).unwrap();
            }
        }
    }

    /// Runs an operation to its end.
    fn run(&mut self, bucket: &mut Bucket, operation: Operation) -> Output {
        let op = self.driver.start(operation, self.now).unwrap();
        loop {
            let wake_at_ms = self.drain(bucket);
            let ended = |event: &Output| match event {
                Output::Finished { op: ended, .. } | Output::Failed { op: ended, .. } => *ended == op,
                _ => false,
            };
            if let Some(event) = self.events.iter().find(|event| ended(event)) {
                return event.clone();
            }
            self.now.monotonic_ms = self.now.monotonic_ms.max(wake_at_ms.expect("what runs waits for something"));
            self.driver.handle(Input::Timeout, self.now).unwrap();
        }
    }

    fn has(&self, event: &Output) -> bool {
        self.events.contains(event)
    }

    fn write(&mut self, bucket: &mut Bucket, change: Change) -> String {
        let written = self.driver.write(vec![change], self.now).unwrap();
        self.drain(bucket);
        assert!(self.has(&Output::Durable { commit: written.commit }));
        written.keys.into_iter().next().unwrap()
    }
}

fn map() -> Collection {
    Collection { kind: CollectionKind::Map, name: "notes".into() }
}

fn log() -> Collection {
    Collection { kind: CollectionKind::Log, name: "history".into() }
}

fn put(key: &str, value: &str) -> Change {
    Change::Put { collection: map(), key: key.into(), value: value.into() }
}

#[test]
fn two_devices_keep_a_map_in_step() {
    let (mut bucket, mut laptop, mut phone) = (Bucket::default(), Device::new("laptop"), Device::new("phone"));
    let create = Operation::Create { passphrase: Some("correct horse".into()) };
    let Output::Finished { recovery_code: Some(_), report: None, .. } = laptop.run(&mut bucket, create) else {
        panic!("a create gives a code");
    };
    laptop.write(&mut bucket, put("tea", "green"));
    assert!(laptop.has(&Output::Changed { collection: map(), keys: Some(vec!["tea".into()]) }));
    let Output::Finished { report: Some(report), .. } = laptop.run(&mut bucket, Operation::Sync) else {
        panic!("a sync gives a report");
    };
    assert!(report.ops_published >= 1);

    let secret = Secret::Passphrase { passphrase: "correct horse".into() };
    phone.run(&mut bucket, Operation::Join { secret });
    phone.run(&mut bucket, Operation::Sync);
    assert!(phone.has(&Output::Changed { collection: map(), keys: Some(vec!["tea".into()]) }));
    assert_eq!(phone.driver.get(map(), "tea").unwrap().unwrap().value, b"green");
    let listed = phone.driver.list(map(), KeyRange::default(), 10).unwrap();
    assert_eq!(listed.iter().map(|entry| &entry.key[..]).collect::<Vec<_>>(), ["tea"]);
    assert_eq!(phone.driver.status().unwrap().devices.len(), 2);

    // Both write before they sync again: a conflict, until one resolves it.
    laptop.write(&mut bucket, put("tea", "black"));
    phone.write(&mut bucket, put("tea", "white"));
    laptop.run(&mut bucket, Operation::Sync);
    phone.run(&mut bucket, Operation::Sync);
    let conflicts = phone.driver.conflicts(None, 10).unwrap();
    assert_eq!((conflicts.len(), conflicts[0].versions.len()), (1, 2));
    phone.write(&mut bucket, Change::Resolve { collection: map(), key: "tea".into(), value: Some("mint".into()) });
    assert_eq!(phone.driver.conflicts(None, 10).unwrap(), []);
}

#[test]
fn documents_merge_field_by_field() {
    let (mut bucket, mut laptop, mut phone) = (Bucket::default(), Device::new("laptop"), Device::new("phone"));
    let created = laptop.run(&mut bucket, Operation::Create { passphrase: Some("correct horse".into()) });
    assert!(matches!(created, Output::Finished { .. }));
    let visits = || Collection { kind: CollectionKind::Documents, name: "visits".into() };
    let patch = |patch: &str| Change::Patch { collection: visits(), id: "42".into(), patch: patch.into() };
    laptop.write(&mut bucket, Change::Put { collection: visits(), key: "42".into(), value: "{\"a\": 1.0}".into() });
    assert!(laptop.has(&Output::Changed { collection: visits(), keys: Some(vec!["42".into()]) }));
    laptop.run(&mut bucket, Operation::Sync);
    let secret = Secret::Passphrase { passphrase: "correct horse".into() };
    phone.run(&mut bucket, Operation::Join { secret });
    phone.run(&mut bucket, Operation::Sync);
    laptop.write(&mut bucket, patch("{\"b\": 2, \"c\": 3}"));
    phone.write(&mut bucket, patch("{\"a\": null, \"c\": 4}"));
    laptop.run(&mut bucket, Operation::Sync);
    phone.run(&mut bucket, Operation::Sync);

    let document = phone.driver.document(visits(), "42").unwrap().unwrap();
    assert_eq!((document.conflicts, document.deleted_concurrently), (1, false));
    assert_eq!(phone.driver.documents(visits(), KeyRange::default(), 10).unwrap(), [document]);
    let conflicts = phone.driver.conflicts(None, 10).unwrap();
    let Conflict { collection, key, field, .. } = conflicts[0].clone();
    assert_eq!((&*key, field.as_deref(), conflicts.len()), ("42", Some("c"), 1));
    assert_eq!(phone.driver.conflicts(Some(Position { collection, key, field }), 10).unwrap(), []);
    let resolve = |value| Change::ResolveField { collection: visits(), id: "42".into(), field: "c".into(), value };
    phone.write(&mut bucket, resolve(Some(b"5".to_vec())));
    assert_eq!(phone.driver.document(visits(), "42").unwrap().unwrap().value, b"{\"b\":2,\"c\":5}");
}

#[test]
fn many_changed_keys_are_not_named() {
    let (mut bucket, mut device) = (Bucket::default(), Device::new("laptop"));
    device.run(&mut bucket, Operation::Create { passphrase: None });
    for (many, named) in [(256, true), (257, false)] {
        device.events.clear();
        device.driver.write((0..many).map(|n| put(&format!("{n:03}"), "x")).collect(), device.now).unwrap();
        device.drain(&mut bucket);
        let keys: Vec<_> = device
            .events
            .iter()
            .filter_map(|event| match event {
                Output::Changed { keys, .. } => Some(keys.as_ref().map(Vec::len)),
                _ => None,
            })
            .collect();
        assert_eq!(keys, [named.then_some(many)]);
    }
}

#[test]
fn a_repeated_append_with_a_callers_key_adds_one_entry() {
    let (mut bucket, mut device) = (Bucket::default(), Device::new("laptop"));
    device.run(&mut bucket, Operation::Create { passphrase: None });
    let key = "0123456789abcdcdcdcdcdcdcdcdcdcd".to_owned();
    let append = |value: &str| Change::Append { collection: log(), key: Some(key.clone()), value: value.into() };
    for _ in 0..2 {
        assert_eq!(device.write(&mut bucket, append("git status")), key);
    }
    assert_eq!(device.driver.list(log(), KeyRange::default(), 10).unwrap().len(), 1);
    let other = device.driver.write(vec![append("git log")], device.now).unwrap_err();
    assert_eq!((other.kind(), other.object()), (ErrorKind::AlreadyExists, Some(&key[..])));

    // A call that is repeated after the entry was deleted doesn't bring it back.
    device.write(&mut bucket, Change::Delete { collection: log(), key: key.clone() });
    assert_eq!(device.write(&mut bucket, append("git status")), key);
    assert_eq!(device.driver.list(log(), KeyRange::default(), 10).unwrap(), []);

    let short = Change::Append { collection: log(), key: Some("0123".into()), value: Vec::new() };
    assert_eq!(device.driver.write(vec![short], device.now).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_cancelled_operation_ends_once_as_cancelled() {
    let (mut bucket, mut device) = (Bucket::default(), Device::new("laptop"));
    device.run(&mut bucket, Operation::Create { passphrase: None });
    let op = device.driver.start(Operation::Sync, device.now).unwrap();
    let sent = device.driver.drain(device.now).outputs;
    let requests: Vec<u64> = sent
        .iter()
        .filter_map(|output| match output {
            Output::Send { request } => Some(request.id),
            _ => None,
        })
        .collect();
    assert!(!requests.is_empty());
    device.driver.cancel(op, device.now);
    let mut aborted = Vec::new();
    let mut ended = Vec::new();
    for output in device.driver.drain(device.now).outputs {
        match output {
            Output::Abort { id } => aborted.push(id),
            Output::Failed { op, problem } => ended.push((op, problem.kind.into())),
            _ => {}
        }
    }
    assert_eq!((aborted, ended), (requests, vec![(op, ErrorKind::Cancelled)]));
}
