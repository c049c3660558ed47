//! Who may speak where: data on stdout, talk on stderr.

use crate::exit::{Result, Stop, describe, to_json};
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal as _, Write};
use tidelock::Error;

/// A command's output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Whether stdout has JSON.
    pub(crate) json: bool,
    /// Whether more is told.
    pub(crate) verbose: bool,
}

impl Output {
    /// Writes bytes as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(stdout_error)
    }

    /// Writes a line of text.
    pub(crate) fn line(self, text: &str) -> Result {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes a line of JSON.
    pub(crate) fn object(self, value: &Value) -> Result {
        self.line(&value.to_string())
    }

    /// Tells a program something on stderr, beside what it asked for.
    pub(crate) fn aside(self, value: &Value) {
        // Nobody listens: nothing is lost.
        let _ = writeln!(io::stderr(), "{value}");
    }

    /// Talks to a person, if one may be listening.
    pub(crate) fn say(self, text: &str) {
        if !self.json {
            // Nobody listens: nothing is lost.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Tells what a person should know, though it ended nothing; as JSON on stderr where stdout has JSON.
    pub(crate) fn warn(self, error: &Error) {
        if self.json {
            self.aside(&json!({ "warning": to_json(error) }));
        }
        self.say(&format!("warning: {}", describe(error)));
        if let Some(hint) = error.hint() {
            self.say(&format!("hint: {hint}"));
        }
    }

    /// Whether errors speak of devices and things of the vault: a program, and whoever asks for more, get ids and paths.
    pub(crate) fn in_words(self) -> bool {
        !self.json && !self.verbose
    }

    /// Whether progress can be drawn.
    pub(crate) fn draws(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }
}

/// Many lines at once: written as they fill a buffer.
pub(crate) struct Lines {
    out: io::BufWriter<io::StdoutLock<'static>>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { out: io::BufWriter::new(io::stdout().lock()) }
    }

    pub(crate) fn line(&mut self, text: &str) -> Result {
        writeln!(self.out, "{text}").map_err(stdout_error)
    }

    pub(crate) fn end(mut self) -> Result {
        self.out.flush().map_err(stdout_error)
    }
}

pub(crate) fn stdout_error(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::BrokenPipe,
        _ => Error::new(tidelock::ErrorKind::LocalStore, format!("the output can't be written: {error}"))
            .next_step("check where stdout goes")
            .into(),
    }
}

/// A value in one line, for a terminal: control characters are escaped, and what is not UTF-8 is marked.
pub(crate) fn one_line(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// The fields of a value: `value` if it is UTF-8, else `value_base64`.
pub(crate) fn value_fields(value: &[u8]) -> Map<String, Value> {
    let (name, text) = match std::str::from_utf8(value) {
        Ok(text) => ("value", text.to_owned()),
        Err(_) => ("value_base64", base64_of(value)),
    };
    Map::from_iter([(name.to_owned(), Value::String(text))])
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A time in UTC, as RFC 3339 has it; one beyond the year 9999 stays a number.
pub(crate) fn time(unix_ms: u64) -> String {
    let known = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    known.map_or_else(|| unix_ms.to_string(), |time| time.to_string())
}

/// Errors that were reported, as JSON.
pub(crate) fn reports(errors: &[Error]) -> Value {
    errors.iter().map(to_json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_to_their_line_and_do_not_steer_the_terminal() {
        assert_eq!(one_line("a\tb\nc\x1b[2Jé".as_bytes()), "a\\tb\\nc\\u{1b}[2Jé");
        assert_eq!(one_line(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn json_values_are_text_where_they_can_be() {
        assert_eq!(Value::Object(value_fields("é".as_bytes())), serde_json::json!({ "value": "é" }));
        assert_eq!(Value::Object(value_fields(&[0xff])), serde_json::json!({ "value_base64": "/w==" }));
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
    }
}
