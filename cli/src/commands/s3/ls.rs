//! `s3 ls`: objects by prefix.

use super::{At, etag, time};
use crate::context::until_interrupted;
use crate::exit::Result;
use crate::output::{Lines, one_line};
use clap::Args;
use serde_json::json;
use tidelock::bucket::Listed;

/// List objects
///
/// What begins with the prefix, up to the next slash; with --recursive all of it. A line has time, size in bytes and key.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock s3 ls s3://my-bucket\n  tidelock s3 ls s3://my-bucket/photos/ --recursive --limit 100\n  \
    tidelock s3 ls photos/ --recursive --json | jq -s 'map(.size) | add'"
)]
pub(super) struct Ls {
    /// What the keys begin with, or an address [default: all of the store]
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
    /// Also what lies behind further slashes
    #[arg(long, short)]
    recursive: bool,
    /// Print this many at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Ls {
    pub(super) fn run(self, at: &At<'_>) -> Result {
        let (bucket, prefix) = at.object(&self.prefix)?;
        let delimiter = if self.recursive { None } else { Some("/") };
        let mut listing = bucket.list(&prefix, delimiter, self.limit.unwrap_or(u64::MAX));
        at.context.run(until_interrupted(async {
            let mut lines = Lines::new();
            while let Some(listed) = listing.next().await? {
                lines.line(&if at.output().json { as_json(&listed) } else { as_text(&listed) })?;
            }
            lines.end()
        }))
    }
}

fn as_text(listed: &Listed) -> String {
    match listed {
        Listed::Object(entry) => {
            let time = entry.last_modified.as_deref().map(time).unwrap_or_default();
            format!("{time:<20} {:>14}  {}", entry.size, one_line(entry.key.as_bytes()))
        }
        Listed::Prefix(prefix) => format!("{:<20} {:>14}  {}", "", "", one_line(prefix.as_bytes())),
    }
}

fn as_json(listed: &Listed) -> String {
    match listed {
        Listed::Object(entry) => json!({
            "key": entry.key,
            "size": entry.size,
            "last_modified": entry.last_modified.as_deref().map(time),
            "etag": etag(entry.etag.as_ref()),
        }),
        Listed::Prefix(prefix) => json!({ "prefix": prefix }),
    }
    .to_string()
}
