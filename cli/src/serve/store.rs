//! The S3 operations over folders: a bucket is a directory, an object a file, as the `file://` transport has them.

use super::ServeKeys;
use super::list::{Page, page};
use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::{AwsNameValidation, NameValidation};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use tidelock::folder::{
    ByteRange, Condition, Fault, Folder, Got, Meta, OBJECT_BYTES_MAX, PAGE_ENTRIES_MAX, Put, key_of_token, token_of_key,
};

/// What stays as it is under `encoding-type=url`, as S3 does it.
const URL_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The S3 service over the buckets of `dir`, open to requests signed with `keys`.
pub(super) fn service(dir: PathBuf, keys: &ServeKeys) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Store { dir, folders: Arc::default() });
    builder.set_auth(Door(keys.clone()));
    builder.build()
}

/// Knows one access key.
struct Door(ServeKeys);

#[async_trait]
impl S3Auth for Door {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.0.access_key {
            Ok(self.0.secret_key.as_str().into())
        } else {
            Err(s3_error!(InvalidAccessKeyId, "the server does not know this access key"))
        }
    }
}

#[derive(Clone)]
struct Store {
    dir: PathBuf,
    /// Those used so far: opening one looks for what killed writers left.
    folders: Arc<Mutex<BTreeMap<String, Folder>>>,
}

impl Store {
    /// Runs `work` on a bucket's folder where it may wait for the disk and the lock.
    async fn on<T: Send + 'static>(
        &self,
        bucket: &str,
        work: impl FnOnce(&Folder) -> Result<T, Fault> + Send + 'static,
    ) -> S3Result<T> {
        let (store, bucket) = (self.clone(), bucket.to_owned());
        blocking(move || work(&store.folder(bucket)?)).await
    }

    /// The protocol crate lets only names through that are a bucket's, so they are one plain directory name.
    fn folder(&self, bucket: String) -> Result<Folder, Fault> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folders.get(&bucket) {
            return Ok(folder.clone());
        }
        let folder = Folder::open(self.dir.join(&bucket)).map_err(|error| match error.kind() {
            tidelock_core::ErrorKind::NotFound => Fault::NoBucket,
            _ => Fault::Io(io::Error::other(error.to_string())),
        })?;
        folders.insert(bucket, folder.clone());
        Ok(folder)
    }

    fn bucket_list(&self) -> io::Result<Vec<Bucket>> {
        let mut buckets = BTreeMap::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let metadata = entry.metadata()?;
            if metadata.is_dir() && AwsNameValidation::new().validate_bucket_name(&name) {
                let created = metadata.created().or_else(|_| metadata.modified())?;
                buckets.insert(name, Timestamp::from(created));
            }
        }
        let bucket = |(name, created)| Bucket { name: Some(name), creation_date: Some(created), bucket_region: None };
        Ok(buckets.into_iter().map(bucket).collect())
    }
}

