//! A table of what goes wrong outside Tidelock: each row is refused with its exit code, names its cause and the next
//! step, and loses nothing. Disks are small ones of the test's own.

use crate::device::{Device, Ran, write_secret};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tidelock_cli::serve::{ServeHandle, ServeKeys, ServeOptions};

/// What is done to a device, what spoils it, and how it ends.
struct Row {
    name: &'static str,
    vault: Kind,
    spoil: fn(&mut Stage),
    ask: fn(&Stage) -> Ask,
    code: i32,
    kind: &'static str,
    /// Words of the message or the object.
    cause: &'static [&'static str],
    /// Words of the next step.
    step: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Folder,
}
use Kind::{Folder, Server};

/// A command's arguments and stdin, on the device that has the vault or on one that has none yet.
struct Ask {
    newcomer: bool,
    arguments: Vec<String>,
    stdin: Vec<u8>,
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Secrets.
    Row { name: "another vault's recovery code", vault: Server, spoil: nothing,
        ask: |stage| join(stage, &stage.vault(Folder).code),
        code: 6, kind: "wrong-key", cause: &["opens no slot"], step: "recovery code" },
    Row { name: "a mistyped recovery code", vault: Server, spoil: nothing,
        ask: |stage| join(stage, &mistyped(&stage.vault(Server).code)),
        code: 2, kind: "invalid", cause: &["recovery code"], step: "compare it" },
    Row { name: "a wrong passphrase", vault: Server, spoil: nothing,
        ask: |stage| join(stage, "correct horse battery stable"),
        code: 6, kind: "wrong-key", cause: &["passphrase does not open"], step: "type it again" },
    Row { name: "a wrong secret key", vault: Server, spoil: |stage| stage.secret_key = "wrong".into(), ask: sync,
        code: 4, kind: "auth", cause: &["my-bucket", "SignatureDoesNotMatch"], step: "secret key" },
    Row { name: "an unknown access key", vault: Server, spoil: |stage| stage.access_key = "nobody".into(), ask: sync,
        code: 4, kind: "auth", cause: &["my-bucket", "InvalidAccessKeyId"], step: "access key" },
    Row { name: "no secret key", vault: Server, spoil: |stage| stage.secret_key.clear(), ask: sync,
        code: 4, kind: "auth", cause: &["AWS_SECRET_ACCESS_KEY"], step: "AWS_SECRET_ACCESS_KEY" },
    // What stands at the store's address.
    Row { name: "a bucket that never was", vault: Server, spoil: |stage| stage.at("no-bucket", stage.server.address()), ask: sync,
        code: 3, kind: "not-found", cause: &["no-bucket"], step: "create the bucket" },
    Row { name: "a first device without a bucket", vault: Server, spoil: |stage| stage.at("no-bucket", stage.server.address()),
        ask: |stage| init(&stage.elsewhere.clone().unwrap()),
        code: 3, kind: "not-found", cause: &["no-bucket"], step: "create the bucket" },
    Row { name: "a bucket that is gone", vault: Server, spoil: Stage::remove_buckets, ask: sync,
        code: 3, kind: "not-found", cause: &["my-bucket"], step: "create the bucket" },
    Row { name: "a folder that is gone", vault: Folder, spoil: Stage::remove_buckets, ask: sync,
        code: 5, kind: "network", cause: &["no such folder", "file://"], step: "folder" },
    // Nobody listens on the discard port of this machine.
    Row { name: "an endpoint that is down", vault: Server, spoil: |stage| stage.at("my-bucket", ([127, 0, 0, 1], 9).into()), ask: sync,
        code: 5, kind: "network", cause: &["cannot be reached", "127.0.0.1:9"], step: "endpoint" },
    Row { name: "a web page", vault: Server, spoil: |stage| stage.page("200 OK"), ask: sync,
        code: 5, kind: "network", cause: &["not an S3 answer", "web page"], step: "login page" },
    Row { name: "a web page for a first device", vault: Server, spoil: |stage| stage.page("200 OK"),
        ask: |stage| init(&stage.elsewhere.clone().unwrap()),
        code: 5, kind: "network", cause: &["not an S3 answer", "web page"], step: "login page" },
    Row { name: "a web page that forbids", vault: Server, spoil: |stage| stage.page("403 Forbidden"), ask: sync,
        code: 5, kind: "network", cause: &["not an S3 answer"], step: "login page" },
    Row { name: "a web page that leads on", vault: Server, spoil: |stage| stage.page("302 Found\r\nLocation: http://127.0.0.1:9/"), ask: sync,
        code: 5, kind: "network", cause: &["redirects elsewhere"], step: "login page" },
    Row { name: "a load balancer without a server", vault: Server, spoil: |stage| stage.page("503 Service Unavailable"), ask: sync,
        code: 5, kind: "throttled", cause: &["503"], step: "later" },
    // Disks.
    Row { name: "a put on a full disk", vault: Server, spoil: |stage| stage.device_disk.fill(64 << 10), ask: put_much,
        code: 9, kind: "local-store", cause: &["the disk is full"], step: "space" },
    Row { name: "an append on a full disk", vault: Server, spoil: |stage| stage.device_disk.fill(64 << 10),
        ask: |_| with_stdin(&["log", "append", "l"], vec![b'x'; 200_000]),
        code: 9, kind: "local-store", cause: &["the disk is full"], step: "space" },
    Row { name: "a newcomer on a full disk", vault: Server, spoil: |stage| stage.device_disk.fill(0),
        ask: |stage| join(stage, &stage.vault(Server).code),
        code: 9, kind: "local-store", cause: &["No space left", "config.toml"], step: "room" },
    Row { name: "a put on a read-only disk", vault: Server, spoil: |stage| stage.device_disk.read_only(true), ask: put,
        code: 9, kind: "local-store", cause: &["read-only"], step: "writable" },
    Row { name: "an append on a read-only disk", vault: Server, spoil: |stage| stage.device_disk.read_only(true),
        ask: |_| on_device(&["log", "append", "l", "entry"]),
        code: 9, kind: "local-store", cause: &["read-only"], step: "writable" },
    Row { name: "a sync on a read-only disk", vault: Server, spoil: |stage| stage.device_disk.read_only(true), ask: sync,
        code: 9, kind: "local-store", cause: &["read-only", "server/lock"], step: "writable" },
    Row { name: "a newcomer on a read-only disk", vault: Server, spoil: |stage| stage.device_disk.read_only(true),
        ask: |stage| join(stage, &stage.vault(Server).code),
        code: 9, kind: "local-store", cause: &["Read-only", "newcomer"], step: "writable" },
    Row { name: "a full folder", vault: Folder, spoil: |stage| stage.bucket_disk.fill(0), ask: sync,
        code: 5, kind: "network", cause: &["StorageFull"], step: "room" },
    Row { name: "a full server", vault: Server, spoil: |stage| stage.bucket_disk.fill(0), ask: sync,
        code: 5, kind: "network", cause: &["StorageFull"], step: "room" },
    Row { name: "a read-only folder", vault: Folder, spoil: |stage| stage.bucket_disk.read_only(true), ask: sync,
        code: 4, kind: "auth", cause: &["folder", "AccessDenied"], step: "read-only" },
    Row { name: "a read-only server", vault: Server, spoil: |stage| stage.bucket_disk.read_only(true), ask: sync,
        code: 4, kind: "auth", cause: &["my-bucket", "AccessDenied"], step: "keys may" },
    // The local store.
    Row { name: "a local store that is none", vault: Server, spoil: |stage| stage.damage(|_| b"no store ".repeat(1_000)),
        ask: |_| on_device(&["get", "m", "k"]),
        code: 9, kind: "local-store", cause: &["damaged", "server/store.db"], step: "join again" },
    Row { name: "a local store cut short", vault: Server, spoil: |stage| stage.damage(|store| store[..5_000].to_vec()), ask: sync,
        code: 9, kind: "local-store", cause: &["damaged", "server/store.db"], step: "join again" },
    Row { name: "a local store overwritten", vault: Server, spoil: |stage| stage.damage(overwritten), ask: put,
        code: 9, kind: "local-store", cause: &["damaged"], step: "join" },
    // What is typed.
    Row { name: "a store's name alone", vault: Server, spoil: nothing, ask: |_| init("my-bucket"),
        code: 2, kind: "invalid", cause: &["neither `s3://` nor `file://`"], step: "s3://BUCKET" },
    Row { name: "a store without a bucket", vault: Server, spoil: nothing, ask: |_| init("s3://"),
        code: 2, kind: "invalid", cause: &["bucket"], step: "s3://BUCKET" },
    Row { name: "an unknown part of an address", vault: Server, spoil: nothing, ask: |_| init("s3://my-bucket?colour=red"),
        code: 2, kind: "invalid", cause: &["colour"], step: "endpoint" },
    Row { name: "a web address", vault: Server, spoil: nothing, ask: |_| init("http://127.0.0.1/my-bucket"),
        code: 2, kind: "invalid", cause: &["neither `s3://` nor `file://`"], step: "s3://BUCKET" },
    Row { name: "a folder without its root", vault: Server, spoil: nothing, ask: |_| init("file://my-folder"),
        code: 2, kind: "invalid", cause: &["absolute path"], step: "file:///" },
    Row { name: "a key too long", vault: Server, spoil: nothing, ask: |_| on_device(&["put", "m", &"k".repeat(513), "v"]),
        code: 2, kind: "invalid", cause: &["key", "512"], step: "shorten" },
    Row { name: "a key of nothing", vault: Server, spoil: nothing, ask: |_| on_device(&["put", "m", "", "v"]),
        code: 2, kind: "invalid", cause: &["key", "512"], step: "key" },
    Row { name: "a value too long", vault: Server, spoil: nothing,
        ask: |_| with_stdin(&["put", "m", "k"], vec![0; (256 << 10) + 1]),
        code: 2, kind: "invalid", cause: &["value", "256 KiB"], step: "split" },
    Row { name: "an entry too long", vault: Server, spoil: nothing,
        ask: |_| with_stdin(&["log", "append", "l"], vec![b'x'; (256 << 10) + 1]),
        code: 2, kind: "invalid", cause: &["line 1", "256 KiB"], step: "split" },
];

