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
        let tally = at.context.run(until_interrupted(async {
            let mut tally = Tally::default();
            for (store, keys) in by_store {
                let bucket = at.open(&store)?;
                let ended = match self.recursive {
                    true => tally.delete_all(&bucket, &keys).await,
                    false => tally.delete_there(&bucket, keys).await,
                };
                ended.map_err(|error| tally.stopped(error))?;
            }
            Ok(tally)
        }))?;
        if at.output().json {
            at.output().object(&json!({ "deleted": tally.deleted, "missing": tally.missing }))?;
        } else {
            for key in &tally.missing {
                at.output().say(&format!("there is no object {}", one_line(key.as_bytes())));
            }
            at.output().say(&format!("{} deleted.", tally.deleted));
            tally.left.iter().skip(1).for_each(|error| at.output().warn(error));
        }
        tally.left.into_iter().next().map_or(Ok(()), |error| Err(error.into()))
    }
}

/// What became of the objects.
#[derive(Default)]
struct Tally {
    deleted: usize,
    missing: Vec<String>,
    /// One error for each object that is still there.
    left: Vec<Error>,
}

impl Tally {
    /// Deletes what begins with these, a page after the other. An object that stays keeps none of the others.
    async fn delete_all(&mut self, bucket: &Bucket, prefixes: &[String]) -> std::result::Result<(), Error> {
        for prefix in prefixes {
            let mut listing = bucket.list(prefix, None, u64::MAX);
            let mut keys = Vec::new();
            // What follows is named by its place among the keys, so deletes don't move it.
            while let Some(listed) = listing.next().await? {
                keys.push(listed.name().to_owned());
                if keys.len() == KEYS_PER_DELETE_MAX {
                    self.delete(bucket, &std::mem::take(&mut keys)).await?;
                }
            }
            self.delete(bucket, &keys).await?;
        }
        Ok(())
    }

    /// Deletes those that an object is at, as far as these credentials may look. A server deletes what is not there without a
    /// word.
    async fn delete_there(&mut self, bucket: &Bucket, keys: Vec<String>) -> std::result::Result<(), Error> {
        let mut there = Vec::new();
        for key in keys {
            match bucket.stat(&key).await {
                Ok(None) => self.missing.push(key),
                Err(error) if error.kind() != ErrorKind::Auth => return Err(error),
                _ => there.push(key),
            }
        }
        self.delete(bucket, &there).await
    }

    async fn delete(&mut self, bucket: &Bucket, keys: &[String]) -> std::result::Result<(), Error> {
        match keys {
            // One request of the simplest form.
            [key] => match bucket.delete(key).await {
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => self.left.push(error),
                Ok(()) => self.deleted += 1,
            },
            keys => {
                let left = bucket.delete_many(keys).await?;
                self.deleted += keys.len() - left.len();
                self.left.extend(left);
            }
        }
        Ok(())
    }

    /// The error that ended it, with what was done by then.
    fn stopped(&self, error: Error) -> Error {
        let message = format!("{}; {} objects were deleted before", error.message(), self.deleted);
        let mut stopped = Error::new(error.kind(), message);
        if let Some(object) = error.object() {
            stopped = stopped.on(object);
        }
        if let Some(hint) = error.hint() {
            stopped = stopped.next_step(hint);
        }
        if error.is_retryable() { stopped.retryable() } else { stopped }
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
