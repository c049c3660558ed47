//! What comes from files, stdin and the terminal, bounded before it is held.

use crate::exit::Result;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read};
use std::path::Path;
use tidelock::{Error, ErrorKind};
use tidelock_core::json::JSON_TEXT_BYTES_MAX;
use tidelock_core::replica::RECORD_VALUE_BYTES_MAX;
use zeroize::Zeroizing;

/// A recovery code has 44 characters, a passphrase at most 1,024 bytes.
const SECRET_BYTES_MAX: u64 = 4 << 10;

/// The value of an argument; `-` or none at all is what stdin has.
pub(crate) fn value(argument: Option<String>) -> Result<Vec<u8>> {
    bounded(argument, RECORD_VALUE_BYTES_MAX)
}

fn bounded(argument: Option<String>, bytes_max: usize) -> Result<Vec<u8>> {
    match argument {
        Some(text) if text != "-" => Ok(text.into_bytes()),
        _ => {
            let mut value = Vec::new();
            // One byte more than it may have: the engine refuses it, with its own words.
            let mut input = io::stdin().lock().take(bytes_max as u64 + 1);
            input.read_to_end(&mut value).map_err(|error| unreadable("stdin", &error))?;
            Ok(value)
        }
    }
}

/// The JSON text of an argument; `-` or none at all is what stdin has.
pub(crate) fn json(argument: Option<String>) -> Result<Vec<u8>> {
    bounded(argument, JSON_TEXT_BYTES_MAX)
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

/// The lines of an input, without their ends; empty ones are left out.
pub(crate) struct InputLines<R> {
    input: R,
    name: String,
    number: u64,
}

impl<R: BufRead> InputLines<R> {
    pub(crate) fn new(input: R, name: impl Into<String>) -> Self {
        Self { input, name: name.into(), number: 0 }
    }
}

impl<R: BufRead> Iterator for InputLines<R> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.number += 1;
            let mut line = Vec::new();
            // Room for `\r\n`, and a byte that shows that there is more.
            let mut bounded = self.input.by_ref().take(RECORD_VALUE_BYTES_MAX as u64 + 3);
            match bounded.read_until(b'\n', &mut line) {
                Err(error) => return Some(Err(unreadable(&self.name, &error).into())),
                Ok(0) => return None,
                Ok(_) => {}
            }
            if line.ends_with(b"\n") {
                line.pop();
            }
            if line.ends_with(b"\r") {
                line.pop();
            }
            if line.len() > RECORD_VALUE_BYTES_MAX {
                let message = format!("line {} is longer than 256 KiB", self.number);
                let error = Error::new(ErrorKind::Invalid, message).on(&self.name);
                return Some(Err(error.next_step("split or remove the line").into()));
            }
            if !line.is_empty() {
                return Some(Ok(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
        InputLines::new(bytes, "test").map(|line| line.unwrap()).collect()
    }

    #[test]
    fn lines_have_no_ends_and_empty_ones_are_left_out() {
        assert_eq!(lines(b"a\r\n\n\xff\nlast"), [b"a".to_vec(), b"\xff".to_vec(), b"last".to_vec()]);
        assert_eq!(lines(b"\n\r\n"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn the_longest_line_passes_and_a_longer_one_does_not() {
        let longest = vec![b'x'; RECORD_VALUE_BYTES_MAX];
        for end in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(lines(&[&longest, end].concat()), std::slice::from_ref(&longest));
        }
        let longer = [&longest[..], b"x\n"].concat();
        assert!(InputLines::new(&longer[..], "test").next().unwrap().is_err());
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
