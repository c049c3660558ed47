//! What crosses the boundary: records and sealed classes, the core's own in the core's words.

use crate::StretchRequest;
use std::sync::Arc;
use tidelock_core::crypto::RecoveryCode;
use tidelock_core::{self as core, Error, Event, Outcome, local, s3};
use zeroize::Zeroizing;

/// The platform's clocks, read right before each call.
#[derive(Clone, Copy, Debug, uniffi::Record)]
pub struct Now {
    /// Of a clock that never goes back.
    pub monotonic_ms: u64,
    /// Since 1970.
    pub unix_ms: u64,
}

/// How writes to one key come together.
#[derive(Clone, Copy, Debug, uniffi::Enum)]
pub enum Kind {
    /// Tidelock's own records.
    Root,
    /// Keys with values.
    Map,
    /// Entries that are added and removed.
    Log,
}

/// Kind and name are its identity.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Collection {
    /// Map or log.
    pub kind: Kind,
    /// 1 to 128 bytes.
    pub name: String,
}

/// One change of a write.
#[derive(Clone, Debug, uniffi::Enum)]
#[allow(missing_docs, reason = "the fields are the core's")]
pub enum Change {
    /// Sets a record of a map.
    Put { collection: Collection, key: String, value: Vec<u8> },
    /// Removes a record of a map, or an entry of a log for ever.
    Delete { collection: Collection, key: String },
    /// Adds an entry to a log under a new key.
    Append { collection: Collection, value: Vec<u8> },
    /// Adds an entry to a log under a key made from its content and source.
    Import { collection: Collection, source: String, unix_ms: u64, repeat: u32, value: Vec<u8> },
    /// Ends a conflict.
    Resolve { collection: Collection, key: String, value: Option<Vec<u8>> },
}

/// What a write did.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Written {
    /// The key of each change, in order.
    pub keys: Vec<String>,
    /// Durable once [`Output::Durable`] reached it.
    pub commit: u64,
}

/// What stands at a key.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Record {
    /// The winner's value.
    pub value: Vec<u8>,
    /// Who wrote it, in hex.
    pub device: String,
    /// How many other versions stand beside it.
    pub siblings: u32,
}

/// What unlocks a vault for a joining device.
#[derive(uniffi::Enum)]
#[allow(missing_docs, reason = "the fields say it")]
pub enum Secret {
    /// The code that a create gave.
    Recovery { code: String },
    /// The passphrase.
    Passphrase { passphrase: String },
}

/// A long-running operation.
#[derive(uniffi::Enum)]
#[allow(missing_docs, reason = "the fields say it")]
pub enum Operation {
    /// Makes a new vault.
    Create {
        passphrase: Option<String>,
    },
    /// Adds this device to the vault at the store.
    Join {
        secret: Secret,
    },
    /// Pulls, then publishes what is pending.
    Push,
    /// Takes what is new.
    Pull,
    /// Pulls and pushes.
    Sync,
    /// A sync that looks at everything anew.
    Check,
    /// Publishes everything this device has.
    Republish,
    SetPassphrase {
        passphrase: Option<String>,
    },
    ReplaceRecoveryCode,
}

/// An access key with its secret.
#[derive(uniffi::Record)]
pub struct Credentials {
    /// The access key's id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Belongs to temporary ones.
    pub session_token: Option<String>,
}

/// A header's name and value.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Header {
    /// In any case.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A request, complete: send it once, without following redirects.
#[derive(Clone, uniffi::Record)]
pub struct Request {
    /// Its name in `handle_response` and `handle_failure`.
    pub id: u64,
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Headers to set beside `host` and `content-length`.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Vec<u8>,
    /// Read no more than this.
    pub max_response_bytes: u64,
}

/// A request that somebody else is to sign in its URL.
#[derive(Clone, Debug, uniffi::Record)]
pub struct UnsignedRequest {
    /// The method.
    pub method: String,
    /// The whole URL, unsigned.
    pub url: String,
    /// The object's whole key in the bucket; none for a listing.
    pub key: Option<String>,
    /// The URL's parameters, not encoded.
    pub query: Vec<Header>,
    /// Headers that the signature has to bind.
    pub headers: Vec<Header>,
    /// The body's length.
    pub body_bytes: u64,
}

/// A signer's answer.
#[derive(Clone, uniffi::Record)]
pub struct SignedUrl {
    /// The URL that was asked for, with the parameters of a signature.
    pub url: String,
    /// `x-amz-…` headers to send with it.
    pub headers: Vec<Header>,
    /// For how many seconds it holds good from now on; none: as the URL says.
    pub expires_s: Option<u32>,
}

/// A whole HTTP response.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why no whole answer came.
#[derive(Clone, Debug, uniffi::Enum)]
#[allow(missing_docs, reason = "the text is the platform's")]
pub enum TransportFailure {
    /// The transport's own deadline.
    Timeout,
    /// No connection.
    Connect { text: String },
    /// TLS refused.
    Tls { text: String },
    /// The connection broke after it stood.
    Reset { text: String },
    /// The answer is longer than `max_response_bytes`.
    TooLong,
    /// No credentials were found.
    NoCredentials { text: String },
}

