use super::*;
use std::collections::BTreeMap;
use tempfile::TempDir;

const MAX: u64 = u64::MAX;

pub(super) fn folder() -> (TempDir, Folder) {
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::open(directory.path()).unwrap();
    (directory, folder)
}

pub(super) fn stored(put: Put) -> Meta {
    match put {
        Put::Stored(meta) => meta,
        other => panic!("not stored: {other:?}"),
    }
}

fn body(folder: &Folder, key: &str) -> Option<Vec<u8>> {
    match folder.get(key, None, None, MAX).unwrap() {
        Got::Object { body, .. } => Some(body.to_vec()),
        Got::Missing => None,
        Got::NotModified(_) => panic!("nothing was given to compare with"),
    }
}

fn keys(listing: &Listing) -> Vec<&str> {
    listing.entries.iter().map(|entry| entry.key.as_str()).collect()
}

/// A small generator of numbers (Steele et al., SplitMix64), so that failures repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[test]
fn an_object_is_put_read_and_deleted() {
    let (directory, folder) = folder();
    let meta = stored(folder.put("spaces/ab/beacon", b"hello", Condition::Always).unwrap());
    assert_eq!(meta.size, 5);
    assert_eq!(folder.head("spaces/ab/beacon").unwrap(), Some(meta.clone()));
    assert_eq!(
        folder.get("spaces/ab/beacon", None, None, MAX).unwrap(),
        Got::Object { meta: meta.clone(), body: Bytes::from_static(b"hello"), first: None }
    );
    assert_eq!(folder.get("spaces/ab/beacon", Some(&meta.etag()), None, MAX).unwrap(), Got::NotModified(meta.clone()));
    assert_eq!(std::fs::read(directory.path().join("spaces/ab/beacon")).unwrap(), b"hello");

    folder.delete("spaces/ab/beacon").unwrap();
    folder.delete("spaces/ab/beacon").unwrap();
    assert_eq!(folder.head("spaces/ab/beacon").unwrap(), None);
    assert!(!directory.path().join("spaces").exists());
}

#[test]
fn conditions_decide() {
    let (_directory, folder) = folder();
    let put = |body: &[u8], condition: Condition<'_>| folder.put("k", body, condition).unwrap();
    assert_eq!(put(b"0", Condition::IfMatch("\"no\"")), Put::Missing);
    let first = stored(put(b"1", Condition::IfAbsent));
    assert_eq!(put(b"2", Condition::IfAbsent), Put::Refused);
    assert_eq!(put(b"2", Condition::IfMatch("\"no\"")), Put::Refused);
    assert_eq!(body(&folder, "k").unwrap(), b"1");
    let second = stored(put(b"2", Condition::IfMatch(&first.etag())));
    assert_eq!(put(b"3", Condition::IfMatch(&first.etag())), Put::Refused);
    stored(put(b"3", Condition::IfMatch(&second.etag())));
    folder.delete("k").unwrap();
    stored(put(b"4", Condition::IfAbsent));
    // What a refused PUT had written is gone.
    assert_eq!(std::fs::read_dir(folder.root().join(".tidelock/drafts")).unwrap().count(), 0);
}

#[test]
fn every_put_has_its_own_etag_even_of_the_same_bytes() {
    let (_directory, folder) = folder();
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..100 {
        let meta = stored(folder.put("k", b"same", Condition::Always).unwrap());
        assert_eq!(folder.head("k").unwrap(), Some(meta.clone()));
        assert!(seen.insert(meta.etag()), "seen before: {}", meta.etag());
        if round % 3 == 0 {
            folder.delete("k").unwrap();
        }
    }
}

/// A clock that stands still or goes back shows itself as times already given that lie ahead.
#[test]
fn etags_change_though_the_clock_is_behind() {
    let (_directory, folder) = folder();
    stored(folder.put("k", b"same", Condition::Always).unwrap());
    let ahead = SystemTime::now() + std::time::Duration::from_secs(3600);
    File::options().write(true).open(folder.root().join("k")).unwrap().set_modified(ahead).unwrap();
    let before = folder.head("k").unwrap().unwrap();
    let after = stored(folder.put("k", b"same", Condition::Always).unwrap());
    assert_eq!(after.modified_unix_ns, before.modified_unix_ns + 1);
    folder.delete("k").unwrap();
    let again = stored(folder.put("k", b"same", Condition::Always).unwrap());
    assert_eq!(again.modified_unix_ns, before.modified_unix_ns + 2);
}

