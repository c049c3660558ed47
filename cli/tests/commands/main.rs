//! The command, run as a person runs it: processes, files, pipes and exit codes.
#![allow(clippy::unwrap_used, reason = "in a test it is the failure")]

mod archives;
mod device;
mod records;
mod refusals;
mod served;
mod syncing;