#[test]
fn bad_input_is_refused_and_loses_nothing() {
    with_own_mounts("bad_input::bad_input_is_refused_and_loses_nothing", || {
        let mut stage = Stage::new();
        let mut wrong = vec![];
        for (number, row) in TABLE.iter().enumerate() {
            let key = format!("before row {number}");
            stage.run(row.vault, false, &["put", "m", &key, row.name], b"").ok();
            (row.spoil)(&mut stage);
            let ask = (row.ask)(&stage);
            let arguments: Vec<&str> = ask.arguments.iter().map(String::as_str).chain(["--json"]).collect();
            wrong.extend(row.wrong(&stage.run(row.vault, ask.newcomer, &arguments, &ask.stdin)));
            stage.heal();
        }
        for kind in [Server, Folder] {
            stage.run(kind, false, &["sync"], b"").ok();
            let code = &stage.vault(kind).code;
            stage
                .run(kind, true, &["join", "--store", &stage.vault(kind).store, "--secret-stdin"], code.as_bytes())
                .ok();
            let rows = TABLE.iter().enumerate().filter(|(_, row)| row.vault == kind);
            let mut expected: Vec<_> = rows.map(|(number, row)| format!("before row {number}\t{}", row.name)).collect();
            expected.sort();
            for newcomer in [false, true] {
                let listed = stage.run(kind, newcomer, &["list", "m"], b"").ok();
                assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
                assert_eq!(stage.run(kind, newcomer, &["log", "list", "l"], b"").ok(), "");
            }
            stage.heal();
        }
        assert!(wrong.is_empty(), "{}", wrong.concat());
    });
}

