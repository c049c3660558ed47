//! Becoming a device of a vault: create one, or join one. Both resume after a crash at any step.

use super::api::{Outcome, Secret, SyncReport};
use super::head::{Identity, Stopped, damaged};
use super::header::{self, Header, header_bytes};
use super::objects::{HEADER, manifests_prefix};
use super::shared::Shared;
use super::slots::{SLOT_RECORD, get_slot, key_ring, passphrase_opener, put_slot, stretched};
use super::state::{Tx, internal};
use super::{anew, collect, epochs, leave, publish, pull, revoked, slots, write};
use crate::crypto::{
    DeviceSecret, KeyRing, Opener, RecoveryCode, RootSecret, SlotName, SlotRecord, open_slot, private_space_id,
    stretching_of,
};
use crate::replica::{Action, Collection, decode, encode};
use crate::s3::{Answer, Condition, Enforcement, Probe};
use crate::{DeviceId, EpochId, Error, ErrorKind, Hash, VaultId};
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A new header is read back after this long: of two `init` at once, one wins.
const READ_BACK_MS: u64 = 2_000;
/// The most bytes of a device's name.
const NAME_BYTES_MAX: usize = 256;

/// Where root records of devices lie.
pub(super) const DEVICE_RECORD: &str = "devices/";

/// Makes a vault: keys are stored locally, then PUT slots, manifest, beacon, and last the header.
pub(super) async fn create(cx: &Shared, passphrase: Option<Zeroizing<String>>) -> Result<Outcome, Error> {
    let name = device_name(cx)?;
    let identity = match cx.read(|state| state.head.identity.clone()) {
        Some(identity) if identity.member => return created_before(cx, &identity).await,
        Some(identity) if identity.recovery.is_some() => identity, // a crashed one, resumed
        _ => match header::read(cx).await? {
            Header::Of { vault, .. } => return Err(other_vault(vault)),
            Header::Damaged => return Err(header::remains()),
            Header::Missing if header::has_remains(cx).await? => return Err(header::remains()),
            Header::Missing => new_identity(cx)?,
        },
    };
    let code = identity.recovery.clone().ok_or_else(|| internal("a vault being created has no recovery code"))?;
    let code = RecoveryCode::parse(&code)?;
    // A crashed create that got as far as its header is through but for saying so.
    let header_there = match header::read(cx).await? {
        Header::Of { hash, .. } if hash == identity.header => true,
        Header::Of { vault, .. } => return forget(cx, vault),
        Header::Damaged => return Err(header::remains()),
        Header::Missing => false,
    };
    let mut openers = vec![Opener::recovery(&code), Opener::device(&identity.secret)];
    let has_passphrase = passphrase.is_some();
    if let Some(passphrase) = passphrase {
        openers.push(passphrase_opener(cx, &identity, passphrase).await?);
    }
    probe(cx, &identity).await?;
    let records: Vec<SlotRecord> = openers.iter().map(Opener::record).collect();
    for record in &records {
        put_slot(cx, &identity, record).await?;
    }
    // What an `init` that broke off had set, perhaps with another passphrase, opens nothing any more.
    let before = cx.read(slots::records)?;
    let stale: Vec<&SlotRecord> = before.iter().filter(|record| !records.contains(record)).collect();
    for record in stale.iter().filter(|stale| records.iter().all(|record| record.name.path() != stale.name.path())) {
        collect::delete_one(cx, &record.name.path()).await?;
    }
    cx.step(|tx| {
        stale.iter().try_for_each(|record| slots::delete_record(tx, record))?;
        introduce(tx, &identity, &name, &records)?;
        let new = records.iter().filter(|record| !before.is_empty() && !before.contains(record));
        new.into_iter().try_for_each(|record| slots::put_record(tx, record))
    })?;
    let mut report = SyncReport::default();
    let mut polled = pull::Polled { repair: true, ..Default::default() };
    publish::push(cx, &mut polled, false, &mut report).await?;
    if !header_there {
        let condition = match cx.read(|state| state.head.bucket.conditional) {
            Some(true) => Condition::IfAbsent,
            _ => Condition::Always,
        };
        let answer = cx.put(HEADER, header_bytes(identity.vault), condition).await?;
        cx.sleep(READ_BACK_MS).await;
        if answer == Answer::Refused && matches!(header::read(cx).await?, Header::Missing) {
            write_over_mark(cx, &identity).await?;
        }
    }
    match header::read(cx).await? {
        Header::Of { hash, .. } if hash == identity.header => {}
        Header::Of { vault, .. } => return forget(cx, vault),
        Header::Missing | Header::Damaged => {
            return Err(Error::new(ErrorKind::Network, "the vault's header was written and cannot be read back")
                .on(HEADER)
                .next_step("run `init` again: it goes on where it stopped")
                .retryable());
        }
    }
    if has_passphrase {
        slots::check(cx, &identity, &mut report).await?; // one place for all: another's may have come there meanwhile
    }
    cx.step(|tx| {
        let mut member = (**tx.head.identity()?).clone();
        member.member = true; // the code stays until the first sync: whoever started this may not live to show it
        tx.head.identity = Some(Arc::new(member));
        tx.head.bucket.checked_ms = tx.now.unix_ms;
        tx.head.bucket.swept_ms = tx.now.unix_ms;
        Ok(())
    })?;
    cx.flush().await?;
    Ok(Outcome::Created { recovery_code: code })
}

