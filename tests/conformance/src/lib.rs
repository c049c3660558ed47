//! The stores that Tidelock is tried on, and the tools to do it: places, devices, a proxy that counts and disturbs, and
//! a bucket's back door. And the suite that every local store must pass.

pub mod bucket;
pub mod device;
pub mod dialect;
pub mod faults;
mod http;
pub mod local_store;
pub mod looped;
pub mod proxy;
pub mod stores;
pub mod wire;

pub use bucket::Bucket;
pub use device::{Device, Open};
pub use dialect::{Dialect, DialectServer};
pub use faults::{Fault, Faults};
pub use looped::Looped;
pub use proxy::{Proxy, Seen};
pub use stores::{Place, Store};
