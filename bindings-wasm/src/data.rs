//! What crosses the boundary: plain objects, told apart by `kind`, with camel-case names and `Uint8Array` for bytes.

use crate::StretchRequest;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tidelock_core::crypto::RecoveryCode;
use tidelock_core::{self as core, Error, Event, Outcome, local, s3};
use wasm_bindgen::JsValue;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Now {
    monotonic_ms: u64,
    unix_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Collection {
    kind: Kind,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Root,
    Map,
    Log,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Change {
    Put { collection: Collection, key: String, value: ByteBuf },
    Delete { collection: Collection, key: String },
    Append { collection: Collection, value: ByteBuf },
    Import { collection: Collection, source: String, unix_ms: u64, repeat: u32, value: ByteBuf },
    Resolve { collection: Collection, key: String, value: Option<ByteBuf> },
}

#[derive(Serialize)]
pub(crate) struct Written {
    keys: Vec<String>,
    commit: u64,
}

#[derive(Serialize)]
pub(crate) struct Record {
    value: ByteBuf,
    device: String,
    siblings: u32,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Operation {
    Create { passphrase: Option<String> },
    Join { secret: Secret },
    Push,
    Pull,
    Sync,
    Check,
    Republish,
    SetPassphrase { passphrase: Option<String> },
    ReplaceRecoveryCode,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Secret {
    Recovery { code: String },
    Passphrase { passphrase: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credentials {
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: ByteBuf,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Failure {
    Timeout,
    Connect { text: String },
    Tls { text: String },
    Reset { text: String },
    TooLong,
    NoCredentials { text: String },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Page {
    id: u64,
    bytes: Option<ByteBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    id: u64,
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    max_response_bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnsignedRequest {
    method: &'static str,
    url: String,
    key: Option<String>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body_bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedUrl {
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    expires_s: Option<u32>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Output {
    Send {
        request: Request,
    },
    Abort {
        id: u64,
    },
    NeedCredentials,
    Presign {
        id: u64,
        request: UnsignedRequest,
    },
    Persist {
        commit: u64,
        pages: Vec<Page>,
    },
    Stretch {
        id: u64,
        #[serde(with = "serde_wasm_bindgen::preserve")]
        request: JsValue,
    },
    /// `recoveryCode` after a create, `report` after what synced.
    Finished {
        op: u64,
        recovery_code: Option<String>,
        report: Option<Report>,
    },
    Failed {
        op: u64,
        error: Problem,
    },
    Durable {
        commit: u64,
    },
    Changed {
        collection: Collection,
    },
    Progress {
        phase: &'static str,
        done: u64,
        total: u64,
    },
    Report {
        error: Problem,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    ops_applied: u64,
    ops_published: u64,
    debts: u64,
    reports: Vec<Problem>,
}

#[derive(Serialize)]
pub(crate) struct Problem {
    name: &'static str,
    message: String,
    hint: Option<String>,
}

impl From<Now> for core::Now {
    fn from(now: Now) -> Self {
        Self { monotonic_ms: now.monotonic_ms, unix_ms: now.unix_ms }
    }
}

impl From<Collection> for core::Collection {
    fn from(Collection { kind, name }: Collection) -> Self {
        let kind = match kind {
            Kind::Root => core::Kind::Root,
            Kind::Map => core::Kind::Map,
            Kind::Log => core::Kind::Log,
        };
        Self { kind, name }
    }
}

impl From<core::Collection> for Collection {
    fn from(core::Collection { kind, name }: core::Collection) -> Self {
        let kind = match kind {
            core::Kind::Root => Kind::Root,
            core::Kind::Map => Kind::Map,
            core::Kind::Log => Kind::Log,
        };
        Self { kind, name }
    }
}

impl From<Change> for core::Change {
    fn from(change: Change) -> Self {
        let bytes = |value: ByteBuf| Bytes::from(value.into_vec());
        match change {
            Change::Put { collection, key, value } => {
                Self::Put { collection: collection.into(), key, value: bytes(value) }
            }
            Change::Delete { collection, key } => Self::Delete { collection: collection.into(), key },
            Change::Append { collection, value } => Self::Append { collection: collection.into(), value: bytes(value) },
            Change::Import { collection, source, unix_ms, repeat, value } => {
                Self::Import { collection: collection.into(), source, unix_ms, repeat, value: bytes(value) }
            }
            Change::Resolve { collection, key, value } => {
                Self::Resolve { collection: collection.into(), key, value: value.map(bytes) }
            }
        }
    }
}

impl From<core::Written> for Written {
    fn from(core::Written { keys, commit }: core::Written) -> Self {
        Self { keys, commit: commit.0 }
    }
}

impl From<core::Record> for Record {
    fn from(record: core::Record) -> Self {
        let value = ByteBuf::from(record.value);
        Self { value, device: record.device.to_string(), siblings: record.siblings }
    }
}

impl TryFrom<Operation> for core::Operation {
    type Error = Error;

    fn try_from(operation: Operation) -> Result<Self, Error> {
        Ok(match operation {
            Operation::Create { passphrase } => Self::Create { passphrase: passphrase.map(Zeroizing::new) },
            Operation::Join { secret: Secret::Recovery { code } } => {
                Self::Join { secret: core::Secret::Recovery(RecoveryCode::parse(&Zeroizing::new(code))?) }
            }
            Operation::Join { secret: Secret::Passphrase { passphrase } } => {
                Self::Join { secret: core::Secret::Passphrase(Zeroizing::new(passphrase)) }
            }
            Operation::Push => Self::Push,
            Operation::Pull => Self::Pull,
            Operation::Sync => Self::Sync,
            Operation::Check => Self::Check,
            Operation::Republish => Self::Republish,
            Operation::SetPassphrase { passphrase } => {
                Self::SetPassphrase { passphrase: passphrase.map(Zeroizing::new) }
            }
            Operation::ReplaceRecoveryCode => Self::ReplaceRecoveryCode,
        })
    }
}

impl TryFrom<Credentials> for s3::Credentials {
    type Error = Error;

    fn try_from(credentials: Credentials) -> Result<Self, Error> {
        Self::new(credentials.access_key, credentials.secret_key, credentials.session_token)
    }
}

impl From<Response> for s3::Response {
    fn from(Response { status, headers, body }: Response) -> Self {
        Self { status, headers, body: body.into_vec().into() }
    }
}

impl From<Failure> for core::TransportFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Timeout => Self::Timeout,
            Failure::Connect { text } => Self::Connect(text),
            Failure::Tls { text } => Self::Tls(text),
            Failure::Reset { text } => Self::Reset(text),
            Failure::TooLong => Self::TooLong,
            Failure::NoCredentials { text } => Self::NoCredentials(text),
        }
    }
}

impl From<Page> for local::Page {
    fn from(Page { id, bytes }: Page) -> Self {
        Self { id, bytes: bytes.map(ByteBuf::into_vec) }
    }
}

impl From<local::Page> for Page {
    fn from(local::Page { id, bytes }: local::Page) -> Self {
        Self { id, bytes: bytes.map(ByteBuf::from) }
    }
}

impl From<core::Request> for Request {
    fn from(request: core::Request) -> Self {
        let core::Request { id, method, url, headers, body, max_response_bytes } = request;
        Self { id: id.0, method: method.as_str(), url, headers, body: ByteBuf::from(body), max_response_bytes }
    }
}

impl From<core::UnsignedRequest> for UnsignedRequest {
    fn from(request: core::UnsignedRequest) -> Self {
        let core::UnsignedRequest { method, url, key, query, headers, body_bytes } = request;
        Self { method: method.as_str(), url, key, query, headers, body_bytes }
    }
}

impl From<SignedUrl> for core::SignedUrl {
    fn from(SignedUrl { url, headers, expires_s }: SignedUrl) -> Self {
        Self { url, headers, expires_s }
    }
}

impl From<core::Output> for Output {
    fn from(output: core::Output) -> Self {
        match output {
            core::Output::Send(request) => Self::Send { request: request.into() },
            core::Output::Abort(id) => Self::Abort { id: id.0 },
            core::Output::NeedCredentials => Self::NeedCredentials,
            core::Output::Presign(id, request) => Self::Presign { id: id.0, request: request.into() },
            core::Output::Persist(commit, pages) => {
                Self::Persist { commit: commit.0, pages: pages.into_iter().map(Page::from).collect() }
            }
            core::Output::Stretch(id, request) => Self::Stretch { id: id.0, request: StretchRequest(request).into() },
            core::Output::Event(event) => event.into(),
        }
    }
}

impl From<Event> for Output {
    fn from(event: Event) -> Self {
        match event {
            Event::Finished(op, Ok(outcome)) => finished(op.0, outcome),
            Event::Finished(op, Err(error)) => Self::Failed { op: op.0, error: error.into() },
            Event::Durable(commit) => Self::Durable { commit: commit.0 },
            Event::Changed(collection) => Self::Changed { collection: collection.into() },
            Event::Progress(core::Progress { phase, done, total }) => {
                let phase = match phase {
                    core::Phase::Looking => "looking",
                    core::Phase::Pulling => "pulling",
                    core::Phase::Pushing => "pushing",
                };
                Self::Progress { phase, done, total }
            }
            Event::Report(error) => Self::Report { error: error.into() },
        }
    }
}

fn finished(op: u64, outcome: Outcome) -> Output {
    let (recovery_code, report) = match outcome {
        Outcome::Created { recovery_code } | Outcome::RecoveryCodeReplaced { recovery_code } => {
            (Some(recovery_code.reveal().to_string()), None)
        }
        Outcome::Joined | Outcome::PassphraseSet => (None, None),
        Outcome::Synced(report) => (None, Some(report.into())),
    };
    Output::Finished { op, recovery_code, report }
}

impl From<core::SyncReport> for Report {
    fn from(report: core::SyncReport) -> Self {
        let core::SyncReport { ops_applied, ops_published, debts, reports } = report;
        Self { ops_applied, ops_published, debts, reports: reports.into_iter().map(Problem::from).collect() }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { name: error.kind().name(), message: error.to_string(), hint }
    }
}
