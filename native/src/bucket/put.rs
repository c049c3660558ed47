//! Writes an object: small ones in one request, others in parts.

use super::multipart::{self, Input};
use super::remembered::{Remembered, SourceFile};
use super::{Bucket, Properties, conflict};
use crate::{Bytes, Error, ErrorKind};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use tidelock_core::s3::{Condition, ETag, PARTS_MAX, PutObject, Written};

/// From here on an object is written in parts, of at least this size.
pub(crate) const PART_BYTES: u64 = 8 << 20;

/// Where an object's content comes from.
pub enum Source {
    /// A file. Written in parts, it is resumed by the next [`put`](Bucket::put) of the same file to the same key.
    File(PathBuf),
    /// Anything that can be read, at most 80,000 MiB: 10,000 parts of 8 MiB.
    Reader(Box<dyn Read + Send>),
}

impl Source {
    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Reader(Box::new(Cursor::new(bytes.into())))
    }
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Its length in bytes.
    pub len: u64,
    /// Its ETag, where the store gives one.
    pub etag: Option<ETag>,
    /// Of how many parts it was written; 0: in one request.
    pub parts: u32,
    /// Bytes that an earlier, interrupted run had written.
    pub resumed: u64,
}

impl Bucket {
    /// Writes an object, over what is there. Nobody sees it before it is whole.
    ///
    /// From 8 MiB on it is written in parts, of which at most 24 MiB (and never less than one part) are held in memory.
    /// `moved` is told of bytes that have arrived. If a file's upload is interrupted, the next one of the same file goes on
    /// where it stopped; a file that changed is written anew. Uploads of this key that were left for a day are given up.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] if the file changes meanwhile or another process uploads it, [`ErrorKind::LocalStore`] if it
    /// can't be read, what the store says.
    pub async fn put(
        &self,
        key: &str,
        source: Source,
        properties: Properties,
        moved: impl FnMut(u64) + Send,
    ) -> Result<Put, Error> {
        match source {
            Source::File(path) => self.put_file(key, &path, properties, moved).await,
            Source::Reader(reader) => {
                self.put_reader(key, Input::Reader { reader, name: key.to_owned() }, properties, moved).await
            }
        }
    }

    async fn put_file(
        &self,
        key: &str,
        path: &Path,
        properties: Properties,
        moved: impl FnMut(u64) + Send,
    ) -> Result<Put, Error> {
        let file = File::open(path).map_err(|error| unreadable(&error, &path.display().to_string()))?;
        self.put_opened(key, file, path, properties, moved).await
    }

    /// The same of a file that is open, from its beginning. By its path an upload that was interrupted is known again.
    pub(crate) async fn put_opened(
        &self,
        key: &str,
        file: File,
        path: &Path,
        properties: Properties,
        mut moved: impl FnMut(u64) + Send,
    ) -> Result<Put, Error> {
        let unreadable = |error: std::io::Error| unreadable(&error, &path.display().to_string());
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Error::new(ErrorKind::Invalid, "this is a folder")
                .on(path.display().to_string())
                .next_step("name a file"));
        }
        let name = path.display().to_string();
        if !metadata.is_file() {
            // A pipe or a device: it has neither a length nor a time.
            return self.put_reader(key, Input::Reader { reader: Box::new(file), name }, properties, moved).await;
        }
        let len = metadata.len();
        let input = Input::File { file, name };
        if len < PART_BYTES {
            let (read, body) = input.read(PART_BYTES).await?;
            read.unchanged(len, body.len() as u64)?;
            return self.put_whole(key, body, properties, moved).await;
        }
        let source = SourceFile::of(path, &metadata).map_err(unreadable)?;
        let remembered = Remembered::open(&self.local.join("uploads"), &self.driver.store(), key)?;
        let upload = multipart::Upload { bucket: self, key, properties, part_bytes: part_bytes(len) };
        upload.file(input, &source, remembered, &mut moved).await
    }

    async fn put_reader(
        &self,
        key: &str,
        input: Input,
        properties: Properties,
        mut moved: impl FnMut(u64) + Send,
    ) -> Result<Put, Error> {
        let (input, first) = input.read(PART_BYTES).await?;
        if (first.len() as u64) < PART_BYTES {
            return self.put_whole(key, first, properties, moved).await;
        }
        let upload = multipart::Upload { bucket: self, key, properties, part_bytes: PART_BYTES };
        upload.reader(first, input, &mut moved).await
    }

    pub(crate) async fn put_whole(
        &self,
        key: &str,
        body: Bytes,
        properties: Properties,
        mut moved: impl FnMut(u64) + Send,
    ) -> Result<Put, Error> {
        let len = body.len() as u64;
        let put = PutObject { key: key.to_owned(), body, condition: Condition::Always, properties };
        match self.driver.call(&put).await.map_err(|failure| failure.error)? {
            Written::Stored { etag } => {
                moved(len);
                Ok(Put { len, etag, parts: 0, resumed: 0 })
            }
            Written::Refused | Written::Conflict | Written::Gone => Err(conflict(key)),
        }
    }
}

/// Parts of one size, such that there are never more than 10,000: whole MiB.
fn part_bytes(len: u64) -> u64 {
    len.div_ceil(u64::from(PARTS_MAX)).next_multiple_of(1 << 20).max(PART_BYTES)
}

pub(crate) fn unreadable(error: &std::io::Error, name: &str) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::LocalStore,
    };
    Error::new(kind, format!("the content can't be read: {error}"))
        .on(name)
        .next_step("check the file's name and permissions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_one_size_and_at_most_ten_thousand() {
        for (len, part_mib) in [
            (8 << 20, 8),
            (5 << 30, 8),
            // The last length that fits in parts of 8 MiB, and the first that doesn't.
            (80_000 << 20, 8),
            ((80_000 << 20) + 1, 9),
            // S3's largest object.
            (5 << 40, 525),
        ] {
            assert_eq!(part_bytes(len), part_mib << 20, "{len}");
            assert!(len.div_ceil(part_bytes(len)) <= 10_000);
        }
    }
}
