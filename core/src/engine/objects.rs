//! Sealed objects by their place: names, sealing, and reads that refuse all bad data alike.

use super::head::Identity;
use super::shared::{Shared, never};
use crate::crypto::{self, ObjectKind, Place};
use crate::replica::{MANIFEST_SEALED_BYTES_MAX, ObjectRef};
use crate::s3::{Answer, Call, Condition, ETag, Failure, ListEntry, Retry};
use crate::{DeviceId, EpochId, Error, ErrorKind, Hash, ObjectId, SpaceId};
use bytes::Bytes;

/// The header's place: format and vault id, in clear, written once.
pub(crate) const HEADER: &str = "tidelock";
/// The most bytes of a sealed segment or chunk that a reader takes.
pub(super) const OBJECT_BYTES_MAX: u64 = 16 << 20;

pub(super) fn beacon_path(space: SpaceId) -> String {
    format!("spaces/{space}/beacon")
}

/// Whether the object with this key is read again and again.
pub(super) fn is_polled(key: &str) -> bool {
    key.ends_with("/beacon")
}

pub(super) fn manifests_prefix(space: SpaceId) -> String {
    format!("spaces/{space}/manifests/")
}

pub(super) fn manifest_path(space: SpaceId, device: DeviceId) -> String {
    format!("spaces/{space}/manifests/{device}")
}

pub(super) fn segment_path(space: SpaceId, device: DeviceId, id: ObjectId) -> String {
    format!("spaces/{space}/segments/{device}/{id}")
}

pub(super) fn snapshot_path(space: SpaceId, id: ObjectId) -> String {
    format!("spaces/{space}/snapshots/{id}")
}

/// What a GET found.
pub(super) enum Found {
    Unchanged,
    Nothing,
    Bytes { bytes: Bytes, etag: Option<ETag> },
}

/// An object that was read and opened, or why it does not count. The two last are one to whoever waits for it.
pub(super) enum Opened {
    Plain { plaintext: Vec<u8>, etag: Option<ETag>, epoch: EpochId },
    Missing,
    Bad(Error),
}

impl Shared {
    pub(super) async fn get(&self, path: &str, known: Option<ETag>, body_max: u64) -> Result<Found, Failure> {
        let call = Call::GetObject { key: path.to_owned(), if_none_match: known, range: None, body_max };
        match self.call(&call).await? {
            Answer::NotModified => Ok(Found::Unchanged),
            Answer::Object { body, etag, .. } => Ok(Found::Bytes { bytes: body, etag }),
            _ => Ok(Found::Nothing),
        }
    }

    /// Reads and opens an object that may be overwritten: a manifest.
    pub(super) async fn get_sealed(&self, path: &str, kind: ObjectKind) -> Result<Opened, Error> {
        match self.get(path, None, MANIFEST_SEALED_BYTES_MAX).await {
            Ok(Found::Bytes { bytes, etag }) => Ok(match self.open(path, kind, &bytes, MANIFEST_SEALED_BYTES_MAX) {
                Ok((plaintext, epoch)) => Opened::Plain { plaintext, etag, epoch },
                Err(error) => {
                    if weakened!(DamageReadTwice) && crypto::epoch_of(&bytes).is_ok() {
                        let _ = self.get(path, None, MANIFEST_SEALED_BYTES_MAX).await;
                    }
                    Opened::Bad(error)
                }
            }),
            Ok(Found::Unchanged | Found::Nothing) => Ok(Opened::Missing),
            Err(failure) if is_bad_data(&failure.error) => Ok(Opened::Bad(failure.error)),
            Err(failure) => Err(failure.error),
        }
    }

