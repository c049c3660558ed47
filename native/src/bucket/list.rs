//! Objects by prefix, page by page.

use super::driver::Driver;
use crate::Error;
use std::collections::VecDeque;
use std::sync::Arc;
use tidelock_core::s3::{KEYS_PER_LIST_MAX, ListEntry, ListObjects, ListObjectsV2, ObjectsPage, Retry};

/// Objects of a listing, fetched a page at a time.
pub struct Listing {
    driver: Arc<Driver>,
    prefix: String,
    delimiter: Option<String>,
    /// How many may still be asked for.
    left: u64,
    rest: Rest,
    page: VecDeque<Listed>,
}

/// What was not fetched yet.
enum Rest {
    All,
    /// By version 2, with this token.
    After(String),
    /// By version 1, with this marker.
    V1(Option<String>),
    Nothing,
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
            rest: Rest::All,
            page: VecDeque::new(),
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
        let max_keys = self.left.min(u64::from(KEYS_PER_LIST_MAX)) as u32;
        let (prefix, delimiter) = (self.prefix.clone(), self.delimiter.clone());
        let (page, is_v1) = match &self.rest {
            Rest::Nothing => return Ok(()),
            Rest::V1(marker) => {
                let list = ListObjects { prefix, delimiter, marker: marker.clone(), max_keys };
                (self.driver.call(&list).await, true)
            }
            Rest::All => {
                let list = ListObjectsV2 { prefix, delimiter, continuation: None, max_keys };
                (self.driver.call(&list).await, false)
            }
            Rest::After(token) => {
                let list = ListObjectsV2 { prefix, delimiter, continuation: Some(token.clone()), max_keys };
                (self.driver.call(&list).await, false)
            }
        };
        let ObjectsPage { objects, prefixes, next } = match page {
            Ok(page) => page,
            Err(failure) if failure.retry == Retry::ListV1 && matches!(self.rest, Rest::All) => {
                self.rest = Rest::V1(None);
                return Ok(());
            }
            Err(failure) => return Err(failure.error),
        };
        let mut all: Vec<Listed> = objects.into_iter().map(Listed::Object).collect();
        all.extend(prefixes.into_iter().map(Listed::Prefix));
        all.sort_by(|a, b| a.name().cmp(b.name()));
        self.page = all.into();
        self.rest = match next {
            None => Rest::Nothing,
            next if is_v1 => Rest::V1(next),
            Some(token) => Rest::After(token),
        };
        Ok(())
    }
}
