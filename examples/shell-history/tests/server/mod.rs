//! A small server with the endpoints of hiSHtory's: it keeps what devices send, a copy for each device, and opens nothing.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Runs until it is dropped.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    kept: Kept,
    _runtime: tokio::runtime::Runtime,
}

type Kept = Arc<Mutex<Tables>>;

/// What the server keeps, of a single user.
#[derive(Default)]
struct Tables {
    devices: Vec<String>,
    /// Copies of entries, each with the device that is to read it.
    entries: Vec<Value>,
    dumps: Vec<Value>,
    deletions: Vec<Value>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let kept = Kept::default();
        let app = Router::new()
            .route("/api/v1/register", get(register))
            .route("/api/v1/bootstrap", get(bootstrap))
            .route("/api/v1/submit", post(submit))
            .route("/api/v1/submit-dump", post(submit_dump))
            .route("/api/v1/query", get(query))
            .route("/api/v1/get-deletion-requests", get(deletion_requests))
            .route("/api/v1/add-deletion-request", post(add_deletion_request))
            .route("/api/v1/uninstall", post(uninstall))
            .route("/api/v1/ping", get(async || "OK"))
            .with_state(kept.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async { axum::serve(listener, app).await });
        Self { address, kept, _runtime: runtime }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn devices(&self) -> Vec<String> {
        self.kept.lock().unwrap().devices.clone()
    }

    pub(crate) fn sealed(&self) -> Vec<String> {
        self.kept.lock().unwrap().entries.iter().map(Value::to_string).collect()
    }
}

async fn register(State(kept): State<Kept>, query: RawQuery) {
    let words = words(query);
    let mut tables = kept.lock().unwrap();
    if !tables.devices.is_empty() {
        let request = json!({
            "user_id": words["user_id"],
            "requesting_device_id": words["device_id"],
            "request_time": "2024-01-15T10:30:00Z",
        });
        tables.dumps.push(request);
    }
    tables.devices.push(words["device_id"].clone());
}

/// Each entry once, whichever device's copy it is.
async fn bootstrap(State(kept): State<Kept>, query: RawQuery) -> String {
    let words = words(query);
    let tables = kept.lock().unwrap();
    let mut by_id = BTreeMap::new();
    for entry in tables.entries.iter().filter(|entry| entry["user_id"] == words["user_id"]) {
        by_id.insert(entry["encrypted_id"].to_string(), entry.clone());
    }
    json!(by_id.into_values().collect::<Vec<_>>()).to_string()
}

async fn submit(State(kept): State<Kept>, query: RawQuery, body: String) -> String {
    let words = words(query);
    let mut tables = kept.lock().unwrap();
    let source = &words["source_device_id"];
    let entries: Vec<Value> = serde_json::from_str(&body).unwrap();
    for device in tables.devices.clone() {
        for entry in &entries {
            let mut copy = entry.clone();
            copy["is_from_same_device"] = json!(device == *source);
            copy["device_id"] = json!(device);
            tables.entries.push(copy);
        }
    }
    // As Go writes an empty list.
    let some = |list: Vec<&Value>| if list.is_empty() { Value::Null } else { json!(list) };
    let dumps = tables.dumps.iter().filter(|dump| dump["requesting_device_id"] != **source).collect();
    let deletions = tables.deletions.iter().filter(|wish| wish["destination_device_id"] == **source).collect();
    json!({ "dump_requests": some(dumps), "deletion_requests": some(deletions) }).to_string()
}

async fn submit_dump(State(kept): State<Kept>, query: RawQuery, body: String) {
    let words = words(query);
    let mut tables = kept.lock().unwrap();
    for mut entry in serde_json::from_str::<Vec<Value>>(&body).unwrap() {
        entry["device_id"] = json!(words["requesting_device_id"]);
        tables.entries.push(entry);
    }
    tables.dumps.retain(|dump| dump["requesting_device_id"] != words["requesting_device_id"]);
}

async fn query(State(kept): State<Kept>, query: RawQuery) -> String {
    let words = words(query);
    let tables = kept.lock().unwrap();
    let is_for = |entry: &&Value| entry["device_id"] == words["device_id"] && entry["is_from_same_device"] == false;
    json!(tables.entries.iter().filter(is_for).collect::<Vec<_>>()).to_string()
}

async fn deletion_requests(State(kept): State<Kept>, query: RawQuery) -> String {
    let words = words(query);
    let tables = kept.lock().unwrap();
    let is_for = |wish: &&Value| wish["destination_device_id"] == words["device_id"];
    json!(tables.deletions.iter().filter(is_for).collect::<Vec<_>>()).to_string()
}

async fn add_deletion_request(State(kept): State<Kept>, body: String) {
    let mut tables = kept.lock().unwrap();
    let request: Value = serde_json::from_str(&body).unwrap();
    for device in tables.devices.clone() {
        let mut copy = request.clone();
        copy["destination_device_id"] = json!(device);
        tables.deletions.push(copy);
    }
}

async fn uninstall(State(kept): State<Kept>, query: RawQuery) {
    let words = words(query);
    let mut tables = kept.lock().unwrap();
    tables.devices.retain(|device| *device != words["device_id"]);
    tables.entries.retain(|entry| entry["device_id"] != words["device_id"]);
}

fn words(RawQuery(query): RawQuery) -> BTreeMap<String, String> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}
