//! Devices that are retired, revoked and adopted in a random schedule, and what must be so of a revoked one.

use super::plan::Action;
use super::run::Run;
use crate::keys::Keys;
use tidelock_core::{DeviceId, DeviceState, Error, ErrorKind, Operation, Secret};

/// So many devices at least are never revoked.
const STAY: usize = 2;

impl Run<'_> {
    /// A device retires, revokes or adopts another one that it knows; says how that ended.
    pub(super) fn decide(&mut self, at: usize, action: Action) -> Result<Option<String>, String> {
        let (Action::Retire(other) | Action::Revoke(other) | Action::Adopt(other)) = action else { return Ok(None) };
        let other = other as usize % self.world.devices.len();
        let Some((device, state)) = self.known(at, other) else { return Ok(None) };
        let operation = match (action, state) {
            (Action::Retire(_), DeviceState::Active) => Operation::RetireDevice { device },
            (Action::Adopt(_), DeviceState::Revoked) => Operation::AdoptDevice { device },
            (Action::Revoke(_), _) if self.may_revoke(at, other) => {
                self.shut_out.insert(other);
                Operation::RevokeDevice { device }
            }
            _ => return Ok(None),
        };
        self.operate(at, operation).map(|told| Some(format!("device {other}: {told}")))
    }

    /// Two that shut each other out, with newcomers on either side, may split a vault: whose it is a person must say. Nor can
    /// newcomers alone revoke anybody, where the snapshot is lost that told them who has slots: one of the first devices stays.
    fn may_revoke(&self, at: usize, other: usize) -> bool {
        let staying = self.staying();
        let more = staying.len() > STAY && staying.iter().any(|stays| *stays != other && *stays < self.plan.devices);
        (more || self.shut_out.contains(&other)) && !self.shut_out.contains(&at)
    }

    /// The devices that nobody was told to revoke.
    pub(super) fn staying(&self) -> Vec<usize> {
        (0..self.world.devices.len()).filter(|at| !self.shut_out.contains(at)).collect()
    }

    /// Who of those that stay knows a device.
    fn knowing(&self, other: usize) -> Vec<usize> {
        self.staying().into_iter().filter(|at| self.known(*at, other).is_some()).collect()
    }

    /// Another device as one knows it.
    fn known(&self, at: usize, other: usize) -> Option<(DeviceId, DeviceState)> {
        let status = |at: usize| self.world.devices[at].engine.status().ok();
        let device = status(other)?.device.filter(|_| at != other)?;
        let here = status(at)?.devices.into_iter().find(|known| known.id == device && known.sequence > 0)?;
        Some((device, here.state))
    }

    /// Whom somebody was told to revoke is revoked, however that ended: a person does it again. Nobody waits for it then.
    /// False: nobody who knows it can, for now.
    ///
    /// # Errors
    /// What else is wrong.
    pub(super) fn revoke_again(&mut self) -> Result<bool, String> {
        for other in self.shut_out.clone() {
            if self.knowing(other).is_empty() {
                for at in self.staying() {
                    super::heal::operation(self, at, Operation::Check)?; // its manifest may be there by now
                }
            }
            let knowing = self.knowing(other);
            if knowing.is_empty() {
                self.shut_out.remove(&other); // nobody has heard of it
            }
            let mut revoked = knowing.is_empty();
            for at in knowing {
                if let (false, Some((device, _))) = (revoked, self.known(at, other)) {
                    super::heal::operation(self, at, Operation::RevokeDevice { device })?;
                    revoked = self.known(at, other).is_some_and(|(_, state)| state == DeviceState::Revoked);
                }
            }
            if !revoked {
                return Ok(false);
            }
        }
        self.world.gone.extend(&self.shut_out);
        Ok(true)
    }

    /// Who joined by a slot that the bucket had gone back to is known to nobody, and handed no keys: it is told that it lacks
    /// the newest, and a person joins again. In the end so does who is `known`, where those who have the keys lack its record
    /// and can't tell it which object they miss. False: nobody did.
    ///
    /// # Errors
    /// Who can't.
    pub(super) fn join_again(&mut self, known: bool) -> Result<bool, String> {
        let mut joined = false;
        let code = self.world.code.clone().ok_or("no vault")?;
        let staying = self.staying();
        for at in staying.iter().copied() {
            let is_known = staying.iter().any(|other| *other != at && self.known(*other, at).is_some());
            let told = self.world.full_check(at).map_or_else(|error| vec![error], |report| report.reports);
            if (known || !is_known) && told.iter().any(|error| self.lacks_keys(at, error)) {
                super::heal::operation(self, at, Operation::Join { secret: Secret::Recovery(code.clone()) })?;
                joined = true;
            }
        }
        Ok(joined)
    }

    /// Whether a device is told that others have newer keys, once somebody was revoked.
    pub(super) fn lacks_keys(&self, at: usize, error: &Error) -> bool {
        let own = self.world.devices[at].engine.status().ok().and_then(|status| status.device);
        let slot = own.map(|own| format!("slots/{own}"));
        let lacks = matches!(error.kind(), ErrorKind::Closed | ErrorKind::Revoked);
        !self.shut_out.is_empty() && lacks && error.object() == slot.as_deref()
    }

    /// Who was revoked, and finds its slot gone and the vault under newer keys, is told so by its next sync and by its status.
    ///
    /// # Errors
    /// Who is not.
    pub(super) fn shut_out_are_told(&mut self) -> Result<(), String> {
        for at in self.shut_out.clone() {
            let status = |run: &Self| run.world.devices[at].engine.status().map_err(|error| error.to_string());
            let gone = self.world.bucket.object(&self.world.slot_of(at)).is_none();
            let beacon = self.world.bucket.keys_with("/beacon");
            let keys = Keys::of(&self.world.devices[at].disk);
            let shut_out = gone && !beacon.is_empty() && beacon.iter().all(|path| !keys.open(&self.world.bucket, path));
            // Whoever was stopped by a rollback does not look, and a crashed `join` has nothing to look for.
            if !shut_out || status(self)?.stopped.is_some() || !self.is_member(at) {
                continue;
            }
            let told = self.world.sync(at).map_or_else(|error| Some(error.kind()), |_| None);
            let status = status(self)?.revoked.map(|error| error.kind());
            if (told, status) != (Some(ErrorKind::Revoked), Some(ErrorKind::Revoked)) {
                return Err(format!(
                    "device {at} is revoked, and is told {told:?} by a sync, {status:?} by its status"
                ));
            }
        }
        Ok(())
    }

    /// What was published last opens with nothing that a revoked device has.
    ///
    /// # Errors
    /// What it opens.
    pub(super) fn nothing_opens_for_revoked(&self) -> Result<(), String> {
        for gone in &self.shut_out {
            let keys = Keys::of(&self.world.devices[*gone].disk);
            for at in self.staying() {
                let path = self.world.manifest_of(at);
                if keys.open(&self.world.bucket, &path) {
                    return Err(format!("device {gone}, which is revoked, opens the newest manifest of device {at}"));
                }
            }
        }
        Ok(())
    }
}
