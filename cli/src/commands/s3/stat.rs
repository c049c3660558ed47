//! `s3 stat`: what is known of an object.

use super::{At, etag, missing, properties_json, time};
use crate::context::until_interrupted;
use crate::exit::Result;
use crate::output::{Lines, one_line};
use clap::Args;
use serde_json::Value;
use tidelock::bucket::{Encryption, Head};

/// Show an object's size, time, ETag and properties
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock s3 stat s3://my-bucket/photos/sea.jpg\n  tidelock s3 stat photos/sea.jpg --json | jq .size"
)]
pub(super) struct Stat {
    /// The object: a key, or an address
    object: String,
}

impl Stat {
    pub(super) fn run(self, at: &At<'_>) -> Result {
        let (bucket, key) = at.object(&self.object)?;
        let head = at.context.run(until_interrupted(async { Ok(bucket.stat(&key).await?) }))?;
        let head = head.ok_or_else(|| missing(&key))?;
        if at.output().json {
            return at.output().object(&as_json(&key, &head));
        }
        let mut lines = Lines::new();
        for (name, text) in facts(&key, head) {
            lines.line(&format!("{name:<14} {}", one_line(text.as_bytes())))?;
        }
        lines.end()
    }
}

fn as_json(key: &str, head: &Head) -> Value {
    let mut out = properties_json(&head.properties);
    out["key"] = key.into();
    out["size"] = head.len.into();
    out["etag"] = etag(head.etag.as_ref());
    out["last_modified"] = head.last_modified.as_deref().map(time).into();
    out
}

fn facts(key: &str, head: Head) -> Vec<(String, String)> {
    let properties = head.properties;
    let encryption = properties.encryption.map(|encryption| match encryption {
        Encryption::Store => "SSE-S3".to_owned(),
        Encryption::Kms { key_id } => format!("SSE-KMS {}", key_id.unwrap_or_default()),
    });
    let facts = [
        ("key", Some(key.to_owned())),
        ("size", head.len.map(|len| len.to_string())),
        ("modified", head.last_modified.as_deref().map(time)),
        ("etag", head.etag.map(|etag| etag.as_str().to_owned())),
        ("content type", properties.content_type),
        ("storage class", properties.storage_class),
        ("encryption", encryption),
    ];
    let mut facts: Vec<_> = facts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect();
    facts.extend(properties.metadata.into_iter().map(|(name, value)| (format!("meta {name}"), value)));
    facts
}
