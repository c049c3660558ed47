//! `put`, `get`, `list` and `delete`: the records of maps.

use crate::context::Context;
use crate::exit::Result;
use crate::input;
use crate::output::{Lines, one_line, time, value_fields};
use clap::Args;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use tidelock::{Collection, Entry, Error, ErrorKind, KeyRange, Record};

/// Set a record of a map
///
/// The write is local and durable; the next sync or push publishes it.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock put todo milk 'two litres'\n  tidelock put keys id_ed25519 - < ~/.ssh/id_ed25519.pub\n  tidelock put options curl -v\n  tidelock put options less -- \"$options\""
)]
pub(crate) struct Put {
    /// The map
    collection: String,
    /// The key: 1 to 512 bytes
    key: String,
    /// The value, at most 256 KiB; it may begin with `-`, and stands behind `--` where it is the name of an option.
    /// `-`, or none where stdin is no terminal: what stdin has, unless that is empty
    value: Option<OsString>,
    /// Set an empty value
    #[arg(long, conflicts_with = "value")]
    empty: bool,
}

/// Print a record's value
///
/// Prints exactly the value's bytes; on a terminal, a line break follows. Exits with 3 if there is no such record.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock get todo milk")]
pub(crate) struct Get {
    /// The map
    collection: String,
    /// The key
    key: String,
}

/// List a map's records
///
/// One a line: key, tab, value; control characters are escaped. --json gives exact values.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock list todo\n  tidelock list todo --prefix shopping/ | cut -f 1")]
pub(crate) struct List {
    /// The map
    collection: String,
    /// Only keys that begin with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: String,
}

/// Delete a record of a map
///
/// One that is not there is no error.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidelock delete todo milk")]
pub(crate) struct Delete {
    /// The map
    collection: String,
    /// The key
    key: String,
}

impl Put {
    pub(crate) fn run(self, context: &Context) -> Result {
        let value = input::value(self.value, self.empty)?;
        context.open_local()?.put(Collection::map(self.collection), &self.key, value)?;
        done(context, &self.key)
    }
}

impl Get {
    pub(crate) fn run(self, context: &Context) -> Result {
        let record = context.open_local()?.get(&Collection::map(self.collection), &self.key)?;
        let record =
            record.ok_or_else(|| Error::new(ErrorKind::NotFound, "nothing stands at this key").on(&*self.key))?;
        let output = context.output;
        if output.json {
            return output.object(&record_json(&self.key, &record));
        }
        output.bytes(&record.value)?;
        if io::stdout().is_terminal() && !record.value.ends_with(b"\n") {
            output.bytes(b"\n")?;
        }
        Ok(())
    }
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Result {
        list(context, Collection::map(self.collection), prefix_range(self.prefix))
    }
}

impl Delete {
    pub(crate) fn run(self, context: &Context) -> Result {
        context.open_local()?.delete(Collection::map(self.collection), &self.key)?;
        done(context, &self.key)
    }
}

/// Prints a collection's entries.
pub(crate) fn list(context: &Context, collection: Collection, range: KeyRange) -> Result {
    let local = context.open_local()?;
    let mut lines = Lines::new();
    for entry in local.list(collection, range) {
        let Entry { key, record } = entry?;
        if context.output.json {
            lines.line(&record_json(&key, &record).to_string())?;
        } else {
            lines.line(&format!("{}\t{}", one_line(key.as_bytes()), one_line(&record.value)))?;
        }
    }
    lines.end()
}

/// Says in JSON which key was written; in text, no news are good news.
pub(crate) fn done(context: &Context, key: &str) -> Result {
    if context.output.json { context.output.object(&json!({ "key": key })) } else { Ok(()) }
}

fn record_json(key: &str, record: &Record) -> Value {
    let mut fields = value_fields(&record.value);
    fields.insert("key".into(), key.into());
    fields.insert("written".into(), time(record.stamp.ms).into());
    fields.insert("device".into(), record.device.to_string().into());
    fields.insert("siblings".into(), record.siblings.into());
    fields.into()
}

/// The keys that begin with `prefix`.
pub(crate) fn prefix_range(prefix: String) -> KeyRange {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // Characters sort as their UTF-8 does; those past the last have no successor, so the one before moves.
        let next = (last as u32 + 1..=char::MAX as u32).find_map(char::from_u32);
        if let Some(next) = next {
            end.push(next);
            return KeyRange { start: prefix, end: Some(end.into_iter().collect()) };
        }
    }
    KeyRange { start: prefix, end: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_exactly_the_keys_that_begin_with_it() {
        let prefixes = ["", "a", "a/", "z", "\u{d7ff}", "a\u{10ffff}", "\u{10ffff}"];
        let keys =
            ["a", "a/b", "a0", "ab", "b", "z", "zz", "\u{d7ff}x", "\u{e000}", "a\u{10ffff}x", "b", "\u{10ffff}x"];
        for prefix in prefixes {
            let range = prefix_range(prefix.to_owned());
            for key in keys {
                let inside = key >= range.start.as_str() && range.end.as_deref().is_none_or(|end| key < end);
                assert_eq!(inside, key.starts_with(prefix), "{prefix:?} {key:?}");
            }
        }
    }
}
