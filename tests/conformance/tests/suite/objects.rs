//! Plain objects: `tidelock s3` and the crate's `Bucket` on every server.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidelock::ErrorKind;
use tidelock::bucket::{Bucket, Listed, Properties, Source};
use tidelock_conformance::{Fault, Place, Store};
use tidelock_core::s3::{Answer, Call, RequestKind};

/// Cases on every server; a folder has no plain objects, and of the dialects those matter that change listings.
macro_rules! on_servers {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use tidelock_conformance::{Place, Store};

            use super::$case as case;

            on_stores! { embedded: Embedded, versitygw: Versitygw, minio: Minio, moto: Moto, rclone: Rclone }
            on_garage!();
            on_ceph!();
        }
    )*};
}

on_servers![
    objects_come_back_as_they_went,
    listings_go_on_page_by_page,
    a_cut_read_goes_on_where_it_broke,
    a_killed_upload_goes_on_where_it_stopped,
    a_changed_file_is_uploaded_anew,
    a_lost_answer_to_completion_is_read_back,
    what_is_read_once_leaves_nothing_behind,
    buckets_are_named,
];
on_dialect![list_v1_only: ListV1Only; listings_go_on_page_by_page];
on_dialect![list_v2_refused: ListV2Refused; listings_go_on_page_by_page];
on_dialect![no_batch_delete: NoBatchDelete; listings_go_on_page_by_page];
on_dialect![encoding_only_claimed: EncodingOnlyClaimed; listings_go_on_page_by_page];
on_dialect![list_v2_goes_nowhere: ListV2GoesNowhere; listings_go_on_page_by_page];
on_dialect![quoted_never_matches: QuotedNeverMatches; a_cut_read_goes_on_where_it_broke];

const PART: usize = 8 << 20;

fn objects_come_back_as_they_went(place: &Place) {
    let content = noise(100_000);
    let file = file(place, "sea.bin", &content);
    let put = ["put", &file, "photos/sea ü.bin", "--content-type", "image/x-sea", "--meta", "place=Sylt"];
    assert_eq!(json(place, &put)["size"], 100_000);
    let empty = self::file(place, "empty", b"");
    assert_eq!(json(place, &["put", &empty, "photos/"])["key"], "photos/empty");

    let stat = json(place, &["stat", "photos/sea ü.bin"]);
    assert_eq!(stat["size"], 100_000);
    // The embedded server keeps content alone, as its folder does.
    if place.store() != Store::Embedded {
        assert_eq!((&stat["content_type"], &stat["metadata"]["place"]), (&"image/x-sea".into(), &"Sylt".into()));
    }

    let listed = lines(&succeeds(place, &["ls", "photos/", "--json"]));
    let keys: Vec<_> = listed.iter().map(|line| (line["key"].as_str(), line["size"].as_u64())).collect();
    assert_eq!(keys, [(Some("photos/empty"), Some(0)), (Some("photos/sea ü.bin"), Some(100_000))]);
    let rolled_up = lines(&succeeds(place, &["ls", "--json"]));
    assert_eq!(rolled_up, [serde_json::json!({ "prefix": "photos/" })]);

    let folder = place.local("files");
    json(place, &["get", "photos/sea ü.bin", folder.to_str().unwrap()]);
    assert!(std::fs::read(folder.join("sea ü.bin")).unwrap() == content);
    json(place, &["get", "photos/empty", folder.join("other").to_str().unwrap()]);
    assert_eq!(std::fs::read(folder.join("other")).unwrap(), b"");
    assert!(succeeds(place, &["get", "photos/sea ü.bin", "-"]).stdout == content);

    json(place, &["cp", "photos/sea ü.bin", "copy"]);
    assert!(succeeds(place, &["get", "copy", "-"]).stdout == content);

    assert_eq!(json(place, &["rm", "photos/empty", "photos/sea ü.bin", "copy"])["deleted"], 3);
    let gone = run(place, &["get", "photos/empty", "-", "--json"]);
    let error: Value = serde_json::from_slice(&gone.stderr).unwrap();
    assert_eq!((gone.status.code(), error["error"]["object"].as_str()), (Some(3), Some("photos/empty")), "{error}");
    assert_eq!(run(place, &["stat", "photos/empty"]).status.code(), Some(3));
    assert!(succeeds(place, &["ls", "--recursive"]).stdout.is_empty());
}

