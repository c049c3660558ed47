//! `s3 buckets`: the buckets that belong to the keys' owner.

use super::At;
use crate::context::until_interrupted;
use crate::exit::Result;
use crate::output::{Lines, one_line};
use clap::Args;
use serde_json::json;

/// List the buckets that belong to these keys
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock s3 buckets\n  tidelock s3 buckets 's3://?endpoint=http://127.0.0.1:9000' --json"
)]
pub(super) struct Buckets {
    /// The server: a store's address, with or without its bucket [default: AWS]
    server: Option<String>,
}

/// Stands where an address must have a bucket; no request is for it.
const ANY_BUCKET: &str = "any-bucket";

impl Buckets {
    pub(super) fn run(self, at: &At<'_>) -> Result {
        let server = self.server.or_else(|| at.store.clone()).unwrap_or_else(|| "s3://".to_owned());
        let server = match server.strip_prefix("s3://") {
            Some(rest) if rest.is_empty() || rest.starts_with(['?', '/']) => format!("s3://{ANY_BUCKET}{rest}"),
            _ => server,
        };
        let bucket = at.open(&server)?;
        at.context.run(until_interrupted(async {
            let mut lines = Lines::new();
            for bucket in bucket.buckets().await? {
                let created = bucket.created.as_deref().map(super::time);
                lines.line(&match at.output().json {
                    true => json!({ "bucket": bucket.name, "created": created, "region": bucket.region }).to_string(),
                    false => format!("{:<20}  {}", created.unwrap_or_default(), one_line(bucket.name.as_bytes())),
                })?;
            }
            lines.end()
        }))
    }
}
