//! Reading shell histories: plain lines, bash's with times, zsh's extended ones.

use tidelock::Imported;

/// Turns a history's lines into entries, in order.
///
/// - bash with `HISTTIMEFORMAT`: a line `#1700000000` tells the time of those that follow;
/// - zsh with `EXTENDED_HISTORY`: `: 1700000000:0;ls -l`;
/// - all other lines are entries of an unknown time.
#[derive(Debug, Default)]
pub(crate) struct History {
    unix_ms: u64,
}

impl History {
    /// A line's entry; `None` where it only tells a time.
    pub(crate) fn entry(&mut self, line: Vec<u8>) -> Option<Imported> {
        if let Some(seconds) = line.strip_prefix(b"#").and_then(seconds) {
            self.unix_ms = seconds * 1000;
            return None;
        }
        match zsh(&line) {
            Some((unix_ms, command)) => Some(Imported { unix_ms, value: command.to_vec().into() }),
            None => Some(Imported { unix_ms: self.unix_ms, value: line.into() }),
        }
    }
}

/// The time and command of `: 1700000000:0;ls -l`.
fn zsh(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = line.strip_prefix(b": ")?;
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let semicolon = rest.iter().position(|byte| *byte == b';')?;
    let took = rest.get(colon + 1..semicolon)?;
    if took.is_empty() || !took.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((seconds(&rest[..colon])? * 1000, &rest[semicolon + 1..]))
}

/// Seconds since 1970 in ten digits, as they were from 2001 and will be to 2286: fewer are a comment or a number.
fn seconds(digits: &[u8]) -> Option<u64> {
    if digits.len() != 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test it is the failure")]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<(u64, String)> {
        let mut history = History::default();
        let entries = text.lines().filter_map(|line| history.entry(line.into()));
        entries.map(|entry| (entry.unix_ms, String::from_utf8(entry.value.to_vec()).unwrap())).collect()
    }

    #[test]
    fn plain_lines_have_no_time() {
        let plain = ["ls -l", "# a comment", "#123", ": true", ": 5:0;x", ": 1700000000:;x", "true;ls"];
        assert_eq!(entries(&plain.join("\n")), plain.map(|line| (0, line.to_owned())));
    }

    #[test]
    fn bash_tells_the_time_before_the_command() {
        let expected = [(1_700_000_000_000, "ls".to_owned()), (1_700_000_005_000, "cd".to_owned())];
        assert_eq!(entries("#1700000000\nls\n#1700000005\ncd"), expected);
    }

    #[test]
    fn zsh_tells_the_time_with_the_command() {
        assert_eq!(entries(": 1700000000:12;ls; cd"), [(1_700_000_000_000, "ls; cd".to_owned())]);
    }
}