/// More objects than a page has.
const OBJECTS: usize = 1_003;

fn listings_go_on_page_by_page(place: &Place) {
    let bucket = bucket(place);
    let expected: BTreeSet<String> = (0..OBJECTS).map(|n| format!("many/{}/{n:04}", n % 2)).collect();
    with_runtime(async {
        let puts: Vec<_> =
            expected.iter().map(|key| bucket.put(key, Source::bytes("x"), Properties::default(), |_| ())).collect();
        for puts in in_chunks(puts, 16) {
            for put in futures::future::join_all(puts).await {
                put.unwrap();
            }
        }
        let mut listing = bucket.list("many/", None, u64::MAX);
        let mut listed = BTreeSet::new();
        while let Some(object) = listing.next().await.unwrap() {
            assert!(listed.insert(object.name().to_owned()), "{object:?} twice");
        }
        assert!(listed == expected, "{} of {OBJECTS}", listed.len());

        let before = place.proxy().unwrap().meter().list;
        let mut first = bucket.list("many/", None, 3);
        let mut count = 0;
        while first.next().await.unwrap().is_some() {
            count += 1;
        }
        // At most a refused form of the request, which is sent twice where it failed, and the simulator's pages of two.
        assert_eq!((count, place.proxy().unwrap().meter().list - before <= 4), (3, true));

        if matches!(place.store(), Store::Dialect(_)) {
            // The simulator knows no delimiters.
            return;
        }
        let mut rolled_up = bucket.list("many/", Some("/"), u64::MAX);
        let mut prefixes = Vec::new();
        while let Some(listed) = rolled_up.next().await.unwrap() {
            prefixes.push(listed);
        }
        assert_eq!(prefixes, [Listed::Prefix("many/0/".into()), Listed::Prefix("many/1/".into())]);
    });
    assert_eq!(json(place, &["rm", "--recursive", "many/"])["deleted"], OBJECTS);
    assert!(succeeds(place, &["ls", "--recursive"]).stdout.is_empty());
}

fn a_cut_read_goes_on_where_it_broke(place: &Place) {
    let content = noise(3 << 20);
    with_runtime(bucket(place).put("big", Source::bytes(content.clone()), Properties::default(), |_| ())).unwrap();
    let mut cuts = 0;
    place.faults().set(move |method, target| {
        let is_it = method == "GET" && target.split('?').next().is_some_and(|path| path.ends_with("/big")) && cuts < 2;
        cuts += usize::from(is_it);
        is_it.then_some(Fault::Cut)
    });
    let file = place.local("files").join("big");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    json(place, &["get", "big", file.to_str().unwrap()]);
    assert_eq!(place.faults().met(), 2);
    assert!(std::fs::read(&file).unwrap() == content);
    // Half came with the first answer, half of the rest with the second: what came was not sent again.
    let sent: u64 = place.proxy().unwrap().meter().bytes_received;
    if !matches!(place.store(), Store::Dialect(_)) {
        assert!(sent < (6 << 20), "{sent} bytes");
    }

    // What is another object by then is no continuation, and no file appears.
    let bucket = place.bucket();
    let mut gets = 0;
    place.faults().set(move |method, _| {
        gets += usize::from(method == "GET");
        match (method, gets) {
            ("GET", 1) => Some(Fault::Cut),
            ("GET", 2) => {
                // On a thread of its own: the proxy's has a runtime already.
                std::thread::scope(|scope| {
                    scope.spawn(|| bucket.put("big", noise(2 << 20)));
                });
                None
            }
            _ => None,
        }
    });
    let other = place.local("files").join("other");
    let ran = run(place, &["get", "big", other.to_str().unwrap(), "--json"]);
    let error: Value = serde_json::from_slice(&ran.stderr).unwrap();
    assert_eq!((ran.status.code(), error["error"]["kind"].as_str()), (Some(9), Some("busy")), "{error}");
    assert!(!other.exists());
    let left = std::fs::read_dir(place.local("files")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains(".part")));
}

