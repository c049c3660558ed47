//! `s3`: plain objects in any bucket, with nothing of a vault.

mod buckets;
mod get;
mod ls;
mod put;
mod rm;
mod stat;

use crate::config::setting::Setting;
use crate::context::Context;
use crate::exit::Result;
use crate::output::Output;
use crate::progress::{Progress, Running};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidelock::bucket::{Bucket, ETag, Encryption, Properties};
use tidelock::{Error, ErrorKind};

const EXAMPLES: &str = "\
An object is named by its whole address, s3://BUCKET/KEY?endpoint=…&region=…, or by its key alone
within the store of --store or TIDELOCK_STORE. In an address, write %25 for a % and %3F for a ?.
Keys for the bucket come from the environment, as for a vault. Nothing is sealed.

Examples:
  tidelock s3 buckets
  tidelock s3 ls 's3://my-bucket/photos/?region=eu-central-1'
  tidelock s3 put sea.jpg 's3://my-bucket/photos/?region=eu-central-1' --content-type image/jpeg
  export TIDELOCK_STORE='s3://my-bucket?endpoint=http://127.0.0.1:9000'
  tidelock s3 get photos/sea.jpg
  pg_dump notes | tidelock s3 put - backup/notes.sql
  tidelock s3 get backup/notes.sql - | psql notes";

/// Work with plain objects in any bucket
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct S3 {
    /// The store that keys are within: s3://BUCKET/PREFIX?region=&endpoint=&path_style= [default: the one that is set]
    #[arg(long, value_name = "URI", global = true)]
    store: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Buckets(buckets::Buckets),
    Ls(ls::Ls),
    Get(get::Get),
    Put(put::Put),
    Stat(stat::Stat),
    Cp(rm::Cp),
    Rm(rm::Rm),
    Clean(rm::Clean),
}

impl S3 {
    pub(crate) fn run(self, context: &Context) -> Result {
        let mut at = At::of_settings(context);
        at.store = self.store.or(at.store);
        match self.command {
            Command::Buckets(command) => command.run(&at),
            Command::Ls(command) => command.run(&at),
            Command::Get(command) => command.run(&at),
            Command::Put(command) => command.run(&at),
            Command::Stat(command) => command.run(&at),
            Command::Cp(command) => command.run(&at),
            Command::Rm(command) => command.run(&at),
            Command::Clean(command) => command.run(&at),
        }
    }
}

/// Where a command works.
pub(super) struct At<'a> {
    context: &'a Context,
    store: Option<String>,
}

impl<'a> At<'a> {
    /// In the store that is set. Not the one that this device remembers: what stands there is a vault's.
    pub(super) fn of_settings(context: &'a Context) -> Self {
        Self { context, store: context.settings.text(Setting::Store).map(str::to_owned) }
    }

    fn open(&self, store: &str) -> Result<Bucket> {
        Ok(Bucket::new(self.context.options_at(store)?)?)
    }

    /// The address of the store that an object is in, and its key there; the key may be empty.
    fn resolve(&self, object: &str) -> Result<(String, String)> {
        resolve(object, self.store.as_deref())
    }

    /// The bucket that an object is in, and its key there; of an address without a key, the empty one.
    pub(super) fn object(&self, object: &str) -> Result<(Bucket, String)> {
        let (store, key) = self.resolve(object)?;
        Ok((self.open(&store)?, key))
    }

    fn output(&self) -> Output {
        self.context.output
    }
}

fn resolve(object: &str, store: Option<&str>) -> Result<(String, String)> {
    // A key may have `://` inside.
    if !["s3://", "file://", "http://", "https://"].iter().any(|scheme| object.starts_with(scheme)) {
        let store = store.ok_or_else(no_store)?;
        return Ok((store.to_owned(), object.to_owned()));
    }
    let (address, query) = object.split_once('?').unwrap_or((object, ""));
    let Some(address) = address.strip_prefix("s3://") else {
        // Of a folder's address nobody knows where the folder ends: its own error says what to do.
        return Ok((object.to_owned(), String::new()));
    };
    let (bucket, key) = address.split_once('/').unwrap_or((address, ""));
    let key = percent_decode_str(key).decode_utf8().map_err(|_| {
        Error::new(ErrorKind::Invalid, "the object's key is not UTF-8").next_step("write each byte of it as %XX")
    })?;
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    Ok((format!("s3://{bucket}{query}"), key.into_owned()))
}

