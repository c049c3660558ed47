//! Tidelock for JavaScript: the engine as one synchronous object, plain objects in and out. The run loop is the caller's.

mod data;

use data::{
    Change, Collection, Credentials, Failure, Now, Operation, Output, Page, Record, Response, SignedUrl, Written,
};
use js_sys::Reflect;
use serde::{Serialize, de::DeserializeOwned};
use tidelock_core::crypto::{self, Entropy};
use tidelock_core::local::{LocalError, MemoryLocal};
use tidelock_core::{CommitId, Config, Error, ErrorKind, OpId, PresignId, RequestId, StretchId};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// One vault on one device. `now` is `{ monotonicMs, unixMs }`, whole numbers, in every call.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine(tidelock_core::Engine);

/// An Argon2id run, for a worker if the caller has one.
#[wasm_bindgen]
#[derive(Debug)]
pub struct StretchRequest(crypto::StretchRequest);

/// What [`StretchRequest`] gives.
#[wasm_bindgen]
#[derive(Debug)]
pub struct StretchedKey(crypto::StretchedKey);

#[wasm_bindgen]
impl StretchRequest {
    /// Takes 64 MiB of memory and some tenths of a second.
    pub fn run(&self) -> Result<StretchedKey, JsValue> {
        crypto::stretch(&self.0).map(StretchedKey).map_err(thrown)
    }
}

#[wasm_bindgen]
impl Engine {
    /// Opens what the platform has kept: every page of every `persist` output, none for a new device. `presigned`: requests
    /// are signed elsewhere, by `presign` outputs in place of `needCredentials`.
    #[wasm_bindgen(constructor)]
    pub fn open(
        store: &str,
        device_name: &str,
        pages: JsValue,
        now: JsValue,
        presigned: Option<bool>,
    ) -> Result<Self, JsValue> {
        let mut config = Config::new(store.parse().map_err(thrown)?, device_name);
        config.presigned = presigned.unwrap_or(false);
        let pages = taken::<Vec<Page>>(pages)?.into_iter().map(Into::into).collect();
        let local = MemoryLocal::load(pages).map_err(|error| {
            thrown(Error::new(ErrorKind::LocalStore, error.to_string()).next_step("join the vault anew"))
        })?;
        tidelock_core::Engine::open(config, Box::new(local), Box::new(Platform), taken::<Now>(now)?.into())
            .map(Self)
            .map_err(thrown)
    }

    /// Applies a list of changes, all or none.
    pub fn write(&mut self, changes: JsValue, now: JsValue) -> Result<JsValue, JsValue> {
        let changes: Vec<_> = taken::<Vec<Change>>(changes)?.into_iter().map(Into::into).collect();
        given(&Written::from(self.0.write(&changes, taken::<Now>(now)?.into()).map_err(thrown)?))
    }

    /// What stands at a key, or `undefined`.
    pub fn get(&self, collection: JsValue, key: &str) -> Result<JsValue, JsValue> {
        let collection = taken::<Collection>(collection)?.into();
        given(&self.0.get(&collection, key).map_err(thrown)?.map(Record::from))
    }

    /// Starts an operation, and gives its number.
    pub fn start(&mut self, operation: JsValue, now: JsValue) -> Result<f64, JsValue> {
        let operation = taken::<Operation>(operation)?.try_into().map_err(thrown)?;
        Ok(self.0.start(operation, taken::<Now>(now)?.into()).0 as f64)
    }

    /// Cancels an operation.
    pub fn cancel(&mut self, op: f64, now: JsValue) -> Result<(), JsValue> {
        self.0.cancel(OpId(op as u64), taken::<Now>(now)?.into());
        Ok(())
    }

    /// A whole answer came.
    #[wasm_bindgen(js_name = handleResponse)]
    pub fn handle_response(&mut self, id: f64, response: JsValue, now: JsValue) -> Result<(), JsValue> {
        let response = taken::<Response>(response)?.into();
        self.0.handle_response(RequestId(id as u64), response, taken::<Now>(now)?.into());
        Ok(())
    }

