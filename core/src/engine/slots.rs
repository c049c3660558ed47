//! Slots in the bucket: reading one's own, sealing everybody's again, and the keys that come with them.

use super::api::SyncReport;
use super::head::{Identity, damaged, local_error};
use super::objects::Found;
use super::shared::Shared;
use super::state::{State, Tx, internal, record_key};
use super::write;
use crate::crypto::{
    KeyRing, Opener, RootSecret, SlotName, SlotPayload, SlotRecord, StretchParams, StretchRequest, Stretching,
    epoch_of, keys_path, open_keys, open_slot, seal_keys, seal_slot,
};
use crate::local::{ByteRange, Table};
use crate::replica::{Action, Collection, Slot, decode, encode};
use crate::{EpochId, Error, ErrorKind, VaultId};
use bytes::Bytes;
use zeroize::Zeroizing;

/// The most bytes of a slot or keys object: a header, a key, a small payload; every earlier key for the latter.
const SLOT_BYTES_MAX: u64 = 64 << 10;
const KEYS_BYTES_MAX: u64 = 1 << 20;
/// More slots than any person has devices.
const SLOTS_MAX: u32 = 1_000;

/// Where root records of slots lie.
pub(super) const SLOT_RECORD: &str = "slots/";

/// Every slot whose record is here, sealed and PUT again; a revoked device gets none, whatever its record says.
pub(super) async fn put_slots(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    cx.step(|tx| {
        tx.head.bucket.handed_on = Some(identity.keys.current());
        Ok(())
    })?;
    // Who dies in between has handed on to all devices what those who join are given.
    let mut records = cx.read(records)?;
    records.sort_by_key(|record| is_of_people(&record.name));
    for record in &records {
        let gone = matches!(record.name, SlotName::Device(id) if cx.read(|state| state.head.is_revoked(id)));
        if !gone {
            put_slot(cx, identity, record).await?;
        }
    }
    Ok(())
}

/// The slots' records that stand.
pub(super) fn records(state: &State) -> Result<Vec<SlotRecord>, Error> {
    let Some(number) = state.head.collections.get(&Collection::root()) else { return Ok(Vec::new()) };
    let range = ByteRange::prefix(&record_key(*number, SLOT_RECORD));
    let rows = state.local.list(Table::Records, &range, SLOTS_MAX).map_err(local_error)?;
    let mut records = Vec::new();
    for (_, row) in rows {
        let slot: Slot = damaged(decode(&row, "a record"))?;
        if let Some(value) = slot.winner().and_then(|winner| winner.action.value()) {
            // What a newer version wrote of a slot is its own affair.
            records.extend(decode::<SlotRecord>(value, "a slot's record"));
        }
    }
    Ok(records)
}

/// Whether the record of a slot that people open was ever seen here: a newcomer that has not read it knows of nobody's slot.
pub(super) fn knows_slots(state: &State) -> Result<bool, Error> {
    Ok(state.head.bucket.knows_slots || records(state)?.iter().any(|record| is_of_people(&record.name)))
}

fn is_of_people(name: &SlotName) -> bool {
    !matches!(name, SlotName::Device(_))
}

/// The own slot, those that people open and the earlier keys stand as they were PUT last; else a lifecycle rule or a slip took
/// one, or the bucket went back to before a turn, and all are PUT again. Not where one of them is of another device's turn:
/// whoever that shuts out must not put its own keys in the place of the newer ones. Nor where one can't be read, which may be.
pub(super) async fn check(cx: &Shared, identity: &Identity, report: &mut SyncReport) -> Result<(), Error> {
    let own = SlotName::Device(identity.device);
    match look(cx, identity, |name| *name == own || is_of_people(name)).await? {
        Standing::AsPut | Standing::OfAnotherTurn => Ok(()),
        Standing::Unreadable(error) => {
            report.reports.push(error);
            Ok(())
        }
        Standing::Older => put_all(cx, identity).await,
    }
}

/// What stands at slots and the earlier keys.
pub(super) enum Standing {
    AsPut,
    /// One is gone, or not what was PUT last.
    Older,
    /// One is sealed under an epoch that is not known here.
    OfAnotherTurn,
    /// The store refuses the own one, one that people open or the keys, which may be of another turn.
    Unreadable(Error),
}

/// Looks at the earlier keys and at the slots of these names.
pub(super) async fn look(
    cx: &Shared,
    identity: &Identity,
    which: impl Fn(&SlotName) -> bool,
) -> Result<Standing, Error> {
    let own = SlotName::Device(identity.device);
    let names = cx.read(records)?.into_iter().map(|record| record.name).filter(which);
    let mut paths: Vec<_> = names.map(|name| (name.path(), name == own || is_of_people(&name))).collect();
    let current = identity.keys.current();
    if current.number > 1 {
        paths.push((keys_path(current), true));
    }
    let mut all_stand = true;
    for (path, decides) in paths {
        let found = cx.get(&path, None, KEYS_BYTES_MAX).await.map_err(|failure| failure.error);
        let found = match cx.spare(found.map(Ok)).await? {
            Ok(found) => found,
            Err(error) if decides => return Ok(Standing::Unreadable(error)),
            Err(_) => {
                all_stand = false; // another device's alone: whoever turned put its own keys elsewhere, too
                continue;
            }
        };
        match found {
            Found::Bytes { bytes, .. } if is_of_another_turn(identity, &bytes) => return Ok(Standing::OfAnotherTurn),
            Found::Bytes { bytes, .. } => all_stand &= stands(identity, &path, &bytes),
            Found::Unchanged | Found::Nothing => all_stand = false,
        }
    }
    Ok(if all_stand { Standing::AsPut } else { Standing::Older })
}

