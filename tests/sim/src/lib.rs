//! Many devices, one bucket, every fault, replayed from a seed: real engines in a simulated world, and beside them the
//! model that the rules of the data were tried on first.

pub mod bucket;
pub mod clock;
pub mod cost;
pub mod device;
pub mod fault;
pub mod hazards;
pub mod hostile;
pub mod keys;
pub mod lives;
pub mod model;
pub mod oracle;
pub mod random;
pub mod scale;
pub mod schedule;
pub mod signer;
pub mod watch;
pub mod witness;
pub mod world;
