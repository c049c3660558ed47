//! The seed that finds each planted bug: red with it, green without. `cargo xtask sim --planted all` finds them anew.

/// Name of the bug, and its seed.
pub const FOUND: &[(&str, u64)] = &[];

/// Bugs that no seed has found yet.
pub const NOT_FOUND: &[&str] = &[];
