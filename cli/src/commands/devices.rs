//! `devices`: the vault's devices, those it had, and what else opens it.

use crate::commands::status::when;
use crate::commands::sync::once;
use crate::context::Context;
use crate::exit::Result;
use crate::output::{Lines, one_line, time};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidelock::{DeviceId, DeviceState, DeviceStatus, Error, ErrorKind, Recipient, RecipientKind, Status};

const EXAMPLES: &str = "\
DEVICE is an id, the beginning of one, or a name, as long as it means one device only.

Examples:
  tidelock devices
  tidelock devices retire 'old laptop'     given away, or in a drawer
  tidelock devices revoke phone            lost or stolen
  tidelock devices adopt phone             and found again: take what it wrote meanwhile";

const RETIRE_EXAMPLES: &str = "\
Nothing is lost by it: what the device still publishes counts, and it is expected again as soon as it
syncs. A device that published nothing for half a year is retired by itself. One that may be in other
hands is not to be retired but revoked.

Example:
  tidelock devices retire 'old laptop'";

const REVOKE_EXAMPLES: &str = "\
The vault's keys rotate: the device opens nothing that is written from now on. What it wrote so far
stays, as far as another device has it; what it writes from now on counts nowhere, until `adopt`.

It keeps what it has, and its keys open what was in the bucket until now. So do this too:
  - withdraw its credentials at the bucket's provider: with them it can still read and delete objects;
  - if it knew them, replace the recovery code (`tidelock recovery-code`) and the passphrase
    (`tidelock passphrase`).

Example:
  tidelock devices revoke phone";

const ADOPT_EXAMPLES: &str = "\
Takes the changes that a revoked device published after it was revoked, for all devices. It stays
revoked; to use it again, `tidelock reset` and `tidelock join` on it.

Example:
  tidelock devices adopt phone";

/// List the vault's devices, retire one, shut one out
///
/// The list marks this device with `*`, and ends with what else opens the vault: the recovery code and the passphrase (with
/// --json, `status` has them).
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Devices {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the vault's devices
    List,
    /// Say that a device is not expected any more, so that nobody waits for it
    #[command(after_help = RETIRE_EXAMPLES)]
    Retire(Which),
    /// Shut a device out
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(Which),
    /// Take what a revoked device wrote afterwards
    #[command(after_help = ADOPT_EXAMPLES)]
    Adopt(Which),
}

#[derive(Args, Debug)]
struct Which {
    /// Its id, the beginning of its id, or its name
    device: String,
}

impl Devices {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self.action {
            None | Some(Action::List) => list(context),
            Some(Action::Retire(which)) => {
                let device = find(context, &which.device)?;
                once(context, async |vault| vault.retire_device(device).await)?;
                context.output.say("It is retired: nobody waits for it.");
                Ok(())
            }
            Some(Action::Revoke(which)) => {
                let device = find(context, &which.device)?;
                once(context, async |vault| vault.revoke_device(device).await)?;
                context.output.say("It is revoked. Withdraw its bucket credentials too: see `devices revoke --help`.");
                Ok(())
            }
            Some(Action::Adopt(which)) => {
                let device = find(context, &which.device)?;
                once(context, async |vault| vault.adopt_device(device).await)
            }
        }
    }
}

fn list(context: &Context) -> Result {
    let status = context.open_local()?.status()?;
    let mut lines = Lines::new();
    for device in &status.devices {
        if context.output.json {
            lines.line(&device_json(device, &status).to_string())?;
        } else {
            let mark = if Some(device.id) == status.device { "*" } else { " " };
            lines.line(&format!("{mark} {}", device_line(device)))?;
        }
    }
    if !context.output.json {
        for recipient in &status.recipients {
            lines.line(&format!("  {}", recipient_line(recipient, &status)))?;
        }
    }
    if let (false, Some(was)) = (context.output.json, was(&status)) {
        lines.line(&format!("* was {was} before: its store was copied or restored, and goes on under a new id"))?;
    }
    lines.end()
}

/// The one device that a person means.
fn find(context: &Context, text: &str) -> Result<DeviceId> {
    let devices = context.open_local()?.status()?.devices;
    Ok(meant(&devices, text)?)
}

