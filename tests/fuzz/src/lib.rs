//! What the fuzz targets share: bytes as choices, arbitrary ops, and a vault to attack.

mod answers;
pub mod attack;
pub mod input;
pub mod ops;
pub mod scenes;
pub mod vault;