#[async_trait]
impl S3 for Store {
    async fn list_buckets(&self, _request: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let store = self.clone();
        let buckets = blocking(move || Ok(store.bucket_list()?)).await?;
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..Default::default() }))
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = request.input.bucket;
        let path = self.dir.join(&bucket);
        match blocking(move || Ok(std::fs::create_dir(path))).await? {
            Ok(()) => {}
            // The one owner of all buckets may create them again.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(s3_error!(BucketAlreadyOwnedByYou, "the bucket is there already"));
            }
            Err(error) => return Err(s3_error(Fault::from(error))),
        }
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{bucket}")) }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.on(&request.input.bucket, Folder::check).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        if input.if_unmodified_since.is_some() || input.part_number.is_some() || input.version_id.is_some() {
            return Err(s3_error!(
                NotImplemented,
                "this server knows neither If-Unmodified-Since nor parts nor versions"
            ));
        }
        // A proxy may have made a strong ETag a weak one; for reading they are the same.
        let if_none_match = match input.if_none_match {
            Some(ETagCondition::ETag(etag)) => Some(quoted(etag.value())),
            Some(ETagCondition::Any) => return Err(s3_error!(NotImplemented, "If-None-Match: * is for PUT")),
            None => None,
        };
        let if_match = strong(input.if_match)?;
        let range = input.range.map(|range| match range {
            Range::Int { first, last: Some(last) } => ByteRange::Between(first, last),
            Range::Int { first, last: None } => ByteRange::From(first),
            Range::Suffix { length } => ByteRange::Last(length),
        });
        let key = input.key;
        let got = self
            .on(&input.bucket, move |folder| folder.get(&key, if_none_match.as_deref(), range, OBJECT_BYTES_MAX))
            .await?;
        let (meta, body, first) = match got {
            Got::Object { meta, body, first } => (meta, body, first),
            Got::NotModified(meta) => return Err(not_modified(&meta)),
            Got::Missing => return Err(missing()),
        };
        if if_match.is_some_and(|etag| etag != meta.etag()) {
            return Err(condition_failed());
        }
        let len = body.len() as u64;
        let content_range = first.map(|first| format!("bytes {first}-{}/{}", first + len - 1, meta.size));
        let status = content_range.is_some().then_some(StatusCode::PARTIAL_CONTENT);
        let output = GetObjectOutput {
            content_length: i64::try_from(len).ok(),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            content_type: Some("application/octet-stream".to_owned()),
            e_tag: Some(etag(&meta)),
            last_modified: Some(timestamp(&meta)),
            body: Some(s3s::Body::from(body).into()),
            ..Default::default()
        };
        let mut response = S3Response::new(output);
        response.status = status;
        Ok(response)
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let key = input.key;
        let meta = self.on(&input.bucket, move |folder| folder.head(&key)).await?.ok_or_else(missing)?;
        if let Some(ETagCondition::ETag(known)) = &input.if_none_match
            && quoted(known.value()) == meta.etag()
        {
            return Err(not_modified(&meta));
        }
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(meta.size).ok(),
            accept_ranges: Some("bytes".to_owned()),
            content_type: Some("application/octet-stream".to_owned()),
            e_tag: Some(etag(&meta)),
            last_modified: Some(timestamp(&meta)),
            ..Default::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let if_match = strong(input.if_match)?;
        let if_absent = match input.if_none_match {
            None => false,
            Some(ETagCondition::Any) if if_match.is_none() => true,
            Some(_) => return Err(s3_error!(NotImplemented, "of If-None-Match, a PUT takes `*` alone")),
        };
        if input.write_offset_bytes.is_some() {
            return Err(s3_error!(NotImplemented, "this server does not append to objects"));
        }
        let body = read_whole(input.body).await?;
        if let Some(given) = input.content_md5
            && given != BASE64_STANDARD.encode(Md5::digest(&body))
        {
            return Err(s3_error!(BadDigest, "the body is not the one that Content-MD5 was made of"));
        }
        let key = input.key;
        let put = self
            .on(&input.bucket, move |folder| {
                let condition = match &if_match {
                    Some(etag) => Condition::IfMatch(etag),
                    None if if_absent => Condition::IfAbsent,
                    None => Condition::Always,
                };
                folder.put(&key, &body, condition)
            })
            .await?;
        match put {
            Put::Stored(meta) => {
                Ok(S3Response::new(PutObjectOutput { e_tag: Some(etag(&meta)), ..Default::default() }))
            }
            Put::Refused => Err(condition_failed()),
            Put::Missing => Err(missing()),
        }
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let is_conditional =
            input.if_match.is_some() || input.if_match_last_modified_time.is_some() || input.if_match_size.is_some();
        if is_conditional || input.version_id.is_some() {
            return Err(s3_error!(NotImplemented, "this server knows neither conditional deletes nor versions"));
        }
        let key = input.key;
        self.on(&input.bucket, move |folder| folder.delete(&key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let Delete { objects, quiet } = request.input.delete;
        if objects.is_empty() || objects.len() > PAGE_ENTRIES_MAX as usize {
            return Err(s3_error!(MalformedXML, "a DeleteObjects names 1 to 1,000 keys"));
        }
        let is_plain = |object: &ObjectIdentifier| {
            object.version_id.is_none()
                && object.e_tag.is_none()
                && object.size.is_none()
                && object.last_modified_time.is_none()
        };
        if !objects.iter().all(is_plain) {
            return Err(s3_error!(NotImplemented, "this server knows neither conditional deletes nor versions"));
        }
        let (deleted, errors) = self
            .on(&request.input.bucket, move |folder| {
                let (mut deleted, mut errors) = (Vec::new(), Vec::new());
                for ObjectIdentifier { key, .. } in objects {
                    match folder.delete(&key) {
                        Ok(()) => deleted.push(DeletedObject { key: Some(key), ..Default::default() }),
                        Err(Fault::NoBucket) => return Err(Fault::NoBucket),
                        Err(fault) => errors.push(Error {
                            code: Some(fault.code().to_owned()),
                            message: Some(fault.to_string()),
                            key: Some(key),
                            version_id: None,
                        }),
                    }
                }
                Ok((deleted, errors))
            })
            .await?;
        let deleted = (quiet != Some(true)).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors: Some(errors), ..Default::default() }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let start_after = match &input.continuation_token {
            Some(token) => key_of_token(token)
                .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not one of this server's"))?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let max = max_keys(input.max_keys)?;
        let page = self.page(&input.bucket, &input.prefix, &input.delimiter, start_after, max).await?;
        let name = naming(input.encoding_type.as_ref());
        Ok(S3Response::new(ListObjectsV2Output {
            prefix: Some(name(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(&name),
            start_after: input.start_after.as_deref().map(&name),
            max_keys: Some(max),
            key_count: Some(page.len()),
            is_truncated: Some(page.next.is_some()),
            contents: Some(page.contents(&name)),
            common_prefixes: Some(page.common(&name)),
            next_continuation_token: page.next.as_deref().map(token_of_key),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..Default::default()
        }))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let max = max_keys(input.max_keys)?;
        let marker = input.marker.clone().unwrap_or_default();
        let page = self.page(&input.bucket, &input.prefix, &input.delimiter, marker, max).await?;
        let name = naming(input.encoding_type.as_ref());
        Ok(S3Response::new(ListObjectsOutput {
            prefix: Some(name(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(&name),
            marker: Some(name(input.marker.as_deref().unwrap_or_default())),
            max_keys: Some(max),
            is_truncated: Some(page.next.is_some()),
            contents: Some(page.contents(&name)),
            common_prefixes: Some(page.common(&name)),
            next_marker: page.next.as_deref().map(&name),
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..Default::default()
        }))
    }
}

impl Store {
    async fn page(
        &self,
        bucket: &str,
        prefix: &Option<String>,
        delimiter: &Option<String>,
        start_after: String,
        max: i32,
    ) -> S3Result<Page> {
        let (prefix, delimiter) = (prefix.clone().unwrap_or_default(), delimiter.clone());
        self.on(bucket, move |folder| page(folder, &prefix, delimiter.as_deref(), &start_after, max as usize)).await
    }
}

/// As S3's `ETag` in headers and listings.
pub(super) fn etag(meta: &Meta) -> ETag {
    ETag::Strong(meta.etag().trim_matches('"').to_owned())
}

/// As S3's `Last-Modified`. Times before 1970 are 1970's first moment.
pub(super) fn timestamp(meta: &Meta) -> Timestamp {
    let since = Duration::from_nanos(meta.modified_unix_ns.max(0).unsigned_abs());
    (UNIX_EPOCH + since).into()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(s3_error),
        Err(_) => Err(s3_error!(ServiceUnavailable, "the server is stopping")),
    }
}

fn s3_error(fault: Fault) -> S3Error {
    let code = S3ErrorCode::from_bytes(fault.code().as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, fault.to_string());
    if let Ok(status) = StatusCode::from_u16(fault.status()) {
        error.set_status_code(status);
    }
    error
}

/// Without a body, but with the ETag.
fn not_modified(meta: &Meta) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, HeaderValue::try_from(meta.etag()).expect("hex digits and quotes are visible ASCII"));
    error.set_headers(headers);
    error
}

fn missing() -> S3Error {
    s3_error!(NoSuchKey, "there is no such object")
}

fn condition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "the condition does not hold")
}