/// Adds this device to the vault at the store.
pub(super) async fn join(cx: &Shared, secret: Secret) -> Result<Outcome, Error> {
    let name = device_name(cx)?;
    if cx.read(|state| state.head.bucket.stopped == Some(Stopped::Revoked)) {
        return Err(cx.read(|state| Stopped::Revoked.error(state)));
    }
    let member = cx.read(|state| state.head.identity.clone()).filter(|identity| identity.member);
    let (vault, header) = match header::read(cx).await? {
        Header::Of { vault, hash } => (vault, hash),
        Header::Damaged => return Err(header::damaged()),
        Header::Missing if header::has_remains(cx).await? => return Err(header::damaged()),
        Header::Missing => {
            return Err(Error::new(ErrorKind::NotFound, "no vault stands at this store")
                .on(HEADER)
                .next_step("check the store's address, or make a vault there with `init`"));
        }
    };
    if let Some(member) = member.as_ref().filter(|member| member.header != header) {
        return Err(already_here(member));
    }
    let opener = opener(cx, secret).await?;
    let keys = keys_by(cx, &opener, vault, header).await?;
    if let Some(member) = member {
        return come_back(cx, &member, &keys).await;
    }
    let identity = joining(cx, vault, header, keys)?;
    probe(cx, &identity).await?;
    let joined = join_as(cx, &identity, &name, &opener).await;
    if !cx.read(|state| state.head.bucket.copied) {
        return joined;
    }
    // A store that was copied, or put back, before it had joined: the id is another's.
    let identity = cx.read(|state| state.head.identity().cloned())?; // new keys may have come
    leave::leave(cx, &identity).await?;
    let identity = cx.read(|state| state.head.identity().cloned())?;
    join_as(cx, &identity, &name, &opener).await
}

/// Publishes the device, and takes what stands.
async fn join_as(cx: &Shared, identity: &Arc<Identity>, name: &str, opener: &Opener) -> Result<Outcome, Error> {
    // An empty vector is stated before any state is read, so that nobody drops tombstones that this device needs.
    let record = Opener::device(&identity.secret).record();
    cx.step(|tx| introduce(tx, identity, name, std::slice::from_ref(&record)))?;
    let mut report = SyncReport::default();
    publish::publish_manifest(cx, identity, &mut report).await?;
    let mut polled = pull::pull(cx, true, &mut report).await?;
    if polled.locked_out {
        // The keys may have turned since its slot was read, by who knew nothing of this device.
        let keys = keys_by(cx, opener, identity.vault, identity.header).await?;
        if epochs::take_keys(cx, &keys)? {
            polled = pull::pull(cx, true, &mut report).await?;
        }
    }
    let identity = &cx.read(|state| state.head.identity().cloned())?; // new keys may have come
    put_slot(cx, identity, &record).await?;
    polled.repair = true;
    publish::push(cx, &mut polled, true, &mut report).await?;
    cx.step(|tx| {
        let mut member = (**tx.head.identity()?).clone();
        member.member = true;
        tx.head.identity = Some(Arc::new(member));
        tx.head.bucket.swept_ms = tx.now.unix_ms;
        Ok(())
    })?;
    cx.flush().await?;
    Ok(Outcome::Joined)
}

