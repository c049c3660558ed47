//! What comes from files, stdin and the terminal, bounded before it is held.

use crate::exit::Result;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read};
use std::path::Path;
use tidelock::{Error, ErrorKind, is_open_to_others};
use tidelock_core::json::JSON_TEXT_BYTES_MAX;
use tidelock_core::replica::RECORD_VALUE_BYTES_MAX;
use zeroize::Zeroizing;

/// A recovery code has 44 characters, a passphrase at most 1,024 bytes.
const SECRET_BYTES_MAX: u64 = 4 << 10;

/// The value that a command is given: the argument, or what stdin has for `-`, and for none where stdin is no terminal.
/// An empty one must be asked for: an unquoted variable without a value would replace what stands.
pub(crate) fn value(argument: Option<OsString>, empty: bool) -> Result<Vec<u8>> {
    if empty {
        return Ok(Vec::new());
    }
    let step = "give a value, behind `--` where it is the name of an option; `--empty` sets an empty one";
    given(argument, "value", RECORD_VALUE_BYTES_MAX, step)
}

fn given(argument: Option<OsString>, what: &str, bytes_max: usize, step: &str) -> Result<Vec<u8>> {
    let (value, missing) = match argument {
        Some(text) if text != "-" => (text.into_encoded_bytes(), format!("the {what} is empty")),
        None if io::stdin().is_terminal() => (Vec::new(), format!("no {what} is given")),
        _ => {
            let mut value = Vec::new();
            // One byte more than it may have: the engine refuses it, with its own words.
            let mut input = io::stdin().lock().take(bytes_max as u64 + 1);
            input.read_to_end(&mut value).map_err(|error| unreadable("stdin", &error))?;
            (value, format!("no {what} is given, and stdin is empty"))
        }
    };
    if value.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, missing).next_step(step).into());
    }
    Ok(value)
}

/// Refuses to read lines that somebody would have to type.
pub(crate) fn refuse_terminal() -> Result {
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    let step = "give entries, behind `--` where one is the name of an option, or pipe lines into it";
    Err(Error::new(ErrorKind::Invalid, "no entry is given, and stdin is a terminal").next_step(step).into())
}

/// The JSON text of an argument, or what stdin has for `-`, and for none where stdin is no terminal.
pub(crate) fn json(argument: Option<String>) -> Result<Vec<u8>> {
    given(argument.map(OsString::from), "JSON text", JSON_TEXT_BYTES_MAX, "give a JSON object, or pipe one into it")
}

/// A file to read, or stdin for `-`.
pub(crate) fn open(file: &Path) -> Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| unreadable(&file.display().to_string(), &error))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// The first line of stdin.
pub(crate) fn secret_from_stdin() -> Result<Zeroizing<String>> {
    secret_line(io::stdin().lock(), "stdin")
}

/// The first line of a file.
pub(crate) fn secret_from_file(file: &Path) -> Result<Zeroizing<String>> {
    let name = file.display().to_string();
    let opened = File::open(file).map_err(|error| unreadable(&name, &error))?;
    if is_open_to_others(&opened).map_err(|error| unreadable(&name, &error))? {
        let error = Error::new(ErrorKind::Invalid, format!("the secret in {name} is open to other users"));
        return Err(error.next_step(format!("run `chmod 600 {name}`")).into());
    }
    secret_line(BufReader::new(opened), &name)
}

/// What a person types, unseen. `otherwise` says how to give it without a terminal.
pub(crate) fn secret_from_terminal(prompt: &str, otherwise: &str) -> Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Invalid, "there is no terminal to ask for the secret")
            .next_step(format!("give it with {otherwise}"))
            .into());
    }
    let typed = rpassword::prompt_password(prompt).map_err(|error| unreadable("terminal", &error))?;
    Ok(Zeroizing::new(typed))
}

/// Refuses a passphrase that is guessed too soon. Whoever can read the bucket tries as many as they like, each at the cost of
/// Argon2id: below a hundred million guesses that is no protection.
pub(crate) fn check_passphrase(passphrase: &str, weak: bool) -> Result {
    if weak {
        return Ok(());
    }
    let estimate = zxcvbn::zxcvbn(passphrase, &[]);
    if estimate.score() >= zxcvbn::Score::Three {
        return Ok(());
    }
    let why = estimate.feedback().and_then(|feedback| feedback.warning()).map(|why| format!(": {why}"));
    Err(Error::new(ErrorKind::Invalid, format!("the passphrase is too easy to guess{}", why.unwrap_or_default()))
        .next_step(
            "take four words or more that have nothing to do with each other; --weak takes this one all the same",
        )
        .into())
}

