//! Many devices, one bucket, every fault, replayed from a seed: real engines in a simulated world.

pub mod bucket;
pub mod clock;
pub mod device;
pub mod oracle;
pub mod random;
pub mod witness;
pub mod world;
