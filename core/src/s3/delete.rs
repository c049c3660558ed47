//! Deletes of plain objects; and DeleteObjects, a vault's too: the document that names the keys, and the one that answers.

use super::call::{Call, HttpRequest, KEYS_PER_DELETE_MAX, LIST_BODY_BYTES_MAX, Method, RequestKind};
use super::etag::EtagQuoting;
use super::uri::StoreUri;
use super::xml::{self, Refusal};
use super::{Action, Answer, Failure, Response};
use crate::{Error, ErrorKind};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use quick_xml::escape::escape;

/// Deletes a plain object, or finds it gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObject {
    /// The object.
    pub key: String,
}

/// Deletes 1 to 1,000 plain objects. XML must be able to hold their keys: [`DeleteObjects::can_name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObjects {
    /// The objects.
    pub keys: Vec<String>,
}

impl DeleteObjects {
    /// Whether every server reads this key from a document as it was written: XML has no control characters, and some servers
    /// trim what stands in an element.
    pub fn can_name(key: &str) -> bool {
        let is_xml = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
        key.chars().all(is_xml) && key.trim() == key
    }
}

impl Action for DeleteObject {
    type Answer = ();

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Delete
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        Ok(HttpRequest::new(Method::Delete, store.any_object_url(&self.key)?))
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<(), Failure> {
        Call::DeleteObject { key: self.key.clone() }.interpret(store, response).map(|_| ())
    }
}

impl Action for DeleteObjects {
    /// The keys that are still there, each with S3's code for why.
    type Answer = Vec<(String, String)>;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Post
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let full_keys = self.keys.iter().map(|key| store.any_full_key(key)).collect::<Result<_, _>>()?;
        request(store, full_keys)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Self::Answer, Failure> {
        match (Call::DeleteObjects { keys: self.keys.clone() }).interpret(store, response)? {
            Answer::DeletedMany { failed } => Ok(failed),
            _ => Ok(Vec::new()),
        }
    }
}

/// The request that deletes objects by their full keys. MinIO and versitygw refuse it without its checksum.
pub(super) fn request(store: &StoreUri, full_keys: Vec<String>) -> Result<HttpRequest, Error> {
    let request = HttpRequest::new(Method::Post, store.bucket_url(vec![("delete", String::new())]));
    let mut request = request.with_document(document(full_keys)?);
    request.max_response_bytes = LIST_BODY_BYTES_MAX;
    Ok(request)
}

/// The request's body. Quiet: only what could not be deleted is answered.
fn document(full_keys: Vec<String>) -> Result<Bytes, Error> {
    if !(1..=KEYS_PER_DELETE_MAX).contains(&full_keys.len()) {
        return Err(Error::new(ErrorKind::Invalid, "a DeleteObjects names no or more than 1,000 keys"));
    }
    let mut document = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for key in full_keys {
        document.push_str("<Object><Key>");
        document.push_str(&escape(key));
        document.push_str("</Key></Object>");
    }
    document.push_str("</Delete>");
    Ok(document.into())
}

/// The `Content-MD5` header (RFC 1864): a checksum against accidents, nothing more.
pub(crate) fn content_md5(body: &[u8]) -> String {
    BASE64_STANDARD.encode(Md5::digest(body))
}

/// The keys, of those asked for, that are still there, each with S3's code for why.
pub(super) fn failed(store: &StoreUri, asked: &[String], body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let (mut key, mut code) = (None, None);
    let mut errors = 0;
    let mut failed = Vec::new();
    xml::read(body, |path, text| match path {
        "DeleteResult/Error/Key" => xml::set(&mut key, text),
        "DeleteResult/Error/Code" => xml::set(&mut code, text),
        "DeleteResult/Error" => {
            let (key, code) = (key.take().ok_or("lacks a key")?, code.take().ok_or("lacks a code")?);
            let key = store.relative_key(&key).ok_or("names a foreign key")?;
            errors += 1;
            if errors > asked.len() || !asked.iter().any(|asked| asked == key) {
                return Err("names more keys than were asked for");
            }
            // To be gone is what was asked for.
            if code != "NoSuchKey" {
                failed.push((key.to_owned(), super::failure::shown_code(&code)));
            }
            Ok(())
        }
        "DeleteResult" => Ok(()),
        path if path.starts_with("DeleteResult/") => Ok(()),
        _ => Err("is no DeleteResult"),
    })?;
    Ok(failed)
}