#[test]
fn a_copy_that_keeps_times_keeps_etags() {
    let (directory, folder) = folder();
    let meta = stored(folder.put("a/b", b"bytes", Condition::Always).unwrap());
    let copy = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("cp")
        .args(["-a", "--", &format!("{}/.", directory.path().display()), &copy.path().display().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(Folder::open(copy.path()).unwrap().head("a/b").unwrap(), Some(meta));
}

#[test]
fn ranges_are_cut_at_the_end_and_refused_beyond_it() {
    let (_directory, folder) = folder();
    folder.put("k", b"0123456789", Condition::Always).unwrap();
    folder.put("empty", b"", Condition::Always).unwrap();
    let read = |key, range| match folder.get(key, None, Some(range), MAX) {
        Ok(Got::Object { body, first, .. }) => Some((String::from_utf8(body.to_vec()).unwrap(), first.unwrap())),
        Err(Fault::Range { .. }) => None,
        other => panic!("{other:?}"),
    };
    for (range, expected) in [
        (ByteRange::Between(0, 0), Some(("0", 0))),
        (ByteRange::Between(3, 5), Some(("345", 3))),
        (ByteRange::Between(8, 99), Some(("89", 8))),
        (ByteRange::Between(9, u64::MAX), Some(("9", 9))),
        (ByteRange::Between(10, 11), None),
        (ByteRange::From(7), Some(("789", 7))),
        (ByteRange::From(10), None),
        (ByteRange::Last(3), Some(("789", 7))),
        (ByteRange::Last(99), Some(("0123456789", 0))),
        (ByteRange::Last(0), None),
    ] {
        assert_eq!(read("k", range), expected.map(|(text, first)| (text.to_owned(), first)), "{range:?}");
        assert_eq!(read("empty", range), None);
    }
}

#[test]
fn more_than_asked_for_is_refused_before_it_is_read() {
    let (_directory, folder) = folder();
    folder.put("k", b"0123456789", Condition::Always).unwrap();
    assert!(matches!(folder.get("k", None, None, 9), Err(Fault::TooLarge { bytes: 10, bytes_max: 9 })));
    assert!(matches!(folder.get("k", None, None, 10), Ok(Got::Object { .. })));
    assert!(matches!(folder.get("k", None, Some(ByteRange::Last(9)), 9), Ok(Got::Object { .. })));
    // Sparse: it takes no space.
    let size = 1 << 40;
    File::create(folder.root().join("huge")).unwrap().set_len(size).unwrap();
    assert!(matches!(folder.get("huge", None, None, 1 << 20), Err(Fault::TooLarge { .. })));
    let Opened::Object { mut reader, len: 3, first: Some(first), .. } =
        folder.open_range("huge", None, Some(ByteRange::Last(3))).unwrap()
    else {
        panic!("its end is read")
    };
    let mut end = Vec::new();
    reader.read_to_end(&mut end).unwrap();
    assert_eq!((first, end), (size - 3, vec![0; 3]));
}

#[test]
fn weird_keys_are_objects_and_stay_below_the_root() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let folder = Folder::open(&root).unwrap();
    let mut weird = vec![
        "../outside",
        "/absolute",
        "a//b",
        "trailing/",
        "./dot",
        "x/../y",
        "q/..",
        "q/.",
        "nul\0byte",
        "line\nbreak",
        "C:\\drive",
        "COM1",
        ".tidelock/lock",
        ".TIDELOCK/drafts/x",
        "sp ace/ end /.",
        "100%",
        "%2e%2e/x",
        "größe/日本",
        "\u{10ffff}",
        "*?<>|\"",
    ];
    for key in &weird {
        stored(folder.put(key, key.as_bytes(), Condition::IfAbsent).unwrap());
        assert_eq!(body(&folder, key).as_deref(), Some(key.as_bytes()), "{key:?}");
    }
    weird.sort_unstable();
    assert_eq!(keys(&folder.list("", "", 1000).unwrap()), weird);
    for key in &weird {
        folder.delete(key).unwrap();
    }
    assert_eq!(folder.list("", "", 1000).unwrap(), Listing::default());
    let names = |path: &Path| -> Vec<_> {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names(outer.path()), ["root"]);
    assert_eq!(names(&root), [".tidelock"]);

    for key in ["", &"a".repeat(1025), &"a".repeat(256)] {
        assert!(matches!(folder.put(key, b"", Condition::Always), Err(Fault::Key(_) | Fault::KeyTooLong)));
        assert!(folder.head(key).is_err());
    }
}

#[test]
fn a_key_is_no_other_s_parent() {
    let (_directory, folder) = folder();
    stored(folder.put("k", b"1", Condition::Always).unwrap());
    assert!(matches!(folder.put("k/x", b"2", Condition::Always), Err(Fault::InTheWay)));
    assert!(matches!(folder.put("k/x/y", b"2", Condition::IfMatch("\"e\"")), Err(Fault::InTheWay)));
    assert_eq!(body(&folder, "k/x"), None);
    folder.delete("k/x").unwrap();
    folder.delete("k").unwrap();
    stored(folder.put("k/x", b"2", Condition::Always).unwrap());
    assert!(matches!(folder.put("k", b"1", Condition::IfAbsent), Err(Fault::InTheWay)));
    assert_eq!(body(&folder, "k"), None);
    folder.delete("k").unwrap();
    assert_eq!(body(&folder, "k/x").unwrap(), b"2");
}

#[test]
#[cfg(unix)]
fn what_is_no_regular_file_is_no_object() {
    let (directory, folder) = folder();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), b"secret").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), directory.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path(), directory.path().join("linked")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
    std::fs::write(directory.path().join("a:b"), b"no key is written like this").unwrap();
    std::fs::create_dir(directory.path().join("empty")).unwrap();
    assert_eq!(folder.list("", "", 10).unwrap(), Listing::default());
    for key in ["link", "socket", "a:b", "empty"] {
        assert_eq!(body(&folder, key), None, "{key}");
        folder.delete(key).unwrap();
    }
    assert!(matches!(folder.put("link", b"", Condition::Always), Err(Fault::InTheWay)));
    assert!(directory.path().join("link").exists());
}

