//! The command, run as a person runs it: processes, files, pipes and exit codes.

mod access;
mod archives;
#[cfg(target_os = "linux")]
mod bad_input;
mod device;
mod devices;
mod records;
mod refusals;
mod served;
mod syncing;
#[cfg(unix)]
mod together;
