//! The self-test: tries on the store what a signed URL must not allow, as two users who don't exist, and takes its objects away
//! again. Some servers carry out `x-amz-…` headers that no signature binds: MinIO copies, Ceph copies and publishes.

use crate::question::Question;
use crate::{Settings, signed_url, unix_ms};
use axum::http::{Method, StatusCode};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use tidelock_core::s3::StoreUri;

/// How long a store may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const SECRET: &str = "a secret of another user";
/// Where a PUT's headers may say so, anybody reads the object.
const PUBLIC: (&str, &str) = ("x-amz-acl", "public-read");

/// What somebody with a signed URL can do beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// Copy another user's object by a signed PUT.
    Copy,
    /// The same by a signed part of an upload.
    CopyInParts,
    /// Make what they write readable for everybody.
    Publish,
    /// The same by an upload in parts.
    PublishInParts,
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copy => "a signed PUT with an unsigned x-amz-copy-source copies another user's object",
            Self::CopyInParts => {
                "a signed part of an upload with an unsigned x-amz-copy-source copies another user's object"
            }
            Self::Publish => "a signed PUT with an unsigned x-amz-acl makes the object readable for everybody",
            Self::PublishInParts => {
                "a signed upload in parts with an unsigned x-amz-acl makes the object readable for everybody"
            }
        })
    }
}

/// What a store allows beyond what these settings sign.
///
/// # Errors
/// A sentence, if it can't be found out: the store is not reached, or refuses what is signed.
pub async fn check(settings: &Settings) -> Result<Vec<Hole>, String> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| format!("no HTTP client can be made: {error}"))?;
    let run = getrandom::u64().map_err(|error| format!("the system gives no random bytes: {error}"))?;
    let check = Check {
        settings,
        client,
        mallory: format!("tidelock-check-{run:016x}-a"),
        bob: format!("tidelock-check-{run:016x}-b"),
    };
    let found = check.holes().await;
    check.clean_up().await;
    found
}

struct Check<'a> {
    settings: &'a Settings,
    client: reqwest::Client,
    /// Tries it.
    mallory: String,
    /// Has the secret.
    bob: String,
}

/// The names of the objects that mallory may have made.
const NAMES: [&str; 5] = ["copy", "copy-with-body", "copy-in-parts", "public", "public-in-parts"];

