//! Documents over the map's registers: a call becomes writes of single fields, and a read puts the fields together.

use super::api::{Document, KeyRange};
use super::head::{damaged, local_error};
use super::state::{State, Tx, key_of, record_key};
use super::write::{no_conflict, put_or_delete};
use crate::json::{self, Members};
use crate::local::{ByteRange, Table};
use crate::replica::{
    Action, Collection, DOCUMENT_BYTES_MAX, DOCUMENT_FIELDS_MAX, EXISTS, Slot, Standing, check_document_id,
    check_field, decode, field_key, past_document, split_document_key,
};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Registers read at once.
const PAGE_ROWS: u32 = 1_024;

/// Sets all fields, and removes those that stand here and are not among them.
pub(super) fn put(tx: &mut Tx<'_>, collection: &Collection, id: &str, document: &[u8]) -> Result<(), Error> {
    check_document_id(id)?;
    let fields = json::members(document)?;
    check_document(id, &fields)?;
    let standing = Fields::standing(tx, collection, id)?;
    if !standing.exists {
        put_or_delete(tx, collection, id, Action::Put(EXISTS.to_vec()))?;
    }
    for name in standing.values.keys().filter(|name| fields.iter().all(|(field, _)| field != *name)) {
        put_or_delete(tx, collection, &field_key(id, name), Action::Delete)?;
    }
    fields
        .into_iter()
        .try_for_each(|(name, value)| put_or_delete(tx, collection, &field_key(id, &name), Action::Put(value)))
}

/// Sets the fields of a patch, and removes those that it has as null: of its members, not of what is within them.
pub(super) fn patch(tx: &mut Tx<'_>, collection: &Collection, id: &str, patch: &[u8]) -> Result<(), Error> {
    check_document_id(id)?;
    let changes = json::members(patch)?;
    let standing = Fields::standing(tx, collection, id)?;
    let is_removal = |value: &[u8]| value == b"null";
    let mut patched = standing.values.clone();
    for (name, value) in &changes {
        check_field(name)?;
        match is_removal(value) {
            true => patched.remove(name),
            false => patched.insert(name.clone(), value.clone()),
        };
    }
    // What writes that had not seen each other made too large can always be made smaller.
    if !changes.iter().all(|(_, value)| is_removal(value)) {
        check_document(id, &patched.into_iter().collect())?;
    }
    if !standing.exists && standing.values.is_empty() {
        put_or_delete(tx, collection, id, Action::Put(EXISTS.to_vec()))?;
    }
    if planted!(PatchReplaces) {
        for name in standing.values.keys().filter(|name| changes.iter().all(|(field, _)| field != *name)) {
            put_or_delete(tx, collection, &field_key(id, name), Action::Delete)?;
        }
    }
    for (name, value) in changes {
        if !is_removal(&value) {
            put_or_delete(tx, collection, &field_key(id, &name), Action::Put(value))?;
        } else if standing.values.contains_key(&name) {
            put_or_delete(tx, collection, &field_key(id, &name), Action::Delete)?;
        }
    }
    Ok(())
}

/// Removes what stands of a document here. Where nothing does there is nothing to remove.
pub(super) fn delete(tx: &mut Tx<'_>, collection: &Collection, id: &str) -> Result<(), Error> {
    check_document_id(id)?;
    if !tx.head.collections.contains_key(collection) {
        return Ok(());
    }
    let standing = Fields::standing(tx, collection, id)?;
    for name in standing.values.keys() {
        put_or_delete(tx, collection, &field_key(id, name), Action::Delete)?;
    }
    if standing.exists { put_or_delete(tx, collection, id, Action::Delete) } else { Ok(()) }
}

/// Ends a field's conflict with a value, or with none.
pub(super) fn resolve(
    tx: &mut Tx<'_>,
    collection: &Collection,
    id: &str,
    field: &str,
    value: Option<&[u8]>,
) -> Result<(), Error> {
    check_document_id(id)?;
    check_field(field)?;
    let number = tx.collection(collection);
    let key = field_key(id, field);
    if tx.slot(number, &key)?.siblings() == 0 {
        return Err(no_conflict(field));
    }
    let Some(value) = value else { return put_or_delete(tx, collection, &key, Action::Delete) };
    let value = json::canonical_member(value)?;
    let mut resolved = Fields::standing(tx, collection, id)?.values;
    resolved.insert(field.to_owned(), value.clone());
    check_document(id, &resolved.into_iter().collect())?;
    put_or_delete(tx, collection, &key, Action::Put(value))
}

/// Whether a document may be written with these fields.
fn check_document(id: &str, fields: &Members) -> Result<(), Error> {
    fields.iter().try_for_each(|(name, _)| check_field(name))?;
    let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message).on(id));
    if fields.len() > DOCUMENT_FIELDS_MAX {
        return invalid(format!("a document has at most 1,000 fields, this one has {}", fields.len()))
            .map_err(|error| error.next_step("nest some of the fields within one, or split the document"));
    }
    let bytes = json::object(fields.clone()).len();
    if bytes > DOCUMENT_BYTES_MAX {
        return invalid(format!("a document has at most 256 KiB, this one has {bytes} bytes"))
            .map_err(|error| error.next_step("split the document"));
    }
    Ok(())
}