/// Sealed under an epoch that is not known here.
fn is_of_another_turn(identity: &Identity, sealed: &[u8]) -> bool {
    epoch_of(sealed).is_ok_and(|epoch| identity.keys.root_secret(epoch).is_none())
}

/// Sealed under the current keys, and opens, as far as this device can tell.
fn stands(identity: &Identity, path: &str, sealed: &[u8]) -> bool {
    let current = identity.keys.current();
    if epoch_of(sealed).ok() != Some(current) {
        return false;
    }
    let own = SlotName::Device(identity.device);
    if path == own.path() {
        return open_slot(&Opener::device(&identity.secret), identity.vault, identity.header, sealed).is_ok();
    }
    let secret = identity.keys.root_secret(current).filter(|_| path == keys_path(current));
    secret.is_none_or(|secret| open_keys(identity.vault, current, secret.clone(), sealed).is_ok())
}

/// The earlier keys, and every slot.
pub(super) async fn put_all(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    put_keys(cx, identity).await?;
    put_slots(cx, identity).await
}

/// The object with all earlier keys. There is none in the first epoch.
pub(super) async fn put_keys(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    let epoch = identity.keys.current();
    if epoch.number == 1 {
        return Ok(());
    }
    let sealed = seal_keys(&identity.keys, &identity.secret, &mut *cx.lock().entropy);
    cx.flush().await?;
    cx.put_new(&keys_path(epoch), Bytes::from(sealed)).await
}

pub(super) async fn put_slot(cx: &Shared, identity: &Identity, record: &SlotRecord) -> Result<(), Error> {
    let epoch = identity.keys.current();
    let root_secret = identity.keys.root_secret(epoch).ok_or_else(|| internal("no secret for its own epoch"))?.clone();
    let payload = SlotPayload { epoch, root_secret, vault: identity.vault, header_hash: identity.header };
    let sealed = {
        let mut state = cx.lock();
        seal_slot(record, &payload, &identity.secret, &mut *state.entropy)?
    };
    cx.flush().await?;
    cx.put_new(&record.name.path(), Bytes::from(sealed)).await
}

pub(super) async fn get_slot(cx: &Shared, path: &str) -> Result<Option<Bytes>, Error> {
    match cx.get(path, None, SLOT_BYTES_MAX).await.map_err(|failure| failure.error)? {
        Found::Bytes { bytes, .. } => Ok(Some(bytes)),
        Found::Unchanged | Found::Nothing => Ok(None),
    }
}

/// The newest epoch's secret gives, through its `keys/` object, all that came before.
pub(super) async fn key_ring(
    cx: &Shared,
    vault: VaultId,
    epoch: EpochId,
    secret: RootSecret,
) -> Result<KeyRing, Error> {
    if epoch.number == 1 {
        return KeyRing::first(vault, epoch, secret);
    }
    let path = keys_path(epoch);
    match cx.get(&path, None, KEYS_BYTES_MAX).await.map_err(|failure| failure.error)? {
        Found::Bytes { bytes, .. } => open_keys(vault, epoch, secret, &bytes),
        Found::Unchanged | Found::Nothing => Err(Error::new(ErrorKind::Corrupt, "the vault's earlier keys are gone")
            .on(path)
            .next_step("sync any device of the vault: it puts them back")),
    }
}

pub(super) fn slot_key(record: &SlotRecord) -> String {
    record.name.path().trim_start_matches(SLOT_RECORD).to_owned()
}

pub(super) async fn passphrase_opener(
    cx: &Shared,
    identity: &Identity,
    passphrase: Zeroizing<String>,
) -> Result<Opener, Error> {
    let salt = {
        let mut state = cx.lock();
        let written = state.head.clock.n.to_le_bytes(); // so that no later passphrase has the same salt
        identity.secret.fresh("passphrase salt", &mut *state.entropy, &[&identity.vault.0, &written])
    };
    stretched(cx, Stretching { salt, params: StretchParams::default() }, passphrase).await
}

pub(super) async fn stretched(
    cx: &Shared,
    stretching: Stretching,
    passphrase: Zeroizing<String>,
) -> Result<Opener, Error> {
    if passphrase.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "the passphrase is empty").next_step("choose a longer one"));
    }
    let request = StretchRequest { stretching, passphrase: Zeroizing::new(passphrase.as_bytes().to_vec()) };
    let key = cx.stretch(request).await?;
    Ok(Opener::passphrase(stretching, &key))
}

/// Replaces the record of a slot's holder.
pub(super) fn put_record(tx: &mut Tx<'_>, record: &SlotRecord) -> Result<(), Error> {
    let place = format!("{}{}", SLOT_RECORD, slot_key(record));
    write::put_or_delete(tx, &Collection::root(), &place, Action::Put(encode(record)))
}

/// Takes a slot's record away.
pub(super) fn delete_record(tx: &mut Tx<'_>, record: &SlotRecord) -> Result<(), Error> {
    let place = format!("{}{}", SLOT_RECORD, slot_key(record));
    write::put_or_delete(tx, &Collection::root(), &place, Action::Delete)
}
