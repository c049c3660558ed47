//! The S3 dialect: store addresses, request builders, signing, bounded answer parsers, error meanings.
//!
//! A [`Call`] says what is wanted; [`Action::request`] turns it into one signed HTTP request, complete data for any
//! transport; [`Action::interpret`] reads the whole answer. Stores in a folder take the same path, unsigned, with `file:`
//! URLs. Keys are relative to the store's prefix everywhere: the builder adds it, the parsers strip it.
//!
//! [`Call`] has what a vault needs. What else S3 offers, for plain objects, buckets and temporary keys, are types of their
//! own with typed answers; [`Action`] is what they share with it.

mod action;
mod answer;
mod buckets;
mod call;
mod cors;
mod credentials;
mod date;
mod delete;
mod endpoint;
mod etag;
mod failure;
mod list;
mod multipart;
mod object;
mod objects;
mod presign;
mod probe;
mod properties;
mod provider;
mod retry;
mod sign;
mod sts;
mod uploads;
mod uri;
mod uri_keys;
mod xml;

pub use action::Action;
pub use answer::{Answer, Response};
pub use buckets::{Bucket, BucketsPage, GetBucketLocation, ListBuckets, Server};
pub use call::{Call, Condition, HttpRequest, KEYS_PER_DELETE_MAX, KEYS_PER_LIST_MAX, Method, RequestKind};
pub use cors::{CORS_RULES_MAX, CorsRule, GetBucketCors, PutBucketCors};
pub use credentials::Credentials;
pub(crate) use date::{date_in_words, http_date_unix_ms};
pub(crate) use delete::content_md5;
pub use delete::{DeleteObject, DeleteObjects};
pub use endpoint::Endpoint;
pub use etag::{ETag, EtagQuoting};
pub(crate) use failure::code as error_code;
pub use failure::{Failure, Retry};
pub use list::ListEntry;
pub use multipart::{
    AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX,
    Part, UploadId, UploadPart,
};
pub use object::{CopyObject, GetObject, Head, HeadObject, PutObject, Read, ReadStart, Written};
pub use objects::{ListObjects, ListObjectsV2, ObjectsPage};
pub use presign::{PRESIGN_SECONDS_MAX, Terms, presign};
pub(crate) use probe::wrong_etag;
pub use probe::{Enforcement, Probe};
pub use properties::{Encryption, METADATA_BYTES_MAX, Properties};
pub use provider::{ConditionalWrites, CorsSetup, ListVersion, Permissions, Profile, RegionRule, server_by_request_id};
pub use retry::{Backoff, KEYS_END_MS, RetryBudget, corrected_skew_ms, deadline_ms};
pub(crate) use retry::{SKEW_MS_MAX, SKEW_MS_MIN};
pub use sts::{AssumeRole, AssumeRoleWithWebIdentity, Role, STS_SECONDS_MAX, STS_SECONDS_MIN, TemporaryCredentials};
pub use uploads::{ListMultipartUploads, ListParts, PartsPage, Upload, UploadMarker, UploadedPart, UploadsPage};
pub use uri::{FolderStore, KEY_BYTES_MAX, PREFIX_BYTES_MAX, S3Store, StoreUri, URI_BYTES_MAX};
pub use uri_keys::{names_a_key, take_keys};
