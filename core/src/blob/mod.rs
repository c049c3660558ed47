//! Content of any size: cut into pieces that are named by keyed hashes, and packs, the sealed objects that hold many of them.
//!
//! [`Keys`] name and cut, [`Piece`] is what is stored of one, a [`PackBuilder`] fills a pack, and [`PackAt`] seals and opens it,
//! whole or one piece at a time. Nothing here asks for a request or a file. The bytes are specified in `docs/format/packs.md`.

mod builder;
mod cut;
mod directory;
mod keys;
mod laid;
mod pack;
mod piece;
#[cfg(test)]
mod tests;

pub use builder::{FullPack, PACK_BYTES, PACK_BYTES_MAX, PACK_BYTES_MIN, PackBuilder};
pub use cut::{CUT_BYTES_MAX, CUT_BYTES_MIN, Cutter, Gear};
pub use directory::{HELD_MAX, Held};
pub use keys::{Keys, Name};
pub use laid::{Laid, PACKS_MAX, PIECES_PER_PACK, Place};
pub use pack::{Class, Pack, PackAt, SEALED_BYTES_MAX, Spot, Wanted, pack_path};
pub use piece::{Piece, PieceKind};

use crate::{Error, ErrorKind};

/// Content of at most so many bytes is one piece; an attachment that is longer is cut after each so many bytes.
pub const PIECE_BYTES: u64 = 1 << 20;

/// What does not follow the format. Who knows the path adds it.
fn bad(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, what)
        .next_step("put the pack back, from its older versions in the bucket or from a backup")
}
