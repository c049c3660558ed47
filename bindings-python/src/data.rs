//! What crosses the boundary: classes that `match` takes apart, the core's own in the core's words.

use crate::StretchRequest;
use pyo3::prelude::*;
use tidelock_core::crypto::RecoveryCode;
use tidelock_core::{self as core, Error, Event, Outcome, local, s3};
use zeroize::Zeroizing;

/// Kind and name are its identity.
#[pyclass(frozen, from_py_object)]
#[derive(Clone)]
pub(crate) enum Collection {
    Root {},
    Map { name: String },
    Log { name: String },
    Documents { name: String },
}

/// One change of a write.
#[pyclass(frozen, from_py_object)]
#[derive(Clone)]
pub(crate) enum Change {
    Put {
        collection: Collection,
        key: String,
        value: Vec<u8>,
    },
    Delete {
        collection: Collection,
        key: String,
    },
    #[pyo3(constructor = (collection, value, key = None))]
    Append {
        collection: Collection,
        value: Vec<u8>,
        key: Option<String>,
    },
    Import {
        collection: Collection,
        source: String,
        unix_ms: u64,
        repeat: u32,
        value: Vec<u8>,
    },
    Resolve {
        collection: Collection,
        key: String,
        value: Option<Vec<u8>>,
    },
}

/// What stands at a key.
#[pyclass(frozen, get_all)]
pub(crate) struct Record {
    value: Vec<u8>,
    device: String,
    siblings: u32,
}

/// What unlocks a vault for a joining device.
#[pyclass(frozen, from_py_object)]
#[derive(Clone)]
pub(crate) enum Secret {
    Recovery { code: String },
    Passphrase { passphrase: String },
}

/// A long-running operation.
#[pyclass(frozen, from_py_object)]
#[derive(Clone)]
pub(crate) enum Operation {
    Create { passphrase: Option<String> },
    Join { secret: Secret },
    Push {},
    Pull {},
    Sync {},
    Check {},
    Republish {},
    SetPassphrase { passphrase: Option<String> },
    ReplaceRecoveryCode {},
}

/// An access key with its secret; a session token belongs to temporary ones.
#[pyclass(frozen, from_py_object, new = "from_fields")]
#[derive(Clone)]
pub(crate) struct Credentials {
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
}

/// A request, complete: send it once, without following redirects, and read no more than it allows.
#[pyclass(frozen, get_all, from_py_object)]
#[derive(Clone)]
pub(crate) struct Request {
    id: u64,
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    max_response_bytes: u64,
}

/// A request that somebody else is to sign in its URL; without a key: a listing.
#[pyclass(frozen, get_all, from_py_object)]
#[derive(Clone)]
pub(crate) struct UnsignedRequest {
    method: &'static str,
    url: String,
    key: Option<String>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body_bytes: u64,
}

/// A signer's answer; without seconds it holds good for as long as the URL says.
#[pyclass(frozen, from_py_object, new = "from_fields")]
#[derive(Clone)]
pub(crate) struct SignedUrl {
    url: String,
    headers: Vec<(String, String)>,
    expires_s: Option<u32>,
}

/// A whole HTTP response.
#[pyclass(frozen, from_py_object, new = "from_fields")]
#[derive(Clone)]
pub(crate) struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Why no whole answer came.
#[pyclass(frozen, from_py_object)]
#[derive(Clone)]
pub(crate) enum TransportFailure {
    Timeout {},
    Connect { text: String },
    Tls { text: String },
    Reset { text: String },
    TooLong {},
    NoCredentials { text: String },
}

/// A page of the store, to be kept by its number; without bytes: to be removed.
#[pyclass(frozen, get_all, from_py_object)]
#[derive(Clone)]
pub(crate) struct Page {
    id: u64,
    bytes: Option<Vec<u8>>,
}

/// What the platform must do next, or may want to know.
#[pyclass(frozen)]
pub(crate) enum Output {
    /// Send this request once.
    Send { request: Request },
    /// Its answer is no longer wanted.
    Abort { id: u64 },
    /// Call `handle_credentials`.
    NeedCredentials {},
    /// Have this request signed, then call `handle_presigned` or `handle_presign_failure`.
    Presign { id: u64, request: UnsignedRequest },
    /// Store these pages in one transaction, then call `handle_persisted`.
    Persist { commit: u64, pages: Vec<Page> },
    /// Run it, then call `handle_stretched`.
    Stretch { id: u64, request: StretchRequest },
    /// An operation ended well: a create with its code, what synced with its report.
    Finished { op: u64, recovery_code: Option<String>, report: Option<Report> },
    /// An operation ended.
    Failed { op: u64, error: Problem },
    /// Everything committed up to here survives power loss.
    Durable { commit: u64 },
    /// Records of this collection changed through a sync.
    Changed { collection: Collection, keys: Option<Vec<String>> },
    /// How far the running work is.
    Progress { phase: String, done: u64, total: u64 },
    /// Something a person should know.
    Report { error: Problem },
}

