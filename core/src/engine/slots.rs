//! Slots in the bucket: reading one's own, sealing everybody's again, and the keys that come with them.

use super::api::{Recipient, RecipientKind, SyncReport};
use super::head::{Head, Identity, damaged, local_error};
use super::member::DEVICE_RECORD;
use super::objects::Found;
use super::shared::Shared;
use super::state::{State, Tx, internal, key_of, record_key};
use super::{people, write};
use crate::crypto::{
    KeyRing, Opener, RootSecret, SlotName, SlotPayload, SlotRecord, StretchParams, StretchRequest, Stretching,
    epoch_of, keys_path, open_keys, open_slot, seal_keys, seal_slot,
};
use crate::local::{ByteRange, Row, Table};
use crate::replica::{Action, Collection, Slot, decode, encode};
use crate::{DeviceId, EpochId, Error, ErrorKind, VaultId};
use bytes::Bytes;
use zeroize::Zeroizing;

/// The most bytes of a slot or keys object: a header, a key, a small payload; every earlier key for the latter.
const SLOT_BYTES_MAX: u64 = 64 << 10;
const KEYS_BYTES_MAX: u64 = 1 << 20;
/// So many bad records are told in one report.
const BAD_RECORDS_TOLD_MAX: usize = 8;

/// Where root records of slots lie.
pub(super) const SLOT_RECORD: &str = "slots/";

/// Every slot whose record is here, sealed and PUT again; a revoked device gets none, whatever its record says, nor does a
/// code or passphrase that may have been replaced.
pub(super) async fn put_slots(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    put_devices_slots(cx, identity).await?;
    // Who dies in between has handed on to all devices what those who join are given.
    let current = identity.keys.current();
    for record in cx.read(records)?.iter().filter(|record| is_of_people(&record.name)) {
        if cx.read(|state| people::has_seat(&state.head.bucket, current, &record.name)) {
            put_slot(cx, identity, record).await?;
        }
    }
    Ok(())
}

/// The devices' alone.
pub(super) async fn put_devices_slots(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    cx.step(|tx| {
        tx.head.bucket.handed_on = Some(identity.keys.current());
        Ok(())
    })?;
    for record in &cx.read(records)? {
        if matches!(record.name, SlotName::Device(id) if !cx.read(|state| state.head.is_revoked(id))) {
            put_slot(cx, identity, record).await?;
        }
    }
    Ok(())
}

/// The records of slots from which keys are handed out: those that stand and that [`judged`] finds good.
pub(super) fn records(state: &State) -> Result<Vec<SlotRecord>, Error> {
    Ok(all_records(state)?.into_iter().filter_map(|read| read.record).collect())
}

/// Those that can open the vault without being a device: the recovery code and the passphrase.
pub(super) fn recipients(state: &State) -> Result<Vec<Recipient>, Error> {
    let recipient = |read: ReadRecord| {
        let kind = match read.record?.name {
            SlotName::Recovery(_) => RecipientKind::RecoveryCode,
            SlotName::Passphrase(_) => RecipientKind::Passphrase,
            SlotName::Device(_) => return None,
        };
        Some(Recipient { kind, added_by: read.author, added_ms: read.added_ms })
    };
    Ok(all_records(state)?.into_iter().filter_map(recipient).collect())
}

fn all_records(state: &State) -> Result<Vec<ReadRecord>, Error> {
    let Some(range) = place_of_records(&state.head) else { return Ok(Vec::new()) };
    let rows = state.local.list(Table::Records, &range, u32::MAX).map_err(local_error)?;
    read_records(rows, |key| Ok(state.slot(&Collection::root(), key)?.winner().is_some()))
}

/// As [`records`], within a step.
pub(super) fn records_within(tx: &Tx<'_>) -> Result<Vec<SlotRecord>, Error> {
    let (Some(number), Some(range)) = (tx.head.collections.get(&Collection::root()), place_of_records(tx.head)) else {
        return Ok(Vec::new());
    };
    let rows = tx.list(Table::Records, &range, u32::MAX)?;
    let all = read_records(rows, |key| Ok(tx.slot(*number, key)?.winner().is_some()))?;
    Ok(all.into_iter().filter_map(|read| read.record).collect())
}

