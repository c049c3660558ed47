//! Secrets that a person gives: telling a recovery code from a passphrase, and whether a file keeps one to its owner.

use crate::{Error, RecoveryCode, Secret};
use std::fs::File;
use std::io;
use zeroize::Zeroizing;

/// What `text` is: a recovery code if it reads as one, else a passphrase. One line break at its end is no part of it.
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for what has a recovery code's groups, but a typing mistake.
pub fn parse_secret(text: &str) -> Result<Secret, Error> {
    let text = without_line_break(text);
    match RecoveryCode::parse(text) {
        Ok(code) => Ok(Secret::Recovery(code)),
        Err(error) if looks_like_a_code(text) => Err(error),
        Err(_) => Ok(Secret::Passphrase(Zeroizing::new(text.to_owned()))),
    }
}

/// Whether users other than its owner may read or write a file, by its mode. Where files have none, they may not.
///
/// # Errors
/// What the system says of the file.
#[cfg_attr(not(unix), allow(unused_variables))]
pub fn is_open_to_others(file: &File) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    Ok(false)
}

/// Without the line break that editors and `echo` leave.
fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Nine groups of four, give or take one, with a digit somewhere: hardly a passphrase, most likely a code with a slip.
fn looks_like_a_code(text: &str) -> bool {
    let groups: Vec<&str> =
        text.split(|c: char| c == '-' || c.is_whitespace()).filter(|group| !group.is_empty()).collect();
    let fours =
        groups.iter().filter(|group| group.len() == 4 && group.bytes().all(|b| b.is_ascii_alphanumeric())).count();
    (8..=10).contains(&groups.len()) && fours + 1 >= groups.len() && text.bytes().any(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_passphrase_without_their_line_break() {
        for text in
            ["correct horse battery staple", "correct horse battery staple\n", "correct horse battery staple\r\n"]
        {
            let Secret::Passphrase(passphrase) = parse_secret(text).unwrap() else { panic!("a code?") };
            assert_eq!(*passphrase, "correct horse battery staple");
        }
        assert!(matches!(parse_secret("that when came back from that very same town"), Ok(Secret::Passphrase(_))));
    }

    #[test]
    fn a_code_with_a_slip_is_refused_rather_than_taken_for_a_passphrase() {
        assert!(parse_secret("0000-0000-0000-0000-0000-0000-0000-0000-0000").is_err());
        assert!(parse_secret("0000-0000-0000-0000-0000-0000-0000-0000-000").is_err());
    }
}
