//! The first push and the bootstrap of 100,000 records through the embedded server, each against the HTTP client alone
//! moving the objects that result, one after the other. Wall time: waiting counts.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, SamplingMode, criterion_group, criterion_main};
use futures::executor::block_on;
use std::collections::BTreeMap;
use tempfile::TempDir;
use tidelock::{Change, Collection, CredentialSource, Credentials, Options, Secret, Vault};
use tidelock_cli::serve::{ServeHandle, ServeKeys, ServeOptions};
use tidelock_conformance::Bucket;

const RECORDS: usize = 100_000;
/// The most changes of one write.
const BATCH: usize = 5_000;

/// The embedded server with an empty bucket.
struct Server {
    running: ServeHandle,
    credentials: Credentials,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::with_prefix("tidelock-").expect("a folder");
        let dir = folder.path().join("served");
        std::fs::create_dir_all(dir.join("bench")).expect("the bucket's folder");
        let keys = ServeKeys { access_key: "bench".to_owned(), secret_key: "a-key-for-the-bench".to_owned().into() };
        let running = ServeHandle::start(ServeOptions { dir, keys }).expect("the embedded server");
        let credentials = Credentials::new("bench", "a-key-for-the-bench", None).expect("keys");
        Self { running, credentials, folder }
    }

    fn uri(&self, prefix: &str) -> String {
        let address = self.running.address();
        format!("s3://bench/{prefix}?endpoint=http://{address}&path_style=true&region=us-east-1")
    }

    fn bucket(&self, prefix: &str) -> Bucket {
        Bucket::new(&self.uri(prefix), Some(self.credentials.clone()))
    }

    fn options(&self, prefix: &str, device: &str) -> Options {
        let local = self.folder.path().join(prefix).join(device);
        let mut options = Options::new(&self.uri(prefix), local).expect("an address");
        options.credentials = CredentialSource::Fixed(self.credentials.clone());
        options
    }

    /// A device whose records are not pushed yet.
    fn filled(&self, prefix: &str) -> (Vault, Secret) {
        let (vault, code) = block_on(Vault::create(self.options(prefix, "one"))).expect("a new vault");
        for start in (0..RECORDS).step_by(BATCH) {
            let changes = (start..start + BATCH).map(|number| Change::Put {
                collection: Collection::map("notes"),
                key: format!("{number:08}"),
                value: value(number),
            });
            block_on(vault.write(changes.collect())).expect("valid changes");
        }
        (vault, Secret::Recovery(code))
    }
}

/// 100 bytes that do not compress to nothing.
fn value(number: usize) -> Bytes {
    let words = (0u64..).map(|place| (number as u64 * 100 + place).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    words.flat_map(u64::to_le_bytes).take(100).collect()
}

fn sync(criterion: &mut Criterion) {
    let server = Server::start();
    let (vault, secret) = server.filled("whole");
    block_on(vault.sync()).expect("a push");
    let objects: BTreeMap<String, Bytes> = server.bucket("whole").objects();
    let bytes: usize = objects.values().map(Bytes::len).sum();
    println!("100,000 records are {} objects of {bytes} bytes", objects.len());

    let mut group = criterion.benchmark_group("100,000 records");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let mut prefixes = 0..;
    let mut prefix = move || format!("run-{}", prefixes.next().unwrap_or(0));
    group.bench_function("push", |bench| {
        let filled = || server.filled(&prefix()).0;
        bench.iter_batched(filled, |vault| block_on(vault.sync()).expect("a push"), BatchSize::PerIteration);
    });
    group.bench_function("the client alone PUTs the objects", |bench| {
        let copy = server.bucket("copy");
        bench.iter(|| objects.iter().for_each(|(key, body)| copy.put(key, body.clone())));
    });
    let mut names = 0..;
    group.bench_function("bootstrap", |bench| {
        let name = || format!("late-{}", names.next().unwrap_or(0));
        let join = |name: String| {
            block_on(Vault::join(server.options("whole", &name), secret.clone())).expect("a joined vault")
        };
        bench.iter_batched(name, join, BatchSize::PerIteration);
    });
    group.bench_function("the client alone GETs the objects", |bench| {
        let whole = server.bucket("whole");
        bench.iter(|| objects.keys().map(|key| whole.get(key).len()).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, sync);
criterion_main!(benches);
