//! `export`, `import` and `reset`.

use crate::device::{Place, names};
use std::path::Path;

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
