//! Local writes: numbered, stamped, tagged and applied in one transaction.

use super::api::Change;
use super::documents;
use super::head::damaged;
use super::state::{Tx, internal};
use super::tags;
use crate::local::Table;
use crate::replica::{
    Action, Collection, Context, Dot, Kind, Logged, Op, Point, Slot, Stamp, Standing, append_key, check_append_key,
    check_key, check_value, decode, deletion_digest, encode, first_tag, import_key, is_entry_key,
};
use crate::{Error, ErrorKind, Hash};

/// The most changes of one write.
pub(super) const CHANGES_MAX: usize = 5_000;

/// Applies changes in order; gives each one's key, and whether it wrote anything.
pub(super) fn write(tx: &mut Tx<'_>, changes: &[Change]) -> Result<(Vec<String>, Vec<bool>), Error> {
    if changes.len() > CHANGES_MAX {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("a write takes at most 5,000 changes, this one has {}", changes.len()),
        )
        .next_step("write in several calls"));
    }
    let from = tx.head.clock.n;
    let (mut keys, mut changed) = (Vec::with_capacity(changes.len()), Vec::with_capacity(changes.len()));
    for change in changes {
        let before = tx.head.clock.n;
        keys.push(write_one(tx, change)?);
        changed.push(tx.head.clock.n > before);
        // A document's change is many ops: one call with one of them always passes.
        if keys.len() > 1 && tx.head.clock.n - from > CHANGES_MAX as u64 {
            return Err(Error::new(ErrorKind::Invalid, "a write changes at most 5,000 fields of documents")
                .next_step("write in several calls"));
        }
    }
    Ok((keys, changed))
}

fn write_one(tx: &mut Tx<'_>, change: &Change) -> Result<String, Error> {
    match change {
        Change::Put { collection, key, value } if collection.kind == Kind::Documents => {
            collection.check()?;
            documents::put(tx, collection, key, value)?;
            Ok(key.clone())
        }
        Change::Put { collection, key, value } => {
            check(collection, Kind::Map, key)?;
            put(tx, collection, key, value)?;
            Ok(key.clone())
        }
        Change::PutWith { collection, key, value, attached } => {
            check(collection, Kind::Map, key)?;
            let mut attached = attached.clone();
            attached.sort_by(|one, other| one.name.cmp(&other.name));
            let action = Action::put(value.to_vec(), attached);
            action.check(collection.kind, key)?;
            put_or_delete(tx, collection, key, action)?;
            Ok(key.clone())
        }
        Change::Delete { collection, key } => {
            collection.check()?;
            check_key(key)?;
            match collection.kind {
                Kind::Log => delete_entry(tx, collection, key)?,
                Kind::Map => delete(tx, collection, key)?,
                Kind::Documents => documents::delete(tx, collection, key)?,
                Kind::Root | Kind::Places => return Err(foreign_kind(collection)),
            }
            Ok(key.clone())
        }
        Change::Patch { collection, id, patch } => {
            check_kind(collection, Kind::Documents)?;
            documents::patch(tx, collection, id, patch)?;
            Ok(id.clone())
        }
        Change::Append { collection, key: Some(key), value } => {
            append_under(tx, collection, key, value)?;
            Ok(key.clone())
        }
        Change::Append { collection, key: None, value } => {
            let drawn: [u8; 16] = tx.random();
            let mut attempt = 0u32;
            loop {
                let mut stamp = next_stamp(tx);
                if planted!(EntriesShuffled) {
                    stamp.counter = u32::from_le_bytes(tx.random());
                }
                let key = append_key(stamp, unlike_copies(tx, drawn, value, attempt));
                if append(tx, collection, &key, value)? {
                    return Ok(key);
                }
                attempt += 1;
            }
        }
        Change::Import { collection, source, unix_ms, repeat, value } => {
            let import = tx.head.identity()?.keys.import_key();
            let key = import_key(import, collection, source, *unix_ms, value, *repeat);
            append(tx, collection, &key, value)?;
            Ok(key)
        }
        Change::Restore { collection, key, value } => {
            append(tx, collection, key, value)?;
            Ok(key.clone())
        }
        Change::Resolve { collection, key, value } => {
            check(collection, Kind::Map, key)?;
            let number = tx.collection(collection);
            if tx.slot(number, key)?.siblings() == 0 {
                return Err(no_conflict(key));
            }
            match value {
                Some(value) => put(tx, collection, key, value)?,
                None => put_or_delete(tx, collection, key, Action::Delete)?,
            }
            Ok(key.clone())
        }
        Change::ResolveField { collection, id, field, value } => {
            check_kind(collection, Kind::Documents)?;
            documents::resolve(tx, collection, id, field, value.as_deref())?;
            Ok(id.clone())
        }
    }
}

