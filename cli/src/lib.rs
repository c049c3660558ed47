//! What the `tidelock` command does, shared by its program, the demo and the tests.

pub mod serve;
