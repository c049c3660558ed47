//! Reading shell histories: plain lines, bash's with times, zsh's plain and extended ones.

use tidelock::Imported;
use tidelock_core::replica::RECORD_VALUE_BYTES_MAX;

/// Begins a byte pair in zsh's files: the second one has this bit turned over.
const META: u8 = 0x83;
const META_BIT: u8 = 0x20;

/// Turns a history's lines into entries, in order.
///
/// - bash with `HISTTIMEFORMAT`: a line `#1700000000` tells the time of those that follow;
/// - zsh with `EXTENDED_HISTORY`: `: 1700000000:0;ls -l`;
/// - zsh writes each line break of a command as a backslash and a line break, and some bytes as pairs;
/// - all other lines are entries of an unknown time.
///
/// A file is zsh's by its name, or from its first extended line on.
#[derive(Debug)]
pub(crate) struct History {
    unix_ms: u64,
    is_zsh: bool,
    /// The first lines of a command that goes on; empty: none does.
    begun: Vec<u8>,
}

impl History {
    /// For a file of this name.
    pub(crate) fn new(file: &str) -> Self {
        let is_zsh = file.contains("zsh") || file.contains("zhistory");
        Self { unix_ms: 0, is_zsh, begun: Vec::new() }
    }

    /// Takes a line; gives the entry that ends with it. One that is too long comes with more bytes than an entry may have.
    pub(crate) fn line(&mut self, line: &[u8]) -> Option<Imported> {
        self.is_zsh |= self.begun.is_empty() && extended(line).is_some();
        if !self.is_zsh {
            return self.entry(line.to_vec());
        }
        // Once it is too long to keep, only its end is looked for.
        let room = (RECORD_VALUE_BYTES_MAX + 1).saturating_sub(self.begun.len());
        match line.strip_suffix(b"\\") {
            Some(part) => {
                self.begun.extend_from_slice(&part[..part.len().min(room)]);
                if room > 0 {
                    self.begun.push(b'\n');
                }
                None
            }
            None => {
                let mut command = std::mem::take(&mut self.begun);
                command.extend_from_slice(&line[..line.len().min(room)]);
                self.entry(command)
            }
        }
    }

    /// The entry that the file's end cut short.
    pub(crate) fn end(mut self) -> Option<Imported> {
        let mut command = std::mem::take(&mut self.begun);
        command.pop();
        self.entry(command)
    }

    fn entry(&mut self, command: Vec<u8>) -> Option<Imported> {
        if command.is_empty() {
            return None;
        }
        if !self.is_zsh {
            if let Some(seconds) = command.strip_prefix(b"#").and_then(seconds) {
                self.unix_ms = seconds * 1000;
                return None;
            }
            return Some(Imported { unix_ms: self.unix_ms, value: command.into() });
        }
        let (unix_ms, command) = match extended(&command) {
            Some((unix_ms, command)) => (unix_ms, command),
            // A colon at the beginning of a plain line would be an extended one's.
            None => (0, command.strip_prefix(b"\\").filter(|rest| rest.starts_with(b":")).unwrap_or(&command)),
        };
        // Behind a backslash at a command's end zsh writes a space: the line would go on otherwise.
        let last = command.iter().rposition(|byte| *byte != b' ');
        let spaced = command.ends_with(b" ") && last.is_some_and(|last| command[last] == b'\\');
        let command = if spaced { &command[..command.len() - 1] } else { command };
        (!command.is_empty()).then(|| Imported { unix_ms, value: unmetafied(command).into() })
    }
}

/// The time and command of `: 1700000000:0;ls -l`.
fn extended(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = line.strip_prefix(b": ")?;
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let semicolon = rest.iter().position(|byte| *byte == b';')?;
    let took = rest.get(colon + 1..semicolon)?;
    if took.is_empty() || !took.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((seconds(&rest[..colon])? * 1000, &rest[semicolon + 1..]))
}

/// A command's bytes as they were typed. Pairs are never UTF-8: a line that is was written by somebody else than zsh.
fn unmetafied(command: &[u8]) -> Vec<u8> {
    if std::str::from_utf8(command).is_ok() {
        return command.to_vec();
    }
    let mut bytes = command.iter();
    let mut typed = Vec::with_capacity(command.len());
    while let Some(&byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (META, Some(second)) => {
                typed.push(second ^ META_BIT);
                bytes.next();
            }
            _ => typed.push(byte),
        }
    }
    typed
}

