//! The command, run as a person runs it: processes, files, pipes and exit codes.

mod access;
mod archives;
#[cfg(target_os = "linux")]
mod bad_input;
mod credentials;
mod device;
mod devices;
mod doctor;
mod documents;
mod endpoints;
#[cfg(target_os = "linux")]
mod keyring;
#[cfg(target_os = "linux")]
mod leaks;
mod local_folder;
#[cfg(unix)]
mod logs;
#[cfg(target_os = "linux")]
mod mirror_rules;
mod mirrors;
mod records;
mod refusals;
mod repairs;
mod served;
mod settings;
mod silence;
mod syncing;
#[cfg(unix)]
mod together;
