//! Bodies of objects on their way to and from files: piece by piece, never whole in memory.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use md5::{Digest, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};
use std::fs::File;
use std::io::{self, Read, Take, Write};
use tidelock::folder::Fault;
use tokio::task::spawn_blocking;

/// How much of a body is in memory.
const PIECE_BYTES: usize = 1 << 20;
/// The most bytes of one PUT, as in S3.
const PUT_BYTES_MAX: u64 = 5 << 30;

/// Refuses a PUT that says itself that it is too long, before any of it is read.
pub(super) fn check_length(content_length: Option<i64>) -> S3Result<()> {
    match content_length.and_then(|length| u64::try_from(length).ok()) {
        Some(length) if length > PUT_BYTES_MAX => {
            Err(s3_error!(EntityTooLarge, "one PUT has at most {PUT_BYTES_MAX} bytes; send more in parts"))
        }
        _ => Ok(()),
    }
}

/// Writes a body to a file as it comes; the result has its MD5. Its signature is checked at its end, as `content_md5` is:
/// whoever fails here drops the file.
pub(super) async fn write<W: Write + Send + 'static>(
    body: Option<StreamingBlob>,
    content_md5: Option<String>,
    mut file: W,
) -> S3Result<(W, [u8; 16])> {
    let mut hasher = Md5::new();
    let mut piece = Vec::new();
    let mut written = 0;
    let mut chunks = stream::iter(body).flatten();
    loop {
        let chunk = chunks.next().await.transpose();
        let chunk = chunk.map_err(|_| s3_error!(IncompleteBody, "the body broke off, or is not the one signed"))?;
        let is_last = chunk.is_none();
        piece.extend_from_slice(&chunk.unwrap_or_default());
        if piece.len() >= PIECE_BYTES || (is_last && !piece.is_empty()) {
            written += piece.len() as u64;
            if written > PUT_BYTES_MAX {
                return Err(s3_error!(EntityTooLarge, "one PUT has at most {PUT_BYTES_MAX} bytes; send more in parts"));
            }
            let full = std::mem::take(&mut piece);
            (file, hasher) = super::store::blocking(move || {
                hasher.update(&full);
                file.write_all(&full)?;
                Ok((file, hasher))
            })
            .await?;
        }
        if is_last {
            break;
        }
    }
    let digest: [u8; 16] = hasher.finalize().into();
    if content_md5.is_some_and(|given| given != BASE64_STANDARD.encode(digest)) {
        return Err(s3_error!(BadDigest, "the body is not the one that Content-MD5 was made of"));
    }
    Ok((file, digest))
}

/// A body that is read from a file as it is sent. One that another program shortens meanwhile breaks off.
pub(super) fn read(reader: Take<File>) -> StreamingBlob {
    StreamingBlob::wrap::<_, io::Error>(stream::try_unfold(reader, |mut reader| async move {
        let left = reader.limit();
        if left == 0 {
            return Ok(None);
        }
        let read = move || -> io::Result<_> {
            let mut piece = vec![0; left.min(PIECE_BYTES as u64) as usize];
            reader.read_exact(&mut piece)?;
            Ok(Some((Bytes::from(piece), reader)))
        };
        spawn_blocking(read).await.unwrap_or_else(|_| Err(io::Error::other("the server is stopping")))
    }))
}

/// Copies a file's rest; what is shorter than it was is a fault.
pub(super) fn copy(mut reader: Take<File>, to: &mut impl Write) -> Result<(), Fault> {
    let wanted = reader.limit();
    match io::copy(&mut reader, to)? {
        copied if copied == wanted => Ok(()),
        _ => Err(Fault::Io(io::Error::other("another program changed the file while it was read"))),
    }
}
