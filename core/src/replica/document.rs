//! Documents: each field is a register of a map, and one more register says that the document exists.

use crate::{Error, ErrorKind, json};

/// The most bytes a document's id may have.
pub const DOCUMENT_ID_BYTES_MAX: usize = 256;
/// The most bytes a field's name may have.
pub const FIELD_NAME_BYTES_MAX: usize = 200;
/// The most fields a document may be written with.
pub const DOCUMENT_FIELDS_MAX: usize = 1_000;
/// The most bytes a document may be written with, in canonical form.
pub const DOCUMENT_BYTES_MAX: usize = 256 << 10;

/// The one value of the register that says that a document exists.
pub(crate) const EXISTS: &[u8] = b"{}";

/// The key of a field's register. The key of the register that says that the document exists is the id alone.
pub fn field_key(id: &str, field: &str) -> String {
    format!("{id}\0{field}")
}

/// The document's id in a register's key, and the field; none where the register says that the document exists.
pub fn split_document_key(key: &str) -> (&str, Option<&str>) {
    match key.split_once('\0') {
        Some((id, field)) => (id, Some(field)),
        None => (key, None),
    }
}

/// The least key behind all registers of a document: an id has no NUL.
pub(crate) fn past_document(id: &str) -> String {
    format!("{id}\u{1}")
}

/// Checks a document's id.
pub(crate) fn check_document_id(id: &str) -> Result<(), Error> {
    if (1..=DOCUMENT_ID_BYTES_MAX).contains(&id.len()) && !id.contains('\0') {
        return Ok(());
    }
    let message = format!("a document's id has 1 to 256 bytes and no NUL, this one has {} bytes", id.len());
    Err(Error::new(ErrorKind::Invalid, message).next_step("choose another id"))
}

/// Checks a field's name.
pub(crate) fn check_field(name: &str) -> Result<(), Error> {
    if name.len() <= FIELD_NAME_BYTES_MAX {
        return Ok(());
    }
    let message = format!("a field's name has at most 200 bytes, this one has {}", name.len());
    Err(Error::new(ErrorKind::Invalid, message).next_step("shorten the name, or nest the field within another"))
}

/// Checks a register from elsewhere: its key, and the value that a put gave it, which must be in canonical form.
pub(crate) fn check_register(key: &str, value: Option<&[u8]>) -> Result<(), Error> {
    let (id, field) = split_document_key(key);
    check_document_id(id)?;
    field.map_or(Ok(()), check_field)?;
    let fits = value.is_none_or(|value| match field {
        Some(_) => json::canonical_member(value).is_ok_and(|form| form == value),
        None => value == EXISTS,
    });
    if fits { Ok(()) } else { Err(Error::new(ErrorKind::Invalid, "a field's value is not in canonical form")) }
}
