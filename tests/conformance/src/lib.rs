//! Suites that every implementation of a port must pass.

pub mod local_store;
