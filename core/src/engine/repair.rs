//! Puts right what is missing or damaged in the store, as far as this device can, and tells what it can't and who can.

use super::api::{Outcome, SyncReport};
use super::head::Identity;
use super::inspect::{self, Damage, Role};
use super::shared::Shared;
use super::slots::{self, Standing};
use super::sync::{Scope, identity_of_member, sync};
use super::{carry, publish};
use crate::{Error, ErrorKind};
use std::sync::Arc;

/// A full check that looks at every named object, and writes again what this device can.
pub(super) async fn repair(cx: &Shared) -> Result<Outcome, Error> {
    let scope = Scope { push: true, full: true };
    let identity = identity_of_member(cx)?;
    let mut found = match inspect::look(cx, &identity, false).await {
        Err(error) if error.kind() == ErrorKind::Closed => Vec::new(), // the sync learns newer keys, or tells that there are none
        found => found?,
    };
    let mut outcome = sync(cx, scope).await?;
    if cx.read(|state| state.locked_out) {
        return Ok(outcome); // who lacks the newest keys can't read what is named
    }
    let identity = cx.read(|state| state.head.identity().cloned())?;
    let mut left = inspect::look(cx, &identity, false).await?;
    // What is applied here of a device whose manifest is lost may stand nowhere else.
    let carries = cx.read(|state| carry::is_needed(&state.head));
    if carries || left.iter().any(Damage::is_for_this_device) {
        write_again(cx, &identity, &left, carries).await?;
        found.extend(left.into_iter().filter(|damage| !damage.is_in(&found)).collect::<Vec<_>>());
        let before = outcome;
        outcome = sync(cx, scope).await?;
        if let (Outcome::Synced(report), Outcome::Synced(before)) = (&mut outcome, before) {
            report.ops_applied += before.ops_applied;
            report.ops_published += before.ops_published;
        }
        left = inspect::look(cx, &identity, false).await?;
    }
    if let Outcome::Synced(report) = &mut outcome {
        let put_right = found.iter().filter(|damage| !damage.is_in(&left));
        report.reports.extend(put_right.map(|damage| damage.was_put_right(cx)));
        report.reports.extend(left.iter().map(|damage| damage.error(cx)));
    }
    Ok(outcome)
}

/// Looks at every named object and writes nothing to the store.
pub(super) async fn look(cx: &Shared, identity: &Arc<Identity>, read_data: bool) -> Result<Outcome, Error> {
    let damaged = inspect::look(cx, identity, read_data).await?;
    let reports = damaged.iter().map(|damage| damage.error(cx)).collect();
    Ok(Outcome::Synced(SyncReport { reports, ..SyncReport::default() }))
}

/// Header, beacon and the own manifest are put right by the full check itself.
async fn write_again(cx: &Shared, identity: &Arc<Identity>, damaged: &[Damage], carries: bool) -> Result<(), Error> {
    let here = || damaged.iter().filter(|damage| damage.is_for_this_device()).map(|damage| damage.role);
    if here().any(|role| role == Role::Slot) {
        match slots::look(cx, identity, |_| true).await? {
            Standing::OfAnotherTurn | Standing::Unreadable(_) => {}
            Standing::AsPut | Standing::Older => slots::put_all(cx, identity).await?,
        }
    }
    let is_own = |role| role == Role::Segment(identity.device) || role == Role::Snapshot(identity.device);
    if here().any(is_own) {
        publish::renew(cx, cx.read(|state| state.head.published.hash))?;
    }
    if carries || here().any(|role| matches!(role, Role::Segment(_) | Role::Snapshot(_))) {
        cx.step(|tx| {
            tx.head.bucket.snapshot_wanted = true;
            Ok(())
        })?;
    }
    Ok(())
}