    /// No whole answer came.
    #[wasm_bindgen(js_name = handleFailure)]
    pub fn handle_failure(&mut self, id: f64, failure: JsValue, now: JsValue) -> Result<(), JsValue> {
        let failure = taken::<Failure>(failure)?.into();
        self.0.handle_failure(RequestId(id as u64), failure, taken::<Now>(now)?.into());
        Ok(())
    }

    /// Credentials that are valid now.
    #[wasm_bindgen(js_name = handleCredentials)]
    pub fn handle_credentials(&mut self, credentials: JsValue, now: JsValue) -> Result<(), JsValue> {
        let credentials = taken::<Credentials>(credentials)?.try_into().map_err(thrown)?;
        self.0.handle_credentials(Ok(credentials), taken::<Now>(now)?.into());
        Ok(())
    }

    /// A request was signed elsewhere: `{ url, headers, expiresS }`.
    #[wasm_bindgen(js_name = handlePresigned)]
    pub fn handle_presigned(&mut self, id: f64, signed: JsValue, now: JsValue) -> Result<(), JsValue> {
        let signed = taken::<SignedUrl>(signed)?.into();
        self.0.handle_presigned(PresignId(id as u64), Ok(signed), taken::<Now>(now)?.into());
        Ok(())
    }

    /// A request was not signed, and why.
    #[wasm_bindgen(js_name = handlePresignFailure)]
    pub fn handle_presign_failure(&mut self, id: f64, failure: JsValue, now: JsValue) -> Result<(), JsValue> {
        let failure = taken::<Failure>(failure)?.into();
        self.0.handle_presigned(PresignId(id as u64), Err(failure), taken::<Now>(now)?.into());
        Ok(())
    }

    /// Pages are stored, or (with a text) could not be.
    #[wasm_bindgen(js_name = handlePersisted)]
    pub fn handle_persisted(&mut self, up_to: f64, failure: Option<String>, now: JsValue) -> Result<(), JsValue> {
        let result = failure.map_or(Ok(()), |text| Err(LocalError::Other(text)));
        self.0.handle_persisted(CommitId(up_to as u64), result, taken::<Now>(now)?.into());
        Ok(())
    }

    /// A passphrase is stretched.
    #[wasm_bindgen(js_name = handleStretched)]
    pub fn handle_stretched(&mut self, id: f64, key: StretchedKey, now: JsValue) -> Result<(), JsValue> {
        self.0.handle_stretched(StretchId(id as u64), Ok(key.0), taken::<Now>(now)?.into());
        Ok(())
    }

    /// Time has passed.
    #[wasm_bindgen(js_name = handleTimeout)]
    pub fn handle_timeout(&mut self, now: JsValue) -> Result<(), JsValue> {
        self.0.handle_timeout(taken::<Now>(now)?.into());
        Ok(())
    }

    /// What to do next, or `undefined`.
    #[wasm_bindgen(js_name = pollOutput)]
    pub fn poll_output(&mut self, now: JsValue) -> Result<JsValue, JsValue> {
        given(&self.0.poll_output(taken::<Now>(now)?.into()).map(Output::from))
    }

    /// When to call `handleTimeout` next, in monotonic ms, or `undefined`.
    #[wasm_bindgen(js_name = pollTimeout)]
    pub fn poll_timeout(&self) -> Option<f64> {
        self.0.poll_timeout().map(|ms| ms as f64)
    }
}

/// The platform's random bytes.
struct Platform;

impl Entropy for Platform {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("every platform with cryptography has random bytes");
    }
}

fn taken<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    Ok(serde_wasm_bindgen::from_value(value)?)
}

fn given<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    Ok(serde_wasm_bindgen::to_value(value)?)
}

/// An `Error` whose `name` is the kind.
fn thrown(error: Error) -> JsValue {
    let object = js_sys::Error::new(&error.to_string());
    object.set_name(error.kind().name());
    let hint = error.hint().map_or(JsValue::NULL, JsValue::from_str);
    Reflect::set(&object, &"hint".into(), &hint).expect("a new object takes properties");
    object.into()
}
