//! An upload in parts: a few in flight at once, those of an interrupted run left as they are.

use super::put::{PART_BYTES, Put, unreadable};
use super::remembered::{Remembered, SourceFile, State};
use super::{Bucket, Properties, conflict};
use crate::{Bytes, Error, ErrorKind};
use bytes::BytesMut;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;
use tidelock_core::s3::{
    AbortMultipartUpload, CompleteMultipartUpload, Condition, CreateMultipartUpload, ETag, Failure, HeadObject,
    KEYS_PER_LIST_MAX, ListParts, PARTS_MAX, Part, UploadId, UploadPart, Written,
};
use tokio::task::JoinSet;

/// The most bytes of parts in memory, unless one part alone is larger.
const PARTS_BYTES_MAX: u64 = 24 << 20;

/// A server may copy all parts before it answers. One that is asked again meanwhile, as versitygw 1.8 by a client that lost
/// patience after 30 s, can end without the object.
const COMPLETED_BYTES_PER_S: u64 = 8 << 20;

/// How often an upload is given up that is still there.
const ABORTS_MAX: u32 = 3;

/// What is uploaded, and how.
pub(super) struct Upload<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) key: &'a str,
    pub(super) properties: Properties,
    pub(super) part_bytes: u64,
}

/// What is read from.
pub(super) enum Input {
    File { file: File, name: String },
    Reader { reader: Box<dyn Read + Send>, name: String },
}

/// The parts that have arrived.
type Parts = BTreeMap<u32, ETag>;

/// Is told of bytes that have arrived.
pub(super) type Moved<'a> = &'a mut (dyn FnMut(u64) + Send);

