//! How a command ends: its exit code, and its error in words or JSON.

use crate::output::one_line;
use serde_json::{Value, json};
use std::io::{self, Write};
use tidelock::{Error, ErrorKind};

/// Why a command stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Error(Error),
    /// Whoever read its output has had enough: no error.
    BrokenPipe,
}

/// What a command's steps give.
pub(crate) type Result<T = ()> = std::result::Result<T, Stop>;

impl Stop {
    /// The same, with the object that the error is about.
    pub(crate) fn on(self, object: String) -> Self {
        match self {
            Self::Error(error) => Self::Error(error.on(object)),
            Self::BrokenPipe => Self::BrokenPipe,
        }
    }
}

/// A recovery code that could not be written out: nobody has it, so that a reader who is gone is an error, too.
pub(crate) fn code_not_shown(stop: Stop) -> Stop {
    let why = match &stop {
        Stop::Error(error) => error.message(),
        Stop::BrokenPipe => "whoever was to read it is gone",
    };
    Error::new(ErrorKind::LocalStore, format!("the recovery code could not be shown: {why}"))
        .next_step("run it again, with a reader for its output: it shows a code that opens the vault")
        .into()
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Every exit code there is.
#[cfg(test)]
pub(crate) const CODES: [u8; 15] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 130];

/// Tells the error, if there is one, and gives the exit code.
pub(crate) fn code(json: bool, result: Result) -> u8 {
    match result {
        Ok(()) | Err(Stop::BrokenPipe) => 0,
        Err(Stop::Error(error)) => {
            let text = if json { format!("{}\n", json!({ "error": to_json(&error) })) } else { render(&error) };
            // Nothing is left to tell it to.
            let _ = io::stderr().write_all(text.as_bytes());
            code_of(error.kind())
        }
    }
}

/// What is wrong with the command line: the parser's first paragraph, and its usage as what to do next.
pub(crate) fn usage(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = match error.kind() {
        clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing",
        _ => first.trim_start_matches("error: "),
    };
    let step = rest.lines().find(|line| line.starts_with("Usage: ")).unwrap_or("see `tidelock --help`");
    Error::new(ErrorKind::Invalid, in_one_line(message)).next_step(in_one_line(step))
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Auth => 4,
        ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Throttled => 5,
        ErrorKind::WrongKey => 6,
        ErrorKind::Corrupt | ErrorKind::HashMismatch => 7,
        ErrorKind::RolledBack | ErrorKind::Forked | ErrorKind::Wiped => 8,
        ErrorKind::LocalStore | ErrorKind::Busy => 9,
        ErrorKind::AlreadyExists => 10,
        ErrorKind::ClockSkew => 11,
        ErrorKind::Unsupported | ErrorKind::Closed => 12,
        ErrorKind::Revoked => 13,
        ErrorKind::Cancelled => 130,
        // Internal, and kinds of a newer library that this command does not know.
        _ => 1,
    }
}

/// The error for a person: what, on what, and what to do next.
pub(crate) fn render(error: &Error) -> String {
    let mut text = format!("error: {}", describe(error));
    if let Some(hint) = error.hint() {
        text += &format!("\n\nhint: {}", printable(hint));
    }
    text + "\n"
}

/// What failed, and on what, in one line.
pub(crate) fn describe(error: &Error) -> String {
    let message = printable(error.message());
    match error.object() {
        // Exactly: a key may be nothing but a control character.
        Some(object) => format!("{message}: `{}`", one_line(object.as_bytes())),
        None => message,
    }
}

/// The error for a program.
pub(crate) fn to_json(error: &Error) -> Value {
    json!({
        "kind": error.kind().name(),
        "message": error.message(),
        "object": error.object(),
        "retry": error.is_retryable(),
        "hint": error.hint(),
    })
}

/// Without control characters: a server's words must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> Error {
        Error::new(ErrorKind::Throttled, "the store asks for fewer requests")
            .on("tidelock")
            .next_step("wait")
            .retryable()
    }

    #[test]
    fn an_error_is_a_line_then_a_hint() {
        assert_eq!(render(&error()), "error: the store asks for fewer requests: `tidelock`\n\nhint: wait\n");
        assert_eq!(render(&Error::new(ErrorKind::Internal, "no\x1b[31m")), "error: no [31m\n");
    }

    #[test]
    fn json_errors_have_every_field() {
        let expected = json!({
            "kind": "throttled", "message": "the store asks for fewer requests", "object": "tidelock",
            "retry": true, "hint": "wait",
        });
        assert_eq!(to_json(&error()), expected);
        assert_eq!(to_json(&Error::new(ErrorKind::Internal, "no"))["hint"], Value::Null);
    }

    #[test]
    fn every_kind_has_a_documented_code() {
        for kind in ErrorKind::ALL {
            assert!(CODES[1..].contains(&code_of(kind)), "{kind}");
            assert_eq!(code_of(kind) == 1, kind == ErrorKind::Internal);
        }
    }
}