/// The ETag of an `If-Match`, in the form of [`Meta::etag`]. A weak one matches nothing.
fn strong(condition: Option<ETagCondition>) -> S3Result<Option<String>> {
    match condition {
        None => Ok(None),
        Some(ETagCondition::ETag(ETag::Strong(value))) => Ok(Some(quoted(&value))),
        Some(ETagCondition::ETag(ETag::Weak(value))) => Ok(Some(format!("W/{}", quoted(&value)))),
        Some(ETagCondition::Any) => Err(s3_error!(NotImplemented, "If-Match takes one ETag")),
    }
}

fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

/// The body, whose signature is checked at its end; nothing is stored before that.
async fn read_whole(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut whole = Vec::new();
    let Some(mut body) = body else {
        return Ok(Bytes::new());
    };
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| s3_error!(IncompleteBody, "the body broke off, or is not the one signed"))?;
        if (whole.len() + chunk.len()) as u64 > OBJECT_BYTES_MAX {
            return Err(s3_error!(EntityTooLarge, "objects have at most {OBJECT_BYTES_MAX} bytes here"));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

fn max_keys(asked: Option<i32>) -> S3Result<i32> {
    let max = PAGE_ENTRIES_MAX as i32;
    match asked {
        Some(asked) if asked < 0 => Err(s3_error!(InvalidArgument, "max-keys is less than nothing")),
        asked => Ok(asked.unwrap_or(max).min(max)),
    }
}

/// How keys are written in a listing.
fn naming(encoding: Option<&EncodingType>) -> impl Fn(&str) -> String + use<> {
    let url_encoded = encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL);
    move |key| if url_encoded { utf8_percent_encode(key, URL_ENCODED).to_string() } else { key.to_owned() }
}
