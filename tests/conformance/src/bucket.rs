//! A bucket's back door: what a provider, an intruder or an accident can do to the objects of a vault.

use crate::wire::Wire;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock::{Credentials, StoreUri};
use tidelock_core::s3::{Answer, Call, Condition, EtagQuoting};

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
        let mut keys = Vec::new();
        let mut continuation = None;
        loop {
            let call = Call::ListObjectsV2 { prefix: String::new(), continuation, start_after: None, max_keys: 1000 };
            let Answer::Listed { entries, next } = self.call(&call) else { panic!("a listing") };
            keys.extend(entries.into_iter().map(|entry| entry.key));
            continuation = next;
            if continuation.is_none() {
                keys.sort();
                return keys;
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

    fn call(&self, call: &Call) -> Answer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let request = call
            .request(&self.store, self.credentials.as_ref(), now.as_millis() as u64, EtagQuoting::Quoted)
            .expect("a valid call");
        let response = self.wire.send(&request).expect("an answer");
        call.interpret(&self.store, &response).unwrap_or_else(|failure| panic!("{call:?}: {}", failure.error))
    }
}
