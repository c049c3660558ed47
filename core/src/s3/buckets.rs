//! Which buckets a server has, and in which region one is.

use super::answer::Response;
use super::call::{HttpRequest, LIST_BODY_BYTES_MAX, Method, RequestKind};
use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::etag::EtagQuoting;
use super::failure::{Asked, Failure, OtherForm, Place, no_answer, not_s3};
use super::list::{ENTRIES_MAX, check_len, next_token, possible_time};
use super::presign::{self, Terms};
use super::uri::{REGION_DEFAULT, S3Store, StoreUri, aws_host, checked_region, with_parameters};
use super::xml::{self, Refusal};
use super::{Action, sign};
use crate::{Error, ErrorKind};

/// S3's own limit is 63; servers that once allowed more have older ones.
const BUCKET_NAME_BYTES_MAX: usize = 255;

/// An S3 server, without a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: String,
    region: String,
}

/// Lists one page of the buckets that belong to the keys' owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListBuckets {
    /// The `next` of the page before.
    pub continuation: Option<String>,
    /// Buckets a page, 1 to 10,000; `None` is the server's choice. Most servers but AWS list all at once.
    pub max_buckets: Option<u32>,
}

/// A page of buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketsPage {
    /// The buckets, in the server's order.
    pub buckets: Vec<Bucket>,
    /// The `continuation` of the next page, if there is one.
    pub next: Option<String>,
}

/// A bucket in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name: 1 to 255 bytes, without control characters.
    pub name: String,
    /// When it was made, as the server wrote it.
    pub created: Option<String>,
    /// Its region, where the server says so.
    pub region: Option<String>,
}

/// Asks in which region the bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBucketLocation;

impl Server {
    /// The server at an endpoint, or AWS in a region.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is no region's name.
    pub fn new(endpoint: Option<&Endpoint>, region: &str) -> Result<Self, Error> {
        Ok(Self::at(endpoint, checked_region(region)?))
    }

    /// The server that a store is on.
    pub fn of(store: &S3Store) -> Self {
        Self::at(store.endpoint(), store.region().to_owned())
    }

    fn at(endpoint: Option<&Endpoint>, region: String) -> Self {
        let url = match endpoint {
            Some(endpoint) => endpoint.to_string(),
            None => format!("https://{}", aws_host(&region)),
        };
        Self { url, region }
    }

    /// The region requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// How messages name it.
    pub(super) fn name(&self) -> &str {
        &self.url
    }
}

impl ListBuckets {
    /// What it counts as.
    pub fn billing_kind(&self) -> RequestKind {
        RequestKind::List
    }

    /// The request, signed in its headers for `unix_ms` if there are credentials.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the number breaks its limit; [`ErrorKind::ClockSkew`] past the year 9999.
    pub fn request(
        &self,
        server: &Server,
        credentials: Option<&Credentials>,
        unix_ms: u64,
    ) -> Result<HttpRequest, Error> {
        let mut request = self.unsigned(server)?;
        if let Some(credentials) = credentials {
            sign::sign(&mut request, credentials, &server.region, unix_ms)?;
        }
        Ok(request)
    }

    /// The request, signed in its URL from `unix_ms` on.
    ///
    /// # Errors
    /// As [`presign()`](presign::presign).
    pub fn presign(
        &self,
        server: &Server,
        credentials: &Credentials,
        unix_ms: u64,
        terms: &Terms,
    ) -> Result<HttpRequest, Error> {
        presign::presign(&self.unsigned(server)?, &server.region, credentials, unix_ms, terms)
    }

    /// Reads the response to its request.
    ///
    /// # Errors
    /// A [`Failure`] for every response that is no answer: refusals, and what no S3 server would say.
    pub fn interpret(&self, server: &Server, response: &Response) -> Result<BucketsPage, Failure> {
        let asked = Asked {
            place: Place::Server(server),
            method: Method::Get,
            object: None,
            other_form: OtherForm::None,
            is_of_bucket: false,
        };
        match response.status {
            200 => self.page(&response.body).map_err(|refusal| not_s3(&asked, refusal)),
            _ => Err(no_answer(&asked, response)),
        }
    }

    fn unsigned(&self, server: &Server) -> Result<HttpRequest, Error> {
        let mut parameters = Vec::new();
        if let Some(max) = self.max_buckets {
            if !(1..=10_000).contains(&max) {
                return Err(Error::new(ErrorKind::Invalid, "a listing asks for no or more than 10,000 buckets"));
            }
            parameters.push(("max-buckets", max.to_string()));
        }
        if let Some(token) = &self.continuation {
            parameters.push(("continuation-token", token.clone()));
        }
        let url = with_parameters(format!("{}/", server.url), parameters);
        let mut request = HttpRequest::new(Method::Get, url);
        request.max_response_bytes = LIST_BODY_BYTES_MAX;
        Ok(request)
    }

    fn page(&self, body: &[u8]) -> Result<BucketsPage, Refusal> {
        check_len(body)?;
        let mut buckets: Vec<Bucket> = Vec::new();
        let (mut name, mut created, mut region, mut token) = (None, None, None, None);
        xml::read(body, |path, text| match path {
            "ListAllMyBucketsResult/Buckets/Bucket/Name" => xml::set(&mut name, text),
            "ListAllMyBucketsResult/Buckets/Bucket/CreationDate" => xml::set(&mut created, text),
            "ListAllMyBucketsResult/Buckets/Bucket/BucketRegion" => xml::set(&mut region, text),
            "ListAllMyBucketsResult/Buckets/Bucket" if buckets.len() == ENTRIES_MAX => {
                Err("lists more than 10,000 buckets")
            }
            "ListAllMyBucketsResult/Buckets/Bucket" => {
                let good = |name: &String| {
                    (1..=BUCKET_NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
                };
                let name = name.take().filter(good).ok_or("lacks a bucket's name")?;
                let region = region.take().and_then(|region: String| checked_region(&region).ok());
                buckets.push(Bucket { name, created: possible_time(created.take()), region });
                Ok(())
            }
            // Here, unlike in other listings, this is the next page's.
            "ListAllMyBucketsResult/ContinuationToken" => xml::set(&mut token, text),
            "ListAllMyBucketsResult" => Ok(()),
            path if path.starts_with("ListAllMyBucketsResult/") => Ok(()),
            _ => Err("is no ListAllMyBucketsResult"),
        })?;
        Ok(BucketsPage { buckets, next: next_token(self.continuation.as_deref(), None, token)? })
    }
}

impl Action for GetBucketLocation {
    /// The region's name.
    type Answer = String;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::Get
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        Ok(HttpRequest::new(Method::Get, store.bucket_url(vec![("location", String::new())])))
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<String, Failure> {
        let asked = Asked { is_of_bucket: true, ..Asked::bucket(store, Method::Get) };
        match response.status {
            200 => location(&response.body).map_err(|refusal| not_s3(&asked, refusal)),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

fn location(body: &[u8]) -> Result<String, Refusal> {
    let mut region = String::new();
    xml::read(body, |path, text| match path {
        "LocationConstraint" => {
            region = text;
            Ok(())
        }
        _ => Err("is no LocationConstraint"),
    })?;
    match region.trim() {
        // AWS's first region has no name here, and the second an old one.
        "" => Ok(REGION_DEFAULT.to_owned()),
        "EU" => Ok("eu-west-1".to_owned()),
        region => checked_region(region).map_err(|_| "has a malformed region"),
    }
}