    /// Reads and opens an immutable object: its sealed bytes must have the named hash.
    pub(super) async fn get_named(&self, path: &str, kind: ObjectKind, named: &ObjectRef) -> Result<Opened, Error> {
        if named.len > OBJECT_BYTES_MAX {
            return Ok(Opened::Bad(
                Error::new(ErrorKind::Corrupt, "an object is named with an impossible length").on(path),
            ));
        }
        match self.get(path, None, named.len).await {
            Ok(Found::Bytes { bytes, etag }) => {
                let is_named = bytes.len() as u64 == named.len && Hash::of(&bytes) == named.hash;
                if !is_named && !weakened!(NamedHashIgnored) {
                    let error = Error::new(ErrorKind::HashMismatch, "an object is not the one that was named").on(path);
                    return Ok(Opened::Bad(error));
                }
                Ok(match self.open(path, kind, &bytes, OBJECT_BYTES_MAX) {
                    Ok((plaintext, epoch)) => Opened::Plain { plaintext, etag, epoch },
                    Err(error) => Opened::Bad(error),
                })
            }
            Ok(Found::Unchanged | Found::Nothing) => Ok(Opened::Missing),
            Err(failure) if is_bad_data(&failure.error) => Ok(Opened::Bad(failure.error)),
            Err(failure) => Err(failure.error),
        }
    }

    /// A read that failed, as far as it is of that object alone, counts as bad data: the others are not held up. Called for
    /// one read after the other, so that a store which fails at many is asked once at a time.
    pub(super) async fn spare<T>(&self, read: Result<Result<T, Error>, Error>) -> Result<Result<T, Error>, Error> {
        match read {
            Err(error) if self.refuses_only(&error).await => Ok(Err(error)),
            read => read,
        }
    }

    /// Whether the store fails at one object alone: it still answers for the beacon, which every poll reads. What ran out of
    /// time is no such failure: on a slow network small objects come and large ones don't.
    async fn refuses_only(&self, error: &Error) -> bool {
        if !matches!(error.kind(), ErrorKind::Auth | ErrorKind::Network) {
            return false;
        }
        let beacon = self.read(|state| {
            let space = state.head.identity.as_ref().map(|identity| identity.space)?;
            Some((beacon_path(space), state.head.bucket.beacon_etag.clone().and_then(ETag::new)))
        });
        match beacon {
            Some((path, known)) => self.get(&path, known, MANIFEST_SEALED_BYTES_MAX).await.is_ok(),
            None => false,
        }
    }

    /// Opens sealed bytes found at a path; says which epoch's key did.
    pub(super) fn open(
        &self,
        path: &str,
        kind: ObjectKind,
        sealed: &[u8],
        max: u64,
    ) -> Result<(Vec<u8>, EpochId), Error> {
        let identity = self.read(|state| state.head.identity().cloned())?;
        if let Ok(epoch) = crypto::epoch_of(sealed)
            && identity.keys.root_secret(epoch).is_none()
        {
            self.lock().unknown_epoch = Some(epoch);
        }
        open(&identity, path, kind, sealed, max)
    }

    /// Seals a plaintext for its place, under the current epoch.
    pub(super) fn seal(&self, path: &str, kind: ObjectKind, plaintext: &[u8]) -> Result<Bytes, Error> {
        let mut state = self.lock();
        let identity = state.head.identity()?.clone();
        let epoch = identity.keys.current();
        let place = Place { vault: identity.vault, kind, epoch, path };
        let key = identity
            .keys
            .content_key(epoch, identity.space)
            .ok_or_else(|| super::state::internal("no key for its own epoch"))?;
        let salt = identity.secret.salt(&mut *state.entropy, &place, plaintext);
        Ok(Bytes::from(crypto::seal(&key, &place, &salt, plaintext)))
    }

    /// PUTs an object whose name is new: nobody else writes there, and a retry writes the same bytes.
    pub(super) async fn put_new(&self, path: &str, sealed: Bytes) -> Result<(), Error> {
        self.put(path, sealed, Condition::Always).await.map(|_| ())
    }

    pub(super) async fn put(&self, path: &str, sealed: Bytes, condition: Condition) -> Result<Answer, Error> {
        self.call(&Call::PutObject { key: path.to_owned(), body: sealed, condition })
            .await
            .map_err(|failure| failure.error)
    }

    /// The first entries of a listing.
    pub(super) async fn list_first(&self, prefix: &str, max_keys: u32) -> Result<Vec<ListEntry>, Error> {
        let page = match self.list_page(prefix, None, false, max_keys).await {
            Err(failure) if matches!(failure.retry, Retry::ListV1 | Retry::BackoffThenListV1 { .. }) => {
                let by_v1 = self.list_page(prefix, None, true, max_keys).await;
                if failure.error.is_retryable() { by_v1.map_err(|_| failure) } else { by_v1 }
            }
            page => page,
        };
        page.map(|(entries, _)| entries).map_err(|failure| failure.error)
    }