impl Upload<'_> {
    /// Uploads a file, or goes on where an earlier run stopped. After an error the next run does.
    pub(super) async fn file(
        self,
        input: Input,
        source: &SourceFile,
        mut memory: Remembered,
        moved: Moved<'_>,
    ) -> Result<Put, Error> {
        let len = source.len;
        let (state, mut parts) = self.resume(source, &mut memory).await?;
        let upload = state.upload()?;
        let resumed = parts.keys().map(|number| self.size_of(*number, len)).sum();
        moved(resumed);
        let sent = self.send(&upload, input, None, Some(len), &mut parts, moved).await;
        if let Err(Stopped { gone, error }) = sent {
            if gone {
                memory.forget()?;
            }
            return Err(error);
        }
        // Parts of two contents make no object; the next run finds another file, and gives this upload up.
        if !source.is_unchanged() {
            return Err(changed(self.key));
        }
        match self.complete(&upload, &parts, len, state.replaces.as_deref()).await {
            Ok(etag) => {
                memory.forget()?;
                self.bucket.abort_leftovers_of(self.key).await;
                Ok(Put { len, etag, parts: parts.len() as u32, resumed })
            }
            Err(error) => {
                if !error.is_retryable() {
                    // What can't be completed now can't be the next time.
                    self.abort(&upload).await;
                    memory.forget()?;
                }
                Err(error)
            }
        }
    }

    /// Uploads what can be read only once: after an error nothing is left of it.
    pub(super) async fn reader(self, first: Bytes, input: Input, moved: Moved<'_>) -> Result<Put, Error> {
        let replaces = self.present_etag().await?;
        let upload = self.create().await?;
        let mut parts = Parts::new();
        let ended = match self.send(&upload, input, Some(first), None, &mut parts, moved).await {
            Ok(len) => self.complete(&upload, &parts, len, replaces.as_deref()).await.map(|etag| (len, etag)),
            Err(stopped) => Err(stopped.error),
        };
        match ended {
            Ok((len, etag)) => {
                self.bucket.abort_leftovers_of(self.key).await;
                Ok(Put { len, etag, parts: parts.len() as u32, resumed: 0 })
            }
            Err(error) => {
                self.abort(&upload).await;
                Err(error)
            }
        }
    }

    /// The upload that was interrupted, with the parts that it has; else a new one.
    async fn resume(&self, source: &SourceFile, memory: &mut Remembered) -> Result<(State, Parts), Error> {
        if let Some(state) = memory.state() {
            let upload = state.upload()?;
            if state.is_of(source, &self.properties) && state.part_bytes == self.part_bytes {
                match self.parts_there(&upload, source.len).await {
                    Ok(Some(parts)) => return Ok((state, parts)),
                    // It is gone: completed, or given up by somebody.
                    Ok(None) => {}
                    Err(failure) if failure.error.is_retryable() => return Err(failure.error),
                    // A server that can't tell: all is sent again.
                    Err(_) => self.abort(&upload).await,
                }
            } else {
                self.abort(&upload).await;
            }
        }
        let replaces = self.present_etag().await?;
        let upload = self.create().await?;
        let state = State::new(
            self.bucket.driver.store(),
            self.key,
            source,
            &self.properties,
            &upload,
            self.part_bytes,
            replaces,
        );
        if let Err(error) = memory.remember(&state) {
            self.abort(&upload).await;
            return Err(error);
        }
        Ok((state, Parts::new()))
    }

    /// The parts of an upload that have arrived whole; `None` if there is no such upload.
    async fn parts_there(&self, upload: &UploadId, len: u64) -> Result<Option<Parts>, Failure> {
        let mut parts = Parts::new();
        let mut list =
            ListParts { key: self.key.to_owned(), upload: upload.clone(), marker: None, max_parts: KEYS_PER_LIST_MAX };
        // Markers rise up to 10,000: this ends.
        loop {
            let Some(page) = self.bucket.driver.call(&list).await? else { return Ok(None) };
            for part in page.parts {
                if u64::from(part.number - 1) * self.part_bytes < len && part.size == self.size_of(part.number, len) {
                    parts.insert(part.number, part.etag);
                }
            }
            match page.next {
                Some(next) => list.marker = Some(next),
                None => return Ok(Some(parts)),
            }
        }
    }

    /// Sends the parts that are missing; the content's length is the result.
    async fn send(
        &self,
        upload: &UploadId,
        mut input: Input,
        mut first: Option<Bytes>,
        len: Option<u64>,
        parts: &mut Parts,
        moved: Moved<'_>,
    ) -> Result<u64, Stopped> {
        let in_flight_max = (PARTS_BYTES_MAX / self.part_bytes).clamp(1, u64::from(self.bucket.concurrency.max(1)));
        let mut in_flight = JoinSet::new();
        let (mut number, mut at) = (1, 0);
        loop {
            if len == Some(at) {
                break;
            }
            if let (Some(len), true) = (len, parts.contains_key(&number)) {
                at += self.size_of(number, len);
                number += 1;
                continue;
            }
            // Room for the part, before it is read.
            while in_flight.len() as u64 >= in_flight_max {
                self.arrived(in_flight.join_next().await, parts, moved)?;
            }
            let body = match first.take() {
                Some(first) => first,
                None => {
                    let read = input.read_at(len.map(|_| at), self.part_bytes).await?;
                    input = read.0;
                    read.1
                }
            };
            if let Some(len) = len {
                input.unchanged(self.size_of(number, len), body.len() as u64)?;
            } else if body.is_empty() {
                break;
            }
            if number > PARTS_MAX {
                return Err(too_long(self.key).into());
            }
            at += body.len() as u64;
            let ends = len.is_none() && (body.len() as u64) < self.part_bytes;
            let part = UploadPart { key: self.key.to_owned(), upload: upload.clone(), number, body };
            let driver = self.bucket.driver.clone();
            in_flight.spawn(async move {
                let bytes = part.body.len() as u64;
                (part.number, bytes, driver.call(&part).await)
            });
            number += 1;
            if ends {
                break;
            }
        }
        while let Some(sent) = in_flight.join_next().await {
            self.arrived(Some(sent), parts, moved)?;
        }
        Ok(at)
    }

    fn arrived(
        &self,
        sent: Option<Result<Sent, tokio::task::JoinError>>,
        parts: &mut Parts,
        moved: Moved<'_>,
    ) -> Result<(), Stopped> {
        let Some(sent) = sent else { return Ok(()) };
        let (number, bytes, etag) = sent.map_err(|error| {
            Error::new(ErrorKind::Internal, format!("a part's upload stopped: {error}")).on(self.key)
        })?;
        match etag {
            Ok(Some(etag)) => {
                parts.insert(number, etag);
                moved(bytes);
                Ok(())
            }
            Ok(None) => Err(Stopped { gone: true, error: upload_gone(self.key) }),
            Err(failure) => Err(failure.error.into()),
        }
    }

    /// Makes the object of its parts. `replaces` is the ETag of what was there before.
    async fn complete(
        &self,
        upload: &UploadId,
        parts: &Parts,
        len: u64,
        replaces: Option<&str>,
    ) -> Result<Option<ETag>, Error> {
        let complete = CompleteMultipartUpload {
            key: self.key.to_owned(),
            upload: upload.clone(),
            parts: parts.iter().map(|(number, etag)| Part { number: *number, etag: etag.clone() }).collect(),
            condition: Condition::Always,
        };
        let more = Duration::from_secs(len / COMPLETED_BYTES_PER_S);
        match self.bucket.driver.call_patiently(&complete, more).await.map_err(|failure| failure.error)? {
            Written::Stored { etag } => Ok(etag),
            // An earlier try may have done it, and its answer got lost.
            Written::Gone => {
                let head = self.head().await?;
                match head.filter(|head| head.len == Some(len) && head.etag.as_ref().map(ETag::as_str) != replaces) {
                    Some(head) => Ok(head.etag),
                    None => Err(upload_gone(self.key)),
                }
            }
            Written::Refused | Written::Conflict => Err(conflict(self.key)),
        }
    }

    async fn create(&self) -> Result<UploadId, Error> {
        let create = CreateMultipartUpload { key: self.key.to_owned(), properties: self.properties.clone() };
        self.bucket.driver.call(&create).await.map_err(|failure| failure.error)
    }

    async fn present_etag(&self) -> Result<Option<String>, Error> {
        Ok(self.head().await?.and_then(|head| head.etag).map(|etag| etag.as_str().to_owned()))
    }

    async fn head(&self) -> Result<Option<tidelock_core::s3::Head>, Error> {
        self.bucket.driver.call(&HeadObject { key: self.key.to_owned() }).await.map_err(|failure| failure.error)
    }

    /// Gives an upload up. Where that fails, a later run does it as one that was left.
    async fn abort(&self, upload: &UploadId) {
        let abort = AbortMultipartUpload { key: self.key.to_owned(), upload: upload.clone() };
        let list = ListParts { key: self.key.to_owned(), upload: upload.clone(), marker: None, max_parts: 1 };
        for _ in 0..ABORTS_MAX {
            // A part that was on its way may arrive after all, and be stored.
            let gone = self.bucket.driver.call(&abort).await.is_err()
                || !matches!(self.bucket.driver.call(&list).await, Ok(Some(_)));
            if gone {
                break;
            }
        }
    }

    fn size_of(&self, number: u32, len: u64) -> u64 {
        let first = u64::from(number - 1) * self.part_bytes;
        len.saturating_sub(first).min(self.part_bytes)
    }
}

