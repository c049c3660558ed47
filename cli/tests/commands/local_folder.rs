//! This device's folder: where it may be, and what is said of one that can't be read, is damaged, or can't be written.

use crate::device::{Device, Place, Ran, names};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[track_caller]
fn refused(ran: Ran, code: i32) -> String {
    let text = ran.refused(code);
    assert!(text.starts_with("error: ") && text.contains("\n\nhint: "), "{text}");
    text
}

/// The keys in the local store would be published with the store.
#[test]
fn a_device_inside_the_store_or_the_reverse_is_refused() {
    let place = Place::new();
    let store = place.store();
    std::fs::create_dir_all(place.path("outer/bucket")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(place.path("bucket"), place.path("link")).unwrap();
    let inside = format!("file://{}", place.path("outer/bucket").display());
    for (local, store) in [
        ("bucket", &store),
        ("bucket/one", &store),
        ("bucket/deep/er/one", &store),
        #[cfg(unix)]
        ("link/one", &store),
        ("outer", &inside),
    ] {
        let text = refused(place.device(local).run(&["init", "--store", store]), 2);
        assert!(text.contains("keys"), "{local}: {text}");
        refused(place.device(local).pipe(&["join", "--store", store, "--secret-stdin"], b"secret"), 2);
    }
    assert_eq!(names(&place.path("bucket")), [""; 0], "nothing was made in the store");
    let served = place.device("bucket/one").run(&["serve", place.path("bucket").to_str().unwrap()]);
    assert!(refused(served, 2).contains("keys"));
    // A name that only begins alike is another folder.
    place.device("bucket-2").run(&["init", "--store", &store]).ok();
}

/// As root reads every folder, a link to itself stands for one that can't be read.
#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_read_is_not_an_empty_one() {
    let place = Place::new();
    let device = place.device("loop");
    std::os::unix::fs::symlink(&device.local, &device.local).unwrap();
    let file = place.device("file");
    std::fs::write(&file.local, "no folder").unwrap();
    for device in [&device, &file] {
        for arguments in [&["get", "m", "k"][..], &["status"], &["sync"], &["reset"], &["doctor"]] {
            let output = device.command(arguments).env("TIDELOCK_STORE", place.store()).output().unwrap();
            let text = refused(Ran::of(arguments, output), 9);
            assert!(!text.contains("no vault here"), "{arguments:?}: {text}");
        }
    }
}

/// A store that lost its content has nothing to publish; it is not one of which everything was.
#[test]
fn a_store_without_content_or_damaged_is_never_said_to_be_published() {
    let damages: [fn(&Path); 3] = [
        |file| std::fs::write(file, "").unwrap(),
        |file| std::fs::write(file, "no database".repeat(1_000)).unwrap(),
        |file| {
            // A page in its middle, of the tree of rows.
            let mut bytes = std::fs::read(file).unwrap();
            assert!(bytes.len() > 6 * 4_096);
            let middle = bytes.len() / 2 / 4_096 * 4_096;
            bytes[middle..middle + 4_096].fill(0);
            std::fs::write(file, bytes).unwrap();
        },
    ];
    for damage in damages {
        let place = Place::new();
        let (device, _) = place.first();
        let lines: String = (0..2_000).map(|at| format!("line {at} of a log that fills many pages\n")).collect();
        device.pipe(&["log", "append", "l"], lines.as_bytes()).ok();
        device.run(&["sync"]).ok();
        damage(&device.local.join("store.db"));
        let status = device.run(&["status"]);
        assert!(!String::from_utf8_lossy(&status.stdout).contains("none yet"), "{}", status.stderr);
        let reset = device.run(&["reset"]);
        assert_eq!(reset.code, Some(0), "{}", reset.stderr);
        assert!(!reset.stderr.contains("everything in it was published"), "{}", reset.stderr);
        assert!(reset.stderr.contains("What was here is in"), "{}", reset.stderr);
    }
}