/// What stands of a document.
#[derive(Default)]
struct Fields {
    exists: bool,
    /// Each field's winning value.
    values: BTreeMap<String, Vec<u8>>,
}

impl Fields {
    /// As the step has it.
    fn standing(tx: &mut Tx<'_>, collection: &Collection, id: &str) -> Result<Self, Error> {
        let number = tx.collection(collection);
        let mut fields = Self::default();
        for (row, bytes) in tx.rows(Table::Records, &rows_of(number, id))? {
            let slot: Slot = damaged(decode(&bytes, "a field"))?;
            let Some(value) = slot.winner().and_then(|winner| winner.action.value()) else { continue };
            match split_document_key(&key_of(&row)?).1 {
                Some(field) => {
                    fields.values.insert(field.to_owned(), value.to_vec());
                }
                None => fields.exists = true,
            }
        }
        Ok(fields)
    }
}

/// The rows of a document's registers.
fn rows_of(number: u32, id: &str) -> ByteRange {
    ByteRange { start: record_key(number, id), end: Some(record_key(number, &past_document(id))) }
}

/// A document; `None` where nothing of it stands.
pub(super) fn get(state: &State, collection: &Collection, id: &str) -> Result<Option<Document>, Error> {
    let range = KeyRange { start: id.to_owned(), end: Some(past_document(id)) };
    Ok(list(state, collection, &range, 1)?.pop())
}

/// Documents by ascending id: at most `limit`, fewer only at the end of the range.
pub(super) fn list(
    state: &State,
    collection: &Collection,
    range: &KeyRange,
    limit: u32,
) -> Result<Vec<Document>, Error> {
    let Some(number) = state.head.collections.get(collection) else { return Ok(Vec::new()) };
    let mut rows = ByteRange {
        start: record_key(*number, &first_key(&range.start)),
        end: match &range.end {
            Some(end) => Some(record_key(*number, end)),
            None => ByteRange::prefix(&number.to_be_bytes()).end,
        },
    };
    let mut documents = Vec::new();
    let mut reading: Option<Reading> = None;
    loop {
        let page = state.local.list(Table::Records, &rows, PAGE_ROWS).map_err(local_error)?;
        for (row, bytes) in &page {
            let key = key_of(row)?;
            let (id, field) = split_document_key(&key);
            if reading.as_ref().is_none_or(|reading| reading.id != id) {
                documents.extend(reading.take().and_then(Reading::finish));
                if documents.len() as u64 >= u64::from(limit) {
                    return Ok(documents);
                }
                reading = Some(Reading::new(id));
            }
            if let Some(reading) = &mut reading {
                reading.take(field, damaged(decode(bytes, "a field"))?);
            }
        }
        match page.last() {
            Some((last, _)) if page.len() as u64 == u64::from(PAGE_ROWS) => {
                rows.start.clone_from(last);
                rows.start.push(0);
            }
            _ => break,
        }
    }
    documents.extend(reading.and_then(Reading::finish));
    Ok(documents)
}

/// The first register of a range that begins at `start`: a NUL behind an id stands for what follows that document, as it
/// stands for the key that follows in a map.
fn first_key(start: &str) -> String {
    match split_document_key(start) {
        (id, Some(_)) => past_document(id),
        (id, None) => id.to_owned(),
    }
}

/// A document whose registers are being read.
struct Reading {
    id: String,
    exists: bool,
    fields: Members,
    /// The newest of the writes that count.
    newest: Option<Standing>,
    conflicts: u32,
}

impl Reading {
    fn new(id: &str) -> Self {
        Self { id: id.to_owned(), exists: false, fields: Members::new(), newest: None, conflicts: 0 }
    }

    fn take(&mut self, field: Option<&str>, slot: Slot) {
        self.conflicts += u32::from(slot.siblings() > 0);
        let Some(mut winner) = slot.winner().cloned() else { return };
        let Action::Put(value) = std::mem::replace(&mut winner.action, Action::Delete) else { return };
        match field {
            Some(field) => self.fields.push((field.to_owned(), value)),
            None => self.exists = true,
        }
        if self.newest.as_ref().is_none_or(|newest| (newest.stamp, newest.dot) < (winner.stamp, winner.dot)) {
            self.newest = Some(winner);
        }
    }

    /// Fields without the register that says that the document exists are what a delete had not seen.
    fn finish(self) -> Option<Document> {
        let newest = self.newest?;
        Some(Document {
            id: self.id,
            value: Bytes::from(json::object(self.fields)),
            stamp: newest.stamp,
            device: newest.dot.device,
            conflicts: self.conflicts,
            deleted_concurrently: !self.exists,
        })
    }
}