/// A part's number, its bytes, and what came of it.
type Sent = (u32, u64, Result<Option<ETag>, Failure>);

/// Why an upload stopped.
struct Stopped {
    /// The store no longer has it.
    gone: bool,
    error: Error,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self { gone: false, error }
    }
}

impl Input {
    /// Reads what comes next: `bytes` of it, or less at its end. It may wait for whoever writes, so it has a thread.
    pub(super) async fn read(self, bytes: u64) -> Result<(Self, Bytes), Error> {
        self.read_at(None, bytes).await
    }

    /// The same from a place in a file.
    async fn read_at(mut self, at: Option<u64>, bytes: u64) -> Result<(Self, Bytes), Error> {
        let work = move || {
            let body = self.read_now(at, bytes);
            (self, body)
        };
        let (input, body) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, format!("reading stopped: {error}")))?;
        match body {
            Ok(body) => Ok((input, body)),
            Err(error) => Err(unreadable(&error, input.name())),
        }
    }

    fn read_now(&mut self, at: Option<u64>, bytes: u64) -> io::Result<Bytes> {
        if let (Self::File { file, .. }, Some(at)) = (&mut *self, at) {
            file.seek(SeekFrom::Start(at))?;
        }
        let reader: &mut dyn Read = match self {
            Self::File { file, .. } => file,
            Self::Reader { reader, .. } => reader,
        };
        let mut body = BytesMut::zeroed(bytes as usize);
        let mut filled = 0;
        while filled < body.len() {
            match reader.read(&mut body[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        body.truncate(filled);
        Ok(body.freeze())
    }

    /// That as much was read as the file had when it was opened.
    pub(super) fn unchanged(&self, expected: u64, read: u64) -> Result<(), Error> {
        match expected == read {
            true => Ok(()),
            false => Err(changed(self.name())),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::File { name, .. } | Self::Reader { name, .. } => name,
        }
    }
}

pub(crate) fn changed(name: &str) -> Error {
    Error::new(ErrorKind::Busy, "the file changed while it was read")
        .on(name)
        .next_step("run it again when nobody writes to the file")
        .retryable()
}

fn upload_gone(key: &str) -> Error {
    Error::new(ErrorKind::Busy, "the store no longer has the upload, and the object is another")
        .on(key)
        .next_step("run it again: it starts anew; a lifecycle rule or another program may have ended the upload")
        .retryable()
}

fn too_long(key: &str) -> Error {
    let bytes_max = u64::from(PARTS_MAX) * PART_BYTES;
    Error::new(ErrorKind::Invalid, format!("the content has more than {bytes_max} bytes, and no length"))
        .on(key)
        .next_step("write it to a file first")
}