/// A directory in a manifest's place is that manifest's damage: who wrote it puts it back, where the directory is empty, or names
/// it, and nobody else is held up.
#[test]
fn a_directory_in_a_manifests_place_holds_up_nobody() {
    for is_empty in [true, false] {
        let place = Place::new();
        let (one, code) = place.first();
        let (two, three) = (place.join("two", &code), place.join("three", &code));
        one.run(&["put", "m", "before", "v"]).ok();
        for device in [&one, &two, &three] {
            device.run(&["sync"]).ok();
        }
        let id = one.json(&["status"])["device"].as_str().unwrap().to_owned();
        let space = std::fs::read_dir(place.path("bucket/spaces")).unwrap().next().unwrap().unwrap().path();
        let manifest = space.join("manifests").join(&id);
        std::fs::remove_file(&manifest).unwrap();
        std::fs::create_dir(&manifest).unwrap();
        if !is_empty {
            std::fs::write(manifest.join("x"), "").unwrap();
        }
        two.run(&["put", "m", "of two", "v"]).ok();
        for device in [&two, &three] {
            device.run(&["sync", "--force"]).ok();
        }
        assert_eq!(three.run(&["get", "m", "of two"]).ok(), "v");
        one.run(&["put", "m", "of one", "v"]).ok();
        let synced = one.run(&["sync", "--force", "-v"]);
        assert_eq!(one.run(&["get", "m", "of two"]).ok(), "v", "it took what there is");
        if is_empty {
            synced.ok();
            three.run(&["sync", "--force"]).ok();
            assert_eq!(three.run(&["get", "m", "of one"]).ok(), "v");
        } else {
            let text = refused(synced, 7);
            assert!(text.contains(&format!("manifests/{id}")) && text.contains("move away"), "{text}");
        }
    }
}

/// Root ignores permission bits, so the folder is on a mount that is read-only.
#[test]
#[cfg(target_os = "linux")]
fn what_only_reads_works_on_a_read_only_store() {
    for killed in [false, true] {
        let place = Place::new();
        let (device, _) = place.first();
        device.run(&["put", "m", "k", "value"]).ok();
        device.run(&["log", "append", "l", "line"]).ok();
        if killed {
            put_and_kill(&device);
        }
        let mount = ReadOnly::of(&device.local);
        for (arguments, part) in [
            (&["get", "m", "k"][..], "value"),
            (&["list", "m"], "value"),
            (&["log", "list", "l"], "line"),
            (&["status"], "to publish"),
            (&["devices"], "one"),
            (&["conflicts"], ""),
            (&["export"], "value"),
        ] {
            let said = device.run(arguments).ok();
            assert!(said.contains(part), "killed {killed}: {arguments:?}: {said}");
        }
        let text = refused(device.run(&["put", "m", "k", "v"]), 9);
        assert!(text.contains("read-only") || text.contains("written"), "{text}");
        drop(mount);
        assert_eq!(device.run(&["get", "m", "k"]).ok(), "value");
    }
}

/// A process that has the store open is killed: what was written last lies in the store's log.
fn put_and_kill(device: &Device) {
    let mut open = device.command(&["watch"]).spawn().unwrap();
    let log = device.local.join("store.db-shm");
    let begun = Instant::now();
    while !log.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not open its store");
        std::thread::sleep(Duration::from_millis(5));
    }
    device.run(&["put", "m", "last", "value"]).ok();
    open.kill().unwrap();
    open.wait().unwrap();
    assert!(log.exists());
}

/// A folder that can't be written until this is dropped.
struct ReadOnly<'a>(&'a Path);

impl<'a> ReadOnly<'a> {
    fn of(folder: &'a Path) -> Self {
        mount(&["--bind", folder.to_str().unwrap()], folder);
        let mounted = Self(folder);
        mount(&["-o", "remount,bind,ro"], folder);
        mounted
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(self.0).status();
        assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn mount(arguments: &[&str], target: &Path) {
    let status = Command::new("mount").args(arguments).arg(target).status().expect("`mount` is there");
    assert!(status.success(), "mounting needs root");
}