impl Row {
    /// What is not as the row has it.
    fn wrong(&self, ran: &Ran) -> Vec<String> {
        // Before it there may be how far the work is, on a slow machine.
        let told: Value = serde_json::from_str(ran.stderr.lines().last().unwrap_or_default()).unwrap_or_default();
        let text = |field: &str| told["error"][field].as_str().unwrap_or_default().to_owned();
        let cause = format!("{}: `{}`", text("message"), text("object"));
        let missing = |word: &&&str| !cause.contains(**word);
        let mut wrong: Vec<String> = self.cause.iter().filter(missing).map(|word| format!("no `{word}`")).collect();
        if (ran.code, text("kind").as_str()) != (Some(self.code), self.kind) {
            wrong.push(format!("ended with {:?}", ran.code));
        }
        if !text("hint").contains(self.step) {
            wrong.push(format!("no `{}` in the hint", self.step));
        }
        if !ran.stdout.is_empty() {
            wrong.push("printed data".to_owned());
        }
        wrong.iter().map(|what| format!("{}: {what}: {}", self.name, ran.stderr)).collect()
    }
}

fn nothing(_: &mut Stage) {}

fn on_device(arguments: &[&str]) -> Ask {
    with_stdin(arguments, vec![])
}

fn with_stdin(arguments: &[&str], stdin: Vec<u8>) -> Ask {
    Ask { newcomer: false, arguments: arguments.iter().map(|text| (*text).to_owned()).collect(), stdin }
}

