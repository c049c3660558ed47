//! Who can open the vault: the passphrase changed, the recovery code replaced. What was replaced opens nothing new: the
//! keys turn each time.

use super::api::{Outcome, SyncReport};
use super::people::SlotChange;
use super::shared::Shared;
use super::slots::{delete_record, passphrase_opener, put_record, records};
use super::state::State;
use super::{epochs, member, sync};
use crate::crypto::{Opener, RecoveryCode, SlotName, SlotRecord};
use crate::replica::{Collection, Dot};
use crate::{Error, ErrorKind};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Sets, changes or (with none) removes the passphrase.
pub(super) async fn set_passphrase(cx: &Shared, passphrase: Option<Zeroizing<String>>) -> Result<Outcome, Error> {
    sync::sync(cx, sync::Scope { push: false, full: false }).await?;
    let identity = cx.read(|state| state.head.identity().cloned())?;
    let new = match passphrase {
        Some(passphrase) => Some(passphrase_opener(cx, &identity, passphrase).await?.record()),
        None => None,
    };
    replace(cx, |name| matches!(name, SlotName::Passphrase(_)), new, None).await?;
    Ok(Outcome::PassphraseSet)
}

/// Replaces the recovery code. One that was made and never given, since something failed or crashed, is given now.
pub(super) async fn replace_recovery_code(cx: &Shared) -> Result<Outcome, Error> {
    sync::sync(cx, sync::Scope { push: false, full: false }).await?;
    let code = match cx.read(code_owed)? {
        Some(code) => {
            sync::publish(cx).await?;
            code
        }
        None => make_recovery_code(cx).await?,
    };
    member::erase_recovery_code(cx)?;
    Ok(Outcome::RecoveryCodeReplaced { recovery_code: code })
}

/// A replaced recovery code that nobody was given: the one before it opens nothing new, and this one is known to nobody.
fn code_owed(state: &State) -> Result<Option<RecoveryCode>, Error> {
    let made = state.head.identity()?.recovery.as_ref().filter(|_| state.head.bucket.code_replaced);
    let Some(code) = made.map(|made| RecoveryCode::parse(made)).transpose()? else { return Ok(None) };
    // Another device may have replaced it since.
    let stands = records(state)?.contains(&Opener::recovery(&code).record());
    Ok(Some(code).filter(|_| stands))
}

/// Says of a sync that a recovery code is still to be given; one that another device has replaced is forgotten.
pub(super) fn report_code_owed(cx: &Shared, report: &mut SyncReport) -> Result<(), Error> {
    if !cx.read(|state| state.head.bucket.code_replaced) {
        return Ok(());
    }
    if cx.read(code_owed)?.is_none() {
        return member::erase_recovery_code(cx);
    }
    let owed = Error::new(ErrorKind::Cancelled, "the recovery code was replaced, and the new one shown to nobody");
    report
        .reports
        .push(owed.next_step("run `recovery-code` again: it shows the new one, and the old one opens nothing new"));
    Ok(())
}

/// Says once of a passphrase that was set here and did not stay: another device set one that had not seen it, and that one
/// has the slot.
pub(super) fn report_lost_passphrase(cx: &Shared, report: &mut SyncReport) -> Result<(), Error> {
    let Some(lost) = cx.read(lost_passphrase)? else { return Ok(()) };
    cx.step(|tx| {
        tx.head.passphrase_told = Some(lost);
        Ok(())
    })?;
    let what = "the passphrase that was set on this device opens nothing: another device set one at the same time, which stays";
    report.reports.push(
        Error::new(ErrorKind::WrongKey, what)
            .on(SlotName::PASSPHRASE_PATH)
            .next_step("use the other device's, or set one again with `passphrase`"),
    );
    Ok(())
}

fn lost_passphrase(state: &State) -> Result<Option<Dot>, Error> {
    let own = state.head.identity()?.device;
    let slot = state.slot(&Collection::root(), SlotName::PASSPHRASE_PATH)?;
    let stays = slot.winner().map(|write| write.dot);
    let mut lost = slot.puts().map(|write| write.dot).filter(|dot| dot.device == own && Some(*dot) != stays);
    Ok(lost.next().filter(|dot| state.head.passphrase_told != Some(*dot)))
}

async fn make_recovery_code(cx: &Shared) -> Result<RecoveryCode, Error> {
    let code = {
        let mut state = cx.lock();
        let identity = state.head.identity()?.clone();
        // The own ops so far: whatever random bits repeat, this is another code than the one it replaces.
        let written = state.head.clock.n.to_le_bytes();
        RecoveryCode::generate(&identity.secret, &mut *state.entropy, &[&identity.vault.0[..], &written].concat())
    };
    let record = Opener::recovery(&code).record();
    replace(cx, |name| matches!(name, SlotName::Recovery(_)), Some(record), Some(&code)).await?;
    Ok(code)
}

/// Takes away every slot of a kind, puts the new one in their place, and turns the keys.
async fn replace(
    cx: &Shared,
    is_old: impl Fn(&SlotName) -> bool,
    new: Option<SlotRecord>,
    code: Option<&RecoveryCode>,
) -> Result<(), Error> {
    let mut old = cx.read(records)?;
    old.retain(|record| is_old(&record.name));
    epochs::turn(cx, |tx| {
        for record in &old {
            delete_record(tx, record)?;
        }
        if let Some(new) = &new {
            put_record(tx, new)?;
        }
        if let Some(code) = code {
            let mut identity = (**tx.head.identity()?).clone();
            identity.recovery = Some(code.reveal());
            tx.head.identity = Some(Arc::new(identity));
            tx.head.bucket.code_replaced = true;
        }
        let stays = new.as_ref().map(|new| new.name.path());
        let gone = old.iter().map(|record| record.name.path()).filter(|path| Some(path) != stays.as_ref()).collect();
        let names = old.iter().map(|record| record.name).collect();
        Ok(SlotChange { gone, old: names, new: new.as_ref().map(|new| new.name) })
    })?;
    sync::publish(cx).await.map(|_| ())
}
