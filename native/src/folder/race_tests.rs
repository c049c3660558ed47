//! Races of threads and of processes. The processes are this test program again, running one of the ignored tests.

use super::tests::{folder, stored};
use super::*;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;

const THREADS: usize = 16;
const PROCESSES: usize = 6;
const ROUNDS: usize = 5;
const ROOT: &str = "TIDELOCK_TEST_FOLDER";

#[test]
fn of_sixteen_threads_one_creates() {
    let (_directory, folder) = folder();
    for round in 0..ROUNDS {
        let key = format!("race/{round}");
        let barrier = Barrier::new(THREADS);
        let won: Vec<bool> = thread::scope(|scope| {
            let racers: Vec<_> = (0..THREADS)
                .map(|me| {
                    let (folder, key, barrier) = (&folder, &key, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        create(folder, key, me)
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        check_one_winner(&folder, &key, &won);
    }
}

#[test]
fn of_sixteen_threads_none_loses_an_update() {
    let (_directory, folder) = folder();
    folder.put("counter", b"0", Condition::IfAbsent).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..ROUNDS).for_each(|_| count_up(&folder)));
        }
    });
    assert_eq!(counter(&folder).0, THREADS * ROUNDS);
}

#[test]
fn of_several_processes_one_creates() {
    let (_directory, folder) = folder();
    let mut racers: Vec<Racer> = (0..PROCESSES).map(|_| Racer::start(&folder, "create_when_told")).collect();
    for round in 0..ROUNDS {
        for (me, racer) in racers.iter_mut().enumerate() {
            racer.tell(&format!("race/{round} {me}"));
        }
        let won: Vec<bool> = racers.iter_mut().map(|racer| racer.hear() == "true").collect();
        check_one_winner(&folder, &format!("race/{round}"), &won);
    }
}

#[test]
fn of_several_processes_none_loses_an_update() {
    let (_directory, folder) = folder();
    folder.put("counter", b"0", Condition::IfAbsent).unwrap();
    let mut racers: Vec<Racer> = (0..PROCESSES).map(|_| Racer::start(&folder, "count_when_told")).collect();
    racers.iter_mut().for_each(|racer| racer.tell("go"));
    racers.iter_mut().for_each(|racer| assert_eq!(racer.hear(), "done"));
    assert_eq!(counter(&folder).0, PROCESSES * ROUNDS);
}

/// Each object is one byte repeated; a reader that meets two of them, another length, or one ETag for two, saw a tear.
#[test]
fn a_reader_meets_whole_objects_only() {
    let (_directory, folder) = folder();
    folder.put("k", &[0], Condition::Always).unwrap();
    let mut writer = Racer::start(&folder, "write_for_ever");
    writer.tell("go");
    let mut bodies = BTreeMap::new();
    while bodies.len() < 50 {
        let Got::Object { meta, body, .. } = folder.get("k", None, None, u64::MAX).unwrap() else {
            panic!("the object was gone");
        };
        assert_eq!(body.len(), object(body[0]).len());
        assert!(body.iter().all(|byte| *byte == body[0]));
        let first = body[0];
        assert_eq!(*bodies.entry(meta.etag()).or_insert(first), first);
        let listing = folder.list("", "", 10).unwrap();
        assert_eq!(listing.entries.len(), 1);
    }
    writer.child.kill().unwrap();
    writer.child.wait().unwrap();
    stored(folder.put("k", b"", Condition::Always).unwrap());
    assert_eq!(folder.list("", "", 10).unwrap().entries.len(), 1);
}

#[test]
fn a_killed_process_frees_the_lock() {
    let (_directory, folder) = folder();
    let mut holder = Racer::start(&folder, "hold_the_lock");
    holder.tell("go");
    assert_eq!(holder.hear(), "held");
    let lock = File::open(folder.root().join(".tidelock/lock")).unwrap();
    assert!(lock.try_lock().is_err());
    drop(lock);
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
    stored(folder.put("k", b"", Condition::IfAbsent).unwrap());
}

#[test]
#[ignore = "run by a test above, in a process of its own"]
fn create_when_told() {
    let folder = told_folder();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (key, me) = line.split_once(' ').unwrap();
        say(&create(&folder, key, me.parse().unwrap()).to_string());
    }
}

#[test]
#[ignore = "run by a test above, in a process of its own"]
fn count_when_told() {
    let folder = told_folder();
    wait_for_word();
    (0..ROUNDS).for_each(|_| count_up(&folder));
    say("done");
}

#[test]
#[ignore = "run by a test above, in a process of its own"]
fn write_for_ever() {
    let folder = told_folder();
    wait_for_word();
    for byte in (0..=255).cycle() {
        folder.put("k", &object(byte), Condition::Always).unwrap();
    }
}

#[test]
#[ignore = "run by a test above, in a process of its own"]
fn hold_the_lock() {
    let folder = told_folder();
    wait_for_word();
    let _lock = folder.lock().unwrap();
    say("held");
    wait_for_word();
}

fn create(folder: &Folder, key: &str, me: usize) -> bool {
    match folder.put(key, me.to_string().as_bytes(), Condition::IfAbsent).unwrap() {
        Put::Stored(_) => true,
        Put::Refused => false,
        Put::Missing => panic!("nothing was to be matched"),
    }
}

fn check_one_winner(folder: &Folder, key: &str, won: &[bool]) {
    let winners: Vec<usize> = (0..won.len()).filter(|me| won[*me]).collect();
    assert_eq!(winners.len(), 1, "{winners:?} all created {key}");
    let Got::Object { body, .. } = folder.get(key, None, None, 100).unwrap() else {
        panic!("nobody created {key}");
    };
    assert_eq!(body, winners[0].to_string());
}

fn counter(folder: &Folder) -> (usize, String) {
    let Got::Object { meta, body, .. } = folder.get("counter", None, None, 100).unwrap() else {
        panic!("the counter was gone");
    };
    (std::str::from_utf8(&body).unwrap().parse().unwrap(), meta.etag())
}

fn count_up(folder: &Folder) {
    loop {
        let (count, etag) = counter(folder);
        let next = (count + 1).to_string();
        if let Put::Stored(_) = folder.put("counter", next.as_bytes(), Condition::IfMatch(&etag)).unwrap() {
            return;
        }
    }
}

/// Long enough for several system calls.
fn object(byte: u8) -> Vec<u8> {
    vec![byte; 1 + 5_000 * usize::from(byte)]
}

/// Another process that runs one of the ignored tests on the folder and does as told.
struct Racer {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Racer {
    fn start(folder: &Folder, test: &str) -> Self {
        let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "--quiet", &name])
            .env(ROOT, folder.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{word}").unwrap();
    }

    /// The next answer; what the test harness prints itself is passed over.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the process ended without an answer");
            if let Some((_, answer)) = line.trim_end().split_once("answer: ") {
                return answer.to_owned();
            }
        }
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        // Those that wait for a word end by themselves when nobody is left to give it.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn told_folder() -> Folder {
    Folder::open(std::env::var_os(ROOT).expect("the test that starts this one names the folder")).unwrap()
}

fn wait_for_word() {
    std::io::stdin().lines().next();
}

fn say(answer: &str) {
    println!("answer: {answer}");
}
