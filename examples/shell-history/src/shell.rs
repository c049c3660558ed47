//! What a shell tells of a command that ran, and the hooks that make shells tell.

use crate::entry::Entry;
use jiff::Timestamp;
use tidelock::{DeviceId, Error, ErrorKind};

/// A shell with a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// GNU Bash, 4.4 or newer.
    Bash,
    /// Z shell.
    Zsh,
    /// fish, 3.0 or newer.
    Fish,
}

impl Shell {
    /// What the shell is to evaluate when it starts: it records each command, syncs at most once a minute, and has Ctrl-R.
    pub fn hook(self) -> &'static str {
        match self {
            Self::Bash => include_str!("hooks/hist.bash"),
            Self::Zsh => include_str!("hooks/hist.zsh"),
            Self::Fish => include_str!("hooks/hist.fish"),
        }
    }
}

/// A command that has just ended in this folder.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command line.
    pub command: String,
    /// Its exit status.
    pub exit_code: i64,
    /// When it began, in µs since 1970; `None`: not known.
    pub started_us: Option<i64>,
}

impl Ran {
    /// The entry, with what this process knows of user, host and folder.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the system has no randomness.
    pub fn entry(self, device: DeviceId) -> Result<Entry, Error> {
        let end_time = Timestamp::now();
        let started = self.started_us.and_then(|us| Timestamp::from_microsecond(us).ok());
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the system has no randomness: {error}")))?;
        let variable = |name| std::env::var(name).unwrap_or_default();
        Ok(Entry {
            entry_id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            device_id: device.to_string(),
            local_username: variable("USER"),
            hostname: gethostname::gethostname().to_string_lossy().into_owned(),
            command: self.command,
            current_working_directory: std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned(),
            home_directory: variable("HOME"),
            exit_code: self.exit_code,
            // A clock that was set back in between tells no duration.
            start_time: started.filter(|start| *start <= end_time).unwrap_or(end_time),
            end_time,
            other: Default::default(),
        })
    }
}
