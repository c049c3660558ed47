//! Tidelock for native programs: transports for buckets and folders.

pub mod folder;