fn meant(devices: &[DeviceStatus], text: &str) -> std::result::Result<DeviceId, Error> {
    let id = text.to_ascii_lowercase();
    let is_meant = |device: &&DeviceStatus| {
        device.name.as_deref() == Some(text) || (!id.is_empty() && device.id.to_string().starts_with(&id))
    };
    match devices.iter().filter(is_meant).collect::<Vec<_>>()[..] {
        [one] => Ok(one.id),
        [] => Err(Error::new(ErrorKind::NotFound, "no device of the vault has this id or name")
            .on(text)
            .next_step("`tidelock devices` lists those there are; `tidelock sync` brings newer ones")),
        _ => Err(Error::new(ErrorKind::Invalid, "more than one device has this name, or an id that begins like this")
            .on(text)
            .next_step("name it by its whole id: `tidelock devices` lists them")),
    }
}

/// A device in one line.
pub(crate) fn device_line(device: &DeviceStatus) -> String {
    let mut line = format!("{}\t{}\t{}\t{} changes", device.id, name(device), state(device), device.applied);
    if device.state != DeviceState::This {
        line += &format!("\tseen {}", when(device.seen_ms));
    }
    if let Some((from, to)) = device.quarantined {
        line += &format!("\tchanges {from} to {to} held apart; see `tidelock devices adopt --help`");
    }
    line
}

/// What opens the vault beside a device, in one line.
pub(crate) fn recipient_line(recipient: &Recipient, status: &Status) -> String {
    let author = status.devices.iter().find(|device| device.id == recipient.added_by);
    let author = author.map_or_else(|| recipient.added_by.to_string(), name);
    format!("{}\tadded by {author}\t{}", opener(recipient.kind), time(recipient.added_ms))
}

/// The same as JSON.
pub(crate) fn recipient_json(recipient: &Recipient) -> Value {
    json!({
        "recipient": opener(recipient.kind),
        "added_by": recipient.added_by.to_string(),
        "added": time(recipient.added_ms),
    })
}

fn opener(kind: RecipientKind) -> &'static str {
    match kind {
        RecipientKind::RecoveryCode => "recovery code",
        RecipientKind::Passphrase => "passphrase",
    }
}

/// A device as JSON.
pub(crate) fn device_json(device: &DeviceStatus, status: &Status) -> Value {
    let own = Some(device.id) == status.device;
    let left = status.left.iter().filter(|_| own).map(DeviceId::to_string);
    json!({
        "was": left.collect::<Vec<_>>(),
        "id": device.id.to_string(),
        "name": device.name,
        "this": own,
        "state": state(device),
        "quarantined": device.quarantined.map(|(from, to)| json!({ "from": from, "to": to })),
        "sequence": device.sequence,
        "applied": device.applied,
        "seen": device.seen_ms.map(time),
    })
}

/// The ids that this device had before, if its store took a new one.
pub(crate) fn was(status: &Status) -> Option<String> {
    let left: Vec<String> = status.left.iter().map(DeviceId::to_string).collect();
    (!left.is_empty()).then(|| left.join(", "))
}

/// Its name, as far as it is known.
pub(crate) fn name(device: &DeviceStatus) -> String {
    device.name.as_ref().map_or("(not named yet)".to_owned(), |name| one_line(name.as_bytes()))
}

fn state(device: &DeviceStatus) -> &'static str {
    match device.state {
        DeviceState::This => "this device",
        DeviceState::Active => "active",
        DeviceState::Retired => "retired",
        DeviceState::Revoked => "revoked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: u8, name: &str) -> DeviceStatus {
        DeviceStatus {
            id: DeviceId([id; 16]),
            name: Some(name.to_owned()),
            state: DeviceState::Active,
            quarantined: None,
            sequence: 1,
            applied: 1,
            seen_ms: None,
        }
    }

    #[test]
    fn a_device_is_meant_by_id_beginning_or_name() {
        let devices = [device(0x11, "laptop"), device(0x12, "phone"), device(0xab, "phone"), device(0xcd, "11")];
        let found = |text: &str| meant(&devices, text).map_err(|error| error.kind());
        assert_eq!(found("laptop"), Ok(DeviceId([0x11; 16])));
        assert_eq!(found(&"12".repeat(16)), Ok(DeviceId([0x12; 16])));
        assert_eq!(found("AB"), Ok(DeviceId([0xab; 16])));
        assert_eq!(found("1"), Err(ErrorKind::Invalid), "two ids begin so");
        assert_eq!(found("phone"), Err(ErrorKind::Invalid), "two have this name");
        assert_eq!(found("11"), Err(ErrorKind::Invalid), "one's name, another's id");
        assert_eq!(found("tablet"), Err(ErrorKind::NotFound));
        assert_eq!(found(""), Err(ErrorKind::NotFound));
    }
}
