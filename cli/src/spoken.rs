//! Errors in a person's words: devices by their names, and what an object of the bucket is instead of its path.

use crate::output::one_line;
use std::collections::BTreeMap;
use tidelock::{DeviceId, Error, Status};

/// The vault's devices by id.
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    pub(crate) fn of(status: &Status) -> Self {
        let known = |device: &tidelock::DeviceStatus| {
            let id = device.id.to_string();
            let name = match &device.name {
                _ if Some(device.id) == status.device => "this device".to_owned(),
                Some(name) => format!("device {}", one_line(name.as_bytes())),
                None => format!("device {id}"),
            };
            (id, name)
        };
        let was = |id: &DeviceId| (id.to_string(), format!("device {id}, which this device was before"));
        Self(status.devices.iter().map(known).chain(status.left.iter().map(was)).collect())
    }

    /// The same error, about a device or a thing of the vault instead of an id or a path. One about anything else stays.
    pub(crate) fn in_words(&self, error: &Error) -> Error {
        let Some(words) = error.object().and_then(|object| self.object(object)) else { return error.clone() };
        let mut spoken = Error::new(error.kind(), format!("{}: {words}", error.message()));
        if let Some(hint) = error.hint() {
            spoken = spoken.next_step(hint);
        }
        if error.is_retryable() { spoken.retryable() } else { spoken }
    }

    /// What a path of docs/FORMAT.md is, or whose id this is.
    fn object(&self, path: &str) -> Option<String> {
        let device = |id: &str| self.0.get(id).cloned().unwrap_or_else(|| format!("device {id}"));
        Some(match path.split('/').collect::<Vec<_>>()[..] {
            ["tidelock"] => "the vault's header".to_owned(),
            ["slots", "passphrase"] => "the passphrase's key slot".to_owned(),
            ["slots", id] if self.0.contains_key(id) => format!("the key slot of {}", device(id)),
            ["slots", _] => "the recovery code's key slot".to_owned(),
            ["keys", _] => "the vault's earlier keys".to_owned(),
            ["spaces", _, "beacon"] => "the list of the devices' newest manifests".to_owned(),
            ["spaces", _, "manifests", id] => format!("the manifest of {}", device(id)),
            ["spaces", _, "segments", id, _] => format!("changes of {}", device(id)),
            ["spaces", _, "snapshots", _] => "a part of a snapshot".to_owned(),
            [id] => self.0.get(id)?.clone(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelock::ErrorKind;

    #[test]
    fn paths_and_ids_become_what_they_are() {
        let names = Names(BTreeMap::from([("ab".to_owned(), "device laptop".to_owned())]));
        for (object, words) in [
            ("tidelock", "broken: the vault's header"),
            ("slots/ab", "broken: the key slot of device laptop"),
            ("slots/cd", "broken: the recovery code's key slot"),
            ("slots/passphrase", "broken: the passphrase's key slot"),
            ("keys/00000002-ef", "broken: the vault's earlier keys"),
            ("spaces/1/beacon", "broken: the list of the devices' newest manifests"),
            ("spaces/1/manifests/ab", "broken: the manifest of device laptop"),
            ("spaces/1/segments/cd/2", "broken: changes of device cd"),
            ("spaces/1/snapshots/2", "broken: a part of a snapshot"),
            ("ab", "broken: device laptop"),
        ] {
            let error = Error::new(ErrorKind::Corrupt, "broken").on(object).next_step("wait").retryable();
            let spoken = names.in_words(&error);
            assert_eq!((spoken.message(), spoken.object()), (words, None));
            assert_eq!((spoken.kind(), spoken.hint(), spoken.is_retryable()), (ErrorKind::Corrupt, Some("wait"), true));
        }
        let other = Error::new(ErrorKind::Invalid, "no").on("s3://my-bucket");
        assert_eq!(names.in_words(&other), other);
    }
}