    async fn list_page(
        &self,
        prefix: &str,
        continuation: Option<String>,
        by_v1: bool,
        max_keys: u32,
    ) -> Result<(Vec<ListEntry>, Option<String>), Failure> {
        let prefix = prefix.to_owned();
        let call = match by_v1 {
            false => Call::ListObjectsV2 { prefix, continuation, start_after: None, max_keys },
            true => Call::ListObjects { prefix, marker: continuation, max_keys },
        };
        match self.call(&call).await? {
            Answer::Listed { entries, next } => Ok((entries, next)),
            _ => Err(never(super::state::internal("a listing was answered with something else"))),
        }
    }

    /// All entries of a listing; by the request's first version where the server knows no other.
    pub(super) async fn list_all(&self, prefix: &str) -> Result<Vec<ListEntry>, Error> {
        let mut all = Vec::new();
        let mut bytes = 0;
        let mut continuation = None;
        let mut by_v1 = false;
        let mut before = None;
        for pages in 0..LIST_PAGES_MAX {
            if pages > SHORT_PAGES_MAX + all.len() / KEYS_PER_PAGE_MIN && !weakened!(ListingUnbounded) {
                break;
            }
            let (entries, next) = match self.list_page(prefix, continuation, by_v1, LIST_PAGE_KEYS).await {
                Ok(page) => page,
                Err(failure) if matches!(failure.retry, Retry::ListV1 | Retry::BackoffThenListV1 { .. }) => {
                    (all, bytes, continuation, by_v1) = (Vec::new(), 0, None, true);
                    before = failure.error.is_retryable().then_some(failure.error);
                    continue;
                }
                // A server that knows the second version alone has said already what is wrong.
                Err(failure) => return Err(before.unwrap_or(failure.error)),
            };
            bytes += entries.iter().map(|entry| entry.key.len() + LISTED_ENTRY_BYTES).sum::<usize>();
            if bytes > LISTED_BYTES_MAX && !weakened!(ListingUnbounded) {
                break;
            }
            all.extend(entries);
            continuation = next;
            if continuation.is_none() {
                return Ok(all);
            }
        }
        Err(Error::new(ErrorKind::Corrupt, "a listing has no end")
            .on(prefix)
            .next_step("check the store: this is no valid answer"))
    }
}

/// Entries of one page.
const LIST_PAGE_KEYS: u32 = 1_000;
/// More pages come from a broken server alone: a thousand pages of a hundred keys hold more than `LISTED_BYTES_MAX`.
const LIST_PAGES_MAX: usize = 1_000;
/// So many pages may be empty or nearly so: some servers count deleted objects as keys of a page.
const SHORT_PAGES_MAX: usize = 20;
/// What the pages beyond those hold on the average. Without this a server answers empty pages with new tokens for ever.
const KEYS_PER_PAGE_MIN: usize = 100;
/// Memory that a whole listing may take: some 60,000 objects, where a vault of 10⁶ records has 2,000.
const LISTED_BYTES_MAX: usize = 16 << 20;
/// What an entry takes beside its key: ETag, time, and the entry itself.
const LISTED_ENTRY_BYTES: usize = 160;

/// An answer that is too long is bad data like any other, and an archived object as good as none; what the network did is
/// neither.
fn is_bad_data(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::HashMismatch | ErrorKind::NotFound)
}

/// Opens sealed bytes found at a path, with the key of the epoch that they name.
pub(super) fn open(
    identity: &Identity,
    path: &str,
    kind: ObjectKind,
    sealed: &[u8],
    max: u64,
) -> Result<(Vec<u8>, EpochId), Error> {
    let bad = || {
        Error::new(ErrorKind::Corrupt, "an object does not open: damaged, tampered with, or of another vault").on(path)
    };
    let epoch = crypto::epoch_of(sealed).map_err(|_| bad())?;
    let key = identity.keys.content_key(epoch, identity.space).ok_or_else(bad)?;
    let place = Place { vault: identity.vault, kind, epoch, path };
    Ok((crypto::open(&key, &place, sealed, max).map_err(|_| bad())?, epoch))
}