fn check(collection: &Collection, kind: Kind, key: &str) -> Result<(), Error> {
    check_kind(collection, kind)?;
    check_key(key)
}

fn check_kind(collection: &Collection, kind: Kind) -> Result<(), Error> {
    collection.check()?;
    if collection.kind == kind { Ok(()) } else { Err(foreign_kind(collection)) }
}

fn foreign_kind(collection: &Collection) -> Error {
    Error::new(ErrorKind::Invalid, "this change does not fit the collection's kind")
        .on(collection.to_string())
        .next_step("maps take put, delete and resolve; logs append, import and delete; documents put, patch, delete and resolve")
}

/// Nothing to resolve at a key, or at a document's field.
pub(super) fn no_conflict(key: &str) -> Error {
    Error::new(ErrorKind::NotFound, "no conflict stands at this key")
        .on(key)
        .next_step("`conflicts` lists those there are; to set a value anyway, use `put`")
}

/// A put to a map keeps the attachments of all that it replaces: who edits a text need not know of them.
fn put(tx: &mut Tx<'_>, collection: &Collection, key: &str, value: &[u8]) -> Result<(), Error> {
    let number = tx.collection(collection);
    let before = tx.slot(number, key)?;
    let action = Action::put(value.to_vec(), before.attached());
    action.check(collection.kind, key)?;
    replace(tx, collection, key, &before, action)
}

/// A delete of a key where nothing stands is no op: there is nothing that it has seen.
fn delete(tx: &mut Tx<'_>, collection: &Collection, key: &str) -> Result<(), Error> {
    let Some(number) = tx.head.collections.get(collection).copied() else { return Ok(()) };
    if tx.slot(number, key)?.winner().is_none() {
        return Ok(());
    }
    put_or_delete(tx, collection, key, Action::Delete)
}

/// Writes to a map: the new op replaces all that stands at the key.
pub(super) fn put_or_delete(tx: &mut Tx<'_>, collection: &Collection, key: &str, action: Action) -> Result<(), Error> {
    let number = tx.collection(collection);
    let before = tx.slot(number, key)?;
    replace(tx, collection, key, &before, action)
}

/// The same, where what stands at the key is read already.
fn replace(tx: &mut Tx<'_>, collection: &Collection, key: &str, before: &Slot, action: Action) -> Result<(), Error> {
    let number = tx.collection(collection);
    let prefix = tx.head.vector();
    let forks = tx.head.forks.clone();
    let mut context = Context::default();
    for replaced in &before.standing {
        context.dots.insert(replaced.dot);
        context.join(&replaced.context, &forks);
    }
    // What a chunk of a half-merged snapshot brought here stands for all that V covers: without it, values that others had
    // replaced would show again beside this write (found by the model).
    for partial in tx.head.bucket.partial.iter().filter(|partial| partial.is_past(collection, key)) {
        context.vector.join(&partial.vector, &forks);
        for (device, islands) in &partial.islands {
            let mut dots = islands.iter().flat_map(|island| (island.from..).zip(&island.tags));
            context.dots.extend(dots.by_ref().map(|(n, tag)| Dot { device: *device, n, tag: *tag }));
        }
    }
    context.shrink(&prefix, &forks);
    if planted!(ObservedVectorOnly) {
        context = Context::default();
    }
    let (dot, op) = allocate(tx, collection, key, action, context)?;
    for replaced in &before.standing {
        void(tx, replaced.dot, dot.n)?;
    }
    let standing = Standing { dot, stamp: op.stamp, action: op.action, context: op.context };
    tx.set_slot(number, key, &Slot { standing: vec![standing] }, before);
    tx.note_change(collection, key);
    Ok(())
}

/// Adds an entry, unless its key is taken: by an entry, or by one that was deleted, which it is for ever.
pub(super) fn append(tx: &mut Tx<'_>, collection: &Collection, key: &str, value: &[u8]) -> Result<bool, Error> {
    check(collection, Kind::Log, key)?;
    check_value(key, value)?;
    let digest = deletion_digest(tx.head.identity()?.keys.digest_key(), collection, key);
    if tx.is_deleted(&digest)? {
        return Ok(false);
    }
    let number = tx.collection(collection);
    let before = tx.slot(number, key)?;
    if !before.standing.is_empty() {
        return Ok(false);
    }
    let (dot, op) = allocate(tx, collection, key, Action::Put(value.to_vec()), Context::default())?;
    let standing = Standing { dot, stamp: op.stamp, action: op.action, context: Context::default() };
    tx.set_slot(number, key, &Slot { standing: vec![standing] }, &before);
    tx.note_change(collection, key);
    Ok(true)
}

