//! `s3 put`: a file, or stdin, into an object.

use super::{At, Moved, etag, last_part};
use crate::context::until_interrupted;
use crate::exit::Result;
use crate::output::one_line;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tidelock::bucket::{Encryption, Properties, Source};
use tidelock::{Error, ErrorKind};

/// Store a file, or stdin, as an object
///
/// Over what is there. Nobody sees the object before it is whole. From 8 MiB on it is sent in parts; if that is interrupted,
/// the same command goes on where it stopped, as long as the file is the same. What was left for a day is given up.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tidelock s3 put sea.jpg s3://my-bucket/photos/ --content-type image/jpeg --meta place=Sylt\n  \
    tidelock s3 put disk.img backup/disk.img --storage-class STANDARD_IA --sse\n  pg_dump notes | tidelock s3 put - backup/notes.sql"
)]
pub(super) struct Put {
    /// The file; `-` is stdin
    file: PathBuf,
    /// The object: a key, or an address; if it ends with a slash, or has no key, the file's name is added
    object: String,
    /// What the content is, such as text/plain
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Keep this beside the content, in clear; may be given again
    #[arg(long, value_name = "NAME=VALUE")]
    meta: Vec<String>,
    /// Such as STANDARD_IA; the provider says which there are
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
    /// Have the store encrypt it at rest under keys of its own (SSE-S3)
    #[arg(long, conflicts_with = "sse_kms")]
    sse: bool,
    /// Have the store encrypt it at rest by its key service (SSE-KMS), under this key or the default one
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true)]
    sse_kms: Option<Option<String>>,
}

impl Put {
    pub(super) fn run(self, at: &At<'_>) -> Result {
        let (bucket, mut key) = at.object(&self.object)?;
        let is_stdin = self.file == Path::new("-");
        if key.is_empty() || key.ends_with('/') {
            let name = self.file.file_name().and_then(|name| name.to_str()).filter(|_| !is_stdin);
            key += name.and_then(last_part).ok_or_else(|| {
                Error::new(ErrorKind::Invalid, "the object has no name").next_step("write its whole key")
            })?;
        }
        let properties = self.properties()?;
        let (source, len) = match is_stdin {
            true => (Source::Reader(Box::new(io::stdin())), None),
            false => {
                let len = std::fs::metadata(&self.file).ok().map(|metadata| metadata.len());
                (Source::File(self.file), len)
            }
        };
        let bar = Moved::new(at.context, len);
        let put = at
            .context
            .run(until_interrupted(async { Ok(bucket.put(&key, source, properties, |bytes| bar.inc(bytes)).await?) }));
        bar.end();
        let put = put?;
        if at.output().json {
            let etag = etag(put.etag.as_ref());
            let fields =
                json!({ "key": key, "size": put.len, "etag": etag, "parts": put.parts, "resumed": put.resumed });
            return at.output().object(&fields);
        }
        let resumed = match put.resumed {
            0 => String::new(),
            bytes => format!(", {bytes} of them from an earlier run"),
        };
        at.output().say(&format!("{} bytes in {}{resumed}.", put.len, one_line(key.as_bytes())));
        Ok(())
    }

    fn properties(&self) -> Result<Properties> {
        let mut metadata = BTreeMap::new();
        for pair in &self.meta {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(Error::new(ErrorKind::Invalid, "metadata has no `=`")
                    .on(pair)
                    .next_step("write --meta NAME=VALUE")
                    .into());
            };
            metadata.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let encryption = match &self.sse_kms {
            Some(key_id) => Some(Encryption::Kms { key_id: key_id.clone() }),
            None if self.sse => Some(Encryption::Store),
            None => None,
        };
        let (content_type, storage_class) = (self.content_type.clone(), self.storage_class.clone());
        Ok(Properties { content_type, metadata, storage_class, encryption })
    }
}