/// Seconds since 1970 in ten digits, as they were from 2001 and will be to 2286: fewer are a comment or a number.
fn seconds(digits: &[u8]) -> Option<u64> {
    if digits.len() != 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut history = History::new(name);
        let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n');
        let mut entries: Vec<Imported> = lines.filter_map(|line| history.line(line)).collect();
        entries.extend(history.end());
        entries.into_iter().map(|entry| (entry.unix_ms, entry.value.to_vec())).collect()
    }

    fn untimed(name: &str, text: &[u8]) -> Vec<Vec<u8>> {
        read(name, text).into_iter().inspect(|(unix_ms, _)| assert_eq!(*unix_ms, 0)).map(|(_, value)| value).collect()
    }

    #[test]
    fn plain_lines_have_no_time() {
        let plain = ["ls -l", "# a comment", "#123", ": true", ": 5:0;x", ": 1700000000:;x", "true;ls", "cd \\", "ls"];
        assert_eq!(untimed("history", plain.join("\n").as_bytes()), plain.map(|line| line.as_bytes().to_vec()));
    }

    #[test]
    fn bash_tells_the_time_before_the_command() {
        let expected = [(1_700_000_000_000, b"ls".to_vec()), (1_700_000_005_000, b"cd".to_vec())];
        assert_eq!(read(".bash_history", b"#1700000000\nls\n#1700000005\ncd"), expected);
    }

    #[test]
    fn zsh_tells_the_time_with_the_command() {
        assert_eq!(read("history", b": 1700000000:12;ls; cd"), [(1_700_000_000_000, b"ls; cd".to_vec())]);
    }

    #[test]
    fn a_command_of_several_lines_is_one_entry() {
        let text = b": 1700000000:0;for f in *\\\ndo\\\n\\\n  cat $f\\\ndone\n: 1700000001:0;ls\n";
        let expected =
            [(1_700_000_000_000, b"for f in *\ndo\n\n  cat $f\ndone".to_vec()), (1_700_000_001_000, b"ls".to_vec())];
        assert_eq!(read("history", text), expected);
        assert_eq!(untimed(".zsh_history", b"echo a\\\nb\nls\\\n"), [b"echo a\nb".to_vec(), b"ls".to_vec()]);
    }

    #[test]
    fn what_zsh_adds_is_taken_away() {
        let text = b"\\: plain\necho \\\\ \necho \\ \nls  \n";
        let expected: [&[u8]; 4] = [b": plain", b"echo \\\\", b"echo \\", b"ls  "];
        assert_eq!(untimed(".zsh_history", text), expected);
    }

    /// Bytes as zsh 5.9 writes them: 0x00, and 0x83 to 0xa2, as 0x83 and the byte with bit 5 turned over.
    #[test]
    fn pairs_of_zsh_are_the_bytes_that_were_typed() {
        // U+30D7 is e3 83 97, U+00C4 is c3 84; Latin-1's a-umlaut is e4 and stays.
        let text = b"echo \xe3\x83\xa3\x83\xb7\necho \xc3\x83\xa4\necho \x83\x20\xe4\necho \xe3\x83\xa3\necho \x83\n";
        let expected: [&[u8]; 5] =
            ["echo プ".as_bytes(), "echo Ä".as_bytes(), b"echo \x00\xe4", "echo ャ".as_bytes(), b"echo \x83"];
        assert_eq!(untimed(".zsh_history", text), expected);
        assert_eq!(untimed("history", b"echo \xc3\x83\xa4"), [b"echo \xc3\x83\xa4"]);
    }

    #[test]
    fn a_command_without_end_is_cut_where_it_is_too_long() {
        let mut history = History::new(".zsh_history");
        let line = [&[b'x'; 1000][..], b"\\"].concat();
        assert!((0..1_000).all(|_| history.line(&line).is_none()));
        let entry = history.line(b"end").unwrap();
        assert!((RECORD_VALUE_BYTES_MAX + 1..RECORD_VALUE_BYTES_MAX + 2_000).contains(&entry.value.len()));
        assert_eq!(history.line(b"ls").unwrap().value, "ls");
    }
}