fn secret_line(input: impl BufRead, name: &str) -> Result<Zeroizing<String>> {
    // Of its full size from the start: growing would leave copies behind.
    let mut line = Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX as usize + 1));
    input.take(SECRET_BYTES_MAX).read_line(&mut line).map_err(|error| unreadable(name, &error))?;
    while line.ends_with(['\n', '\r']) {
        line.pop();
    }
    if line.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "the secret is empty").on(name).next_step("give one line").into());
    }
    Ok(line)
}

pub(crate) fn unreadable(name: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Invalid, format!("the input can't be read: {error}"))
        .on(name)
        .next_step("check its name and permissions")
}

/// A line of an input, without its end.
pub(crate) struct Line {
    /// Counts from 1.
    pub(crate) number: u64,
    /// `None`: it is longer than an entry may be.
    pub(crate) text: Option<Vec<u8>>,
}

/// The error for an entry that is too long. `what` counts it: "line 7"; `stored` says what became of the others.
pub(crate) fn too_long(what: &str, source: &str, stored: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("{what} is longer than 256 KiB; {stored}"))
        .on(source)
        .next_step("split or remove it, or leave out all such with `--skip-invalid`")
}

/// The lines of an input, each in bounded memory.
pub(crate) struct InputLines<R> {
    input: R,
    name: String,
    number: u64,
}

impl<R: BufRead> InputLines<R> {
    pub(crate) fn new(input: R, name: impl Into<String>) -> Self {
        Self { input, name: name.into(), number: 0 }
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        // Room for `\r\n`, and a byte that shows that there is more.
        let mut bounded = self.input.by_ref().take(RECORD_VALUE_BYTES_MAX as u64 + 3);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.ends_with(b"\n") {
            line.pop();
        } else if line.len() > RECORD_VALUE_BYTES_MAX + 2 {
            self.skip_line()?;
        }
        if line.ends_with(b"\r") {
            line.pop();
        }
        let text = (line.len() <= RECORD_VALUE_BYTES_MAX).then_some(line);
        Ok(Some(Line { number: self.number, text }))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let (skipped, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(skipped);
            if ended {
                return Ok(());
            }
        }
    }
}

impl<R: BufRead> Iterator for InputLines<R> {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().map_err(|error| unreadable(&self.name, &error).into()).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
        InputLines::new(bytes, "test").map(|line| line.unwrap().text).collect()
    }

    #[test]
    fn lines_have_no_ends() {
        let text = |text: &[u8]| Some(text.to_vec());
        assert_eq!(lines(b"a\r\n\n\xff\nlast"), [text(b"a"), text(b""), text(b"\xff"), text(b"last")]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn the_longest_line_passes_and_a_longer_one_is_left_out() {
        let longest = vec![b'x'; RECORD_VALUE_BYTES_MAX];
        for end in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(lines(&[&longest, end].concat()), [Some(longest.clone())]);
        }
        for more in [&b"x"[..], b"xx", b"xxx", &longest, &[longest.clone(), longest.clone()].concat()] {
            let text = [&b"before\n"[..], &longest, more, b"\nbehind"].concat();
            let numbered: Vec<_> = InputLines::new(&text[..], "test").map(|line| line.unwrap()).collect();
            assert_eq!(numbered.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3]);
            let texts: Vec<_> = numbered.into_iter().map(|line| line.text).collect();
            assert_eq!(texts, [Some(b"before".to_vec()), None, Some(b"behind".to_vec())]);
        }
    }

    #[test]
    fn a_passphrase_has_a_floor() {
        for weak in ["hunter2", "password1234", "qwertyuiop", "aaaaaaaaaaaaaaaa", "2024-01-01", "letmein!", "Tidelock"]
        {
            let Err(crate::exit::Stop::Error(error)) = check_passphrase(weak, false) else { panic!("{weak} is taken") };
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(!error.message().contains(weak), "{error}");
            assert!(check_passphrase(weak, true).is_ok());
        }
        for strong in ["correct horse battery staple", "q7#Lw0zR!x2v", "sieben Segler suchen Salz"] {
            assert!(check_passphrase(strong, false).is_ok(), "{strong}");
        }
    }

    #[test]
    fn a_secret_is_its_first_line() {
        assert_eq!(*secret_line(&b"correct horse\r\nbattery"[..], "test").unwrap(), "correct horse");
        assert!(secret_line(&b"\nx"[..], "test").is_err());
        assert!(secret_line(&b"\xff"[..], "test").is_err());
    }
}
