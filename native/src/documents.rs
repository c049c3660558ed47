//! Documents: records whose fields merge one by one, as values of a program's own type.

use crate::{Change, Changes, Collection, Conflict, Document, Error, ErrorKind, KeyRange, Kind, Position, Vault};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::marker::PhantomData;
use tidelock_core::replica::split_document_key;

/// Documents fetched at once by [`DocumentEntries`].
const PAGE_DOCUMENTS: u32 = 256;
/// Conflicts read at once.
const PAGE_CONFLICTS: u32 = 100;

/// Documents of a vault: JSON objects under ids (1 to 256 bytes, no NUL), with at most 1,000 fields and 256 KiB each.
///
/// `T` is any type that serde writes as a JSON object; [`serde_json::Value`] takes every document. Devices that change
/// different fields of one document merge without a conflict. Where they change the same field, reads give the newer value
/// and the other is kept as a conflict of that field.
///
/// ```no_run
/// # async fn example(vault: tidelock::Vault) -> Result<(), tidelock::Error> {
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Visit {
///     place: String,
///     rating: Option<u32>,
/// }
/// let visits = vault.documents::<Visit>("visits");
/// visits.put("2026-05-01", &Visit { place: "Brest".into(), rating: None }).await?;
/// visits.patch("2026-05-01", &serde_json::json!({ "rating": 5 })).await?;
/// if let Some(visit) = visits.get("2026-05-01").await? {
///     println!("{}: {:?}", visit.value.place, visit.value.rating);
/// }
/// # Ok(()) }
/// ```
pub struct Documents<T> {
    vault: Vault,
    collection: Collection,
    values: PhantomData<fn() -> T>,
}

impl<T> Clone for Documents<T> {
    fn clone(&self) -> Self {
        Self { vault: self.vault.clone(), collection: self.collection.clone(), values: PhantomData }
    }
}

impl<T> std::fmt::Debug for Documents<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Documents").field("name", &self.collection.name).finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned> Documents<T> {
    pub(crate) fn new(vault: Vault, name: String) -> Self {
        Self { vault, collection: Collection::documents(name), values: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.collection.name
    }

    /// What stands of a document.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) where it does not fit `T`; else what the local store says.
    pub async fn get(&self, id: impl Into<String>) -> Result<Option<Document<T>>, Error> {
        let (collection, id) = (self.collection.clone(), id.into());
        self.vault.call(move |engine, _| engine.document(&collection, &id)).await?.map(typed).transpose()
    }

    /// Sets a whole document: all fields of it, and fields that stand here and that it lacks are removed. Durable on return.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for what is no JSON object or breaks a limit; else what the local store says.
    pub async fn put(&self, id: impl Into<String>, document: &T) -> Result<(), Error> {
        let change = Change::Put { collection: self.collection.clone(), key: id.into(), value: json(document)? };
        self.vault.write(vec![change]).await.map(drop)
    }

    /// Sets the fields that the patch has, and removes those that it has as null; the others stay as they are. What is within
    /// a field is not merged. A document that does not exist comes to exist. Durable on return.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn patch(&self, id: impl Into<String>, patch: &impl Serialize) -> Result<(), Error> {
        let change = Change::Patch { collection: self.collection.clone(), id: id.into(), patch: json(patch)? };
        self.vault.write(vec![change]).await.map(drop)
    }

    /// Removes what stands here of a document; one that is not there is no error.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn delete(&self, id: impl Into<String>) -> Result<(), Error> {
        let change = Change::Delete { collection: self.collection.clone(), key: id.into() };
        self.vault.write(vec![change]).await.map(drop)
    }

    /// The documents of a range of ids, by ascending id.
    pub fn list(&self, range: KeyRange) -> DocumentEntries<T> {
        DocumentEntries { documents: self.clone(), rest: Some(range), page: VecDeque::new() }
    }

    /// The fields with values that had not seen each other.
    ///
    /// # Errors
    /// What the local store says.
    pub async fn conflicts(&self) -> Result<Vec<FieldConflict>, Error> {
        let mut conflicts = Vec::new();
        let mut after: Option<Position> = None;
        loop {
            let page = self.vault.conflicts(after, PAGE_CONFLICTS).await?;
            let Some(last) = page.last() else { return Ok(conflicts) };
            after = Some(Position { collection: last.collection.clone(), key: last.key.clone() });
            let here = page.into_iter().filter(|conflict| conflict.collection == self.collection);
            conflicts.extend(here.filter_map(FieldConflict::of));
        }
    }

    /// Ends the conflict of a field with the value to keep, or with none.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) where no conflict stands; else as [`put`](Self::put).
    pub async fn resolve(
        &self,
        id: impl Into<String>,
        field: impl Into<String>,
        value: Option<&impl Serialize>,
    ) -> Result<(), Error> {
        let value = value.map(json).transpose()?;
        let (collection, id, field) = (self.collection.clone(), id.into(), field.into());
        self.vault.write(vec![Change::ResolveField { collection, id, field, value }]).await.map(drop)
    }

    /// Wakes whenever a sync or this vault changed it.
    pub fn changes(&self) -> Changes {
        Changes::of(&self.vault, self.collection.clone())
    }
}

