//! The system's keyring: GNOME's, on a message bus of its own.

use crate::served::{Served, store};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Runs as one session: the keyring's daemon lives as long as its bus.
const SESSION: &str = r#"
set -eu
printf test | gnome-keyring-daemon --unlock --components=secrets >/dev/null
printf '%s\n%s\n' "$TEST_ACCESS_KEY" "$TEST_SECRET_KEY" | "$TIDELOCK" credentials set --stdin --store "$TEST_STORE"
"$TIDELOCK" credentials show --json
"$TIDELOCK" init >/dev/null
"$TIDELOCK" put m k v
"$TIDELOCK" sync
"$TIDELOCK" status
cp "$TIDELOCK_LOCAL/credentials.json" "$HOME/saved"
"$TIDELOCK" credentials forget
if "$TIDELOCK" sync; then exit 1; fi
cp "$HOME/saved" "$TIDELOCK_LOCAL/credentials.json"
if "$TIDELOCK" sync; then exit 1; fi
"#;

#[test]
fn the_keyring_keeps_the_keys() {
    let served = Served::new();
    let home = served.folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let device = served.device("one");
    let blank = device.command(&[]);
    let mut session = Command::new("dbus-run-session");
    // As clean as the device's own commands.
    for (name, value) in blank.get_envs() {
        match value {
            Some(value) => session.env(name, value),
            None => session.env_remove(name),
        };
    }
    session.args(["--", "sh", "-c", SESSION]).env_remove("DBUS_SESSION_BUS_ADDRESS");
    session.env("HOME", &home).env("XDG_RUNTIME_DIR", &home).env("XDG_DATA_HOME", home.join("data"));
    session.env("TIDELOCK", env!("CARGO_BIN_EXE_tidelock")).env("TIDELOCK_LOCAL", &device.local);
    session.env("TEST_STORE", store("my-bucket", served.server.address()));
    session.env("TEST_ACCESS_KEY", &served.keys.access_key).env("TEST_SECRET_KEY", served.keys.secret_key.as_str());
    let output = session.output().expect("dbus-run-session (Debian: dbus, gnome-keyring) is there");
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{told}");
    assert!(
        said.contains("\"source\":\"keyring\"") && said.contains("saved in the system's keyring"),
        "{said}\n{told}"
    );
    // Without an entry, and then with a file that names one that is gone.
    assert!(told.contains("none saved for this store") && told.contains("is gone"), "{told}");
    let saved = std::fs::read_to_string(home.join("saved")).unwrap();
    for text in [&*said, &*told, &saved] {
        assert!(!text.contains(served.keys.secret_key.as_str()) && !text.contains(&served.keys.access_key), "{text}");
    }
}