/// The order and the pages of a listing against a sorted map, over keys in which `/` meets characters on both sides of it.
#[test]
fn listing_agrees_with_a_sorted_map() {
    let mut random = Random(7);
    let letters = ["a", "b", "-", ".", "0", "%", "é", "/", "/", "/"];
    for _ in 0..30 {
        let (_directory, folder) = folder();
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..40 {
            let key: String = (0..=random.below(5)).map(|_| letters[random.below(10) as usize]).collect();
            let is_in_the_way = model
                .keys()
                .any(|other| other.starts_with(&format!("{key}/")) || key.starts_with(&format!("{other}/")));
            match folder.put(&key, b"", Condition::Always) {
                Ok(put) => assert!(model.insert(key, stored(put).etag()).is_none() || !is_in_the_way),
                Err(Fault::InTheWay) => assert!(is_in_the_way, "{key:?} beside {:?}", model.keys()),
                Err(fault) => panic!("{fault}"),
            }
        }
        for _ in 0..20 {
            let any: Vec<String> = model.keys().cloned().collect();
            let pick = |random: &mut Random| {
                let key = &any[random.below(any.len() as u64) as usize];
                let cuts: Vec<usize> = key.char_indices().map(|(at, _)| at).chain([key.len(), 0]).collect();
                key[..cuts[random.below(cuts.len() as u64) as usize]].to_owned()
            };
            let (prefix, start_after) = (pick(&mut random), pick(&mut random));
            let expected: Vec<(String, String)> = model
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix) && **key > start_after)
                .map(|(key, etag)| (key.clone(), etag.clone()))
                .collect();
            let max = 1 + random.below(6) as usize;
            let (mut found, mut after) = (Vec::new(), start_after);
            loop {
                let page = folder.list(&prefix, &after, max).unwrap();
                assert!(page.entries.len() == max || !page.truncated);
                found.extend(page.entries.into_iter().map(|entry| (entry.key, entry.meta.etag())));
                if !page.truncated {
                    break;
                }
                after = found.last().unwrap().0.clone();
            }
            assert_eq!(found, expected, "prefix {prefix:?}, pages of {max}");
        }
    }
}

#[test]
fn tokens_go_there_and_back() {
    for key in ["a", "größe/\0\n+%", &"x".repeat(1024)] {
        assert_eq!(key_of_token(&token_of_key(key)).as_deref(), Some(key));
    }
    for token in ["6", "6g", "+6", "é", "ff", &"61".repeat(1025)] {
        assert_eq!(key_of_token(token), None);
    }
}