/// A `create` that was through, of which nobody may have heard: until the first sync it gives the same code again.
async fn created_before(cx: &Shared, identity: &Identity) -> Result<Outcome, Error> {
    let here = matches!(header::read(cx).await?, Header::Of { hash, .. } if hash == identity.header);
    let replaced = cx.read(|state| state.head.bucket.code_replaced);
    match &identity.recovery {
        Some(code) if here && !replaced => Ok(Outcome::Created { recovery_code: RecoveryCode::parse(code)? }),
        _ => Err(already_here(identity)),
    }
}

/// The recovery code is not needed here once it was given.
pub(super) fn erase_recovery_code(cx: &Shared) -> Result<(), Error> {
    cx.step(|tx| {
        let mut identity = (**tx.head.identity()?).clone();
        identity.recovery = None;
        tx.head.bucket.code_replaced = false;
        tx.head.identity = Some(Arc::new(identity));
        Ok(())
    })
}

/// A device that was handed no keys when they turned takes them by another way in; one that has them is here already.
async fn come_back(cx: &Shared, member: &Identity, keys: &KeyRing) -> Result<Outcome, Error> {
    let mut with_keys = member.clone();
    with_keys.keys.take(keys)?;
    if with_keys.keys == member.keys {
        return Err(already_here(member));
    }
    if revoked::is_revoked_by(cx, &with_keys).await? {
        cx.step(|tx| {
            tx.head.bucket.stopped = Some(Stopped::Revoked);
            Ok(())
        })?;
        return Err(cx.read(|state| Stopped::Revoked.error(state)));
    }
    epochs::take_keys(cx, keys)?;
    let identity = cx.read(|state| state.head.identity().cloned())?;
    put_slot(cx, &identity, &Opener::device(&identity.secret).record()).await?;
    epochs::has_slot(cx)?;
    Ok(Outcome::Joined)
}

/// What opens the slot of a code or passphrase.
async fn opener(cx: &Shared, secret: Secret) -> Result<Opener, Error> {
    match secret {
        Secret::Recovery(code) => Ok(Opener::recovery(&code)),
        Secret::Passphrase(passphrase) => {
            let Some(sealed) = get_slot(cx, SlotName::PASSPHRASE_PATH).await? else {
                return Err(Error::new(ErrorKind::WrongKey, "this vault has no passphrase")
                    .on(SlotName::PASSPHRASE_PATH)
                    .next_step("join with the recovery code"));
            };
            let stretching = stretching_of(&sealed)?;
            stretched(cx, stretching, passphrase).await
        }
    }
}

/// The keys in the slot of a code or passphrase, and those that came before them.
async fn keys_by(cx: &Shared, opener: &Opener, vault: VaultId, header: Hash) -> Result<KeyRing, Error> {
    let path = opener.name().path();
    let Some(sealed) = get_slot(cx, &path).await? else { return Err(no_slot(cx, vault, path).await?) };
    let payload = open_slot(opener, vault, header, &sealed).map_err(|error| match (error.kind(), opener.name()) {
        // The slot's place comes from the code: the code is right.
        (ErrorKind::WrongKey, SlotName::Recovery(_)) => {
            lost(ErrorKind::Corrupt, "the recovery code's slot is damaged", path)
        }
        (ErrorKind::Corrupt, _) => error.next_step(REPUBLISH),
        _ => error,
    })?;
    key_ring(cx, vault, payload.epoch, payload.root_secret).await
}

