//! A bucket's back door: what a provider, an intruder or an accident can do to the objects of a vault.

use crate::wire::Wire;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidelock::{Credentials, StoreUri};
use tidelock_core::s3::{Action, Answer, Call, Condition, EtagQuoting, Failure, Retry};

/// Calls of a server that asks for patience: more than any needs here.
const TRIES_MAX: u32 = 40;

/// The objects at a place, by plain S3 requests (to a folder: by the same requests on the folder).
pub struct Bucket {
    store: StoreUri,
    credentials: Option<Credentials>,
    wire: Wire,
}

impl Bucket {
    /// The back door of the place at an address.
    ///
    /// # Panics
    /// If it is no store's address.
    pub fn new(uri: &str, credentials: Option<Credentials>) -> Self {
        let store: StoreUri = uri.parse().expect("the place's address");
        let wire = Wire::new(&store);
        Self { store, credentials, wire }
    }

    /// All keys, sorted.
    pub fn keys(&self) -> Vec<String> {
        let by_v2 = |continuation| Call::ListObjectsV2 {
            prefix: String::new(),
            continuation,
            start_after: None,
            max_keys: 1000,
        };
        let by_v1 = |marker| Call::ListObjects { prefix: String::new(), marker, max_keys: 1000 };
        let mut keys = match self.list(by_v2) {
            Err(failure) if matches!(failure.retry, Retry::ListV1 | Retry::BackoffThenListV1 { .. }) => {
                self.list(by_v1)
            }
            keys => keys,
        }
        .unwrap_or_else(|failure| panic!("a listing: {}", failure.error));
        keys.sort();
        keys
    }

    fn list(&self, page_after: impl Fn(Option<String>) -> Call) -> Result<Vec<String>, Failure> {
        let mut keys = Vec::new();
        let mut next = None;
        loop {
            let Answer::Listed { entries, next: after } = self.try_call(&page_after(next))? else { panic!("a page") };
            keys.extend(entries.into_iter().map(|entry| entry.key));
            next = after;
            if next.is_none() {
                return Ok(keys);
            }
        }
    }

    /// The keys with this part between their slashes, such as `segments`.
    pub fn keys_of(&self, part: &str) -> Vec<String> {
        self.keys().into_iter().filter(|key| key.split('/').any(|other| other == part)).collect()
    }

    /// An object's content.
    pub fn get(&self, key: &str) -> Bytes {
        let call =
            Call::GetObject { key: key.to_owned(), if_none_match: None, range: None, body_max: u64::from(u32::MAX) };
        match self.call(&call) {
            Answer::Object { body, .. } => body,
            other => panic!("{key}: {other:?}"),
        }
    }

    /// Everything.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.keys().into_iter().map(|key| (key.clone(), self.get(&key))).collect()
    }

    /// Writes an object over what is there.
    pub fn put(&self, key: &str, body: impl Into<Bytes>) {
        let call = Call::PutObject { key: key.to_owned(), body: body.into(), condition: Condition::Always };
        assert!(matches!(self.call(&call), Answer::Stored { .. }));
    }

    /// Deletes an object.
    pub fn delete(&self, key: &str) {
        assert_eq!(self.call(&Call::DeleteObject { key: key.to_owned() }), Answer::Deleted);
    }

    /// Deletes everything.
    pub fn wipe(&self) {
        self.keys().iter().for_each(|key| self.delete(key));
    }

    /// Turns one bit of an object.
    pub fn corrupt(&self, key: &str) {
        let mut body = self.get(key).to_vec();
        let middle = body.len() / 2;
        body[middle] ^= 1;
        self.put(key, body);
    }

    /// Makes a call, and again where the server asks for patience, or for ETags without quotes.
    ///
    /// # Errors
    /// The call's.
    pub fn try_call(&self, call: &Call) -> Result<Answer, Failure> {
        let mut quoting = EtagQuoting::Quoted;
        let mut outcome = self.try_once(call, quoting);
        for _ in 1..TRIES_MAX {
            match &outcome {
                Err(Failure { retry: Retry::Backoff { retry_after_ms }, .. }) => {
                    std::thread::sleep(Duration::from_millis(retry_after_ms.unwrap_or(100)));
                }
                Err(Failure { retry: Retry::Unquoted, .. }) if quoting == EtagQuoting::Quoted => {
                    quoting = EtagQuoting::Unquoted;
                }
                _ => break,
            }
            outcome = self.try_once(call, quoting);
        }
        outcome
    }

    /// Makes a call once, with its ETag in quotes or not.
    ///
    /// # Errors
    /// The call's.
    pub fn try_once(&self, call: &Call, quoting: EtagQuoting) -> Result<Answer, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let request = call
            .request(&self.store, self.credentials.as_ref(), now.as_millis() as u64, quoting)
            .expect("a valid call");
        let response = self.wire.send(&request).expect("an answer");
        call.interpret(&self.store, &response)
    }

    fn call(&self, call: &Call) -> Answer {
        self.try_call(call).unwrap_or_else(|failure| panic!("{call:?}: {}", failure.error))
    }
}