/// Eight parts of 8 MiB.
const BIG: usize = 64 << 20;

fn a_killed_upload_goes_on_where_it_stopped(place: &Place) {
    let content = noise(BIG);
    let file = file(place, "big", &content);
    // The sixth part never arrives, so the run can't end before it is killed.
    place
        .faults()
        .set(|_, target| part_of(target).filter(|part| *part == 6).map(|_| Fault::Silence { after_effect: false }));
    let mut killed = start(place, &["put", &file, "big"]);
    wait_for("three parts", || parts_stored(place).len() >= 3);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Those that were still on their way have ended by the time the next request is answered or soon after.
    let stored = parts_stored(place);
    place.faults().clear();
    assert_eq!(head(place, "big"), None, "a reader saw a part of it");

    let requests_before = place.proxy().unwrap().seen().requests.len();
    let done = AtomicBool::new(false);
    let (put, seen) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                seen.insert(head(place, "big"));
            }
            seen
        });
        let put = json(place, &["put", &file, "big"]);
        done.store(true, Ordering::Relaxed);
        (put, reader.join().unwrap())
    });
    assert!(seen.iter().all(|len| len.is_none_or(|len| len == BIG as u64)), "{seen:?}");
    assert_eq!((&put["size"], &put["parts"]), (&BIG.into(), &8.into()));
    assert!(put["resumed"].as_u64().unwrap() >= (stored.len() * PART) as u64, "{put} after {stored:?}");
    let sent_again: BTreeSet<u32> = place.proxy().unwrap().seen().requests[requests_before..]
        .iter()
        .filter_map(|asked| part_of(&asked.target))
        .collect();
    assert!(sent_again.is_disjoint(&stored), "{sent_again:?} of {stored:?} were sent again");
    assert!(sent_again.len() <= 8 - stored.len(), "{sent_again:?}");
    assert!(succeeds(place, &["get", "big", "-"]).stdout == content);
    assert_eq!(std::fs::read_dir(place.local("cli").join("uploads")).unwrap().count(), 0, "nothing is remembered");
    // Nothing is left of either run.
    assert_eq!(json(place, &["clean", "big", "--hours", "0"])["aborted"].as_array().unwrap().len(), 0);
}

fn a_changed_file_is_uploaded_anew(place: &Place) {
    let file = file(place, "big", &noise(3 * PART));
    place
        .faults()
        .set(|_, target| part_of(target).filter(|part| *part == 2).map(|_| Fault::Silence { after_effect: false }));
    let mut killed = start(place, &["put", &file, "big"]);
    wait_for("all parts but one", || parts_stored(place).len() == 2);
    killed.kill().unwrap();
    killed.wait().unwrap();
    place.faults().clear();
    let other = noise(3 * PART + 7);
    std::fs::write(&file, &other).unwrap();
    let put = json(place, &["put", &file, "big"]);
    assert_eq!((&put["resumed"], &put["parts"]), (&0.into(), &4.into()));
    assert!(succeeds(place, &["get", "big", "-"]).stdout == other);
    assert_eq!(json(place, &["clean", "big", "--hours", "0"])["aborted"].as_array().unwrap().len(), 0);

    // One that nobody takes up is given up on request.
    place
        .faults()
        .set(|_, target| part_of(target).filter(|part| *part == 2).map(|_| Fault::Silence { after_effect: false }));
    let before = times_stored(place);
    let mut killed = start(place, &["put", &file, "big", "--content-type", "text/plain"]);
    wait_for("all parts but one", || times_stored(place) == before + 3);
    killed.kill().unwrap();
    killed.wait().unwrap();
    place.faults().clear();
    // To moto all uploads were begun in 2010.
    if place.store() != Store::Moto {
        assert_eq!(json(place, &["clean", "big"])["aborted"].as_array().unwrap().len(), 0, "it is not a day old");
    }
    assert_eq!(json(place, &["clean", "big", "--hours", "0"])["aborted"], serde_json::json!(["big"]));
    assert_eq!(json(place, &["put", &file, "big"])["resumed"], 0);
}

