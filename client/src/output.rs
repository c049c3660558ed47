//! What a drain gives: what the platform does next, and what happened.

use crate::{Collection, Page, Problem, Request, UnsignedRequest};
use tidelock_core::{self as core, Outcome};

/// What the platform must do next, or may want to know. It has no `Debug`: one variant holds a secret.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[allow(missing_docs, reason = "the fields are the core's")]
pub enum Output {
    /// Send this request once.
    Send { request: Request },
    /// Stop this request; its answer is no longer wanted.
    Abort { id: u64 },
    /// Give [`Input::HaveCredentials`](crate::Input::HaveCredentials) or [`Input::NoCredentials`](crate::Input::NoCredentials).
    NeedCredentials,
    /// Have this request signed, then give [`Input::Presigned`](crate::Input::Presigned) or
    /// [`Input::NotPresigned`](crate::Input::NotPresigned).
    Presign { id: u64, request: UnsignedRequest },
    /// Store these pages in one transaction, then give [`Input::Persisted`](crate::Input::Persisted) or
    /// [`Input::NotPersisted`](crate::Input::NotPersisted).
    Persist { commit: u64, pages: Vec<Page> },
    /// Take the passphrase's stretching off the driver ([`Driver::take_stretch`](crate::Driver::take_stretch)), and run it
    /// where some tenths of a second disturb nobody.
    Stretch { id: u64 },
    /// An operation ended well: with a recovery code after a create or a replaced code, with a report after what synced.
    Finished { op: u64, recovery_code: Option<String>, report: Option<SyncReport> },
    /// An operation failed or was cancelled.
    Failed { op: u64, problem: Problem },
    /// Everything committed up to here survives power loss.
    Durable { commit: u64 },
    /// Records changed, by a write or a sync; `keys` by ascending order, none: more than 256.
    Changed { collection: Collection, keys: Option<Vec<String>> },
    /// How far the running operation is.
    Progressed { progress: Progress },
    /// Something a person should know, that ended nothing.
    Reported { problem: Problem },
}

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SyncReport {
    /// Foreign ops applied.
    pub ops_applied: u64,
    /// Own ops published.
    pub ops_published: u64,
    /// Things named in the bucket that could not be had yet; they are tried again later.
    pub debts: u64,
    /// What a person should know, each once.
    pub reports: Vec<Problem>,
}

/// How far the running operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Steps done.
    pub done: u64,
    /// Steps known to be needed.
    pub total: u64,
}

/// What a running operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Phase {
    /// Reading beacon and manifests.
    Looking,
    /// Fetching and merging.
    Pulling,
    /// Sealing and sending.
    Pushing,
}

impl From<core::Event> for Output {
    fn from(event: core::Event) -> Self {
        match event {
            core::Event::Finished(op, Ok(outcome)) => finished(op.0, outcome),
            core::Event::Finished(op, Err(error)) => Self::Failed { op: op.0, problem: error.into() },
            core::Event::Durable(commit) => Self::Durable { commit: commit.0 },
            core::Event::Changed { collection, keys } => Self::Changed { collection: collection.into(), keys },
            core::Event::Progress(progress) => Self::Progressed { progress: progress.into() },
            core::Event::Report(error) => Self::Reported { problem: error.into() },
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

impl From<core::SyncReport> for SyncReport {
    fn from(report: core::SyncReport) -> Self {
        let core::SyncReport { ops_applied, ops_published, debts, reports } = report;
        Self { ops_applied, ops_published, debts, reports: reports.into_iter().map(Into::into).collect() }
    }
}

impl From<core::Progress> for Progress {
    fn from(core::Progress { phase, done, total }: core::Progress) -> Self {
        let phase = match phase {
            core::Phase::Looking => Phase::Looking,
            core::Phase::Pulling => Phase::Pulling,
            core::Phase::Pushing => Phase::Pushing,
        };
        Self { phase, done, total }
    }
}
