//! `export`, `import` and `reset`.

use crate::device::{Place, names};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

#[test]
fn an_archive_brings_a_vault_into_another() {
    let place = Place::new();
    let (one, _) = place.first();
    one.run(&["put", "m", "k", "v"]).ok();
    one.pipe(&["put", "m", "bytes"], &[0, 255]).ok();
    one.run(&["log", "append", "l", "entry"]).ok();
    let file = place.path("archive.jsonl");
    let file = file.to_str().unwrap();
    assert_eq!(one.json(&["export", file])["records"], 3);
    one.run(&["export", file]).refused(10);
    let to_stdout = one.run(&["export"]).ok();
    let rest = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(rest(&to_stdout), rest(&std::fs::read_to_string(file).unwrap()));

    let other = Place::new();
    let (two, _) = other.first();
    assert_eq!(two.json(&["import", file])["added"], 3);
    assert_eq!(two.json(&["import", file])["unchanged"], 3);
    assert_eq!(two.run(&["get", "m", "bytes"]).stdout, [0, 255]);
    assert_eq!(two.run(&["log", "list", "l"]).ok(), one.run(&["log", "list", "l"]).ok());
    two.pipe(&["import", "-"], to_stdout.as_bytes()).ok();
    assert!(two.pipe(&["import", "-"], b"hello\n").refused(2).contains("line 1"));
}

#[test]
fn reset_keeps_what_was_not_published() {
    let place = Place::new();
    let (one, code) = place.first();
    one.run(&["put", "m", "published", "v"]).ok();
    one.run(&["sync"]).ok();
    one.run(&["put", "m", "unpublished", "w"]).ok();
    one.run(&["log", "append", "l", "unpublished too"]).ok();
    let kept = one.json(&["reset"])["kept"].as_str().unwrap().to_owned();
    assert_eq!(names(&one.local), ["lock"]);
    one.run(&["get", "m", "published"]).refused(3);

    place.join("one", &code);
    assert_eq!(one.run(&["get", "m", "published"]).ok(), "v");
    one.run(&["get", "m", "unpublished"]).refused(3);
    one.run(&["import", &kept]).ok();
    assert_eq!(one.run(&["get", "m", "unpublished"]).ok(), "w");
    assert!(one.run(&["log", "list", "l"]).ok().ends_with("\tunpublished too\n"));
    one.run(&["sync"]).ok();
    assert!(one.json(&["reset"])["kept"].is_null(), "all was published");
}

#[test]
fn reset_moves_a_damaged_store_aside() {
    let place = Place::new();
    let (one, _) = place.first();
    let damaged = b"this is no database, though it is long enough to look like one".repeat(100);
    std::fs::write(one.local.join("store.db"), &damaged).unwrap();
    one.run(&["get", "m", "k"]).refused(9);
    let kept = one.json(&["reset"])["kept"].as_str().unwrap().to_owned();
    assert_eq!(std::fs::read(Path::new(&kept).join("store.db")).unwrap(), damaged);
    assert!(!one.local.exists());
}

#[test]
fn reset_keeps_what_the_bucket_may_have_lost() {
    let place = Place::new();
    let (one, _) = place.first();
    one.run(&["put", "m", "k", "v"]).ok();
    one.run(&["sync"]).ok();
    std::fs::remove_dir_all(place.path("bucket")).unwrap();
    std::fs::create_dir(place.path("bucket")).unwrap();
    assert_ne!(one.run(&["sync", "--force"]).code, Some(0));
    let status = one.json(&["status"]);
    assert_eq!((&status["pending"], status["last_error"].is_string()), (&0.into(), true), "{status}");
    let said = one.run(&["reset"]).refused(0);
    let kept = names(&place.path("")).into_iter().find(|name| name.ends_with(".jsonl")).expect(&said);
    let kept = place.path(&kept).display().to_string();
    assert!(said.contains(&format!("What was here is in {kept}")), "{said}");
    let other = Place::new();
    let (two, _) = other.first();
    two.run(&["import", &kept]).ok();
    assert_eq!(two.run(&["get", "m", "k"]).ok(), "v");
}

#[test]
fn reset_moves_nothing_aside_for_an_export_that_fails() {
    let place = Place::new();
    // Its own name is short enough, and so is a moved store's beside it; an archive's is not.
    let one = place.device(&"x".repeat(232));
    one.run(&["init", "--store", &place.store()]).ok();
    one.run(&["put", "m", "k", "v"]).ok();
    assert!(one.run(&["reset"]).refused(9).contains("can't be made"));
    assert_eq!(one.run(&["get", "m", "k"]).ok(), "v");
}

#[test]
fn half_an_archive_is_left_by_no_export() {
    const PAGE: usize = 4096;
    let place = Place::new();
    let (one, _) = place.first();
    let header = r#"{"tidelock_archive":1,"vault":null,"exported_unix_ms":0}"#;
    let line = |n: usize| {
        format!(r#"{{"kind":"map","name":"m","key":"{n:04}","value":"{}","stamp":{{"ms":1,"counter":0}}}}"#, "dg==")
    };
    let lines: Vec<String> = std::iter::once(header.to_owned()).chain((0..2000).map(line)).collect();
    one.pipe(&["import", "-"], lines.join("\n").as_bytes()).ok();
    // Damage that is met on the way: pages from the middle of the records.
    let store = one.local.join("store.db");
    let mut bytes = std::fs::read(&store).unwrap();
    for page in bytes.chunks_mut(PAGE).filter(|page| page.windows(4).any(|key| key == b"1500")) {
        page.fill(0);
    }
    std::fs::write(&store, bytes).unwrap();
    one.run(&["status"]).ok();
    assert!(one.run(&["reset"]).refused(9).contains("move the folder away"));
    one.run(&["export", place.path("archive.jsonl").to_str().unwrap()]).refused(9);
    assert_eq!(names(&place.path("")), ["bucket", "one"]);
}

#[test]
fn reset_leaves_alone_what_another_process_syncs() {
    let place = Place::new();
    let (one, _) = place.first();
    one.run(&["put", "m", "k", "v"]).ok();
    let lock = std::fs::File::open(one.local.join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(one.run(&["reset"]).refused(9).contains("another process"));
    assert_eq!(names(&place.path("")), ["bucket", "one"], "nothing was exported for nothing");
    drop(lock);
    one.run(&["reset"]).ok();
}

#[test]
fn reset_leaves_alone_what_another_process_may_write() {
    let place = Place::new();
    let (one, _) = place.first();
    let mut watch = one.command(&["watch", "--json"]).stdin(Stdio::null()).spawn().unwrap();
    let mut reports = BufReader::new(watch.stdout.take().unwrap()).lines();
    reports.next().unwrap().unwrap();
    let text = one.run(&["reset"]).refused(9);
    // It goes on as it was.
    one.run(&["put", "m", "k", "v"]).ok();
    assert!(reports.next().unwrap().unwrap().contains("\"ops_published\":1"));
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(text.contains("another process") && text.contains("hint: stop it"), "{text}");
    one.run(&["reset"]).ok();
}