fn sync(_: &Stage) -> Ask {
    on_device(&["sync"])
}

fn put(_: &Stage) -> Ask {
    on_device(&["put", "m", "refused", "v"])
}

fn put_much(_: &Stage) -> Ask {
    with_stdin(&["put", "m", "refused"], vec![b'x'; 200_000])
}

fn init(store: &str) -> Ask {
    Ask { newcomer: true, ..on_device(&["init", "--store", store]) }
}

fn join(stage: &Stage, secret: &str) -> Ask {
    let arguments = ["join", "--store", &stage.vault(Server).store, "--secret-stdin"];
    Ask { newcomer: true, ..with_stdin(&arguments, secret.into()) }
}

/// One symbol is another.
fn mistyped(code: &str) -> String {
    let slip = if code.starts_with('7') { '8' } else { '7' };
    format!("{slip}{}", &code[1..])
}

/// All pages but the first, which says whose file it is.
fn overwritten(store: &[u8]) -> Vec<u8> {
    let mut damaged = store.to_vec();
    damaged[4096..].fill(0xa5);
    damaged
}

/// Two vaults, one on a server and one in a folder, on a disk of their own; their devices on another.
struct Stage {
    folder: TempDir,
    device_disk: Disk,
    bucket_disk: Disk,
    server: ServeHandle,
    keys: ServeKeys,
    /// Those that the command gets.
    access_key: String,
    secret_key: String,
    /// Where the command is told that the store is.
    elsewhere: Option<String>,
    /// The device's file that was damaged.
    whole: Option<Vec<u8>>,
    pages: Vec<Answering>,
    vaults: Vec<Vault>,
}

struct Vault {
    store: String,
    code: String,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device_disk = Disk::mount(folder.path().join("devices"));
        let bucket_disk = Disk::mount(folder.path().join("disk"));
        let buckets = bucket_disk.path.join("buckets");
        for bucket in ["my-bucket", "my-folder"] {
            fs::create_dir_all(buckets.join(bucket)).unwrap();
        }
        let keys = ServeKeys::generate().unwrap();
        let server = ServeHandle::start(ServeOptions { dir: buckets.clone(), keys: keys.clone() }).unwrap();
        let stores = [
            format!("s3://my-bucket/notes?endpoint=http://{}", server.address()),
            format!("file://{}", buckets.join("my-folder").display()),
        ];
        let (access_key, secret_key) = (keys.access_key.clone(), keys.secret_key.to_string());
        let (elsewhere, whole, pages) = Default::default();
        let vaults = stores.map(|store| Vault { store, code: String::new() }).into();
        let mut stage = Self {
            folder,
            device_disk,
            bucket_disk,
            server,
            keys,
            access_key,
            secret_key,
            elsewhere,
            whole,
            pages,
            vaults,
        };
        let passphrase = stage.folder.path().join("passphrase");
        write_secret(&passphrase, "correct horse battery staple");
        for kind in [Server, Folder] {
            let store = stage.vault(kind).store.clone();
            let arguments = ["init", "--store", &store, "--passphrase-file", passphrase.to_str().unwrap()];
            stage.vaults[kind as usize].code = stage.run(kind, false, &arguments, b"").ok().trim().to_owned();
        }
        stage
    }

    fn vault(&self, kind: Kind) -> &Vault {
        &self.vaults[kind as usize]
    }

    fn device(&self, kind: Kind, newcomer: bool) -> Device {
        let name = match (newcomer, kind) {
            (true, _) => "newcomer",
            (false, Server) => "server",
            (false, Folder) => "folder",
        };
        Device { local: self.device_disk.path.join(name) }
    }

    fn run(&self, kind: Kind, newcomer: bool, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.device(kind, newcomer).command(arguments);
        command.env("AWS_ACCESS_KEY_ID", &self.access_key).env("AWS_SECRET_ACCESS_KEY", &self.secret_key);
        if let Some(elsewhere) = &self.elsewhere {
            command.env("TIDELOCK_STORE", elsewhere);
        }
        let mut child = command.spawn().unwrap();
        // Who refuses before it reads breaks the pipe.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        Ran::of(arguments, child.wait_with_output().unwrap())
    }

    fn at(&mut self, bucket: &str, server: SocketAddr) {
        self.elsewhere = Some(format!("s3://{bucket}/notes?endpoint=http://{server}"));
    }

    /// A web server that has one page for all.
    fn page(&mut self, status: &str) {
        let body = "<!DOCTYPE html><html><body>Welcome to the hotel</body></html>";
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}", body.len());
        let page = Answering::start(format!("{head}\r\nConnection: close\r\n\r\n{body}"));
        self.at("my-bucket", page.address);
        self.pages.push(page);
    }

    fn remove_buckets(&mut self) {
        for bucket in ["my-bucket", "my-folder"] {
            fs::rename(self.bucket(bucket), self.bucket_disk.path.join(bucket)).unwrap();
        }
    }

    fn bucket(&self, name: &str) -> PathBuf {
        self.bucket_disk.path.join("buckets").join(name)
    }

    fn damage(&mut self, damage: fn(&[u8]) -> Vec<u8>) {
        let whole = fs::read(self.device_file()).unwrap();
        fs::write(self.device_file(), damage(&whole)).unwrap();
        self.whole = Some(whole);
    }

    fn device_file(&self) -> PathBuf {
        self.device(Server, false).local.join("store.db")
    }

    /// Whatever was spoilt is as it was.
    fn heal(&mut self) {
        (self.access_key, self.secret_key) = (self.keys.access_key.clone(), self.keys.secret_key.to_string());
        self.elsewhere = None;
        self.device_disk.heal();
        self.bucket_disk.heal();
        for bucket in ["my-bucket", "my-folder"] {
            let aside = self.bucket_disk.path.join(bucket);
            if aside.exists() {
                fs::rename(aside, self.bucket(bucket)).unwrap();
            }
        }
        if let Some(whole) = self.whole.take() {
            fs::write(self.device_file(), whole).unwrap();
        }
        let newcomer = self.device(Server, true).local;
        if newcomer.exists() {
            fs::remove_dir_all(newcomer).unwrap();
        }
    }
}