/// A field of a document where writes that had not seen each other stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// The document.
    pub id: String,
    /// The field.
    pub field: String,
    /// The values as JSON; the one that counts first, then the others by falling stamp.
    pub versions: Vec<crate::Version>,
}

impl FieldConflict {
    /// `None` where the conflict is none of a document's field.
    pub fn of(conflict: Conflict) -> Option<Self> {
        let (id, field) = split_document_key(&conflict.key);
        let (id, field) = (id.to_owned(), field?.to_owned());
        (conflict.collection.kind == Kind::Documents).then_some(Self { id, field, versions: conflict.versions })
    }
}

/// The documents of a range, fetched page by page: what is written meanwhile may or may not be among them.
#[derive(Debug)]
pub struct DocumentEntries<T> {
    documents: Documents<T>,
    /// What was not fetched yet; `None` when all was.
    rest: Option<KeyRange>,
    page: VecDeque<Document>,
}

impl<T: Serialize + DeserializeOwned> DocumentEntries<T> {
    /// The next document, by ascending id. Dropping the future loses none.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) where it does not fit `T`: the next call goes on behind it. Else what the local store
    /// says; the next call tries again.
    pub async fn next(&mut self) -> Result<Option<Document<T>>, Error> {
        if self.page.is_empty()
            && let Some(range) = self.rest.clone()
        {
            let (collection, asked) = (self.documents.collection.clone(), range.clone());
            let page =
                self.documents.vault.call(move |engine, _| engine.documents(&collection, &asked, PAGE_DOCUMENTS));
            let page = page.await?;
            self.rest = after_documents(&page, range);
            self.page = page.into();
        }
        self.page.pop_front().map(typed).transpose()
    }

    /// All that follow, in memory.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Vec<Document<T>>, Error> {
        let mut all = Vec::new();
        while let Some(document) = self.next().await? {
            all.push(document);
        }
        Ok(all)
    }
}

/// What follows a page; nothing follows an empty one.
pub(crate) fn after_documents(page: &[Document], range: KeyRange) -> Option<KeyRange> {
    // An id has no NUL: this is behind the document and before every other.
    Some(KeyRange { start: format!("{}\0", page.last()?.id), end: range.end })
}

fn json(value: &impl Serialize) -> Result<Bytes, Error> {
    // The words of serde may have a value in them.
    let error = |_| Error::new(ErrorKind::Invalid, "the value can't be written as JSON");
    serde_json::to_vec(value).map(Bytes::from).map_err(error)
}

fn typed<T: DeserializeOwned>(document: Document) -> Result<Document<T>, Error> {
    let Document { id, value, stamp, device, conflicts, deleted_concurrently } = document;
    match serde_json::from_slice(&value) {
        Ok(value) => Ok(Document { id, value, stamp, device, conflicts, deleted_concurrently }),
        Err(error) => {
            let message =
                format!("the document does not fit the program's type, at byte {} of its JSON", error.column());
            let step = "read it as `serde_json::Value`, or make its fields optional";
            Err(Error::new(ErrorKind::Invalid, message).on(id).next_step(step))
        }
    }
}
