//! Random schedules: a plan from a seed, run step by step in a world with faults, watched all the time, healed at last,
//! and made small when it fails.

mod damage;
pub mod heal;
pub mod lives;
mod mischief;
pub mod plan;
pub mod planted;
pub mod run;
pub mod shrink;