fn a_lost_answer_to_completion_is_read_back(place: &Place) {
    let content = noise(2 * PART);
    let mut completions = 0;
    place.faults().set(move |method, target| {
        let is_it = method == "POST" && target.contains("uploadId=") && completions == 0;
        completions += usize::from(is_it);
        is_it.then_some(Fault::Reset { after_effect: true })
    });
    let file = file(place, "big", &content);
    assert_eq!(json(place, &["put", &file, "big"])["parts"], 2);
    assert_eq!(place.faults().met(), 1);
    assert!(succeeds(place, &["get", "big", "-"]).stdout == content);
}

fn what_is_read_once_leaves_nothing_behind(place: &Place) {
    let content = noise(2 * PART + 1);
    let file = file(place, "big", &content);
    let put = |expected| {
        let stdin = Stdio::from(File::open(&file).unwrap());
        let ran = command(place, &["put", "-", "piped", "--json"]).stdin(stdin).output().unwrap();
        assert_eq!(ran.status.code(), Some(expected), "{ran:?}");
    };
    put(0);
    assert!(succeeds(place, &["get", "piped", "-"]).stdout == content);
    // The third part is refused for good.
    place.faults().set(|_, target| part_of(target).filter(|part| *part == 3).map(|_| Fault::Status(403)));
    // The proxy's refusals all carry a code that asks for patience.
    put(5);
    place.faults().clear();
    assert_eq!(json(place, &["clean", "piped", "--hours", "0"])["aborted"].as_array().unwrap().len(), 0);
    assert!(succeeds(place, &["get", "piped", "-"]).stdout == content, "what was there stays");
}

fn buckets_are_named(place: &Place) {
    let name = place.uri().split(['/', '?']).nth(2).unwrap().to_owned();
    let buckets = lines(&succeeds(place, &["buckets", "--json"]));
    assert!(buckets.iter().any(|bucket| bucket["bucket"] == name.as_str()), "{name} is not in {buckets:?}");
}

/// The stores that keep both and need no key service; MinIO and versitygw refuse the one or ignore the other.
#[test]
fn encryption_and_storage_class_are_as_asked_for() {
    let place = Place::new(Store::Moto);
    let (one_part, parts) = (file(&place, "small", b"small"), file(&place, "big", &noise(PART + 1)));
    for (file, key) in [(&one_part, "small"), (&parts, "big")] {
        json(&place, &["put", file, key, "--sse", "--storage-class", "STANDARD_IA"]);
        let stat = json(&place, &["stat", key]);
        let store = serde_json::json!({ "kind": "store" });
        assert_eq!((&stat["encryption"], &stat["storage_class"]), (&store, &"STANDARD_IA".into()), "{stat}");
        json(&place, &["put", file, key, "--sse-kms=alias/notes"]);
        let stat = json(&place, &["stat", key]);
        let kms = serde_json::json!({ "kind": "kms", "key_id": "alias/notes" });
        assert_eq!(stat["encryption"], kms, "{stat}");
        assert!(stat["storage_class"].is_null(), "the standard one has no header: {stat}");
    }
}

/// On request: TIDELOCK_TEST_BIG_MIB=5120 cargo xtask servers versitygw -- cargo test … -- --ignored --exact \
/// objects::a_huge_sparse_file_takes_little_memory
#[test]
#[ignore = "takes as many bytes of disk as it sends, three times"]
fn a_huge_sparse_file_takes_little_memory() {
    let mib: u64 = std::env::var("TIDELOCK_TEST_BIG_MIB").map_or(5 << 10, |mib| mib.parse().unwrap());
    let place = Place::new(Store::Versitygw);
    let source = file(&place, "huge", b"");
    let sparse = File::options().write(true).open(&source).unwrap();
    sparse.set_len(mib << 20).unwrap();
    // Something at either end, so that an order of parts shows.
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"begin", 0).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (mib << 20) - 3).unwrap();
    let back = place.local("files").join("back");
    // Past the proxy, which keeps what it sees in memory.
    for arguments in [["put", &source, "huge"], ["get", "huge", back.to_str().unwrap()]] {
        let mut ran = command(&place, &arguments).env("TIDELOCK_STORE", place.direct_uri()).spawn().unwrap();
        let mut peak_kib = 0;
        let status = loop {
            peak_kib = peak_kib.max(peak_memory_kib(ran.id()));
            if let Some(status) = ran.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        println!("{}: {mib} MiB with {peak_kib} KiB at most", arguments[0]);
        assert!(status.success());
        assert!(peak_kib > 0 && peak_kib < 64 << 10, "{peak_kib} KiB");
    }
    assert!(Command::new("cmp").args([&source, back.to_str().unwrap()]).status().unwrap().success());
    json(&place, &["rm", "huge"]);
}

