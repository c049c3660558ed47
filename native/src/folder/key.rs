//! Keys as paths: each part of a key is one file name, and each file name is one part or none.
//!
//! What some file system refuses or changes is written as `%XX`, everywhere alike, so that a folder can be moved from one
//! system to another: `%` itself, control characters, `< > : " \ | ? *`, a tilde before a digit, a final dot or space (so `.` and `..` are never
//! written), and the first character of Windows' device names and of the reserved directory. An empty part is `%`.

use super::{Fault, KEY_BYTES_MAX};
use std::ffi::OsStr;
use std::path::PathBuf;

/// The hidden directory of each root: the lock and the files being written. Never part of an object's path.
pub(super) const RESERVED: &str = ".tidelock";

/// The longest name on every file system in use.
const NAME_BYTES_MAX: usize = 255;

/// The path of a key below the root. No key leads out of the root, nor into the reserved directory.
pub(super) fn path_of(key: &str) -> Result<PathBuf, Fault> {
    if key.is_empty() {
        return Err(Fault::Key("it is empty"));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(Fault::KeyTooLong);
    }
    let mut path = PathBuf::new();
    for part in key.split('/') {
        let name = name_of(part);
        if name.len() > NAME_BYTES_MAX {
            return Err(Fault::KeyTooLong);
        }
        path.push(name);
    }
    Ok(path)
}

/// The part of a key that is written as this file name; `None` for names that no part is written as.
pub(super) fn part_of(name: &OsStr) -> Option<String> {
    let name = name.to_str()?;
    let mut part = String::new();
    let mut rest = if name == "%" { "" } else { name };
    while let Some((before, after)) = rest.split_once('%') {
        part.push_str(before);
        let byte = u8::from_str_radix(after.get(..2)?, 16).ok().filter(u8::is_ascii)?;
        part.push(char::from(byte));
        rest = &after[2..];
    }
    part.push_str(rest);
    // One form only: a file that someone named `a:b`, or `%61`, is not found by its key and so not listed either.
    (name_of(&part) == name).then_some(part)
}

fn name_of(part: &str) -> String {
    if part.is_empty() {
        return "%".to_owned();
    }
    let mut name = String::with_capacity(part.len());
    let last = part.len() - 1;
    for (at, character) in part.char_indices() {
        let escaped = match character {
            '%' | '<' | '>' | ':' | '"' | '\\' | '|' | '?' | '*' => true,
            '.' | ' ' if at == last => true,
            // Windows finds a long name by a short one too: `TIDELO~1`.
            '~' => part[at + 1..].starts_with(|next: char| next.is_ascii_digit()),
            _ => character.is_ascii_control() || (at == 0 && is_reserved(part)),
        };
        if escaped {
            name.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            name.push(character);
        }
    }
    name
}

fn is_reserved(part: &str) -> bool {
    part.eq_ignore_ascii_case(RESERVED) || is_windows_device(part)
}

/// `NUL`, `com1.txt` and the like open devices on Windows, in any directory. All begin with an ASCII letter.
pub(crate) fn is_windows_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end_matches(' ').to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| {
        let mut characters = number.chars();
        matches!(characters.next(), Some('0'..='9' | '¹' | '²' | '³')) && characters.next().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Component;

    #[test]
    fn names_are_written_as_documented() {
        for (part, name) in [
            ("tidelock", "tidelock"),
            ("0123abcd", "0123abcd"),
            (".bashrc", ".bashrc"),
            ("größe", "größe"),
            ("", "%"),
            (".", "%2E"),
            ("..", ".%2E"),
            ("a.", "a%2E"),
            ("a ", "a%20"),
            ("a b", "a b"),
            ("100%", "100%25"),
            ("a\0b", "a%00b"),
            ("\u{7f}", "%7F"),
            ("C:", "C%3A"),
            ("a\\b", "a%5Cb"),
            ("nul", "%6Eul"),
            ("COM1.txt", "%43OM1.txt"),
            ("LPT¹", "%4CPT¹"),
            ("TIDELO~1", "TIDELO%7E1"),
            ("notes.txt~", "notes.txt~"),
            ("comet", "comet"),
            ("COM12", "COM12"),
            (".tidelock", "%2Etidelock"),
            (".TideLock", "%2ETideLock"),
            (".tidelock2", ".tidelock2"),
        ] {
            assert_eq!(name_of(part), name);
            assert_eq!(part_of(OsStr::new(name)).as_deref(), Some(part), "{name}");
        }
    }

    #[test]
    fn names_that_no_key_has_are_nobody_s() {
        for name in [
            "%61",
            "%2f",
            "%2F",
            "%",
            "%%",
            "a%",
            "a%2",
            "a%zz",
            "a%+1",
            "a:b",
            "nul",
            ".tidelock",
            "a.",
            "TIDELO~1",
            "%c3%a9",
            "%C3%A9",
        ] {
            let part = part_of(OsStr::new(name));
            assert!(part.is_none() || name == "%", "{name} was read as {part:?}");
        }
    }

    #[test]
    fn every_ascii_pair_goes_there_and_back_by_plain_parts_only() {
        for first in 0..=127u8 {
            for second in 0..=127u8 {
                let key: String = [char::from(first), char::from(second)].iter().collect();
                let path = path_of(&key).expect("two bytes are short enough");
                assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{key:?} became {path:?}");
                let parts: Option<Vec<String>> = path.iter().map(part_of).collect();
                assert_eq!(parts.expect("each name is read").join("/"), key);
            }
        }
    }

    #[test]
    fn too_long_is_refused() {
        assert!(matches!(path_of(&"a".repeat(256)), Err(Fault::KeyTooLong)));
        assert!(matches!(path_of(&"%".repeat(86)), Err(Fault::KeyTooLong)));
        assert!(matches!(path_of(&"a/".repeat(513)), Err(Fault::KeyTooLong)));
        assert!(path_of(&"a/".repeat(512)).is_ok());
        assert!(matches!(path_of(""), Err(Fault::Key(_))));
    }
}
