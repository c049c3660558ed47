//! Tidelock for JavaScript: the client layer's driver as one synchronous object, plain objects in and out. The run loop is
//! TypeScript's. Every call that fails throws a plain `Problem`.

use serde::{Serialize, de::DeserializeOwned};
use tidelock_client::{Driver, Now, Problem, Stretch};
use tidelock_core::crypto::{Entropy, StretchedKey};
use tidelock_core::local::{LocalError, MemoryLoader, Page};
use tidelock_core::{Error, ErrorKind};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

type Given = Result<JsValue, JsValue>;

/// Takes the pages that the platform has kept, one by one.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Loader(MemoryLoader);

#[wasm_bindgen]
impl Loader {
    /// For a new device, when no page is added.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next page, in any order.
    pub fn add(&mut self, id: f64, bytes: Vec<u8>) -> Result<(), JsValue> {
        self.0.add(Page { id: id as u64, bytes: Some(bytes) }).map_err(damaged)
    }
}

/// One vault on one device. Each call takes the clocks: `performance.now()` and `Date.now()`, whole numbers.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine(Driver);

#[wasm_bindgen]
impl Engine {
    /// Opens what the loader took; consumes it.
    pub fn open(pages: Loader, options: JsValue, monotonic_ms: f64, unix_ms: f64) -> Result<Self, JsValue> {
        let local = pages.0.finish().map_err(damaged)?;
        let now = at(monotonic_ms, unix_ms);
        Driver::open(taken(options)?, Box::new(local), Box::new(Platform), now).map(Self).map_err(thrown)
    }

    /// Applies a list of changes, all or none.
    pub fn write(&mut self, changes: JsValue, monotonic_ms: f64, unix_ms: f64) -> Given {
        given(self.0.write(taken(changes)?, at(monotonic_ms, unix_ms)))
    }

    /// The record at a key, or `undefined`.
    pub fn get(&self, collection: JsValue, key: &str) -> Given {
        given(self.0.get(taken(collection)?, key))
    }

    /// A page of entries.
    pub fn list(&self, collection: JsValue, range: JsValue, limit: u32) -> Given {
        given(self.0.list(taken(collection)?, taken(range)?, limit))
    }

    /// What stands of a document, or `undefined`.
    pub fn document(&self, collection: JsValue, id: &str) -> Given {
        given(self.0.document(taken(collection)?, id))
    }

    /// A page of documents.
    pub fn documents(&self, collection: JsValue, range: JsValue, limit: u32) -> Given {
        given(self.0.documents(taken(collection)?, taken(range)?, limit))
    }

    /// A page of conflicts.
    pub fn conflicts(&self, after: JsValue, limit: u32) -> Given {
        given(self.0.conflicts(taken(after)?, limit))
    }

    /// What is known, without a request.
    pub fn status(&self) -> Given {
        given(self.0.status())
    }

    /// Starts an operation; gives its number.
    pub fn start(&mut self, operation: JsValue, monotonic_ms: f64, unix_ms: f64) -> Result<f64, JsValue> {
        self.0.start(taken(operation)?, at(monotonic_ms, unix_ms)).map(|op| op as f64).map_err(thrown)
    }

    /// Cancels an operation.
    pub fn cancel(&mut self, op: f64, monotonic_ms: f64, unix_ms: f64) {
        self.0.cancel(op as u64, at(monotonic_ms, unix_ms));
    }

    /// Takes what the platform reports.
    pub fn handle(&mut self, input: JsValue, monotonic_ms: f64, unix_ms: f64) -> Result<(), JsValue> {
        self.0.handle(taken(input)?, at(monotonic_ms, unix_ms)).map_err(thrown)
    }

    /// Everything to do next, and until when to sleep.
    pub fn drain(&mut self, monotonic_ms: f64, unix_ms: f64) -> Given {
        given(Ok(self.0.drain(at(monotonic_ms, unix_ms))))
    }

    /// The stretching that a `stretch` output named, for [`run_stretch`] in a worker; `undefined` the second time.
    #[wasm_bindgen(js_name = takeStretch)]
    pub fn take_stretch(&mut self, id: f64) -> Given {
        given(Ok(self.0.take_stretch(id as u64).map(Stretch::from)))
    }

    /// A passphrase is stretched: the key, or the problem instead.
    #[wasm_bindgen(js_name = handleStretched)]
    pub fn handle_stretched(
        &mut self,
        id: f64,
        key: &[u8],
        problem: JsValue,
        monotonic_ms: f64,
        unix_ms: f64,
    ) -> Result<(), JsValue> {
        let key = match (key.try_into(), taken::<Option<Problem>>(problem)?) {
            (Ok(bytes), None) => Ok(StretchedKey::from_bytes(bytes)),
            (_, Some(problem)) => Err(problem.into()),
            (Err(_), None) => Err(Error::new(ErrorKind::Internal, "a stretched key has 32 bytes")),
        };
        self.0.handle_stretched(id as u64, key, at(monotonic_ms, unix_ms));
        Ok(())
    }
}

/// When a watching device syncs next.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Pace(tidelock_core::engine::Pace);

#[wasm_bindgen]
impl Pace {
    /// For a device that begins to watch.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// The wait after a sync, in ms; `random` is from 0 to below 1.
    #[wasm_bindgen(js_name = nextWaitMs)]
    pub fn next_wait_ms(&mut self, active: bool, random: f64) -> f64 {
        self.0.next_wait_ms(active, |bound| (random * bound as f64) as u64) as f64
    }

    /// Local writes start no sync sooner than this after the last, in ms.
    #[wasm_bindgen(js_name = apartMs)]
    pub fn apart_ms() -> f64 {
        tidelock_core::engine::Pace::APART_MS as f64
    }

    /// A local write waits this long for others to share its push, in ms.
    #[wasm_bindgen(js_name = gatherMs)]
    pub fn gather_ms() -> f64 {
        tidelock_core::engine::Pace::GATHER_MS as f64
    }
}

/// Runs Argon2id: 64 MiB of memory and some tenths of a second; gives the key.
#[wasm_bindgen(js_name = runStretch)]
pub fn run_stretch(stretch: JsValue) -> Result<Vec<u8>, JsValue> {
    taken::<Stretch>(stretch)?.run().map(|key| key.to_bytes().to_vec()).map_err(thrown)
}

/// The platform's random bytes.
struct Platform;

impl Entropy for Platform {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("every platform with cryptography has random bytes");
    }
}

fn at(monotonic_ms: f64, unix_ms: f64) -> Now {
    Now { monotonic_ms: monotonic_ms as u64, unix_ms: unix_ms as u64 }
}

fn taken<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|error| thrown(Error::new(ErrorKind::Invalid, error.to_string())))
}

fn given<T: Serialize>(result: Result<T, Error>) -> Given {
    Ok(serde_wasm_bindgen::to_value(&result.map_err(thrown)?)?)
}

fn thrown(error: Error) -> JsValue {
    serde_wasm_bindgen::to_value(&Problem::from(error)).unwrap_or_else(JsValue::from)
}

fn damaged(error: LocalError) -> JsValue {
    thrown(Error::new(ErrorKind::LocalStore, error.to_string()).next_step("join the vault again as a new device"))
}
