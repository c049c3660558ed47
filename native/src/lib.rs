//! Tidelock for native programs: transports for buckets and folders.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

pub mod folder;
