//! Long-running operations, and the secrets that two of them take.

use std::fmt;
use tidelock_core::crypto::{RecoveryCode, StretchParams, StretchRequest, StretchedKey, Stretching, stretch};
use tidelock_core::{self as core, DeviceId, Error, ErrorKind};
use zeroize::Zeroizing;

/// What unlocks a vault for a joining device.
#[derive(Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[allow(missing_docs, reason = "the fields say it")]
pub enum Secret {
    /// The code that a create gave.
    Recovery { code: String },
    /// The passphrase.
    Passphrase { passphrase: String },
}

/// A long-running operation; see [`tidelock_core::Operation`] for what each does.
#[derive(Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[allow(missing_docs, reason = "the fields are those of the core's `Operation`")]
pub enum Operation {
    /// Makes a new vault.
    Create { passphrase: Option<String> },
    /// Adds this device to the vault at the store.
    Join { secret: Secret },
    /// Pulls, then publishes what is pending.
    Push,
    /// Takes what is new.
    Pull,
    /// Pulls and pushes.
    Sync,
    /// A sync that reads everything again instead of trusting hints.
    Check,
    /// Publishes everything this device has.
    Republish,
    /// Sets, changes or (with none) removes the passphrase.
    SetPassphrase { passphrase: Option<String> },
    /// Replaces the recovery code.
    ReplaceRecoveryCode,
    /// Other devices wait for this one no longer.
    RetireDevice { device: String },
    /// Shuts a device out.
    RevokeDevice { device: String },
    /// Takes what a revoked device published beyond what counts.
    AdoptDevice { device: String },
}

/// A passphrase to stretch in another thread or process, which runs [`Stretch::run`].
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Stretch {
    /// As typed.
    #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
    passphrase: Vec<u8>,
    #[cfg_attr(feature = "serde", serde(with = "serde_bytes"))]
    salt: [u8; 16],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl From<StretchRequest> for Stretch {
    fn from(request: StretchRequest) -> Self {
        let Stretching { salt, params: StretchParams { memory_kib, passes, lanes } } = request.stretching;
        Self { passphrase: request.passphrase.to_vec(), salt, memory_kib, passes, lanes }
    }
}

impl Stretch {
    /// Runs Argon2id: takes `memory_kib` of memory and some tenths of a second.
    ///
    /// # Errors
    /// As [`stretch`].
    pub fn run(self) -> Result<StretchedKey, Error> {
        let Self { passphrase, salt, memory_kib, passes, lanes } = self;
        let stretching = Stretching { salt, params: StretchParams { memory_kib, passes, lanes } };
        stretch(&StretchRequest { stretching, passphrase: Zeroizing::new(passphrase) })
    }
}

impl fmt::Debug for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stretch").field("memory_kib", &self.memory_kib).finish_non_exhaustive()
    }
}

impl fmt::Debug for Secret {
    /// Names the kind alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recovery { .. } => "Recovery(redacted)",
            Self::Passphrase { .. } => "Passphrase(redacted)",
        })
    }
}

impl TryFrom<Secret> for core::Secret {
    type Error = Error;

    /// Fails with `invalid` for a mistyped recovery code.
    fn try_from(secret: Secret) -> Result<Self, Error> {
        Ok(match secret {
            Secret::Recovery { code } => Self::Recovery(RecoveryCode::parse(&Zeroizing::new(code))?),
            Secret::Passphrase { passphrase } => Self::Passphrase(Zeroizing::new(passphrase)),
        })
    }
}

impl TryFrom<Operation> for core::Operation {
    type Error = Error;

    /// Fails with `invalid` for a mistyped recovery code or device id.
    fn try_from(operation: Operation) -> Result<Self, Error> {
        Ok(match operation {
            Operation::Create { passphrase } => Self::Create { passphrase: passphrase.map(Zeroizing::new) },
            Operation::Join { secret } => Self::Join { secret: secret.try_into()? },
            Operation::Push => Self::Push,
            Operation::Pull => Self::Pull,
            Operation::Sync => Self::Sync,
            Operation::Check => Self::Check,
            Operation::Republish => Self::Republish,
            Operation::SetPassphrase { passphrase } => {
                Self::SetPassphrase { passphrase: passphrase.map(Zeroizing::new) }
            }
            Operation::ReplaceRecoveryCode => Self::ReplaceRecoveryCode,
            Operation::RetireDevice { device } => Self::RetireDevice { device: device_id(&device)? },
            Operation::RevokeDevice { device } => Self::RevokeDevice { device: device_id(&device)? },
            Operation::AdoptDevice { device } => Self::AdoptDevice { device: device_id(&device)? },
        })
    }
}

fn device_id(hex: &str) -> Result<DeviceId, Error> {
    DeviceId::from_hex(hex).ok_or_else(|| {
        let message = format!("a device's id has {} lower-case hex digits", 2 * DeviceId::BYTES);
        Error::new(ErrorKind::Invalid, message).on(hex).next_step("take the id from the list of devices")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_secret_or_id_is_refused_before_anything_runs() {
        let join = Operation::Join { secret: Secret::Recovery { code: "TIDE-LOCK".into() } };
        assert_eq!(core::Operation::try_from(join).unwrap_err().kind(), ErrorKind::Invalid);
        let retire = Operation::RetireDevice { device: "0F".into() };
        let error = core::Operation::try_from(retire).unwrap_err();
        assert_eq!((error.kind(), error.object()), (ErrorKind::Invalid, Some("0F")));
    }

    #[test]
    fn a_passphrase_is_stretched_elsewhere_to_the_same_key() {
        let params = StretchParams { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
        let stretching = Stretching { salt: [7; 16], params };
        let request = StretchRequest { stretching, passphrase: Zeroizing::new(b"correct horse".to_vec()) };
        let sent = serde_json::to_string(&Stretch::from(request.clone())).unwrap();
        let key = serde_json::from_str::<Stretch>(&sent).unwrap().run().unwrap();
        assert_eq!(StretchedKey::from_bytes(*key.to_bytes()), stretch(&request).unwrap());
    }

    #[test]
    fn operations_are_read_from_plain_objects() {
        let json = r#"{"kind":"join","secret":{"kind":"passphrase","passphrase":"correct horse"}}"#;
        let operation: Operation = serde_json::from_str(json).unwrap();
        assert!(
            matches!(operation, Operation::Join { secret: Secret::Passphrase { passphrase } } if passphrase == "correct horse")
        );
        assert!(matches!(
            serde_json::from_str(r#"{"kind":"replaceRecoveryCode"}"#),
            Ok(Operation::ReplaceRecoveryCode)
        ));
    }
}