/// Answers everything with one text.
struct Answering {
    address: SocketAddr,
}

impl Answering {
    fn start(answer: String) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut head = [0; 4096];
                let _ = client.read(&mut head);
                let _ = client.write_all(answer.as_bytes());
            }
        });
        Self { address }
    }
}

/// A disk of 8 MiB, in memory.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn mount(path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        mount(&["-t", "tmpfs", "-o", "size=8m", "tmpfs"], &path);
        Self { path }
    }

    /// Leaves no more than so many bytes.
    fn fill(&self, left: u64) {
        let mut ballast = File::create(self.ballast()).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
        let full = ballast.metadata().unwrap().len();
        ballast.set_len(full - left).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    fn read_only(&self, yes: bool) {
        mount(&["-o", if yes { "remount,ro" } else { "remount,rw" }], &self.path);
    }

    fn heal(&self) {
        self.read_only(false);
        let _ = fs::remove_file(self.ballast());
    }
}

fn mount(arguments: &[&str], target: &Path) {
    let status = Command::new("mount").args(arguments).arg(target).status().expect("`mount` is there");
    assert!(status.success(), "mount {arguments:?} {} failed", target.display());
}

/// Runs a test in a process with mounts of its own, which go with it: as root, else in a user namespace.
fn with_own_mounts(name: &str, test: fn()) {
    const INSIDE: &str = "TIDELOCK_TEST_HAS_OWN_MOUNTS";
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let unshare = |arguments: &[&str], program: &Path| {
        let mut command = Command::new("unshare");
        command.args(arguments).arg(program);
        command
    };
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--map-root-user"]];
    let allowed = |way: &&&[&str]| unshare(way, Path::new("true")).output().is_ok_and(|ran| ran.status.success());
    let way = ways.iter().find(allowed).expect(
        "this test mounts small disks: run it as root, or install util-linux and allow user namespaces, so that \
         `unshare --mount --map-root-user true` works",
    );
    let mut command = unshare(way, &std::env::current_exe().unwrap());
    let ran = command.args(["--exact", name, "--nocapture"]).env(INSIDE, "").output().unwrap();
    let told = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(ran.status.success() && told[0].contains("1 passed"), "{}\n{}", told[0], told[1]);
}
