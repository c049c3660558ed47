//! `s3 rm`, `s3 cp` and `s3 clean`: what a server does by itself.

use super::{At, missing};
use crate::context::until_interrupted;
use crate::exit::Result;
use crate::output::one_line;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tidelock::bucket::Bucket;
use tidelock::{Error, ErrorKind};
use tidelock_core::s3::KEYS_PER_DELETE_MAX;

/// Delete objects
///
/// An object that is not there is no error, and is named.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock s3 rm s3://my-bucket/photos/sea.jpg\n  tidelock s3 rm a.txt b.txt c.txt\n  \
    tidelock s3 rm --recursive photos/2019/"
)]
pub(super) struct Rm {
    /// The objects: keys, or addresses
    #[arg(required = true)]
    objects: Vec<String>,
    /// Delete all whose key begins so
    #[arg(long, short)]
    recursive: bool,
}

/// Copy an object within its bucket, by the server itself
#[derive(Args, Debug)]
#[command(after_help = "Content type and metadata are copied. S3 copies no more than 5 GiB at once.\n\nExamples:\n  \
    tidelock s3 cp notes.txt notes-2026.txt\n  tidelock s3 cp s3://my-bucket/a.txt s3://my-bucket/b.txt")]
pub(super) struct Cp {
    /// The object to read: a key, or an address
    from: String,
    /// The object to write, in the same bucket
    to: String,
}

/// Give up uploads that were left unfinished
///
/// A lifecycle rule of the bucket does the same by itself. MinIO lists unfinished uploads by whole keys alone.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidelock s3 clean s3://my-bucket\n  tidelock s3 clean backup/disk.img --hours 0")]
pub(super) struct Clean {
    /// What the keys begin with, or an address [default: all of the store]
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
    /// Only those that were begun longer ago
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    hours: u32,
}

impl Rm {
    pub(super) fn run(self, at: &At<'_>) -> Result {
        let mut by_store: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in &self.objects {
            let (store, key) = at.resolve(object)?;
            if key.is_empty() {
                return Err(Error::new(ErrorKind::Invalid, "no key is named")
                    .on(object)
                    .next_step("write the key, or with --recursive what the keys begin with")
                    .into());
            }
            by_store.entry(store).or_default().push(key);
        }
        let (deleted, missing) = at.context.run(until_interrupted(async {
            let (mut deleted, mut missing) = (0, Vec::new());
            for (store, keys) in by_store {
                let bucket = at.open(&store)?;
                if self.recursive {
                    deleted += delete_all(&bucket, &keys).await?;
                    continue;
                }
                let keys = there(&bucket, keys, &mut missing).await?;
                if !keys.is_empty() {
                    deleted += delete(&bucket, &keys).await?;
                }
            }
            Ok((deleted, missing))
        }))?;
        if at.output().json {
            return at.output().object(&json!({ "deleted": deleted, "missing": missing }));
        }
        for key in missing {
            at.output().say(&format!("there is no object {}", one_line(key.as_bytes())));
        }
        at.output().say(&format!("{deleted} deleted."));
        Ok(())
    }
}

/// The keys that an object is at, as far as these credentials may look; the others are `missing`. A server deletes what is
/// not there without a word.
async fn there(bucket: &Bucket, keys: Vec<String>, missing: &mut Vec<String>) -> Result<Vec<String>> {
    let mut there = Vec::new();
    for key in keys {
        match bucket.stat(&key).await {
            Ok(None) => missing.push(key),
            Err(error) if error.kind() != ErrorKind::Auth => return Err(error.into()),
            _ => there.push(key),
        }
    }
    Ok(there)
}

async fn delete_all(bucket: &Bucket, prefixes: &[String]) -> Result<usize> {
    let mut deleted = 0;
    for prefix in prefixes {
        let mut listing = bucket.list(prefix, None, u64::MAX);
        let mut keys = Vec::new();
        // What follows is named by its place among the keys, so deletes don't move it.
        while let Some(listed) = listing.next().await? {
            keys.push(listed.name().to_owned());
            if keys.len() == KEYS_PER_DELETE_MAX {
                deleted += delete(bucket, &std::mem::take(&mut keys)).await?;
            }
        }
        if !keys.is_empty() {
            deleted += delete(bucket, &keys).await?;
        }
    }
    Ok(deleted)
}

async fn delete(bucket: &Bucket, keys: &[String]) -> Result<usize> {
    if let [key] = keys {
        bucket.delete(key).await?;
        return Ok(1);
    }
    let left = bucket.delete_many(keys).await?;
    match left.first() {
        None => Ok(keys.len()),
        Some((key, code)) => {
            let kind = if code == "AccessDenied" { ErrorKind::Auth } else { ErrorKind::Network };
            Err(Error::new(kind, format!("{} objects could not be deleted: {code}, the first of them", left.len()))
                .on(key)
                .next_step("check that the keys may delete, and that no lock or retention rule holds the objects")
                .into())
        }
    }
}

impl Cp {
    pub(super) fn run(self, at: &At<'_>) -> Result {
        let (store, from) = at.resolve(&self.from)?;
        let (other, to) = at.resolve(&self.to)?;
        if store != other {
            return Err(Error::new(ErrorKind::Unsupported, "the two are not in one store")
                .on(&self.to)
                .next_step("use `tidelock s3 get FROM - | tidelock s3 put - TO`")
                .into());
        }
        let bucket = at.open(&store)?;
        let copied = at.context.run(until_interrupted(async { Ok(bucket.copy(&from, &to, None).await?) }))?;
        if !copied {
            return Err(missing(&from).into());
        }
        if at.output().json {
            return at.output().object(&json!({ "from": from, "to": to }));
        }
        at.output().say(&format!("copied to {}.", one_line(to.as_bytes())));
        Ok(())
    }
}

impl Clean {
    pub(super) fn run(self, at: &At<'_>) -> Result {
        let (bucket, prefix) = at.object(&self.prefix)?;
        let age = Duration::from_secs(u64::from(self.hours) * 3600);
        let aborted = at.context.run(until_interrupted(async { Ok(bucket.abort_uploads(&prefix, age).await?) }))?;
        if at.output().json {
            return at.output().object(&json!({ "aborted": aborted }));
        }
        at.output().say(&format!("{} unfinished uploads given up.", aborted.len()));
        Ok(())
    }
}
