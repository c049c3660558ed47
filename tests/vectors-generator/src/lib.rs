//! The format's test vectors, made from the words of `docs/FORMAT.md` without the engine: a writer of its own, which can
//! be told to be wrong in one way. `tests/vectors/README.md` says how they are read.

mod bytes;
mod case;
mod lines;
mod manifest;
mod member;
mod ops;
mod packs;
mod persons;
mod sealing;
mod snapshot;
mod subjects;
mod world;

pub use case::File;
pub use member::manifest_with_root_records;

/// Every file, in the order of the README.
pub fn files() -> Vec<File> {
    subjects::all()
}
