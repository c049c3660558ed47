//! What ops say of attachments: names and ids of content that lies in packs, and the places of such content.

use crate::blob::{Laid, PACKS_MAX, PIECE_BYTES, PIECES_PER_PACK};
use crate::{BlobId, Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};

/// The most attachments of one record.
pub const ATTACHED_MAX: usize = 64;
/// The most bytes an attachment's name may have.
pub const ATTACHMENT_NAME_BYTES_MAX: usize = 255;
/// The most bytes an attachment may have: as many as its packs hold.
pub const ATTACHMENT_BYTES_MAX: u64 = PACKS_MAX as u64 * PIECES_PER_PACK * PIECE_BYTES;

/// An attachment of a record. An op has what it is, and never where it lies: the op is numbered when it is written, and the
/// content goes into a pack later.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attached {
    /// 1 to 255 bytes.
    pub name: String,
    /// The content's name.
    pub id: BlobId,
    /// Bytes of content: [`ATTACHMENT_BYTES_MAX`] at most.
    pub len: u64,
}

/// Checks the attachments of a record: their bounds, and that their names rise.
pub(crate) fn check_attached(key: &str, attached: &[Attached]) -> Result<(), Error> {
    let invalid = |message: String, step: &str| Err(Error::new(ErrorKind::Invalid, message).on(key).next_step(step));
    if attached.len() > ATTACHED_MAX {
        let message = format!("a record has at most 64 attachments, this one would have {}", attached.len());
        return invalid(message, "name those that it is to have in the put, and put the others at another key");
    }
    for Attached { name, len, .. } in attached {
        if !(1..=ATTACHMENT_NAME_BYTES_MAX).contains(&name.len()) {
            let message = format!("an attachment's name has 1 to 255 bytes, this one has {}", name.len());
            return invalid(message, "choose another name");
        }
        if *len > ATTACHMENT_BYTES_MAX {
            let message = format!("an attachment has at most 14 GiB, this one has {len} bytes");
            return invalid(message, "split it over several attachments");
        }
    }
    match attached.is_sorted_by(|one, next| one.name < next.name) {
        true => Ok(()),
        false => invalid("two attachments of a record have one name".to_owned(), "choose another name for one of them"),
    }
}

/// Checks a record of the places: a blob's id in hex, and where it lies.
pub(crate) fn check_place(key: &str, value: Option<&[u8]>) -> Result<(), Error> {
    let is_id = BlobId::from_hex(key).is_some();
    match value.map(Laid::read).transpose() {
        Ok(_) if is_id => Ok(()),
        _ => Err(Error::new(ErrorKind::Invalid, "a place is at no blob's id, or is not validly encoded")),
    }
}
