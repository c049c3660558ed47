//! A hostile folder: links in the places of objects, of directories on the way and of Tidelock's own files.

use super::tests::{folder, stored};
use super::*;
use std::os::unix::fs::symlink;
use std::time::Duration;
use tempfile::TempDir;

const MAX: u64 = u64::MAX;
const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// A directory beside the store with one file that nobody may touch.
fn outside() -> (TempDir, std::path::PathBuf) {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, b"secret").unwrap();
    (outside, secret)
}

fn age(path: &Path) {
    File::open(path).unwrap().set_modified(SystemTime::now() - TWO_DAYS).unwrap();
}

#[test]
fn a_linked_parent_leads_nowhere() {
    let (directory, folder) = folder();
    let (outside, secret) = outside();
    symlink(outside.path(), directory.path().join("notes")).unwrap();
    assert_eq!(folder.get("notes/secret", None, None, MAX).unwrap(), Got::Missing);
    assert_eq!(folder.head("notes/secret").unwrap(), None);
    assert!(matches!(folder.put("notes/secret", b"mine", Condition::Always), Err(Fault::Link(_))));
    assert!(matches!(folder.put("notes/new", b"mine", Condition::Always), Err(Fault::Link(_))));
    folder.delete("notes/secret").unwrap();
    assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(folder.list("", "", 10).unwrap(), Listing::default());
}

/// Also where the link stays inside the folder: an object has one key.
#[test]
fn a_link_inside_the_folder_is_not_followed_either() {
    let (directory, folder) = folder();
    stored(folder.put("real/k", b"bytes", Condition::Always).unwrap());
    symlink("real", directory.path().join("alias")).unwrap();
    assert_eq!(folder.get("alias/k", None, None, MAX).unwrap(), Got::Missing);
    folder.delete("alias/k").unwrap();
    assert!(folder.head("real/k").unwrap().is_some());
}

#[test]
fn a_linked_lock_changes_no_other_file() {
    let (directory, folder) = folder();
    let (_outside, secret) = outside();
    stored(folder.put("k", b"1", Condition::Always).unwrap());
    let lock = directory.path().join(".tidelock/lock");
    std::fs::remove_file(&lock).unwrap();
    symlink(&secret, &lock).unwrap();
    assert!(matches!(folder.put("k", b"2", Condition::Always), Err(Fault::Link(_))));
    assert!(matches!(folder.delete("k"), Err(Fault::Link(_))));
    assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
    assert!(folder.head("k").unwrap().is_some());
}

/// `.tidelock`, `.tidelock/drafts`, and what is in it: the sweep at opening deletes nothing behind a link.
#[test]
fn the_sweep_follows_no_link() {
    for linked in [".tidelock", ".tidelock/drafts", ".tidelock/drafts/0-0-0", ".tidelock/drafts/upload-0"] {
        let (directory, _folder) = folder();
        let (outside, secret) = outside();
        let drafts = outside.path().join("drafts");
        std::fs::create_dir(&drafts).unwrap();
        // Named as a draft of Tidelock, so that the name alone does not spare it.
        for place in [outside.path(), &drafts] {
            std::fs::write(place.join("1-1-1"), b"draft").unwrap();
            age(&place.join("1-1-1"));
        }
        age(&secret);
        age(outside.path());
        let link = directory.path().join(linked);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.path(), &link).unwrap();
        let _ = Folder::open(directory.path());
        assert!(secret.exists() && outside.path().join("1-1-1").exists(), "{linked}");
        assert!(drafts.join("1-1-1").exists(), "{linked}");
    }
}

/// What lies among the drafts under another name is somebody else's, however old it is.
#[test]
fn the_sweep_deletes_drafts_of_its_own_alone() {
    let (directory, folder) = folder();
    stored(folder.put("k", b"1", Condition::Always).unwrap());
    let drafts = directory.path().join(".tidelock/drafts");
    for name in ["thesis.tex", "1-1", "1-x-1", "1-1-1-1", "-1-1"] {
        std::fs::write(drafts.join(name), b"precious").unwrap();
        age(&drafts.join(name));
    }
    for name in ["photos", "upload-x"] {
        std::fs::create_dir_all(drafts.join(name).join("deep")).unwrap();
        std::fs::write(drafts.join(name).join("deep/precious"), b"precious").unwrap();
        age(&drafts.join(name));
    }
    std::fs::write(drafts.join("12-1f-3"), b"left behind").unwrap();
    age(&drafts.join("12-1f-3"));
    Folder::open(directory.path()).unwrap();
    assert!(!drafts.join("12-1f-3").exists());
    for name in ["thesis.tex", "1-1", "1-x-1", "1-1-1-1", "-1-1", "photos/deep/precious", "upload-x/deep/precious"] {
        assert!(drafts.join(name).exists(), "{name}");
    }
}

/// A pipe in an object's place keeps nobody waiting.
#[test]
fn a_pipe_is_no_object() {
    let (directory, folder) = folder();
    let status = std::process::Command::new("mkfifo").arg(directory.path().join("pipe")).status().unwrap();
    assert!(status.success());
    assert_eq!(folder.get("pipe", None, None, MAX).unwrap(), Got::Missing);
}