/// What a device of the vault is to do about keys that are lost.
const REPUBLISH: &str = "run `tidelock republish` on a device that has the vault";

fn lost(kind: ErrorKind, message: &str, path: String) -> Error {
    Error::new(kind, message).on(path).next_step(REPUBLISH)
}

/// No slot stands where the code's would be: where no code has one it was lost; else the code may be another one's.
async fn no_slot(cx: &Shared, vault: VaultId, path: String) -> Result<Error, Error> {
    let manifests = manifests_prefix(private_space_id(vault));
    let devices: BTreeSet<String> = cx
        .list_all(&manifests)
        .await?
        .into_iter()
        .filter_map(|entry| Some(entry.key.strip_prefix(&manifests)?.to_owned()))
        .collect();
    let slots = cx.list_all(SLOT_RECORD).await?;
    let mut names = slots.iter().filter_map(|entry| entry.key.strip_prefix(SLOT_RECORD));
    let is_of_code = |name: &str| DeviceId::from_hex(name).is_some() && !devices.contains(name);
    if !names.any(is_of_code) {
        return Ok(lost(ErrorKind::Corrupt, "no recovery code's slot stands at this store any more", path));
    }
    Ok(Error::new(ErrorKind::WrongKey, "this recovery code opens no slot of the vault").on(path).next_step(
        "check the recovery code and the store's address; if both are right, run `tidelock republish` on a device that has the vault",
    ))
}

fn device_name(cx: &Shared) -> Result<String, Error> {
    let name = cx.read(|state| state.config.device_name.clone());
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(Error::new(ErrorKind::Invalid, "a device's name has 1 to 256 bytes and no control characters")
        .next_step("choose another name"))
}

fn already_here(identity: &Identity) -> Error {
    Error::new(ErrorKind::AlreadyExists, "this local store is a device of a vault already")
        .on(identity.vault.to_string())
        .next_step("name another local store, or `reset` this one")
}

fn other_vault(vault: VaultId) -> Error {
    Error::new(ErrorKind::AlreadyExists, "a vault stands at this store already")
        .on(vault.to_string())
        .next_step("`join` it, or choose another prefix")
}

/// Nothing is there, and nothing can be created: the mark of a delete counts as an object, as on Ceph where versioning was
/// suspended. Conditions are worth nothing in such a bucket, and there is nothing to overwrite.
async fn write_over_mark(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    cx.step(|tx| {
        tx.head.bucket.conditional = Some(false);
        Ok(())
    })?;
    cx.put(HEADER, header_bytes(identity.vault), Condition::Always).await?;
    cx.sleep(READ_BACK_MS).await;
    Ok(())
}

/// Two `init` at once, and the other's header won: the local data stays, its keys are of no use.
fn forget(cx: &Shared, vault: VaultId) -> Result<Outcome, Error> {
    cx.step(|tx| {
        tx.head.identity = None;
        tx.head.frozen = None;
        tx.head.published = Default::default();
        tx.head.bucket = Default::default();
        Ok(())
    })?;
    Err(other_vault(vault))
}

/// Keys of a new vault, durable before the first PUT.
fn new_identity(cx: &Shared) -> Result<Arc<Identity>, Error> {
    let unix_ms = cx.read(|state| state.now.unix_ms).to_le_bytes();
    let mut state = cx.lock();
    let entropy = &mut *state.entropy;
    let secret = DeviceSecret::generate(entropy, &unix_ms);
    let vault = VaultId(secret.fresh("vault id", entropy, &[&unix_ms]));
    let epoch = EpochId { number: 1, id: secret.fresh("epoch id", entropy, &[&vault.0]) };
    let root = RootSecret::generate(&secret, entropy, &vault.0);
    let recovery = RecoveryCode::generate(&secret, entropy, &vault.0);
    let identity = Arc::new(Identity {
        vault,
        space: private_space_id(vault),
        device: secret.device_id(),
        keys: KeyRing::first(vault, epoch, root)?,
        header: Hash::of(&header_bytes(vault)),
        recovery: Some(recovery.reveal()),
        member: false,
        secret,
    });
    drop(state);
    store_identity(cx, &identity)?;
    Ok(identity)
}

