//! Several processes on one local store: nothing lost and no error shown, killed ones among them too.

use crate::device::{Device, Place, Ran};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

const PROCESSES: usize = 10;
const TURNS: usize = 12;
const KILLS: usize = 200;

#[test]
fn ten_processes_at_once_lose_nothing() {
    let place = Place::new();
    let (one, code) = place.first();
    let two = place.join("two", &code);
    one.run(&["put", "m", "before", "there"]).ok();
    let asked = Asked::default();
    asked.note(&put("before", "there"), true);
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            let (one, asked) = (&one, &asked);
            scope.spawn(move || {
                for turn in 0..TURNS {
                    // Each goes round the commands, from another one on.
                    let name = format!("{process}-{turn}");
                    match (process + turn) % 6 {
                        0 => asked.whole(one, append(&name)),
                        1 => asked.whole(one, put(&name, &value(&name))),
                        2 => drop(quiet(one, &["push"])),
                        3 => drop(quiet(one, &["sync"])),
                        4 => assert_eq!(quiet(one, &["get", "m", "before"])["value"], "there"),
                        _ => assert_eq!(quiet(one, &["status"])["conflicts"], 0),
                    }
                    // All write one key too: of one device, so it is no conflict.
                    quiet(one, &["put", "shared", "key", &name]);
                }
            });
        }
    });
    quiet(&one, &["sync"]);
    quiet(&two, &["sync"]);
    asked.check(&one);
    assert_same(&one, &two);
    let last = one.run(&["get", "shared", "key"]).ok();
    assert!(last.ends_with(&format!("-{}", TURNS - 1)), "{last}: a process's last put comes after its others");
}

/// Half the kills strike a process that is alone, half one among others at work: which of them die is the seed's.
#[test]
fn two_hundred_kills_lose_nothing() {
    let place = Place::new();
    let (one, code) = place.first();
    let two = place.join("two", &code);
    let asked = Asked::default();
    let mut dice = Dice(0x6b69_6c6c_2d39);
    let mut number = 0;
    let mut next = |what: usize| {
        number += 1;
        let name = format!("{number}");
        match what % 4 {
            0 => append(&name),
            1 => put(&name, &value(&name)),
            2 => Command::new(&["push"]),
            _ => Command::new(&["sync"]),
        }
    };
    // The longest moment to wait for, by command: as long as one takes here, and a little more.
    let spans: Vec<Duration> = (0..4)
        .map(|what| {
            let begun = Instant::now();
            asked.whole(&one, next(what));
            begun.elapsed() * 5 / 4
        })
        .collect();

    let mut kills = 0;
    let mut tries = 0;
    while kills < KILLS / 2 {
        tries += 1;
        let what = dice.below(4);
        // Something to publish, so that pushes and syncs are killed in the midst of it.
        asked.whole(&one, next(what / 2));
        kills += usize::from(asked.killed(&one, next(what), dice.part(spans[what])));
        if tries % 10 == 0 {
            asked.whole(&two, next(0));
            asked.whole(&two, next(3));
        }
    }
    while kills < KILLS {
        let victims = [(); 4].map(|()| {
            let what = dice.below(4);
            (next(what), dice.part(spans[what] * 3))
        });
        tries += victims.len();
        let workers = [0, 1, 2, 3].map(&mut next);
        let other = [next(1), next(3)];
        let (one, two, asked) = (&one, &two, &asked);
        kills += thread::scope(|scope| {
            let dying = victims.map(|(victim, after)| scope.spawn(move || asked.killed(one, victim, after)));
            for worker in workers {
                scope.spawn(move || asked.whole(one, worker));
            }
            scope.spawn(move || other.map(|command| asked.whole(two, command)));
            dying.map(|victim| usize::from(victim.join().unwrap())).iter().sum::<usize>()
        });
    }
    println!("{kills} processes killed, of {tries} that were to be");

    for device in [&one, &two, &one] {
        quiet(device, &["sync"]);
    }
    asked.check(&one);
    assert_same(&one, &two);
    for device in [&one, &two] {
        quiet(device, &["sync", "--force"]);
        let status = device.json(&["status"]);
        assert_eq!((&status["pending"], &status["debts"], &status["conflicts"]), (&0.into(), &0.into(), &0.into()));
    }
    asked.check(&one);
    assert_same(&one, &place.join("three", &code));
}

/// A command that may write: its arguments, and what is there if it did.
struct Command {
    arguments: Vec<String>,
    record: Option<(String, String)>,
    entries: Vec<String>,
}

impl Command {
    fn new(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        Self { arguments, record: None, entries: vec![] }
    }
}

fn put(key: &str, value: &str) -> Command {
    Command { record: Some((key.to_owned(), value.to_owned())), ..Command::new(&["put", "m", key, value]) }
}

/// Three entries, of which one is not there without the others.
fn append(name: &str) -> Command {
    let entries = ["a", "b", "c"].map(|part| format!("{name}/{part}"));
    let [a, b, c] = &entries;
    Command { entries: entries.to_vec(), ..Command::new(&["log", "append", "l", a, b, c]) }
}

