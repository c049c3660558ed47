//! Objects by prefix, page by page.

use super::driver::Driver;
use crate::{Error, StoreUri};
use std::collections::VecDeque;
use std::sync::Arc;
use tidelock_core::s3::{Failure, KEYS_PER_LIST_MAX, ListEntry, ListObjects, ListObjectsV2, ObjectsPage, Retry};

/// Objects of a listing, fetched a page at a time.
pub struct Listing {
    driver: Arc<Driver>,
    prefix: String,
    delimiter: Option<String>,
    /// How many may still be asked for.
    left: u64,
    rest: Rest,
    page: VecDeque<Listed>,
    /// The greatest name fetched so far.
    last: Option<String>,
    encoding: Encoding,
}

/// What was not fetched yet.
#[derive(Clone)]
enum Rest {
    /// By version 2, with this token.
    V2(Option<String>),
    /// By version 1, with this marker.
    V1(Option<String>),
    Nothing,
}

/// Whether the server encodes keys where it says so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Unknown,
    Done,
    OnlyClaimed,
}

/// What a listing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// An object.
    Object(ListEntry),
    /// What other keys were rolled up into; it ends with the delimiter.
    Prefix(String),
}

impl Listed {
    /// Key or prefix. Whoever may write to the bucket chose it.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(entry) => &entry.key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

impl Listing {
    pub(super) fn new(driver: Arc<Driver>, prefix: &str, delimiter: Option<&str>, limit: u64) -> Self {
        Self {
            driver,
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            left: limit,
            rest: Rest::V2(None),
            page: VecDeque::new(),
            last: None,
            encoding: Encoding::Unknown,
        }
    }

    /// The next object or prefix; by ascending name where the server lists so, as S3 does. Dropping the future loses none.
    ///
    /// # Errors
    /// What the store says; the next call tries again.
    pub async fn next(&mut self) -> Result<Option<Listed>, Error> {
        // A page may be empty and yet not the last.
        while self.page.is_empty() && self.left > 0 && !matches!(self.rest, Rest::Nothing) {
            self.fetch().await?;
        }
        if self.left == 0 {
            return Ok(None);
        }
        let next = self.page.pop_front();
        self.left -= u64::from(next.is_some());
        Ok(next)
    }

    async fn fetch(&mut self) -> Result<(), Error> {
        let is_v1 = matches!(self.rest, Rest::V1(_));
        let page = match self.ask(self.encoding != Encoding::OnlyClaimed).await {
            Ok(page) => self.proven(page).await,
            // From where the second version stopped.
            Err(failure) if matches!(failure.retry, Retry::ListV1 | Retry::BackoffThenListV1 { .. }) && !is_v1 => {
                self.rest = Rest::V1(self.last.as_ref().map(|last| full_name(&self.driver.store(), last)));
                return Ok(());
            }
            Err(failure) => return Err(failure.error),
        };
        self.rest = match page.next {
            None => Rest::Nothing,
            next if is_v1 => Rest::V1(next),
            next => Rest::V2(next),
        };
        let mut all: Vec<Listed> = page.objects.into_iter().map(Listed::Object).collect();
        all.extend(page.prefixes.into_iter().map(Listed::Prefix));
        all.sort_by(|a, b| a.name().cmp(b.name()));
        self.last = all.last().map(|last| last.name().to_owned()).or(self.last.take());
        self.page = all.into();
        Ok(())
    }

    /// The next page.
    async fn ask(&self, encoded: bool) -> Result<ObjectsPage, Failure> {
        let max_keys = self.left.min(u64::from(KEYS_PER_LIST_MAX)) as u32;
        let (prefix, delimiter) = (self.prefix.clone(), self.delimiter.clone());
        match self.rest.clone() {
            Rest::Nothing => Ok(ObjectsPage { objects: vec![], prefixes: vec![], next: None, is_unproven: false }),
            Rest::V1(marker) => self.driver.call(&ListObjects { prefix, delimiter, marker, max_keys, encoded }).await,
            Rest::V2(continuation) => {
                self.driver.call(&ListObjectsV2 { prefix, delimiter, continuation, max_keys, encoded }).await
            }
        }
    }

    /// The page with its keys as they are. The first one that doesn't show whether they are encoded is asked for once more,
    /// as they are; where XML can't hold that, they are encoded.
    async fn proven(&mut self, page: ObjectsPage) -> ObjectsPage {
        if !page.is_unproven || self.encoding != Encoding::Unknown {
            return page;
        }
        match self.ask(false).await {
            Ok(plain) if !has_names_of(&plain, &page) => {
                self.encoding = Encoding::OnlyClaimed;
                plain
            }
            _ => {
                self.encoding = Encoding::Done;
                page
            }
        }
    }
}

fn has_names_of(page: &ObjectsPage, other: &ObjectsPage) -> bool {
    let keys = |page: &ObjectsPage| page.objects.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
    keys(page) == keys(other) && page.prefixes == other.prefixes
}

/// A name as the server knows it, with the store's prefix before it.
fn full_name(store: &StoreUri, name: &str) -> String {
    match store {
        StoreUri::S3(s3) if !s3.prefix().is_empty() => format!("{}/{name}", s3.prefix()),
        _ => name.to_owned(),
    }
}
