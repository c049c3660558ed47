//! What the fuzz targets share: bytes as choices, a vault to attack, arbitrary ops.

pub mod attack;
pub mod input;
pub mod ops;
pub mod vault;