/// Long enough that a manifest's tail overflows every ten puts or so, and segments are written.
fn value(name: &str) -> String {
    format!("{name};").repeat(1_500 / (name.len() + 1))
}

/// All that was asked for, each with whether the command said that it was done.
#[derive(Default)]
struct Asked {
    puts: Mutex<BTreeMap<String, (String, bool)>>,
    appends: Mutex<Vec<(Vec<String>, bool)>>,
}

impl Asked {
    fn note(&self, command: &Command, done: bool) {
        if let Some((key, value)) = &command.record {
            self.puts.lock().unwrap().insert(key.clone(), (value.clone(), done));
        }
        if !command.entries.is_empty() {
            self.appends.lock().unwrap().push((command.entries.clone(), done));
        }
    }

    /// Runs a command to its end; it shows no error.
    fn whole(&self, device: &Device, command: Command) {
        let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        quiet(device, &arguments);
        self.note(&command, true);
    }

    /// Kills a command after a while, and says whether it still ran.
    fn killed(&self, device: &Device, command: Command, after: Duration) -> bool {
        use std::os::unix::process::ExitStatusExt as _;
        let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        let mut child = device.command(&arguments).stdin(Stdio::null()).spawn().unwrap();
        thread::sleep(after);
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let killed = output.status.signal() == Some(9);
        let ran = Ran::of(&arguments, output);
        assert!(killed || ran.code == Some(0), "{}: {}", ran.what, ran.stderr);
        self.note(&command, !killed);
        killed
    }

    /// What is there is what was asked for: all that was said to be done, and each rest whole or not at all.
    #[track_caller]
    fn check(&self, device: &Device) {
        let mut records: BTreeMap<String, String> = lines(device, &["list", "m"])
            .into_iter()
            .map(|line| (line["key"].as_str().unwrap().to_owned(), line["value"].as_str().unwrap().to_owned()))
            .collect();
        for (key, (value, done)) in &*self.puts.lock().unwrap() {
            match records.remove(key) {
                Some(found) => assert_eq!(&found, value),
                None => assert!(!done, "put {key} is lost"),
            }
        }
        assert!(records.is_empty(), "nobody wrote {records:?}");

        let mut entries: BTreeMap<String, usize> = BTreeMap::new();
        for line in lines(device, &["log", "list", "l"]) {
            *entries.entry(line["value"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        for (appended, done) in &*self.appends.lock().unwrap() {
            let found: Vec<_> = appended.iter().filter_map(|entry| entries.remove(entry)).collect();
            let none = found.is_empty() && !done;
            assert!(none || found == [1, 1, 1], "{appended:?} (done: {done}) are there {found:?} times");
        }
        assert!(entries.is_empty(), "nobody appended {entries:?}");
    }
}

/// A command's one object; it shows no error, and a sync no report. On a slow machine it may tell how far it is.
#[track_caller]
fn quiet(device: &Device, arguments: &[&str]) -> Value {
    let output = device.command(&[arguments, &["--json"]].concat()).stdin(Stdio::null()).output().unwrap();
    let ran = Ran::of(arguments, output);
    let is_progress = |line: &str| line.starts_with("{\"progress\":") || line.starts_with("{\"waiting\":");
    assert!(ran.stderr.lines().all(is_progress), "{}: {}", ran.what, ran.stderr);
    let what = ran.what.clone();
    let object: Value = ran.ok().lines().next().map_or(Value::Null, |line| serde_json::from_str(line).unwrap());
    let reports = object["reports"].as_array().is_none_or(Vec::is_empty);
    assert!(reports, "{what}: {object}");
    object
}

fn lines(device: &Device, arguments: &[&str]) -> Vec<Value> {
    let text = device.run(&[arguments, &["--json"]].concat()).ok();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two devices hold the same, down to stamps: their archives differ in nothing but the header.
#[track_caller]
fn assert_same(one: &Device, two: &Device) {
    let records = |device: &Device| -> BTreeSet<String> {
        device.run(&["export"]).ok().lines().skip(1).map(str::to_owned).collect()
    };
    let (at_one, at_two) = (records(one), records(two));
    let only = |records: &BTreeSet<String>, others: &BTreeSet<String>| -> Vec<String> {
        records.difference(others).map(|line| line.chars().take(120).collect()).collect()
    };
    assert!(
        at_one == at_two,
        "only one has {:#?}\nonly two has {:#?}\none: {}\ntwo: {}",
        only(&at_one, &at_two),
        only(&at_two, &at_one),
        one.json(&["status"]),
        two.json(&["status"]),
    );
}

/// Xorshift (Marsaglia 2003): the same throws from the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    /// Any part of a span.
    fn part(&mut self, span: Duration) -> Duration {
        span * u32::try_from(self.below(1_000)).unwrap() / 1_000
    }
}
