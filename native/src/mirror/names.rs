//! Which paths a mirror takes: the same both ways, so that what goes up comes down again.

use crate::{Error, ErrorKind};

/// The longest name on every file system in use, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// The longest key of S3, in bytes, with all that stands before the path.
const KEY_BYTES_MAX: usize = 1024;

/// What files that are being written begin and end with. None of them goes up, or is made of a key.
const DRAFT: (&str, &str) = (".tidelock-", ".part");

/// The name of a file that is being written by the mirror with this id.
pub(super) fn draft(id: &str, count: u64) -> String {
    format!("{}{id}-{count}{}", DRAFT.0, DRAFT.1)
}

/// Whether a name is of a file that is being written; and, with an id, by that mirror.
pub(super) fn is_draft(name: &str, id: &str) -> bool {
    let inner = name.strip_prefix(DRAFT.0).and_then(|name| name.strip_suffix(DRAFT.1));
    inner.is_some_and(|inner| id.is_empty() || inner.strip_prefix(id).is_some_and(|rest| rest.starts_with('-')))
}

/// Refuses a path that is no file's on some system this program runs on, or on this one.
///
/// # Errors
/// `Invalid`, with the reason.
pub(super) fn check(prefix: &str, path: &str) -> Result<(), Error> {
    let why = if prefix.len() + path.len() > KEY_BYTES_MAX {
        Some("it is longer than 1,024 bytes, the longest key")
    } else {
        path.split('/').find_map(|name| why_not(name).or_else(|| why_not_here(name)))
    };
    match why {
        None => Ok(()),
        Some(why) => Err(Error::new(ErrorKind::Invalid, format!("no file of a mirror can have this name: {why}"))
            .on(path)
            .next_step("rename it where it comes from, or leave it out with --exclude")),
    }
}

fn why_not(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("a part of it is empty"),
        "." | ".." => Some("a part of it is `.` or `..`"),
        name if name.len() > NAME_BYTES_MAX => Some("a part of it is longer than 255 bytes"),
        name if name.contains('\\') => Some("it has a backslash"),
        name if name.contains('\0') => Some("it has a NUL"),
        _ => None,
    }
}

#[cfg(not(windows))]
fn why_not_here(_name: &str) -> Option<&'static str> {
    None
}

#[cfg(windows)]
fn why_not_here(name: &str) -> Option<&'static str> {
    use crate::folder::is_windows_device;
    if is_windows_device(name) {
        Some("Windows has a device of this name")
    } else if name.ends_with(['.', ' ']) {
        Some("Windows takes no dot or space at a name's end")
    } else if name.contains(|c: char| c.is_ascii_control() || "<>:\"|?*".contains(c)) {
        Some("Windows takes none of < > : \" | ? * or control characters")
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_or_nowhere_are_refused() {
        for path in [
            "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", "a\\b", "..\\a", "a\0b", "\\",
            "C:\\a",
        ] {
            let error = check("", path).unwrap_err();
            assert_eq!((error.kind(), error.object()), (ErrorKind::Invalid, Some(path)));
        }
        for path in ["a", "a/b", "...", "..a", "a..", "ü", "a b", "a/.b", "%2e%2e/a", "~", "-rf"] {
            check("", path).unwrap();
        }
    }

    #[test]
    fn lengths_are_those_of_names_and_keys() {
        check("", &"x".repeat(255)).unwrap();
        assert!(check("", &"x".repeat(256)).is_err());
        // 1,024 bytes with the prefix.
        let path = vec!["x".repeat(249); 4].join("/");
        check(&"p".repeat(1024 - path.len()), &path).unwrap();
        assert!(check(&"p".repeat(1025 - path.len()), &path).is_err());
    }

    #[test]
    fn drafts_are_known_by_their_names() {
        assert!(is_draft(&draft("ab", 7), "ab") && is_draft(&draft("ab", 7), ""));
        assert!(!is_draft(&draft("abc", 7), "ab"));
        assert!(!is_draft(".tidelock-", "") && !is_draft("a.part", "") && !is_draft(".tidelock-notes", ""));
    }
}
