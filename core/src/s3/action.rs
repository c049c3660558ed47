//! What every action of S3's API has: an unsigned request, two ways to sign it, and an answer of its own type.

use super::call::{HttpRequest, RequestKind};
use super::credentials::Credentials;
use super::etag::EtagQuoting;
use super::failure::Failure;
use super::presign::{self, Terms};
use super::uri::StoreUri;
use super::{Response, sign};
use crate::{Error, ErrorKind};

/// One action on a store. A vault's own are [`super::Call`]s; those for plain objects are types of their own, named as in the
/// Amazon S3 API Reference. Keys are relative to the store's prefix.
pub trait Action {
    /// What a good response says.
    type Answer;

    /// What it counts as.
    fn billing_kind(&self) -> RequestKind;

    /// The request, unsigned: for folders, for servers open to all, and for who has it signed elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if a key, number or header breaks its limit.
    fn unsigned(&self, store: &StoreUri, quoting: EtagQuoting) -> Result<HttpRequest, Error>;

    /// Reads the response to its request.
    ///
    /// # Errors
    /// A [`Failure`] for every response that is no answer: refusals, and what no S3 server would say.
    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Self::Answer, Failure>;

    /// The request, signed in its headers for `unix_ms` if there are credentials and the store is a bucket.
    ///
    /// # Errors
    /// As [`Action::unsigned`]; [`ErrorKind::ClockSkew`] past the year 9999.
    fn request(
        &self,
        store: &StoreUri,
        credentials: Option<&Credentials>,
        unix_ms: u64,
        quoting: EtagQuoting,
    ) -> Result<HttpRequest, Error> {
        let mut request = self.unsigned(store, quoting)?;
        if let (StoreUri::S3(s3), Some(credentials)) = (store, credentials) {
            sign::sign(&mut request, credentials, s3.region(), unix_ms)?;
        }
        Ok(request)
    }

    /// The request, signed in its URL from `unix_ms` on: whoever holds it may send it until it expires.
    ///
    /// # Errors
    /// As [`presign()`](presign::presign); [`ErrorKind::Unsupported`] if the store is a folder.
    fn presign(
        &self,
        store: &StoreUri,
        credentials: &Credentials,
        unix_ms: u64,
        quoting: EtagQuoting,
        terms: &Terms,
    ) -> Result<HttpRequest, Error> {
        let StoreUri::S3(s3) = store else {
            return Err(Error::new(ErrorKind::Unsupported, "a folder has no URLs to sign"));
        };
        presign::presign(&self.unsigned(store, quoting)?, s3.region(), credentials, unix_ms, terms)
    }
}
