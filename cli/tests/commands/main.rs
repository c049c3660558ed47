//! The command, run as a person runs it: processes, files, pipes and exit codes.

mod archives;
mod device;
mod records;
mod refusals;
mod served;
mod syncing;
#[cfg(unix)]
mod together;
