//! Design §3 and §5 as a small random model, written from the text and without the engine: to check the rules.

pub mod bucket;
pub mod device;
pub mod dots;
pub mod keeper;
pub mod oracle;
pub mod random;
pub mod reader;
pub mod replica;
pub mod rules;
pub mod schedule;
