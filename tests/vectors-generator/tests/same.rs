//! What is in `tests/vectors` is what the generator writes, byte for byte, each time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_files_are_the_generators() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let mut names = BTreeSet::new();
    for file in tidelock_vectors::files() {
        let there = fs::read_to_string(folder.join(file.name())).unwrap_or_default();
        let name = file.name();
        assert!(
            there == file.text(),
            "{name} is another: run `cargo run --package tidelock-vectors` and look what changed"
        );
        names.insert(name);
    }
    let entries = fs::read_dir(&folder).expect("the vectors' folder").map(|entry| entry.expect("readable").file_name());
    let kept = entries.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.ends_with(".json"));
    assert_eq!(kept.collect::<BTreeSet<_>>(), names, "no file is left of a subject that is gone");
}

#[test]
fn it_writes_the_same_twice() {
    for (one, two) in tidelock_vectors::files().into_iter().zip(tidelock_vectors::files()) {
        assert!(one.text() == two.text(), "{}", one.name());
    }
}

#[test]
fn there_are_enough_and_both_kinds() {
    let files = tidelock_vectors::files();
    let refused = |file: &tidelock_vectors::File| file.text().matches("\"refused\":").count();
    let cases: usize = files.iter().map(|file| file.cases.len()).sum();
    let negative: usize = files.iter().map(refused).sum();
    assert!(cases >= 300 && negative >= 150 && cases - negative >= 150, "{cases} cases, {negative} of them negative");
}