/// A page of the store, to be kept by its number; without bytes: to be removed.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Page {
    /// Its number.
    pub id: u64,
    /// Its content.
    pub bytes: Option<Vec<u8>>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, uniffi::Enum)]
pub enum Phase {
    /// Reading beacon and manifests.
    Looking,
    /// Fetching and merging.
    Pulling,
    /// Sealing and sending.
    Pushing,
}

/// What the platform must do next, or may want to know.
#[derive(uniffi::Enum)]
#[allow(missing_docs, reason = "the fields are the core's")]
pub enum Output {
    /// Send this request once.
    Send { request: Request },
    /// Its answer is no longer wanted.
    Abort { id: u64 },
    /// Call `handle_credentials`.
    NeedCredentials,
    /// Have this request signed, then call `handle_presigned` or `handle_presign_failure`.
    Presign { id: u64, request: UnsignedRequest },
    /// Store these pages in one transaction, then call `handle_persisted`.
    Persist { commit: u64, pages: Vec<Page> },
    /// Run it, then call `handle_stretched`.
    Stretch { id: u64, request: Arc<StretchRequest> },
    /// An operation ended well: a create with its code, what synced with its report.
    Finished { op: u64, recovery_code: Option<String>, report: Option<Report> },
    /// An operation ended.
    Failed { op: u64, error: Problem },
    /// Everything committed up to here survives power loss.
    Durable { commit: u64 },
    /// Records of this collection changed through a sync.
    Changed { collection: Collection },
    /// How far the running work is.
    Progress { phase: Phase, done: u64, total: u64 },
    /// Something a person should know.
    Report { error: Problem },
}

/// What a sync did.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Report {
    /// Foreign ops applied.
    pub ops_applied: u64,
    /// Own ops published.
    pub ops_published: u64,
    /// Things that could not be had yet.
    pub debts: u64,
    /// What a person should know.
    pub reports: Vec<Problem>,
}

/// What went wrong.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Problem {
    /// The kind, kebab-case.
    pub kind: String,
    /// What failed and why.
    pub text: String,
    /// What a person does next.
    pub hint: Option<String>,
}

/// What calls throw.
#[derive(Clone, Debug, thiserror::Error, uniffi::Error)]
#[allow(missing_docs, reason = "the one variant says it")]
pub enum TidelockException {
    #[error("{}", problem.text)]
    Failed { problem: Problem },
}

impl From<Error> for TidelockException {
    fn from(error: Error) -> Self {
        Self::Failed { problem: error.into() }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { kind: error.kind().to_string(), text: error.to_string(), hint }
    }
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
        match change {
            Change::Put { collection, key, value } => {
                Self::Put { collection: collection.into(), key, value: value.into() }
            }
            Change::Delete { collection, key } => Self::Delete { collection: collection.into(), key },
            Change::Append { collection, value } => Self::Append { collection: collection.into(), value: value.into() },
            Change::Import { collection, source, unix_ms, repeat, value } => {
                Self::Import { collection: collection.into(), source, unix_ms, repeat, value: value.into() }
            }
            Change::Resolve { collection, key, value } => {
                Self::Resolve { collection: collection.into(), key, value: value.map(Into::into) }
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
        let headers = headers.into_iter().map(|Header { name, value }| (name, value)).collect();
        Self { status, headers, body: body.into() }
    }
}

impl From<TransportFailure> for core::TransportFailure {
    fn from(failure: TransportFailure) -> Self {
        match failure {
            TransportFailure::Timeout => Self::Timeout,
            TransportFailure::Connect { text } => Self::Connect(text),
            TransportFailure::Tls { text } => Self::Tls(text),
            TransportFailure::Reset { text } => Self::Reset(text),
            TransportFailure::TooLong => Self::TooLong,
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
        let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        Self { id: id.0, method: method.as_str().to_owned(), url, headers, body: body.into(), max_response_bytes }
    }
}

impl From<core::UnsignedRequest> for UnsignedRequest {
    fn from(request: core::UnsignedRequest) -> Self {
        let core::UnsignedRequest { method, url, key, query, headers, body_bytes } = request;
        let pairs = |pairs: Vec<_>| pairs.into_iter().map(|(name, value)| Header { name, value }).collect();
        Self { method: method.as_str().to_owned(), url, key, query: pairs(query), headers: pairs(headers), body_bytes }
    }
}

impl From<SignedUrl> for core::SignedUrl {
    fn from(SignedUrl { url, headers, expires_s }: SignedUrl) -> Self {
        let headers = headers.into_iter().map(|Header { name, value }| (name, value)).collect();
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
            core::Output::Stretch(id, request) => {
                Self::Stretch { id: id.0, request: Arc::new(StretchRequest(request)) }
            }
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
                    core::Phase::Looking => Phase::Looking,
                    core::Phase::Pulling => Phase::Pulling,
                    core::Phase::Pushing => Phase::Pushing,
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