/// The most memory that a process had resident so far; 0 if it is gone.
fn peak_memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_folder_is_no_place_for_plain_objects() {
    let place = Place::new(Store::Folder);
    let error = Bucket::new(place.options("cli")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().unwrap().contains("tidelock serve"));
    assert_eq!(run(&place, &["ls", &place.uri()]).status.code(), Some(12));
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock-under-test"));
    let (access_key, secret_key) = place.keys().unwrap_or(("none", "none"));
    command
        .arg("s3")
        .args(arguments)
        .env("TIDELOCK_LOCAL", place.local("cli"))
        .env("TIDELOCK_STORE", place.uri())
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", secret_key)
        .env_remove("AWS_SESSION_TOKEN");
    command
}

pub(super) fn run(place: &Place, arguments: &[&str]) -> Output {
    command(place, arguments).output().unwrap()
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    command(place, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

pub(super) fn succeeds(place: &Place, arguments: &[&str]) -> Output {
    let ran = run(place, arguments);
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran
}

pub(super) fn json(place: &Place, arguments: &[&str]) -> Value {
    let ran = succeeds(place, &[arguments, &["--json"]].concat());
    serde_json::from_slice(&ran.stdout).unwrap()
}

pub(super) fn lines(ran: &Output) -> Vec<Value> {
    ran.stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

pub(super) fn bucket(place: &Place) -> Bucket {
    Bucket::new(place.options("crate")).unwrap()
}

pub(super) fn with_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn in_chunks<T>(all: Vec<T>, size: usize) -> Vec<Vec<T>> {
    let mut chunks = Vec::new();
    let mut all = all.into_iter().peekable();
    while all.peek().is_some() {
        chunks.push(all.by_ref().take(size).collect());
    }
    chunks
}

/// A file in the place's folder; its path.
fn file(place: &Place, name: &str, content: &[u8]) -> String {
    let folder: PathBuf = place.local("files");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.source"));
    let path = if name.contains('.') || name == "empty" { folder.join(name) } else { path };
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The object's length, past the proxy; `None` if there is none.
fn head(place: &Place, key: &str) -> Option<u64> {
    match place.bucket().try_call(&Call::HeadObject { key: key.to_owned() }).map_err(|failure| failure.error).unwrap() {
        Answer::Head { len, .. } => Some(len),
        _ => None,
    }
}

/// The number of the part that a request to this target writes.
fn part_of(target: &str) -> Option<u32> {
    target.split(['?', '&']).find_map(|parameter| parameter.strip_prefix("partNumber="))?.parse().ok()
}

/// Parts that the server took, by what passed the proxy.
fn parts_stored(place: &Place) -> BTreeSet<u32> {
    let seen = place.proxy().unwrap().seen();
    let stored = seen.requests.iter().filter(|asked| asked.status == Some(200) && asked.kind == RequestKind::Put);
    stored.filter_map(|asked| part_of(&asked.target)).collect()
}

/// How often the server took a part.
fn times_stored(place: &Place) -> usize {
    let seen = place.proxy().unwrap().seen();
    let stored = seen.requests.iter().filter(|asked| asked.status == Some(200) && asked.kind == RequestKind::Put);
    stored.filter(|asked| part_of(&asked.target).is_some()).count()
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes without a pattern, the same for the same length (xorshift, <https://doi.org/10.18637/jss.v008.i14>).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ len as u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