impl Check<'_> {
    async fn holes(&self) -> Result<Vec<Hole>, String> {
        let secret = format!("users/{}/secret", self.bob);
        let put = self.send(&self.bob, Method::PUT, &secret, &[], SECRET, None).await?;
        if !put.status.is_success() {
            return Err(format!("the store refuses a signed PUT: status {}", put.status));
        }
        if self.read(&self.bob, &secret).await? != SECRET {
            return Err("the store refuses a signed GET of what was just written".to_owned());
        }
        let StoreUri::S3(store) = &self.settings.store else { return Err("a folder has no URLs to sign".to_owned()) };
        let source = format!("/{}/{secret}", store.bucket());
        let copies = ("x-amz-copy-source", source.as_str());

        let mut holes = Vec::new();
        for (name, body) in [("copy", ""), ("copy-with-body", SECRET.get(..4).unwrap_or_default())] {
            let key = self.key(name);
            self.send(&self.mallory, Method::PUT, &key, &[], body, Some(copies)).await?;
            if self.read(&self.mallory, &key).await? == SECRET && !holes.contains(&Hole::Copy) {
                holes.push(Hole::Copy);
            }
        }
        if self.settings.signs_parts {
            let key = self.key("copy-in-parts");
            self.upload(&key, None, Some(copies)).await?;
            if self.read(&self.mallory, &key).await? == SECRET {
                holes.push(Hole::CopyInParts);
            }
        }
        let key = self.key("public");
        self.send(&self.mallory, Method::PUT, &key, &[], "public", Some(PUBLIC)).await?;
        if self.is_public(&key).await? {
            holes.push(Hole::Publish);
        }
        if self.settings.signs_parts {
            let key = self.key("public-in-parts");
            self.upload(&key, Some(PUBLIC), None).await?;
            if self.is_public(&key).await? {
                holes.push(Hole::PublishInParts);
            }
        }
        Ok(holes)
    }

    /// An upload in one part, as far as the store goes along.
    async fn upload(
        &self,
        key: &str,
        at_begin: Option<(&str, &str)>,
        at_part: Option<(&str, &str)>,
    ) -> Result<(), String> {
        let begun = self.send(&self.mallory, Method::POST, key, &[("uploads", "")], "", at_begin).await?;
        let Some(upload) = element(&begun.body, "UploadId") else { return Ok(()) };
        let of_part = [("partNumber", "1"), ("uploadId", upload.as_str())];
        let body = if at_part.is_some() { "" } else { "public" };
        let part = self.send(&self.mallory, Method::PUT, key, &of_part, body, at_part).await?;
        let document = element(&part.body, "ETag").or(part.etag).map(|etag| {
            format!("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>")
        });
        let of_upload = [("uploadId", upload.as_str())];
        if let (true, Some(document)) = (part.status.is_success(), document) {
            self.send(&self.mallory, Method::POST, key, &of_upload, &document, None).await?;
        }
        // Of one that was completed there is nothing left to give up.
        self.send(&self.mallory, Method::DELETE, key, &of_upload, "", None).await?;
        Ok(())
    }

    async fn read(&self, user: &str, key: &str) -> Result<String, String> {
        let read = self.send(user, Method::GET, key, &[], "", None).await?;
        Ok(if read.status.is_success() { read.body } else { String::new() })
    }

    /// Whether it can be read without a signature.
    async fn is_public(&self, key: &str) -> Result<bool, String> {
        let url = self.signed(&self.mallory, &Method::GET, key, &[], 0)?;
        let url = url.split('?').next().unwrap_or_default();
        let answer = self.client.get(url).send().await.map_err(unreachable)?;
        Ok(answer.status().is_success())
    }

    async fn clean_up(&self) {
        let of_mallory = NAMES.map(|name| (&self.mallory, self.key(name)));
        for (user, key) in of_mallory.into_iter().chain([(&self.bob, format!("users/{}/secret", self.bob))]) {
            // What can't be deleted lies where no user is.
            let _ = self.send(user, Method::DELETE, &key, &[], "", None).await;
        }
    }

    fn key(&self, name: &str) -> String {
        format!("users/{}/{name}", self.mallory)
    }

    /// Sends what was signed for a user, with a header that was not.
    async fn send(
        &self,
        user: &str,
        method: Method,
        key: &str,
        query: &[(&str, &str)],
        body: &str,
        unsigned: Option<(&str, &str)>,
    ) -> Result<Answered, String> {
        let url = self.signed(user, &method, key, query, body.len() as u64)?;
        let has_body = matches!(method, Method::PUT | Method::POST);
        let mut sent = self.client.request(method, url);
        if has_body {
            sent = sent.body(body.to_owned()).header("content-length", body.len());
        }
        if let Some((name, value)) = unsigned {
            sent = sent.header(name, value);
        }
        let answer = sent.send().await.map_err(unreachable)?;
        let (status, etag) = (answer.status(), answer.headers().get("etag").cloned());
        let etag = etag.and_then(|etag| Some(etag.to_str().ok()?.to_owned()));
        Ok(Answered { status, etag, body: answer.text().await.map_err(unreachable)? })
    }
    /// The URL that a device of this user would be given.
    fn signed(
        &self,
        user: &str,
        method: &Method,
        key: &str,
        query: &[(&str, &str)],
        content_length: u64,
    ) -> Result<String, String> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (method, key) = (method.to_string(), key.to_owned());
        let question = Question { method, key, query, headers: BTreeMap::new(), content_length };
        signed_url(self.settings, user, &question, self.settings.expires_s, unix_ms())
            .map_err(|refusal| refusal.1)
            .map(|signed| signed.url)
    }
}

struct Answered {
    status: StatusCode,
    etag: Option<String>,
    body: String,
}

/// The text of an element in a store's short document.
fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    Some(rest.split_once('<')?.0.to_owned())
}

fn unreachable(error: reqwest::Error) -> String {
    format!("the store can't be asked: {}", error.without_url())
}
