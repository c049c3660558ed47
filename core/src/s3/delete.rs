//! DeleteObjects: the document that names the keys, and the one that answers.

use super::call::KEYS_PER_DELETE_MAX;
use super::uri::StoreUri;
use super::xml::{self, Refusal};
use crate::{Error, ErrorKind};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use quick_xml::escape::escape;

/// The request's body. Quiet: only what could not be deleted is answered.
pub(super) fn document(store: &StoreUri, keys: &[String]) -> Result<Bytes, Error> {
    if !(1..=KEYS_PER_DELETE_MAX).contains(&keys.len()) {
        return Err(Error::new(ErrorKind::Invalid, "a DeleteObjects names no or more than 1,000 keys"));
    }
    let mut document = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for key in keys {
        document.push_str("<Object><Key>");
        document.push_str(&escape(store.full_key(key)?));
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
