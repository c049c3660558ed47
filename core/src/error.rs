//! What went wrong, on which object, whether trying again helps, and what a person does next.

use std::fmt;

/// What a caller would do differently; the same words in every language, kebab-case in [`fmt::Display`] and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input breaks a documented limit or form.
    Invalid,
    /// The store refused the credentials or the permission.
    Auth,
    /// The bucket, or an object that must exist, does not.
    NotFound,
    /// What was to be made is there already.
    AlreadyExists,
    /// The store asked for fewer requests; retries ran out.
    Throttled,
    /// No answer within the deadline; retries ran out.
    Timeout,
    /// The store could not be reached, or answered what no S3 server should; retries ran out.
    Network,
    /// An object, or the local store's content, fails its checks.
    Corrupt,
    /// Content does not have the hash it is named by.
    HashMismatch,
    /// The recovery code, passphrase or device key does not open the vault.
    WrongKey,
    /// The bucket shows an older state than it has shown before.
    RolledBack,
    /// Two copies of one device write to the vault.
    Forked,
    /// The vault's objects are gone from the bucket.
    Wiped,
    /// Another device of the vault revoked this one: it gets no new keys, and what it writes counts nowhere.
    Revoked,
    /// The device's clock is too far from the store's to sign requests.
    ClockSkew,
    /// The device's own store failed: full, read-only, locked or damaged.
    LocalStore,
    /// Another process is at it.
    Busy,
    /// The store, or this version, cannot do this.
    Unsupported,
    /// The caller cancelled.
    Cancelled,
    /// The vault or device is closed.
    Closed,
    /// A defect of Tidelock.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order above.
    pub const ALL: [Self; 21] = [
        Self::Invalid,
        Self::Auth,
        Self::NotFound,
        Self::AlreadyExists,
        Self::Throttled,
        Self::Timeout,
        Self::Network,
        Self::Corrupt,
        Self::HashMismatch,
        Self::WrongKey,
        Self::RolledBack,
        Self::Forked,
        Self::Wiped,
        Self::Revoked,
        Self::ClockSkew,
        Self::LocalStore,
        Self::Busy,
        Self::Unsupported,
        Self::Cancelled,
        Self::Closed,
        Self::Internal,
    ];
}

impl ErrorKind {
    /// The kind's name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Auth => "auth",
            Self::NotFound => "not-found",
            Self::AlreadyExists => "already-exists",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Corrupt => "corrupt",
            Self::HashMismatch => "hash-mismatch",
            Self::WrongKey => "wrong-key",
            Self::RolledBack => "rolled-back",
            Self::Forked => "forked",
            Self::Wiped => "wiped",
            Self::Revoked => "revoked",
            Self::ClockSkew => "clock-skew",
            Self::LocalStore => "local-store",
            Self::Busy => "busy",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The one error of every layer. It never holds a secret, a signed URL or a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    message: String,
    object: Option<String>,
    next_step: Option<String>,
    retry: bool,
}

impl Error {
    /// An error with what failed and why, in lower case and without a final period.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), object: None, next_step: None, retry: false }))
    }

    /// Names the object it happened on: a bucket key, a file, a record.
    #[must_use]
    pub fn on(mut self, object: impl Into<String>) -> Self {
        self.0.object = Some(object.into());
        self
    }

    /// Says what a person does next.
    #[must_use]
    pub fn next_step(mut self, step: impl Into<String>) -> Self {
        self.0.next_step = Some(step.into());
        self
    }

    /// Marks it as one where the same call, later, may succeed.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retry = true;
        self
    }

    /// What a caller decides by.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What failed and why.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The object it happened on.
    pub fn object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// What a person does next.
    pub fn hint(&self) -> Option<&str> {
        self.0.next_step.as_deref()
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retry
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind, self.0.message)?;
        if let Some(object) = &self.0.object {
            write!(f, ": `{object}`")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
