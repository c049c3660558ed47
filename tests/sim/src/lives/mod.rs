//! A random model of the lives of devices, from the design's text and without any engine code: copies of stores, leaving,
//! carrying, closing, lapsing, over the data model that `crate::model` settled.

pub mod agree;
pub mod bucket;
pub mod closing;
pub mod judge;
pub mod keeping;
pub mod op;
pub mod publishing;
pub mod reading;
pub mod rules;
pub mod schedule;
pub mod store;
pub mod tags;
pub mod world;
