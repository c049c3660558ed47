//! The settings there are: what they are called on the command line, in files and in the environment, and their forms.

use crate::exit::Result;
use std::time::Duration;
use tidelock::{Error, ErrorKind, StoreUri};

/// The longest deadline of a request.
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
const RETRIES_MAX: u32 = 100;
const CONCURRENCY_MAX: u32 = 64;

/// Something that a flag, a variable, a profile or a file sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    /// The store's address.
    Store,
    /// This device's folder.
    Local,
    /// A request's deadline.
    Timeout,
    /// How often a request is tried again.
    Retries,
    /// Requests in flight at once.
    Concurrency,
    /// Whether what is stored in bulk is compressed.
    Compression,
}

/// Every one, in the order they are listed in.
pub(crate) const SETTINGS: [Setting; 6] =
    [Setting::Store, Setting::Local, Setting::Timeout, Setting::Retries, Setting::Concurrency, Setting::Compression];

impl Setting {
    /// The setting of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the names there are; a secret's name is told where secrets go.
    pub(crate) fn named(name: &str) -> Result<Self> {
        SETTINGS.into_iter().find(|setting| setting.name() == name).ok_or_else(|| unknown(name).into())
    }

    /// Its name: in files, and with two dashes on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Local => "local",
            Self::Timeout => "timeout",
            Self::Retries => "retries",
            Self::Concurrency => "concurrency",
            Self::Compression => "compression",
        }
    }

    /// The variables that set it; the first that has a value counts. HX's own are known too, so that its users keep theirs.
    pub(crate) fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Store => &["TIDELOCK_STORE"],
            Self::Local => &["TIDELOCK_LOCAL"],
            Self::Timeout => &["TIDELOCK_TIMEOUT", "HX_SYNC_TIMEOUT"],
            Self::Retries => &["TIDELOCK_RETRIES", "HX_SYNC_MAX_RETRIES"],
            Self::Concurrency => &["TIDELOCK_CONCURRENCY", "HX_SYNC_CONCURRENT_UPLOADS"],
            Self::Compression => &["TIDELOCK_COMPRESSION", "HX_SYNC_COMPRESSION"],
        }
    }

    /// Refuses what is no value of it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the form it has.
    pub(crate) fn check(self, text: &str) -> std::result::Result<(), Error> {
        match self {
            Self::Store => text.parse::<StoreUri>().map(drop),
            Self::Local => match text.is_empty() {
                true => Err(invalid("a folder's path is empty", "name a folder")),
                false => Ok(()),
            },
            Self::Timeout => timeout(text).map(drop),
            Self::Retries => number(text, 0, RETRIES_MAX).map(drop),
            Self::Concurrency => number(text, 1, CONCURRENCY_MAX).map(drop),
            Self::Compression => switch(text).map(drop),
        }
    }
}

/// A time such as `30s`, `1m 30s` or `500ms`; a bare number is seconds.
pub(crate) fn timeout(text: &str) -> std::result::Result<Duration, Error> {
    let refused = || invalid("a timeout is no time from 1 ms to 1 h", "write it like 30s, 500ms or 2m");
    let time = match text.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(u64::from(seconds)),
        Err(_) => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|time| Duration::try_from(time).ok())
            .ok_or_else(refused)?,
    };
    match (Duration::from_millis(1)..=TIMEOUT_MAX).contains(&time) {
        true => Ok(time),
        false => Err(refused()),
    }
}

/// How often a request is tried again: 0 to 100.
pub(crate) fn retries(text: &str) -> std::result::Result<u32, Error> {
    number(text, 0, RETRIES_MAX)
}

/// Requests in flight at once: 1 to 64.
pub(crate) fn concurrency(text: &str) -> std::result::Result<u32, Error> {
    number(text, 1, CONCURRENCY_MAX)
}

/// `true` or `false`, and the words people have for them.
pub(crate) fn switch(text: &str) -> std::result::Result<bool, Error> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err(invalid("a switch is neither on nor off", "write true or false")),
    }
}

fn number(text: &str, least: u32, most: u32) -> std::result::Result<u32, Error> {
    match text.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(invalid("a number is out of range", format!("write a whole number from {least} to {most}"))),
    }
}

fn unknown(name: &str) -> Error {
    let secret = ["access", "secret", "token", "passphrase", "password", "key"].iter().any(|word| name.contains(word));
    if secret {
        return invalid(
            "secrets are not kept in a configuration",
            "`tidelock credentials set` keeps keys in the keyring",
        );
    }
    let names: Vec<_> = SETTINGS.into_iter().map(Setting::name).collect();
    invalid("no such setting", format!("the settings are {}", names.join(", ")))
}

fn invalid(message: &str, step: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message).next_step(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_do() {
        for (text, ms) in [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1m 30s", 90_000), ("45", 45_000)] {
            assert_eq!(timeout(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "0", "-3s", "2h", "soon", "99999999999"] {
            assert_eq!(timeout(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (setting, text) in [
            (Setting::Store, "http://bucket"),
            (Setting::Local, ""),
            (Setting::Retries, "101"),
            (Setting::Retries, "-1"),
            (Setting::Concurrency, "0"),
            (Setting::Concurrency, "65"),
            (Setting::Compression, "perhaps"),
        ] {
            assert_eq!(setting.check(text).unwrap_err().kind(), ErrorKind::Invalid, "{setting:?} {text}");
        }
    }

    #[test]
    fn a_secrets_name_is_told_where_secrets_go() {
        assert!(unknown("secret_key").hint().unwrap().contains("credentials"));
        assert!(unknown("colour").hint().unwrap().contains("timeout"));
    }
}
