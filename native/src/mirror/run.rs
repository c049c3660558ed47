//! What both ways have in common: the tally, who is told, and whether a file and an object are the same.

use super::memory::Memory;
use super::root::Root;
use super::same::{self, BLAKE3, MTIME};
use super::walk::LocalFile;
use super::{Compare, MirrorEvent, MirrorOptions, MirrorReport, MirrorStep, Object};
use crate::bucket::{Bucket, changed, unreadable};
use crate::{Bytes, Error, ErrorKind};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tidelock_core::s3::{ETag, Head};

/// Errors that the report keeps.
const ERRORS_MAX: usize = 1000;
/// A store that fails so often in a row is not asked on.
const FAILURES_IN_A_ROW_MAX: u32 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// A mirror that is being made.
pub(super) struct Run<'a, P> {
    pub(super) bucket: &'a Bucket,
    pub(super) root: Root,
    /// What keys have before the paths.
    pub(super) prefix: String,
    pub(super) options: &'a MirrorOptions,
    pub(super) way: Way,
    progress: Mutex<P>,
}

/// What became of a file that was looked at.
pub(super) struct Outcome {
    pub(super) path: String,
    pub(super) done: Result<Done, Error>,
}

pub(super) struct Done {
    pub(super) step: MirrorStep,
    /// Content that moved.
    pub(super) bytes: u64,
    /// What is to be remembered as the same.
    pub(super) same: Option<(LocalFile, Option<ETag>)>,
}

impl<'a, P: FnMut(MirrorEvent<'_>) + Send> Run<'a, P> {
    pub(super) fn new(
        bucket: &'a Bucket,
        root: Root,
        prefix: String,
        options: &'a MirrorOptions,
        way: Way,
        progress: P,
    ) -> Self {
        Self { bucket, root, prefix, options, way, progress: Mutex::new(progress) }
    }

    pub(super) fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(super) fn tell(&self, event: MirrorEvent<'_>) {
        (self.progress.lock().unwrap_or_else(PoisonError::into_inner))(event);
    }

    /// Whether a file and an object of one size are the same, as far as the options want to know.
    pub(super) async fn same(&self, local: &LocalFile, object: &Object) -> Result<Option<Done>, Error> {
        let skip = |same| Done { step: MirrorStep::Skip, bytes: 0, same };
        if local.len != object.size {
            return Ok(None);
        }
        if self.options.compare == Compare::Size {
            // Nothing to be remembered: the contents may differ.
            return Ok(Some(skip(None)));
        }
        let Some(head) = self.bucket.stat(&self.key(&local.path)).await? else { return Ok(None) };
        if head.len.is_some_and(|len| len != local.len) {
            return Ok(None);
        }
        let is_same = match self.options.compare {
            Compare::Checksum => self.has_hash_of(local, &head).await?,
            _ => self.has_time_of(local, object, &head),
        };
        let etag = head.etag.or_else(|| object.etag.clone());
        Ok(is_same.then(|| skip(Some((local.clone(), etag)))))
    }

    async fn has_hash_of(&self, local: &LocalFile, head: &Head) -> Result<bool, Error> {
        let expected = head.properties.metadata.get(BLAKE3).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "the object has no BLAKE3 to compare with: Tidelock did not write it")
                .on(local.path.as_str())
                .next_step("compare by time or size")
        })?;
        let (root, path) = (self.root.clone(), local.path.clone());
        let content = blocking(move || Content::read(&root, &path, false)).await??;
        Ok(content.hash.to_hex().as_str() == expected)
    }

    fn has_time_of(&self, local: &LocalFile, object: &Object, head: &Head) -> bool {
        match head.properties.metadata.get(MTIME).and_then(|text| same::from_text(text)) {
            Some(modified_ns) => same::agree(modified_ns, local.modified_ns),
            None => {
                // Headers have whole seconds, listings may be finer.
                let at = |text: &Option<String>| text.as_deref().and_then(same::last_modified_ns);
                let (in_head, in_list) = (at(&head.last_modified), at(&object.last_modified));
                match self.way {
                    Way::Up => in_head.max(in_list).is_some_and(|written_ns| written_ns >= local.modified_ns),
                    // Where nothing else was known, the file got the header's time.
                    Way::Down => in_head.or(in_list).is_some_and(|written_ns| local.modified_ns >= written_ns),
                }
            }
        }
    }
}