#[test]
fn a_folder_that_is_not_there_is_told_from_an_empty_one() {
    let (directory, folder) = folder();
    let missing = directory.path().join("missing");
    let error = Folder::open(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!missing.exists());
    std::fs::write(directory.path().join("file"), b"").unwrap();
    assert_eq!(Folder::open(directory.path().join("file")).unwrap_err().kind(), ErrorKind::NotFound);

    std::fs::remove_dir_all(directory.path()).unwrap();
    assert!(matches!(folder.check(), Err(Fault::NoBucket)));
    assert!(matches!(folder.get("k", None, None, MAX), Err(Fault::NoBucket)));
    assert!(matches!(folder.head("k"), Err(Fault::NoBucket)));
    assert!(matches!(folder.put("k", b"", Condition::Always), Err(Fault::NoBucket)));
    assert!(matches!(folder.delete("k"), Err(Fault::NoBucket)));
    assert!(matches!(folder.list("", "", 1), Err(Fault::NoBucket)));
    assert!(!directory.path().exists());
}

#[test]
fn drafts_left_behind_are_cleared_after_a_day() {
    let (directory, folder) = folder();
    folder.put("k", b"", Condition::Always).unwrap();
    let drafts = directory.path().join(".tidelock/drafts");
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    for (file, subdirectory, age) in [("1-a-1", "1-a-2", day + day / 24), ("2-a-1", "2-a-2", day - day / 24)] {
        File::create(drafts.join(file)).unwrap().set_modified(SystemTime::now() - age).unwrap();
        let subdirectory = drafts.join(subdirectory);
        std::fs::create_dir(&subdirectory).unwrap();
        File::create(subdirectory.join("part")).unwrap();
        File::open(subdirectory).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }
    Folder::open(directory.path()).unwrap();
    assert!(!drafts.join("1-a-1").exists());
    assert!(drafts.join("2-a-1").exists());
    assert!(!drafts.join("1-a-2").exists());
    assert!(drafts.join("2-a-2/part").exists());
    assert_eq!(keys(&folder.list("", "", 10).unwrap()), ["k"]);
}

/// A file system of its own on the folder. Needs root.
#[cfg(target_os = "linux")]
struct Mount(TempDir);

#[cfg(target_os = "linux")]
impl Mount {
    fn tmpfs(options: &str) -> Self {
        let mount = Self(tempfile::tempdir().unwrap());
        mount.run(&["mount", "-t", "tmpfs", "-o", options, "tmpfs"]);
        mount
    }

    fn run(&self, command: &[&str]) {
        let status = std::process::Command::new(command[0]).args(&command[1..]).arg(self.0.path()).status().unwrap();
        assert!(status.success(), "this test mounts a file system, so it runs as root: {command:?}");
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mount {
    fn drop(&mut self) {
        self.run(&["umount"]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing() {
    let mount = Mount::tmpfs("size=256k");
    let folder = Folder::open(mount.0.path()).unwrap();
    let before = stored(folder.put("k", b"before", Condition::Always).unwrap());
    assert!(matches!(folder.put("k", &vec![1; 1 << 20], Condition::Always), Err(Fault::Full)));
    assert_eq!(folder.head("k").unwrap(), Some(before));
    assert_eq!(body(&folder, "k").unwrap(), b"before");
    // What did not fit takes no room.
    stored(folder.put("k", &vec![2; 100 << 10], Condition::Always).unwrap());
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_disk_can_be_read() {
    let mount = Mount::tmpfs("size=256k");
    stored(Folder::open(mount.0.path()).unwrap().put("k", b"before", Condition::Always).unwrap());
    mount.run(&["mount", "-o", "remount,ro"]);
    let folder = Folder::open(mount.0.path()).unwrap();
    assert_eq!(body(&folder, "k").unwrap(), b"before");
    assert_eq!(keys(&folder.list("", "", 10).unwrap()), ["k"]);
    assert!(matches!(folder.put("k", b"after", Condition::Always), Err(Fault::Denied(_))));
    assert!(matches!(folder.delete("k"), Err(Fault::Denied(_))));
}

#[test]
fn an_empty_directory_gives_way_to_an_object_and_one_with_content_does_not() {
    let (_directory, folder) = folder();
    std::fs::create_dir_all(folder.root().join("manifests/empty")).unwrap();
    assert_eq!(folder.head("manifests/empty").unwrap(), None);
    assert!(matches!(folder.put("manifests/empty", b"1", Condition::IfAbsent).unwrap(), Put::Stored(_)));
    std::fs::create_dir_all(folder.root().join("manifests/full")).unwrap();
    std::fs::write(folder.root().join("manifests/full/x"), "").unwrap();
    assert!(matches!(folder.put("manifests/full", b"1", Condition::Always), Err(Fault::InTheWay)));
    assert!(folder.root().join("manifests/full/x").exists());
}
