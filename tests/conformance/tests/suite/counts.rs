//! Request counts on the embedded server with 100,000 records, counted by the proxy: the countable lines of the design's
//! §10, and the command's own counts beside them.

use serde_json::{Value, json};
use std::process::Command;
use tidelock::{Change, Collection, Meter, Secret};
use tidelock_conformance::{Device, Open, Place, Store};

const RECORDS: usize = 100_000;
const COLLECTIONS: usize = 50;
/// The most changes of one write.
const CHANGES_MAX: usize = 5_000;

#[test]
fn two_devices_with_a_hundred_thousand_records() {
    budgets(2);
}

#[test]
fn ten_devices_with_a_hundred_thousand_records() {
    budgets(10);
}

fn budgets(devices: usize) {
    let place = Place::new(Store::Embedded);
    let (one, secret) = place.create("0");
    let mut all = vec![one];
    all.extend((1..devices).map(|number| place.join(&number.to_string(), &secret)));
    for (number, device) in all.iter_mut().enumerate() {
        fill(device, number, RECORDS / devices);
        device.push();
    }
    // Everybody takes everything, then hears that the others did.
    for _ in 0..2 {
        all.iter_mut().for_each(|device| drop(device.sync()));
    }

    // Bootstrap: from nothing to everything.
    let before = meter(&place);
    let mut late = place.join("late", &secret);
    let bootstrap = meter(&place).since(&before);
    assert!(bootstrap.requests() <= 40, "{bootstrap:?}");
    assert_eq!(records(&mut late), RECORDS);
    all.push(late);
    for _ in 0..2 {
        all.iter_mut().for_each(|device| drop(device.sync()));
    }

    for device in &mut all {
        let idle = cost(&place, || drop(device.sync()));
        // An answer 304 has no body.
        assert_eq!(idle, Meter { get: 1, ..Meter::default() });
    }
    let [one, .., late] = all.as_mut_slice() else { panic!("two devices at least") };
    for number in 0..20 {
        one.put(&collection(number), "small", &format!("change {number}"));
        let bucket = place.bucket();
        let before = bucket.keys().len();
        let push = cost(&place, || drop(one.push()));
        // A segment is written when the tail overflows, and a snapshot now and then; both have new names.
        let new = bucket.keys().len().saturating_sub(before) as u64;
        assert!(push.put <= 2 + new && new == 0, "{push:?}, {new} new objects");
        assert_eq!((push.get, push.list, push.head, push.post, push.delete), (1, 0, 0, 0, 0), "{push:?}");
        let pull = cost(&place, || drop(late.pull()));
        assert!(pull.get <= 3, "{pull:?}");
        assert_eq!(pull.requests(), pull.get, "{pull:?}");
    }

    // What the devices counted, together, is what passed through.
    let own = all.iter_mut().map(|device| device.status().meter).fold(Meter::default(), |sum, one| sum.plus(&one));
    assert_eq!(own, meter(&place));
    let objects = place.bucket().keys().len();
    assert!(objects <= 200, "{objects}");
}

#[test]
fn the_commands_counts_are_the_proxys() {
    let place = Place::new(Store::Embedded);
    let (mut one, secret) = place.create("one");
    fill(&mut one, 0, RECORDS);
    one.sync();

    let Secret::Recovery(code) = &secret else { panic!("a code") };
    let code_file = place.local("code");
    std::fs::write(&code_file, code.reveal().as_str()).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&code_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let start = meter(&place);
    run(&place, &["join", "--name", "two", "--store", &place.uri(), "--secret-file", code_file.to_str().unwrap()]);
    let bootstrap = meter(&place).since(&start);
    assert!(bootstrap.requests() <= 40, "{bootstrap:?}");
    assert_eq!(counts(&run(&place, &["status", "--json"])), as_json(&bootstrap));

    run(&place, &["sync", "--json"]);
    one.sync();
    sync_counts_as_the_proxy_does(&place);
    one.put("todo", "milk", "two litres");
    one.sync();
    sync_counts_as_the_proxy_does(&place);
    run(&place, &["put", "todo", "bread", "one loaf"]);
    sync_counts_as_the_proxy_does(&place);
    for command in ["pull", "push"] {
        counts_as_the_proxy_does(&place, &[command, "--json"]);
    }
    counts_as_the_proxy_does(&place, &["sync", "--force", "--json"]);
    one.sync();
    assert_eq!(one.map("todo"), [("bread", "one loaf"), ("milk", "two litres")].map(|(k, v)| (k.into(), v.into())));
}

fn sync_counts_as_the_proxy_does(place: &Place) {
    counts_as_the_proxy_does(place, &["sync", "--json"]);
}

fn counts_as_the_proxy_does(place: &Place, arguments: &[&str]) {
    let before = meter(place);
    let told = run(place, arguments);
    let passed = meter(place).since(&before);
    assert!(passed.requests() > 0);
    assert_eq!(counts(&told), as_json(&passed), "{arguments:?}");
}

/// Runs the command as device two; what it printed.
fn run(place: &Place, arguments: &[&str]) -> Value {
    let (access_key, secret_key) = place.keys().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_tidelock-under-test"))
        .args(arguments)
        .env("TIDELOCK_LOCAL", place.local("two"))
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", secret_key)
        .env_remove("AWS_SESSION_TOKEN")
        .output()
        .unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    if arguments.contains(&"--json") { serde_json::from_slice(&out.stdout).unwrap() } else { Value::Null }
}

/// The counts in what a command printed.
fn counts(told: &Value) -> Value {
    json!({
        "requests": told["requests"],
        "bytes_sent": told["bytes_sent"],
        "bytes_received": told["bytes_received"],
    })
}

fn as_json(meter: &Meter) -> Value {
    json!({
        "requests": {
            "GET": meter.get, "PUT": meter.put, "DELETE": meter.delete,
            "LIST": meter.list, "HEAD": meter.head, "POST": meter.post,
        },
        "bytes_sent": meter.bytes_sent,
        "bytes_received": meter.bytes_received,
    })
}

fn meter(place: &Place) -> Meter {
    place.proxy().unwrap().meter()
}

fn cost(place: &Place, work: impl FnOnce()) -> Meter {
    let before = meter(place);
    work();
    meter(place).since(&before)
}

fn collection(number: usize) -> String {
    format!("collection {}", number % COLLECTIONS)
}

/// New records of 100 B, spread over the collections.
fn fill(device: &mut Open, writer: usize, many: usize) {
    let change = |number: usize| Change::Put {
        collection: Collection::map(collection(number)),
        key: format!("{writer}/{number}"),
        value: hundred_bytes(writer * RECORDS + number).into(),
    };
    for start in (0..many).step_by(CHANGES_MAX) {
        device.write((start..many.min(start + CHANGES_MAX)).map(change).collect()).unwrap();
    }
}

/// Letters that hardly compress: each 16 hold 64 bits of a sequence without a short pattern (splitmix64,
/// <https://doi.org/10.1145/2714064.2660195>).
fn hundred_bytes(number: usize) -> Vec<u8> {
    let words = (1..=7_u64).map(|word| {
        let z = (number as u64 * 7 + word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        format!("{:016x}", z ^ (z >> 31))
    });
    let mut text = words.collect::<String>().into_bytes();
    text.truncate(100);
    text
}

fn records(device: &mut Open) -> usize {
    (0..COLLECTIONS).map(|number| device.map(&collection(number)).len()).sum()
}