/// The report as it grows.
pub(super) struct Tally {
    pub(super) report: MirrorReport,
    begun: Instant,
    in_a_row: u32,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { report: MirrorReport::default(), begun: Instant::now(), in_a_row: 0 }
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.report.failed += 1;
        if self.report.errors.len() < ERRORS_MAX {
            self.report.errors.push(error);
        }
    }

    /// Counts what became of a file, remembers and tells it.
    pub(super) fn account<P>(&mut self, run: &Run<'_, P>, memory: &mut Memory, outcome: Outcome)
    where
        P: FnMut(MirrorEvent<'_>) + Send,
    {
        let done = match outcome.done {
            Ok(done) => done,
            Err(error) => {
                self.in_a_row = if is_of_store(error.kind()) { self.in_a_row + 1 } else { 0 };
                return self.fail(error.on(outcome.path));
            }
        };
        self.in_a_row = 0;
        self.report.bytes_transferred += done.bytes;
        if let Some((local, etag)) = &done.same {
            memory.remember(local, etag.as_ref());
        }
        self.step(run, &outcome.path, done.step);
    }

    pub(super) fn step<P>(&mut self, run: &Run<'_, P>, path: &str, step: MirrorStep)
    where
        P: FnMut(MirrorEvent<'_>) + Send,
    {
        let count = match step {
            MirrorStep::Upload => &mut self.report.uploaded,
            MirrorStep::Download => &mut self.report.downloaded,
            MirrorStep::Delete => &mut self.report.deleted,
            MirrorStep::Skip => &mut self.report.skipped,
        };
        *count += 1;
        run.tell(MirrorEvent::Done { path, step });
    }

    /// Whether the store failed too often in a row; then the report says so.
    pub(super) fn must_stop(&mut self) -> bool {
        let must = self.in_a_row >= FAILURES_IN_A_ROW_MAX;
        if must {
            let kind = self.report.errors.last().map_or(ErrorKind::Network, Error::kind);
            let text = format!("the store failed {FAILURES_IN_A_ROW_MAX} times in a row; the rest was not tried");
            self.fail(
                Error::new(kind, text).next_step("see to what failed, and run it again: it goes on where it stopped"),
            );
        }
        must
    }

    pub(super) fn end(mut self) -> MirrorReport {
        self.report.duration = self.begun.elapsed();
        self.report
    }
}

fn is_of_store(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Auth | ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Throttled | ErrorKind::ClockSkew
    )
}

/// A file that was read: of one content.
pub(super) struct Content {
    pub(super) file: File,
    /// As it was found open.
    pub(super) local: LocalFile,
    pub(super) hash: blake3::Hash,
    /// All of it, where that was wanted and it fits in one request.
    pub(super) body: Option<Bytes>,
}

impl Content {
    pub(super) fn read(root: &Root, path: &str, wants_body: bool) -> Result<Self, Error> {
        let unreadable = |error| unreadable(&error, path);
        let mut file = root.open_file(path)?.ok_or_else(|| changed(path))?;
        let look = |file: &File| {
            let found = file.metadata()?;
            Ok(LocalFile { path: path.to_owned(), len: found.len(), modified_ns: same::modified_ns(&found)? })
        };
        let local = look(&file).map_err(unreadable)?;
        // One byte more, if it grows meanwhile.
        let mut reader = (&file).take(local.len + 1);
        let (read, hash, body) = if wants_body && local.len < crate::bucket::PART_BYTES {
            let mut body = Vec::with_capacity(local.len as usize + 1);
            reader.read_to_end(&mut body).map_err(unreadable)?;
            (body.len() as u64, blake3::hash(&body), Some(body.into()))
        } else {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(reader).map_err(unreadable)?;
            (hasher.count(), hasher.finalize(), None)
        };
        if read != local.len || look(&file).map_err(unreadable)? != local {
            return Err(changed(path));
        }
        file.rewind().map_err(unreadable)?;
        Ok(Self { file, local, hash, body })
    }
}

/// Does what waits for a disk on a thread for that.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| Error::new(ErrorKind::Internal, format!("a thread for files stopped: {error}")))
}
