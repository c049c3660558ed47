//! Evidence: refusing to lose. Absence never means deletion; one stale read is never an alarm.

use super::api::SyncReport;
use super::head::{Head, Identity, Stopped};
use super::header::{self, Header};
use super::manifests::verify_manifest;
use super::objects::{Opened, manifest_path};
use super::publish;
use super::shared::Shared;
use super::{collect, leave, own_sequences};
use crate::crypto::ObjectKind;
use crate::{Error, ErrorKind};
use std::sync::Arc;

/// How many times in a day the own manifest may be found rolled back before publishing stops.
const ROLLBACKS_MAX: usize = 3;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Whether the own manifest is to be read now.
pub(super) fn own_is_due(head: &Head, unix_ms: u64) -> bool {
    head.published.sequence > 0
        && (head.bucket.reread_own || head.bucket.reread_own_ms.is_some_and(|due| unix_ms >= due))
}

/// What was found wiped may have been another store, named or mounted by mistake: where header and own manifest stand as they
/// were, nothing was.
pub(super) async fn look_again(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    if cx.read(|state| state.head.bucket.stopped != Some(Stopped::Wiped)) {
        return Ok(());
    }
    if !matches!(header::read(cx).await?, Header::Of { hash, .. } if hash == identity.header) {
        return Ok(());
    }
    let path = manifest_path(identity.space, identity.device);
    let Opened::Plain { plaintext, .. } = cx.get_sealed(&path, ObjectKind::Manifest).await? else { return Ok(()) };
    let confirmed = publish::confirmed(cx)?;
    let frozen = cx.read(|state| state.head.frozen.clone()); // it may have landed unheard
    let newest =
        |signed: Vec<u8>| frozen.is_some_and(|frozen| frozen.signed == signed) || confirmed.as_ref() == Some(&signed);
    let stands = verify_manifest(identity, identity.device, &plaintext, confirmed.as_deref());
    if !stands.is_ok_and(|(_, _, signed)| newest(signed)) {
        return Ok(());
    }
    cx.step(|tx| {
        tx.head.bucket.stopped = None;
        Ok(())
    })
}

/// Reads the own manifest and does what it proves. False: it may be sealed under keys that were not looked for yet (`sought`).
pub(super) async fn check_own(
    cx: &Shared,
    identity: &Arc<Identity>,
    sought: bool,
    report: &mut SyncReport,
) -> Result<bool, Error> {
    let (published, frozen) = cx.read(|state| (state.head.published.clone(), state.head.frozen.clone()));
    if published.sequence == 0 && frozen.is_none() {
        return Ok(true);
    }
    let path = manifest_path(identity.space, identity.device);
    let opened = cx.get_sealed(&path, ObjectKind::Manifest).await?;
    let confirmed = publish::confirmed(cx)?;
    let found = match opened {
        Opened::Plain { plaintext, etag, .. } => {
            verify_manifest(identity, identity.device, &plaintext, confirmed.as_deref()).map(|read| Some((read, etag)))
        }
        Opened::Missing => Ok(None),
        Opened::Bad(error) => Err(error),
    };
    let holds_up_sweeps = found.is_err(); // nobody sweeps what a manifest may name that can't be read
    let older = match found {
        Ok(Some(((manifest, hash, signed), etag))) => {
            if frozen.as_ref().is_some_and(|frozen| frozen.next.hash == hash) {
                publish::confirm(cx, hash, etag)?;
                return Ok(true);
            }
            // After a sequence was given up the bucket shows the one before: nobody rolled that back.
            if hash == published.hash || confirmed.as_ref() == Some(&signed) {
                cx.step(|tx| {
                    let etag = etag.as_ref().map(|etag| etag.as_str().to_owned());
                    if tx.head.published.etag != etag {
                        Arc::make_mut(&mut tx.head.published).etag = etag;
                    }
                    let due = tx.head.bucket.reread_own_ms.is_some_and(|due| tx.now.unix_ms >= due);
                    tx.head.bucket.reread_own = false;
                    tx.head.bucket.own_stands(tx.now.unix_ms);
                    if due {
                        tx.head.bucket.reread_own_ms = None;
                    }
                    Ok(())
                })?;
                return Ok(true);
            }
            if !own_sequences::has(cx, &manifest, hash)? && !weakened!(ForkNotSeen) {
                return Err(leave::copied(cx)?);
            }
            true
        }
        Ok(None) => {
            // The header is what `create` PUTs last, and `join` has just read it.
            if identity.member {
                header::check(cx, identity).await?;
            }
            publish::was_confirmed(cx)? // a first sequence that was given up never stood there
        }
        Err(_) if !sought && cx.read(|state| state.unknown_epoch.is_some()) => return Ok(false),
        Err(error) => {
            report.reports.push(error.next_step("none: this device publishes its manifest again"));
            true
        }
    };
    if !older {
        return Ok(true);
    }
    let times = cx.step(|tx| {
        let bucket = &mut tx.head.bucket;
        bucket.rollbacks_ms.retain(|at| !tx.now.has_passed(*at, DAY_MS));
        // One that can't be put right yet, since PUTs fail, is met again.
        if !std::mem::replace(&mut bucket.went_back, true) {
            bucket.rollbacks_ms.push(tx.now.unix_ms);
        }
        Ok(bucket.rollbacks_ms.len())
    })?;
    if times >= ROLLBACKS_MAX {
        return Err(stop(cx, Stopped::RolledBack)?);
    }
    // By a clock that went back nobody can tell how long it was.
    let lately = cx.read(|state| {
        let stood_ms = state.head.bucket.stood_ms;
        (stood_ms..stood_ms.saturating_add(DAY_MS)).contains(&state.now.unix_ms)
    });
    if cx.read(|state| state.head.bucket.renewed) {
        return Ok(true); // the next push brings it
    }
    if (lately || holds_up_sweeps) && collect::is_whole(cx, identity, &published).await? {
        match publish::put_again(cx, identity).await {
            // Something else is in its place: what others wrote comes all the same.
            Err(error) if error.kind() == ErrorKind::Corrupt => report.reports.push(error),
            put => put?,
        }
    } else {
        publish::renew(cx, published.hash)?;
    }
    Ok(true)
}

/// Stops the vault; gives what to say of it.
fn stop(cx: &Shared, why: Stopped) -> Result<Error, Error> {
    cx.step(|tx| {
        tx.head.bucket.stopped = Some(why.clone());
        Ok(())
    })?;
    Ok(cx.read(|state| why.error(state)))
}