/// All of them, however many: a member could write a thousand that sort before all others.
fn place_of_records(head: &Head) -> Option<ByteRange> {
    head.collections.get(&Collection::root()).map(|number| ByteRange::prefix(&record_key(*number, SLOT_RECORD)))
}

/// A record of a slot that stands.
struct ReadRecord {
    place: String,
    author: DeviceId,
    added_ms: u64,
    /// `None`: it is not good.
    record: Option<SlotRecord>,
}

fn read_records(rows: Vec<Row>, stands: impl Fn(&str) -> Result<bool, Error>) -> Result<Vec<ReadRecord>, Error> {
    let mut records = Vec::new();
    for (row, bytes) in rows {
        let slot: Slot = damaged(decode(&bytes, "a record"))?;
        let Some(winner) = slot.winner() else { continue };
        // What a newer version wrote of a slot is its own affair.
        let Some(Ok(record)) = winner.action.value().map(|value| decode::<SlotRecord>(value, "a slot's record")) else {
            continue;
        };
        let (place, author) = (key_of(&row)?, winner.dot.device);
        let is_good = judged(&record, &place, author, &stands)?;
        records.push(ReadRecord { place, author, added_ms: winner.stamp.ms, record: is_good.then_some(record) });
    }
    Ok(records)
}

/// Whether keys are handed out by a record: it lies at its own place, a slot can be sealed from it, and a device's was written
/// by that device, which is listed. A member could else hand keys to whoever it likes, unseen, or stop each key rotation.
fn judged(
    record: &SlotRecord,
    place: &str,
    author: DeviceId,
    stands: impl Fn(&str) -> Result<bool, Error>,
) -> Result<bool, Error> {
    if weakened!(SlotRecordsBelieved) {
        return Ok(true);
    }
    let is_authors = match record.name {
        SlotName::Device(device) => device == author && stands(&format!("{DEVICE_RECORD}{device}"))?,
        SlotName::Recovery(_) | SlotName::Passphrase(_) => true,
    };
    Ok(is_authors && record.name.path() == place && record.check().is_ok())
}

/// Tells of records that are no good, and puts the own one back where another member replaced or removed it: without it this
/// device gets no keys at the next rotation.
pub(super) fn check_records(cx: &Shared, identity: &Identity, report: &mut SyncReport) -> Result<(), Error> {
    let own = Opener::device(&identity.secret).record();
    let all = cx.read(all_records)?;
    let has_own = all.iter().any(|read| read.record.as_ref() == Some(&own));
    for bad in all.iter().filter(|read| read.record.is_none()).take(BAD_RECORDS_TOLD_MAX) {
        let what = format!("the record of {} is forged or damaged: nobody gets keys by it", bad.place);
        report.reports.push(
            Error::new(ErrorKind::Corrupt, what)
                .on(bad.author.to_string())
                .next_step("that device wrote it; revoke the device unless its owner can explain it"),
        );
    }
    if !has_own && identity.member && !weakened!(SlotRecordsBelieved) {
        cx.step(|tx| put_record(tx, &own))?;
    }
    Ok(())
}

/// Whether the record of a slot that people open was ever seen here: a newcomer that has not read it knows of nobody's slot.
pub(super) fn knows_slots(state: &State) -> Result<bool, Error> {
    Ok(state.head.bucket.knows_slots || records(state)?.iter().any(|record| is_of_people(&record.name)))
}

