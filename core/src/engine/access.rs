//! Who can open the vault: the passphrase changed, the recovery code replaced. What was replaced opens nothing new: the
//! keys turn each time.

use super::api::Outcome;
use super::shared::Shared;
use super::slots::{delete_record, passphrase_opener, put_record, records};
use super::{epochs, sync};
use crate::Error;
use crate::crypto::{Opener, RecoveryCode, SlotName, SlotRecord};
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

/// Replaces the recovery code. One that was made and may not have been shown, since something crashed, is given again.
pub(super) async fn replace_recovery_code(cx: &Shared) -> Result<Outcome, Error> {
    let made = cx.read(|state| {
        let code = state.head.identity().map(|identity| identity.recovery.clone());
        code.map(|code| code.filter(|_| state.head.bucket.code_replaced))
    })?;
    if let Some(made) = made {
        let identity = cx.read(|state| state.head.identity().cloned())?;
        sync::sync_as(cx, &identity, sync::Scope { push: true, full: false }).await?;
        return Ok(Outcome::RecoveryCodeReplaced { recovery_code: RecoveryCode::parse(&made)? });
    }
    sync::sync(cx, sync::Scope { push: false, full: false }).await?;
    let code = {
        let mut state = cx.lock();
        let identity = state.head.identity()?.clone();
        // The own ops so far: whatever random bits repeat, this is another code than the one it replaces.
        let written = state.head.clock.n.to_le_bytes();
        RecoveryCode::generate(&identity.secret, &mut *state.entropy, &[&identity.vault.0[..], &written].concat())
    };
    let record = Opener::recovery(&code).record();
    replace(cx, |name| matches!(name, SlotName::Recovery(_)), Some(record), Some(&code)).await?;
    Ok(Outcome::RecoveryCodeReplaced { recovery_code: code })
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
        Ok(old.iter().map(|record| record.name.path()).filter(|path| Some(path) != stays.as_ref()).collect())
    })?;
    sync::publish(cx).await.map(|_| ())
}
