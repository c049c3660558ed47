//! The S3 operations over folders: a bucket is a directory, an object a file, as the `file://` transport has them.

use super::forms::{
    When, condition_failed, cut, error_of, etag, is_signed, missing, naming, not_modified, page_max, quoted, stored,
    strong, timestamp,
};
use super::list::{Page, page};
use super::uploads::{self, Refusal, Upload, Uploads};
use super::{ServeKeys, bodies};
use async_trait::async_trait;
use hyper::StatusCode;
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::{AwsNameValidation, NameValidation};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tidelock::folder::{ByteRange, Condition, Fault, Folder, Opened, PAGE_ENTRIES_MAX, key_of_token, token_of_key};

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

    /// The same for its uploads in parts.
    async fn on_uploads<T: Send + 'static>(
        &self,
        bucket: &str,
        work: impl FnOnce(&Uploads<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> S3Result<T> {
        self.on(bucket, move |folder| Ok(work(&Uploads::of(folder)))).await?.map_err(S3Error::from)
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
            Err(error) => return Err(error_of(error.into())),
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
        let got =
            self.on(&input.bucket, move |folder| folder.open_range(&key, if_none_match.as_deref(), range)).await?;
        let (meta, reader, len, first) = match got {
            Opened::Object { meta, reader, len, first } => (meta, reader, len, first),
            Opened::NotModified(meta) => return Err(not_modified(&meta)),
            Opened::Missing => return Err(missing()),
        };
        if if_match.is_some_and(|etag| etag != meta.etag()) {
            return Err(condition_failed());
        }
        let content_range = first.map(|first| format!("bytes {first}-{}/{}", first + len - 1, meta.size));
        let status = content_range.is_some().then_some(StatusCode::PARTIAL_CONTENT);
        let output = GetObjectOutput {
            content_length: i64::try_from(len).ok(),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            content_type: Some("application/octet-stream".to_owned()),
            e_tag: Some(etag(&meta)),
            last_modified: Some(timestamp(&meta)),
            body: Some(bodies::read(reader)),
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
        let when = When::of(input.if_match, input.if_none_match)?;
        if input.write_offset_bytes.is_some() {
            return Err(s3_error!(NotImplemented, "this server does not append to objects"));
        }
        bodies::check_length(input.content_length)?;
        let key = input.key;
        let draft = self.on(&input.bucket, |folder| folder.draft()).await?;
        let (draft, _) = bodies::write(input.body, input.content_md5, draft).await?;
        let put = self.on(&input.bucket, move |folder| folder.put_draft(&key, draft, when.condition())).await?;
        let meta = stored(put)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(etag(&meta)), ..Default::default() }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        // Else whoever has a URL that is signed for a PUT could copy what it may not read.
        if !is_signed(&request, "x-amz-copy-source") {
            return Err(s3_error!(AccessDenied, "there were headers present in the request which were not signed"));
        }
        let input = request.input;
        let CopySource::Bucket { bucket, key: source, version_id: None } = input.copy_source else {
            return Err(s3_error!(NotImplemented, "this server knows neither versions nor access points"));
        };
        if input.copy_source_if_modified_since.is_some()
            || input.copy_source_if_unmodified_since.is_some()
            || input.copy_source_if_none_match.is_some()
        {
            return Err(s3_error!(NotImplemented, "of a source's conditions, this server knows If-Match alone"));
        }
        if ["if-match", "if-none-match"].into_iter().any(|name| request.headers.contains_key(name)) {
            return Err(s3_error!(NotImplemented, "this server copies without a look at what is there"));
        }
        let if_match = strong(input.copy_source_if_match)?;
        let got = self.on(&bucket, move |folder| folder.open_range(&source, None, None)).await?;
        let Opened::Object { meta, reader, .. } = got else { return Err(missing()) };
        if if_match.is_some_and(|etag| etag != meta.etag()) {
            return Err(condition_failed());
        }
        let key = input.key;
        let copy = move |folder: &Folder| {
            let mut draft = folder.draft()?;
            bodies::copy(reader, &mut draft)?;
            folder.put_draft(&key, draft, Condition::Always)
        };
        let meta = stored(self.on(&input.bucket, copy).await?)?;
        let result =
            CopyObjectResult { e_tag: Some(etag(&meta)), last_modified: Some(timestamp(&meta)), ..Default::default() };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let CreateMultipartUploadInput { bucket, key, .. } = request.input;
        let named = key.clone();
        let id = self.on_uploads(&bucket, move |uploads| uploads.begin(&named)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let UploadPartInput { bucket, key, upload_id: id, part_number: number, body, content_md5, .. } = request.input;
        bodies::check_length(request.input.content_length)?;
        let draft = self.on_uploads(&bucket, move |uploads| uploads.draft_part(&key, &id, number)).await?;
        let (draft, md5) = bodies::write(body, content_md5, draft).await?;
        let etag = self.on_uploads(&bucket, move |_| draft.put(md5)).await?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..Default::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let when = When::of(input.if_match, input.if_none_match)?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let wanted = |part: CompletedPart| Some((part.part_number?, part.e_tag?.value().to_owned()));
        let parts = named.into_iter().map(wanted).collect::<Option<Vec<_>>>();
        let parts = parts.ok_or_else(|| s3_error!(MalformedXML, "each part has a number and an ETag"))?;
        let (key, id) = (input.key.clone(), input.upload_id);
        let put = self
            .on_uploads(&input.bucket, move |uploads| uploads.complete(&key, &id, &parts, when.condition()))
            .await?;
        let meta = stored(put)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag(&meta)),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let AbortMultipartUploadInput { bucket, key, upload_id: id, .. } = request.input;
        self.on_uploads(&bucket, move |uploads| uploads.abort(&key, &id)).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let ListPartsInput { bucket, key, upload_id: id, part_number_marker: marker, max_parts, .. } = request.input;
        let max = page_max(max_parts)?;
        let after = marker.unwrap_or(0);
        let (named, of) = (key.clone(), id.clone());
        let mut parts = self.on_uploads(&bucket, move |uploads| uploads.parts(&named, &of)).await?;
        parts.retain(|part| part.number > after);
        let is_truncated = cut(&mut parts, max);
        let next = parts.last().filter(|_| is_truncated).map(|part| part.number);
        let part = |part: uploads::Part| Part {
            part_number: Some(part.number),
            size: i64::try_from(part.size).ok(),
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(part.modified.into()),
            ..Default::default()
        };
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            part_number_marker: marker,
            max_parts: Some(max),
            is_truncated: Some(is_truncated),
            next_part_number_marker: next,
            parts: Some(parts.into_iter().map(part).collect()),
            ..Default::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "of uploads, this server rolls none up"));
        }
        let max = page_max(input.max_uploads)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let mut uploads = self.on_uploads(&input.bucket, move |uploads| uploads.list(&prefix)).await?;
        // Without an id, all of the marker's key were on the pages before.
        let is_after = |upload: &Upload| match (&input.key_marker, &input.upload_id_marker) {
            (None, _) => true,
            (Some(key), None) => upload.key > *key,
            (Some(key), Some(id)) => (&upload.key, &upload.id) > (key, id),
        };
        uploads.retain(is_after);
        let is_truncated = cut(&mut uploads, max);
        let next = uploads.last().filter(|_| is_truncated).cloned();
        let name = naming(input.encoding_type.as_ref());
        let upload = |upload: Upload| MultipartUpload {
            key: Some(name(&upload.key)),
            upload_id: Some(upload.id),
            initiated: Some(upload.began.into()),
            ..Default::default()
        };
        Ok(S3Response::new(ListMultipartUploadsOutput {
            prefix: Some(name(input.prefix.as_deref().unwrap_or_default())),
            key_marker: input.key_marker.as_deref().map(&name),
            upload_id_marker: input.upload_id_marker,
            max_uploads: Some(max),
            is_truncated: Some(is_truncated),
            next_key_marker: next.as_ref().map(|next| name(&next.key)),
            next_upload_id_marker: next.map(|next| next.id),
            uploads: Some(uploads.into_iter().map(upload).collect()),
            encoding_type: input.encoding_type,
            bucket: Some(input.bucket),
            ..Default::default()
        }))
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
        let max = page_max(input.max_keys)?;
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
        let max = page_max(input.max_keys)?;
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

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(error_of),
        Err(_) => Err(s3_error!(ServiceUnavailable, "the server is stopping")),
    }
}