pub(super) fn is_of_people(name: &SlotName) -> bool {
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
    let mut places: Vec<_> = names.map(|name| (name.path(), Some(name))).collect();
    let current = identity.keys.current();
    if current.number > 1 {
        places.push((keys_path(current), None));
    }
    let mut all_stand = true;
    for (path, name) in places {
        let of_people = name.filter(is_of_people);
        let decides = name.is_none_or(|name| name == own || is_of_people(&name));
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
            Found::Bytes { bytes, .. }
                if of_people.is_none_or(|name| people::is_its_own(&name, &bytes))
                    && stands(identity, &path, &bytes) => {}
            // Gone, an older one's, or another passphrase's.
            _ => {
                if let Some(name) = of_people
                    && cx.read(|state| people::may_be_replaced(state, current, &name))?
                {
                    continue;
                }
                all_stand = false;
            }
        }
        if let Some(name) = of_people {
            people::seat(cx, name)?;
        }
    }
    Ok(if all_stand { Standing::AsPut } else { Standing::Older })
}

/// Of all slots whose records are here, and the earlier keys, those that do not stand as this device would write them: path, and
/// whether it is missing. One of another device's turn is left out, and one that may have been replaced.
pub(super) async fn look_at_each(cx: &Shared, identity: &Identity) -> Result<Vec<(String, bool)>, Error> {
    let current = identity.keys.current();
    let mut bad = Vec::new();
    if current.number > 1 {
        let path = keys_path(current);
        let found = get(cx, &path).await?;
        if !found.as_ref().is_some_and(|sealed| stands(identity, &path, sealed)) {
            bad.push((path, found.is_none()));
        }
    }
    for record in cx.read(records)? {
        let path = record.name.path();
        if matches!(record.name, SlotName::Device(id) if cx.read(|state| state.head.is_revoked(id))) {
            continue;
        }
        let found = get(cx, &path).await?;
        // Others' slots can't be opened here: their length tells whether they were cut.
        let len = seal(cx, identity, &record)?.len();
        let is_good = |sealed: &Bytes| {
            let is_its_own = !is_of_people(&record.name) || people::is_its_own(&record.name, sealed);
            is_of_another_turn(identity, sealed)
                || (is_its_own && sealed.len() == len && stands(identity, &path, sealed))
        };
        let may_be_replaced =
            is_of_people(&record.name) && cx.read(|state| people::may_be_replaced(state, current, &record.name))?;
        if !may_be_replaced && !found.as_ref().is_some_and(is_good) {
            bad.push((path, found.is_none()));
        }
    }
    Ok(bad)
}

/// An object of keys. One that is longer than any is as good as an empty one.
async fn get(cx: &Shared, path: &str) -> Result<Option<Bytes>, Error> {
    match cx.get(path, None, KEYS_BYTES_MAX).await {
        Ok(Found::Bytes { bytes, .. }) => Ok(Some(bytes)),
        Ok(Found::Unchanged | Found::Nothing) => Ok(None),
        Err(failure) if failure.error.kind() == ErrorKind::Corrupt => Ok(Some(Bytes::new())),
        Err(failure) => Err(failure.error),
    }
}

/// Sealed under an epoch that is not known here. No turn makes a first one: that is of an `init` which lost against this vault's.
fn is_of_another_turn(identity: &Identity, sealed: &[u8]) -> bool {
    epoch_of(sealed).is_ok_and(|epoch| epoch.number > 1 && identity.keys.root_secret(epoch).is_none())
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
    let sealed = seal(cx, identity, record)?;
    cx.flush().await?;
    cx.put_new(&record.name.path(), sealed).await
}

fn seal(cx: &Shared, identity: &Identity, record: &SlotRecord) -> Result<Bytes, Error> {
    let epoch = identity.keys.current();
    let root_secret = identity.keys.root_secret(epoch).ok_or_else(|| internal("no secret for its own epoch"))?.clone();
    let payload = SlotPayload { epoch, root_secret, vault: identity.vault, header_hash: identity.header };
    let mut state = cx.lock();
    seal_slot(record, &payload, &identity.secret, &mut *state.entropy).map(Bytes::from)
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
        Found::Bytes { bytes, .. } => open_keys(vault, epoch, secret, &bytes)
            .map_err(|error| error.next_step("run `tidelock republish` on a device that has the vault")),
        Found::Unchanged | Found::Nothing => Err(Error::new(ErrorKind::Corrupt, "the vault's earlier keys are gone")
            .on(path)
            .next_step("run `tidelock republish` on a device that has the vault")),
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