/// This device, and its keys, for a vault it joins; a crashed join of the same vault goes on as the device that it began.
fn joining(cx: &Shared, vault: VaultId, header: Hash, keys: KeyRing) -> Result<Arc<Identity>, Error> {
    if cx.read(|state| state.head.identity.as_ref().is_some_and(|started| started.vault == vault)) {
        // Whoever joins again wants it to go on, whatever stopped it; nothing is in the vault yet that could be republished.
        cx.step(|tx| {
            if tx.head.bucket.stopped.take().is_some() {
                tx.head.bucket.rollbacks_ms.clear();
                tx.head.bucket.went_back = false;
            }
            Ok(())
        })?;
        epochs::take_keys(cx, &keys)?; // they may have turned since
        return cx.read(|state| state.head.identity().cloned());
    }
    let secret = {
        let mut state = cx.lock();
        let context = [&vault.0[..], &state.now.unix_ms.to_le_bytes()].concat();
        DeviceSecret::generate(&mut *state.entropy, &context)
    };
    let identity = Arc::new(Identity {
        vault,
        space: private_space_id(vault),
        device: secret.device_id(),
        keys,
        header,
        recovery: None,
        member: false,
        secret,
    });
    store_identity(cx, &identity)?;
    Ok(identity)
}

fn store_identity(cx: &Shared, identity: &Arc<Identity>) -> Result<(), Error> {
    cx.step(|tx| anew::begin(tx, identity))
}

/// The device lists itself by the first op of its own manifest; its slots' records follow.
pub(super) fn introduce(tx: &mut Tx<'_>, identity: &Identity, name: &str, records: &[SlotRecord]) -> Result<(), Error> {
    let root = Collection::root();
    let place = format!("{DEVICE_RECORD}{}", identity.device);
    let number = tx.collection(&root);
    if tx.slot(number, &place)?.winner().is_some() {
        return Ok(()); // a crashed create or join did it
    }
    let record =
        DeviceRecord { public_key: identity.secret.public_key(), name: name.to_owned(), since_ms: tx.now.unix_ms };
    write::put_or_delete(tx, &root, &place, Action::Put(encode(&record)))?;
    records.iter().try_for_each(|record| slots::put_record(tx, record))
}

/// A device's root record.
#[derive(borsh::BorshSerialize, borsh::BorshDeserialize)]
pub(super) struct DeviceRecord {
    pub(super) public_key: [u8; 32],
    pub(super) name: String,
    pub(super) since_ms: u64,
}

/// Whether a device's record is here.
pub(super) fn is_listed(tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, Error> {
    let number = tx.collection(&Collection::root());
    Ok(tx.slot(number, &format!("{DEVICE_RECORD}{device}"))?.winner().is_some())
}

/// The names of devices, as far as their records are here.
pub(super) fn names(state: &super::state::State, device: DeviceId) -> Result<Option<String>, Error> {
    let slot = state.slot(&Collection::root(), &format!("{DEVICE_RECORD}{device}"))?;
    match slot.winner().and_then(|winner| winner.action.value()) {
        Some(value) => Ok(damaged(decode::<DeviceRecord>(value, "a device's record")).ok().map(|record| record.name)),
        None => Ok(None),
    }
}

/// Three requests that find whether the store enforces conditional writes.
async fn probe(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    if cx.read(|state| state.head.bucket.conditional.is_some()) {
        return Ok(());
    }
    let mut probe = Probe::new(format!("probes/{}", publish::new_id(cx, identity, b"probe")));
    while let Some(call) = probe.next_call() {
        let outcome = cx.call(&call).await;
        probe.handle(outcome).map_err(|failure| failure.error)?;
    }
    let enforced = probe.enforcement() == Some(Enforcement::Enforced);
    cx.step(|tx| {
        tx.head.bucket.conditional = Some(enforced);
        Ok(())
    })
}
