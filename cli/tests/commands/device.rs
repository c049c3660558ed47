//! A device: a folder of its own, and the command run on it.

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A store in a folder, and the devices around it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> String {
        format!("file://{}", self.path("bucket").display())
    }

    pub(crate) fn device(&self, name: &str) -> Device {
        Device { local: self.path(name) }
    }

    /// A device with a new vault, and the vault's recovery code.
    pub(crate) fn first(&self) -> (Device, String) {
        let device = self.device("one");
        let made = device.run(&["init", "--store", &self.store(), "--name", "one"]);
        let code = made.ok().trim().to_owned();
        (device, code)
    }

    /// Another device in the same vault.
    pub(crate) fn join(&self, name: &str, code: &str) -> Device {
        let device = self.device(name);
        let joined =
            device.pipe(&["join", "--store", &self.store(), "--name", name, "--secret-stdin"], code.as_bytes());
        joined.ok();
        device
    }
}

pub(crate) struct Device {
    pub(crate) local: PathBuf,
}

impl Device {
    /// The command on this device, with an environment that has nothing of the machine's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("AWS_") || name.starts_with("TIDELOCK_") {
                command.env_remove(name);
            }
        }
        // No profile, keyring or metadata service of the machine either.
        command.env("HOME", self.local.with_extension("home")).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
        command.arg("--local").arg(&self.local).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.pipe(arguments, b"")
    }

    pub(crate) fn pipe(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut child = self.command(arguments).spawn().unwrap();
        // Who refuses before it reads breaks the pipe.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        Ran::of(arguments, child.wait_with_output().unwrap())
    }

    /// The one object that a command prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&ran.ok()).unwrap()
    }
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) what: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(arguments: &[&str], output: Output) -> Self {
        Self {
            what: arguments.join(" "),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its stdout, if it ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}: {}", self.what, self.stderr);
        String::from_utf8(self.stdout).unwrap()
    }

    /// Its stderr, if it ended with this code and printed no data.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}: {}", self.what, self.stderr);
        assert!(self.stdout.is_empty(), "{}", self.what);
        self.stderr
    }
}

/// The names of a folder's files.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes a code or passphrase into a file that only its owner may read.
pub(crate) fn write_secret(file: &Path, secret: &str) {
    std::fs::write(file, secret).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}
