//! The keys for the bucket.

use crate::{CredentialSource, Credentials, Error, ErrorKind};
use tidelock_core::engine::TransportFailure;

/// Reads the keys now. Temporary ones change, so they are asked for each time the engine needs them.
pub(crate) fn load(source: &CredentialSource) -> Result<Credentials, TransportFailure> {
    match source {
        CredentialSource::Fixed(credentials) => Ok(credentials.clone()),
        CredentialSource::Environment => from_environment(|name| std::env::var(name).ok())
            .map_err(|error| TransportFailure::NoCredentials(error.message().to_owned())),
    }
}

fn from_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Credentials, Error> {
    let get = |name| environment(name).filter(|value| !value.is_empty());
    let missing = |name| Error::new(ErrorKind::Auth, format!("{name} is not set"));
    Credentials::new(
        get("AWS_ACCESS_KEY_ID").ok_or_else(|| missing("AWS_ACCESS_KEY_ID"))?,
        get("AWS_SECRET_ACCESS_KEY").ok_or_else(|| missing("AWS_SECRET_ACCESS_KEY"))?,
        get("AWS_SESSION_TOKEN"),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test it is the failure")]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Credentials, Error> {
        from_environment(|name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_has_both_keys_or_names_the_missing_one() {
        let both = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        assert_eq!(read(&both).unwrap(), Credentials::new("AKIAEXAMPLE", "secret", None).unwrap());
        assert!(read(&both[..1]).unwrap_err().message().contains("AWS_SECRET_ACCESS_KEY"));
        assert!(read(&[("AWS_ACCESS_KEY_ID", ""), both[1]]).unwrap_err().message().contains("AWS_ACCESS_KEY_ID"));
    }

    #[test]
    fn a_session_token_is_taken_along() {
        let set = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
        assert_eq!(read(&set).unwrap(), Credentials::new("A", "s", Some("t".into())).unwrap());
    }
}
