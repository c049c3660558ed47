//! The S3 dialect: store addresses, request builders, signing, bounded answer parsers, error meanings.
//!
//! A [`Call`] says what is wanted; [`Call::request`] turns it into one signed HTTP request, complete data for any
//! transport; [`Call::interpret`] reads the whole answer. Stores in a folder take the same path, unsigned, with `file:`
//! URLs. Keys are relative to the store's prefix everywhere: the builder adds it, the parsers strip it.

mod answer;
mod call;
mod credentials;
mod date;
mod delete;
mod endpoint;
mod etag;
mod failure;
mod list;
mod probe;
mod retry;
mod sign;
mod uri;
mod xml;

pub use answer::{Answer, Response};
pub use call::{Call, Condition, HttpRequest, KEYS_PER_DELETE_MAX, KEYS_PER_LIST_MAX, Method, RequestKind};
pub use credentials::Credentials;
pub(crate) use date::http_date_unix_ms;
pub use endpoint::Endpoint;
pub use etag::{ETag, EtagQuoting};
pub use failure::{Failure, Retry};
pub use list::ListEntry;
pub use probe::{Enforcement, Probe};
pub use retry::{Backoff, RetryBudget};
pub use uri::{FolderStore, KEY_BYTES_MAX, PREFIX_BYTES_MAX, S3Store, StoreUri, URI_BYTES_MAX};
