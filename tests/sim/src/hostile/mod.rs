//! The bucket as an adversary: it answers what it likes, engines are real, and what they hold afterwards is compared.

pub mod campaign;
pub mod host;
pub mod insider;
pub mod mutate;
pub mod stage;
