//! JSON in the one form that values of the `json` codec have in every language.

use crate::failure::Failure;

/// The canonical form of a JSON text: FORMAT.md, "JSON".
///
/// # Errors
/// `invalid`, with the byte at which the text is refused.
#[uniffi::export]
pub fn canonical_json(text: Vec<u8>) -> Result<Vec<u8>, Failure> {
    Ok(tidelock_core::json::canonical(&text)?)
}
