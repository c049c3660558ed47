//! Errors as plain data: what failed, on which object, whether trying again helps, and what a person does next.

use std::fmt;

/// What a caller decides by; see [`tidelock_core::ErrorKind`] for each kind's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[allow(missing_docs, reason = "the core says what each kind means")]
pub enum ErrorKind {
    Invalid,
    Auth,
    NotFound,
    AlreadyExists,
    Throttled,
    Timeout,
    Network,
    Corrupt,
    HashMismatch,
    WrongKey,
    RolledBack,
    Forked,
    Wiped,
    Revoked,
    ClockSkew,
    LocalStore,
    Busy,
    Unsupported,
    Cancelled,
    Closed,
    Internal,
}

/// What went wrong. It never holds a secret, a signed URL or a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Problem {
    /// What a caller decides by.
    pub kind: ErrorKind,
    /// What failed and why.
    pub message: String,
    /// The object it happened on: a bucket key, a file, a record.
    pub object: Option<String>,
    /// What a person does next.
    pub next_step: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

impl ErrorKind {
    /// The kind's name, kebab-case.
    pub fn name(self) -> &'static str {
        tidelock_core::ErrorKind::from(self).name()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tidelock_core::Error::from(self.clone()).fmt(f)
    }
}

impl From<tidelock_core::Error> for Problem {
    fn from(error: tidelock_core::Error) -> Self {
        Self {
            kind: error.kind().into(),
            message: error.message().to_owned(),
            object: error.object().map(str::to_owned),
            next_step: error.hint().map(str::to_owned),
            retryable: error.is_retryable(),
        }
    }
}

impl From<Problem> for tidelock_core::Error {
    fn from(Problem { kind, message, object, next_step, retryable }: Problem) -> Self {
        let mut error = Self::new(kind.into(), message);
        if let Some(object) = object {
            error = error.on(object);
        }
        if let Some(step) = next_step {
            error = error.next_step(step);
        }
        if retryable { error.retryable() } else { error }
    }
}

/// Both conversions, from one list.
macro_rules! same_kinds {
    ($($kind:ident),+ $(,)?) => {
        impl From<tidelock_core::ErrorKind> for ErrorKind {
            fn from(kind: tidelock_core::ErrorKind) -> Self {
                match kind {
                    $(tidelock_core::ErrorKind::$kind => Self::$kind,)+
                    // A kind that this list lacks; the tests hold the list against the core's.
                    _ => Self::Internal,
                }
            }
        }

        impl From<ErrorKind> for tidelock_core::ErrorKind {
            fn from(kind: ErrorKind) -> Self {
                match kind {
                    $(ErrorKind::$kind => Self::$kind,)+
                }
            }
        }
    };
}

same_kinds!(
    Invalid,
    Auth,
    NotFound,
    AlreadyExists,
    Throttled,
    Timeout,
    Network,
    Corrupt,
    HashMismatch,
    WrongKey,
    RolledBack,
    Forked,
    Wiped,
    Revoked,
    ClockSkew,
    LocalStore,
    Busy,
    Unsupported,
    Cancelled,
    Closed,
    Internal,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_core_is_here_under_its_name() {
        for kind in tidelock_core::ErrorKind::ALL {
            let plain = ErrorKind::from(kind);
            assert_eq!(tidelock_core::ErrorKind::from(plain), kind);
            assert_eq!(serde_json::to_value(plain).unwrap(), kind.name());
        }
    }

    #[test]
    fn typescripts_list_of_kinds_is_the_cores() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../bindings-wasm/ts/src/errors.ts");
        let text = std::fs::read_to_string(path).unwrap();
        let list = text.split_once("ERROR_KINDS = [").unwrap().1.split_once(']').unwrap().0;
        let kinds: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(kinds, tidelock_core::ErrorKind::ALL.map(tidelock_core::ErrorKind::name));
    }

    #[test]
    fn an_error_keeps_all_it_says() {
        let error = tidelock_core::Error::new(tidelock_core::ErrorKind::Throttled, "too many requests")
            .on("v1/beacon")
            .next_step("wait a minute")
            .retryable();
        let plain = Problem::from(error.clone());
        assert_eq!(plain.to_string(), error.to_string());
        assert_eq!(tidelock_core::Error::from(plain), error);
    }
}
