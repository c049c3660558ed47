//! The simulator, and the model that its rules were tried on.

pub mod model;