fn no_store() -> Error {
    Error::new(ErrorKind::Invalid, "no store is named")
        .next_step("write the whole address, s3://BUCKET/KEY, or name the store in TIDELOCK_STORE or with --store")
}

fn missing(key: &str) -> Error {
    Error::new(ErrorKind::NotFound, "there is no such object")
        .on(key)
        .next_step("`tidelock s3 ls` shows those that are there")
}

/// The last part of a key or path, if it names anything.
fn last_part(key: &str) -> Option<&str> {
    key.rsplit('/').next().filter(|name| !name.is_empty())
}

/// Bytes that move: a bar where a person is watching, objects on stderr with `--json`.
struct Moved {
    bar: ProgressBar,
    progress: Arc<Progress>,
    done: AtomicU64,
    total: Option<u64>,
    _running: Option<Running>,
}

impl Moved {
    fn new(context: &Context, total: Option<u64>) -> Self {
        let progress = context.progress.clone();
        let running = context.output.json.then(|| progress.begin("moving bytes"));
        Self { bar: bar(context.output, total), progress, done: AtomicU64::new(0), total, _running: running }
    }

    fn inc(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bar.inc(bytes);
        self.progress.at("moving bytes", done, self.total);
    }

    fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn bar(output: Output, bytes: Option<u64>) -> ProgressBar {
    if !output.draws() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::no_length(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A time that a server wrote, in UTC as RFC 3339 has it, in whole seconds; what is no time stays as it is.
fn time(written: &str) -> String {
    let zoned = || jiff::fmt::rfc2822::parse(written).ok().map(|zoned| zoned.timestamp());
    let time = written.parse::<jiff::Timestamp>().ok().or_else(zoned);
    match time.and_then(|time| jiff::Timestamp::from_second(time.as_second()).ok()) {
        Some(time) => time.to_string(),
        None => crate::output::one_line(written.as_bytes()),
    }
}

fn etag(etag: Option<&ETag>) -> Value {
    etag.map(ETag::as_str).into()
}

fn properties_json(properties: &Properties) -> Value {
    let encryption = properties.encryption.as_ref().map(|encryption| match encryption {
        Encryption::Store => json!({ "kind": "store" }),
        Encryption::Kms { key_id } => json!({ "kind": "kms", "key_id": key_id }),
    });
    json!({
        "content_type": properties.content_type,
        "metadata": properties.metadata,
        "storage_class": properties.storage_class,
        "encryption": encryption,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_an_address_or_a_key_in_the_store() {
        for (object, store, key) in [
            ("s3://my-bucket/a/b%20c%3F?region=eu-west-1", "s3://my-bucket?region=eu-west-1", "a/b c?"),
            ("s3://my-bucket/a/", "s3://my-bucket", "a/"),
            ("s3://my-bucket", "s3://my-bucket", ""),
            ("a/b%20c?", "s3://other/p", "a/b%20c?"),
            ("file:///tmp/x", "file:///tmp/x", ""),
        ] {
            assert_eq!(resolve(object, Some("s3://other/p")).unwrap(), (store.to_owned(), key.to_owned()));
        }
        assert!(resolve("a", None).is_err());
    }

    #[test]
    fn times_of_listings_and_headers_are_shown_alike() {
        assert_eq!(time("2009-10-12T17:50:30.123Z"), "2009-10-12T17:50:30Z");
        assert_eq!(time("Mon, 12 Oct 2009 17:50:30 GMT"), "2009-10-12T17:50:30Z");
        assert_eq!(time("yesterday\n"), "yesterday\\n");
    }
}