/// What a sync did.
#[pyclass(frozen, get_all, from_py_object)]
#[derive(Clone)]
pub(crate) struct Report {
    ops_applied: u64,
    ops_published: u64,
    debts: u64,
    reports: Vec<Problem>,
}

/// What went wrong: the kind, kebab-case, what failed and why, and what a person does next.
#[pyclass(frozen, get_all, from_py_object)]
#[derive(Clone)]
pub(crate) struct Problem {
    kind: &'static str,
    text: String,
    hint: Option<String>,
}

impl From<Collection> for core::Collection {
    fn from(collection: Collection) -> Self {
        match collection {
            Collection::Root {} => Self { kind: core::Kind::Root, name: String::new() },
            Collection::Map { name } => Self::map(name),
            Collection::Log { name } => Self::log(name),
            Collection::Documents { name } => Self::documents(name),
        }
    }
}

impl From<core::Collection> for Collection {
    fn from(core::Collection { kind, name }: core::Collection) -> Self {
        match kind {
            core::Kind::Root => Self::Root {},
            core::Kind::Map => Self::Map { name },
            core::Kind::Log => Self::Log { name },
            core::Kind::Documents => Self::Documents { name },
        }
    }
}

impl From<Change> for core::Change {
    fn from(change: Change) -> Self {
        match change {
            Change::Put { collection, key, value } => {
                Self::Put { collection: collection.into(), key, value: value.into() }
            }
            Change::Delete { collection, key } => Self::Delete { collection: collection.into(), key },
            Change::Append { collection, key, value } => {
                Self::Append { collection: collection.into(), key, value: value.into() }
            }
            Change::Import { collection, source, unix_ms, repeat, value } => {
                Self::Import { collection: collection.into(), source, unix_ms, repeat, value: value.into() }
            }
            Change::Resolve { collection, key, value } => {
                Self::Resolve { collection: collection.into(), key, value: value.map(Into::into) }
            }
        }
    }
}

impl From<core::Record> for Record {
    fn from(record: core::Record) -> Self {
        Self { value: record.value.into(), device: record.device.to_string(), siblings: record.siblings }
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
            Operation::Push {} => Self::Push,
            Operation::Pull {} => Self::Pull,
            Operation::Sync {} => Self::Sync,
            Operation::Check {} => Self::Check,
            Operation::Republish {} => Self::Republish,
            Operation::SetPassphrase { passphrase } => {
                Self::SetPassphrase { passphrase: passphrase.map(Zeroizing::new) }
            }
            Operation::ReplaceRecoveryCode {} => Self::ReplaceRecoveryCode,
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
        Self { status, headers, body: body.into() }
    }
}

impl From<TransportFailure> for core::TransportFailure {
    fn from(failure: TransportFailure) -> Self {
        match failure {
            TransportFailure::Timeout {} => Self::Timeout,
            TransportFailure::Connect { text } => Self::Connect(text),
            TransportFailure::Tls { text } => Self::Tls(text),
            TransportFailure::Reset { text } => Self::Reset(text),
            TransportFailure::TooLong {} => Self::TooLong,
            TransportFailure::NoCredentials { text } => Self::NoCredentials(text),
        }
    }
}

impl From<Page> for local::Page {
    fn from(Page { id, bytes }: Page) -> Self {
        Self { id, bytes }
    }
}

impl From<local::Page> for Page {
    fn from(local::Page { id, bytes }: local::Page) -> Self {
        Self { id, bytes }
    }
}

impl From<core::Request> for Request {
    fn from(request: core::Request) -> Self {
        let core::Request { id, method, url, headers, body, max_response_bytes } = request;
        Self { id: id.0, method: method.as_str(), url, headers, body: body.into(), max_response_bytes }
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
            core::Output::NeedCredentials => Self::NeedCredentials {},
            core::Output::Presign(id, request) => Self::Presign { id: id.0, request: request.into() },
            core::Output::Persist(commit, pages) => {
                Self::Persist { commit: commit.0, pages: pages.into_iter().map(Page::from).collect() }
            }
            core::Output::Stretch(id, request) => Self::Stretch { id: id.0, request: StretchRequest(request) },
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
            Event::Changed { collection, keys } => Self::Changed { collection: collection.into(), keys },
            Event::Progress(core::Progress { phase, done, total }) => {
                let phase = match phase {
                    core::Phase::Looking => "looking",
                    core::Phase::Pulling => "pulling",
                    core::Phase::Pushing => "pushing",
                };
                Self::Progress { phase: phase.to_owned(), done, total }
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
        Self { kind: error.kind().name(), text: error.to_string(), hint }
    }
}
