//! A random model of the collection of blobs (docs/decisions/0010): devices that write, deduplicate, carry names
//! over, delete, back up, forget, collect, crash, sleep, go offline, retire and join, over one bucket.

mod collecting;
mod events;
mod publishing;
mod random;
pub mod rules;
pub mod schedule;
mod world;
