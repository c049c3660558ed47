//! Pages of a listing with S3's delimiters, for ListObjectsV2 and its predecessor.

use s3s::dto;
use tidelock::folder::{Entry, Fault, Folder, PAGE_ENTRIES_MAX};

/// A page: objects, the common beginnings of others, and where the next page begins.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Entry>,
    pub(super) common_prefixes: Vec<String>,
    /// The last key or common prefix of this page, if there is a next one.
    pub(super) next: Option<String>,
}

/// At most `max` keys and common prefixes after `start_after`. The keys that share a beginning up to a delimiter behind
/// `prefix` count as one; after that beginning, they are all passed over.
pub(super) fn page(
    folder: &Folder,
    prefix: &str,
    delimiter: Option<&str>,
    start_after: &str,
    max: usize,
) -> Result<Page, Fault> {
    let mut page = Page::default();
    let mut last = start_after.to_owned();
    let mut after = start_after.to_owned();
    if max == 0 {
        return Ok(page);
    }
    loop {
        let listing = folder.list(prefix, &after, PAGE_ENTRIES_MAX as usize)?;
        for entry in listing.entries {
            after.clone_from(&entry.key);
            let common = common_prefix(&entry.key, prefix, delimiter).map(str::to_owned);
            if common.as_ref() == Some(&last) {
                continue;
            }
            if page.objects.len() + page.common_prefixes.len() == max {
                page.next = Some(last);
                return Ok(page);
            }
            last = common.clone().unwrap_or_else(|| entry.key.clone());
            match common {
                Some(common) => page.common_prefixes.push(common),
                None => page.objects.push(entry),
            }
        }
        if !listing.truncated {
            return Ok(page);
        }
    }
}

fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

impl Page {
    pub(super) fn len(&self) -> i32 {
        i32::try_from(self.objects.len() + self.common_prefixes.len()).expect("a page has at most a thousand")
    }

    /// As the protocol crate writes it, with `name` to encode keys.
    pub(super) fn contents(&self, name: impl Fn(&str) -> String) -> Vec<dto::Object> {
        let object = |entry: &Entry| dto::Object {
            key: Some(name(&entry.key)),
            size: i64::try_from(entry.meta.size).ok(),
            e_tag: Some(super::forms::etag(&entry.meta)),
            last_modified: Some(super::forms::timestamp(&entry.meta)),
            storage_class: Some(dto::ObjectStorageClass::from_static(dto::ObjectStorageClass::STANDARD)),
            ..Default::default()
        };
        self.objects.iter().map(object).collect()
    }

    pub(super) fn common(&self, name: impl Fn(&str) -> String) -> Vec<dto::CommonPrefix> {
        self.common_prefixes.iter().map(|prefix| dto::CommonPrefix { prefix: Some(name(prefix)) }).collect()
    }
}