/// Appends under the caller's key. A repeated call finds its entry, or that the entry was deleted since: both are success.
fn append_under(tx: &mut Tx<'_>, collection: &Collection, key: &str, value: &[u8]) -> Result<(), Error> {
    check_append_key(key)?;
    if append(tx, collection, key, value)? {
        return Ok(());
    }
    let number = tx.collection(collection);
    let found = tx.slot(number, key)?.standing;
    if found.is_empty() || found.iter().any(|write| matches!(&write.action, Action::Put(there) if there == value)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::AlreadyExists, "another entry has this key").on(key).next_step("make a new key"))
}

/// Random bits of a new entry's key. A restart from an image, or a copy of a machine, repeats random bytes and may find the
/// same time: the device's log so far and the value make the difference.
fn unlike_copies(tx: &Tx<'_>, drawn: [u8; 16], value: &[u8], attempt: u32) -> [u8; 6] {
    let hash = Hash::of(&[&drawn[..], &attempt.to_le_bytes(), &tx.head.clock.tag.0, value].concat());
    let mut random = [0; 6];
    random.copy_from_slice(&hash.0[..6]);
    random
}

/// The stamp of the next op.
fn next_stamp(tx: &Tx<'_>) -> Stamp {
    if planted!(StampGoesBack) { Stamp::default() } else { tx.head.clock.stamp }.next(tx.now.unix_ms)
}

/// The deletion of an entry that is not here yet is recorded, too: the entry may be on its way, and deletion wins.
fn delete_entry(tx: &mut Tx<'_>, collection: &Collection, key: &str) -> Result<(), Error> {
    let digest = deletion_digest(tx.head.identity()?.keys.digest_key(), collection, key);
    if tx.is_deleted(&digest)? {
        return Ok(());
    }
    let here = tx.head.collections.get(collection).map(|number| tx.slot(*number, key)).transpose()?;
    if here.is_none_or(|slot| slot.standing.is_empty()) && !is_entry_key(key) {
        return Err(Error::new(ErrorKind::NotFound, "no entry is here under this key, and none is given such a key")
            .on(key)
            .next_step("`log list` shows the keys of entries"));
    }
    let number = tx.collection(collection);
    let before = tx.slot(number, key)?;
    let (dot, _) = allocate(tx, collection, key, Action::Delete, Context::default())?;
    for replaced in &before.standing {
        void(tx, replaced.dot, dot.n)?;
    }
    tx.set(Table::Deletions, digest.to_vec(), Some(Vec::new()));
    tx.set_slot(number, key, &Slot::default(), &before);
    tx.note_change(collection, key);
    Ok(())
}

/// Gives the next op its number, stamp and tag, in the transaction that stores it.
fn allocate(
    tx: &mut Tx<'_>,
    collection: &Collection,
    key: &str,
    action: Action,
    context: Context,
) -> Result<(Dot, Op), Error> {
    let device = tx.head.identity()?.device;
    let vector = tx.head.vector();
    let forks = tx.head.forks.clone();
    let stamp = next_stamp(tx);
    let clock = &mut tx.head.clock;
    let own = Point { n: clock.n, tag: clock.tag };
    let mut seen = clock.seen.clone();
    if clock.n > 0 {
        seen.raise(device, own, &forks); // an op has seen its device's earlier ones: that is never spelt out
    }
    let op = Op {
        seen: if planted!(SeenNotStated) { Default::default() } else { vector.beyond(&seen, &forks) },
        stamp,
        collection: collection.clone(),
        key: key.to_owned(),
        action,
        context,
    };
    let before = if clock.n == 0 { first_tag(device) } else { clock.tag };
    clock.n += 1;
    clock.tag = op.tag(before);
    clock.stamp = op.stamp;
    clock.seen.join(&op.seen, &forks);
    let dot = Dot { device, n: clock.n, tag: clock.tag };
    tx.set(Table::Ops, dot.n.to_be_bytes().to_vec(), Some(encode(&Logged::Op(op.clone()))));
    tags::keep(tx, device, [(dot.n, dot.tag)])?;
    Ok((dot, op))
}

/// An own op that is replaced before anything published held it goes out as a void. `by` is the number of what replaced it.
fn void(tx: &mut Tx<'_>, dot: Dot, by: u64) -> Result<(), Error> {
    if dot.device != tx.head.identity()?.device || (dot.n <= tx.head.published.held && !planted!(PublishedTurnsVoid)) {
        return Ok(());
    }
    let key = dot.n.to_be_bytes().to_vec();
    let Some(bytes) = tx.get(Table::Ops, &key)? else { return Err(internal("an own op is not in the log")) };
    let op: Logged = damaged(decode(&bytes, "an own op"))?;
    let Some(by) = by.checked_sub(dot.n) else { return Err(internal("a replaced op is newer than the log's end")) };
    let empty = Logged::Void { seen: op.seen().clone(), tag: dot.tag, by };
    tx.set(Table::Ops, key, Some(encode(&empty)));
    Ok(())
}
