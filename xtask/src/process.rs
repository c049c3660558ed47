//! Child processes: run to their end with their output going through, ended when this one is asked to end.

use crate::Outcome;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// How often a wait looks again.
pub(crate) const POLL: Duration = Duration::from_millis(20);

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From here on ctrl-c and the like are noted, not obeyed at once, so that servers and their folders are cleared away.
pub(crate) fn watch_for_interrupts() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&INTERRUPTED)).expect("these three signals can be caught");
    }
}

/// Whether somebody asked this process to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Runs a command to its end. The error names the command and how it ended.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    let line = command_line(command);
    let mut child = command.spawn().map_err(|error| format!("`{line}` does not start: {error}"))?;
    let mut asked_to_end = false;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| format!("`{line}` is lost: {error}"))? {
            return if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}")) };
        }
        if interrupted() && !asked_to_end {
            // At a terminal the child got the ctrl-c itself; a signal sent to this process alone reaches it here.
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            asked_to_end = true;
        }
        std::thread::sleep(POLL);
    }
}

/// Starts a command that serves until [`Service`] is dropped.
pub(crate) fn serve(command: &mut Command) -> Outcome<Service> {
    let line = command_line(command);
    // Its own group, so that a ctrl-c at the terminal ends the command that uses it first.
    command.process_group(0);
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec only one async-signal-safe system call is made, and nothing is allocated.
    unsafe {
        // Should this process be killed outright, the kernel ends the server.
        command.pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    command.spawn().map(Service).map_err(|error| format!("`{line}` does not start: {error}"))
}

/// A running server process, ended when dropped. It keeps nothing worth a slow goodbye.
pub(crate) struct Service(Child);

impl Service {
    /// Whether the process is gone already.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command as a person would type it.
fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// `cargo …` as from a shell. `cargo run` leaves variables of the `xtask` package in the environment, and build scripts
/// that watch such a variable would build their crates again each time.
pub(crate) fn forget_own_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let package_variable = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if package_variable.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_with_its_status() {
        assert_eq!(run(Command::new("true").arg("x")), Ok(()));
        let error = run(Command::new("sh").args(["-c", "exit 3"])).expect_err("it failed");
        assert!(error.contains("`sh -c exit 3`") && error.contains('3'), "{error}");
        let error = run(&mut Command::new("/no/such/program")).expect_err("it does not exist");
        assert!(error.starts_with("`/no/such/program` does not start"), "{error}");
    }

    #[test]
    fn a_dropped_service_is_gone() {
        let service = serve(Command::new("sleep").arg("600")).expect("sleep starts");
        let pid = Pid::from_child(&service.0);
        assert!(rustix::process::test_kill_process(pid).is_ok());
        drop(service);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}
